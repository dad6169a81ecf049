//! Contradictions between settings, each found with its place.

use super::*;

const AUTHORITY: &str = r#"
    [[authority]]
    name = "operator"
    server_id = "dm.operator.example"
    integrity = "none"
    scopes = [{ uri = ".", rights = ["read", "write"] }]
"#;

fn findings(text: &str) -> Vec<String> {
    match Config::read("r.toml", text, &[]) {
        Ok(_) => Vec::new(),
        Err(super::super::ConfigError::Wrong { problems }) => {
            problems.into_iter().map(|problem| problem.key).collect()
        }
        Err(other) => vec![other.to_string()],
    }
}

#[test]
fn every_contradiction_is_reported_at_once_with_its_place() {
    let text = "[session]\nlife = \"1s\"\n[dispatch]\nretry_base = \"2h\"\n[http.admin]\nlisten = \"0.0.0.0:8081\"\n";
    assert_eq!(findings(text), ["http.admin.listen", "session.life", "dispatch.retry_cap"]);
    let said = Config::read("r.toml", text, &[]).unwrap_err().to_string();
    assert!(said.contains("r.toml:6: http.admin.listen: 0.0.0.0:8081 is not loopback"), "{said}");
    assert!(
        said.contains("r.toml:3: dispatch.retry_cap"),
        "an absent key is placed at its table: {said}"
    );
}

#[test]
fn an_authority_without_protection_needs_loopback_or_its_networks() {
    let open = "[http.devices]\nlisten = \"0.0.0.0:8080\"\npublic_url = \"http://dm.example\"\n";
    assert_eq!(findings(&format!("{open}{AUTHORITY}")), ["authority[0].networks"]);
    assert_eq!(
        findings(&format!("{open}{AUTHORITY}networks = [\"10.0.0.0/8\"]")),
        Vec::<String>::new()
    );
    assert_eq!(findings(AUTHORITY), Vec::<String>::new());
}

#[test]
fn protection_that_is_not_served_is_refused_not_ignored() {
    let of = |integrity: &str| AUTHORITY.replace("\"none\"", &format!("\"{integrity}\""));
    assert_eq!(findings(&of("tls")), ["authority[0].integrity"]);
    let open = "[http.devices]\nlisten = \"0.0.0.0:8080\"\npublic_url = \"http://dm.example\"\n";
    assert_eq!(findings(&format!("{open}{}", of("hmac"))), Vec::<String>::new());
    let silent = AUTHORITY.replace("integrity = \"none\"", "");
    assert_eq!(findings(&silent), ["authority[0].integrity"], "the default is protection");
}

#[test]
fn a_push_gateway_is_told_what_it_lacks() {
    let pap = |more: &str| findings(&format!("[[route]]\nkind = \"pap\"\nname = \"ppg\"\n{more}"));
    let whole = "urls = [\"http://ppg.example/\"]\nreceipts_token = \"0123456789abcdef\"\n";
    assert_eq!(pap(whole), Vec::<String>::new());
    assert_eq!(pap("urls = []"), ["route[0].urls", "route[0].receipts_token"]);
    for (more, wanted) in [
        ("user = \"me\"", "route[0].user"),
        ("password = \"secret\"", "route[0].user"),
        ("user = \"a:b\"\npassword = \"secret\"", "route[0].user"),
        ("connections = 0", "route[0].connections"),
        ("address = \"WAPPUSH=+4470/TYPE=PLMN@ppg\"", "route[0].address"),
        ("initiator = \"\"", "route[0].initiator"),
        ("content_type = \"a\\nb\"", "route[0].content_type"),
        ("receipts_url = \"ppg\"", "route[0].receipts_url"),
        ("receipts_token_file = \"/t\"", "route[0].receipts_token"),
    ] {
        assert_eq!(pap(&format!("{whole}{more}")), [wanted], "{more}");
    }
    assert_eq!(pap(&whole.replace("89abcdef", "")), ["route[0].receipts_token"]);
    assert_eq!(pap(&whole.replace("http://", "http://me:secret@")), ["route[0].urls"]);
    assert_eq!(pap("urls = [\"http://ppg.example/\"]\nreceipts = false"), Vec::<String>::new());
}

#[test]
fn the_condition_of_a_route_can_be_evaluated_and_its_fallback_exists() {
    let of = |text: &str| {
        let mut text = text.to_owned();
        for name in ["a", "b", "c"] {
            let route = format!("[[route]]\nkind = \"udp\"\nname = \"{name}\"\n");
            text = text.replace(&format!("[{name}]\n"), &route);
        }
        findings(&text)
    };
    let when = "when = 'model == \"RV-100\"'\n";
    assert_eq!(of(&format!("[a]\n{when}[b]\n")), Vec::<String>::new());
    assert_eq!(of("[a]\nfallback = [\"b\"]\n[b]\n"), Vec::<String>::new());
    assert_eq!(of("[a]\nfallback = [\"a\"]\n"), ["route[0].fallback"]);
    assert_eq!(of("[a]\nfallback = [\"x\"]\n"), ["route[0].fallback"]);
    for wrong in
        ["when = 'modl == 1'\n", "when = 'model'\n", "when = 'setting[\"./A\"] == \"1\"'\n"]
    {
        assert_eq!(of(&format!("[a]\n{wrong}[b]\n")), ["route[0].when"], "{wrong}");
    }
    let text =
        format!("[[route]]\nkind = \"udp\"\nname = \"a\"\n{}", when.replace("model", "modl"));
    let said = Config::read("r.toml", &text, &[]).unwrap_err().to_string();
    assert!(said.contains("r.toml:4: route[0].when: `modl` is not known"), "{said}");
}

#[test]
fn a_process_carries_on_routes_that_there_are_and_their_fallbacks() {
    let routes = "[[route]]\nkind = \"udp\"\nname = \"a\"\nfallback = [\"b\"]\n[[route]]\nkind = \"udp\"\nname = \"b\"\n";
    let of = |worker: &str| findings(&format!("{routes}[worker]\nroutes = {worker}"));
    assert_eq!(of("[\"a\", \"b\"]"), Vec::<String>::new());
    assert_eq!(of("[\"b\"]"), Vec::<String>::new());
    assert_eq!(of("[]"), Vec::<String>::new());
    assert_eq!(of("[\"c\"]"), ["worker.routes"]);
    assert_eq!(of("[\"a\"]"), ["worker.routes"], "nobody could stand in for it");
}

#[test]
fn two_authorities_share_neither_name_nor_server_id() {
    let other = AUTHORITY.replace("\".\"", "\"./Other\"").replace("\"write\"", "\"exec\"");
    assert!(
        findings(&format!("{AUTHORITY}{other}"))
            .starts_with(&["authority[1].name".into(), "authority[1].server_id".into()])
    );
    let long = AUTHORITY.replace("dm.operator.example", "dm.operator.example.longer");
    assert_eq!(findings(&long), ["authority[0].server_id"]);
}

/// Whoever writes one to name the users of the broker is told of all that the one without any had.
#[test]
fn an_authority_that_is_written_gets_nothing_of_the_one_that_is_there_without_any_in_silence() {
    let users = "[[authority]]\nname = \"operator\"\namqp_users = [{ user = \"billing\" }]\n";
    assert_eq!(
        findings(users),
        ["authority[0].server_id", "authority[0].integrity", "authority[0].scopes"]
    );
    let said = Config::read("r.toml", users, &[]).unwrap_err().to_string();
    let help = ["\"reveille.local\"", "integrity = ", "scopes = [{ uri = \".\""];
    assert!(help.iter().all(|help| said.contains(help)), "{said}");
}

/// R9.
#[test]
fn two_authorities_cannot_write_the_same_node() {
    let with_scope = |name: &str, uri: &str, right: &str| {
        format!(
            "[[authority]]\nname = \"{name}\"\nserver_id = \"{name}\"\nintegrity = \"none\"\n\
             scopes = [{{ uri = \"{uri}\", rights = [\"{right}\"] }}]\n"
        )
    };
    let pair = |one: &str, right: &str| {
        format!("{}{}", with_scope("a", "./AP", "write"), with_scope("b", one, right))
    };
    assert_eq!(findings(&pair("./AP/WAP", "write")), ["authority[1].scopes"]);
    assert_eq!(findings(&pair("./*", "admin")), ["authority[1].scopes"]);
    assert_eq!(findings(&pair("./AP", "read")), Vec::<String>::new());
    assert_eq!(findings(&pair("./ConnMO", "write")), Vec::<String>::new());
    assert_eq!(findings(&with_scope("a", "../x", "write")), ["authority[0].scopes[0].uri"]);
}

#[test]
fn a_route_has_a_name_of_its_own_and_a_limit() {
    let route = |name: &str, limit: u32| {
        format!("[[route]]\nkind = \"udp\"\nname = \"{name}\"\nper_second = {limit}\n")
    };
    assert_eq!(findings(&route("pull", 1)), ["route[0].name"]);
    assert_eq!(
        findings(&format!("{}{}", route("a", 1), route("a", 0))),
        ["route[1].name", "route[1].per_second"]
    );
}

#[test]
fn redis_needs_an_address_and_a_key_that_all_share() {
    let redis = |store: &str| {
        findings(&format!("[store]\nkind = \"redis\"\n{store}\n[vault]\nkey_file = \"k\"\n"))
    };
    assert_eq!(findings("[store]\nkind = \"redis\"\n"), ["store.urls", "vault.key_file"]);
    assert_eq!(redis("urls = [\"redis://h\"]"), Vec::<String>::new());
    assert_eq!(redis("urls = [\"rediss://h\"]\nurls_file = \"f\""), ["store.urls"]);
    assert_eq!(redis("urls = [\"http://h\"]"), ["store.urls[0]"]);
    assert_eq!(redis("urls = [\"redis://a\", \"redis://b\"]"), ["store.urls"]);
    assert_eq!(
        redis("urls = [\"redis://a\", \"redis://b\"]\ncluster = true"),
        Vec::<String>::new()
    );
    let both = "urls = [\"redis://a\"]\ncluster = true\nsentinel = { master = \"m\" }";
    assert_eq!(redis(both), ["store.sentinel"]);
}

#[test]
fn a_url_is_what_devices_can_call() {
    for right in ["http://127.0.0.1:8080", "https://dm.example/x"] {
        assert!(is_url(right), "{right}");
    }
    for wrong in [
        "",
        "dm.example",
        "ftp://x",
        "http://",
        "http:///x",
        "http://u@h",
        "http://h/?q",
        "http://h h",
    ] {
        assert!(!is_url(wrong), "{wrong}");
    }
}

#[test]
fn metrics_on_a_port_of_their_own_are_not_on_that_of_another() {
    let at = |port| format!("[telemetry]\nlisten = \"127.0.0.1:{port}\"\n");
    for taken in [8080, 8081] {
        assert_eq!(findings(&at(taken)), ["telemetry.listen"], "{taken}");
    }
    assert_eq!(findings(&at(9464)), Vec::<String>::new());
}

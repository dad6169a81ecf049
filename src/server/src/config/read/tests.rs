//! Reading: defaults, mistakes of form with their lines, the environment over the file.

use super::super::{Integrity, LogFormat, Route};
use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read("r.toml", text, &[])
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect::<Vec<_>>();
    Config::read("r.toml", text, &variables)
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn nothing_at_all_is_a_working_single_node() {
    let config = read("").unwrap();
    assert_eq!(config.http.devices.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.admin.listen.to_string(), "127.0.0.1:8081");
    assert!(
        matches!(&config.store, Store::Embedded { path, .. } if path == Path::new("reveille-data"))
    );
    assert_eq!(config.key_file(), Some(PathBuf::from("reveille-data/vault.key")));
    let authority = config.authority("operator").unwrap();
    assert_eq!(authority.server_id, "reveille.local");
    assert_eq!(authority.integrity, Integrity::None);
    assert_eq!(authority.url, "http://127.0.0.1:8080/dm/operator");
    assert!(
        authority.admits("127.0.0.1".parse().unwrap())
            && !authority.admits("10.0.0.1".parse().unwrap())
    );
    assert!(matches!(config.route("udp"), Some(Route::Udp { port: 2948, .. })));
}

#[test]
fn a_key_that_is_not_known_is_named_with_its_line_and_the_keys_that_are() {
    let said = refusal("[session]\nlife = \"1h\"\nlive = \"1h\"\n");
    assert!(said.starts_with("r.toml:3: session.live: unknown key `live`"), "{said}");
    assert!(said.contains("`life`") && said.contains("deploy/reveille.toml"), "{said}");
}

#[test]
fn a_stray_key_of_a_store_is_named_with_its_line_too() {
    let said = refusal("[store]\nkind = \"embedded\"\npth = \"x\"\n");
    assert!(said.starts_with("r.toml:3: store.pth: unknown key `pth`"), "{said}");
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_line() {
    let said = refusal("[http.devices]\n\nmax_connections = \"many\"\n");
    assert!(said.starts_with("r.toml:3: http.devices.max_connections: invalid type"), "{said}");
    let said = refusal("[session]\nlife = \"1 fortnight\"\n");
    assert!(
        said.starts_with(
            "r.toml:2: session.life: `1 fortnight`: `fortnight` is no unit of a duration"
        ),
        "{said}"
    );
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let said = refusal("[session]\nlife = \n");
    assert!(said.starts_with("r.toml:2: "), "{said}");
}

#[test]
fn the_environment_lies_over_the_file() {
    let config = read_with(
        "[telemetry]\nformat = \"text\"\n[[route]]\nkind = \"udp\"\nname = \"a\"\n",
        &[
            ("REVEILLE_TELEMETRY__FORMAT", "json"),
            ("REVEILLE_HTTP__DEVICES__LISTEN", "127.0.0.1:9000"),
            ("REVEILLE_HTTP__DEVICES__MAX_CONNECTIONS", "7"),
            ("REVEILLE_ROUTE__0__PER_SECOND", "50"),
            ("REVEILLE_URL", "http://127.0.0.1:1"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.telemetry.format, LogFormat::Json);
    assert_eq!(config.http.devices.listen.port(), 9000);
    assert_eq!(config.http.devices.max_connections, 7);
    assert_eq!(config.route("a").unwrap().per_second(), 50);
}

#[test]
fn a_mistake_in_the_environment_is_named_by_its_variable() {
    for (variable, value, key) in [
        ("REVEILLE_SESSION__LIVE", "1h", "session.live"),
        ("REVEILLE_HTTP__ADMIN__MAX_CONNECTIONS", "many", "http.admin.max_connections"),
        ("REVEILLE_HTTP__ADMIN__LISTEN", "0.0.0.0:8081", "http.admin.listen"),
        ("REVEILLE_ROUTE__3__NAME", "x", "route.3.name"),
    ] {
        let said =
            read_with("[session]\nlife = \"1h\"\n", &[(variable, value)]).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{variable}: {key}: ")), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/reveille.toml"))).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration /nowhere/reveille.toml");
}

/// What a file of a secret holds is held to the rules of the setting, and told of without the secret.
#[test]
fn a_secret_in_a_file_is_judged_like_one_in_the_settings() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("secret");
    let smpp = "[[route]]\nkind = \"smpp\"\nname = \"s\"\nhosts = [\"h:1\"]\nsystem_id = \"i\"\nsource = \"1\"\npassword_file = FILE";
    let pap = "[[route]]\nkind = \"pap\"\nname = \"p\"\nurls = [\"http://h/\"]\n";
    let token = format!("{pap}receipts_token_file = FILE");
    let password = format!("{pap}receipts = false\nuser = \"u\"\npassword_file = FILE");
    let redis = "[store]\nkind = \"redis\"\nurls_file = FILE\n[vault]\nkey_file = \"k\"";
    let broker =
        "[broker]\nkind = \"rabbitmq\"\nurl = \"amqp://h\"\nuser = \"u\"\npassword_file = FILE";
    let load = |settings: &str, secret: &str| {
        std::fs::write(&file, secret).unwrap();
        let config = home.path().join("reveille.toml");
        let path = format!("{:?}", file.display().to_string());
        std::fs::write(&config, settings.replace("FILE", &path)).unwrap();
        Config::load(Some(&config)).map(drop).map_err(|error| error.to_string())
    };
    let longest = "eight888";
    for (settings, secret, said) in [
        (smpp, "nine99999\n", "route[0].password: what its file holds is not at most 8 octets"),
        (smpp, "schlüss\n", "route[0].password: what its file holds is not at most 8 octets"),
        (
            token.as_str(),
            "short\n",
            "route[0].receipts_token: what its file holds is not 16 to 128",
        ),
        (redis, "http://h\n", "store.urls[0]: what its file holds does not begin with redis://"),
        (redis, "\n", "FILE: is empty (write the addresses"),
        (smpp, " \n", "FILE: is empty (write the secret"),
        (broker, "", "FILE: is empty (write the secret"),
        (password.as_str(), "one\ntwo\n", "FILE: holds more than one line"),
    ] {
        let refused = load(settings, secret).unwrap_err();
        let said = said.replace("FILE", &file.display().to_string());
        assert!(refused.starts_with(&said), "{refused}");
        assert!(secret.trim().is_empty() || !refused.contains(secret.trim()), "{refused}");
    }
    for settings in [smpp, password.as_str(), broker] {
        load(settings, &format!("{longest}\n")).unwrap();
    }
    load(&token, "0123456789abcdef\n").unwrap();
    load(redis, "redis://h\n").unwrap();
}

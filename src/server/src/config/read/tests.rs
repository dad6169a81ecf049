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

//! A server of a bench over a private Redis.

use loadtest::redis::Redis;
use server::config::Config;
use std::{os::unix::fs::PermissionsExt as _, path::Path};

/// The settings of a server over it that listens on free ports; `more` stands beside them.
pub(crate) fn settings(
    home: &Path,
    redis: &Redis,
    devices: u64,
    more: &str,
) -> anyhow::Result<Config> {
    let key = home.join("vault.key");
    std::fs::write(&key, format!("1 {}\n", "5e".repeat(32)))?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let text = format!(
        "[store]\nkind = \"redis\"\nurls = [\"{}\"]\nexpected_devices = {devices}\n\
         [vault]\nkey_file = \"{}\"\n[http.devices]\nlisten = \"127.0.0.1:0\"\n\
         [http.admin]\nlisten = \"127.0.0.1:0\"\n{more}",
        redis.url(),
        key.display()
    );
    Ok(Config::read("the bench's settings", &text, &[])?)
}

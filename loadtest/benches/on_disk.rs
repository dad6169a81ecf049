//! A server of a bench over the embedded store.

use server::config::Config;
use std::path::Path;

/// The settings of a server that listens on free ports; `more` stands beside them.
pub(crate) fn settings(home: &Path, more: &str) -> anyhow::Result<Config> {
    let text = format!(
        "[store]\nkind = \"embedded\"\npath = \"{}\"\n[http.devices]\nlisten = \"127.0.0.1:0\"\n\
         [http.admin]\nlisten = \"127.0.0.1:0\"\n{more}",
        home.join("data").display()
    );
    Ok(Config::read("the bench's settings", &text, &[])?)
}

//! Whether this process has the key that the deployment's secrets are sealed with (D13).

use crate::{
    rows::{Sealed, Stored},
    security::vault::{Binding, Purpose, Vault},
    store::{Key, Shard, Store, Table},
    update,
};
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Something known, sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeyCheck {
    sealed: Sealed,
}

impl Stored for KeyCheck {}

const KNOWN: &[u8] = b"reveille";

fn binding() -> Binding<'static> {
    Binding { purpose: Purpose::KeyCheck, authority: "", name: "key-check" }
}

/// Refuses a key file that does not open what the deployment has sealed. The first process of a deployment seals it; after a
/// rotation it is sealed anew.
pub(crate) async fn check(store: &dyn Store, vault: &Vault) -> anyhow::Result<()> {
    let shard = Shard::of(b"key-check");
    let key = Key { table: Table::Control, id: b"key-check".to_vec() };
    let mine = KeyCheck { sealed: vault.seal(&binding(), KNOWN)? };
    let (row, _) = update::update::<KeyCheck>(store, shard, &key, |row| match row {
        None => Some(mine.clone()),
        Some(row) if vault.open(&binding(), &row.sealed).is_err() => None,
        Some(row) => (!vault.is_current(&row.sealed)).then(|| mine.clone()),
    })
    .await
    .context("the key of the deployment cannot be looked at")?;
    let row = row.context("the key of the deployment cannot be looked at")?;
    vault.open(&binding(), &row.sealed).map(drop).context(
        "`vault.key_file` is not the key file of this deployment: its secrets were sealed with another key. Every process needs the same file",
    )
}

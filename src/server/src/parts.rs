//! The parts of a device's large object, a row a part, for as long as its session lives (D6). They are written with the
//! session, in one commit, and read once: when the last part has come.

use crate::{
    rows::DeviceId,
    store::{Change, Shard, Store, StoreError},
};
use session::{Part, Parts};
use std::time::Duration;

/// The most rows deleted with one message, so that a change stays within what a store takes; the others expire.
const MOST_DELETED: u16 = 96;

const _: () = assert!(Part::LONGEST <= crate::store::change::MOST_ROW_OCTETS);
const _: () = assert!((Part::MOST as usize) <= crate::store::change::MOST_KEYS);

/// The first so many parts, in their order. What has expired is missing, and the session notices that.
pub(crate) async fn read(
    store: &dyn Store,
    shard: Shard,
    id: &DeviceId,
    wanted: u16,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys: Vec<_> = (0..wanted).map(|number| id.part_key(number)).collect();
    let rows = store.read(shard, &keys).await?;
    Ok(rows.into_iter().flatten().map(|row| row.bytes.to_vec()).collect())
}

/// Adds to a change what becomes of the parts; a part is kept for `life`.
pub(crate) fn keep(change: Change, id: &DeviceId, parts: Parts, life: Duration) -> Change {
    let Parts { done, keep } = parts;
    let deleted = (0..done.min(MOST_DELETED)).map(|number| id.part_key(number));
    let change = deleted.fold(change, Change::delete);
    match keep {
        Some(Part { number, octets }) => change.put_for(id.part_key(number), octets, life),
        None => change,
    }
}

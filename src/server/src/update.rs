//! Changing one row: read, decide, write if nobody was faster, else decide again.

use crate::{
    rows::{RowError, Stored},
    store::{Change, Guard, Key, Shard, Store, StoreError, Verdict},
};

use std::time::Duration;

/// How often a row is decided anew before the caller is told that it is too busy.
const TRIES: usize = 32;

/// Why a row was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    /// Others kept changing it.
    #[error("a row was changed by others {TRIES} times in a row")]
    Contended,
}

/// Reads one row.
pub(crate) async fn load<R: Stored>(
    store: &dyn Store,
    shard: Shard,
    key: &Key,
) -> Result<Option<(R, u64)>, UpdateError> {
    let rows = store.read(shard, std::slice::from_ref(key)).await?;
    match rows.into_iter().next().flatten() {
        Some(row) => Ok(Some((R::from_octets(&row.bytes)?, row.revision))),
        None => Ok(None),
    }
}

/// Changes one row by `decide`, which sees the row as it is (or none) and answers what it becomes, or `None` to leave
/// it. Answers the row as it stands afterwards, and whether this call changed it.
pub(crate) async fn update<R: Stored + Clone>(
    store: &dyn Store,
    shard: Shard,
    key: &Key,
    mut decide: impl FnMut(Option<&R>) -> Option<R>,
) -> Result<(Option<R>, bool), UpdateError> {
    for attempt in 0..TRIES {
        pause(attempt).await;
        let found = load::<R>(store, shard, key).await?;
        let Some(new) = decide(found.as_ref().map(|(row, _)| row)) else {
            return Ok((found.map(|(row, _)| row), false));
        };
        let guard = match &found {
            Some((_, revision)) => Guard::Is(key.clone(), *revision),
            None => Guard::Absent(key.clone()),
        };
        let change = Change::new().guard(guard).put(key.clone(), new.to_octets());
        if store.commit(shard, vec![change]).await?.first() == Some(&Verdict::Done) {
            return Ok((Some(new), true));
        }
    }
    Err(UpdateError::Contended)
}

/// Two that decide in step would conflict for ever: after the first tries each waits a random moment, longer each time.
async fn pause(attempt: usize) {
    let most = attempt.saturating_sub(1) as u64 * 500;
    if most > 0 {
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..most))).await;
    }
}

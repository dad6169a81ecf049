//! Changing one row: read, decide, write if nobody was faster, else decide again.

use crate::{
    rows::{RowError, Stored},
    store::{Change, Guard, Key, Shard, Store, StoreError, Table, Verdict},
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
    update_beside(store, shard, key, None, |found| {
        decide(found.map(|(row, _)| row)).map(|row| (row, Change::new()))
    })
    .await
}

/// [`update`], where `decide` also sees the row's revision and answers what else of the shard is written in the same
/// change. With a `message`, its mark is written too, and a message whose mark is there changes nothing.
pub(crate) async fn update_beside<R: Stored + Clone>(
    store: &dyn Store,
    shard: Shard,
    key: &Key,
    message: Option<&MessageId>,
    mut decide: impl FnMut(Option<(&R, u64)>) -> Option<(R, Change)>,
) -> Result<(Option<R>, bool), UpdateError> {
    let keys: Vec<Key> = [key.clone()].into_iter().chain(message.map(MessageId::mark)).collect();
    for attempt in 0..TRIES {
        pause(attempt).await;
        let mut rows = store.read(shard, &keys).await?.into_iter();
        let found = match rows.next().flatten() {
            Some(row) => Some((R::from_octets(&row.bytes)?, row.revision)),
            None => None,
        };
        let marked = rows.next().flatten().is_some();
        let new = match &found {
            _ if marked => None,
            Some((row, revision)) => decide(Some((row, *revision))),
            None => decide(None),
        };
        let changes = new.is_some();
        let (row, change) = match new {
            Some((row, change)) => {
                let octets = row.to_octets();
                (Some(row), change.put(key.clone(), octets))
            }
            None if marked || message.is_none() || found.is_none() => {
                return Ok((found.map(|(row, _)| row), false));
            }
            // It asked for what is so already: that it asked is remembered all the same.
            None => (found.as_ref().map(|(row, _)| row.clone()), Change::new()),
        };
        let change = change.guard(match &found {
            Some((_, revision)) => Guard::Is(key.clone(), *revision),
            None => Guard::Absent(key.clone()),
        });
        let change = match message {
            Some(message) => message.marked(change),
            None => change,
        };
        if store.commit(shard, vec![change]).await?.first() == Some(&Verdict::Done) {
            return Ok((row, changes));
        }
    }
    Err(UpdateError::Contended)
}

/// The id that a sender gave its message, within an authority: the same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId {
    authority: String,
    id: String,
}

impl MessageId {
    /// How long a message is remembered after it was taken.
    const KEEP: Duration = Duration::from_hours(7 * 24);

    pub fn new(authority: impl Into<String>, id: impl Into<String>) -> Self {
        Self { authority: authority.into(), id: id.into() }
    }

    /// The row that says that the message was taken. It stands in the shard of what the message is about, so that it is
    /// written in the change that the message makes.
    pub(crate) fn mark(&self) -> Key {
        let mut id = vec![MARK];
        id.extend_from_slice(self.authority.as_bytes());
        id.push(0);
        id.extend_from_slice(self.id.as_bytes());
        Key::new(Table::Lookup, id)
    }

    /// The change, done only if the message was not taken before.
    pub(crate) fn marked(&self, change: Change) -> Change {
        let mark = self.mark();
        change.guard(Guard::Absent(mark.clone())).put_for(mark, [1], Self::KEEP)
    }
}

/// What keys of marks begin with: no look-up of a number does, since those begin with an authority.
const MARK: u8 = 1;

/// Two that decide in step would conflict for ever: after the first tries each waits a random moment, longer each time.
async fn pause(attempt: usize) {
    let most = attempt.saturating_sub(1) as u64 * 500;
    if most > 0 {
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..most))).await;
    }
}

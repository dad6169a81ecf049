//! Takes expired rows off the disk, little by little, behind everything else.
//!
//! A row is invisible from the instant it expires; this only gives its space back. Each row with an expiry, but for
//! sessions and answers (see `filter`), left a note under the minute at which it is gone.

use std::ops::Bound;
use std::time::Duration;

use fjall::UserKey;

use crate::store::StoreError;

use super::Inner;
use super::inbox::Work;
use super::layout::{self, Space};

/// How often it looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Rows swept in one piece of work.
const STEP: usize = 256;
/// How long after its minute a note is swept: no commit is under way for as long, so no note appears behind the sweep.
const DELAY_MS: u64 = 60_000;
/// An instant at least this young is always on disk, so that the time told after a restart goes on from there.
const CLOCK_STORED_EVERY: Duration = Duration::from_secs(10);

/// Sweeps until the inbox is closed.
pub(super) fn run(inner: &Inner) {
    let mut from = Vec::new();
    while inner.inbox.is_open_after(PAUSE) && !inner.is_poisoned() {
        if let Err(error) = sweep(inner, &mut from, inner.clock.now().saturating_sub(DELAY_MS)) {
            tracing::warn!(%error, "expired rows could not be swept");
        }
        if inner.clock.since_stored() >= CLOCK_STORED_EVERY {
            drop(inner.inbox.ask_from_thread(Work::Sweep(Vec::new())));
        }
    }
}

/// Sweeps what is noted from `from` up to `until`, and moves `from` behind it.
///
/// Starting where the last sweep ended spares walking over everything that was swept before.
pub(super) fn sweep(inner: &Inner, from: &mut Vec<u8>, until: u64) -> Result<(), StoreError> {
    loop {
        let notes = due(inner, from, until)?;
        let Some(last) = notes.last() else { return Ok(()) };
        let mut behind = last.to_vec();
        behind.push(0);
        let is_last = notes.len() < STEP;
        match inner.inbox.ask_from_thread(Work::Sweep(notes)) {
            Some(answer) => drop(answer?),
            // The writer is busy: the rows can wait.
            None => return Ok(()),
        }
        *from = behind;
        if is_last {
            return Ok(());
        }
    }
}

fn due(inner: &Inner, from: &[u8], until: u64) -> Result<Vec<UserKey>, StoreError> {
    let snapshot = inner.snapshot()?;
    let mut notes = Vec::new();
    for pair in inner.walk(&snapshot, Space::Expiry, Bound::Included(from.to_vec()), &[]).take(STEP)
    {
        let (note, _) = pair?;
        if layout::expiry_instant(&note)? > until {
            break;
        }
        notes.push(note);
    }
    Ok(notes)
}

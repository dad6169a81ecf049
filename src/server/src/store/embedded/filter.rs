//! Lets expired sessions and answers fall out when fjall rewrites its files.
//!
//! They are the most written rows and all expire soon, so no note is kept of them (see `sweep`): the rewriting that
//! goes on under constant writes is sweep enough. An expired row counts as absent in every read, and time never goes
//! backwards, so whether it is still there makes no difference to anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict as Fate,
};

use super::layout::Stored;

/// Makes filters that drop rows which expired before the latest instant that was written.
pub(super) struct Expired {
    pub(super) latest: Arc<AtomicU64>,
}

impl Factory for Expired {
    #[expect(clippy::unnecessary_literal_bound, reason = "the trait says so")]
    fn name(&self) -> &str {
        "expired"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(ExpiredBefore(self.latest.load(Ordering::Relaxed)))
    }
}

struct ExpiredBefore(u64);

impl CompactionFilter for ExpiredBefore {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        // What cannot be read stays as it is, for whoever reads it to report.
        Ok(match Stored::read(&item.value()?, self.0) {
            Ok(None) => Fate::Remove,
            Ok(Some(_)) | Err(_) => Fate::Keep,
        })
    }
}

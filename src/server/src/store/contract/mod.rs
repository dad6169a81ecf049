//! What every backend promises, as tests: [`promises`] makes one test of each sentence for a backend.

mod others;
mod queues;
mod rows;

use std::sync::Arc;
use std::time::Duration;

pub(super) use others::*;
pub(super) use queues::*;
pub(super) use rows::*;

use super::{Change, Claimed, Key, Row, Shard, Store, Table, Verdict};

/// Makes a test of every promise; `$open` gives a fresh store, and what keeps it alive.
macro_rules! promises {
    ($open:expr => $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (store, _alive) = $open;
            $crate::store::contract::$promise(store).await;
        }
    )*};
    ($open:expr) => {
        $crate::store::contract::every_promise! { promises $open }
    };
}
pub(super) use promises;

/// Holds every promise in turn, where starting servers for each would take too long; `$open` gives a fresh store.
macro_rules! holds {
    ($open:expr => $($promise:ident)*) => {$(
        println!("{}", stringify!($promise));
        $crate::store::contract::$promise($open).await;
    )*};
    ($open:expr) => {
        $crate::store::contract::every_promise! { holds $open }
    };
}
pub(super) use holds;

/// The list of all promises, for one of the macros above.
macro_rules! every_promise {
    ($make:ident $open:expr) => {
        $crate::store::contract::$make! { $open =>
            time_never_goes_backwards
            a_row_reads_back_as_it_was_written
            rows_come_in_the_order_of_the_keys
            any_octets_make_an_id
            shards_and_tables_keep_apart
            a_guard_holds_for_the_revision_that_was_read_and_no_other
            a_guard_on_absence_holds_only_while_there_is_no_row
            a_refused_change_leaves_no_trace
            each_change_of_a_commit_is_answered_for_itself
            a_change_alone_tells_the_revisions_of_the_rows_it_put
            a_later_change_sees_what_an_earlier_one_did
            within_a_change_deletes_come_before_puts
            a_revision_never_repeats_even_after_a_delete
            of_many_racing_writers_one_wins
            a_change_that_is_only_guards_answers_whether_they_hold
            additions_from_many_callers_add_up
            counters_keep_apart_by_set_and_shard
            members_are_claimed_in_the_order_they_are_due
            what_is_not_due_is_not_claimed
            a_claim_takes_no_more_than_asked
            queues_are_claimed_in_the_order_given
            a_claimed_member_is_hidden_and_comes_back_when_its_lease_ends
            a_member_that_was_removed_is_never_claimed
            a_put_moves_a_member_and_ends_its_lease
            a_member_put_earlier_than_those_already_claimed_is_found
            two_claimers_never_hold_the_same_member
            a_queue_that_fills_while_it_is_claimed_loses_nothing
            a_look_at_queues_tells_the_earliest_due_member_that_nobody_holds
            events_come_in_the_order_of_their_commits
            events_can_be_read_in_parts
            trimmed_events_are_gone_and_their_ids_are_not_given_again
            a_scan_meets_every_row_while_others_are_written
            a_scan_refuses_tables_of_short_lived_rows
            a_row_expires
            an_expired_row_counts_as_absent
            writing_a_row_again_sets_a_new_expiry
            what_is_beyond_a_limit_is_refused_with_the_limit
            an_empty_commit_does_nothing
            calls_are_counted
        }
    };
}
pub(super) use every_promise;

pub(super) type Shared = Arc<dyn Store>;

pub(super) fn shard() -> Shard {
    Shard::from(7)
}

pub(super) fn key(id: &str) -> Key {
    Key::new(Table::Device, id)
}

pub(super) async fn read(store: &Shared, key: &Key) -> Option<Row> {
    store.read(shard(), std::slice::from_ref(key)).await.unwrap().pop().unwrap()
}

pub(super) async fn commit(store: &Shared, change: Change) -> Verdict {
    store.commit(shard(), vec![change]).await.unwrap().pop().unwrap()
}

pub(super) async fn claim(store: &Shared, queue: &str, most: usize) -> Vec<Claimed> {
    store.claim(shard(), &[queue.into()], most, Duration::from_mins(10)).await.unwrap()
}

pub(super) fn members(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| std::str::from_utf8(&claimed.member).unwrap()).collect()
}

/// Asks again and again until the answer is there; fails after a time that no healthy store needs.
pub(super) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answered = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    });
    answered.await.expect("the state comes about")
}

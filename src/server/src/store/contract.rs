//! What every backend promises, as tests: [`promises`] makes one test of each sentence for a backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::change::{
    MOST_CHANGES, MOST_ID_OCTETS, MOST_KEYS, MOST_NAME_OCTETS, MOST_PARTS, MOST_ROW_OCTETS,
};
use super::{
    Change, Claimed, EventId, Key, NEVER, QueueName, Row, Shard, Store, StoreError, Table, Verdict,
};

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
        $crate::store::contract::promises! { $open =>
            time_never_goes_backwards
            a_row_reads_back_as_it_was_written
            rows_come_in_the_order_of_the_keys
            any_octets_make_an_id
            shards_and_tables_keep_apart
            a_guard_holds_for_the_revision_that_was_read_and_no_other
            a_guard_on_absence_holds_only_while_there_is_no_row
            a_refused_change_leaves_no_trace
            each_change_of_a_commit_is_answered_for_itself
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
pub(super) use promises;

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

async fn revision(store: &Shared, key: &Key) -> u64 {
    read(store, key).await.expect("the row is there").revision
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
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
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

pub(super) async fn time_never_goes_backwards(store: Shared) {
    let mut last = store.now().await.unwrap();
    for _ in 0..100 {
        let now = store.now().await.unwrap();
        assert!(now >= last);
        last = now;
    }
    assert!(last.0 > 1_600_000_000_000, "milliseconds since 1970");
}

pub(super) async fn a_row_reads_back_as_it_was_written(store: Shared) {
    for table in Table::ALL {
        let key = Key::new(table, "a");
        assert_eq!(read(&store, &key).await, None);
        assert_eq!(
            commit(&store, Change::new().put(key.clone(), "octets \0 of it")).await,
            Verdict::Done
        );
        let row = read(&store, &key).await.unwrap();
        assert_eq!(row.bytes, Bytes::from("octets \0 of it"));
        assert!(row.revision > 0);
        commit(&store, Change::new().put(key.clone(), "")).await;
        assert_eq!(read(&store, &key).await.unwrap().bytes, Bytes::new());
    }
}

pub(super) async fn rows_come_in_the_order_of_the_keys(store: Shared) {
    let keys = ["c", "a", "missing", "b", "a"].map(key);
    commit(&store, Change::new().put(key("a"), "1").put(key("b"), "2").put(key("c"), "3")).await;
    let rows = store.read(shard(), &keys).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.bytes.as_ref())).collect();
    assert_eq!(found, [Some(&b"3"[..]), Some(b"1"), None, Some(b"2"), Some(b"1")]);
    assert_eq!(store.read(shard(), &[]).await.unwrap(), []);
}

pub(super) async fn any_octets_make_an_id(store: Shared) {
    let ids = [&b"\0"[..], b"\0\0", b"\xff", b"{}", b"{x}:", b"a\r\nb", &[0xAB; MOST_ID_OCTETS]];
    for (number, id) in ids.iter().enumerate() {
        let change = Change::new().put(Key::new(Table::Lookup, *id), number.to_string());
        assert_eq!(
            commit(&store, change.queue_put("q".into(), *id, number as u64)).await,
            Verdict::Done
        );
    }
    for (number, id) in ids.iter().enumerate() {
        let row = read(&store, &Key::new(Table::Lookup, *id)).await.unwrap();
        assert_eq!(row.bytes, number.to_string().as_bytes());
    }
    let claimed = claim(&store, "q", 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.member.as_slice()).collect::<Vec<_>>(), ids);
}

pub(super) async fn shards_and_tables_keep_apart(store: Shared) {
    let change = Change::new().put(key("a"), "here").queue_put("q".into(), "a", 1).event("here");
    assert_eq!(commit(&store, change).await, Verdict::Done);
    for other in [0, 6, 8, 255].map(Shard::from) {
        assert_eq!(store.read(other, &[key("a")]).await.unwrap(), [None]);
        assert_eq!(store.claim(other, &["q".into()], 9, Duration::from_secs(1)).await.unwrap(), []);
        assert_eq!(store.events(other, EventId(0), 9).await.unwrap(), []);
        assert_eq!(store.scan(other, Table::Device, None, 1000).await.unwrap().rows, []);
    }
    assert_eq!(read(&store, &Key::new(Table::Result, "a")).await, None);
    assert_eq!(claim(&store, "q", 9).await.len(), 1);
}

pub(super) async fn a_guard_holds_for_the_revision_that_was_read_and_no_other(store: Shared) {
    for table in [Table::Device, Table::Session] {
        let key = Key::new(table, "a");
        assert_eq!(
            commit(&store, Change::new().if_is(key.clone(), 1).put(key.clone(), "x")).await,
            Verdict::Conflict
        );
        commit(&store, Change::new().put(key.clone(), "1")).await;
        let first = revision(&store, &key).await;
        for wrong in [0, first - 1, first + 1, u64::MAX] {
            let change = Change::new().if_is(key.clone(), wrong).put(key.clone(), "wrong");
            assert_eq!(
                commit(&store, change).await,
                Verdict::Conflict,
                "revision {wrong}, where {first} is stored"
            );
        }
        let change = Change::new().if_is(key.clone(), first).put(key.clone(), "2");
        assert_eq!(commit(&store, change.clone()).await, Verdict::Done);
        assert_eq!(commit(&store, change).await, Verdict::Conflict);
        assert_eq!(read(&store, &key).await.unwrap().bytes, Bytes::from("2"));
    }
}

pub(super) async fn a_guard_on_absence_holds_only_while_there_is_no_row(store: Shared) {
    for table in [Table::Result, Table::Answer] {
        let key = Key::new(table, "a");
        let change = Change::new().if_absent(key.clone()).put(key.clone(), "1");
        assert_eq!(commit(&store, change.clone()).await, Verdict::Done);
        assert_eq!(commit(&store, change.clone()).await, Verdict::Conflict);
        commit(&store, Change::new().delete(key.clone())).await;
        assert_eq!(commit(&store, change).await, Verdict::Done);
    }
}

pub(super) async fn a_refused_change_leaves_no_trace(store: Shared) {
    let (kept, gone) = (key("kept"), key("gone"));
    commit(&store, Change::new().put(kept.clone(), "1").queue_put("q".into(), "stays", 1)).await;
    let before = revision(&store, &kept).await;
    let change = Change::new()
        .if_is(kept.clone(), before)
        .if_absent(gone.clone())
        .if_is(gone.clone(), 5)
        .put(gone.clone(), "2")
        .put(Key::new(Table::Session, "s"), "2")
        .delete(kept.clone())
        .add(1, "f", 5)
        .queue_put("q".into(), "m", 1)
        .queue_remove("q".into(), "stays")
        .event("e");
    assert_eq!(commit(&store, change).await, Verdict::Conflict);
    assert_eq!(revision(&store, &kept).await, before);
    assert_eq!(read(&store, &gone).await, None);
    assert_eq!(read(&store, &Key::new(Table::Session, "s")).await, None);
    assert_eq!(store.counters(shard(), 1).await.unwrap(), []);
    assert_eq!(members(&claim(&store, "q", 9).await), ["stays"]);
    assert_eq!(store.events(shard(), EventId(0), 9).await.unwrap(), []);
}

pub(super) async fn each_change_of_a_commit_is_answered_for_itself(store: Shared) {
    commit(&store, Change::new().put(key("b"), "old")).await;
    let change = |id: &str| Change::new().if_absent(key(id)).put(key(id), "new").event(id);
    let verdicts =
        store.commit(shard(), vec![change("a"), change("b"), change("c")]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Done, Verdict::Conflict, Verdict::Done]);
    let rows = store.read(shard(), &["a", "b", "c"].map(key)).await.unwrap();
    let found: Vec<_> = rows.into_iter().map(|row| row.unwrap().bytes).collect();
    assert_eq!(found, [Bytes::from("new"), Bytes::from("old"), Bytes::from("new")]);
    let events = store.events(shard(), EventId(0), 9).await.unwrap();
    assert_eq!(events.iter().map(|(_, event)| event.as_ref()).collect::<Vec<_>>(), [b"a", b"c"]);
}

pub(super) async fn a_later_change_sees_what_an_earlier_one_did(store: Shared) {
    let first = Change::new().if_absent(key("a")).put(key("a"), "1").add(1, "f", 1).queue_put(
        "q".into(),
        "m",
        5,
    );
    let second = Change::new().if_absent(key("a")).put(key("a"), "2").add(1, "f", 10);
    let third = Change::new().delete(key("a")).queue_remove("q".into(), "m");
    let fourth = Change::new().if_absent(key("a")).put(key("a"), "4").add(1, "f", 100);
    let verdicts = store.commit(shard(), vec![first, second, third, fourth]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Done, Verdict::Conflict, Verdict::Done, Verdict::Done]);
    assert_eq!(read(&store, &key("a")).await.unwrap().bytes, Bytes::from("4"));
    assert_eq!(store.counters(shard(), 1).await.unwrap(), [("f".to_owned(), 101)]);
    assert_eq!(claim(&store, "q", 9).await, []);
}

pub(super) async fn within_a_change_deletes_come_before_puts(store: Shared) {
    let change = Change::new()
        .put(key("a"), "1")
        .put(key("a"), "2")
        .delete(key("a"))
        .delete(key("never there"));
    assert_eq!(commit(&store, change).await, Verdict::Done);
    assert_eq!(read(&store, &key("a")).await.unwrap().bytes, Bytes::from("2"));
}

pub(super) async fn a_revision_never_repeats_even_after_a_delete(store: Shared) {
    for key in [key("a"), Key::new(Table::Session, "a")] {
        let mut seen = 0;
        for _ in 0..20 {
            commit(&store, Change::new().put(key.clone(), "x")).await;
            let revision = revision(&store, &key).await;
            assert!(revision > seen);
            seen = revision;
            commit(&store, Change::new().delete(key.clone())).await;
        }
    }
}

pub(super) async fn of_many_racing_writers_one_wins(store: Shared) {
    for round in 0..10 {
        let id = key(&format!("round {round}"));
        commit(&store, Change::new().put(id.clone(), "start")).await;
        let seen = revision(&store, &id).await;
        let racers: Vec<_> = (0..16)
            .map(|racer: u8| {
                let (store, id) = (Arc::clone(&store), id.clone());
                tokio::spawn(async move {
                    let change = Change::new()
                        .if_is(id.clone(), seen)
                        .put(id, vec![racer])
                        .add(9, "wins", 1);
                    (commit(&store, change).await == Verdict::Done).then_some(racer)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(read(&store, &id).await.unwrap().bytes.as_ref(), winners);
    }
    assert_eq!(store.counters(shard(), 9).await.unwrap(), [("wins".to_owned(), 10)]);
}

pub(super) async fn a_change_that_is_only_guards_answers_whether_they_hold(store: Shared) {
    assert_eq!(commit(&store, Change::new().if_absent(key("a"))).await, Verdict::Done);
    assert_eq!(commit(&store, Change::new().if_is(key("a"), 1)).await, Verdict::Conflict);
}

pub(super) async fn additions_from_many_callers_add_up(store: Shared) {
    let callers: Vec<_> = (0..8)
        .map(|caller: i64| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..25 {
                    let change =
                        Change::new().add(1, "up", caller).add(1, "down", -1).add(1, "down", -1);
                    assert_eq!(commit(&store, change).await, Verdict::Done);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let counters: BTreeMap<_, _> = store.counters(shard(), 1).await.unwrap().into_iter().collect();
    assert_eq!(
        counters,
        BTreeMap::from([("up".to_owned(), 28 * 25), ("down".to_owned(), -2 * 8 * 25)])
    );
}

pub(super) async fn counters_keep_apart_by_set_and_shard(store: Shared) {
    commit(&store, Change::new().add(1, "f", 1).add(2, "f", 2).add(256, "f", 3).add(1, "ff", 4))
        .await;
    let mut counters = store.counters(shard(), 1).await.unwrap();
    counters.sort();
    assert_eq!(counters, [("f".to_owned(), 1), ("ff".to_owned(), 4)]);
    assert_eq!(store.counters(shard(), 256).await.unwrap(), [("f".to_owned(), 3)]);
    assert_eq!(store.counters(shard(), 3).await.unwrap(), []);
    assert_eq!(store.counters(Shard::from(8), 1).await.unwrap(), []);
}

async fn put_members(store: &Shared, queue: &str, members: &[(&str, u64)]) {
    let change = members
        .iter()
        .fold(Change::new(), |change, (member, due)| change.queue_put(queue.into(), *member, *due));
    assert_eq!(commit(store, change).await, Verdict::Done);
}

pub(super) async fn members_are_claimed_in_the_order_they_are_due(store: Shared) {
    put_members(&store, "q", &[("third", 300), ("first", 1), ("fourth", 70_000), ("second", 20)])
        .await;
    let claimed = claim(&store, "q", 9).await;
    assert_eq!(members(&claimed), ["first", "second", "third", "fourth"]);
    assert_eq!(claimed.iter().map(|claimed| claimed.due).collect::<Vec<_>>(), [1, 20, 300, 70_000]);
    assert!(claimed.iter().all(|claimed| claimed.queue.as_str() == "q"));
}

pub(super) async fn what_is_not_due_is_not_claimed(store: Shared) {
    let now = store.now().await.unwrap().0;
    put_members(
        &store,
        "q",
        &[("later", now + 600_000), ("never", NEVER), ("never ever", u64::MAX)],
    )
    .await;
    assert_eq!(claim(&store, "q", 9).await, []);
    put_members(&store, "q", &[("soon", now + 30), ("now", now)]).await;
    let mut found = Vec::new();
    until(async || {
        found.extend(claim(&store, "q", 9).await);
        (found.len() >= 2).then_some(())
    })
    .await;
    assert_eq!(members(&found), ["now", "soon"]);
    assert!(store.now().await.unwrap().0 >= now + 30);
    assert_eq!(claim(&store, "q", 9).await, []);
}

pub(super) async fn a_claim_takes_no_more_than_asked(store: Shared) {
    put_members(&store, "q", &[("a", 1), ("b", 2), ("c", 3)]).await;
    assert_eq!(claim(&store, "q", 0).await, []);
    assert_eq!(members(&claim(&store, "q", 2).await), ["a", "b"]);
    assert_eq!(members(&claim(&store, "q", 2).await), ["c"]);
    assert_eq!(claim(&store, "q", 2).await, []);
}

pub(super) async fn queues_are_claimed_in_the_order_given(store: Shared) {
    put_members(&store, "q:care", &[("care", 9)]).await;
    put_members(&store, "q:mass", &[("mass 1", 1), ("mass 2", 2)]).await;
    put_members(&store, "q:mass:2", &[("other", 1)]).await;
    let queues = ["q:care", "q:empty", "q:mass"].map(QueueName::from);
    let claimed = store.claim(shard(), &queues, 2, Duration::from_mins(10)).await.unwrap();
    assert_eq!(members(&claimed), ["care", "mass 1"]);
    assert_eq!(
        claimed.iter().map(|claimed| claimed.queue.as_str()).collect::<Vec<_>>(),
        ["q:care", "q:mass"]
    );
    let rest = store.claim(shard(), &queues, 9, Duration::from_mins(10)).await.unwrap();
    assert_eq!(members(&rest), ["mass 2"]);
}

pub(super) async fn a_claimed_member_is_hidden_and_comes_back_when_its_lease_ends(store: Shared) {
    put_members(&store, "q", &[("a", 1), ("b", 2)]).await;
    let before = store.now().await.unwrap().0;
    let lease = Duration::from_millis(60);
    assert_eq!(members(&store.claim(shard(), &["q".into()], 1, lease).await.unwrap()), ["a"]);
    assert_eq!(members(&claim(&store, "q", 9).await), ["b"], "b is kept for long");
    let back =
        until(async || Some(claim(&store, "q", 9).await).filter(|claimed| !claimed.is_empty()))
            .await;
    assert_eq!(members(&back), ["a"]);
    assert!(store.now().await.unwrap().0 >= before + 60, "it came back before its lease ended");
    assert_eq!(claim(&store, "q", 9).await, []);
}

pub(super) async fn a_member_that_was_removed_is_never_claimed(store: Shared) {
    put_members(&store, "q", &[("a", 1), ("b", 2), ("c", 3)]).await;
    commit(
        &store,
        Change::new().queue_remove("q".into(), "b").queue_remove("q".into(), "never there"),
    )
    .await;
    let lease = Duration::from_millis(1);
    assert_eq!(members(&store.claim(shard(), &["q".into()], 1, lease).await.unwrap()), ["a"]);
    commit(&store, Change::new().queue_remove("q".into(), "a")).await;
    let ended = store.now().await.unwrap().0 + 5;
    until(async || (store.now().await.unwrap().0 > ended).then_some(())).await;
    assert_eq!(
        members(&claim(&store, "q", 9).await),
        ["c"],
        "a lease that ended must not bring a back"
    );
}

pub(super) async fn a_put_moves_a_member_and_ends_its_lease(store: Shared) {
    let now = store.now().await.unwrap().0;
    put_members(&store, "q", &[("a", 1), ("b", 2), ("c", 3), ("d", now + 600_000)]).await;
    assert_eq!(members(&claim(&store, "q", 2).await), ["a", "b"]);
    put_members(&store, "q", &[("a", 1), ("b", now + 600_000), ("c", 5), ("d", 4)]).await;
    let claimed = claim(&store, "q", 9).await;
    assert_eq!(members(&claimed), ["a", "d", "c"]);
    assert_eq!(claimed.iter().map(|claimed| claimed.due).collect::<Vec<_>>(), [1, 4, 5]);
    let twice = Change::new()
        .queue_put("q".into(), "b", 9)
        .queue_remove("q".into(), "b")
        .queue_put("q".into(), "b", 8);
    commit(&store, twice).await;
    assert_eq!(
        claim(&store, "q", 9).await.iter().map(|claimed| claimed.due).collect::<Vec<_>>(),
        [8]
    );
}

pub(super) async fn a_member_put_earlier_than_those_already_claimed_is_found(store: Shared) {
    put_members(&store, "q", &[("b", 500)]).await;
    assert_eq!(members(&claim(&store, "q", 9).await), ["b"]);
    assert_eq!(claim(&store, "q", 9).await, []);
    put_members(&store, "q", &[("a", 400), ("c", 600), ("bb", 500)]).await;
    assert_eq!(members(&claim(&store, "q", 9).await), ["a", "bb", "c"]);
}

pub(super) async fn two_claimers_never_hold_the_same_member(store: Shared) {
    for part in 0..8 {
        let change = (0..32u64).fold(Change::new(), |change, number| {
            change.queue_put("q".into(), format!("{}", part * 32 + number), number % 3)
        });
        commit(&store, change).await;
    }
    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut all = Vec::new();
                loop {
                    let claimed = claim(&store, "q", 7).await;
                    if claimed.is_empty() {
                        return all;
                    }
                    all.extend(claimed);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    assert_eq!(all.len(), 256);
    assert_eq!(members(&all).into_iter().collect::<BTreeSet<_>>().len(), 256);
}

pub(super) async fn a_queue_that_fills_while_it_is_claimed_loses_nothing(store: Shared) {
    const MEMBERS: usize = 600;
    let filler = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..MEMBERS {
                // Due instants that go up and down, so that members appear before and behind what is claimed.
                let due = (number * 7919 % 1000) as u64;
                commit(&store, Change::new().queue_put("q".into(), number.to_string(), due)).await;
            }
        })
    };
    let mut seen = BTreeSet::new();
    until(async || {
        let claimed = claim(&store, "q", 5).await;
        let done = claimed.iter().fold(Change::new(), |change, claimed| {
            change.queue_remove(claimed.queue.clone(), claimed.member.clone())
        });
        for claimed in claimed {
            assert!(seen.insert(claimed.member), "claimed twice");
        }
        commit(&store, done).await;
        (seen.len() == MEMBERS).then_some(())
    })
    .await;
    filler.await.unwrap();
    assert_eq!(claim(&store, "q", 9).await, []);
}

pub(super) async fn events_come_in_the_order_of_their_commits(store: Shared) {
    for part in 0..5 {
        commit(&store, Change::new().event(format!("{part} a")).event(format!("{part} b"))).await;
    }
    let events = store.events(shard(), EventId(0), 100).await.unwrap();
    let texts: Vec<_> =
        events.iter().map(|(_, event)| std::str::from_utf8(event).unwrap()).collect();
    assert_eq!(texts, ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b", "3 a", "3 b", "4 a", "4 b"]);
    assert!(events.is_sorted_by(|(one, _), (next, _)| one < next));
}

pub(super) async fn events_can_be_read_in_parts(store: Shared) {
    for number in 0..10u8 {
        commit(&store, Change::new().event(vec![number])).await;
    }
    let mut seen = Vec::new();
    let mut after = EventId(0);
    loop {
        let part = store.events(shard(), after, 3).await.unwrap();
        let Some((last, _)) = part.last() else { break };
        after = *last;
        assert!(part.len() <= 3);
        seen.extend(part.into_iter().flat_map(|(_, event)| event.to_vec()));
    }
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
    assert_eq!(store.events(shard(), EventId(0), 0).await.unwrap(), []);
}

pub(super) async fn trimmed_events_are_gone_and_their_ids_are_not_given_again(store: Shared) {
    for number in 0..6u8 {
        commit(&store, Change::new().event(vec![number])).await;
    }
    let all = store.events(shard(), EventId(0), 9).await.unwrap();
    store.trim(shard(), all[3].0).await.unwrap();
    assert_eq!(store.events(shard(), EventId(0), 9).await.unwrap(), all[4..]);
    store.trim(shard(), all[1].0).await.unwrap();
    assert_eq!(store.events(shard(), EventId(0), 9).await.unwrap(), all[4..]);
    store.trim(shard(), EventId(u64::MAX)).await.unwrap();
    assert_eq!(store.events(shard(), EventId(0), 9).await.unwrap(), []);
    commit(&store, Change::new().event("next")).await;
    let next = store.events(shard(), EventId(0), 9).await.unwrap();
    assert_eq!(next.len(), 1);
    assert!(next[0].0 > all[5].0);
}

pub(super) async fn a_scan_meets_every_row_while_others_are_written(store: Shared) {
    for part in 0..10 {
        let change = (0..30).fold(Change::new(), |change, number| {
            change
                .put(key(&format!("stays {part} {number}")), "x")
                .put(key(&format!("goes {part} {number}")), "x")
        });
        commit(&store, change).await;
    }
    let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = store.scan(shard(), Table::Device, cursor, 20).await.unwrap();
        seen.extend(page.rows.into_iter().map(|(key, row)| {
            assert!(row.revision > 0);
            key
        }));
        pages += 1;
        if let Some(id) = seen.iter().find(|key| key.id.starts_with(b"goes")) {
            commit(&store, Change::new().delete(id.clone())).await;
            seen.remove(&id.clone());
        }
        let (again, new) =
            (key(&format!("stays {} {}", pages % 10, pages % 30)), key(&format!("new {pages}")));
        commit(&store, Change::new().put(again, "y").put(new, "y")).await;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(pages > 1, "600 rows do not fit a page of 20");
    for part in 0..10 {
        for number in 0..30 {
            assert!(
                seen.contains(&key(&format!("stays {part} {number}"))),
                "{part} {number} was not met"
            );
        }
    }
}

pub(super) async fn a_scan_refuses_tables_of_short_lived_rows(store: Shared) {
    for table in Table::ALL {
        let page = store.scan(shard(), table, None, 10).await;
        assert_eq!(page.is_ok(), !matches!(table, Table::Session | Table::Answer), "{table:?}");
    }
}

pub(super) async fn a_row_expires(store: Shared) {
    let keys = [Key::new(Table::Session, "a"), Key::new(Table::Result, "a")];
    let before = store.now().await.unwrap().0;
    let change = keys.iter().fold(Change::new(), |change, key| {
        change.put_for(key.clone(), "x", Duration::from_millis(300))
    });
    commit(&store, change.put_for(key("long"), "y", Duration::from_mins(10))).await;
    let rows = store.read(shard(), &keys).await.unwrap();
    assert!(rows.iter().all(Option::is_some) || store.now().await.unwrap().0 >= before + 300);
    until(async || (store.read(shard(), &keys).await.unwrap() == [None, None]).then_some(())).await;
    assert!(store.now().await.unwrap().0 >= before + 300, "it went too early");
    assert_eq!(store.scan(shard(), Table::Result, None, 1000).await.unwrap().rows, []);
    assert!(read(&store, &key("long")).await.is_some());
}

pub(super) async fn an_expired_row_counts_as_absent(store: Shared) {
    for key in [Key::new(Table::Answer, "a"), Key::new(Table::Values, "a")] {
        commit(&store, Change::new().put_for(key.clone(), "x", Duration::from_millis(200))).await;
        let Some(row) = read(&store, &key).await else { continue };
        until(async || read(&store, &key).await.is_none().then_some(())).await;
        assert_eq!(
            commit(&store, Change::new().if_is(key.clone(), row.revision)).await,
            Verdict::Conflict
        );
        assert_eq!(
            commit(&store, Change::new().if_absent(key.clone()).put(key.clone(), "y")).await,
            Verdict::Done
        );
        assert!(revision(&store, &key).await > row.revision);
    }
}

pub(super) async fn writing_a_row_again_sets_a_new_expiry(store: Shared) {
    let short = Duration::from_millis(50);
    let (probe, stays, extended) =
        (key("probe"), key("stays"), Key::new(Table::Session, "extended"));
    let change =
        Change::new().put_for(probe.clone(), "1", short).put_for(stays.clone(), "1", short);
    commit(&store, change.put_for(extended.clone(), "1", short)).await;
    let again = Change::new().put(stays.clone(), "2").put_for(
        extended.clone(),
        "2",
        Duration::from_mins(10),
    );
    commit(&store, again).await;
    until(async || read(&store, &probe).await.is_none().then_some(())).await;
    assert_eq!(read(&store, &stays).await.unwrap().bytes, Bytes::from("2"));
    assert_eq!(read(&store, &extended).await.unwrap().bytes, Bytes::from("2"));
}

pub(super) async fn what_is_beyond_a_limit_is_refused_with_the_limit(store: Shared) {
    let long = vec![b'x'; MOST_ID_OCTETS + 1];
    let name = QueueName::new("q".repeat(MOST_NAME_OCTETS + 1));
    let many = (0..=MOST_PARTS).fold(Change::new(), |change, _| change.add(1, "f", 1));
    let row = vec![0; MOST_ROW_OCTETS + 1];
    let refused = [
        (vec![Change::new().add(1, "f", 1); MOST_CHANGES + 1], MOST_CHANGES),
        (vec![many], MOST_PARTS),
        (vec![Change::new().put(Key::new(Table::Device, long.clone()), "x")], MOST_ID_OCTETS),
        (vec![Change::new().delete(Key::new(Table::Device, long.clone()))], MOST_ID_OCTETS),
        (vec![Change::new().if_absent(Key::new(Table::Device, long.clone()))], MOST_ID_OCTETS),
        (vec![Change::new().queue_put("q".into(), long.clone(), 1)], MOST_ID_OCTETS),
        (vec![Change::new().queue_put(name.clone(), "m", 1)], MOST_NAME_OCTETS),
        (vec![Change::new().put(key("a"), row.clone())], MOST_ROW_OCTETS),
        (vec![Change::new().event(row)], MOST_ROW_OCTETS),
    ];
    for (mut changes, limit) in refused {
        if changes.len() < MOST_CHANGES {
            changes.insert(0, Change::new().add(1, "f", 1));
        }
        let refusal = store.commit(shard(), changes).await;
        assert!(
            matches!(refusal, Err(StoreError::TooMuch { most, .. }) if most == limit),
            "{refusal:?}"
        );
    }
    for empty in [
        Change::new().put(key(""), "x"),
        Change::new().queue_remove("q".into(), ""),
        Change::new().queue_remove("".into(), "m"),
        Change::new().add(1, "", 1),
    ] {
        assert!(matches!(store.commit(shard(), vec![empty]).await, Err(StoreError::Refused(_))));
    }
    assert!(store.read(shard(), &vec![key("a"); MOST_KEYS + 1]).await.is_err());
    assert!(store.claim(shard(), &[name], 1, Duration::from_secs(1)).await.is_err());
    assert_eq!(
        store.counters(shard(), 1).await.unwrap(),
        [],
        "nothing of a refused commit was done"
    );
    let largest = Change::new().put(key("a"), vec![7; MOST_ROW_OCTETS]);
    assert_eq!(store.commit(shard(), vec![largest]).await.unwrap(), [Verdict::Done]);
    assert_eq!(read(&store, &key("a")).await.unwrap().bytes.len(), MOST_ROW_OCTETS);
}

pub(super) async fn an_empty_commit_does_nothing(store: Shared) {
    assert_eq!(store.commit(shard(), Vec::new()).await.unwrap(), []);
    assert_eq!(commit(&store, Change::new()).await, Verdict::Done);
    assert_eq!(store.claim(shard(), &[], 5, Duration::from_secs(1)).await.unwrap(), []);
}

pub(super) async fn calls_are_counted(store: Shared) {
    let before = store.calls();
    store.commit(shard(), vec![Change::new().event("a"), Change::new().event("b")]).await.unwrap();
    store.read(shard(), &[key("a"), key("b")]).await.unwrap();
    claim(&store, "q", 1).await;
    store.now().await.unwrap();
    let after = store.calls();
    assert_eq!(after.commit - before.commit, 1);
    assert_eq!(after.changes - before.changes, 2);
    assert_eq!(after.read - before.read, 1);
    assert_eq!(after.claim - before.claim, 1);
    assert_eq!(after.total() - before.total(), 4);
}

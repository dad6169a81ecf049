//! Promises about counters, the log, limits and what else a store says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Shared, claim, commit, key, read, shard};
use crate::store::change::{
    MOST_CHANGES, MOST_ID_OCTETS, MOST_KEYS, MOST_NAME_OCTETS, MOST_PARTS, MOST_ROW_OCTETS,
};
use crate::store::{Change, EventId, Key, QueueName, Shard, StoreError, Table, Verdict};

pub(in crate::store) async fn time_never_goes_backwards(store: Shared) {
    let mut last = store.now().await.unwrap();
    for _ in 0..100 {
        let now = store.now().await.unwrap();
        assert!(now >= last);
        last = now;
    }
    assert!(last.0 > 1_600_000_000_000, "milliseconds since 1970");
}

pub(in crate::store) async fn additions_from_many_callers_add_up(store: Shared) {
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

pub(in crate::store) async fn counters_keep_apart_by_set_and_shard(store: Shared) {
    commit(&store, Change::new().add(1, "f", 1).add(2, "f", 2).add(256, "f", 3).add(1, "ff", 4))
        .await;
    let mut counters = store.counters(shard(), 1).await.unwrap();
    counters.sort();
    assert_eq!(counters, [("f".to_owned(), 1), ("ff".to_owned(), 4)]);
    assert_eq!(store.counters(shard(), 256).await.unwrap(), [("f".to_owned(), 3)]);
    assert_eq!(store.counters(shard(), 3).await.unwrap(), []);
    assert_eq!(store.counters(Shard::from(8), 1).await.unwrap(), []);
}

pub(in crate::store) async fn events_come_in_the_order_of_their_commits(store: Shared) {
    for part in 0..5 {
        commit(&store, Change::new().event(format!("{part} a")).event(format!("{part} b"))).await;
    }
    let events = store.events(shard(), EventId(0), 100).await.unwrap();
    let texts: Vec<_> =
        events.iter().map(|(_, event)| std::str::from_utf8(event).unwrap()).collect();
    assert_eq!(texts, ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b", "3 a", "3 b", "4 a", "4 b"]);
    assert!(events.is_sorted_by(|(one, _), (next, _)| one < next));
}

pub(in crate::store) async fn events_can_be_read_in_parts(store: Shared) {
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

pub(in crate::store) async fn trimmed_events_are_gone_and_their_ids_are_not_given_again(
    store: Shared,
) {
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

pub(in crate::store) async fn what_is_beyond_a_limit_is_refused_with_the_limit(store: Shared) {
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

pub(in crate::store) async fn an_empty_commit_does_nothing(store: Shared) {
    assert_eq!(store.commit(shard(), Vec::new()).await.unwrap(), []);
    assert_eq!(commit(&store, Change::new()).await, Verdict::Done);
    assert_eq!(store.claim(shard(), &[], 5, Duration::from_secs(1)).await.unwrap(), []);
}

pub(in crate::store) async fn calls_are_counted(store: Shared) {
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

//! Promises about rows, guards, changes, scans and expiry.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Shared, claim, commit, key, members, read, shard, until};
use crate::store::change::MOST_ID_OCTETS;
use crate::store::{Change, EventId, Key, Shard, Table, Verdict};

async fn revision(store: &Shared, key: &Key) -> u64 {
    read(store, key).await.expect("the row is there").revision
}

pub(in crate::store) async fn a_row_reads_back_as_it_was_written(store: Shared) {
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

pub(in crate::store) async fn rows_come_in_the_order_of_the_keys(store: Shared) {
    let keys = ["c", "a", "missing", "b", "a"].map(key);
    commit(&store, Change::new().put(key("a"), "1").put(key("b"), "2").put(key("c"), "3")).await;
    let rows = store.read(shard(), &keys).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.bytes.as_ref())).collect();
    assert_eq!(found, [Some(&b"3"[..]), Some(b"1"), None, Some(b"2"), Some(b"1")]);
    assert_eq!(store.read(shard(), &[]).await.unwrap(), []);
}

pub(in crate::store) async fn any_octets_make_an_id(store: Shared) {
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

pub(in crate::store) async fn shards_and_tables_keep_apart(store: Shared) {
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

pub(in crate::store) async fn a_guard_holds_for_the_revision_that_was_read_and_no_other(
    store: Shared,
) {
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

pub(in crate::store) async fn a_guard_on_absence_holds_only_while_there_is_no_row(store: Shared) {
    for table in [Table::Result, Table::Answer] {
        let key = Key::new(table, "a");
        let change = Change::new().if_absent(key.clone()).put(key.clone(), "1");
        assert_eq!(commit(&store, change.clone()).await, Verdict::Done);
        assert_eq!(commit(&store, change.clone()).await, Verdict::Conflict);
        commit(&store, Change::new().delete(key.clone())).await;
        assert_eq!(commit(&store, change).await, Verdict::Done);
    }
}

pub(in crate::store) async fn a_refused_change_leaves_no_trace(store: Shared) {
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

pub(in crate::store) async fn each_change_of_a_commit_is_answered_for_itself(store: Shared) {
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

pub(in crate::store) async fn a_later_change_sees_what_an_earlier_one_did(store: Shared) {
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

pub(in crate::store) async fn within_a_change_deletes_come_before_puts(store: Shared) {
    let change = Change::new()
        .put(key("a"), "1")
        .put(key("a"), "2")
        .delete(key("a"))
        .delete(key("never there"));
    assert_eq!(commit(&store, change).await, Verdict::Done);
    assert_eq!(read(&store, &key("a")).await.unwrap().bytes, Bytes::from("2"));
}

pub(in crate::store) async fn a_revision_never_repeats_even_after_a_delete(store: Shared) {
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

pub(in crate::store) async fn a_change_alone_tells_the_revisions_of_the_rows_it_put(store: Shared) {
    let keys = [key("a"), Key::new(Table::Session, "a"), Key::new(Table::Values, "a")];
    let change = |text: &str| {
        let [device, session, values] = keys.clone();
        let hour = Duration::from_hours(1);
        Change::new()
            .delete(key("z"))
            .put(device, text)
            .put_for(session, text, hour)
            .put_for(values, text, hour)
            .add(1, "f", 5)
            .queue_put("q".into(), "m", 1)
            .event("e")
    };
    for text in ["1", "2"] {
        let told = store.commit_one(shard(), change(text)).await.unwrap().unwrap();
        let rows = store.read(shard(), &keys).await.unwrap();
        let revisions: Vec<_> = rows.into_iter().map(|row| row.unwrap().revision).collect();
        assert_eq!(told, revisions);
    }
    let refused = change("3").if_absent(key("a"));
    assert_eq!(store.commit_one(shard(), refused).await.unwrap(), None);
    let nothing = Change::new().if_absent(key("b"));
    assert_eq!(store.commit_one(shard(), nothing).await.unwrap(), Some(Vec::new()));
}

pub(in crate::store) async fn of_many_racing_writers_one_wins(store: Shared) {
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

pub(in crate::store) async fn a_change_that_is_only_guards_answers_whether_they_hold(
    store: Shared,
) {
    assert_eq!(commit(&store, Change::new().if_absent(key("a"))).await, Verdict::Done);
    assert_eq!(commit(&store, Change::new().if_is(key("a"), 1)).await, Verdict::Conflict);
}

pub(in crate::store) async fn a_scan_meets_every_row_while_others_are_written(store: Shared) {
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

pub(in crate::store) async fn a_scan_refuses_tables_of_short_lived_rows(store: Shared) {
    for table in Table::ALL {
        let page = store.scan(shard(), table, None, 10).await;
        assert_eq!(page.is_ok(), table.is_scanned(), "{table:?}");
    }
}

pub(in crate::store) async fn a_row_expires(store: Shared) {
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

pub(in crate::store) async fn an_expired_row_counts_as_absent(store: Shared) {
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

pub(in crate::store) async fn writing_a_row_again_sets_a_new_expiry(store: Shared) {
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

//! The contract on a private Redis, and what Redis alone must keep: rows over a crash, the limits of its scripts.

mod cluster;
mod sentinel;
mod servers;
mod stalled;

use super::*;
use crate::store::contract::{self, Shared};
use servers::Server;

async fn fresh() -> (Shared, Server) {
    let server = Server::start();
    (Arc::new(server.connect().await), server)
}

contract::promises!(fresh().await);

#[tokio::test]
async fn what_was_acknowledged_is_there_after_redis_was_killed() {
    let mut server = Server::start();
    let store: Shared = Arc::new(server.connect().await);
    let change = Change::new().put(contract::key("row"), "octets").add(1, "f", 5).queue_put(
        "q".into(),
        "m",
        1,
    );
    contract::commit(&store, change.put(Key::new(Table::Session, "s"), "session").event("event"))
        .await;
    let before = contract::read(&store, &contract::key("row")).await.unwrap();
    server.crash();

    let store: Shared = Arc::new(server.connect().await);
    assert_eq!(contract::read(&store, &contract::key("row")).await.unwrap(), before);
    assert!(contract::read(&store, &Key::new(Table::Session, "s")).await.is_some());
    assert_eq!(store.counters(contract::shard(), 1).await.unwrap(), [("f".to_owned(), 5)]);
    assert_eq!(contract::members(&contract::claim(&store, "q", 9).await), ["m"]);
    assert_eq!(store.events(contract::shard(), EventId(0), 9).await.unwrap().len(), 1);
}

/// With the settings of `deploy/redis.conf`, in the middle of many commits: C1, invariant 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_among_many_commits_keeps_every_acknowledged_one_and_none_twice() {
    let mut server = Server::start();
    let store: Shared = Arc::new(server.connect().await);
    let writers: Vec<_> = (0..8u64)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0..400u64 {
                    let change =
                        Change::new().put(contract::key(&format!("{writer} {number}")), "x");
                    match store.commit(contract::shard(), vec![change.add(1, "f", 1)]).await {
                        Ok(verdicts) => {
                            assert_eq!(verdicts, [Verdict::Done]);
                            acknowledged.push(number);
                        }
                        Err(StoreError::Unavailable { .. } | StoreError::Backend { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                (writer, acknowledged)
            })
        })
        .collect();
    while store.counters(contract::shard(), 1).await.unwrap().iter().all(|(_, sum)| *sum < 100) {
        tokio::task::yield_now().await;
    }
    server.crash();
    let mut expected = 0;
    for writer in writers {
        let (writer, acknowledged) = writer.await.unwrap();
        for number in acknowledged {
            let row = contract::read(&store, &contract::key(&format!("{writer} {number}"))).await;
            assert!(row.is_some(), "{writer} {number} was acknowledged and is gone");
            expected += 1;
        }
    }
    let page = store.scan(contract::shard(), Table::Device, None, 4096).await.unwrap();
    let rows = i64::try_from(page.rows.len()).unwrap();
    assert!(rows >= expected && expected > 100);
    let sums = store.counters(contract::shard(), 1).await.unwrap();
    assert_eq!(sums, [("f".to_owned(), rows)], "every row was counted once");
}

#[tokio::test]
async fn a_store_finds_its_way_back_to_a_redis_that_was_away() {
    let mut server = Server::start();
    let store: Shared = Arc::new(server.connect().await);
    contract::commit(&store, Change::new().put(contract::key("row"), "octets")).await;
    server.crash();
    let back = async {
        loop {
            if let Ok(rows) = store.read(contract::shard(), &[contract::key("row")]).await {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    let rows =
        tokio::time::timeout(Duration::from_secs(20), back).await.expect("it connects again");
    assert!(rows.into_iter().all(|row| row.is_some()));
    // The scripts were lost with the crash if they were not yet on disk; a commit loads them again.
    assert_eq!(contract::commit(&store, Change::new().event("e")).await, Verdict::Done);
}

#[tokio::test]
async fn the_number_of_buckets_stays_what_it_was_when_the_deployment_was_made() {
    let server = Server::start();
    let first = server.connect().await;
    let config = RedisConfig { expected_devices: 9_000_000, ..server.config() };
    let second = RedisStore::connect(&config).await.unwrap();
    assert_eq!(first.inner.shape, Shape::for_devices(20_000));
    assert_eq!(second.inner.shape, first.inner.shape);
}

#[tokio::test]
async fn a_redis_that_may_evict_rows_is_refused() {
    let server = Server::start();
    server.say::<String>("CONFIG SET maxmemory-policy allkeys-lru").await;
    let refused = RedisStore::connect(&server.config()).await;
    assert!(matches!(refused, Err(StoreError::Refused(why)) if why.contains("noeviction")));
}

/// Two workers that know nothing of each other, and words of which some have the same code.
#[tokio::test]
async fn rows_whose_words_are_written_by_two_workers_are_read_by_a_third() {
    use crate::store::words::join;
    let server = Server::start();
    let workers = [server.connect().await, server.connect().await];
    let shard = contract::shard();
    let (key, row) = (
        |number: usize| contract::key(&format!("device {number}")),
        |number: usize| join(&[format!("word {number}"), "shared".to_owned()], b"\x05rest"),
    );
    for number in 0..1500 {
        let worker = &workers[number % 2];
        // A code that the other worker took first makes a conflict; the next try does without it.
        let tries = 2;
        let mut verdicts = Vec::new();
        for _ in 0..tries {
            let change = Change::new().put(key(number), row(number)).add(1, "writes", 1);
            verdicts = worker.commit(shard, vec![change]).await.unwrap();
            if verdicts == [Verdict::Done] {
                break;
            }
        }
        assert_eq!(verdicts, [Verdict::Done]);
    }
    let written = workers[0].counters(shard, 1).await.unwrap();
    assert_eq!(written, [("writes".to_owned(), 1500)], "a conflict writes nothing");
    for reader in [&server.connect().await, &workers[0], &workers[1]] {
        for number in 0..1500 {
            let rows = reader.read(shard, &[key(number)]).await.unwrap();
            assert_eq!(rows[0].as_ref().unwrap().bytes, row(number));
        }
        let page = reader.scan(shard, Table::Device, None, 4096).await.unwrap();
        assert!(page.rows.iter().all(|(_, row)| row.bytes.ends_with(b"rest")));
    }
    let RowKey { key, field } = workers[0].inner.shape.row(shard, &key(7));
    let mut command = redis::cmd("HSTRLEN");
    command.arg(key).arg(field);
    let octets = workers[0].inner.one(shard, command, None, "asked").await.unwrap();
    assert_eq!(parse::<usize>(octets).unwrap(), 7 + 4 + 4 + 5, "two codes and the rest");
}

/// A failover took a word that this worker still knows, and another worker wrote one with the same code since.
#[tokio::test]
async fn a_row_is_never_read_with_a_word_that_a_failover_took() {
    use crate::store::words::join;
    let server = Server::start();
    let worker = server.connect().await;
    let shard = contract::shard();
    let (first, second) = words::of_one_code();
    let put = |key: &str, word: &str| {
        Change::new().put(contract::key(key), join(&[word.to_owned()], b"rest"))
    };
    worker.commit(shard, vec![put("lost", &first)]).await.unwrap();
    // The other master knows nothing of it.
    server.say::<String>("FLUSHALL").await;
    let other = server.connect().await;
    other.commit(shard, vec![put("row", &second)]).await.unwrap();

    let found = worker.read(shard, &[contract::key("row")]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().bytes, join(&[second], b"rest"));
    // And what it writes now it writes so that others read it.
    let change = put("again", &first);
    while worker.commit(shard, vec![change.clone()]).await.unwrap() != [Verdict::Done] {}
    let found = other.read(shard, &[contract::key("again")]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().bytes, join(&[first], b"rest"));
}

#[tokio::test]
async fn a_deployment_with_plain_ids_goes_on_with_them() {
    let server = Server::start();
    let place = String::from_utf8(keys::deployment_key()).unwrap();
    server.say::<i32>(&format!("HSET {place} version 2 buckets 5")).await;
    let store = server.connect().await;
    assert_eq!(store.inner.shape, Shape { buckets: 5, layout: keys::Layout::Plain });
    let (shard, key) = (contract::shard(), contract::key("operator\0IMEI:350000000000017"));
    let change = Change::new().put(key.clone(), "x").queue_put("q".into(), key.id.clone(), 1);
    store.commit(shard, vec![change]).await.unwrap();
    assert_eq!(store.inner.shape.row(shard, &key).field.unwrap(), key.id);
    assert!(store.read(shard, std::slice::from_ref(&key)).await.unwrap()[0].is_some());
    let claimed = store.claim(shard, &["q".into()], 9, Duration::from_secs(9)).await.unwrap();
    assert_eq!(claimed[0].member, key.id);
}

#[tokio::test]
async fn an_expired_row_is_swept_unless_it_was_written_again() {
    let server = Server::start();
    let store = server.connect().await;
    let shard = contract::shard();
    let [gone, stays, renewed] = ["gone", "stays", "renewed"].map(contract::key);
    let shortly = Duration::from_millis(1);
    let change =
        Change::new().put_for(gone.clone(), "x", shortly).put_for(stays.clone(), "x", shortly);
    store.commit(shard, vec![change.put_for(renewed.clone(), "x", shortly)]).await.unwrap();
    let again = Change::new().put(stays.clone(), "y").put_for(
        renewed.clone(),
        "y",
        Duration::from_hours(1),
    );
    store.commit(shard, vec![again]).await.unwrap();
    let on_disk = async |key: &Key| {
        let RowKey { key, field } = store.inner.shape.row(shard, key);
        let mut command = redis::cmd("HEXISTS");
        command.arg(key).arg(field);
        parse::<bool>(store.inner.one(shard, command, None, "asked").await.unwrap()).unwrap()
    };
    let swept = async {
        while on_disk(&gone).await {
            store.inner.sweep(shard).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("it is swept");
    assert!(on_disk(&stays).await && on_disk(&renewed).await);
    let notes = async || {
        let mut command = redis::cmd("ZCARD");
        command.arg(keys::notes_key(shard));
        parse::<usize>(store.inner.one(shard, command, None, "asked").await.unwrap()).unwrap()
    };
    while notes().await > 1 {
        store.inner.sweep(shard).await.unwrap();
    }
    assert_eq!(notes().await, 1, "the note of the hour is left");
}

//! Redis is slow, stalled or away: calls fail in time and say what is known, and nothing is ever done twice.

use std::time::Duration;

use super::servers::{a_moment, connect};
use super::*;

fn add() -> Change {
    Change::new().add(1, "f", 1).event("e")
}

async fn added(store: &RedisStore) -> Vec<(String, i64)> {
    store.counters(contract::shard(), 1).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_late_is_done_once_though_it_was_sent_again() {
    let server = Server::start();
    let config = RedisConfig { timeout: Duration::from_secs(4), ..server.config() };
    let store = Arc::new(connect(&config).await);
    server.stall(true);
    let committing: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(contract::shard(), vec![add()]).await })
        })
        .collect();
    // Half of its time has passed: it was sent a second time over a new connection, or tried to.
    tokio::time::sleep(Duration::from_millis(2_400)).await;
    server.stall(false);
    for commit in committing {
        assert_eq!(commit.await.unwrap().unwrap(), [Verdict::Done]);
    }
    assert_eq!(added(&store).await, [("f".to_owned(), 20)]);
    assert_eq!(store.events(contract::shard(), EventId(0), 99).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_a_stalled_redis_fails_in_time_and_says_whether_something_may_have_happened() {
    let server = Server::start();
    let config = RedisConfig { timeout: Duration::from_millis(600), ..server.config() };
    let store = Arc::new(connect(&config).await);
    server.stall(true);
    let began = crate::clock::stopwatch();
    let committed = store.commit(contract::shard(), vec![add()]).await;
    let read = store.read(contract::shard(), &[contract::key("a")]).await;
    assert!(matches!(committed, Err(StoreError::Backend { .. })), "{committed:?}");
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.stall(false);
    // What was given up is done late or not at all; later commits of the same place are not disturbed by it.
    for _ in 0..30 {
        while store.commit(contract::shard(), vec![add()]).await.is_err() {
            a_moment().await;
        }
    }
    assert!((30..=31).contains(&added(&store).await[0].1));
}

/// What a claimer takes that nobody hears of would wait for its lease: here ten minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_a_stalled_redis_finds_when_nobody_listens_any_more_takes_nothing() {
    let server = Server::start();
    let config = RedisConfig { timeout: Duration::from_millis(600), ..server.config() };
    let store: Shared = Arc::new(connect(&config).await);
    let change = (0..200).fold(Change::new(), |change, member: u32| {
        change.queue_put("q".into(), member.to_string(), 1)
    });
    assert_eq!(contract::commit(&store, change).await, Verdict::Done);
    let queues = ["q".into()];
    let claim = || store.claim(contract::shard(), &queues, 1_000, Duration::from_mins(10));
    server.stall(true);
    // Each of them is sent several times and lies in the buffer of a connection.
    for _ in 0..3 {
        let claimed = claim().await;
        assert!(matches!(claimed, Err(StoreError::Unavailable { .. })), "{claimed:?}");
    }
    server.stall(false);
    let claimed = contract::until(async || claim().await.ok().filter(|all| !all.is_empty())).await;
    assert_eq!(claimed.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_not_there_is_known_to_have_done_nothing() {
    let mut server = Server::start();
    let config = RedisConfig { timeout: Duration::from_millis(500), ..server.config() };
    let store = connect(&config).await;
    server.stop();
    // The first may have been on its way when the connection broke.
    drop(store.commit(contract::shard(), vec![add()]).await);
    let committed = store.commit(contract::shard(), vec![add()]).await;
    assert!(matches!(committed, Err(StoreError::Unavailable { .. })), "{committed:?}");
    server.crash();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_find_room_waits_and_then_says_so() {
    let server = Server::start();
    let config =
        RedisConfig { timeout: Duration::from_millis(800), in_flight: 8, ..server.config() };
    let store = Arc::new(connect(&config).await);
    let many = |count: usize| {
        let store = Arc::clone(&store);
        let calls = (0..count).map(move |_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(contract::shard(), vec![add()]).await })
        });
        calls.collect::<Vec<_>>()
    };
    for commit in many(200) {
        assert_eq!(commit.await.unwrap().unwrap(), [Verdict::Done], "more wait for their turn");
    }
    server.stall(true);
    let mut nothing = 0;
    for commit in many(100) {
        nothing +=
            usize::from(matches!(commit.await.unwrap(), Err(StoreError::Unavailable { .. })));
    }
    assert!(nothing >= 80, "{nothing} of 100 never left");
    server.stall(false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_memory_refuses_and_nothing_of_a_change_happens() {
    let server = Server::start();
    let config = RedisConfig { timeout: Duration::from_millis(300), ..server.config() };
    let store = connect(&config).await;
    server.say::<String>("CONFIG SET maxmemory 1").await;
    let committed = store.commit(contract::shard(), vec![add()]).await;
    assert!(matches!(committed, Err(StoreError::Unavailable { .. })), "{committed:?}");
    server.say::<String>("CONFIG SET maxmemory 0").await;
    assert_eq!(added(&store).await, []);
    assert_eq!(store.commit(contract::shard(), vec![add()]).await.unwrap(), [Verdict::Done]);
}

//! A master that Sentinels watch: the contract, and what a failover may take.

use std::time::Duration;

use super::servers::{Watched, connect};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_a_master_that_a_sentinel_names() {
    let watched = Watched::start().await;
    let fresh = async || {
        watched.empty().await;
        let store: Shared = Arc::new(connect(&watched.config()).await);
        store
    };
    contract::holds!(fresh().await);
}

/// What may be lost is what the master had acknowledged and the replica had not yet. What waited for replicas is never among
/// it, and nothing is done twice; revisions and event ids are not given again; time does not go backwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_takes_only_what_did_not_wait_for_replicas() {
    let mut watched = Watched::start().await;
    let store = Arc::new(connect(&watched.config()).await);
    let shard = contract::shard();
    let write = |number: u64| {
        let ended = Change::new()
            .put(Key::new(Table::Result, format!("{number}")), "ended")
            .add(1, "ended", 1);
        ended.event(format!("{number}")).on_replicas()
    };
    let mut revisions = Vec::new();
    let mut last = store.now().await.unwrap();
    for number in 0..200 {
        assert_eq!(store.commit(shard, vec![write(number)]).await.unwrap(), [Verdict::Done]);
    }
    // Not waited for: these may go.
    let unsure = Change::new().put(contract::key("unsure"), "x").add(1, "unsure", 1);
    store.commit(shard, vec![unsure]).await.unwrap();
    revisions.extend(store.read(shard, &[contract::key("unsure")]).await.unwrap());

    watched.master.stop();
    let mut answered = Vec::new();
    for number in 200..400 {
        match store.commit(shard, vec![write(number)]).await {
            Ok(verdicts) => {
                assert_eq!(verdicts, [Verdict::Done]);
                answered.push(number);
            }
            // Without a replica nothing more is promised after the failover: done perhaps, and said so.
            Err(StoreError::Backend { .. } | StoreError::Unavailable { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    watched.replica_leads().await;
    let now = store.now().await.unwrap();
    assert!(now >= last, "time goes on");
    last = now;

    let ended = async |store: &RedisStore| {
        let counters: HashMap<_, _> = store.counters(shard, 1).await.unwrap().into_iter().collect();
        (
            counters.get("ended").copied().unwrap_or_default(),
            counters.get("unsure").copied().unwrap_or_default(),
        )
    };
    let (count, unsure) = ended(&store).await;
    let rows = |numbers: std::ops::Range<u64>| {
        numbers.map(|number| Key::new(Table::Result, format!("{number}"))).collect::<Vec<_>>()
    };
    let kept = store.read(shard, &rows(0..200)).await.unwrap();
    assert!(kept.iter().all(Option::is_some), "what waited for the replica is there");
    assert!(count >= 200 + i64::try_from(answered.len()).unwrap());
    let later = store.read(shard, &rows(200..400)).await.unwrap();
    let there = later.iter().flatten().count();
    assert_eq!(count, 200 + i64::try_from(there).unwrap(), "each row was counted once");
    assert_eq!(store.events(shard, EventId(0), 999).await.unwrap().len(), 200 + there);
    assert!((0..=1).contains(&unsure), "lost or kept, never doubled");

    // The new master gives no revision again that the old one gave.
    let change = Change::new().put(contract::key("unsure"), "y");
    store.commit(shard, vec![change]).await.unwrap();
    let revision =
        store.read(shard, &[contract::key("unsure")]).await.unwrap()[0].as_ref().unwrap().revision;
    assert!(revisions.iter().flatten().all(|row| row.revision < revision));
    assert!(store.now().await.unwrap() >= last);
    // A worker that starts now is not told an earlier time either.
    let config = RedisConfig { replicas: 0, timeout: Duration::from_secs(5), ..watched.config() };
    let other = connect(&config).await;
    assert!(other.now().await.unwrap().0 + 50 >= last.0);
}

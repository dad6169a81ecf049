//! A cluster of three masters.

use std::time::Duration;

use super::servers::{Cluster, a_moment, connect};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_a_cluster_of_three_masters() {
    let cluster = Cluster::start().await;
    let fresh = async || {
        cluster.empty().await;
        let store: Shared = Arc::new(connect(&cluster.config()).await);
        store
    };
    contract::holds!(fresh().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_master_holds_its_share_and_a_master_that_was_away_is_found_again() {
    let mut cluster = Cluster::start().await;
    let store = connect(&cluster.config()).await;
    let row = |shard: Shard| Key::new(Table::Device, format!("row {}", shard.number()));
    for shard in Shard::all() {
        let change = Change::new().put(row(shard), "octets").queue_put("q".into(), "m", 1);
        assert_eq!(store.commit(shard, vec![change]).await.unwrap(), [Verdict::Done]);
    }
    for node in &cluster.nodes {
        let rows: usize = node.say("DBSIZE").await;
        assert!(rows > 3 * 80, "{rows} of about 3 keys for each of 256 shards");
    }

    cluster.nodes[1].crash();
    // Whatever is asked while the master reads its files is answered late, or refused as not done; never wrong.
    let reading = async {
        for shard in Shard::all() {
            while match store.read(shard, &[row(shard)]).await {
                Ok(rows) => rows != [None] && rows.len() != 1,
                Err(StoreError::Unavailable { .. }) => true,
                Err(error) => panic!("{error}"),
            } {
                a_moment().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("it is found again");
    cluster.is_well().await;
    for shard in Shard::all() {
        let rows = store.read(shard, &[row(shard)]).await.unwrap();
        assert!(rows[0].is_some(), "{shard:?} lost its row");
        assert_eq!(
            store.claim(shard, &["q".into()], 9, Duration::from_mins(1)).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_moves_to_another_master_is_followed_there() {
    let cluster = Cluster::start().await;
    let store = connect(&cluster.config()).await;
    let (shard, key) = (Shard::from(7), contract::key("row"));
    store
        .commit(shard, vec![Change::new().put(key.clone(), "octets").add(1, "f", 1)])
        .await
        .unwrap();
    let before = store.read(shard, std::slice::from_ref(&key)).await.unwrap();
    let [from, to] = [&cluster.nodes[0], &cluster.nodes[2]];
    let [from_id, to_id]: [String; 2] =
        [from.say("CLUSTER MYID").await, to.say("CLUSTER MYID").await];

    let slot = shard.slot();
    to.say::<String>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).await;
    from.say::<String>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).await;
    let keys: Vec<String> = from.say(&format!("CLUSTER GETKEYSINSLOT {slot} 1000")).await;
    assert!(keys.len() >= 3, "{keys:?}");
    for key in &keys {
        from.say::<String>(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port)).await;
    }
    // While it moves the store asks again and again.
    let during = tokio::spawn(async move {
        let change = Change::new().add(1, "f", 10);
        (store.commit(shard, vec![change]).await, store)
    });
    a_moment().await;
    for node in [to, from, &cluster.nodes[1]] {
        node.say::<String>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}")).await;
    }
    let (committed, store) = during.await.unwrap();
    assert_eq!(committed.unwrap(), [Verdict::Done]);
    assert_eq!(store.read(shard, &[key]).await.unwrap(), before);
    assert_eq!(store.counters(shard, 1).await.unwrap(), [("f".to_owned(), 11)]);
}

//! Promises about queues and claims.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Shared, claim, commit, members, shard, until};
use crate::store::{Change, NEVER, QueueName, Verdict};

async fn put_members(store: &Shared, queue: &str, members: &[(&str, u64)]) {
    let change = members
        .iter()
        .fold(Change::new(), |change, (member, due)| change.queue_put(queue.into(), *member, *due));
    assert_eq!(commit(store, change).await, Verdict::Done);
}

pub(in crate::store) async fn members_are_claimed_in_the_order_they_are_due(store: Shared) {
    put_members(&store, "q", &[("third", 300), ("first", 1), ("fourth", 70_000), ("second", 20)])
        .await;
    let claimed = claim(&store, "q", 9).await;
    assert_eq!(members(&claimed), ["first", "second", "third", "fourth"]);
    assert_eq!(claimed.iter().map(|claimed| claimed.due).collect::<Vec<_>>(), [1, 20, 300, 70_000]);
    assert!(claimed.iter().all(|claimed| claimed.queue.as_str() == "q"));
}

pub(in crate::store) async fn what_is_not_due_is_not_claimed(store: Shared) {
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

pub(in crate::store) async fn a_claim_takes_no_more_than_asked(store: Shared) {
    put_members(&store, "q", &[("a", 1), ("b", 2), ("c", 3)]).await;
    assert_eq!(claim(&store, "q", 0).await, []);
    assert_eq!(members(&claim(&store, "q", 2).await), ["a", "b"]);
    assert_eq!(members(&claim(&store, "q", 2).await), ["c"]);
    assert_eq!(claim(&store, "q", 2).await, []);
}

pub(in crate::store) async fn queues_are_claimed_in_the_order_given(store: Shared) {
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

pub(in crate::store) async fn a_claimed_member_is_hidden_and_comes_back_when_its_lease_ends(
    store: Shared,
) {
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

pub(in crate::store) async fn a_member_that_was_removed_is_never_claimed(store: Shared) {
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

pub(in crate::store) async fn a_put_moves_a_member_and_ends_its_lease(store: Shared) {
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

pub(in crate::store) async fn a_member_put_earlier_than_those_already_claimed_is_found(
    store: Shared,
) {
    put_members(&store, "q", &[("b", 500)]).await;
    assert_eq!(members(&claim(&store, "q", 9).await), ["b"]);
    assert_eq!(claim(&store, "q", 9).await, []);
    put_members(&store, "q", &[("a", 400), ("c", 600), ("bb", 500)]).await;
    assert_eq!(members(&claim(&store, "q", 9).await), ["a", "bb", "c"]);
}

pub(in crate::store) async fn two_claimers_never_hold_the_same_member(store: Shared) {
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
                    if claimed.is_empty() || all.len() > 256 {
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

pub(in crate::store) async fn a_queue_that_fills_while_it_is_claimed_loses_nothing(store: Shared) {
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

pub(in crate::store) async fn a_look_at_queues_tells_the_earliest_due_member_that_nobody_holds(
    store: Shared,
) {
    let both = ["q:1", "q:2"].map(QueueName::from);
    assert_eq!(store.earliest(shard(), &both).await.unwrap(), None);
    assert_eq!(store.earliest(shard(), &[]).await.unwrap(), None);
    let now = store.now().await.unwrap().0;
    put_members(&store, "q:1", &[("late", now + 600_000), ("soon", 70_000)]).await;
    put_members(&store, "q:2", &[("first", 3), ("never", NEVER)]).await;
    for _ in 0..2 {
        assert_eq!(store.earliest(shard(), &both).await.unwrap(), Some(3), "nothing was claimed");
    }
    assert_eq!(members(&claim(&store, "q:2", 9).await), ["first"]);
    assert_eq!(store.earliest(shard(), &both).await.unwrap(), Some(70_000));
    assert_eq!(members(&claim(&store, "q:1", 9).await), ["soon"]);
    let left = store.earliest(shard(), &both).await.unwrap().unwrap();
    assert!(left >= now + 600_000, "the first two are held: {left}");
    put_members(&store, "q:1", &[("soon", 5)]).await;
    assert_eq!(store.earliest(shard(), &both).await.unwrap(), Some(5), "a put ends the lease");
}

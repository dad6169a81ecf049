//! The contract, and what only the embedded store promises: recovery after a kill, sweeping, failing for good.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::store::contract::{self, Shared};

fn fresh() -> (Shared, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (open(directory.path()), directory)
}

fn open(path: &Path) -> Shared {
    Arc::new(Embedded::open(&EmbeddedConfig::new(path)).unwrap())
}

contract::promises!(fresh());

/// Some of everything that a store holds, in one change.
fn everything() -> Change {
    Change::new()
        .put(contract::key("row"), "octets")
        .put_for(Key::new(Table::Session, "s"), "session", Duration::from_mins(10))
        .add(1, "counter", 5)
        .queue_put("q".into(), "claimed", 1)
        .queue_put("q".into(), "waiting", 2)
        .event("event")
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_store_is_dropped_and_opened_again() {
    let (store, directory) = fresh();
    contract::commit(&store, everything()).await;
    let before = contract::read(&store, &contract::key("row")).await.unwrap();
    assert_eq!(contract::members(&contract::claim(&store, "q", 1).await), ["claimed"]);
    let (event, _) = store.events(contract::shard(), EventId(0), 9).await.unwrap().pop().unwrap();
    store.trim(contract::shard(), event).await.unwrap();
    drop(store);

    let store = open(directory.path());
    assert_eq!(contract::read(&store, &contract::key("row")).await.unwrap(), before);
    assert!(contract::read(&store, &Key::new(Table::Session, "s")).await.is_some());
    assert_eq!(store.counters(contract::shard(), 1).await.unwrap(), [("counter".to_owned(), 5)]);
    let back = contract::claim(&store, "q", 9).await;
    assert_eq!(
        contract::members(&back),
        ["claimed", "waiting"],
        "leases do not outlive the process"
    );
    contract::commit(&store, Change::new().put(contract::key("row"), "again").event("next")).await;
    let after = contract::read(&store, &contract::key("row")).await.unwrap();
    assert!(after.revision > before.revision);
    assert!(store.events(contract::shard(), EventId(0), 9).await.unwrap()[0].0 > event);
}

#[tokio::test]
async fn a_second_process_cannot_open_the_same_store() {
    let (_store, directory) = fresh();
    let second = Embedded::open(&EmbeddedConfig::new(directory.path()));
    assert!(
        matches!(second, Err(StoreError::Backend { doing: "opened its files", .. })),
        "{second:?}"
    );
}

#[tokio::test]
async fn an_expired_row_is_swept_from_the_disk_unless_it_was_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap();
    let shard = contract::shard();
    let [gone, stays, renewed] = ["gone", "stays", "renewed"].map(contract::key);
    let shortly = Duration::from_millis(1);
    let change =
        Change::new().put_for(gone.clone(), "x", shortly).put_for(stays.clone(), "x", shortly);
    store.commit(shard, vec![change.put_for(renewed.clone(), "x", shortly)]).await.unwrap();
    let hour = Duration::from_hours(1);
    let again = Change::new().put(stays.clone(), "y").put_for(renewed.clone(), "y", hour);
    store.commit(shard, vec![again]).await.unwrap();
    while store.read(shard, std::slice::from_ref(&gone)).await.unwrap() != [None] {
        tokio::task::yield_now().await;
    }
    let on_disk = |key: &Key| {
        let space = store.inner.spaces.of(Space::Rows(key.table));
        space.contains_key(layout::row_key(shard, key)).unwrap()
    };
    assert!(on_disk(&gone), "it is invisible, but not swept yet");
    // Two minutes on, the notes of all but the hour are due.
    let due = store.inner.clock.now() + 120_000;
    std::thread::scope(|scope| {
        scope.spawn(|| sweep::sweep(&store.inner, &mut Vec::new(), due).unwrap());
    });
    assert!(!on_disk(&gone));
    assert!(on_disk(&stays) && on_disk(&renewed));
    assert_eq!(
        store.inner.spaces.of(Space::Expiry).len().unwrap(),
        1,
        "the note of the hour is left"
    );
}

#[tokio::test]
async fn after_a_failed_write_every_call_says_so() {
    let (_, directory) = fresh();
    let store = Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap();
    store.inner.poison(&StoreError::Refused("the disk is gone"));
    assert_eq!(store.failed().await, "the disk is gone");
    let commit = store.commit(contract::shard(), vec![Change::new().event("e")]).await;
    assert!(matches!(commit, Err(StoreError::Poisoned(why)) if why == "the disk is gone"));
    assert!(matches!(store.read(contract::shard(), &[]).await, Err(StoreError::Poisoned(_))));
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_is_gone() {
    let (_, directory) = fresh();
    let store = Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap();
    store.inner.inbox.abandon();
    let commit = store.commit(contract::shard(), vec![Change::new().event("e")]).await;
    assert!(matches!(commit, Err(StoreError::Closing)));
}

/// Tells the child of the next test where its store lies.
const CHILD: &str = "REVEILLE_TEST_STORE_OF_A_CHILD";
/// Rows that one change of the child writes, in as many tables.
const TABLES: [Table; 3] = [Table::Device, Table::Session, Table::Result];

/// Not a test by itself: without its variable it does nothing, with it it commits until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path));
    let callers: Vec<_> = (0..16u64)
        .map(|caller| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0u64.. {
                    let id = format!("{caller} {number}");
                    let shard = Shard::of(id.as_bytes());
                    let change = TABLES.iter().fold(Change::new(), |change, table| {
                        change.put(Key::new(*table, id.as_bytes()), vec![7; 400])
                    });
                    let change = change
                        .add(caller, "commits", 1)
                        .queue_put("q".into(), id.as_bytes(), 1)
                        .event(id.as_bytes());
                    store.commit(shard, vec![change]).await.unwrap();
                    // One write of a whole line: what is read from the pipe was acknowledged.
                    println!("acknowledged:{id}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_torn_by_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 1..=3 {
        kill_after(round * 700, directory.path(), &mut acknowledged);
        check(&open(directory.path()), &acknowledged).await;
        // The next child starts from the same names; what it writes again replaces what is there.
        std::fs::remove_dir_all(directory.path()).unwrap();
        acknowledged.clear();
    }
}

/// Lets a child commit until it has acknowledged so many, kills it, and collects all it acknowledged.
fn kill_after(commits: usize, path: &Path, acknowledged: &mut BTreeSet<String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            concat!(module_path!(), "::child_that_commits_until_it_is_killed")
                .split_once("::")
                .unwrap()
                .1,
        ])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        acknowledged.extend(line.split_once("acknowledged:").map(|(_, id)| id.to_owned()));
        if acknowledged.len() == commits {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        acknowledged.len() >= commits,
        "the child ended by itself after {}",
        acknowledged.len()
    );
}

/// Everything acknowledged is there, and every change, acknowledged or not, is there whole or not at all.
async fn check(store: &Shared, acknowledged: &BTreeSet<String>) {
    let (mut whole, mut counted) = (BTreeSet::new(), 0);
    for shard in Shard::all() {
        let queued =
            store.claim(shard, &["q".into()], usize::MAX, Duration::from_mins(1)).await.unwrap();
        let queued: BTreeSet<_> = queued.into_iter().map(|claimed| claimed.member).collect();
        let events = store.events(shard, EventId(0), usize::MAX).await.unwrap();
        let events: BTreeSet<_> = events.into_iter().map(|(_, event)| event.to_vec()).collect();
        assert_eq!(queued, events);
        for id in events {
            let rows =
                store.read(shard, &TABLES.map(|table| Key::new(table, id.clone()))).await.unwrap();
            assert!(
                rows.iter().all(|row| row.as_ref().is_some_and(|row| row.bytes.len() == 400)),
                "a torn change"
            );
            whole.insert(String::from_utf8(id).unwrap());
        }
        assert_eq!(
            store.scan(shard, Table::Device, None, usize::MAX).await.unwrap().rows.len(),
            queued.len()
        );
        for caller in 0..16 {
            counted += store
                .counters(shard, caller)
                .await
                .unwrap()
                .iter()
                .map(|(_, sum)| *sum)
                .sum::<i64>();
        }
    }
    assert_eq!(counted, i64::try_from(whole.len()).unwrap());
    let lost: Vec<_> = acknowledged.difference(&whole).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are lost", lost.len(), acknowledged.len());
}

/// A member that comes while others look for it is found: a look at the disk from before it came, finished after it was noted,
/// must not make it forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_while_many_look_is_claimed_by_one_of_them() {
    let (store, _directory) = fresh();
    let (found, mut founds) = tokio::sync::mpsc::channel(64);
    let lookers: Vec<_> = (0..4)
        .map(|_| {
            let (store, found) = (Arc::clone(&store), found.clone());
            tokio::spawn(async move {
                loop {
                    for claimed in contract::claim(&store, "q", 9).await {
                        found.send(claimed.member).await.unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for n in 0..200_u32 {
        let member = n.to_be_bytes().to_vec();
        contract::commit(&store, Change::new().queue_put("q".into(), member.clone(), 1)).await;
        let came = tokio::time::timeout(Duration::from_secs(10), founds.recv()).await;
        assert_eq!(came.unwrap_or_else(|_late| panic!("nobody found member {n}")), Some(member));
        let gone = Change::new().queue_remove("q".into(), n.to_be_bytes());
        contract::commit(&store, gone).await;
    }
    for looker in lookers {
        looker.abort();
    }
}

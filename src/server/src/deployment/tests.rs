//! Who does what, and who may.

use super::{
    Deployment, Shared, Views,
    members::{DeploymentRow, Settings},
};
use campaign::time::Instant;
use std::sync::Mutex;

fn settings(what: &str) -> Settings {
    Settings::from([("route `udp`".to_owned(), [what.as_bytes()[0]; 8])])
}

fn at(milliseconds: u64) -> Instant {
    Instant(1_000_000 + milliseconds)
}

/// A process that follows the row.
struct Process {
    id: &'static str,
    deployment: Deployment,
}

impl Process {
    fn new(id: &'static str, what: &str) -> Self {
        let shared =
            Shared { id: id.to_owned(), settings: settings(what), views: Mutex::default() };
        Self { id, deployment: Deployment { shared: Some(shared) } }
    }

    fn renew(&self, row: &mut DeploymentRow, now: Instant) {
        let shared = self.deployment.shared.as_ref().unwrap();
        let comes = row.renew(self.id, &shared.settings, now);
        shared.views().take(comes, row.view(self.id), row.all_saw(), now);
    }

    fn share(&self, of: u32, now: Instant) -> u32 {
        self.deployment.share(of, now)
    }
}

/// C2: one limit over all workers together, whoever comes and goes.
#[test]
fn the_shares_of_all_never_add_up_to_more_than_the_limit() {
    let (a, b, c) = (Process::new("a", "x"), Process::new("b", "x"), Process::new("c", "x"));
    let mut row = DeploymentRow::default();
    let within = |now, of| {
        let sum: u32 = [&a, &b, &c].iter().map(|process| process.share(of, now)).sum();
        assert!(sum <= of, "{sum} of {of}");
        sum
    };
    let both = |now| (within(now, 100), within(now, 2));
    a.renew(&mut row, at(0));
    assert_eq!(both(at(0)), (100, 2), "alone it has all");
    b.renew(&mut row, at(100));
    assert_eq!(b.share(100, at(100)), 0, "the other does not know yet");
    both(at(100));
    a.renew(&mut row, at(500));
    both(at(500));
    b.renew(&mut row, at(600));
    a.renew(&mut row, at(1_000));
    assert_eq!(both(at(1_000)), (100, 2));
    assert_eq!((a.share(100, at(1_000)), b.share(100, at(1_000))), (50, 50));
    c.renew(&mut row, at(1_100));
    both(at(1_100));
    for now in [1_200, 1_300] {
        for process in [&a, &b, &c] {
            process.renew(&mut row, at(now));
            both(at(now));
        }
    }
    assert_eq!(both(at(1_300)), (100, 2));
    // One dies without a word: its share is unused until its entry ends, then the others have it.
    for now in (2_000..9_000).step_by(500) {
        a.renew(&mut row, at(now));
        b.renew(&mut row, at(now + 1));
        both(at(now + 1));
    }
    assert_eq!(both(at(8_501)), (100, 2));
    row.leave("a");
    for now in [8_600, 8_700] {
        b.renew(&mut row, at(now));
    }
    assert_eq!(b.share(100, at(8_700)), 100);
}

#[test]
fn a_process_that_was_away_too_long_comes_back_without_a_share() {
    let (a, b) = (Process::new("a", "x"), Process::new("b", "x"));
    let mut row = DeploymentRow::default();
    for now in [0, 1, 2] {
        a.renew(&mut row, at(now));
        b.renew(&mut row, at(now));
    }
    assert_eq!(a.share(10, at(2)), 5);
    for now in (500..7_000).step_by(500) {
        b.renew(&mut row, at(now));
    }
    assert_eq!(b.share(10, at(6_500)), 10);
    a.renew(&mut row, at(6_600));
    assert_eq!(a.share(10, at(6_600)), 0, "the other still thinks that it is alone");
    b.renew(&mut row, at(7_000));
    a.renew(&mut row, at(7_100));
    b.renew(&mut row, at(7_500));
    assert_eq!((a.share(10, at(7_500)), b.share(10, at(7_500))), (5, 5));
}

#[test]
fn who_cannot_renew_its_entry_stops_before_others_take_its_share() {
    let a = Process::new("a", "x");
    a.renew(&mut DeploymentRow::default(), at(0));
    assert_eq!(a.share(7, at(1_999)), 7);
    assert_eq!(a.share(7, at(2_001)), 0);
    assert!(!a.deployment.looks_after(1, at(2_001)));
}

#[test]
fn every_thing_is_looked_after_by_somebody_and_by_one_when_all_have_seen_each_other() {
    let (a, b) = (Process::new("a", "x"), Process::new("b", "x"));
    let mut row = DeploymentRow::default();
    let lookers =
        |thing, now| [&a, &b].iter().filter(|p| p.deployment.looks_after(thing, now)).count();
    a.renew(&mut row, at(0));
    b.renew(&mut row, at(1));
    assert!((0..9).all(|thing| lookers(thing, at(1)) >= 1));
    for now in [2, 3] {
        a.renew(&mut row, at(now));
        b.renew(&mut row, at(now));
    }
    assert!((0..9).all(|thing| lookers(thing, at(3)) == 1));
}

/// One that differs is not ready and names the difference; it takes over when the last of the others has gone.
#[test]
fn a_process_with_other_settings_waits_until_nobody_has_the_old_ones() {
    let (old, new) = (Process::new("old", "x"), Process::new("new", "other"));
    let mut row = DeploymentRow::default();
    old.renew(&mut row, at(0));
    new.renew(&mut row, at(100));
    assert_eq!(row.difference(&settings("other")).as_deref(), Some("route `udp`"));
    assert_eq!(row.difference(&settings("x")), None);
    assert_eq!((old.share(9, at(100)), new.share(9, at(100))), (9, 0));
    assert!(!new.deployment.looks_after(0, at(100)) && !new.deployment.looks_after(1, at(100)));
    row.leave("old");
    new.renew(&mut row, at(600));
    assert_eq!(row.difference(&settings("other")), None);
    new.renew(&mut row, at(700));
    assert_eq!(new.share(9, at(700)), 9);
}

#[test]
fn a_process_that_is_alone_by_nature_has_everything_and_looks_after_all() {
    let alone = Deployment::default();
    assert_eq!(alone.share(9, at(0)), 9);
    assert!(alone.looks_after(3, at(0)));
    assert!(!Views::default().fresh(at(0)));
}

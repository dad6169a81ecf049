//! What the embedded store remembers of its queues in memory: who holds a lease, and from where it is worth looking.
//!
//! On disk a queue is its members in order of due instants. A claim does not touch the disk: it walks on from where the
//! last one stopped, and leases what it takes, so a crash gives everything back. What a walk has passed and must be
//! offered again (a lease that ended, a member put at an earlier place) waits in `early`, which is bounded: when it
//! overflows, the walk starts further back instead. Lines can be forgotten at any time if nobody holds a lease.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{QueueName, SHARDS, Shard};

/// Members passed by the walk that one line keeps in mind before it walks again instead.
const MOST_EARLY: usize = 1024;
/// Leases of one line; beyond that its claims are empty until some end.
const MOST_LEASES: usize = 65_536;
/// Lines of a shard; beyond that those without leases are forgotten.
const MOST_LINES: usize = 1024;

/// Where a member stands in its queue. Its order is the order of claims.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) due: u64,
    pub(super) member: Vec<u8>,
}

impl Place {
    const FIRST: Self = Self { due: 0, member: Vec::new() };

    /// The first place behind this one.
    fn behind(mut self) -> Self {
        self.member.push(0);
        self
    }
}

/// A member that a group of commits moves: where it stood on disk, and where it will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) from: Option<u64>,
    pub(super) to: Option<u64>,
}

/// The moves of a group of commits in one shard.
pub(super) type Moves = HashMap<(QueueName, Vec<u8>), Move>;

/// The lines of all shards.
pub(super) struct Queues {
    shards: Vec<Mutex<HashMap<QueueName, Line>>>,
}

impl Queues {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Claims up to `most` of a queue's due members until `until`. `places` answers the queue's members on disk from a
    /// place on, in order, as they are when it is called; it is not called when nothing can be due.
    pub(super) fn claim<E, I>(
        &self,
        shard: Shard,
        queue: &QueueName,
        (now, until): (u64, u64),
        most: usize,
        places: impl FnOnce(&Place) -> I,
    ) -> Result<Vec<Place>, E>
    where
        I: Iterator<Item = Result<Place, E>>,
    {
        let mut lines = self.lines(shard);
        if let Some(line) = lines.get_mut(queue) {
            return line.claim(now, until, most, places);
        }
        if lines.len() >= MOST_LINES {
            lines.retain(|_, line| !line.is_idle());
        }
        lines.entry(queue.clone()).or_default().claim(now, until, most, places)
    }

    /// When the first member that nobody holds is due. `places` as in [`Self::claim`].
    pub(super) fn earliest<E, I>(
        &self,
        shard: Shard,
        queue: &QueueName,
        now: u64,
        places: impl FnOnce(&Place) -> I,
    ) -> Result<Option<u64>, E>
    where
        I: Iterator<Item = Result<Place, E>>,
    {
        match self.lines(shard).get_mut(queue) {
            Some(line) => line.earliest(now, places),
            None => places(&Place::FIRST).next().transpose().map(|place| Some(place?.due)),
        }
    }

    /// Hides the members that are about to move. Between the moment a move can be seen on disk and the moment
    /// [`Self::moved`] has taken note of it, a claim would otherwise lease a member that is then offered again.
    pub(super) fn moving(&self, shard: Shard, moves: &Moves) {
        let mut lines = self.lines(shard);
        for (queue, member) in moves.keys() {
            if !lines.contains_key(queue) {
                lines.insert(queue.clone(), Line::default());
            }
            if let Some(line) = lines.get_mut(queue) {
                line.moving.insert(member.clone());
            }
        }
    }

    /// Takes note of moves that are on disk: their leases end, and they are offered where they stand now.
    pub(super) fn moved(&self, shard: Shard, moves: Moves) {
        let mut lines = self.lines(shard);
        for ((queue, member), moved) in moves {
            let Some(line) = lines.get_mut(&queue) else { continue };
            line.moved(member, moved);
            if line.is_new() {
                lines.remove(&queue);
            }
        }
    }

    fn lines(&self, shard: Shard) -> MutexGuard<'_, HashMap<QueueName, Line>> {
        let lines =
            self.shards.get(usize::from(shard.number())).expect("there are as many as shards");
        lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one queue in one shard.
#[derive(Default)]
struct Line {
    /// Everything before this place is taken, gone, or in `early`.
    from: Option<Place>,
    /// Nothing from `from` on is due before this instant.
    due: u64,
    early: BTreeSet<Place>,
    leases: HashMap<Vec<u8>, Lease>,
    ends: BTreeSet<(u64, Vec<u8>)>,
    moving: HashSet<Vec<u8>>,
}

struct Lease {
    due: u64,
    until: u64,
}

impl Line {
    fn claim<E, I>(
        &mut self,
        now: u64,
        until: u64,
        most: usize,
        places: impl FnOnce(&Place) -> I,
    ) -> Result<Vec<Place>, E>
    where
        I: Iterator<Item = Result<Place, E>>,
    {
        self.give_back(now);
        let most = most.min(MOST_LEASES.saturating_sub(self.leases.len()));
        let due = self.early.iter().take_while(|place| place.due <= now);
        let mut taken: Vec<_> =
            due.filter(|place| !self.moving.contains(&place.member)).take(most).cloned().collect();
        for place in &taken {
            self.early.remove(place);
        }
        if taken.len() < most && self.due <= now {
            self.walk(now, most, &mut taken, places).inspect_err(|_| self.look_again())?;
        }
        for place in &taken {
            self.leases.insert(place.member.clone(), Lease { due: place.due, until });
            self.ends.insert((until, place.member.clone()));
        }
        Ok(taken)
    }

    /// Walks on over the places on disk and takes what is due and free.
    fn walk<E, I>(
        &mut self,
        now: u64,
        most: usize,
        taken: &mut Vec<Place>,
        places: impl FnOnce(&Place) -> I,
    ) -> Result<(), E>
    where
        I: Iterator<Item = Result<Place, E>>,
    {
        let mut last = None;
        let mut due = u64::MAX;
        for place in places(self.from.as_ref().unwrap_or(&Place::FIRST)) {
            let place = place?;
            if place.due > now || taken.len() == most {
                due = place.due;
                break;
            }
            if !self.leases.contains_key(&place.member) && !self.moving.contains(&place.member) {
                taken.push(place.clone());
            }
            last = Some(place);
        }
        self.due = due;
        self.from = last.map(Place::behind).or_else(|| self.from.take()).or(Some(Place::FIRST));
        Ok(())
    }

    fn earliest<E, I>(
        &mut self,
        now: u64,
        places: impl FnOnce(&Place) -> I,
    ) -> Result<Option<u64>, E>
    where
        I: Iterator<Item = Result<Place, E>>,
    {
        self.give_back(now);
        let free =
            |member: &Vec<u8>| !self.leases.contains_key(member) && !self.moving.contains(member);
        let early = self.early.iter().find(|place| free(&place.member)).map(|place| place.due);
        for place in places(self.from.as_ref().unwrap_or(&Place::FIRST)) {
            let place = place?;
            if free(&place.member) {
                return Ok(Some(early.map_or(place.due, |early| early.min(place.due))));
            }
        }
        Ok(early)
    }

    /// Forgets how far the walk has come.
    fn look_again(&mut self) {
        self.from = None;
        self.due = 0;
        self.early.clear();
    }

    /// Ends the leases whose time is over.
    fn give_back(&mut self, now: u64) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, member)) = self.ends.pop_first() else { return };
            if let Some(lease) = self.leases.remove(&member)
                && !self.moving.contains(&member)
            {
                self.offer(Place { due: lease.due, member });
            }
        }
    }

    fn moved(&mut self, member: Vec<u8>, moved: Move) {
        self.moving.remove(&member);
        if let Some(lease) = self.leases.remove(&member) {
            self.ends.remove(&(lease.until, member.clone()));
        }
        let mut place = Place { due: 0, member };
        if let Some(due) = moved.from {
            place.due = due;
            self.early.remove(&place);
        }
        if let Some(due) = moved.to {
            place.due = due;
            self.offer(place);
        }
    }

    /// Makes sure that a free member at this place is found by the next claim for which it is due.
    fn offer(&mut self, place: Place) {
        if self.from.as_ref().is_none_or(|from| place >= *from) {
            self.due = self.due.min(place.due);
            return;
        }
        self.early.insert(place);
        if self.early.len() > MOST_EARLY {
            self.due = self.early.first().map_or(0, |place| place.due);
            self.from = self.early.pop_first();
            self.early.clear();
        }
    }

    /// Never walked, and nothing to remember.
    fn is_new(&self) -> bool {
        self.from.is_none() && self.is_idle()
    }

    fn is_idle(&self) -> bool {
        self.leases.is_empty() && self.moving.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// What happens to a queue.
    #[derive(Debug, Clone)]
    enum Step {
        Put {
            member: u8,
            due: u64,
        },
        Remove {
            member: u8,
        },
        Claim {
            most: usize,
            lease: u64,
        },
        /// A claim while a put or a removal can be seen on disk, but has not been noted.
        ClaimAmid {
            member: u8,
            due: Option<u64>,
            most: usize,
        },
        Wait {
            time: u64,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let (member, due, most) = (0..40u8, 0..60u64, 0..8usize);
        prop_oneof![
            4 => (member.clone(), due.clone()).prop_map(|(member, due)| Step::Put { member, due }),
            2 => member.clone().prop_map(|member| Step::Remove { member }),
            4 => (most.clone(), 1..20u64).prop_map(|(most, lease)| Step::Claim { most, lease }),
            1 => (member, proptest::option::of(due), most)
                .prop_map(|(member, due, most)| Step::ClaimAmid { member, due, most }),
            2 => (1..15u64).prop_map(|time| Step::Wait { time }),
        ]
    }

    /// A queue as simple as can be: where members stand, and until when they are hidden.
    #[derive(Default)]
    struct Model {
        now: u64,
        due: BTreeMap<u8, u64>,
        hidden: BTreeMap<u8, u64>,
    }

    impl Model {
        fn free(&self, but: Option<u8>) -> Vec<Place> {
            let free = self.due.iter().filter(|(member, due)| {
                **due <= self.now
                    && Some(**member) != but
                    && self.hidden.get(member).is_none_or(|until| *until <= self.now)
            });
            let mut free: Vec<_> =
                free.map(|(member, due)| Place { due: *due, member: vec![*member] }).collect();
            free.sort();
            free
        }

        fn claim(&mut self, queues: &Queues, most: usize, lease: u64, but: Option<u8>) {
            let until = self.now + lease;
            let disk: BTreeSet<_> = self
                .due
                .iter()
                .map(|(member, due)| Place { due: *due, member: vec![*member] })
                .collect();
            let places =
                |from: &Place| disk.range(from.clone()..).cloned().map(Ok::<_, Infallible>);
            let name = QueueName::from("q");
            let claimed =
                queues.claim(Shard::from(1), &name, (self.now, until), most, places).unwrap();
            let mut expected = self.free(but);
            expected.truncate(most);
            assert!(claimed == expected, "claimed {} of {}", claimed.len(), expected.len());
            self.hidden.extend(claimed.iter().map(|place| (place.member[0], until)));
        }

        fn change(&mut self, queues: &Queues, member: u8, to: Option<u64>, amid: Option<usize>) {
            let from = self.due.get(&member).copied();
            let moves = Moves::from([((QueueName::from("q"), vec![member]), Move { from, to })]);
            queues.moving(Shard::from(1), &moves);
            match to {
                Some(to) => self.due.insert(member, to),
                None => self.due.remove(&member),
            };
            if let Some(most) = amid {
                self.claim(queues, most, 5, Some(member));
            }
            queues.moved(Shard::from(1), moves);
            self.hidden.remove(&member);
        }
    }

    proptest! {
        #[test]
        fn a_claim_takes_exactly_the_first_free_members(steps in proptest::collection::vec(step(), 0..120)) {
            let (queues, mut model) = (Queues::new(), Model::default());
            for step in steps {
                match step {
                    Step::Put { member, due } => model.change(&queues, member, Some(due), None),
                    Step::Remove { member } => model.change(&queues, member, None, None),
                    Step::Claim { most, lease } => model.claim(&queues, most, lease, None),
                    Step::ClaimAmid { member, due, most } => model.change(&queues, member, due, Some(most)),
                    Step::Wait { time } => model.now += time,
                }
            }
            model.now += 1000;
            model.claim(&queues, usize::MAX, 1, None);
        }
    }

    #[test]
    fn more_members_behind_the_walk_than_are_kept_in_mind_are_still_found() {
        let (queues, name) = (Queues::new(), QueueName::from("q"));
        let all: BTreeSet<_> = (0..3000u64)
            .map(|number| Place { due: number, member: number.to_be_bytes().to_vec() })
            .collect();
        let claim = |now, until| {
            let places = |from: &Place| all.range(from.clone()..).cloned().map(Ok::<_, Infallible>);
            queues.claim(Shard::from(1), &name, (now, until), usize::MAX, places).unwrap().len()
        };
        assert_eq!(claim(5000, 6000), 3000);
        assert_eq!(claim(5999, 7000), 0);
        assert_eq!(claim(6000, 7000), 3000, "all leases ended at once");
    }

    #[test]
    fn nothing_is_read_while_nothing_can_be_due() {
        let (queues, name) = (Queues::new(), QueueName::from("q"));
        let one = [Place { due: 100, member: vec![1] }];
        let claim = |now, reads: &mut u32| {
            let places = |_: &Place| {
                *reads += 1;
                one.iter().cloned().map(Ok::<_, Infallible>)
            };
            queues.claim(Shard::from(1), &name, (now, now + 1000), 9, places).unwrap().len()
        };
        let mut reads = 0;
        assert_eq!((claim(5, &mut reads), claim(6, &mut reads), claim(99, &mut reads)), (0, 0, 0));
        assert_eq!(reads, 1, "the first look tells when it is worth to look again");
        assert_eq!((claim(100, &mut reads), reads), (1, 2));
    }
}

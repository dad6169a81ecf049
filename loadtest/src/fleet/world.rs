//! What is remembered of devices that are not in a session: nothing of one never woken, some hundred octets of another.

use crate::{
    device::{Account, Finished, Heard, LastBell, Reason, Terms, hear},
    identity::Identity,
    tree::{Change, Tree},
    verdict::Breach,
};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use wire::meta::Format;

const SHARDS: usize = 64;

/// Devices by index, and the texts that they share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) terms: Arc<Terms>,
    /// Boxed, because a map that grows keeps room for twice what is in it.
    shards: Vec<Mutex<HashMap<u32, Box<Kept>>>>,
    texts: Mutex<Texts>,
}

#[derive(Debug, Default)]
struct Kept {
    account: Account,
    changes: Box<[PackedChange]>,
    busy: bool,
}

/// A changed node with its texts replaced by their numbers in [`Texts`]: a fleet holds the same few many times.
#[derive(Debug, Clone, Copy)]
struct PackedChange {
    path: u32,
    format: PackedFormat,
    value: u32,
}

#[derive(Debug, Clone, Copy)]
enum PackedFormat {
    Deleted,
    Known(u8),
    Other(u32),
}

impl World {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms: Arc::new(terms),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            texts: Mutex::default(),
        }
    }

    pub(crate) fn identity(&self, index: u64) -> Identity {
        Identity::of(self.terms.seed, index, &self.terms.mix, &self.terms.server_id)
    }

    /// A push message came in for this device.
    pub(crate) fn hear(&self, index: u64, push: &[u8], life: u32) -> (Heard, Vec<Breach>) {
        let identity = self.identity(index);
        let mut shard = self.shard(index);
        let kept = shard.entry(key(index)).or_default();
        if kept.busy {
            // Its nonces are on the way; what the notification is worth can be said when the session is over.
            return (Heard::Again, Vec::new());
        }
        let (heard, breaches) = hear(&self.terms, &identity, &mut kept.account, push, life);
        kept.busy = matches!(heard, Heard::Wake(_));
        (heard, breaches)
    }

    /// Claims the device for a session that it opens by itself; false when it is in one.
    pub(crate) fn claim(&self, index: u64) -> bool {
        let mut shard = self.shard(index);
        let kept = shard.entry(key(index)).or_default();
        !std::mem::replace(&mut kept.busy, true)
    }

    /// Devices that are claimed.
    pub(crate) fn busy(&self) -> usize {
        let busy = |shard: &Mutex<HashMap<u32, Box<Kept>>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().filter(|kept| kept.busy).count()
        };
        self.shards.iter().map(busy).sum()
    }

    /// What is known of a claimed device.
    pub(crate) fn recall(&self, index: u64) -> (Account, Vec<Change>) {
        match self.shard(index).get(&key(index)) {
            Some(kept) => (kept.account.clone(), self.unpack(&kept.changes)),
            None => (Account::default(), Vec::new()),
        }
    }

    /// The session of a claimed device is over.
    pub(crate) fn remember(&self, index: u64, finished: Finished) {
        let changes = self.pack(finished.changes);
        let kept = Kept { account: finished.account, changes, busy: false };
        self.shard(index).insert(key(index), Box::new(kept));
    }

    pub(crate) fn tree(&self, index: u64) -> Tree {
        let (_, changes) = self.recall(index);
        Tree::new(Arc::new(self.identity(index)), changes)
    }

    /// Somebody at the device changes a node; `None` deletes it. A device in a session forgets it at its end.
    pub(crate) fn change(&self, index: u64, change: Change) {
        let (_, mut changes) = self.recall(index);
        changes.retain(|known| known.path != change.path);
        changes.push(change);
        let packed = self.pack(changes);
        self.shard(index).entry(key(index)).or_default().changes = packed;
    }

    /// Sessions begun by a device, and whether its last notification led to a finished session.
    pub(crate) fn sessions(&self, index: u64) -> (u32, bool) {
        self.shard(index).get(&key(index)).map_or((0, false), |kept| {
            (kept.account.sessions, kept.account.last_bell == LastBell::Done)
        })
    }

    fn shard(&self, index: u64) -> MutexGuard<'_, HashMap<u32, Box<Kept>>> {
        let place = usize::try_from(index).unwrap_or_default() % SHARDS;
        let shard =
            self.shards.get(place).expect("the place is a remainder of the number of shards");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pack(&self, changes: Vec<Change>) -> Box<[PackedChange]> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut packed = Vec::with_capacity(changes.len());
        for change in changes {
            let path = texts.number(&change.path);
            let (format, value) = match change.now {
                None => (PackedFormat::Deleted, 0),
                Some((format, value)) => (texts.pack_format(&format), texts.number(&value)),
            };
            packed.push(PackedChange { path, format, value });
        }
        packed.into_boxed_slice()
    }

    fn unpack(&self, changes: &[PackedChange]) -> Vec<Change> {
        if changes.is_empty() {
            return Vec::new();
        }
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        changes
            .iter()
            .map(|change| Change {
                path: texts.text(change.path),
                now: texts.format(change.format).map(|format| (format, texts.text(change.value))),
            })
            .collect()
    }
}

/// Each text once, by number.
#[derive(Debug, Default)]
struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

/// The formats that need no text.
const FORMATS: [Format; 11] = [
    Format::B64,
    Format::Bin,
    Format::Bool,
    Format::Chr,
    Format::Int,
    Format::Node,
    Format::Null,
    Format::Xml,
    Format::Date,
    Format::Time,
    Format::Float,
];

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text: Arc<str> = text.into();
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        if let Entry::Vacant(vacant) = self.numbers.entry(Arc::clone(&text)) {
            vacant.insert(number);
        }
        self.texts.push(text);
        number
    }

    fn text(&self, number: u32) -> String {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        self.texts.get(place).map(ToString::to_string).unwrap_or_default()
    }

    fn pack_format(&mut self, format: &Format) -> PackedFormat {
        match FORMATS
            .iter()
            .position(|known| known == format)
            .and_then(|place| u8::try_from(place).ok())
        {
            Some(place) => PackedFormat::Known(place),
            None => PackedFormat::Other(self.number(format.name())),
        }
    }

    fn format(&self, format: PackedFormat) -> Option<Format> {
        match format {
            PackedFormat::Deleted => None,
            PackedFormat::Known(place) => FORMATS.get(usize::from(place)).cloned(),
            PackedFormat::Other(number) => Some(Format::Other(self.text(number).into())),
        }
    }
}

fn key(index: u64) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A session that is to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) index: u64,
    pub(crate) reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{device::End, faults::Mix, tree::Found};

    fn world() -> World {
        World::new(Terms {
            seed: 1,
            mix: Mix::healthy(),
            dm_url: "http://127.0.0.1:1/dm".to_owned(),
            server_id: "dm.example".to_owned(),
            user_owned: Vec::new(),
            questions_expected: false,
        })
    }

    #[test]
    fn changed_nodes_are_remembered_and_deleted_ones_too() {
        let world = world();
        let changes = vec![
            Change {
                path: "AP/GW/Addr".to_owned(),
                now: Some((Format::Chr, "10.20.0.1".to_owned())),
            },
            Change {
                path: "AP/X".to_owned(),
                now: Some((Format::Other("odd".into()), "1".to_owned())),
            },
            Change { path: "Bookmarks".to_owned(), now: None },
        ];
        for change in &changes {
            world.change(7, change.clone());
        }
        assert_eq!(world.recall(7).1, changes);
        let found = world.tree(7).get("./AP/GW/Addr").unwrap();
        assert_eq!(found, Found::Leaf { format: Format::Chr, value: "10.20.0.1".to_owned() });
        assert!(world.tree(7).get("./Bookmarks").is_err());
        assert_ne!(world.tree(8).get("./AP/GW/Addr").unwrap(), found);
    }

    #[test]
    fn a_device_is_in_one_session_at_a_time() {
        let world = world();
        assert!(world.claim(3));
        assert!(!world.claim(3));
        let (account, changes) = world.recall(3);
        let device = crate::device::SimDevice::wake(
            Arc::clone(&world.terms),
            Arc::new(world.identity(3)),
            account,
            changes,
            Reason::ByItself,
        );
        world.remember(3, device.finish(End::GaveUp, Reason::ByItself));
        assert!(world.claim(3));
        assert_eq!(world.sessions(3).0, 1);
    }

    /// 200,000 devices have to fit beside the server that is measured.
    #[test]
    fn a_remembered_device_is_small() {
        assert!(size_of::<Kept>() <= 96, "{}", size_of::<Kept>());
        assert!(size_of::<PackedChange>() <= 16);
    }
}

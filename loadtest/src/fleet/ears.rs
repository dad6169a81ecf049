//! The ears of the devices: where a push goes in, over the air or from a carrier in this process.

use super::{Shared, Start};
use crate::{clock, device::Heard, fleet::world::Due, identity};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use tokio::sync::mpsc;

/// The devices of a fleet, as a carrier finds them.
#[derive(Debug, Clone)]
pub struct Ears {
    pub(super) shared: Arc<Shared>,
    pub(super) starts: mpsc::UnboundedSender<Start>,
    pub(super) devices: u64,
    pub(super) born: Instant,
}

impl Ears {
    /// The index of the device that has this subscriber number: digits without a plus.
    pub fn device(&self, msisdn: &str) -> Option<u64> {
        identity::index_of_number(msisdn).filter(|index| *index < self.devices)
    }

    /// The subscriber number of a device.
    pub fn number(&self, index: u64) -> String {
        identity::number(index)
    }

    /// A push message reaches a device.
    pub fn hear(&self, index: u64, push: &[u8]) {
        if index >= self.devices {
            return;
        }
        let Self { shared, starts, born, .. } = self;
        let heard = clock::now();
        let life = u32::try_from(heard.duration_since(*born).as_millis()).unwrap_or(u32::MAX);
        shared.tally.notifications.fetch_add(1, Ordering::Relaxed);
        let (reaction, breaches) = shared.world.hear(index, push, life);
        shared.tally.breaches(breaches);
        match reaction {
            Heard::Wake(reason) => {
                let due = Due { index, reason };
                // Nobody receives when the fleet is being stopped.
                drop(starts.send(Start { due, heard, done: None }));
            }
            Heard::Again => {
                shared.tally.notifications_again.fetch_add(1, Ordering::Relaxed);
            }
            Heard::Nothing => {}
        }
    }
}

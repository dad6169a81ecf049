//! A fleet as it is wanted, and what cannot be had.

use crate::{faults::Mix, fleet::http::Url, identity::MOST_DEVICES};
use std::{io, net::SocketAddr, time::Duration};

/// A fleet as it is wanted.
#[derive(Debug, Clone)]
pub struct FleetPlan {
    pub devices: u64,
    pub seed: u64,
    /// Where devices begin their sessions, as `http://host:port/path`.
    pub dm_url: String,
    /// Where the host of every URL leads; empty: where the network says. Devices are spread over them, and go to the next
    /// one when one does not answer.
    pub fronts: Vec<SocketAddr>,
    /// Every message goes to the next front, over a connection of its own.
    pub round_robin: bool,
    /// The port on which every device hears notifications; 0 takes one that is free.
    pub udp_port: u16,
    /// The server identifier in notifications, and the user name of the server's credentials.
    pub server_id: String,
    /// The `authority` column of the registry lines.
    pub authority: String,
    pub mix: Mix,
    /// Subtrees that belong to the user; a write there is a breach (R8).
    pub user_owned: Vec<String>,
    /// Whether a campaign asks the user; otherwise a question is a breach (R7).
    pub questions_expected: bool,
    /// Sessions at a time; more devices wait their turn.
    pub sessions_at_once: usize,
    /// How often the devices of [`Mix::polls`] connect by themselves; `None`: never.
    pub polls_every: Option<Duration>,
}

impl FleetPlan {
    /// A fleet of the demo's mix, on any free port.
    pub fn new(devices: u64, dm_url: impl Into<String>) -> Self {
        Self {
            devices,
            seed: 1,
            dm_url: dm_url.into(),
            fronts: Vec::new(),
            round_robin: false,
            udp_port: 0,
            server_id: "dm.operator.example".to_owned(),
            authority: "operator".to_owned(),
            mix: Mix::demo(),
            user_owned: vec!["./User".to_owned()],
            questions_expected: false,
            sessions_at_once: 2_000,
            polls_every: None,
        }
    }
}

impl FleetPlan {
    pub(super) fn check(&self) -> Result<(), FleetError> {
        if self.devices == 0 || self.devices > MOST_DEVICES {
            return Err(FleetError::Size(self.devices));
        }
        if Url::parse(&self.dm_url).is_none() {
            return Err(FleetError::Url(self.dm_url.clone()));
        }
        if !(1..=23).contains(&self.server_id.len()) {
            return Err(FleetError::ServerId);
        }
        Ok(())
    }
}

/// Why a fleet cannot start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("a fleet has 1 to {MOST_DEVICES} devices, not {0}")]
    Size(u64),
    #[error("{0:?} is not an http:// URL")]
    Url(String),
    #[error("the server id has to have 1 to 23 octets")]
    ServerId,
    #[error("cannot listen for notifications on port {port}")]
    Listen { port: u16, source: io::Error },
}

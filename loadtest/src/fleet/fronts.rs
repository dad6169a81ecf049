//! Which of several servers a device gets to: what a name with several addresses, or a spreader of load, decides elsewhere.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The servers behind the host of every URL.
#[derive(Debug)]
pub(crate) struct Fronts {
    servers: Vec<SocketAddr>,
    /// Every message goes to the next one.
    round_robin: bool,
    next: AtomicUsize,
}

impl Fronts {
    pub(crate) fn new(servers: Vec<SocketAddr>, round_robin: bool) -> Self {
        Self { servers, round_robin, next: AtomicUsize::new(0) }
    }

    /// The server for a new connection; `None`: whoever the URL names. Connections come in turn, so that a device whose
    /// server died gets to another.
    pub(crate) fn next(&self) -> Option<SocketAddr> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.servers.get(turn.checked_rem(self.servers.len())?).copied()
    }

    /// Whether a connection serves for one message only.
    pub(crate) fn every_message(&self) -> bool {
        self.round_robin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_to_the_servers_in_turn() {
        let servers = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let fronts = Fronts::new(servers.to_vec(), false);
        assert_eq!(
            [fronts.next(), fronts.next(), fronts.next()].map(Option::unwrap),
            [servers[0], servers[1], servers[0]]
        );
        assert_eq!(Fronts::new(Vec::new(), true).next(), None);
    }
}

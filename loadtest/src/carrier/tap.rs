//! What goes over the connections of a carrier, kept as a capture file that other programs read (libpcap's format, raw IP).
//!
//! The octets are those of the sockets; the TCP and IP headers around them are made here, with the carrier's well-known port, so
//! that a reader knows what it sees.

use crate::clock;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The payload of one packet.
const MOST_IN_PACKET: usize = 1_400;

/// What all connections of a carrier show their octets to.
#[derive(Debug)]
pub(crate) struct Wiretap(Option<Mutex<Tap>>);

impl Wiretap {
    /// Keeps `most` octets, or nothing if that is zero; `port` is what the carrier seems to listen on.
    pub(crate) fn new(began: Instant, port: u16, most: usize) -> Self {
        Self((most > 0).then(|| Mutex::new(Tap::new(began, port, most))))
    }

    /// Something went over a connection, just now.
    pub(crate) fn saw(&self, connection: u64, side: Side, octets: &[u8]) {
        if let Some(tap) = &self.0 {
            let now = clock::now();
            tap.lock().unwrap_or_else(PoisonError::into_inner).saw(now, connection, side, octets);
        }
    }

    /// The capture file as it is now; without an octet where nothing is kept.
    pub(crate) fn file(&self) -> Vec<u8> {
        let tap = self.0.as_ref();
        tap.map(|tap| tap.lock().unwrap_or_else(PoisonError::into_inner).file.clone())
            .unwrap_or_default()
    }
}

/// Keeps what it is shown, up to so many octets.
#[derive(Debug)]
struct Tap {
    began: Instant,
    port: u16,
    left: usize,
    file: Vec<u8>,
    /// The next sequence number in each direction, by connection.
    sequences: HashMap<(u64, Side), u32>,
}

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Server,
    Carrier,
}

impl Tap {
    fn new(began: Instant, port: u16, most: usize) -> Self {
        // Microseconds, version 2.4, packets that begin with their IP header (101).
        let mut file = Vec::new();
        file.extend(0xA1B2_C3D4_u32.to_le_bytes());
        file.extend(2_u16.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        // Zone, accuracy, longest packet, kind of link.
        for word in [0_u32, 0, 65_535, 101] {
            file.extend(word.to_le_bytes());
        }
        Self { began, port, left: most, file, sequences: HashMap::new() }
    }

    fn saw(&mut self, now: Instant, connection: u64, side: Side, octets: &[u8]) {
        for payload in octets.chunks(MOST_IN_PACKET) {
            if payload.len() > self.left {
                self.left = 0;
                return;
            }
            self.left -= payload.len();
            self.packet(now.saturating_duration_since(self.began), connection, side, payload);
        }
    }

    fn packet(&mut self, at: Duration, connection: u64, side: Side, payload: &[u8]) {
        let sent = self.sequences.entry((connection, side)).or_insert(1);
        let sequence = *sent;
        let length = u32::try_from(payload.len()).unwrap_or_default();
        *sent = sent.wrapping_add(length);
        let other = match side {
            Side::Server => Side::Carrier,
            Side::Carrier => Side::Server,
        };
        let heard = self.sequences.get(&(connection, other)).copied().unwrap_or(1);
        // 198.51.100.0/24 is for examples (RFC 5737).
        let (server, carrier) = ([198, 51, 100, 1], [198, 51, 100, 2]);
        let own = 40_000 + u16::try_from(connection % 20_000).unwrap_or_default();
        let (from, to, from_port, to_port) = match side {
            Side::Server => (server, carrier, own, self.port),
            Side::Carrier => (carrier, server, self.port, own),
        };
        let total = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
        let mut ip = vec![0x45, 0];
        ip.extend(total.to_be_bytes());
        // No fragments, 64 hops, TCP; the checksum follows.
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(from);
        ip.extend(to);
        let sum = checksum(&ip).to_be_bytes();
        ip.splice(10..12, sum);
        let mut tcp = Vec::with_capacity(20);
        tcp.extend(from_port.to_be_bytes());
        tcp.extend(to_port.to_be_bytes());
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(heard.to_be_bytes());
        // Five words of header, PSH and ACK, a window, no checksum, nothing urgent.
        tcp.extend([0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, at.subsec_micros(), u32::from(total), u32::from(total)] {
            self.file.extend(word.to_le_bytes());
        }
        self.file.extend(ip);
        self.file.extend(tcp);
        self.file.extend(payload);
    }
}

/// The checksum of an IP header (RFC 791).
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        })
        .sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let folded = (folded & 0xFFFF) + (folded >> 16);
    !u16::try_from(folded).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The header that explanations of the checksum use: 4500 0073 0000 4000 4011 c0a8 0001 c0a8 00c7 has b861.
    #[test]
    fn the_checksum_is_that_of_the_internet() {
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xC0, 0xA8, 0, 1, 0xC0, 0xA8, 0,
            0xC7,
        ];
        assert_eq!(checksum(&header), 0xB861);
    }

    #[test]
    fn a_tap_is_full_at_some_point() {
        let now = clock::now();
        let mut tap = Tap::new(now, 2775, 3_000);
        tap.saw(now, 0, Side::Server, &[1; 2_000]);
        let two = tap.file.len();
        assert_eq!(two, 24 + 2 * (16 + 40) + 2_000);
        tap.saw(now, 0, Side::Carrier, &[2; 2_000]);
        tap.saw(now, 0, Side::Server, &[3; 1]);
        assert_eq!(tap.file.len(), two, "whole packets or none");
    }
}

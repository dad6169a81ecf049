//! What a device keeps between two sessions about the server: nonces, and how the last notification ended.

use crate::{
    dice::Dice,
    digest,
    faults::{Fault, Habits, ServerNonce},
    identity::Identity,
};

/// The nonce for the device's own credentials. Nearly all are 16 octets, and there are as many as devices.
#[derive(Clone, Default, PartialEq, Eq)]
enum ClientNonce {
    /// The one it was made with.
    #[default]
    First,
    Given([u8; 16]),
    GivenLong(Box<[u8]>),
}

/// How the last notification ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LastBell {
    /// There was none.
    #[default]
    None,
    /// It was heard, or would have been had the device been there; no session has come of it yet.
    Unanswered,
    /// A session began and did not reach its end, or one that the device opened by itself came in between.
    Unsure,
    /// Its session came to its end.
    Done,
}

/// Work that was taken up in a session and is reported in a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    /// Of the command that began it, where it had one.
    pub(crate) correlator: Option<String>,
    pub(crate) uri: String,
    /// A session told of it.
    pub(crate) told: bool,
}

impl Work {
    /// The result code: of every fourth device, the work goes wrong.
    pub(crate) fn result(identity: &Identity) -> u16 {
        if identity.index % 4 == 3 { 410 } else { 200 }
    }
}

/// Nonces and counters of one device: what outlives a session.
#[derive(Clone, Default)]
pub(crate) struct Account {
    client_nonce: ClientNonce,
    /// The answer to the last message never came: the server may hold another client nonce by now.
    pub(crate) client_unsure: bool,
    /// Numbers of the server nonce that was issued last and of the last one that the server surely holds. They differ
    /// while the message that carried the new one is not accepted. 0 is the one in the registry.
    server_nonce: u32,
    server_nonce_held: u32,
    server_nonces_issued: u32,
    pub(crate) last_bell: LastBell,
    pub(crate) last_session_id: u16,
    /// A hash of the package #0 that came last.
    pub(crate) last_package: u64,
    /// Sessions begun.
    pub(crate) sessions: u32,
    /// It is managed no longer.
    pub(crate) left: bool,
    /// What it does for the server, until the server knows how it went.
    pub(crate) work: Option<Box<Work>>,
    /// Notifications that it heard and did not believe, one who lost its nonce.
    pub(crate) unbelieved: u8,
    /// It was called under a nonce of zeros.
    pub(crate) called_under_zeros: bool,
    /// Milliseconds of the fleet's life at which the device is back; 0 while it has not been away.
    pub(crate) back_at: u32,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("sessions", &self.sessions)
            .field("last_bell", &self.last_bell)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// The nonce for the next credentials of the device.
    pub(crate) fn client_nonce(&self, seed: u64, identity: &Identity) -> Vec<u8> {
        match &self.client_nonce {
            ClientNonce::Given(nonce) => nonce.to_vec(),
            ClientNonce::GivenLong(nonce) => nonce.to_vec(),
            ClientNonce::First if identity.kind.fault == Fault::StaleNonce => {
                Dice::of(seed, identity.index, 4).octets().to_vec()
            }
            ClientNonce::First => identity.first_nonce.to_vec(),
        }
    }

    /// Whether the device has reason to believe that its nonce is the server's too.
    pub(crate) fn client_nonce_is_right(&self, identity: &Identity) -> bool {
        let lost =
            self.client_nonce == ClientNonce::First && identity.kind.fault == Fault::StaleNonce;
        !self.client_unsure && !lost
    }

    /// Whether this is the nonce that the device has already.
    pub(crate) fn holds_client_nonce(&self, nonce: &[u8]) -> bool {
        match &self.client_nonce {
            ClientNonce::First => false,
            ClientNonce::Given(held) => held == nonce,
            ClientNonce::GivenLong(held) => **held == *nonce,
        }
    }

    pub(crate) fn take_client_nonce(&mut self, nonce: &[u8]) {
        self.client_nonce = match nonce.try_into() {
            Ok(short) => ClientNonce::Given(short),
            Err(_longer_or_shorter) => ClientNonce::GivenLong(nonce.into()),
        };
    }

    /// The nonces under which the server may prove itself now: one, or two while it may not have learnt of the last.
    pub(crate) fn server_nonces(&self, seed: u64, identity: &Identity) -> Vec<Vec<u8>> {
        let mut nonces = vec![server_nonce(seed, identity, self.server_nonce)];
        if self.server_nonce_held != self.server_nonce {
            nonces.push(server_nonce(seed, identity, self.server_nonce_held));
        }
        nonces
    }

    /// The server used nonce `place` of [`Account::server_nonces`].
    pub(crate) fn server_used(&mut self, place: usize) {
        match place {
            0 => self.server_nonce_held = self.server_nonce,
            _ => self.server_nonce = self.server_nonce_held,
        }
    }

    /// Both sides begin again with zeros: notification and credentials are under them until there are new nonces.
    pub(crate) fn begin_with_zeros(&mut self) {
        (self.server_nonce, self.server_nonce_held) = (ZEROS, ZEROS);
        self.client_nonce = ClientNonce::GivenLong(Box::new(NO_NONCE));
        self.client_unsure = false;
    }

    /// A new nonce for the server, which counts from the moment it is sent.
    pub(crate) fn issue_server_nonce(&mut self, seed: u64, identity: &Identity) -> Vec<u8> {
        self.server_nonces_issued = match identity.kind.fault {
            Fault::SameNonce => 1,
            _ => self.server_nonces_issued + 1,
        };
        self.server_nonce = self.server_nonces_issued;
        server_nonce(seed, identity, self.server_nonce)
    }

    /// The server accepted the message that carried the last new nonce.
    pub(crate) fn accepted(&mut self) {
        self.server_nonce_held = self.server_nonce;
    }
}

/// What clients know as the nonce `0x00000000` (notification.md, section 1).
pub(crate) const NO_NONCE: [u8; 4] = [0; 4];
/// The number of that one among the server's.
const ZEROS: u32 = u32::MAX;

/// Nonces for the server follow from seed and number, so that only a number is kept.
fn server_nonce(seed: u64, identity: &Identity, number: u32) -> Vec<u8> {
    if number == ZEROS {
        return NO_NONCE.to_vec();
    }
    if number == 0 && identity.kind.server_nonce == ServerNonce::Kept {
        return identity.first_server_nonce.to_vec();
    }
    let octets = Dice::of(seed, identity.index, 0x1_0000_0000 + u64::from(number)).octets();
    match identity.kind.habits {
        // The nonces of this client are themselves base64 text, and are meant as they are.
        Habits::A => digest::base64(&octets).into_bytes(),
        Habits::B | Habits::Windows => octets.to_vec(),
    }
}

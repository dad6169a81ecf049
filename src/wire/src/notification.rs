//! Package #0: the notification that asks a device to open a session (DM Notification 1.2).
//!
//! Sixteen octets of digest, eight of header, the server's name, and what a vendor adds. The digest covers the rest
//! and is made with the secret that the server has at the device, under the nonce that the device gave last.

use crate::digest::{self, Nonce, SecretHash};

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Ten times the version, in ten bits: 11 for every DM 1.2 device. Some devices refuse any other.
    pub version: u16,
    pub ui: UiMode,
    pub initiator: Initiator,
    /// The session that the device shall open, 1 to 65535; the same in every repetition.
    pub session_id: u16,
    /// Whose account at the device is meant. One field client refuses more than 23 octets.
    pub server_id: String,
    /// Octets after the server's name, covered by the digest.
    pub vendor: Vec<u8>,
}

/// How the user notices the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UiMode {
    NotSpecified,
    Background,
    Informative,
    Interactive,
}

/// Who caused the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initiator {
    User,
    Server,
}

/// Why octets are no notification, or a notification cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    #[error("a notification has more than {} octets", DIGEST + HEADER)]
    TooShort,
    #[error(
        "at octet 23: the name of the server is announced with {announced} octets, and {left} are left"
    )]
    ServerLength { announced: usize, left: usize },
    #[error("the name of a server has 1 to 255 octets of text")]
    ServerName,
    #[error("the version field has ten bits; {0} does not fit")]
    Version(u16),
    #[error("session id 0 names no session")]
    SessionId,
}

/// A notification as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    digest: [u8; DIGEST],
    pub notification: Notification,
    /// Header and body: what the digest covers.
    trigger: &'a [u8],
}

const DIGEST: usize = 16;
const HEADER: usize = 8;

impl Notification {
    /// The version field of DM 1.2.
    pub const VERSION: u16 = 11;

    /// The notification of a server-initiated session.
    pub fn new(server_id: impl Into<String>, session_id: u16, ui: UiMode) -> Self {
        Self {
            version: Self::VERSION,
            ui,
            initiator: Initiator::Server,
            session_id,
            server_id: server_id.into(),
            vendor: Vec::new(),
        }
    }

    /// Package #0: the octets for the push message.
    pub fn seal(&self, secret: &SecretHash, nonce: &Nonce) -> Result<Vec<u8>, NotificationError> {
        let trigger = self.trigger()?;
        let mut package = Vec::with_capacity(DIGEST + trigger.len());
        package.extend(digest::mac(secret, nonce, &trigger));
        package.extend(trigger);
        Ok(package)
    }

    fn trigger(&self) -> Result<Vec<u8>, NotificationError> {
        let length = u8::try_from(self.server_id.len())
            .map_err(|_too_long| NotificationError::ServerName)?;
        if length == 0 {
            return Err(NotificationError::ServerName);
        }
        if self.version >= 1 << 10 {
            return Err(NotificationError::Version(self.version));
        }
        if self.session_id == 0 {
            return Err(NotificationError::SessionId);
        }
        let ui = match self.ui {
            UiMode::NotSpecified => 0,
            UiMode::Background => 1,
            UiMode::Informative => 2,
            UiMode::Interactive => 3,
        };
        let initiator = match self.initiator {
            Initiator::User => 0,
            Initiator::Server => 1,
        };
        let header = u64::from(self.version) << 54
            | ui << 52
            | initiator << 51
            | u64::from(self.session_id) << 8
            | u64::from(length);
        let mut trigger = Vec::with_capacity(HEADER + self.server_id.len() + self.vendor.len());
        trigger.extend(header.to_be_bytes());
        trigger.extend(self.server_id.as_bytes());
        trigger.extend(&self.vendor);
        Ok(trigger)
    }

    /// Reads package #0. Reserved bits are ignored, any version is read; the digest is checked by [`Received::proves`].
    pub fn parse(package: &[u8]) -> Result<Received<'_>, NotificationError> {
        let (digest, trigger) =
            package.split_first_chunk::<DIGEST>().ok_or(NotificationError::TooShort)?;
        let (header, rest) =
            trigger.split_first_chunk::<HEADER>().ok_or(NotificationError::TooShort)?;
        let header = u64::from_be_bytes(*header);
        let [.., high, low, length] = header.to_be_bytes();
        let length = usize::from(length);
        let (server_id, vendor) = rest
            .split_at_checked(length)
            .ok_or(NotificationError::ServerLength { announced: length, left: rest.len() })?;
        let server_id =
            std::str::from_utf8(server_id).map_err(|_no_text| NotificationError::ServerName)?;
        if server_id.is_empty() {
            return Err(NotificationError::ServerName);
        }
        let session_id = u16::from_be_bytes([high, low]);
        if session_id == 0 {
            return Err(NotificationError::SessionId);
        }
        let version = u16::try_from(header >> 54).expect("ten bits");
        let notification = Self {
            version,
            ui: match header >> 52 & 3 {
                0 => UiMode::NotSpecified,
                1 => UiMode::Background,
                2 => UiMode::Informative,
                _ => UiMode::Interactive,
            },
            initiator: if header >> 51 & 1 == 0 { Initiator::User } else { Initiator::Server },
            session_id,
            server_id: server_id.to_owned(),
            vendor: vendor.to_vec(),
        };
        Ok(Received { digest: *digest, notification, trigger })
    }
}

impl Received<'_> {
    /// Whether the sender knows the secret and the nonce, and nothing was changed.
    pub fn proves(&self, secret: &SecretHash, nonce: &Nonce) -> bool {
        digest::same(&self.digest, &digest::mac(secret, nonce, self.trigger))
    }
}

//! What can be wrong with a device, by name; and what kinds of devices there are.
//!
//! | module | about |
//! | --- | --- |
//! | `table` | the faults, one row each |
//! | `mix` | how common each thing is in a fleet, and what kind of device that makes of one |

mod mix;
mod table;

pub use mix::MixError;
pub use table::{Fault, Mix};

use serde::{Deserialize, Serialize};
use wire::Encoding;

impl Fault {
    /// Whether the jobs of the device can end well.
    pub fn can_succeed(self) -> bool {
        !matches!(self, Self::Silent | Self::WrongPassword | Self::ReadOnlyNodes | Self::Unenrols)
    }
}

/// What the user does when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
    /// Looks away until the time is over: 408.
    Nothing,
}

/// Which of three real clients the device behaves like (client-behaviour.md of the protocol notes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habits {
    /// A C client for embedded Linux: `TargetRef` nearly always, one `Results` a `Get`, no `Status` for `Atomic` and no
    /// rollback, credentials once a session.
    A,
    /// The engine of an Android build: all `Status` first, one `Results` an item, `Atomic` with rollback, credentials in
    /// every message and wanted in every message.
    B,
    /// The client of Windows 11 (windows-client.md): no credentials before it is asked for them and then in every message,
    /// `TargetRef` only where a command has several items, no `MaxMsgSize`, and an end of its own making (alert 1223) when
    /// its answer is larger than the server takes.
    Windows,
}

/// How the device proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    Md5,
    Basic,
    /// A digest of every message in the HTTP header `x-syncml-hmac`, in both directions.
    Hmac,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Model {
    #[serde(rename = "RV-100")]
    Rv100,
    #[serde(rename = "RV-200")]
    Rv200,
    /// Speaks DM 1.1.2.
    #[serde(rename = "LEGACY-7")]
    Legacy7,
    /// What devices with [`Habits::Windows`] are.
    #[serde(rename = "Laptop 7,1")]
    Laptop,
}

impl Model {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rv100 => "RV-100",
            Self::Rv200 => "RV-200",
            Self::Legacy7 => "LEGACY-7",
            Self::Laptop => "Laptop 7,1",
        }
    }
}

/// Whether the device and the registry agree on the nonce of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerNonce {
    Kept,
    /// The device has another. Client B also tries four octets of zero, and then proves itself under them too; client A tries a
    /// text for that, and so believes nobody ever again.
    Lost,
}

/// What kind of device one is. Follows from seed, index and mix; nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub fault: Fault,
    pub habits: Habits,
    #[serde(skip)]
    pub encoding: Encoding,
    pub auth: Auth,
    /// Whether the server must prove itself to the device, which then has an account for the server.
    pub proves_server: bool,
    pub answer: Answer,
    pub model: Model,
    /// Its settings are what the sample campaign wants already.
    pub as_wanted: bool,
    /// Connects by itself, every so often, when the plan says so.
    pub polls: bool,
    /// What happened to it, which it tells when a session begins.
    pub report: Option<&'static str>,
    pub server_nonce: ServerNonce,
}

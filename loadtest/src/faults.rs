//! What can be wrong with a device, by name, and how common each thing is in a fleet.

use crate::dice::Dice;
use serde::{Deserialize, Serialize};
use wire::Encoding;

/// The one thing that is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing is.
    None,
    /// Hears no notification for so long after the first that was sent to it.
    OfflineFor { milliseconds: u32 },
    /// Never answers a notification.
    Silent,
    /// Loses the answer to its message number `to` and sends the very same message again.
    LostAnswer { to: u32 },
    /// Lost its nonce: its first credentials are wrong, those after the challenge are right.
    StaleNonce,
    /// Sends no credentials until it is challenged.
    WaitsForChallenge,
    /// Lacks `./AP/MMS` and what is below.
    MissingNodes,
    /// Does not let `./ConnMO/QoS/MaxDownlink` be written: 405 from some, 425 from others.
    ReadOnlyNodes,
    /// Falls silent after the answer to message number `after` of its first session; a later notification finds it well.
    DiesMidSession { after: u32 },
    /// Takes only messages up to so many octets.
    SmallMessages { octets: u32 },
    /// Refuses `Atomic` with 406.
    NoAtomic,
    /// Its password is not the one in the registry.
    WrongPassword,
    /// Forgot, after the notification, with which nonce the server proves itself, and challenges the server.
    LostServerNonce,
    /// Has no way to ask its user: 406 to every question.
    CannotAsk,
}

impl Fault {
    /// Whether its jobs can end well: everything but silence, a wrong password and nodes that cannot be written.
    pub fn can_succeed(self) -> bool {
        !matches!(self, Self::Silent | Self::WrongPassword | Self::ReadOnlyNodes)
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

/// Which of two real clients the device behaves like (client-behaviour.md of the protocol notes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habits {
    /// A C client for embedded Linux: `TargetRef` nearly always, one `Results` a `Get`, no `Status` for `Atomic` and no
    /// rollback, credentials once a session.
    A,
    /// The engine of an Android build: all `Status` first, one `Results` an item, `Atomic` with rollback, credentials in
    /// every message and wanted in every message.
    B,
}

/// How the device proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    Md5,
    Basic,
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
}

impl Model {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rv100 => "RV-100",
            Self::Rv200 => "RV-200",
            Self::Legacy7 => "LEGACY-7",
        }
    }
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
}

/// How common everything is: shares of the fleet from 0 to 1. The shares of the faults exclude one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mix {
    pub offline_for: f64,
    /// The longest time a device of `offline_for` is away, in milliseconds; the shortest is a quarter of it.
    pub offline_milliseconds: u32,
    pub silent: f64,
    pub lost_answer: f64,
    pub stale_nonce: f64,
    pub waits_for_challenge: f64,
    pub missing_nodes: f64,
    pub read_only_nodes: f64,
    pub dies_mid_session: f64,
    pub small_messages: f64,
    pub no_atomic: f64,
    pub wrong_password: f64,
    pub lost_server_nonce: f64,
    pub cannot_ask: f64,

    pub xml: f64,
    pub habits_a: f64,
    pub basic: f64,
    pub no_server_auth: f64,
    pub says_no: f64,
    pub says_nothing: f64,
    pub rv200: f64,
    pub legacy: f64,
    pub as_wanted: f64,
    pub polls: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self::healthy()
    }
}

impl Mix {
    /// Nothing is wrong with anybody; encodings, habits and models are mixed.
    pub fn healthy() -> Self {
        Self {
            offline_for: 0.0,
            offline_milliseconds: 4_000,
            silent: 0.0,
            lost_answer: 0.0,
            stale_nonce: 0.0,
            waits_for_challenge: 0.0,
            missing_nodes: 0.0,
            read_only_nodes: 0.0,
            dies_mid_session: 0.0,
            small_messages: 0.0,
            no_atomic: 0.0,
            wrong_password: 0.0,
            lost_server_nonce: 0.0,
            cannot_ask: 0.0,
            xml: 0.3,
            habits_a: 0.4,
            basic: 0.0,
            no_server_auth: 0.0,
            says_no: 0.0,
            says_nothing: 0.0,
            rv200: 0.35,
            legacy: 0.1,
            as_wanted: 0.0,
            polls: 0.0,
        }
    }

    /// The population of `reveille demo`: every fault occurs, most devices are well.
    pub fn demo() -> Self {
        Self {
            offline_for: 0.02,
            silent: 0.002,
            lost_answer: 0.02,
            stale_nonce: 0.03,
            waits_for_challenge: 0.02,
            missing_nodes: 0.10,
            read_only_nodes: 0.01,
            dies_mid_session: 0.005,
            small_messages: 0.01,
            no_atomic: 0.02,
            wrong_password: 0.001,
            lost_server_nonce: 0.005,
            cannot_ask: 0.01,
            no_server_auth: 0.02,
            says_no: 0.1,
            says_nothing: 0.05,
            as_wanted: 0.2,
            ..Self::healthy()
        }
    }

    /// Every device has the same fault; otherwise [`Mix::healthy`].
    pub fn only(fault: Fault) -> Self {
        let mut mix = Self::healthy();
        match fault {
            Fault::None => {}
            Fault::OfflineFor { milliseconds } => {
                mix.offline_for = 1.0;
                mix.offline_milliseconds = milliseconds;
            }
            Fault::Silent => mix.silent = 1.0,
            Fault::LostAnswer { .. } => mix.lost_answer = 1.0,
            Fault::StaleNonce => mix.stale_nonce = 1.0,
            Fault::WaitsForChallenge => mix.waits_for_challenge = 1.0,
            Fault::MissingNodes => mix.missing_nodes = 1.0,
            Fault::ReadOnlyNodes => mix.read_only_nodes = 1.0,
            Fault::DiesMidSession { .. } => mix.dies_mid_session = 1.0,
            Fault::SmallMessages { .. } => mix.small_messages = 1.0,
            Fault::NoAtomic => mix.no_atomic = 1.0,
            Fault::WrongPassword => mix.wrong_password = 1.0,
            Fault::LostServerNonce => mix.lost_server_nonce = 1.0,
            Fault::CannotAsk => mix.cannot_ask = 1.0,
        }
        mix
    }

    /// The kind of one device.
    pub fn kind(&self, seed: u64, index: u64) -> Kind {
        let mut dice = Dice::of(seed, index, 1);
        let fault = self.fault(&mut dice);
        let encoding = if dice.share() < self.xml { Encoding::Xml } else { Encoding::Wbxml };
        let habits = if dice.share() < self.habits_a { Habits::A } else { Habits::B };
        let auth = if dice.share() < self.basic { Auth::Basic } else { Auth::Md5 };
        let proves_server = dice.share() >= self.no_server_auth || fault == Fault::LostServerNonce;
        let answer = match dice.share() {
            draw if draw < self.says_no => Answer::No,
            draw if draw < self.says_no + self.says_nothing => Answer::Nothing,
            _ => Answer::Yes,
        };
        let model = match dice.share() {
            draw if draw < self.legacy => Model::Legacy7,
            draw if draw < self.legacy + self.rv200 => Model::Rv200,
            _ => Model::Rv100,
        };
        // A device whose nodes are missing or cannot be written would not have got the wanted values into them.
        let spoilt = matches!(fault, Fault::MissingNodes | Fault::ReadOnlyNodes);
        let as_wanted = dice.share() < self.as_wanted && !spoilt;
        let polls = dice.share() < self.polls;
        Kind { fault, habits, encoding, auth, proves_server, answer, model, as_wanted, polls }
    }

    fn fault(&self, dice: &mut Dice) -> Fault {
        let draw = dice.share();
        let detail = dice.next();
        let which = u32::try_from(detail % 3).unwrap_or(0);
        let shortest = self.offline_milliseconds / 4;
        let away = shortest.saturating_add(
            u32::try_from(detail % u64::from(self.offline_milliseconds - shortest).max(1))
                .unwrap_or(0),
        );
        let table = [
            (self.offline_for, Fault::OfflineFor { milliseconds: away }),
            (self.silent, Fault::Silent),
            (self.lost_answer, Fault::LostAnswer { to: which + 1 }),
            (self.stale_nonce, Fault::StaleNonce),
            (self.waits_for_challenge, Fault::WaitsForChallenge),
            (self.missing_nodes, Fault::MissingNodes),
            (self.read_only_nodes, Fault::ReadOnlyNodes),
            (self.dies_mid_session, Fault::DiesMidSession { after: which + 1 }),
            (self.small_messages, Fault::SmallMessages { octets: 2_560 }),
            (self.no_atomic, Fault::NoAtomic),
            (self.wrong_password, Fault::WrongPassword),
            (self.lost_server_nonce, Fault::LostServerNonce),
            (self.cannot_ask, Fault::CannotAsk),
        ];
        let mut below = 0.0;
        for (share, fault) in table {
            below += share;
            if draw < below {
                return fault;
            }
        }
        Fault::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_holds_every_fault_and_the_wanted_share_of_devices_that_need_nothing() {
        let kinds: Vec<Kind> = (0..20_000).map(|index| Mix::demo().kind(11, index)).collect();
        for fault in [
            Fault::Silent,
            Fault::StaleNonce,
            Fault::MissingNodes,
            Fault::WrongPassword,
            Fault::LostServerNonce,
        ] {
            assert!(kinds.iter().any(|kind| kind.fault == fault), "{fault:?}");
        }
        let wanted = kinds.iter().filter(|kind| kind.as_wanted).count();
        assert!((3_200..4_200).contains(&wanted), "{wanted}");
        assert_eq!(kinds, (0..20_000).map(|index| Mix::demo().kind(11, index)).collect::<Vec<_>>());
    }

    #[test]
    fn a_fleet_of_one_fault_has_no_other() {
        for fault in [Fault::Silent, Fault::NoAtomic, Fault::CannotAsk, Fault::StaleNonce] {
            assert!((0..100).all(|index| Mix::only(fault).kind(3, index).fault == fault));
        }
    }
}

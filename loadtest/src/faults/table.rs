//! The faults, one row each: what a device with it does, how common it is in the demo, and what of it chance decides.

use super::mix::Draw;
use serde::{Deserialize, Serialize};

/// A row: the name in a [`Mix`], the share of the demo's devices, and the variant, each field of it with what chance decides.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident $share:literal => $variant:ident $({ $($field:ident = $draw:expr),+ })?,)+) => {
        /// The one thing that is wrong with a device.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Fault {
            /// Nothing is.
            None,
            $($(#[doc = $doc])+ $variant $({ $($field: u32),+ })?,)+
        }

        impl Fault {
            /// Every fault: its name in a [`Mix`], and what is wrong.
            pub const ALL: &'static [(&'static str, &'static str)] =
                &[$((stringify!($name), concat!($($doc),+).trim_ascii())),+];

            /// The name in a [`Mix`]; `none` for a device that is well.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$variant { .. } => stringify!($name),)+
                }
            }
        }

        /// How common everything is: shares of the fleet from 0 to 1. The shares of the faults exclude one another.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Mix {
            $($(#[doc = $doc])+ pub $name: f64,)+
            /// The longest time a device of `offline_for` is away, in milliseconds; the shortest is a quarter of it.
            pub offline_milliseconds: u32,

            pub xml: f64,
            pub habits_a: f64,
            pub windows: f64,
            pub basic: f64,
            pub hmac: f64,
            pub no_server_auth: f64,
            pub says_no: f64,
            pub says_nothing: f64,
            pub rv200: f64,
            pub legacy: f64,
            pub as_wanted: f64,
            pub polls: f64,
            /// Something happened to the device, and it says so in the first message of every session.
            pub reports: f64,
            /// Lost the server's nonce, say with a backup that was put back: it believes no notification, and says nothing.
            pub nonce_lost: f64,
        }

        impl Mix {
            /// Nothing is wrong with anybody; encodings, habits and models are mixed.
            pub fn healthy() -> Self {
                Self {
                    $($name: 0.0,)+
                    offline_milliseconds: 4_000,
                    xml: 0.3,
                    habits_a: 0.4,
                    windows: 0.0,
                    basic: 0.0,
                    hmac: 0.0,
                    no_server_auth: 0.0,
                    says_no: 0.0,
                    says_nothing: 0.0,
                    rv200: 0.35,
                    legacy: 0.1,
                    as_wanted: 0.0,
                    polls: 0.0,
                    reports: 0.0,
                    nonce_lost: 0.0,
                }
            }

            /// The share of the fault of this name.
            pub fn share_mut(&mut self, fault: &str) -> Option<&mut f64> {
                match fault {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }

            /// The share of the devices that have any fault.
            pub fn at_fault(&self) -> f64 {
                [$(self.$name),+].iter().sum()
            }

            /// Every fault as common as in the demo; the rest is as it was.
            pub(super) fn with_faults_of_the_demo(self) -> Self {
                Self { $($name: $share,)+ ..self }
            }

            /// What is wrong with the device that has this draw.
            pub(super) fn fault(&self, draw: Draw) -> Fault {
                let mut below = 0.0;
                $(
                    below += self.$name;
                    if draw.share < below {
                        return Fault::$variant $({ $($field: $draw(draw)),+ })?;
                    }
                )+
                Fault::None
            }
        }
    };
}

faults! {
    /// Hears no notification for so long after the first that was sent to it.
    offline_for 0.02 => OfflineFor { milliseconds = |draw: Draw| draw.away },
    /// Never answers a notification.
    silent 0.002 => Silent,
    /// Loses the answer to its message number `to` and sends the very same message again.
    lost_answer 0.02 => LostAnswer { to = Draw::one_of_three },
    /// Lost its nonce: its first credentials are wrong, those after the challenge are right.
    stale_nonce 0.03 => StaleNonce,
    /// Sends no credentials until it is challenged.
    waits_for_challenge 0.02 => WaitsForChallenge,
    /// Lacks `./AP/MMS` and what is below.
    missing_nodes 0.10 => MissingNodes,
    /// Does not let `./ConnMO/QoS/MaxDownlink` be written: 405 from some, 425 from others.
    read_only_nodes 0.01 => ReadOnlyNodes,
    /// Falls silent after the answer to message number `after` of its first session; a later notification finds it well.
    dies_mid_session 0.005 => DiesMidSession { after = Draw::one_of_three },
    /// Takes only messages up to so many octets.
    small_messages 0.01 => SmallMessages { octets = |_| 2_560 },
    /// Refuses `Atomic` with 406.
    no_atomic 0.02 => NoAtomic,
    /// Its password is not the one in the registry.
    wrong_password 0.001 => WrongPassword,
    /// Forgot, after the notification, with which nonce the server proves itself, and challenges the server.
    lost_server_nonce 0.005 => LostServerNonce,
    /// Has no way to ask its user: 406 to every question.
    cannot_ask 0.01 => CannotAsk,
    /// Lets `./ConnMO/QoS/MaxDownlink` be written and not read: 405 to every Get of it.
    write_only_nodes 0.01 => WriteOnlyNodes,
    /// Thinks for so long before each of its messages but the first.
    slow 0.01 => Slow { milliseconds = |draw: Draw| 100 + draw.detail % 900 },
    /// Gives 0, which is no code, as the status of everything.
    status_zero 0.002 => StatusZero,
    /// Gives the server the same nonce again and again.
    same_nonce 0.005 => SameNonce,
    /// Uses the number of its message `to` for the next one too, in its first session; the server cannot take that one.
    reused_msg_id 0.002 => ReusedMsgId { to = Draw::one_of_three },
    /// Sends the last results once more in its next message.
    repeated_results 0.01 => RepeatedResults,
    /// Its values end with a zero octet, which makes its XML not well-formed.
    zero_in_values 0.002 => ZeroInValues,
    /// Sends its answers one message each, with `Final` in the last.
    split_answers 0.01 => SplitAnswers,
    /// Sends the status of the last command one message later than the others.
    late_answers 0.005 => LateAnswers,
    /// Sends every status twice.
    doubled_answers 0.01 => DoubledAnswers,
    /// Forgets its first session after message `after` and begins it again, under the same session id, with message 1.
    restarts 0.005 => Restarts { after = Draw::one_of_three },
    /// Its user leaves the service: it says so (alert 1226) in a message that it sends only once, and never speaks again.
    unenrols 0.001 => Unenrols,
    /// Cuts each value that is longer than so many octets into parts, one message each.
    sends_chunks 0.005 => SendsChunks { octets = |_| 5 },
}

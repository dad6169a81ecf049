//! A centre as it is wanted.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// A centre as it is wanted.
#[derive(Debug, Clone)]
pub struct SmscPlan {
    pub listen: SocketAddr,
    /// The one account.
    pub system_id: String,
    pub password: String,
    /// Of everything that chance decides here.
    pub seed: u64,
    /// So many messages are remembered one by one, the first ones.
    pub arrivals_kept: usize,
    /// So many octets of what goes over its connections are kept for [`Smsc::capture`](super::Smsc::capture).
    pub traffic_kept: usize,
    /// What comes is made by a gateway of somebody else, from pushes of the server: it is read as a handset reads it, and
    /// nothing but SMPP itself is judged.
    pub foreign: bool,
    pub manners: Manners,
}

impl Default for SmscPlan {
    /// Any free port, account `reveille` with password `secret`, and good manners.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            system_id: "reveille".to_owned(),
            password: "secret".to_owned(),
            seed: 1,
            arrivals_kept: 0,
            traffic_kept: 0,
            foreign: false,
            manners: Manners::default(),
        }
    }
}

/// How a centre behaves. All shares are from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Above so many accepted messages in any second: `ESME_RTHROTTLED`.
    pub per_second: Option<u32>,
    /// So many accepted messages may wait to be delivered; above: `ESME_RMSGQFUL`.
    pub queue: Option<usize>,
    /// Share of the subscribers that are refused for good (`ESME_RINVDSTADR`), always the same ones.
    pub barred: f64,
    /// Share of the messages that are refused for the moment (`ESME_RSYSERR`).
    pub refused_for_now: f64,
    /// Share of the messages that are neither answered nor delivered.
    pub ignored: f64,
    /// Share of the messages that are delivered and not answered.
    pub unanswered: f64,
    /// Between a message and its answer.
    pub answers_after: Duration,
    /// Between a message and its delivery. A message whose validity is shorter expires.
    pub delivers_after: Duration,
    /// Share of the pushes that never get to the handset, and whose receipts say so.
    pub undelivered: f64,
    /// A connection is closed after so many messages, without an answer to the last one.
    pub drops_after: Option<u64>,
    /// How often it asks whether the other side lives.
    pub enquires_every: Option<Duration>,
    pub receipts: Receipts,
}

/// How a centre tells what became of messages.
#[derive(Debug, Clone, Default)]
pub struct Receipts {
    pub form: ReceiptForm,
    pub ids: ReceiptIds,
    pub route: ReceiptRoute,
    /// After the delivery.
    pub after: Duration,
    /// Share of the receipts that are never sent.
    pub missing: f64,
}

/// Where a receipt says what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiptForm {
    /// In the text of the message and in parameters.
    #[default]
    Both,
    Text,
    Parameters,
}

/// How ids of messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiptIds {
    /// Hexadecimal in answers and in receipts.
    #[default]
    Same,
    /// Hexadecimal in answers, decimal in receipts.
    HexThenDecimal,
    /// Decimal in answers, hexadecimal in receipts.
    DecimalThenHex,
}

impl ReceiptIds {
    pub(crate) fn in_answer(self, id: u64) -> String {
        match self {
            Self::Same | Self::HexThenDecimal => format!("{id:08X}"),
            Self::DecimalThenHex => id.to_string(),
        }
    }

    pub(crate) fn in_receipt(self, id: u64) -> String {
        match self {
            Self::Same | Self::DecimalThenHex => format!("{id:08X}"),
            Self::HexThenDecimal => id.to_string(),
        }
    }
}

/// On which bind a receipt comes. It has to be one that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReceiptRoute {
    /// On all in turn.
    #[default]
    Any,
    /// Never on the one that its message came on.
    Another,
}

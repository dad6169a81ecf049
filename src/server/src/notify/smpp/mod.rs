//! The `smpp` route: notifications as WAP push in short messages, over binds to an SMSC (SMPP 3.4).
//!
//! | module | about |
//! | --- | --- |
//! | [`submission`] | a notification as `submit_sm` |
//! | [`link`] | one bound connection: window, deadlines, batches |
//! | [`bind`] | the life of a bind: connect, bind, begin again |
//! | [`status`] | what an SMSC's answers mean for us |
//! | [`receipt`] | what became of a message |

mod bind;
mod link;
pub(crate) mod receipt;
pub(crate) mod status;
pub(crate) mod submission;
#[cfg(test)]
mod tests;

pub(crate) use link::Unsent;

use crate::{
    config::Secret,
    dispatch::{Held, Pass},
    notify::{self, Receipt, Remedy, Standing, Tls},
};
use bind::{Bind, Role};
use futures_util::future::try_join_all;
use link::{Request, Submit};
use receipt::ReceiptId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use submission::{Segmentation, Sender, SubmissionError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wire::sms::Reference;

/// Receipts that may wait to be looked at; beyond, the SMSC is asked to keep them.
const RECEIPTS: usize = 16 * 1024;

/// How a route binds.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    /// `host:port`, taken in turn.
    pub(crate) hosts: Vec<String>,
    pub(crate) system_id: String,
    pub(crate) password: Secret,
    pub(crate) system_type: String,
    pub(crate) mode: Mode,
    pub(crate) binds: usize,
    /// Messages that may wait for their answer on one bind.
    pub(crate) window: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) enquire_link: Duration,
    pub(crate) tls: Option<Tls>,
    pub(crate) receipt_id: ReceiptId,
    pub(crate) receipts: bool,
    pub(crate) long_references: bool,
    pub(crate) segmentation: Segmentation,
}

/// Which binds a route makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One bind for both directions.
    #[default]
    Transceiver,
    /// A transmitter, and beside it a receiver where receipts are wanted: for SMSCs without transceivers.
    Transmitter,
}

/// What is sent: a push to a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice<'a> {
    pub(crate) number: &'a str,
    pub(crate) push: &'a [u8],
    /// Names the parts of the push; the same for the same octets (D4).
    pub(crate) reference: u16,
    /// How long it is worth delivering: until the attempt's deadline.
    pub(crate) validity: Duration,
    pub(crate) urgent: bool,
}

/// Why a notification was not taken by the SMSC.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SmppError {
    #[error(transparent)]
    Submission(#[from] SubmissionError),
    #[error("no bind of the route is up")]
    NoBind,
    #[error(transparent)]
    Unsent(#[from] Unsent),
    #[error(transparent)]
    Held(#[from] Held),
}

impl SmppError {
    /// What a person can do about it, where anything.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::Submission(SubmissionError::NoNumber | SubmissionError::Number) => {
                "the device's `msisdn`"
            }
            Self::Submission(_) => "`segmentation`, `source` and `service_type`",
            Self::NoBind
            | Self::Unsent(Unsent::NotWritten | Unsent::Unanswered)
            | Self::Held(_) => "",
            Self::Unsent(Unsent::Refused(status)) => status::remedy(*status).1,
        }
    }

    /// What it says of the route, rather than of this one message.
    pub(crate) fn standing(&self) -> Standing {
        self.remedy().into()
    }

    /// What is to be done about it.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Submission(SubmissionError::NoNumber | SubmissionError::Number) => Remedy::GiveUp,
            Self::Submission(_) => Remedy::Mend,
            Self::NoBind
            | Self::Unsent(Unsent::NotWritten | Unsent::Unanswered)
            | Self::Held(_) => Remedy::Later,
            Self::Unsent(Unsent::Refused(status)) => status::remedy(*status).0,
        }
    }
}

/// A group of binds to one SMSC.
#[derive(Debug)]
pub(crate) struct SmppRoute {
    settings: Arc<Settings>,
    sender: Sender,
    binds: Vec<Bind>,
    /// Receivers beside transmitters; nothing is sent over them.
    _receivers: Vec<Bind>,
    next: AtomicUsize,
}

impl SmppRoute {
    /// Begins to bind, and goes on until `stop`. Receipts come out of the second value.
    pub(crate) fn start(
        settings: Settings,
        sender: Sender,
        stop: &CancellationToken,
    ) -> (Self, mpsc::Receiver<Receipt>) {
        let settings = Arc::new(settings);
        let (receipts, received) = mpsc::channel(RECEIPTS);
        let role = match settings.mode {
            Mode::Transceiver => Role::Transceiver,
            Mode::Transmitter => Role::Transmitter,
        };
        let spawn =
            |number, role| Bind::spawn(&settings, number, role, receipts.clone(), stop.clone());
        let binds = (0..settings.binds).map(|number| spawn(number, role)).collect();
        let receivers = if settings.mode == Mode::Transmitter && settings.receipts {
            (0..settings.binds).map(|number| spawn(number, Role::Receiver)).collect()
        } else {
            Vec::new()
        };
        let route =
            Self { settings, sender, binds, _receivers: receivers, next: AtomicUsize::new(0) };
        (route, received)
    }

    /// Whether anything can be sent.
    pub(crate) fn is_up(&self) -> bool {
        self.binds.iter().any(Bind::is_up)
    }

    /// Sends all messages of a notification and waits for the SMSC's answers: the ids under which receipts will come, if any.
    pub(crate) async fn send(
        &self,
        notice: &Notice<'_>,
        pass: &Pass<'_>,
    ) -> Result<Vec<String>, SmppError> {
        let reference = if self.settings.long_references {
            Reference::Long(notice.reference)
        } else {
            let [_, low] = notice.reference.to_be_bytes();
            Reference::Short(low)
        };
        let Notice { number, push, validity, urgent, .. } = *notice;
        let messages = self.sender.messages(number, push, reference, validity, urgent)?;
        // One message is one segment, but for a payload that the SMSC cuts.
        let each = match self.settings.segmentation {
            Segmentation::Udh => 1,
            Segmentation::Payload => notify::segments(push),
        };
        let submitting =
            messages.into_iter().map(|message| self.submit(Submit::new(message), each, pass));
        let ids = try_join_all(submitting).await?;
        if !self.settings.receipts {
            // Nobody needs to be told whose message it was.
            return Ok(Vec::new());
        }
        Ok(ids.iter().map(|id| self.settings.receipt_id.in_receipt(id)).collect())
    }

    async fn submit(
        &self,
        submit: Submit,
        segments: u32,
        pass: &Pass<'_>,
    ) -> Result<String, SmppError> {
        // A bind that goes down at this moment gives back what it had not written; another one takes it.
        for _ in 0..=self.binds.len() {
            // The permit comes last: what waited for room in the window would leave later than it was permitted.
            let (bind, place) = pass.after(self.room(), segments).await?;
            let (answer, answered) = oneshot::channel();
            let request = Request { submit: submit.clone(), answer, place };
            if bind.requests.send(request).await.is_err() {
                return Err(SmppError::NoBind);
            }
            match answered.await {
                Ok(Ok(id)) => return Ok(id),
                Ok(Err(Unsent::NotWritten)) | Err(_) => {}
                Ok(Err(unsent)) => return Err(unsent.into()),
            }
        }
        Err(Unsent::NotWritten.into())
    }

    /// Waits for room in the window of a bind.
    async fn room(&self) -> Result<(&Bind, OwnedSemaphorePermit), SmppError> {
        let bind = self.pick().ok_or(SmppError::NoBind)?;
        if let Ok(place) = Arc::clone(&bind.window).try_acquire_owned() {
            return Ok((bind, place));
        }
        let waiting = Arc::clone(&bind.window).acquire_owned();
        match tokio::time::timeout(self.settings.response_timeout, waiting).await {
            Ok(Ok(place)) => Ok((bind, place)),
            Ok(Err(_)) | Err(_) => Err(Unsent::NotWritten.into()),
        }
    }

    /// The bind with the most room in its window, in turn among equals.
    fn pick(&self) -> Option<&Bind> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.binds.len().max(1);
        (0..self.binds.len())
            .filter_map(|n| self.binds.get((first + n) % count))
            .filter(|bind| bind.is_up())
            .reduce(|best, bind| {
                if bind.window.available_permits() > best.window.available_permits() {
                    bind
                } else {
                    best
                }
            })
    }
}

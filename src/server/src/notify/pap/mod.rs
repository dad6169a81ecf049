//! The `pap` route: notifications handed to a push proxy gateway, which makes the push message and finds the device
//! (PAP, WAP-247).
//!
//! | module | about |
//! | --- | --- |
//! | [`submission`] | a notification as `push-message` |
//! | [`gateway`] | posting it: connections, credentials, deadlines |
//! | [`status`] | what a gateway's answers mean for us |
//! | [`result`] | what became of a push, as the gateway posts it later |

mod gateway;
pub(crate) mod result;
pub(crate) mod status;
mod submission;
#[cfg(test)]
mod tests;

pub(crate) use gateway::{Gateway, Links, Target, Trouble};
pub(crate) use submission::{Form, Unfit};

use crate::{
    dispatch::Pass,
    notify::{Push, Remedy, Standing},
    rows::Device,
};
use campaign::time::Instant;
use wire::pap::{Code, Document, Pap};

/// Why a notification was not taken by the gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PapError {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// An answer without a document that says more.
    #[error("the gateway answered with HTTP status {0}")]
    Http(u16),
    /// Something answers there, and it is no push proxy gateway.
    #[error("the answer with HTTP status {status} is no document of the protocol")]
    Garbled {
        status: u16,
        #[source]
        source: wire::pap::PapError,
    },
    /// A document, but one that answers no push.
    #[error("the gateway answered a push with `{0}`")]
    Astray(&'static str),
    #[error("the gateway refused the push: {} {}", .0.code(), .0.meaning())]
    Refused(Code),
}

impl PapError {
    /// What is to be done about it, and the setting that answers it, where one does.
    pub(crate) fn remedy(&self) -> (Remedy, &'static str) {
        match self {
            Self::Unfit(Unfit::NoNumber(_)) => {
                (Remedy::GiveUp, "the device lacks what `address` names")
            }
            Self::Unfit(Unfit::Write(_)) => (Remedy::Mend, "look at `address` and `initiator`"),
            Self::Trouble(_) => (Remedy::Later, "it is sent again later"),
            Self::Http(status) => status::of_http(*status),
            Self::Garbled { .. } | Self::Astray(_) => {
                (Remedy::Mend, "`urls` must name the gateway's own address for push messages")
            }
            Self::Refused(code) => status::remedy(*code),
        }
    }

    /// What it says of the route, rather than of this one push.
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Unfit(Unfit::NoNumber(_))
            | Self::Trouble(Trouble::NoRoom | Trouble::Unanswered(_) | Trouble::Held(_)) => {
                Standing::Unknown
            }
            Self::Trouble(Trouble::Unreachable(_)) | Self::Http(500..) => Standing::Fails,
            Self::Unfit(Unfit::Write(_))
            | Self::Http(_)
            | Self::Garbled { .. }
            | Self::Astray(_)
            | Self::Refused(_) => self.remedy().0.into(),
        }
    }
}

/// A push proxy gateway, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct PapRoute {
    gateway: Gateway,
    form: Form,
}

impl PapRoute {
    pub(crate) fn new(gateway: Gateway, form: Form) -> Self {
        Self { gateway, form }
    }

    /// Posts a push and waits for the answer: the id under which its result will come, where results are asked for.
    pub(crate) async fn send(
        &self,
        device: &Device,
        push: &Push<'_>,
        now: Instant,
        pass: &Pass<'_>,
    ) -> Result<Vec<String>, PapError> {
        let submission = self.form.submission(device, push, now)?;
        let (status, answer) = self.gateway.post(submission.body, push.segments(), pass).await?;
        judge(status, &answer)?;
        Ok(if self.form.asks_for_results() { vec![submission.push_id] } else { Vec::new() })
    }
}

/// What an answer says of the push. The document counts; the HTTP status only where there is none.
fn judge(status: u16, answer: &[u8]) -> Result<(), PapError> {
    let code = match Pap::parse(answer) {
        Ok(Pap { document: Document::PushResponse(response), .. }) => response.code,
        Ok(Pap { document: Document::Bad(bad), .. }) => bad.code,
        Ok(Pap { document, .. }) => return Err(PapError::Astray(document.name())),
        Err(_) if status >= 300 => return Err(PapError::Http(status)),
        Err(source) => return Err(PapError::Garbled { status, source }),
    };
    if status::is_taken(code) { Ok(()) } else { Err(PapError::Refused(code)) }
}

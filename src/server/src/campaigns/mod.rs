//! Campaigns, from submitted to shown: acceptance, control, views and results.

pub(crate) mod live;
mod results;
pub mod rows;
mod submit;
#[cfg(test)]
mod tests;
mod view;

pub use results::results;
pub(crate) use results::{reported, result_line};
pub use submit::{By, Submitted, enroll_part, submit, submit_by};
pub(crate) use view::progress;
pub use view::{Asked, Control, control, list, view};

use crate::{
    enroll::EnrolError, rows::RowError, security::vault::SealError, store::StoreError,
    update::UpdateError,
};
use campaign::{Problem, control::CommandRefused};

/// Why something could not be done with a campaign.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document is not one to launch; every reason is here.
    #[error("the campaign was refused for {} reasons", .0.len())]
    Refused(Vec<Problem>),
    #[error("there is no authority `{0}`")]
    NoAuthority(String),
    #[error("there is no campaign `{id}` of `{authority}`")]
    NotFound { authority: String, id: String },
    /// The id is taken by another document.
    #[error("campaign `{0}` was accepted before with another document")]
    Different(String),
    #[error("{0} campaigns are open; end some first")]
    TooMany(usize),
    #[error("the campaign names no `devices.file`, so it takes no parts")]
    NoFile,
    #[error("the campaign takes no more devices: it is {0}")]
    Closed(&'static str),
    #[error("part {part} cannot be: {why}")]
    Part { part: u32, why: &'static str },
    #[error("too many events wait for the broker; no devices are enrolled until it takes them")]
    Behind,
    #[error("the cursor is not one that was given out")]
    Cursor,
    #[error(transparent)]
    TooLate(#[from] CommandRefused),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Document(#[from] rows::DocumentError),
    #[error("devices could not be enrolled")]
    Enrol(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<EnrolError> for Error {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Store(error) => Self::Store(error),
            EnrolError::Row(error) => Self::Row(error),
            EnrolError::Update(error) => Self::Update(error),
            other => Self::Enrol(Box::new(other)),
        }
    }
}

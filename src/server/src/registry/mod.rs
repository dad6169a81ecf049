//! The registry: which devices there are, what is known of them, and by what numbers they go.
//!
//! | module | about |
//! | --- | --- |
//! | [`mod@line`] | the lines of an import, split into keys and texts |
//! | [`record`] | the texts of a line, judged one by one: a [`record::Record`], or the key that is wrong |
//! | [`upsert`] | what a record makes of a device |
//! | [`mod@import`] | lines into rows, many at a time |
//! | [`lookup`] | devices by telephone number and by IMSI |
//! | [`mod@view`] | devices as they are shown |

pub mod import;
pub mod line;
pub mod lookup;
pub mod record;
pub mod upsert;
pub mod view;

use crate::{rows::RowError, security::vault::SealError, store::StoreError, update::UpdateError};

#[cfg(test)]
mod tests;

pub use import::{Import, ImportError, import};
pub use lookup::resolve;
pub(crate) use view::job_state;
pub use view::{list, view};

/// Why the registry could not answer.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the cursor is not one that a list gave")]
    Cursor,
}

//! What can go wrong in the store, seen from above.

use std::error::Error;

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller asked for more than a limit allows; nothing was done. A fault in the caller.
    #[error("{what}: {is}, where at most {most} are taken")]
    TooMuch { what: &'static str, is: usize, most: usize },
    /// The caller asked for what does not exist or makes no sense; nothing was done. A fault in the caller.
    #[error("{0}")]
    Refused(&'static str),
    /// A write to disk failed earlier, so what is on disk is no longer known. The process must end and start again;
    /// recovery then brings back exactly what was acknowledged.
    #[error("the store failed and must be opened again: {0}")]
    Poisoned(String),
    /// The store was told to stop while the call waited.
    #[error("the store is closing")]
    Closing,
    /// What was read is not what this program, or the one before it, writes.
    #[error("a stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The backend could not be reached, or could not do it at the moment. Nothing was done.
    #[error("the store could not be reached or is busy; nothing was {doing}")]
    Unavailable { doing: &'static str, source: Box<dyn Error + Send + Sync> },
    /// The backend failed or did not answer. A commit may or may not have happened.
    #[error("the store failed while it {doing}")]
    Backend { doing: &'static str, source: Box<dyn Error + Send + Sync> },
}

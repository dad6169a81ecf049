//! What a carrier says became of a message that it took.

use serde::{Deserialize, Serialize};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    /// The handset has it. Whether its DM client will connect is another matter.
    Delivered,
    /// The carrier has given it up.
    Lost,
    /// The carrier still holds it.
    Held,
}

/// A receipt, with the message's id as the carrier writes it in receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) message_id: String,
    pub(crate) fate: Fate,
}

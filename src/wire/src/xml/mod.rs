//! Messages as XML text.
//!
//! | module | about |
//! | --- | --- |
//! | `text` | octets to text: character sets, and what XML has no place for |
//! | `read` | text to events: entities, namespaces, limits |
//! | `write` | the form that every known client takes |
//! | `infoset` | whether two documents say the same |

mod infoset;
mod read;
mod text;
mod write;

pub(crate) use infoset::{Infoset, parse};
pub use read::read;
pub(crate) use read::{outline, read_element, salvage};
pub use write::{command_octets, write};

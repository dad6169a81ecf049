//! Secrets: kept sealed, never shown.
//!
//! | module | about |
//! | --- | --- |
//! | [`vault`] | sealing what is stored, opening it again |
//! | [`key_file`] | where the keys come from |
//! | [`nonce`] | nonces and tokens, random and derived |

pub mod key_file;
pub mod nonce;
pub mod vault;

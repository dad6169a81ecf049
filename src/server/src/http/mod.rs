//! The two doors: devices speak OMA DM at one, operators and their programs the admin API at the other.

pub(crate) mod admin;
mod bodies;
mod brake;
pub(crate) mod dm;
mod pap;
mod patience;
pub(crate) mod serve;

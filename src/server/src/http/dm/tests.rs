//! The devices' door over real sockets: a real server, and peers that do everything wrong that can be done wrong.

mod flood;
mod framing;
mod gateways;
mod late;
mod objects;
mod patience;
mod proof;
mod reports;
mod sealed;
mod world;

//! Digests of whole messages, in the HTTP header `x-syncml-hmac` (security.md section 4 of the protocol notes).

use super::{
    Reply, SimDevice,
    trust::{ServerCred, ServerProof},
};
use crate::{
    digest,
    verdict::{Finding, Rule},
};
use wire::message::Message;

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
struct Mac<'a> {
    user: &'a str,
    mac: &'a str,
}

/// The header for a message of these octets.
pub(super) fn header(user: &str, account: &str, nonce: &[u8], octets: &[u8]) -> String {
    let mac = digest::hmac(account, nonce, octets);
    format!("algorithm=MD5, username=\"{user}\", mac={mac}")
}

impl<'a> Mac<'a> {
    /// Reads the three names in any order; of the algorithms there is one.
    fn read(header: &'a str) -> Option<Self> {
        let (mut user, mut mac) = (None, None);
        for field in header.split(',') {
            let (name, value) = field.split_once('=')?;
            match name.trim().to_ascii_lowercase().as_str() {
                "algorithm" if value.trim() != "MD5" => return None,
                "username" => user = Some(value.trim().trim_matches('"')),
                "mac" => mac = Some(value.trim()),
                _ => {}
            }
        }
        Some(Self { user: user?, mac: mac? })
    }
}

impl SimDevice {
    /// Judges the digest that came with a reply.
    pub(super) fn server_mac(&mut self, message: &Message, reply: Reply<'_>) -> ServerCred {
        if message.header.cred.is_some() {
            let detail = "Where messages have digests there is no Cred.";
            let rule = match self.session.server {
                ServerProof::NotWanted => Rule::ServerCredentialsUnasked,
                _ => Rule::ServerCredentialsWrong,
            };
            self.breach(&Finding::new(rule, detail), reply.octets);
        }
        let Some(header) = reply.mac else { return ServerCred::None };
        if self.session.server == ServerProof::NotWanted {
            self.breach(&Finding::new(Rule::ServerCredentialsUnasked, ""), reply.octets);
            return ServerCred::None;
        }
        if self.forgets_server_nonce() {
            return ServerCred::Wrong;
        }
        let nonces = self.account.server_nonces(self.terms.seed, &self.identity);
        let right = Mac::read(header).filter(|mac| mac.user == self.identity.server_user);
        let right = right.and_then(|said| {
            let account = self.identity.server_account();
            nonces.iter().position(|nonce| digest::hmac(account, nonce, reply.octets) == said.mac)
        });
        if let Some(place) = right {
            self.account.server_used(place);
            return ServerCred::Right;
        }
        self.breach(&Finding::new(Rule::ServerCredentialsWrong, ""), reply.octets);
        ServerCred::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_as_both_clients_write_it() {
        let wanted = Mac { user: "u", mac: "q83vEjRWeJA=" };
        for header in [
            "algorithm=MD5, username=\"u\", mac=q83vEjRWeJA=",
            "algorithm=MD5,username=\"u\",mac=q83vEjRWeJA=",
            "MAC=q83vEjRWeJA=, Username=\"u\"",
        ] {
            assert_eq!(Mac::read(header).as_ref(), Some(&wanted), "{header}");
        }
        for header in ["", "algorithm=SHA, username=\"u\", mac=x", "username=\"u\"", "mac"] {
            assert_eq!(Mac::read(header), None, "{header}");
        }
    }
}

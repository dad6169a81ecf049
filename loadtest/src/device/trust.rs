//! Who believes whom: the credentials of both sides, and the nonces that each gives to the other.

use super::{End, Next, SimDevice, work};
use crate::{
    digest,
    faults::{Auth, Fault, Habits},
    identity::Identity,
    verdict::{Finding, Rule, reply},
};
use wire::{
    ids::StatusTarget,
    message::{Message, Status},
    meta::{Format, Meta},
    status::StatusCode,
};

/// How far the device has proven itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientProof {
    /// Credentials go with the next message.
    Due,
    /// Waits to be asked.
    Withheld,
    /// Accepted for the session; none are sent any more.
    Session,
    /// Accepted; this client or this answer wants them in every message.
    EveryMessage,
}

/// How far the server has proven itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerProof {
    /// The device has no account for the server.
    NotWanted,
    Due,
    Session,
    EveryMessage,
}

/// What the credentials in a reply are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerCred {
    None,
    Right,
    Wrong,
}

impl ClientProof {
    /// How a session begins.
    pub(super) fn at_first(identity: &Identity) -> Self {
        match (identity.kind.fault, identity.kind.habits) {
            (Fault::WaitsForChallenge, _) => Self::Withheld,
            (Fault::StaleNonce, _) | (_, Habits::A | Habits::B) => Self::Due,
            // This client may have credentials and keeps them until it is asked.
            (_, Habits::Windows) => Self::Withheld,
        }
    }
}

impl SimDevice {
    /// How the device goes on proving itself after its message was accepted, with a challenge beside that or without.
    pub(super) fn client_proof_after(&self, challenged: bool) -> ClientProof {
        if self.identity.kind.auth == Auth::Hmac {
            return ClientProof::EveryMessage;
        }
        match (self.identity.kind.habits, self.session.client) {
            (Habits::Windows, ClientProof::Withheld) => ClientProof::Withheld,
            // This client goes on proving itself when it was given something to do it with.
            (Habits::Windows, _) | (Habits::B, ClientProof::EveryMessage) => {
                ClientProof::EveryMessage
            }
            (Habits::B, _) if challenged => ClientProof::EveryMessage,
            (Habits::A | Habits::B, _) => ClientProof::Session,
        }
    }

    pub(super) fn must_prove(&self, server: ServerCred) -> bool {
        match self.session.server {
            ServerProof::NotWanted | ServerProof::Session => false,
            ServerProof::Due | ServerProof::EveryMessage => server != ServerCred::Right,
        }
    }

    /// The server gave orders without proving itself: nothing is done, and it is asked to.
    pub(super) fn refuse_server(
        &mut self,
        message: &Message,
        server: ServerCred,
        octets: &[u8],
    ) -> Next {
        if server == ServerCred::None {
            self.breach(&Finding::new(Rule::ServerCredentialsMissing, ""), octets);
        }
        self.session.server_refusals += 1;
        if self.session.server_refusals >= 2 {
            return Next::Over(End::ServerRefused);
        }
        let header = self.header_status(message, server);
        let code = refusal(self.identity.kind.habits, server);
        let answers =
            work::refuse(&self.identity, message.header.msg_id, reply::orders(message), code);
        self.write(Some(header), answers, Some(message));
        Next::Send
    }

    /// Judges the credentials in a reply.
    pub(super) fn server_cred(&mut self, message: &Message, octets: &[u8]) -> ServerCred {
        let Some(cred) = &message.header.cred else { return ServerCred::None };
        if self.session.server == ServerProof::NotWanted {
            self.breach(&Finding::new(Rule::ServerCredentialsUnasked, ""), octets);
            return ServerCred::None;
        }
        if self.forgets_server_nonce() {
            return ServerCred::Wrong;
        }
        let nonces = self.account.server_nonces(self.terms.seed, &self.identity);
        let is_md5 = cred.meta.media_type.as_deref() == Some("syncml:auth-md5");
        let right = nonces.iter().position(|nonce| {
            is_md5
                && cred.data.as_text()
                    == Some(&digest::md5_credential(self.identity.server_account(), nonce))
        });
        if let Some(place) = right {
            self.account.server_used(place);
            return ServerCred::Right;
        }
        self.breach(&Finding::new(Rule::ServerCredentialsWrong, ""), octets);
        ServerCred::Wrong
    }

    /// Whether the device takes right credentials for wrong ones.
    pub(super) fn forgets_server_nonce(&self) -> bool {
        self.identity.kind.fault == Fault::LostServerNonce
            && self.session.first
            && self.session.server_refusals == 0
    }

    /// Whether a reply gives the nonce that the device has already.
    pub(super) fn repeats_nonce(&self, chal: &Meta) -> bool {
        let nonce = chal.next_nonce.as_deref().and_then(digest::from_base64);
        nonce.is_some_and(|nonce| self.account.holds_client_nonce(&nonce))
    }

    /// The status of the server's header, with what the device thinks of the server's credentials.
    pub(super) fn header_status(&mut self, message: &Message, server: ServerCred) -> Status {
        let habits = self.identity.kind.habits;
        let challenge = reply::is_challenge(message);
        let (code, chal) = match (self.session.server, server) {
            (ServerProof::NotWanted, _) | (ServerProof::Session, ServerCred::None) => {
                (StatusCode::Ok, None)
            }
            (_, ServerCred::Right) => self.thank(),
            // This client has nothing to say to a challenge without credentials, and says so with no code at all.
            (_, ServerCred::None) if challenge && habits == Habits::A => {
                (StatusCode::Other(0), None)
            }
            (_, wrong) => (refusal(habits, wrong), Some(self.new_nonce())),
        };
        let (code, chal) = match self.identity.kind.fault {
            Fault::StatusZero if !code.is_challenge() => (StatusCode::Other(0), None),
            _ => (code, chal),
        };
        let refs = |uri: &str| vec![uri.into()];
        let (target_refs, source_refs) = match habits {
            Habits::A => {
                (refs(&message.header.target.loc_uri), refs(&message.header.source.loc_uri))
            }
            Habits::B | Habits::Windows => (Vec::new(), Vec::new()),
        };
        Status {
            id: None,
            msg_ref: Some(message.header.msg_id),
            about: StatusTarget::Header,
            cmd: "SyncHdr".into(),
            target_refs,
            source_refs,
            cred: None,
            chal,
            code: Some(code),
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }
    }

    /// The server has proven itself: what is said to that, and for how long it is good.
    fn thank(&mut self) -> (StatusCode, Option<Meta>) {
        let (proof, code, chal) = match (self.identity.kind.auth, self.identity.kind.habits) {
            (Auth::Hmac, _) => (ServerProof::EveryMessage, StatusCode::Ok, self.new_nonce()),
            (Auth::Md5 | Auth::Basic, Habits::A | Habits::Windows) => {
                (ServerProof::Session, StatusCode::Authenticated, self.new_nonce())
            }
            (Auth::Md5 | Auth::Basic, Habits::B) => {
                (ServerProof::EveryMessage, StatusCode::Ok, self.new_or_same_nonce())
            }
        };
        if self.identity.kind.fault != Fault::StatusZero {
            self.session.server = proof;
        }
        (code, Some(chal))
    }

    fn new_nonce(&mut self) -> Meta {
        if self.identity.kind.fault == Fault::StatusZero {
            // It gives none away: nobody would see it.
            return Meta::default();
        }
        let nonce = self.account.issue_server_nonce(self.terms.seed, &self.identity);
        self.chal(digest::base64(&nonce))
    }

    /// This client now and then gives an empty nonce, which means the old one.
    fn new_or_same_nonce(&mut self) -> Meta {
        if self.session.msg_id % 3 == 2 { self.chal(String::new()) } else { self.new_nonce() }
    }

    pub(super) fn take_nonce(&mut self, chal: &Meta) {
        if let Some(nonce) = chal.next_nonce.as_deref().and_then(digest::from_base64)
            && !nonce.is_empty()
        {
            self.account.take_client_nonce(&nonce);
        }
    }

    fn chal(&self, next_nonce: String) -> Meta {
        let kind = match self.identity.kind.auth {
            Auth::Hmac => "syncml:auth-MAC",
            Auth::Md5 | Auth::Basic => "syncml:auth-md5",
        };
        Meta {
            format: Some(Format::B64),
            media_type: Some(kind.into()),
            next_nonce: Some(next_nonce.into()),
            ..Meta::default()
        }
    }
}

fn refusal(habits: Habits, server: ServerCred) -> StatusCode {
    match (habits, server) {
        (Habits::A, ServerCred::Wrong) => StatusCode::InvalidCredentials,
        _ => StatusCode::CredentialsMissing,
    }
}

//! One device and one server with a session between them: what the server's edge does around the pure session.

use crate::{bench::Bench, rules, shelf::Shelf};
use session::{
    Account, AuthKind, Context, JobEnd, Learnt, Mac, News, Opening, Parts, Place, Session, Step,
};
use sha2::{Digest as _, Sha256};
use wire::{
    Encoding, Limits,
    digest::{Nonce, SecretHash},
    hmac::Hmac,
    message::Message,
};

pub(crate) const USER: &str = "device";
pub(crate) const PASSWORD: &str = "device-secret";
pub(crate) const URL: &str = "https://dm.example/dm/operator";

pub(crate) struct Scene {
    pub(crate) bench: Bench,
    pub(crate) account: Account,
    pub(crate) learnt: Learnt,
    pub(crate) encoding: Encoding,
    pub(crate) reply_octets: usize,
    pub(crate) only_nonces: bool,
    pub(crate) session: Option<Session>,
    /// The nonces under which the device's digests are tried; those that are issued are added.
    pub(crate) candidates: Vec<Nonce>,
    /// Nonces of challenges that were used up.
    challenges: usize,
    /// Fresh nonces that were offered so far.
    offered: usize,
    /// The device's `MaxMsgSize`, as last given.
    device_takes: Option<usize>,
    /// What the device was told last, for repeats.
    answer: Option<Message>,
    /// The parts of large objects that are stored.
    pub(crate) shelf: Shelf,
}

/// What came of one message.
pub(crate) enum Came {
    Reply {
        reply: Message,
        ends: Vec<JobEnd>,
        news: Vec<News>,
        /// The reply's octets and the header that goes with them.
        sealed: Option<(Vec<u8>, String)>,
    },
    /// The stored answer was sent again.
    Again(Message),
    /// HTTP 400.
    BadRequest,
}

impl Scene {
    pub(crate) fn new(bench: Bench) -> Self {
        Self {
            bench,
            account: Account {
                kind: AuthKind::Md5,
                secret: SecretHash::of(USER, PASSWORD),
                server: None,
            },
            learnt: Learnt::default(),
            encoding: Encoding::Xml,
            reply_octets: 16_000,
            only_nonces: false,
            session: None,
            candidates: vec![nonce("stored")],
            challenges: 0,
            offered: 0,
            device_takes: None,
            answer: None,
            shelf: Shelf::default(),
        }
    }

    /// A message of the device arrives, with the session's token or without.
    pub(crate) fn receive(&mut self, body: &[u8], proven: bool) -> Came {
        self.receive_sealed(body, proven, None)
    }

    /// The same, with what stands in `x-syncml-hmac`.
    pub(crate) fn receive_sealed(
        &mut self,
        body: &[u8],
        proven: bool,
        header: Option<&str>,
    ) -> Came {
        let hmac = header.map(Hmac::parse);
        let mac = match &hmac {
            None => Mac::Absent,
            Some(Ok(hmac)) => Mac::Given { hmac, body },
            Some(Err(_)) => Mac::Unreadable,
        };
        let message =
            self.encoding.read(body, &Limits::default()).expect("a transcript holds messages");
        let body_digest: [u8; 32] = Sha256::digest(body).into();
        let claims = message.header.cred.is_some() || hmac.is_some();
        let current =
            self.session.as_ref().filter(|session| *session.id() == message.header.session_id);
        let place = current.map(|session| session.place(&message, &body_digest, claims));
        self.offered += 1;
        let challenge = match self.challenges {
            0 => nonce("challenge"),
            used => nonce(&format!("challenge-{used}")),
        };
        let next_nonce = nonce(&format!("next-{}", self.offered));
        let bench = self.bench.clone();
        let (account, mut candidates) = (self.account.clone(), self.candidates.clone());
        candidates.push(challenge.clone());
        let wanted = self.session.as_ref().map_or(0, |session| session.parts_wanted(&message));
        let parts = self.shelf.read(wanted);
        let context = Context {
            server_id: "srv",
            url: URL,
            resp_uri: Some("https://dm.example/dm/operator?s=token&v=1"),
            account: &account,
            learnt: self.learnt,
            candidates: &candidates,
            challenge: &challenge,
            next_nonce: &next_nonce,
            proven: proven && matches!(place, Some(Place::Next { .. } | Place::AgainAfterRefusal)),
            mac,
            body_digest,
            encoding: self.encoding,
            reply_octets: self.reply_octets,
            max_msg_size: 64_000,
            max_obj_size: 256_000,
            parts: &parts,
            only_nonces: self.only_nonces,
            work: &bench,
        };
        let most = message.header.meta.max_msg_size.map(|octets| usize::try_from(octets).unwrap());
        let most = most.unwrap_or(self.reply_octets);
        let step = match place {
            Some(Place::Repeat) => {
                return Came::Again(self.answer.clone().expect("an answer was stored"));
            }
            Some(Place::Stale) => return Came::BadRequest,
            Some(Place::Next { .. } | Place::AgainAfterRefusal) => {
                let session = self.session.clone().expect("a session has a place for the message");
                session.receive(&message, &context)
            }
            None | Some(Place::Restart) => match session::open(&message, &context) {
                Opening::Opened(step) => {
                    self.device_takes = None;
                    // What an earlier session left there expires.
                    self.shelf.lose();
                    step
                }
                Opening::Refused { reply } => {
                    rules::check(&reply, self.encoding, most);
                    let (ends, news) = (Vec::new(), Vec::new());
                    return Came::Reply { reply, ends, news, sealed: None };
                }
            },
        };
        self.store(step, &message)
    }

    fn store(&mut self, step: Step, message: &Message) -> Came {
        let Step { session, reply, ends, news, parts, seal } = step;
        if news.contains(&News::Refused) {
            assert_eq!(Some(&session), self.session.as_ref(), "a refused message moves nothing");
            assert!(ends.is_empty() && news.len() == 1 && parts == Parts::default());
            let most = self.device_takes.unwrap_or(self.reply_octets);
            rules::check(&reply, self.encoding, most.max(self.reply_octets));
            assert!(seal.is_none(), "a refusal proves nothing of the server");
            return Came::Reply { reply, ends, news, sealed: None };
        }
        let accepted = reply.header.resp_uri.is_some();
        if let Some(octets) = message.header.meta.max_msg_size.filter(|_| accepted) {
            self.device_takes = Some(usize::try_from(octets).expect("64 bits"));
        }
        rules::check(&reply, self.encoding, self.device_takes.unwrap_or(self.reply_octets));
        rules::check_stored(&session);
        for item in &news {
            match item {
                // A digest over a body is good once: the nonce that comes now replaces all before it.
                News::NonceIssued(nonce) if self.account.kind == AuthKind::Hmac => {
                    self.candidates = vec![nonce.clone()];
                    self.challenges += 1;
                }
                News::NonceIssued(nonce) => self.candidates.push(nonce.clone()),
                News::ServerNonce(given) => {
                    if let Some(server) = &mut self.account.server {
                        server.nonce = given.clone();
                    }
                }
                News::Learnt(learnt) => self.learnt = *learnt,
                _ => {}
            }
        }
        self.shelf.store(parts);
        assert!(
            !session.over() || self.shelf.is_empty(),
            "nothing is left of a session that is over"
        );
        let sealed = seal.map(|seal| {
            let octets = self.encoding.write(&reply).expect("a reply can be written");
            let header = seal.header(&octets);
            (octets, header)
        });
        self.session = Some(session);
        self.answer = Some(reply.clone());
        Came::Reply { reply, ends, news, sealed }
    }
}

/// A nonce named by its octets.
pub(crate) fn nonce(name: &str) -> Nonce {
    Nonce::new(name.as_bytes()).expect("names are short")
}

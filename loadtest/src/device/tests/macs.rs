//! Devices that prove every message by a digest of it, and want the same of the server.

use super::*;
use crate::{
    digest,
    scripted::{get, write},
    verdict::reply,
};

/// The server's half: both nonces, as the device gives and gets them.
struct Macs {
    stage: Stage,
    client: Vec<u8>,
    server: Vec<u8>,
    given: u8,
}

impl Macs {
    fn of(fault: Fault, habits: Habits) -> Self {
        let stage = Stage::of(Kind { auth: Auth::Hmac, ..kind(fault, habits, Encoding::Wbxml) });
        let identity = &stage.device.identity;
        let (client, server) =
            (identity.first_nonce.to_vec(), identity.first_server_nonce.to_vec());
        Self { stage, client, server, given: 0 }
    }

    /// Whether the device's message is proven.
    fn is_proven(&self) -> bool {
        let (out, identity) = (self.stage.device.outgoing(), &self.stage.device.identity);
        let account = digest::account(&identity.user, &identity.secret);
        let mac = digest::hmac(&account, &self.client, out.octets);
        out.mac == Some(&format!("algorithm=MD5, username=\"{}\", mac={mac}", identity.user))
    }

    /// Answers with a status and a new nonce, and proves the answer.
    fn answer(&mut self, header: u16, orders: &str) -> (Vec<u8>, String) {
        let request = self.stage.request();
        let chal = reply::header_status(&request).and_then(|status| status.chal.clone());
        if let Some(nonce) = chal.and_then(|chal| digest::from_base64(&chal.next_nonce?)) {
            self.server = nonce;
        }
        self.given += 1;
        self.client = vec![self.given; 16];
        let xml = self.stage.script.challenge(&request, &self.client);
        let commands = if header == 200 { 200 } else { header };
        let xml = xml
            .replace("syncml:auth-md5", "syncml:auth-MAC")
            .replacen("<Data>401</Data>", &format!("<Data>{header}</Data>"), 1)
            .replace("<Data>401</Data>", &format!("<Data>{commands}</Data>"))
            .replace("<Final/>", &format!("{orders}<Final/>"));
        let octets = self.stage.script.encode(&xml);
        let identity = &self.stage.device.identity;
        let account = digest::account(&identity.server_user, &identity.server_secret);
        let mac = digest::hmac(&account, &self.server, &octets);
        let header = format!("algorithm=MD5, username=\"{}\", mac={mac}", identity.server_user);
        (octets, header)
    }

    fn feed(&mut self, octets: &[u8], mac: Option<&str>) -> Next {
        let media_type = self.stage.device.identity.media_type();
        self.stage.device.receive(Reply { media_type, mac, octets })
    }

    fn say(&mut self, header: u16, orders: &str) -> Next {
        let (octets, mac) = self.answer(header, orders);
        self.feed(&octets, Some(&mac))
    }
}

// R27: every message in both directions is proven by a digest under a nonce of its own.
#[test]
fn every_message_is_proven_in_both_directions() {
    for habits in [Habits::A, Habits::B] {
        let mut macs = Macs::of(Fault::None, habits);
        let request = macs.stage.request();
        assert!(macs.is_proven() && request.header.cred.is_none());
        assert_eq!(
            request.header.source.loc_name.as_deref(),
            Some(macs.stage.device.identity.user.as_str())
        );
        for id in [100, 200, 300] {
            let order = write("Replace", id, "./AP/GW/Addr", "10.20.0.1");
            assert_eq!(macs.say(200, &order), Next::Send);
            assert!(macs.is_proven());
            assert_eq!(
                macs.stage.codes()[..2],
                [("SyncHdr".to_owned(), 200), ("Replace".to_owned(), 200)]
            );
        }
        assert_eq!(macs.say(200, ""), Next::Over(End::Complete));
        assert_eq!(macs.stage.rules(), [], "{:?}", macs.stage.device.breaches());
    }
}

#[test]
fn a_challenge_is_answered_with_the_nonce_that_it_gave() {
    let mut macs = Macs::of(Fault::StaleNonce, Habits::B);
    assert!(!macs.is_proven());
    assert_eq!(macs.say(401, ""), Next::Send);
    assert!(macs.is_proven());
    assert_eq!(macs.say(200, ""), Next::Over(End::Complete));
    assert_eq!(macs.stage.rules(), [], "{:?}", macs.stage.device.breaches());
}

#[test]
fn an_answer_without_a_right_digest_is_noticed_and_nothing_of_it_done() {
    let order = write("Replace", 100, "./AP/GW/Addr", "10.20.0.1");
    for (rule, change) in [
        (Rule::ServerCredentialsMissing, None),
        (Rule::ServerCredentialsWrong, Some("algorithm=MD5, username=\"x\", mac=AAAA")),
    ] {
        let mut macs = Macs::of(Fault::None, Habits::B);
        let (octets, _) = macs.answer(200, &order);
        assert_eq!(macs.feed(&octets, change), Next::Send);
        assert_eq!(macs.stage.rules(), [rule]);
        assert!(macs.stage.codes().iter().all(|(_, code)| *code == 407));
        assert_eq!(macs.stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
    }
    let mut macs = Macs::of(Fault::None, Habits::B);
    let (mut octets, mac) = macs.answer(200, &order);
    let place = octets.windows(9).position(|nine| nine == b"10.20.0.1").unwrap();
    octets[place] = b'9';
    macs.feed(&octets, Some(&mac));
    assert_eq!(macs.stage.rules(), [Rule::ServerCredentialsWrong], "one octet was changed");
}

#[test]
fn an_acceptance_without_a_nonce_for_the_next_message_is_noticed() {
    let mut macs = Macs::of(Fault::None, Habits::A);
    let (octets, _) = macs.answer(200, &get(100, "./AP"));
    let message = Encoding::Wbxml.read(&octets, &wire::Limits::default()).unwrap();
    let mut without = message.clone();
    if let Command::Status(status) = &mut without.commands[0] {
        status.chal = None;
    }
    let octets = Encoding::Wbxml.write(&without).unwrap();
    let identity = &macs.stage.device.identity;
    let account = digest::account(&identity.server_user, &identity.server_secret);
    let mac = digest::hmac(&account, &macs.server, &octets);
    let header = format!("username=\"{}\", mac={mac}", identity.server_user);
    macs.feed(&octets, Some(&header));
    assert_eq!(macs.stage.rules(), [Rule::Challenge]);
}

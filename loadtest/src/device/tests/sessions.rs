//! What a device does in its sessions, with a server that does everything right.

use super::*;
use crate::{
    digest,
    scripted::{ask, get, write},
};

const CHALLENGE: &str =
    include_str!("../../../../src/wire/tests/vectors/syncml/02-pkg2-challenge-md5.xml");
const GET: &str = include_str!("../../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.xml");
const END: &str = include_str!("../../../../src/wire/tests/vectors/syncml/06-pkg4-end.xml");

const CHALLENGE_WBXML: &str =
    include_str!("../../../../src/wire/tests/vectors/syncml/02-pkg2-challenge-md5.libwbxml.hex");
const GET_WBXML: &str =
    include_str!("../../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.libwbxml.hex");
const END_WBXML: &str =
    include_str!("../../../../src/wire/tests/vectors/syncml/06-pkg4-end.libwbxml.hex");

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

// The dialogue of vectors 01 to 06 (R17): challenge, credentials, mutual proof, Get, Results, end.
#[test]
fn the_published_dialogue_satisfies_both_clients_in_both_encodings() {
    for kind in everyone(Fault::WaitsForChallenge) {
        let mut stage = Stage::of(kind.clone());
        let (challenge, get, end) = match kind.encoding {
            Encoding::Xml => {
                [CHALLENGE, GET, END].map(|xml| xml.trim_end().as_bytes().to_vec()).into()
            }
            Encoding::Wbxml => [CHALLENGE_WBXML, GET_WBXML, END_WBXML].map(hex).into(),
        };
        let media_type = stage.device.identity.media_type();
        let first = stage.request();
        assert_eq!(first.header.session_id.as_str(), "1A2");
        assert!(first.header.cred.is_none());

        assert_eq!(
            stage.device.receive(Reply { media_type, mac: None, octets: &challenge }),
            Next::Send
        );
        let second = stage.request();
        let cred = second.header.cred.unwrap();
        assert_eq!(cred.data.as_text(), Some("B5EOa+ulyLBfzbwugVaxzw=="));

        assert_eq!(stage.device.receive(Reply { media_type, mac: None, octets: &get }), Next::Send);
        let third = stage.request();
        let results =
            third.commands.iter().filter(|command| matches!(command, Command::Results(_))).count();
        assert_eq!(results, 2);
        assert_eq!(third.header.cred.is_some(), kind.habits == Habits::B);

        assert_eq!(
            stage.device.receive(Reply { media_type, mac: None, octets: &end }),
            Next::Over(End::Complete),
            "{kind:?}"
        );
        assert_eq!(stage.rules(), [], "{kind:?}: {:?}", stage.device.breaches());
    }
}

#[test]
fn orders_are_carried_out_and_answered_and_nothing_is_found_wrong() {
    for kind in everyone(Fault::None) {
        let mut stage = Stage::of(kind.clone());
        let orders = [
            get(100, "./AP/GW/Addr"),
            write("Replace", 101, "./AP/GW/Addr", "10.20.0.1"),
            write("Add", 102, "./AP/NEW/Addr", "x"),
            get(103, "./Nothing"),
            get(104, "./AP"),
        ];
        assert_eq!(stage.say(&orders.concat()), Next::Send);
        let codes: Vec<u16> = stage.codes().into_iter().map(|(_, code)| code).collect();
        let header = if kind.habits == Habits::A { 212 } else { 200 };
        assert_eq!(codes, [header, 200, 200, 404, 404, 200], "{kind:?}");
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), [], "{kind:?}: {:?}", stage.device.breaches());
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(stage.device.writes, 1);
    }
}

#[test]
fn results_come_as_each_client_sends_them() {
    for kind in everyone(Fault::None) {
        let mut stage = Stage::of(kind.clone());
        let two = get(100, "./ConnMO/QoS/MaxDownlink")
            .replace("</Get>", "<Item><Target><LocURI>./AP/GW/Addr</LocURI></Target></Item></Get>");
        stage.say(&two);
        let request = stage.request();
        let names: Vec<&str> = request.commands.iter().map(Command::name).collect();
        let results: Vec<&wire::message::Results> = request
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Results(results) => Some(results),
                _ => None,
            })
            .collect();
        match kind.habits {
            Habits::A => {
                assert_eq!(names, ["Status", "Status", "Status", "Results"]);
                assert!(
                    results[0]
                        .items
                        .iter()
                        .all(|item| item.meta.format.is_some() && item.meta.size.is_none())
                );
            }
            Habits::B | Habits::Windows => {
                assert_eq!(names, ["Status", "Status", "Status", "Results", "Results"]);
                let formats: Vec<bool> =
                    results.iter().map(|results| results.items[0].meta.format.is_some()).collect();
                assert_eq!(formats, [true, false], "Format only when it is not chr");
            }
        }
    }
}

#[test]
fn an_atomic_that_fails_is_undone_by_one_client_and_not_by_the_other() {
    for kind in everyone(Fault::None) {
        let mut stage = Stage::of(kind.clone());
        let inner = [
            write("Replace", 101, "./AP/GW/Addr", "10.20.0.1"),
            write("Replace", 102, "./AP/NEW/Addr", "x"),
            write("Replace", 103, "./AP/WAP/Addr", "y"),
        ];
        stage.say(&format!("<Atomic><CmdID>100</CmdID>{}</Atomic>", inner.concat()));
        let codes: Vec<(String, u16)> = stage.codes().into_iter().skip(1).collect();
        let shown: Vec<(&str, u16)> =
            codes.iter().map(|(name, code)| (name.as_str(), *code)).collect();
        match kind.habits {
            Habits::A => assert_eq!(shown, [("Replace", 200), ("Replace", 404), ("Replace", 200)]),
            Habits::B | Habits::Windows => assert_eq!(
                shown,
                [("Atomic", 507), ("Replace", 216), ("Replace", 404), ("Replace", 215)]
            ),
        }
        let wanted = if kind.habits == Habits::A { "10.20.0.1" } else { "10.0.0.1" };
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some(wanted));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_device_without_atomic_says_406() {
    let mut stage = Stage::of(kind(Fault::NoAtomic, Habits::B, Encoding::Xml));
    let inner = write("Replace", 101, "./AP/GW/Addr", "10.20.0.1");
    stage.say(&format!("<Atomic><CmdID>100</CmdID>{inner}</Atomic>"));
    let codes: Vec<u16> = stage.codes().into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, [200, 406, 215]);
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
}

// R7: yes, no and no answer are told apart.
#[test]
fn the_user_says_yes_or_no_or_nothing() {
    for (answer, fault, code) in [
        (Answer::Yes, Fault::None, 200),
        (Answer::No, Fault::None, 304),
        (Answer::Nothing, Fault::None, 408),
        (Answer::Yes, Fault::CannotAsk, 406),
    ] {
        let kind = Kind { answer, ..kind(fault, Habits::A, Encoding::Wbxml) };
        let mut stage = Stage::with(kind, |terms| terms.questions_expected = true);
        stage.say(&ask(100));
        assert_eq!(stage.codes().last(), Some(&("Alert".to_owned(), code)));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_device_with_a_stale_nonce_is_challenged_and_succeeds() {
    for kind in everyone(Fault::StaleNonce) {
        let mut stage = Stage::of(kind);
        let request = stage.request();
        let challenge = stage.script.challenge(&request, b"a fresh nonce");
        assert_eq!(stage.feed(&challenge), Next::Send);
        let account = digest::account("352099001761481", "Kq7-client-secret");
        let cred = stage.request().header.cred.unwrap();
        assert_eq!(
            cred.data.as_text(),
            Some(digest::md5_credential(&account, b"a fresh nonce").as_str())
        );
        assert_eq!(stage.say(&get(100, "./DevDetail/SwV")), Next::Send);
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_device_that_forgot_the_server_nonce_challenges_the_server() {
    for kind in everyone(Fault::LostServerNonce) {
        let mut stage = Stage::of(kind.clone());
        let order = write("Replace", 100, "./AP/GW/Addr", "10.20.0.1");
        assert_eq!(stage.say(&order), Next::Send);
        let code = if kind.habits == Habits::A { 401 } else { 407 };
        assert!(stage.codes().iter().all(|(_, answered)| *answered == code), "{:?}", stage.codes());
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
        stage.script = Script::new(&stage.device.identity);
        stage.script.given = 9;
        assert_eq!(stage.say(&order), Next::Send);
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), [], "{kind:?}");
    }
}

#[test]
fn a_lost_answer_makes_the_very_same_message_come_again() {
    let mut stage = Stage::of(kind(Fault::LostAnswer { to: 1 }, Habits::B, Encoding::Wbxml));
    let before = stage.device.outgoing().octets.to_vec();
    let reply = stage.right(&get(100, "./DevDetail/SwV"));
    assert_eq!(stage.feed(&reply), Next::Repeat);
    assert_eq!(stage.device.outgoing().octets, before);
    assert_eq!(stage.feed(&reply), Next::Send);
    assert_eq!(stage.rules(), []);
}

#[test]
fn a_device_dies_in_its_first_session_and_is_well_in_the_next() {
    let mut stage = Stage::of(kind(Fault::DiesMidSession { after: 1 }, Habits::B, Encoding::Xml));
    assert_eq!(stage.say(&get(100, "./DevDetail/SwV")), Next::Over(End::Died));
    let (terms, identity) = (Arc::clone(&stage.device.terms), Arc::clone(&stage.device.identity));
    let reason = Reason::Notified { session_id: 0x1A3 };
    let finished = stage.device.finish(End::Died, reason);
    stage.device = SimDevice::wake(terms, identity, finished.account, finished.changes, reason);
    assert_eq!(stage.request().header.session_id.as_str(), "1A3");
    assert_eq!(stage.say(&get(100, "./DevDetail/SwV")), Next::Send);
}

#[test]
fn a_wrong_password_is_given_up_after_three_refusals_and_is_nobodys_breach() {
    let mut stage = Stage::of(kind(Fault::WrongPassword, Habits::A, Encoding::Xml));
    for (nonce, next) in
        [(b"one", Next::Send), (b"two", Next::Send), (b"six", Next::Over(End::Refused))]
    {
        let request = stage.request();
        let challenge = stage.script.challenge(&request, nonce);
        assert_eq!(stage.feed(&challenge), next);
    }
    assert_eq!(stage.rules(), []);
}

#[test]
fn the_next_message_goes_where_resp_uri_says() {
    let mut stage = Stage::of(kind(Fault::None, Habits::A, Encoding::Xml));
    "<RespURI>http://127.0.0.1:1/dm?s=0b6c&amp;n=2</RespURI>".clone_into(&mut stage.script.header);
    stage.say(&get(100, "./DevDetail/SwV"));
    assert_eq!(stage.device.outgoing().url, "http://127.0.0.1:1/dm?s=0b6c&n=2");
}

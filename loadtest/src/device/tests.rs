//! Sessions of a device with a scripted server, and what it notices when the script is changed.

use super::*;
use crate::{
    digest,
    faults::{Answer, Auth, Kind, Model},
    scripted::{Script, ask, get, read, write},
    tree::Found,
    verdict::push::tests::push,
};
use wire::Encoding;

const CHALLENGE: &str =
    include_str!("../../../src/wire/tests/vectors/syncml/02-pkg2-challenge-md5.xml");
const GET: &str = include_str!("../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.xml");
const END: &str = include_str!("../../../src/wire/tests/vectors/syncml/06-pkg4-end.xml");

const CHALLENGE_WBXML: &str =
    include_str!("../../../src/wire/tests/vectors/syncml/02-pkg2-challenge-md5.libwbxml.hex");
const GET_WBXML: &str =
    include_str!("../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.libwbxml.hex");
const END_WBXML: &str =
    include_str!("../../../src/wire/tests/vectors/syncml/06-pkg4-end.libwbxml.hex");

fn kind(fault: Fault, habits: Habits, encoding: Encoding) -> Kind {
    Kind {
        fault,
        habits,
        encoding,
        auth: Auth::Md5,
        proves_server: true,
        answer: Answer::Yes,
        model: Model::Rv100,
        as_wanted: false,
        polls: false,
    }
}

/// A device of the vectors' dialogue and a script that can satisfy it.
struct Stage {
    device: SimDevice,
    script: Script,
}

impl Stage {
    fn of(kind: Kind) -> Self {
        Self::with(kind, |_| {})
    }

    fn with(kind: Kind, terms: impl FnOnce(&mut Terms)) -> Self {
        let identity = Identity::of_vectors(kind);
        let mut common = Terms {
            seed: 1,
            mix: Mix::healthy(),
            dm_url: "https://dm.operator.example/oma/dm".to_owned(),
            server_id: "dm.operator.example".to_owned(),
            user_owned: vec!["./User".to_owned()],
            questions_expected: false,
        };
        terms(&mut common);
        let mut script = Script::new(&identity);
        common.dm_url.clone_into(&mut script.url);
        let device = SimDevice::wake(
            Arc::new(common),
            Arc::new(identity),
            Account::default(),
            Vec::new(),
            Reason::Notified { session_id: 0x1A2 },
        );
        Self { device, script }
    }

    fn request(&self) -> Message {
        read(&self.device.identity, self.device.outgoing().octets)
    }

    /// The right reply to the message that the device wants to send, with these orders.
    fn right(&mut self, orders: &str) -> String {
        let request = self.request();
        self.script.accept(&request, orders)
    }

    fn feed(&mut self, xml: &str) -> Next {
        let octets = self.script.encode(xml);
        let media_type = self.device.identity.media_type();
        self.device.receive(Reply { media_type, octets: &octets })
    }

    fn say(&mut self, orders: &str) -> Next {
        let xml = self.right(orders);
        self.feed(&xml)
    }

    fn rules(&self) -> Vec<Rule> {
        self.device.breaches().iter().map(|breach| breach.rule).collect()
    }

    /// Codes of the statuses in the next message, the header's first.
    fn codes(&self) -> Vec<(String, u16)> {
        let statuses = self.request().commands.into_iter().filter_map(|command| match command {
            Command::Status(status) => Some((
                status.cmd.to_string(),
                status.code.map_or(0, wire::status::StatusCode::code),
            )),
            _ => None,
        });
        statuses.collect()
    }

    fn node(&self, uri: &str) -> Option<String> {
        match self.device.tree().get(uri).ok()? {
            Found::Leaf { value, .. } => Some(value),
            Found::Interior(names) => Some(names.join("/")),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

/// Every device that differs from others in how it talks.
fn everyone(fault: Fault) -> impl Iterator<Item = Kind> {
    [Habits::A, Habits::B].into_iter().flat_map(move |habits| {
        [Encoding::Xml, Encoding::Wbxml].map(|encoding| kind(fault, habits, encoding))
    })
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

        assert_eq!(stage.device.receive(Reply { media_type, octets: &challenge }), Next::Send);
        let second = stage.request();
        let cred = second.header.cred.unwrap();
        assert_eq!(cred.data.as_text(), Some("B5EOa+ulyLBfzbwugVaxzw=="));

        assert_eq!(stage.device.receive(Reply { media_type, octets: &get }), Next::Send);
        let third = stage.request();
        let results =
            third.commands.iter().filter(|command| matches!(command, Command::Results(_))).count();
        assert_eq!(results, 2);
        assert_eq!(third.header.cred.is_some(), kind.habits == Habits::B);

        assert_eq!(
            stage.device.receive(Reply { media_type, octets: &end }),
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
            Habits::B => {
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
            Habits::B => assert_eq!(
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

/// What a changed reply to package 1 makes the device find.
fn found(kind: Kind, orders: &str, change: impl FnOnce(String) -> String) -> Vec<Rule> {
    let mut stage = Stage::of(kind);
    let right = stage.right(orders);
    let changed = change(right.clone());
    assert!(changed != right || !orders.is_empty(), "nothing was changed: {right}");
    let media_type = stage.device.identity.media_type();
    stage.device.receive(Reply { media_type, octets: changed.as_bytes() });
    stage.rules()
}

fn plain() -> Kind {
    kind(Fault::None, Habits::B, Encoding::Xml)
}

#[test]
fn every_change_to_a_right_reply_is_noticed_as_what_it_is() {
    let order = get(100, "./DevDetail/SwV");
    let cases: [(Rule, &str, &str); 23] = [
        (Rule::NotWellFormed, "</Get>", ""),
        (Rule::TrailingOctets, "</SyncML>", "</SyncML>\n"),
        (Rule::ByteOrderMark, "<SyncML", "\u{FEFF}<SyncML"),
        (Rule::MetaNamespace, "<Format xmlns=\"syncml:metinf\">", "<Format>"),
        (Rule::Reference, "SwV", "Sw&#86;"),
        (Rule::Unreadable, "<MsgID>1</MsgID>", ""),
        (Rule::Header, "<SessionID>1A2", "<SessionID>1A3"),
        (Rule::Header, "DM/1.2", "DM/1.3"),
        (
            Rule::Header,
            "IMEI:352099001761481</LocURI></Target>",
            "IMEI:352099001761499</LocURI></Target>",
        ),
        (Rule::MsgId, "<MsgID>1<", "<MsgID>2<"),
        (Rule::NoFinal, "<Final/>", ""),
        (Rule::CmdId, "<CmdID>100<", "<CmdID>1<"),
        (Rule::HeaderStatusFirst, "<CmdRef>0</CmdRef><Cmd>SyncHdr", "<CmdRef>1</CmdRef><Cmd>Alert"),
        (Rule::MsgRef, "<MsgRef>1<", "<MsgRef>4<"),
        (Rule::CmdRef, "<CmdRef>2<", "<CmdRef>9<"),
        (Rule::CmdRef, "<Cmd>Replace", "<Cmd>Add"),
        (Rule::CmdRef, "<SourceRef>IMEI:352099001761481", "<SourceRef>IMEI:352099001761499"),
        (Rule::MissingStatus, "<CmdRef>2<", "<CmdRef>1<"),
        (Rule::StatusCode, "<Data>200</Data>", "<Data>500</Data>"),
        (Rule::StatusCode, "<Data>212</Data>", "<Data>500</Data>"),
        (Rule::ServerCredentialsWrong, "YtAhmNZ4xMrQQtNrp+xOvA==", "ZtAhmNZ4xMrQQtNrp+xOvA=="),
        (Rule::ItemIncomplete, "<Target><LocURI>./DevDetail/SwV</LocURI></Target>", ""),
        (Rule::ItemIncomplete, "./DevDetail/SwV", "/DevDetail/SwV"),
    ];
    for (rule, from, to) in cases {
        let rules = found(plain(), &order, |right| right.replace(from, to));
        assert!(rules.contains(&rule), "{rule:?} was not noticed, but {rules:?}");
    }
    assert_eq!(found(plain(), &order, |right| right), []);
}

#[test]
fn a_server_that_does_not_prove_itself_is_noticed() {
    let order = get(100, "./DevDetail/SwV");
    let cut = |right: String| {
        let (before, rest) = right.split_once("<Cred>").unwrap();
        let (_, after) = rest.split_once("</Cred>").unwrap();
        format!("{before}{after}")
    };
    assert_eq!(found(plain(), &order, cut), [Rule::ServerCredentialsMissing]);
    let mut stage = Stage::of(plain());
    assert_eq!(stage.say(&order), Next::Send);
    let later = stage.right(&order);
    stage.feed(&cut(later));
    assert_eq!(
        stage.rules(),
        [Rule::ServerCredentialsMissing],
        "one client wants them in every message"
    );
}

#[test]
fn credentials_for_a_device_without_an_account_for_the_server_are_noticed() {
    let mut stage = Stage::of(plain());
    let right = stage.right(&get(100, "./DevDetail/SwV"));
    let mut stage = Stage::of(Kind { proves_server: false, ..plain() });
    stage.feed(&right);
    assert_eq!(stage.rules(), [Rule::ServerCredentialsUnasked]);
}

#[test]
fn what_clients_do_not_survive_is_noticed() {
    let inner = get(101, "./AP");
    for orders in [
        format!("<Sequence><CmdID>100</CmdID>{inner}</Sequence>"),
        format!("<Atomic><CmdID>100</CmdID>{inner}</Atomic>"),
        inner.replace("Get", "Put"),
        "<Alert><CmdID>100</CmdID><Data>1201</Data></Alert>".to_owned(),
    ] {
        let rules = found(plain(), &orders, |right| right);
        assert!(rules.contains(&Rule::ForbiddenCommand), "{orders}: {rules:?}");
    }
}

#[test]
fn items_without_target_format_or_data_are_noticed() {
    let whole = write("Replace", 100, "./AP/GW/Addr", "x");
    let without = |part: &str| found(plain(), &whole.replace(part, ""), |right| right);
    let meta = "<Meta><Format xmlns=\"syncml:metinf\">chr</Format></Meta>";
    for part in [meta, "<Data>x</Data>", "<Target><LocURI>./AP/GW/Addr</LocURI></Target>"] {
        assert!(without(part).contains(&Rule::ItemIncomplete), "{part}");
    }
    assert_eq!(found(plain(), &whole, |right| right), []);
}

#[test]
fn a_question_is_noticed_where_none_was_to_be_asked_and_where_it_is_malformed() {
    assert_eq!(found(plain(), &ask(100), |right| right), [Rule::QuestionUnasked]);
    let mut stage = Stage::with(plain(), |terms| terms.questions_expected = true);
    stage.say(&ask(100).replace("<Item><Data>MAXDT=60</Data></Item>", "<Item/>"));
    assert_eq!(stage.rules(), [Rule::AlertIncomplete]);
}

// R7: only after yes is anything stored.
#[test]
fn a_write_before_the_answer_or_after_no_is_noticed() {
    let order = write("Replace", 101, "./AP/GW/Addr", "10.20.0.1");
    let mut stage = Stage::with(plain(), |terms| terms.questions_expected = true);
    stage.say(&[ask(100), order.clone()].concat());
    assert_eq!(stage.rules(), [Rule::WriteBeforeAnswer]);

    for answer in [Answer::No, Answer::Nothing] {
        let kind = Kind { answer, ..plain() };
        let mut stage = Stage::with(kind, |terms| terms.questions_expected = true);
        stage.say(&ask(100));
        stage.say(&order);
        assert_eq!(stage.rules(), [Rule::WriteAfterNo]);
    }
}

// R8: what belongs to the user is not written, nor is anything above it.
#[test]
fn a_write_to_what_belongs_to_the_user_is_noticed() {
    for order in [
        write("Replace", 100, "./User/Ringtone", "x"),
        write("Replace", 100, "./USER/ringtone", "x"),
        get(100, ".").replace("Get", "Delete"),
    ] {
        assert_eq!(found(plain(), &order, |right| right), [Rule::UserOwned], "{order}");
    }
}

#[test]
fn a_bad_challenge_is_noticed() {
    let kind = || kind(Fault::WaitsForChallenge, Habits::A, Encoding::Xml);
    let found = |change: &dyn Fn(String) -> String| {
        let mut stage = Stage::of(kind());
        let request = stage.request();
        let challenge = stage.script.challenge(&request, b"fresh");
        stage.feed(&change(challenge));
        stage.rules()
    };
    assert_eq!(found(&|right| right), []);
    let without_nonce = |right: String| right.replace(&digest::base64(b"fresh"), "");
    assert_eq!(found(&without_nonce), [Rule::Challenge]);
    assert_eq!(
        found(&|right: String| right.replace("syncml:auth-md5", "syncml:auth-none")),
        [Rule::Challenge]
    );
    let orders = get(100, "./AP");
    assert_eq!(
        found(&|right: String| right.replace("<Final/>", &format!("{orders}<Final/>"))),
        [Rule::ChallengeWithCommands]
    );
    assert!(
        found(&|right: String| right.replacen("<Data>401</Data>", "<Data>407</Data>", 1))
            .contains(&Rule::StatusCode)
    );
}

#[test]
fn refusing_right_credentials_is_noticed() {
    let mut stage = Stage::of(plain());
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"fresh");
    stage.feed(&challenge);
    assert_eq!(stage.rules(), [Rule::RightCredentialsRefused]);
}

#[test]
fn another_answer_to_a_repeated_message_is_noticed() {
    let mut stage = Stage::of(kind(Fault::LostAnswer { to: 1 }, Habits::B, Encoding::Xml));
    let reply = stage.right(&get(100, "./DevDetail/SwV"));
    stage.feed(&reply);
    stage.feed(&reply.replace("SwV", "FwV"));
    assert_eq!(stage.rules(), [Rule::RepeatDiffers]);
}

#[test]
fn a_message_that_is_too_large_is_noticed() {
    let mut stage =
        Stage::of(kind(Fault::SmallMessages { octets: 1_000 }, Habits::B, Encoding::Xml));
    assert_eq!(stage.request().header.meta.max_msg_size, Some(1_000));
    stage.say(&get(100, "./DevDetail/SwV"));
    assert_eq!(stage.rules(), [Rule::TooLarge]);
}

#[test]
fn another_media_type_and_another_http_status_are_noticed() {
    let mut stage = Stage::of(plain());
    let reply = stage.right("");
    stage
        .device
        .receive(Reply { media_type: "application/vnd.syncml+xml", octets: reply.as_bytes() });
    assert_eq!(stage.rules(), [Rule::MediaType]);
    let mut stage = Stage::of(plain());
    stage.device.refused(500, b"");
    stage.device.unmeasured(b"");
    assert_eq!(stage.rules(), [Rule::HttpStatus, Rule::ContentLength]);
    assert!(Stage::of(plain()).feed("").eq(&Next::Over(End::Broken)));
}

fn terms() -> Terms {
    Stage::of(plain()).device.terms.as_ref().clone()
}

fn hear_at(
    identity: &Identity,
    account: &mut Account,
    push: &[u8],
    life: u32,
) -> (Heard, Vec<Rule>) {
    let (heard, breaches) = hear(&terms(), identity, account, push, life);
    (heard, breaches.into_iter().map(|breach| breach.rule).collect())
}

#[test]
fn a_notification_wakes_a_device_and_false_ones_are_noticed() {
    let identity = Identity::of_vectors(plain());
    let server = "dm.operator.example";
    let nonce = identity.first_server_nonce;
    let wake = |session_id| (Heard::Wake(Reason::Notified { session_id }), vec![]);
    let mut account = Account::default();
    assert_eq!(hear_at(&identity, &mut account, &push(&identity, server, &nonce, 7), 0), wake(7));
    assert_eq!(
        hear_at(&identity, &mut account, &push(&identity, server, &nonce, 7), 0),
        wake(7),
        "it is repeated"
    );
    let (heard, rules) = hear_at(&identity, &mut account, &push(&identity, server, &nonce, 8), 0);
    assert_eq!(
        (heard, rules),
        (Heard::Wake(Reason::Notified { session_id: 8 }), vec![Rule::NotificationSession])
    );

    let mut account = Account::default();
    let wrong = |push: &[u8], account: &mut Account| hear_at(&identity, account, push, 0);
    let false_digest = push(&identity, server, b"another nonce", 7);
    assert_eq!(
        wrong(&false_digest, &mut account),
        (Heard::Nothing, vec![Rule::NotificationDigest])
    );
    let stranger = push(&identity, "dm.elsewhere", &nonce, 7);
    assert_eq!(wrong(&stranger, &mut account), (Heard::Nothing, vec![Rule::NotificationServer]));
    assert_eq!(wrong(b"\x01\x07", &mut account), (Heard::Nothing, vec![Rule::PushMalformed]));
    assert_eq!(
        wrong(&false_digest[..10], &mut account),
        (Heard::Nothing, vec![Rule::NotificationMalformed])
    );
}

// R7: nothing is ever shown to the user when nothing is to be asked.
#[test]
fn a_notification_that_shows_itself_is_noticed() {
    let identity = Identity::of_vectors(Kind { proves_server: false, ..plain() });
    let mut shown = push(&identity, "dm.operator.example", b"", 7);
    // ui-mode 3 of the header's second octet.
    shown[23] |= 0x30;
    let (_, rules) = hear_at(&identity, &mut Account::default(), &shown, 0);
    assert_eq!(rules, [Rule::NotificationVisible]);
}

// R23: a device that is away hears nothing until it is back.
#[test]
fn a_device_that_is_away_hears_nothing_until_it_is_back() {
    let identity = Identity::of_vectors(kind(
        Fault::OfflineFor { milliseconds: 500 },
        Habits::B,
        Encoding::Xml,
    ));
    let bell = push(&identity, "dm.operator.example", &identity.first_server_nonce, 7);
    let mut account = Account::default();
    for (life, heard) in [
        (100, Heard::Nothing),
        (599, Heard::Nothing),
        (600, Heard::Wake(Reason::Notified { session_id: 7 })),
    ] {
        assert_eq!(hear_at(&identity, &mut account, &bell, life), (heard, vec![]), "{life}");
    }
    let silent = Identity::of_vectors(kind(Fault::Silent, Habits::B, Encoding::Xml));
    assert_eq!(hear_at(&silent, &mut Account::default(), &bell, 9_999_999).0, Heard::Nothing);
}

#[test]
fn after_a_session_only_the_nonce_that_the_device_gave_proves_a_notification() {
    for habits in [Habits::A, Habits::B] {
        let mut stage = Stage::of(kind(Fault::None, habits, Encoding::Xml));
        stage.say(&get(100, "./DevDetail/SwV"));
        let request = stage.request();
        let given =
            reply::header_status(&request).unwrap().chal.clone().unwrap().next_nonce.unwrap();
        let given = digest::from_base64(&given).unwrap();
        stage.say("");
        let identity = Arc::clone(&stage.device.identity);
        let mut account =
            stage.device.finish(End::Complete, Reason::Notified { session_id: 0x1A2 }).account;
        let old = push(&identity, "dm.operator.example", &identity.first_server_nonce, 8);
        assert_eq!(hear_at(&identity, &mut account, &old, 0).1, [Rule::NotificationDigest]);
        let new = push(&identity, "dm.operator.example", &given, 8);
        assert_eq!(hear_at(&identity, &mut account, &new, 0).1, []);
    }
}

#[test]
fn while_an_answer_is_missing_the_nonce_before_still_proves_the_server() {
    let mut stage = Stage::of(plain());
    stage.say(&get(100, "./DevDetail/SwV"));
    let identity = Arc::clone(&stage.device.identity);
    let mut account =
        stage.device.finish(End::GaveUp, Reason::Notified { session_id: 0x1A2 }).account;
    let old = push(&identity, "dm.operator.example", &identity.first_server_nonce, 0x1A3);
    assert_eq!(hear_at(&identity, &mut account, &old, 0).1, []);
}

/// A checker that never fires is worthless: the tests above have to name every rule.
#[test]
fn every_rule_has_a_test_that_breaks_it() {
    let tests = [
        include_str!("tests.rs"),
        include_str!("../verdict/octets.rs"),
        include_str!("../verdict/push.rs"),
    ]
    .concat();
    for rule in Rule::ALL {
        let name = format!("Rule::{rule:?}");
        assert!(tests.contains(&name), "{name}");
        assert!(
            rule.sentence().ends_with('.') && !rule.sentence().starts_with(' '),
            "{:?}",
            rule.sentence()
        );
    }
}

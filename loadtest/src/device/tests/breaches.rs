//! Each way in which a reply can be wrong is noticed as what it is.

use super::*;
use crate::{
    digest,
    scripted::{ask, get, write},
};

/// What a changed reply to package 1 makes the device find.
fn found(kind: Kind, orders: &str, change: impl FnOnce(String) -> String) -> Vec<Rule> {
    let mut stage = Stage::of(kind);
    let right = stage.right(orders);
    let changed = change(right.clone());
    assert!(changed != right || !orders.is_empty(), "nothing was changed: {right}");
    let media_type = stage.device.identity.media_type();
    stage.device.receive(Reply { media_type, mac: None, octets: changed.as_bytes() });
    stage.rules()
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
        format!("<Atomic><CmdID>100</CmdID>{inner}</Atomic>"),
        inner.replace("Get", "Put"),
        "<Alert><CmdID>100</CmdID><Data>1201</Data></Alert>".to_owned(),
    ] {
        let rules = found(plain(), &orders, |right| right);
        assert!(rules.contains(&Rule::ForbiddenCommand), "{orders}: {rules:?}");
    }
}

#[test]
fn a_sequence_is_noticed_by_the_client_that_it_crashes() {
    let orders = format!("<Sequence><CmdID>100</CmdID>{}</Sequence>", get(101, "./AP"));
    let device = |habits| kind(Fault::None, habits, Encoding::Xml);
    assert_eq!(found(device(Habits::A), &orders, |right| right), [Rule::ForbiddenCommand]);
    assert_eq!(found(device(Habits::B), &orders, |right| right), []);
}

// R27: what proved one message proves no other.
#[test]
fn a_nonce_that_is_given_twice_is_noticed() {
    let mut stage = Stage::of(plain());
    stage.say(&get(100, "./AP"));
    stage.script.given -= 1;
    stage.say(&get(100, "./AP"));
    assert_eq!(stage.rules(), [Rule::NonceRepeated]);
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
    stage.device.receive(Reply {
        media_type: "application/vnd.syncml+xml",
        mac: None,
        octets: reply.as_bytes(),
    });
    assert_eq!(stage.rules(), [Rule::MediaType]);
    let mut stage = Stage::of(plain());
    stage.device.refused(500, b"");
    stage.device.unmeasured(b"");
    assert_eq!(stage.rules(), [Rule::HttpStatus, Rule::ContentLength]);
    assert!(Stage::of(plain()).feed("").eq(&Next::Over(End::Broken)));
}

//! A Windows 11 client, as captures and its documentation show it (windows-client.md of the protocol notes).

use super::*;
use crate::scripted::{get, write};

fn windows(encoding: Encoding, index: u64) -> Stage {
    windows_with(Fault::None, encoding, index)
}

fn windows_with(fault: Fault, encoding: Encoding, index: u64) -> Stage {
    let kind = Kind {
        model: Model::Laptop,
        proves_server: false,
        ..kind(fault, Habits::Windows, encoding)
    };
    let mut identity = Identity::of_vectors(kind);
    "A1B2C3D4E5F60718293A4B5C6D7E8F90".clone_into(&mut identity.device);
    identity.index = index;
    Stage::of_identity(identity)
}

fn both() -> [Encoding; 2] {
    [Encoding::Xml, Encoding::Wbxml]
}

fn text(stage: &Stage) -> String {
    String::from_utf8(stage.device.outgoing().octets.to_vec()).unwrap()
}

/// Challenged, then accepted with these orders.
fn opened(stage: &mut Stage, orders: &str) -> Next {
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"fresh");
    assert_eq!(stage.feed(&challenge), Next::Send);
    stage.say(orders)
}

/// Checklist 1: one line, no declaration, numbers from 2, no Meta, no credentials.
#[test]
fn the_first_message_is_as_it_was_captured() {
    let stage = windows(Encoding::Xml, 0);
    let wanted = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>1A2</SessionID><MsgID>1</MsgID><Target><LocURI>https://dm.operator.example/oma/dm</LocURI></Target>\
        <Source><LocURI>A1B2C3D4E5F60718293A4B5C6D7E8F90</LocURI></Source></SyncHdr><SyncBody>\
        <Alert><CmdID>2</CmdID><Data>1200</Data></Alert><Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta>\
        <Type xmlns=\"syncml:metinf\">com.microsoft/MDM/LoginStatus</Type></Meta><Data>user</Data></Item></Alert>\
        <Replace><CmdID>4</CmdID>\
        <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>A1B2C3D4E5F60718293A4B5C6D7E8F90</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Maker &amp; Co</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>Laptop 7,1</Data></Item>\
        <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.3</Data></Item>\
        <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en-GB</Data></Item>\
        </Replace><Final/></SyncBody></SyncML>";
    assert_eq!(text(&stage).replace("de-DE", "en-GB"), wanted);
    let out = stage.device.outgoing();
    assert_eq!(out.url, "https://dm.operator.example/oma/dm?mode=Maintenance&Platform=WoA");
    assert!(out.headers.contains("User-Agent: MSFT OMA DM Client/1.2.0.1\r\n"));
    assert_eq!(out.media_type, "application/vnd.syncml.dm+xml");
    assert_eq!(
        windows(Encoding::Xml, 1).device.outgoing().media_type,
        "application/vnd.syncml.dm+xml; charset=utf-8"
    );
}

/// Checklist 2: the same commands again behind the status of the header, with name and credentials, in every message.
#[test]
fn a_challenge_is_answered_with_package_1_and_credentials_in_every_message() {
    for encoding in both() {
        let mut stage = windows(encoding, 0);
        let request = stage.request();
        let challenge = stage.script.challenge(&request, b"fresh");
        assert_eq!(stage.feed(&challenge), Next::Send);
        let second = stage.request();
        assert_eq!(second.header.msg_id.0, 2);
        let ids: Vec<String> =
            second.commands.iter().map(|command| command.id().unwrap().to_string()).collect();
        assert_eq!(ids, ["1", "2", "3", "4"]);
        assert!(second.header.cred.is_some());
        assert_eq!(second.header.source.loc_name.as_deref(), Some("352099001761481"));
        assert_eq!(stage.say(&get(100, "./DevInfo/Man")), Next::Send);
        assert!(stage.request().header.cred.is_some());
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), [], "{:?}", stage.device.breaches());
    }
}

/// Checklist 2, the variant of a test client: the same number again, and a line before the root element.
#[test]
fn a_test_client_answers_a_challenge_under_the_same_number() {
    let mut stage = windows(Encoding::Xml, 2);
    assert!(text(&stage).starts_with("\n<SyncML"));
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"fresh");
    stage.feed(&challenge);
    let again = stage.request();
    assert_eq!((again.header.msg_id.0, again.commands), (1, request.commands));
    assert!(again.header.cred.is_some());
    assert_eq!(stage.say(&get(100, "./DevInfo/Man")), Next::Send);
    assert_eq!(stage.rules(), []);
}

#[test]
fn a_wrong_password_is_given_up_after_the_second_refusal() {
    let mut stage = windows_with(Fault::WrongPassword, Encoding::Xml, 0);
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"one");
    assert_eq!(stage.feed(&challenge), Next::Send);
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"two");
    assert_eq!(stage.feed(&challenge), Next::Over(End::Refused));
    assert_eq!(stage.rules(), []);
}

/// Checklist 4 and 5: answers in the server's order, addresses only where there are several, formats only where not text.
#[test]
fn answers_come_in_order_with_addresses_only_for_several_items() {
    for encoding in both() {
        let mut stage = windows(encoding, 0);
        let several = get(100, "./DevDetail/SwV").replace(
            "</Get>",
            "<Item><Target><LocURI>./DevDetail/None</LocURI></Target></Item>\
             <Item><Target><LocURI>./Vendor/MSFT/Policy/Telemetry</LocURI></Target></Item></Get>",
        );
        opened(
            &mut stage,
            &[several, get(101, "./DevInfo/Man"), get(102, "./Vendor/MSFT/Policy")].concat(),
        );
        let request = stage.request();
        let mut shape = Vec::new();
        for command in &request.commands {
            shape.push(match command {
                Command::Status(status) => {
                    format!("{} {:?}", status.code.unwrap().code(), status.target_refs)
                }
                Command::Results(results) => {
                    let shown = results.items.iter().map(|item| {
                        let format = item.meta.format.as_ref().map_or("-", |format| format.name());
                        format!("{format}:{}", item.data.as_ref().unwrap().as_text().unwrap())
                    });
                    shown.collect::<Vec<_>>().join(" ")
                }
                other => other.name().to_owned(),
            });
        }
        assert_eq!(
            shape,
            [
                "200 []",
                "200 [\"./DevDetail/SwV\"]",
                "404 [\"./DevDetail/None\"]",
                "200 [\"./Vendor/MSFT/Policy/Telemetry\"]",
                "-:12.0 bool:true",
                "200 []",
                "-:Maker & Co",
                "200 []",
                "node:AllowCamera/Telemetry/Rules/Slow",
            ]
        );
        assert_eq!(stage.rules(), [], "{:?}", stage.device.breaches());
    }
}

/// Checklist 5: 405 for what is only to be read, 202 for what takes its time; parents are made along with a node.
#[test]
fn writes_end_as_the_nodes_are() {
    let mut stage = windows(Encoding::Xml, 1);
    let orders = [
        write("Replace", 100, "./Vendor/MSFT/Report", "x"),
        write("Replace", 101, "./Vendor/MSFT/Policy/Slow", "after"),
        write("Add", 102, "./Vendor/MSFT/New/Deep/Node", "x"),
        write("Replace", 103, "./Vendor/MSFT/None", "x"),
    ];
    opened(&mut stage, &orders.concat());
    let codes: Vec<u16> = stage.codes().into_iter().skip(1).map(|(_, code)| code).collect();
    assert_eq!(codes, [405, 202, 200, 404]);
    assert_eq!(stage.node("./Vendor/MSFT/New").as_deref(), Some("Deep"));
    let failed = stage.request().commands.into_iter().any(
        |command| matches!(command, Command::Status(status) if !status.code_attributes.is_empty()),
    );
    assert!(failed, "a later version tells its own code beside a failure");
}

/// Checklist 6: all or nothing; what may not stand inside is refused with 500, and the whole with 507.
#[test]
fn an_atomic_is_undone_and_a_get_inside_refused() {
    let mut stage = windows(Encoding::Wbxml, 0);
    let inner = [write("Replace", 101, "./AP/GW/Addr", "10.20.0.1"), get(102, "./AP")];
    opened(&mut stage, &format!("<Atomic><CmdID>100</CmdID>{}</Atomic>", inner.concat()));
    let codes: Vec<u16> = stage.codes().into_iter().skip(1).map(|(_, code)| code).collect();
    assert_eq!(codes, [507, 216, 500]);
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
    assert_eq!(stage.rules(), [Rule::ForbiddenCommand], "of a Get inside an Atomic");
}

#[test]
fn sequence_is_understood() {
    let mut stage = windows(Encoding::Xml, 0);
    let inner = write("Replace", 101, "./AP/GW/Addr", "10.20.0.1");
    opened(&mut stage, &format!("<Sequence><CmdID>100</CmdID>{inner}</Sequence>"));
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    assert_eq!(stage.rules(), []);
}

/// Checklist 7: an answer that is larger than the server takes ends the session with 1223.
#[test]
fn an_answer_larger_than_the_server_takes_ends_the_session() {
    for encoding in both() {
        let mut stage = windows(encoding, 0);
        stage.script.header =
            "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">8192</MaxMsgSize></Meta>".to_owned();
        opened(&mut stage, &get(100, "./Vendor/MSFT/Report"));
        let request = stage.request();
        let names: Vec<&str> = request.commands.iter().map(Command::name).collect();
        assert_eq!(names, ["Status", "Status"], "and no results");
        assert_eq!(stage.say(&write("Replace", 100, "./AP/GW/Addr", "x")), Next::Send);
        let request = stage.request();
        let names: Vec<&str> = request.commands.iter().map(Command::name).collect();
        assert_eq!(names, ["Status", "Alert"]);
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
        assert_eq!(stage.say(""), Next::Over(End::Withdrew));
        assert_eq!(stage.rules(), []);
    }
    let mut stage = windows(Encoding::Xml, 0);
    opened(&mut stage, &get(100, "./Vendor/MSFT/Report"));
    assert!(stage.device.outgoing().octets.len() > 16_384, "without a limit it comes whole");
}

#[test]
fn orders_after_the_device_has_ended_the_session_are_noticed() {
    let mut stage = windows(Encoding::Xml, 0);
    stage.script.header =
        "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">8192</MaxMsgSize></Meta>".to_owned();
    opened(&mut stage, &get(100, "./Vendor/MSFT/Report"));
    stage.say("");
    assert_eq!(stage.say(&get(100, "./AP")), Next::Over(End::Withdrew));
    assert_eq!(stage.rules(), [Rule::OrderOutOfTurn]);
}

/// Checklist 8: a reply of nothing is an end.
#[test]
fn an_empty_reply_ends_the_session_without_an_error() {
    let mut stage = windows(Encoding::Wbxml, 0);
    let media_type = stage.device.identity.media_type();
    let next = stage.device.receive(Reply { media_type, mac: None, octets: b"" });
    assert_eq!((next, stage.rules()), (Next::Over(End::Complete), vec![]));
}

/// Checklist 9: who is logged in, a token, and leaving.
#[test]
fn what_is_told_beside_the_beginning() {
    let said = |index| text(&windows(Encoding::Xml, index));
    assert!(said(0).contains("<Data>user</Data>"));
    assert!(said(1).contains("<Data>others</Data>"));
    assert!(said(2).contains("<Data>none</Data>"));
    assert!(!said(0).contains("AADUserToken") && said(4).contains("AADUserToken"));

    let mut stage = windows_with(Fault::Unenrols, Encoding::Xml, 0);
    let alert = "<Alert><CmdID>4</CmdID><Data>1226</Data><Item><Meta>";
    assert!(text(&stage).contains(alert), "{}", text(&stage));
    assert!(text(&stage).contains("com.microsoft:mdm.unenrollment.userrequest"));
    let request = stage.request();
    let challenge = stage.script.challenge(&request, b"fresh");
    assert_eq!(stage.feed(&challenge), Next::Over(End::Left));
    let finished = stage.device.finish(End::Left, Reason::ByItself);
    assert!(finished.account.left && finished.breaches.is_empty());
}

#[test]
fn a_device_that_is_told_to_leave_says_nothing_more() {
    let mut stage = windows(Encoding::Xml, 0);
    let exec = get(100, "./Vendor/MSFT/DMClient/Unenroll").replace("Get>", "Exec>");
    assert_eq!(opened(&mut stage, &exec), Next::Over(End::Left));
}

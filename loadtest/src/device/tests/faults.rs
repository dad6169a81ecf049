//! The faults: each shows itself in what the device says, and none makes a right server wrong.

use super::*;
use crate::{
    digest,
    scripted::{get, write},
};
use wire::message::Status;

/// What everybody is asked: a value, a value that is not there, a write.
fn orders() -> String {
    [
        get(100, "./AP/GW/Addr"),
        get(101, "./Nothing"),
        write("Replace", 102, "./AP/GW/Addr", "10.20.0.1"),
    ]
    .concat()
}

fn statuses(message: &Message) -> Vec<&Status> {
    let statuses = message.commands.iter().filter_map(|command| match command {
        Command::Status(status) => Some(status),
        _ => None,
    });
    statuses.collect()
}

fn names(message: &Message) -> Vec<&'static str> {
    let names = message.commands.iter().map(|command| match command {
        Command::Status(_) => "Status",
        Command::Results(_) => "Results",
        Command::Alert(_) => "Alert",
        Command::Replace(_) => "Replace",
        other => panic!("a device sends no {}", other.name()),
    });
    names.collect()
}

#[test]
fn a_node_that_can_only_be_written_is_hidden_and_is_written() {
    for kind in everyone(Fault::WriteOnlyNodes) {
        let mut stage = Stage::of(kind);
        let node = "./ConnMO/QoS/MaxDownlink";
        stage.say(&[get(100, node), write("Replace", 101, node, "50000")].concat());
        let codes: Vec<u16> = stage.codes().into_iter().skip(1).map(|(_, code)| code).collect();
        assert_eq!(codes, [405, 200]);
        assert_eq!(stage.node(node).as_deref(), Some("50000"));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn status_zero_says_nothing_of_anything() {
    for kind in everyone(Fault::StatusZero) {
        let mut stage = Stage::of(kind);
        assert_eq!(stage.say(&orders()), Next::Send);
        let message = stage.request();
        assert!(statuses(&message).iter().all(|status| status.code.unwrap().code() == 0));
        assert!(names(&message).contains(&"Results"));
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn the_same_nonce_is_given_to_the_server_again_and_again() {
    let mut stage = Stage::of(kind(Fault::SameNonce, Habits::B, Encoding::Xml));
    let mut given = Vec::new();
    for id in [100, 200, 300, 400] {
        stage.say(&get(id, "./AP"));
        let request = stage.request();
        let chal = reply_chal(&request);
        given.extend(Some(chal).filter(|nonce| !nonce.is_empty()));
    }
    given.dedup();
    assert_eq!(given.len(), 1);
    assert_eq!(stage.rules(), []);
}

fn reply_chal(message: &Message) -> String {
    let chal = statuses(message)[0].chal.clone().unwrap();
    digest::base64(&digest::from_base64(&chal.next_nonce.unwrap_or_default()).unwrap())
}

#[test]
fn a_number_is_used_twice_and_a_refusal_of_that_is_nobodys_breach() {
    for habits in [Habits::A, Habits::B] {
        let mut stage = Stage::of(kind(Fault::ReusedMsgId { to: 1 }, habits, Encoding::Xml));
        let first = stage.device.outgoing().octets.to_vec();
        stage.say(&orders());
        assert_eq!(stage.request().header.msg_id.0, 1);
        assert_ne!(stage.device.outgoing().octets, first);
        assert_eq!(stage.device.refused(400, b""), End::Refused);
        assert_eq!(stage.rules(), []);
        assert_eq!(stage.device.refused(500, b""), End::Refused);
        assert_eq!(stage.rules(), [Rule::HttpStatus]);
    }
}

#[test]
fn results_come_once_more_in_the_next_message() {
    for kind in everyone(Fault::RepeatedResults) {
        let mut stage = Stage::of(kind);
        stage.say(&orders());
        let first = stage.request();
        stage.say(&get(100, "./DevDetail/SwV"));
        let second = stage.request();
        let results = |message: &Message| {
            let results = message.commands.iter().filter_map(|command| match command {
                Command::Results(results) => Some((results.msg_ref, results.items.clone())),
                _ => None,
            });
            results.collect::<Vec<_>>()
        };
        assert_eq!(results(&second).len(), 2);
        assert_eq!(results(&second).last(), results(&first).last());
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_value_ends_with_a_zero_octet_in_both_encodings() {
    for kind in everyone(Fault::ZeroInValues) {
        let mut stage = Stage::of(kind.clone());
        stage.say(&get(100, "./AP/GW/Addr"));
        let octets = stage.device.outgoing().octets;
        assert!(octets.windows(9).any(|nine| nine == b"10.0.0.1\0"), "{kind:?}");
        let refusal = stage.device.refused(400, b"");
        assert_eq!(refusal, End::Refused);
        assert_eq!(stage.rules(), [Rule::HttpStatus], "a server can know what is meant");
    }
}

#[test]
fn answers_in_several_messages_end_with_final_in_the_last() {
    for kind in everyone(Fault::SplitAnswers) {
        let mut stage = Stage::of(kind);
        stage.say(&orders());
        let mut said = Vec::new();
        loop {
            let request = stage.request();
            said.extend(names(&request).into_iter().skip(1));
            if request.last {
                break;
            }
            stage.script.goes_on = true;
            assert_eq!(stage.say(&next_message(100)), Next::Send);
            stage.script.goes_on = false;
        }
        // The three statuses and the results, and a status for each alert that asked for the rest.
        assert_eq!(said.iter().filter(|name| **name == "Status").count(), 3 + 3);
        assert_eq!(said.iter().filter(|name| **name == "Results").count(), 1);
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), [], "{:?}", stage.device.breaches());
    }
}

fn next_message(id: u32) -> String {
    format!("<Alert><CmdID>{id}</CmdID><Data>1222</Data></Alert>")
}

#[test]
fn the_status_of_the_last_command_comes_one_message_later() {
    for kind in everyone(Fault::LateAnswers) {
        let mut stage = Stage::of(kind);
        stage.say(&orders());
        assert_eq!(statuses(&stage.request()).len(), 3, "of four");
        stage.say(&get(100, "./AP"));
        let request = stage.request();
        let late = statuses(&request)[1];
        assert_eq!((late.cmd.as_str(), late.msg_ref.unwrap().0), ("Replace", 1));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn every_status_comes_twice() {
    for kind in everyone(Fault::DoubledAnswers) {
        let mut stage = Stage::of(kind);
        stage.say(&orders());
        assert_eq!(statuses(&stage.request()).len(), 1 + 2 * 3);
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_session_is_begun_again_in_its_middle_under_the_same_id() {
    for kind in everyone(Fault::Restarts { after: 2 }) {
        let mut stage = Stage::of(kind);
        let first = stage.request();
        stage.say(&get(100, "./AP"));
        assert_eq!(stage.say(&orders()), Next::Send);
        let again = stage.request();
        assert_eq!(again.header.session_id, first.header.session_id);
        assert_eq!((again.header.msg_id.0, names(&again)), (1, vec!["Alert", "Replace"]));
        assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"), "it was forgotten");
        // The nonce of the lost reply is lost too, so the server may well ask anew.
        let challenge = stage.script.challenge(&again, b"fresh");
        assert_eq!(stage.feed(&challenge), Next::Send);
        assert_eq!(stage.say(""), Next::Over(End::Complete));
        assert_eq!(stage.rules(), []);
    }
}

#[test]
fn a_report_stands_where_each_client_puts_it() {
    for (habits, wanted) in [
        (Habits::A, vec![1226, 1200]),
        (Habits::B, vec![1200, 1226]),
        (Habits::Windows, vec![1200, 1224, 1226]),
    ] {
        let kind = Kind { report: Some("worn"), ..kind(Fault::None, habits, Encoding::Wbxml) };
        let stage = Stage::of(kind);
        let codes = stage.request().commands.into_iter().filter_map(|command| match command {
            Command::Alert(alert) => Some(alert.code.unwrap().code()),
            _ => None,
        });
        assert_eq!(codes.collect::<Vec<_>>(), wanted);
    }
}

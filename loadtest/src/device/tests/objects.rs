//! Large objects in both directions, and whose turn it is while one is on its way.

use super::*;
use crate::scripted::get;

/// A part of a value for `./AP/GW/Addr`; the size stands in the first.
fn part(id: u32, text: &str, size: Option<u64>, more: bool) -> String {
    let size = size
        .map_or_else(String::new, |size| format!("<Size xmlns=\"syncml:metinf\">{size}</Size>"));
    let more = if more { "<MoreData/>" } else { "" };
    format!(
        "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>./AP/GW/Addr</LocURI></Target><Meta>\
         <Format xmlns=\"syncml:metinf\">chr</Format>{size}</Meta><Data>{text}</Data>{more}</Item></Replace>"
    )
}

fn b() -> Kind {
    kind(Fault::None, Habits::B, Encoding::Wbxml)
}

/// What the device says to parts that come in this way, the codes of one message each.
fn told(kind: Kind, parts: &[(String, bool)]) -> (Stage, Vec<Vec<u16>>) {
    let mut stage = Stage::of(kind);
    let mut told = Vec::new();
    for (orders, goes_on) in parts {
        stage.script.goes_on = *goes_on;
        stage.say(orders);
        told.push(stage.codes().into_iter().skip(1).map(|(_, code)| code).collect());
    }
    stage.script.goes_on = false;
    (stage, told)
}

#[test]
fn an_object_in_parts_is_taken_whole_and_written_once() {
    let parts = [
        (part(100, "10.20", Some(9), true), true),
        (part(200, ".0", None, true), true),
        (part(300, ".1", None, false), false),
    ];
    let (mut stage, told) = told(b(), &parts[..2]);
    assert_eq!(told, [[213], [213]]);
    let request = stage.request();
    assert!(!request.last, "its package goes on until it has everything");
    assert!(request.commands.iter().any(|command| matches!(command, Command::Alert(alert)
        if alert.code.unwrap().code() == 1222)));
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
    stage.say(&parts[2].0);
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
    assert!(stage.request().last);
    assert_eq!(stage.device.writes, 1);
    assert_eq!(stage.rules(), [], "{:?}", stage.device.breaches());
}

#[test]
fn one_client_takes_the_first_part_for_the_whole_and_another_takes_none() {
    let parts =
        [(part(100, "10.20", Some(9), true), true), (part(200, ".0.1", None, false), false)];
    let (stage, codes) = told(kind(Fault::None, Habits::A, Encoding::Xml), &parts);
    assert_eq!(codes, [[200], [418]]);
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.20"));
    let (stage, codes) = told(kind(Fault::None, Habits::Windows, Encoding::Xml), &parts[..1]);
    assert_eq!(codes, [[413]]);
    assert_eq!(stage.node("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
}

#[test]
fn parts_that_do_not_fit_together_are_noticed() {
    let first = || part(100, "10.20", Some(9), true);
    let cases = [
        (Rule::PartWithoutSize, vec![(part(100, "10.20", None, true), true)], vec![411_u16]),
        (Rule::ObjectSize, vec![(first(), true), (part(200, "x", None, false), false)], vec![424]),
        (
            Rule::ObjectInterrupted,
            vec![(first(), true), (get(200, "./DevDetail/SwV"), false)],
            vec![200],
        ),
        (
            Rule::ObjectInterrupted,
            vec![(first(), true), (part(200, "x", None, false).replace("GW", "WAP"), false)],
            vec![200],
        ),
        (
            Rule::ObjectInterrupted,
            vec![([first(), get(101, "./DevDetail/SwV")].concat(), true)],
            vec![213, 200],
        ),
        (Rule::ObjectInterrupted, vec![(first(), false)], vec![213]),
    ];
    for (rule, parts, last) in cases {
        let (stage, codes) = told(b(), &parts);
        assert_eq!(codes.last(), Some(&last), "{rule:?}");
        assert_eq!(stage.rules(), [rule], "{:?}", stage.device.breaches());
    }
}

#[test]
fn an_object_that_breaks_off_is_reported_with_1225() {
    let parts = [
        (part(100, "10.20", Some(9), true), true),
        (part(200, "x", None, false).replace("GW", "WAP"), false),
    ];
    let (stage, _) = told(b(), &parts);
    let alerts = stage.request().commands.into_iter().filter_map(|command| match command {
        Command::Alert(alert) => alert.code.map(wire::alert::AlertCode::code),
        _ => None,
    });
    assert_eq!(alerts.collect::<Vec<_>>(), [1225]);
    assert_eq!(stage.node("./AP/WAP/Addr").as_deref(), Some("x"));
}

/// A stage on which a value comes in parts of five octets.
fn sends() -> Stage {
    let mut stage = Stage::of(kind(Fault::SendsChunks { octets: 5 }, Habits::B, Encoding::Wbxml));
    stage.say(&[get(100, "./AP/GW/Addr"), get(101, "./DevDetail/SwV")].concat());
    stage
}

fn rest(id: u32) -> String {
    format!("<Alert><CmdID>{id}</CmdID><Data>1222</Data></Alert>")
}

/// The right reply to a message that ends with a part.
fn right(stage: &mut Stage, orders: &str) -> String {
    let request = stage.request();
    let results = request.commands.iter().find_map(|command| match command {
        Command::Results(results) if results.items[0].more => results.id.clone(),
        _ => None,
    });
    let taken = results.map_or_else(String::new, |id| {
        format!(
            "<Status><CmdID>90</CmdID><MsgRef>{}</MsgRef><CmdRef>{id}</CmdRef><Cmd>Results</Cmd><Data>213</Data></Status>",
            request.header.msg_id
        )
    });
    stage.script.goes_on = !request.last;
    stage.right(&[taken.as_str(), orders].concat())
}

#[test]
fn a_long_value_is_sent_in_parts_and_each_is_taken_with_213() {
    let mut stage = sends();
    let (mut value, mut sizes) = (String::new(), Vec::new());
    loop {
        let request = stage.request();
        for command in &request.commands {
            if let Command::Results(results) = command
                && results.items[0].source.as_ref().unwrap().loc_uri == "./AP/GW/Addr"
            {
                value += results.items[0].data.as_ref().unwrap().as_text().unwrap();
                sizes.push(results.items[0].meta.size);
                assert_eq!(results.items[0].more, !request.last);
            }
        }
        let orders = if request.last { String::new() } else { rest(100) };
        let reply = right(&mut stage, &orders);
        if stage.feed(&reply) == Next::Over(End::Complete) {
            break;
        }
    }
    assert_eq!((value.as_str(), sizes), ("10.0.0.1", vec![Some(8), None]));
    assert_eq!(stage.rules(), [], "{:?}", stage.device.breaches());
}

#[test]
fn a_server_that_does_not_let_the_device_finish_is_noticed() {
    let mut stage = sends();
    let order = get(100, "./AP");
    let reply = right(&mut stage, &order).replace("</SyncBody>", "<Final/></SyncBody>");
    stage.feed(&reply);
    assert_eq!(stage.rules(), [Rule::OrderOutOfTurn]);

    let mut stage = sends();
    let reply = right(&mut stage, "");
    stage.feed(&reply);
    assert!(stage.rules().contains(&Rule::RestNotAskedFor));

    for (from, to) in [("<Data>213</Data>", "<Data>200</Data>"), ("<Data>213</Data>", "")] {
        let mut stage = sends();
        let reply = right(&mut stage, &rest(100)).replace(from, to);
        stage.feed(&reply);
        assert_eq!(stage.rules(), [Rule::PartNotTaken]);
    }
    let mut stage = sends();
    let reply = right(&mut stage, &rest(100)).replace("<Data>213</Data>", "<Data>413</Data>");
    stage.feed(&reply);
    assert_eq!(stage.rules(), [], "who cannot take it may say so");
}

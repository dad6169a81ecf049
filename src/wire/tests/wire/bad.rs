//! Malformed, hostile and merely unusual messages: what the codec refuses, and with which words; what it lets through
//! for the session to judge.

use crate::vectors::{self, text};
use wire::{
    Encoding, Limits, ReadError,
    message::{Command, Data, Item, Message},
    meta::Format,
};

/// The name of the error, or what the codec says to a message it takes.
fn verdict(result: &Result<Message, ReadError>) -> String {
    match result {
        Ok(_) => "taken".into(),
        Err(error) => {
            format!("{error:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

fn xml(name: &str) -> Message {
    Encoding::Xml.read(&vectors::octets(&format!("bad/{name}.xml")), &Limits::default()).unwrap()
}

#[test]
fn every_bad_xml_message_gets_the_verdict_that_belongs_to_the_codec() {
    let refused = [
        ("b16", "Value"),
        ("b33", "Truncated"),
        ("b34", "Declarations"),
        ("b35", "Declarations"),
        ("b39", "Character"),
        ("b43", "TooDeep"),
    ];
    let lines = vectors::lines("bad/xml.jsonl");
    assert_eq!(lines.len(), 44);
    for line in lines {
        let id = text(&line, "id");
        let result = Encoding::Xml.read(&vectors::octets(text(&line, "file")), &Limits::default());
        let expected = refused
            .iter()
            .find(|(number, _)| id.starts_with(number))
            .map_or("taken", |(_, word)| word);
        assert_eq!(verdict(&result), expected, "{id}: {result:?}");
    }
}

#[test]
fn what_is_wrong_with_a_command_stays_visible_to_the_session() {
    assert!(xml("b01-missing-cmdid").commands.iter().any(|command| command.id().is_none()));
    assert!(xml("b03-cmdid-zero").commands.iter().any(|command| command.id().is_none()));
    assert!(xml("b06-final-first").last && xml("b07-two-final").last);
    assert!(
        xml("b08-unknown-element")
            .commands
            .iter()
            .any(|command| matches!(command, Command::Unknown(_)))
    );
    assert_eq!(xml("b12-empty-locuri").header.source.loc_uri, "");
    let no_code =
        |command: &Command| matches!(command, Command::Status(status) if status.code.is_none());
    assert!(xml("b18-status-no-code").commands.iter().any(no_code));
    let size = |item: &Item| item.meta.size == Some(4_294_967_295);
    assert!(xml("b22-size-huge").commands.iter().any(|command| items(command).iter().any(size)));
    let invented = |item: &Item| item.meta.format == Some(Format::Other("string".into()));
    assert!(
        xml("b25-bad-format-value")
            .commands
            .iter()
            .any(|command| items(command).iter().any(invented))
    );
    assert!(xml("b44-empty-body").commands.is_empty());
}

#[test]
fn latin1_is_decoded_as_declared() {
    let octets = vectors::octets("bad/b37-latin1.xml");
    assert!(std::str::from_utf8(&octets).is_err());
    let written = String::from_utf8(Encoding::Xml.write(&xml("b37-latin1")).unwrap()).unwrap();
    assert!(!written.is_ascii() && !written.contains('\u{FFFD}'));
}

#[test]
fn every_bad_wbxml_message_gets_the_verdict_that_belongs_to_the_codec() {
    let refused = [
        ("w02", "Truncated"),
        ("w03", "Truncated"),
        ("w08", "Page"),
        ("w09", "Length"),
        ("w10", "Number"),
        ("w11", "Number"),
        ("w12", "Length"),
        ("w13", "StringTable"),
        ("w14", "Truncated"),
        ("w28", "Truncated"),
        ("w29", "Truncated"),
        ("w30", "Version"),
        // Read on the wrong page its header has no children, and its body no token.
        ("w32", "Missing"),
    ];
    // These three are about text only and have no header: not a message, though every token is right.
    let headless = ["w23", "w24", "w31"];
    let lines = vectors::lines("bad/wbxml.jsonl");
    assert_eq!(lines.len(), 33);
    for line in lines {
        let id = text(&line, "id");
        let result =
            Encoding::Wbxml.read(&hex::decode(text(&line, "hex")).unwrap(), &Limits::default());
        let expected = match refused.iter().find(|(number, _)| id.starts_with(number)) {
            Some((_, word)) => word,
            None if headless.iter().any(|number| id.starts_with(number)) => "Missing",
            None => "taken",
        };
        assert_eq!(verdict(&result), expected, "{id}: {result:?}");
    }
}

/// The vector with the given number, with the header of the first one if it has none.
fn wbxml(number: &str) -> Message {
    let lines = vectors::lines("bad/wbxml.jsonl");
    let of = |number: &str| {
        let line = lines.iter().find(|line| text(line, "id").starts_with(number)).unwrap();
        hex::decode(text(line, "hex")).unwrap()
    };
    let mut octets = of(number);
    if octets.get(6) == Some(&0x6B) {
        let whole = of("w01");
        let body = whole.iter().position(|&octet| octet == 0x6B).unwrap();
        octets.splice(6..6, whole[6..body].iter().copied());
    }
    Encoding::Wbxml
        .read(&octets, &Limits::default())
        .unwrap_or_else(|error| panic!("{number}: {error}"))
}

#[test]
fn text_is_the_same_in_every_form_that_wbxml_has_for_it() {
    let good = wbxml("w01");
    for number in [
        "w04", "w05", "w06", "w07", "w15", "w16", "w17", "w18", "w19", "w20", "w21", "w22", "w25",
        "w26", "w27",
    ] {
        // In two of them an element that nobody knows stands in place of Final.
        let last = !["w06", "w07"].contains(&number);
        assert_eq!(wbxml(number), Message { last, ..good.clone() }, "{number}");
    }
    let value = |number: &str| match wbxml(number).commands.remove(0) {
        // Text in place of a code is no code.
        Command::Alert(alert) => {
            assert_eq!(alert.code, None);
            None
        }
        command => items(&command)[0].data.clone(),
    };
    assert_eq!((value("w23"), value("w24")), (None, None));
    assert_eq!(value("w31"), Some(Data::Opaque(vec![0, 1, 2, 255])));
    assert_eq!(
        wbxml("w33").header.cred.unwrap().data,
        Data::Opaque(hex::decode("07910e6beba5c8b05fcdbc2e8156b1cf").unwrap())
    );
}

fn items(command: &Command) -> &[Item] {
    match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Copy(edit)
        | Command::Get(edit) => &edit.items,
        Command::Exec(exec) => &exec.items,
        Command::Alert(alert) => &alert.items,
        Command::Status(status) => &status.items,
        Command::Results(results) => &results.items,
        Command::Atomic(_) | Command::Sequence(_) | Command::Unknown(_) => &[],
    }
}

/// A message of the session's kind with something put in after the root's name, after its header, or both.
fn with(root: &str, body: &str) -> Vec<u8> {
    let text = String::from_utf8(vectors::octets("bad/b44-empty-body.xml")).unwrap();
    let (before, after) = text.split_once("<SyncML").unwrap();
    let (header, rest) = after.split_once("<SyncBody").unwrap();
    let (_, _) = rest.split_once('>').unwrap();
    format!("{before}<SyncML{root}{header}<SyncBody>{body}</SyncBody></SyncML>").into_bytes()
}

/// C3: what is compared with everything before it stays small, so that reading takes time in proportion to the octets.
#[test]
fn attributes_and_declarations_are_few() {
    let list = |begins: &str, ends: &str, count: usize| {
        let all = (0..count).map(|number| [begins, number.to_string().as_str(), ends].concat());
        all.collect::<String>()
    };
    let attributes = |count| list(" a", "=\"\"", count);
    let read = |octets: Vec<u8>| verdict(&Encoding::Xml.read(&octets, &Limits::default()));
    assert_eq!(read(with(&attributes(40), "")), "taken");
    assert_eq!(read(with(&attributes(15_000), "")), "TooMany");
    let nested = |depth: usize| {
        let (opened, closed) = (format!("<x{}>", list(" xmlns:p", "=\"u\"", 50)), "</x>");
        format!("{}{}", opened.repeat(depth), closed.repeat(depth))
    };
    assert_eq!(read(with("", &nested(4))), "taken");
    assert_eq!(read(with("", &nested(10))), "TooMany");
}

/// A description of a tree has elements of the names of commands.
#[test]
fn a_command_of_another_vocabulary_is_no_command() {
    let body = r#"<Delete xmlns="syncml:dmddf1.2"/><d:Exec xmlns:d="syncml:dmddf1.2"/><Delete/>"#;
    let message = Encoding::Xml.read(&with("", body), &Limits::default()).unwrap();
    let [first, second, third] = message.commands.as_slice() else { panic!("three commands") };
    assert!(matches!((first, second), (Command::Unknown(_), Command::Unknown(_))));
    assert!(matches!(third, Command::Delete(_)));
}

/// `greeting` in the one item of a message, with something after it.
fn with_end(end: &str) -> Result<Message, ReadError> {
    let text = format!(
        "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>2</MsgID>\
         <Target><LocURI>s</LocURI></Target><Source><LocURI>d</LocURI></Source></SyncHdr><SyncBody><Results>\
         <CmdID>1</CmdID><CmdRef>2</CmdRef><Item><Source><LocURI>./A</LocURI></Source><Data>greeting{end}</Item>\
         </Results><Final/></SyncBody></SyncML>"
    );
    Encoding::Xml.read(text.as_bytes(), &Limits::default())
}

#[test]
fn zero_octets_that_end_a_text_in_xml_are_read_as_in_wbxml_and_others_are_refused() {
    let value = |message: Message| items(&message.commands[0])[0].data.clone();
    for end in ["\0</Data>", "<![CDATA[\0]]></Data>"] {
        let message = with_end(end).unwrap();
        let octets = Encoding::Wbxml.write(&message).unwrap();
        assert_eq!(Encoding::Wbxml.read(&octets, &Limits::default()).unwrap(), message);
        assert_eq!(value(message), Some(Data::text("greeting\0")), "{end:?}");
    }
    assert_eq!(value(with_end("\0\0</Data>").unwrap()), Some(Data::text("greeting\0\0")));
    for end in [
        "\0\0\0\0\0</Data>",
        "\0 </Data>",
        "\0<!-- --></Data>",
        "\0]]></Data>",
        "<b\0></b></Data>",
        "</Data\0>",
        "<b c='\0</'/></Data>",
    ] {
        let refused = with_end(end);
        assert!(refused.is_err(), "{end:?} {refused:?}");
    }
}

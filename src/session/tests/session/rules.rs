//! What every reply must keep to, or a client in the field fails or crashes (client-behaviour, rules 1 to 15).

use session::Session;
use wire::{
    Encoding, Limits,
    alert::AlertCode,
    ids::StatusTarget,
    message::{Command, Edit, Message},
};

/// Checks a reply and the octets that carry it.
pub(crate) fn check(reply: &Message, encoding: Encoding, most_octets: usize) {
    let octets = encoding.write(reply).expect("a reply can be written");
    let read = encoding.read(&octets, &Limits::default()).expect("a reply can be read");
    assert_eq!(read.commands.len(), reply.commands.len());
    let has_work = reply.commands.iter().any(|command| {
        !matches!(command, Command::Status(_)) && !is_alert(command, AlertCode::NextMessage)
    });
    // The header and its status alone take so many.
    let most_octets = most_octets.max(1500);
    assert!(octets.len() <= most_octets, "{} octets are more than {most_octets}", octets.len());

    let mut ids = Vec::new();
    for command in &reply.commands {
        check_command(command, &mut ids, false);
    }
    let numbers: Vec<u32> =
        ids.iter().map(|id: &wire::ids::CmdId| id.number().expect("our ids are numbers")).collect();
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());

    let Some(Command::Status(header)) = reply.commands.first() else {
        panic!("the status of the message comes first")
    };
    assert_eq!(header.about, StatusTarget::Header);
    assert_eq!(header.cmd, "SyncHdr");
    assert!(header.target_refs.len() == 1 && header.source_refs.len() == 1);
    let statuses =
        reply.commands.iter().take_while(|command| matches!(command, Command::Status(_))).count();
    assert!(
        reply.commands.iter().skip(statuses).all(|command| !matches!(command, Command::Status(_)))
    );

    let broken =
        reply.commands.iter().filter(|command| is_alert(command, AlertCode::NoEndOfData)).count();
    let questions = reply
        .commands
        .iter()
        .filter(|command| is_alert(command, AlertCode::ConfirmOrReject))
        .count();
    if questions > 0 {
        assert_eq!(reply.commands.len(), statuses + broken + 1, "a question stands alone");
    }
    let collects = reply.commands.iter().any(|command| is_alert(command, AlertCode::NextMessage));
    let is_part = reply.commands.iter().any(is_part);
    assert_eq!(
        reply.last,
        !collects && !is_part,
        "a reply ends its package unless it asks for the rest of the device's, or a value goes on"
    );
    if collects || is_part {
        assert_eq!(
            reply.commands.len(),
            statuses + broken + 1,
            "nothing new while the device's package is open"
        );
    }
    let challenge = header.code.is_some_and(wire::status::StatusCode::is_challenge);
    if challenge {
        assert!(
            header.chal.is_some() && reply.header.cred.is_none() && !has_work,
            "a challenge holds nothing else"
        );
    }
}

/// Whether a value goes on after this message.
fn is_part(command: &Command) -> bool {
    match command {
        Command::Add(edit) | Command::Replace(edit) => edit.items.iter().any(|item| item.more),
        _ => false,
    }
}

fn is_alert(command: &Command, code: AlertCode) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(code))
}

fn check_command(command: &Command, ids: &mut Vec<wire::ids::CmdId>, within_atomic: bool) {
    ids.push(command.id().expect("every command has an id").clone());
    match command {
        Command::Add(edit) | Command::Replace(edit) => {
            check_target(edit);
            let item = &edit.items[0];
            assert!(
                item.meta.format.is_some() && item.data.is_some(),
                "without format and data client A crashes"
            );
            assert!(edit.meta.is_empty(), "Meta stands on the item");
        }
        Command::Delete(edit) => check_target(edit),
        Command::Copy(edit) => {
            check_target(edit);
            assert!(edit.items[0].source.is_some(), "a copy comes from somewhere");
        }
        Command::Get(edit) => {
            assert!(!within_atomic, "no Get inside Atomic");
            check_target(edit);
        }
        Command::Exec(exec) => assert_eq!(exec.items.len(), 1),
        Command::Alert(alert) => {
            if alert.code == Some(AlertCode::ConfirmOrReject) {
                assert_eq!(alert.items.len(), 2);
                assert!(
                    alert.items.iter().all(|item| item.data.is_some()),
                    "an empty options item crashes client A"
                );
            }
        }
        Command::Atomic(block) => {
            assert!(!within_atomic, "no Atomic inside Atomic");
            for command in &block.commands {
                check_command(command, ids, true);
            }
        }
        Command::Status(status) => assert!(status.msg_ref.is_some() && status.code.is_some()),
        Command::Sequence(_) | Command::Results(_) | Command::Unknown(_) => {
            panic!("{} is never sent", command.name())
        }
    }
}

fn check_target(edit: &Edit) {
    assert_eq!(edit.items.len(), 1);
    assert!(edit.items[0].target.is_some(), "every item has a target");
}

/// A stored session stays below 4 kB and comes back as it was (D6).
pub(crate) fn check_stored(session: &Session) {
    let stored = postcard::to_stdvec(session).expect("a session can be stored");
    assert!(stored.len() < 4096, "{} octets", stored.len());
    let back: Session = postcard::from_bytes(&stored).expect("a stored session can be read");
    assert_eq!(back, *session);
}

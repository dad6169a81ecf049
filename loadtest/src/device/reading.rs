//! Nodes that the server reads, each value as the client at hand would give it.

use super::{package, work::Worker};
use crate::{
    faults::{Fault, Habits},
    tree::Found,
};
use wire::{
    message::{Address, Command, Edit, Item, Results},
    meta::{Format, Meta},
    status::StatusCode,
};

impl Worker<'_> {
    pub(super) fn get(&mut self, command: &Command, edit: &Edit) {
        let mut found = Vec::new();
        let mut codes = Vec::new();
        for item in &edit.items {
            let uri = item.target.as_ref().map_or("", |target| target.loc_uri.as_str());
            match self.read(uri) {
                Ok(item) => {
                    found.push(item);
                    codes.push(StatusCode::Ok);
                }
                Err(code) => codes.push(code),
            }
        }
        self.report(command, &codes);
        let results = |items| {
            Command::Results(Results {
                msg_ref: Some(self.answered),
                cmd_ref: edit.id.clone(),
                items,
                ..Results::default()
            })
        };
        match self.identity.kind.habits {
            Habits::A | Habits::Windows if found.is_empty() => {}
            Habits::A | Habits::Windows => self.done.answers.push(results(found)),
            Habits::B => self.results.extend(found.into_iter().map(|item| results(vec![item]))),
        }
    }

    /// One node as an item of `Results`.
    fn read(&self, uri: &str) -> Result<Item, StatusCode> {
        let (node, property) = match uri.split_once('?') {
            Some((node, property)) => (node, Some(property)),
            None => (uri, None),
        };
        let found = self.tree.get(node)?;
        let fault = self.identity.kind.fault;
        if fault == Fault::WriteOnlyNodes && node.ends_with("ConnMO/QoS/MaxDownlink") {
            return Err(StatusCode::NotAllowed);
        }
        let (format, mut text) = match (found, property) {
            (Found::Leaf { format, value }, None) => (format, value),
            (Found::Interior(names), None) => (Format::Node, names.join("/")),
            (Found::Leaf { format, .. }, Some("prop=Format")) => {
                (Format::Chr, format.name().to_owned())
            }
            (Found::Interior(_), Some("prop=Format")) => {
                (Format::Chr, Format::Node.name().to_owned())
            }
            (_, Some("prop=Name")) => {
                (Format::Chr, node.rsplit('/').next().unwrap_or_default().to_owned())
            }
            (_, Some("prop=ACL")) => (Format::Chr, String::new()),
            (_, Some(_)) => return Err(StatusCode::NotSupported),
        };
        let mut octets = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let habits = self.identity.kind.habits;
        if habits == Habits::B && self.most_object_octets.is_some_and(|most| octets > most) {
            return Err(StatusCode::TooLarge);
        }
        if fault == Fault::ZeroInValues {
            text.push(package::zero(self.identity.kind.encoding));
            octets += 1;
        }
        let meta = match habits {
            Habits::A => Meta {
                format: Some(format),
                media_type: Some("text/plain".into()),
                ..Meta::default()
            },
            Habits::B => Meta {
                format: Some(format).filter(|format| *format != Format::Chr),
                size: Some(octets),
                ..Meta::default()
            },
            Habits::Windows => Meta {
                format: Some(format).filter(|format| *format != Format::Chr),
                ..Meta::default()
            },
        };
        Ok(Item {
            source: Some(Address::new(uri)),
            meta,
            data: Some(package::data(self.identity.kind.encoding, &text)),
            ..Item::default()
        })
    }
}

//! Sessions of a device with a scripted server, and what it notices when the script is changed.

mod breaches;
mod faults;
mod hearing;
mod macs;
mod objects;
mod sessions;
mod windows;

use super::*;
use crate::{
    faults::{Answer, Auth, Habits, Kind, Model, ServerNonce},
    scripted::{Script, read},
    tree::Found,
};
use wire::{
    Encoding,
    message::{Command, Message},
};

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
        report: None,
        server_nonce: ServerNonce::Kept,
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
        Self::of_identity_with(Identity::of_vectors(kind), terms)
    }

    fn of_identity(identity: Identity) -> Self {
        Self::of_identity_with(identity, |_| {})
    }

    fn of_identity_with(identity: Identity, terms: impl FnOnce(&mut Terms)) -> Self {
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
        self.device.receive(Reply { media_type, mac: None, octets: &octets })
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

/// Every device that differs from others in how it talks.
fn everyone(fault: Fault) -> impl Iterator<Item = Kind> {
    [Habits::A, Habits::B].into_iter().flat_map(move |habits| {
        [Encoding::Xml, Encoding::Wbxml].map(|encoding| kind(fault, habits, encoding))
    })
}

fn plain() -> Kind {
    kind(Fault::None, Habits::B, Encoding::Xml)
}

/// A checker that never fires is worthless: the tests above have to name every rule.
#[test]
fn every_rule_has_a_test_that_breaks_it() {
    let tests = [
        include_str!("breaches.rs"),
        include_str!("hearing.rs"),
        include_str!("objects.rs"),
        include_str!("../../verdict/octets.rs"),
        include_str!("../../verdict/push.rs"),
        include_str!("../../carrier/gateway/tests.rs"),
        include_str!("../../carrier/smsc/tests.rs"),
        include_str!("../../carrier/smsc/submission.rs"),
        include_str!("../../carrier/smsc/parts.rs"),
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

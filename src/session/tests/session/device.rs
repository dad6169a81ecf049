//! The device's half: messages of its own, put together command by command.

use crate::scene::URL;
use wire::{
    alert::AlertCode,
    ids::{CmdId, CmdIds, MsgId, SessionId, StatusTarget},
    message::{
        Address, Alert, Command, Cred, Data, Edit, Header, Item, Message, Results, Status, Version,
    },
    meta::Meta,
    status::StatusCode,
};

/// A message of the device in the making.
#[derive(Default)]
pub(crate) struct Utterance {
    ids: CmdIds,
    commands: Vec<Command>,
}

impl Utterance {
    pub(crate) fn status(
        &mut self,
        msg: u32,
        about: StatusTarget,
        code: Option<u16>,
        chal: Option<Meta>,
    ) {
        self.commands.push(Command::Status(Status {
            id: Some(self.ids.next_id()),
            msg_ref: Some(MsgId(msg)),
            about,
            cmd: "Get".into(),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            cred: None,
            chal,
            code: code.map(StatusCode::from_code),
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }));
    }

    /// A value, with a reference to the command that asked for it or without one.
    pub(crate) fn results(&mut self, reference: Option<(u32, CmdId)>, item: Item) {
        let (msg_ref, cmd_ref) = reference.map(|(msg, cmd)| (MsgId(msg), cmd)).unzip();
        let id = Some(self.ids.next_id());
        self.commands.push(Command::Results(Results {
            id,
            msg_ref,
            cmd_ref,
            items: vec![item],
            ..Results::default()
        }));
    }

    pub(crate) fn alert(&mut self, code: u32, items: Vec<Item>) {
        let (id, code) = (Some(self.ids.next_id()), Some(AlertCode::from_code(code)));
        let (correlator, other) = (None, Vec::new());
        self.commands.push(Command::Alert(Alert {
            id,
            no_resp: false,
            code,
            correlator,
            items,
            other,
        }));
    }

    pub(crate) fn event(&mut self, code: u32, kind: &str, data: String) {
        let meta = Meta { media_type: Some(kind.into()), ..Meta::default() };
        self.alert(
            code,
            vec![Item { meta, data: Some(Data::Text(data.into())), ..Item::default() }],
        );
    }

    /// A generic alert that answers a command.
    pub(crate) fn report(&mut self, correlator: &str, kind: &str, data: String) {
        self.event(1226, kind, data);
        if let Some(Command::Alert(alert)) = self.commands.last_mut() {
            alert.correlator = Some(correlator.into());
        }
    }

    pub(crate) fn replace(&mut self, items: Vec<Item>) {
        let id = Some(self.ids.next_id());
        self.commands.push(Command::Replace(Edit { id, items, ..Edit::default() }));
    }

    pub(crate) fn get(&mut self, uri: &str) {
        let id = Some(self.ids.next_id());
        self.commands.push(Command::Get(Edit {
            id,
            items: vec![Item::at(uri)],
            ..Edit::default()
        }));
    }

    pub(crate) fn message(
        self,
        msg_id: u32,
        cred: Option<Cred>,
        meta: Meta,
        last: bool,
    ) -> Message {
        let header = Header {
            version: Version::Dm12,
            session_id: SessionId::parse("1").unwrap(),
            msg_id: MsgId(msg_id),
            target: Address::new(URL),
            source: Address::new("IMEI:350000000000017"),
            resp_uri: None,
            no_resp: false,
            cred,
            meta,
        };
        Message { header, commands: self.commands, last }
    }
}

/// A node and its value, as the device sends it.
pub(crate) fn from(uri: &str, value: &str) -> Item {
    Item { source: Some(Address::new(uri)), data: Some(Data::text(value)), ..Item::default() }
}

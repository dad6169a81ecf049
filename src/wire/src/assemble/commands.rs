//! The children of `SyncBody`, each with the children of its own.

use super::{Assembler, Source};
use crate::{
    alert::AlertCode,
    encoding::ReadError,
    ids::{CmdId, MsgId, StatusTarget},
    message::{
        Address, Alert, Block, Command, Data, Edit, Element, Exec, Item, Results, Status, Text,
    },
    meta::Meta,
    status::StatusCode,
    tag::Tag,
};

impl<'a, S: Source<'a>> Assembler<'_, S> {
    /// Reads the command just opened into its place. Commands are large; read elsewhere they would be copied twice.
    pub(super) fn command(
        &mut self,
        tag: Option<Tag>,
        commands: &mut Vec<Command>,
    ) -> Result<(), ReadError> {
        match commands.push_mut(empty(tag)) {
            Command::Add(edit)
            | Command::Replace(edit)
            | Command::Delete(edit)
            | Command::Copy(edit)
            | Command::Get(edit) => self.edit(edit),
            Command::Exec(exec) => self.exec(exec),
            Command::Alert(alert) => self.alert(alert),
            Command::Atomic(block) | Command::Sequence(block) => self.block(block),
            Command::Status(status) => self.status(status),
            Command::Results(results) => self.results(results),
            Command::Unknown(element) => {
                *element = self.element()?;
                Ok(())
            }
        }
    }

    fn edit(&mut self, edit: &mut Edit) -> Result<(), ReadError> {
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => edit.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => edit.no_resp = this.flag()?,
                Some(Tag::META) => this.meta(&mut edit.meta)?,
                Some(Tag::ITEM) => this.item(&edit.meta, &mut edit.items)?,
                _ => edit.other.push(this.element()?),
            }
            Ok(())
        })
    }

    fn exec(&mut self, exec: &mut Exec) -> Result<(), ReadError> {
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => exec.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => exec.no_resp = this.flag()?,
                Some(Tag::META) => this.meta(&mut exec.meta)?,
                Some(Tag::CORRELATOR) => exec.correlator = Some(this.text()?),
                Some(Tag::ITEM) => this.item(&exec.meta, &mut exec.items)?,
                _ => exec.other.push(this.element()?),
            }
            Ok(())
        })
    }

    fn alert(&mut self, alert: &mut Alert) -> Result<(), ReadError> {
        let none = Meta::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => alert.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => alert.no_resp = this.flag()?,
                Some(Tag::DATA) => alert.code = this.number()?.map(AlertCode::from_code),
                Some(Tag::CORRELATOR) => alert.correlator = Some(this.text()?),
                Some(Tag::ITEM) => this.item(&none, &mut alert.items)?,
                _ => alert.other.push(this.element()?),
            }
            Ok(())
        })
    }

    fn block(&mut self, block: &mut Block) -> Result<(), ReadError> {
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => block.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => block.no_resp = this.flag()?,
                Some(Tag::META) => this.meta(&mut block.meta)?,
                _ => this.command(tag, &mut block.commands)?,
            }
            Ok(())
        })
    }

    fn status(&mut self, status: &mut Status) -> Result<(), ReadError> {
        let none = Meta::default();
        let mut cmd_ref = None;
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => status.id = this.cmd_id()?,
                Some(Tag::MSG_REF) => status.msg_ref = this.number()?.map(MsgId),
                Some(Tag::CMD_REF) => cmd_ref = Some(this.words()?),
                Some(Tag::CMD) => status.cmd = this.text()?,
                Some(Tag::TARGET_REF) => status.target_refs.push(this.text()?),
                Some(Tag::SOURCE_REF) => status.source_refs.push(this.text()?),
                Some(Tag::CRED) => status.cred = Some(this.cred()?),
                Some(Tag::CHAL) => status.chal = Some(this.chal()?),
                Some(Tag::DATA) => {
                    status.code_attributes = this.source.attributes()?;
                    status.code = this.number()?.map(StatusCode::from_code);
                }
                Some(Tag::ITEM) => this.item(&none, &mut status.items)?,
                _ => status.other.push(this.element()?),
            }
            Ok(())
        })?;
        status.about = match cmd_ref.as_deref().map(str::trim) {
            Some("0") => StatusTarget::Header,
            // RepPro 1.2: only the Status of the header may leave CmdRef out.
            None if matches!(status.cmd.trim(), "" | "SyncHdr") => StatusTarget::Header,
            None => StatusTarget::Unnamed,
            Some(text) => CmdId::parse(text).map_or(StatusTarget::Unnamed, StatusTarget::Command),
        };
        Ok(())
    }

    fn results(&mut self, results: &mut Results) -> Result<(), ReadError> {
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => results.id = this.cmd_id()?,
                Some(Tag::MSG_REF) => results.msg_ref = this.number()?.map(MsgId),
                Some(Tag::CMD_REF) => results.cmd_ref = this.cmd_id()?,
                Some(Tag::CMD) => results.cmd = Some(this.text()?),
                Some(Tag::META) => this.meta(&mut results.meta)?,
                Some(Tag::TARGET_REF) => results.target_ref = Some(this.text()?),
                Some(Tag::SOURCE_REF) => results.source_ref = Some(this.text()?),
                Some(Tag::ITEM) => this.item(&results.meta, &mut results.items)?,
                _ => results.other.push(this.element()?),
            }
            Ok(())
        })
    }

    fn item(&mut self, of_command: &Meta, items: &mut Vec<Item>) -> Result<(), ReadError> {
        let item = items.push_mut(Item::default());
        self.children(|this, tag| {
            match tag {
                Some(Tag::TARGET) => this.address(item.target.insert(Address::default()))?,
                Some(Tag::SOURCE) => this.address(item.source.insert(Address::default()))?,
                Some(Tag::META) => this.meta(&mut item.meta)?,
                Some(Tag::DATA) => item.data = Some(this.data()?),
                Some(Tag::MORE_DATA) => item.more = this.flag()?,
                _ => item.other.push(this.element()?),
            }
            Ok(())
        })?;
        let format = item.meta.format.as_ref().or(of_command.format.as_ref());
        let media_type = item.meta.media_type.as_deref().or(of_command.media_type.as_deref());
        if let Some(Data::Opaque(octets)) = &mut item.data {
            let octets = std::mem::take(octets);
            item.data = Some(self.settle(octets, format, media_type));
        }
        Ok(())
    }
}

/// The command of a name, before anything of it is read.
fn empty(tag: Option<Tag>) -> Command {
    match tag {
        Some(Tag::ADD) => Command::Add(Edit::default()),
        Some(Tag::REPLACE) => Command::Replace(Edit::default()),
        Some(Tag::DELETE) => Command::Delete(Edit::default()),
        Some(Tag::COPY) => Command::Copy(Edit::default()),
        Some(Tag::GET) => Command::Get(Edit::default()),
        Some(Tag::EXEC) => Command::Exec(Exec::default()),
        Some(Tag::ALERT) => Command::Alert(Alert {
            id: None,
            no_resp: false,
            code: None,
            correlator: None,
            items: Vec::new(),
            other: Vec::new(),
        }),
        Some(Tag::ATOMIC) => Command::Atomic(Block::default()),
        Some(Tag::SEQUENCE) => Command::Sequence(Block::default()),
        Some(Tag::STATUS) => Command::Status(Status {
            id: None,
            msg_ref: None,
            about: StatusTarget::Unnamed,
            cmd: Text::default(),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            cred: None,
            chal: None,
            code: None,
            code_attributes: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        }),
        Some(Tag::RESULTS) => Command::Results(Results::default()),
        _ => Command::Unknown(Element::default()),
    }
}

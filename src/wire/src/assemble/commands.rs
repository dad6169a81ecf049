//! The children of `SyncBody`, each with the children of its own.

use super::{Assembler, Source};
use crate::{
    alert::AlertCode,
    encoding::ReadError,
    ids::{CmdId, MsgId, StatusTarget},
    message::{Alert, Block, Command, Edit, Exec, Item, Results, Status, Text},
    meta::Meta,
    status::StatusCode,
    tag::Tag,
};

impl<'a, S: Source<'a>> Assembler<'_, S> {
    pub(super) fn command(&mut self, tag: Option<Tag>) -> Result<Command, ReadError> {
        Ok(match tag {
            Some(Tag::ADD) => Command::Add(self.edit()?),
            Some(Tag::REPLACE) => Command::Replace(self.edit()?),
            Some(Tag::DELETE) => Command::Delete(self.edit()?),
            Some(Tag::COPY) => Command::Copy(self.edit()?),
            Some(Tag::GET) => Command::Get(self.edit()?),
            Some(Tag::EXEC) => Command::Exec(self.exec()?),
            Some(Tag::ALERT) => Command::Alert(self.alert()?),
            Some(Tag::ATOMIC) => Command::Atomic(self.block()?),
            Some(Tag::SEQUENCE) => Command::Sequence(self.block()?),
            Some(Tag::STATUS) => Command::Status(self.status()?),
            Some(Tag::RESULTS) => Command::Results(self.results()?),
            _ => Command::Unknown(self.element()?),
        })
    }

    fn edit(&mut self) -> Result<Edit, ReadError> {
        let mut edit = Edit::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => edit.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => edit.no_resp = this.flag()?,
                Some(Tag::META) => edit.meta = this.meta()?,
                Some(Tag::ITEM) => edit.items.push(this.item(&edit.meta)?),
                _ => edit.other.push(this.element()?),
            }
            Ok(())
        })?;
        Ok(edit)
    }

    fn exec(&mut self) -> Result<Exec, ReadError> {
        let mut exec = Exec::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => exec.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => exec.no_resp = this.flag()?,
                Some(Tag::META) => exec.meta = this.meta()?,
                Some(Tag::CORRELATOR) => exec.correlator = Some(this.text()?),
                Some(Tag::ITEM) => exec.items.push(this.item(&exec.meta)?),
                _ => exec.other.push(this.element()?),
            }
            Ok(())
        })?;
        Ok(exec)
    }

    fn alert(&mut self) -> Result<Alert, ReadError> {
        let none = Meta::default();
        let mut alert = Alert {
            id: None,
            no_resp: false,
            code: None,
            correlator: None,
            items: Vec::new(),
            other: Vec::new(),
        };
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => alert.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => alert.no_resp = this.flag()?,
                Some(Tag::DATA) => alert.code = this.number()?.map(AlertCode::from_code),
                Some(Tag::CORRELATOR) => alert.correlator = Some(this.text()?),
                Some(Tag::ITEM) => alert.items.push(this.item(&none)?),
                _ => alert.other.push(this.element()?),
            }
            Ok(())
        })?;
        Ok(alert)
    }

    fn block(&mut self) -> Result<Block, ReadError> {
        let mut block = Block::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => block.id = this.cmd_id()?,
                Some(Tag::NO_RESP) => block.no_resp = this.flag()?,
                Some(Tag::META) => block.meta = this.meta()?,
                _ => block.commands.push(this.command(tag)?),
            }
            Ok(())
        })?;
        Ok(block)
    }

    fn status(&mut self) -> Result<Status, ReadError> {
        let none = Meta::default();
        let mut cmd_ref = None;
        let mut status = Status {
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
        };
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => status.id = this.cmd_id()?,
                Some(Tag::MSG_REF) => status.msg_ref = this.number()?.map(MsgId),
                Some(Tag::CMD_REF) => cmd_ref = Some(this.text()?),
                Some(Tag::CMD) => status.cmd = this.text()?,
                Some(Tag::TARGET_REF) => status.target_refs.push(this.text()?),
                Some(Tag::SOURCE_REF) => status.source_refs.push(this.text()?),
                Some(Tag::CRED) => status.cred = Some(this.cred()?),
                Some(Tag::CHAL) => status.chal = Some(this.chal()?),
                Some(Tag::DATA) => {
                    status.code_attributes = this.source.attributes()?;
                    status.code = this.number()?.map(StatusCode::from_code);
                }
                Some(Tag::ITEM) => status.items.push(this.item(&none)?),
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
        Ok(status)
    }

    fn results(&mut self) -> Result<Results, ReadError> {
        let mut results = Results::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::CMD_ID) => results.id = this.cmd_id()?,
                Some(Tag::MSG_REF) => results.msg_ref = this.number()?.map(MsgId),
                Some(Tag::CMD_REF) => results.cmd_ref = this.cmd_id()?,
                Some(Tag::CMD) => results.cmd = Some(this.text()?),
                Some(Tag::META) => results.meta = this.meta()?,
                Some(Tag::TARGET_REF) => results.target_ref = Some(this.text()?),
                Some(Tag::SOURCE_REF) => results.source_ref = Some(this.text()?),
                Some(Tag::ITEM) => results.items.push(this.item(&results.meta)?),
                _ => results.other.push(this.element()?),
            }
            Ok(())
        })?;
        Ok(results)
    }

    fn item(&mut self, of_command: &Meta) -> Result<Item, ReadError> {
        let mut item = Item::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::TARGET) => item.target = Some(this.address()?),
                Some(Tag::SOURCE) => item.source = Some(this.address()?),
                Some(Tag::META) => item.meta = this.meta()?,
                Some(Tag::DATA) => item.data = Some(this.data()?),
                Some(Tag::MORE_DATA) => item.more = this.flag()?,
                _ => item.other.push(this.element()?),
            }
            Ok(())
        })?;
        let format = item.meta.format.as_ref().or(of_command.format.as_ref());
        let media_type = item.meta.media_type.as_deref().or(of_command.media_type.as_deref());
        item.data = item.data.map(|data| self.settle(data, format, media_type));
        Ok(item)
    }
}

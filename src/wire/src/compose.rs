//! From the message to elements: what both encodings share when they write.
//!
//! Children stand in the order of the DTDs (`RepPro` 1.2, `MetInf` 1.2); what the model keeps as plain elements goes where
//! the DTDs have their rarer children.

use crate::{
    alert::AlertCode,
    encoding::WriteError,
    ids::{CmdId, StatusTarget},
    message::{
        Address, Alert, Block, Command, Cred, Data, Edit, Element, Exec, Header, Item, Message,
        Results, Status,
    },
    meta::{Format, Meta},
    tag::Tag,
};

/// A document being written under one of the encodings.
pub(crate) trait Sink {
    fn open(&mut self, tag: Tag);
    fn close(&mut self, tag: Tag);
    /// An element without content.
    fn empty(&mut self, tag: Tag);
    fn text(&mut self, text: &str) -> Result<(), WriteError>;
    /// An element with text and nothing else; most are.
    fn leaf(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        if text.is_empty() {
            self.empty(tag);
            return Ok(());
        }
        self.open(tag);
        self.text(text)?;
        self.close(tag);
        Ok(())
    }
    /// Octets, as the encoding carries them.
    fn octets(&mut self, octets: &[u8]);
    /// Attributes of the element just opened.
    fn attributes(&mut self, attributes: &[(String, String)]) -> Result<(), WriteError>;
    /// An element with all it contains.
    fn element(&mut self, element: &Element) -> Result<(), WriteError>;
}

/// Commands in commands are not written deeper than this.
const DEEPEST: usize = 16;

/// Everything inside the root element.
pub(crate) fn message(sink: &mut impl Sink, message: &Message) -> Result<(), WriteError> {
    header(sink, &message.header)?;
    sink.open(Tag::SYNC_BODY);
    for each in &message.commands {
        command(sink, each)?;
    }
    flag(sink, Tag::FINAL, message.last);
    sink.close(Tag::SYNC_BODY);
    Ok(())
}

pub(crate) fn command(sink: &mut impl Sink, command: &Command) -> Result<(), WriteError> {
    command_at(sink, command, 0)
}

fn command_at(sink: &mut impl Sink, command: &Command, depth: usize) -> Result<(), WriteError> {
    if depth > DEEPEST {
        return Err(WriteError::TooDeep(DEEPEST));
    }
    match command {
        Command::Add(it) => edit(sink, Tag::ADD, it),
        Command::Replace(it) => edit(sink, Tag::REPLACE, it),
        Command::Delete(it) => edit(sink, Tag::DELETE, it),
        Command::Copy(it) => edit(sink, Tag::COPY, it),
        Command::Get(it) => edit(sink, Tag::GET, it),
        Command::Exec(it) => exec(sink, it),
        Command::Alert(it) => alert(sink, it),
        Command::Atomic(it) => block(sink, Tag::ATOMIC, it, depth),
        Command::Sequence(it) => block(sink, Tag::SEQUENCE, it, depth),
        Command::Status(it) => status(sink, it),
        Command::Results(it) => results(sink, it),
        Command::Unknown(it) => sink.element(it),
    }
}

fn header(sink: &mut impl Sink, header: &Header) -> Result<(), WriteError> {
    sink.open(Tag::SYNC_HDR);
    leaf(sink, Tag::VER_DTD, header.version.dtd())?;
    leaf(sink, Tag::VER_PROTO, header.version.protocol())?;
    leaf(sink, Tag::SESSION_ID, header.session_id.as_str())?;
    number(sink, Tag::MSG_ID, Some(header.msg_id.0))?;
    address(sink, Tag::TARGET, Some(&header.target))?;
    address(sink, Tag::SOURCE, Some(&header.source))?;
    optional(sink, Tag::RESP_URI, header.resp_uri.as_deref())?;
    flag(sink, Tag::NO_RESP, header.no_resp);
    cred(sink, header.cred.as_ref())?;
    meta(sink, &header.meta)?;
    sink.close(Tag::SYNC_HDR);
    Ok(())
}

fn edit(sink: &mut impl Sink, tag: Tag, edit: &Edit) -> Result<(), WriteError> {
    sink.open(tag);
    id(sink, edit.id.as_ref())?;
    flag(sink, Tag::NO_RESP, edit.no_resp);
    elements(sink, &edit.other)?;
    meta(sink, &edit.meta)?;
    items(sink, &edit.items)?;
    sink.close(tag);
    Ok(())
}

fn exec(sink: &mut impl Sink, exec: &Exec) -> Result<(), WriteError> {
    sink.open(Tag::EXEC);
    id(sink, exec.id.as_ref())?;
    flag(sink, Tag::NO_RESP, exec.no_resp);
    elements(sink, &exec.other)?;
    meta(sink, &exec.meta)?;
    optional(sink, Tag::CORRELATOR, exec.correlator.as_deref())?;
    items(sink, &exec.items)?;
    sink.close(Tag::EXEC);
    Ok(())
}

fn alert(sink: &mut impl Sink, alert: &Alert) -> Result<(), WriteError> {
    sink.open(Tag::ALERT);
    id(sink, alert.id.as_ref())?;
    flag(sink, Tag::NO_RESP, alert.no_resp);
    elements(sink, &alert.other)?;
    number(sink, Tag::DATA, alert.code.map(AlertCode::code))?;
    optional(sink, Tag::CORRELATOR, alert.correlator.as_deref())?;
    items(sink, &alert.items)?;
    sink.close(Tag::ALERT);
    Ok(())
}

fn block(sink: &mut impl Sink, tag: Tag, block: &Block, depth: usize) -> Result<(), WriteError> {
    sink.open(tag);
    id(sink, block.id.as_ref())?;
    flag(sink, Tag::NO_RESP, block.no_resp);
    meta(sink, &block.meta)?;
    for each in &block.commands {
        command_at(sink, each, depth + 1)?;
    }
    sink.close(tag);
    Ok(())
}

fn status(sink: &mut impl Sink, status: &Status) -> Result<(), WriteError> {
    sink.open(Tag::STATUS);
    id(sink, status.id.as_ref())?;
    number(sink, Tag::MSG_REF, status.msg_ref.map(|id| id.0))?;
    match &status.about {
        StatusTarget::Header => leaf(sink, Tag::CMD_REF, "0")?,
        StatusTarget::Command(id) => command_id(sink, Tag::CMD_REF, Some(id))?,
        StatusTarget::Unnamed => sink.empty(Tag::CMD_REF),
    }
    leaf(sink, Tag::CMD, &status.cmd)?;
    for target_ref in &status.target_refs {
        leaf(sink, Tag::TARGET_REF, target_ref)?;
    }
    for source_ref in &status.source_refs {
        leaf(sink, Tag::SOURCE_REF, source_ref)?;
    }
    cred(sink, status.cred.as_ref())?;
    if let Some(chal) = &status.chal {
        sink.open(Tag::CHAL);
        meta(sink, chal)?;
        sink.close(Tag::CHAL);
    }
    match status.code {
        Some(code) if status.code_attributes.is_empty() => {
            number(sink, Tag::DATA, Some(code.code()))?;
        }
        Some(code) => {
            sink.open(Tag::DATA);
            sink.attributes(&status.code_attributes)?;
            sink.text(itoa::Buffer::new().format(code.code()))?;
            sink.close(Tag::DATA);
        }
        None => {}
    }
    items(sink, &status.items)?;
    elements(sink, &status.other)?;
    sink.close(Tag::STATUS);
    Ok(())
}

fn results(sink: &mut impl Sink, results: &Results) -> Result<(), WriteError> {
    sink.open(Tag::RESULTS);
    id(sink, results.id.as_ref())?;
    number(sink, Tag::MSG_REF, results.msg_ref.map(|id| id.0))?;
    command_id(sink, Tag::CMD_REF, results.cmd_ref.as_ref())?;
    optional(sink, Tag::CMD, results.cmd.as_deref())?;
    meta(sink, &results.meta)?;
    optional(sink, Tag::TARGET_REF, results.target_ref.as_deref())?;
    optional(sink, Tag::SOURCE_REF, results.source_ref.as_deref())?;
    items(sink, &results.items)?;
    elements(sink, &results.other)?;
    sink.close(Tag::RESULTS);
    Ok(())
}

fn items(sink: &mut impl Sink, items: &[Item]) -> Result<(), WriteError> {
    for item in items {
        if item.is_empty() {
            sink.empty(Tag::ITEM);
            continue;
        }
        sink.open(Tag::ITEM);
        address(sink, Tag::TARGET, item.target.as_ref())?;
        address(sink, Tag::SOURCE, item.source.as_ref())?;
        elements(sink, &item.other)?;
        meta(sink, &item.meta)?;
        if let Some(content) = &item.data {
            data(sink, content)?;
        }
        flag(sink, Tag::MORE_DATA, item.more);
        sink.close(Tag::ITEM);
    }
    Ok(())
}

fn data(sink: &mut impl Sink, data: &Data) -> Result<(), WriteError> {
    match data {
        Data::Text(text) => return leaf(sink, Tag::DATA, text),
        Data::Opaque(octets) if octets.is_empty() => sink.empty(Tag::DATA),
        Data::Opaque(octets) => {
            sink.open(Tag::DATA);
            sink.octets(octets);
            sink.close(Tag::DATA);
        }
        Data::Elements(content) if content.is_empty() => sink.empty(Tag::DATA),
        Data::Elements(content) => {
            sink.open(Tag::DATA);
            elements(sink, content)?;
            sink.close(Tag::DATA);
        }
    }
    Ok(())
}

fn address(sink: &mut impl Sink, tag: Tag, address: Option<&Address>) -> Result<(), WriteError> {
    let Some(address) = address else { return Ok(()) };
    sink.open(tag);
    leaf(sink, Tag::LOC_URI, &address.loc_uri)?;
    optional(sink, Tag::LOC_NAME, address.loc_name.as_deref())?;
    sink.close(tag);
    Ok(())
}

fn cred(sink: &mut impl Sink, cred: Option<&Cred>) -> Result<(), WriteError> {
    let Some(cred) = cred else { return Ok(()) };
    sink.open(Tag::CRED);
    meta(sink, &cred.meta)?;
    data(sink, &cred.data)?;
    sink.close(Tag::CRED);
    Ok(())
}

/// `Format` before `Type` and both before `NextNonce`, as clients expect it in a challenge.
fn meta(sink: &mut impl Sink, meta: &Meta) -> Result<(), WriteError> {
    if meta.is_empty() {
        return Ok(());
    }
    sink.open(Tag::META);
    optional(sink, Tag::FORMAT, meta.format.as_ref().map(Format::name))?;
    optional(sink, Tag::TYPE, meta.media_type.as_deref())?;
    optional(sink, Tag::MARK, meta.mark.as_deref())?;
    number(sink, Tag::SIZE, meta.size)?;
    optional(sink, Tag::NEXT_NONCE, meta.next_nonce.as_deref())?;
    optional(sink, Tag::VERSION, meta.version.as_deref())?;
    number(sink, Tag::MAX_MSG_SIZE, meta.max_msg_size)?;
    number(sink, Tag::MAX_OBJ_SIZE, meta.max_obj_size)?;
    optional(sink, Tag::EMI, meta.emi.as_deref())?;
    elements(sink, &meta.other)?;
    sink.close(Tag::META);
    Ok(())
}

fn elements(sink: &mut impl Sink, elements: &[Element]) -> Result<(), WriteError> {
    elements.iter().try_for_each(|element| sink.element(element))
}

fn id(sink: &mut impl Sink, id: Option<&CmdId>) -> Result<(), WriteError> {
    command_id(sink, Tag::CMD_ID, id)
}

fn command_id(sink: &mut impl Sink, tag: Tag, id: Option<&CmdId>) -> Result<(), WriteError> {
    match id {
        Some(id) => leaf(sink, tag, id.spelling(&mut itoa::Buffer::new())),
        None => Ok(()),
    }
}

fn number(
    sink: &mut impl Sink,
    tag: Tag,
    number: Option<impl itoa::Integer>,
) -> Result<(), WriteError> {
    match number {
        Some(number) => leaf(sink, tag, itoa::Buffer::new().format(number)),
        None => Ok(()),
    }
}

fn optional(sink: &mut impl Sink, tag: Tag, text: Option<&str>) -> Result<(), WriteError> {
    match text {
        Some(text) => leaf(sink, tag, text),
        None => Ok(()),
    }
}

fn leaf(sink: &mut impl Sink, tag: Tag, text: &str) -> Result<(), WriteError> {
    sink.leaf(tag, text)
}

fn flag(sink: &mut impl Sink, tag: Tag, set: bool) {
    if set {
        sink.empty(tag);
    }
}

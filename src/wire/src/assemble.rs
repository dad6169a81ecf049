//! From elements to the message: what both encodings share when they read.
//!
//! An encoding is a [`Source`] of events; [`Assembler`] makes the model of them. Children are taken in any order, as
//! clients write them in several; what the model has no field for becomes an [`Element`] where the model keeps
//! elements, and is skipped elsewhere.

use crate::{
    encoding::ReadError,
    ids::{CmdId, MsgId, SessionId},
    message::{Address, Command, Content, Cred, Data, Element, Header, Message, Text, Version},
    meta::{Format, Meta},
    tag::Tag,
};
use std::borrow::Cow;

mod commands;

/// What a document consists of, one after the other. Text may come in pieces.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// An element begins; `None` when its name is not in the vocabulary.
    Open(Option<Tag>),
    Text(Cow<'a, str>),
    /// Octets that need not be text.
    Octets(&'a [u8]),
    Close,
}

/// What comes next inside an element, text aside.
#[derive(Debug)]
pub(crate) enum Child {
    /// It begins; `None` when its name is not in the vocabulary.
    Element(Option<Tag>),
    /// There is none: the element around it closed.
    None,
}

/// A document under one of the encodings. Keeps the limits: events end, and elements are never open too deep.
pub(crate) trait Source<'a> {
    /// The next event. After the root element closed there is none, and asking is an error.
    fn next(&mut self) -> Result<Event<'a>, ReadError>;

    /// The next element inside the one open now. Text before it is read over.
    ///
    /// The error is boxed so that the answer travels in registers: this is asked twice for every element.
    fn child(&mut self) -> Result<Child, Box<ReadError>> {
        loop {
            match self.next()? {
                Event::Open(tag) => return Ok(Child::Element(tag)),
                // White space for the eye; nothing else belongs between elements.
                Event::Text(_) | Event::Octets(_) => {}
                Event::Close => return Ok(Child::None),
            }
        }
    }

    /// The text of the element just opened, to its end, when an encoding sees at once that it holds one piece of text and
    /// nothing else. `None`, and nothing read, when that takes events to find out.
    fn plain(&mut self) -> Option<&'a str> {
        None
    }

    /// Name, namespace and attributes of the element that the last event opened.
    fn opened(&self) -> Result<Element, ReadError>;

    /// The attributes of that element alone.
    fn attributes(&self) -> Result<Vec<(String, String)>, ReadError>;

    /// The octet that is read next.
    fn at(&self) -> usize;

    /// The management tree that `octets` hold as a document of their own, in encodings that nest documents.
    fn nested_tree(&mut self, _octets: &[u8]) -> Option<Element> {
        None
    }
}

/// Takes a message, or one element, out of a source.
pub(crate) struct Assembler<'s, S> {
    source: &'s mut S,
}

impl<'s, 'a, S: Source<'a>> Assembler<'s, S> {
    pub(crate) fn new(source: &'s mut S) -> Self {
        Self { source }
    }

    /// The whole document.
    pub(crate) fn message(&mut self) -> Result<Message, ReadError> {
        match self.source.next()? {
            Event::Open(Some(Tag::SYNC_ML)) => {}
            _ => return Err(ReadError::Root),
        }
        let (mut header, mut body) = (None, None);
        self.children(|this, tag| {
            match tag {
                Some(Tag::SYNC_HDR) => header = Some(this.header()?),
                Some(Tag::SYNC_BODY) => body = Some(this.body()?),
                _ => this.skip()?,
            }
            Ok(())
        })?;
        let header = header.ok_or(ReadError::Missing("SyncHdr"))?;
        let (commands, last) = body.ok_or(ReadError::Missing("SyncBody"))?;
        Ok(Message { header, commands, last })
    }

    /// Calls `each` for every child of the element just opened, until that closes. `each` takes its child to the end.
    fn children(
        &mut self,
        mut each: impl FnMut(&mut Self, Option<Tag>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        while let Child::Element(tag) = self.source.child().map_err(|error| *error)? {
            each(self, tag)?;
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        let mut open = 1;
        while open > 0 {
            match self.source.next()? {
                Event::Open(_) => open += 1,
                Event::Close => open -= 1,
                Event::Text(_) | Event::Octets(_) => {}
            }
        }
        Ok(())
    }

    /// The text of the element just opened; elements in it are skipped.
    fn text(&mut self) -> Result<Text, ReadError> {
        Ok(self.words()?.into())
    }

    /// The same, still borrowed where possible.
    #[inline]
    fn words(&mut self) -> Result<Cow<'a, str>, ReadError> {
        match self.source.plain() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.pieces(),
        }
    }

    fn pieces(&mut self) -> Result<Cow<'a, str>, ReadError> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.source.next()? {
                Event::Text(piece) => append(&mut text, piece),
                Event::Octets(octets) => {
                    let at = self.source.at();
                    let piece =
                        std::str::from_utf8(octets).map_err(|_no_text| ReadError::Text { at })?;
                    append(&mut text, Cow::Borrowed(piece));
                }
                Event::Open(_) => self.skip()?,
                Event::Close => return Ok(text),
            }
        }
    }

    /// The text as a number; `None` when it is none.
    fn number<N: std::str::FromStr>(&mut self) -> Result<Option<N>, ReadError> {
        Ok(self.words()?.trim().parse().ok())
    }

    fn header(&mut self) -> Result<Header, ReadError> {
        let (mut dtd, mut protocol) = (Cow::default(), Cow::default());
        let (mut session_id, mut msg_id, mut target, mut source) = (None, None, None, None);
        let (mut resp_uri, mut no_resp, mut cred, mut meta) = (None, false, None, Meta::default());
        self.children(|this, tag| {
            match tag {
                Some(Tag::VER_DTD) => dtd = this.words()?,
                Some(Tag::VER_PROTO) => protocol = this.words()?,
                Some(Tag::SESSION_ID) => {
                    let text = this.words()?;
                    let at = this.source.at();
                    session_id = Some(
                        SessionId::parse(&text)
                            .ok_or(ReadError::Value { at, element: "SessionID" })?,
                    );
                }
                Some(Tag::MSG_ID) => {
                    let number = this.number()?;
                    let at = this.source.at();
                    msg_id = Some(MsgId(number.ok_or(ReadError::Value { at, element: "MsgID" })?));
                }
                Some(Tag::TARGET) => this.address(target.insert(Address::default()))?,
                Some(Tag::SOURCE) => this.address(source.insert(Address::default()))?,
                Some(Tag::RESP_URI) => resp_uri = Some(this.text()?),
                Some(Tag::NO_RESP) => no_resp = this.flag()?,
                Some(Tag::CRED) => cred = Some(this.cred()?),
                Some(Tag::META) => this.meta(&mut meta)?,
                _ => this.skip()?,
            }
            Ok(())
        })?;
        Ok(Header {
            version: Version::from_names(dtd.trim(), protocol.trim()),
            session_id: session_id.ok_or(ReadError::Missing("SessionID"))?,
            msg_id: msg_id.ok_or(ReadError::Missing("MsgID"))?,
            target: target.ok_or(ReadError::Missing("Target"))?,
            source: source.ok_or(ReadError::Missing("Source"))?,
            resp_uri,
            no_resp,
            cred,
            meta,
        })
    }

    /// `SyncBody`: the commands, and whether `Final` is among them (in any place, any number of times).
    fn body(&mut self) -> Result<(Vec<Command>, bool), ReadError> {
        let (mut commands, mut last) = (Vec::new(), false);
        self.children(|this, tag| {
            match tag {
                Some(Tag::FINAL) => last = this.flag()?,
                _ => this.command(tag, &mut commands)?,
            }
            Ok(())
        })?;
        Ok((commands, last))
    }

    /// Decides what octets are, once everything that describes them is read.
    fn settle(
        &mut self,
        octets: Vec<u8>,
        format: Option<&Format>,
        media_type: Option<&str>,
    ) -> Data {
        let binary = format == Some(&Format::Bin);
        let tree = media_type.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(TNDS_WBXML));
        if (tree || !binary)
            && let Some(tree) = self.source.nested_tree(&octets)
        {
            return Data::Elements(vec![tree]);
        }
        if binary { Data::Opaque(octets) } else { text_or_octets(octets) }
    }

    /// The content of `Data`. All octets stay octets here; see [`Self::settle`].
    fn data(&mut self) -> Result<Data, ReadError> {
        match self.source.plain() {
            Some(text) => Ok(Data::text(text)),
            None => self.mixed(),
        }
    }

    fn mixed(&mut self) -> Result<Data, ReadError> {
        let mut text = Cow::Borrowed("");
        let mut octets: Option<Vec<u8>> = None;
        let mut elements = Vec::new();
        loop {
            match self.source.next()? {
                Event::Text(piece) => match &mut octets {
                    Some(octets) => octets.extend(piece.as_bytes()),
                    None => append(&mut text, piece),
                },
                Event::Octets(piece) => {
                    octets
                        .get_or_insert_with(|| std::mem::take(&mut text).into_owned().into_bytes())
                        .extend(piece);
                }
                Event::Open(_) => elements.push(self.element()?),
                Event::Close => break,
            }
        }
        match octets {
            None if elements.is_empty() => Ok(Data::Text(text.into())),
            Some(octets) if elements.is_empty() => Ok(Data::Opaque(octets)),
            None if text.trim().is_empty() => Ok(Data::Elements(elements)),
            _ => Err(ReadError::Mixed { at: self.source.at() }),
        }
    }

    fn address(&mut self, address: &mut Address) -> Result<(), ReadError> {
        *address = Address::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::LOC_URI) => address.loc_uri = this.text()?,
                Some(Tag::LOC_NAME) => address.loc_name = Some(this.text()?),
                _ => this.skip()?,
            }
            Ok(())
        })
    }

    fn cred(&mut self) -> Result<Cred, ReadError> {
        let (mut meta, mut data) = (Meta::default(), Data::text(""));
        self.children(|this, tag| {
            match tag {
                Some(Tag::META) => this.meta(&mut meta)?,
                Some(Tag::DATA) => data = this.data()?,
                _ => this.skip()?,
            }
            Ok(())
        })?;
        if let Data::Opaque(octets) = data {
            data = text_or_octets(octets);
        }
        Ok(Cred { meta, data })
    }

    fn chal(&mut self) -> Result<Meta, ReadError> {
        let mut meta = Meta::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::META) => this.meta(&mut meta)?,
                _ => this.skip()?,
            }
            Ok(())
        })?;
        Ok(meta)
    }

    fn meta(&mut self, meta: &mut Meta) -> Result<(), ReadError> {
        *meta = Meta::default();
        self.children(|this, tag| {
            match tag {
                Some(Tag::FORMAT) => meta.format = Some(Format::from_name(this.words()?.trim())),
                Some(Tag::TYPE) => meta.media_type = Some(this.text()?),
                Some(Tag::MARK) => meta.mark = Some(this.text()?),
                Some(Tag::SIZE) => meta.size = this.number()?,
                Some(Tag::NEXT_NONCE) => meta.next_nonce = Some(this.text()?),
                Some(Tag::VERSION) => meta.version = Some(this.text()?),
                Some(Tag::MAX_MSG_SIZE) => meta.max_msg_size = this.number()?,
                Some(Tag::MAX_OBJ_SIZE) => meta.max_obj_size = this.number()?,
                Some(Tag::EMI) => meta.emi = Some(this.text()?),
                _ => meta.other.push(this.element()?),
            }
            Ok(())
        })
    }

    fn cmd_id(&mut self) -> Result<Option<CmdId>, ReadError> {
        Ok(CmdId::parse(&self.words()?))
    }

    /// An element that says something by being there.
    fn flag(&mut self) -> Result<bool, ReadError> {
        self.skip()?;
        Ok(true)
    }

    /// The element just opened, with all it contains.
    pub(crate) fn element(&mut self) -> Result<Element, ReadError> {
        let mut element = self.source.opened()?;
        let mut has_children = false;
        loop {
            match self.source.next()? {
                Event::Text(piece) => append_content(&mut element.content, piece),
                Event::Octets(octets) => match std::str::from_utf8(octets) {
                    Ok(text) => append_content(&mut element.content, Cow::Borrowed(text)),
                    Err(_no_text) => element.content.push(Content::Opaque(octets.to_vec())),
                },
                Event::Open(_) => {
                    has_children = true;
                    element.content.push(Content::Element(self.element()?));
                }
                Event::Close => break,
            }
        }
        if has_children {
            element.content.retain(
                |content| !matches!(content, Content::Text(text) if text.trim().is_empty()),
            );
        }
        Ok(element)
    }
}

const TNDS_WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";

fn text_or_octets(octets: Vec<u8>) -> Data {
    match String::from_utf8(octets) {
        Ok(text) => Data::Text(text.into()),
        Err(no_text) => Data::Opaque(no_text.into_bytes()),
    }
}

fn append<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}

fn append_content(content: &mut Vec<Content>, piece: Cow<'_, str>) {
    match content.last_mut() {
        Some(Content::Text(text)) => text.push_str(&piece),
        _ if piece.is_empty() => {}
        _ => content.push(Content::Text(piece.into_owned())),
    }
}

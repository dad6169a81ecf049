//! What can still be read of a damaged message: all that stands before the first fault.
//!
//! For people who look at a capture, never for a session: a message that was cut may say the opposite of the whole one.

use crate::{
    assemble::{Assembler, Event, Source},
    encoding::ReadError,
    message::{Element, Message},
};

/// What there is before the first fault, and the fault.
#[derive(Debug)]
pub struct Salvaged {
    /// Elements that were open at the fault end there.
    pub message: Message,
    pub error: ReadError,
}

/// A source that ends, orderly, where the one inside it fails.
struct Ending<'s, S> {
    source: &'s mut S,
    /// Elements open now.
    open: usize,
    error: Option<ReadError>,
}

/// Reads up to the first fault. `None` when the header is not whole by then, or when there is no fault.
pub(crate) fn message<'a>(source: &mut impl Source<'a>) -> Option<Salvaged> {
    let mut ending = Ending { source, open: 0, error: None };
    let message = Assembler::new(&mut ending).message().ok()?;
    Some(Salvaged { message, error: ending.error? })
}

/// The elements up to the first fault, whatever they are.
pub(crate) fn element<'a>(source: &mut impl Source<'a>) -> Option<Element> {
    let mut ending = Ending { source, open: 0, error: None };
    let Ok(Event::Open(_)) = ending.next() else { return None };
    Assembler::new(&mut ending).element().ok()
}

impl<'a, S: Source<'a>> Source<'a> for Ending<'_, S> {
    fn next(&mut self) -> Result<Event<'a>, ReadError> {
        if self.error.is_none() {
            match self.source.next() {
                Ok(event) => {
                    match event {
                        Event::Open(_) => self.open += 1,
                        Event::Close => self.open = self.open.saturating_sub(1),
                        Event::Text(_) | Event::Octets(_) => {}
                    }
                    return Ok(event);
                }
                Err(error) => self.error = Some(error),
            }
        }
        self.open = self.open.checked_sub(1).ok_or(ReadError::Truncated)?;
        Ok(Event::Close)
    }

    fn opened(&self) -> Result<Element, ReadError> {
        self.source.opened()
    }

    fn attributes(&self) -> Result<Vec<(String, String)>, ReadError> {
        self.source.attributes()
    }

    fn at(&self) -> usize {
        self.source.at()
    }

    fn nested_tree(&mut self, octets: &[u8]) -> Option<Element> {
        self.source.nested_tree(octets)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Encoding, Limits, ReadError, message::Content};

    const WHOLE: &str = "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
        <MsgID>1</MsgID><Target><LocURI>a</LocURI></Target><Source><LocURI>b</LocURI></Source></SyncHdr><SyncBody>\
        <Get><CmdID>1</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Get>\
        <Get><CmdID>2</CmdID><Item><Target><LocURI>./B</LocURI></Target></Item></Get><Final/></SyncBody></SyncML>";

    #[test]
    fn what_stands_before_a_cut_is_read_in_both_encodings() {
        let limits = Limits::default();
        let whole = Encoding::Xml.read(WHOLE.as_bytes(), &limits).unwrap();
        let wbxml = Encoding::Wbxml.write(&whole).unwrap();
        for (encoding, octets, cut) in [
            (Encoding::Xml, WHOLE.as_bytes(), WHOLE.find("./B").unwrap()),
            (Encoding::Wbxml, &wbxml, wbxml.windows(3).position(|it| it == b"./B").unwrap()),
        ] {
            let salvaged = encoding.salvage(&octets[..cut], &limits).unwrap();
            assert_eq!(salvaged.message.commands[0], whole.commands[0], "{encoding:?}");
            assert_eq!(salvaged.message.commands.len(), 2, "{encoding:?}");
            assert!(matches!(salvaged.error, ReadError::Truncated) && !salvaged.message.last);
            assert!(encoding.salvage(octets, &limits).is_none(), "nothing is wrong with it");
            assert!(encoding.salvage(&octets[..20], &limits).is_none(), "no header to tell of");
        }
    }

    #[test]
    fn a_document_without_a_whole_header_is_still_elements() {
        let cut = &WHOLE[..WHOLE.find("<Target>").unwrap()];
        let root = Encoding::Xml.outline(cut.as_bytes(), &Limits::default()).unwrap();
        let [Content::Element(header)] = root.content.as_slice() else { panic!("{root:?}") };
        assert_eq!((root.name.as_str(), header.content.len()), ("SyncML", 4));
        assert!(Encoding::Wbxml.outline(b"\x02\xA4\x01\x6A\x00", &Limits::default()).is_none());
        let root = Encoding::Wbxml.outline(b"\x02\xA4\x01\x6A\x00\x6D\x6C", &Limits::default());
        assert_eq!(root.unwrap().content.len(), 1);
    }

    #[test]
    fn a_forbidden_character_ends_what_can_be_read() {
        let text = WHOLE.replace("./B", "./\u{1}B");
        let salvaged = Encoding::Xml.salvage(text.as_bytes(), &Limits::default()).unwrap();
        let at = text.find('\u{1}').unwrap();
        assert!(matches!(salvaged.error, ReadError::Character { at: found } if found == at));
        assert_eq!(salvaged.message.commands.len(), 2);
    }
}

//! A reply before it is decoded. A decoder forgives much; field clients do not, so the octets are looked at themselves.

use super::{Finding, Rule};
use wire::Encoding;

/// No reply nests its elements deeper, by far.
const DEEPEST: usize = 64;

/// What is wrong with the octets of a reply.
pub(crate) fn examine(encoding: Encoding, octets: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ended = match encoding {
        Encoding::Xml => Xml { rest: octets, open: Vec::new(), findings: &mut findings }.walk(),
        Encoding::Wbxml => Wbxml { rest: octets, findings: &mut findings }.walk(),
    };
    if let Err(what) = ended {
        findings.push(Finding::new(Rule::NotWellFormed, what));
    }
    findings
}

/// A walk through XML that knows elements, text and references, and nothing of SyncML but `Meta`.
struct Xml<'a, 'f> {
    rest: &'a [u8],
    open: Vec<&'a [u8]>,
    findings: &'f mut Vec<Finding>,
}

impl Xml<'_, '_> {
    fn walk(mut self) -> Result<(), &'static str> {
        if let Some(rest) = self.rest.strip_prefix(b"\xEF\xBB\xBF") {
            self.found(Rule::ByteOrderMark, "");
            self.rest = rest;
        }
        std::str::from_utf8(self.rest).map_err(|_not_utf8| "It is not UTF-8.")?;
        if self.rest.starts_with(b"<?xml") {
            self.skip_past(b"?>")?;
        }
        let mut seen_root = false;
        while !self.rest.is_empty() {
            if seen_root && self.open.is_empty() {
                let left = format!("{} octets follow </SyncML>.", self.rest.len());
                self.found(Rule::TrailingOctets, left);
                return Ok(());
            }
            self.text()?;
            if self.rest.is_empty() {
                break;
            }
            self.markup(seen_root)?;
            seen_root |= !self.open.is_empty();
        }
        if seen_root && self.open.is_empty() {
            Ok(())
        } else {
            Err("It ends before its root element does.")
        }
    }

    /// Text up to the next `<`.
    fn text(&mut self) -> Result<(), &'static str> {
        let end = self.rest.iter().position(|octet| *octet == b'<').unwrap_or(self.rest.len());
        let (mut text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        if text.iter().any(|octet| matches!(octet, 0..=8 | 11 | 12 | 14..=31)) {
            return Err("It holds a control character.");
        }
        if self.open.is_empty() && !text.iter().all(u8::is_ascii_whitespace) {
            return Err("Text stands outside the root element.");
        }
        while let Some(at) = text.iter().position(|octet| *octet == b'&') {
            let reference = text.get(at + 1..).unwrap_or_default();
            let end = reference
                .iter()
                .position(|octet| *octet == b';')
                .ok_or("A reference has no end.")?;
            let (name, after) = reference.split_at_checked(end).unwrap_or((reference, &[]));
            match name {
                b"amp" | b"lt" | b"gt" | b"quot" => {}
                b"apos" => self.found(Rule::Reference, "&apos; becomes a backslash in one client."),
                [b'#', ..] => self.found(Rule::Reference, "Numeric references crash one client."),
                _ => return Err("It holds a reference that XML does not define."),
            }
            text = after;
        }
        Ok(())
    }

    /// One piece of markup, from `<` to its end.
    fn markup(&mut self, seen_root: bool) -> Result<(), &'static str> {
        if self.rest.starts_with(b"<!--") {
            return self.skip_past(b"-->");
        }
        if self.rest.starts_with(b"<![CDATA[") {
            return self.skip_past(b"]]>");
        }
        if self.rest.starts_with(b"<!") || self.rest.starts_with(b"<?") {
            return Err("It holds a declaration or an instruction.");
        }
        let end = tag_end(self.rest).ok_or("A tag has no end.")?;
        let (tag, rest) = self.rest.split_at_checked(end + 1).ok_or("A tag has no end.")?;
        self.rest = rest;
        let tag = tag.get(1..tag.len().saturating_sub(1)).unwrap_or_default();
        if let Some(name) = tag.strip_prefix(b"/") {
            let opened = self.open.pop().ok_or("An element is closed that was not opened.")?;
            return if opened == name.trim_ascii_end() { Ok(()) } else { Err("Elements overlap.") };
        }
        let (tag, empty) = match tag.strip_suffix(b"/") {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name_end = tag.iter().position(u8::is_ascii_whitespace).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at_checked(name_end).ok_or("A tag has no name.")?;
        if name.is_empty() || name.contains(&b'<') {
            return Err("A tag has no name.");
        }
        self.element(name, attributes, seen_root)?;
        if !empty {
            self.open.push(name);
        }
        Ok(())
    }

    /// An element as it opens: the root and the children of `Meta` have to say their namespace.
    fn element(
        &mut self,
        name: &[u8],
        attributes: &[u8],
        seen_root: bool,
    ) -> Result<(), &'static str> {
        if self.open.len() >= DEEPEST {
            return Err("Its elements are nested too deep.");
        }
        if self.open.is_empty() {
            if seen_root || name != b"SyncML" {
                return Err("Its root element is not SyncML.");
            }
            if namespace(attributes)
                .is_none_or(|namespace| !namespace.starts_with(b"SYNCML:SYNCML1."))
            {
                return Err("Its root element is not in a namespace of SyncML.");
            }
        }
        if name.contains(&b':') {
            self.found(Rule::MetaNamespace, "Clients do not understand prefixes.");
        } else if name == b"Meta" && namespace(attributes).is_some() {
            self.found(Rule::MetaNamespace, "The xmlns stands on Meta itself.");
        } else if self.open.last() == Some(&b"Meta".as_slice())
            && namespace(attributes) != Some(b"syncml:metinf")
        {
            let name = String::from_utf8_lossy(name);
            self.findings
                .push(Finding::new(Rule::MetaNamespace, format!("It is missing on {name}.")));
        }
        Ok(())
    }

    fn skip_past(&mut self, end: &[u8]) -> Result<(), &'static str> {
        let at = self
            .rest
            .windows(end.len())
            .position(|window| window == end)
            .ok_or("It ends in the middle.")?;
        self.rest = self.rest.get(at + end.len()..).unwrap_or_default();
        Ok(())
    }

    fn found(&mut self, rule: Rule, detail: impl Into<String>) {
        // One reference may stand a hundred times in a message; it is one fault.
        if !self.findings.iter().any(|finding| finding.rule == rule) {
            self.findings.push(Finding::new(rule, detail));
        }
    }
}

/// Where the tag that begins here ends: at the first `>` outside quotes.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, octet) in tag.iter().enumerate() {
        match (quote, *octet) {
            (None, b'>') => return Some(at),
            (None, mark @ (b'"' | b'\'')) => quote = Some(mark),
            (Some(open), mark) if open == mark => quote = None,
            _ => {}
        }
    }
    None
}

/// The value of the attribute `xmlns`.
fn namespace(attributes: &[u8]) -> Option<&[u8]> {
    let at = attributes.windows(6).position(|window| window == b"xmlns=")?;
    let (mark, value) = attributes.get(at + 6..)?.split_first()?;
    let end = value.iter().position(|octet| octet == mark)?;
    value.get(..end)
}

/// A walk through WBXML that knows its tokens, and of SyncML only which tags there are.
struct Wbxml<'a, 'f> {
    rest: &'a [u8],
    findings: &'f mut Vec<Finding>,
}

impl Wbxml<'_, '_> {
    fn walk(mut self) -> Result<(), &'static str> {
        let version = self.octet()?;
        if version != 2 {
            self.findings.push(Finding::new(
                Rule::WbxmlVersion,
                format!("Its first octet is {version:02x}."),
            ));
        }
        if self.number()? == 0 {
            self.number()?;
        }
        if self.number()? != 106 {
            return Err("Its character set is not UTF-8.");
        }
        let table = self.number()?;
        self.skip(table)?;

        let (mut depth, mut page) = (0_usize, 0_u8);
        loop {
            match self.octet()? {
                0x00 => page = self.octet()?,
                0x01 => {
                    depth =
                        depth.checked_sub(1).ok_or("An element is closed that was not opened.")?;
                    if depth == 0 {
                        break;
                    }
                }
                0x02 | 0x83 => _ = self.number()?,
                0x03 => self.inline_string()?,
                0xC3 => {
                    let length = self.number()?;
                    self.skip(length)?;
                }
                token => {
                    if depth == 0 && token != 0x6D {
                        return Err("Its root element is not SyncML.");
                    }
                    if !is_tag(page, token & 0x3F) || token & 0x80 != 0 {
                        return Err("It holds a token without a meaning.");
                    }
                    if token & 0x40 != 0 {
                        depth += 1;
                    }
                    if depth > DEEPEST {
                        return Err("Its elements are nested too deep.");
                    }
                }
            }
        }
        if !self.rest.is_empty() {
            let left = format!("{} octets follow the end of SyncML.", self.rest.len());
            self.findings.push(Finding::new(Rule::TrailingOctets, left));
        }
        Ok(())
    }

    fn octet(&mut self) -> Result<u8, &'static str> {
        let (octet, rest) = self.rest.split_first().ok_or("It ends in the middle.")?;
        self.rest = rest;
        Ok(*octet)
    }

    /// `mb_u_int32`: seven bits an octet, the highest first.
    fn number(&mut self) -> Result<usize, &'static str> {
        let mut number = 0_usize;
        for _ in 0..5 {
            let octet = self.octet()?;
            number = number << 7 | usize::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("A number has no end.")
    }

    fn skip(&mut self, octets: usize) -> Result<(), &'static str> {
        self.rest = self.rest.get(octets..).ok_or("It ends in the middle.")?;
        Ok(())
    }

    fn inline_string(&mut self) -> Result<(), &'static str> {
        let end = self.rest.iter().position(|octet| *octet == 0).ok_or("A string has no end.")?;
        let (text, rest) = self.rest.split_at_checked(end).ok_or("A string has no end.")?;
        std::str::from_utf8(text).map_err(|_not_utf8| "A string is not UTF-8.")?;
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(())
    }
}

/// Whether a code page of SyncML has this tag.
fn is_tag(page: u8, tag: u8) -> bool {
    match page {
        0 => (0x05..=0x3C).contains(&tag) && tag != 0x30,
        1 => (0x05..=0x16).contains(&tag),
        2 => (0x05..=0x3C).contains(&tag),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str =
        include_str!("../../../src/wire/tests/vectors/syncml/02-pkg2-challenge-md5.xml");
    const GET: &str =
        include_str!("../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.xml");
    const GET_WBXML: &str =
        include_str!("../../../src/wire/tests/vectors/syncml/04-pkg2-auth-ok-get.libwbxml.hex");

    fn rules(encoding: Encoding, octets: &[u8]) -> Vec<Rule> {
        examine(encoding, octets).into_iter().map(|finding| finding.rule).collect()
    }

    fn xml(text: &str) -> Vec<Rule> {
        rules(Encoding::Xml, text.as_bytes())
    }

    fn wbxml() -> Vec<u8> {
        let digits: Vec<u8> = GET_WBXML.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn good_replies_pass() {
        assert_eq!(xml(CHALLENGE.trim_end()), []);
        assert_eq!(xml(GET.trim_end()), []);
        assert_eq!(rules(Encoding::Wbxml, &wbxml()), []);
    }

    #[test]
    fn octets_after_the_end_are_noticed() {
        assert_eq!(xml(&format!("{}\n", GET.trim_end())), [Rule::TrailingOctets]);
        assert_eq!(rules(Encoding::Wbxml, &[wbxml(), vec![0]].concat()), [Rule::TrailingOctets]);
    }

    #[test]
    fn a_byte_order_mark_is_noticed() {
        assert_eq!(xml(&format!("\u{FEFF}{}", GET.trim_end())), [Rule::ByteOrderMark]);
    }

    #[test]
    fn a_missing_misplaced_or_prefixed_namespace_of_meta_is_noticed() {
        let good = CHALLENGE.trim_end();
        let missing = good.replace("<Type xmlns=\"syncml:metinf\">", "<Type>");
        assert_eq!(xml(&missing), [Rule::MetaNamespace]);
        let misplaced = missing.replace("<Meta>", "<Meta xmlns=\"syncml:metinf\">");
        assert!(xml(&misplaced).contains(&Rule::MetaNamespace));
        let prefixed =
            good.replace("Type xmlns=\"syncml:metinf\"", "m:Type").replace("</Type>", "</m:Type>");
        assert!(xml(&prefixed).contains(&Rule::MetaNamespace));
        let other = good.replace("xmlns=\"syncml:metinf\"", "xmlns='syncml:devinf'");
        assert!(xml(&other).contains(&Rule::MetaNamespace));
    }

    #[test]
    fn references_that_break_clients_are_noticed() {
        for reference in ["&#38;", "&#x26;", "&apos;"] {
            assert_eq!(
                xml(&GET.trim_end().replace("SwV", reference)),
                [Rule::Reference],
                "{reference}"
            );
        }
        assert_eq!(xml(&GET.trim_end().replace("SwV", "a&amp;b&lt;&gt;&quot;")), []);
        assert_eq!(xml(&GET.trim_end().replace("SwV", "<![CDATA[a&#1;<b>]]>")), []);
    }

    #[test]
    fn what_is_not_well_formed_is_noticed() {
        let good = GET.trim_end();
        for bad in [
            String::new(),
            good.replace("</Get>", ""),
            good.replace("<Final/>", "<Final>"),
            good.replace("SwV", "&nbsp;"),
            good.replace("SwV", "a\u{1}b"),
            good.replace("xmlns=\"SYNCML:SYNCML1.2\"", ""),
            good.replace("SyncML", "html"),
            good.get(..good.len() / 2).unwrap().to_owned(),
        ] {
            assert!(xml(&bad).contains(&Rule::NotWellFormed), "{bad}");
        }
        let whole = wbxml();
        assert_eq!(rules(Encoding::Wbxml, &whole[..whole.len() - 1]), [Rule::NotWellFormed]);
        assert_eq!(rules(Encoding::Wbxml, b"\x02\xa4\x01\x6a\x00\x45\x01"), [Rule::NotWellFormed]);
    }

    #[test]
    fn another_version_of_wbxml_is_noticed() {
        let mut octets = wbxml();
        octets[0] = 3;
        assert_eq!(rules(Encoding::Wbxml, &octets), [Rule::WbxmlVersion]);
    }
}

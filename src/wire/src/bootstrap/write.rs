//! A provisioning document to WBXML and to XML text.
//!
//! Tokens are taken from page 0 where it has them, as the encoders in use do. The four values of `AAUTHTYPE` on page 1
//! have other tokens in older tables, so they are written as text, which every device reads alike.

use super::{
    provisioning::{Characteristic, Parm, Provisioning, ProvisioningError},
    tokens,
};
use crate::wap_push::uintvar;

/// WBXML 1.3, PROV, UTF-8, no string table: what devices have seen most.
const HEADER: [u8; 4] = [0x03, 0x0B, 0x6A, 0x00];
const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const STR_I: u8 = 0x03;
const OPAQUE: u8 = 0xC3;
const CONTENT: u8 = 0x40;
const ATTRIBUTES: u8 = 0x80;
const DOCUMENT: u8 = 0x05;
const CHARACTERISTIC: u8 = 0x06;
const PARM: u8 = 0x07;

/// `,`, `HTTP-`, `BASIC` and `DIGEST`.
const AMBIGUOUS: std::ops::RangeInclusive<u8> = 0x90..=0x93;

pub(super) fn wbxml(document: &Provisioning) -> Vec<u8> {
    let mut writer = Writer { out: HEADER.to_vec(), page: 0 };
    let inside = if document.characteristics.is_empty() { 0 } else { CONTENT };
    match &document.version {
        Some(version) => {
            writer.out.extend([DOCUMENT | inside | ATTRIBUTES, tokens::VERSION]);
            writer.text(version);
            writer.out.push(END);
        }
        None => writer.out.push(DOCUMENT | inside),
    }
    document.characteristics.iter().for_each(|one| writer.characteristic(one));
    if inside != 0 {
        writer.out.push(END);
    }
    writer.out
}

struct Writer {
    out: Vec<u8>,
    /// The code page of attributes; that of elements stays 0.
    page: u8,
}

impl Writer {
    fn characteristic(&mut self, one: &Characteristic) {
        let empty = one.parms.is_empty() && one.inner.is_empty();
        let inside = if empty { 0 } else { CONTENT };
        self.out.push(CHARACTERISTIC | inside | ATTRIBUTES);
        self.begin([tokens::TYPES_0, tokens::TYPES_1], tokens::TYPE, &one.kind);
        self.out.push(END);
        one.parms.iter().for_each(|parm| self.parm(parm));
        one.inner.iter().for_each(|inner| self.characteristic(inner));
        if !empty {
            self.out.push(END);
        }
    }

    fn parm(&mut self, parm: &Parm) {
        self.out.push(PARM | ATTRIBUTES);
        self.begin([tokens::NAMES_0, tokens::NAMES_1], tokens::NAME, &parm.name);
        if let Some(value) = &parm.value {
            self.switch(0);
            self.out.push(tokens::VALUE);
            match tokens::token_of([tokens::VALUES_0, tokens::VALUES_1], value) {
                Some((page, token)) if page == 0 || !AMBIGUOUS.contains(&token) => {
                    self.switch(page);
                    self.out.push(token);
                }
                _ => self.text(value),
            }
        }
        self.out.push(END);
    }

    /// An attribute with its value in one token, or the token of the attribute and its value as text.
    fn begin(&mut self, tables: [&[(u8, &str)]; 2], bare: u8, value: &str) {
        if let Some((page, token)) = tokens::token_of(tables, value) {
            self.switch(page);
            self.out.push(token);
        } else {
            self.switch(0);
            self.out.push(bare);
            self.text(value);
        }
    }

    fn switch(&mut self, page: u8) {
        if self.page != page {
            self.page = page;
            self.out.extend([SWITCH_PAGE, page]);
        }
    }

    fn text(&mut self, text: &str) {
        if text.contains('\0') {
            self.out.push(OPAQUE);
            uintvar(text.len(), &mut self.out);
            self.out.extend(text.as_bytes());
        } else {
            self.out.push(STR_I);
            self.out.extend(text.as_bytes());
            self.out.push(0);
        }
    }
}

pub(super) fn xml(document: &Provisioning) -> Result<String, ProvisioningError> {
    let mut out = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE wap-provisioningdoc PUBLIC \"-//WAPFORUM//DTD PROV 1.0//EN\" \
         \"http://www.wapforum.org/DTD/prov.dtd\">\n<wap-provisioningdoc",
    );
    attribute(&mut out, "version", document.version.as_deref())?;
    out.push('>');
    document.characteristics.iter().try_for_each(|one| characteristic(&mut out, one))?;
    out.push_str("</wap-provisioningdoc>\n");
    Ok(out)
}

fn characteristic(out: &mut String, one: &Characteristic) -> Result<(), ProvisioningError> {
    out.push_str("<characteristic");
    attribute(out, "type", Some(&one.kind))?;
    out.push('>');
    for parm in &one.parms {
        out.push_str("<parm");
        attribute(out, "name", Some(&parm.name))?;
        attribute(out, "value", parm.value.as_deref())?;
        out.push_str("/>");
    }
    one.inner.iter().try_for_each(|inner| characteristic(out, inner))?;
    out.push_str("</characteristic>");
    Ok(())
}

fn attribute(out: &mut String, name: &str, value: Option<&str>) -> Result<(), ProvisioningError> {
    let Some(value) = value else { return Ok(()) };
    out.extend([" ", name, "=\""]);
    for character in value.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0'..=' ' if character != ' ' => return Err(ProvisioningError::Character(character)),
            '\u{FFFE}' | '\u{FFFF}' => return Err(ProvisioningError::Character(character)),
            character => out.push(character),
        }
    }
    out.push('"');
    Ok(())
}

//! A DM server that says what a test tells it to: replies written by hand, as the protocol notes have them.
//!
//! It is no product: it knows one dialogue, and shows that a device can be satisfied at all, and then that each way to
//! offend a device is noticed.

use crate::{digest, faults::Habits, identity::Identity, verdict::reply::header_status};
use std::fmt::Write as _;
use wire::{
    Encoding, Limits,
    message::{Command, Message},
};

/// The server's half of one session.
#[derive(Debug)]
pub(crate) struct Script {
    identity: Identity,
    server_nonce: Vec<u8>,
    first: bool,
    /// Nonces that were given.
    pub(crate) given: u8,
    /// Whether the last order leaves more to come, so that the message has no `Final`.
    pub(crate) goes_on: bool,
    /// What is inserted into the header.
    pub(crate) header: String,
    /// Where the server says that it is.
    pub(crate) url: String,
}

pub(crate) fn read(identity: &Identity, octets: &[u8]) -> Message {
    identity.kind.encoding.read(octets, &Limits::default()).unwrap()
}

impl Script {
    pub(crate) fn new(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            server_nonce: identity.first_server_nonce.to_vec(),
            first: true,
            given: 0,
            goes_on: false,
            header: String::new(),
            url: "http://127.0.0.1:1/dm".to_owned(),
        }
    }

    /// Package 2 or 4 as XML: every status that is due, the server's credentials where they are wanted, and `orders`,
    /// which are XML with `CmdID`s from 100.
    pub(crate) fn accept(&mut self, request: &Message, orders: &str) -> String {
        self.learn(request);
        let mut statuses = String::new();
        let chal = match request.header.cred {
            Some(_) => {
                self.given += 1;
                let nonce = digest::base64(&[self.given; 16]);
                let nonce = format!("<NextNonce xmlns=\"syncml:metinf\">{nonce}</NextNonce>");
                format!("<Chal>{}</Chal>", md5_meta(&nonce))
            }
            None => String::new(),
        };
        let code = if request.header.cred.is_some() { 212 } else { 200 };
        Self::statuses(&mut statuses, request, &chal, code, 200);
        let wanted = self.first || self.identity.kind.habits == Habits::B;
        self.first = false;
        let cred = if self.identity.kind.proves_server && wanted {
            let data = digest::md5_credential(self.identity.server_account(), &self.server_nonce);
            format!("<Cred>{}<Data>{data}</Data></Cred>", md5_meta(""))
        } else {
            String::new()
        };
        self.message(request, &cred, &statuses, orders)
    }

    /// A challenge: 401 for everything.
    pub(crate) fn challenge(&mut self, request: &Message, nonce: &[u8]) -> String {
        self.learn(request);
        let nonce =
            format!("<NextNonce xmlns=\"syncml:metinf\">{}</NextNonce>", digest::base64(nonce));
        let mut statuses = String::new();
        Self::statuses(
            &mut statuses,
            request,
            &format!("<Chal>{}</Chal>", md5_meta(&nonce)),
            401,
            401,
        );
        self.message(request, "", &statuses, "")
    }

    /// Keeps the nonce that the device gave.
    fn learn(&mut self, request: &Message) {
        let chal = header_status(request).and_then(|status| status.chal.as_ref());
        if let Some(nonce) = chal.and_then(|chal| digest::from_base64(chal.next_nonce.as_deref()?))
            && !nonce.is_empty()
        {
            self.server_nonce = nonce;
        }
    }

    fn statuses(out: &mut String, request: &Message, chal: &str, header: u16, code: u16) {
        let refs = format!("<MsgRef>{}</MsgRef>", request.header.msg_id);
        let addresses = format!(
            "<TargetRef>{}</TargetRef><SourceRef>{}</SourceRef>",
            request.header.target.loc_uri, request.header.source.loc_uri
        );
        write!(out, "<Status><CmdID>1</CmdID>{refs}<CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{addresses}{chal}<Data>{header}</Data></Status>").unwrap();
        let asks = |command: &&Command| matches!(command, Command::Alert(_) | Command::Replace(_));
        for (place, command) in request.commands.iter().filter(asks).enumerate() {
            let (id, name) = (command.id().unwrap(), command.name());
            write!(out, "<Status><CmdID>{}</CmdID>{refs}<CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data></Status>", place + 2).unwrap();
        }
    }

    fn message(&self, request: &Message, cred: &str, statuses: &str, orders: &str) -> String {
        let header = &request.header;
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML{}\"><SyncHdr><VerDTD>{}</VerDTD><VerProto>{}</VerProto><SessionID>{}</SessionID>\
             <MsgID>{}</MsgID><Target><LocURI>{}</LocURI></Target><Source><LocURI>{}</LocURI></Source>{}{cred}</SyncHdr>\
             <SyncBody>{statuses}{orders}{}</SyncBody></SyncML>",
            header.version.dtd(),
            header.version.dtd(),
            header.version.protocol(),
            header.session_id,
            header.msg_id,
            header.source.loc_uri,
            self.url,
            self.header,
            if self.goes_on { "" } else { "<Final/>" },
        )
    }

    /// A reply in the encoding of the device.
    pub(crate) fn encode(&self, xml: &str) -> Vec<u8> {
        match self.identity.kind.encoding {
            Encoding::Xml => xml.as_bytes().to_vec(),
            Encoding::Wbxml => {
                let message = Encoding::Xml.read(xml.as_bytes(), &Limits::default()).unwrap();
                Encoding::Wbxml.write(&message).unwrap()
            }
        }
    }
}

pub(crate) fn get(id: u32, uri: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

/// `Add` or `Replace` of a text node.
pub(crate) fn write(name: &str, id: u32, uri: &str, value: &str) -> String {
    format!(
        "<{name}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Meta><Format \
         xmlns=\"syncml:metinf\">chr</Format></Meta><Data>{value}</Data></Item></{name}>"
    )
}

pub(crate) fn ask(id: u32) -> String {
    format!(
        "<Alert><CmdID>{id}</CmdID><Data>1101</Data><Item><Data>MAXDT=60</Data></Item><Item><Data>May we?</Data></Item></Alert>"
    )
}

fn md5_meta(more: &str) -> String {
    format!(
        "<Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type>{more}</Meta>"
    )
}

//! What a device says of its own accord: its header, its credentials, and package 1.

use super::account::Work;
use crate::{
    digest,
    faults::{Auth, Fault, Habits},
    identity::Identity,
};
use wire::{
    Encoding,
    alert::AlertCode,
    ids::{MsgId, SessionId},
    message::{Address, Alert, Command, Cred, Data, Edit, Header, Item},
    meta::{Format, Meta},
};

/// The largest message that a client takes: what two of the three announce as `MaxMsgSize`, and more than any server
/// sends for the third, which announces nothing.
pub(crate) fn max_msg_size(habits: Habits) -> u64 {
    match habits {
        Habits::A => 16_384,
        Habits::B => 122_880,
        Habits::Windows => 524_288,
    }
}

/// The header lines that the client adds to its requests.
pub(crate) fn http_headers(habits: Habits) -> &'static str {
    match habits {
        Habits::A | Habits::B => {
            "User-Agent: SimDM/1.2\r\nAccept: application/vnd.syncml.dm+wbxml, application/vnd.syncml.dm+xml\r\n\
             Accept-Charset: utf-8\r\nCache-Control: private\r\n"
        }
        Habits::Windows => {
            "User-Agent: MSFT OMA DM Client/1.2.0.1\r\nAccept: application/vnd.syncml.dm+xml, \
             application/vnd.syncml.dm+wbxml, application/octet-stream\r\nAccept-Charset: UTF-8\r\n\
             client-request-id: 0\r\nMS-CV: 5fBqW0aX1kiyCmN3.0\r\n"
        }
    }
}

/// What the header of a message says besides who and where.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) msg_id: MsgId,
    pub(crate) target: &'a str,
    pub(crate) cred: Option<Cred>,
    /// The `MaxMsgSize` to announce.
    pub(crate) most_octets: Option<u64>,
}

pub(crate) fn header(identity: &Identity, envelope: Envelope<'_>) -> Header {
    let first = envelope.msg_id == MsgId(1);
    let mut target = Address::new(envelope.target);
    let mut source = Address::new(identity.device.clone());
    if identity.kind.habits == Habits::B && first {
        target.loc_name = Some(identity.server_user.as_str().into());
        source.loc_name = Some(identity.user.as_str().into());
    }
    let named = match (identity.kind.auth, identity.kind.habits) {
        // The name that goes with the digest of the message.
        (Auth::Hmac, _) => true,
        (Auth::Md5 | Auth::Basic, Habits::Windows) => envelope.cred.is_some(),
        (Auth::Md5 | Auth::Basic, Habits::A | Habits::B) => false,
    };
    if named {
        source.loc_name = Some(identity.user.as_str().into());
    }
    let most_octets = match identity.kind.habits {
        Habits::A | Habits::B => envelope.most_octets,
        Habits::Windows => None,
    };
    let meta = Meta {
        max_msg_size: most_octets,
        max_obj_size: most_octets.map(|_| 262_144),
        ..Meta::default()
    };
    Header {
        version: identity.version(),
        session_id: envelope.session_id,
        msg_id: envelope.msg_id,
        target,
        source,
        resp_uri: None,
        no_resp: false,
        cred: envelope.cred,
        meta,
    }
}

/// The device's credentials under `nonce`.
pub(crate) fn cred(identity: &Identity, nonce: &[u8]) -> Cred {
    let (media_type, data) = match identity.kind.auth {
        // The third kind stands in no Cred.
        Auth::Md5 | Auth::Hmac => {
            ("syncml:auth-md5", digest::md5_credential(identity.own_account(), nonce))
        }
        Auth::Basic => {
            ("syncml:auth-basic", digest::basic_credential(&identity.user, &identity.secret))
        }
    };
    let meta =
        Meta { format: Some(Format::B64), media_type: Some(media_type.into()), ..Meta::default() };
    Cred { meta, data: Data::text(data) }
}

/// The commands of package 1: why the session is, who is speaking, and what happened meanwhile.
pub(crate) fn package_1(
    identity: &Identity,
    reason: AlertCode,
    work: Option<&Work>,
) -> Vec<Command> {
    let begin = Command::Alert(alert(reason));
    let replace = Edit { items: dev_info(identity), ..Edit::default() };
    let replace = Command::Replace(replace);
    let report = identity.kind.report.map(report);
    let report = report.into_iter().chain(work.map(|work| outcome(identity, work)));
    let report = report.map(Command::Alert);
    match identity.kind.habits {
        // One client tells what happened first of all, the other last.
        Habits::A => report.chain([begin, replace]).collect(),
        Habits::B => [begin, replace].into_iter().chain(report).collect(),
        Habits::Windows => {
            let mut commands = vec![begin, Command::Alert(login_status(identity))];
            if identity.index % 5 == 4 {
                commands.push(Command::Alert(user_token()));
            }
            commands.extend(report);
            if identity.kind.fault == Fault::Unenrols {
                commands.push(Command::Alert(unenrolment()));
            }
            commands.push(replace);
            commands
        }
    }
}

/// An alert without items.
pub(crate) fn alert(code: AlertCode) -> Alert {
    Alert {
        id: None,
        no_resp: false,
        code: Some(code),
        correlator: None,
        items: Vec::new(),
        other: Vec::new(),
    }
}

/// An alert that says something of a type.
fn telling(code: AlertCode, meta: Meta, source: Option<Address>, text: &str) -> Alert {
    let item = Item { source, meta, data: Some(Data::text(text)), ..Item::default() };
    Alert { items: vec![item], ..alert(code) }
}

/// Who is logged in at a Windows device.
fn login_status(identity: &Identity) -> Alert {
    let who = match identity.index % 3 {
        0 => "user",
        1 => "others",
        _ => "none",
    };
    let kind = Some("com.microsoft/MDM/LoginStatus".into());
    telling(AlertCode::ClientEvent, Meta { media_type: kind, ..Meta::default() }, None, who)
}

fn user_token() -> Alert {
    let kind = Some("com.microsoft/MDM/AADUserToken".into());
    let meta = Meta { media_type: kind, ..Meta::default() };
    telling(AlertCode::ClientEvent, meta, None, "eyJ0eXAiOiJKV1QifQ.e30.c2lt")
}

/// The user leaves the service.
fn unenrolment() -> Alert {
    let meta = Meta {
        media_type: Some("com.microsoft:mdm.unenrollment.userrequest".into()),
        format: Some(Format::Int),
        mark: Some("critical".into()),
        ..Meta::default()
    };
    telling(AlertCode::GenericAlert, meta, None, "1")
}

/// How the work went that the device took up.
pub(super) fn outcome(identity: &Identity, work: &Work) -> Alert {
    let meta = Meta {
        media_type: Some("org.openmobilealliance.dm.firmwareupdate.update".into()),
        format: Some(Format::Int),
        ..Meta::default()
    };
    let result = Work::result(identity).to_string();
    let source = Some(Address::new(&work.uri));
    Alert {
        correlator: work.correlator.as_deref().map(Into::into),
        ..telling(AlertCode::GenericAlert, meta, source, &result)
    }
}

/// Something happened to the device.
fn report(what: &str) -> Alert {
    let meta = Meta {
        media_type: Some("com.acme.fault:battery".into()),
        format: Some(Format::Chr),
        mark: Some("warning".into()),
        ..Meta::default()
    };
    let source = Some(Address::new("./DevDetail/DevTyp"));
    telling(AlertCode::GenericAlert, meta, source, what)
}

fn dev_info(identity: &Identity) -> Vec<Item> {
    let text = |name: &str, value: &str| item(identity, name, value, Format::Chr);
    let (man, model) =
        (text("Man", identity.manufacturer()), text("Mod", identity.kind.model.name()));
    let (device, version) = (text("DevId", &identity.device), text("DmV", identity.dm_version()));
    match identity.kind.habits {
        // Interior nodes come too, and first.
        Habits::A => vec![
            item(identity, "Ext", "", Format::Node),
            item(identity, "Bearer", "", Format::Node),
            text("Lang", identity.language),
            version,
            model,
            man,
            device,
        ],
        // Empty Data for what it does not know.
        Habits::B if identity.index.is_multiple_of(8) => {
            vec![device, man, model, version, text("Lang", "")]
        }
        Habits::B | Habits::Windows => {
            vec![device, man, model, version, text("Lang", identity.language)]
        }
    }
}

fn item(identity: &Identity, name: &str, value: &str, format: Format) -> Item {
    let meta = match identity.kind.habits {
        Habits::A => {
            Meta { format: Some(format), media_type: Some("text/plain".into()), ..Meta::default() }
        }
        Habits::B | Habits::Windows => Meta::default(),
    };
    Item {
        source: Some(Address::new(format!("./DevInfo/{name}"))),
        meta,
        data: Some(data(identity.kind.encoding, value)),
        ..Item::default()
    }
}

/// `Data` of an item: both clients write it as OPAQUE in WBXML, and all other text as inline strings.
pub(crate) fn data(encoding: Encoding, text: &str) -> Data {
    match encoding {
        Encoding::Xml => Data::text(text),
        Encoding::Wbxml => Data::Opaque(text.as_bytes().to_vec()),
    }
}

/// Stands for a zero octet in XML, until the message is written.
const STAND_IN: char = '\u{E000}';

/// What becomes a zero octet in a message of this encoding.
pub(crate) fn zero(encoding: Encoding) -> char {
    match encoding {
        // No XML holds it, and nobody writes it.
        Encoding::Xml => STAND_IN,
        Encoding::Wbxml => '\0',
    }
}

/// XML with real zero octets, as a careless client writes it.
fn with_zeros(octets: &[u8]) -> Vec<u8> {
    let mut stand_in = [0; 4];
    let stand_in = STAND_IN.encode_utf8(&mut stand_in).as_bytes();
    let (mut rest, mut out) = (octets, Vec::with_capacity(octets.len()));
    while let Some(place) = rest.windows(stand_in.len()).position(|three| three == stand_in) {
        out.extend_from_slice(rest.get(..place).unwrap_or_default());
        out.push(0);
        rest = rest.get(place + stand_in.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// The octets as the client would have written them: one names its document type by a string table, without a
/// terminating zero, and one writes XML without a declaration.
pub(crate) fn in_own_hand(identity: &Identity, octets: Vec<u8>) -> Vec<u8> {
    const USUAL: &[u8] = b"\x02\xA4\x01\x6A\x00";
    const OWN: &[u8] = b"\x02\x00\x00\x6A\x1D-//SYNCML//DTD SyncML 1.2//EN";
    let octets = match (identity.kind.fault, identity.kind.encoding) {
        (Fault::ZeroInValues, Encoding::Xml) => with_zeros(&octets),
        _ => octets,
    };
    match (identity.kind.habits, octets.strip_prefix(USUAL)) {
        (Habits::B, Some(body)) => [OWN, body].concat(),
        (Habits::Windows, None) => without_declaration(identity, &octets),
        _ => octets,
    }
}

/// XML as a Windows client writes it; a test client for such servers begins with a line of its own.
fn without_declaration(identity: &Identity, octets: &[u8]) -> Vec<u8> {
    let root = octets.windows(7).position(|window| window == b"<SyncML").unwrap_or_default();
    let line: &[u8] = if identity.repeats_number_when_challenged() { b"\n" } else { b"" };
    [line, octets.get(root..).unwrap_or_default()].concat()
}

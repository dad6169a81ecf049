//! What a device says of its own accord: its header, its credentials, and package 1.

use crate::{
    digest,
    faults::{Auth, Habits},
    identity::{Identity, MANUFACTURER},
};
use wire::{
    Encoding,
    alert::AlertCode,
    ids::{MsgId, SessionId},
    message::{Address, Alert, Command, Cred, Data, Edit, Header, Item},
    meta::{Format, Meta},
};

/// The `MaxMsgSize` of the two clients.
pub(crate) fn max_msg_size(habits: Habits) -> u64 {
    match habits {
        Habits::A => 16_384,
        Habits::B => 122_880,
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
    let meta = Meta {
        max_msg_size: envelope.most_octets,
        max_obj_size: envelope.most_octets.map(|_| 262_144),
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
        Auth::Md5 => ("syncml:auth-md5", digest::md5_credential(identity.own_account(), nonce)),
        Auth::Basic => {
            ("syncml:auth-basic", digest::basic_credential(&identity.user, &identity.secret))
        }
    };
    let meta =
        Meta { format: Some(Format::B64), media_type: Some(media_type.into()), ..Meta::default() };
    Cred { meta, data: Data::text(data) }
}

/// The commands of package 1: why the session is, and who is speaking.
pub(crate) fn package_1(identity: &Identity, reason: AlertCode) -> Vec<Command> {
    let alert = Alert {
        id: None,
        no_resp: false,
        code: Some(reason),
        correlator: None,
        items: Vec::new(),
        other: Vec::new(),
    };
    let replace = Edit { items: dev_info(identity), ..Edit::default() };
    vec![Command::Alert(alert), Command::Replace(replace)]
}

fn dev_info(identity: &Identity) -> Vec<Item> {
    let text = |name: &str, value: &str| item(identity, name, value, Format::Chr);
    let (man, model) = (text("Man", MANUFACTURER), text("Mod", identity.kind.model.name()));
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
        Habits::B => vec![device, man, model, version, text("Lang", identity.language)],
    }
}

fn item(identity: &Identity, name: &str, value: &str, format: Format) -> Item {
    let meta = match identity.kind.habits {
        Habits::A => {
            Meta { format: Some(format), media_type: Some("text/plain".into()), ..Meta::default() }
        }
        Habits::B => Meta::default(),
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

/// The octets as the client would have written them: one of the two names its document type by a string table, without
/// a terminating zero.
pub(crate) fn in_own_hand(identity: &Identity, octets: Vec<u8>) -> Vec<u8> {
    const USUAL: &[u8] = b"\x02\xA4\x01\x6A\x00";
    const OWN: &[u8] = b"\x02\x00\x00\x6A\x1D-//SYNCML//DTD SyncML 1.2//EN";
    match (identity.kind.habits, octets.strip_prefix(USUAL)) {
        (Habits::B, Some(body)) => [OWN, body].concat(),
        _ => octets,
    }
}

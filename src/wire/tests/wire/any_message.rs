//! Generated messages: every field in every state that both encodings carry.

use proptest::{collection::vec, option, prelude::*, sample::select};
use wire::{
    alert::AlertCode,
    ids::{CmdId, MsgId, SessionId, StatusTarget},
    message::{
        Address, Alert, Block, Command, Content, Cred, Data, Edit, Element, Exec, Header, Item,
        Message, Results, Status, Text, Version,
    },
    meta::{Format, Meta},
    status::StatusCode,
};

/// Text that XML carries too: no control characters but tab and line feed.
fn text() -> impl Strategy<Value = Text> {
    let character = prop_oneof![
        8 => prop::char::range(' ', '~'),
        1 => select(vec!['\t', '\n', '&', '<', '>', '"', '\'', ']', 'ü', '你', '€', '\u{1F600}', '\u{85}', '\u{2028}']),
    ];
    // Some shorter, some longer than a text without an allocation of its own.
    vec(character, 0..40).prop_map(Text::from_iter)
}

fn some_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("{text}x"))
}

fn cmd_id() -> impl Strategy<Value = Option<CmdId>> {
    option::of("[1-9][0-9]{0,11}|[a-f0-9]{8}-[a-f0-9]{4}")
        .prop_map(|id| id.map(|id| CmdId::parse(&id).unwrap()))
}

fn format() -> impl Strategy<Value = Format> {
    let names =
        ["b64", "bool", "chr", "int", "node", "null", "xml", "date", "time", "float", "vendor"];
    select(names.to_vec()).prop_map(Format::from_name)
}

fn meta() -> BoxedStrategy<Meta> {
    let sizes = (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()));
    let texts = (
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    (option::of(format()), sizes, texts, vec(element(0, "Anchor"), 0..2))
        .prop_map(
            |(
                format,
                (size, max_msg_size, max_obj_size),
                (media_type, mark, next_nonce, version, emi),
                other,
            )| Meta {
                format,
                media_type,
                mark,
                size,
                next_nonce,
                version,
                max_msg_size,
                max_obj_size,
                emi,
                other,
            },
        )
        .boxed()
}

fn address() -> impl Strategy<Value = Address> {
    (text(), option::of(text())).prop_map(|(loc_uri, loc_name)| Address { loc_uri, loc_name })
}

/// An element named `name` at its root; below, management trees and names of vendors.
fn element(depth: u32, name: &'static str) -> BoxedStrategy<Element> {
    let content = if depth == 0 {
        option::of(some_text())
            .prop_map(|text| text.map(Content::Text).into_iter().collect::<Vec<_>>())
            .boxed()
    } else {
        let below = prop_oneof![
            element(depth - 1, "MgmtTree"),
            element(depth - 1, "Item"),
            element(depth - 1, "VendorThing")
        ];
        vec(below.prop_map(Content::Element), 0..3).boxed()
    };
    content
        .prop_map(move |content| Element {
            name: name.to_owned(),
            namespace: match name {
                "MgmtTree" => Some("syncml:dmddf1.2".to_owned()),
                "Anchor" => Some("syncml:metinf".to_owned()),
                _ => None,
            },
            attributes: Vec::new(),
            content,
        })
        .boxed()
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        3 => text().prop_map(Data::Text),
        1 => vec(element(2, "MgmtTree"), 1..3).prop_map(Data::Elements),
    ]
}

fn item() -> BoxedStrategy<Item> {
    let others = vec(element(1, "SourceParent"), 0..2);
    (
        option::of(address()),
        option::of(address()),
        meta(),
        option::of(data()),
        any::<bool>(),
        others,
    )
        .prop_map(|(target, source, meta, data, more, other)| Item {
            target,
            source,
            meta,
            data,
            more,
            other,
        })
        .boxed()
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    vec(item(), 0..3)
}

fn cred() -> impl Strategy<Value = Cred> {
    (meta(), text()).prop_map(|(meta, data)| Cred { meta, data: Data::Text(data) })
}

fn edit() -> BoxedStrategy<Edit> {
    (cmd_id(), any::<bool>(), meta(), items(), vec(element(1, "Lang"), 0..2))
        .prop_map(|(id, no_resp, meta, items, other)| Edit { id, no_resp, meta, items, other })
        .boxed()
}

fn status() -> BoxedStrategy<Status> {
    let about = prop_oneof![
        Just(StatusTarget::Header),
        Just(StatusTarget::Unnamed),
        "[1-9][0-9]{0,4}".prop_map(|id| StatusTarget::Command(CmdId::parse(&id).unwrap())),
    ];
    let references = (vec(text(), 0..3), vec(text(), 0..3));
    let code = option::of(any::<u16>().prop_map(StatusCode::from_code));
    let first = (cmd_id(), option::of(any::<u32>().prop_map(MsgId)), about, text(), references);
    // A `Chal` without content says nothing and is not written as one.
    let chal = option::of(meta());
    (first, option::of(cred()), chal, code, items(), vec(element(1, "VendorThing"), 0..2))
        .prop_map(
            |(
                (id, msg_ref, about, cmd, (target_refs, source_refs)),
                cred,
                chal,
                code,
                items,
                other,
            )| Status {
                id,
                msg_ref,
                about,
                cmd,
                target_refs,
                source_refs,
                cred,
                chal,
                code,
                code_attributes: Vec::new(),
                items,
                other,
            },
        )
        .boxed()
}

fn results() -> BoxedStrategy<Results> {
    let references = (
        option::of(any::<u32>().prop_map(MsgId)),
        cmd_id(),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    (cmd_id(), references, meta(), items(), vec(element(1, "VendorThing"), 0..2))
        .prop_map(|(id, (msg_ref, cmd_ref, cmd, target_ref, source_ref), meta, items, other)| {
            Results { id, msg_ref, cmd_ref, cmd, meta, target_ref, source_ref, items, other }
        })
        .boxed()
}

fn simple_command() -> BoxedStrategy<Command> {
    let exec = (
        cmd_id(),
        any::<bool>(),
        meta(),
        option::of(text()),
        items(),
        vec(element(1, "Cred"), 0..2),
    );
    let alert = (cmd_id(), any::<bool>(), option::of(any::<u32>()), option::of(text()), items());
    prop_oneof![
        edit().prop_map(Command::Add),
        edit().prop_map(Command::Replace),
        edit().prop_map(Command::Delete),
        edit().prop_map(Command::Copy),
        edit().prop_map(Command::Get),
        exec.prop_map(|(id, no_resp, meta, correlator, items, other)| {
            Command::Exec(Exec { id, no_resp, meta, correlator, items, other })
        }),
        alert.prop_map(|(id, no_resp, code, correlator, items)| {
            let code = code.map(AlertCode::from_code);
            Command::Alert(Alert { id, no_resp, code, correlator, items, other: Vec::new() })
        }),
        status().prop_map(Command::Status),
        results().prop_map(Command::Results),
        prop_oneof![element(2, "Put"), element(2, "VendorThing")].prop_map(Command::Unknown),
    ]
    .boxed()
}

fn command() -> BoxedStrategy<Command> {
    simple_command()
        .prop_recursive(2, 8, 3, |inner| {
            let block = (cmd_id(), any::<bool>(), meta(), vec(inner, 0..3))
                .prop_map(|(id, no_resp, meta, commands)| Block { id, no_resp, meta, commands });
            (block, any::<bool>()).prop_map(|(block, atomic)| {
                if atomic { Command::Atomic(block) } else { Command::Sequence(block) }
            })
        })
        .boxed()
}

fn header() -> BoxedStrategy<Header> {
    let version = select(vec![
        Version::Dm11,
        Version::Dm12,
        Version::Dm13,
        Version::from_names("9.9", "DM/9.9"),
        Version::from_names("", "x"),
    ]);
    let first = (version, "[0-9A-F]{1,8}", any::<u32>(), address(), address());
    (first, option::of(text()), any::<bool>(), option::of(cred()), meta())
        .prop_map(
            |((version, session_id, msg_id, target, source), resp_uri, no_resp, cred, meta)| {
                Header {
                    version,
                    session_id: SessionId::parse(&session_id).unwrap(),
                    msg_id: MsgId(msg_id),
                    target,
                    source,
                    resp_uri,
                    no_resp,
                    cred,
                    meta,
                }
            },
        )
        .boxed()
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    (header(), vec(command(), 0..5), any::<bool>()).prop_map(|(header, commands, last)| Message {
        header,
        commands,
        last,
    })
}

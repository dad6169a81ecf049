//! A message in words: one line a command, names instead of codes, values as a person would write them.
//!
//! ```text
//! SyncML DM/1.2, XML, 1325 octets
//! session  1A2, message 2
//! from     https://dm.operator.example/oma/dm
//! to       IMEI:352099001761481
//!
//!    1  Status 212 Authenticated, of SyncHdr in message 2
//!    2  Get ./DevDetail/SwV
//! ```

use super::{mask::HIDDEN, tree, words};
use std::fmt::{self, Write};
use wire::{
    alert::AlertCode,
    ids::{CmdId, MsgId, StatusTarget},
    message::{
        Address, Alert, Command, Content, Data, Edit, Element, Header, Item, Message, Results,
        Status,
    },
    meta::{Format, Meta},
    status::StatusCode,
};

/// Writes the message after its first line, which says how it came.
pub(super) fn message(message: &Message, broken: bool, out: &mut impl Write) -> fmt::Result {
    header(&message.header, out)?;
    writeln!(out)?;
    for one in &message.commands {
        command(one, 0, out)?;
    }
    writeln!(
        out,
        "{}",
        if broken {
            "       the last command is not whole; here the message cannot be read any further"
        } else if message.last {
            "       end of the package"
        } else {
            "       the package goes on in the next message"
        }
    )
}

fn header(header: &Header, out: &mut impl Write) -> fmt::Result {
    writeln!(
        out,
        "session  {}, message {}",
        words::plain(header.session_id.as_str()),
        header.msg_id
    )?;
    write!(out, "from     {}", words::plain(&header.source.loc_uri))?;
    match &header.source.loc_name {
        Some(name) => writeln!(out, " (user {})", words::plain(name))?,
        None => writeln!(out)?,
    }
    writeln!(out, "to       {}", words::plain(&header.target.loc_uri))?;
    if let Some(uri) = &header.resp_uri {
        writeln!(out, "answer   to {}", words::plain(uri))?;
    }
    if let Some(cred) = &header.cred {
        let kind = cred.meta.media_type.as_deref().unwrap_or("of no stated type");
        writeln!(out, "proof    {}, {}", words::plain(kind), proof(&cred.data))?;
    }
    match (header.meta.max_msg_size, header.meta.max_obj_size) {
        (None, None) => {}
        (message, object) => {
            let message = message.map(|octets| format!("messages up to {octets} octets"));
            let object = object.map(|octets| format!("objects up to {octets} octets"));
            writeln!(
                out,
                "takes    {}",
                [message, object].into_iter().flatten().collect::<Vec<_>>().join(", ")
            )?;
        }
    }
    if header.no_resp {
        writeln!(out, "wants    no answer")?;
    }
    Ok(())
}

/// One command, and those inside it, `depth` levels in.
fn command(command: &Command, depth: usize, out: &mut impl Write) -> fmt::Result {
    let id = command.id().map_or_else(|| "-".to_owned(), ToString::to_string);
    write!(out, "{:indent$}{:>4}  ", "", words::plain(&id), indent = depth * 4)?;
    let indent = depth * 4 + 6;
    match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Get(edit)
        | Command::Copy(edit) => self::edit(command.name(), edit, indent, out),
        Command::Exec(exec) => {
            let note =
                exec.correlator.as_ref().map(|name| format!(", correlator {}", words::plain(name)));
            let note = note.unwrap_or_default() + quiet(exec.no_resp);
            items("Exec", &note, &exec.meta, &exec.items, indent, out)
        }
        Command::Alert(alert) => self::alert(alert, indent, out),
        Command::Atomic(block) | Command::Sequence(block) => {
            writeln!(
                out,
                "{} of {}",
                command.name(),
                words::count(block.commands.len(), "command")
            )?;
            block.commands.iter().try_for_each(|one| self::command(one, depth + 1, out))
        }
        Command::Status(status) => self::status(status, indent, out),
        Command::Results(results) => self::results(results, indent, out),
        Command::Unknown(element) => writeln!(
            out,
            "{}, which DM does not use: {}",
            words::plain(&element.name),
            outline(element)
        ),
    }
}

/// A credential, mostly masked by now.
fn proof(data: &Data) -> String {
    match data {
        Data::Text(text) if text.ends_with(HIDDEN) => words::plain(text),
        Data::Text(text) => words::quoted(text),
        Data::Opaque(octets) => words::octets(octets),
        Data::Elements(elements) => words::count(elements.len(), "element"),
    }
}

fn edit(name: &str, edit: &Edit, indent: usize, out: &mut impl Write) -> fmt::Result {
    items(name, quiet(edit.no_resp), &edit.meta, &edit.items, indent, out)
}

fn quiet(no_resp: bool) -> &'static str {
    if no_resp { ", no answer wanted" } else { "" }
}

/// A command and its items: on its own line when there is one, below it when there are more.
fn items(
    name: &str,
    note: &str,
    meta: &Meta,
    items: &[Item],
    indent: usize,
    out: &mut impl Write,
) -> fmt::Result {
    match items {
        [] => writeln!(out, "{name} of nothing{note}"),
        [one] => {
            write!(out, "{name} ")?;
            item(meta, one, note, indent, out)
        }
        many => {
            writeln!(out, "{name} of {}{note}", words::count(many.len(), "item"))?;
            for one in many {
                write!(out, "{:indent$}  ", "")?;
                item(meta, one, "", indent + 2, out)?;
            }
            Ok(())
        }
    }
}

/// `./Where = "what" (format, type)`, and the rest of the line.
fn item(outer: &Meta, item: &Item, note: &str, indent: usize, out: &mut impl Write) -> fmt::Result {
    let meta = merged(outer, &item.meta);
    match (&item.target, &item.source) {
        (Some(target), Some(source)) => {
            write!(out, "{} from {}", address(target), address(source))?;
        }
        (Some(one), None) | (None, Some(one)) => write!(out, "{}", address(one))?,
        (None, None) if item.data.is_none() => write!(out, "(empty)")?,
        (None, None) => {}
    }
    let tree = item.data.as_ref().and_then(tree::of);
    match &item.data {
        Some(_) if tree.is_some() => {}
        Some(data) => {
            let place = if item.target.is_some() || item.source.is_some() { " = " } else { "" };
            write!(out, "{place}{}", value(&meta, data))?;
        }
        None => {}
    }
    write!(out, "{}", annotations(&meta))?;
    if item.more {
        write!(out, ", more follows")?;
    }
    writeln!(out, "{note}{}", if tree.is_some() { ", a tree:" } else { "" })?;
    match tree {
        Some(root) => tree::write(root, indent + 2, out),
        None => Ok(()),
    }
}

/// What the item says over what the command says, element by element.
fn merged(outer: &Meta, inner: &Meta) -> Meta {
    Meta {
        format: inner.format.clone().or_else(|| outer.format.clone()),
        media_type: inner.media_type.clone().or_else(|| outer.media_type.clone()),
        mark: inner.mark.clone().or_else(|| outer.mark.clone()),
        size: inner.size.or(outer.size),
        ..inner.clone()
    }
}

fn address(address: &Address) -> String {
    match &address.loc_name {
        Some(name) => format!("{} (named {})", words::plain(&address.loc_uri), words::plain(name)),
        None if address.loc_uri.is_empty() => "(no address)".to_owned(),
        None => words::plain(&address.loc_uri),
    }
}

/// Format and type where they are not what everybody assumes, size and mark where they are given.
fn annotations(meta: &Meta) -> String {
    let mut notes = Vec::new();
    match &meta.format {
        None | Some(Format::Chr) => {}
        Some(format) => notes.push(words::plain(format.name())),
    }
    match meta.media_type.as_deref() {
        None | Some("text/plain") => {}
        Some(media_type) => notes.push(words::plain(media_type)),
    }
    notes.extend(meta.size.map(|octets| format!("{octets} octets in all")));
    notes.extend(meta.mark.as_ref().map(|mark| format!("mark {}", words::plain(mark))));
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
}

fn value(meta: &Meta, data: &Data) -> String {
    match data {
        Data::Text(text) => match meta.format {
            Some(Format::Int | Format::Bool | Format::Float | Format::Date | Format::Time) => {
                words::plain(text)
            }
            Some(Format::Node) => format!("children {}", words::plain(text)),
            _ => words::quoted(text),
        },
        Data::Opaque(octets) => words::octets(octets),
        Data::Elements(elements) => elements.iter().map(outline).collect::<Vec<_>>().join(" "),
    }
}

/// An element that has no words of its own, in one line.
fn outline(element: &Element) -> String {
    let inside: Vec<_> = element
        .content
        .iter()
        .map(|content| match content {
            Content::Element(element) => outline(element),
            Content::Text(text) => words::quoted(text),
            Content::Opaque(octets) => words::octets(octets),
        })
        .collect();
    let name = words::plain(&element.name);
    if inside.is_empty() { format!("{name}()") } else { format!("{name}({})", inside.join(" ")) }
}

fn alert(alert: &Alert, indent: usize, out: &mut impl Write) -> fmt::Result {
    let name = match alert.code {
        Some(code) => format!("Alert {} {}{}", code.code(), code.name(), meaning(code.meaning())),
        None => "Alert without a code".to_owned(),
    };
    let mut note = alert
        .correlator
        .as_ref()
        .map(|name| format!(", correlator {}", words::plain(name)))
        .unwrap_or_default();
    note += quiet(alert.no_resp);
    match (alert.code, alert.items.as_slice()) {
        (_, []) => writeln!(out, "{name}{note}"),
        (Some(code), [options, text, choices @ ..]) if asks_the_user(code) => {
            write!(out, "{name} {}", said(text))?;
            for (number, choice) in choices.iter().enumerate() {
                write!(
                    out,
                    "{} {} {}",
                    if number == 0 { "; choices" } else { "," },
                    number + 1,
                    said(choice)
                )?;
            }
            match options.data.as_ref().and_then(Data::as_text) {
                Some(options) if !options.is_empty() => {
                    writeln!(out, "; options {}{note}", words::plain(options))
                }
                _ => writeln!(out, "{note}"),
            }
        }
        (_, items) => self::items(&name, &note, &Meta::default(), items, indent, out),
    }
}

/// 1100 to 1104: the first item holds options, the second the text, the others the choices.
fn asks_the_user(code: AlertCode) -> bool {
    (1100..=1104).contains(&code.code())
}

fn said(item: &Item) -> String {
    item.data.as_ref().map_or_else(|| "(no text)".to_owned(), |data| value(&item.meta, data))
}

fn status(status: &Status, indent: usize, out: &mut impl Write) -> fmt::Result {
    match status.code {
        // What everybody knows goes without saying.
        Some(StatusCode::Ok) => write!(out, "Status 200 Ok")?,
        Some(code) => {
            write!(out, "Status {} {}{}", code.code(), code.name(), meaning(code.meaning()))?;
        }
        None => write!(out, "Status without a code")?,
    }
    match &status.about {
        StatusTarget::Header => {
            write!(out, ", of {}", if status.cmd.is_empty() { "SyncHdr" } else { &status.cmd })?;
        }
        StatusTarget::Command(id) => {
            write!(out, ", of {} {}", words::plain(&status.cmd), words::plain(&id.to_string()))?;
        }
        StatusTarget::Unnamed => write!(out, ", of an unnamed {}", words::plain(&status.cmd))?,
    }
    write!(out, "{}", in_message(status.msg_ref))?;
    if status.about != StatusTarget::Header {
        for uri in status.target_refs.iter().chain(&status.source_refs) {
            write!(out, ", {}", words::plain(uri))?;
        }
    }
    for (name, text) in status.code_attributes.iter().filter(|(name, _)| !name.starts_with("xmlns"))
    {
        write!(out, ", {} {}", words::plain(name), words::plain(text))?;
    }
    if let Some(chal) = &status.chal {
        write!(
            out,
            "; asks for {}",
            words::plain(chal.media_type.as_deref().unwrap_or("a proof of no stated type"))
        )?;
        if let Some(nonce) = &chal.next_nonce {
            write!(out, ", next nonce {}", words::plain(nonce))?;
        }
    }
    if let Some(cred) = &status.cred {
        write!(out, "; with a proof, {}", proof(&cred.data))?;
    }
    writeln!(out)?;
    for one in &status.items {
        write!(out, "{:indent$}  ", "")?;
        item(&Meta::default(), one, "", indent + 2, out)?;
    }
    Ok(())
}

fn meaning(sentence: &str) -> String {
    if sentence.is_empty() { String::new() } else { format!(" ({})", words::clause(sentence)) }
}

fn results(results: &Results, indent: usize, out: &mut impl Write) -> fmt::Result {
    let about = results.cmd_ref.as_ref().map_or_else(|| "1".to_owned(), CmdId::to_string);
    let command = results.cmd.as_deref().unwrap_or("Get");
    let mut name = format!("Results of {} {}", words::plain(command), words::plain(&about));
    name += &in_message(results.msg_ref);
    for uri in results.target_ref.iter().chain(&results.source_ref) {
        write!(name, ", {}", words::plain(uri))?;
    }
    name += match results.items.as_slice() {
        [_] => ":",
        _ => ",",
    };
    items(&name, "", &results.meta, &results.items, indent, out)
}

fn in_message(reference: Option<MsgId>) -> String {
    reference.map(|id| format!(" in message {id}")).unwrap_or_default()
}

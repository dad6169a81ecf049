//! What is sent, as commands of the protocol. Clients crash on less than what stands here: every written item has a
//! target, a format and data, all on the item itself, and the options of a question are never empty.

use crate::{
    Correlator, Facts, Question, Setting,
    job::Job,
    large_object::PuttingBack,
    reply::text_item,
    sent::{Manner, What},
};
use wire::{
    alert::AlertCode,
    ids::CmdId,
    message::{Address, Alert, Command, Data, Edit, Exec, Item},
    meta::{Format, Meta},
    uri::LocUri,
};

/// The command that `what` stands for; none when it names nothing of the job. The `Atomic` around writes is put together
/// where they are sent.
pub(crate) fn build(what: What, id: CmdId, job: Option<&Job>) -> Option<Command> {
    match what {
        What::Fact(place) => {
            Facts::NODES.get(usize::from(place)).map(|node| Command::Get(edit(id, Item::at(*node))))
        }
        What::Keep(_) | What::Compare(_) | What::LargeObjects | What::Proof(_) => {
            Some(Command::Get(edit(id, Item::at(job?.node(what)?.as_str()))))
        }
        What::Ask => Some(Command::Alert(question(id, job?.plan.ask.as_ref()?))),
        What::Block => None,
        What::Parent { .. } => {
            Some(Command::Add(edit(id, written(&job?.node(what)?, Format::Node, ""))))
        }
        What::PutBack(slot) => {
            Some(put_back(id, job?.setting(slot)?, job?.run.putting_back.as_ref()?))
        }
        What::Write { slot, manner } => {
            let job = job?;
            let setting = job.setting(slot)?;
            let reports = manner == Manner::Exec && setting.within_seconds > 0 && job.correlates;
            let correlator = reports.then_some(Correlator { job: job.run.job, place: slot });
            write(id, setting, manner, correlator)
        }
    }
}

/// Alert 1222: send the rest of your package.
pub(crate) fn next_message(id: CmdId) -> Alert {
    alert(id, AlertCode::NextMessage, Vec::new())
}

/// Alert 1225: a large object of the device ended before its end.
pub(crate) fn no_end(id: CmdId, item: Item) -> Alert {
    alert(id, AlertCode::NoEndOfData, vec![item])
}

/// Alert 1101: a yes or a no, "no" being what the device assumes.
fn question(id: CmdId, question: &Question) -> Alert {
    let options = format!("MAXDT={}&DR=0", question.wait_seconds);
    alert(id, AlertCode::ConfirmOrReject, vec![text_item(&options), text_item(&question.text)])
}

fn alert(id: CmdId, code: AlertCode, items: Vec<Item>) -> Alert {
    Alert {
        id: Some(id),
        no_resp: false,
        code: Some(code),
        correlator: None,
        items,
        other: Vec::new(),
    }
}

/// One part of a value that is longer than a message; `size` is that of the whole and stands in the first part.
pub(crate) fn part(
    id: CmdId,
    setting: &Setting,
    manner: Manner,
    piece: &str,
    size: Option<u64>,
    more: bool,
) -> Command {
    let mut item = written(&setting.uri, format(setting), piece);
    item.meta.size = size;
    item.more = more;
    if manner == Manner::Add {
        Command::Add(edit(id, item))
    } else {
        Command::Replace(edit(id, item))
    }
}

/// A node as it was before.
fn put_back(id: CmdId, setting: &Setting, before: &PuttingBack) -> Command {
    match &before.value {
        Some(value) => Command::Replace(edit(id, written(&setting.uri, format(setting), value))),
        None => Command::Delete(edit(id, Item::at(setting.uri.as_str()))),
    }
}

/// Octets travel as base64 text under `b64`: a client that is told `bin` and given base64 text encodes it once more.
fn format(setting: &Setting) -> Format {
    match &setting.format {
        Format::Bin => Format::B64,
        format => format.clone(),
    }
}

fn write(
    id: CmdId,
    setting: &Setting,
    manner: Manner,
    correlator: Option<Correlator>,
) -> Option<Command> {
    let value = setting.value.as_deref();
    let format = format(setting);
    Some(match manner {
        Manner::Copy => {
            let source = Some(Address::new(setting.from.as_ref()?.as_str()));
            Command::Copy(edit(id, Item { source, ..Item::at(setting.uri.as_str()) }))
        }
        Manner::Replace => {
            Command::Replace(edit(id, written(&setting.uri, format, value.unwrap_or_default())))
        }
        Manner::Add => {
            Command::Add(edit(id, written(&setting.uri, format, value.unwrap_or_default())))
        }
        Manner::Delete => Command::Delete(edit(id, Item::at(setting.uri.as_str()))),
        Manner::Exec => {
            let item = match value {
                Some(value) => written(&setting.uri, format, value),
                None => Item::at(setting.uri.as_str()),
            };
            let correlator = correlator.map(|correlator| correlator.to_string().into());
            Command::Exec(Exec { id: Some(id), correlator, items: vec![item], ..Exec::default() })
        }
    })
}

/// An item with all that makes a client take it; an interior node has empty data.
fn written(uri: &LocUri, format: Format, value: &str) -> Item {
    Item {
        meta: Meta::with_format(format),
        data: Some(Data::text(value)),
        ..Item::at(uri.as_str())
    }
}

fn edit(id: CmdId, item: Item) -> Edit {
    Edit { id: Some(id), items: vec![item], ..Edit::default() }
}

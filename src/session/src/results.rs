//! The values that a device sends: each is filed with the command that asked for it, and weighed by what that wanted to know.

use crate::{
    Exchange, Facts, Failure, Outcome, Verb, Why,
    hearing::Heard,
    large_object::{Kind, Taken},
    listing,
    sent::{Note, What},
};
use wire::{
    message::{Data, Item, Results},
    meta::Format,
    status::StatusCode,
    uri::LocUri,
    value::{self, Found},
};

impl Exchange<'_> {
    /// Files values with the commands that asked for them. Results are owed a status only when something is wrong.
    pub(crate) fn hear_results(
        &mut self,
        results: &Results,
        heard: &mut Heard,
    ) -> Option<StatusCode> {
        let is_other = match &self.session.sent {
            Some(sent) => !sent.is_meant(results.msg_ref),
            None => results.msg_ref.is_some_and(|msg| msg.0 != self.session.ours),
        };
        let goes_on = results.items.iter().any(|item| self.open_results(results, item).is_some());
        if is_other && !goes_on {
            // Windows repeats results in the message that follows.
            self.strays += 1;
            return None;
        }
        let mut owed = None;
        for item in &results.items {
            match self.hear_item(results, item, heard) {
                Ok(()) => {}
                Err(code) => owed = Some(code),
            }
        }
        owed
    }

    fn hear_item(
        &mut self,
        results: &Results,
        item: &Item,
        heard: &mut Heard,
    ) -> Result<(), StatusCode> {
        let open_results = self.open_results(results, item);
        let address =
            item.source.as_ref().or(item.target.as_ref()).map(|address| address.loc_uri.as_str());
        let address = address.or(results.source_ref.as_deref()).or(results.target_ref.as_deref());
        let uri = match address {
            Some(text) => Some(LocUri::parse(text).map_err(|_no_address| StatusCode::BadRequest)?),
            None => None,
        };
        let place = open_results
            .or_else(|| self.asked_for(results, uri.as_ref()))
            .ok_or(StatusCode::NotFound)?;
        let known = self.session.sent.as_ref().and_then(|sent| sent.orders().get(place)).copied();
        let begins = item.meta.size.is_some();
        let list = known.and_then(|order| self.asked_node(order.what)).filter(listing::is_list);
        match known.map(|order| order.note) {
            // What is left of an object that broke is not the whole.
            Some(Note::Broken) if !begins && open_results.is_none() => {
                return Err(StatusCode::PartialItem);
            }
            None | Some(Note::Nothing | Note::Broken) => {}
            // A list comes node by node.
            Some(Note::Seen) if list.is_some() => {}
            // The first word stands.
            Some(Note::Seen | Note::Same | Note::Differs | Note::Masked | Note::Partial) => {
                return Ok(());
            }
        }
        let format = results.meta.format.as_ref();
        let kind = Kind::Results(u8::try_from(place).unwrap_or(u8::MAX));
        let (note, owed) = match (self.take_part(kind, item, format), known) {
            (Taken::Part, _) => return Err(StatusCode::ChunkAccepted),
            (Taken::Fault { code, again }, _) => {
                (if again { Note::Broken } else { Note::Partial }, Err(code))
            }
            (Taken::Plain, Some(order)) => {
                match size_fault(item, format, self.context.max_obj_size) {
                    Some(code) => (Note::Partial, Err(code)),
                    None => (self.file(order.what, list, item, format, heard), Ok(())),
                }
            }
            (Taken::Whole(whole), Some(order)) => {
                (self.file(order.what, list, &whole, format, heard), Ok(()))
            }
            (Taken::Plain | Taken::Whole(_), None) => (Note::Nothing, Ok(())),
        };
        if let Some(sent) = &mut self.session.sent {
            sent.note(place, note);
        }
        owed
    }

    /// Files one whole value, of a node that was asked for or of one in a list.
    fn file(
        &mut self,
        what: What,
        list: Option<LocUri>,
        item: &Item,
        format: Option<&Format>,
        heard: &mut Heard,
    ) -> Note {
        let found = found(item, format);
        match list {
            Some(list) => self.note_listed(&list, item, &found, heard),
            None => self.weigh(what, &found, heard),
        }
    }

    /// The open command that asked for a node: the one that is referred to, or, when the reference is missing or speaks
    /// of another node, the one that asked for this address.
    fn asked_for(&self, results: &Results, uri: Option<&LocUri>) -> Option<usize> {
        let sent = self.session.sent.as_ref()?;
        if !sent.is_meant(results.msg_ref) {
            return None;
        }
        let matches = |place: usize| {
            let what = sent.orders().get(place)?.what;
            let node = self.asked_node(what)?;
            uri.is_none_or(|uri| listing::answers(&node, uri)).then_some(place)
        };
        if let Some(cmd_ref) = &results.cmd_ref
            && let Some(place) = sent.place(cmd_ref).and_then(matches)
        {
            return Some(place);
        }
        uri?;
        (0..sent.orders().len()).find_map(matches)
    }

    /// The node that a Get of ours asked for.
    pub(crate) fn asked_node(&self, what: What) -> Option<LocUri> {
        match what {
            What::Fact(place) => LocUri::parse(Facts::NODES.get(usize::from(place))?).ok(),
            What::Keep(_) | What::Compare(_) | What::LargeObjects | What::Proof(_) => {
                self.job.as_ref()?.node(what)
            }
            What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::PutBack(_) => None,
        }
    }

    /// What a value means to the command that asked for it.
    fn weigh(&mut self, what: What, found: &Found, heard: &mut Heard) -> Note {
        let text = value::text(found);
        if let What::Fact(_) = what {
            if let (Some(uri), Some(text)) = (self.asked_node(what), text) {
                self.session.facts.note(&uri, &text);
            }
            return Note::Seen;
        }
        if what == What::LargeObjects {
            self.hear_large_objects(text.as_deref().unwrap_or_default());
            return Note::Seen;
        }
        let (Some(uri), Some(job)) = (self.asked_node(what), &mut self.job) else {
            return Note::Seen;
        };
        let note = match what {
            What::Compare(slot) | What::Proof(slot) => {
                let Some(setting) = job.setting(slot) else { return Note::Seen };
                match setting.verb {
                    Verb::Read | Verb::Exec | Verb::Copy | Verb::Delete => Note::Seen,
                    Verb::Ensure | Verb::Replace | Verb::Add => {
                        let without_value =
                            setting.format == Format::Node && setting.value.is_none();
                        let masked = text.as_deref().is_some_and(is_masked);
                        match value::same(&setting.format, setting.value.as_deref(), found) {
                            true => Note::Same,
                            // It is there, and more is not wanted of an interior node.
                            false if without_value => Note::Same,
                            false if masked => Note::Masked,
                            false => Note::Differs,
                        }
                    }
                }
            }
            What::Keep(_)
            | What::Fact(_)
            | What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::LargeObjects
            | What::PutBack(_) => Note::Seen,
        };
        let secret = match what {
            What::Compare(slot) | What::Proof(slot) => {
                job.setting(slot).is_none_or(|setting| setting.secret) || note == Note::Masked
            }
            What::Keep(_) => false,
            What::Fact(_)
            | What::LargeObjects
            | What::Ask
            | What::Block
            | What::Parent { .. }
            | What::Write { .. }
            | What::PutBack(_) => true,
        };
        if let Some(text) = text
            && !secret
            && !job.note_read(&uri, text)
        {
            let failure: Failure = job.failure(what, None, Why::TooMuchRead);
            heard.failed = Some(Outcome::Failed(failure));
        }
        note
    }
}

/// The value of an item of results.
fn found(item: &Item, format: Option<&Format>) -> Found {
    let format = item.meta.format.as_ref().or(format).cloned();
    Found { format, data: item.data.clone() }
}

/// What is wrong with the size of a value that came whole.
pub(crate) fn size_fault(
    item: &Item,
    format: Option<&Format>,
    max_obj_size: u32,
) -> Option<StatusCode> {
    let size = item.meta.size?;
    let octets = match &item.data {
        Some(Data::Text(text)) => text.len() as u64,
        Some(Data::Opaque(octets)) => octets.len() as u64,
        Some(Data::Elements(_)) | None => 0,
    };
    if size > u64::from(max_obj_size) {
        return Some(StatusCode::SizeTooBig);
    }
    // Of base64 text, some count the octets that it stands for.
    let encoded = matches!(item.meta.format.as_ref().or(format), Some(Format::B64 | Format::Bin));
    let elements = matches!(item.data, Some(Data::Elements(_)));
    (size != octets && !encoded && !elements).then_some(StatusCode::SizeMismatch)
}

/// Asterisks: what some devices answer in place of a password.
fn is_masked(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet == b'*')
}

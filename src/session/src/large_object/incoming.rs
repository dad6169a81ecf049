//! A large object of the device: results, an alert or a replacement whose value comes in parts.
//!
//! | situation | answer |
//! | --- | --- |
//! | a part | 213 |
//! | a first part without `Size` | 411 |
//! | more than `MaxObjSize` | 416, given up |
//! | more parts than are kept | 413, given up |
//! | not as long as announced | 424, the object may come again |
//! | something else before its last part | Alert 1225, the object may come again |
//! | its stored parts are gone | 426, the object may come again |

use super::Part;
use crate::{News, Session, exchange::Exchange};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::{
    alert::AlertCode,
    message::{Address, Command, Data, Item, Message, Results},
    meta::Format,
    status::StatusCode,
};

/// An object of which parts have come, and not the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incoming {
    kind: Kind,
    /// The address of its item, where it has one; at most [`Self::LONGEST_ADDRESS`] octets.
    address: Option<String>,
    /// Whether the address is the item's `Source`, as a device's should be.
    is_source: bool,
    format: Option<Format>,
    /// `Size`: the octets of the whole.
    size: u32,
    /// The octets that have come.
    octets: u32,
    pub(crate) parts: u16,
    /// Over all parts in their order: only what came is joined, whatever is found stored.
    chain: Chain,
}

/// What an object is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Of results for the open command at this place.
    Results(u8),
    Replace,
    Alert,
}

/// What an item turned out to be.
#[derive(Debug)]
pub(crate) enum Taken {
    /// No part of anything.
    Plain,
    /// A part, and more will come.
    Part,
    /// The last part: here is the whole.
    Whole(Box<Item>),
    /// Nothing that can be taken. `again`: the object may come once more.
    Fault { code: StatusCode, again: bool },
}

type Chain = [u8; 16];

impl Incoming {
    /// The longest address of a large object: it has to be told again when the object breaks.
    const LONGEST_ADDRESS: usize = 255;

    /// Whether an item of such a command is the next part. A `Size` of its own makes it a beginning, unless it is
    /// only told again.
    fn goes_on_with(&self, kind: Kind, item: &Item) -> bool {
        let same_address = match (&self.address, address(item)) {
            (_, None) => true,
            (Some(one), Some((other, _))) => one.eq_ignore_ascii_case(other),
            (None, Some(_)) => false,
        };
        let same_size = item.meta.size.is_none_or(|size| size == u64::from(self.size));
        self.kind == kind && same_address && same_size
    }

    /// Whether a value of so many octets is what was announced. Of base64 text, some count the octets that it stands for.
    fn is_whole(&self, joined: &[u8], format: Option<&Format>) -> bool {
        let announced = usize::try_from(self.size).unwrap_or(usize::MAX);
        let is_encoded = matches!(format.or(self.format.as_ref()), Some(Format::B64 | Format::Bin));
        let digit = |octet: &&u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
        let decoded = || joined.iter().filter(digit).count() * 3 / 4;
        joined.len() == announced || (is_encoded && decoded() == announced)
    }
}

/// The parts, joined, if they are those that came.
fn join(incoming: &Incoming, stored: &[Vec<u8>], last: &[u8]) -> Option<Vec<u8>> {
    if stored.len() != usize::from(incoming.parts) {
        return None;
    }
    let chain = stored.iter().fold(Chain::default(), |chain, part| link(chain, part));
    (chain == incoming.chain).then(|| {
        let mut joined =
            Vec::with_capacity(stored.iter().map(Vec::len).sum::<usize>() + last.len());
        for part in stored {
            joined.extend_from_slice(part);
        }
        joined.extend_from_slice(last);
        joined
    })
}

fn link(chain: Chain, part: &[u8]) -> Chain {
    let digest: [u8; 32] = Sha256::new().chain_update(chain).chain_update(part).finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

fn address(item: &Item) -> Option<(&str, bool)> {
    let source = item.source.as_ref().map(|source| (source.loc_uri.as_str(), true));
    source.or_else(|| item.target.as_ref().map(|target| (target.loc_uri.as_str(), false)))
}

/// The octets of an item as transported; `None` for elements in line, which nobody can cut.
fn octets(item: &Item) -> Option<&[u8]> {
    match &item.data {
        Some(Data::Text(text)) => Some(text.as_bytes()),
        Some(Data::Opaque(octets)) => Some(octets),
        Some(Data::Elements(_)) => None,
        None => Some(&[]),
    }
}

impl Session {
    /// How many stored parts, from the first on, [`crate::Context::parts`] must hold for this message: those of a large
    /// object whose last part it brings. For almost every message none.
    pub fn parts_wanted(&self, message: &Message) -> u16 {
        let Some(incoming) = &self.incoming else { return 0 };
        let ends = |kind, items: &[Item]| {
            items.iter().any(|item| !item.more && incoming.goes_on_with(kind, item))
        };
        let wanted = message.commands.iter().any(|command| match command {
            Command::Results(results) => match incoming.kind {
                Kind::Results(_) => ends(incoming.kind, &results.items),
                Kind::Replace | Kind::Alert => false,
            },
            Command::Replace(edit) => ends(Kind::Replace, &edit.items),
            Command::Alert(alert) => ends(Kind::Alert, &alert.items),
            _ => false,
        });
        if wanted { incoming.parts } else { 0 }
    }
}

impl Exchange<'_> {
    /// The place of the command whose results go on with `item`. Some refer to the message that asked for the next part,
    /// so only a reference to another command of ours speaks against it.
    pub(crate) fn open_results(&self, results: &Results, item: &Item) -> Option<usize> {
        let incoming = self.session.incoming.as_ref()?;
        let Kind::Results(place) = incoming.kind else { return None };
        let place = usize::from(place);
        let sent = self.session.sent.as_ref()?;
        let referred = results.cmd_ref.as_ref().filter(|_| sent.is_meant(results.msg_ref));
        let elsewhere =
            referred.and_then(|cmd| sent.place(cmd)).is_some_and(|other| other != place);
        (!elsewhere && incoming.goes_on_with(incoming.kind, item)).then_some(place)
    }

    /// Takes an item as a part of a large object, if it is one.
    pub(crate) fn take_part(&mut self, kind: Kind, item: &Item, format: Option<&Format>) -> Taken {
        match self.session.incoming.take() {
            Some(incoming) if incoming.goes_on_with(kind, item) => {
                return self.continue_object(incoming, item, format);
            }
            Some(incoming) => self.break_object(&incoming),
            None => {}
        }
        if !item.more {
            return Taken::Plain;
        }
        let given_up = |code| Taken::Fault { code, again: false };
        let Some(octets) = octets(item) else { return given_up(StatusCode::BadRequest) };
        let Some(size) = item.meta.size else { return given_up(StatusCode::SizeRequired) };
        let most = self.context.max_obj_size;
        let Some(size) = u32::try_from(size).ok().filter(|size| *size <= most) else {
            return given_up(StatusCode::SizeTooBig);
        };
        let (address, is_source) = address(item).unzip();
        if address.is_some_and(|address| address.len() > Incoming::LONGEST_ADDRESS) {
            return given_up(StatusCode::UriTooLong);
        }
        let incoming = Incoming {
            kind,
            address: address.map(str::to_owned),
            is_source: is_source.unwrap_or(true),
            format: item.meta.format.as_ref().or(format).cloned(),
            size,
            octets: 0,
            parts: 0,
            chain: Chain::default(),
        };
        self.keep_part(incoming, octets)
    }

    fn continue_object(
        &mut self,
        incoming: Incoming,
        item: &Item,
        format: Option<&Format>,
    ) -> Taken {
        let Some(octets) = octets(item) else {
            self.drop_parts(&incoming);
            return Taken::Fault { code: StatusCode::BadRequest, again: false };
        };
        if item.more {
            return self.keep_part(incoming, octets);
        }
        self.drop_parts(&incoming);
        let again = |code| Taken::Fault { code, again: true };
        if octets.len() + incoming.octets as usize > self.context.max_obj_size as usize {
            return Taken::Fault { code: StatusCode::SizeTooBig, again: false };
        }
        let Some(joined) = join(&incoming, self.context.parts, octets) else {
            return again(StatusCode::PartialItem);
        };
        if !incoming.is_whole(&joined, item.meta.format.as_ref().or(format)) {
            return again(StatusCode::SizeMismatch);
        }
        let mut whole = item.clone();
        whole.meta.size = None;
        whole.meta.format = whole.meta.format.or(incoming.format);
        whole.data = Some(match String::from_utf8(joined) {
            Ok(text) => Data::text(text),
            Err(error) => Data::Opaque(error.into_bytes()),
        });
        Taken::Whole(Box::new(whole))
    }

    fn keep_part(&mut self, mut incoming: Incoming, octets: &[u8]) -> Taken {
        let total = octets.len() + incoming.octets as usize;
        let fault = if total > self.context.max_obj_size as usize {
            Some(StatusCode::SizeTooBig)
        } else if incoming.parts >= Part::MOST || octets.len() > Part::LONGEST {
            Some(StatusCode::TooLarge)
        } else if self.parts.keep.is_some() {
            // One message holds one part of an object.
            Some(StatusCode::BadRequest)
        } else {
            None
        };
        if let Some(code) = fault {
            self.drop_parts(&incoming);
            return Taken::Fault { code, again: false };
        }
        self.parts.keep = Some(Part { number: incoming.parts, octets: octets.to_vec() });
        incoming.octets = u32::try_from(total).unwrap_or(u32::MAX);
        incoming.parts += 1;
        incoming.chain = link(incoming.chain, octets);
        self.session.incoming = Some(incoming);
        if let Some(job) = &self.job {
            self.news.push(News::Part(job.run.job));
        }
        Taken::Part
    }

    /// A command that is neither an answer nor a part of the open object breaks it (`RepPro`, "`MoreData`").
    pub(crate) fn interrupt(&mut self, command: &Command) {
        let interrupts = match command {
            // Their items are looked at one by one.
            Command::Status(_) | Command::Results(_) | Command::Replace(_) => false,
            Command::Alert(alert) => !matches!(
                alert.code,
                None | Some(
                    AlertCode::NextMessage
                        | AlertCode::SessionAbort
                        | AlertCode::NoEndOfData
                        | AlertCode::ClientEvent
                        | AlertCode::GenericAlert
                )
            ),
            Command::Add(_)
            | Command::Delete(_)
            | Command::Copy(_)
            | Command::Get(_)
            | Command::Exec(_)
            | Command::Atomic(_)
            | Command::Sequence(_)
            | Command::Unknown(_) => true,
        };
        if interrupts && let Some(incoming) = self.session.incoming.take() {
            self.break_object(&incoming);
        }
    }

    /// The device's package is complete, and an object in it is not.
    pub(crate) fn break_open_object(&mut self) {
        if let Some(incoming) = self.session.incoming.take() {
            self.break_object(&incoming);
        }
    }

    /// The session is over; what is stored of an object is of no use any more.
    pub(crate) fn drop_open_object(&mut self) {
        if let Some(incoming) = self.session.incoming.take() {
            self.drop_parts(&incoming);
        }
    }

    fn drop_parts(&mut self, incoming: &Incoming) {
        // The part that came with this very message was never stored.
        let stored = self.parts.keep.take().map_or(incoming.parts, |part| part.number);
        self.parts.done = self.parts.done.max(stored);
    }

    fn break_object(&mut self, incoming: &Incoming) {
        self.drop_parts(incoming);
        if let (Kind::Results(place), Some(sent)) = (incoming.kind, &mut self.session.sent) {
            sent.note(usize::from(place), crate::sent::Note::Broken);
        }
        let address = incoming.address.clone().or_else(|| self.asked_address(incoming.kind));
        self.broken.push(match address {
            Some(address) if incoming.is_source => {
                Item { source: Some(Address::new(address)), ..Item::default() }
            }
            Some(address) => Item::at(address),
            None => Item::default(),
        });
    }
    /// The node that results without an address are of.
    fn asked_address(&self, kind: Kind) -> Option<String> {
        let Kind::Results(place) = kind else { return None };
        let order = self.session.sent.as_ref()?.orders().get(usize::from(place))?;
        Some(self.asked_node(order.what)?.as_str().to_owned())
    }
}

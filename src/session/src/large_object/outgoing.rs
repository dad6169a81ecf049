//! A large object of ours: a value that does not fit one message of the device, written in parts.
//!
//! Only a device that is known to take large objects gets one, and what it cannot take is known before anything is
//! written. Each part is a command of its own: the same command, the same address, `Size` in the first, `MoreData` in
//! all but the last, and no `Final` before the last. 213 asks for the next.
//!
//! One client says that it takes large objects, takes the first part for the whole (200 in place of 213) and calls the
//! second one a repetition (418). What was there before is put back then, if it is known.

use crate::{
    Atomic, Exchange, Failure, News, Outcome, Phase, Session, Setting, Why, command,
    hearing::Heard,
    job::Job,
    phases::write,
    reply::NoRoom,
    sent::{Manner, Sent, What},
};
use serde::{Deserialize, Serialize};
use wire::{message::Command, status::StatusCode};

/// How often an object is begun: sent, and twice again when it broke on its way.
const MOST_BEGUN: u8 = 3;
/// The shortest part worth a message, in octets.
const SHORTEST_PART: usize = 64;

/// An object of which parts have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sending {
    slot: u8,
    manner: Manner,
    /// Where the part that was sent last begins in the rendered value, in octets.
    at: u32,
    /// Where the next one begins.
    next: u32,
    before: Before,
}

/// What a node held before an object was sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Before {
    Unknown,
    Absent,
    Value(String),
}

/// A node that holds the beginning of a value and is to be as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PuttingBack {
    pub(crate) slot: u8,
    /// None: it was not there.
    pub(crate) value: Option<String>,
    /// It was sent before, and taken for a part of the object.
    again: bool,
}

impl PuttingBack {
    /// Whether a refusal only says that the object is still open in the device; then its end has come with the command
    /// that was refused, and the next one is seen for what it is. Believed once.
    pub(crate) fn is_due_again(&mut self, code: Option<StatusCode>) -> bool {
        !std::mem::replace(&mut self.again, true) && code == Some(StatusCode::AlreadyExists)
    }
}

/// What the large values of a job come to, before anything of it is written.
#[derive(Debug)]
pub(crate) enum Prospect {
    Good,
    /// The device must be asked first whether it takes large objects.
    Ask,
    Bad(Outcome),
}

/// Where an object under way stands after a message.
#[derive(Debug)]
pub(crate) enum Going {
    /// None is under way, or its last part was sent.
    Nowhere,
    /// The reply carries what comes next; true when it ends our package.
    On(bool),
    /// The device has not answered yet.
    Waiting,
    /// The object is at its end, one way or the other, and our package is still open.
    Over,
}

impl Exchange<'_> {
    /// Whether what is to be written can be: asked once, before the user is asked and before the first write.
    pub(crate) fn prospect(&self) -> Prospect {
        let Some(job) = &self.job else { return Prospect::Good };
        let run = &job.run;
        let is_new = !run.began.writing && !run.began.asking;
        if !is_new || !job.rendered() || !matches!(run.phase, Phase::Ask | Phase::Write) {
            return Prospect::Good;
        }
        for what in write::pending(job) {
            let What::Write { slot, manner } = what else { continue };
            let Some(setting) = job.setting(slot) else { continue };
            if self.fits_alone(what, setting) {
                continue;
            }
            let failed = |why| Prospect::Bad(Outcome::Failed(job.failure(what, None, why)));
            let octets = setting.value.as_deref().map_or(0, str::len);
            let most = self.session.max_obj_size.unwrap_or(u32::MAX);
            if u32::try_from(octets).unwrap_or(u32::MAX) > most {
                return failed(Why::ObjectTooLarge);
            }
            if !is_divisible(manner) {
                return failed(Why::TooLarge);
            }
            if job.plan.atomic == Atomic::Required {
                return failed(Why::LargeInAtomic);
            }
            match self.session.learnt.large_objects {
                Some(true) => {}
                None if !run.asked_large => return Prospect::Ask,
                Some(false) | None => {
                    return Prospect::Bad(Outcome::NotApplicable(format!(
                        "the value of {} is longer than a message, and the device takes no large objects",
                        setting.uri.as_str()
                    )));
                }
            }
        }
        Prospect::Good
    }

    /// Whether a write fits a message in which nothing else stands.
    pub(crate) fn fits_alone(&self, what: What, setting: &Setting) -> bool {
        let room = self.reply.limit().saturating_sub(self.reply.bare_octets());
        let texts = setting.value.as_deref().map_or(0, str::len) + setting.uri.as_str().len();
        // Elements around it, and every character escaped: this is almost every setting.
        if 6 * texts + 400 <= room {
            return true;
        }
        let command = command::build(what, self.reply.next_id(), self.job.as_ref());
        // What cannot be written at all is told where it is sent.
        command.is_none_or(|command| {
            self.context.encoding.command_octets(&command).is_ok_and(|octets| octets <= room)
        })
    }

    /// Sends the first part of a value that is too long for one message.
    pub(crate) fn begin_object(&mut self, what: What) -> Result<(), Failure> {
        let too_large = |job: &Job| job.failure(what, None, Why::TooLarge);
        let Some(job) = &self.job else { return Err(self.unsendable(what, NoRoom::Full)) };
        let What::Write { slot, manner } = what else { return Err(too_large(job)) };
        if self.session.learnt.large_objects != Some(true) || !is_divisible(manner) {
            return Err(too_large(job));
        }
        let octets =
            job.setting(slot).and_then(|setting| setting.value.as_deref()).map_or(0, str::len);
        let room = self.reply.limit().saturating_sub(self.reply.bare_octets()).max(1);
        let left = Session::MOST_PART_MESSAGES.saturating_sub(self.session.part_messages);
        if octets / room >= usize::from(left) {
            return Err(too_large(job));
        }
        let before = before(job, slot, manner);
        let first = self.reply.next_number();
        let (piece, _) = self.push_part(slot, manner, 0)?;
        if let Some(job) = &mut self.job {
            job.run.sending = Some(Sending { slot, manner, at: 0, next: piece, before });
        }
        self.note_sent(first, std::iter::once(what));
        self.open = true;
        Ok(())
    }

    /// What the answer to the last part leads to.
    pub(crate) fn go_on_sending(&mut self, heard: &Heard) -> Going {
        let Some(job) = &self.job else { return Going::Nowhere };
        let Some(Sending { slot, manner, at, next, .. }) = job.run.sending.clone() else {
            return Going::Nowhere;
        };
        if heard.challenged {
            // The part was refused unread: the same again, with new credentials.
            return self.send_part(slot, manner, at);
        }
        let octets =
            job.setting(slot).and_then(|setting| setting.value.as_deref()).map_or(0, str::len);
        let all_sent = usize::try_from(next).is_ok_and(|next| next >= octets);
        if all_sent && !self.message.last {
            return Going::Nowhere;
        }
        let code = self.session.sent.as_ref().and_then(|sent| sent.orders().first()?.code());
        let tries =
            job.slots().find(|(place, ..)| *place == slot).map_or(0, |(_, slot, _)| slot.tries);
        match code {
            _ if heard.no_ends > 0 && tries < MOST_BEGUN => self.again(),
            Some(StatusCode::ChunkAccepted) if !all_sent => {
                self.learn_large_objects(true);
                self.send_part(slot, manner, next)
            }
            Some(StatusCode::SizeMismatch | StatusCode::PartialItem) if tries < MOST_BEGUN => {
                self.again()
            }
            Some(StatusCode::AlreadyExists) if at > 0 => self.put_back(),
            Some(code) if code.is_success() && !all_sent => self.put_back(),
            None if !self.message.last && heard.no_ends == 0 => Going::Waiting,
            // What it said counts for the whole.
            Some(_) | None => {
                self.forget_object();
                if all_sent { Going::Nowhere } else { Going::Over }
            }
        }
    }

    fn forget_object(&mut self) -> Option<Sending> {
        self.job.as_mut()?.run.sending.take()
    }

    /// It broke on its way, and nothing of it was stored: from the beginning.
    fn again(&mut self) -> Going {
        self.forget_object();
        self.session.sent = None;
        Going::Over
    }

    /// The device took a part for the whole. It gets back what it had, as far as that is known.
    fn put_back(&mut self) -> Going {
        self.learn_large_objects(false);
        self.session.sent = None;
        let (Some(sending), Some(job)) = (self.forget_object(), &mut self.job) else {
            return Going::Over;
        };
        let write = What::Write { slot: sending.slot, manner: sending.manner };
        let broken = Outcome::Broken(job.failure(write, None, Why::Truncated));
        let value = match sending.before {
            Before::Unknown => {
                self.end_job(broken);
                return Going::Over;
            }
            Before::Absent => None,
            Before::Value(value) => Some(value),
        };
        job.run.putting_back = Some(PuttingBack { slot: sending.slot, value, again: false });
        if self.send(&[What::PutBack(sending.slot)]).is_err() {
            self.end_job(broken);
            return Going::Over;
        }
        Going::On(true)
    }

    fn learn_large_objects(&mut self, takes: bool) {
        if self.session.learnt.large_objects != Some(takes) {
            self.session.learnt.large_objects = Some(takes);
        }
    }

    /// What `./DevDetail/LrgObj` says.
    pub(crate) fn hear_large_objects(&mut self, text: &str) {
        if let Ok(takes) = text.trim().to_ascii_lowercase().parse() {
            self.learn_large_objects(takes);
        }
    }

    fn send_part(&mut self, slot: u8, manner: Manner, at: u32) -> Going {
        let first = self.reply.next_number();
        match self.push_part(slot, manner, at) {
            Ok((octets, total)) => {
                let next = at.saturating_add(octets);
                let msg = self.reply.msg_id();
                self.session.postponed = false;
                self.session.sent = Some(Sent::new(msg, first, [What::Write { slot, manner }]));
                if let Some(job) = &mut self.job {
                    if let Some(sending) = &mut job.run.sending {
                        (sending.at, sending.next) = (at, next);
                    }
                    self.news.push(News::Part(job.run.job));
                }
                Going::On(next >= total)
            }
            Err(failure) => {
                self.end_job(Outcome::Failed(failure));
                Going::Over
            }
        }
    }

    /// Adds as much of the value from `at` on as fits. The octets of the part, and of the whole.
    fn push_part(&mut self, slot: u8, manner: Manner, at: u32) -> Result<(u32, u32), Failure> {
        let what = What::Write { slot, manner };
        let limit = self.reply.limit();
        let failed = |job: &Job, no_room| {
            job.failure(
                what,
                None,
                if no_room == NoRoom::Full { Why::TooLarge } else { Why::Unwritable },
            )
        };
        let setting = self.job.as_ref().and_then(|job| Some((job, job.setting(slot)?)));
        let Some((job, setting)) = setting else { return Err(self.unsendable(what, NoRoom::Full)) };
        let value = setting.value.as_deref().unwrap_or_default();
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = value.get(start..).unwrap_or_default();
        let size = (start == 0).then_some(value.len() as u64);
        let part = |octets: usize| {
            let piece = rest.get(..octets).unwrap_or_default();
            let more = octets < rest.len();
            command::part(self.reply.next_id(), setting, manner, piece, size.filter(|_| more), more)
        };
        let fits = |octets: usize| match self.reply.room_for(&part(octets)) {
            Ok(()) => Ok(true),
            Err(NoRoom::Full) => Ok(false),
            Err(NoRoom::Unwritable) => Err(failed(job, NoRoom::Unwritable)),
        };
        let octets = longest(rest, limit, fits)?;
        if octets < rest.len().min(SHORTEST_PART) {
            return Err(failed(job, NoRoom::Full));
        }
        let command: Command = part(octets);
        let total = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.reply
            .push(|ids| {
                ids.next_id();
                Some(command)
            })
            .map_err(|no_room| self.unsendable(what, no_room))?;
        Ok((u32::try_from(octets).unwrap_or(u32::MAX), total))
    }
}

/// The most octets of `text`, ending between two characters, that fit.
fn longest<E>(
    text: &str,
    most: usize,
    fits: impl Fn(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    if text.len() <= most && fits(text.len())? {
        return Ok(text.len());
    }
    let (mut fit, mut unfit) = (0_usize, text.len().min(most));
    loop {
        let middle = text.floor_char_boundary(fit.midpoint(unfit));
        if middle <= fit {
            return Ok(fit);
        }
        if fits(middle)? { fit = middle } else { unfit = middle }
    }
}

/// Whether a command may come in parts.
fn is_divisible(manner: Manner) -> bool {
    match manner {
        Manner::Replace | Manner::Add => true,
        Manner::Delete | Manner::Exec | Manner::Copy => false,
    }
}

/// What is known of the node as it is now.
fn before(job: &Job, slot: u8, manner: Manner) -> Before {
    if manner == Manner::Add {
        return Before::Absent;
    }
    let read = job.setting(slot).and_then(|setting| job.run.value_of(setting.uri.as_str()));
    read.map_or(Before::Unknown, |value| Before::Value(value.to_owned()))
}

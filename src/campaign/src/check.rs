//! Everything that is checked when a campaign is launched, all of it reported at once.
//!
//! Reading a document settles each key by itself. Here stand the rules between keys, between the document and its authority,
//! and between the document and what is known of the devices.

use crate::campaign::{Campaign, Parts};
use crate::compile::compile;
use crate::document::{Document, Lane, Mode, Ui};
use crate::problem::{Problem, bounded, nearest};
use crate::scope::Scope;
use crate::time::Instant;
use std::collections::BTreeSet;

mod settings;

#[cfg(test)]
mod tests;

/// What a document is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// What the authority may touch.
    pub scopes: &'a Scope,
    /// The authority on whose behalf the document comes; absent where nobody knows (offline).
    pub authority: Option<&'a str>,
    pub now: Instant,
    /// The attributes that the authority's devices have; absent when that is not known.
    pub attributes: Option<&'a BTreeSet<String>>,
    pub rights: Rights,
}

/// What a caller may do beyond launching mass campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    pub care: bool,
    pub urgent: bool,
}

impl Rights {
    pub const ALL: Self = Self { care: true, urgent: true };
}

impl<'a> Grounds<'a> {
    /// For a look at a document where neither configuration nor registry is at hand.
    pub fn offline(scopes: &'a Scope, now: Instant) -> Self {
        Self { scopes, authority: None, now, attributes: None, rights: Rights::ALL }
    }
}

/// Reads and checks a document in one go: the problems of both, in the order of their lines.
pub fn read(text: &str, grounds: &Grounds<'_>) -> Result<Campaign, Vec<Problem>> {
    let (document, unread) = Document::draft(text)?;
    examine(document, unread, grounds)
}

/// Checks a document that was read before.
pub fn check(document: Document, grounds: &Grounds<'_>) -> Result<Campaign, Vec<Problem>> {
    examine(document, Vec::new(), grounds)
}

fn examine(
    document: Document,
    unread: Vec<Problem>,
    grounds: &Grounds<'_>,
) -> Result<Campaign, Vec<Problem>> {
    let (parts, uncompiled) = compile(&document);
    let mut checker = Checker { document: &document, grounds, problems: Vec::new() };
    checker.whole();
    checker.conditions(&parts);
    checker.settings(&parts);
    let found = checker.problems;
    let mut problems = unread;
    // What could not be read is missing or stands at its default: what follows from that is not a second mistake.
    let unsettled: Vec<_> = problems.iter().map(|problem| problem.path.clone()).collect();
    let follows = |problem: &Problem| unsettled.iter().any(|path| concerns(path, &problem.path));
    problems.extend(uncompiled.into_iter().chain(found).filter(|problem| !follows(problem)));
    if problems.is_empty() {
        return Ok(Campaign::new(document, parts));
    }
    problems.sort_by_key(|problem| problem.line.unwrap_or(u64::MAX));
    Err(bounded(problems))
}

/// Whether one path lies within the other.
fn concerns(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(a, b) || within(b, a)
}

struct Checker<'c> {
    document: &'c Document,
    grounds: &'c Grounds<'c>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, path: &str, what: impl Into<String>, help: impl Into<String>) {
        let line = self.document.line(path);
        self.problems.push(Problem {
            path: path.to_owned(),
            line,
            what: what.into(),
            help: help.into(),
        });
    }

    /// The rules between the keys of the document itself.
    fn whole(&mut self) {
        let document = self.document;
        if let Some(authority) =
            self.grounds.authority.filter(|authority| *authority != document.authority)
        {
            self.problem(
                "authority",
                format!("`{}` is not the authority you speak for", document.authority),
                format!("write `{authority}`"),
            );
        }
        let devices = &document.devices;
        if devices.list.is_empty()
            && devices.file.is_none()
            && devices.group.is_none()
            && devices.where_.is_none()
            && document.on.is_none()
        {
            self.problem("devices", "names no device", "add `list`, `file`, `group` or `where`");
        }
        if let Some(group) =
            devices.group.as_ref().filter(|group| group.trim().is_empty() || group.contains(';'))
        {
            self.problem(
                "devices.group",
                format!("`{}` is no name of a group", crate::document::printable(group)),
                "write one group, without `;`",
            );
        }
        if devices.file.as_ref().is_some_and(|file| file.trim().is_empty()) {
            self.problem(
                "devices.file",
                "names no file",
                "write the path of a file with one device a line",
            );
        }
        if document.on.is_some() && devices.file.is_some() {
            self.problem(
                "devices.file",
                "is not taken by a standing campaign: triggers name its devices",
                "leave it out, or leave `on` out",
            );
        }
        if document.confirm.is_some() && document.lane == Lane::Mass && !document.confirm_mass {
            self.problem(
                "confirm",
                "would ask every user of a mass campaign",
                "if that is meant, add `confirm_mass: true`",
            );
        }
        if document.confirm.is_none()
            && matches!(document.deliver.ui, Ui::Informative | Ui::Interactive)
        {
            let what = format!(
                "`{}` shows something to a user who is asked nothing",
                document.deliver.ui.name()
            );
            self.problem("deliver.ui", what, "write `background`, or add `confirm`");
        }
        if document.deliver.mode == Mode::Pull && document.expires.is_none() {
            self.problem(
                "when.expires",
                "is missing: nothing else ends the wait of a pull campaign",
                "say when it is over",
            );
        }
        if let Some(expires) = document.expires {
            if document.start.is_some_and(|start| expires <= start) {
                self.problem(
                    "when.expires",
                    "is not after `when.start`",
                    "the campaign would end before it begins",
                );
            }
            if expires <= self.grounds.now {
                self.problem(
                    "when.expires",
                    format!("{expires} is over"),
                    format!("it is {} now", self.grounds.now),
                );
            }
        }
        self.times();
        let granted = match document.lane {
            Lane::Mass => true,
            Lane::Care => self.grounds.rights.care,
            Lane::Urgent => self.grounds.rights.urgent,
        };
        if !granted {
            self.problem(
                "lane",
                format!("`{}` needs a right of its own", document.lane.name()),
                "use `mass`, or have somebody with the right launch it",
            );
        }
    }

    /// Whether there is a time at which a device can be notified, and one at which it may come by itself.
    fn times(&mut self) {
        let document = self.document;
        let from = document.start.map_or(self.grounds.now, |start| start.max(self.grounds.now));
        let end = document.expires.unwrap_or(Instant::LAST);
        match document.deliver.mode {
            Mode::Pull if !document.schedule.is_always() => self.problem(
                "when.windows",
                "says when devices are notified, and `deliver.mode: pull` notifies none",
                "leave the windows and the days left out away, or write {pull_until: …}",
            ),
            Mode::Pull if !document.per.is_empty() => self.problem(
                "pace.per",
                "says how fast devices are notified, and `deliver.mode: pull` notifies none",
                "leave it out",
            ),
            Mode::Pull if document.ramp.is_some() => self.problem(
                "pace.ramp",
                "says how fast devices are notified, and `deliver.mode: pull` notifies none",
                "leave it out",
            ),
            Mode::PullUntil(until) if until >= end => self.problem(
                "deliver.mode",
                "waits until the campaign is over: no device would be notified",
                "write an earlier instant, or `pull`",
            ),
            Mode::PullUntil(until) if until <= from => self.problem(
                "deliver.mode",
                format!("{until} is no later than the beginning: there is nothing to wait for"),
                "write a later instant, or `push`",
            ),
            Mode::Push | Mode::Pull | Mode::PullUntil(_) => {
                let from = match document.deliver.mode {
                    Mode::PullUntil(until) => until.max(from),
                    Mode::Push | Mode::Pull => from,
                };
                if from < end && !document.schedule.opens_before(from, end) {
                    self.problem(
                        "when.windows",
                        "no window opens between the start and the end of the campaign",
                        "look at the days, the days left out, the time zone and `expires`",
                    );
                }
            }
        }
    }

    /// What expressions name.
    fn conditions(&mut self, parts: &Parts) {
        let wheres = parts.where_.iter().map(|expression| ("devices.where".to_owned(), expression));
        let whens =
            parts.variants.iter().map(|variant| (format!("{}.when", variant.path), &variant.when));
        for (path, expression) in wheres.chain(whens) {
            self.attributes(&path, expression.attributes().iter());
            for uri in expression.settings() {
                self.may_read(&path, uri);
            }
        }
    }

    /// Attributes that no device has are slips of the pen.
    fn attributes<'a>(&mut self, path: &str, named: impl Iterator<Item = &'a String>) {
        let Some(known) = self.grounds.attributes else { return };
        for name in named.filter(|name| !known.contains(*name)) {
            let help = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `attributes.{near}`?"),
                None => "import it with the devices first".to_owned(),
            };
            self.problem(
                path,
                format!("no device has `attributes.{}`", crate::document::printable(name)),
                help,
            );
        }
    }

    fn may_read(&mut self, path: &str, uri: &wire::uri::LocUri) {
        if let Err(denied) = self.grounds.scopes.allows(crate::scope::Verb::Read, uri) {
            self.problem(
                path,
                format!("{uri} may not be read: {denied}"),
                "name nodes within the authority's scope",
            );
        }
    }
}

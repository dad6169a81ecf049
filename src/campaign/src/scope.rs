//! What an authority may touch in a device's tree, and what nobody may: the one function that every write passes.
//!
//! It is asked twice, at launch and once more at the moment of sending when templates are filled in. Permission is exact;
//! denial folds case and takes an address in every way a device might read it, since a device that is laxer than the
//! specification must not open a way around. A pattern names a subtree: `./AP/*/Addr` is the node `Addr` of every access
//! point, and all below it.

use serde::{Deserialize, Serialize};
use wire::uri::{LocUri, Suffix};

mod lax;
mod pattern;

#[cfg(test)]
mod tests;

pub use pattern::PatternError;

use pattern::{Match, Name, Pattern};

/// What is to be done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Write; add the node and its missing parents if absent.
    Ensure,
    Replace,
    Add,
    Delete,
    Read,
    Exec,
    /// Copy another node here. What is asked is whether it may be written; the other end is asked about as a read.
    Copy,
}

impl Verb {
    pub const ALL: [Self; 7] =
        [Self::Ensure, Self::Replace, Self::Add, Self::Delete, Self::Read, Self::Exec, Self::Copy];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Replace => "replace",
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Exec => "exec",
            Self::Copy => "copy",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// Whether a node is as the setting wants it afterwards, so that its value can be compared and proven.
    pub fn sets_a_value(self) -> bool {
        matches!(self, Self::Ensure | Self::Replace | Self::Add)
    }
}

/// What a grant permits below its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    Read,
    /// Ensure, replace, add and delete; and to read what was there before.
    Write,
    Exec,
    /// Rename nodes and change their access control lists.
    Admin,
}

/// A subtree and what may be done in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// An address in which `*` stands for any one segment. It covers the node and all below.
    pub uri: String,
    pub rights: Vec<Right>,
}

/// What one authority may do: its grants, without what belongs to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    grants: Vec<(Pattern, Vec<Right>)>,
    user_owned: Vec<Pattern>,
}

impl Scope {
    /// Reads the patterns of the grants and of what is user-owned; every bad one is reported.
    pub fn new(grants: &[Grant], user_owned: &[String]) -> Result<Self, Vec<PatternError>> {
        let mut errors = Vec::new();
        let mut parse = |text: &str| Pattern::parse(text).map_err(|error| errors.push(error)).ok();
        let granted: Vec<_> = grants
            .iter()
            .filter_map(|grant| Some((parse(&grant.uri)?, grant.rights.clone())))
            .collect();
        let owned: Vec<_> = user_owned.iter().filter_map(|text| parse(text)).collect();
        if errors.is_empty() {
            Ok(Self { grants: granted, user_owned: owned })
        } else {
            Err(errors)
        }
    }

    /// Every right everywhere: for looking at a document where no configuration is at hand. What is denied to everybody
    /// stays denied.
    pub fn everything() -> Self {
        let rights = vec![Right::Read, Right::Write, Right::Exec, Right::Admin];
        Self { grants: vec![(Pattern { segments: Vec::new() }, rights)], user_owned: Vec::new() }
    }

    /// Whether `verb` may be sent to `uri`.
    pub fn allows(&self, verb: Verb, uri: &LocUri) -> Result<(), Denied> {
        let ask = Ask { verb, suffix: uri.suffix(), unknown_is_permitted: false };
        let plain: Vec<_> = uri.segments().map(|segment| Some(segment.into_owned())).collect();
        self.judge(&ask, &plain)?;
        match lax::reading(&plain)? {
            Some(lax) => self.judge(&ask, &lax),
            None => Ok(()),
        }
    }

    /// Whether `verb` may be sent for at least one way of filling in the segments that are `None`: what can be said of a
    /// template before there is a device.
    pub fn may_allow(
        &self,
        verb: Verb,
        segments: &[Option<String>],
        suffix: Option<Suffix<'_>>,
    ) -> Result<(), Denied> {
        let ask = Ask { verb, suffix, unknown_is_permitted: true };
        self.judge(&ask, segments)?;
        match lax::reading(segments)? {
            Some(lax) => self.judge(&ask, &lax),
            None => Ok(()),
        }
    }

    /// A pattern of each, when both scopes may write in one place. Two authorities' scopes must not.
    pub fn write_overlap(&self, other: &Self) -> Option<(String, String)> {
        let writes = |scope: &Self| -> Vec<Pattern> {
            let held =
                |rights: &[Right]| rights.contains(&Right::Write) || rights.contains(&Right::Admin);
            scope
                .grants
                .iter()
                .filter(|(_, rights)| held(rights))
                .map(|(pattern, _)| pattern.clone())
                .collect()
        };
        let others = writes(other);
        writes(self).iter().find_map(|mine| {
            others
                .iter()
                .find(|other| mine.meets(other))
                .map(|other| (mine.to_string(), other.to_string()))
        })
    }

    fn judge(&self, ask: &Ask<'_>, segments: &[Option<String>]) -> Result<(), Denied> {
        let renamed;
        let segments = match ask.suffix {
            // Who renames a node may give it any name, so the node is judged under all of them.
            Some(Suffix::Prop(name)) if name.eq_ignore_ascii_case("Name") && ask.writes() => {
                renamed = [segments.split_last().map_or(&[][..], |(_, parents)| parents), &[None]]
                    .concat();
                &renamed
            }
            _ => segments,
        };
        let rights = ask.rights_needed()?;
        if inbox().covers(segments, &Match::folded(!ask.unknown_is_permitted)) {
            return Err(Denied::Inbox);
        }
        if ask.writes() {
            self.denied(ask, segments)?;
        }
        let exact = Match { fold: false, unknown_matches: ask.unknown_is_permitted };
        let held = |held: &[Right]| rights.iter().any(|right| held.contains(right));
        if self
            .grants
            .iter()
            .any(|(pattern, rights)| held(rights) && pattern.covers(segments, &exact))
        {
            Ok(())
        } else {
            Err(Denied::NotGranted { verb: ask.verb.name() })
        }
    }

    /// A write to a denied node, below one or above one.
    fn denied(&self, ask: &Ask<'_>, segments: &[Option<String>]) -> Result<(), Denied> {
        let folded = Match::folded(!ask.unknown_is_permitted);
        if inbox().lies_below(segments, &folded) {
            return Err(Denied::Inbox);
        }
        for pattern in &self.user_owned {
            if pattern.covers(segments, &folded) {
                return Err(Denied::UserOwned { pattern: pattern.to_string() });
            }
            if pattern.lies_below(segments, &folded) {
                return Err(Denied::AboveUserOwned { pattern: pattern.to_string() });
            }
        }
        Ok(())
    }
}

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("no grant of the authority lets it {verb} here")]
    NotGranted { verb: &'static str },
    #[error("this belongs to the user (`{pattern}`)")]
    UserOwned { pattern: String },
    #[error("below this lies what belongs to the user (`{pattern}`)")]
    AboveUserOwned { pattern: String },
    #[error("`./Inbox` takes whole management objects, whose inner nodes cannot be checked")]
    Inbox,
    #[error("a tree in TNDS form holds nodes that cannot be checked")]
    Tnds,
    #[error("a list can only be read")]
    ListWritten,
    #[error(
        "of the properties only Name and ACL may be replaced, and only known ones read, not `{0}`"
    )]
    Property(String),
    #[error("a property can be read or replaced, nothing else")]
    PropertyVerb,
    #[error("a segment can be read as a way upwards")]
    Ambiguous,
}

/// What is asked about, its address aside.
struct Ask<'a> {
    verb: Verb,
    suffix: Option<Suffix<'a>>,
    /// Whether a segment that is not known yet counts as the one that is permitted, or as the one that is denied.
    unknown_is_permitted: bool,
}

impl Ask<'_> {
    /// Properties that say something of a node and are never written.
    const TOLD: &'static [&'static str] = &["Format", "Size", "Title", "TStamp", "Type", "VerNo"];

    fn writes(&self) -> bool {
        self.verb != Verb::Read
    }

    /// Any of these will do.
    fn rights_needed(&self) -> Result<&'static [Right], Denied> {
        match self.suffix {
            Some(Suffix::Prop(name)) => {
                let is_one_of =
                    |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
                let known = is_one_of(&["Name", "ACL"])
                    || (self.verb == Verb::Read && is_one_of(Self::TOLD));
                if !known {
                    Err(Denied::Property(name.to_owned()))
                } else if matches!(self.verb, Verb::Read | Verb::Replace) {
                    Ok(&[Right::Admin])
                } else {
                    Err(Denied::PropertyVerb)
                }
            }
            Some(Suffix::List(form)) if form.to_ascii_uppercase().contains("TNDS") => {
                Err(Denied::Tnds)
            }
            Some(Suffix::List(_)) if self.writes() => Err(Denied::ListWritten),
            Some(Suffix::List(_)) | None => Ok(match self.verb {
                Verb::Read => &[Right::Read, Right::Write],
                Verb::Exec => &[Right::Exec],
                Verb::Ensure | Verb::Replace | Verb::Add | Verb::Delete | Verb::Copy => {
                    &[Right::Write]
                }
            }),
        }
    }
}

fn inbox() -> Pattern {
    Pattern { segments: vec![Name::is("Inbox")] }
}

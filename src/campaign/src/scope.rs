//! What an authority may touch in a device's tree, and what nobody may: the one function that every write passes.
//!
//! It is asked twice, at launch and once more at the moment of sending when templates are filled in. Permission is exact;
//! denial folds case and takes an address in every way a device might read it, since a device that is laxer than the
//! specification must not open a way around. A pattern names a subtree: `./AP/*/Addr` is the node `Addr` of every access
//! point, and all below it.

use serde::{Deserialize, Serialize};
use std::fmt;
use wire::uri::{LocUri, Suffix, UriError};

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
}

impl Verb {
    pub const ALL: [Self; 6] =
        [Self::Ensure, Self::Replace, Self::Add, Self::Delete, Self::Read, Self::Exec];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ensure => "ensure",
            Self::Replace => "replace",
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Exec => "exec",
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
        match lax_reading(&plain)? {
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
        match lax_reading(segments)? {
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
    #[error("of the properties only Name and ACL may be read or replaced, not `{0}`")]
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
    fn writes(&self) -> bool {
        self.verb != Verb::Read
    }

    /// Any of these will do.
    fn rights_needed(&self) -> Result<&'static [Right], Denied> {
        match self.suffix {
            Some(Suffix::Prop(name)) => {
                if !["Name", "ACL"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
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
                Verb::Ensure | Verb::Replace | Verb::Add | Verb::Delete => &[Right::Write],
            }),
        }
    }
}

/// How a careless device might read an address: decoding until nothing is left to decode, then splitting at slashes of both
/// kinds. `None` when that is the plain reading.
fn lax_reading(segments: &[Option<String>]) -> Result<Option<Vec<Option<String>>>, Denied> {
    let mut lax = Vec::with_capacity(segments.len());
    for segment in segments {
        let Some(text) = segment else {
            lax.push(None);
            continue;
        };
        for part in decoded_wholly(text).split(['/', '\\']) {
            if part == "." || part == ".." || part.is_empty() {
                return Err(Denied::Ambiguous);
            }
            lax.push(Some(part.to_owned()));
        }
    }
    Ok((lax != segments).then_some(lax))
}

fn decoded_wholly(text: &str) -> String {
    let mut text = text.to_owned();
    // Each round is shorter than the one before, so this ends.
    while let Some(decoded) = decoded_once(&text) {
        text = decoded;
    }
    text
}

/// The text with its percent-encoded octets decoded; `None` when there are none.
fn decoded_once(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.split_at_checked(2)).flatten();
        let octet = escape
            .and_then(|(digits, _)| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (octet, escape) {
            (Some(octet), Some((_, behind))) => {
                octets.push(octet);
                rest = behind;
                changed = true;
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    changed.then(|| String::from_utf8_lossy(&octets).into_owned())
}

/// An address in which `*` stands for any one segment, and the subtree below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    segments: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Is { exact: String, folded: String },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("`{pattern}`: {source}")]
    Uri {
        pattern: String,
        #[source]
        source: UriError,
    },
    #[error("`{pattern}`: a pattern names a subtree, without a suffix")]
    Suffix { pattern: String },
    #[error(
        "`{pattern}`: `*` stands for one whole segment, and what lies below is covered without it"
    )]
    Star { pattern: String },
}

/// How segments are compared.
struct Match {
    fold: bool,
    /// Whether a segment that is not known counts as equal to a name.
    unknown_matches: bool,
}

impl Match {
    fn folded(unknown_matches: bool) -> Self {
        Self { fold: true, unknown_matches }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let uri = LocUri::parse(text)
            .map_err(|source| PatternError::Uri { pattern: text.to_owned(), source })?;
        if uri.suffix().is_some() {
            return Err(PatternError::Suffix { pattern: text.to_owned() });
        }
        let segments = uri.segments().map(|segment| match segment.as_ref() {
            "*" => Ok(Name::Any),
            name if name.contains('*') => Err(PatternError::Star { pattern: text.to_owned() }),
            name => Ok(Name::Is { exact: name.to_owned(), folded: folded(name) }),
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()? })
    }

    /// Whether the address is the pattern's node or lies below it.
    fn covers(&self, address: &[Option<String>], how: &Match) -> bool {
        self.segments.len() <= address.len() && self.agrees(address, how)
    }

    /// Whether the pattern's node lies below the address.
    fn lies_below(&self, address: &[Option<String>], how: &Match) -> bool {
        address.len() < self.segments.len() && self.agrees(address, how)
    }

    fn agrees(&self, address: &[Option<String>], how: &Match) -> bool {
        self.segments.iter().zip(address).all(|(name, segment)| match (name, segment) {
            (Name::Any, _) => true,
            (Name::Is { .. }, None) => how.unknown_matches,
            (Name::Is { folded: name, .. }, Some(segment)) if how.fold => *name == folded(segment),
            (Name::Is { exact, .. }, Some(segment)) => exact == segment,
        })
    }

    /// Whether some address lies in both subtrees, case aside: two authorities must not differ by case alone.
    fn meets(&self, other: &Self) -> bool {
        self.segments.iter().zip(&other.segments).all(|pair| match pair {
            (Name::Any, _) | (_, Name::Any) => true,
            (Name::Is { folded: mine, .. }, Name::Is { folded: other, .. }) => mine == other,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        self.segments.iter().try_for_each(|name| match name {
            Name::Any => f.write_str("/*"),
            Name::Is { exact, .. } => write!(f, "/{exact}"),
        })
    }
}

fn inbox() -> Pattern {
    Pattern { segments: vec![Name::Is { exact: "Inbox".to_owned(), folded: "inbox".to_owned() }] }
}

/// Case aside. Upper case first, since some letters only meet there (the long s, the Kelvin sign).
fn folded(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_uppercase().to_lowercase() }
}

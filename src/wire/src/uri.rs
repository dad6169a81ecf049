//! Addresses in a device's management tree: what stands in `LocURI`.
//!
//! A [`LocUri`] keeps one spelling of each address, so that text equality is node equality: every segment is
//! percent-encoded where RFC 3986 asks for it and nowhere else, the tree's root is `.`, and everything else begins
//! with `./`. Devices write the same address in several ways; parsing both sides makes them comparable.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// The address of a node, or of a property or a list of it: `./Vendor/MSFT`, `./A?prop=Name`, `.`.
///
/// Case is kept and matters here; whether it matters to the device is the device's affair.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocUri {
    text: Box<str>,
    /// Where the node's address ends and the suffix begins.
    node: u16,
}

/// What follows the address of the node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Suffix<'a> {
    /// `?prop=…`: one property of the node.
    Prop(&'a str),
    /// `?list=…`: the subtree, in the named form.
    List(&'a str),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("an address is not empty")]
    Empty,
    #[error("an address has at most {} octets and {} segments", LocUri::LONGEST, LocUri::DEEPEST)]
    TooLong,
    #[error("an address is relative to the root: it does not begin with a slash")]
    Absolute,
    #[error("segment {0} is empty")]
    EmptySegment(usize),
    #[error("segment {0} is a dot or two")]
    Dots(usize),
    #[error(
        "segment {0} has a percent sign without two hexadecimal digits, or what they spell is no text"
    )]
    Percent(usize),
    #[error("segment {0} has a control character")]
    Control(usize),
    #[error("after a question mark only prop= or list= and a name are known")]
    Suffix,
}

impl LocUri {
    /// The longest address, in octets of its text.
    pub const LONGEST: usize = 1024;
    /// The most segments below the root.
    pub const DEEPEST: usize = 255;

    /// Reads an address: `./A/B`, `A/B` or `.`, with or without a suffix (DM Protocol 1.2, "Addressing").
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > Self::LONGEST {
            return Err(UriError::TooLong);
        }
        let (path, suffix) = match text.split_once('?') {
            Some((path, suffix)) => (path, Some(suffix)),
            None => (text, None),
        };
        let mut canonical = String::with_capacity(text.len() + 2);
        canonical.push('.');
        match path {
            "" => return Err(UriError::Empty),
            "." => {}
            path if path.starts_with('/') => return Err(UriError::Absolute),
            path => {
                let below = path.strip_prefix("./").unwrap_or(path);
                for (index, segment) in below.split('/').enumerate() {
                    if index >= Self::DEEPEST {
                        return Err(UriError::TooLong);
                    }
                    canonical.push('/');
                    push_segment(&mut canonical, segment, index + 1)?;
                }
            }
        }
        let node = canonical.len();
        if let Some(suffix) = suffix {
            check_suffix(suffix)?;
            canonical.push('?');
            canonical.push_str(suffix);
        }
        if canonical.len() > Self::LONGEST {
            return Err(UriError::TooLong);
        }
        let node = u16::try_from(node).map_err(|_too_long| UriError::TooLong)?;
        Ok(Self { text: canonical.into(), node })
    }

    /// The root of the tree: `.`
    pub fn root() -> Self {
        Self { text: ".".into(), node: 1 }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn node_text(&self) -> &str {
        self.text.get(..usize::from(self.node)).unwrap_or(&self.text)
    }

    /// The names on the way from the root to the node, percent-decoded. Empty for the root.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Cow<'_, str>> {
        self.raw_segments().map(decoded)
    }

    fn raw_segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        let below = self.node_text().strip_prefix("./");
        below.into_iter().flat_map(|below| below.split('/'))
    }

    /// How many segments there are below the root.
    pub fn depth(&self) -> usize {
        self.raw_segments().count()
    }

    pub fn is_root(&self) -> bool {
        self.node == 1
    }

    /// The name of the node, percent-decoded; `None` for the root.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.segments().next_back()
    }

    pub fn suffix(&self) -> Option<Suffix<'_>> {
        let suffix = self.text.get(usize::from(self.node) + 1..)?;
        let (key, name) = suffix.split_once('=')?;
        Some(if key == "prop" { Suffix::Prop(name) } else { Suffix::List(name) })
    }

    /// The address of the node itself.
    pub fn without_suffix(&self) -> Self {
        Self { text: self.node_text().into(), node: self.node }
    }

    /// The address of the parent node, without a suffix; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _name) = self.node_text().rsplit_once('/')?;
        let node = u16::try_from(parent.len()).ok()?;
        Some(Self { text: parent.into(), node })
    }

    /// The address of a child with this name (plain, not percent-encoded).
    pub fn child(&self, name: &str) -> Result<Self, UriError> {
        let mut encoded = String::with_capacity(self.text.len() + 1 + name.len());
        encoded.push_str(self.node_text());
        encoded.push('/');
        let segment = self.depth() + 1;
        check_name(name, segment)?;
        encode_into(&mut encoded, name);
        Self::parse(&encoded)
    }

    /// Whether the node lies somewhere below this one. A node is not its own ancestor; suffixes do not count.
    pub fn is_ancestor_of(&self, other: &Self) -> bool {
        other.node_text().strip_prefix(self.node_text()).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Adds the canonical spelling of one segment as somebody wrote it.
fn push_segment(canonical: &mut String, segment: &str, number: usize) -> Result<(), UriError> {
    if segment.bytes().all(is_plain) {
        check_name(segment, number)?;
        canonical.push_str(segment);
        return Ok(());
    }
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => match (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(UriError::Percent(number)),
            },
            plain => plain,
        });
    }
    let name = String::from_utf8(octets).map_err(|_no_text| UriError::Percent(number))?;
    check_name(&name, number)?;
    encode_into(canonical, &name);
    Ok(())
}

fn check_name(name: &str, number: usize) -> Result<(), UriError> {
    if name.is_empty() {
        return Err(UriError::EmptySegment(number));
    }
    if name.chars().any(char::is_control) {
        return Err(UriError::Control(number));
    }
    // A device that decodes before it splits must not be led upwards either.
    if name.split(['/', '\\']).any(|part| part == "." || part == "..") {
        return Err(UriError::Dots(number));
    }
    Ok(())
}

fn check_suffix(suffix: &str) -> Result<(), UriError> {
    let known = suffix.split_once('=').is_some_and(|(key, name)| {
        let of_name = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'-';
        matches!(key, "prop" | "list") && !name.is_empty() && name.bytes().all(of_name)
    });
    if known { Ok(()) } else { Err(UriError::Suffix) }
}

/// Characters that stand for themselves in a segment (RFC 3986, `pchar` without `pct-encoded`).
const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

fn encode_into(text: &mut String, name: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit =
        |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |&digit| char::from(digit));
    for octet in name.bytes() {
        if is_plain(octet) {
            text.push(char::from(octet));
        } else {
            text.extend(['%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let (high, low) =
                    (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit));
                high.unwrap_or(0) << 4 | low.unwrap_or(0)
            }
            plain => plain,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&octets).into_owned())
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl FromStr for LocUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for LocUri {
    type Error = UriError;

    fn try_from(text: String) -> Result<Self, UriError> {
        Self::parse(&text)
    }
}

impl From<LocUri> for String {
    fn from(uri: LocUri) -> Self {
        uri.text.into()
    }
}

impl AsRef<str> for LocUri {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for LocUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for LocUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> LocUri {
        LocUri::parse(text).unwrap()
    }

    #[test]
    fn every_spelling_of_an_address_becomes_the_same() {
        assert_eq!(uri("A/B").as_str(), "./A/B");
        assert_eq!(uri("./%41/B%7e"), uri("A/B~"));
        assert_eq!(uri("./a b").as_str(), "./a%20b");
        assert_eq!(uri("./%7bX%7d").as_str(), "./%7BX%7D");
        assert_eq!(uri("./{X}"), uri("./%7bX%7d"));
        assert_eq!(uri("./Grüße"), uri("./Gr%C3%BC%c3%9fe"));
        assert_ne!(uri("./a"), uri("./A"));
        assert_eq!(uri("."), LocUri::root());
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for (text, why) in [
            ("", UriError::Empty),
            ("?prop=Name", UriError::Empty),
            ("/A", UriError::Absolute),
            ("./", UriError::EmptySegment(1)),
            ("./A/", UriError::EmptySegment(2)),
            ("./A//B", UriError::EmptySegment(2)),
            ("./A/../B", UriError::Dots(2)),
            ("./A/%2e%2E/B", UriError::Dots(2)),
            ("./A/x%2F..%2Fy", UriError::Dots(2)),
            ("./A/./B", UriError::Dots(2)),
            ("..", UriError::Dots(1)),
            ("./A%", UriError::Percent(1)),
            ("./A%4", UriError::Percent(1)),
            ("./A%zz", UriError::Percent(1)),
            ("./%ff", UriError::Percent(1)),
            ("./A%00", UriError::Control(1)),
            ("./A\nB", UriError::Control(1)),
            ("./A?x=1", UriError::Suffix),
            ("./A?prop=", UriError::Suffix),
            ("./A?prop=a/../b", UriError::Suffix),
        ] {
            assert_eq!(LocUri::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(LocUri::parse(&"a".repeat(1025)), Err(UriError::TooLong));
        assert_eq!(
            LocUri::parse(&" ".repeat(600)),
            Err(UriError::TooLong),
            "longer once it is encoded"
        );
        assert_eq!(LocUri::parse(&"a/".repeat(256)), Err(UriError::TooLong));
    }

    #[test]
    fn segments_are_decoded_and_the_suffix_stands_apart() {
        let name = uri("./A/b%20c?prop=Name");
        assert_eq!(name.segments().collect::<Vec<_>>(), ["A", "b c"]);
        assert_eq!((name.suffix(), name.depth()), (Some(Suffix::Prop("Name")), 2));
        assert_eq!(uri("./A?list=TNDS+Value+ACL").suffix(), Some(Suffix::List("TNDS+Value+ACL")));
        assert_eq!(name.without_suffix(), uri("./A/b c"));
        assert_eq!(uri(".?list=Struct").depth(), 0);
    }

    #[test]
    fn parents_and_ancestors_follow_segments_not_letters() {
        assert_eq!(uri("./A/B?prop=Name").parent(), Some(uri("./A")));
        assert_eq!((uri("./A").parent(), LocUri::root().parent()), (Some(LocUri::root()), None));
        assert!(uri("./A").is_ancestor_of(&uri("./A/B/C?prop=ACL")));
        assert!(LocUri::root().is_ancestor_of(&uri("./A")));
        assert!(
            !uri("./A").is_ancestor_of(&uri("./AB")) && !uri("./A").is_ancestor_of(&uri("./A"))
        );
        assert_eq!(uri("./A").child("b/c").unwrap().as_str(), "./A/b%2Fc");
        assert_eq!(uri("./A").child(".."), Err(UriError::Dots(2)));
    }

    #[test]
    fn an_address_is_stored_as_its_text() {
        let stored = serde_json::to_string(&uri("A/B?prop=ACL")).unwrap();
        assert_eq!(stored, "\"./A/B?prop=ACL\"");
        assert_eq!(serde_json::from_str::<LocUri>(&stored).unwrap(), uri("./A/B?prop=ACL"));
        assert!(serde_json::from_str::<LocUri>("\"../x\"").is_err());
    }
}

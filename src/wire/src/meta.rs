//! Meta information: the format, type and size of data, and what a side can take (namespace `syncml:metinf`).

use crate::message::{Element, Text};
use std::fmt;

/// The children of a `Meta` element. All may be absent; only those present are printed, and never a nonce.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Meta {
    pub format: Option<Format>,
    /// A MIME type, an authentication type or the type of a generic alert, as written.
    pub media_type: Option<Text>,
    /// Importance of a generic alert, as written.
    pub mark: Option<Text>,
    /// Octets of the whole object as transported; only in the first part of a large object.
    pub size: Option<u64>,
    /// Base64 text, exactly as written; decoded by [`crate::digest`].
    pub next_nonce: Option<Text>,
    pub version: Option<Text>,
    /// The largest message that the sender takes, in octets.
    pub max_msg_size: Option<u64>,
    /// The largest object that the sender takes, in octets.
    pub max_obj_size: Option<u64>,
    pub emi: Option<Text>,
    /// Children without a field here, kept so that they survive a round trip.
    pub other: Vec<Element>,
}

impl Meta {
    pub fn is_empty(&self) -> bool {
        let Self {
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
        } = self;
        let texts = [media_type, mark, next_nonce, version, emi];
        format.is_none()
            && texts.iter().all(|text| text.is_none())
            && [size, max_msg_size, max_obj_size].iter().all(|number| number.is_none())
            && other.is_empty()
    }

    pub fn with_format(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_map();
        let fields: [(&str, Option<&dyn fmt::Display>); 9] = [
            ("Format", self.format.as_ref().map(|it| it as _)),
            ("Type", self.media_type.as_ref().map(|it| it as _)),
            ("Mark", self.mark.as_ref().map(|it| it as _)),
            ("Size", self.size.as_ref().map(|it| it as _)),
            ("NextNonce", self.next_nonce.as_ref().map(|_| &"…" as _)),
            ("Version", self.version.as_ref().map(|it| it as _)),
            ("MaxMsgSize", self.max_msg_size.as_ref().map(|it| it as _)),
            ("MaxObjSize", self.max_obj_size.as_ref().map(|it| it as _)),
            ("EMI", self.emi.as_ref().map(|it| it as _)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                shown.entry(&format_args!("{name}"), &format_args!("{value}"));
            }
        }
        shown.entries(self.other.iter().map(|element| (&element.name, &element.content))).finish()
    }
}

macro_rules! formats {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// How `Data` is to be read (`Format`). Absent means [`Format::Chr`].
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Format {
            $($(#[doc = $doc])+ $name,)+
            /// A format without a row in the table; read as text.
            Other(Text),
        }

        impl Format {
            /// Reads a format name, case aside.
            pub fn from_name(name: &str) -> Self {
                $(if name.eq_ignore_ascii_case($text) { return Self::$name; })+
                Self::Other(name.into())
            }

            pub fn name(&self) -> &str {
                match self { $(Self::$name => $text,)+ Self::Other(name) => name }
            }
        }
    };
}

formats! {
    /// Base64 text of octets.
    B64 = "b64",
    /// Raw octets (WBXML), or their base64 text (XML).
    Bin = "bin",
    /// `true` or `false`.
    Bool = "bool",
    /// Text.
    Chr = "chr",
    /// A decimal integer.
    Int = "int",
    /// An interior node.
    Node = "node",
    /// No value.
    Null = "null",
    /// An XML document.
    Xml = "xml",
    /// An ISO 8601 date.
    Date = "date",
    /// An ISO 8601 time.
    Time = "time",
    /// A floating point number.
    Float = "float",
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

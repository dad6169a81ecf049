//! A management tree as a value: the document (TNDS, `MgmtTree`) that carries many nodes at once (DM TND 1.2).
//!
//! It travels in `Data` in three forms, and [`Tree::of`] takes all of them: as elements in line, as XML text (escaped, or
//! in CDATA), and as a WBXML document of its own, in octets or in their base64 text. What a tree may hold is bounded.

use crate::{
    digest::base64_octets,
    encoding::{Limits, ReadError},
    message::{Content, Data, Element},
    meta::Format,
    tag::DMDDF_NAMESPACE,
    wbxml, xml,
};
use std::fmt;

/// `MgmtTree`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// `VerDTD`; 1.2 in every tree seen so far.
    pub version: String,
    /// `Man`: the maker of the device that the tree describes.
    pub manufacturer: Option<String>,
    /// `Mod`
    pub model: Option<String>,
    pub nodes: Vec<Node>,
}

/// `Node`. Its value is printed by its size only: it may be a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// Where a node at the top of the tree goes, relative to the target of the command; the node's own name not included.
    pub path: Option<String>,
    pub properties: Properties,
    /// Of a leaf. Base64 text stays as written.
    pub value: Option<String>,
    pub children: Vec<Self>,
}

/// `RTProperties`: what is said of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// `Get=*&Replace=server`; absent means inherited.
    pub acl: Option<String>,
    pub format: Option<Format>,
    pub kind: Option<Kind>,
    pub title: Option<String>,
    pub name: Option<String>,
    /// Octets of the value, as written.
    pub size: Option<String>,
    /// When the node changed last, as written.
    pub timestamp: Option<String>,
    /// How often it changed, as written.
    pub version: Option<String>,
}

/// `Type`: what a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The media type of a leaf.
    Mime(String),
    /// The name of the management object that begins at an interior node (`DDFName`).
    Object(String),
}

/// Why something is no management tree.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TndsError {
    #[error("the document cannot be read")]
    Document(#[from] ReadError),
    #[error("the root element is {0:?} and not MgmtTree")]
    Root(String),
    #[error("a node below {parent:?} has no NodeName")]
    NoName { parent: String },
    #[error("nodes are nested deeper than {}", Tree::DEEPEST)]
    TooDeep,
    #[error("the tree has more than {} nodes", Tree::MOST_NODES)]
    TooMany,
    #[error("the value is no management tree")]
    NoTree,
}

impl Tree {
    /// Nodes in each other; `DevDetail/URI/MaxDepth` of devices in the field is below 20.
    pub const DEEPEST: usize = 48;
    /// The object of a whole phone has a few hundred.
    pub const MOST_NODES: usize = 5_000;

    /// What the readers of the two encodings may take; above their own defaults nothing is read either.
    const LIMITS: Limits =
        Limits { octets: 256 * 1024, depth: 128, elements: 60_000, string_table: 4 * 1024 };

    /// Reads the tree that a value is, in any of its forms.
    pub fn of(data: &Data) -> Result<Self, TndsError> {
        match data {
            Data::Elements(elements) => {
                let [element] = elements.as_slice() else { return Err(TndsError::NoTree) };
                Self::from_element(element)
            }
            Data::Text(text) => match base64_octets(text) {
                Some(octets) if octets.len() > 4 => Self::read(&octets),
                _ => Self::from_xml(text),
            },
            Data::Opaque(octets) => Self::read(octets),
        }
    }

    /// Reads a document in either encoding, found out by its first octet: no WBXML document begins like XML text.
    pub fn read(octets: &[u8]) -> Result<Self, TndsError> {
        if let Some(0..=0x0F) = octets.first().filter(|octet| !octet.is_ascii_whitespace()) {
            return Self::from_wbxml(octets);
        }
        let text = std::str::from_utf8(octets)
            .map_err(|no_text| ReadError::Text { at: no_text.valid_up_to() })?;
        Self::from_xml(text)
    }

    pub fn from_xml(text: &str) -> Result<Self, TndsError> {
        if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
            return Err(TndsError::NoTree);
        }
        Self::from_element(&xml::read_element(text, &Self::LIMITS)?)
    }

    pub fn from_wbxml(octets: &[u8]) -> Result<Self, TndsError> {
        Self::from_element(&wbxml::read_element(octets, &Self::LIMITS)?)
    }

    /// Reads a tree that stands in line among the elements of a message.
    pub fn from_element(element: &Element) -> Result<Self, TndsError> {
        if element.name != "MgmtTree" {
            return Err(TndsError::Root(element.name.clone()));
        }
        let mut left = Self::MOST_NODES;
        Ok(Self {
            version: text_of(element, "VerDTD").unwrap_or_default(),
            manufacturer: text_of(element, "Man"),
            model: text_of(element, "Mod"),
            nodes: nodes(element, "", 1, &mut left)?,
        })
    }

    /// The tree as it stands in line among the elements of a message.
    pub fn to_element(&self) -> Element {
        let head = [
            Some(leaf("VerDTD", &self.version)),
            self.manufacturer.as_ref().map(|text| leaf("Man", text)),
            self.model.as_ref().map(|text| leaf("Mod", text)),
        ];
        let nodes = self.nodes.iter().map(written);
        parent("MgmtTree", head.into_iter().flatten().chain(nodes))
    }

    /// Every node with its address in the tree (`./A/B`), parents before their children.
    pub fn walk(&self) -> Vec<(String, &Node)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            visit(node, node.path.as_deref().unwrap_or("."), &mut all);
        }
        all
    }
}

fn visit<'a>(node: &'a Node, parent: &str, all: &mut Vec<(String, &'a Node)>) {
    let uri = format!("{}/{}", parent.trim_end_matches('/'), node.name);
    all.push((uri.clone(), node));
    for child in &node.children {
        visit(child, &uri, all);
    }
}

impl Node {
    /// Whether the node holds other nodes and no value of its own.
    pub fn is_interior(&self) -> bool {
        match self.properties.format {
            Some(Format::Node) => true,
            Some(_) => false,
            None => self.value.is_none(),
        }
    }
}

fn nodes(
    parent: &Element,
    name: &str,
    depth: usize,
    left: &mut usize,
) -> Result<Vec<Node>, TndsError> {
    children(parent, "Node").map(|element| node(element, name, depth, left)).collect()
}

fn node(
    element: &Element,
    parent: &str,
    depth: usize,
    left: &mut usize,
) -> Result<Node, TndsError> {
    if depth > Tree::DEEPEST {
        return Err(TndsError::TooDeep);
    }
    *left = left.checked_sub(1).ok_or(TndsError::TooMany)?;
    let name = text_of(element, "NodeName")
        .ok_or_else(|| TndsError::NoName { parent: parent.to_owned() })?;
    Ok(Node {
        path: text_of(element, "Path"),
        properties: child(element, "RTProperties").map(properties).unwrap_or_default(),
        value: text_of(element, "Value"),
        children: nodes(element, &name, depth + 1, left)?,
        name,
    })
}

fn properties(element: &Element) -> Properties {
    let kind = child(element, "Type").and_then(|kind| {
        let mime = text_of(kind, "MIME").map(Kind::Mime);
        mime.or_else(|| text_of(kind, "DDFName").map(Kind::Object))
    });
    Properties {
        acl: text_of(element, "ACL"),
        format: child(element, "Format").and_then(format),
        kind,
        title: text_of(element, "Title"),
        name: text_of(element, "Name"),
        size: text_of(element, "Size"),
        timestamp: text_of(element, "TStamp"),
        version: text_of(element, "VerNo"),
    }
}

/// `Format` holds one empty element whose name is the format; some write the name as text.
fn format(element: &Element) -> Option<Format> {
    element.content.iter().find_map(|content| match content {
        Content::Element(element) => Some(Format::from_name(&element.name)),
        Content::Text(text) if !text.trim().is_empty() => Some(Format::from_name(text.trim())),
        Content::Text(_) | Content::Opaque(_) => None,
    })
}

fn written(node: &Node) -> Element {
    let said = &node.properties;
    let kind = said.kind.as_ref().map(|kind| match kind {
        Kind::Mime(text) => parent("Type", [leaf("MIME", text)]),
        Kind::Object(text) => parent("Type", [leaf("DDFName", text)]),
    });
    let text = |name, text: &Option<String>| text.as_ref().map(|text| leaf(name, text));
    let properties = [
        text("ACL", &said.acl),
        said.format.as_ref().map(|format| parent("Format", [parent(format.name(), [])])),
        text("Name", &said.name),
        text("Size", &said.size),
        text("Title", &said.title),
        text("TStamp", &said.timestamp),
        kind,
        text("VerNo", &said.version),
    ];
    let properties = parent("RTProperties", properties.into_iter().flatten());
    let head = [
        Some(leaf("NodeName", &node.name)),
        text("Path", &node.path),
        Some(properties).filter(|properties| !properties.content.is_empty()),
        text("Value", &node.value),
    ];
    parent("Node", head.into_iter().flatten().chain(node.children.iter().map(written)))
}

fn leaf(name: &str, text: &str) -> Element {
    let content = if text.is_empty() { Vec::new() } else { vec![Content::Text(text.to_owned())] };
    Element { content, ..parent(name, []) }
}

fn parent(name: &str, inside: impl IntoIterator<Item = Element>) -> Element {
    Element {
        name: name.to_owned(),
        namespace: Some(DMDDF_NAMESPACE.to_owned()),
        attributes: Vec::new(),
        content: inside.into_iter().map(Content::Element).collect(),
    }
}

fn children<'a>(element: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    element.content.iter().filter_map(move |content| match content {
        Content::Element(element) if element.name == name => Some(element),
        _ => None,
    })
}

fn child<'a>(element: &'a Element, name: &'a str) -> Option<&'a Element> {
    children(element, name).next()
}

/// The text of a child; octets as base64, as the XML form has them.
fn text_of(element: &Element, name: &str) -> Option<String> {
    let child = child(element, name)?;
    let pieces = child.content.iter().map(|content| match content {
        Content::Text(text) => text.clone(),
        Content::Opaque(octets) => crate::digest::base64_text(octets),
        Content::Element(_) => String::new(),
    });
    Some(pieces.collect())
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.value.as_ref().map(String::len);
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("properties", &self.properties)
            .field("value_octets", &octets)
            .field("children", &self.children)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_with_what_is_said_of_its_nodes() {
        let tree = Tree::from_xml(
            "<?xml version=\"1.0\"?><MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Man>M</Man><Node>\
             <NodeName>A</NodeName><Path>./B</Path><RTProperties><ACL>Get=*</ACL><Format><node/></Format><Type>\
             <DDFName>urn:x</DDFName></Type></RTProperties><Node><NodeName>C</NodeName><RTProperties><Format><int/>\
             </Format><Type><MIME>text/plain</MIME></Type><VerNo>3</VerNo></RTProperties><Value> 7 </Value></Node>\
             </Node></MgmtTree>",
        )
        .unwrap();
        assert_eq!((tree.version.as_str(), tree.manufacturer.as_deref()), ("1.2", Some("M")));
        let all = tree.walk();
        let [(outer, a), (inner, c)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((outer.as_str(), inner.as_str()), ("./B/A", "./B/A/C"));
        assert!(a.is_interior() && !c.is_interior());
        assert_eq!(a.properties.kind, Some(Kind::Object("urn:x".into())));
        assert_eq!(c.value.as_deref(), Some(" 7 "), "white space in a value is its own");
        assert_eq!(c.properties.format, Some(Format::Int));
        assert_eq!(c.properties.version.as_deref(), Some("3"));
        assert!(!format!("{tree:?}").contains(" 7 "));
        assert_eq!(Tree::from_element(&tree.to_element()).unwrap(), tree);
    }

    /// C3: a document of few octets does not become a tree without bound.
    #[test]
    fn depth_and_number_of_nodes_are_bounded() {
        let node = |inner: &str| format!("<Node><NodeName>n</NodeName>{inner}</Node>");
        let tree = |nodes: &str| Tree::from_xml(&format!("<MgmtTree>{nodes}</MgmtTree>"));
        let deep = |levels| (0..levels).fold(String::new(), |inner, _| node(&inner));
        assert!(tree(&deep(Tree::DEEPEST)).is_ok());
        assert!(matches!(tree(&deep(Tree::DEEPEST + 1)), Err(TndsError::TooDeep)));
        assert_eq!(tree(&node("").repeat(Tree::MOST_NODES)).unwrap().nodes.len(), Tree::MOST_NODES);
        let many = tree(&node("").repeat(Tree::MOST_NODES + 1));
        assert!(matches!(many, Err(TndsError::TooMany)));
        assert!(matches!(tree(&deep(1000)), Err(TndsError::Document(ReadError::TooDeep { .. }))));
    }

    #[test]
    fn what_is_no_tree_says_so() {
        for (text, why) in [
            ("hello", "the value is no management tree"),
            ("<Other/>", "the root element is \"Other\" and not MgmtTree"),
            ("<MgmtTree><Node/></MgmtTree>", "a node below \"\" has no NodeName"),
            ("<MgmtTree>", "the document cannot be read"),
        ] {
            assert_eq!(Tree::from_xml(text).unwrap_err().to_string(), why);
        }
        assert!(Tree::of(&Data::Opaque(vec![0xFF; 8])).is_err());
        assert!(Tree::of(&Data::Elements(Vec::new())).is_err());
    }
}

//! The management tree of a device: what its model came with, and what has changed since.
//!
//! Only the changes are kept per device; everything else follows from its identity.

mod rows;

use crate::{
    faults::{Fault, Habits},
    identity::Identity,
};
use rows::{Access, ROWS, Row};
use std::sync::Arc;
use wire::{meta::Format, status::StatusCode};

/// A node that differs from what the model came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Without `./` in front.
    pub(crate) path: String,
    /// `None`: it was deleted.
    pub(crate) now: Option<(Format, String)>,
}

/// A node as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Leaf {
        format: Format,
        value: String,
    },
    /// The names of the children.
    Interior(Vec<String>),
}

/// The tree of one device.
#[derive(Debug, Clone)]
pub struct Tree {
    identity: Arc<Identity>,
    changes: Vec<Change>,
}

impl Tree {
    pub(crate) fn new(identity: Arc<Identity>, changes: Vec<Change>) -> Self {
        Self { identity, changes }
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Puts everything back as it was: the undoing of an `Atomic`.
    pub(crate) fn restore(&mut self, changes: Vec<Change>) {
        self.changes = changes;
    }

    /// The node at `uri`, or the status that a `Get` of it ends with.
    pub fn get(&self, uri: &str) -> Result<Found, StatusCode> {
        let path = path(uri)?;
        let (format, value) = self.node(path).ok_or(StatusCode::NotFound)?;
        if format == Format::Node {
            Ok(Found::Interior(self.children(path)))
        } else {
            Ok(Found::Leaf { format, value })
        }
    }

    /// Makes a node. Its parent must be there: of all clients only that of Windows makes it by itself.
    pub(crate) fn add(
        &mut self,
        uri: &str,
        format: &Format,
        value: String,
    ) -> Result<(), StatusCode> {
        let path = path(uri)?;
        if path.is_empty() {
            return Err(StatusCode::NotAllowed);
        }
        if self.node(path).is_some() {
            return Err(StatusCode::AlreadyExists);
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            match self.node(parent) {
                None if self.identity.kind.habits == Habits::Windows => {
                    self.add(parent, &Format::Node, String::new())?;
                }
                None => return Err(StatusCode::NotFound),
                Some((Format::Node, _)) => {}
                Some(_) => return Err(StatusCode::NotAllowed),
            }
            if self.access(parent) == Access::ReadOnly {
                return Err(StatusCode::NotAllowed);
            }
        }
        acceptable(format, &value)?;
        self.change(path, Some((format.clone(), value)));
        Ok(())
    }

    /// Gives a leaf that is there a new value.
    pub(crate) fn replace(
        &mut self,
        uri: &str,
        format: &Format,
        value: String,
    ) -> Result<(), StatusCode> {
        let path = path(uri)?;
        let (was, _) = self.node(path).ok_or(StatusCode::NotFound)?;
        if was == Format::Node || *format == Format::Node {
            return Err(StatusCode::NotAllowed);
        }
        match self.access(path) {
            Access::ReadOnly if self.spoilt(path) && self.identity.index % 2 == 1 => {
                return Err(StatusCode::PermissionDenied);
            }
            Access::ReadOnly | Access::Executable | Access::Lasting => {
                return Err(StatusCode::NotAllowed);
            }
            Access::Permanent | Access::Open | Access::Deferred => {}
        }
        acceptable(&was, &value)?;
        self.change(path, Some((was, value)));
        Ok(())
    }

    /// Takes a node away, with all that is below.
    pub(crate) fn delete(&mut self, uri: &str) -> Result<(), StatusCode> {
        let path = path(uri)?;
        if path.is_empty() {
            return Err(StatusCode::NotAllowed);
        }
        if self.node(path).is_none() {
            return Err(StatusCode::NotFound);
        }
        if !matches!(self.access(path), Access::Open | Access::Deferred) {
            return Err(StatusCode::NotAllowed);
        }
        self.changes.retain(|change| !at_or_below(path, &change.path));
        let built_in: Vec<&str> =
            self.rows().map(|row| row.path).filter(|row| at_or_below(path, row)).collect();
        self.changes
            .extend(built_in.into_iter().map(|path| Change { path: path.to_owned(), now: None }));
        Ok(())
    }

    pub(crate) fn exec(&self, uri: &str) -> Result<(), StatusCode> {
        let path = path(uri)?;
        self.node(path).ok_or(StatusCode::NotFound)?;
        match self.access(path) {
            Access::Executable | Access::Lasting => Ok(()),
            Access::ReadOnly | Access::Permanent | Access::Open | Access::Deferred => {
                Err(StatusCode::NotAllowed)
            }
        }
    }

    /// Whether executing the node takes its time.
    pub(crate) fn lasts(&self, uri: &str) -> bool {
        path(uri).is_ok_and(|path| self.access(path) == Access::Lasting)
    }

    /// Whether a write to the node is only accepted, and takes effect later.
    pub(crate) fn defers(&self, uri: &str) -> bool {
        path(uri).is_ok_and(|path| self.access(path) == Access::Deferred)
    }

    /// Whether executing the node ends the account.
    pub(crate) fn is_unenrolment(&self, uri: &str) -> bool {
        path(uri).is_ok_and(|path| path == Row::UNENROLL && self.node(path).is_some())
    }

    fn change(&mut self, path: &str, now: Option<(Format, String)>) {
        match self.changes.iter_mut().find(|change| change.path == path) {
            Some(change) => change.now = now,
            None => self.changes.push(Change { path: path.to_owned(), now }),
        }
    }

    fn node(&self, path: &str) -> Option<(Format, String)> {
        if path.is_empty() {
            return Some((Format::Node, String::new()));
        }
        if let Some(change) = self.changes.iter().find(|change| change.path == path) {
            return change.now.clone();
        }
        self.rows()
            .find(|row| row.path == path)
            .map(|row| (row.format.format(), row.first_value(&self.identity)))
    }

    fn children(&self, path: &str) -> Vec<String> {
        let built_in = self.rows().map(|row| row.path).filter(|row| self.node(row).is_some());
        let added = self
            .changes
            .iter()
            .filter(|change| change.now.is_some())
            .map(|change| change.path.as_str());
        let mut names = Vec::new();
        for found in built_in.chain(added) {
            let name = match found.rsplit_once('/') {
                Some((parent, name)) if parent == path => name,
                None if path.is_empty() => found,
                _ => continue,
            };
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let more = rows::more_rows(self.identity.kind.model);
        let lacks_mms = self.identity.kind.fault == Fault::MissingNodes;
        ROWS.iter().chain(more).filter(move |row| !(lacks_mms && at_or_below("AP/MMS", row.path)))
    }

    fn access(&self, path: &str) -> Access {
        if self.spoilt(path) {
            return Access::ReadOnly;
        }
        self.rows().find(|row| row.path == path).map_or(Access::Open, |row| row.access)
    }

    fn spoilt(&self, path: &str) -> bool {
        self.identity.kind.fault == Fault::ReadOnlyNodes && path == "ConnMO/QoS/MaxDownlink"
    }
}

/// The address without `./` in front; the root is empty.
fn path(uri: &str) -> Result<&str, StatusCode> {
    let path = match uri {
        "." => "",
        _ => uri.strip_prefix("./").unwrap_or(uri),
    };
    let malformed = uri.is_empty()
        || uri == "./"
        || path.starts_with('/')
        || path.ends_with('/')
        || path.split('/').any(|segment| matches!(segment, ".." | "."));
    if malformed { Err(StatusCode::BadRequest) } else { Ok(path) }
}

fn at_or_below(ancestor: &str, path: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A device looks at what it is given before it stores it.
fn acceptable(format: &Format, value: &str) -> Result<(), StatusCode> {
    let fits = match format {
        Format::Int => value.trim().parse::<i64>().is_ok(),
        Format::Bool => {
            ["true", "false", "0", "1"].iter().any(|name| value.trim().eq_ignore_ascii_case(name))
        }
        Format::B64 | Format::Bin => crate::digest::from_base64(value).is_some(),
        Format::Node | Format::Null => value.is_empty(),
        Format::Chr
        | Format::Xml
        | Format::Date
        | Format::Time
        | Format::Float
        | Format::Other(_) => true,
    };
    if fits { Ok(()) } else { Err(StatusCode::UnsupportedFormat) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Mix;

    fn device(fault: Fault) -> Arc<Identity> {
        Arc::new(Identity::of(1, 2, &Mix::only(fault), "dm.example"))
    }

    fn text(tree: &Tree, uri: &str) -> Result<String, StatusCode> {
        match tree.get(uri)? {
            Found::Leaf { value, .. } => Ok(value),
            Found::Interior(names) => Ok(names.join("/")),
        }
    }

    #[test]
    fn a_missing_node_is_added_only_under_a_parent_that_is_there() {
        let identity = device(Fault::MissingNodes);
        let mut tree = Tree::new(identity, Vec::new());
        let value = || "mms.operator.example".to_owned();
        assert_eq!(tree.replace("./AP/MMS/Addr", &Format::Chr, value()), Err(StatusCode::NotFound));
        assert_eq!(tree.add("./AP/MMS/Addr", &Format::Chr, value()), Err(StatusCode::NotFound));
        assert_eq!(tree.add("./AP/MMS", &Format::Node, String::new()), Ok(()));
        assert_eq!(tree.add("./AP/MMS/Addr", &Format::Chr, value()), Ok(()));
        assert_eq!(
            tree.add("./AP/MMS/Addr", &Format::Chr, value()),
            Err(StatusCode::AlreadyExists)
        );
        assert_eq!(text(&tree, "./AP/MMS/Addr"), Ok(value()));
        assert_eq!(text(&tree, "./AP"), Ok("WAP/GW/MMS".to_owned()));
    }

    #[test]
    fn deleting_takes_everything_below_and_permanent_nodes_stay() {
        let identity = device(Fault::None);
        let mut tree = Tree::new(identity, Vec::new());
        tree.add("./Bookmarks/Home/Extra", &Format::Chr, "x".to_owned()).unwrap();
        tree.delete("./Bookmarks").unwrap();
        for gone in ["./Bookmarks", "./Bookmarks/Home/Addr", "./Bookmarks/Home/Extra"] {
            assert_eq!(tree.get(gone), Err(StatusCode::NotFound), "{gone}");
        }
        assert_eq!(tree.delete("./AP"), Err(StatusCode::NotAllowed));
        assert_eq!(tree.delete("./DevInfo/Mod"), Err(StatusCode::NotAllowed));
        assert_eq!(tree.delete("."), Err(StatusCode::NotAllowed));
    }

    #[test]
    fn what_cannot_be_written_is_refused_in_one_of_two_ways() {
        for (index, refusal) in [(2, StatusCode::NotAllowed), (3, StatusCode::PermissionDenied)] {
            let identity =
                Arc::new(Identity::of(1, index, &Mix::only(Fault::ReadOnlyNodes), "dm.example"));
            let mut tree = Tree::new(identity, Vec::new());
            let written =
                tree.replace("./ConnMO/QoS/MaxDownlink", &Format::Int, "50000".to_owned());
            assert_eq!(written, Err(refusal));
            assert_eq!(tree.replace("./AP/GW/Addr", &Format::Chr, "10.20.0.1".to_owned()), Ok(()));
        }
    }

    #[test]
    fn a_value_that_is_not_of_the_format_of_its_node_is_refused() {
        let identity = device(Fault::None);
        let mut tree = Tree::new(identity, Vec::new());
        let written = tree.replace("./ConnMO/QoS/MaxDownlink", &Format::Chr, "fast".to_owned());
        assert_eq!(written, Err(StatusCode::UnsupportedFormat));
    }

    #[test]
    fn an_undone_atomic_leaves_the_tree_as_it_was() {
        let identity = device(Fault::None);
        let mut tree = Tree::new(identity, Vec::new());
        let before = tree.changes().to_vec();
        tree.delete("./AP/GW").unwrap();
        tree.restore(before);
        assert!(text(&tree, "./AP/GW/Addr").is_ok());
    }
}

//! Reading a whole subtree (`?list=`): one Get, and as many items as there are nodes, in one `Results` or in many.
//!
//! What is taken down is the list itself, under the address that was asked for, an address a line; and beside it the value of
//! each leaf under its own address, where values were asked for.

use crate::{
    Outcome, Why,
    exchange::Exchange,
    hearing::Heard,
    sent::{Note, What},
};
use wire::{
    message::Item,
    meta::Format,
    uri::{LocUri, Suffix},
    value::{self, Found},
};

pub(crate) fn is_list(node: &LocUri) -> bool {
    matches!(node.suffix(), Some(Suffix::List(_)))
}

/// Whether a value from `uri` may answer a Get of `node`.
pub(crate) fn answers(node: &LocUri, uri: &LocUri) -> bool {
    if uri.as_str().eq_ignore_ascii_case(node.as_str()) {
        return true;
    }
    let (asked, given) = (node.without_suffix(), uri.without_suffix());
    match node.suffix() {
        None => false,
        // Some devices name the node, and not its property.
        Some(Suffix::Prop(_)) => uri.suffix().is_none() && given == asked,
        Some(Suffix::List(_)) => given == asked || asked.is_ancestor_of(&given),
    }
}

impl Exchange<'_> {
    /// Takes down one node of a list.
    pub(crate) fn note_listed(
        &mut self,
        list: &LocUri,
        item: &Item,
        found: &Found,
        heard: &mut Heard,
    ) -> Note {
        let address = item.source.as_ref().or(item.target.as_ref());
        let uri = address.and_then(|address| LocUri::parse(&address.loc_uri).ok());
        let (Some(job), Some(uri)) = (&mut self.job, uri) else { return Note::Seen };
        let uri = uri.without_suffix();
        let is_leaf = found.format.as_ref() != Some(&Format::Node) && found.data.is_some();
        let mut noted = job.note_listed(list, uri.as_str());
        if let Some(text) = value::text(found).filter(|_| is_leaf) {
            noted &= job.note_read(&uri, text);
        }
        if !noted {
            heard.failed = Some(Outcome::Failed(job.failure(What::Block, None, Why::TooMuchRead)));
        }
        Note::Seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_answered_by_its_node_and_all_below_a_property_by_its_node() {
        let uri = |text: &str| LocUri::parse(text).unwrap();
        for (node, given, yes) in [
            ("./A", "./a", true),
            ("./A", "./A/B", false),
            ("./A?list=Struct", "./A", true),
            ("./A?list=Struct", "./A?list=Struct", true),
            ("./A?list=Struct", "./A/B/C", true),
            ("./A?list=Struct", "./AB", false),
            ("./A?prop=ACL", "./A?prop=ACL", true),
            ("./A?prop=ACL", "./A", true),
            ("./A?prop=ACL", "./A?prop=Name", false),
        ] {
            assert_eq!(answers(&uri(node), &uri(given)), yes, "{node} {given}");
        }
    }
}

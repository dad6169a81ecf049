//! The rules for single settings, and between the settings of one set.

use super::Checker;
use crate::campaign::Parts;
use crate::document::{Apply, Declared};
use crate::scope::{Denied, Verb};
use crate::setting::{self, Setting};
use std::collections::BTreeMap;
use wire::meta::Format;

impl Checker<'_> {
    pub(super) fn settings(&mut self, parts: &Parts) {
        for set in self.document.sets() {
            self.doubled(set);
            for declared in set {
                self.flags(declared);
            }
        }
        for setting in parts.all_settings() {
            self.scope(setting);
            self.value(setting);
            self.templates(setting);
        }
    }

    /// One node is set once: which of two would win?
    fn doubled(&mut self, set: &[Declared]) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for declared in set {
            let uri = wire::uri::LocUri::parse(&declared.uri)
                .map_or_else(|_| declared.uri.clone(), |uri| uri.to_string());
            match seen.get(&uri) {
                Some(first) => {
                    let what = format!(
                        "{} stands in {first} already",
                        crate::document::printable(&declared.uri)
                    );
                    self.problem(&format!("{}.uri", declared.path), what, "keep one of them");
                }
                None => {
                    seen.insert(uri, &declared.path);
                }
            }
        }
    }

    fn flags(&mut self, declared: &Declared) {
        let path = &declared.path;
        if declared.secret && declared.verb == Verb::Read {
            self.problem(
                &format!("{path}.secret"),
                "a secret is never read",
                "leave `secret` out, or write the node instead",
            );
        }
        if declared.secret && declared.readable == Some(true) {
            self.problem(
                &format!("{path}.readable"),
                "a secret is never read back",
                "leave `readable` out",
            );
        }
        match (declared.verb, &declared.from) {
            (Verb::Copy, None) => {
                self.problem(path, "`copy` needs `from`", "name the node that is copied");
            }
            (Verb::Copy, Some(_)) | (_, None) => {}
            (verb, Some(_)) => {
                let what = format!("`{}` comes from nowhere", verb.name());
                self.problem(&format!("{path}.from"), what, "write `do: copy`, or leave it out");
            }
        }
        if declared.within.is_some() && declared.verb != Verb::Exec {
            self.problem(
                &format!("{path}.within"),
                "is for what a device reports on later, and it does so only of `exec`",
                "leave it out",
            );
        }
        let value = format!("{path}.value");
        let has_none = matches!(declared.format, Format::Node | Format::Null);
        match (declared.verb, &declared.value) {
            (Verb::Read | Verb::Delete | Verb::Copy, Some(_)) => {
                self.problem(
                    &value,
                    format!("`{}` takes no value", declared.verb.name()),
                    "leave it out",
                );
            }
            (Verb::Ensure | Verb::Replace | Verb::Add, Some(_)) if has_none => {
                self.problem(
                    &value,
                    format!("format {} has no value", declared.format),
                    "leave it out, or name another format",
                );
            }
            (Verb::Ensure | Verb::Replace | Verb::Add, None) if !has_none => {
                let help = "write the value, `\"\"` for an empty one, or `format: node` for an interior node";
                self.problem(path, format!("`{}` needs a value", declared.verb.name()), help);
            }
            _ => {}
        }
    }

    /// May the authority do this, for at least one way of filling in the templates?
    fn scope(&mut self, setting: &Setting) {
        let allowed = match setting.uri() {
            Some(uri) => self.grounds.scopes.allows(setting.verb, uri),
            None => self.grounds.scopes.may_allow(
                setting.verb,
                &setting.address.outline(),
                setting.address.suffix(),
            ),
        };
        if let Some(from) = &setting.from {
            let allowed = match from.known() {
                Some(uri) => self.grounds.scopes.allows(Verb::Read, uri),
                None => self.grounds.scopes.may_allow(Verb::Read, &from.outline(), from.suffix()),
            };
            if let Err(denied) = allowed {
                let path = format!("{}.from", setting.path);
                self.problem(&path, denied.to_string(), "name a node that the authority may read");
            }
        }
        let Err(denied) = allowed else { return };
        let help = match denied {
            Denied::NotGranted { .. } => {
                "the authority's scope is set in the server's configuration"
            }
            Denied::UserOwned { .. } | Denied::AboveUserOwned { .. } => {
                "what is the user's own is never written"
            }
            Denied::Inbox | Denied::Tnds => "write the nodes one by one",
            Denied::ListWritten => "name the node without `?list=`",
            Denied::Property(_) | Denied::PropertyVerb => {
                "use `replace` or `read` with ?prop=Name or ?prop=ACL"
            }
            Denied::Ambiguous => "write the node's name plainly",
        };
        self.problem(&format!("{}.uri", setting.path), denied.to_string(), help);
    }

    fn value(&mut self, setting: &Setting) {
        let Some(value) = setting.value.as_ref().and_then(|value| value.plain()) else { return };
        let path = format!("{}.value", setting.path);
        if let Err(error) = setting::valid(setting.verb, &setting.format, value) {
            let shown = if setting.secret {
                "the secret".to_owned()
            } else {
                format!("`{}`", crate::document::printable(value))
            };
            self.problem(
                &path,
                format!("{shown} is no {}: {error}", setting.format),
                "correct the value, or the format",
            );
        }
        if setting.format == Format::Xml && value.contains("<MgmtTree") {
            self.problem(
                &path,
                "holds a management tree, whose inner nodes cannot be checked",
                "write the nodes one by one",
            );
        }
    }

    fn templates(&mut self, setting: &Setting) {
        let path = &setting.path;
        for uses in setting.uses() {
            self.attributes(path, uses.attributes.iter());
            for (_, uri) in uses.reads.iter().chain(&uses.settings) {
                self.may_read(path, uri);
            }
            if let (Some((written, _)), Apply::Unconditional) =
                (uses.reads.first(), self.document.apply)
            {
                let what = format!(
                    "read[\"{written}\"] needs a value that `apply: unconditional` does not read"
                );
                self.problem(path, what, "write `apply: conditional`, or do without `read`");
            }
        }
    }
}

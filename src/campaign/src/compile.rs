//! From a document to what is evaluated for each device: expressions, templates and addresses, compiled once.

use crate::campaign::{Parts, Variant};
use crate::document::{Declared, Document, Then};
use crate::expression::Expression;
use crate::problem::Problem;
use crate::setting::Setting;
use crate::template::{Address, Engine, Sources, Text};

/// Compiles what can be compiled; what cannot is left out and reported.
pub(crate) fn compile(document: &Document) -> (Parts, Vec<Problem>) {
    let mut compiler = Compiler { document, sources: Sources::new(), problems: Vec::new() };
    let where_ =
        document.devices.where_.as_ref().and_then(|text| compiler.condition("devices.where", text));
    let settings = compiler.drafts(&document.settings);
    let variants: Vec<_> = document
        .variants
        .iter()
        .filter_map(|variant| {
            let when = compiler.condition(&format!("{}.when", variant.path), &variant.when);
            let (drafts, reason) = match &variant.then {
                Then::Settings(declared) => (Some(compiler.drafts(declared)), String::new()),
                Then::Skip(reason) => (None, reason.clone()),
            };
            Some((variant.path.clone(), when?, drafts, reason))
        })
        .collect();
    let engine = compiler.sources.finish();
    let finish = |drafts: Vec<Draft>| {
        drafts.into_iter().map(|draft| draft.finish(&engine)).collect::<Vec<_>>()
    };
    let settings = finish(settings);
    let variants = variants.into_iter().map(|(path, when, drafts, reason)| Variant {
        path,
        when,
        settings: drafts.map(finish),
        reason,
    });
    (Parts { where_, settings, variants: variants.collect() }, compiler.problems)
}

struct Compiler<'d> {
    document: &'d Document,
    sources: Sources,
    problems: Vec<Problem>,
}

/// A setting whose templates are still being collected.
struct Draft {
    declared: Declared,
    address: Address,
    value: Option<Text>,
    from: Option<Address>,
}

impl Compiler<'_> {
    fn problem(&mut self, path: &str, what: String, help: &str) {
        self.problems.push(Problem {
            path: path.to_owned(),
            line: self.document.line(path),
            what,
            help: help.to_owned(),
        });
    }

    fn condition(&mut self, path: &str, text: &str) -> Option<Expression> {
        Expression::compile(text)
            .map_err(|error| {
                self.problem(
                    path,
                    error.to_string(),
                    "write a condition such as model == \"RV-100\" && attributes.plan == \"gold\"",
                );
            })
            .ok()
    }

    fn drafts(&mut self, declared: &[Declared]) -> Vec<Draft> {
        declared.iter().filter_map(|declared| self.draft(declared)).collect()
    }

    fn draft(&mut self, declared: &Declared) -> Option<Draft> {
        let address = self.address(&format!("{}.uri", declared.path), &declared.uri);
        let from = match &declared.from {
            None => None,
            Some(from) => Some(self.address(&format!("{}.from", declared.path), from)?),
        };
        let value = match &declared.value {
            None => None,
            Some(text) => Some(
                self.sources
                    .add(text)
                    .map_err(|error| self.problem(&format!("{}.value", declared.path), error.to_string(), "fields stand between {{ and }}, as in {{ attributes.plan | default(\"gold\") }}"))
                    .ok()?,
            ),
        };
        Some(Draft { declared: declared.clone(), address: address?, value, from })
    }

    fn address(&mut self, path: &str, text: &str) -> Option<Address> {
        Address::compile(text, &mut self.sources)
            .map_err(|error| {
                self.problem(
                    path,
                    error.to_string(),
                    "write the address of a node, as in ./ConnMO/QoS/MaxDownlink",
                );
            })
            .ok()
    }
}

impl Draft {
    fn finish(self, engine: &Engine) -> Setting {
        let Declared { path, verb, format, within, secret, readable, .. } = self.declared;
        let readable = readable.unwrap_or(!secret);
        Setting {
            path,
            verb,
            format,
            secret,
            readable,
            address: self.address,
            value: self.value,
            from: self.from,
            within: within.unwrap_or(Setting::WITHIN),
            engine: engine.clone(),
        }
    }
}

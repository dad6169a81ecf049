//! The digest that ties a job to its rendering: what the user agreed to, and what was compared, is what is written (D6).

use crate::{Plan, Setting};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::uri::LocUri;

/// The first 16 octets of the SHA-256 over a plan and, once rendered, its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin([u8; 16]);

impl Pin {
    pub(crate) fn of(plan: &Plan, settings: Option<&[Setting]>) -> Self {
        let mut hash = Texts(Sha256::new());
        hash.number(plan.job.seq);
        hash.number(u64::from(plan.job.run));
        hash.uris(&plan.query);
        hash.uris(&plan.keep);
        hash.number(u64::from(plan.conditional));
        hash.text(&format!("{:?} {:?}", plan.atomic, plan.prove));
        if let Some(question) = &plan.ask {
            hash.text(&question.text);
            hash.number(u64::from(question.wait_seconds));
        }
        if let Some(settings) = settings {
            hash.number(settings.len() as u64);
            for setting in settings {
                hash.setting(setting);
            }
        }
        let digest: [u8; 32] = hash.0.finalize().into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// A hash over texts and numbers, each with its length, so that nothing can slide from one field into the next.
struct Texts(Sha256);

impl Texts {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    fn uris(&mut self, uris: &[LocUri]) {
        self.number(uris.len() as u64);
        for uri in uris {
            self.text(uri.as_str());
        }
    }

    fn setting(&mut self, setting: &Setting) {
        self.text(&format!("{:?}", setting.verb));
        self.text(setting.uri.as_str());
        self.text(setting.format.name());
        self.number(u64::from(setting.value.is_some()));
        self.text(setting.value.as_deref().unwrap_or_default());
        self.number(u64::from(setting.secret));
        self.number(u64::from(setting.readable));
        self.text(setting.from.as_ref().map(LocUri::as_str).unwrap_or_default());
        self.number(u64::from(setting.within_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Atomic, JobRef, Prove, Verb};
    use wire::meta::Format;

    fn plan() -> Plan {
        Plan {
            job: JobRef { seq: 1, run: 0 },
            query: Vec::new(),
            keep: Vec::new(),
            conditional: true,
            atomic: Atomic::Never,
            prove: Prove::Status,
            ask: None,
            skip: None,
            tell: false,
        }
    }

    fn setting(uri: &str, value: Option<&str>) -> Setting {
        Setting {
            verb: Verb::Ensure,
            uri: LocUri::parse(uri).unwrap(),
            format: Format::Chr,
            value: value.map(str::to_owned),
            secret: false,
            readable: true,
            from: None,
            within_seconds: 0,
        }
    }

    #[test]
    fn every_difference_in_a_rendering_shows() {
        let renderings = [
            None,
            Some(vec![]),
            Some(vec![setting("./A", None)]),
            Some(vec![setting("./A", Some(""))]),
            Some(vec![setting("./A", Some("1"))]),
            Some(vec![setting("./A1", Some(""))]),
            Some(vec![setting("./A", Some("1")), setting("./A", Some("1"))]),
            Some(vec![Setting { secret: true, ..setting("./A", Some("1")) }]),
        ];
        let pins: Vec<Pin> =
            renderings.iter().map(|settings| Pin::of(&plan(), settings.as_deref())).collect();
        for (index, pin) in pins.iter().enumerate() {
            assert_eq!(pins.iter().position(|other| other == pin), Some(index));
        }
        let proven_otherwise = Plan { prove: Prove::ReadBack, ..plan() };
        assert_ne!(Pin::of(&proven_otherwise, None), pins[0]);
    }
}

//! The row of the deployment: its settings, and the processes that are there. Pure: what becomes of it, given the time.

use campaign::time::Instant;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long an entry counts after it was renewed.
const COUNTS: Duration = Duration::from_secs(5);
/// Entries beyond this are a mistake, and the row must stay small.
const MOST: usize = 256;

/// Name of a thing to a digest of its settings.
pub(super) type Settings = BTreeMap<String, [u8; 8]>;

/// One row for the deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DeploymentRow {
    settings: Settings,
    members: BTreeMap<String, Member>,
    /// Grows when somebody comes or goes.
    version: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Member {
    until: Instant,
    /// It has the settings of the row, and takes part in the work.
    agrees: bool,
    /// The newest version that it has seen.
    saw: u64,
}

impl DeploymentRow {
    /// A process renews its entry; answers whether it had none. The settings of the row change only when nobody is left who
    /// has them.
    pub(super) fn renew(&mut self, id: &str, settings: &Settings, now: Instant) -> bool {
        let before = self.workers();
        self.members.retain(|_, member| member.until > now);
        let comes = !self.members.contains_key(id);
        let others_agree = self.members.iter().any(|(other, member)| other != id && member.agrees);
        if !others_agree && self.settings != *settings {
            self.settings.clone_from(settings);
            self.members.values_mut().for_each(|member| member.agrees = false);
        }
        let agrees = self.settings == *settings;
        if self.members.len() < MOST || self.members.contains_key(id) {
            let member = Member { until: now.plus(COUNTS), agrees, saw: self.version };
            self.members.insert(id.to_owned(), member);
        }
        self.moved(&before);
        let version = self.version;
        if let Some(member) = self.members.get_mut(id) {
            member.saw = version;
        }
        comes
    }

    /// A process that ends takes its entry with it.
    pub(super) fn leave(&mut self, id: &str) {
        let before = self.workers();
        self.members.remove(id);
        self.moved(&before);
    }

    /// How many processes take part in the work, and which of them this one is.
    pub(super) fn view(&self, id: &str) -> (u32, Option<u32>) {
        let workers = self.workers();
        let number = workers.iter().position(|worker| worker == id);
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (small(workers.len()), number.map(small))
    }

    /// Whether everybody who takes part has seen who does.
    pub(super) fn all_saw(&self) -> bool {
        self.members
            .values()
            .filter(|member| member.agrees)
            .all(|member| member.saw >= self.version)
    }

    /// The first thing that differs from these settings.
    pub(super) fn difference(&self, settings: &Settings) -> Option<String> {
        let names = self.settings.keys().chain(settings.keys());
        let mut differing = names.filter(|name| self.settings.get(*name) != settings.get(*name));
        differing.next().cloned()
    }

    fn workers(&self) -> Vec<String> {
        let agreeing = self.members.iter().filter(|(_, member)| member.agrees);
        agreeing.map(|(id, _)| id.clone()).collect()
    }

    fn moved(&mut self, before: &[String]) {
        if self.workers() != before {
            self.version += 1;
        }
    }
}

//! Work as a test lays it out: plans, and settings whose values may take up `{./node}` as it was read.

use session::{Facts, JobRef, Plan, Reads, Setting, Unfit, Work};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Bench {
    pub(crate) plans: Vec<Plan>,
    pub(crate) settings: BTreeMap<JobRef, Result<Vec<Setting>, Unfit>>,
}

impl Work for Bench {
    fn plans(&self, _facts: &Facts) -> Vec<Plan> {
        self.plans.clone()
    }

    fn settings(&self, job: JobRef, _facts: &Facts, read: &Reads) -> Result<Vec<Setting>, Unfit> {
        let settings = self.settings.get(&job).cloned().unwrap_or(Err(Unfit::Gone))?;
        settings.into_iter().map(|setting| filled(setting, read)).collect()
    }
}

fn filled(mut setting: Setting, read: &Reads) -> Result<Setting, Unfit> {
    let Some(value) = &setting.value else { return Ok(setting) };
    let Some((before, rest)) = value.split_once('{') else { return Ok(setting) };
    let (node, after) = rest.split_once('}').expect("a brace is closed");
    let found =
        read.get(node).ok_or_else(|| Unfit::NotApplicable(format!("{node} was not read")))?;
    setting.value = Some(format!("{before}{found}{after}"));
    Ok(setting)
}

//! What became of the devices with each fault.

use super::site::Site;
use anyhow::Context;
use loadtest::Fleet;
use std::collections::BTreeMap;

/// Name of a fault to name of an outcome to count. `none` are the devices that are well.
pub(crate) type ByFault = BTreeMap<&'static str, BTreeMap<String, u64>>;

/// Results asked for at once.
const PAGE: usize = 1000;

/// Counts the outcomes of a campaign that has ended, fault by fault.
pub(crate) async fn count(
    site: &Site,
    view: &api::CampaignView,
    fleet: &Fleet,
) -> anyhow::Result<ByFault> {
    let mut counts = ByFault::new();
    let mut cursor = None;
    loop {
        let page = site.results(&view.authority, &view.id, cursor.as_deref(), PAGE).await?;
        for result in page.results {
            let index = fleet.index_of(&result.device).context("a result of no device")?;
            let fault = fleet.expected(index).fault.name();
            *counts.entry(fault).or_default().entry(result.outcome).or_default() += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(counts);
        }
    }
}

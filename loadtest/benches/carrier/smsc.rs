//! The simulated short message centre as the other side: it reads and judges every octet, and no device ever hears of it.

use loadtest::{
    Fleet, FleetPlan,
    carrier::smsc::{Manners, Receipts, Smsc, SmscPlan},
};

/// A centre for the first so many simulated devices; it works as long as both values live.
pub(crate) async fn start(devices: u64) -> anyhow::Result<(Fleet, Smsc)> {
    let fleet = Fleet::start(FleetPlan::new(devices, "http://127.0.0.1:1/dm")).await?;
    let receipts = Receipts { missing: 1.0, ..Receipts::default() };
    let manners = Manners { undelivered: 1.0, receipts, ..Manners::default() };
    let smsc = Smsc::start(SmscPlan { manners, ..SmscPlan::default() }).await?;
    smsc.serve(fleet.ears());
    Ok((fleet, smsc))
}

//! Every fault that the simulated devices have, all at once: each job ends as it can, and no device sees a breach.

use crate::world::{Plan, World, a_world};
use loadtest::{Answer, Fault, FleetReport, Mix};
use std::collections::{BTreeMap, BTreeSet};

const CAMPAIGN: &str = "
campaign: faults
authority: operator
devices: {group: demo}
settings:
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
  - {uri: ./AP/MMS/Addr, value: mms.operator.example}
deliver: {attempts: 3, answer_within: 3s}
";

const ASKING: &str = "confirm: {ask: May we?, default: no, wait: 2s}\nconfirm_mass: true\n";

/// How the job of a device may end.
fn endings(fault: Fault, as_wanted: bool) -> &'static [&'static str] {
    match fault {
        Fault::Silent | Fault::WrongPassword | Fault::Unenrols => &["unreachable"],
        Fault::ReadOnlyNodes => &["failed"],
        // Its value cannot be read, so it is written without being compared.
        Fault::WriteOnlyNodes => &["applied"],
        _ if as_wanted => &["unchanged"],
        _ => &["applied"],
    }
}

async fn each_ends_as_it_can(world: World, document: &str) -> FleetReport {
    let ending = world.run(document).await;
    let mut seen = BTreeSet::new();
    let mut unexpected = BTreeMap::new();
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        seen.insert(kind.fault.name());
        if !endings(kind.fault, kind.as_wanted).contains(&result.outcome.as_str()) {
            unexpected.insert(index, (kind.clone(), result.clone()));
        }
        if matches!(result.outcome.as_str(), "applied" | "unchanged") {
            let node = world.node(index, "./AP/GW/Addr");
            assert_eq!(node.as_deref(), Some("10.20.0.1"), "{kind:?} {result:?}");
            let node = world.node(index, "./AP/MMS/Addr");
            assert_eq!(node.as_deref(), Some("mms.operator.example"), "{kind:?}");
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    for (fault, _) in Fault::ALL {
        assert!(seen.contains(fault), "nobody has {fault}");
    }
    assert_eq!(ending.view.progress.ended, world.devices);
    world.ends_well().await
}

/// R17, R23, R27, C3: whatever is wrong with a device, its job ends, and as well as it can; what is said to it is right.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_device_its_job_ends_as_well_as_it_can() {
    let mix = Mix { offline_milliseconds: 2_000, ..Mix::every_fault() };
    let world = a_world(Plan::new(mix, 220)).await;
    let report = each_ends_as_it_can(world, CAMPAIGN).await;
    for end in ["complete", "died", "left", "refused"] {
        assert!(report.sessions_by_end.contains_key(end), "{end}: {:?}", report.sessions_by_end);
    }
}

/// R7, R27: with all of these faults, nothing is written without a yes, and every refusal is told for what it is.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_device_nothing_is_written_without_a_yes() {
    // A user who is being asked has a minute longer than the device takes to give up: these would be waited for.
    let mix = Mix { dies_mid_session: 0.0, reused_msg_id: 0.0, ..Mix::every_fault() };
    let mix = Mix { offline_milliseconds: 2_000, says_no: 0.3, ..mix };
    let plan = Plan { questions: true, seed: 5, ..Plan::new(mix, 220) };
    let world = a_world(plan).await;
    let document = CAMPAIGN.replace("attempts: 3", "attempts: 2") + ASKING;
    let ending = world.run(&document).await;
    for (index, result) in world.each(&ending) {
        let kind = world.fleet.expected(index);
        let answer = if kind.fault == Fault::CannotAsk { Answer::Nothing } else { kind.answer };
        if answer != Answer::Yes && !kind.as_wanted {
            let node = world.node(index, "./AP/GW/Addr");
            assert_eq!(node.as_deref(), Some("10.0.0.1"), "{kind:?} {result:?}");
            assert!(!matches!(result.outcome.as_str(), "applied" | "unchanged"), "{kind:?}");
        }
    }
    world.ends_well().await;
}

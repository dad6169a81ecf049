//! A pace for each cell, kept by several processes together, and judged at the carrier's socket.

use crate::{
    hand_over::a_fleet,
    operator::{LOOK, PATIENCE},
    process::{Redis, Site},
    short_messages::route,
    world::{AUTHORITY, import},
};
use loadtest::{Mix, Smsc, SmscPlan, carrier::smsc::Arrival};
use std::{collections::HashSet, time::Duration};

/// Devices a second for each cell.
const RATE: usize = 10;
const CELLS: u64 = 3;
const DEVICES: u64 = 90;

/// The most that came in any one second.
fn busiest(arrivals: &[Duration]) -> usize {
    let within = |first: &Duration| {
        arrivals
            .iter()
            .filter(|at| **at >= *first && **at < *first + Duration::from_secs(1))
            .count()
    };
    arrivals.iter().map(within).max().unwrap_or_default()
}

/// C2: two processes notify the devices of the same cells through one centre. Moments are booked, so no cell gets more in any
/// second than its rate, though either process alone would send as much, and the route takes three times that.
#[tokio::test(flavor = "multi_thread")]
async fn no_cell_gets_more_than_its_rate_from_two_processes_together() {
    let kept = SmscPlan { arrivals_kept: 1_000, ..SmscPlan::default() };
    let smsc = Smsc::start(kept).await.unwrap();
    let redis = Redis::start();
    let sites = [(); 2].map(|()| Site::over_with(&redis, &route(&smsc, "")));
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, DEVICES, Mix { silent: 1.0, ..Mix::healthy() }, 7).await;
    smsc.serve(fleet.ears());
    let operator = sites[0].operator();
    let cell = |device: u64| (device % CELLS).to_string();
    import(&operator, &fleet, 0..DEVICES, "attributes.cell", cell).await;
    let document = format!(
        "
campaign: paced
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
deliver: {{attempts: 1, answer_within: 1h}}
pace: {{per: {{cell: {RATE}}}}}
"
    );
    operator.submit(&document).await.unwrap();
    let all = async {
        while smsc.report().submitted < DEVICES {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("each is notified");
    let arrivals = smsc.arrivals();
    let of_cell = |cell: u64, arrival: &Arrival| arrival.device.unwrap() % CELLS == cell;
    for cell in 0..CELLS {
        let came: Vec<Duration> = arrivals
            .iter()
            .filter(|arrival| of_cell(cell, arrival))
            .map(|arrival| arrival.at)
            .collect();
        assert_eq!(came.len() as u64, DEVICES / CELLS, "each device once");
        // What is read late, because others have the processor, looks as if it came together.
        assert!(busiest(&came) <= RATE + 1, "cell {cell}: {came:?}");
    }
    let lines: HashSet<u64> = arrivals.iter().map(|arrival| arrival.line).collect();
    assert!(lines.len() > 2, "both processes sent: {lines:?}");
    fleet.stop().await;
    for server in servers {
        server.kill().await;
    }
    assert_eq!(smsc.stop().await.breaches.count, 0);
}

//! Several processes over one Redis: successive messages of one session get to different ones.

use crate::{
    operator::{Operator, Refusal},
    process::{Redis, Site},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use loadtest::{Fleet, FleetPlan, Mix};
use std::collections::BTreeMap;

/// What is wanted; a campaign each.
fn document(name: &str, value: u64) -> String {
    format!(
        "
campaign: {name}
authority: {AUTHORITY}
devices: {{group: demo}}
settings:
  - {{uri: ./AP/GW/Addr, value: 10.30.{value}.1}}
  - {{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: {}}}
deliver: {{attempts: 12, answer_within: 3s}}
pace: {{per_second: 60}}
",
        60_000 + value
    )
}

pub(crate) async fn a_fleet(sites: &[Site], devices: u64, mix: Mix, seed: u64) -> Fleet {
    let plan = FleetPlan {
        questions_expected: mix.says_no > 0.0,
        mix,
        seed,
        server_id: "reveille.local".to_owned(),
        fronts: sites.iter().map(Site::front).collect(),
        round_robin: true,
        ..FleetPlan::new(devices, format!("http://dm.operator.example/dm/{AUTHORITY}"))
    };
    Fleet::start(plan).await.unwrap()
}

/// Submits through whoever answers.
async fn submit(operators: &[Operator], document: &str) -> String {
    for operator in operators.iter().cycle().take(600) {
        match operator.submit(document).await {
            Ok(view) => return view.id,
            Err(Refusal::Problem(problem)) => panic!("the campaign was refused: {problem}"),
            Err(Refusal::Unanswered) => tokio::time::sleep(crate::operator::LOOK).await,
        }
    }
    panic!("nobody took the campaign")
}

/// C3: any worker can take the next message of a session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_messages_get_to_two_processes_in_turn_ends_as_with_one() {
    const DEVICES: u64 = 40;
    let redis = Redis::start();
    let sites = [Site::over(&redis), Site::over(&redis)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), 7).await;
    let operators = [sites[0].operator(), sites[1].operator()];
    import(&operators[0], &fleet, 0..DEVICES, "", |_| String::new()).await;

    let id = submit(&operators, &document("hand-over", 1)).await;
    let ending = operators[1].end_of(AUTHORITY, &id).await;
    at_rest(&fleet).await;
    assert_eq!(ending.view.progress.outcomes, BTreeMap::from([("applied".to_owned(), DEVICES)]));
    for index in 0..DEVICES {
        assert_eq!(
            fleet.node(index, "./AP/GW/Addr").as_deref(),
            Some("10.30.1.1"),
            "device {index}"
        );
        assert_eq!(fleet.sessions_of(index), 1, "one session was enough for device {index}");
    }
    no_breach(&fleet.stop().await);
    for server in servers {
        let messages = server.messages().await;
        assert!(
            messages > DEVICES,
            "each process had about half of the messages, this one {messages}"
        );
    }
}

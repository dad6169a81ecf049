//! Devices that do not answer, answer late, or fall silent in the middle.

use crate::world::a_world_with;
use loadtest::{Fault, Mix};

/// R23: who never answers is notified again with growing pauses and then given up; who was away for a while is served
/// when it is back; who falls silent within a session is called again and brought to its proof; a stranger who uses a
/// device's name gets nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn every_silence_ends() {
    let mix = Mix {
        silent: 0.15,
        offline_for: 0.25,
        offline_milliseconds: 3_000,
        dies_mid_session: 0.2,
        wrong_password: 0.1,
        ..Mix::healthy()
    };
    let world = a_world_with(mix, 60).await;
    let ending = world
        .run(
            "
campaign: silence
authority: operator
devices: {group: demo}
settings:
  - {uri: ./AP/GW/Addr, value: 10.20.0.1}
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
deliver: {attempts: 3, answer_within: 2s}
",
        )
        .await;
    let mut first_unanswered = 0;
    for (index, result) in world.each(&ending) {
        let fault = world.fleet.expected(index).fault;
        let sessions = world.fleet.sessions_of(index);
        match fault {
            Fault::Silent => {
                assert_eq!(
                    (result.outcome.as_str(), result.attempts, sessions),
                    ("unreachable", 3, 0),
                    "{result:?}"
                );
                first_unanswered += 1;
            }
            Fault::WrongPassword => {
                assert_eq!(
                    (result.outcome.as_str(), result.attempts),
                    ("unreachable", 3),
                    "{result:?}"
                );
                first_unanswered += 1;
            }
            Fault::OfflineFor { .. } => {
                assert_eq!(result.outcome, "applied", "{result:?}");
                assert!(result.attempts > 1, "{result:?}");
                first_unanswered += 1;
            }
            Fault::DiesMidSession { .. } => {
                assert_eq!(result.outcome, "applied", "{fault:?} {result:?}");
                assert!(sessions > 1 && result.attempts > 1, "{sessions} {result:?}");
            }
            _ => {
                assert_eq!(
                    (result.outcome.as_str(), result.attempts),
                    ("applied", 1),
                    "{result:?}"
                );
            }
        }
        let written = result.outcome == "applied";
        assert_eq!(
            world.node(index, "./AP/GW/Addr").as_deref(),
            Some(if written { "10.20.0.1" } else { "10.0.0.1" })
        );
    }
    let progress = &ending.view.progress;
    assert_eq!((progress.silent, progress.notified), (first_unanswered, 60));
    world.ends_well().await;
}

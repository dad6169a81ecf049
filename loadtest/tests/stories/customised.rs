//! One campaign, and each device gets what fits it: its model, its subscriber, its plan.

use crate::world::{AUTHORITY, Plan, a_world_with, an_empty_world};
use loadtest::{Mix, Model};

/// R4: other values and other nodes for another model, or nothing at all, by what the device itself says it is. The registry
/// is wrong about some of them here.
#[tokio::test(flavor = "multi_thread")]
async fn each_model_gets_what_fits_it() {
    let world = a_world_with(Mix { legacy: 0.3, rv200: 0.3, ..Mix::healthy() }, 45).await;
    let wrong = (0..45).step_by(3).map(|index| format!("{},{AUTHORITY},RV-1", world.name(index)));
    let wrong: Vec<_> = std::iter::once("device,authority,model".to_owned()).chain(wrong).collect();
    assert_eq!(world.operator.import(wrong.join("\n")).await.unwrap().imported, 15);
    let ending = world
        .run(
            r#"
campaign: by-model
authority: operator
devices: {group: demo}
settings:
  - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 50000}
variants:
  - when: model.startsWith("LEGACY")
    settings: [{uri: ./Vendor/Acme/Bandwidth, value: high}]
  - when: model == "RV-200" && attributes.plan == "basic"
    skip: not in this plan
  - when: model == "RV-200" && dm_version == "1.2"
    settings:
      - {uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 80000}
      - {uri: ./ConnMO/QoS/Boost, format: bool, value: true}
"#,
        )
        .await;
    for (index, result) in world.each(&ending) {
        let identity = world.fleet.identity(index);
        let (outcome, downlink) = match (identity.kind.model, identity.plan) {
            (Model::Rv100 | Model::Laptop, _) => ("applied", "50000"),
            (Model::Rv200, "basic") => ("not_applicable", "20000"),
            (Model::Rv200, _) => ("applied", "80000"),
            (Model::Legacy7, _) => ("applied", "20000"),
        };
        assert_eq!(result.outcome, outcome, "{identity:?} {result:?}");
        assert_eq!(
            world.node(index, "./ConnMO/QoS/MaxDownlink").as_deref(),
            Some(downlink),
            "{identity:?}"
        );
        match identity.kind.model {
            Model::Legacy7 => {
                assert_eq!(world.node(index, "./Vendor/Acme/Bandwidth").as_deref(), Some("high"));
            }
            Model::Rv200 if outcome == "applied" => {
                assert_eq!(world.node(index, "./ConnMO/QoS/Boost").as_deref(), Some("true"));
            }
            Model::Rv200 => assert_eq!(result.why.as_deref(), Some("not in this plan")),
            Model::Rv100 | Model::Laptop => {}
        }
    }
    assert!(ending.count("not_applicable") > 0 && ending.count("applied") > 0);
    // The server has learnt what they are.
    let view = world.operator.device(AUTHORITY, &world.name(0)).await.unwrap();
    assert_eq!((view.model.as_str(), view.jobs.len()), (world.fleet.expected(0).model.name(), 0));
    world.ends_well().await;
}

/// R15: the bandwidth of each subscriber, from an attribute of the registry; who has none gets the default. What the device
/// has already may go into the new value, too.
#[tokio::test(flavor = "multi_thread")]
async fn each_subscriber_gets_a_value_of_its_own() {
    let world = an_empty_world(Plan::new(Mix::healthy(), 20)).await;
    let bandwidth = |index: u64| {
        if index.is_multiple_of(2) { (30_000 + index).to_string() } else { String::new() }
    };
    world.import_with(0..20, "attributes.bandwidth_kbps", bandwidth).await;
    let ending = world
        .run(
            r#"
campaign: by-subscriber
authority: operator
devices: {group: demo}
settings:
  - uri: ./ConnMO/QoS/MaxDownlink
    format: int
    value: "{{ attributes.bandwidth_kbps | default(25000) }}"
  - uri: ./Bookmarks/Home/Name
    value: "{{ read['./ConnMO/QoS/Plan'] }} at {{ model }}"
"#,
        )
        .await;
    assert_eq!(ending.count("applied"), 20);
    for index in 0..20_u64 {
        let expected = if index.is_multiple_of(2) { 30_000 + index } else { 25_000 };
        assert_eq!(world.node(index, "./ConnMO/QoS/MaxDownlink"), Some(expected.to_string()));
        let identity = world.fleet.identity(index);
        let name = format!("{} at {}", identity.plan, identity.kind.model.name());
        assert_eq!(world.node(index, "./Bookmarks/Home/Name"), Some(name));
    }
    world.ends_well().await;
}

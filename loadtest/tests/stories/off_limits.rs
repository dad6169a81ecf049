//! What no campaign may touch: what belongs to the user, and what belongs to another authority.

use crate::{
    operator::Refusal,
    world::{AUTHORITY, Plan, World, a_world, an_empty_world},
};
use loadtest::Mix;

/// Two authorities that share the tree between them.
pub(crate) const TWO_AUTHORITIES: &str = r#"
[[authority]]
name = "operator"
server_id = "dm.operator.example"
integrity = "none"
scopes = [{ uri = "./AP", rights = ["read", "write"] }, { uri = "./User", rights = ["read", "write"] }]
[[authority]]
name = "enterprise"
server_id = "dm.enterprise.example"
integrity = "none"
scopes = [{ uri = "./ConnMO", rights = ["read", "write"] }, { uri = "./AP/GW", rights = ["read"] }]
"#;

fn writing(authority: &str, id: &str, uri: &str) -> String {
    format!(
        "
campaign: {id}
authority: {authority}
devices: {{group: demo}}
settings: [{{uri: \"{uri}\", value: changed}}]
deliver: {{attempts: 2, answer_within: 5s}}
"
    )
}

/// R8, R9: what is refused at launch is refused with the place and the reason, and no device ever hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_on_somebody_elses_nodes_is_not_accepted() {
    let authorities = TWO_AUTHORITIES.to_owned();
    let world = a_world(Plan { authorities, ..Plan::new(Mix::healthy(), 4) }).await;
    for (authority, uri, why) in [
        // The grant of ./User does not help: it is the user's.
        (AUTHORITY, "./User/Ringtone", "belongs to the user"),
        (AUTHORITY, "./user/RINGTONE", "belongs to the user"),
        (AUTHORITY, "./U%73er/Ringtone", "belongs to the user"),
        (AUTHORITY, "./ConnMO/QoS/Plan", "no grant"),
        ("enterprise", "./AP/GW/Addr", "no grant"),
        ("enterprise", "./AP/WAP/Addr", "no grant"),
        (AUTHORITY, "./Inbox/x", "Inbox"),
    ] {
        let answer = world.operator.submit(&writing(authority, "greedy", uri)).await;
        let problem = answer.map_err(Refusal::problem).unwrap_err();
        assert_eq!(problem.status, 422, "{problem}");
        let [only] = problem.problems.as_slice() else { panic!("one reason for {uri}: {problem}") };
        assert_eq!(only.path, "settings[0].uri");
        assert!(only.what.contains(why), "{uri}: {only}");
    }
    let unknown = world.operator.view(AUTHORITY, "greedy").await.map_err(Refusal::problem);
    assert_eq!(unknown.unwrap_err().status, 404);
    let report = world.ends_well().await;
    assert_eq!((report.notifications, report.sessions), (0, 0));
}

/// R8: an address that only a device's own attributes complete is judged again when it is complete: the user's subtree in
/// any spelling, a way upwards, another authority's nodes. Such a job is refused, the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_filled_in_for_one_device_is_judged_once_more() {
    let cases = ["WAP", "GW", "%2e%2e", "..", "%55ser", "a/b", "GW?prop=ACL", "GW%2F..%2FWAP"];
    let world = a_world_for_attributes(&cases).await;
    let ending =
        world.run(&writing(AUTHORITY, "templates", "./AP/{{ attributes.node }}/Addr")).await;
    for (index, result) in world.each(&ending) {
        let case = cases[usize::try_from(index).unwrap()];
        let expected = if matches!(case, "WAP" | "GW") { "applied" } else { "refused" };
        assert_eq!(result.outcome, expected, "{case}: {result:?}");
        assert_eq!(expected == "refused", result.why.is_some(), "{case}: {result:?}");
    }
    // Two of the devices were written to, once each.
    assert_eq!(world.ends_well().await.writes, 2);
}

/// R8: the same where the template stands at the top of the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_does_not_lead_into_what_belongs_to_the_user() {
    let cases = ["Bookmarks", "User", "user", "USER", "Inbox"];
    let world = a_world_for_attributes(&cases).await;
    let ending =
        world.run(&writing(AUTHORITY, "templates", "./{{ attributes.node }}/Ringtone")).await;
    for (index, result) in world.each(&ending) {
        let case = cases[usize::try_from(index).unwrap()];
        let expected = if case == "Bookmarks" { "applied" } else { "refused" };
        assert_eq!(result.outcome, expected, "{case}: {result:?}");
        if expected == "refused" {
            assert_eq!(result.uri, Some(format!("./{case}/Ringtone")));
        }
    }
    assert_eq!(world.ends_well().await.writes, 1);
}

/// One device for each value of `attributes.node`.
async fn a_world_for_attributes(values: &[&'static str]) -> World {
    let world = an_empty_world(Plan::new(Mix::healthy(), values.len() as u64)).await;
    let value = |index| values[usize::try_from(index).unwrap()].to_owned();
    world.import_with(0..world.devices, "attributes.node", value).await;
    world
}

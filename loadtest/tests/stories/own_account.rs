//! Two authorities on one server, each under its own name, with its own secrets, towards its own devices.

use crate::{
    off_limits::TWO_AUTHORITIES,
    operator::Operator,
    world::{Plan, a_fleet, a_server, at_rest, import, no_breach},
};
use loadtest::{Mix, device::End};

/// R5, R9: notifications and sessions go out under the identity and the credentials of the authority that wants something; a
/// device that knows one of them would call anything of the other a breach. Groups of the same name are apart, and at the
/// door of the other authority a device is a stranger.
#[tokio::test(flavor = "multi_thread")]
async fn each_authority_speaks_under_its_own_account() {
    let data = tempfile::tempdir().unwrap();
    let running = a_server(TWO_AUTHORITIES, &data).await;
    let operator = Operator::at(format!("http://{}", running.admin));
    // Other devices, under another authority: neither names nor secrets are the same.
    let mine = Plan::new(Mix { xml: 0.5, ..Mix::healthy() }, 12);
    let theirs = Plan { seed: 2, devices: 8, ..mine.clone() };
    let mine = a_fleet(&mine, &running, "operator").await;
    let theirs = a_fleet(&theirs, &running, "enterprise").await;
    import(&operator, &mine, 0..12, "", |_| String::new()).await;
    import(&operator, &theirs, 0..8, "", |_| String::new()).await;
    assert_ne!(mine.identity(0).server_secret, theirs.identity(0).server_secret);

    let submit = async |authority: &str, setting: &str| {
        let document = format!(
            "{{campaign: same, authority: {authority}, devices: {{group: demo}}, settings: [{setting}]}}"
        );
        operator.submit(&document).await.unwrap();
    };
    submit("operator", "{uri: ./AP/GW/Addr, value: 10.20.0.1}").await;
    submit("enterprise", "{uri: ./ConnMO/QoS/MaxDownlink, format: int, value: 70000}").await;
    assert_eq!(operator.end_of("operator", "same").await.count("applied"), 12);
    assert_eq!(operator.end_of("enterprise", "same").await.count("applied"), 8);
    at_rest(&mine).await;
    at_rest(&theirs).await;
    for index in 0..8 {
        let (mine, theirs) = (|uri| mine.node(index, uri), |uri| theirs.node(index, uri));
        assert_eq!(mine("./AP/GW/Addr").as_deref(), Some("10.20.0.1"));
        assert_eq!(mine("./ConnMO/QoS/MaxDownlink").as_deref(), Some("20000"));
        assert_eq!(theirs("./AP/GW/Addr").as_deref(), Some("10.0.0.1"));
        assert_eq!(theirs("./ConnMO/QoS/MaxDownlink").as_deref(), Some("70000"));
    }
    let (mine, theirs) = (mine.stop().await, theirs.stop().await);
    assert_eq!((mine.notifications, theirs.notifications), (12, 8));
    no_breach(&mine);
    no_breach(&theirs);
    running.stop().await;
}

/// R9: a device of one authority that calls at the other's door proves nothing there and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_other_authoritys_door_a_device_is_a_stranger() {
    let data = tempfile::tempdir().unwrap();
    let running = a_server(TWO_AUTHORITIES, &data).await;
    let operator = Operator::at(format!("http://{}", running.admin));
    let known = a_fleet(&Plan::new(Mix::healthy(), 1), &running, "operator").await;
    import(&operator, &known, 0..1, "", |_| String::new()).await;
    // The same device, at the other door.
    let lost = a_fleet(&Plan::new(Mix::healthy(), 1), &running, "enterprise").await;
    assert_eq!(lost.identity(0).device, known.identity(0).device);
    assert_eq!(lost.connect(0).await, Some(End::Refused));
    let name = known.identity(0).device;
    let unknown =
        operator.device("enterprise", &name).await.map_err(crate::operator::Refusal::problem);
    assert_eq!(unknown.unwrap_err().status, 404);
    // At its own door it is at home.
    assert_eq!(known.connect(0).await, Some(End::Complete));
    no_breach(&known.stop().await);
    running.stop().await;
}

//! Care over several processes of one deployment: whoever is asked, whoever notifies, wherever the device connects.

use crate::{
    hand_over::a_fleet,
    process::{Redis, Site},
    world::{AUTHORITY, at_rest, import, no_breach},
};
use api::{CareRequest, CareView};
use loadtest::{Mix, device::End};
use serde_json::json;

/// It notifies nobody.
const WITHOUT_ROUTES: &str = "[worker]\nroutes = []";

fn mend(device: String, wait: Option<&str>) -> CareRequest {
    let write = json!({"uri": "./AP/GW/Addr", "value": "10.20.0.1"});
    CareRequest {
        device,
        read: vec!["./DevInfo/Mod".to_owned()],
        write: vec![write.as_object().unwrap().clone()],
        wait: wait.map(str::to_owned),
        ..CareRequest::default()
    }
}

fn is_mended(view: &CareView) {
    assert_eq!(view.outcome.as_deref(), Some("applied"), "{view:?}");
    let address = view.values.iter().find(|value| value.uri == "./AP/GW/Addr").unwrap();
    assert_eq!((&*address.value, address.before.as_deref()), ("10.20.0.1", Some("10.0.0.1")));
}

/// R12, C3: the process that an agent asks has no route at all. Another one hears its bell and calls the device, whose messages get
/// to both in turn; the agent waits where it asked, or asks somewhere else how it went.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_ask_a_process_that_can_call_nobody() {
    const DEVICES: u64 = 12;
    let redis = Redis::start();
    let sites = [Site::over_with(&redis, WITHOUT_ROUTES), Site::over(&redis)];
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites, DEVICES, Mix::healthy(), 7).await;
    let [asked, other] = [sites[0].operator(), sites[1].operator()];
    import(&asked, &fleet, 0..DEVICES, "", |_| String::new()).await;
    for index in 0..DEVICES / 2 {
        let view = asked.care(&mend(fleet.identity(index).device, Some("60s"))).await.unwrap();
        is_mended(&view);
        assert_eq!(fleet.sessions_of(index), 1, "device {index}");
        assert_eq!(other.care_view(&view.id, "0s").await.unwrap(), view);
    }
    // All at once, and each is followed at the process that did not take it.
    let mut taken = Vec::new();
    for index in DEVICES / 2..DEVICES {
        taken.push(asked.care(&mend(fleet.identity(index).device, None)).await.unwrap().id);
    }
    for id in taken {
        is_mended(&other.care_view(&id, "60s").await.unwrap());
    }
    at_rest(&fleet).await;
    let report = fleet.stop().await;
    assert_eq!(report.notifications, DEVICES, "each is called once");
    no_breach(&report);
    let [first, second] = servers;
    assert!(first.messages().await > 0 && second.messages().await > 0);
}

/// R12: an agent waits at one process; the device comes by itself, to another, before anybody could call it, and is mended there.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_connects_elsewhere_is_mended_there_while_its_agent_waits() {
    let redis = Redis::start();
    let sites = [WITHOUT_ROUTES; 2].map(|without| Site::over_with(&redis, without));
    let servers = [sites[0].start().await, sites[1].start().await];
    let fleet = a_fleet(&sites[1..], 1, Mix::healthy(), 7).await;
    let [asked, other] = [sites[0].operator(), sites[1].operator()];
    import(&asked, &fleet, 0..1, "", |_| String::new()).await;
    let device = fleet.identity(0).device;
    let taken = asked.care(&mend(device.clone(), None)).await.unwrap();
    assert_eq!(taken.state, "waiting");
    // The device has one agent, whichever process a second one asks.
    let second = other.care(&mend(device, None)).await.unwrap_err().problem();
    assert!(second.detail.contains(&taken.id), "{second:?}");
    let (view, end) = tokio::join!(asked.care_view(&taken.id, "60s"), fleet.connect(0));
    assert_eq!(end, Some(End::Complete));
    let view = view.unwrap();
    is_mended(&view);
    assert!(view.steps.iter().all(|step| step.attempt == 0), "{view:?}");
    no_breach(&fleet.stop().await);
    let [first, second] = servers;
    assert_eq!(first.messages().await, 0);
    second.terminate().await;
    assert_eq!(view.authority, AUTHORITY);
}

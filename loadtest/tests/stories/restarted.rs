//! The server is stopped in the middle of a campaign, as for an update, and started again on the same data.

use crate::{
    process::Site,
    world::{AUTHORITY, import, no_breach},
};
use loadtest::{Fleet, FleetPlan, Mix};

const DEVICES: u64 = 60;

/// The second invariant: a stop that was asked for waits for what is under way and loses nothing; the next start goes on with
/// the campaign. Two servers never share a store.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_goes_on_where_it_was() {
    let site = Site::new();
    let serving = site.start().await;
    let operator = site.operator();
    let server_id = "reveille.local".to_owned();
    let fleet = FleetPlan {
        mix: Mix::healthy(),
        server_id,
        ..FleetPlan::new(DEVICES, site.dm_url(AUTHORITY))
    };
    let fleet = Fleet::start(fleet).await.unwrap();
    import(&operator, &fleet, 0..DEVICES, "", |_| String::new()).await;
    let document = format!(
        "
campaign: through-a-restart
authority: {AUTHORITY}
devices: {{group: demo}}
settings: [{{uri: ./AP/GW/Addr, value: 10.20.0.1}}]
pace: {{per_second: 20}}
deliver: {{attempts: 5, answer_within: 5s}}
"
    );
    let submitted = operator.submit(&document).await.unwrap();
    let id = submitted.id.as_str();
    operator.until(AUTHORITY, id, "under way", |view| view.progress.ended > 10).await;

    let refused = site.beside().start_in_vain().await;
    assert!(
        refused.contains("does another server use it?"),
        "the second server says why: {refused}"
    );
    serving.terminate().await;
    let serving = site.start().await;
    // The same campaign once more: the caller may not have heard the first answer.
    let again = operator.submit(&document).await.unwrap();
    assert_eq!((again.seq, again.submitted), (submitted.seq, submitted.submitted));
    let ending = operator.end_of(AUTHORITY, id).await;
    assert_eq!(ending.count("applied"), DEVICES, "{:?}", ending.view.progress);

    // Nothing of an ended campaign comes back with the next start.
    serving.terminate().await;
    let serving = site.start().await;
    let results = operator.results(AUTHORITY, id).await.unwrap();
    assert_eq!(results.len() as u64, DEVICES);
    assert_eq!(operator.view(AUTHORITY, id).await.unwrap(), ending.view);
    serving.terminate().await;
    no_breach(&fleet.stop().await);
}

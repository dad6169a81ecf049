//! Commands that speak to a server.

use super::{reveille, stub::Stub};
use serde_json::{Value, json};
use std::{fmt::Write, fs, path::PathBuf, sync::Mutex};
use tempfile::TempDir;

fn a_view(state: &str, ended: u64) -> Value {
    json!({
        "id": "qos", "authority": "operator", "seq": 7, "purpose": "faster", "state": state, "lane": "mass",
        "submitted": "2026-11-25T00:00:00Z", "start": "2026-11-25T00:00:00Z", "expires": "2026-11-27T00:00:00Z",
        "progress": {"enrolled": 4, "ended": ended, "outcomes": {"applied": ended}}
    })
}

fn a_refusal(name: &str, status: u16) -> (u16, Value) {
    let kind = format!("https://reveille.invalid/problems/{name}");
    (status, json!({"type": kind, "title": "No", "status": status, "detail": "because"}))
}

fn a_file(folder: &TempDir, name: &str, text: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_refusal_is_told_in_words() {
    let stub = Stub::answering(|_| a_refusal("no-such-campaign", 404));
    let ended = reveille(&["campaign", "show", "operator/qos", "--server", &stub.url()]);
    assert!(ended.is(1), "{ended:?}");
    assert_eq!(ended.err, "error: the server refused (404): No: because\n");
}

#[test]
fn no_server_is_told_with_what_to_do() {
    let ended = reveille(&["campaign", "list", "--server", "http://127.0.0.1:1"]);
    assert!(
        ended.is(1)
            && ended.err.contains("no server answers at http://127.0.0.1:1/; start one with"),
        "{}",
        ended.err
    );
}

#[test]
fn something_else_than_a_reveille_server_is_told_from_one() {
    let stub = Stub::answering(|_| (404, json!("nothing here")));
    let ended = reveille(&["campaign", "show", "operator/qos", "--server", &stub.url()]);
    assert!(
        ended.is(1) && ended.err.contains("is this the admin address of a Reveille server?"),
        "{}",
        ended.err
    );
    let stub = Stub::answering(|_| (200, json!({"hello": "world"})));
    let ended = reveille(&["campaign", "show", "operator/qos", "--server", &stub.url()]);
    assert!(ended.is(1) && ended.err.contains("something else than this version"), "{}", ended.err);
}

#[test]
fn a_campaign_is_found_without_its_authority() {
    let stub = Stub::answering(|asked| {
        if asked.line.contains("/operator/qos") {
            (200, a_view("running", 1))
        } else if asked.line.contains("cursor=p2") {
            (200, json!({"campaigns": [a_view("running", 1)]}))
        } else {
            (200, json!({"campaigns": [], "next": "p2"}))
        }
    });
    let ended = reveille(&["campaign", "show", "qos", "--server", &stub.url()]);
    assert!(ended.is(0) && ended.out.contains("operator/qos, number 7"), "{ended:?}");
    assert_eq!(stub.lines().len(), 3);
}

#[test]
fn c4_a_campaign_is_paused_with_a_reason() {
    let stub = Stub::answering(|_| (200, a_view("paused", 1)));
    let ended = reveille(&[
        "campaign",
        "pause",
        "operator/qos",
        "--why",
        "faults",
        "--server",
        &stub.url(),
    ]);
    assert!(ended.is(0), "{ended:?}");
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /v1/campaigns/operator/qos/pause");
    assert_eq!(asked[0].text(), r#"{"why":"faults"}"#);
}

#[test]
fn c4_watching_ends_with_the_campaign_and_tells_each_change_once() {
    let looks = Mutex::new(0);
    let stub = Stub::answering(move |_| {
        let mut looks = looks.lock().unwrap();
        *looks += 1;
        (
            200,
            match *looks {
                1 | 2 => a_view("running", 1),
                3 => a_view("running", 3),
                _ => a_view("ended", 4),
            },
        )
    });
    let ended = reveille(&[
        "campaign",
        "watch",
        "operator/qos",
        "--every-ms",
        "50",
        "--json",
        "--server",
        &stub.url(),
    ]);
    assert!(ended.is(0), "{ended:?}");
    let counts: Vec<_> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str::<api::CampaignView>(line).unwrap().progress.ended)
        .collect();
    assert_eq!(counts, [1, 3, 4]);
}

#[test]
fn results_come_page_by_page_as_lines_csv_or_a_table() {
    let stub = Stub::answering(|asked| {
        let line = |device: &str, outcome: &str| json!({"device": device, "outcome": outcome, "at": "2026-11-25T01:02:03Z", "attempts": 1});
        if asked.line.contains("cursor=p2") {
            (200, json!({"results": [line("IMEI:2", "failed")]}))
        } else {
            (200, json!({"results": [line("IMEI:1", "applied")], "next": "p2"}))
        }
    });
    let url = stub.url();
    let results = |more: &[&str]| {
        reveille(&[&["campaign", "results", "operator/qos", "--server", &url], more].concat()).out
    };
    assert_eq!(
        results(&["--csv"]),
        "device,outcome,at,attempts,uri,status,phase,why\nIMEI:1,applied,2026-11-25T01:02:03Z,1,,,,\nIMEI:2,failed,2026-11-25T01:02:03Z,1,,,,\n"
    );
    assert_eq!(results(&["--json"]).lines().count(), 2);
    assert_eq!(results(&["--outcome", "failed"]).lines().count(), 2, "a header and one line");
}

#[test]
fn an_import_streams_in_bounded_requests_and_goes_on_after_a_bad_line() {
    let stub = Stub::answering(|asked| {
        let lines = asked.text().lines().count() as u64 - 1;
        (200, json!({"imported": lines, "unchanged": 0, "refused": 0, "errors": []}))
    });
    let folder = TempDir::new().unwrap();
    let mut text = Vec::from("device,authority\n");
    for number in 2..=10_600 {
        let name: &[u8] = if number == 5_500 { b"IMEI:\xff" } else { b"IMEI:350000000000017" };
        text.extend([name, b",operator\n"].concat());
    }
    let file = folder.path().join("fleet.csv");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let ended = reveille(&[
        "device",
        "import",
        &file,
        "--authority",
        "operator",
        "--reset-nonces",
        "--server",
        &stub.url(),
    ]);
    assert!(ended.is(1), "a bad line is exit 1: {ended:?}");
    assert_eq!(ended.out, "10598 imported, 0 unchanged, 1 refused\n");
    assert_eq!(ended.err, "line 5500: is not UTF-8 text\n");
    let asked = stub.asked();
    let firsts = ["first_line=2&", "first_line=4002&", "first_line=5501&", "first_line=9501&"];
    for (request, first) in asked.iter().zip(firsts) {
        assert!(
            request.line.starts_with("POST /v1/devices/import?format=csv&"),
            "{}",
            request.line
        );
        assert!(
            request.line.contains(first) && request.line.contains("reset_nonces=true"),
            "{}",
            request.line
        );
        assert!(request.text().starts_with("device,authority\nIMEI:"));
        assert!(request.body.len() <= api::MOST_IMPORT_OCTETS);
    }
    assert_eq!(asked.len(), firsts.len());
}

#[test]
fn a_bad_line_of_an_import_is_told_by_its_number_in_the_file() {
    let stub = Stub::answering(|_| {
        let error = json!({"line": 3, "key": "nonce", "what": "is not base64", "help": "write it as base64"});
        (200, json!({"imported": 1, "unchanged": 1, "refused": 1, "errors": [error]}))
    });
    let folder = TempDir::new().unwrap();
    let file = a_file(
        &folder,
        "fleet.jsonl",
        "{\"device\":\"a\"}\n{\"device\":\"b\"}\n{\"device\":\"c\",\"nonce\":\"!\"}\n",
    );
    let ended = reveille(&["device", "import", &file, "--server", &stub.url()]);
    assert!(ended.is(1));
    assert_eq!(ended.err, "line 3, nonce: is not base64 (write it as base64)\n");
    assert!(stub.lines()[0].contains("format=jsonl&first_line=1"), "{:?}", stub.lines());
    let ended = reveille(&["device", "import", &file, "--json", "--server", &stub.url()]);
    let lines: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1], json!({"imported": 1, "unchanged": 1, "refused": 1}));
}

#[test]
fn a_device_is_named_with_its_authority_and_may_be_a_number() {
    let stub = Stub::answering(|_| {
        (
            200,
            json!({"device": "IMEI:1", "authority": "operator", "auth": "md5", "user": "u", "msisdn": "447700900123",
            "attributes": {"plan": "gold"}, "jobs": [{"seq": 7, "state": "notified"}]}),
        )
    });
    let ended =
        reveille(&["device", "show", "operator/msisdn:447700900123", "--server", &stub.url()]);
    assert!(ended.is(0), "{ended:?}");
    assert_eq!(stub.lines(), ["GET /v1/devices/operator/msisdn:447700900123"]);
    assert!(
        ended.out.contains("attributes.plan   gold\n")
            && ended.out.contains("campaign 7, notified"),
        "{}",
        ended.out
    );
    let ended = reveille(&["device", "show", "IMEI:1", "--server", &stub.url()]);
    assert!(ended.is(2) && ended.err.contains("AUTHORITY/IMEI:1"), "{ended:?}");
}

const A_CAMPAIGN: &str = "campaign: qos\nauthority: operator\ndevices:\n  file: gold.csv\nsettings:\n  - uri: ./A/B\n    value: x\n";

/// Answers a submit: the campaign as accepted, and each part as enrolled.
fn a_server_that_enrols() -> Stub {
    Stub::answering(|asked| {
        if asked.line.contains("/devices?") {
            let names: Vec<String> = serde_json::from_slice(&asked.body).unwrap();
            (200, json!({"enrolled": names.len(), "already": 0, "unknown": 0, "later": 0}))
        } else {
            (if asked.line.starts_with("POST") { 201 } else { 200 }, a_view("running", 0))
        }
    })
}

#[test]
fn r3_a_file_of_devices_is_submitted_in_numbered_parts_that_a_repetition_repeats() {
    let folder = TempDir::new().unwrap();
    let campaign = a_file(&folder, "qos.yaml", A_CAMPAIGN);
    let mut names = String::from("device,plan\n");
    for number in 0..2_001 {
        writeln!(names, "{}IMEI:{number},gold", if number == 1_500 { "\n,gold\n" } else { "" })
            .unwrap();
    }
    a_file(&folder, "gold.csv", &names);
    let stub = a_server_that_enrols();
    let submit = || reveille(&["campaign", "submit", &campaign, "--server", &stub.url()]);
    let ended = submit();
    assert!(ended.is(1), "a line that names no device is exit 1: {ended:?}");
    assert!(ended.err.contains("line 1503: names no device"), "{}", ended.err);
    assert!(ended.err.ends_with("\nreveille campaign watch operator/qos\n"), "{}", ended.err);
    let path = "/v1/campaigns/operator/qos";
    let expected = [
        "POST /v1/campaigns".to_owned(),
        format!("POST {path}/devices?part=0"),
        format!("POST {path}/devices?part=1"),
        format!("POST {path}/devices?part=2&parts=3"),
        format!("GET {path}"),
    ];
    assert_eq!(stub.lines(), expected);
    assert_eq!(stub.asked()[0].text(), A_CAMPAIGN, "the document goes as it stands");
    submit();
    let asked = stub.asked();
    let (first, second) = asked.split_at(expected.len());
    let said = |asked: &[super::stub::Asked]| -> Vec<_> {
        asked.iter().map(|asked| (asked.line.clone(), asked.body.clone())).collect()
    };
    assert_eq!(said(first), said(second));
}

#[test]
fn nothing_is_submitted_when_the_document_is_wrong_or_its_file_is_missing() {
    let folder = TempDir::new().unwrap();
    let stub = a_server_that_enrols();
    let campaign = a_file(&folder, "qos.yaml", A_CAMPAIGN);
    let ended = reveille(&["campaign", "submit", &campaign, "--server", &stub.url()]);
    assert!(
        ended.is(1) && ended.err.contains("the campaign names a file of devices: cannot open"),
        "{ended:?}"
    );
    let campaign = a_file(&folder, "bad.yaml", &A_CAMPAIGN.replace("value", "vlaue"));
    let ended = reveille(&["campaign", "submit", &campaign, "--server", &stub.url()]);
    assert!(ended.is(1) && ended.err.contains("bad.yaml:7: settings[0].vlaue: "), "{ended:?}");
    assert_eq!(stub.lines(), Vec::<String>::new());
}

#[test]
fn what_only_the_server_finds_is_told_with_the_lines_of_the_file() {
    let folder = TempDir::new().unwrap();
    let campaign =
        a_file(&folder, "qos.yaml", &A_CAMPAIGN.replace("file: gold.csv", "group: gold"));
    let stub = Stub::answering(|_| {
        let (status, mut problem) = a_refusal("bad-campaign", 422);
        problem["problems"] = json!([{"path": "settings[0].uri", "line": 6, "what": "is outside the scope", "help": "name a node under ./ConnMO"}]);
        (status, problem)
    });
    let ended = reveille(&["campaign", "submit", &campaign, "--dry-run", "--server", &stub.url()]);
    assert!(ended.is(1), "{ended:?}");
    assert_eq!(
        ended.err,
        format!(
            "{campaign}:6: settings[0].uri: is outside the scope; name a node under ./ConnMO\n"
        )
    );
    assert_eq!(stub.lines(), ["POST /v1/campaigns?dry_run=true"]);
}

#[test]
fn a_busy_server_is_asked_again_while_a_file_is_streamed() {
    let folder = TempDir::new().unwrap();
    let file = a_file(&folder, "fleet.csv", "device\nIMEI:1\n");
    let asked = Mutex::new(0);
    let stub = Stub::answering(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        if *asked == 1 { a_refusal("store-away", 503) } else { (200, json!({"imported": 1})) }
    });
    let ended = reveille(&["device", "import", &file, "--server", &stub.url()]);
    assert!(ended.is(0), "{ended:?}");
    assert_eq!(stub.lines().len(), 2);
}

#[test]
fn an_import_whose_header_is_refused_says_that_nothing_is_in() {
    let folder = TempDir::new().unwrap();
    let file = a_file(&folder, "fleet.csv", "device,sekret\nIMEI:1,s\n");
    let stub = Stub::answering(|_| a_refusal("bad-body", 422));
    let ended = reveille(&["device", "import", &file, "--server", &stub.url()]);
    assert!(ended.is(1), "{ended:?}");
    assert!(ended.err.contains("the header was refused and nothing was imported: "), "{ended:?}");
    assert!(!ended.err.contains("what came before"), "{ended:?}");
}

#[test]
fn submitting_a_campaign_that_has_ended_shows_it_and_enrols_nobody() {
    let folder = TempDir::new().unwrap();
    let campaign = a_file(&folder, "qos.yaml", A_CAMPAIGN);
    a_file(&folder, "gold.csv", "device\nIMEI:1\n");
    let stub = Stub::answering(|_| (200, a_view("ended", 4)));
    let ended = reveille(&["campaign", "submit", &campaign, "--server", &stub.url()]);
    assert!(ended.is(0) && ended.err.contains("operator/qos known already, number 7"), "{ended:?}");
    assert_eq!(stub.lines(), ["POST /v1/campaigns", "GET /v1/campaigns/operator/qos"]);
}

/// R21: a network entity's word from the command line.
#[test]
fn a_trigger_says_what_each_standing_campaign_does() {
    let stub = Stub::answering(|_| {
        let answer = |campaign, answer| json!({"campaign": campaign, "answer": answer});
        (
            202,
            json!({"device": "IMEI:1", "campaigns": [answer("gw", "taken_in"), answer("apn", "quiet")]}),
        )
    });
    let ended = reveille(&[
        "trigger",
        "operator/msisdn:447700900123",
        "--reason",
        "stale_gateway",
        "--observed",
        "192.0.2.10",
        "--server",
        &stub.url(),
    ]);
    assert!(ended.is(0), "{ended:?}");
    assert!(
        ended.out.starts_with("gw: takes the device in\napn: leaves the device alone"),
        "{}",
        ended.out
    );
    let asked = stub.asked();
    assert_eq!(asked[0].line, "POST /v1/triggers?authority=operator");
    let body: Value = serde_json::from_str(asked[0].text()).unwrap();
    assert_eq!(
        body,
        json!({"device": "msisdn:447700900123", "reason": "stale_gateway", "observed": "192.0.2.10"})
    );
}

fn a_care(state: &str, outcome: Option<&str>, version: u32, steps: &[&str]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| json!({"step": step, "at": "2026-11-25T01:02:03.004Z", "attempt": 1}))
        .collect();
    json!({
        "id": "07aa", "authority": "operator", "device": "IMEI:1", "state": state, "outcome": outcome,
        "version": version.to_string(), "steps": steps,
        "values": [{"uri": "./AP/GW/Addr", "value": "10.20.0.1", "before": "10.0.0.1", "at": ""}],
    })
}

/// R12: the session is shown live on one stream, the values come at the end on the other.
#[test]
fn a_write_is_followed_step_by_step_to_its_end() {
    let stub = Stub::answering(|asked| {
        if asked.line.starts_with("POST") {
            return (202, a_care("waiting", None, 1, &["accepted"]));
        }
        let told = ["accepted", "notified", "connected", "ended"];
        if asked.line.contains("version=1") {
            return (200, a_care("notified", None, 2, &told[..2]));
        }
        (200, a_care("ended", Some("applied"), 3, &told))
    });
    let line = ["device", "write", "operator/IMEI:1", "./AP/GW/Addr=10.20.0.1", "--server"];
    let ended = reveille(&[&line[..], &[&stub.url()]].concat());
    assert!(ended.is(0), "{ended:?}");
    assert_eq!(ended.out, "./AP/GW/Addr = 10.20.0.1  (was 10.0.0.1)\n");
    let told: Vec<_> = ended.err.lines().collect();
    assert_eq!(
        told,
        [
            "01:02:03.004Z  accepted; the device is called",
            "01:02:03.004Z  notified (attempt 1)",
            "01:02:03.004Z  connected and authenticated",
            "01:02:03.004Z  ended: applied",
        ]
    );
    let asked: Value = serde_json::from_str(stub.asked()[0].text()).unwrap();
    assert_eq!(
        asked,
        json!({
            "authority": "operator", "device": "IMEI:1", "within": "2m",
            "write": [{"uri": "./AP/GW/Addr", "format": "chr", "value": "10.20.0.1"}],
        })
    );
    assert_eq!(
        stub.lines()[1..],
        ["GET /v1/care/07aa?wait=20s&version=1", "GET /v1/care/07aa?wait=20s&version=2"]
    );
}

#[test]
fn a_care_job_that_fails_ends_with_one_and_says_why() {
    let stub = Stub::answering(|_| {
        let mut view = a_care("ended", Some("unreachable"), 1, &["accepted", "silent", "ended"]);
        view["steps"][2]["why"] = json!("no session came, after 3 notifications");
        (200, view)
    });
    let url = stub.url();
    let ended = reveille(&["device", "notify", "operator/IMEI:1", "--server", &url]);
    assert!(ended.is(1), "{ended:?}");
    assert!(
        ended.err.ends_with("ended: unreachable: no session came, after 3 notifications\n"),
        "{}",
        ended.err
    );
    let ended = reveille(&["device", "read", "IMEI:1", "./A", "--json", "--server", &url]);
    let view: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.is(1), view["outcome"].as_str()), (true, Some("unreachable")));
    let later = reveille(&["device", "read", "IMEI:1", "./A", "--no-wait", "--server", &url]);
    assert_eq!((later.is(0), later.out.as_str()), (true, "07aa\n"));
    let wrong = reveille(&["device", "write", "IMEI:1", "./A", "--server", &url]);
    assert!(wrong.is(2) && wrong.err.contains("URI=VALUE"), "{wrong:?}");
}

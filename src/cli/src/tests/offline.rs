//! Commands that need no server: `decode`, `encode` and `campaign check`.

use super::{Ended, reveille};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A message or packet of the vectors that the codec is tested with.
pub(super) fn vector(name: &str) -> String {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../wire/tests/vectors", name].iter().collect();
    path.display().to_string()
}

/// One packet of a file of vectors, as hexadecimal text in a file.
fn packet(folder: &TempDir, file: &str, id: &str, key: &str) -> String {
    let lines = fs::read_to_string(vector(file)).unwrap();
    let mut all =
        lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let hex = all.find(|line| line["id"] == id).unwrap()[key].as_str().unwrap().to_owned();
    a_file(folder, "packet.hex", hex.as_bytes())
}

pub(super) fn a_file(folder: &TempDir, name: &str, octets: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, octets).unwrap();
    path.display().to_string()
}

pub(super) fn decode(arguments: &[&str]) -> Ended {
    reveille(&[&["decode"], arguments].concat())
}

/// What `decode` must print for a vector, to the letter; `tests/golden/NAME.txt`.
pub(super) fn golden(name: &str) -> String {
    let path = golden_path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", &format!("{name}.txt")].iter().collect()
}

/// Compares with the golden text, or writes it anew when `REVEILLE_GOLDEN` is set: read the difference before it is committed.
pub(super) fn assert_golden(name: &str, printed: &str) {
    if std::env::var_os("REVEILLE_GOLDEN").is_some() {
        fs::write(golden_path(name), printed).unwrap();
    }
    assert_eq!(printed, golden(name), "{name}");
}

#[test]
fn a_message_reads_as_the_golden_texts_say() {
    for name in [
        "02-pkg2-challenge-md5",
        "03-pkg1-resend-md5cred",
        "04-pkg2-auth-ok-get",
        "05-pkg3-results",
        "09-cmds-add-replace-delete-copy-exec",
        "10-cmds-statuses",
        "12-sequence-user-said-no",
        "13-atomic",
        "17-results-struct-props",
        "20-large-object-chunk1",
        "33-generic-alert-fumo",
        "37-user-interaction",
        "38-user-interaction-replies",
        "41-add-tnds-cdata",
        "48-windows-pkg3",
        "50-utf8-and-escapes",
    ] {
        let ended = decode(&[&vector(&format!("syncml/{name}.xml"))]);
        assert!(ended.is(0), "{name}: {}", ended.err);
        assert_golden(name, &ended.out);
    }
}

#[test]
fn a_packet_reads_as_the_golden_texts_say() {
    let folder = TempDir::new().unwrap();
    for (key, name) in [("package0_hex", "notification"), ("wsp_push_hex", "push")] {
        let file = packet(&folder, "notify/notification.jsonl", "ntf-02-server-initiated", key);
        assert_golden(name, &decode(&[&file]).out);
    }
}

/// Vectors whose WBXML form says something else than their XML form: libwbxml renames the type of trees and loses an attribute.
const NOT_ALIKE: [&str; 4] =
    ["40-add-tnds-inline", "41-add-tnds-cdata", "48-windows-pkg3", "52-bootstrap-dm-profile"];

#[test]
fn both_encodings_of_a_message_read_alike_and_every_vector_reads() {
    let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    let mut pairs = 0;
    for entry in fs::read_dir(vector("syncml")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".libwbxml.hex") else { continue };
        let xml = decode(&[&vector(&format!("syncml/{name}.xml"))]);
        let wbxml = decode(&[&path.display().to_string()]);
        assert!(xml.is(0) && wbxml.is(0), "{name}: {}{}", xml.err, wbxml.err);
        assert!(wbxml.out.starts_with("SyncML DM/1.") && wbxml.out.contains(", WBXML, "), "{name}");
        if !NOT_ALIKE.contains(&name) {
            assert_eq!(body(&xml.out), body(&wbxml.out), "{name}");
            pairs += 1;
        }
    }
    assert!(pairs > 40, "{pairs} pairs were compared");
}

#[test]
fn no_secret_is_printed_in_any_form_unless_asked_for() {
    let file = vector("syncml/07-pkg1-client-initiated-basic.xml");
    let credentials = "MzUyMDk5MDAxNzYxNDgxOktxNy1jbGllbnQtc2VjcmV0";
    for to in ["text", "xml", "json"] {
        let hidden = decode(&[&file, "--to", to]);
        assert!(hidden.is(0) && !hidden.out.contains(credentials), "{to}: {}", hidden.out);
        assert!(decode(&[&file, "--to", to, "--show-secrets"]).out.contains(credentials), "{to}");
    }
    let nonce = "VWZ3iJmqu8zd7v8AESIzRA==";
    let file = vector("syncml/05-pkg3-results.xml");
    assert!(!decode(&[&file]).out.contains(nonce));
    assert!(decode(&[&file, "--show-secrets"]).out.contains(nonce));
    let folder = TempDir::new().unwrap();
    let tree = fs::read_to_string(vector("syncml/41-add-tnds-cdata.xml")).unwrap();
    let tree = tree.replace("<NodeName>Name</NodeName>", "<NodeName>AAuthSecret</NodeName>");
    let file = a_file(&folder, "tree.xml", tree.as_bytes());
    assert!(decode(&[&file]).out.contains("./OperatorX/AAuthSecret = (hidden)\n"));
    assert!(
        decode(&[&file, "--show-secrets"])
            .out
            .contains("./OperatorX/AAuthSecret = \"Operator X\"\n")
    );
}

#[test]
fn json_has_numbers_and_names() {
    let ended = decode(&[&vector("syncml/05-pkg3-results.xml"), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["message"]["session"], "1A2");
    assert_eq!(json["message"]["commands"][0]["code"], 212);
    assert_eq!(json["message"]["commands"][0]["name"], "Authenticated");
    assert_eq!(json["message"]["commands"][2]["items"][0]["data"], "EX100_R7A04");
    let folder = TempDir::new().unwrap();
    let file =
        packet(&folder, "notify/notification.jsonl", "ntf-02-server-initiated", "wsp_push_hex");
    let json: serde_json::Value = serde_json::from_str(&decode(&[&file, "--json"]).out).unwrap();
    assert_eq!((&json["kind"], &json["notification"]["session_id"]), (&"push".into(), &418.into()));
}

#[test]
fn what_is_encoded_and_encoded_back_is_the_same_message() {
    let folder = TempDir::new().unwrap();
    for name in [
        "05-pkg3-results",
        "09-cmds-add-replace-delete-copy-exec",
        "40-add-tnds-inline",
        "50-utf8-and-escapes",
    ] {
        let xml = vector(&format!("syncml/{name}.xml"));
        let hex = reveille(&["encode", &xml, "--to", "wbxml", "--hex"]);
        assert!(hex.is(0), "{}", hex.err);
        let wbxml = a_file(&folder, "message.hex", hex.out.as_bytes());
        let back = reveille(&["encode", &wbxml, "--to", "xml"]);
        let back = a_file(&folder, "message.xml", back.out.as_bytes());
        let json = |file: &str| decode(&[file, "--json", "--show-secrets"]).out;
        assert_eq!(json(&xml), json(&back), "{name}");
    }
}

#[test]
fn every_bad_input_is_told_with_what_and_where_and_ends_as_it_should() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, octets: &[u8]| a_file(&folder, name, octets);
    let xml = vector("syncml/05-pkg3-results.xml");
    let push =
        packet(&folder, "notify/notification.jsonl", "ntf-02-server-initiated", "wsp_push_hex");
    let huge = file("huge", &vec![b'<'; 5 * 1024 * 1024]);
    let here = folder.path().display().to_string();
    let cases: &[(&[&str], u8, &str)] = &[
        (&["decode", "no/such/file"], 1, "cannot open no/such/file: No such file"),
        (&["decode", &here], 1, "is a directory; name a file in it"),
        (&["decode", &huge], 1, "is longer than 4194304 octets"),
        (&["decode", &file("empty", b"")], 1, "it is empty"),
        (&["decode", &file("text", b"hello")], 1, "it is text, and neither XML nor"),
        (
            &["decode", &file("odd", b"010603c4af87f")],
            1,
            "it looks like hexadecimal text, but there are 13",
        ),
        (&["decode", &file("noise", &[0xEE; 40])], 1, "no message or packet that is known here"),
        (&["decode", &file("html", b"<html></html>")], 1, "the root element is not SyncML"),
        (&["decode", &file("cut", b"026a00")], 1, "as WBXML: "),
        (&["decode", &xml, "--from", "wbxml"], 1, "not WBXML 1.x"),
        (&["decode", &xml, "--json", "--to", "text"], 2, "contradict each other"),
        (&["decode", &push, "--to", "xml"], 2, "no XML can say it"),
        (&["encode", &push, "--to", "wbxml"], 2, "is no document that has this encoding"),
        (
            &["encode", &file("half", b"<SyncML>"), "--to", "wbxml"],
            1,
            "half is damaged: the message ends in the middle",
        ),
        (&["campaign", "check", "no/such/file"], 1, "cannot open no/such/file"),
        (
            &["campaign", "check", &file("latin", b"purpose: M\xfcnchen")],
            1,
            "is not UTF-8 text from octet 10 on",
        ),
    ];
    for (arguments, code, told) in cases {
        let ended = reveille(arguments);
        assert!(ended.is(*code), "{arguments:?} ended with {ended:?}");
        assert!(
            ended.err.starts_with("error: ") && ended.err.contains(told),
            "{arguments:?}: {}",
            ended.err
        );
        assert_eq!(ended.out, "", "{arguments:?}");
    }
}

/// A page of the documentation.
fn page(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../docs", name].iter().collect();
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_documentation_shows_what_is_really_printed() {
    let page = page("reading-messages.md");
    for name in [
        "push",
        "smpp-submit",
        "10-cmds-statuses",
        "41-add-tnds-cdata",
        "bootstrap-push",
        "pap-aborted",
        "damaged-notification",
    ] {
        assert!(
            page.contains(&golden(name)),
            "{name} is printed differently than docs/reading-messages.md shows"
        );
    }
    let wbxml = decode(&[&vector("syncml/05-pkg3-results.libwbxml.hex")]);
    assert!(page.contains(&wbxml.out), "docs/reading-messages.md should show:\n{}", wbxml.out);
}

#[test]
fn the_documented_campaign_and_the_demonstrated_one_are_in_order() {
    let folder = TempDir::new().unwrap();
    let page = page("campaign-document.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let documented =
        a_file(&folder, "documented.yaml", rest.split_once("```").unwrap().0.as_bytes());
    let example: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../deploy/examples/demo.yaml"].iter().collect();
    for file in [documented, example.display().to_string()] {
        let ended = reveille(&["campaign", "check", &file]);
        assert!(ended.is(0), "{file}: {}", ended.err);
        assert_eq!(ended.out, format!("{file}: no problem found\n"));
    }
}

#[test]
fn a_file_of_devices_that_is_not_there_is_remarked_on() {
    let folder = TempDir::new().unwrap();
    let text = page("campaign-document.md");
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let file = a_file(&folder, "c.yaml", rest.split_once("```").unwrap().0.as_bytes());
    let ended = reveille(&["campaign", "check", &file]);
    assert!(ended.is(0) && ended.err.contains("note: devices.file: cannot open"), "{ended:?}");
    a_file(&folder, "gold.csv", b"IMEI:1\n");
    let ended = reveille(&["campaign", "check", &file]);
    assert!(ended.is(0) && ended.err.is_empty(), "{ended:?}");
}

#[test]
fn every_mistake_of_a_campaign_is_told_at_once_with_its_line() {
    let folder = TempDir::new().unwrap();
    let text = "campaign: Bad Name\nauthority: operator\ndevices:\n  group: gold\nsetings: []\nwaves: []\nsettings:\n  - uri: ./A\n    format: number\n";
    let file = a_file(&folder, "bad.yaml", text.as_bytes());
    let ended = reveille(&["campaign", "check", &file]);
    assert!(ended.is(1) && ended.out.is_empty(), "{ended:?}");
    for told in [
        ":1: campaign: ",
        ":5: setings: ",
        "did you mean `settings`?",
        ":6: waves: ",
        ":9: settings[0].format: ",
    ] {
        assert!(ended.err.contains(told), "{told} in\n{}", ended.err);
    }
    let ended = reveille(&["campaign", "check", &file, "--json"]);
    assert!(ended.is(1) && ended.err.is_empty(), "{ended:?}");
    let problems: Vec<api::Problem> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        problems.iter().any(|problem| problem.path == "waves" && problem.line == Some(6)),
        "{problems:?}"
    );
}

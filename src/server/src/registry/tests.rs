//! Imports into a real embedded store, and what is found afterwards.

use super::{
    Import, ImportError, RegistryError, import,
    line::Format,
    list,
    lookup::{LookupRow, Number},
    resolve, view,
};
use crate::{
    config::Config,
    rows::{Device, DeviceId, Stored},
    security::vault::Vault,
    store::{
        Change, Shard, Store, Table,
        embedded::{Embedded, EmbeddedConfig},
    },
    update,
};
use api::ImportReport;
use campaign::time::Instant;

struct Registry {
    store: Embedded,
    vault: Vault,
    config: Config,
    _directory: tempfile::TempDir,
}

impl Registry {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Embedded::open(&EmbeddedConfig::new(directory.path())).unwrap();
        Self { store, vault: Vault::ephemeral(), config: Config::default(), _directory: directory }
    }

    async fn import(
        &self,
        format: Format,
        first_line: u64,
        body: &str,
    ) -> Result<ImportReport, ImportError> {
        let request = Import {
            store: &self.store,
            vault: &self.vault,
            config: &self.config,
            format,
            authority: None,
            reset_nonces: false,
            first_line,
        };
        import(&request, body.as_bytes()).await
    }

    async fn csv(&self, body: &str) -> ImportReport {
        self.import(Format::Csv, 2, body).await.unwrap()
    }

    async fn json(&self, body: &str) -> ImportReport {
        self.import(Format::JsonLines, 1, body).await.unwrap()
    }

    async fn device(&self, name: &str) -> Option<Device> {
        let id = DeviceId::new("operator", name);
        update::load::<Device>(&self.store, Shard::of(&id.root()), &id.key(Table::Device))
            .await
            .unwrap()
            .map(|(row, _)| row)
    }

    async fn lookup(&self, name: &str) -> Option<LookupRow> {
        let (shard, key) = Number::of_name(name).unwrap().unwrap().row("operator");
        update::load(&self.store, shard, &key).await.unwrap().map(|(row, _)| row)
    }

    async fn put_lookup(&self, name: &str, octets: Vec<u8>) {
        let (shard, key) = Number::of_name(name).unwrap().unwrap().row("operator");
        self.store.commit(shard, vec![Change::new().put(key, octets)]).await.unwrap();
    }

    async fn owner(&self, name: &str) -> Option<String> {
        resolve(&self.store, "operator", name).await.unwrap().map(|id| id.device)
    }
}

#[tokio::test]
async fn every_bad_line_is_reported_by_its_number_and_the_others_go_in() {
    let registry = Registry::new();
    let report = registry
        .csv("device,secret,model,msisdn\r\nIMEI:1,s,A,447700900001\r\n,s,A,\r\nIMEI:3,s\r\n\r\nIMEI:5,s,A,none\r\nIMEI:6,,A,\r\n\"IMEI:7,s,A,\r\nIMEI:8,s,B,\r\n")
        .await;
    assert_eq!((report.imported, report.unchanged, report.refused), (2, 0, 5));
    let errors: Vec<_> =
        report.errors.iter().map(|error| (error.line, error.key.as_str())).collect();
    assert_eq!(errors, [(3, "device"), (4, ""), (6, "msisdn"), (7, "secret"), (8, "")]);
    assert_eq!(registry.device("IMEI:8").await.unwrap().model, "B");
    assert_eq!(registry.device("IMEI:5").await, None, "a bad line changes nothing");
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:1"));
}

#[tokio::test]
async fn the_lines_of_a_part_are_numbered_as_in_the_file() {
    let registry = Registry::new();
    let report =
        registry.import(Format::Csv, 1002, "device,secret\nIMEI:1,s\nIMEI:2,\n").await.unwrap();
    assert_eq!(report.errors.first().unwrap().line, 1003);
    let report = registry.import(Format::JsonLines, 1000, "{}\n").await.unwrap();
    assert_eq!(report.errors.first().unwrap().line, 1000);
}

#[tokio::test]
async fn a_wrong_header_is_refused_whole_with_each_wrong_column() {
    let registry = Registry::new();
    let Err(ImportError::Header(faults)) =
        registry.import(Format::Csv, 2, "device,sekret,modell\nIMEI:1,s,A\n").await
    else {
        panic!("accepted")
    };
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["sekret", "modell"]);
}

#[tokio::test]
async fn a_device_of_no_authority_of_ours_is_refused() {
    let registry = Registry::new();
    let report = registry.json(r#"{"device":"IMEI:1","secret":"s","authority":"other"}"#).await;
    assert_eq!(report.errors.first().unwrap().key, "authority");
}

#[tokio::test]
async fn a_second_import_changes_only_what_it_names_and_later_lines_see_earlier_ones() {
    let registry = Registry::new();
    let report = registry
        .json("{\"device\":\"IMEI:1\",\"secret\":\"s\",\"model\":\"A\"}\n{\"device\":\"IMEI:1\",\"firmware\":\"2\"}\n")
        .await;
    assert_eq!((report.imported, report.refused), (2, 0));
    let again = registry.csv("device,model,firmware\nIMEI:1,A,\n").await;
    assert_eq!((again.imported, again.unchanged), (0, 1));
    let device = registry.device("IMEI:1").await.unwrap();
    assert_eq!((device.model.as_str(), device.firmware.as_str()), ("A", "2"));
}

#[tokio::test]
async fn a_number_that_moves_to_another_handset_leaves_the_old_one() {
    let registry = Registry::new();
    registry
        .csv("device,secret,msisdn,imsi\nIMEI:1,s,447700900001,234150999999999\nIMEI:2,s,,\n")
        .await;
    registry.json(r#"{"device":"IMEI:2","msisdn":"447700900001"}"#).await;
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:2"));
    assert_eq!(registry.owner("imsi:234150999999999").await.as_deref(), Some("IMEI:1"));
    assert_eq!(
        registry.device("IMEI:1").await.unwrap().msisdn,
        None,
        "nothing for the number goes to the old handset"
    );

    registry.json(r#"{"device":"IMEI:2","msisdn":"447700900002"}"#).await;
    assert_eq!(registry.owner("msisdn:447700900001").await, None);
    assert_eq!(registry.owner("msisdn:447700900002").await.as_deref(), Some("IMEI:2"));
}

#[tokio::test]
async fn two_handsets_swap_their_numbers_in_one_import() {
    let registry = Registry::new();
    registry.csv("device,secret,msisdn\nIMEI:1,s,447700900001\nIMEI:2,s,447700900002\n").await;
    let report = registry.csv("device,msisdn\nIMEI:1,447700900002\nIMEI:2,447700900001\n").await;
    assert_eq!(report.imported, 2);
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:2"));
    assert_eq!(registry.owner("msisdn:447700900002").await.as_deref(), Some("IMEI:1"));
}

#[tokio::test]
async fn older_news_take_no_number_away() {
    let registry = Registry::new();
    registry.json(r#"{"device":"IMEI:1","secret":"s","msisdn":"447700900001","as_of":"2026-11-20T00:00:00Z"}"#).await;
    registry.json(r#"{"device":"IMEI:2","secret":"s","msisdn":"447700900001","as_of":"2026-11-19T00:00:00Z"}"#).await;
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:1"));
    assert_eq!(registry.device("IMEI:2").await.unwrap().msisdn, None, "one number, one device");
}

#[tokio::test]
async fn a_line_that_is_refused_takes_no_number() {
    let registry = Registry::new();
    registry.csv("device,secret,msisdn\nIMEI:1,s,447700900001\n").await;
    let refused = registry.csv("device,msisdn\nIMEI:8,447700900001\n").await;
    assert_eq!(refused.refused, 1, "a new device without a secret");
    assert_eq!(registry.lookup("msisdn:447700900001").await.unwrap().device, "IMEI:1");
}

#[tokio::test]
async fn a_look_up_whose_device_was_never_written_misleads_nobody() {
    let registry = Registry::new();
    registry.csv("device,secret,msisdn\nIMEI:1,s,447700900001\n").await;
    // As a crash leaves it: the look-up row tells a new owner, whose row was not written any more.
    let row =
        LookupRow { device: "IMEI:9".into(), before: Some("IMEI:1".into()), as_of: Instant(1) };
    registry.put_lookup("msisdn:447700900001", row.to_octets()).await;
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:1"));
    let alone = LookupRow { device: "IMEI:9".into(), before: None, as_of: Instant(1) };
    registry.put_lookup("msisdn:447700900008", alone.to_octets()).await;
    assert_eq!(registry.owner("msisdn:447700900008").await, None);

    // The line comes again, and all is well.
    registry.csv("device,secret,msisdn\nIMEI:9,s,447700900001\n").await;
    assert_eq!(registry.owner("msisdn:447700900001").await.as_deref(), Some("IMEI:9"));
    assert_eq!(registry.device("IMEI:1").await.unwrap().msisdn, None);
    assert_eq!(registry.lookup("msisdn:447700900001").await.unwrap().before, None);
}

#[tokio::test]
async fn a_list_shows_every_device_once_page_by_page() {
    let registry = Registry::new();
    let lines: Vec<_> = (0..500).map(|n| format!("IMEI:{n},s,A")).collect();
    let report = registry.csv(&format!("device,secret,model\n{}", lines.join("\n"))).await;
    assert_eq!(report.imported, 500);
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(&registry.store, Some("operator"), cursor.as_deref(), 64).await.unwrap();
        names.extend(page.devices.into_iter().map(|device| device.device));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 500);
    assert!(list(&registry.store, Some("other"), None, 64).await.unwrap().devices.is_empty());
    for wrong in ["x", "0002", &"00".repeat(5000)] {
        assert!(
            matches!(list(&registry.store, None, Some(wrong), 1).await, Err(RegistryError::Cursor)),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_device_is_shown_without_its_secrets_by_any_of_its_names() {
    let registry = Registry::new();
    registry
        .json(r#"{"device":"IMEI:1","secret":"geheim","server_auth":"basic","server_secret":"auch","nonce":"AAEC","msisdn":"447700900001"}"#)
        .await;
    let shown = view(&registry.store, "operator", "msisdn:447700900001").await.unwrap().unwrap();
    assert_eq!((shown.device.as_str(), shown.server_auth.as_deref()), ("IMEI:1", Some("basic")));
    let text = serde_json::to_string(&shown).unwrap();
    assert!(!text.contains("geheim") && !text.contains("auch") && !text.contains("AAEC"), "{text}");
    assert_eq!(view(&registry.store, "operator", "IMEI:2").await.unwrap(), None);
    let stored = registry.device("IMEI:1").await.unwrap().to_octets();
    assert!(!stored.windows(6).any(|window| window == b"geheim"));
}

#[tokio::test]
async fn an_import_beside_other_changes_loses_neither() {
    let registry = Registry::new();
    registry.csv("device,secret\nIMEI:1,s\n").await;
    let id = DeviceId::new("operator", "IMEI:1");
    let (shard, key) = (Shard::of(&id.root()), id.key(Table::Device));
    let counting = async {
        for _ in 0..50 {
            let count = |device: Option<&Device>| {
                device.map(|device| Device { auth_count: device.auth_count + 1, ..device.clone() })
            };
            update::update::<Device>(&registry.store, shard, &key, count).await.unwrap();
        }
    };
    let importing = async {
        for n in 0..50 {
            registry.csv(&format!("device,model\nIMEI:1,M{n}\n")).await;
        }
    };
    tokio::join!(counting, importing);
    let device = registry.device("IMEI:1").await.unwrap();
    assert_eq!((device.auth_count, device.model.as_str()), (50, "M49"));
}

#[tokio::test]
async fn idle_devices_have_small_rows() {
    let registry = Registry::new();
    registry
        .csv("device,secret,server_auth,server_secret,msisdn,imsi,address,manufacturer,model,firmware,groups,attributes.a,attributes.b\nIMEI:350000000000017,s,md5,t,447700900001,234150999999999,192.0.2.7:2948,Acme,RV-100,1.2.3,gold;test,twenty octets of text,more\n")
        .await;
    let octets = registry.device("IMEI:350000000000017").await.unwrap().to_octets().len();
    assert!(octets <= 260, "{octets} octets");
}

#[tokio::test]
async fn a_damaged_look_up_row_is_an_error_not_a_device() {
    let registry = Registry::new();
    registry.put_lookup("msisdn:447700900001", vec![9]).await;
    let resolved = resolve(&registry.store, "operator", "msisdn:447700900001").await;
    assert!(matches!(resolved, Err(RegistryError::Update(_))));
}

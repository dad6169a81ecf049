//! The program `fleet` as pages tell to use it: devices, and the carrier that serves them, beside a server of its own process.

use crate::{
    operator::PATIENCE,
    process::{Site, a_port},
    short_messages::document,
    world::AUTHORITY,
};
use serde_json::Value;
use std::{path::PathBuf, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const DEVICES: u64 = 40;

/// `fleet` at work.
struct FleetProgram {
    child: Child,
    registry: PathBuf,
    _home: TempDir,
}

impl FleetProgram {
    /// With devices of the site, and what else is asked of it; returns when all of it listens.
    async fn start(site: &Site, more: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let registry = home.path().join("fleet.csv");
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleet"))
            .args(["--devices", &DEVICES.to_string(), "--faults", "none"])
            .args(["--dm-url", &site.dm_url(AUTHORITY)])
            .arg("--registry")
            .arg(&registry)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, said.next_line()).await.unwrap().unwrap();
        assert!(line.as_deref().is_some_and(|line| line.contains("are listening")), "{line:?}");
        Self { child, registry, _home: home }
    }

    /// Ends it as Ctrl-C does; tells what the fleet saw, and what its carrier did.
    async fn stop(self) -> (Value, Value) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let ended = ended.unwrap().unwrap();
        let told = String::from_utf8(ended.stdout).unwrap();
        assert!(ended.status.success(), "{told}");
        let mut reports = told.lines().map(|line| serde_json::from_str(line).unwrap());
        let (fleet, carrier) = (reports.next().unwrap(), reports.next().unwrap());
        assert_eq!(reports.next(), None);
        (fleet, carrier)
    }
}

/// A whole campaign: imported as the page says, and every device brought in line. Answers what the carrier saw.
async fn a_campaign(route: &str, carrier: &[&str]) -> Value {
    let site = Site::new_with(route);
    let server = site.start().await;
    let program = FleetProgram::start(&site, carrier).await;
    let operator = site.operator();
    let registry = std::fs::read_to_string(&program.registry).unwrap();
    assert_eq!(operator.import(registry).await.unwrap().imported, DEVICES);
    let campaign = document("attempts: 9, answer_within: 1m");
    let view = operator.submit(&campaign).await.unwrap();
    let ending = operator.end_of(AUTHORITY, &view.id).await;
    // Some of these devices are as they shall be from the start.
    let as_wanted = ending.count("applied") + ending.count("unchanged");
    assert_eq!(as_wanted, DEVICES, "{:#?}", ending.view);
    server.terminate().await;
    let (fleet, carrier) = program.stop().await;
    assert_eq!(fleet["breaches"]["count"], 0, "{fleet}");
    assert_eq!(fleet["notifications"], DEVICES, "{fleet}");
    assert_eq!(carrier["breaches"]["count"], 0, "{carrier}");
    assert_eq!(carrier["delivered"], DEVICES, "{carrier}");
    carrier
}

/// R1, C2
#[tokio::test(flavor = "multi_thread")]
async fn the_program_fleet_is_a_short_message_centre_beside_its_devices() {
    let at = format!("127.0.0.1:{}", a_port());
    let route = format!(
        "[[route]]\nkind = \"smpp\"\nname = \"smsc\"\nhosts = [\"{at}\"]\nsystem_id = \"reveille\"\n\
         password = \"secret\"\nsource = \"DMSRV\"\nper_second = 100\n"
    );
    let centre = a_campaign(&route, &["--smsc", &at]).await;
    assert_eq!(centre["answers"]["ESME_ROK"], DEVICES, "{centre}");
    assert_eq!(centre["receipts"], DEVICES, "{centre}");
}

/// R1, C2
#[tokio::test(flavor = "multi_thread")]
async fn the_program_fleet_is_a_push_gateway_beside_its_devices() {
    let at = format!("127.0.0.1:{}", a_port());
    let route = format!(
        "[[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [\"http://{at}/wappush\"]\n\
         receipts_token = \"0123456789abcdef\"\nper_second = 100\n"
    );
    let gateway = a_campaign(&route, &["--push-gateway", &at]).await;
    assert_eq!(gateway["answers"]["1001"], DEVICES, "{gateway}");
    assert_eq!(gateway["results"], DEVICES, "{gateway}");
}

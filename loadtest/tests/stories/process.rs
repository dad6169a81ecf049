//! The real program as a process of its own, to be killed and started again.

use crate::operator::Operator;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Short pauses between notifications. An answer is kept for four times `answer_within`, and a device whose server is down
/// waits up to ten seconds before it asks for it again.
const SETTINGS: &str = r#"
    [session]
    answer_within = "4s"
    [dispatch]
    retry_base = "300ms"
    retry_cap = "1s"
    poll = "20ms"
"#;
/// A start that takes longer has failed; in it the store reads back what it kept.
const START: Duration = Duration::from_mins(2);
/// An end that was asked for: open requests have ten seconds to finish.
const STOP: Duration = Duration::from_secs(20);

/// Where the program serves and what it keeps, from one start to the next.
#[derive(Debug)]
pub(crate) struct Site {
    /// For the configuration and the log.
    home: TempDir,
    store: PathBuf,
    devices: u16,
    admin: u16,
}

/// The program at work.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
}

impl Site {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        Self::with(home, store)
    }

    /// Another server, with ports of its own, that was given the same store by mistake.
    pub(crate) fn beside(&self) -> Self {
        Self::with(tempfile::tempdir().unwrap(), self.store.clone())
    }

    fn with(home: TempDir, store: PathBuf) -> Self {
        let (devices, admin) = (a_port(), a_port());
        let path = serde_json::to_string(&store).unwrap();
        let config = format!(
            "[store]\nkind = \"embedded\"\npath = {path}\n\
             [http.devices]\nlisten = \"127.0.0.1:{devices}\"\n[http.admin]\nlisten = \"127.0.0.1:{admin}\"\n{SETTINGS}"
        );
        std::fs::write(home.path().join("reveille.toml"), config).unwrap();
        Self { home, store, devices, admin }
    }

    /// Where devices of an authority connect.
    pub(crate) fn dm_url(&self, authority: &str) -> String {
        format!("http://127.0.0.1:{}/dm/{authority}", self.devices)
    }

    pub(crate) fn operator(&self) -> Operator {
        Operator::at(format!("http://127.0.0.1:{}", self.admin))
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Starts the program and waits until it says where it listens.
    pub(crate) async fn start(&self) -> Serving {
        let mut child = self.spawn();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(START, said.next_line()).await;
        let line = line
            .unwrap_or_else(|_late| panic!("not ready after {START:?}: {}", self.log()))
            .unwrap();
        let wanted = format!(
            "devices http://127.0.0.1:{}  admin http://127.0.0.1:{}",
            self.devices, self.admin
        );
        assert_eq!(line.as_deref(), Some(wanted.as_str()), "{}", self.log());
        Serving { child }
    }

    /// Starts the program where it cannot start; tells what it says.
    pub(crate) async fn start_in_vain(&self) -> String {
        let ended = tokio::time::timeout(START, self.spawn().wait()).await;
        let ended =
            ended.unwrap_or_else(|_late| panic!("still there after {START:?}: {}", self.log()));
        assert!(!ended.unwrap().success(), "{}", self.log());
        self.log()
    }

    fn spawn(&self) -> Child {
        let file = |name: &str| self.home.path().join(name);
        let log = std::fs::File::options().create(true).append(true).open(file("log")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_reveille"))
            .args(["serve", "--config"])
            .arg(file("reveille.toml"))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// What the program said of itself.
    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }
}

impl Serving {
    /// `kill -9`: nothing of it runs any more when this returns.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// `SIGTERM`, and waits for a clean end.
    pub(crate) async fn terminate(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        assert!(
            ended.unwrap_or_else(|_late| panic!("still there after {STOP:?}")).unwrap().success()
        );
    }
}

/// A free port below those that the system gives out by itself: it stays free while the program is down.
pub(crate) fn a_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..32_000)).take(100).find(free).unwrap()
}

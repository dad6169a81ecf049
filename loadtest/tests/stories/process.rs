//! The real program as a process of its own, to be killed and started again.

use crate::operator::Operator;
use loadtest::broker::Identity;
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// Short pauses between notifications, and what a process had claimed that died comes back soon.
const SETTINGS: &str = r#"
    [dispatch]
    retry_base = "300ms"
    retry_cap = "1s"
    poll = "20ms"
    lease = "10s"
"#;
/// An answer is kept for four times this, and a device whose server is down waits up to ten seconds before it asks for it
/// again. Where a Redis stands still for half a minute, an answer is asked for that much later.
const ON_DISK: &str = "[session]\nanswer_within = \"4s\"\n";
const OVER_REDIS: &str = "[session]\nanswer_within = \"12s\"\n";
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
    says: Lines<BufReader<ChildStdout>>,
}

/// A Redis that several servers share, with the settings that operators are given.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Child,
    home: TempDir,
    port: u16,
    /// With it, it speaks TLS and nothing else.
    identity: Option<Identity>,
}

/// How many rounds a story plays that kills again and again; the variable `REVEILLE_ROUNDS` makes it more.
pub(crate) fn rounds(here: u64) -> u64 {
    asked("REVEILLE_ROUNDS").unwrap_or(here)
}

/// What the dice of a story begin with: another each time, unless `REVEILLE_SEED` names one that was printed before.
pub(crate) fn seed() -> u64 {
    asked("REVEILLE_SEED").unwrap_or_else(rand::random)
}

fn asked(variable: &str) -> Option<u64> {
    Some(std::env::var_os(variable)?.to_str().unwrap().parse().unwrap())
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_as(None)
    }

    pub(crate) fn start_with_tls(identity: Identity) -> Self {
        Self::start_as(Some(identity))
    }

    fn start_as(identity: Option<Identity>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = a_port();
        let settings = include_str!("../../../deploy/redis.conf");
        std::fs::write(home.path().join("redis.conf"), settings).unwrap();
        key_file(&home.path().join("vault.key"), "5e");
        let server = Self::run(home.path(), port, identity.as_ref());
        Self { server, home, port, identity }
    }

    fn run(home: &Path, port: u16, identity: Option<&Identity>) -> Child {
        let port = port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["redis.conf", "--logfile", "redis.log"]);
        match identity {
            None => command.args(["--port", &port]),
            Some(Identity { certificate, key, authorities }) => command
                .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"])
                .arg("--tls-cert-file")
                .arg(certificate)
                .arg("--tls-key-file")
                .arg(key)
                .arg("--tls-ca-cert-file")
                .arg(authorities),
        };
        command
            .current_dir(home)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is there; install it with: apt-get install redis-server")
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.identity.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The settings of a server over it, whose secrets are sealed with this key.
    fn settings(&self, key: &Path) -> String {
        let trust = self.identity.as_ref().map_or_else(String::new, |identity| {
            format!("ca_file = {}\n", text(&identity.authorities))
        });
        format!(
            "[store]\nkind = \"redis\"\nurls = [\"{}\"]\nexpected_devices = 1000\n{trust}[vault]\nkey_file = {}\n",
            self.url(),
            text(key)
        )
    }

    /// Answers nobody, with its connections open, until [`Self::go_on`].
    pub(crate) async fn stand_still(&self) {
        signal(&self.server, "-STOP").await;
    }

    pub(crate) async fn go_on(&self) {
        signal(&self.server, "-CONT").await;
    }

    /// `kill -9`, and a start on the same files.
    pub(crate) async fn crash(&mut self) {
        self.server.kill().await.unwrap();
        self.server = Self::run(self.home.path(), self.port, self.identity.as_ref());
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::new_with("")
    }

    /// By itself, with more sections of settings.
    pub(crate) fn new_with(more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("store");
        let settings = embedded(&store) + more + "\n";
        Self::with(home, store, &settings)
    }

    /// One of several servers over a Redis. All are known by one name, as behind a spreader of load.
    pub(crate) fn over(redis: &Redis) -> Self {
        Self::over_with(redis, "")
    }

    /// The same with more sections of settings.
    pub(crate) fn over_with(redis: &Redis, more: &str) -> Self {
        let settings = redis.settings(&redis.home.path().join("vault.key")) + more + "\n";
        Self::with(tempfile::tempdir().unwrap(), PathBuf::new(), &settings)
    }

    /// One that was given another key file than the others.
    pub(crate) fn over_with_another_key(redis: &Redis) -> Self {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("vault.key");
        key_file(&key, "a7");
        Self::with(home, PathBuf::new(), &redis.settings(&key))
    }

    /// Where its devices connect.
    pub(crate) fn front(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.devices))
    }

    /// Another server, with ports of its own, that was given the same store by mistake.
    pub(crate) fn beside(&self) -> Self {
        Self::with(tempfile::tempdir().unwrap(), self.store.clone(), &embedded(&self.store))
    }

    /// One with these settings of its store.
    pub(crate) fn over_store(settings: &str) -> Self {
        Self::with(tempfile::tempdir().unwrap(), PathBuf::new(), settings)
    }

    fn with(home: TempDir, store: PathBuf, settings: &str) -> Self {
        let (devices, admin) = (a_port(), a_port());
        let (public, answer_within) = if store.as_os_str().is_empty() {
            ("public_url = \"http://dm.operator.example\"\n", OVER_REDIS)
        } else {
            ("", ON_DISK)
        };
        let config = format!(
            "{settings}[http.devices]\nlisten = \"127.0.0.1:{devices}\"\n{public}[http.admin]\nlisten = \"127.0.0.1:{admin}\"\n{answer_within}{SETTINGS}"
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
        Serving { child, says: said }
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

    /// What the program said of itself, since its first start.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap()
    }
}

impl Serving {
    /// Ends it, and tells how many messages of devices it answered.
    pub(crate) async fn messages(mut self) -> u64 {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let line =
            tokio::time::timeout(STOP, self.says.next_line()).await.unwrap().unwrap().unwrap();
        assert!(self.child.wait().await.unwrap().success());
        let number = line.split_whitespace().find_map(|word| word.parse().ok());
        number.unwrap_or_else(|| panic!("{line}"))
    }

    /// `kill -9`: nothing of it runs any more when this returns.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Does nothing at all until [`Self::go_on`].
    pub(crate) async fn stand_still(&self) {
        signal(&self.child, "-STOP").await;
    }

    pub(crate) async fn go_on(&self) {
        signal(&self.child, "-CONT").await;
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

async fn signal(process: &Child, signal: &str) {
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
}

pub(crate) fn key_file(file: &Path, octet: &str) {
    std::fs::write(file, format!("1 {}\n", octet.repeat(32))).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// A path as settings hold it.
pub(crate) fn text(path: &Path) -> String {
    serde_json::to_string(path).unwrap()
}

fn embedded(store: &Path) -> String {
    let path = text(store);
    format!("[store]\nkind = \"embedded\"\npath = {path}\n")
}

/// A free port below those that the system gives out by itself: it stays free while the program is down.
pub(crate) fn a_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..32_000)).take(100).find(free).unwrap()
}

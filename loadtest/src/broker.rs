//! A `RabbitMQ` node of one's own, from the installed package, on free loopback ports; to be killed, stopped and continued.
//!
//! Nothing of the machine's own broker is touched: the node has its own directory, its own name server (epmd), its own
//! users. When the process that it was made for is gone, however it went, a watcher takes the node down.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Where distributions put the scripts of the server; those in the path change to another user first.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";
/// A node that has not come up by then will not.
const START: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(100);

/// The users of a node, all with the password [`PASSWORD`]. `powerless` may read, and neither configure nor write.
pub const USERS: [&str; 6] = ["reveille", "billing", "noc", "gateway", "stranger", "powerless"];
pub const PASSWORD: &str = "secret";
/// The virtual hosts of a node, `v0` and so on.
pub const VHOSTS: usize = 16;

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error(
        "no RabbitMQ is installed: `apt-get install rabbitmq-server` (Debian), or name a broker"
    )]
    NotInstalled,
    #[error("a private RabbitMQ could not be set up in {}", home.display())]
    SetUp { home: PathBuf, source: io::Error },
    #[error("the private RabbitMQ did not start; its log is in {}", home.display())]
    NotUp { home: PathBuf },
}

/// What a node proves itself with: files of a certificate, of its key, and of those who signed it, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authorities: PathBuf,
}

/// A private node.
#[derive(Debug)]
pub struct Broker {
    home: PathBuf,
    ports: Ports,
    /// Whether it speaks TLS, and nothing else.
    identity: Option<Identity>,
    /// Whoever made it ends it; others only use it.
    ours: bool,
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Ports {
    amqp: u16,
    distribution: u16,
    epmd: u16,
}

impl Broker {
    /// Makes a node in `home`, an empty directory, and waits until it serves. It lives no longer than this process.
    pub async fn start(home: &Path) -> Result<Self, BrokerError> {
        let broker = Self::set_up(home, std::process::id(), None)?;
        broker.up().await?;
        Ok(broker)
    }

    /// The same with TLS: it listens for nothing else.
    pub async fn start_with_tls(home: &Path, identity: Identity) -> Result<Self, BrokerError> {
        let broker = Self::set_up(home, std::process::id(), Some(identity))?;
        broker.up().await?;
        Ok(broker)
    }

    /// The node of a directory that several processes share; made by the first, ended when the process `until` is gone.
    pub async fn shared(home: &Path, until: u32) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::SetUp { home: home.to_owned(), source };
        std::fs::create_dir_all(home).map_err(failed)?;
        let lock = std::fs::File::create(home.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let known = std::fs::read(home.join("ports")).ok();
        if let Some(ports) = known.and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(Self { home: home.to_owned(), ports, identity: None, ours: false });
        }
        let mut broker = Self::set_up(home, until, None)?;
        broker.ours = false;
        broker.up().await?;
        let ports = serde_json::to_vec(&broker.ports).map_err(|error| failed(error.into()))?;
        std::fs::write(home.join("ports"), ports).map_err(failed)?;
        Ok(broker)
    }

    /// Where the node is, for one of [`USERS`] and the virtual host of that number.
    pub fn url(&self, user: &str, vhost: usize) -> String {
        let scheme = if self.identity.is_some() { "amqps" } else { "amqp" };
        format!("{scheme}://{user}:{PASSWORD}@127.0.0.1:{}/v{vhost}", self.ports.amqp)
    }

    /// Those who signed its certificate, with TLS.
    pub fn authorities(&self) -> Option<&Path> {
        self.identity.as_ref().map(|identity| identity.authorities.as_path())
    }

    /// `kill -9`.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Stands still, with its connections open, until [`Self::go_on`].
    pub fn stand_still(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Has it take no messages, as when its memory is used up; or take them again.
    pub fn full(&self, full: bool) -> io::Result<()> {
        let most = if full { "1MB" } else { "1GB" };
        let file = |name: &str| self.home.join(name);
        let told = Command::new(Path::new(SCRIPTS).join("rabbitmqctl"))
            .args(["--quiet", "set_vm_memory_high_watermark", "absolute", most])
            .env("HOME", file("home"))
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_CRASH_DUMP", file("erl_crash.dump"))
            .env("RABBITMQ_NODENAME", "rabbit@localhost")
            .env("RABBITMQ_CONF_ENV_FILE", file("none.conf"))
            .stdin(Stdio::null())
            .output()?;
        if told.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&told.stderr).into_owned()))
    }

    /// Starts the node again on what it kept.
    pub async fn restart(&self) -> Result<(), BrokerError> {
        self.launch().map_err(|source| BrokerError::SetUp { home: self.home.clone(), source })?;
        self.up().await
    }

    fn set_up(home: &Path, until: u32, identity: Option<Identity>) -> Result<Self, BrokerError> {
        if !Path::new(SCRIPTS).join("rabbitmq-server").exists() {
            return Err(BrokerError::NotInstalled);
        }
        let failed = |source| BrokerError::SetUp { home: home.to_owned(), source };
        let ports = Ports::free().map_err(failed)?;
        let broker = Self { home: home.to_owned(), ports, identity, ours: true };
        broker.write_files().and_then(|()| broker.launch()).map_err(failed)?;
        broker.watch(until).map_err(failed)?;
        Ok(broker)
    }

    fn write_files(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let home = &self.home;
        for directory in ["mnesia", "log", "home"] {
            std::fs::create_dir_all(home.join(directory))?;
        }
        let cookie = home.join("home/.erlang.cookie");
        std::fs::write(&cookie, format!("PRIVATE{}", std::process::id()))?;
        std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))?;
        std::fs::write(home.join("definitions.json"), definitions().to_string())?;
        std::fs::write(home.join("enabled_plugins"), "[].")?;
        std::fs::write(home.join("none.conf"), "")?;
        let port = self.ports.amqp;
        let listener = match &self.identity {
            None => format!("listeners.tcp.1 = 127.0.0.1:{port}"),
            Some(Identity { certificate, key, authorities }) => format!(
                "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{port}\nssl_options.certfile = {}\n\
                 ssl_options.keyfile = {}\nssl_options.cacertfile = {}",
                certificate.display(),
                key.display(),
                authorities.display()
            ),
        };
        let settings = format!(
            "{listener}\nloopback_users = none\nlog.console = false\n\
             disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 1GB\n\
             load_definitions = {}\n",
            home.join("definitions.json").display()
        );
        std::fs::write(home.join("rabbitmq.conf"), settings)
    }

    /// The name server, unless it runs, and the node.
    fn launch(&self) -> io::Result<()> {
        let Ports { epmd, distribution, .. } = self.ports;
        let log = std::fs::File::options().create(true).append(true).open(self.home.join("out"))?;
        if TcpListener::bind(("127.0.0.1", epmd)).is_ok() {
            let child = Command::new("epmd")
                .args(["-port", &epmd.to_string(), "-address", "127.0.0.1"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            std::fs::write(self.home.join("epmd.pid"), child.id().to_string())?;
        }
        let file = |name: &str| self.home.join(name);
        Command::new("setsid")
            .arg(Path::new(SCRIPTS).join("rabbitmq-server"))
            .env("HOME", file("home"))
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", "rabbit@localhost")
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", file("none.conf"))
            .env("ERL_CRASH_DUMP", file("erl_crash.dump"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(())
    }

    /// A process that outlives us by a second, to clear up.
    fn watch(&self, until: u32) -> io::Result<()> {
        const SCRIPT: &str = r#"while kill -0 "$1" 2>/dev/null && [ -d "$0" ]; do sleep 1; done
            for pid in pid epmd.pid; do [ -f "$0/$pid" ] && kill -9 "$(cat "$0/$pid")" 2>/dev/null; done"#;
        Command::new("setsid")
            .args(["sh", "-c", SCRIPT])
            .arg(&self.home)
            .arg(until.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(())
    }

    /// Waits until the node greets.
    async fn up(&self) -> Result<(), BrokerError> {
        let greeting = async {
            while !self.greets().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let up = tokio::time::timeout(START, greeting).await;
        up.map_err(|_late| BrokerError::NotUp { home: self.home.clone() })
    }

    /// Whether something answers an AMQP greeting with `connection.start`; with TLS, whether something listens.
    async fn greets(&self) -> bool {
        let asked = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.ports.amqp)).await?;
            if self.identity.is_some() {
                return Ok(1);
            }
            stream.write_all(b"AMQP\0\0\x09\x01").await?;
            stream.read_u8().await
        };
        matches!(asked.await, Ok(1))
    }

    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.home.join("pid")).unwrap_or_default();
        if !pid.trim().is_empty() {
            let sent = Command::new("kill").args([signal, pid.trim()]).status();
            drop(sent);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.ours {
            self.kill();
            let epmd = std::fs::read_to_string(self.home.join("epmd.pid")).unwrap_or_default();
            if !epmd.is_empty() {
                drop(Command::new("kill").args(["-KILL", epmd.trim()]).status());
            }
        }
    }
}

impl Ports {
    /// Three that are free and lie below those that the system gives out by itself: nobody takes them before the node does,
    /// nor while it is down.
    fn free() -> io::Result<Self> {
        let mut free = Vec::new();
        let thrown = (0..1_000).map(|_| RandomState::new().hash_one(()) % 20_000);
        for port in thrown.filter_map(|port| u16::try_from(10_000 + port).ok()) {
            // Held until all three are found, so that they differ.
            free.extend(TcpListener::bind(("127.0.0.1", port)).map(|held| (port, held)));
            if let [(amqp, _), (distribution, _), (epmd, _)] = free[..] {
                return Ok(Self { amqp, distribution, epmd });
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// Users, virtual hosts and permissions, taken in at the start of the node.
fn definitions() -> serde_json::Value {
    use serde_json::json;
    let users: Vec<_> =
        USERS.iter().map(|user| json!({"name": user, "password": PASSWORD, "tags": ""})).collect();
    let vhosts: Vec<_> = (0..VHOSTS).map(|n| json!({"name": format!("v{n}")})).collect();
    let permissions: Vec<_> = (0..VHOSTS)
        .flat_map(|n| {
            USERS.iter().map(move |user| {
                let may = if *user == "powerless" { "" } else { ".*" };
                json!({"user": user, "vhost": format!("v{n}"), "configure": may, "write": may, "read": ".*"})
            })
        })
        .collect();
    json!({"users": users, "vhosts": vhosts, "permissions": permissions})
}

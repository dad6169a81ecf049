//! The Redis of a demo: a private one with the shipped settings, or one that runs already.

use anyhow::{Context, bail};
use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};

/// What an operator would start.
const SETTINGS: &str = include_str!("../../deploy/redis.conf");
/// Its settings, in its directory.
const FILE: &str = "redis.conf";
/// How long a private one may take until it answers.
const START: Duration = Duration::from_secs(20);

/// Where the demo's rows are.
#[derive(Debug)]
pub(crate) enum Redis {
    /// Started here, gone with the demo.
    Private {
        server: Child,
        at: SocketAddr,
    },
    Given {
        url: String,
    },
}

impl Redis {
    pub(crate) fn given(url: &str) -> Self {
        Self::Given { url: url.to_owned() }
    }

    /// Starts one on a free port, with its files in `directory`.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // The last word counts. Rewrites are off, so that the growth of the file is what was written.
        let own =
            format!("\nport {}\nlogfile redis.log\nauto-aof-rewrite-percentage 0\n", at.port());
        std::fs::write(directory.join(FILE), format!("{SETTINGS}{own}"))?;
        let mut command = Command::new("redis-server");
        command
            .arg(FILE)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = match command.kill_on_drop(true).spawn() {
            Ok(server) => server,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "there is no redis-server on this machine. Install it (on Debian: apt-get install redis-server), or name one that runs with --redis redis://host:port"
            ),
            Err(error) => return Err(error).context("redis-server cannot be started"),
        };
        let redis = Self::Private { server, at };
        let answering = async {
            while redis.say("PING").await.is_none_or(|answer| !answer.starts_with("+PONG")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START, answering).await.is_err() {
            bail!("the private Redis did not answer for {START:?}; see {}", directory.display());
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Private { at, .. } => format!("redis://{at}"),
            Self::Given { url } => url.clone(),
        }
    }

    /// The process, if it is ours.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Private { server, .. } => server.id(),
            Self::Given { .. } => None,
        }
    }

    /// How long its append-only file is, in octets; only of a private one.
    pub(crate) async fn written(&self) -> Option<u64> {
        let info = self.say("INFO persistence").await?;
        let line = info.lines().find_map(|line| line.strip_prefix("aof_current_size:"))?;
        line.trim().parse().ok()
    }

    /// One command without arguments that hold spaces, and its answer as it comes.
    async fn say(&self, command: &str) -> Option<String> {
        let Self::Private { at, .. } = self else { return None };
        let asked = async {
            let mut stream = TcpStream::connect(at).await?;
            stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.take(1024 * 1024).read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?.ok()
    }
}

//! A private Redis with the shipped settings, for whoever shows or measures something: on a free port, gone with its owner.

use std::{
    io::{self, ErrorKind},
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
/// How long it may take until it answers.
const START: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    at: SocketAddr,
}

impl Redis {
    /// Starts one with its files in `directory`; `more` are settings that overrule the shipped ones, a line each as in `redis.conf`.
    ///
    /// # Errors
    /// When its files cannot be written, the program is not there ([`ErrorKind::NotFound`]) or does not answer.
    pub async fn start(directory: &Path, more: &str) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let at = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // The last word counts. Rewrites are off, so that the growth of the file is what was written.
        let own = format!(
            "\nport {}\nlogfile redis.log\nauto-aof-rewrite-percentage 0\n{more}\n",
            at.port()
        );
        std::fs::write(directory.join(FILE), format!("{SETTINGS}{own}"))?;
        let mut command = Command::new("redis-server");
        command
            .arg(FILE)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command.kill_on_drop(true).spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => io::Error::new(
                ErrorKind::NotFound,
                "there is no redis-server on this machine: install it (on Debian: apt-get install redis-server)",
            ),
            _ => error,
        })?;
        let redis = Self { server, at };
        let answering = async {
            while redis.ask("PING").await.is_none_or(|answer| !answer.starts_with("+PONG")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(START, answering).await.is_err() {
            let text = format!(
                "the private Redis did not answer for {START:?}; see {}",
                directory.display()
            );
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.at)
    }

    /// The process; none when it has ended.
    pub fn process(&self) -> Option<u32> {
        self.server.id()
    }

    /// How long its append-only file is, in octets.
    pub async fn written(&self) -> Option<u64> {
        self.told("persistence", "aof_current_size").await
    }

    /// The memory that its data takes, in octets.
    pub async fn used_memory(&self) -> Option<u64> {
        self.told("memory", "used_memory").await
    }

    /// A number of `INFO`.
    async fn told(&self, section: &str, name: &str) -> Option<u64> {
        let info = self.ask(&format!("INFO {section}")).await?;
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().parse().ok()
    }

    /// One command without arguments that hold spaces, and its answer as it comes.
    async fn ask(&self, command: &str) -> Option<String> {
        let asked = async {
            let mut stream = TcpStream::connect(self.at).await?;
            stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.take(1024 * 1024).read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        };
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?.ok()
    }
}

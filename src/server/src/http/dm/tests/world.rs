//! A server on free ports, sockets that speak octets, and a device that speaks just enough.

use crate::{
    Running, campaigns,
    config::Config,
    registry::{self, Import},
    start,
    store::Calls,
};
use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wire::{
    Encoding, Limits,
    digest::{Nonce, SecretHash, md5_cred},
    ids::StatusTarget,
    message::{Command, Cred, Data, Message, Status},
};

pub(super) const XML: &str = "application/vnd.syncml.dm+xml";
pub(super) const WBXML: &str = "application/vnd.syncml.dm+wbxml";
/// How long a test waits for what must come: far more than it ever takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server at work, and its data for as long.
pub(super) struct Server {
    pub(super) running: Running,
    /// The configuration.
    text: String,
    directory: tempfile::TempDir,
}

impl Server {
    /// With these settings of `[http.devices]`.
    pub(super) async fn start(devices: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let text = format!(
            "[store]\nkind = \"embedded\"\npath = {path:?}\n[http.admin]\nlisten = \"127.0.0.1:0\"\n\
             [http.devices]\nlisten = \"127.0.0.1:0\"\n{devices}\n"
        );
        let running = start(Config::read("a test", &text, &[]).unwrap()).await.unwrap();
        Self { running, text, directory }
    }

    /// Stopped, and started again on the same data.
    pub(super) async fn restart(self) -> Self {
        let Self { running, text, directory } = self;
        running.stop().await;
        let running = start(Config::read("a test", &text, &[]).unwrap()).await.unwrap();
        Self { running, text, directory }
    }

    pub(super) fn at(&self) -> SocketAddr {
        self.running.devices
    }

    pub(super) fn calls(&self) -> Calls {
        self.running.engine().store().calls()
    }

    /// Commits and changes so far.
    pub(super) fn written(&self) -> (u64, u64) {
        let calls = self.calls();
        (calls.commit, calls.changes)
    }

    /// Registers devices whose password is `Phone::PASSWORD`.
    pub(super) async fn register(&self, devices: &[&str]) {
        let mut lines = String::new();
        for device in devices {
            let password = Phone::PASSWORD;
            writeln!(lines, r#"{{"device":"{device}","user":"{device}","secret":"{password}"}}"#)
                .unwrap();
        }
        let engine = self.running.engine();
        let import = Import::json_lines(engine.store(), engine.vault(), engine.config());
        let report = registry::import(&import, lines.as_bytes()).await.unwrap();
        assert_eq!(report.imported, devices.len() as u64, "{report:?}");
    }

    /// Gives the devices something to do whenever they come by themselves.
    pub(super) async fn launch(&self, devices: &[&str]) {
        self.launch_with(devices, "[{uri: ./ConnMO/Max, value: \"1\"}]").await;
    }

    /// The same, with these settings.
    pub(super) async fn launch_with(&self, devices: &[&str], settings: &str) {
        let list = devices.join("\", \"");
        let text = format!(
            "campaign: reach\nauthority: operator\npurpose: a test\ndevices: {{list: [\"{list}\"]}}\n\
             settings: {settings}\ndeliver: {{mode: pull}}\n\
             when: {{expires: 2099-01-01T00:00:00Z}}\n"
        );
        let engine = self.running.engine();
        campaigns::submit(engine, &text, false).await.unwrap();
        let all = devices.len() as u64;
        until(async || {
            let view = campaigns::view(engine, "operator", "reach").await.unwrap();
            let told = engine.live.snapshot().all().any(|live| live.state.may_begin());
            view.progress.enrolled == all && view.state == "running" && told
        })
        .await;
    }

    /// One request on a connection of its own.
    pub(super) async fn send(&self, request: &[u8]) -> Reply {
        let mut socket = Socket::open(self.at()).await;
        socket.write(request).await;
        socket.reply().await.expect("an answer")
    }

    /// A message as XML, to the path of the authority.
    pub(super) async fn say(&self, message: &str) -> Reply {
        self.send(&post("/dm/operator", XML, message.as_bytes())).await
    }

    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}

/// Waits for a state that must come.
pub(super) async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the state is reached");
}

/// A whole request.
pub(super) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A connection of a peer.
pub(super) struct Socket {
    pub(super) stream: TcpStream,
    /// Read and not yet part of an answer.
    read: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Socket {
    pub(super) async fn open(to: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(to).await.unwrap(), read: Vec::new() }
    }

    pub(super) async fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    /// The next answer; none when the connection ends before it.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        tokio::time::timeout(PATIENCE, self.read_reply()).await.expect("an answer or an end")
    }

    async fn read_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.take_reply() {
                return Some(reply);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.read.extend_from_slice(&octets[..n]),
            }
        }
    }

    fn take_reply(&mut self) -> Option<Reply> {
        let end = self.read.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let octets: usize =
            headers.get("content-length").map_or(0, |octets| octets.parse().unwrap());
        let body = self.read.get(end + 4..end + 4 + octets)?.to_vec();
        self.read.drain(..end + 4 + octets);
        Some(Reply { status, headers, body })
    }

    /// Whether the server ended the connection, within the time that tests have.
    pub(super) async fn ended(&mut self) -> bool {
        while self.reply().await.is_some() {}
        true
    }
}

impl Reply {
    pub(super) fn message(&self) -> Message {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let encoding = if self.headers["content-type"].starts_with(WBXML) {
            Encoding::Wbxml
        } else {
            Encoding::Xml
        };
        encoding.read(&self.body, &Limits::default()).unwrap()
    }

    fn about_header(&self) -> Status {
        let is_header = |status: &&Status| matches!(status.about, StatusTarget::Header);
        let message = self.message();
        let statuses = message.commands.iter().filter_map(|command| match command {
            Command::Status(status) => Some(status),
            _ => None,
        });
        statuses.into_iter().find(is_header).expect("a status for the header").clone()
    }

    /// What the server said of the message as a whole.
    pub(super) fn code(&self) -> u16 {
        self.about_header().code.unwrap().code()
    }

    /// The nonce of a challenge, or of what comes next.
    pub(super) fn nonce(&self) -> Nonce {
        Nonce::from_base64(&self.about_header().chal.unwrap().next_nonce.unwrap()).unwrap()
    }

    /// The path that the device is told to come back on.
    pub(super) fn path(&self) -> String {
        let to = self.message().header.resp_uri.expect("a RespURI");
        to[to.find("/dm/").unwrap()..].to_owned()
    }
}

/// A device, as far as the door is concerned.
#[derive(Debug, Clone)]
pub(super) struct Phone {
    pub(super) device: String,
    session: String,
}

impl Phone {
    pub(super) const PASSWORD: &str = "correct horse";

    pub(super) fn new(device: &str, session: &str) -> Self {
        Self { device: device.to_owned(), session: session.to_owned() }
    }

    pub(super) fn cred(&self, password: &str, nonce: &Nonce) -> Cred {
        md5_cred(&SecretHash::of(&self.device, password), nonce)
    }

    pub(super) fn right(&self, nonce: &Nonce) -> Cred {
        self.cred(Self::PASSWORD, nonce)
    }

    /// Package 1.
    pub(super) fn hello(&self, msg: u32, cred: Option<&Cred>) -> String {
        let device = &self.device;
        let mut items = String::new();
        for (name, value) in [
            ("DevId", device.as_str()),
            ("Man", "Maker"),
            ("Mod", "M1"),
            ("DmV", "1.2"),
            ("Lang", "en"),
        ] {
            write!(
                items,
                "<Item><Source><LocURI>./DevInfo/{name}</LocURI></Source><Data>{value}</Data></Item>"
            )
            .unwrap();
        }
        let body = format!(
            "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{items}</Replace>"
        );
        self.message(msg, cred, &body)
    }

    /// Any message of its session.
    pub(super) fn message(&self, msg: u32, cred: Option<&Cred>, commands: &str) -> String {
        self.part(msg, cred, &format!("{commands}<Final/>"))
    }

    /// A message of its session that does not end its package.
    pub(super) fn part(&self, msg: u32, cred: Option<&Cred>, commands: &str) -> String {
        let (device, session) = (&self.device, &self.session);
        let cred = cred.map(cred_xml).unwrap_or_default();
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>{session}</SessionID><MsgID>{msg}</MsgID><Target><LocURI>http://x/dm/operator</LocURI></Target>\
             <Source><LocURI>{device}</LocURI></Source>{cred}<Meta><MaxMsgSize xmlns=\"syncml:metinf\">16384</MaxMsgSize>\
             </Meta></SyncHdr><SyncBody>{commands}</SyncBody></SyncML>"
        )
    }

    /// What it answers to the server's first question: the node is not there.
    pub(super) fn not_found(&self, msg: u32, to: &Message) -> String {
        let mut commands = format!(
            "<Status><CmdID>1</CmdID><MsgRef>{}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>",
            to.header.msg_id
        );
        for command in to.commands.iter().filter(|command| !matches!(command, Command::Status(_))) {
            write!(
                commands,
                "<Status><CmdID>1{id}</CmdID><MsgRef>{}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{}</Cmd><Data>404</Data></Status>",
                to.header.msg_id,
                command.name(),
                id = command.id().unwrap(),
            )
            .unwrap();
        }
        self.message(msg, None, &commands)
    }

    /// Opens a session: challenged, then proven. The message that opened it, and its answer.
    pub(super) async fn open(&self, server: &Server) -> (String, Reply) {
        let challenge = server.say(&self.hello(1, None)).await;
        assert_eq!(challenge.code(), 407);
        let hello = self.hello(2, Some(&self.right(&challenge.nonce())));
        let reply = server.say(&hello).await;
        assert_eq!(reply.code(), 212);
        (hello, reply)
    }
}

fn cred_xml(cred: &Cred) -> String {
    let Data::Text(data) = &cred.data else { panic!("digests are text") };
    format!(
        "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type>\
         </Meta><Data>{data}</Data></Cred>"
    )
}

pub(super) fn wbxml(message: &str) -> Vec<u8> {
    Encoding::Wbxml
        .write(&Encoding::Xml.read(message.as_bytes(), &Limits::default()).unwrap())
        .unwrap()
}

//! The life of one bind: connect, bind, work, and after every end again, with growing pauses.

use super::{
    Settings,
    link::{Link, LinkEnd, Patience, Request, Unsent},
    status,
};
use crate::notify::{Receipt, Tls};
use rusmpp::{
    Pdu,
    pdus::{BindReceiver, BindTransceiver, BindTransmitter},
    types::COctetString,
    values::InterfaceVersion,
};
use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

/// The first pause after a link ended; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A link that lived so long was a good one: the pauses begin anew.
const GOOD: Duration = Duration::from_secs(30);

/// What a bind may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Transceiver,
    Transmitter,
    Receiver,
}

/// Where the requests of one bind go in, and whether it is bound.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) window: Arc<Semaphore>,
    up: Arc<AtomicBool>,
}

impl Bind {
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Begins the life of bind `number` of a route.
    pub(super) fn spawn(
        settings: &Arc<Settings>,
        number: usize,
        role: Role,
        receipts: mpsc::Sender<Receipt>,
        stop: CancellationToken,
    ) -> Self {
        let (requests, taken) = mpsc::channel(settings.window);
        let up = Arc::new(AtomicBool::new(false));
        let life = Life {
            settings: Arc::clone(settings),
            number,
            role,
            up: Arc::clone(&up),
            receipts,
            stop,
        };
        tokio::spawn(life.run(taken));
        Self { requests, window: Arc::new(Semaphore::new(settings.window)), up }
    }
}

struct Life {
    settings: Arc<Settings>,
    number: usize,
    role: Role,
    up: Arc<AtomicBool>,
    receipts: mpsc::Sender<Receipt>,
    stop: CancellationToken,
}

impl Life {
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let (route, bind) = (&self.settings.name, self.number);
        let mut pause = FIRST_PAUSE;
        // Each bind begins at another host, so that one that is away takes only its share along.
        let mut host = self.number;
        while !self.stop.is_cancelled() {
            let since = crate::clock::stopwatch();
            let end = self.once(host, &mut requests).await;
            self.up.store(false, Ordering::Relaxed);
            // What was handed in while the link went down can still go elsewhere.
            while let Ok(request) = requests.try_recv() {
                let _gone = request.answer.send(Err(Unsent::NotWritten));
            }
            match &end {
                LinkEnd::Stopped => return,
                LinkEnd::BindRefused(status) => {
                    let (remedy, setting) = status::remedy(*status);
                    tracing::error!(route, bind, remedy = remedy.name(), setting, "{end}");
                }
                end => tracing::warn!(
                    route,
                    bind,
                    error = end as &dyn std::error::Error,
                    "a bind ended"
                ),
            }
            if since.elapsed() >= GOOD {
                pause = FIRST_PAUSE;
            }
            host = host.wrapping_add(1);
            let jittered = pause.mul_f64(rand::random_range(0.5..1.5));
            tokio::select! {
                () = tokio::time::sleep(jittered) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, to its end.
    async fn once(&self, host: usize, requests: &mut mpsc::Receiver<Request>) -> LinkEnd {
        let settings = &self.settings;
        let Some(host) = settings.hosts.get(host % settings.hosts.len().max(1)) else {
            return LinkEnd::Stopped;
        };
        let connecting = tokio::time::timeout(settings.connect_timeout, TcpStream::connect(host));
        let stream = tokio::select! {
            connected = connecting => match connected {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return LinkEnd::Io(error),
                Err(_late) => return LinkEnd::Io(std::io::ErrorKind::TimedOut.into()),
            },
            () = self.stop.cancelled() => return LinkEnd::Stopped,
        };
        if let Err(error) = stream.set_nodelay(true) {
            return LinkEnd::Io(error);
        }
        match &settings.tls {
            None => self.work(stream, requests).await,
            Some(tls) => {
                let name = match Tls::name(host) {
                    Ok(name) => name,
                    Err(error) => return LinkEnd::Io(error),
                };
                let shaking = tls.connector.connect(name, stream);
                match tokio::time::timeout(settings.connect_timeout, shaking).await {
                    Ok(Ok(stream)) => self.work(stream, requests).await,
                    Ok(Err(error)) => LinkEnd::Io(error),
                    Err(_late) => LinkEnd::Io(std::io::ErrorKind::TimedOut.into()),
                }
            }
        }
    }

    async fn work<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        requests: &mut mpsc::Receiver<Request>,
    ) -> LinkEnd {
        let settings = &self.settings;
        let patience = Patience { answer: settings.response_timeout, idle: settings.enquire_link };
        let mut link = Link::new(stream, patience);
        tokio::select! {
            bound = link.bind(self.bind_pdu()) => if let Err(end) = bound {
                return end;
            },
            () = self.stop.cancelled() => return LinkEnd::Stopped,
        }
        tracing::info!(route = settings.name, bind = self.number, role = ?self.role, "bound");
        self.up.store(true, Ordering::Relaxed);
        link.run(requests, &self.receipts, &self.stop).await
    }

    fn bind_pdu(&self) -> Pdu {
        let Settings { system_id, password, system_type, .. } = &*self.settings;
        // The lengths were checked with the configuration.
        let (id, password, kind) = (text(system_id), text(password.reveal()), text(system_type));
        let version = InterfaceVersion::Smpp3_4;
        match self.role {
            Role::Transceiver => BindTransceiver::builder()
                .system_id(id)
                .password(password)
                .system_type(kind)
                .interface_version(version)
                .build()
                .into(),
            Role::Transmitter => BindTransmitter::builder()
                .system_id(id)
                .password(password)
                .system_type(kind)
                .interface_version(version)
                .build()
                .into(),
            Role::Receiver => BindReceiver::builder()
                .system_id(id)
                .password(password)
                .system_type(kind)
                .interface_version(version)
                .build()
                .into(),
        }
    }
}

fn text<const MOST: usize>(text: &str) -> COctetString<1, MOST> {
    COctetString::from_str(text).unwrap_or_else(|_long| COctetString::null())
}

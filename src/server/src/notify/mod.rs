//! Ways to carry a notification to a device.

mod breaker;
pub(crate) mod smpp;
mod throttle;
pub(crate) mod udp;

use crate::{config::Route, metrics::labels::NotSent, rows::Device};
use breaker::Breaker;
use campaign::time::Instant;
use smpp::{
    Notice, Settings, SmppError, SmppRoute, Tls,
    receipt::Receipt,
    status::Remedy,
    submission::{Origin, Sender, SubmissionError},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use throttle::Throttle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use udp::{UdpError, UdpRoute};

/// The routes of this process, by name.
#[derive(Debug)]
pub(crate) struct Routes(BTreeMap<String, Channel>);

/// One route at work: what carries, and how well it does.
#[derive(Debug)]
pub(crate) struct Channel {
    carrier: Carrier,
    health: Mutex<Health>,
}

#[derive(Debug)]
enum Carrier {
    Udp(UdpRoute),
    Smpp(SmppRoute),
}

#[derive(Debug, Default)]
struct Health {
    throttle: Throttle,
    breaker: Breaker,
}

/// A push that is ready to leave, and how it may be delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push<'a> {
    pub(crate) octets: &'a [u8],
    /// Derives from the session id: the same octets have the same reference (D4).
    pub(crate) reference: u16,
    /// Until the attempt's deadline.
    pub(crate) validity: Duration,
    pub(crate) urgent: bool,
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Udp(#[from] UdpError),
    #[error(transparent)]
    Smpp(#[from] SmppError),
}

impl SendError {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Udp(UdpError::NoAddress) => Remedy::GiveUp,
            // Nobody answers a datagram: what the network says of one is a moment's matter.
            Self::Udp(UdpError::Refused(_)) => Remedy::Later,
            Self::Smpp(error) => error.remedy(),
        }
    }

    /// The word for it in metrics.
    pub(crate) fn reason(&self) -> NotSent {
        match self {
            Self::Udp(UdpError::NoAddress)
            | Self::Smpp(SmppError::Submission(
                SubmissionError::NoNumber | SubmissionError::Number,
            )) => NotSent::Address,
            Self::Udp(UdpError::Refused(_)) => NotSent::Network,
            Self::Smpp(SmppError::Submission(_)) => NotSent::Unwritable,
            Self::Smpp(SmppError::NoBind | SmppError::Unsent(smpp::Unsent::NotWritten)) => {
                NotSent::Down
            }
            Self::Smpp(SmppError::Unsent(smpp::Unsent::Unanswered)) => NotSent::Unanswered,
            Self::Smpp(SmppError::Unsent(smpp::Unsent::Refused(_))) => {
                if self.remedy() == Remedy::SlowDown {
                    NotSent::Throttled
                } else {
                    NotSent::Refused
                }
            }
        }
    }

    /// What it makes of the job.
    pub(crate) fn next(&self) -> Next {
        match (self, self.remedy()) {
            (_, Remedy::GiveUp) => Next::GivenUp,
            (_, Remedy::SlowDown) => Next::Postponed(SLOW),
            (_, Remedy::Mend) => Next::Postponed(MEND),
            (Self::Udp(_) | Self::Smpp(SmppError::Unsent(smpp::Unsent::Unanswered)), _) => {
                Next::Notified
            }
            (Self::Smpp(SmppError::Unsent(smpp::Unsent::Refused(_))), _) => Next::Refused,
            (Self::Smpp(_), _) => Next::Postponed(SLOW),
        }
    }
}

/// What a notification that was tried makes of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is out, as far as anybody knows: the attempt counts, and the device has its time to answer.
    Notified,
    /// It was refused for the time being: the attempt counts, and the next one comes after a pause.
    Refused,
    /// It never left: it does not count, and is tried again in about this time.
    Postponed(Duration),
    /// It can never reach the device.
    GivenUp,
}

/// Before a message is offered again that there was no room for.
const SLOW: Duration = Duration::from_secs(2);
/// Before a message is offered again that a route cannot take as it is set up.
const MEND: Duration = Duration::from_secs(20);

/// Receipts of one route, by its name.
pub(crate) type Receipts = (String, mpsc::Receiver<Receipt>);

/// Why a route could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("route `{route}`: its socket could not be opened")]
    Socket {
        route: String,
        #[source]
        source: std::io::Error,
    },
    #[error("route `{route}`")]
    Settings {
        route: String,
        #[source]
        source: SubmissionError,
    },
}

impl Routes {
    /// Opens what the configured routes need. Binds come up by themselves, and are made anew, until `stop`.
    pub(crate) async fn open(
        routes: &[Route],
        stop: &CancellationToken,
    ) -> Result<(Self, Vec<Receipts>), OpenError> {
        let (mut open, mut receipts) = (BTreeMap::new(), Vec::new());
        for route in routes {
            let socket = |source| OpenError::Socket { route: route.name().to_owned(), source };
            let carrier = match route {
                Route::Udp { bind, port, .. } => {
                    Carrier::Udp(UdpRoute::bind(*bind, *port).await.map_err(socket)?)
                }
                Route::Smpp(settings) => {
                    let (smpp, received) = start_smpp(settings, stop)?;
                    receipts.push((settings.name.clone(), received));
                    Carrier::Smpp(smpp)
                }
            };
            open.insert(route.name().to_owned(), Channel { carrier, health: Mutex::default() });
        }
        Ok((Self(open), receipts))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Channel> {
        self.0.get(name)
    }
}

fn start_smpp(
    smpp: &crate::config::Smpp,
    stop: &CancellationToken,
) -> Result<(SmppRoute, mpsc::Receiver<Receipt>), OpenError> {
    let route = || smpp.name.clone();
    let origin = Origin {
        source: &smpp.source,
        ton: smpp.source_ton,
        npi: smpp.source_npi,
        service_type: &smpp.service_type,
        data_coding: smpp.data_coding,
        segmentation: smpp.segmentation,
        receipts: smpp.receipts,
    };
    let sender =
        Sender::new(&origin).map_err(|source| OpenError::Settings { route: route(), source })?;
    let tls = |source| OpenError::Socket { route: route(), source };
    let tls = match (smpp.tls, &smpp.tls_ca) {
        (false, _) => None,
        (true, None) => Some(Tls::new(None).map_err(tls)?),
        (true, Some(file)) => {
            let pem = std::fs::read(file).map_err(tls)?;
            Some(Tls::new(Some(&pem)).map_err(tls)?)
        }
    };
    let settings = Settings {
        name: smpp.name.clone(),
        hosts: smpp.hosts.clone(),
        system_id: smpp.system_id.clone(),
        password: smpp.password.clone().unwrap_or_else(|| String::new().into()),
        system_type: smpp.system_type.clone(),
        mode: smpp.mode,
        binds: smpp.binds,
        window: smpp.window,
        connect_timeout: smpp.connect_timeout,
        response_timeout: smpp.response_timeout,
        enquire_link: smpp.enquire_link,
        tls,
        receipt_id: smpp.receipt_id,
        receipts: smpp.receipts,
        long_references: smpp.long_references,
    };
    Ok(SmppRoute::start(settings, sender, stop))
}

impl Channel {
    /// Whether anything may be given to this route now: it is up, and it was not found wanting a moment ago.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        let up = match &self.carrier {
            Carrier::Udp(_) => true,
            Carrier::Smpp(route) => route.is_up(),
        };
        up && self.health().breaker.is_open(now)
    }

    /// The pace that it bears at the moment, of the pace that it is configured for.
    pub(crate) fn per_second(&self, configured: u32, now: Instant) -> u32 {
        self.health().throttle.of(configured, now)
    }

    /// Hands a push over; what comes back are the ids under which receipts will come.
    pub(crate) async fn send(
        &self,
        device: &Device,
        push: &Push<'_>,
        now: Instant,
    ) -> Result<Vec<String>, SendError> {
        let sent = match &self.carrier {
            Carrier::Udp(route) => {
                let address = device.address.as_deref().ok_or(UdpError::NoAddress)?;
                let to = route.address(address)?;
                route.send(to, push.octets).await.map(|()| Vec::new()).map_err(SendError::from)
            }
            Carrier::Smpp(route) => {
                let number = device.msisdn.as_deref();
                let number = number.ok_or(SmppError::Submission(SubmissionError::NoNumber))?;
                let notice = Notice {
                    number,
                    push: push.octets,
                    reference: push.reference,
                    validity: push.validity,
                    urgent: push.urgent,
                };
                route.send(&notice).await.map_err(SendError::from)
            }
        };
        let mut health = self.health();
        match sent.as_ref().map_err(SendError::remedy) {
            Ok(_) => {
                health.breaker.passed();
            }
            Err(Remedy::SlowDown) => health.throttle.slow_down(now),
            Err(Remedy::Mend) => health.breaker.failed(now),
            Err(Remedy::GiveUp | Remedy::Later) => {}
        }
        drop(health);
        sent
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

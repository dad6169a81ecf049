//! Ways to carry a notification to a device.

mod breaker;
pub(crate) mod pap;
mod receipt;
mod remedy;
pub(crate) mod smpp;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
pub(crate) mod udp;

pub(crate) use receipt::{Fate, Receipt};
pub(crate) use remedy::{Remedy, Standing};
pub(crate) use tls::Tls;

use crate::{
    config::{self, Config, Network, Route, Secret},
    dispatch::{Held, Pass, Slowed},
    metrics::labels::{NotSent, RouteCondition},
    routing,
    rows::{Device, DeviceId},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use breaker::{Admission, Breaker};
use campaign::time::Instant;
use hyper::header::HeaderValue;
use pap::{Form, Gateway, Links, PapError, PapRoute, Trouble, Unfit};
use smpp::{
    Notice, Settings, SmppError, SmppRoute,
    submission::{Origin, Sender, SubmissionError},
};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use throttle::Throttle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use udp::{UdpError, UdpRoute};
use wire::sms;

/// The routes of this process, by name.
#[derive(Debug)]
pub(crate) struct Routes {
    channels: BTreeMap<String, Channel>,
    doors: BTreeMap<String, ResultDoor>,
}

/// Where a gateway posts what became of the pushes of one route.
#[derive(Debug)]
pub(crate) struct ResultDoor {
    pub(crate) token: Secret,
    /// The networks that may post; empty: any.
    pub(crate) from: Vec<Network>,
    pub(crate) receipts: mpsc::Sender<Receipt>,
}

/// Results that may wait to be looked at; beyond, the gateway is asked to post them again.
const RESULTS: usize = 16 * 1024;

/// One route at work: what carries, and how well it does.
#[derive(Debug)]
pub(crate) struct Channel {
    name: String,
    carrier: Carrier,
    health: Mutex<Health>,
}

#[derive(Debug)]
enum Carrier {
    Udp(UdpRoute),
    Smpp(SmppRoute),
    Pap(Box<PapRoute>),
}

#[derive(Debug, Default)]
struct Health {
    throttle: Throttle,
    breaker: Breaker,
    /// Since when no bind is up, as far as somebody looked.
    down: Option<Instant>,
}

/// Who carries the notifications of a route at the moment.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    /// The route itself, or one that stands in for it.
    pub(crate) route: &'a Route,
    pub(crate) channel: &'a Channel,
    /// No more than so many devices now.
    pub(crate) most: u32,
}

/// A push that is ready to leave, and how it may be delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push<'a> {
    /// As a gateway would send it on: with its WSP headers.
    pub(crate) octets: &'a [u8],
    /// As a gateway wants it: without.
    pub(crate) package0: &'a [u8],
    /// Derives from the session id: the same octets have the same reference (D4).
    pub(crate) reference: u16,
    /// Until the attempt's deadline.
    pub(crate) validity: Duration,
    pub(crate) urgent: bool,
    pub(crate) attempt: Attempt<'a>,
}

impl Push<'_> {
    /// See [`segments`].
    pub(crate) fn segments(&self) -> u32 {
        segments(self.octets)
    }
}

/// The short messages that a push takes on the air, for whoever leaves cutting it to others.
fn segments(push: &[u8]) -> u32 {
    let parts = sms::segments(push, sms::SOURCE_PORT, sms::Reference::Short(0));
    parts.map_or(1, |parts| u32::try_from(parts.len()).unwrap_or(u32::MAX))
}

/// Which notification it is: two with the same values are one that is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) seq: u64,
    pub(crate) run: u16,
    pub(crate) sid: u16,
    /// Counts from 1.
    pub(crate) number: u8,
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Udp(#[from] UdpError),
    #[error(transparent)]
    Smpp(#[from] SmppError),
    #[error(transparent)]
    Pap(#[from] PapError),
    #[error(transparent)]
    Held(#[from] Held),
}

impl SendError {
    /// Whether nothing was tried: no permit came.
    pub(crate) fn is_held(&self) -> bool {
        matches!(
            self,
            Self::Held(_)
                | Self::Smpp(SmppError::Held(_))
                | Self::Pap(PapError::Trouble(Trouble::Held(_)))
        )
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Udp(UdpError::NoAddress) => Remedy::GiveUp,
            // Nobody answers a datagram: what the network says of one is a moment's matter.
            Self::Udp(UdpError::Refused(_)) | Self::Held(_) => Remedy::Later,
            Self::Smpp(error) => error.remedy(),
            Self::Pap(error) => error.remedy().0,
        }
    }

    /// What a person can do about it, where anything.
    fn setting(&self) -> &'static str {
        match self {
            Self::Udp(_) | Self::Held(_) => "",
            Self::Smpp(error) => error.setting(),
            Self::Pap(error) => error.remedy().1,
        }
    }

    /// What it says of the route, rather than of this one notification.
    fn standing(&self) -> Standing {
        match self {
            Self::Udp(_) | Self::Held(_) => Standing::Unknown,
            Self::Smpp(error) => error.standing(),
            Self::Pap(error) => error.standing(),
        }
    }

    /// The word for it in metrics.
    pub(crate) fn reason(&self) -> NotSent {
        match self {
            Self::Udp(UdpError::NoAddress)
            | Self::Smpp(SmppError::Submission(
                SubmissionError::NoNumber | SubmissionError::Number,
            ))
            | Self::Pap(PapError::Unfit(Unfit::NoNumber(_))) => NotSent::Address,
            Self::Udp(UdpError::Refused(_)) => NotSent::Network,
            Self::Smpp(SmppError::Submission(_)) | Self::Pap(PapError::Unfit(Unfit::Write(_))) => {
                NotSent::Unwritable
            }
            Self::Smpp(
                SmppError::NoBind
                | SmppError::Unsent(smpp::Unsent::NotWritten)
                | SmppError::Held(_),
            )
            | Self::Held(_)
            | Self::Pap(PapError::Trouble(
                Trouble::Held(_) | Trouble::NoRoom | Trouble::Unreachable(_),
            )) => NotSent::Down,
            Self::Smpp(SmppError::Unsent(smpp::Unsent::Unanswered))
            | Self::Pap(PapError::Trouble(Trouble::Unanswered(_))) => NotSent::Unanswered,
            Self::Smpp(SmppError::Unsent(smpp::Unsent::Refused(_)))
            | Self::Pap(
                PapError::Http(_)
                | PapError::Garbled { .. }
                | PapError::Astray(_)
                | PapError::Refused(_),
            ) => {
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
            (
                Self::Udp(_)
                | Self::Smpp(SmppError::Unsent(smpp::Unsent::Unanswered))
                | Self::Pap(PapError::Trouble(Trouble::Unanswered(_))),
                _,
            ) => Next::Notified,
            (
                Self::Smpp(SmppError::Unsent(smpp::Unsent::Refused(_)))
                | Self::Pap(PapError::Refused(_)),
                _,
            ) => Next::Refused,
            // It never came to whoever would have to carry it.
            (Self::Smpp(_) | Self::Pap(_) | Self::Held(_), _) => Next::Postponed(SLOW),
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
        source: io::Error,
    },
    #[error("route `{route}`: the certificate authorities cannot be read")]
    Certificates {
        route: String,
        #[source]
        source: io::Error,
    },
    #[error("route `{route}`: user and password cannot be written into a header")]
    Credentials {
        route: String,
        #[source]
        source: hyper::header::InvalidHeaderValue,
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
        config: &Config,
        stop: &CancellationToken,
    ) -> Result<(Self, Vec<Receipts>), OpenError> {
        let (mut channels, mut doors) = (BTreeMap::new(), BTreeMap::new());
        let mut receipts = Vec::new();
        for name in routing::idle(config) {
            tracing::warn!(
                route = name,
                "no device ever comes to this route: one before it has no `when`, and none falls back on it"
            );
        }
        for route in &config.routes {
            // A gateway posts to whichever process it is led to, so each of them has every door.
            if let Route::Pap(settings) = route
                && let Some((door, received)) = result_door(settings)
            {
                doors.insert(settings.name.clone(), door);
                receipts.push((settings.name.clone(), received));
            }
            if !config.worker.carries(route.name()) {
                continue;
            }
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
                Route::Pap(settings) => {
                    let results_to = settings.results_to(&config.http.devices.public_url);
                    Carrier::Pap(Box::new(open_pap(settings, results_to)?))
                }
            };
            let name = route.name().to_owned();
            channels.insert(name.clone(), Channel { name, carrier, health: Mutex::default() });
        }
        Ok((Self { channels, doors }, receipts))
    }

    /// Who carries the notifications of a route now: the route; while it has been away for long enough, the first of its
    /// fallbacks that is not away; or nobody, and its queue stays as it is. A route that this process does not carry on is
    /// left to others.
    pub(crate) fn way<'a>(
        &'a self,
        config: &'a Config,
        route: &'a Route,
        now: Instant,
    ) -> Option<Way<'a>> {
        let channel = self.get(route.name())?;
        if let Some(most) = channel.admits(now) {
            return Some(Way { route, channel, most });
        }
        if channel.away_for(now)? < route.fallback_after() {
            return None;
        }
        route.fallback().iter().find_map(|name| {
            let (route, channel) = (config.route(name)?, self.get(name)?);
            // Who stands in for others is not tried out with their devices.
            let most =
                channel.admits(now).filter(|_| channel.condition(now) == RouteCondition::Up)?;
            Some(Way { route, channel, most })
        })
    }

    /// How each of them is, by name.
    pub(crate) fn conditions(&self, now: Instant) -> impl Iterator<Item = (&str, RouteCondition)> {
        self.channels.iter().map(move |(name, channel)| (name.as_str(), channel.condition(now)))
    }

    /// Where results of a route come in, if they are asked for.
    pub(crate) fn results(&self, name: &str) -> Option<&ResultDoor> {
        self.doors.get(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name)
    }
}

/// Where results of a route come in, if it asks for them.
fn result_door(pap: &config::Pap) -> Option<(ResultDoor, mpsc::Receiver<Receipt>)> {
    let token = pap.receipts_token.clone().filter(|_| pap.receipts)?;
    let (receipts, received) = mpsc::channel(RESULTS);
    Some((ResultDoor { token, from: pap.receipts_from.clone(), receipts }, received))
}

/// What TLS to a carrier trusts, where it is wanted.
fn trust(wanted: bool, file: Option<&Path>) -> io::Result<Option<Tls>> {
    match (wanted, file) {
        (false, _) => Ok(None),
        (true, None) => Tls::new(None).map(Some),
        (true, Some(file)) => Tls::new(Some(&std::fs::read(file)?)).map(Some),
    }
}

fn open_pap(pap: &config::Pap, results_to: Option<String>) -> Result<PapRoute, OpenError> {
    let route = || pap.name.clone();
    let targets: Vec<_> = pap.targets().into_iter().flatten().collect();
    let tls = trust(targets.iter().any(|target| target.tls), pap.ca_file.as_deref())
        .map_err(|source| OpenError::Certificates { route: route(), source })?;
    let authorization = match (&pap.user, &pap.password) {
        (Some(user), Some(password)) => {
            let both = BASE64_STANDARD.encode(format!("{user}:{}", password.reveal()));
            let mut value = HeaderValue::try_from(format!("Basic {both}"))
                .map_err(|source| OpenError::Credentials { route: route(), source })?;
            value.set_sensitive(true);
            Some(value)
        }
        _ => None,
    };
    let links = Links {
        targets,
        connections: pap.connections,
        connect_timeout: pap.connect_timeout,
        response_timeout: pap.response_timeout,
        tls,
        authorization,
    };
    Ok(PapRoute::new(Gateway::new(links), Form::new(pap, results_to)))
}

pub(crate) fn start_smpp(
    smpp: &config::Smpp,
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
    let tls = trust(smpp.tls, smpp.ca_file.as_deref())
        .map_err(|source| OpenError::Certificates { route: route(), source })?;
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
        segmentation: smpp.segmentation,
    };
    Ok(SmppRoute::start(settings, sender, stop))
}

impl Channel {
    /// How many notifications may be given to this route now; `None` when none may.
    fn admits(&self, now: Instant) -> Option<u32> {
        let up = self.is_up();
        let mut health = self.health();
        health.down = if up { None } else { health.down.or(Some(now)) };
        match health.breaker.admits(now) {
            Admission::All if up => Some(u32::MAX),
            Admission::Probes(most) if up => Some(most),
            Admission::All | Admission::Probes(_) | Admission::None => None,
        }
    }

    fn is_up(&self) -> bool {
        match &self.carrier {
            // Neither keeps anything up between two notifications; how they fare is the breaker's to say.
            Carrier::Udp(_) | Carrier::Pap(_) => true,
            Carrier::Smpp(route) => route.is_up(),
        }
    }

    /// How long it has been down or found wanting.
    fn away_for(&self, now: Instant) -> Option<Duration> {
        let health = self.health();
        let since = [health.down, health.breaker.since()].into_iter().flatten().min();
        since.map(|since| now.since(since))
    }

    pub(crate) fn condition(&self, now: Instant) -> RouteCondition {
        if !self.is_up() {
            return RouteCondition::Down;
        }
        let breaker = self.health().breaker;
        match (breaker.since(), breaker.admits(now)) {
            (None, _) => RouteCondition::Up,
            (Some(_), Admission::None) if breaker.is_resting(now) => RouteCondition::Resting,
            (Some(_), _) => RouteCondition::Probing,
        }
    }

    /// Notifications were claimed, to be given to this route.
    pub(crate) fn took_up(&self, devices: usize, now: Instant) {
        self.health().breaker.took_up(u32::try_from(devices).unwrap_or(u32::MAX), now);
    }

    /// The part of its configured pace that it bears at the moment, of a thousand.
    pub(crate) fn slowed(&self, now: Instant) -> u16 {
        self.health().throttle.of_thousand(now)
    }

    /// What the other side said of our pace last, to be told to other processes.
    pub(crate) fn learnt(&self) -> Option<Slowed> {
        self.health().throttle.learnt()
    }

    /// What other processes know of it.
    pub(crate) fn learn(&self, told: Option<Slowed>) {
        if let Some(told) = told {
            self.health().throttle.learn(told);
        }
    }

    /// Hands a push over as soon as it has its permits; what comes back are the ids under which receipts will come.
    pub(crate) async fn send(
        &self,
        device: &Device,
        push: &Push<'_>,
        now: Instant,
        pass: &Pass<'_>,
    ) -> Result<Vec<String>, SendError> {
        let sent = match &self.carrier {
            Carrier::Udp(route) => {
                let address = device.address.as_deref().ok_or(UdpError::NoAddress)?;
                let to = route.address(address)?;
                pass.segments(1).await?;
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
                route.send(&notice, pass).await.map_err(SendError::from)
            }
            Carrier::Pap(route) => {
                route.send(device, push, now, pass).await.map_err(SendError::from)
            }
        };
        let mut health = self.health();
        if sent.as_ref().is_err_and(|error| error.remedy() == Remedy::SlowDown) {
            health.throttle.slow_down(now);
        }
        let (mut rests, mut carries) = (false, false);
        match sent.as_ref().map_or_else(SendError::standing, |_ids| Standing::Carries) {
            Standing::Carries => carries = health.breaker.passed(),
            Standing::Fails => rests = health.breaker.failed(now),
            Standing::Unknown => {}
        }
        drop(health);
        if carries {
            tracing::info!(route = self.name, "the route carries again");
        }
        if let Some(error) = sent.as_ref().err().filter(|_| rests) {
            let (setting, error) = (error.setting(), error as &dyn std::error::Error);
            tracing::error!(
                route = self.name,
                setting,
                error,
                "the route refuses everything, and rests"
            );
        }
        sent
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Keeps each half of the work with the broker going, whatever happens to the connection, and says how it stands.
//!
//! There is one way to recover: everything of a half is dropped and made anew, after a pause with jitter. A restarted
//! broker, a closed channel, a closed connection and a missing permission are then one case, and what was under way is
//! known by its id when it comes again.

use super::link::Trouble;
use crate::{engine::Engine, readiness::Part};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The first pause; it doubles with each failure that follows soon.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Work that went on for so long counts as a success: the next pause is the first again.
const STEADY: Duration = Duration::from_secs(10);

/// The two things that are done with a broker, each on connections of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Intake,
    Events,
}

/// How the halves are, told together: the broker is ready when both are.
#[derive(Debug)]
pub(super) struct Health {
    engine: Arc<Engine>,
    troubles: Mutex<[Option<String>; 2]>,
}

impl Health {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        engine.readiness.not_ready(Part::Broker, "not connected yet");
        let not_yet = || Some("not connected yet".to_owned());
        Self { engine: Arc::clone(engine), troubles: Mutex::new([not_yet(), not_yet()]) }
    }

    /// The half does its work; or why it does not.
    pub(super) fn tell(&self, half: Half, trouble: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let [intake, events] = &mut *troubles;
        match half {
            Half::Intake => *intake = trouble,
            Half::Events => *events = trouble,
        }
        let why = match (intake, events) {
            (None, None) => return self.engine.readiness.ready(Part::Broker),
            (Some(intake), Some(events)) if intake == events => intake.clone(),
            (Some(intake), None) => format!("no work is taken: {intake}"),
            (None, Some(events)) => format!("no events are sent: {events}"),
            (Some(intake), Some(events)) => {
                format!("no work is taken: {intake}; no events are sent: {events}")
            }
        };
        self.engine.readiness.not_ready(Part::Broker, why);
    }
}

/// What a half works with.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) engine: Arc<Engine>,
    /// The name under which this process holds leases.
    pub(super) me: [u8; 16],
    health: Arc<Health>,
    half: Half,
}

impl Post {
    /// The half does its work.
    pub(super) fn up(&self) {
        self.health.tell(self.half, None);
    }

    /// The half is connected and cannot do its work.
    pub(super) fn held_up(&self, trouble: &Trouble) {
        self.health.tell(self.half, Some(trouble.to_string()));
    }
}

/// Does `work` again and again until `engine.stop`. It ends well when it saw that stop, and with trouble otherwise.
pub(super) async fn keep_up<W: Future<Output = Result<(), Trouble>> + Send>(
    engine: Arc<Engine>,
    health: Arc<Health>,
    half: Half,
    work: impl Fn(Post) -> W,
) {
    let mut pause = FIRST_PAUSE;
    let me = rand::random();
    let post = Post { engine: Arc::clone(&engine), me, health: Arc::clone(&health), half };
    while !engine.stop.is_cancelled() {
        let since = crate::clock::stopwatch();
        let Err(trouble) = work(post.clone()).await else { return };
        if engine.stop.is_cancelled() {
            return;
        }
        health.tell(half, Some(trouble.to_string()));
        tracing::warn!(
            ?half,
            error = &trouble as &dyn std::error::Error,
            "the broker is away; trying again"
        );
        if since.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
            () = engine.stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

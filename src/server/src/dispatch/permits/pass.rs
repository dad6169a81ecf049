//! One notification that is ready to leave and waits for its permits.

use super::{Leave, Place};
use crate::{care, engine::Engine, gate::Closing};
use campaign::time::Instant;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The longest pause before a permit is asked for again: what it waits for may come earlier than it looked.
const LONGEST: Duration = Duration::from_millis(5);
/// The shortest: timers know no less.
const SHORTEST: Duration = Duration::from_millis(1);

/// No permit came in time: the notification did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no permit came in time")]
pub(crate) struct Held;

/// The way of one notification to its permits.
#[derive(Debug)]
pub(crate) enum Pass<'a> {
    /// Of a campaign.
    Job {
        engine: &'a Engine,
        leave: &'a Leave,
        /// Given up with the first permit.
        place: Mutex<Option<Place>>,
        /// Whether its device is counted: it is one, however many segments it is sent.
        counted: AtomicBool,
        /// It must have left by then.
        by: Option<Instant>,
        /// Closed when it leaves.
        closing: &'a Closing,
    },
    /// Where a test or a bench is about something else.
    Free,
}

impl<'a> Pass<'a> {
    pub(crate) fn of_job(
        engine: &'a Engine,
        leave: &'a Leave,
        place: Option<Place>,
        by: Option<Instant>,
        closing: &'a Closing,
    ) -> Self {
        let (place, counted) = (Mutex::new(place), AtomicBool::new(false));
        Self::Job { engine, leave, place, counted, by, closing }
    }

    /// Waits until so many segments may leave. Write them at once: the permits are for now.
    pub(crate) async fn segments(&self, count: u32) -> Result<(), Held> {
        self.after(async { Ok(()) }, count).await
    }

    /// The same, when something else must be waited for before: of a campaign's notifications only the first does either.
    /// Nothing is used up when `ready` fails.
    pub(crate) async fn after<T, E: From<Held>>(
        &self,
        ready: impl Future<Output = Result<T, E>>,
        count: u32,
    ) -> Result<T, E> {
        let (engine, leave) = match self {
            Self::Job { engine, leave, .. } => (engine, leave),
            Self::Free => return ready.await,
        };
        let permitted = async {
            let _turn = leave.queue.turn.lock().await;
            let ready = ready.await?;
            self.permitted(count).await?;
            Ok(ready)
        };
        // Well before others may take the job up.
        let patience = engine.config.dispatch.lease / 3;
        tokio::time::timeout(patience, permitted).await.unwrap_or_else(|_late| Err(Held.into()))
    }

    async fn permitted(&self, count: u32) -> Result<(), Held> {
        match self {
            Self::Job { engine, leave, place, counted, by, closing } => {
                let first = !counted.load(Ordering::Relaxed);
                wait(engine, |now| {
                    // As it is now: a campaign that was paused since sends nothing more.
                    // Nobody can pause care, so it need not be known what became of campaigns.
                    let snapshot = engine.live.snapshot();
                    let known = leave.seq == care::SEQ || engine.live.fresh(now);
                    let live = snapshot.get(leave.seq).filter(|_| known);
                    let late = by.is_some_and(|by| now > by);
                    if late || live.is_none_or(|live| !live.state.may_notify()) {
                        return Err(Held);
                    }
                    Ok(engine.permits.grant(engine, leave, count, first, now).err())
                })
                .await?;
                counted.store(true, Ordering::Relaxed);
                closing.close();
                drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
                Ok(())
            }
            Self::Free => Ok(()),
        }
    }
}

/// Asks until it is granted; `ask` answers how long to wait.
async fn wait(
    engine: &Engine,
    ask: impl Fn(Instant) -> Result<Option<Duration>, Held>,
) -> Result<(), Held> {
    while !engine.stop.is_cancelled() {
        // A store that does not even tell the time grants nothing.
        let now = engine.store.now().await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "the time is not known");
            Held
        })?;
        match ask(now)? {
            None => return Ok(()),
            Some(pause) => tokio::time::sleep(pause.clamp(SHORTEST, LONGEST)).await,
        }
    }
    Err(Held)
}

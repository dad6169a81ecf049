//! Devices of one shard that are enrolled at the same time share commits, whoever names them.
//!
//! A message names a thousand devices: four of each shard. Whoever has some to enrol lays them down at the desk of their
//! shard; one at a time takes what lies there, as much as a commit takes, for all who wait. Nobody waits for others to come.

use super::{EnrolError, Tally, enrol_batch};
use crate::{
    campaigns::live::LiveCampaign,
    engine::Engine,
    rows::DeviceId,
    store::{SHARDS, Shard, change::MOST_CHANGES},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Mutex as Turn, oneshot};

/// Devices of one shard for one campaign: at most [`MOST_CHANGES`].
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) live: Arc<LiveCampaign>,
    pub(super) ids: Arc<[DeviceId]>,
}

/// A desk for each shard.
#[derive(Debug)]
pub(crate) struct Desks(Vec<Desk>);

#[derive(Debug, Default)]
struct Desk {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Whose turn it is to take what waits.
    turn: Turn<()>,
}

#[derive(Debug)]
struct Waiting {
    share: Share,
    done: oneshot::Sender<Tally>,
}

impl Default for Desks {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Desk::default()).collect())
    }
}

/// Enrols the devices of a share together with those of others.
pub(super) async fn enrol(
    engine: &Engine,
    shard: Shard,
    share: Share,
) -> Result<Tally, EnrolError> {
    let Some(desk) = engine.desks.0.get(usize::from(shard.number())) else {
        return alone(engine, shard, share).await;
    };
    let (done, mut enrolled) = oneshot::channel();
    desk.waiting().push_back(Waiting { share: share.clone(), done });
    let told = tokio::select! {
        biased;
        told = &mut enrolled => told.ok(),
        _turn = desk.turn.lock() => loop {
            match enrolled.try_recv() {
                Ok(tally) => break Some(tally),
                Err(oneshot::error::TryRecvError::Closed) => break None,
                Err(oneshot::error::TryRecvError::Empty) => desk.serve(engine, shard).await?,
            }
        },
    };
    match told {
        Some(tally) => Ok(tally),
        // Whoever had the turn failed or went away: what became of these devices shows when they are tried again.
        None => alone(engine, shard, share).await,
    }
}

async fn alone(engine: &Engine, shard: Shard, share: Share) -> Result<Tally, EnrolError> {
    let tallies = enrol_batch(engine, shard, &[share]).await?;
    Ok(tallies.into_iter().next().unwrap_or_default())
}

impl Desk {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first shares that one commit takes, and enrols them.
    async fn serve(&self, engine: &Engine, shard: Shard) -> Result<(), EnrolError> {
        let (shares, waiting) = self.take();
        let tallies = enrol_batch(engine, shard, &shares).await?;
        for (tally, done) in tallies.into_iter().zip(waiting) {
            // Who does not wait any more comes again with the same devices.
            if done.send(tally).is_err() {
                tracing::debug!("whoever enrolled devices does not wait for them any more");
            }
        }
        Ok(())
    }

    fn take(&self) -> (Vec<Share>, Vec<oneshot::Sender<Tally>>) {
        let mut waiting = self.waiting();
        let mut room = MOST_CHANGES;
        let mut taken = Vec::new();
        while let Some(next) = waiting.front()
            && (taken.is_empty() || next.share.ids.len() <= room)
            && let Some(Waiting { share, done }) = waiting.pop_front()
        {
            room = room.saturating_sub(share.ids.len());
            taken.push((share, done));
        }
        taken.into_iter().unzip()
    }
}

#[cfg(test)]
mod tests {
    use crate::{enroll::enrol_names, store::Shard, workbench::Workbench};
    use futures_util::{FutureExt, future::join_all};

    /// Names of devices of one shard, registered.
    async fn devices_of_one_shard(bench: &Workbench, count: usize) -> Vec<String> {
        let of = |name: &str| Shard::of(&crate::workbench::id(name).root());
        let names = (0..).map(|n| format!("IMEI:{n}"));
        let names: Vec<_> = names.filter(|name| of(name) == Shard::from(7)).take(count).collect();
        let lines: Vec<_> =
            names.iter().map(|name| format!(r#"{{"device":"{name}","secret":"s"}}"#)).collect();
        bench.register(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
        names
    }

    /// C3: the cost of a device does not grow with the number of messages that name devices of its shard.
    #[tokio::test]
    async fn devices_of_many_messages_share_commits() {
        let bench = Workbench::new().await;
        let names = devices_of_one_shard(&bench, 40).await;
        let live = bench.launch("a", "").await;
        let before = bench.store().calls().commit;
        let each = names.iter().map(|name| enrol_names(&bench, &live, std::slice::from_ref(name)));
        for tally in join_all(each).await {
            assert_eq!(tally.unwrap().enrolled, 1);
        }
        let commits = bench.store().calls().commit - before;
        assert!(commits <= 3, "{commits} commits for 40 devices of one shard");
    }

    /// Invariant 2: whoever works for others may go away at any moment.
    #[tokio::test]
    async fn devices_are_enrolled_though_whoever_took_them_up_went_away() {
        let bench = Workbench::new().await;
        let names = devices_of_one_shard(&bench, 3).await;
        let live = bench.launch("a", "").await;
        let mut first = Box::pin(enrol_names(&bench, &live, &names[..1]));
        assert!(first.as_mut().now_or_never().is_none(), "it waits for the store");
        let mut second = Box::pin(enrol_names(&bench, &live, &names[1..]));
        assert!(second.as_mut().now_or_never().is_none(), "it waits for its turn");
        drop(first);
        assert_eq!(second.await.unwrap().enrolled, 2);
        let again = enrol_names(&bench, &live, &names).await.unwrap();
        assert_eq!(again.enrolled + again.already, 3);
    }
}

//! Bookings: devices of one cell or one region that are notified at their own pace (`pace.per`).
//!
//! Each value of an attribute has a row with the next free moment. A device whose moment has come passes; any other is given a
//! moment, which becomes its job's not-before instant, and waits for it in a queue of its own, so that it is not overtaken by
//! those that have none yet. A moment that is lost, with a process or in a conflict, is used by nobody: bookings never let
//! more through. Attributes have many values and a deployment few limits, so these are not leased.

use crate::{
    campaigns::live::LiveCampaign,
    engine::Engine,
    rows::{Device, Stored},
    store::{Change, Key, Row, Shard, StoreError, Table, Verdict},
};
use campaign::{
    pace::{Calendar, Gcra},
    time::Instant,
};
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Values beyond so many share rows: rows are bounded, and whoever shares one is slower, never faster.
const VALUES: u16 = u16::MAX;
/// How long a row is kept after its next free moment has passed.
const KEEP: Duration = Duration::from_mins(1);
/// Before it is asked again when others were faster each time.
const AGAIN: Duration = Duration::from_secs(1);
/// How often bookings are made anew when others keep changing a row.
const TRIES: usize = 16;
/// What separates a route's name from the place of the attribute that a moment was booked for, in names of queues. No route can
/// be configured with it.
const BOOKED: &str = ".booked.";

impl Stored for Calendar {}

/// What a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Leave, until this instant.
    Now(Instant),
    /// Wait for its moment, booked for the attribute in this place.
    At(Instant, usize),
    /// Ask again then: others were faster.
    Later(Instant),
}

/// A device that is due.
#[derive(Debug)]
pub(super) struct Wanted {
    /// A row for each attribute of the campaign's pace.
    keys: Vec<Key>,
    /// The attribute for which it has booked a moment, and when that was.
    booked: Option<(usize, Instant)>,
}

/// The queues of jobs that wait on a route: those with a booked moment first.
pub(super) fn names(live: &LiveCampaign, route: &str) -> Vec<String> {
    let booked = (0..live.campaign.per().len()).map(|place| format!("{route}{BOOKED}{place}"));
    booked.chain([route.to_owned()]).collect()
}

/// The name under which a job waits for a moment that it has booked.
pub(super) fn name(route: &str, place: usize) -> String {
    format!("{route}{BOOKED}{place}")
}

/// The route of a job's queue.
pub(crate) fn plain(route: &str) -> &str {
    route.split_once(BOOKED).map_or(route, |(route, _)| route)
}

impl Wanted {
    /// A device that was claimed from the queue of `route` and was due at `due`.
    pub(super) fn new(
        live: &LiveCampaign,
        device: &Device,
        route: &str,
        due: Instant,
        now: Instant,
    ) -> Self {
        let booked = route.split_once(BOOKED).and_then(|(_, place)| place.parse().ok());
        let booked = booked.map(|place: usize| (place, due));
        // Who is too late for its moment has none.
        let booked = booked.filter(|(_, at)| *at <= now && now <= at.plus(Calendar::LATE));
        let key = |(attribute, _): (&String, &u32)| {
            let value = device.attributes.get(attribute).map_or("", String::as_str);
            key(live.seq, attribute, value)
        };
        Self { keys: live.campaign.per().iter().map(key).collect(), booked }
    }
}

/// A row of the bookings of a campaign: of the devices that have this value. Those without the attribute are as if it was empty.
fn key(seq: u64, attribute: &str, value: &str) -> Key {
    let digest = Sha256::digest(value.as_bytes());
    let place = digest.first_chunk().map_or(0, |octets| u16::from_be_bytes(*octets)) % VALUES;
    Key::new(Table::Control, format!("pace\0{seq}\0{attribute}\0{place}"))
}

/// Decides about all of them, in their order.
pub(super) async fn book(
    engine: &Engine,
    live: &LiveCampaign,
    wanted: &[Wanted],
) -> Result<Vec<Answer>, StoreError> {
    let rates: Vec<u32> = live.campaign.per().values().copied().collect();
    let mut answers: Vec<Option<Answer>> = vec![None; wanted.len()];
    for _ in 0..TRIES {
        let open: Vec<_> = wanted
            .iter()
            .enumerate()
            .filter(|(place, _)| answers.get(*place) == Some(&None))
            .collect();
        if open.is_empty() {
            break;
        }
        let mut rows = read(engine, &open).await?;
        let now = engine.store.now().await?;
        let decided: Vec<_> = open
            .iter()
            .map(|(place, wanted)| (*place, decide(wanted, &rates, &mut rows, now)))
            .collect();
        let lost = write(engine, rows, now).await?;
        for ((place, answer), (_, wanted)) in decided.into_iter().zip(open) {
            if let Some(open) = answers.get_mut(place)
                && !wanted.keys.iter().any(|key| lost.contains(key))
            {
                *open = Some(answer);
            }
        }
    }
    // Others were faster again and again: it comes back in a moment.
    let later = Answer::Later(engine.store.now().await?.plus(AGAIN));
    Ok(answers.into_iter().map(|answer| answer.unwrap_or(later)).collect())
}

/// A calendar as it was read, and as it becomes.
#[derive(Debug, Default)]
struct Page {
    revision: Option<u64>,
    calendar: Calendar,
    changed: bool,
}

fn decide(wanted: &Wanted, rates: &[u32], rows: &mut BTreeMap<Key, Page>, now: Instant) -> Answer {
    let free = |place: usize, key: &Key, rows: &BTreeMap<Key, Page>| match wanted.booked {
        Some((booked, _)) if booked == place => now,
        _ => rows.get(key).map_or(now, |page| page.calendar.free(now)),
    };
    let frees = wanted.keys.iter().enumerate().map(|(place, key)| (free(place, key, rows), place));
    let (at, last) = frees.max().unwrap_or((now, 0));
    for (place, key) in wanted.keys.iter().enumerate() {
        // Now: every one is used, but what was booked before. Later: only the one that makes it wait is booked.
        let has = wanted.booked.is_some_and(|(booked, _)| booked == place);
        let used = if at <= now { !has } else { place == last };
        if let (true, Some(page), Some(rate)) = (used, rows.get_mut(key), rates.get(place)) {
            page.calendar.book((*rate).min(Gcra::FASTEST), at);
            page.changed = true;
        }
    }
    let moment = wanted.booked.map_or(now, |(_, at)| at);
    if at <= now { Answer::Now(moment.plus(Calendar::LATE)) } else { Answer::At(at, last) }
}

async fn read(
    engine: &Engine,
    open: &[(usize, &Wanted)],
) -> Result<BTreeMap<Key, Page>, StoreError> {
    let keys: BTreeSet<&Key> = open.iter().flat_map(|(_, wanted)| &wanted.keys).collect();
    let reading = keys.into_iter().map(async |key| {
        let rows = engine.store.read(Shard::of(&key.id), std::slice::from_ref(key)).await?;
        Ok::<_, StoreError>((key.clone(), page(rows.into_iter().next().flatten())))
    });
    Ok(try_join_all(reading).await?.into_iter().collect())
}

fn page(row: Option<Row>) -> Page {
    let Some(row) = row else { return Page::default() };
    // One that cannot be read is begun anew: it lasts for a minute.
    let calendar = Calendar::from_octets(&row.bytes).unwrap_or_default();
    Page { revision: Some(row.revision), calendar, changed: false }
}

/// Writes what was booked; answers the rows that others changed meanwhile.
async fn write(
    engine: &Engine,
    rows: BTreeMap<Key, Page>,
    now: Instant,
) -> Result<BTreeSet<Key>, StoreError> {
    let writing = rows.into_iter().filter(|(_, page)| page.changed).map(async |(key, page)| {
        let change = match page.revision {
            Some(revision) => Change::new().if_is(key.clone(), revision),
            None => Change::new().if_absent(key.clone()),
        };
        let keep = page.calendar.free(now).since(now) + KEEP;
        let change = change.put_for(key.clone(), page.calendar.to_octets(), keep);
        let verdicts = engine.store.commit(Shard::of(&key.id), vec![change]).await?;
        Ok::<_, StoreError>((verdicts.first() != Some(&Verdict::Done)).then_some(key))
    });
    Ok(try_join_all(writing).await?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::{Workbench, id};
    use std::sync::Arc;

    async fn a_campaign(per: &str) -> (Workbench, Arc<LiveCampaign>) {
        let bench = Workbench::new().await;
        let live = bench.launch("paced", &format!("pace: {{per: {per}}}")).await;
        (bench, live)
    }

    async fn device(bench: &Workbench, name: &str, attributes: &str) -> Device {
        let line = format!(r#"{{"device":"{name}","secret":"s","attributes":{{{attributes}}}}}"#);
        bench.register(&[&line]).await;
        bench.device(&id(name)).await.0
    }

    fn milliseconds(answer: Answer, now: Instant) -> Option<u64> {
        match answer {
            Answer::Now(_) => Some(0),
            Answer::At(at, _) => Some(at.0 - now.0),
            Answer::Later(_) => None,
        }
    }

    /// C2: a cell has its own pace; another one is not held up by it.
    #[tokio::test]
    async fn devices_of_one_cell_get_moments_one_after_the_other_and_those_of_another_go() {
        let (bench, live) = a_campaign("{cell: 10}").await;
        let a = device(&bench, "IMEI:1", r#""cell":"a""#).await;
        let b = device(&bench, "IMEI:2", r#""cell":"b""#).await;
        let now = bench.store.now().await.unwrap();
        let want = |device| Wanted::new(&live, device, "udp", now, now);
        let wanted = [want(&a), want(&a), want(&b), want(&a)];
        let answers = book(&bench, &live, &wanted).await.unwrap();
        let waits: Vec<_> =
            answers.into_iter().map(|answer| milliseconds(answer, now).unwrap()).collect();
        assert_eq!((waits[0], waits[2]), (0, 0), "{waits:?}");
        assert!(waits[1] >= 125 && (125..=127).contains(&(waits[3] - waits[1])), "{waits:?}");
    }

    /// Two processes book at the same time, and what either books the other respects.
    #[tokio::test]
    async fn two_that_book_at_once_never_get_the_same_moment() {
        let (bench, live) = a_campaign("{cell: 50}").await;
        let a = device(&bench, "IMEI:1", r#""cell":"a""#).await;
        let now = bench.store.now().await.unwrap();
        let wanted: Vec<_> = (0..20).map(|_| Wanted::new(&live, &a, "udp", now, now)).collect();
        let (left, right) =
            futures_util::join!(book(&bench, &live, &wanted), book(&bench, &live, &wanted));
        let mut moments: Vec<u64> = left
            .unwrap()
            .into_iter()
            .chain(right.unwrap())
            .filter_map(|answer| match answer {
                Answer::Now(until) => Some(until.0 - 250),
                Answer::At(at, _) => Some(at.0),
                Answer::Later(_) => None,
            })
            .collect();
        moments.sort_unstable();
        assert!(moments.len() >= 30, "{moments:?}");
        assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= 24), "{moments:?}");
    }

    /// A process that dies with a booking in hand loses the moment for everybody: no other gets it, and nothing more passes.
    #[tokio::test]
    async fn a_lost_booking_lets_nothing_more_through() {
        let (bench, live) = a_campaign("{cell: 10}").await;
        let a = device(&bench, "IMEI:1", r#""cell":"a""#).await;
        let now = bench.store.now().await.unwrap();
        let wanted: Vec<_> = (0..5).map(|_| Wanted::new(&live, &a, "udp", now, now)).collect();
        book(&bench, &live, &wanted).await.unwrap();
        let next = book(&bench, &live, &wanted[..1]).await.unwrap()[0];
        assert!(milliseconds(next, now).unwrap() >= 5 * 125, "{next:?}");
    }

    #[tokio::test]
    async fn who_comes_at_its_moment_passes_and_who_is_late_is_given_another() {
        let (bench, live) = a_campaign("{cell: 1, region: 100}").await;
        let a = device(&bench, "IMEI:1", r#""cell":"a","region":"north""#).await;
        let now = bench.store.now().await.unwrap();
        let first = Wanted::new(&live, &a, "udp", now, now);
        assert!(matches!(book(&bench, &live, &[first]).await.unwrap()[0], Answer::Now(_)));
        let second = Wanted::new(&live, &a, "udp", now, now);
        let Answer::At(at, place) = book(&bench, &live, &[second]).await.unwrap()[0] else {
            panic!("its cell is used up")
        };
        assert_eq!(place, 0, "the cell makes it wait");
        let route = name("udp", place);
        assert_eq!(plain(&route), "udp");
        let (in_time, late) = (Instant(at.0 + 200), Instant(at.0 + 300));
        assert_eq!(Wanted::new(&live, &a, &route, at, in_time).booked, Some((0, at)));
        assert_eq!(Wanted::new(&live, &a, &route, at, late).booked, None);
        assert_eq!(names(&live, "udp"), ["udp.booked.0", "udp.booked.1", "udp"]);
    }
}

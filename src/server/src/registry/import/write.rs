//! A batch into the store: shards side by side, up to 64 devices in a commit, conflicts decided anew.

use super::{Batch, Entry, Import, ImportError, line_error};
use crate::{
    registry::{
        RegistryError,
        line::Fault,
        lookup::Number,
        upsert::{Grounds, Upsert, UpsertError, upsert},
    },
    rows::{Device, DeviceId, Stored},
    store::{Change, Guard, Key, Row, Shard, Table, Verdict, change::MOST_CHANGES},
};
use api::ImportReport;
use campaign::time::Instant;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// Calls of the store made side by side: enough for it to commit many in one go.
const AT_ONCE: usize = 64;

/// How often a row is decided anew before its line is given back.
const TRIES: usize = 8;

/// Does all of `work`, a bounded part of it at a time, in no order; stops at the first error.
pub(super) async fn side_by_side<T, E>(
    work: Vec<impl Future<Output = Result<T, E>>>,
) -> Result<Vec<T>, E> {
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await
}

/// What a line makes of its device.
pub(super) enum Decision {
    Fault(Fault),
    /// Newer news are known.
    Older,
    Unchanged,
    Write {
        change: Change,
        /// Numbers that the device has no longer.
        dropped: Vec<Number>,
    },
}

/// What became of devices.
#[derive(Default)]
struct Written {
    imported: u64,
    unchanged: u64,
    faults: Vec<(u64, Fault)>,
    dropped: Vec<(DeviceId, Number)>,
}

impl<'a> Import<'a> {
    pub(super) async fn write(
        &self,
        batch: Batch<'a>,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        let mut entries = batch.entries;
        if entries.is_empty() {
            return Ok(());
        }
        let now = self.store.now().await?;
        let taken = self.take_numbers(&mut entries, now).await?;
        let mut by_shard: BTreeMap<Shard, Vec<Entry<'a>>> = BTreeMap::new();
        for entry in entries {
            by_shard.entry(Shard::of(&entry.record.id.root())).or_default().push(entry);
        }
        let shards =
            by_shard.into_iter().map(|(shard, entries)| self.write_shard(shard, entries, now));
        let mut dropped = Vec::new();
        for written in side_by_side(shards.collect()).await? {
            report.imported += written.imported;
            report.unchanged += written.unchanged;
            dropped.extend(written.dropped);
            for (line, fault) in written.faults {
                report.refuse(line_error(line, fault));
            }
        }
        self.tidy(taken, dropped).await?;
        Ok(())
    }

    async fn write_shard(
        &self,
        shard: Shard,
        entries: Vec<Entry<'_>>,
        now: Instant,
    ) -> Result<Written, RegistryError> {
        let mut written = Written::default();
        for entries in entries.chunks(MOST_CHANGES) {
            self.write_devices(shard, entries, now, &mut written).await?;
        }
        Ok(written)
    }

    /// Writes at most [`MOST_CHANGES`] devices of one shard.
    async fn write_devices(
        &self,
        shard: Shard,
        entries: &[Entry<'_>],
        now: Instant,
        written: &mut Written,
    ) -> Result<(), RegistryError> {
        let mut open: Vec<&Entry<'_>> = entries.iter().collect();
        for _ in 0..TRIES {
            let keys: Vec<Key> =
                open.iter().map(|entry| entry.record.id.key(Table::Device)).collect();
            let rows = self.store.read(shard, &keys).await?;
            let (mut changes, mut changing) = (Vec::new(), Vec::new());
            for (entry, row) in open.into_iter().zip(rows) {
                match self.decide(entry, row.as_ref(), now)? {
                    Decision::Fault(fault) => written.faults.push((entry.line, fault)),
                    Decision::Unchanged | Decision::Older => written.unchanged += 1,
                    Decision::Write { change, dropped } => {
                        changes.push(change);
                        changing.push((entry, dropped));
                    }
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            let verdicts = self.store.commit(shard, changes).await?;
            open = Vec::new();
            for ((entry, dropped), verdict) in changing.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Conflict => open.push(entry),
                    Verdict::Done => {
                        written.imported += 1;
                        written.dropped.extend(
                            dropped.into_iter().map(|number| (entry.record.id.clone(), number)),
                        );
                    }
                }
            }
        }
        let busy =
            || Fault::new("", "could not be written: its device is busy", "import the line again");
        written.faults.extend(open.into_iter().map(|entry| (entry.line, busy())));
        Ok(())
    }

    /// What the line makes of the device, given its row.
    pub(super) fn decide(
        &self,
        entry: &Entry<'_>,
        row: Option<&Row>,
        now: Instant,
    ) -> Result<Decision, RegistryError> {
        let known = row.map(|row| Device::from_octets(&row.bytes)).transpose()?;
        let grounds = Grounds {
            vault: self.vault,
            authority: entry.authority,
            reset_nonces: self.reset_nonces,
            now,
        };
        let device = match upsert(entry.record.clone(), known.as_ref(), &grounds) {
            Ok(Upsert::Write(device)) => device,
            Ok(Upsert::Unchanged) => return Ok(Decision::Unchanged),
            Ok(Upsert::Older) => return Ok(Decision::Older),
            Err(UpsertError::Fault(fault)) => return Ok(Decision::Fault(fault)),
            Err(UpsertError::Registry(error)) => return Err(error),
        };
        let key = entry.record.id.key(Table::Device);
        let guard = match row {
            Some(row) => Guard::Is(key.clone(), row.revision),
            None => Guard::Absent(key.clone()),
        };
        let had = known.iter().flat_map(Number::all_of);
        let dropped = had.filter(|number| !number.belongs_to(&device)).collect();
        Ok(Decision::Write {
            change: Change::new().guard(guard).put(key, device.to_octets()),
            dropped,
        })
    }
}

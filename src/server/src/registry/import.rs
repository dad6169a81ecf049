//! Lines into rows, many at a time.
//!
//! Lines are taken in batches in which no device and no number comes twice, so that a later line always sees what an
//! earlier one did. Within a batch the work goes shard by shard, shards side by side: look-up rows first, then devices,
//! then what the new owners of numbers leave behind.

use super::{
    RegistryError,
    line::{Fault, Format, Header, json_cells},
    lookup::{LookupRow, Number},
    record::{Record, is_known},
    upsert::{Grounds, Upsert, UpsertError, upsert},
};
use crate::{
    config::{Authority, Config},
    rows::{Device, DeviceId, Stored},
    security::vault::Vault,
    store::{
        Change, Guard, Key, Row, Shard, Store, StoreError, Table, Verdict, change::MOST_CHANGES,
    },
    update,
};
use api::{ImportReport, LineError};
use campaign::time::Instant;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Lines of one batch.
const MOST_LINES: usize = 4096;

/// Calls of the store made side by side: enough for it to commit many in one go.
const AT_ONCE: usize = 64;

/// How often a row is decided anew before its line is given back.
const TRIES: usize = 8;

/// What an import goes by.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    pub store: &'a dyn Store,
    pub vault: &'a Vault,
    pub config: &'a Config,
    pub format: Format,
    /// Of lines that name none; absent, that of a server that has one only.
    pub authority: Option<&'a str>,
    pub reset_nonces: bool,
    /// The number of the first line in the file that the body is a part of; a CSV header is not counted.
    pub first_line: u64,
}

/// Reads `body` into the registry, and reports line by line. What is refused changed nothing.
///
/// # Errors
/// When the header is wrong ([`ImportError::Header`]), before anything was changed; or when the store or the vault fails:
/// lines before that may be in, and importing them again is right.
pub async fn import(import: &Import<'_>, body: &[u8]) -> Result<ImportReport, ImportError> {
    let mut lines = (0..).zip(body.split(|&octet| octet == b'\n').map(without_return));
    let header = match import.format {
        Format::JsonLines => None,
        Format::Csv => {
            let (_, first) = lines.next().unwrap_or_default();
            Some(Header::parse(first, is_known).map_err(ImportError::Header)?)
        }
    };
    let before_first = u64::from(header.is_some());
    let only = match import.config.authorities.as_slice() {
        [only] => Some(only.name.as_str()),
        _ => None,
    };
    let authority = import.authority.or(only);
    let mut report = ImportReport::default();
    let mut batch = Batch::default();
    for (place, text) in lines.filter(|(_, text)| !text.trim_ascii().is_empty()) {
        let line = import.first_line + place - before_first;
        let cells = match &header {
            Some(header) => header.cells(text),
            None => json_cells(text),
        };
        match cells
            .and_then(|cells| Record::read(cells, authority))
            .and_then(|record| import.entry(line, record))
        {
            Err(fault) => report.refuse(line_error(line, fault)),
            Ok(entry) => {
                if !batch.has_room_for(&entry) {
                    import.write(std::mem::take(&mut batch), &mut report).await?;
                }
                batch.push(entry);
            }
        }
    }
    import.write(batch, &mut report).await?;
    report.errors.sort_by_key(|error| error.line);
    Ok(report)
}

/// Why an import could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the header is wrong in {} places", .0.len())]
    Header(Vec<Fault>),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn line_error(line: u64, fault: Fault) -> LineError {
    LineError { line, key: fault.key, what: fault.what, help: fault.help }
}

/// Does all of `work`, a bounded part of it at a time, in no order; stops at the first error.
async fn side_by_side<T, E>(work: Vec<impl Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await
}

/// A line that is to be written.
struct Entry<'a> {
    line: u64,
    authority: &'a Authority,
    record: Record,
}

/// Lines of different devices and different numbers.
#[derive(Default)]
struct Batch<'a> {
    entries: Vec<Entry<'a>>,
    devices: BTreeSet<DeviceId>,
    numbers: BTreeSet<(String, Number)>,
}

impl<'a> Batch<'a> {
    fn has_room_for(&self, entry: &Entry<'a>) -> bool {
        let id = &entry.record.id;
        self.entries.len() < MOST_LINES
            && !self.devices.contains(id)
            && !entry
                .record
                .numbers()
                .any(|number| self.numbers.contains(&(id.authority.clone(), number.clone())))
    }

    fn push(&mut self, entry: Entry<'a>) {
        let id = &entry.record.id;
        self.numbers
            .extend(entry.record.numbers().map(|number| (id.authority.clone(), number.clone())));
        self.devices.insert(id.clone());
        self.entries.push(entry);
    }
}

/// What a shard's devices became.
#[derive(Default)]
struct Written {
    imported: u64,
    unchanged: u64,
    faults: Vec<(u64, Fault)>,
    /// Numbers that a device no longer has.
    dropped: Vec<(DeviceId, Number)>,
}

impl<'a> Import<'a> {
    fn entry(&self, line: u64, record: Record) -> Result<Entry<'a>, Fault> {
        let authority = self.config.authority(&record.id.authority).ok_or_else(|| {
            let what = format!("`{}` is not an authority of this server", record.id.authority);
            Fault::new("authority", what, "take one that the configuration names")
        })?;
        Ok(Entry { line, authority, record })
    }

    async fn write(&self, batch: Batch<'a>, report: &mut ImportReport) -> Result<(), ImportError> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let now = self.store.now().await?;
        let taken = self.take_numbers(&batch.entries, now).await?;
        let mut by_shard: BTreeMap<Shard, Vec<Entry<'a>>> = BTreeMap::new();
        for entry in batch.entries {
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

    /// Writes the look-up rows of all numbers of a batch; answers the devices that had one of them before.
    async fn take_numbers(
        &self,
        entries: &[Entry<'_>],
        now: Instant,
    ) -> Result<Vec<(DeviceId, Number)>, RegistryError> {
        let mut work = Vec::new();
        for entry in entries {
            let as_of = entry.record.as_of.unwrap_or(now);
            work.extend(
                entry
                    .record
                    .numbers()
                    .map(|number| self.take_number(&entry.record.id, number, as_of)),
            );
        }
        Ok(side_by_side(work).await?.into_iter().flatten().collect())
    }

    async fn take_number(
        &self,
        id: &DeviceId,
        number: &Number,
        as_of: Instant,
    ) -> Result<Option<(DeviceId, Number)>, RegistryError> {
        let (shard, key) = number.row(&id.authority);
        let mut before = None;
        update::update::<LookupRow>(self.store, shard, &key, |row| {
            before = None;
            match row {
                Some(row) if row.device == id.device || row.as_of > as_of => None,
                Some(row) => {
                    before = Some(row.device.clone());
                    Some(LookupRow {
                        device: id.device.clone(),
                        before: Some(row.device.clone()),
                        as_of,
                    })
                }
                None => Some(LookupRow { device: id.device.clone(), before: None, as_of }),
            }
        })
        .await?;
        Ok(before.map(|device| (DeviceId::new(id.authority.clone(), device), number.clone())))
    }

    async fn write_shard(
        &self,
        shard: Shard,
        entries: Vec<Entry<'_>>,
        now: Instant,
    ) -> Result<Written, ImportError> {
        let mut written = Written::default();
        let mut entries = entries.as_slice();
        while let Some((batch, rest)) = entries
            .split_at_checked(MOST_CHANGES.min(entries.len()))
            .filter(|(batch, _)| !batch.is_empty())
        {
            self.write_devices(shard, batch, now, &mut written).await?;
            entries = rest;
        }
        Ok(written)
    }

    /// Writes at most [`MOST_CHANGES`] devices of one shard. Who meets a conflict is read and decided anew.
    async fn write_devices(
        &self,
        shard: Shard,
        entries: &[Entry<'_>],
        now: Instant,
        written: &mut Written,
    ) -> Result<(), ImportError> {
        let mut open: Vec<&Entry<'_>> = entries.iter().collect();
        for _ in 0..TRIES {
            let keys: Vec<Key> =
                open.iter().map(|entry| entry.record.id.key(Table::Device)).collect();
            let rows = self.store.read(shard, &keys).await?;
            let (mut changes, mut changing) = (Vec::new(), Vec::new());
            for (entry, row) in open.into_iter().zip(rows) {
                match self.decide(entry, row.as_ref(), now)? {
                    Decision::Fault(fault) => written.faults.push((entry.line, fault)),
                    Decision::Unchanged => written.unchanged += 1,
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
        let fault =
            || Fault::new("", "could not be written: its device is busy", "import the line again");
        written.faults.extend(open.into_iter().map(|entry| (entry.line, fault())));
        Ok(())
    }

    fn decide(
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

    /// Takes numbers out of the rows of devices that had them before, and look-up rows away that lead nowhere.
    ///
    /// Nobody is misled while this is not done, or when it never is: a look-up is verified where it leads.
    async fn tidy(
        &self,
        taken: Vec<(DeviceId, Number)>,
        dropped: Vec<(DeviceId, Number)>,
    ) -> Result<(), RegistryError> {
        side_by_side(
            taken.into_iter().map(|(id, number)| self.forget_number(id, number)).collect(),
        )
        .await?;
        side_by_side(
            dropped.into_iter().map(|(id, number)| self.forget_lookup(id, number)).collect(),
        )
        .await?;
        Ok(())
    }

    /// A device whose number is another's now loses it, if that other has it indeed.
    async fn forget_number(&self, id: DeviceId, number: Number) -> Result<(), RegistryError> {
        if super::resolve(self.store, &id.authority, &number.name())
            .await?
            .is_none_or(|owner| owner == id)
        {
            return Ok(());
        }
        let (shard, key) = (Shard::of(&id.root()), id.key(Table::Device));
        update::update::<Device>(self.store, shard, &key, |device| {
            let mut device = device.filter(|device| number.belongs_to(device))?.clone();
            number.take_from(&mut device);
            Some(device)
        })
        .await?;
        Ok(())
    }

    async fn forget_lookup(&self, id: DeviceId, number: Number) -> Result<(), RegistryError> {
        let (shard, key) = number.row(&id.authority);
        let Some((row, revision)) = update::load::<LookupRow>(self.store, shard, &key).await?
        else {
            return Ok(());
        };
        if row.device == id.device {
            // Whoever writes it meanwhile is right: a conflict is left alone.
            let change = Change::new().if_is(key.clone(), revision).delete(key);
            self.store.commit(shard, vec![change]).await?;
        }
        Ok(())
    }
}

enum Decision {
    Fault(Fault),
    Unchanged,
    Write { change: Change, dropped: Vec<Number> },
}

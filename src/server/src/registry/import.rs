//! Lines into rows, many at a time.
//!
//! Lines are taken in batches in which no device and no number comes twice, so that a later line always sees what an
//! earlier one did. Of a batch first the numbers are taken (`numbers`), then the devices written (`write`), then what the
//! new owners of numbers leave behind is tidied up.

mod numbers;
mod write;

use super::{
    RegistryError,
    line::{Fault, Format, Header, json_cells},
    lookup::Number,
    record::{Record, is_known},
};
use crate::{
    config::{Authority, Config},
    rows::DeviceId,
    security::vault::Vault,
    store::{Store, StoreError},
};
use api::{ImportReport, LineError};
use std::collections::BTreeSet;

/// Lines of one batch.
const MOST_LINES: usize = 4096;

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

impl<'a> Import<'a> {
    /// Of JSON lines from the first on; nothing begins anew.
    pub fn json_lines(store: &'a dyn Store, vault: &'a Vault, config: &'a Config) -> Self {
        Self {
            store,
            vault,
            config,
            format: Format::JsonLines,
            authority: None,
            reset_nonces: false,
            first_line: 1,
        }
    }
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

impl<'a> Import<'a> {
    fn entry(&self, line: u64, record: Record) -> Result<Entry<'a>, Fault> {
        let authority = self.config.authority(&record.id.authority).ok_or_else(|| {
            let what = format!("`{}` is not an authority of this server", record.id.authority);
            Fault::new("authority", what, "take one that the configuration names")
        })?;
        Ok(Entry { line, authority, record })
    }
}

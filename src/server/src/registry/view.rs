//! Devices as they are shown: without secrets, one or a page at a time.

use super::{RegistryError, lookup};
use crate::{
    rows::{Auth, Device, DeviceId, Stored},
    store::{Cursor, SHARDS, Shard, Store, Table},
    update,
};
use api::{DevicePage, DeviceSummary, DeviceView, JobView};
use wire::Encoding;

/// The device that `name` names: its id, `msisdn:…` or `imsi:…`.
pub async fn view(
    store: &dyn Store,
    authority: &str,
    name: &str,
) -> Result<Option<DeviceView>, RegistryError> {
    let Some(id) = lookup::resolve(store, authority, name).await? else { return Ok(None) };
    let row = update::load::<Device>(store, Shard::of(&id.root()), &id.key(Table::Device)).await?;
    Ok(row.map(|(device, _)| view_of(id, device)))
}

fn view_of(id: DeviceId, device: Device) -> DeviceView {
    let jobs = device
        .jobs
        .iter()
        .map(|job| JobView { seq: job.seq, state: job_state(&job.job).to_owned() });
    DeviceView {
        device: id.device,
        authority: id.authority,
        auth: auth_name(device.auth).to_owned(),
        user: device.user,
        server_auth: device.server.as_ref().map(|server| auth_name(server.auth).to_owned()),
        server_user: device.server.map(|server| server.user),
        msisdn: device.msisdn,
        imsi: device.imsi,
        address: device.address,
        encoding: device.encoding.map(|encoding| encoding_name(encoding).to_owned()),
        manufacturer: device.manufacturer,
        model: device.model,
        firmware: device.firmware,
        dm_version: device.dm_version,
        time_zone: device.time_zone,
        groups: device.groups,
        attributes: device.attributes,
        quirks: quirks(device.learnt),
        as_of: device.as_of.map(|instant| instant.to_string()),
        jobs: jobs.collect(),
    }
}

/// What the device was seen to do otherwise than the standard says, in words.
fn quirks(learnt: session::Learnt) -> Vec<String> {
    let large_objects = (learnt.large_objects == Some(false)).then_some("no_large_objects");
    let names = learnt.quirks.iter().map(session::Quirk::name).chain(large_objects);
    names.map(str::to_owned).collect()
}

fn auth_name(auth: Auth) -> &'static str {
    match auth {
        Auth::Md5 => "md5",
        Auth::Basic => "basic",
        Auth::Hmac => "hmac",
        Auth::Tls => "tls",
    }
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "xml",
        Encoding::Wbxml => "wbxml",
    }
}

pub(crate) fn job_state(job: &campaign::Job) -> &'static str {
    match job {
        campaign::Job::Waiting { .. } => "waiting",
        campaign::Job::Notified { .. } => "notified",
        campaign::Job::InSession { .. } => "in_session",
        campaign::Job::Proving { .. } => "proving",
        campaign::Job::Reverting { .. } => "reverting",
        campaign::Job::Awaiting { .. } => "awaiting",
        campaign::Job::Ended { .. } => "ended",
    }
}

/// A page of about `limit` devices of `authority` (of all, when none is named), shard by shard.
///
/// A page may hold fewer though more follow, even none: `next` tells.
pub async fn list(
    store: &dyn Store,
    authority: Option<&str>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<DevicePage, RegistryError> {
    let mut place = match cursor {
        Some(text) => Some(Place::parse(text).ok_or(RegistryError::Cursor)?),
        None => Shard::all().next().map(|shard| Place { shard, cursor: None }),
    };
    let mut devices = Vec::new();
    // A deployment of a few devices has them scattered over all shards; this many looks find them in one page.
    for _ in 0..SHARDS {
        let Some(Place { shard, cursor }) = place.take() else { break };
        let page = store
            .scan(shard, Table::Device, cursor, limit.saturating_sub(devices.len()).max(1))
            .await?;
        for (key, row) in page.rows {
            let Some(id) = DeviceId::from_root(&key.id) else { continue };
            if authority.is_none_or(|authority| authority == id.authority) {
                devices.push(summary(id, &Device::from_octets(&row.bytes)?));
            }
        }
        place = match page.next {
            Some(cursor) => Some(Place { shard, cursor: Some(cursor) }),
            None => Shard::all()
                .nth(usize::from(shard.number()) + 1)
                .map(|shard| Place { shard, cursor: None }),
        };
        if devices.len() >= limit {
            break;
        }
    }
    Ok(DevicePage { devices, next: place.map(|place| place.text()) })
}

fn summary(id: DeviceId, device: &Device) -> DeviceSummary {
    DeviceSummary {
        device: id.device,
        authority: id.authority,
        manufacturer: device.manufacturer.clone(),
        model: device.model.clone(),
        groups: device.groups.clone(),
        jobs: u32::try_from(device.jobs.len()).unwrap_or(u32::MAX),
    }
}

/// Where a list goes on: a shard, and a place in it. As text it is hexadecimal.
struct Place {
    shard: Shard,
    cursor: Option<Cursor>,
}

impl Place {
    fn text(&self) -> String {
        let mut octets = vec![self.shard.number()];
        if let Some(cursor) = &self.cursor {
            octets.push(1);
            octets.extend_from_slice(&cursor.0);
        }
        hex::encode(octets)
    }

    fn parse(text: &str) -> Option<Self> {
        // The longest cursor is a key of the store.
        let octets = (text.len() <= 2 * 1024).then(|| hex::decode(text).ok())??;
        let (number, rest) = octets.split_first()?;
        let shard = Shard::all().nth(usize::from(*number))?;
        let cursor = match rest.split_first() {
            None => None,
            Some((1, cursor)) => Some(Cursor(cursor.to_vec())),
            Some(_) => return None,
        };
        Some(Self { shard, cursor })
    }
}

//! What a care job does with its device: read from beside the device when it comes, and told as it answers.

use super::{
    CareId, SEQ,
    rows::{CareRow, Values, ValuesRow},
    steps::{self, Kind},
};
use crate::{
    campaigns::live::LiveCampaign,
    engine::Engine,
    rows::{Detail, Device, DeviceId, RowError, Stored},
    security::vault::{Binding, Purpose, SealError, Vault},
    store::{Shard, StoreError},
    turn::Turn,
};
use campaign::{Campaign, StoredError};
use session::{Failure, Phase, Told};
use std::sync::Arc;

/// The care job of a device that is here.
#[derive(Debug)]
pub(crate) struct CareWork {
    pub(crate) live: Arc<LiveCampaign>,
    run: u16,
    reads: usize,
    writes: usize,
    values: Values,
}

/// Why a care job cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Document(#[from] StoredError),
    #[error("the values read by a care job are damaged")]
    Values(#[source] postcard::Error),
}

pub(crate) fn binding<'a>(device: &'a DeviceId, id: &'a str) -> Binding<'a> {
    Binding { purpose: Purpose::Care, authority: &device.authority, name: id }
}

/// The care job of a device, if it has one.
pub(crate) async fn load(
    engine: &Engine,
    shard: Shard,
    id: &DeviceId,
    device: &Device,
) -> Result<Option<CareWork>, WorkError> {
    let Some(active) = device.job(SEQ) else { return Ok(None) };
    let run = active.run;
    let keys = [CareRow::key(id, run), ValuesRow::key(id, run)];
    let mut rows = engine.store.read(shard, &keys).await?.into_iter();
    // It is given up when its time is over, whatever became of its rows.
    let Some(row) = rows.next().flatten() else { return Ok(None) };
    let row = CareRow::from_octets(&row.bytes)?;
    let name = CareId::of(id, run).to_string();
    let document = engine.vault.open(&binding(id, &name), &row.document)?;
    let campaign = Campaign::from_stored(&document)?;
    let values = match rows.next().flatten() {
        Some(row) => read_values(&engine.vault, id, &name, &row.bytes)?,
        None => Values::default(),
    };
    Ok(Some(CareWork {
        live: Arc::new(LiveCampaign::of_care(Arc::new(campaign))),
        run,
        reads: row.reads.into(),
        writes: row.writes.into(),
        values,
    }))
}

pub(crate) fn read_values(
    vault: &Vault,
    id: &DeviceId,
    name: &str,
    octets: &[u8],
) -> Result<Values, WorkError> {
    let ValuesRow(sealed) = ValuesRow::from_octets(octets)?;
    postcard::from_bytes(&vault.open(&binding(id, name), &sealed)?).map_err(WorkError::Values)
}

impl CareWork {
    /// The nodes that are only read.
    pub(crate) fn reads(&self) -> &[campaign::Setting] {
        self.live.campaign.settings().get(..self.reads).unwrap_or_default()
    }

    /// What is to be written.
    pub(crate) fn writes(&self) -> &[campaign::Setting] {
        let settings = self.live.campaign.settings();
        settings.get(self.reads..self.reads + self.writes).unwrap_or_default()
    }

    /// Writes down what a message brought, in the change that the message makes.
    pub(crate) fn take(
        &mut self,
        vault: &Vault,
        turn: &mut Turn,
        told: &Told,
    ) -> Result<(), SealError> {
        let Some(active) = turn.device.job(SEQ).filter(|active| active.run == self.run).cloned()
        else {
            return Ok(());
        };
        let (id, now) = (turn.id().clone(), turn.now());
        let mut lacking: Vec<Detail> = told.unread.iter().map(detail).collect();
        for (uri, value) in &told.values {
            if !self.values.keep(uri, value, told.phase == Phase::Prove, now) {
                lacking.push(Detail {
                    uri: Some(super::cut(uri)),
                    status: None,
                    phase: Some(told.phase),
                    why: Some("there are more values than a care job keeps".to_owned()),
                });
            }
        }
        for detail in lacking {
            if self.values.lack(detail.clone()) {
                let event = steps::unread(&id, &active, now, detail);
                turn.beside(|change| change.event(event));
            }
        }
        let name = CareId::of(&id, self.run).to_string();
        let octets = postcard::to_stdvec(&self.values)
            .expect("values hold nothing that postcard cannot write");
        let row = ValuesRow(vault.seal(&binding(&id, &name), &octets)?);
        let attempt = active.job.so_far().attempts;
        let step = super::rows::StepRow { at: now, attempt, outcome: None, detail: None };
        turn.beside(|change| {
            let keep = super::rows::KEEP + super::LONGEST;
            let change = change.put_for(ValuesRow::key(&id, self.run), row.to_octets(), keep);
            steps::add(change, &id, self.run, Kind::Read, &step)
        });
        Ok(())
    }
}

fn detail(failure: &Failure) -> Detail {
    Detail {
        uri: Some(super::cut(&failure.uri)),
        status: failure.status,
        phase: Some(failure.phase),
        why: Some(failure.why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advance::Desk,
        care,
        store::Table,
        workbench::{Workbench, id, shard},
    };
    use api::CareRequest;
    use session::{Facts, Work};
    use std::collections::BTreeMap;

    /// D11: somebody waits for it on the telephone, so it ends with the reason instead of waiting for another session.
    #[tokio::test]
    async fn a_secret_for_a_session_that_can_be_listened_to_ends_with_that_reason() {
        let bench = Workbench::new().await;
        let line = r#"{"device":"IMEI:1","secret":"s","address":"127.0.0.1:9"}"#;
        bench.register(&[line]).await;
        let write = serde_json::json!({"uri": "./A/B", "value": "x", "secret": true});
        let request = CareRequest {
            device: "IMEI:1".into(),
            write: vec![write.as_object().unwrap().clone()],
            ..CareRequest::default()
        };
        care::submit(&bench, "operator", &request).await.unwrap();
        let id = id("IMEI:1");
        let (device, _) = bench.row::<Device>(&id, id.key(Table::Device)).await.unwrap();
        let work = load(&bench, shard(&id), &id, &device).await.unwrap();
        let authority = bench.config().authority("operator").unwrap();
        let skipped = |confidential| {
            let desk = Desk {
                live: &bench.live.snapshot(),
                id: &id,
                device: &device,
                scope: &authority.scope,
                care: work.as_ref(),
                confidential,
                settings: BTreeMap::new(),
            };
            let plans = desk.plans(&Facts::default());
            assert_eq!(plans.len(), 1);
            plans[0].skip.clone()
        };
        assert_eq!(skipped(true), None);
        assert_eq!(skipped(false).as_deref(), Some(care::LISTENABLE));
    }
}

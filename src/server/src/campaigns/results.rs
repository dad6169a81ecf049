//! How the jobs of a campaign ended, device by device.

use super::{
    Error,
    rows::{CampaignId, CampaignRow},
    submit::not_found,
    view::{read_cursor, shard_at, write_cursor},
};
use crate::{
    engine::Engine,
    rows::{DeviceId, ResultRow, Stored, read_result_key},
    store::{Cursor, SHARDS, Table},
    update,
};
use campaign::{document::Report, job::Outcome};

/// Result rows looked at for one page: those of other campaigns are passed over, so a page may come back short.
const LOOKED_AT: usize = 20_000;

/// A page of results; the cursor goes on where a page ended.
pub async fn results(
    engine: &Engine,
    authority: &str,
    id: &str,
    cursor: Option<&str>,
    limit: usize,
) -> Result<api::ResultPage, Error> {
    let id = CampaignId::new(authority, id);
    let row = update::load::<CampaignRow>(engine.store(), id.shard(), &id.key()).await?;
    let (campaign, _) = row.ok_or_else(|| not_found(&id))?;
    // A document that cannot be read any more does not say that something is to be left out.
    let report = campaign
        .campaign(&engine.vault, &id)
        .map_or(Report::EveryDevice, |campaign| campaign.report());
    let (mut shard, mut within) = read_cursor(cursor)?;
    let mut results = Vec::new();
    let mut looked_at = 0;
    while shard < SHARDS && results.len() < limit && looked_at < LOOKED_AT {
        let at = shard_at(shard);
        let page = engine
            .store
            .scan(at, Table::Result, within.take().map(Cursor), limit - results.len())
            .await?;
        looked_at += page.rows.len();
        for (key, row) in page.rows {
            if let Some((seq, run, device)) = read_result_key(&key.id)
                && seq == campaign.seq
            {
                let row = ResultRow::from_octets(&row.bytes)?;
                if reported(report, row.outcome) {
                    results.push(result_line(device, run, &row));
                }
            }
        }
        match page.next {
            Some(next) => within = Some(next.0),
            None => shard += 1,
        }
    }
    Ok(api::ResultPage {
        results,
        next: (shard < SHARDS).then(|| write_cursor(shard, within.as_deref())),
    })
}

/// Whether a campaign's report names a device that ended so.
pub(crate) fn reported(report: Report, outcome: Outcome) -> bool {
    match report {
        Report::EveryDevice => true,
        Report::Failures => !outcome.is_proven(),
        Report::Summary => false,
    }
}

/// A result as it is shown.
pub(crate) fn result_line(device: DeviceId, run: u16, row: &ResultRow) -> api::ResultLine {
    let detail = row.detail.as_ref();
    api::ResultLine {
        device: device.device,
        run,
        outcome: row.outcome.name().to_owned(),
        at: row.at.to_string(),
        attempts: row.attempts.into(),
        uri: detail.and_then(|detail| detail.uri.clone()),
        status: detail.and_then(|detail| detail.status).map(wire::status::StatusCode::code),
        phase: detail.and_then(|detail| detail.phase).map(|phase| phase.name().to_owned()),
        why: detail.and_then(|detail| detail.why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6: a report is what the authority asked for.
    #[test]
    fn a_report_names_every_device_or_those_that_need_a_look_or_none() {
        for outcome in Outcome::ALL {
            assert!(reported(Report::EveryDevice, outcome));
            assert!(!reported(Report::Summary, outcome));
            let fine = matches!(outcome, Outcome::Applied | Outcome::Unchanged);
            assert_eq!(reported(Report::Failures, outcome), !fine, "{outcome}");
        }
    }
}

//! How a care job is, and waiting until it is otherwise.

use super::{
    CareError, CareId, SEQ,
    rows::{CareRow, StepRow, Values, ValuesRow, WhoseRow},
    steps::Kind,
    work,
};
use crate::{
    clock,
    engine::Engine,
    registry,
    rows::{Detail, Device, Stored},
    store::{Row, Table},
    update,
};
use api::{CareDetail, CareStep, CareValue, CareView};
use std::time::Duration;
use wire::status::StatusCode;

/// The longest that an answer waits.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(2);
/// Between two looks at a care job that is waited for: at first, and when it takes long.
const LOOKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// For how long the first holds.
const EAGER: Duration = Duration::from_secs(5);

/// The care job of this id.
pub(crate) async fn view(engine: &Engine, id: CareId) -> Result<CareView, CareError> {
    let no_care = || CareError::NoCare(id.to_string());
    let whose = update::load::<WhoseRow>(engine.store(), id.shard(), &id.key()).await;
    let WhoseRow { device, run } = match whose {
        Ok(row) => row.ok_or_else(no_care)?.0,
        Err(error) => return Err(registry::RegistryError::from(error).into()),
    };
    let name = id.to_string();
    let keys: Vec<_> =
        [device.key(Table::Device), CareRow::key(&device, run), ValuesRow::key(&device, run)]
            .into_iter()
            .chain(Kind::ALL.map(|kind| StepRow::key(&device, run, kind as u8)))
            .collect();
    let rows = engine.store.read(id.shard(), &keys).await?;
    let [account, asked, values, steps @ ..] = rows.as_slice() else { return Err(no_care()) };
    let asked = CareRow::from_octets(&asked.as_ref().ok_or_else(no_care)?.bytes)?;
    let values = match values {
        Some(row) => work::read_values(&engine.vault, &device, &name, &row.bytes)?,
        None => Values::default(),
    };
    let account = account.as_ref().map(|row| Device::from_octets(&row.bytes)).transpose()?;
    let active = account.as_ref().and_then(|device| device.job(SEQ));
    let mut told: Vec<(Kind, StepRow)> = Vec::new();
    for (kind, row) in Kind::ALL.into_iter().zip(steps) {
        if let Some(row) = row {
            told.push((kind, StepRow::from_octets(&row.bytes)?));
        }
    }
    told.sort_by_key(|(kind, step)| (step.at, *kind));
    let ended = told.iter().find(|(kind, _)| *kind == Kind::Ended).map(|(_, step)| step);
    let state = match active.filter(|active| active.run == run) {
        Some(active) => registry::job_state(&active.job),
        None => "ended",
    };
    let newest = |rows: &[Option<Row>]| rows.iter().flatten().map(|row| row.revision).max();
    Ok(CareView {
        id: name,
        authority: device.authority,
        device: device.device,
        purpose: asked.purpose,
        state: state.to_owned(),
        outcome: ended.and_then(|step| step.outcome).map(|outcome| outcome.name().to_owned()),
        detail: ended.and_then(|step| step.detail.as_ref()).map(detail).unwrap_or_default(),
        submitted: asked.submitted.to_string(),
        until: asked.until.to_string(),
        steps: told.iter().map(|(kind, step)| step_line(*kind, step)).collect(),
        values: values
            .values
            .into_iter()
            .map(|value| CareValue {
                uri: value.uri,
                value: value.now,
                before: value.before,
                at: value.at.to_string(),
            })
            .collect(),
        unread: values.unread.iter().map(detail).collect(),
        version: newest(rows.get(1..).unwrap_or_default()).unwrap_or_default().to_string(),
    })
}

fn step_line(kind: Kind, step: &StepRow) -> CareStep {
    CareStep {
        step: kind.name().to_owned(),
        at: step.at.to_string(),
        attempt: step.attempt.into(),
        detail: step.detail.as_ref().map(detail).unwrap_or_default(),
    }
}

pub(crate) fn detail(detail: &Detail) -> CareDetail {
    CareDetail {
        uri: detail.uri.clone(),
        status: detail.status.map(StatusCode::code),
        phase: detail.phase.map(|phase| phase.name().to_owned()),
        why: detail.why.clone(),
    }
}

/// The care job once it has ended, or its version is another than `version`, or it was waited for so long.
pub(crate) async fn wait(
    engine: &Engine,
    id: CareId,
    version: Option<&str>,
    wait: Duration,
) -> Result<CareView, CareError> {
    // Who finds no place among those who wait is answered at once, and comes again.
    let place = engine.care.waiting.try_acquire().ok();
    let wait = if place.is_some() { wait.min(LONGEST_WAIT) } else { Duration::ZERO };
    let since = clock::stopwatch();
    loop {
        let view = view(engine, id).await?;
        let waited = since.elapsed();
        if view.ended() || version.is_some_and(|known| known != view.version) || waited >= wait {
            return Ok(view);
        }
        let [soon, late] = LOOKS;
        let pause = if waited < EAGER { soon } else { late };
        tokio::select! {
            () = tokio::time::sleep(pause.min(wait.saturating_sub(waited))) => {}
            () = engine.stop.cancelled() => return Ok(view),
        }
    }
}

//! Events of the log as they are told outside: `CloudEvents` in JSON.

use super::{
    link::{Trouble, publish},
    topology::EVENTS,
};
use crate::{
    campaigns::result_line,
    care::{self, CareId},
    events::Event,
    rows::{DeviceId, ResultRow, SessionRecord},
    store::{EventId, Shard},
};
use api::{CloudEvent, EventData, EventType, JobResult, events::Rejected};
use campaign::time::Instant;
use lapin::{Channel, protocol::BasicProperties};

/// An event on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) key: String,
    pub(super) event: CloudEvent,
}

impl Outgoing {
    /// Sends it; when this returns, the broker has it safe.
    pub(super) async fn tell(self, channel: &Channel) -> Result<(), Trouble> {
        let Self { key, event } = self;
        let Ok(body) = serde_json::to_vec(&event) else {
            tracing::error!(id = event.id, "an event cannot be written");
            return Ok(());
        };
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type(CloudEvent::MEDIA_TYPE.into())
            .with_message_id(event.id.into())
            .with_type(event.kind.into());
        publish(channel, EVENTS, &key, &body, properties).await
    }
}

/// How an event is told.
#[derive(Debug)]
pub(super) enum Telling {
    Alone(Box<Outgoing>),
    /// Together with other results of the campaign.
    InBatches(Job),
}

pub(super) fn telling(shard: Shard, place: EventId, event: Event) -> Telling {
    let told = match event {
        Event::Result { seq, run, device, result } => {
            return Telling::InBatches(Job { seq, run, device, result });
        }
        Event::Campaign { authority, id, seq, sequence, at, state, why } => Outgoing {
            key: EventType::Campaign.routing_key(&authority, &id),
            event: CloudEvent {
                sequence: Some(sequence.to_string()),
                ..cloud(
                    EventType::Campaign,
                    format!("{authority}/{id}/{sequence}"),
                    &authority,
                    Some(id.clone()),
                    at,
                    EventData::Campaign(api::events::CampaignState {
                        campaign: id,
                        authority: authority.clone(),
                        seq,
                        state,
                        why,
                    }),
                )
            },
        },
        Event::Session { device, record } => session(device, record),
        Event::Fault { device, at, kind, detail } => Outgoing {
            key: EventType::Fault.routing_key(&device.authority, ""),
            event: cloud(
                EventType::Fault,
                format!("{}-{}", shard.number(), place.0),
                &device.authority,
                Some(device.device.clone()),
                at,
                EventData::Fault(api::events::Fault { device: device.device, kind, detail }),
            ),
        },
        Event::Care { device, run, at, step, attempt, error, outcome, detail } => Outgoing {
            key: EventType::Care.routing_key(&device.authority, ""),
            event: cloud(
                EventType::Care,
                format!("{}-{}", shard.number(), place.0),
                &device.authority,
                Some(device.device.clone()),
                at,
                EventData::Care(api::events::Care {
                    care: CareId::of(&device, run).to_string(),
                    device: device.device,
                    step,
                    attempt: attempt.into(),
                    error,
                    outcome: outcome.map(|outcome| outcome.name().to_owned()),
                    detail: detail.as_ref().map(care::detail).unwrap_or_default(),
                }),
            ),
        },
        Event::Alert { device, at, alert } => Outgoing {
            key: EventType::Alert.routing_key(&device.authority, ""),
            event: cloud(
                EventType::Alert,
                format!("{}-{}", shard.number(), place.0),
                &device.authority,
                Some(device.device.clone()),
                at,
                EventData::Alert(api::events::Alert {
                    device: device.device,
                    code: alert.code,
                    kind: alert.kind,
                    mark: alert.mark,
                    source: alert.source,
                    format: alert.format,
                    data: alert.data,
                    correlator: alert.correlator,
                }),
            ),
        },
    };
    Telling::Alone(Box::new(told))
}

/// A job that ended.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) seq: u64,
    run: u16,
    device: DeviceId,
    pub(super) result: ResultRow,
}

/// How jobs of one campaign ended.
pub(super) fn batch(authority: &str, campaign: &str, seq: u64, jobs: Vec<Job>) -> Outgoing {
    let time = jobs.iter().map(|job| job.result.at).max().unwrap_or_default();
    let results = jobs
        .into_iter()
        .map(|job| JobResult {
            id: format!("{seq}/{}/{}", job.run, job.device.device),
            result: result_line(job.device, job.run, &job.result),
        })
        .collect();
    Outgoing {
        key: EventType::Results.routing_key(authority, campaign),
        event: cloud(
            EventType::Results,
            // The same results may come again in another batch: their ids tell.
            uuid::Uuid::now_v7().to_string(),
            authority,
            Some(campaign.to_owned()),
            time,
            EventData::Results(api::events::Results {
                authority: authority.to_owned(),
                campaign: campaign.to_owned(),
                seq,
                results,
            }),
        ),
    }
}

/// A message that was put aside for good; without an authority when it named none of ours.
pub(super) fn rejected(
    authority: Option<&str>,
    id: String,
    at: Instant,
    told: Rejected,
) -> Outgoing {
    let kind = EventType::Rejected;
    Outgoing {
        key: authority
            .map_or_else(|| kind.key().to_owned(), |authority| kind.routing_key(authority, "")),
        event: cloud(
            EventType::Rejected,
            id,
            authority.unwrap_or_default(),
            told.message_id.clone(),
            at,
            EventData::Rejected(told),
        ),
    }
}

fn session(device: DeviceId, record: SessionRecord) -> Outgoing {
    let care = record.jobs.iter().any(|(seq, _)| *seq == care::SEQ);
    let campaigns = record.jobs.iter().filter(|(seq, _)| *seq != care::SEQ);
    let jobs = campaigns.map(|(seq, outcome)| api::events::EndedJob {
        seq: *seq,
        outcome: outcome.name().to_owned(),
    });
    Outgoing {
        key: EventType::Session.routing_key(&device.authority, ""),
        event: cloud(
            EventType::Session,
            record.id.clone(),
            &device.authority,
            Some(device.device.clone()),
            record.ended,
            EventData::Session(api::events::SessionEnded {
                jobs: jobs.collect(),
                session: record.id,
                device: device.device,
                session_id: record.session_id,
                started: record.started.to_string(),
                ended: record.ended.to_string(),
                messages: record.messages,
                octets_in: record.octets_in,
                octets_out: record.octets_out,
                end: record.end,
                care,
            }),
        ),
    }
}

fn cloud(
    kind: EventType,
    id: String,
    authority: &str,
    subject: Option<String>,
    at: Instant,
    data: EventData,
) -> CloudEvent {
    CloudEvent {
        specversion: CloudEvent::VERSION.into(),
        id,
        source: format!("/reveille/{authority}"),
        kind: kind.name().into(),
        subject,
        time: at.to_string(),
        datacontenttype: "application/json".into(),
        sequence: None,
        data,
    }
}

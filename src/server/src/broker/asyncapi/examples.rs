//! A message of each kind, as senders write them and as the program tells them.

use crate::{
    broker::cloud::{self, Outgoing, Telling, batch, telling},
    events::{DeviceAlert, Event},
    rows::{Detail, DeviceId, ResultRow, SessionRecord},
    store::{EventId, Shard},
};
use api::{
    ChunkMessage, ControlMessage, DeviceLine, MessageType, ProblemType, TriggerRequest,
    events::Rejected,
};
use campaign::{Outcome, time::Instant};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:350000000000017";

pub(super) fn message(kind: MessageType) -> Value {
    let payload = match kind {
        MessageType::Submit => json!({
            "campaign": "new-gateway",
            "authority": "operator",
            "devices": {"file": "devices.txt"},
            "settings": [{"uri": "./AP/WAP/Addr", "value": "10.20.0.1"}],
        }),
        MessageType::Control => json!(ControlMessage {
            campaign: "new-gateway".into(),
            what: "pause".into(),
            why: "complaints".into(),
        }),
        MessageType::Chunk => json!(ChunkMessage {
            campaign: "new-gateway".into(),
            part: 0,
            parts: Some(1),
            devices: vec![DEVICE.into(), "msisdn:447700900123".into()],
        }),
        MessageType::Device => json!(DeviceLine {
            device: DEVICE.into(),
            secret: Some("Kq7".into()),
            msisdn: Some("447700900123".into()),
            model: Some("RV-1".into()),
            as_of: Some("2026-11-25T01:02:03Z".into()),
            ..DeviceLine::default()
        }),
        MessageType::Trigger => json!(TriggerRequest {
            device: "msisdn:447700900123".into(),
            reason: "stale_gateway".into(),
            observed: Some("192.0.2.10".into()),
            at: Some("2026-11-25T01:02:03Z".into()),
        }),
    };
    json!({
        "name": kind.name(),
        "headers": {"type": kind.name(), "message_id": "billing-4711", "user_id": "billing"},
        "payload": payload,
    })
}

/// An event of each kind.
pub(super) fn events() -> Vec<Outgoing> {
    let at = Instant::parse("2026-11-25T01:02:03Z").unwrap_or_default();
    let device = || DeviceId { authority: "operator".into(), device: DEVICE.into() };
    let failed = || Detail {
        uri: Some("./AP/WAP/Addr".into()),
        status: None,
        phase: None,
        why: Some("the device does not know the node".into()),
    };
    let result = ResultRow { outcome: Outcome::Failed, at, attempts: 1, detail: Some(failed()) };
    let record = SessionRecord {
        id: "5f3c".into(),
        session_id: "1f".into(),
        started: at,
        ended: at,
        messages: 3,
        octets_in: 1200,
        octets_out: 800,
        end: "done".into(),
        jobs: vec![(7, Outcome::Failed)],
    };
    let alert = DeviceAlert {
        code: 1226,
        kind: Some("org.openmobilealliance.dm.firmwareupdate.download".into()),
        mark: Some("informational".into()),
        source: Some("./FUMO/X".into()),
        format: Some("chr".into()),
        data: Some("200".into()),
        correlator: None,
    };
    let state = Event::Campaign {
        authority: "operator".into(),
        id: "new-gateway".into(),
        seq: 7,
        sequence: 12,
        at,
        state: "paused".into(),
        why: Some("billing: complaints".into()),
    };
    let care = Event::Care {
        device: device(),
        run: 0,
        at,
        step: "ended".into(),
        attempt: 1,
        error: true,
        outcome: Some(Outcome::Failed),
        detail: Some(failed()),
    };
    let fault = Event::Fault {
        device: device(),
        at,
        kind: "server_refused".into(),
        detail: "the device refuses the credentials of the server".into(),
    };
    let told = Rejected {
        queue: MessageType::Chunk.queue().into(),
        reason: ProblemType::BadBody.name().into(),
        detail: "unknown field `port`".into(),
        message_id: Some("billing-4711".into()),
        message_type: Some(MessageType::Chunk.name().into()),
        user: Some("billing".into()),
        octets: 64,
    };
    let session = Event::Session { device: device(), record };
    let alert = Event::Alert { device: device(), at, alert };
    let ended = Event::Result { seq: 7, run: 0, device: device(), result };
    let place = EventId(1);
    let all = [state, session, fault, care, alert, ended].into_iter();
    let all = all.zip(Shard::all()).map(|(event, shard)| match telling(shard, place, event) {
        Telling::Alone(outgoing) => *outgoing,
        Telling::InBatches(job) => {
            let mut told = batch("operator", "new-gateway", job.seq, vec![job]);
            // The only one that is another with each batch.
            told.event.id = "0199f3a2-6c1d-7b52-9d7e-3f0a5c2b1e44".into();
            told
        }
    });
    let rejected = cloud::rejected(Some("operator"), "rejected-1".into(), at, told);
    all.chain([rejected]).collect()
}

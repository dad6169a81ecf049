//! From a message to the function that does it: the same one that serves the request over HTTP.

use super::envelope::Envelope;
use crate::{
    campaigns::{self, Asked, By, Control},
    config::Role,
    engine::Engine,
    http::admin::{campaigns::check_names, problem::Refusal},
    registry, trigger,
    update::MessageId,
};
use api::{
    ChunkMessage, ControlMessage, ControlRequest, LineError, MessageType, Problem, ProblemType,
    TriggerRequest,
};
use campaign::check::Rights;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::collections::BTreeSet;

/// Does what the message asks for. When this is answered with `Ok`, it is committed.
pub(super) async fn work(
    engine: &Engine,
    kind: MessageType,
    envelope: &Envelope<'_>,
    body: &[u8],
) -> Result<(), Refusal> {
    let authority = envelope.authority.name.as_str();
    match kind {
        MessageType::Submit => submit(engine, envelope, body).await,
        MessageType::Chunk => {
            let chunk: ChunkMessage = json(body)?;
            check_names(&chunk.devices)?;
            let ChunkMessage { campaign, part, parts, devices } = chunk;
            let report =
                campaigns::enroll_part(engine, authority, &campaign, part, parts, devices).await?;
            match report.later {
                0 => Ok(()),
                later => {
                    let detail = format!("{later} devices have as many jobs as a device may have");
                    Err(Refusal::new(ProblemType::Busy, detail))
                }
            }
        }
        MessageType::Control => {
            let ControlMessage { campaign, what, why } = json(body)?;
            let Some(control) = Control::from_name(&what) else {
                let detail = "`do` is neither `pause` nor `resume` nor `abort`";
                return Err(Refusal::new(ProblemType::BadBody, detail));
            };
            if why.len() > ControlRequest::LONGEST_WHY {
                let detail = format!("`why` is longer than {} octets", ControlRequest::LONGEST_WHY);
                return Err(Refusal::new(ProblemType::BadBody, detail));
            }
            let message = Some(MessageId::new(authority, &envelope.message_id));
            let asked = Asked { by: envelope.user.clone(), why, message };
            campaigns::control(engine, authority, &campaign, control, asked).await?;
            Ok(())
        }
        MessageType::Device => devices(engine, envelope, body).await,
        MessageType::Trigger => {
            let request: TriggerRequest = json(body)?;
            let message = MessageId::new(authority, &envelope.message_id);
            trigger::trigger(engine, authority, &request, Some(&message)).await?;
            Ok(())
        }
    }
}

async fn submit(engine: &Engine, envelope: &Envelope<'_>, body: &[u8]) -> Result<(), Refusal> {
    if body.len() > api::MOST_CAMPAIGN_OCTETS {
        let detail = format!("a document has at most {} octets", api::MOST_CAMPAIGN_OCTETS);
        return Err(Refusal::new(ProblemType::TooLarge, detail));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_invalid| Refusal::new(ProblemType::BadBody, "the document is not UTF-8 text"))?;
    let operator = envelope.roles.contains(&Role::Operator);
    let by = By {
        authority: Some(&envelope.authority.name),
        rights: Rights { care: operator, urgent: operator },
    };
    campaigns::submit_by(engine, text, false, by).await?;
    Ok(())
}

/// What of a line is looked at before the registry reads it.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    as_of: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    authority: Option<std::borrow::Cow<'a, str>>,
    secret: Option<IgnoredAny>,
}

async fn devices(engine: &Engine, envelope: &Envelope<'_>, body: &[u8]) -> Result<(), Refusal> {
    let authority = envelope.authority.name.as_str();
    let mut problems = Vec::new();
    let mut problem = |line: u64, path: &str, what: &str, help: &str| {
        problems.push(Problem {
            path: path.to_owned(),
            line: Some(line),
            what: what.to_owned(),
            help: help.to_owned(),
        });
    };
    let (mut lines, mut partial) = (0, BTreeSet::new());
    for (number, text) in (1..).zip(body.split(|octet| *octet == b'\n')) {
        // What is no line at all is reported by the registry.
        let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else { continue };
        lines += 1;
        if line.secret.is_none() {
            partial.insert(number);
        }
        if line.as_of.is_none() {
            let help = "messages overtake each other: say when this was true, as RFC 3339";
            problem(number, "as_of", "is missing", help);
        }
        if line.authority.is_some_and(|named| named != authority) {
            problem(number, "authority", "is not that of the routing key", "leave it out");
        }
    }
    if lines > api::MOST_NAMES {
        let detail = format!("{lines} devices; a message has at most {}", api::MOST_NAMES);
        return Err(Refusal::new(ProblemType::BadBody, detail));
    }
    if !problems.is_empty() {
        return Err(Refusal::new(ProblemType::BadBody, "no device of this message was taken")
            .with_problems(problems));
    }
    let import = registry::Import {
        authority: Some(authority),
        ..registry::Import::json_lines(engine.store(), engine.vault(), engine.config())
    };
    let report = registry::import(&import, body).await?;
    if report.refused == 0 {
        return Ok(());
    }
    // A change of a device whose first message is still on its way.
    let early = |error: &LineError| error.key == "secret" && partial.contains(&error.line);
    if report.errors.iter().all(early) {
        let detail = format!("{} devices are not registered", report.refused);
        return Err(Refusal::new(ProblemType::NoSuchDevice, detail));
    }
    let detail = format!(
        "{} devices were refused; the others of the message are in, and sending it again mended is right",
        report.refused
    );
    let problems = report.errors.into_iter().map(|error| Problem {
        path: error.key,
        line: Some(error.line),
        what: error.what,
        help: error.help,
    });
    Err(Refusal::new(ProblemType::BadBody, detail).with_problems(problems.collect()))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(ProblemType::BadBody, error.to_string()))
}

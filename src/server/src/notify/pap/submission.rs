//! A notification as `push-message`: whom it is for, by when, how it shall travel, and the id by which it is known.
//!
//! The id derives from the attempt: what is sent again because nobody knows whether it left has the same id, and the gateway
//! says that it has it already; the next attempt has another, or it would never be delivered.

use crate::{
    config::Pap,
    notify::{Attempt, Push},
    rows::Device,
};
use campaign::time::Instant;
use sha2::{Digest, Sha256};
use wire::pap::{
    Address, Body, Content, DeliveryMethod, PapError, Priority, PushMessage, QualityOfService,
};

/// Why a notification cannot be made a push message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// This device cannot be reached until its registry entry is mended.
    #[error("the device has no `{0}`, which the route's `address` names")]
    NoNumber(&'static str),
    #[error("the push message cannot be written")]
    Write(#[from] PapError),
}

/// What all push messages of a route have in common.
#[derive(Debug)]
pub(crate) struct Form {
    address: String,
    initiator: String,
    /// Where results are to be posted; absent: nobody asks for them.
    results_to: Option<String>,
    priority: Priority,
    quality: QualityOfService,
    content_type: String,
    application_id: Option<String>,
}

/// What goes out, and the id that it goes by.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) push_id: String,
    pub(crate) body: Body,
}

/// The name that gateways know this program by.
const PRODUCT: &str = "Reveille";

impl Form {
    pub(crate) fn new(pap: &Pap, results_to: Option<String>) -> Self {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (network, bearer) = (said(&pap.network), said(&pap.bearer));
        // Gateways want the two to be required together or not at all.
        let required = (network.is_some() || bearer.is_some()).then_some(true);
        Self {
            address: pap.address_form(),
            initiator: pap.initiator.clone(),
            results_to,
            priority: Priority::from_name(pap.priority.name()),
            quality: QualityOfService {
                priority: None,
                delivery_method: Some(DeliveryMethod::from_name(pap.delivery_method.name())),
                network_required: required,
                network,
                bearer_required: required,
                bearer,
            },
            content_type: pap.content_type.clone(),
            application_id: said(&pap.application_id),
        }
    }

    pub(crate) fn asks_for_results(&self) -> bool {
        self.results_to.is_some()
    }

    pub(crate) fn submission(
        &self,
        device: &Device,
        push: &Push<'_>,
        now: Instant,
    ) -> Result<Submission, Unfit> {
        let digest = name(&push.attempt);
        let push_id = format!("{digest}-{}@{}", push.attempt.number, self.initiator);
        let priority = if push.urgent { Priority::High } else { self.priority.clone() };
        let message = PushMessage {
            push_id: push_id.clone(),
            addresses: vec![self.address(device)?],
            deliver_before: Some(whole_seconds(now.plus(push.validity))),
            notify_requested_to: self.results_to.clone(),
            quality: Some(QualityOfService { priority: Some(priority), ..self.quality.clone() }),
            ..PushMessage::default()
        };
        let content = Content {
            media_type: &self.content_type,
            application_id: self.application_id.as_deref(),
            octets: push.package0,
        };
        // Longer than any package #0 that says only what ours says, so it cannot stand in one.
        let boundary = format!("reveille-{digest}");
        let body = message.compose(Some(PRODUCT), &content, &boundary)?;
        Ok(Submission { push_id, body })
    }

    fn address(&self, device: &Device) -> Result<Address, Unfit> {
        let mut address = self.address.clone();
        for (place, name, value) in
            [(Pap::MSISDN, "msisdn", &device.msisdn), (Pap::IMSI, "imsi", &device.imsi)]
        {
            if address.contains(place) {
                let value = value.as_deref().ok_or(Unfit::NoNumber(name))?;
                address = address.replace(place, value);
            }
        }
        Ok(Address::new(address))
    }
}

/// A name for what an attempt sends, without the number of the subscriber: it stands in the logs of all.
fn name(attempt: &Attempt<'_>) -> String {
    let Attempt { device, seq, run, sid, number: _ } = attempt;
    let mut hash = Sha256::new();
    hash.update(device.root());
    hash.update([0]);
    hash.update(seq.to_be_bytes());
    hash.update(run.to_be_bytes());
    hash.update(sid.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk::<16>().map(hex::encode).unwrap_or_default()
}

/// As the protocol writes instants: without a fraction.
fn whole_seconds(at: Instant) -> String {
    Instant(at.0 - at.0 % 1000).to_string()
}

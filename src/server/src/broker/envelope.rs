//! What a message says of itself, judged before its body is looked at: its kind, its authority, its sender, its id.

use crate::{
    config::{Authority, Config, Role},
    http::admin::problem::Refusal,
};
use api::{MessageType, ProblemType};
use lapin::{
    message::Delivery,
    types::{AMQPValue, ShortString},
};

/// The sender of a message that we put aside ourselves: a broker lets nobody send under another name than his own.
pub(super) const SENDER: &str = "reveille-user";
/// How often a message was put aside.
pub(super) const TRIES: &str = "reveille-tries";
/// The longest `message_id`, in octets.
pub(super) const LONGEST_ID: usize = 128;

/// What a message says of itself.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) authority: &'a Authority,
    pub(super) user: String,
    pub(super) roles: &'a [Role],
    pub(super) message_id: String,
}

/// Who sent it, as the broker checked; messages that come back from us carry their first sender in a header.
pub(super) fn sender(delivery: &Delivery, ourselves: &str) -> Option<String> {
    let checked = delivery.properties.user_id().as_ref()?.as_str();
    if checked == ourselves
        && let Some(first) = header(delivery, SENDER).and_then(AMQPValue::as_long_string)
    {
        return Some(String::from_utf8_lossy(first.as_bytes()).into_owned());
    }
    Some(checked.to_owned())
}

/// How often it was put aside.
pub(super) fn tries(delivery: &Delivery) -> u32 {
    match header(delivery, TRIES) {
        Some(AMQPValue::LongUInt(tries)) => *tries,
        _ => 0,
    }
}

fn header<'d>(delivery: &'d Delivery, name: &str) -> Option<&'d AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

impl<'a> Envelope<'a> {
    /// Reads what a message from the queue of `kind` says of itself. What is refused will never be right.
    pub(super) fn read(
        kind: MessageType,
        delivery: &Delivery,
        ourselves: &str,
        config: &'a Config,
    ) -> Result<Self, Refusal> {
        let octets = delivery.data.len();
        if octets > api::MOST_MESSAGE_OCTETS {
            let most = api::MOST_MESSAGE_OCTETS;
            let detail = format!("{octets} octets; a message has at most {most}: send several");
            return Err(Refusal::new(ProblemType::TooLarge, detail));
        }
        let bad = |detail: String| Refusal::new(ProblemType::BadRequest, detail);
        match delivery.properties.kind().as_ref().map(ShortString::as_str) {
            Some(said) if said == kind.name() => {}
            Some(said) => {
                let detail = if MessageType::ALL.iter().any(|known| known.name() == said) {
                    format!("`{said}` is not taken under this routing key; {}", key_of(kind))
                } else {
                    format!("`{}` is no type of message here; {}", shown(said), key_of(kind))
                };
                return Err(bad(detail));
            }
            None => return Err(bad(format!("the property `type` is missing; {}", key_of(kind)))),
        }
        let message_id = delivery.properties.message_id().as_ref().map(ShortString::as_str);
        let message_id = message_id.unwrap_or_default();
        if !(1..=LONGEST_ID).contains(&message_id.len()) || message_id.chars().any(char::is_control)
        {
            let detail = format!(
                "the property `message_id` is missing or not 1 to {LONGEST_ID} octets: by it a repeat is known"
            );
            return Err(bad(detail));
        }
        let key = delivery.routing_key.as_str();
        let name = key.split_once('.').map_or("", |(_, authority)| authority);
        let Some(authority) = config.authority(name) else {
            let detail = format!("this server has no authority `{}`", shown(name));
            return Err(Refusal::new(ProblemType::NoSuchAuthority, detail));
        };
        let Some(user) = sender(delivery, ourselves) else {
            let detail = "the property `user_id` is missing: set it to the user that you log in as, and the broker vouches for it";
            return Err(Refusal::new(ProblemType::Forbidden, detail));
        };
        let roles = authority.amqp_roles(&user);
        if !roles.iter().any(|role| may(*role, kind)) {
            let detail = format!(
                "the user `{}` may not send `{}` for `{name}`: the server's setting `amqp_users` of that authority says who may",
                shown(&user),
                kind.name()
            );
            return Err(Refusal::new(ProblemType::Forbidden, detail));
        }
        Ok(Self { authority, user, roles, message_id: message_id.to_owned() })
    }
}

/// Who may send what.
pub(super) fn may(role: Role, kind: MessageType) -> bool {
    match role {
        Role::Operator => true,
        Role::Upstream => kind != MessageType::Control,
        Role::Network => kind == MessageType::Trigger,
    }
}

fn key_of(kind: MessageType) -> String {
    format!("`{}.…` is for messages of type `{}`", kind.key(), kind.name())
}

/// Text of a stranger, short and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

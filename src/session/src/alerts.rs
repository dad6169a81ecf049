//! What a device reports by itself: client events (1224) and generic alerts (1226), and what they mean to the session.

use crate::{
    Event, News, Quirk,
    correlator::Word,
    exchange::Exchange,
    large_object::{Kind, Taken},
    reply::cut,
};
use serde::{Deserialize, Serialize};
use wire::{
    alert::AlertCode,
    message::{Alert, Data, Item},
    status::StatusCode,
    uri::LocUri,
};

/// The most events of one message.
const MOST_EVENTS: usize = 16;

/// Who is logged in, as a Windows client says in package 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Login {
    /// The user who is managed: `./User` can be reached.
    User,
    /// Nobody, or somebody else: commands to `./User` would fail.
    Other,
}

impl Login {
    const KIND: &'static str = "com.microsoft/MDM/LoginStatus";

    fn of(event: &Event) -> Option<Self> {
        let is_login = event.kind.as_deref()?.eq_ignore_ascii_case(Self::KIND);
        let says = event.data.as_deref().map(str::trim);
        is_login.then(|| match says {
            Some(says) if says.eq_ignore_ascii_case("user") => Self::User,
            Some(_) | None => Self::Other,
        })
    }

    /// Whether a node can be reached while this is so.
    pub(crate) fn reaches(self, uri: &LocUri) -> bool {
        let first = uri.segments().next();
        self == Self::User || first.is_none_or(|name| !name.eq_ignore_ascii_case("User"))
    }
}

impl Exchange<'_> {
    /// A client event or a generic alert, and the status that it is owed.
    pub(crate) fn hear_report(&mut self, code: AlertCode, alert: &Alert) -> StatusCode {
        // The type says what a generic alert means; without one it means nothing.
        let untyped = || alert.items.iter().any(|item| item.meta.media_type.is_none());
        if code == AlertCode::GenericAlert && (alert.items.is_empty() || untyped()) {
            return StatusCode::Incomplete;
        }
        let mut owed = StatusCode::Ok;
        for item in &alert.items {
            let whole = match self.take_part(Kind::Alert, item, None) {
                Taken::Plain => None,
                Taken::Whole(whole) => Some(whole),
                Taken::Part => {
                    owed = StatusCode::ChunkAccepted;
                    continue;
                }
                Taken::Fault { code, .. } => {
                    owed = code;
                    continue;
                }
            };
            let told = self.news.iter().filter(|news| matches!(news, News::Event(_))).count();
            if told < MOST_EVENTS {
                let event = event(code, alert, whole.as_deref().unwrap_or(item));
                self.heed_event(&event);
                self.news.push(News::Event(event));
            }
        }
        owed
    }

    fn heed_event(&mut self, event: &Event) {
        if let Some(login) = Login::of(event) {
            self.session.login = Some(login);
        }
        // Windows does not know correlators, and its alerts are told by their types.
        let is_windows = event
            .kind
            .as_deref()
            .is_some_and(|kind| kind.to_ascii_lowercase().contains("com.microsoft"));
        if is_windows {
            self.learn(Quirk::NoCorrelator);
        }
        Word::file(&mut self.session.words, event);
    }
}

fn event(code: AlertCode, alert: &Alert, item: &Item) -> Event {
    let bounded = |text: &str| cut(text, Event::LONGEST);
    // One client ends texts with a zero octet.
    let data = item.data.as_ref().and_then(Data::as_text).map(|text| text.trim_end_matches('\0'));
    Event {
        code,
        correlator: alert.correlator.as_deref().map(bounded),
        source: item.source.as_ref().map(|source| bounded(&source.loc_uri)),
        kind: item.meta.media_type.as_deref().map(bounded),
        format: item.meta.format.as_ref().map(|format| bounded(format.name())),
        mark: item.meta.mark.as_deref().map(bounded),
        data: data.map(|text| cut(text, Event::LONGEST_DATA)),
    }
}

//! What became of a push, as the gateway posts it: `resultnotification-message`.

use crate::notify::{Fate, Receipt};
use wire::pap::{Class, MessageState, ResultNotification};

/// A result as a receipt.
pub(crate) fn receipt(result: &ResultNotification) -> Receipt {
    Receipt { message_id: result.push_id.trim().to_owned(), fate: fate(result) }
}

fn fate(result: &ResultNotification) -> Fate {
    match result.state {
        MessageState::Delivered => Fate::Delivered,
        MessageState::Pending => Fate::Held,
        MessageState::Rejected
        | MessageState::Undeliverable
        | MessageState::Expired
        | MessageState::Aborted
        | MessageState::Timeout
        | MessageState::Cancelled => Fate::Lost,
        // A state that nobody defined: its code may still say something, and if not, nothing is moved.
        MessageState::Other(_) => match result.code.class() {
            Class::Success => Fate::Delivered,
            Class::RequestError
            | Class::ServerError
            | Class::ServiceFailure
            | Class::DeviceAborted => Fate::Lost,
            Class::Unknown => Fate::Held,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::pap::{Document, Pap};

    #[test]
    fn each_state_has_its_fate() {
        for (state, code, wanted) in [
            ("delivered", 1000, Fate::Delivered),
            ("pending", 1001, Fate::Held),
            ("undeliverable", 3010, Fate::Lost),
            ("expired", 4000, Fate::Lost),
            ("aborted", 5028, Fate::Lost),
            ("timeout", 4000, Fate::Lost),
            ("cancelled", 1000, Fate::Lost),
            ("rejected", 2001, Fate::Lost),
            ("arrived", 1000, Fate::Delivered),
            ("perished", 4000, Fate::Lost),
            ("", 9, Fate::Held),
        ] {
            let text = format!(
                "<pap><resultnotification-message push-id=\" 7-1@h \" message-state=\"{state}\" code=\"{code:04}\">\
                 <address address-value=\"WAPPUSH=+1/TYPE=PLMN@g\"/></resultnotification-message></pap>"
            );
            let Document::Result(result) = Pap::parse(text.as_bytes()).unwrap().document else {
                panic!("{text}")
            };
            let wanted = Receipt { message_id: "7-1@h".to_owned(), fate: wanted };
            assert_eq!(receipt(&result), wanted, "{state}");
        }
    }
}

//! What a gateway's answer means for us: one table from codes to remedies, and one from HTTP statuses where no document
//! came with them.
//!
//! Codes are those of PAP (WAP-247). What nobody defined counts as temporary, since giving a device up because of an unknown
//! number could cut off a fleet.

use crate::notify::Remedy;
use wire::pap::{Class, Code};

/// Whether the gateway has the push. An id that it knows already is our own repetition: ids derive from the attempt.
pub(crate) fn is_taken(code: Code) -> bool {
    code.class() == Class::Success || code == Code::DuplicatePushId
}

/// The remedy for a code that is no success, and the setting that answers it, where one does.
pub(crate) fn remedy(code: Code) -> (Remedy, &'static str) {
    use Code as C;
    match code {
        C::BadRequest => (Remedy::Mend, "the gateway does not take push messages as this version writes them: try another `address`"),
        C::Forbidden => (Remedy::Mend, "`user` and `password` must be an account that may push"),
        C::AddressError | C::AddressNotFound => {
            (Remedy::GiveUp, "the device's number is not one that this gateway serves; if all are refused, look at `address`")
        }
        C::CapabilitiesMismatch | C::RequiredCapabilitiesNotSupported => {
            (Remedy::GiveUp, "the device cannot do what the push needs, as the gateway knows it")
        }
        C::NotImplemented | C::VersionNotSupported => {
            (Remedy::Mend, "the gateway does not take push messages as this version writes them")
        }
        C::CapabilityMatchingNotSupported | C::MultipleAddressesNotSupported => {
            (Remedy::Mend, "nothing of the kind is asked for: ask the gateway's operator")
        }
        C::TransformationFailure => {
            (Remedy::Mend, "`content_type` and `application_id` must be in the form that the gateway knows")
        }
        C::DeliveryMethodNotPossible => (Remedy::Mend, "`delivery_method` must be one that the gateway offers"),
        C::RequiredNetworkNotAvailable | C::RequiredBearerNotAvailable => {
            (Remedy::Later, "if it goes on, change `network` and `bearer`, or leave them empty")
        }
        C::ServiceUnavailable => (Remedy::SlowDown, "lower `per_second` or `connections` if it goes on"),
        C::InternalServerError
        | C::NotPossible
        | C::CapabilitiesNotAvailable
        | C::ReplacementNotSupported
        | C::ServiceFailure
        | C::PushIdNotFound
        | C::CancellationNotPossible
        // Taken, see `is_taken`.
        | C::Ok
        | C::Accepted
        | C::DuplicatePushId
        | C::Other(_) => (Remedy::Later, "it is sent again later"),
    }
}

/// The remedy for an HTTP status of 300 and above that came without a document.
pub(crate) fn of_http(status: u16) -> (Remedy, &'static str) {
    match status {
        401 | 403 | 407 => {
            (Remedy::Mend, "`user` and `password` must be an account that may push from here")
        }
        408 => (Remedy::Later, "it is sent again later"),
        429 | 503 => (Remedy::SlowDown, "lower `per_second` or `connections` if it goes on"),
        300..=399 | 404 | 405 | 410 => {
            (Remedy::Mend, "`urls` must name the gateway's own address for push messages")
        }
        400..=499 => {
            (Remedy::Mend, "the gateway does not take push messages as this version writes them")
        }
        _ => (Remedy::Later, "the gateway, or a proxy before it, is in trouble"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_remedy() {
        for (codes, wanted) in [
            (&[2000, 2001, 3001, 3002, 3004, 3005, 3006, 3007][..], Remedy::Mend),
            (&[2002, 2003, 2005, 2006], Remedy::GiveUp),
            (&[4001], Remedy::SlowDown),
            (&[2004, 2008, 3000, 3003, 3008, 3009, 3010, 3011, 4000, 5000, 5028], Remedy::Later),
        ] {
            for code in codes {
                assert_eq!(remedy(Code::from_code(*code)).0, wanted, "{code}");
                assert!(!is_taken(Code::from_code(*code)), "{code}");
            }
        }
    }

    /// The page for whoever connects a gateway says of each code what is done.
    #[test]
    fn the_page_says_of_each_code_what_is_done() {
        let page = include_str!("../../../../../docs/connecting-a-push-gateway.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.nth(1)?))
        });
        let rows: Vec<_> = rows.collect();
        let done = |code: u16| {
            let named = |cell: &str| cell.split(", ").any(|listed| listed == code.to_string());
            let found = rows.iter().find(|(codes, _)| named(codes));
            found.unwrap_or_else(|| panic!("{code} is not on the page")).1
        };
        for number in (2000..=4001).filter(|code| !matches!(Code::from_code(*code), Code::Other(_)))
        {
            let words = match (is_taken(Code::from_code(number)), remedy(Code::from_code(number)).0)
            {
                (true, _) => "counts it as taken",
                (_, Remedy::SlowDown) => "slows the route down",
                (_, Remedy::Later) => "counts the attempt",
                (_, Remedy::GiveUp) => "ends the job as `unreachable`",
                (_, Remedy::Mend) => "lets the route rest",
            };
            assert!(done(number).starts_with(words), "{number}: {}, not {words}", done(number));
        }
    }

    #[test]
    fn a_push_that_the_gateway_has_already_is_taken() {
        for code in [1000, 1001, 1999, 2007] {
            assert!(is_taken(Code::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_code_that_nobody_knows_gives_no_device_up() {
        for code in (2009..3000).chain(3012..4000).chain(4002..=9999) {
            assert_eq!(remedy(Code::from_code(code)).0, Remedy::Later, "{code}");
        }
    }

    #[test]
    fn an_http_status_without_a_document_has_its_remedy() {
        for (status, wanted) in [
            (302, Remedy::Mend),
            (400, Remedy::Mend),
            (401, Remedy::Mend),
            (404, Remedy::Mend),
            (408, Remedy::Later),
            (429, Remedy::SlowDown),
            (500, Remedy::Later),
            (502, Remedy::Later),
            (503, Remedy::SlowDown),
            (599, Remedy::Later),
        ] {
            assert_eq!(of_http(status).0, wanted, "{status}");
        }
    }
}

//! A notification reaches a device, and is believed or not.

use super::{Account, Heard, LastBell, Reason, Terms, account::NO_NONCE};
use crate::{
    faults::{Fault, Habits, ServerNonce},
    identity::Identity,
    verdict::{Breach, Finding, Rule, push::Bell},
};

/// A notification reaches a device, or would if it were there.
///
/// `life` is the age of the fleet in milliseconds.
pub(crate) fn hear(
    terms: &Terms,
    identity: &Identity,
    account: &mut Account,
    push: &[u8],
    life: u32,
) -> (Heard, Vec<Breach>) {
    let breach = |finding: Finding| vec![Breach::new(identity.index, &finding, push)];
    let bell = match Bell::read(push) {
        Ok(bell) => bell,
        Err(finding) => return (Heard::Nothing, breach(finding)),
    };
    let package = fnv(bell.package);
    let same = account.last_package == package && account.last_session_id == bell.session_id;
    if same && account.last_bell == LastBell::Done {
        return (Heard::Again, Vec::new());
    }
    if !bell.is_from(identity) {
        return (Heard::Nothing, breach(Finding::new(Rule::NotificationServer, "")));
    }
    if identity.kind.proves_server && !same {
        let nonces = account.server_nonces(terms.seed, identity);
        match nonces.iter().position(|nonce| bell.proves(identity, nonce)) {
            Some(place) => account.server_used(place),
            None if identity.kind.server_nonce == ServerNonce::Lost => {
                match doubt(identity, account, &bell) {
                    Doubt::Believed => account.begin_with_zeros(),
                    Doubt::Stays => return (Heard::Nothing, Vec::new()),
                    Doubt::TooEasy => {
                        let what = "It is under zeros, again or after fewer than three others.";
                        let finding = Finding::new(Rule::NotificationDigest, what);
                        return (Heard::Nothing, breach(finding));
                    }
                }
            }
            None => return (Heard::Nothing, breach(Finding::new(Rule::NotificationDigest, ""))),
        }
    }
    let mut breaches = Vec::new();
    if account.last_bell == LastBell::Unanswered && account.last_session_id != bell.session_id {
        let detail = format!("It is {:X} after {:X}.", bell.session_id, account.last_session_id);
        breaches = breach(Finding::new(Rule::NotificationSession, detail));
    }
    if bell.ui >= 2 && !terms.questions_expected {
        breaches.extend(breach(Finding::new(Rule::NotificationVisible, "")));
    }
    account.last_bell = LastBell::Unanswered;
    account.last_session_id = bell.session_id;
    account.last_package = package;
    let away = match identity.kind.fault {
        Fault::Silent => true,
        _ if account.left => true,
        Fault::OfflineFor { milliseconds } => {
            if account.back_at == 0 {
                account.back_at = life.saturating_add(milliseconds).max(1);
            }
            life < account.back_at
        }
        _ => false,
    };
    let heard = if away {
        Heard::Nothing
    } else {
        Heard::Wake(Reason::Notified { session_id: bell.session_id })
    };
    (heard, breaches)
}

/// What a device that lost its nonce makes of a notification that proves nothing to it.
enum Doubt {
    Stays,
    /// Zeros: it begins anew with them.
    Believed,
    /// The server gives itself away too easily.
    TooEasy,
}

fn doubt(identity: &Identity, account: &mut Account, bell: &Bell<'_>) -> Doubt {
    if !bell.proves(identity, &NO_NONCE) {
        account.unbelieved = account.unbelieved.saturating_add(1);
        return Doubt::Stays;
    }
    let before = std::mem::replace(&mut account.called_under_zeros, true);
    if before || account.unbelieved < 3 {
        return Doubt::TooEasy;
    }
    match identity.kind.habits {
        // It tries the ten letters `0x00000000` instead.
        Habits::A => Doubt::Stays,
        Habits::B | Habits::Windows => Doubt::Believed,
    }
}

/// FNV-1a: tells one package #0 from another.
fn fnv(octets: &[u8]) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01B3)
    })
}

//! Notifications: which a device believes, and which nonces prove them.

use super::*;
use crate::{
    digest,
    scripted::get,
    verdict::{push::tests::push, reply},
};

fn terms() -> Terms {
    Stage::of(plain()).device.terms.as_ref().clone()
}

fn hear_at(
    identity: &Identity,
    account: &mut Account,
    push: &[u8],
    life: u32,
) -> (Heard, Vec<Rule>) {
    let (heard, breaches) = hear(&terms(), identity, account, push, life);
    (heard, breaches.into_iter().map(|breach| breach.rule).collect())
}

#[test]
fn a_notification_wakes_a_device_and_false_ones_are_noticed() {
    let identity = Identity::of_vectors(plain());
    let server = "dm.operator.example";
    let nonce = identity.first_server_nonce;
    let wake = |session_id| (Heard::Wake(Reason::Notified { session_id }), vec![]);
    let mut account = Account::default();
    assert_eq!(hear_at(&identity, &mut account, &push(&identity, server, &nonce, 7), 0), wake(7));
    assert_eq!(
        hear_at(&identity, &mut account, &push(&identity, server, &nonce, 7), 0),
        wake(7),
        "it is repeated"
    );
    let (heard, rules) = hear_at(&identity, &mut account, &push(&identity, server, &nonce, 8), 0);
    assert_eq!(
        (heard, rules),
        (Heard::Wake(Reason::Notified { session_id: 8 }), vec![Rule::NotificationSession])
    );

    let mut account = Account::default();
    let wrong = |push: &[u8], account: &mut Account| hear_at(&identity, account, push, 0);
    let false_digest = push(&identity, server, b"another nonce", 7);
    assert_eq!(
        wrong(&false_digest, &mut account),
        (Heard::Nothing, vec![Rule::NotificationDigest])
    );
    let stranger = push(&identity, "dm.elsewhere", &nonce, 7);
    assert_eq!(wrong(&stranger, &mut account), (Heard::Nothing, vec![Rule::NotificationServer]));
    assert_eq!(wrong(b"\x01\x07", &mut account), (Heard::Nothing, vec![Rule::PushMalformed]));
    assert_eq!(
        wrong(&false_digest[..10], &mut account),
        (Heard::Nothing, vec![Rule::NotificationMalformed])
    );
}

// R7: nothing is ever shown to the user when nothing is to be asked.
#[test]
fn a_notification_that_shows_itself_is_noticed() {
    let identity = Identity::of_vectors(Kind { proves_server: false, ..plain() });
    let mut shown = push(&identity, "dm.operator.example", b"", 7);
    // ui-mode 3 of the header's second octet.
    shown[23] |= 0x30;
    let (_, rules) = hear_at(&identity, &mut Account::default(), &shown, 0);
    assert_eq!(rules, [Rule::NotificationVisible]);
}

// R23: a device that is away hears nothing until it is back.
#[test]
fn a_device_that_is_away_hears_nothing_until_it_is_back() {
    let identity = Identity::of_vectors(kind(
        Fault::OfflineFor { milliseconds: 500 },
        Habits::B,
        Encoding::Xml,
    ));
    let bell = push(&identity, "dm.operator.example", &identity.first_server_nonce, 7);
    let mut account = Account::default();
    for (life, heard) in [
        (100, Heard::Nothing),
        (599, Heard::Nothing),
        (600, Heard::Wake(Reason::Notified { session_id: 7 })),
    ] {
        assert_eq!(hear_at(&identity, &mut account, &bell, life), (heard, vec![]), "{life}");
    }
    let silent = Identity::of_vectors(kind(Fault::Silent, Habits::B, Encoding::Xml));
    assert_eq!(hear_at(&silent, &mut Account::default(), &bell, 9_999_999).0, Heard::Nothing);
}

#[test]
fn after_a_session_only_the_nonce_that_the_device_gave_proves_a_notification() {
    for habits in [Habits::A, Habits::B] {
        let mut stage = Stage::of(kind(Fault::None, habits, Encoding::Xml));
        stage.say(&get(100, "./DevDetail/SwV"));
        let request = stage.request();
        let given =
            reply::header_status(&request).unwrap().chal.clone().unwrap().next_nonce.unwrap();
        let given = digest::from_base64(&given).unwrap();
        stage.say("");
        let identity = Arc::clone(&stage.device.identity);
        let mut account =
            stage.device.finish(End::Complete, Reason::Notified { session_id: 0x1A2 }).account;
        let old = push(&identity, "dm.operator.example", &identity.first_server_nonce, 8);
        assert_eq!(hear_at(&identity, &mut account, &old, 0).1, [Rule::NotificationDigest]);
        let new = push(&identity, "dm.operator.example", &given, 8);
        assert_eq!(hear_at(&identity, &mut account, &new, 0).1, []);
    }
}

#[test]
fn while_an_answer_is_missing_the_nonce_before_still_proves_the_server() {
    let mut stage = Stage::of(plain());
    stage.say(&get(100, "./DevDetail/SwV"));
    let identity = Arc::clone(&stage.device.identity);
    let mut account =
        stage.device.finish(End::GaveUp, Reason::Notified { session_id: 0x1A2 }).account;
    let old = push(&identity, "dm.operator.example", &identity.first_server_nonce, 0x1A3);
    assert_eq!(hear_at(&identity, &mut account, &old, 0).1, []);
}

/// D5: a device that lost its server's nonce hears silently, until zeros come that do not come too easily.
#[test]
fn a_device_that_lost_its_nonce_believes_zeros_after_three_others_and_no_sooner() {
    let identity = Identity::of_vectors(Kind { server_nonce: ServerNonce::Lost, ..plain() });
    let server = "dm.operator.example";
    let call = |nonce: &[u8], account: &mut Account| {
        hear_at(&identity, account, &push(&identity, server, nonce, 7), 0)
    };
    let stored = identity.first_server_nonce;
    let mut hasty = Account::default();
    assert_eq!(call(&[0; 4], &mut hasty), (Heard::Nothing, vec![Rule::NotificationDigest]));
    let mut account = Account::default();
    for _ in 0..3 {
        assert_eq!(call(&stored, &mut account), (Heard::Nothing, vec![]));
    }
    let of_a = Identity::of_vectors(Kind { habits: Habits::A, ..identity.kind.clone() });
    let zeros = push(&identity, server, &[0; 4], 7);
    assert_eq!(hear_at(&of_a, &mut account.clone(), &zeros, 0), (Heard::Nothing, vec![]));
    let wake = Heard::Wake(Reason::Notified { session_id: 7 });
    assert_eq!(call(&[0; 4], &mut account), (wake, vec![]));
    assert_eq!(account.client_nonce(1, &identity), [0; 4]);
    assert_eq!(account.server_nonces(1, &identity), [[0; 4]]);
    account.issue_server_nonce(1, &identity);
    account.accepted();
    assert!(!account.server_nonces(1, &identity).contains(&vec![0; 4]), "once");
    // Whoever believes the stored nonce is never called under zeros.
    let well = Identity::of_vectors(plain());
    let heard = hear_at(&well, &mut Account::default(), &push(&well, server, &[0; 4], 7), 0);
    assert_eq!(heard, (Heard::Nothing, vec![Rule::NotificationDigest]));
}

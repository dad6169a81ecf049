//! Nonces and tokens: random for whoever has proven itself, derived for whoever has not.
//!
//! An unauthenticated message writes nothing, and a digest does not say which nonce it was made with. So the nonce of a
//! challenge is derived from what any worker knows when the device comes back with it (D5).

use super::vault::Vault;
use crate::rows::DeviceId;
use campaign::time::Instant;
use rand::Rng;
use wire::{
    digest::{Nonce, SecretHash},
    ids::SessionId,
};

/// How long the nonce of a challenge stays the same, in milliseconds. It is accepted for this and the next period.
pub const PERIOD_MS: u64 = 5 * 60 * 1000;

/// A nonce for a device that has proven itself: 16 random octets.
pub fn fresh() -> Nonce {
    nonce(&rand::rng().random())
}

/// What a `RespURI` carries: 16 random octets.
pub fn token() -> [u8; 16] {
    rand::rng().random()
}

/// The nonces under which a device may come back from a challenge in this session.
///
/// The first is the one to give now. Then come that of the last period, and both under the vault's older key (which are
/// the same two again when there is no older one). `auth_count` makes them all worthless after each success.
pub fn challenges(
    vault: &Vault,
    id: &DeviceId,
    session: &SessionId,
    auth_count: u32,
    now: Instant,
) -> [Nonce; 4] {
    let period = now.0 / PERIOD_MS;
    let of = |period: u64| {
        vault.derive(
            "challenge",
            &[
                id.authority.as_bytes(),
                id.device.as_bytes(),
                session.as_str().as_bytes(),
                &period.to_be_bytes(),
                &auth_count.to_be_bytes(),
            ],
        )
    };
    let ([now, now_older], [last, last_older]) = (of(period), of(period.saturating_sub(1)));
    [now, last, now_older, last_older].map(|octets| nonce(&octets))
}

/// The secret of a device that nobody registered: always the same for one name, known to nobody.
pub fn strangers_secret(vault: &Vault, id: &DeviceId) -> SecretHash {
    let [octets, _] = vault.derive("stranger", &[id.authority.as_bytes(), id.device.as_bytes()]);
    SecretHash::from_octets(octets)
}

fn nonce(octets: &[u8; 16]) -> Nonce {
    Nonce::new(octets).expect("16 octets are within the bounds of a nonce")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn given(vault: &Vault, device: &str, session: &str, auth_count: u32, now: u64) -> Vec<u8> {
        let id = DeviceId::new("operator", device);
        let session = SessionId::parse(session).unwrap();
        let [first, ..] = challenges(vault, &id, &session, auth_count, Instant(now));
        first.octets().to_vec()
    }

    #[test]
    fn any_worker_can_rebuild_the_nonce_of_a_challenge_for_two_periods() {
        let vault = Vault::ephemeral();
        let id = DeviceId::new("operator", "IMEI:1");
        let session = SessionId::parse("1A").unwrap();
        let at = |now| challenges(&vault, &id, &session, 3, Instant(now));
        let [first, ..] = at(10 * PERIOD_MS + 1);
        assert_eq!(
            at(11 * PERIOD_MS - 1)[0],
            first,
            "a repeated first message gets the same octets"
        );
        assert!(at(11 * PERIOD_MS).contains(&first));
        assert!(at(12 * PERIOD_MS - 1).contains(&first));
        assert!(!at(12 * PERIOD_MS).contains(&first));
    }

    /// R27: the nonce of one moment, session, device or count of successes is not that of another.
    #[test]
    fn every_part_decides_the_nonce() {
        let vault = Vault::ephemeral();
        let all: HashSet<_> = [
            given(&vault, "IMEI:1", "1A", 0, 0),
            given(&vault, "IMEI:2", "1A", 0, 0),
            given(&vault, "IMEI:1", "1B", 0, 0),
            given(&vault, "IMEI:1", "1A", 1, 0),
            given(&vault, "IMEI:1", "1A", 0, PERIOD_MS),
            given(&vault, "IMEI:11", "A", 0, 0),
            given(&Vault::ephemeral(), "IMEI:1", "1A", 0, 0),
        ]
        .into();
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|nonce| nonce.len() == 16));
    }

    #[test]
    fn random_nonces_and_tokens_do_not_come_twice() {
        let nonces: HashSet<_> = (0..1000).map(|_| fresh().octets().to_vec()).collect();
        let tokens: HashSet<_> = (0..1000).map(|_| token()).collect();
        assert_eq!((nonces.len(), tokens.len()), (1000, 1000));
    }

    #[test]
    fn a_stranger_has_a_secret_of_its_own_that_stays() {
        let vault = Vault::ephemeral();
        let of = |device| *strangers_secret(&vault, &DeviceId::new("operator", device)).octets();
        assert_eq!(of("IMEI:1"), of("IMEI:1"));
        assert_ne!(of("IMEI:1"), of("IMEI:2"));
    }
}

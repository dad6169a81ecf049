//! The digests of OMA DM as the device computes them.
//!
//! Written from the formulas of the protocol and not taken from `wire`, because a device that proves the server with the
//! server's own function proves nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};

fn h(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub(crate) fn base64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// `B64(H(user ":" password))`: all that is ever hashed with a nonce.
pub(crate) fn account(user: &str, password: &str) -> String {
    base64(&h(&[user.as_bytes(), b":", password.as_bytes()]))
}

/// The `Data` of `syncml:auth-md5` credentials: `B64(H(B64(H(user ":" password)) ":" nonce))`.
pub(crate) fn md5_credential(account: &str, nonce: &[u8]) -> String {
    base64(&h(&[account.as_bytes(), b":", nonce]))
}

/// The `Data` of `syncml:auth-basic` credentials: `B64(user ":" password)`.
pub(crate) fn basic_credential(user: &str, password: &str) -> String {
    base64(format!("{user}:{password}").as_bytes())
}

/// `mac` of `x-syncml-hmac`: `B64(H(B64(H(user ":" password)) ":" nonce ":" B64(H(body))))`.
pub(crate) fn hmac(account: &str, nonce: &[u8], body: &[u8]) -> String {
    base64(&h(&[account.as_bytes(), b":", nonce, b":", base64(&h(&[body])).as_bytes()]))
}

/// The first 16 octets of package #0: `H(B64(H(server ":" password)) ":" nonce ":" B64(H(trigger)))`.
pub(crate) fn notification(account: &str, nonce: &[u8], trigger: &[u8]) -> [u8; 16] {
    h(&[account.as_bytes(), b":", nonce, b":", base64(&h(&[trigger])).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values of protocol/security.md, "Worked examples".
    #[test]
    fn the_worked_examples_of_the_protocol_notes_come_out() {
        let client = account("352099001761481", "Kq7-client-secret");
        assert_eq!(client, "8Huv1BVWEcJgPEeIP24PYg==");
        let nonce = from_base64("ABEiM0RVZneImaq7zN3u/w==").unwrap();
        assert_eq!(md5_credential(&client, &nonce), "B5EOa+ulyLBfzbwugVaxzw==");
        assert_eq!(md5_credential(&client, b""), "H9wnE4MkJwCwSkG86Kah+Q==");
        assert_eq!(basic_credential("Bruce2", "OhBehave"), "QnJ1Y2UyOk9oQmVoYXZl");
    }

    // vectors/auth: the digests over the first message of the dialogue.
    #[test]
    fn the_digests_of_messages_of_the_protocol_notes_come_out() {
        let client = account("352099001761481", "Kq7-client-secret");
        let nonce = from_base64("ABEiM0RVZneImaq7zN3u/w==").unwrap();
        let of = |body: &str| base64(&h(&[client.as_bytes(), b":", &nonce, b":", body.as_bytes()]));
        assert_eq!(of("yKWDBx6W/2aPZQ1w3PC4vA=="), "6HBV0iVOmFPiV+Jkxl3RKQ==");
        assert_eq!(of("DNyTzS5bRiLzAvGxVFMNJQ=="), "2qNQeUrd+q/2416YUTmFcA==");
        let body = b"a body";
        assert_eq!(hmac(&client, &nonce, body), of(&base64(&h(&[body]))));
    }

    #[test]
    fn the_notification_digest_of_the_protocol_notes_comes_out() {
        let server = account("dm.operator.example", "Zm4-server-secret");
        let nonce = from_base64("Dx4tPEtaaXiHlqW0w9Lh8A==").unwrap();
        let trigger = [b"\x02\xd8\0\0\0\x01\xa2\x13".as_slice(), b"dm.operator.example"].concat();
        let digest = notification(&server, &nonce, &trigger);
        let wanted = [
            0xf9, 0x17, 0x68, 0xd4, 0x3f, 0x85, 0xea, 0xd5, 0x82, 0x76, 0xd7, 0x1a, 0xf3, 0x9b,
            0x83, 0xc3,
        ];
        assert_eq!(digest, wanted);
    }
}

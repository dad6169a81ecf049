//! Credentials and digests against published and independently computed values (R17, R27).

use crate::vectors::{self, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use wire::{
    digest::{self, Credential, Nonce, SecretHash},
    hmac::{self, Hmac},
    message::{Command, Data},
};

#[test]
fn every_digest_is_what_the_vectors_say() {
    let mut checked = 0;
    for line in vectors::lines("auth/auth.jsonl") {
        let (Some(user), Some(password)) = (line["user"].as_str(), line["password"].as_str())
        else {
            continue;
        };
        let secret = SecretHash::of(user, password);
        if let Some(inner) = line["inner_b64"].as_str() {
            assert_eq!(STANDARD.encode(secret.octets()), inner, "{line}");
        }
        let id = text(&line, "id");
        let nonce = match line["nonce_raw_hex"].as_str() {
            Some(octets) => Nonce::new(&hex::decode(octets).unwrap()).unwrap(),
            // auth-05: the text itself, as some clients use it.
            None => Nonce::new(line["nonce_b64"].as_str().unwrap_or_default().as_bytes()).unwrap(),
        };
        if let Some(expected) = line["mac"].as_str() {
            let name = text(&line, "body_file");
            let body = match name.strip_suffix(" (as octets)") {
                Some(hexadecimal) => vectors::hex(hexadecimal),
                None => vectors::octets(name),
            };
            assert_eq!(STANDARD.encode(digest::mac(&secret, &nonce, &body)), expected, "{id}");
            let header =
                format!("{}: {}", hmac::HEADER, Hmac::of(user, &secret, &nonce, &body).value());
            assert_eq!(header, text(&line, "header"));
        } else if id.contains("basic") {
            let cred = digest::basic_cred(user, password);
            assert_eq!(cred.data, Data::text(text(&line, "cred_data")));
            assert!(Credential::read(&cred).unwrap().proves(&secret, &nonce));
        } else {
            let cred = digest::md5_cred(&secret, &nonce);
            assert_eq!(cred.data, Data::text(text(&line, "cred_data")), "{id}");
            assert!(Credential::read(&cred).unwrap().proves(&secret, &nonce));
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}

#[test]
fn the_header_is_read_in_the_spellings_that_clients_use() {
    let line = vectors::lines("auth/auth.jsonl").pop().unwrap();
    let secret = SecretHash::of("352099001761481", "Kq7-client-secret");
    let nonce = Nonce::new(&hex::decode("00112233445566778899aabbccddeeff").unwrap()).unwrap();
    let body = vectors::hex("syncml/53-hmac-message.ref.hex");
    let headers = |key: &str| -> Vec<String> { serde_json::from_value(line[key].clone()).unwrap() };
    for header in headers("accept") {
        let hmac = Hmac::parse(&header).unwrap();
        assert_eq!(hmac.user, "352099001761481");
        assert!(hmac.proves(&secret, &nonce, &body), "{header}");
    }
    for header in headers("reject") {
        assert!(Hmac::parse(&header).is_err(), "{header}");
    }
}

#[test]
fn the_credentials_in_the_messages_prove_their_secrets() {
    for (id, user, password, nonce) in [
        ("03", "352099001761481", "Kq7-client-secret", "00112233445566778899aabbccddeeff"),
        ("04", "dm.operator.example", "Zm4-server-secret", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("07", "352099001761481", "Kq7-client-secret", ""),
    ] {
        let vector =
            vectors::messages().into_iter().find(|vector| vector.id.starts_with(id)).unwrap();
        let credential = Credential::read(&vector.message().header.cred.unwrap()).unwrap();
        let nonce = Nonce::new(&hex::decode(nonce).unwrap()).unwrap();
        assert!(credential.proves(&SecretHash::of(user, password), &nonce), "{id}");
        assert!(!credential.proves(&SecretHash::of(user, "another"), &nonce), "{id}");
    }
}

/// R27: what a message says of secrets does not reach a log.
#[test]
fn a_printed_message_shows_neither_credentials_nor_nonces_nor_values() {
    for vector in vectors::messages() {
        let message = vector.message();
        let printed = format!("{message:?}");
        for secret in [
            "B5EOa+ulyLBfzbwugVaxzw==",
            "MzUyMDk5MDAxNzYxNDgxOkt",
            "internet.operator.example",
            "AwYAAAB%2f",
        ] {
            assert!(!printed.contains(secret), "{}", vector.id);
        }
        let chal = message.commands.iter().find_map(|command| match command {
            Command::Status(status) => status.chal.clone(),
            _ => None,
        });
        if let Some(nonce) = chal.and_then(|chal| chal.next_nonce) {
            assert!(!printed.contains(nonce.as_str()), "{}", vector.id);
        }
    }
}

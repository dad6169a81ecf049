//! What was sealed opens again, whole, in its own place, under its own key; nothing else does.

use super::*;

fn device() -> DeviceId {
    DeviceId::new("operator", "IMEI:350000000000017")
}

#[test]
fn what_was_sealed_opens_again_and_does_not_show() {
    let vault = Vault::ephemeral();
    let (id, hash) = (device(), SecretHash::of("user", "geheim"));
    let binding = Binding::device(Purpose::DeviceSecret, &id);
    let sealed = vault.seal_hash(&binding, &hash).unwrap();
    assert_eq!(sealed.0.len(), 16 + 18);
    assert!(!sealed.0.windows(16).any(|window| window == hash.octets()));
    assert_eq!(vault.open_hash(&binding, &sealed).unwrap().octets(), hash.octets());
    assert_eq!(vault.seal_hash(&binding, &hash).unwrap(), sealed, "of one device the same");
    let (other, campaign) = (DeviceId::new("operator", "IMEI:2"), Purpose::Campaign);
    let elsewhere =
        vault.seal_hash(&Binding::device(Purpose::DeviceSecret, &other), &hash).unwrap();
    assert_ne!(elsewhere.0[2..18], sealed.0[2..18], "of two devices never");
    let documents = [(); 2].map(|()| vault.seal(&Binding::device(campaign, &id), b"x").unwrap());
    assert_eq!(documents[0].0.len(), 1 + 30);
    assert_ne!(documents[0], documents[1], "no two documents are alike");
    assert_eq!(format!("{vault:?}"), "Vault { keys: 1 }");
}

#[test]
fn a_blob_with_any_octet_changed_does_not_open() {
    let vault = Vault::ephemeral();
    let id = device();
    let binding = Binding::device(Purpose::DeviceSecret, &id);
    let sealed = vault.seal(&binding, b"geheim").unwrap();
    for place in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[place] ^= 1;
        assert!(vault.open(&binding, &changed).is_err(), "octet {place}");
    }
    for length in 0..sealed.0.len() {
        assert!(
            vault.open(&binding, &Sealed(sealed.0[..length].to_vec())).is_err(),
            "{length} octets"
        );
    }
}

#[test]
fn a_blob_opens_only_where_it_belongs() {
    let vault = Vault::ephemeral();
    let at = |purpose, authority, name| Binding { purpose, authority, name };
    let sealed = vault.seal(&at(Purpose::DeviceSecret, "a", "bc"), b"geheim").unwrap();
    for elsewhere in [
        at(Purpose::ServerSecret, "a", "bc"),
        at(Purpose::DeviceSecret, "ab", "c"),
        at(Purpose::DeviceSecret, "a", "b"),
    ] {
        assert_eq!(vault.open(&elsewhere, &sealed), Err(SealError::NotOpened));
    }
}

#[test]
fn a_secret_that_was_sealed_with_its_nonce_still_opens() {
    let (vault, id) = (Vault::of(vec![(1, [1; 32])]), device());
    let binding = Binding::device(Purpose::DeviceSecret, &id);
    let mut body = b"geheim".to_vec();
    let nonce = vault.keys[0]
        .seal
        .seal_in_place_append_tag(Aad::from(binding.octets(RANDOM)), &mut body)
        .unwrap();
    let sealed = Sealed([&[RANDOM, 1], nonce.as_ref().as_slice(), &body].concat());
    assert_eq!(vault.open(&binding, &sealed).unwrap(), b"geheim");
}

#[test]
fn a_rotated_vault_opens_what_the_old_key_sealed_and_seals_with_the_new() {
    let id = device();
    let binding = Binding::device(Purpose::DeviceSecret, &id);
    let old = Vault::of(vec![(1, [1; 32])]);
    let rotated = Vault::of(vec![(2, [2; 32]), (1, [1; 32])]);
    let sealed = old.seal(&binding, b"geheim").unwrap();
    assert_eq!(rotated.open(&binding, &sealed).unwrap(), b"geheim");
    assert!(old.is_current(&sealed) && !rotated.is_current(&sealed));
    let anew = rotated.seal(&binding, b"geheim").unwrap();
    assert!(rotated.is_current(&anew));
    assert_eq!(old.open(&binding, &anew), Err(SealError::NoKey(2)));
}

#[test]
fn a_node_makes_its_key_once_and_refuses_data_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let text = format!("[store]\nkind = \"embedded\"\npath = \"{}\"\n", path.display());
    let config = Config::read("", &text, &[]).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join(".vault-0badc0de"), "").unwrap();
    Vault::at_start(&config).unwrap();
    std::fs::write(path.join("journal"), "x").unwrap();
    Vault::at_start(&config).unwrap();
    std::fs::remove_file(path.join("vault.key")).unwrap();
    assert!(matches!(Vault::at_start(&config), Err(KeyFileError::Gone { .. })));
}

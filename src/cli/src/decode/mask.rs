//! Takes out of a message what must not be seen over a shoulder or in a log: credentials, nonces, and the values of
//! nodes that are named like secrets.

use super::tree;
use base64::{Engine, engine::general_purpose::STANDARD};
use wire::{
    digest,
    message::{Command, Cred, Data, Item, Message},
    meta::{Format, Meta},
};

/// What stands where a secret stood.
pub(super) const HIDDEN: &str = "(hidden)";

/// Parts of node names that announce a secret, in lower case.
const TELLING: [&str; 8] = [
    "secret",
    "passw",
    "passphrase",
    "psk",
    "presharedkey",
    "privatekey",
    "keymaterial",
    "credential",
];

/// Whole node names that hold a secret, in lower case: nonces and passwords of management objects, the mail and MMS trees of
/// phones, and Windows profiles, which carry keys somewhere inside.
const NAMES: [&str; 10] = [
    "aauthdata",
    "pw",
    "pwd",
    "pin",
    "sauthpw",
    "pxauthpw",
    "newpinvalue",
    "wlanxml",
    "profilexml",
    "eapconfiguration",
];

/// Opens nested documents, and hides secrets unless they are asked for.
pub(super) fn prepare(message: &mut Message, show_secrets: bool) {
    if let Some(cred) = &mut message.header.cred {
        self::cred(cred, show_secrets);
    }
    for one in &mut message.commands {
        command(one, show_secrets);
    }
}

fn command(command: &mut Command, show: bool) {
    match command {
        Command::Add(edit)
        | Command::Replace(edit)
        | Command::Delete(edit)
        | Command::Copy(edit)
        | Command::Get(edit) => {
            items(&mut edit.items, &edit.meta, None, show);
        }
        Command::Exec(exec) => items(&mut exec.items, &exec.meta, None, show),
        Command::Alert(alert) => items(&mut alert.items, &Meta::default(), None, show),
        Command::Atomic(block) | Command::Sequence(block) => {
            block.commands.iter_mut().for_each(|one| self::command(one, show));
        }
        Command::Status(status) => {
            if let Some(cred) = &mut status.cred {
                self::cred(cred, show);
            }
            if let Some(chal) = &mut status.chal {
                nonce(chal, show);
            }
            let about = status.target_refs.first().or_else(|| status.source_refs.first()).cloned();
            items(&mut status.items, &Meta::default(), about.as_deref(), show);
            if status.cmd == "Alert" && !show {
                typed(&mut status.items);
            }
        }
        Command::Results(results) => {
            let about = results.source_ref.clone().or_else(|| results.target_ref.clone());
            items(&mut results.items, &results.meta, about.as_deref(), show);
        }
        Command::Unknown(_) => {}
    }
}

fn cred(cred: &mut Cred, show: bool) {
    nonce(&mut cred.meta, show);
    if !show {
        cred.data = Data::text(match user(cred) {
            Some(user) => format!("user {user}, password {HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
    }
}

/// Who a Basic credential speaks for.
fn user(cred: &Cred) -> Option<String> {
    let kind = cred.meta.media_type.as_deref().unwrap_or(digest::BASIC);
    if !kind.trim().eq_ignore_ascii_case(digest::BASIC) {
        return None;
    }
    let octets = STANDARD.decode(cred.data.as_text()?.trim()).ok()?;
    let text = String::from_utf8(octets).ok()?;
    text.split_once(':').map(|(user, _)| user.to_owned())
}

fn nonce(meta: &mut Meta, show: bool) {
    if let Some(nonce) = &mut meta.next_nonce
        && !show
    {
        *nonce = HIDDEN.into();
    }
}

/// `outer` is what the command says of all its items, `about` the address of those that have none.
fn items(items: &mut [Item], outer: &Meta, about: Option<&str>, show: bool) {
    for item in items {
        tree::open(item);
        nonce(&mut item.meta, show);
        if show {
            continue;
        }
        let own =
            item.target.as_ref().or(item.source.as_ref()).map(|address| address.loc_uri.as_str());
        let format = item.meta.format.as_ref().or(outer.format.as_ref());
        let secret = own.or(about).is_some_and(|uri| is_secret(uri, format));
        match &mut item.data {
            Some(data) if secret => *data = Data::text(HIDDEN),
            Some(Data::Elements(elements)) => {
                for element in elements {
                    tree::mask(element, &is_secret, HIDDEN);
                }
            }
            Some(Data::Text(_) | Data::Opaque(_)) | None => {}
        }
    }
}

/// What a user typed may be a PIN; the number of a choice is not.
fn typed(items: &mut [Item]) {
    for data in items.iter_mut().filter_map(|item| item.data.as_mut()) {
        let is_choice = data
            .as_text()
            .is_some_and(|text| text.len() <= 2 && text.bytes().all(|c| c.is_ascii_digit()));
        if !is_choice {
            *data = Data::text(HIDDEN);
        }
    }
}

/// Whether the value of the node is a secret, judged by the last segment of its address.
///
/// A number or a yes beside a telling name is a policy about secrets (`MinDevicePasswordLength`) and none itself.
pub(super) fn is_secret(uri: &str, format: Option<&Format>) -> bool {
    let node = uri.split_once('?').map_or(uri, |(node, _)| node);
    let name = node.rsplit('/').next().unwrap_or(node).to_ascii_lowercase();
    let policy = matches!(format, Some(Format::Int | Format::Bool | Format::Node));
    NAMES.contains(&name.as_str())
        || name.ends_with("-pw")
        || !policy && TELLING.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_the_name_of_its_node() {
        for uri in [
            "./DMAcc/X/AppAuth/1/AAuthSecret",
            "./SyncML/DMAcc/X/AppAuth/1/AAuthData",
            "./Email/1/PW",
            "./WiFi/1/WPA-PSK",
            "Password",
            "PXAUTH-PW",
        ] {
            assert!(is_secret(uri, None), "{uri}");
        }
        for uri in
            ["./DevInfo/DevId", "./Secrets/Name", "./AP/1/Addr?prop=ACL", "./Email/1/Pwn", "."]
        {
            assert!(!is_secret(uri, None), "{uri}");
        }
        assert!(!is_secret("./Policy/MinDevicePasswordLength", Some(&Format::Int)));
        assert!(is_secret("./Lock/PIN", Some(&Format::Int)));
    }
}

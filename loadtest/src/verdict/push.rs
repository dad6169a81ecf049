//! A notification, octet by octet as the layout of the protocol notes has it (notification.md sections 1 and 2).

use super::{Finding, Rule};
use crate::{digest, identity::Identity};

/// What a device takes from a push message whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bell<'a> {
    pub(crate) session_id: u16,
    /// Package #0 as it came, without the push around it.
    pub(crate) package: &'a [u8],
    /// 0 not specified, 1 background, 2 informative, 3 user interaction.
    pub(crate) ui: u8,
    server: &'a [u8],
    digest: &'a [u8],
    trigger: &'a [u8],
}

impl<'a> Bell<'a> {
    /// Reads a push message; what is wrong with its form is the error.
    pub(crate) fn read(push: &'a [u8]) -> Result<Self, Finding> {
        let wrong = |detail: &str| Err(Finding::new(Rule::PushMalformed, detail));
        let Some((_transaction, rest)) = push.split_first() else { return wrong("It is empty.") };
        let Some(rest) = rest.strip_prefix(b"\x06") else { return wrong("It is not a Push.") };
        // Three octets of headers: the content type, and the application id, as short integers. Both may not be text.
        let Some(package) = rest.strip_prefix(b"\x03\xC4\xAF\x87") else {
            return wrong(
                "Its headers are not those of application/vnd.syncml.notification for syncml.dm.",
            );
        };
        Self::of_package(package)
    }

    fn of_package(package: &'a [u8]) -> Result<Self, Finding> {
        let wrong = |detail: String| Err(Finding::new(Rule::NotificationMalformed, detail));
        let Some((digest, trigger)) = package.split_at_checked(16) else {
            return wrong("It is too short for a digest.".to_owned());
        };
        let Some((header, body)) = trigger.split_first_chunk::<8>() else {
            return wrong("It is too short for a header.".to_owned());
        };
        let bits = u64::from_be_bytes(*header);
        let (version, ui, future) = (bits >> 54, bits >> 52 & 3, bits >> 24 & 0x7FF_FFFF);
        let session_id = u16::try_from(bits >> 8 & 0xFFFF).unwrap_or_default();
        let length = usize::try_from(bits & 0xFF).unwrap_or_default();
        if version != 11 {
            return wrong(format!("Its version field is {version}; clients take only 11."));
        }
        if future != 0 {
            return wrong("The bits for future use are not 0.".to_owned());
        }
        if session_id == 0 {
            return wrong("Its session id is 0.".to_owned());
        }
        if !(1..=23).contains(&length) {
            return wrong(format!("Its server id has {length} octets; clients take 1 to 23."));
        }
        let Some((server, _vendor)) = body.split_at_checked(length) else {
            return wrong("It is shorter than its server id.".to_owned());
        };
        Ok(Self {
            session_id,
            package,
            ui: u8::try_from(ui).unwrap_or_default(),
            server,
            digest,
            trigger,
        })
    }

    /// Whether it is of the server that this device knows.
    pub(crate) fn is_from(&self, identity: &Identity) -> bool {
        self.server == identity.server_user.as_bytes()
    }

    /// Whether its digest was made with this nonce.
    pub(crate) fn proves(&self, identity: &Identity, nonce: &[u8]) -> bool {
        digest::notification(identity.server_account(), nonce, self.trigger) == *self.digest
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::faults::Mix;

    /// A push message as the notes lay it out, for tests.
    pub(crate) fn push(
        identity: &Identity,
        server: &str,
        nonce: &[u8],
        session_id: u16,
    ) -> Vec<u8> {
        let header =
            11_u64 << 54 | 1 << 52 | 1 << 51 | u64::from(session_id) << 8 | server.len() as u64;
        let trigger = [header.to_be_bytes().as_slice(), server.as_bytes()].concat();
        let digest = digest::notification(identity.server_account(), nonce, &trigger);
        [b"\x01\x06\x03\xC4\xAF\x87".as_slice(), &digest, &trigger].concat()
    }

    fn refused(push: &[u8]) -> Rule {
        Bell::read(push).unwrap_err().rule
    }

    // ntf-02 of the notification vectors: server initiated, in the background, session 0x01A2.
    #[test]
    fn a_published_push_is_read_and_proven() {
        let vectors = include_str!("../../../src/wire/tests/vectors/notify/notification.jsonl");
        let vector: serde_json::Value = vectors
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .find(|v: &serde_json::Value| v["id"] == "ntf-02-server-initiated")
            .unwrap();
        let hex = vector["wsp_push_hex"].as_str().unwrap();
        let octets: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        let bell = Bell::read(&octets).unwrap();
        assert_eq!((bell.session_id, bell.ui), (0x01A2, 1));
        assert_eq!(bell.server, b"dm.operator.example");
        let account = digest::account("dm.operator.example", "Zm4-server-secret");
        let nonce = digest::from_base64(vector["nonce_b64"].as_str().unwrap()).unwrap();
        assert_eq!(digest::notification(&account, &nonce, bell.trigger), bell.digest);
    }

    #[test]
    fn each_fault_in_a_notification_is_noticed() {
        let identity = Identity::of(1, 1, &Mix::healthy(), "dm.example");
        let good = push(&identity, "dm.example", &identity.first_server_nonce, 7);
        let bell = Bell::read(&good).unwrap();
        assert!(bell.is_from(&identity) && bell.proves(&identity, &identity.first_server_nonce));
        assert!(!bell.proves(&identity, b"another nonce"));

        let spoil = |at: usize, with: u8| {
            let mut push = good.clone();
            push[at] = with;
            push
        };
        assert_eq!(refused(&[]), Rule::PushMalformed);
        assert_eq!(refused(&spoil(1, 7)), Rule::PushMalformed);
        assert_eq!(refused(&spoil(5, 0x85)), Rule::PushMalformed);
        assert_eq!(refused(&spoil(22, 0x03)), Rule::NotificationMalformed, "version");
        assert_eq!(refused(&spoil(26, 1)), Rule::NotificationMalformed, "future use");
        assert_eq!(refused(&spoil(28, 0)), Rule::NotificationMalformed, "session id 0");
        assert_eq!(
            refused(&spoil(29, 200)),
            Rule::NotificationMalformed,
            "length of the server id"
        );
        assert_eq!(refused(&good[..good.len() - 1]), Rule::NotificationMalformed);
        assert_eq!(refused(&good[..20]), Rule::NotificationMalformed);
        let other = push(&identity, "dm.elsewhere", &identity.first_server_nonce, 7);
        assert!(!Bell::read(&other).unwrap().is_from(&identity));
    }
}

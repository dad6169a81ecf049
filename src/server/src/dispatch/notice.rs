//! The push that a device is sent: package #0 in its WSP headers, the same octets each time it is repeated (D4).

use crate::{
    account, campaigns::live::LiveCampaign, engine::Engine, metrics::labels::NotSent, resync,
    turn::Turn,
};
use campaign::document;
use wire::notification::{Notification, NotificationError, UiMode};

/// Why no notification can be made for a device.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the server's credentials for the device cannot be opened")]
    Account(#[source] account::AccountError),
    #[error("the notification cannot be written")]
    Write(#[source] NotificationError),
}

impl Unfit {
    pub(super) fn reason(&self) -> NotSent {
        match self {
            Self::Account(_) => NotSent::Credentials,
            Self::Write(_) => NotSent::Unwritable,
        }
    }
}

/// The octets for a device; `under_zeros`: it is called under the nonce that everybody knows.
pub(super) fn prepare(
    engine: &Engine,
    turn: &Turn,
    live: &LiveCampaign,
    under_zeros: bool,
) -> Result<Vec<u8>, Unfit> {
    let id = turn.id();
    let device = &turn.device;
    let server_id = engine
        .config
        .authority(&id.authority)
        .map(|authority| authority.server_id.clone())
        .unwrap_or_default();
    let (secret, nonce) =
        account::notification(&engine.vault, id, device, &server_id).map_err(Unfit::Account)?;
    let nonce = if under_zeros { resync::zeros() } else { nonce };
    let ui = match live.campaign.deliver().ui {
        document::Ui::NotSpecified => UiMode::NotSpecified,
        document::Ui::Background => UiMode::Background,
        document::Ui::Informative => UiMode::Informative,
        document::Ui::Interactive => UiMode::Interactive,
    };
    let notification = Notification::new(server_id, device.next_sid, ui);
    let package0 = notification.seal(&secret, &nonce).map_err(Unfit::Write)?;
    // The transaction id derives from the session id, so that a repeat is the same octets (D4).
    let [_, tid] = device.next_sid.to_be_bytes();
    Ok(wire::wap_push::push(tid, &package0))
}

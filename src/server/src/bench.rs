//! Parts of the engine by themselves, for the benches; nothing else uses them.

use crate::{
    config::Smpp,
    dispatch::Pass,
    notify::{
        self,
        smpp::{Notice, SmppRoute},
    },
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The sender of an `smpp` route, without a campaign, limits or a store.
#[derive(Debug)]
pub struct SmppSender {
    route: SmppRoute,
    stop: CancellationToken,
}

impl SmppSender {
    /// Begins to bind. Receipts are refused: there is nobody to read them.
    pub fn start(route: &Smpp) -> Result<Self, impl std::error::Error + use<>> {
        let stop = CancellationToken::new();
        notify::start_smpp(route, &stop).map(|(route, _receipts)| Self { route, stop })
    }

    /// Whether a bind is up.
    pub fn is_up(&self) -> bool {
        self.route.is_up()
    }

    /// Sends a push to a number, digits without a plus; the ids of its messages when all of them were taken.
    pub async fn send(
        &self,
        number: &str,
        push: &[u8],
        reference: u16,
    ) -> Result<Vec<String>, impl std::error::Error + use<>> {
        let validity = Duration::from_mins(10);
        let notice = Notice { number, push, reference, validity, urgent: false };
        self.route.send(&notice, &Pass::Free).await
    }
}

impl Drop for SmppSender {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

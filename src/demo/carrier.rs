//! What carries the notifications of a demo to the devices.

use loadtest::{
    Fleet, GatewayPlan, PushGateway, Smsc, SmscPlan, carrier::PerSecond, fleet::Breaches,
};
use std::{io, net::SocketAddr};

/// How devices are notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Route {
    Udp,
    Smpp,
    Pap,
}

/// Notifications a second straight to addresses: more than two cores work off.
const DATAGRAMS: u32 = 20_000;
/// Messages a second, as a contract may say.
const MESSAGES: u32 = 2_000;

/// A carrier at work.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// The network of this machine.
    Air,
    Smsc(Smsc),
    Gateway(PushGateway),
}

/// What a carrier has seen, and the limit that it was promised.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) limit: u32,
    pub(crate) messages: u64,
    pub(crate) delivered: u64,
    /// Those that the server has heard.
    pub(crate) receipts: u64,
    pub(crate) per_second: PerSecond,
    pub(crate) breaches: Breaches,
}

impl Carrier {
    pub(crate) async fn start(route: Route) -> io::Result<Self> {
        match route {
            Route::Udp => Ok(Self::Air),
            Route::Smpp => Smsc::start(SmscPlan::default()).await.map(Self::Smsc),
            Route::Pap => PushGateway::start(GatewayPlan::default()).await.map(Self::Gateway),
        }
    }

    /// The route of the server's settings.
    pub(crate) fn settings(&self) -> String {
        match self {
            Self::Air => {
                format!("[[route]]\nkind = \"udp\"\nname = \"udp\"\nper_second = {DATAGRAMS}\n")
            }
            Self::Smsc(smsc) => {
                let SmscPlan { system_id, password, .. } = SmscPlan::default();
                let address = smsc.address();
                format!(
                    "[[route]]\nkind = \"smpp\"\nname = \"smsc\"\nhosts = [\"{address}\"]\nsystem_id = \"{system_id}\"\n\
                     password = \"{password}\"\nsource = \"DMSRV\"\nper_second = {MESSAGES}\nbinds = 2\nwindow = 50\n"
                )
            }
            Self::Gateway(gateway) => format!(
                "[[route]]\nkind = \"pap\"\nname = \"ppg\"\nurls = [\"{}\"]\nreceipts_token = \"known-to-the-demo\"\n\
                 per_second = {MESSAGES}\nconnections = 32\n",
                gateway.url()
            ),
        }
    }

    /// From now on it reaches these devices; what became of messages is posted to `fronts`.
    pub(crate) fn serve(&self, fleet: &Fleet, fronts: Vec<SocketAddr>) {
        match self {
            Self::Air => {}
            Self::Smsc(smsc) => smsc.serve(fleet.ears()),
            Self::Gateway(gateway) => {
                gateway.serve(fleet.ears());
                gateway.post_to(fronts);
            }
        }
    }

    /// Ends it; tells what it has seen.
    pub(crate) async fn stop(self) -> Option<Carried> {
        match self {
            Self::Air => None,
            Self::Smsc(smsc) => {
                let report = smsc.stop().await;
                Some(Carried {
                    limit: MESSAGES,
                    messages: report.submitted,
                    delivered: report.delivered,
                    receipts: report.receipts,
                    per_second: report.per_second,
                    breaches: report.breaches,
                })
            }
            Self::Gateway(gateway) => {
                let report = gateway.stop().await;
                Some(Carried {
                    limit: MESSAGES,
                    messages: report.pushes,
                    delivered: report.delivered,
                    receipts: report.results,
                    per_second: report.per_second,
                    breaches: report.breaches,
                })
            }
        }
    }
}

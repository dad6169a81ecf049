//! What carries the notifications of a demo to the devices.

use loadtest::{Fleet, Smsc, SmscPlan, SmscReport};

/// How devices are notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Route {
    Udp,
    Smpp,
}

/// Notifications a second straight to addresses: more than two cores work off.
const DATAGRAMS: u32 = 20_000;
/// Short messages a second, as a contract may say.
const MESSAGES: u32 = 2_000;

/// A carrier at work.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// The network of this machine.
    Air,
    Smsc(Smsc),
}

/// What a carrier has seen, and the limit that it was promised.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) limit: u32,
    pub(crate) report: SmscReport,
}

impl Carrier {
    pub(crate) async fn start(route: Route) -> std::io::Result<Self> {
        match route {
            Route::Udp => Ok(Self::Air),
            Route::Smpp => Smsc::start(SmscPlan::default()).await.map(Self::Smsc),
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
        }
    }

    /// From now on it reaches these devices.
    pub(crate) fn serve(&self, fleet: &Fleet) {
        match self {
            Self::Air => {}
            Self::Smsc(smsc) => smsc.serve(fleet.ears()),
        }
    }

    /// Ends it; tells what it has seen.
    pub(crate) async fn stop(self) -> Option<Carried> {
        match self {
            Self::Air => None,
            Self::Smsc(smsc) => Some(Carried { limit: MESSAGES, report: smsc.stop().await }),
        }
    }
}

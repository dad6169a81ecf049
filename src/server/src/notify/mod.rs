//! Ways to carry a notification to a device.

pub(crate) mod smpp;
pub(crate) mod udp;

use crate::config::Route;
use std::collections::BTreeMap;

/// The routes of this process, by name.
#[derive(Debug)]
pub(crate) struct Routes(BTreeMap<String, udp::UdpRoute>);

impl Routes {
    /// Opens what the configured routes need.
    pub(crate) async fn open(routes: &[Route]) -> std::io::Result<Self> {
        let mut open = BTreeMap::new();
        for Route::Udp { name, bind, port, .. } in routes {
            open.insert(name.clone(), udp::UdpRoute::bind(*bind, *port).await?);
        }
        Ok(Self(open))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&udp::UdpRoute> {
        self.0.get(name)
    }
}

//! What is known of a device, as expressions and templates see it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The fields of one device. A text that is not known is empty.
///
/// `Debug` shows neither values nor the device: attributes may hold subscriber numbers and secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    pub device: String,
    pub manufacturer: String,
    pub model: String,
    pub firmware: String,
    pub dm_version: String,
    pub time_zone: String,
    pub attributes: BTreeMap<String, String>,
    pub groups: Vec<String>,
    /// Values read in earlier sessions, by canonical URI.
    pub settings: BTreeMap<String, String>,
}

impl Fields {
    /// The fields that are one text each, by the names that documents use.
    pub const TEXTS: [&'static str; 6] =
        ["device", "manufacturer", "model", "firmware", "dm_version", "time_zone"];

    /// A made-up device that has everything named, so that what fails for it fails for all.
    pub(crate) fn sample(
        attributes: impl Iterator<Item = String>,
        settings: impl Iterator<Item = String>,
    ) -> Self {
        let one = || "1".to_owned();
        Self {
            device: one(),
            manufacturer: one(),
            model: one(),
            firmware: one(),
            dm_version: one(),
            time_zone: one(),
            attributes: attributes.map(|name| (name, one())).collect(),
            groups: vec![one()],
            settings: settings.map(|uri| (uri, one())).collect(),
        }
    }

    /// One of [`Self::TEXTS`]; empty when the device did not say.
    pub fn text(&self, name: &str) -> Option<&str> {
        Some(match name {
            "device" => &self.device,
            "manufacturer" => &self.manufacturer,
            "model" => &self.model,
            "firmware" => &self.firmware,
            "dm_version" => &self.dm_version,
            "time_zone" => &self.time_zone,
            _ => return None,
        })
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("manufacturer", &self.manufacturer)
            .field("model", &self.model)
            .field("firmware", &self.firmware)
            .field("dm_version", &self.dm_version)
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .field("groups", &self.groups.len())
            .field("settings", &self.settings.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_a_device_shows_no_values_of_its_subscriber() {
        let mut fields = Fields { device: "IMEI:350000000000017".into(), ..Fields::default() };
        fields.attributes.insert("msisdn".into(), "447700900123".into());
        let shown = format!("{fields:?}");
        assert!(
            shown.contains("msisdn")
                && !shown.contains("447700900123")
                && !shown.contains("350000000000017"),
            "{shown}"
        );
    }

    #[test]
    fn every_text_field_has_its_name() {
        for name in Fields::TEXTS {
            assert_eq!(Fields::default().text(name), Some(""));
        }
        assert_eq!(Fields::default().text("attributes"), None);
    }
}

//! The trees that models come with.

use crate::{
    faults::{Kind, Model},
    identity::Identity,
};
use wire::meta::Format;

/// What may be done with a node besides reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Built in and fixed.
    ReadOnly,
    /// Built in; its value may be replaced, it cannot be deleted.
    Permanent,
    /// May be replaced and deleted; below an interior one, nodes may be added.
    Open,
    /// As `Open`, but a write is only accepted (202) and takes effect later.
    Deferred,
    /// May be executed.
    Executable,
    /// May be executed, which takes its time: the device reports how it went.
    Lasting,
}

/// A node of the tree that a model came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Without `./` in front.
    pub(super) path: &'static str,
    pub(super) format: Form,
    pub(super) access: Access,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Node,
    Chr,
    Int,
    Bool,
    B64,
    Xml,
}

/// Where the first value of a node comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    None,
    Text(&'static str),
    /// The first where the device is as the sample campaign wants it, else the second.
    Wanted(&'static str, &'static str),
    /// An integer that the sample campaign wants, in the spelling of this device.
    WantedInt(u32, u32),
    /// A text of so many octets.
    Long(usize),
    Device,
    Manufacturer,
    Model,
    DmVersion,
    Language,
    Firmware,
    Msisdn,
    Plan,
    /// Whether it says that it takes large objects.
    LargeObjects,
}

const fn interior(path: &'static str, access: Access) -> Row {
    Row { path, format: Form::Node, access, value: Value::None }
}

const fn leaf(path: &'static str, format: Form, access: Access, value: Value) -> Row {
    Row { path, format, access, value }
}

/// The tree of every model, interior nodes before what is below them.
pub(super) const ROWS: &[Row] = &[
    interior("DevInfo", Access::ReadOnly),
    leaf("DevInfo/DevId", Form::Chr, Access::ReadOnly, Value::Device),
    leaf("DevInfo/Man", Form::Chr, Access::ReadOnly, Value::Manufacturer),
    leaf("DevInfo/Mod", Form::Chr, Access::ReadOnly, Value::Model),
    leaf("DevInfo/DmV", Form::Chr, Access::ReadOnly, Value::DmVersion),
    leaf("DevInfo/Lang", Form::Chr, Access::Permanent, Value::Language),
    interior("DevDetail", Access::ReadOnly),
    leaf("DevDetail/DevTyp", Form::Chr, Access::ReadOnly, Value::Text("Phone")),
    leaf("DevDetail/OEM", Form::Chr, Access::ReadOnly, Value::Text("Acme Mobile & Sons")),
    leaf("DevDetail/FwV", Form::Chr, Access::ReadOnly, Value::Firmware),
    leaf("DevDetail/SwV", Form::Chr, Access::ReadOnly, Value::Text("12.0")),
    leaf("DevDetail/LrgObj", Form::Bool, Access::ReadOnly, Value::LargeObjects),
    leaf("DevDetail/Cert", Form::B64, Access::ReadOnly, Value::Text("MAkwBwIBAAIBAQ==")),
    interior("AP", Access::Permanent),
    interior("AP/WAP", Access::Open),
    leaf("AP/WAP/Addr", Form::Chr, Access::Open, Value::Text("192.0.2.10")),
    leaf("AP/WAP/Port", Form::Int, Access::Open, Value::Text("9201")),
    interior("AP/GW", Access::Open),
    leaf("AP/GW/Addr", Form::Chr, Access::Open, Value::Wanted("10.20.0.1", "10.0.0.1")),
    interior("AP/MMS", Access::Open),
    leaf(
        "AP/MMS/Addr",
        Form::Chr,
        Access::Open,
        Value::Wanted("mms.operator.example", "mms-old.operator.example"),
    ),
    interior("ConnMO", Access::Permanent),
    interior("ConnMO/QoS", Access::Permanent),
    leaf("ConnMO/QoS/MaxDownlink", Form::Int, Access::Open, Value::WantedInt(50_000, 20_000)),
    leaf("ConnMO/QoS/Plan", Form::Chr, Access::Open, Value::Plan),
    interior("Bookmarks", Access::Open),
    interior("Bookmarks/Home", Access::Open),
    leaf("Bookmarks/Home/Name", Form::Chr, Access::Open, Value::Text("Überall <Start>")),
    leaf(
        "Bookmarks/Home/Addr",
        Form::Chr,
        Access::Open,
        Value::Text("http://wap.operator.example/?a=1&b=2"),
    ),
    interior("User", Access::Permanent),
    leaf("User/Ringtone", Form::Chr, Access::Open, Value::Text("bells")),
    leaf("User/Number", Form::Chr, Access::ReadOnly, Value::Msisdn),
    interior("Op", Access::ReadOnly),
    leaf("Op/Restart", Form::Chr, Access::Executable, Value::Text("")),
    leaf("Op/Update", Form::Chr, Access::Lasting, Value::Text("")),
];

/// What only some models have.
const RV200_ROWS: &[Row] =
    &[leaf("ConnMO/QoS/Boost", Form::Bool, Access::Open, Value::Text("False"))];
const LEGACY_ROWS: &[Row] = &[
    interior("Vendor", Access::Permanent),
    interior("Vendor/Acme", Access::Open),
    leaf("Vendor/Acme/Bandwidth", Form::Chr, Access::Open, Value::Wanted("high", "low")),
];

const LAPTOP_ROWS: &[Row] = &[
    interior("Vendor", Access::Permanent),
    interior("Vendor/MSFT", Access::Permanent),
    interior("Vendor/MSFT/Policy", Access::Permanent),
    leaf("Vendor/MSFT/Policy/AllowCamera", Form::Int, Access::Open, Value::Text("1")),
    leaf("Vendor/MSFT/Policy/Telemetry", Form::Bool, Access::Open, Value::Text("true")),
    leaf(
        "Vendor/MSFT/Policy/Rules",
        Form::Xml,
        Access::Open,
        Value::Text("<rules>\n<r n=\"1\"/>\n</rules>"),
    ),
    leaf("Vendor/MSFT/Policy/Slow", Form::Chr, Access::Deferred, Value::Text("before")),
    leaf("Vendor/MSFT/Certificate", Form::B64, Access::ReadOnly, Value::Text("MAkwBwIBAAIBAQ==")),
    leaf("Vendor/MSFT/Report", Form::Chr, Access::ReadOnly, Value::Long(16_384)),
    interior("Vendor/MSFT/DMClient", Access::ReadOnly),
    leaf(Row::UNENROLL, Form::Chr, Access::Executable, Value::Text("")),
];

/// What this model has beyond [`ROWS`].
pub(super) fn more_rows(model: Model) -> &'static [Row] {
    match model {
        Model::Rv100 => &[],
        Model::Rv200 => RV200_ROWS,
        Model::Legacy7 => LEGACY_ROWS,
        Model::Laptop => LAPTOP_ROWS,
    }
}

impl Row {
    /// Executing it ends the account: no status follows.
    pub(super) const UNENROLL: &'static str = "Vendor/MSFT/DMClient/Unenroll";

    /// What the node holds in a device that nobody has changed.
    pub(super) fn first_value(&self, identity: &Identity) -> String {
        let Kind { as_wanted, model, .. } = identity.kind;
        match self.value {
            Value::None => String::new(),
            Value::Text(text) => text.to_owned(),
            Value::Wanted(wanted, other) => if as_wanted { wanted } else { other }.to_owned(),
            // The same number in another spelling is still the same number.
            Value::WantedInt(wanted, _) if as_wanted && identity.index.is_multiple_of(4) => {
                format!("0{wanted}")
            }
            Value::WantedInt(wanted, other) => if as_wanted { wanted } else { other }.to_string(),
            Value::Long(octets) => "0123456789abcdef".repeat(octets / 16),
            Value::Device => identity.device.clone(),
            Value::Manufacturer => identity.manufacturer().to_owned(),
            Value::Model => model.name().to_owned(),
            Value::DmVersion => identity.dm_version().to_owned(),
            Value::Language => identity.language.to_owned(),
            Value::Firmware => identity.firmware.to_owned(),
            Value::Msisdn => identity.msisdn.clone(),
            Value::Plan => identity.plan.to_owned(),
            Value::LargeObjects => identity.takes_large_objects().to_string(),
        }
    }
}

impl Form {
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Node => Format::Node,
            Self::Chr => Format::Chr,
            Self::Int => Format::Int,
            Self::Bool => Format::Bool,
            Self::B64 => Format::B64,
            Self::Xml => Format::Xml,
        }
    }
}

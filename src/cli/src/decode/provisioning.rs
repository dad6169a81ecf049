//! Provisioning documents: characteristics in each other, a parameter a line.

use super::{
    layer::{Layer, Look, Packet, encoding_name},
    mask::{self, HIDDEN},
    words,
};
use serde_json::{Value, json};
use std::fmt::Write;
use wire::{
    Encoding,
    bootstrap::{Characteristic, Provisioning},
};

pub(super) fn layer(
    mut document: Provisioning,
    encoding: Encoding,
    octets: usize,
    look: Look<'_>,
) -> Packet {
    if !look.show_secrets {
        document.characteristics.iter_mut().for_each(hide);
    }
    let title = format!(
        "provisioning document (OMA CP), {}, {}",
        encoding_name(encoding),
        words::count(octets, "octet")
    );
    let mut lines = String::new();
    document.characteristics.iter().for_each(|one| write(one, 0, &mut lines));
    let json = document.characteristics.iter().map(json).collect();
    let mut layer = Layer::new("provisioning", title)
        .maybe("version", document.version.as_deref())
        .body(lines, "characteristics", json);
    layer.xml = document.to_xml().ok();
    layer.wbxml = Some(document.to_wbxml());
    Packet::Layer(layer)
}

fn hide(one: &mut Characteristic) {
    for parm in &mut one.parms {
        if mask::is_secret(&parm.name, None)
            && let Some(value) = &mut parm.value
        {
            HIDDEN.clone_into(value);
        }
    }
    one.inner.iter_mut().for_each(hide);
}

fn write(one: &Characteristic, indent: usize, out: &mut String) {
    let application = one.kind == "APPLICATION" && one.parm("APPID") == Some("w7");
    let about = if application { " (device management)" } else { "" };
    let lines = one.parms.iter().map(|parm| {
        let name = words::plain(&parm.name);
        match &parm.value {
            Some(value) => format!("{name} = {}", words::quoted(value)),
            None => name,
        }
    });
    writeln!(out, "{:indent$}{}{about}", "", words::plain(&one.kind)).expect("a string takes all");
    for line in lines {
        writeln!(out, "{:indent$}  {line}", "").expect("a string takes all");
    }
    one.inner.iter().for_each(|inner| write(inner, indent + 2, out));
}

fn json(one: &Characteristic) -> Value {
    let parms: Value =
        one.parms.iter().map(|parm| json!({"name": parm.name, "value": parm.value})).collect();
    let inner: Value = one.inner.iter().map(json).collect();
    json!({"type": one.kind, "parms": parms, "characteristics": inner})
}

//! What the benches of the whole share: devices to begin with, and numbers to print.

use server::{
    Running,
    registry::{self, Import},
};

/// Lines of an import.
pub(crate) const LINES: u64 = 1000;

/// Registers devices; `line` writes each as a line of JSON.
pub(crate) async fn import(
    running: &Running,
    devices: std::ops::Range<u64>,
    line: impl Fn(&mut String, u64) -> std::fmt::Result,
) -> anyhow::Result<()> {
    let engine = running.engine();
    for first in devices.clone().step_by(usize::try_from(LINES)?) {
        let mut lines = String::new();
        for device in first..devices.end.min(first + LINES) {
            line(&mut lines, device)?;
            lines.push('\n');
        }
        let import = Import::json_lines(engine.store(), engine.vault(), engine.config());
        let report = registry::import(&import, lines.as_bytes()).await?;
        anyhow::ensure!(report.refused == 0, "{:?}", report.errors.first());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

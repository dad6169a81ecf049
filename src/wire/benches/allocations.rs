//! How often and how much a message makes the allocator work.
//!
//! `cargo bench -p wire --bench allocations`. A bench of its own, because counting takes time.

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use support::samples;
use wire::{Encoding, Limits};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations (growing counts as one) and octets.
fn counted<T>(work: impl FnOnce() -> T) -> (usize, usize) {
    let region = Region::new(ALLOCATOR);
    let result = work();
    let change = region.change();
    drop(result);
    (change.allocations + change.reallocations, change.bytes_allocated)
}

#[expect(clippy::print_stdout, reason = "the table is what the bench is for")]
fn main() {
    let limits = Limits::default();
    println!(
        "{:36} {:>16} {:>16} {:>16} {:>16}",
        "allocations / octets", "read XML", "write XML", "read WBXML", "write WBXML"
    );
    let mut sums = [0; 4];
    let samples = samples();
    for sample in &samples {
        let row = [
            counted(|| Encoding::Xml.read(&sample.xml, &limits)),
            counted(|| Encoding::Xml.write(&sample.message)),
            counted(|| Encoding::Wbxml.read(&sample.wbxml, &limits)),
            counted(|| Encoding::Wbxml.write(&sample.message)),
        ];
        for (sum, (count, _)) in sums.iter_mut().zip(row) {
            *sum += count;
        }
        let cells = row.map(|(count, octets)| format!("{count:>7} / {octets:>6}"));
        println!("{:36} {}", sample.name, cells.join(" "));
    }
    let each = sums.map(|sum| format!("{:>16}", sum.div_ceil(samples.len())));
    println!("{:36} {}", "a message, on average", each.join(" "));
}

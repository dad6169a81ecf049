//! How fast messages are read and written; the raw parser's events are the floor for XML.
//!
//! `cargo bench -p wire`. What to look at: reading XML within three times its floor, WBXML well below XML.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quick_xml::{Reader, events::Event};
use std::{fs, hint::black_box, path::PathBuf};
use wire::{Encoding, Limits};

fn vector(name: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", "syncml", name].iter().collect();
    fs::read(path).expect("the vectors are beside the source")
}

fn codec(criterion: &mut Criterion) {
    for name in ["01-pkg1-server-initiated-nocred", "10-cmds-statuses", "46-windows-pkg1"] {
        let indented = vector(&format!("{name}.xml"));
        let limits = Limits::default();
        let message = Encoding::Xml.read(&indented, &limits).expect("a valid message");
        let xml = Encoding::Xml.write(&message).expect("it came as XML");
        let wbxml = Encoding::Wbxml.write(&message).expect("WBXML carries all");

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(xml.len() as u64));
        group.bench_function("floor/xml events", |bencher| {
            let text = std::str::from_utf8(&xml).expect("we wrote it");
            bencher.iter(|| {
                let mut reader = Reader::from_str(black_box(text));
                let mut events = 0;
                while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
                    events += 1;
                }
                events
            });
        });
        group.bench_function("read/xml", |bencher| {
            bencher.iter(|| Encoding::Xml.read(black_box(&xml), &limits));
        });
        group.bench_function("write/xml", |bencher| {
            bencher.iter(|| Encoding::Xml.write(black_box(&message)));
        });
        group.throughput(Throughput::Bytes(wbxml.len() as u64));
        group.bench_function("read/wbxml", |bencher| {
            bencher.iter(|| Encoding::Wbxml.read(black_box(&wbxml), &limits));
        });
        group.bench_function("write/wbxml", |bencher| {
            bencher.iter(|| Encoding::Wbxml.write(black_box(&message)));
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);

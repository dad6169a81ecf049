//! How fast messages are read and written, beside two floors measured in the same run: the events of the raw XML parser,
//! and libwbxml in a C loop (`libwbxml.c`, compiled here; needs a C compiler and libwbxml2-dev).
//!
//! `cargo bench -p wire --bench codec` prints a row for every vector, and at the end the middle row of each ratio. What
//! to look at: reading XML within three times its floor, WBXML many times faster than libwbxml. The allocator is the one
//! of the program. Figures, and what bounds them, are in `docs/decisions/0015`.

mod support;

use quick_xml::{Reader, events::Event};
use std::{fs, hint::black_box, process::Command, time::Instant};
use support::{Sample, samples};
use wire::{Encoding, Limits};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The best of many averages, in nanoseconds: what the machine can do when nobody disturbs it.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn best<T>(mut work: impl FnMut() -> T) -> f64 {
    const ROUNDS: usize = 12;
    const LOOPS: u32 = 400;
    let round = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        (0..LOOPS).for_each(|_| work());
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(LOOPS)
    };
    let mut work = || drop(black_box(work()));
    (0..ROUNDS).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

/// libwbxml's times for every sample: to tree, from tree, to XML, from XML; `None` where it refuses the message.
fn libwbxml(samples: &[Sample]) -> Vec<[Option<f64>; 4]> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("libwbxml");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/libwbxml.c");
    let compiled = Command::new("cc")
        .args(["-O2", "-I/usr/include/libwbxml-1.0/wbxml", source, "-lwbxml2", "-o"])
        .arg(&program)
        .status();
    assert!(
        compiled.is_ok_and(|status| status.success()),
        "libwbxml.c does not compile; `apt-get install gcc libwbxml2-dev`"
    );
    let mut run = Command::new(program);
    for (number, sample) in samples.iter().enumerate() {
        let file = |end: &str| folder.path().join(format!("{number}.{end}"));
        fs::write(file("wbxml"), &sample.wbxml).expect("room for files");
        fs::write(file("xml"), &sample.xml).expect("room for files");
        run.arg(file("wbxml")).arg(file("xml"));
    }
    let output = run.output().expect("the program runs");
    assert!(output.status.success(), "libwbxml.c failed");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let number = |word: &str| word.parse().ok().filter(|&time: &f64| time > 0.0);
    text.lines()
        .map(|line| {
            let mut words = line.split_whitespace().map(number);
            std::array::from_fn(|_| words.next().flatten())
        })
        .collect()
}

fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "the table is what the bench is for")]
fn main() {
    let samples = samples();
    let limits = Limits::default();
    let floors = libwbxml(&samples);
    println!("ns per message; x: times faster than libwbxml with trees / with XML text");
    println!(
        "{:36} {:>6} {:>6} | {:>6} {:>6} {:>5} {:>6} | {:>6} {:>11} {:>6} {:>11}",
        "message", "XML", "WBXML", "events", "read", "", "write", "read", "x", "write", "x"
    );
    let mut ratios: [Vec<f64>; 5] = Default::default();
    for (sample, [tree, encode, to_xml, from_xml]) in samples.iter().zip(floors) {
        let text = std::str::from_utf8(&sample.xml).expect("we wrote it");
        let events = best(|| {
            let mut reader = Reader::from_str(black_box(text));
            while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {}
        });
        let read_xml = best(|| Encoding::Xml.read(black_box(&sample.xml), &limits));
        let write_xml = best(|| Encoding::Xml.write(black_box(&sample.message)));
        let read = best(|| Encoding::Wbxml.read(black_box(&sample.wbxml), &limits));
        let write = best(|| Encoding::Wbxml.write(black_box(&sample.message)));
        let times = |floor: Option<f64>, ours: f64| floor.map(|floor| floor / ours);
        let row = [
            Some(read_xml / events),
            times(tree, read),
            times(to_xml, read),
            times(encode, write),
            times(from_xml, write),
        ];
        for (all, ratio) in ratios.iter_mut().zip(row) {
            all.extend(ratio);
        }
        let [xml, rest @ ..] =
            row.map(|ratio| ratio.map_or_else(|| "-".to_owned(), |it| format!("{it:.1}")));
        let [by_tree, by_text, by_encode, by_parse] = rest;
        println!(
            "{:36} {:6} {:6} | {events:6.0} {read_xml:6.0} {xml:>5} {write_xml:6.0} | {read:6.0} {by_tree:>5}/{by_text:>5} {write:6.0} {by_encode:>5}/{by_parse:>5}",
            sample.name,
            sample.xml.len(),
            sample.wbxml.len(),
        );
    }
    let worst_xml = ratios.first().into_iter().flatten().copied().fold(0.0, f64::max);
    let [xml, tree, text, encode, parse] = ratios.map(middle);
    println!("middle: XML read {xml:.2} times its floor (at worst {worst_xml:.2})");
    println!(
        "middle: WBXML read {tree:.1} times as fast as libwbxml's trees, {text:.1} as its conversion"
    );
    println!(
        "middle: WBXML written {encode:.1} times as fast as libwbxml's trees, {parse:.1} as its conversion"
    );
}

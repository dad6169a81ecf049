//! A message as XML. What must hold is in `hostile` of the tests of `wire`.
#![no_main]

#[expect(dead_code, reason = "each target is one door")]
#[path = "../../tests/wire/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hostile::xml(octets));

//! A session, driven by a device that says anything. See `hostile` of the session's tests.
#![no_main]

#[path = "../../../session/tests/session/bench.rs"]
mod bench;
#[expect(dead_code, reason = "the tests say more with it")]
#[path = "../../../session/tests/session/device.rs"]
mod device;
#[path = "../../../session/tests/session/hostile.rs"]
mod hostile;
#[path = "../../../session/tests/session/rules.rs"]
mod rules;
#[expect(dead_code, reason = "the tests look at what came")]
#[path = "../../../session/tests/session/scene.rs"]
mod scene;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hostile::drive(octets));

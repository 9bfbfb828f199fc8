//! Feeds untrusted bytes to `cifar10` of native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("cifar10", bytes);
});

//! Feeds untrusted bytes to `archive` of native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("archive", bytes);
});

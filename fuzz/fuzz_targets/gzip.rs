//! Feeds untrusted bytes to `gzip` of native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("gzip", bytes);
});

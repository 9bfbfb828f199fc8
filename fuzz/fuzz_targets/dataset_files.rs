//! Feeds untrusted bytes to `dataset_files` of native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("dataset_files", bytes);
});

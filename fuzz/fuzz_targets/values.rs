//! Strangers' bytes for `values`: see native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("values", bytes);
});

//! Strangers' bytes for `idx`: see native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("idx", bytes);
});

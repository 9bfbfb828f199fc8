//! Strangers' bytes for `safetensors`: see native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("safetensors", bytes);
});

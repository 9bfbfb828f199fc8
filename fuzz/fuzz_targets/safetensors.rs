//! Feeds untrusted bytes to `safetensors` of native/src/fuzzing.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lastbit::fuzzing::run("safetensors", bytes);
});

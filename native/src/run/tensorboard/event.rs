//! Encodes TensorFlow's `Event` message (event.proto, summary.proto) as a protocol buffer, with the fields that scalars need.

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// The head of an event, before its content: `Event { wall_time = 1, step = 2 }`.
fn event(wall_time: f64, step: u64) -> Vec<u8> {
    let mut out = Vec::new();
    key(&mut out, 1, FIXED_64);
    out.extend(wall_time.to_le_bytes());
    key(&mut out, 2, VARINT);
    varint(&mut out, step);
    out
}

/// The first event of a file: `file_version = 3`.
pub fn version(wall_time: f64) -> Vec<u8> {
    let mut out = event(wall_time, 0);
    bytes(&mut out, 3, b"brain.Event:2");
    out
}

/// The start of a session that continues with `step`: `session_log = 7 { status = 1: START = 1 }`.
pub fn session_start(wall_time: f64, step: u64) -> Vec<u8> {
    let mut out = event(wall_time, step);
    bytes(&mut out, 7, &[1 << 3 | VARINT as u8, 1]);
    out
}

/// Scalars by name: `summary = 5 { value = 1 { tag = 1, simple_value = 2 } ... }`.
pub fn scalars<T: AsRef<str>>(wall_time: f64, step: u64, values: impl IntoIterator<Item = (T, f32)>) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, scalar) in values {
        let mut value = Vec::new();
        bytes(&mut value, 1, tag.as_ref().as_bytes());
        key(&mut value, 2, FIXED_32);
        value.extend(scalar.to_le_bytes());
        bytes(&mut summary, 1, &value);
    }
    let mut out = event(wall_time, step);
    bytes(&mut out, 5, &summary);
    out
}

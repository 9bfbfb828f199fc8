//! The checksum in a JSON file of a run: the SHA-256 of the rest of the file, so that a file is known to be as it was written.

use sha2::{Digest as _, Sha256};

/// The text before the checksum. A file to be sealed has the key with an empty value.
const SEAL: &str = "\"sha256\": \"";

/// The text with its checksum in place.
pub fn seal(text: &str) -> String {
    text.replacen(SEAL, &format!("{SEAL}{:x}", Sha256::digest(text)), 1)
}

/// Whether a text with a checksum is as it was sealed; `None` for a text without one.
pub fn is_whole(text: &str) -> Option<bool> {
    let (before, after) = text.split_once(SEAL)?;
    let is_same = |end: usize| seal(&format!("{before}{SEAL}{}", &after[end..])) == text;
    Some(after.find('"').is_some_and(is_same))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_sealed_text_counts() {
        let text = seal("{\n  \"sha256\": \"\",\n  \"step\": 12\n}\n");
        assert_eq!(is_whole(&text), Some(true), "{text}");
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = String::from_utf8(bytes).ok().and_then(|changed| is_whole(&changed));
            assert_ne!(found, Some(true), "bit {bit}");
        }
    }
}

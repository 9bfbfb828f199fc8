//! A gzip file of any number of members: `pigz`, `bgzip` and `cat a.gz b.gz` write several, which together are one file.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// How each member begins.
const MAGIC: &[u8] = b"\x1f\x8b";

/// True if a file with these first bytes is packed with gzip.
#[must_use]
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Reads what all members of a gzip file hold, one after the other. What follows the last member, such as padding, is
/// ignored, as gzip itself does.
pub struct Gunzip<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Gunzip<R> {
    /// Unpacks `packed`, which must begin with a member.
    pub fn new(packed: R) -> Self {
        Self(Some(GzDecoder::new(packed)))
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(mut rest) = self.0.take().map(GzDecoder::into_inner) else { break };
            // A buffer may end after the first byte of the next member.
            if rest.fill_buf()?.first() == MAGIC.first() {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8], capacity: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Gunzip::new(BufReader::with_capacity(capacity, packed)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn members_follow_each_other() {
        let one = member(b"one, ");
        let packed = [one.clone(), member(b""), member(b"two")].concat();
        // Every boundary falls on every place of a buffer.
        for capacity in 1..=packed.len() {
            assert_eq!(unpacked(&packed, capacity).unwrap(), b"one, two", "{capacity}");
        }
        assert_eq!(unpacked(&[&packed[..], &[0; 700]].concat(), 64).unwrap(), b"one, two", "with padding");
        for cut in one.len() + 1..one.len() + 20 {
            assert!(unpacked(&packed[..cut], 64).is_err(), "the second member is cut off after {cut} bytes");
        }
    }
}

//! Reads gzip files (RFC 1952) of any number of members. `pigz`, `bgzip` and `cat a.gz b.gz` write several members, which
//! together hold one file.
//!
//! flate2 does the inflation. Its gzip reader is not used, because its checksum needs 16 KiB of tables, which do not compress:
//! the page would be 4 % heavier.

use std::io::{self, BufRead, Read};

#[cfg(not(target_arch = "wasm32"))]
use flate2::Crc as Checksum;
use flate2::bufread::DeflateDecoder;
#[cfg(target_arch = "wasm32")]
use small::Checksum;

/// The first bytes of each member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The only compression method that RFC 1952 defines.
const DEFLATE: u8 = 8;
/// Header flags, one for each optional part after the fixed part.
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_FIELDS: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
/// Flags that a reader must reject.
const RESERVED: u8 = 0b1110_0000;

/// True if a file with these first bytes is a gzip file.
#[must_use]
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// Reads the concatenated contents of all members of a gzip file. Bytes after the last member, such as padding, are
/// ignored, as gzip does.
pub struct Gunzip<R>(State<R>);

enum State<R> {
    /// Before a header.
    Begins(R),
    /// Within a member.
    Inflates(Member<R>),
    /// After the last member, or after an error.
    Ended,
}

struct Member<R> {
    inflate: DeflateDecoder<R>,
    checksum: Checksum,
    /// Length modulo 2^32, as in the trailer.
    length: u32,
}

impl<R: BufRead> Gunzip<R> {
    /// Unpacks `packed`, which must begin with a member.
    pub fn new(packed: R) -> Self {
        Self(State::Begins(packed))
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.0, State::Ended) {
                State::Begins(mut packed) => {
                    skip_header(&mut packed)?;
                    let inflate = DeflateDecoder::new(packed);
                    self.0 = State::Inflates(Member { inflate, checksum: Checksum::default(), length: 0 });
                }
                State::Inflates(mut member) => {
                    let n = member.inflate.read(buffer)?;
                    if n > 0 {
                        member.checksum.update(&buffer[..n]);
                        member.length = member.length.wrapping_add(n as u32);
                        self.0 = State::Inflates(member);
                        return Ok(n);
                    }
                    let mut rest = member.end()?;
                    // Compare only one byte, because the buffer may end after the first byte of the next member.
                    if rest.fill_buf()?.first() == MAGIC.first() {
                        self.0 = State::Begins(rest);
                    }
                }
                State::Ended => return Ok(0),
            }
        }
    }
}

impl<R: BufRead> Member<R> {
    /// Checks the trailer against the inflated bytes, and returns the reader after the member.
    fn end(self) -> io::Result<R> {
        let Self { inflate, checksum, length } = self;
        let mut rest = inflate.into_inner();
        // A truncated stream ends without an error, but also without a trailer.
        let mut trailer = [0; 8];
        rest.read_exact(&mut trailer)?;
        let expected = [checksum.sum().to_le_bytes(), length.to_le_bytes()].concat();
        if trailer[..] == expected { Ok(rest) } else { Err(invalid("its checksum is wrong")) }
    }
}

/// Skips the header of a member.
fn skip_header(packed: &mut impl BufRead) -> io::Result<()> {
    let mut checksum = Checksum::default();
    let mut fixed = [0; 10];
    packed.read_exact(&mut fixed)?;
    checksum.update(&fixed);
    let [first, second, method, flags, ..] = fixed;
    if [first, second] != MAGIC || method != DEFLATE || flags & RESERVED != 0 {
        return Err(invalid("it has no gzip header"));
    }
    let has = |flag| flags & flag != 0;
    if has(HAS_FIELDS) {
        let mut length = [0; 2];
        packed.read_exact(&mut length)?;
        let mut fields = vec![0; u16::from_le_bytes(length).into()];
        packed.read_exact(&mut fields)?;
        checksum.update(&length);
        checksum.update(&fields);
    }
    for text in [HAS_NAME, HAS_COMMENT].into_iter().filter(|text| has(*text)) {
        let mut bytes = Vec::new();
        packed.by_ref().take(MOST_TEXT).read_until(0, &mut bytes)?;
        if bytes.last() != Some(&0) {
            return Err(invalid(if text == HAS_NAME { "unterminated file name" } else { "unterminated comment" }));
        }
        checksum.update(&bytes);
    }
    if has(HAS_CHECKSUM) {
        let mut expected = [0; 2];
        packed.read_exact(&mut expected)?;
        if checksum.sum().to_le_bytes()[..2] != expected {
            return Err(invalid("the checksum of its header is wrong"));
        }
    }
    Ok(())
}

/// Length in bytes of the longest name or comment that a header may have.
const MOST_TEXT: u64 = 1 << 16;

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// CRC-32 with a table of only 64 bytes, for the page.
#[cfg(any(target_arch = "wasm32", test))]
mod small {
    /// The generator polynomial, lowest power first.
    const POLYNOMIAL: u32 = 0xedb8_8320;
    /// The remainder of each value of four bits.
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut bits = 0;
        while bits < 16 {
            let (mut remainder, mut turn) = (bits as u32, 0);
            while turn < 4 {
                let is_odd = remainder & 1 == 1;
                remainder = (remainder >> 1) ^ if is_odd { POLYNOMIAL } else { 0 };
                turn += 1;
            }
            table[bits] = remainder;
            bits += 1;
        }
        table
    };

    /// The complement of the checksum so far.
    pub struct Checksum(u32);

    impl Default for Checksum {
        fn default() -> Self {
            Self(!0)
        }
    }

    impl Checksum {
        pub fn update(&mut self, bytes: &[u8]) {
            for byte in bytes {
                let mut sum = self.0 ^ u32::from(*byte);
                sum = (sum >> 4) ^ TABLE[(sum & 15) as usize];
                self.0 = (sum >> 4) ^ TABLE[(sum & 15) as usize];
            }
        }

        pub fn sum(&self) -> u32 {
            !self.0
        }
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
    fn members_are_concatenated() {
        let one = member(b"one, ");
        let packed = [one.clone(), member(b""), member(b"two")].concat();
        // With these capacities, member boundaries fall on every position in a buffer.
        for capacity in 1..=packed.len() {
            assert_eq!(unpacked(&packed, capacity).unwrap(), b"one, two", "{capacity}");
        }
        assert_eq!(unpacked(&[&packed[..], &[0; 700]].concat(), 64).unwrap(), b"one, two", "with padding");
        for cut in one.len() + 1..one.len() + 20 {
            assert!(unpacked(&packed[..cut], 64).is_err(), "the second member is cut off after {cut} bytes");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let bytes: Vec<u8> = (0..3000_u32).map(|i| ((i * i) >> 5) as u8).collect();
        let whole = member(&bytes);
        let trailer = whole.len() - 8;
        for at in (0..4).chain(trailer..whole.len()) {
            let mut other = whole.clone();
            other[at] ^= 0x80;
            assert!(unpacked(&other, 64).is_err(), "byte {at}");
        }
        // A change in the compressed bytes may have no effect.
        for at in 10..trailer {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert!(unpacked(&other, 64).is_ok_and(|read| read == bytes) || unpacked(&other, 64).is_err(), "byte {at}");
        }
    }

    #[test]
    fn headers_are_skipped() {
        let builder = || flate2::GzBuilder::new().extra(&b"fields"[..]).filename("name").comment("comment");
        let mut encoder = builder().write(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"content").unwrap();
        let whole = encoder.finish().unwrap();
        for capacity in 1..40 {
            assert_eq!(unpacked(&whole, capacity).unwrap(), b"content");
        }
        for cut in 0..whole.len() {
            assert!(unpacked(&whole[..cut], 64).is_err(), "cut off after {cut} bytes");
        }
        // With a checksum of the header: a correct one and a wrong one.
        let header = whole.len() - member(b"content").len() + 10;
        let mut head = whole[..header].to_vec();
        head[3] |= HAS_CHECKSUM;
        let mut sum = Checksum::default();
        sum.update(&head);
        let [low, high, ..] = sum.sum().to_le_bytes();
        let with = |low: u8| [&head, &[low, high][..], &whole[header..]].concat();
        assert_eq!(unpacked(&with(low), 64).unwrap(), b"content");
        assert!(unpacked(&with(!low), 64).is_err());
    }

    #[test]
    fn both_checksums_agree() {
        let bytes: Vec<u8> = (0..1000_u32).map(|i| ((i * i) >> 3) as u8).collect();
        let (mut large, mut small) = (Checksum::default(), small::Checksum::default());
        for part in [&bytes[..], &[], b"123456789"] {
            large.update(part);
            small.update(part);
            assert_eq!(large.sum(), small.sum());
        }
        // The check value in catalogues of CRCs.
        let mut sum = small::Checksum::default();
        sum.update(b"123456789");
        assert_eq!(sum.sum(), 0xcbf4_3926);
    }
}

//! Recognises, by their first bytes, other files under the names of a data set's files.

/// The kind of file, which decides the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An archive that may contain the file.
    Archive,
    /// Images in another format.
    OtherFormat,
    /// The reply of a server or proxy to a failed download.
    Reply,
    /// A placeholder for a file that was not fetched.
    Pointer,
}

/// The remedy for [`Kind::Reply`].
pub(super) const FAILED_DOWNLOAD: &str = "the download failed, download it again";
/// The remedy for [`Kind::Pointer`].
pub(super) const UNFETCHED: &str = "fetch the file itself with git lfs pull";

/// Describes the kind of file that begins with `bytes`, if it is known.
pub(super) fn recognise(bytes: &[u8]) -> Option<(&'static str, Kind)> {
    const SIGNATURES: [(&[u8], &str, Kind); 9] = [
        (b"\x1f\x8b", "a gzip archive", Kind::Archive),
        (b"PK\x03\x04", "a zip archive", Kind::Archive),
        (b"\xfd7zXZ", "an xz archive", Kind::Archive),
        (b"BZh", "a bzip2 archive", Kind::Archive),
        (b"cifar-10", "a tar archive", Kind::Archive),
        (b"\x80", "a Python pickle", Kind::OtherFormat),
        (b"\x89PNG", "a PNG image", Kind::OtherFormat),
        (b"\xff\xd8\xff", "a JPEG image", Kind::OtherFormat),
        (b"version https://git-lfs", "a Git LFS pointer", Kind::Pointer),
    ];
    if let Some((_, found, kind)) = SIGNATURES.iter().find(|(signature, ..)| bytes.starts_with(signature)) {
        return Some((found, *kind));
    }
    let start = bytes[..bytes.len().min(64)].trim_ascii_start();
    if start.starts_with(b"<") {
        return Some(("a web page", Kind::Reply));
    }
    let is_text = start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    is_text.then_some(("text", Kind::Reply))
}

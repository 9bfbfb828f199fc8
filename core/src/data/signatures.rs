//! Identifies other files under the names of a data set's files by their signatures, the first bytes.

/// The kind of file. It decides the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// An archive that may contain the file.
    Archive,
    /// Images in another format.
    OtherFormat,
    /// The reply of a server or proxy to a failed download.
    Reply,
    /// A placeholder for a file that was not fetched.
    Pointer,
}

/// The remedy for [`FileKind::Reply`].
pub(super) const FAILED_DOWNLOAD: &str = "the download failed, download it again";
/// The remedy for [`FileKind::Pointer`].
pub(super) const UNFETCHED: &str = "fetch the file itself with git lfs pull";

/// Describes the kind of file that begins with `bytes`, if it is known.
pub(super) fn identify(bytes: &[u8]) -> Option<(&'static str, FileKind)> {
    const SIGNATURES: [(&[u8], &str, FileKind); 9] = [
        (b"\x1f\x8b", "a gzip archive", FileKind::Archive),
        (b"PK\x03\x04", "a zip archive", FileKind::Archive),
        (b"\xfd7zXZ", "an xz archive", FileKind::Archive),
        (b"BZh", "a bzip2 archive", FileKind::Archive),
        (b"cifar-10", "a tar archive", FileKind::Archive),
        (b"\x80", "a Python pickle", FileKind::OtherFormat),
        (b"\x89PNG", "a PNG image", FileKind::OtherFormat),
        (b"\xff\xd8\xff", "a JPEG image", FileKind::OtherFormat),
        (b"version https://git-lfs", "a Git LFS pointer", FileKind::Pointer),
    ];
    if let Some((_, found, kind)) = SIGNATURES.iter().find(|(signature, ..)| bytes.starts_with(signature)) {
        return Some((found, *kind));
    }
    let start = bytes[..bytes.len().min(64)].trim_ascii_start();
    if start.starts_with(b"<") {
        return Some(("a web page", FileKind::Reply));
    }
    let is_text = start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    is_text.then_some(("text", FileKind::Reply))
}

//! CIFAR-10, the binary version (Krizhevsky 2009). A file has up to 10,000 records of one label byte and
//! 3 x 32 x 32 pixel bytes `[C][H][W]`, red first.
//!
//! Functions that parse report the first problem of a file as [`DataError::Empty`], [`DataError::WrongFormat`],
//! [`DataError::Truncated`], [`DataError::Oversized`] or [`DataError::Label`].

pub use super::cifar10_sizes::{FILE_BYTES, RECORD_BYTES, RECORDS};
use super::signatures::{FAILED_DOWNLOAD, FileKind, UNFETCHED, identify};
use super::{DataError, Dataset, ImageSet, Normalization};
use crate::ops::Shape;

/// Names of the training files, in order.
pub const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// Name of the test file.
pub const TEST_FILE: &str = "test_batch.bin";

const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Creates an empty set with capacity for files of `bytes` bytes in total.
#[must_use]
pub fn with_capacity(bytes: usize) -> ImageSet {
    ImageSet::with_capacity(Shape::new(3, 32, 32), bytes / RECORD_BYTES)
}

/// Parses one file, which may have any number of whole records up to [`RECORDS`].
pub fn parse(file_name: &str, bytes: &[u8]) -> Result<ImageSet, DataError> {
    let mut set = with_capacity(bytes.len());
    append(&mut set, file_name, bytes)?;
    Ok(set)
}

/// Builds the data set from training files (name and bytes, usually the five of [`TRAIN_FILES`]) and the test file.
pub fn dataset(train: &[(String, Vec<u8>)], test: &(String, Vec<u8>)) -> Result<Dataset, DataError> {
    if train.is_empty() {
        return Err(DataError::NoTrainingFile { name: "cifar10".into(), expected: TRAIN_FILES.join(", ") });
    }
    let mut images = with_capacity(train.iter().map(|(_, bytes)| bytes.len()).sum());
    for (name, bytes) in train {
        append(&mut images, name, bytes)?;
    }
    of_sets(images, parse(&test.0, &test.1)?)
}

/// Builds the data set from parsed images.
pub fn of_sets(train: ImageSet, test: ImageSet) -> Result<Dataset, DataError> {
    Dataset {
        name: "cifar10".into(),
        classes: 10,
        class_names: CLASS_NAMES.map(String::from).to_vec(),
        train,
        test,
        normalization: Normalization { mean: vec![0.507, 0.487, 0.441], std: vec![0.267, 0.256, 0.276] },
        pad_byte: 0,
        crop_and_flip: true,
    }
    .checked()
}

/// Appends the records of a file to `set`.
pub fn append(set: &mut ImageSet, file_name: &str, bytes: &[u8]) -> Result<(), DataError> {
    check(file_name, bytes, bytes.len())?;
    append_records(set, file_name, 0, bytes)
}

/// Checks whether a file with first bytes `head` and length `bytes` can be a file of CIFAR-10.
pub fn check(file_name: &str, head: &[u8], bytes: usize) -> Result<(), DataError> {
    let file = || file_name.to_owned();
    if head.is_empty() {
        return Err(DataError::Empty { file: file() });
    }
    if let Some((found, remedy)) = wrong_format(head, bytes) {
        return Err(DataError::WrongFormat { file: file(), expected: "a CIFAR-10 binary file", found, remedy });
    }
    let (whole, over) = (bytes / RECORD_BYTES, bytes % RECORD_BYTES);
    if over != 0 {
        let (next, short) = (whole + 1, RECORD_BYTES - over);
        return Err(DataError::Truncated { file: file(), bytes, whole, next, over, short });
    }
    if whole > RECORDS {
        return Err(DataError::Oversized { file: file(), bytes });
    }
    Ok(())
}

/// Appends whole records of a [checked](check) file. `first` is the index of the first record in `bytes`.
pub fn append_records(set: &mut ImageSet, file_name: &str, first: usize, bytes: &[u8]) -> Result<(), DataError> {
    for (record, fields) in (first..).zip(bytes.chunks_exact(RECORD_BYTES)) {
        let label = fields[0];
        if usize::from(label) >= CLASS_NAMES.len() {
            return Err(DataError::Label { file: file_name.to_owned(), data_set: "CIFAR-10", record, label });
        }
        set.labels.push(label);
        set.pixels.extend_from_slice(&fields[1..]);
    }
    Ok(())
}

/// The remedy for another version of the data set.
const BINARY: &str = "use the \"binary version\", cifar-10-binary.tar.gz";

/// The error for a path of the Python or MATLAB version of CIFAR-10; `None` for any other path.
#[must_use]
pub fn other_version(path: &str) -> Option<DataError> {
    let (folder, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    let is_batch = ["data_batch_", "test_batch"].iter().any(|start| name.starts_with(start));
    let found = match name {
        "cifar-10-batches-py" | "cifar-10-python.tar.gz" | "cifar-10-python.tar" => "of the Python version",
        "cifar-10-batches-mat" | "cifar-10-matlab.tar.gz" | "cifar-10-matlab.tar" => "of the MATLAB version",
        _ if is_batch && name.ends_with(".mat") => "of the MATLAB version",
        _ if is_batch && !name.contains('.') => "of the Python version",
        _ if folder.ends_with("cifar-10-batches-py") => "of the Python version",
        _ => return None,
    };
    Some(DataError::WrongFormat { file: path.to_owned(), expected: "a CIFAR-10 binary file", found, remedy: BINARY })
}

/// Identifies other files under the names of CIFAR-10 and returns their kind and the remedy; `None` if the file may be
/// CIFAR-10. Every file whose first byte is a label passes. Of the known other files only CIFAR-100 begins with one, and its
/// length gives it away.
fn wrong_format(head: &[u8], bytes: usize) -> Option<(&'static str, &'static str)> {
    if [10_000, 50_000].contains(&(bytes / (RECORD_BYTES + 1))) && bytes.is_multiple_of(RECORD_BYTES + 1) {
        return Some(("as long as CIFAR-100", BINARY));
    }
    if usize::from(head[0]) < CLASS_NAMES.len() {
        return None;
    }
    let (found, kind) = identify(head)?;
    let remedy = match kind {
        FileKind::Archive => "unpack it and give the .bin files in it",
        FileKind::OtherFormat => BINARY,
        FileKind::Reply => FAILED_DOWNLOAD,
        FileKind::Pointer => UNFETCHED,
    };
    Some((found, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records with the given labels; all pixels of record r are r.
    fn records(labels: &[u8]) -> Vec<u8> {
        let record = |(r, &label): (usize, &u8)| [&[label], [r as u8; RECORD_BYTES - 1].as_slice()].concat();
        labels.iter().enumerate().flat_map(record).collect()
    }

    fn message(bytes: &[u8]) -> String {
        parse("data_batch_2.bin", bytes).unwrap_err().to_string()
    }

    #[test]
    fn records_become_images() {
        let mut bytes = records(&[9, 0, 3]);
        bytes[RECORD_BYTES + 1 + 1024] = 77; // second record: first green pixel
        let set = parse("test_batch.bin", &bytes).unwrap();
        assert_eq!((set.shape, set.labels.as_slice()), (Shape::new(3, 32, 32), [9, 0, 3].as_slice()));
        assert_eq!(set.image(1)[1023..1026], [1, 77, 1]);
        assert_eq!(set.image(2), [2; 3072]);
    }

    #[test]
    fn files_are_concatenated() {
        let file = |name: &str, labels: &[u8]| (name.to_owned(), records(labels));
        let train = [file("data_batch_1.bin", &[1, 2]), file("data_batch_2.bin", &[3])];
        let data = dataset(&train, &file(TEST_FILE, &[4])).unwrap();
        assert_eq!((data.train.labels.as_slice(), data.test.labels.as_slice()), ([1, 2, 3].as_slice(), [4].as_slice()));
        assert_eq!((data.shape(), data.class_names[3].as_str()), (Shape::new(3, 32, 32), "cat"));

        let message = dataset(&[], &file(TEST_FILE, &[4])).unwrap_err().to_string();
        assert!(message.starts_with("cifar10 has no training file: give at least one of data_batch_1.bin, "));
        let error = dataset(&train, &file(TEST_FILE, &[10])).unwrap_err();
        assert_eq!(error, DataError::Label { file: TEST_FILE.into(), data_set: "CIFAR-10", record: 0, label: 10 });
    }

    #[test]
    fn broken_files_are_explained() {
        assert_eq!(message(&[]), "data_batch_2.bin is empty: download the data set again");
        assert_eq!(
            message(&records(&[1, 2, 3])[..2 * RECORD_BYTES + 100]),
            "data_batch_2.bin has 6246 bytes, which is 100 bytes over 2 records of 3073 bytes and 2973 bytes short of \
             3 (a complete file has 30730000 bytes): it is cut off or damaged, download it again"
        );
        assert_eq!(
            message(&records(&[1, 2, 200])),
            "data_batch_2.bin: record 2 (counting from 0) has label 200, but CIFAR-10 has labels 0 to 9: the file is \
             damaged or belongs to another data set, download it again"
        );
        assert_eq!(
            message(&vec![0; FILE_BYTES + RECORD_BYTES]),
            "data_batch_2.bin has 30733073 bytes, more than the 30730000 bytes (10000 records) of a CIFAR-10 file: \
             give the original files data_batch_1.bin to data_batch_5.bin and test_batch.bin"
        );
    }

    #[test]
    fn other_files_are_recognised() {
        let cases: [(&[u8], &str); 7] = [
            (b"\x1f\x8b\x08\0", "a gzip archive: unpack it and give the .bin files in it"),
            (b"cifar-10-batches-bin/\0\0", "a tar archive: unpack it and give the .bin files in it"),
            (b"\x80\x02}q\x01", "a Python pickle: use the \"binary version\", cifar-10-binary.tar.gz"),
            (b"\n <!DOCTYPE html>\xc3", "a web page: the download failed, download it again"),
            (b"404 Not Found\n", "text: the download failed, download it again"),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "a Git LFS pointer: fetch the file itself with git lfs pull",
            ),
            (&vec![0; 3074 * 10_000], "as long as CIFAR-100: use the \"binary version\", cifar-10-binary.tar.gz"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(message(bytes), format!("data_batch_2.bin is not a CIFAR-10 binary file but {expected}"));
        }
    }
}

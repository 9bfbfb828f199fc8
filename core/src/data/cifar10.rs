//! CIFAR-10, the binary version (Krizhevsky 2009): a file is up to 10,000 records of one label byte and
//! 3 x 32 x 32 pixel bytes [C][H][W], red first.

use super::{DataError, Dataset, ImageSet, Normalization};
use crate::ops::Shape;

/// Training files, in order.
pub const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// Test file.
pub const TEST_FILE: &str = "test_batch.bin";
/// Bytes of a record.
pub const RECORD_BYTES: usize = 1 + 3 * 32 * 32;
/// Records of a complete file.
pub const RECORDS: usize = 10_000;
/// Bytes of a complete file.
pub const FILE_BYTES: usize = RECORDS * RECORD_BYTES;

const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Images of one file. Subsets of whole records are fine.
pub fn parse(file_name: &str, bytes: &[u8]) -> Result<ImageSet, DataError> {
    let mut set = ImageSet::with_capacity(Shape::new(3, 32, 32), bytes.len() / RECORD_BYTES);
    append(&mut set, file_name, bytes)?;
    Ok(set)
}

/// The data set of some training files (name and bytes, usually the five of [`TRAIN_FILES`]) and the test file.
pub fn dataset(train: &[(String, Vec<u8>)], test: &(String, Vec<u8>)) -> Result<Dataset, DataError> {
    if train.is_empty() {
        return Err(DataError::NoTrainingFile { name: "cifar10".into(), expected: TRAIN_FILES.join(", ") });
    }
    let records = train.iter().map(|(_, bytes)| bytes.len() / RECORD_BYTES).sum();
    let mut images = ImageSet::with_capacity(Shape::new(3, 32, 32), records);
    for (name, bytes) in train {
        append(&mut images, name, bytes)?;
    }
    Dataset {
        name: "cifar10".into(),
        classes: 10,
        class_names: CLASS_NAMES.map(String::from).to_vec(),
        train: images,
        test: parse(&test.0, &test.1)?,
        normalization: Normalization { mean: vec![0.507, 0.487, 0.441], std: vec![0.267, 0.256, 0.276] },
        pad_byte: 0,
        crop_and_flip: true,
    }
    .checked()
}

/// Adds the records of a file to `set`.
fn append(set: &mut ImageSet, file_name: &str, bytes: &[u8]) -> Result<(), DataError> {
    let file = || file_name.to_owned();
    if bytes.is_empty() {
        return Err(DataError::Empty { file: file() });
    }
    let (whole, over) = (bytes.len() / RECORD_BYTES, bytes.len() % RECORD_BYTES);
    if over != 0 {
        let (next, short) = (whole + 1, RECORD_BYTES - over);
        return Err(DataError::Truncated { file: file(), bytes: bytes.len(), whole, next, over, short });
    }
    if whole > RECORDS {
        return Err(DataError::Oversized { file: file(), bytes: bytes.len() });
    }
    for (record, fields) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
        let label = fields[0];
        if usize::from(label) >= CLASS_NAMES.len() {
            return Err(DataError::Label { file: file(), record, label });
        }
        set.labels.push(label);
        set.pixels.extend_from_slice(&fields[1..]);
    }
    Ok(())
}

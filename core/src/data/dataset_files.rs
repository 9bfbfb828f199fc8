//! Collects the files of data sets: packed or unpacked, one at a time or in an archive, in any order. A file is recognised by
//! its name and first bytes, and checked when it is added.

use std::io::Read;

use super::cifar10::{self, FILE_BYTES, TEST_FILE, TRAIN_FILES};
use super::gzip::{Gunzip, is_gzip};
use super::{DataError, Dataset, fashion_mnist};

/// Maximum size of an unpacked file, more than any data set needs.
const MOST_BYTES: usize = 8 * FILE_BYTES;

type NamedBytes = (String, Vec<u8>);

/// The files added so far.
#[derive(Clone, Debug, Default)]
pub struct DatasetFiles {
    cifar10: [Option<NamedBytes>; 6],
    fashion_mnist: [Option<NamedBytes>; 4],
}

/// A file that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedFile {
    /// Name of the data set: `cifar10` or `fashion-mnist`.
    pub dataset: &'static str,
    /// Name of the file in the data set.
    pub file: &'static str,
    /// Number of images or labels in it.
    pub items: usize,
}

impl DatasetFiles {
    /// Adds a file, or every file of an archive. It replaces a file added before.
    ///
    /// # Errors
    /// [`DataError::Packed`] if the file cannot be unpacked, [`DataError::Unknown`] if it does not belong to a data set,
    /// [`DataError::WrongFormat`] if it is another version of CIFAR-10, and the errors of [`cifar10`] and
    /// [`fashion_mnist::File::count`] if it is damaged.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<Vec<AddedFile>, DataError> {
        let (name, bytes) = unpacked(name, bytes)?;
        if is_tar(&bytes) { self.add_archive(&name, &bytes) } else { Ok(vec![self.add_file(&name, bytes)?]) }
    }

    fn add_archive(&mut self, name: &str, bytes: &[u8]) -> Result<Vec<AddedFile>, DataError> {
        let broken = |error: std::io::Error| DataError::Packed { file: name.to_owned(), reason: error.to_string() };
        let (mut added, mut other_version) = (Vec::new(), None);
        for entry in tar::Archive::new(bytes).entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let is_wanted = TRAIN_FILES.iter().chain([&TEST_FILE]).any(|file| last_part(&member) == *file);
            if entry.header().entry_type().is_file() && is_wanted {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(broken)?;
                added.push(self.add_file(&member, bytes)?);
            }
            other_version = other_version.or_else(|| cifar10::other_version(&member));
        }
        if added.is_empty() {
            return Err(other_version.unwrap_or_else(|| DataError::Unknown { file: name.to_owned() }));
        }
        Ok(added)
    }

    fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<AddedFile, DataError> {
        if let Some(place) = TRAIN_FILES.iter().chain([&TEST_FILE]).position(|file| last_part(name) == *file) {
            let items = cifar10::parse(name, &bytes)?.len();
            self.cifar10[place] = Some((name.to_owned(), bytes));
            return Ok(AddedFile { dataset: "cifar10", file: TRAIN_FILES.get(place).unwrap_or(&TEST_FILE), items });
        }
        let Some(place) = fashion_place(last_part(name), &bytes) else {
            return Err(cifar10::other_version(name).unwrap_or_else(|| DataError::Unknown { file: name.to_owned() }));
        };
        let file = &fashion_mnist::FILES[place];
        let items = file.count(name, &bytes)?;
        self.fashion_mnist[place] = Some((name.to_owned(), bytes));
        Ok(AddedFile { dataset: "fashion-mnist", file: file.name, items })
    }

    /// Name of the first missing file that the data set `name` requires.
    #[must_use]
    pub fn missing(&self, name: &str) -> Option<&'static str> {
        let [images, labels, ..] = &self.fashion_mnist;
        match name {
            "cifar10" if self.cifar10[..TRAIN_FILES.len()].iter().all(Option::is_none) => Some(TRAIN_FILES[0]),
            "fashion-mnist" if images.is_none() => Some(fashion_mnist::FILES[0].name),
            "fashion-mnist" if labels.is_none() => Some(fashion_mnist::FILES[1].name),
            _ => None,
        }
    }

    /// Builds the data set `name`. Of CIFAR-10, one training file is enough. If a test file is missing, training images
    /// replace the test images.
    ///
    /// # Errors
    /// [`DataError::Missing`] if a required file is missing, and the errors of [`cifar10::dataset`] and
    /// [`fashion_mnist::dataset`].
    pub fn dataset(&self, name: &str) -> Result<Dataset, DataError> {
        let lacking = |missing: &str| DataError::Missing { name: name.to_owned(), missing: missing.to_owned() };
        if let Some(file) = self.missing(name) {
            return Err(lacking(file));
        }
        match (name, &self.fashion_mnist) {
            ("cifar10", _) => {
                let (train, test) = self.cifar10.split_at(TRAIN_FILES.len());
                let train: Vec<NamedBytes> = train.iter().flatten().cloned().collect();
                let test = test.iter().flatten().chain(&train).next();
                cifar10::dataset(&train, test.ok_or_else(|| lacking(TEST_FILE))?)
            }
            ("fashion-mnist", [Some(train_images), Some(train_labels), test_images, test_labels]) => {
                let [.., of_images, of_labels] = &fashion_mnist::FILES;
                let test = match (test_images, test_labels) {
                    (Some(images), Some(labels)) => [images.clone(), labels.clone()],
                    _ => [of_images.first(train_images), of_labels.first(train_labels)],
                };
                let [test_images, test_labels] = test;
                fashion_mnist::dataset(&[train_images.clone(), train_labels.clone(), test_images, test_labels])
            }
            _ => Err(lacking("every file")),
        }
    }
}

/// Index into Fashion-MNIST's files. The first bytes, or else the name, decide between images and labels; the name decides
/// between training and test files.
fn fashion_place(name: &str, bytes: &[u8]) -> Option<usize> {
    let part = match name {
        _ if name.contains("train") => 0,
        _ if name.contains("t10k") || name.contains("test") => 2,
        _ => return None,
    };
    let [images, labels, ..] = &fashion_mnist::FILES;
    if images.is_like(bytes) || (name.contains("images") && !labels.is_like(bytes)) {
        Some(part)
    } else if labels.is_like(bytes) || name.contains("labels") {
        Some(part + 1)
    } else {
        None
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Checks for the magic number of the tar format.
fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..).is_some_and(|rest| rest.starts_with(b"ustar"))
}

/// Unpacks a gzip file; returns any other file unchanged.
fn unpacked(name: &str, bytes: Vec<u8>) -> Result<NamedBytes, DataError> {
    if !is_gzip(&bytes) {
        return Ok((name.to_owned(), bytes));
    }
    let broken = |reason: String| DataError::Packed { file: name.to_owned(), reason };
    let mut unpacked = Vec::new();
    let mut decoder = Gunzip::new(bytes.as_slice()).take(MOST_BYTES as u64 + 1);
    decoder.read_to_end(&mut unpacked).map_err(|error| broken(error.to_string()))?;
    if unpacked.len() > MOST_BYTES {
        return Err(broken(format!("it unpacks to more than {MOST_BYTES} bytes")));
    }
    let inner = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".tgz")).unwrap_or(name);
    Ok((inner.to_owned(), unpacked))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::data::cifar10::RECORD_BYTES;

    fn idx(labels: &[u8]) -> [Vec<u8>; 2] {
        let word = |word: usize| (word as u32).to_be_bytes().to_vec();
        let pixels = vec![7; labels.len() * 784];
        let images = [word(0x0803), word(labels.len()), word(28), word(28), pixels].concat();
        [images, [word(0x0801), word(labels.len()), labels.to_vec()].concat()]
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn idx_files_come_in_any_order_and_packing() {
        let mut files = DatasetFiles::default();
        let [images, labels] = idx(&[1, 2, 3]);
        let added = files.add("some/train-labels-idx1-ubyte.gz", gz(&labels)).unwrap();
        assert_eq!(added, [AddedFile { dataset: "fashion-mnist", file: "train-labels-idx1-ubyte", items: 3 }]);
        let error = files.dataset("fashion-mnist").unwrap_err().to_string();
        assert_eq!(error, "fashion-mnist is incomplete: train-images-idx3-ubyte is missing, add it");
        // Some people rename the file like this.
        files.add("train-images.idx3-ubyte", images).unwrap();
        let alone = files.dataset("fashion-mnist").unwrap();
        assert_eq!((alone.train.labels.as_slice(), &alone.test), ([1, 2, 3].as_slice(), &alone.train));
        let [images, labels] = idx(&[4]);
        files.add("t10k-images-idx3-ubyte", images).unwrap();
        files.add("t10k-labels-idx1-ubyte", labels).unwrap();
        assert_eq!(files.dataset("fashion-mnist").unwrap().test.labels, [4]);
    }

    #[test]
    fn gzip_files_of_several_members_are_one_file() {
        let [images, labels] = idx(&[1, 2, 3]);
        let (one, two) = images.split_at(1000);
        let mut files = DatasetFiles::default();
        files.add("train-images-idx3-ubyte.gz", [gz(one), gz(two)].concat()).unwrap();
        files.add("train-labels-idx1-ubyte.gz", gz(&labels)).unwrap();
        let data = files.dataset("fashion-mnist").unwrap();
        assert_eq!((data.train.labels.as_slice(), data.train.image(2)[2 * 32 + 2]), ([1, 2, 3].as_slice(), 7));
    }

    #[test]
    fn an_archive_brings_its_files() {
        let record = |label: u8| [&[label], [9; RECORD_BYTES - 1].as_slice()].concat();
        let members = [
            ("cifar-10-batches-bin/readme.html", b"<html>".as_slice()),
            ("cifar-10-batches-bin/data_batch_2.bin", &record(2)),
            ("cifar-10-batches-bin/data_batch_1.bin", &record(1)),
        ];
        let mut files = DatasetFiles::default();
        let added = files.add("cifar-10-binary.tar.gz", gz(&tar_of(&members))).unwrap();
        assert_eq!(added.iter().map(|a| a.file).collect::<Vec<_>>(), ["data_batch_2.bin", "data_batch_1.bin"]);
        let data = files.dataset("cifar10").unwrap();
        assert_eq!((data.train.labels.as_slice(), data.test.labels.as_slice()), ([1, 2].as_slice(), [1].as_slice()));
        files.add("test_batch.bin", record(5)).unwrap();
        assert_eq!(files.dataset("cifar10").unwrap().test.labels, [5]);
        assert!(files.dataset("imagenet").is_err());
    }

    #[test]
    fn damage_is_reported_when_a_file_is_added() {
        let [images, labels] = idx(&[1, 2]);
        let mut cut = gz(&images);
        cut.truncate(cut.len() / 2);
        let message =
            |name: &str, bytes: &[u8]| DatasetFiles::default().add(name, bytes.to_vec()).unwrap_err().to_string();
        for (name, bytes, expected) in [
            ("train-images-idx3-ubyte.gz", cut.as_slice(), "train-images-idx3-ubyte.gz cannot be unpacked"),
            (
                "train-images-idx3-ubyte",
                &images[..1000],
                "train-images-idx3-ubyte has 1000 bytes, but its header promises",
            ),
            ("train-images-idx3-ubyte", b"\0\0\0\0 neither images nor labels", "train-images-idx3-ubyte begins with"),
            ("t10k-labels-idx1-ubyte", &[labels, vec![0]].concat(), "t10k-labels-idx1-ubyte has 11 bytes"),
            ("data_batch_1.bin", &[1, 2, 3], "data_batch_1.bin has 3 bytes"),
            ("holiday.jpg", b"\xff\xd8\xff", "holiday.jpg does not belong to a known data set"),
            ("data_batch_1", b"\x80\x02}q", "data_batch_1 is not a CIFAR-10 binary file but of the Python version"),
            (
                "cifar-10-python.tar.gz",
                &gz(&tar_of(&[("cifar-10-batches-py/data_batch_1", b"\x80\x02")])),
                "cifar-10-batches-py/data_batch_1 is not a CIFAR-10 binary file but of the Python version",
            ),
            ("a.tar", &tar_of(&[("a/b.txt", b"b")]), "a.tar does not belong to a known data set"),
            ("bomb.gz", &gz(&vec![0; MOST_BYTES + 1]), "bomb.gz cannot be unpacked (it unpacks to more than"),
        ] {
            assert!(message(name, bytes).starts_with(expected), "{}", message(name, bytes));
        }
    }
}

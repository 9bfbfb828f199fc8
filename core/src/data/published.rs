//! Whether images are the ones that the authors of CIFAR-10 and Fashion-MNIST published. The files are rebuilt from the
//! images and hashed, so the answer is the same however the files were packed, named and stored.

use std::fmt;

use md5::Md5;
use sha1::{Digest, Sha1};

use super::{Dataset, ImageSet, cifar10, fashion_mnist};

/// SHA-1 of data_batch_1.bin to data_batch_5.bin and test_batch.bin, unpacked from the published archive: the list that
/// Apache MXNet's `gluon.data.vision.CIFAR10` checks. (The authors publish the MD5 of the archive only.)
const CIFAR10: [&str; 6] = [
    "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "67eb016db431130d61cd03c7ad570b013799c88c",
];
/// MD5 of Fashion-MNIST's files, unpacked, in the order of [`fashion_mnist::FILES`]: computed from Debian's package
/// `dataset-fashion-mnist`. (The authors publish the MD5 of the packed files only.)
const FASHION_MNIST: [&str; 4] = [
    "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "9018921c3c673c538a1fc5bad174d6f9",
    "8181f5470baa50b63fa0f6fddb340f0a",
    "15d484375f8d13e6eb1aabb0c3f46965",
];
/// The same of MNIST's files, as loaders of MNIST list them (secml's among others).
const MNIST: [&str; 4] = [
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
];

/// Where the images of a data set with published files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Every byte of pixels and labels is as published under this title.
    Published(&'static str),
    /// At least one byte differs from what was published under this title, or images are missing.
    NotPublished(&'static str),
    /// MNIST's digits under the names of Fashion-MNIST's files.
    Digits,
}

impl Origin {
    /// The origin of `dataset`; `None` for a data set that nobody published.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Option<Self> {
        match dataset.name.as_str() {
            "cifar10" => Some(of_cifar10(dataset, &CIFAR10)),
            "fashion-mnist" => Some(of_fashion_mnist(dataset, &FASHION_MNIST, &MNIST)),
            _ => None,
        }
    }

    /// True if every byte is as published under the name that the data set has here.
    #[must_use]
    pub fn is_published(self) -> bool {
        matches!(self, Self::Published(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(title) => write!(f, "the published {title}"),
            Self::NotPublished(title) => write!(f, "not the published {title}"),
            Self::Digits => f.write_str("not the published Fashion-MNIST but the digits of MNIST"),
        }
    }
}

fn of_cifar10(dataset: &Dataset, sha1s: &[&str; 6]) -> Origin {
    const TITLE: &str = "CIFAR-10";
    let Dataset { train, test, .. } = dataset;
    let files = cifar10::RECORDS;
    if [train.len(), test.len()] != [cifar10::TRAIN_FILES.len() * files, files] {
        return Origin::NotPublished(TITLE);
    }
    let starts = (0..train.len()).step_by(files).map(|first| (train, first)).chain([(test, 0)]);
    let is_published = starts.zip(sha1s).all(|((set, first), sha1)| cifar10_sha1(set, first, files) == **sha1);
    if is_published { Origin::Published(TITLE) } else { Origin::NotPublished(TITLE) }
}

/// SHA-1 of the file that holds `records` images of `set` from image `first` on.
fn cifar10_sha1(set: &ImageSet, first: usize, records: usize) -> String {
    let mut hasher = Sha1::new();
    for image in first..first + records {
        hasher.update([set.labels[image]]);
        hasher.update(set.image(image));
    }
    format!("{:x}", hasher.finalize())
}

fn of_fashion_mnist(dataset: &Dataset, published: &[&str; 4], digits: &[&str; 4]) -> Origin {
    const TITLE: &str = "Fashion-MNIST";
    let are = |md5s: &[&str; 4]| {
        let pairs = [&dataset.train, &dataset.test].into_iter().zip(md5s.chunks_exact(2));
        // Labels first: most other images have other labels, which are hashed at once.
        let labels = pairs.clone().all(|(set, md5s)| md5(&fashion_mnist::labels_file(set)) == md5s[1]);
        labels && pairs.into_iter().all(|(set, md5s)| md5(&fashion_mnist::images_file(set)) == md5s[0])
    };
    match () {
        () if are(published) => Origin::Published(TITLE),
        () if are(digits) => Origin::Digits,
        () => Origin::NotPublished(TITLE),
    }
}

fn md5(bytes: &[u8]) -> String {
    format!("{:x}", Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{checkerboard, synthetic};

    #[test]
    fn files_are_rebuilt_as_they_were() {
        let record = |label: u8| [vec![label], (0..3072).map(|i| (i * 7 + u32::from(label)) as u8).collect()].concat();
        let bytes = [record(3), record(9), record(0)].concat();
        let set = cifar10::parse("test_batch.bin", &bytes).unwrap();
        assert_eq!(cifar10_sha1(&set, 0, 3), format!("{:x}", Sha1::digest(&bytes)));
        assert_eq!(cifar10_sha1(&set, 1, 1), format!("{:x}", Sha1::digest(record(9))));

        let word = |word: u32| word.to_be_bytes().to_vec();
        let pixels: Vec<u8> = (0..2 * 784_u32).map(|i| (i * 31) as u8).collect();
        let images = [word(0x0803), word(2), word(28), word(28), pixels].concat();
        let labels = [word(0x0801), word(2), vec![4, 5]].concat();
        let files = [&images, &labels, &images, &labels].map(|bytes| (String::new(), bytes.clone()));
        let dataset = fashion_mnist::dataset(&files).unwrap();
        assert_eq!(fashion_mnist::images_file(&dataset.train), images);
        assert_eq!(fashion_mnist::labels_file(&dataset.test), labels);
        assert_eq!(Origin::of(&dataset).unwrap().to_string(), "not the published Fashion-MNIST");

        let sums = [&images, &labels, &images, &labels].map(|bytes| md5(bytes));
        let sums = sums.each_ref().map(String::as_str);
        let by = |published: &[&str; 4], digits: &[&str; 4]| of_fashion_mnist(&dataset, published, digits).to_string();
        assert_eq!(by(&sums, &MNIST), "the published Fashion-MNIST");
        assert_eq!(by(&FASHION_MNIST, &sums), "not the published Fashion-MNIST but the digits of MNIST");
        for file in 0..4 {
            let mut other = sums;
            other[file] = MNIST[file];
            assert_eq!(by(&other, &other), "not the published Fashion-MNIST", "file {file} differs");
        }
    }

    #[test]
    fn other_images_of_the_same_number_are_not_the_published_ones() {
        let file = |label: u8| [vec![label], vec![label; 3072]].concat().repeat(cifar10::RECORDS);
        let train: Vec<_> = cifar10::TRAIN_FILES.iter().zip(0..).map(|(name, l)| ((*name).into(), file(l))).collect();
        let mut dataset = cifar10::dataset(&train, &("test_batch.bin".into(), file(7))).unwrap();
        assert_eq!(Origin::of(&dataset), Some(Origin::NotPublished("CIFAR-10")));
        let sums: Vec<String> = [0, 1, 2, 3, 4, 7].map(|l| format!("{:x}", Sha1::digest(file(l)))).to_vec();
        let sums: Vec<&str> = sums.iter().map(String::as_str).collect();
        let sums = sums.try_into().unwrap();
        assert_eq!(of_cifar10(&dataset, &sums), Origin::Published("CIFAR-10"));
        // One bit of the last pixel.
        *dataset.test.pixels.last_mut().unwrap() ^= 1;
        assert_eq!(of_cifar10(&dataset, &sums), Origin::NotPublished("CIFAR-10"));
        let fewer = cifar10::dataset(&train[..1], &("test_batch.bin".into(), file(7))).unwrap();
        assert_eq!(Origin::of(&fewer).unwrap().to_string(), "not the published CIFAR-10");
    }

    #[test]
    fn made_up_images_have_no_origin() {
        assert_eq!(Origin::of(&synthetic::dataset(1, 10, 10)), None);
        assert_eq!(Origin::of(&checkerboard::dataset(4)), None);
    }
}

//! Checks whether images are those that the authors of CIFAR-10 and Fashion-MNIST published. It rebuilds the files from the
//! images and hashes them, so the result does not depend on how the files were packed, named and stored.

use std::fmt;

use sha1::{Digest, Sha1};

use super::{Dataset, ImageSet, cifar10, fashion_mnist};

type Sum = [u8; 20];

/// SHA-1 of data_batch_1.bin to data_batch_5.bin and test_batch.bin, unpacked from the published archive. Source: Apache
/// MXNet's `gluon.data.vision.CIFAR10`, which checks them. (The authors publish only the MD5 of the archive.)
const CIFAR10: [Sum; 6] = [
    sum("aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
    sum("c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
    sum("1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
    sum("aab85764eb3584312d3c7f65fd2fd016e36a258e"),
    sum("26e2849e66a845b7f1e4614ae70f4889ae604628"),
    sum("67eb016db431130d61cd03c7ad570b013799c88c"),
];
/// SHA-1 of Fashion-MNIST's files, unpacked, in the order of [`fashion_mnist::FILES`], computed from Debian's package
/// `dataset-fashion-mnist`. (The authors publish only the MD5 of the packed files.)
const FASHION_MNIST: [Sum; 4] = [
    sum("b9bd999c0106c9b8b4b0cefce58c9a6060f27095"),
    sum("4bccf37222e01638381eaa326bf730337a597267"),
    sum("880056926db704f9f713097915f99da346f5b1d1"),
    sum("958122e8b4b97fd4e71eca2d08ef754ed77c3ad9"),
];
/// Number of training and test images of each digit in MNIST, as published by LeCun, Cortes and Burges. Fashion-MNIST
/// has 6,000 and 1,000 of each class.
const MNIST: [[usize; 10]; 2] = [
    [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
];

/// Parses forty hexadecimal digits.
const fn sum(hex: &str) -> Sum {
    assert!(hex.len() == 40);
    let (digits, mut sum, mut at) = (hex.as_bytes(), [0; 20], 0);
    while at < 40 {
        let digit = digits[at];
        sum[at / 2] = sum[at / 2] << 4 | (if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 });
        at += 1;
    }
    sum
}

/// The origin of a data set's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All pixels and labels equal the publication with this title.
    Published(&'static str),
    /// At least one byte differs from the publication with this title, or images are missing.
    NotPublished(&'static str),
    /// The files are named like Fashion-MNIST's, but the size of each class is that of MNIST's digits.
    Digits,
}

impl Origin {
    /// Determines the origin of `dataset`; `None` for data sets without a publication.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Option<Self> {
        match dataset.name.as_str() {
            "cifar10" => Some(of_cifar10(dataset, &CIFAR10)),
            "fashion-mnist" => Some(of_fashion_mnist(dataset, &FASHION_MNIST)),
            _ => None,
        }
    }

    /// True if all pixels and labels equal the publication.
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
            Self::Digits => {
                f.write_str("not the published Fashion-MNIST but, by the size of each class, the digits of MNIST")
            }
        }
    }
}

fn of_cifar10(dataset: &Dataset, sums: &[Sum; 6]) -> Origin {
    const TITLE: &str = "CIFAR-10";
    let Dataset { train, test, .. } = dataset;
    let files = cifar10::RECORDS;
    if [train.len(), test.len()] != [cifar10::TRAIN_FILES.len() * files, files] {
        return Origin::NotPublished(TITLE);
    }
    let starts = (0..train.len()).step_by(files).map(|first| (train, first)).chain([(test, 0)]);
    let is_published = starts.zip(sums).all(|((set, first), sum)| sum_of(&cifar10_file(set, first, files)) == *sum);
    if is_published { Origin::Published(TITLE) } else { Origin::NotPublished(TITLE) }
}

/// Rebuilds the file of `records` images of `set`, starting at image `first`.
fn cifar10_file(set: &ImageSet, first: usize, records: usize) -> Vec<u8> {
    let mut file = Vec::with_capacity(cifar10::FILE_BYTES);
    for image in first..first + records {
        file.push(set.labels[image]);
        file.extend_from_slice(set.image(image));
    }
    file
}

fn sum_of(file: &[u8]) -> Sum {
    Sha1::digest(file).into()
}

fn of_fashion_mnist(dataset: &Dataset, sums: &[Sum; 4]) -> Origin {
    const TITLE: &str = "Fashion-MNIST";
    let sets = [&dataset.train, &dataset.test];
    // Labels first: most other images have other labels, and labels take almost no time to hash.
    let is_published = (0..2).all(|i| sum_of(&fashion_mnist::labels_file(sets[i])) == sums[2 * i + 1])
        && (0..2).all(|i| sum_of(&fashion_mnist::images_file(sets[i])) == sums[2 * i]);
    match is_published {
        true => Origin::Published(TITLE),
        false if sets.map(|set| of_each_class(&set.labels)) == MNIST => Origin::Digits,
        false => Origin::NotPublished(TITLE),
    }
}

fn of_each_class(labels: &[u8]) -> [usize; 10] {
    let mut counts = [0; 10];
    for label in labels {
        if let Some(count) = counts.get_mut(usize::from(*label)) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{checkerboard, synthetic};
    use crate::ops::Shape;

    #[test]
    fn rebuilt_files_equal_the_originals() {
        let record = |label: u8| [vec![label], (0..3072).map(|i| (i * 7 + u32::from(label)) as u8).collect()].concat();
        let bytes = [record(3), record(9), record(0)].concat();
        let set = cifar10::parse("test_batch.bin", &bytes).unwrap();
        assert_eq!(cifar10_file(&set, 0, 3), bytes);
        assert_eq!(cifar10_file(&set, 1, 1), record(9));
        assert_eq!(sum_of(&[]), sum("da39a3ee5e6b4b0d3255bfef95601890afd80709"));

        let word = |word: u32| word.to_be_bytes().to_vec();
        let pixels: Vec<u8> = (0..2 * 784_u32).map(|i| (i * 31) as u8).collect();
        let images = [word(0x0803), word(2), word(28), word(28), pixels].concat();
        let labels = [word(0x0801), word(2), vec![4, 5]].concat();
        let files = [&images, &labels, &images, &labels].map(|bytes| (String::new(), bytes.clone()));
        let dataset = fashion_mnist::dataset(&files).unwrap();
        assert_eq!(fashion_mnist::images_file(&dataset.train), images);
        assert_eq!(fashion_mnist::labels_file(&dataset.test), labels);
        assert_eq!(Origin::of(&dataset).unwrap().to_string(), "not the published Fashion-MNIST");

        let sums = [&images, &labels, &images, &labels].map(|bytes| sum_of(bytes));
        let by = |sums: &[Sum; 4]| of_fashion_mnist(&dataset, sums).to_string();
        assert_eq!(by(&sums), "the published Fashion-MNIST");
        for file in 0..4 {
            let mut other = sums;
            other[file][19] ^= 1;
            assert_eq!(by(&other), "not the published Fashion-MNIST", "file {file} differs");
        }
    }

    #[test]
    fn mnist_is_recognised_by_its_class_sizes() {
        let set = |counts: [usize; 10]| {
            let labels: Vec<u8> = counts.iter().zip(0..).flat_map(|(n, label)| vec![label; *n]).collect();
            ImageSet { pixels: vec![0; labels.len() * 1024], labels, shape: Shape::new(1, 32, 32) }
        };
        let mut dataset = Dataset { train: set(MNIST[0]), test: set(MNIST[1]), ..synthetic::dataset(1, 1, 1) };
        dataset.name = "fashion-mnist".to_owned();
        assert_eq!([dataset.train.len(), dataset.test.len()], [60_000, 10_000]);
        let origin = Origin::of(&dataset).unwrap();
        assert_eq!(
            origin.to_string(),
            "not the published Fashion-MNIST but, by the size of each class, the digits of MNIST"
        );
        dataset.test.labels[0] = 9;
        assert_eq!(Origin::of(&dataset).unwrap().to_string(), "not the published Fashion-MNIST");
    }

    #[test]
    fn as_many_other_images_are_not_the_published_ones() {
        let file = |label: u8| [vec![label], vec![label; 3072]].concat().repeat(cifar10::RECORDS);
        let train: Vec<_> = cifar10::TRAIN_FILES.iter().zip(0..).map(|(name, l)| ((*name).into(), file(l))).collect();
        let mut dataset = cifar10::dataset(&train, &("test_batch.bin".into(), file(7))).unwrap();
        assert_eq!(Origin::of(&dataset), Some(Origin::NotPublished("CIFAR-10")));
        let sums = [0, 1, 2, 3, 4, 7].map(|l| sum_of(&file(l)));
        assert_eq!(of_cifar10(&dataset, &sums), Origin::Published("CIFAR-10"));
        // Flip one bit of the last pixel.
        *dataset.test.pixels.last_mut().unwrap() ^= 1;
        assert_eq!(of_cifar10(&dataset, &sums), Origin::NotPublished("CIFAR-10"));
        let fewer = cifar10::dataset(&train[..1], &("test_batch.bin".into(), file(7))).unwrap();
        assert_eq!(Origin::of(&fewer).unwrap().to_string(), "not the published CIFAR-10");
    }

    #[test]
    fn generated_images_have_no_origin() {
        assert_eq!(Origin::of(&synthetic::dataset(1, 10, 10)), None);
        assert_eq!(Origin::of(&checkerboard::dataset(4)), None);
    }
}

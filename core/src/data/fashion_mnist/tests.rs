//! Tests of the IDX parser, on files of a few images.

use super::*;
use crate::rng::{Purpose, Stream};

/// An IDX file with a magic number, dimensions and items.
fn idx(magic: u32, dimensions: &[u32], items: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(dimensions).flat_map(|word| word.to_be_bytes());
    words.chain(items.iter().copied()).collect()
}

/// Four files with the given labels; all pixels of image i are i + 1.
fn files(train: &[u8], test: &[u8]) -> [(String, Vec<u8>); 4] {
    let images = |n: usize| {
        let pixels: Vec<u8> = (0..n).flat_map(|i| [i as u8 + 1; 784]).collect();
        idx(0x0803, &[n as u32, 28, 28], &pixels)
    };
    let labels = |labels: &[u8]| idx(0x0801, &[labels.len() as u32], labels);
    let contents = [images(train.len()), labels(train), images(test.len()), labels(test)];
    let mut contents = contents.into_iter();
    FILES.map(|file| (file.name.to_owned(), contents.next().unwrap_or_default()))
}

/// The message for valid files of two training images in which `bytes` replace the file at `index`.
fn message(index: usize, bytes: Vec<u8>) -> String {
    let mut files = files(&[9, 0], &[3]);
    files[index].1 = bytes;
    dataset(&files).unwrap_err().to_string()
}

#[test]
fn items_become_padded_images() {
    let data = dataset(&files(&[9, 0, 3], &[1])).unwrap();
    assert_eq!((data.shape(), data.train.labels.as_slice()), (Shape::new(1, 32, 32), [9, 0, 3].as_slice()));
    assert_eq!((data.test.len(), data.class_names[9].as_str()), (1, "ankle boot"));
    for (i, value) in (0..3).zip(1..) {
        for (at, &byte) in data.train.image(i).iter().enumerate() {
            let inside = [at / 32, at % 32].iter().all(|place| (2..30).contains(place));
            assert_eq!(byte, if inside { value } else { 0 }, "image {i}, byte {at}");
        }
    }
}

#[test]
fn rows_and_columns_keep_their_order() {
    let mut files = files(&[0], &[0]);
    let pixels: Vec<u8> = (0..784).map(|at| (at % 251) as u8).collect();
    files[0].1 = idx(0x0803, &[1, 28, 28], &pixels);
    let image = dataset(&files).unwrap().train;
    let found = (0..28).flat_map(|row| image.image(0)[(row + 2) * 32 + 2..][..28].to_vec());
    assert!(found.eq(pixels));
}

#[test]
fn complete_files_have_their_published_length() {
    assert_eq!(FILES.map(|file| file.bytes()), [47_040_016, 60_008, 7_840_016, 10_008]);
}

#[test]
fn broken_files_are_explained() {
    let image = |dimensions: &[u32], bytes: usize| idx(0x0803, dimensions, &vec![0; bytes]);
    assert_eq!(message(0, vec![]), "train-images-idx3-ubyte is empty: download the data set again");
    assert_eq!(message(2, image(&[0, 28, 28], 0)), "t10k-images-idx3-ubyte is empty: download the data set again");
    assert_eq!(
        message(0, image(&[2, 28], 0)),
        "train-images-idx3-ubyte has 12 bytes, but an IDX header has 16: it is cut off, download it again"
    );
    assert_eq!(
        message(0, idx(0x0801, &[2, 28, 28], &[0; 2])),
        "train-images-idx3-ubyte begins with 0x00000801, but an IDX file of images begins with 0x00000803: it is damaged or \
         belongs to another data set, download it again"
    );
    assert_eq!(
        message(2, image(&[1, 32, 32], 1024)),
        "t10k-images-idx3-ubyte has images of 32 x 32 pixels, but Fashion-MNIST has 28 x 28: give its original files"
    );
    assert_eq!(
        message(0, image(&[u32::MAX, 28, 28], 784)),
        "train-images-idx3-ubyte claims 4294967295 items, but this file of Fashion-MNIST has 60000: give its original files"
    );
    for (bytes, length) in [(783, "799"), (785, "801")] {
        assert_eq!(
            message(2, image(&[1, 28, 28], bytes)),
            format!(
                "t10k-images-idx3-ubyte has {length} bytes, but its header promises 1 items, which take 800: it is cut off \
                 or damaged, download it again"
            )
        );
    }
    assert_eq!(
        message(1, idx(0x0801, &[3], &[0; 3])),
        "train-images-idx3-ubyte has 2 images, but train-labels-idx1-ubyte has 3 labels: they do not belong together, \
         download both again"
    );
    assert_eq!(
        message(3, idx(0x0801, &[1], &[10])),
        "t10k-labels-idx1-ubyte: record 0 (counting from 0) has label 10, but Fashion-MNIST has labels 0 to 9: the file \
         is damaged or belongs to another data set, download it again"
    );
}

#[test]
fn other_files_are_recognised() {
    let cases: [(&[u8], &str); 4] = [
        (b"PK\x03\x04rest", "a zip archive: unpack it"),
        (b"<html>", "a web page: the download failed, download it again"),
        (b"Not", "text: the download failed, download it again"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer: fetch the file itself with git lfs pull"),
    ];
    for (bytes, expected) in cases {
        let found = message(1, bytes.to_vec());
        assert_eq!(found, format!("train-labels-idx1-ubyte is not an IDX file of labels but {expected}"));
    }
}

#[test]
fn every_cut_is_refused() {
    let whole = files(&[9, 0], &[3]);
    for index in 0..4 {
        for length in 0..whole[index].1.len() {
            let mut cut = whole.clone();
            cut[index].1.truncate(length);
            let message = dataset(&cut).unwrap_err().to_string();
            assert!(message.starts_with(FILES[index].name) && !message.contains('\n'), "{length} bytes: {message}");
        }
    }
}

/// Random bytes in every header and in the first items never cause a panic, and a file that passes gives a whole data set.
#[test]
fn random_bytes_are_refused_or_make_sense() {
    let whole = files(&[9, 0], &[3]);
    let mut stream = Stream::new(1, Purpose::Synthetic, 0);
    let mut refused = 0;
    for round in 0..4000 {
        let mut damaged = whole.clone();
        let bytes = &mut damaged[round % 4].1;
        for _ in 0..=stream.below(3) {
            let at = stream.below(bytes.len().min(20) as u32) as usize;
            bytes[at] = if stream.below(2) == 0 { stream.next_u32() as u8 } else { bytes[at] ^ 1 << stream.below(8) };
        }
        if stream.below(4) == 0 {
            let length = stream.below(bytes.len() as u32 + 1) as usize;
            bytes.truncate(length);
        }
        match dataset(&damaged) {
            Ok(data) => assert!(data.train.len() == 2 && data.test.len() == 1),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("idx"), "{error}");
            }
        }
    }
    assert!(refused > 2000, "{refused}");
    for _ in 0..2000 {
        let noise = |stream: &mut Stream| (0..stream.below(40)).map(|_| stream.next_u32() as u8).collect();
        let files = FILES.map(|file| (file.name.to_owned(), noise(&mut stream)));
        assert!(dataset(&files).is_err());
    }
}

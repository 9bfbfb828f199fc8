//! Batches as bytes: the samples of each step, and how they are cropped and flipped.

use std::ops::Range;
use std::sync::Arc;

use super::config::TrainConfig;
use super::plan::{BatchSizes, UploadLayout};
use crate::data::{Dataset, ImageSet, Sampler, augment};

/// Samples in an evaluation batch (docs/RULES.md).
pub const EVALUATION_BATCH: u32 = 256;

/// Which images of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// The training images.
    Train,
    /// The test images.
    Test,
}

/// Numbers of images that a run uses, after `train-limit` and `test-limit`.
pub struct SetSizes {
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
}

impl SetSizes {
    /// What the limits of `config` leave of `train` and `test` images.
    pub fn limited(config: &TrainConfig, [train, test]: [usize; 2]) -> Self {
        let limited = |images: usize, limit: Option<usize>| limit.map_or(images, |limit| limit.min(images));
        Self { train: limited(train, config.train_limit), test: limited(test, config.test_limit) }
    }

    /// Sizes of the batches that these images are divided into.
    pub fn batches(&self, batch_size: u32) -> BatchSizes {
        BatchSizes { train: sizes_of(self.train, batch_size), evaluate: sizes_of(self.test, EVALUATION_BATCH) }
    }

    /// Sizes of the batches if statistics and evaluations take at most `images` of either set, all in evaluation batches. Statistics leave
    /// out a smaller last batch.
    pub fn evaluation_batches(&self, images: usize) -> BatchSizes {
        let of = |set: usize| sizes_of(set.min(images), EVALUATION_BATCH);
        let (train, mut evaluate) = (of(self.train), of(self.test));
        evaluate.extend(train.iter().filter(|size| !of(self.test).contains(size)));
        BatchSizes { train: train[..1].to_vec(), evaluate }
    }
}

/// The batches of a run. A training batch depends only on the step.
pub struct Batches {
    dataset: Arc<Dataset>,
    sampler: Sampler,
    sizes: SetSizes,
    batch_size: u64,
    seed_augment: Option<u64>,
}

impl Batches {
    /// Numbers of images after the limits of `config`.
    pub fn sizes(config: &TrainConfig, dataset: &Dataset) -> SetSizes {
        SetSizes::limited(config, [dataset.train.len(), dataset.test.len()])
    }

    /// The batches of `config` on `dataset`.
    pub fn new(config: &TrainConfig, dataset: Arc<Dataset>) -> Self {
        let sizes = Self::sizes(config, &dataset);
        let seed_order = config.seed_order.unwrap_or(config.seed);
        let seed_augment = config.seed_augment.unwrap_or(config.seed);
        Self {
            sampler: Sampler::new(sizes.train, config.batch_size, config.shuffle, seed_order),
            seed_augment: (config.augment && dataset.crop_and_flip).then_some(seed_augment),
            batch_size: u64::from(config.batch_size),
            sizes,
            dataset,
        }
    }

    /// Number of training images after the limit.
    pub fn train_images(&self) -> usize {
        self.sizes.train
    }

    /// Number of steps in an epoch; the last may have a smaller batch.
    pub fn per_epoch(&self) -> u64 {
        self.sampler.batches_per_epoch()
    }

    /// Writes the batch of `step` (from 1) into `upload` and returns its number of samples.
    pub fn train(&mut self, step: u64, layout: &UploadLayout, upload: &mut [u8]) -> u32 {
        let per_epoch = self.sampler.batches_per_epoch();
        let (epoch, index) = ((step - 1) / per_epoch, (step - 1) % per_epoch);
        let samples = self.sampler.batch(epoch, index);
        let choices = match self.seed_augment {
            Some(seed) => augment::choices(seed, epoch, index * self.batch_size, samples.len()),
            None => vec![augment::CENTERED; samples.len()],
        };
        put(&self.dataset.train, samples.iter().map(|&s| s as usize), &choices, layout, upload);
        samples.len() as u32
    }

    /// Number of images of a set after the limits.
    pub fn images(&self, set: SetKind) -> usize {
        match set {
            SetKind::Train => self.sizes.train,
            SetKind::Test => self.sizes.test,
        }
    }

    /// Labels of the images `range` of a set, which exist.
    pub fn labels(&self, set: SetKind, range: Range<usize>) -> &[u8] {
        &self.set(set).labels[range]
    }

    fn set(&self, set: SetKind) -> &ImageSet {
        match set {
            SetKind::Train => &self.dataset.train,
            SetKind::Test => &self.dataset.test,
        }
    }

    /// Writes the images `range` of a set, which exist, in file order and centred, into `upload`. Returns their number.
    pub fn centred(&self, set: SetKind, range: Range<usize>, layout: &UploadLayout, upload: &mut [u8]) -> u32 {
        let samples = range.len();
        put(self.set(set), range, &vec![augment::CENTERED; samples], layout, upload);
        samples as u32
    }

    /// Writes the evaluation batch that begins at test image `first` into `upload`. Returns its number of samples, or
    /// `None` at the end of the test set.
    pub fn test(&self, first: usize, layout: &UploadLayout, upload: &mut [u8]) -> Option<u32> {
        let last = (first + EVALUATION_BATCH as usize).min(self.sizes.test);
        if first >= last {
            return None;
        }
        Some(self.centred(SetKind::Test, first..last, layout, upload))
    }
}

fn sizes_of(images: usize, batch: u32) -> Vec<u32> {
    let whole = (images >= batch as usize).then_some(batch);
    let rest = Some((images % batch as usize) as u32).filter(|rest| *rest > 0);
    whole.into_iter().chain(rest).collect()
}

fn put(
    set: &ImageSet,
    samples: impl Iterator<Item = usize>,
    choices: &[u32],
    layout: &UploadLayout,
    upload: &mut [u8],
) {
    let (mut label_at, mut image_at) = (layout.labels as usize, layout.images as usize);
    for sample in samples {
        let image = set.image(sample);
        upload[label_at..label_at + 4].copy_from_slice(&u32::from(set.labels[sample]).to_le_bytes());
        upload[image_at..image_at + image.len()].copy_from_slice(image);
        label_at += 4;
        image_at += image.len();
    }
    upload[layout.choices as usize..][..choices.len() * 4].copy_from_slice(bytemuck::cast_slice(choices));
}

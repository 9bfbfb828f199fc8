//! Where the copies of a run stand: how far the first one is from its start and from another seed's, and which class each
//! copy sees in the test images.

use std::cell::OnceCell;
use std::sync::Arc;

use lastbit_core::data::Dataset;
#[cfg(feature = "processor")]
use lastbit_core::data::Outline;
use lastbit_core::double::relative_l1;
use lastbit_core::nets::{Network, Parameter};
use lastbit_core::train::{PeekRange, TrainConfig, TrainError, Trainer, Weights};
use serde_json::{Value, json};

/// Largest number of test images that the copies are shown.
const IMAGES: usize = 64;
/// Weights of all copies beyond which they are not read back, because that would take longer than a step.
const MOST_WEIGHTS: u64 = 1 << 23;

/// What a run began with.
pub struct Beginning {
    /// The measured weights, by tensor: those that the copies started with, and those that the next seed would give. They are made
    /// when somebody asks where the copies stand.
    starts: OnceCell<[Vec<Vec<f32>>; 2]>,
    /// The measured weights.
    ranges: Vec<PeekRange>,
    dataset: Arc<Dataset>,
    /// Number of test images that the copies are shown.
    images: usize,
}

impl Beginning {
    /// The beginning of a run of `config` that has not begun.
    pub fn new(network: &Network, config: &TrainConfig, dataset: Arc<Dataset>) -> Self {
        let measured = network.parameters.iter().enumerate().filter(|(_, parameter)| parameter.measured);
        let range = |(parameter, of): (usize, &Parameter)| PeekRange { parameter, first: 0, count: of.elements() };
        let images = dataset.test.len().min(config.test_limit.unwrap_or(IMAGES)).min(IMAGES);
        Self { starts: OnceCell::new(), ranges: measured.map(range).collect(), dataset, images }
    }

    /// The weights that the copies of `trainer` started with, and those of the next seed.
    fn starts(&self, trainer: &Trainer) -> &[Vec<Vec<f32>>; 2] {
        self.starts.get_or_init(|| {
            let config = trainer.config();
            let seed = config.seed_init.unwrap_or(config.seed);
            [seed, seed.wrapping_add(1)].map(|seed| {
                let mut weights = Weights::initial(trainer.network(), seed).parameters;
                self.ranges.iter().map(|range| std::mem::take(&mut weights[range.parameter])).collect()
            })
        })
    }

    /// The data set without its images.
    #[cfg(feature = "processor")]
    pub fn outline(&self) -> Outline {
        self.dataset.outline()
    }

    /// JSON (`TestImages` in `www/src/messages.ts`): shape, labels and names of the classes. The pixels are [`Beginning::pixels`].
    pub fn images(&self) -> Value {
        let test = &self.dataset.test;
        let shape = [test.shape.channels, test.shape.height, test.shape.width];
        json!({ "kind": "images", "shape": shape, "labels": &test.labels[..self.images], "classes": self.dataset.class_names })
    }

    /// Bytes `[N][C][H][W]` of the test images.
    pub fn pixels(&self) -> Vec<u8> {
        (0..self.images).flat_map(|i| self.dataset.test.image(i)).copied().collect()
    }

    /// JSON (`Standing` in `www/src/messages.ts`): where the copies stand after the last submitted step.
    ///
    /// # Errors
    /// Same as [`Trainer::logits`].
    pub async fn standing(&self, trainer: &mut Trainer) -> Result<Value, TrainError> {
        let replicas = trainer.config().ks.len();
        let weights: u64 = self.ranges.iter().map(|range| u64::from(range.count) * replicas as u64).sum();
        let distances = if self.ranges.is_empty() || weights > MOST_WEIGHTS {
            None
        } else {
            let bits = trainer.take_peek(trainer.peek(&self.ranges)).await?;
            Some(self.starts(trainer).each_ref().map(|start| distance(&bits, start, replicas)))
        };
        let step = trainer.submitted();
        let predictions = trainer.predictions(self.images).await?;
        let [from_start, from_seed] = distances.map_or([None; 2], |found| found.map(Some));
        Ok(json!({
            "kind": "standing", "step": step, "fromStart": from_start, "fromSeed": from_seed, "predictions": predictions
        }))
    }
}

/// Mean relative L1 of the first replica from `start` over the tensors, as the step's divergence is. `bits` has one tensor
/// after the other, each `[R][n]`.
fn distance(bits: &[u32], start: &[Vec<f32>], replicas: usize) -> f64 {
    let mut at = 0;
    let tensors = start.iter().map(|start| {
        let first: Vec<f32> = bits[at..][..start.len()].iter().map(|bits| f32::from_bits(*bits)).collect();
        at += start.len() * replicas;
        relative_l1(&first, start)
    });
    tensors.sum::<f64>() / start.len().max(1) as f64
}

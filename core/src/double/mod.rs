//! Training in float64 on the processor: the same network declaration, initial weights, batches, optimiser and divisors as
//! [`crate::train`], in plain loops. It shows the effect of precision: d / k is rounded at 2^-53, where the GPU rounds at
//! 2^-24. It is slow: a step of one ResNet-8 replica on 16 images takes about a second on one core. It only trains, without
//! evaluation and checkpoints.

mod functions;
mod layers;
mod passes;

use std::sync::Arc;

use crate::data::Dataset;
use crate::nets::Network;
use crate::ops::adamw::bias_corrections;
use crate::ops::batch_input::CROP_MARGIN;
use crate::ops::sgd::Perturbation;
use crate::train::{Batches, Optimizer, TrainConfig, TrainError, UploadLayout, Weights};

pub use functions::{PerturbedStep, activate, binary_cross_entropy, cross_entropy, relative_l1, sigmoid};
pub(crate) use passes::gradients;

/// Results of a step. Vectors have one entry for each replica, in the order of the divisors.
#[derive(Clone, Debug, PartialEq)]
pub struct DoubleStep {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean loss of the batch before the update.
    pub loss: Vec<f64>,
    /// Distance to the first replica after the update: the mean [`relative_l1`] over the measured weights.
    pub rel_l1: Vec<f64>,
}

/// One replica: values by parameter, in the network's order.
struct Replica {
    k: u32,
    parameters: Vec<Vec<f64>>,
    /// The optimiser's arenas, as in [`Optimizer::arenas`].
    optimizer: Vec<Vec<Vec<f64>>>,
}

/// A run in float64.
pub struct DoubleTrainer {
    network: Network,
    config: TrainConfig,
    dataset: Arc<Dataset>,
    batches: Batches,
    replicas: Vec<Replica>,
    step: u64,
}

/// A batch: values `[N][C][H][W]` and labels `[N]`.
struct Batch {
    x: Vec<f64>,
    labels: Vec<u32>,
}

impl DoubleTrainer {
    /// A trainer at step 0, with the initial weights of the config's seed.
    ///
    /// # Errors
    /// [`TrainError::Config`] for an invalid value or a run that changes weights between its steps, [`TrainError::Net`] if the network cannot
    /// take the images.
    pub fn new(config: TrainConfig, dataset: Arc<Dataset>) -> Result<Self, TrainError> {
        config.validate()?;
        config.check_undisturbed()?;
        config.check_batch(Batches::sizes(&config, &dataset).train)?;
        let network = config.network(dataset.shape(), dataset.classes)?;
        let seed = config.seed_init.unwrap_or(config.seed);
        let initial = Weights::initial(&network, seed);
        let replica = |k: &u32| {
            let mut weights = initial.clone();
            if config.perturbation == Perturbation::Nextafter {
                weights.move_one_ulp(&network, seed, *k);
            }
            let parameters: Vec<Vec<f64>> = weights.parameters.iter().map(|values| widened(values)).collect();
            let zeros: Vec<Vec<f64>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
            Replica { k: *k, parameters, optimizer: vec![zeros; config.optimizer.arenas().len()] }
        };
        let replicas = config.ks.iter().map(replica).collect();
        let batches = Batches::new(&config, Arc::clone(&dataset));
        Ok(Self { network, config, dataset, batches, replicas, step: 0 })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// A replica's values by parameter, in the network's order.
    #[must_use]
    pub fn parameters(&self, replica: usize) -> &[Vec<f64>] {
        &self.replicas[replica].parameters
    }

    /// Mean loss of the batch of `step` at any weights, by parameter in the network's order, and its gradient.
    pub fn gradient(&mut self, parameters: &[Vec<f64>], step: u64) -> (f64, Vec<Vec<f64>>) {
        let batch = self.batch(step);
        gradients(&self.network, parameters, &batch.x, &batch.labels)
    }

    /// The arenas of a replica's optimiser, each by parameter. After the first step of SGD without weight decay, the momenta are that
    /// batch's gradients.
    #[must_use]
    pub fn optimizer(&self, replica: usize) -> &[Vec<Vec<f64>>] {
        &self.replicas[replica].optimizer
    }

    /// The batch of `step`, cropped and flipped as on the GPU.
    fn batch(&mut self, step: u64) -> Batch {
        let shape = self.network.input();
        let most = self.config.batch_size as usize;
        let image_bytes = shape.elements() as usize;
        let layout = UploadLayout {
            choices: most as u64 * 4,
            images: most as u64 * 8,
            bytes: (most * (8 + image_bytes)) as u64,
            ..UploadLayout::default()
        };
        let mut upload = vec![0; layout.bytes as usize];
        let samples = self.batches.train(step, &layout, &mut upload) as usize;
        let word = |at: usize| u32::from_le_bytes([upload[at], upload[at + 1], upload[at + 2], upload[at + 3]]);
        let (height, width) = (i64::from(shape.height), i64::from(shape.width));
        let scale = &self.dataset.normalization;
        let mut x = Vec::with_capacity(samples * image_bytes);
        for n in 0..samples {
            let choice = i64::from(word(layout.choices as usize + 4 * n));
            let margin = i64::from(CROP_MARGIN);
            let (down, across, flip) = ((choice & 255) - margin, (choice >> 8 & 255) - margin, choice >> 16 != 0);
            for c in 0..shape.channels as usize {
                let plane = &upload[layout.images as usize + n * image_bytes + c * (height * width) as usize..];
                let (mean, std) = (f64::from(scale.mean[c]), f64::from(scale.std[c]));
                for h in 0..height {
                    for w in 0..width {
                        let column = if flip { width - 1 - w } else { w };
                        let (from_h, from_w) = (h + down, column + across);
                        let is_inside = (0..height).contains(&from_h) && (0..width).contains(&from_w);
                        let byte =
                            if is_inside { plane[(from_h * width + from_w) as usize] } else { self.dataset.pad_byte };
                        x.push((f64::from(byte) / 255.0 - mean) / std);
                    }
                }
            }
        }
        let labels = (0..samples).map(|n| word(layout.labels as usize + 4 * n)).collect();
        Batch { x, labels }
    }

    /// Trains every replica for one step.
    pub fn step(&mut self) -> DoubleStep {
        self.step += 1;
        let batch = self.batch(self.step);
        let lr = self.config.lr_at(self.step, self.config.length(self.batches.train_images()));
        let mut loss = Vec::new();
        for replica in &mut self.replicas {
            let (value, by_parameter) = gradients(&self.network, &replica.parameters, &batch.x, &batch.labels);
            loss.push(value);
            let perturbed = PerturbedStep::new(self.config.perturbation, replica.k, lr);
            match self.config.optimizer {
                Optimizer::Sgd => replica.update(&self.config, self.step == 1, perturbed, &by_parameter),
                Optimizer::AdamW => replica.update_adamw(&self.config, (self.step, lr), perturbed, &by_parameter),
            }
        }
        let first = &self.replicas[0];
        let measured: Vec<usize> =
            (0..self.network.parameters.len()).filter(|&p| self.network.parameters[p].measured).collect();
        let is_finite = |replica: &Replica| replica.parameters.iter().flatten().all(|value| value.is_finite());
        let distance = |replica: &Replica| {
            // Two replicas that have both diverged to infinity have no distance.
            if !is_finite(first) && !is_finite(replica) {
                return f64::NAN;
            }
            let tensor = |&p: &usize| relative_l1(&replica.parameters[p], &first.parameters[p]);
            measured.iter().map(tensor).sum::<f64>() / measured.len() as f64
        };
        DoubleStep { step: self.step, loss, rel_l1: self.replicas.iter().map(distance).collect() }
    }
}

impl Replica {
    /// The update of docs/RULES.md by SGD, in float64.
    fn update(&mut self, config: &TrainConfig, is_first: bool, perturbed: PerturbedStep, gradients: &[Vec<f64>]) {
        let (mu, decay) = (config.momentum, config.weight_decay);
        let tensors = self.parameters.iter_mut().zip(&mut self.optimizer[0]).zip(gradients);
        for ((values, momenta), gradients) in tensors {
            for ((p, buffer), gradient) in values.iter_mut().zip(momenta).zip(gradients) {
                let g = gradient + decay * *p;
                *buffer = if is_first { g } else { mu * *buffer + g };
                let d = match config.nesterov {
                    _ if mu == 0.0 => g,
                    true => g + mu * *buffer,
                    false => *buffer,
                };
                *p = perturbed.apply(*p, d);
            }
        }
    }

    /// The update of docs/RULES.md by AdamW, in float64.
    fn update_adamw(
        &mut self,
        config: &TrainConfig,
        (step, lr): (u64, f64),
        perturbed: PerturbedStep,
        gradients: &[Vec<f64>],
    ) {
        let TrainConfig { beta1, beta2, epsilon, weight_decay, .. } = *config;
        let [correction, root_correction] = bias_corrections(config.adamw_coefficients(), step);
        let [means, mean_squares] = &mut self.optimizer[..] else { unreachable!("AdamW has two arenas") };
        let tensors = self.parameters.iter_mut().zip(means).zip(mean_squares).zip(gradients);
        for (((values, means), mean_squares), gradients) in tensors {
            for (((p, mean), squares), g) in values.iter_mut().zip(means).zip(mean_squares).zip(gradients) {
                *mean += (1.0 - beta1) * (g - *mean);
                *squares = beta2 * *squares + (1.0 - beta2) * g * g;
                let d = *mean * correction / (squares.sqrt() * root_correction + epsilon);
                *p = perturbed.apply(*p - lr * weight_decay * *p, d);
            }
        }
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

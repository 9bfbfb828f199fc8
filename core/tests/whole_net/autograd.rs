//! One step of whole networks is compared with candle's autograd in f64, an independent oracle. This file only walks the
//! graph; convolutions, products and derivatives are candle's.

use std::sync::Arc;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use lastbit_core::data::{Dataset, ImageSet};
use lastbit_core::nets::{Forward, NetKind, Network, Node, Norm, Operation, Tensors};
use lastbit_core::ops::{Activation, cross_entropy::Loss};
use lastbit_core::train::{Event, LossKind, Start, State, TrainConfig, Trainer, Tuning, Weights};

use crate::runs;

fn images(set: &ImageSet, dataset: &Dataset) -> Result<Tensor> {
    let shape = set.shape;
    let plane = (shape.height * shape.width) as usize;
    let scale = &dataset.normalization;
    let values: Vec<f64> = set
        .pixels
        .iter()
        .enumerate()
        .map(|(i, &byte)| {
            let c = i / plane % shape.channels as usize;
            (f64::from(byte) / 255.0 - f64::from(scale.mean[c])) / f64::from(scale.std[c])
        })
        .collect();
    let dims = [set.len(), shape.channels as usize, shape.height as usize, shape.width as usize];
    Tensor::from_vec(values, &dims, &Device::Cpu)
}

fn variables(network: &Network, weights: &Weights) -> Result<Vec<Var>> {
    let pairs = network.parameters.iter().zip(&weights.parameters);
    pairs
        .map(|(p, values)| {
            let dims: Vec<usize> = p.dims.iter().map(|&d| d as usize).collect();
            Var::from_tensor(&Tensor::from_slice(values, dims, &Device::Cpu)?.to_dtype(DType::F64)?)
        })
        .collect()
}

fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Relu => x.relu(),
        Activation::Swish { beta } => {
            let e = (x * -f64::from(beta))?.exp()?;
            x / (e + 1.0)?
        }
        Activation::Tanh => x.tanh(),
    }
}

/// Computes the forward pass of a network by candle.
struct Candle<'a> {
    parameters: &'a [Var],
    /// The statistics to use in place of the batch's.
    running: Option<&'a [[Vec<f32>; 2]]>,
}

impl Candle<'_> {
    fn outputs(&self, node: &Node, values: &Tensors<Tensor>) -> Result<Vec<Tensor>> {
        let x = values.at(node.input());
        let parameter = |i: usize| &self.parameters[node.parameters[i].0];
        let output = match &node.operation {
            Operation::Conv(_) => x.conv2d(parameter(0), 1, 1, 1, 1)?,
            Operation::Conv1x1(_) => x.conv2d(parameter(0), 0, 1, 1, 1)?,
            Operation::ConvDown(_) => {
                return Ok(vec![x.conv2d(parameter(0), 1, 2, 1, 1)?, x.conv2d(parameter(1), 0, 2, 1, 1)?]);
            }
            Operation::ConvValid(_) => x.conv2d(parameter(0), 0, 1, 1, 1)?,
            Operation::BatchNorm { norm, running: index } => {
                let c = norm.shape.channels as usize;
                let column = |t: &Tensor| t.reshape((1, c, 1, 1));
                let (mean, variance) = match self.running {
                    None => {
                        let mean = x.mean_keepdim((0, 2, 3))?;
                        let variance = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim((0, 2, 3))?;
                        (mean, variance)
                    }
                    Some(all) => {
                        let [mean, variance] = &all[*index];
                        let tensor = |v: &[f32]| Tensor::from_slice(v, c, &Device::Cpu)?.to_dtype(DType::F64);
                        (column(&tensor(mean)?)?, column(&tensor(variance)?)?)
                    }
                };
                let normalized = x.broadcast_sub(&mean)?.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
                let scaled = normalized.broadcast_mul(&column(parameter(0))?)?;
                let mut z = scaled.broadcast_add(&column(parameter(1))?)?;
                if let Some(shortcut) = node.shortcut() {
                    z = (z + values.at(shortcut))?;
                }
                match norm.activation {
                    Some(activation) => activate(&z, activation)?,
                    None => z,
                }
            }
            Operation::Add => (x + values.at(node.inputs[1]))?,
            Operation::Activation(activation) => activate(x, *activation)?,
            Operation::Gate => activate(x, Activation::Relu)?,
            Operation::MaxPool(_) => {
                // Not max_pool2d: it divides the gradient between equal pixels.
                let (n, c, h, w) = x.dims4()?;
                x.reshape(&[n, c, h / 2, 2, w / 2, 2][..])?.max(5)?.max(3)?
            }
            Operation::GroupNorm(norm) => {
                let (shape, n) = (norm.shape, x.dims()[0]);
                let [c, h, w] = [shape.channels, shape.height, shape.width].map(|side| side as usize);
                let groups = x.reshape((n, norm.groups() as usize, ()))?;
                let centred = groups.broadcast_sub(&groups.mean_keepdim(2)?)?;
                let variance = centred.sqr()?.mean_keepdim(2)?;
                let normalized = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
                let column = |i: usize| parameter(i).reshape((1, c, 1, 1));
                let z = normalized.reshape((n, c, h, w))?.broadcast_mul(&column(0)?)?.broadcast_add(&column(1)?)?;
                let z = node.shortcut().map_or(Ok(z.clone()), |s| z + values.at(s))?;
                norm.activation.map_or(Ok(z.clone()), |a| activate(&z, a))?
            }
            Operation::Bias(bias) => {
                let z = x.broadcast_add(&parameter(0).reshape((1, bias.shape.channels as usize, 1, 1))?)?;
                let z = node.shortcut().map_or(Ok(z.clone()), |s| z + values.at(s))?;
                bias.activation.map_or(Ok(z.clone()), |a| activate(&z, a))?
            }
            Operation::Flatten(_) => x.flatten_from(1)?,
            Operation::GlobalAveragePool => x.mean((2, 3))?,
            Operation::Dense(_) => x.matmul(&parameter(0).t()?)?.broadcast_add(parameter(1))?,
        };
        Ok(vec![output])
    }
}

impl Forward for Candle<'_> {
    type Value = Tensor;

    fn forward(&mut self, node: &Node, values: &Tensors<Tensor>) -> Vec<Tensor> {
        self.outputs(node, values).unwrap_or_else(|error| panic!("{}: {error}", node.name))
    }
}

/// Mean loss. `running` are the statistics to use in place of the batch's.
fn loss(
    network: &Network,
    parameters: &[Var],
    running: Option<&[[Vec<f32>; 2]]>,
    x: Tensor,
    labels: &[u8],
) -> Result<Tensor> {
    let values = network.forward(&mut Candle { parameters, running }, x);
    let logits = values.at(network.logits());
    let labels: Vec<f64> = labels.iter().map(|&l| f64::from(l)).collect();
    match network.loss {
        Loss::SoftmaxCrossEntropy => {
            let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
            let log = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
            let index: Vec<u32> = labels.iter().map(|&l| l as u32).collect();
            let index = Tensor::from_vec(index, (labels.len(), 1), &Device::Cpu)?;
            log.gather(&index, 1)?.neg()?.mean_all()
        }
        Loss::SigmoidBinaryCrossEntropy => {
            let labels = Tensor::from_vec(labels.clone(), (labels.len(), 1), &Device::Cpu)?;
            ((logits.exp()? + 1.0)?.log()? - logits * labels)?.mean_all()
        }
        Loss::SquaredError => {
            let classes = Tensor::arange(0u32, logits.dims()[1] as u32, &Device::Cpu)?.to_dtype(DType::F64)?;
            let labels = Tensor::from_vec(labels.clone(), (labels.len(), 1), &Device::Cpu)?;
            let target = labels.broadcast_eq(&classes)?.to_dtype(DType::F64)?;
            (logits - target)?.sqr()?.sum(D::Minus1)?.mean_all()? * 0.5
        }
    }
}

struct Step {
    network: Network,
    before: State,
    loss: f32,
    /// The gradient: the momentum after the first step without weight decay.
    gradients: Vec<Vec<f32>>,
    after: State,
    test_loss: f64,
}

fn one_step(config: &TrainConfig, dataset: &Arc<Dataset>) -> Step {
    pollster::block_on(async {
        let new = Trainer::new(runs::context(), config.clone(), Arc::clone(dataset), Tuning::default(), Start::Fresh);
        let mut trainer = new.await.unwrap();
        let before = trainer.state().await.unwrap();
        let events = runs::finish(&mut trainer).await;
        let after = trainer.state().await.unwrap();
        let loss = events.iter().find_map(|e| if let Event::Step(s) = e { Some(s.loss[0]) } else { None });
        let test_loss = events.iter().find_map(|e| if let Event::Epoch(s) = e { Some(s.test_loss[0]) } else { None });
        let gradients = after.replicas[0].optimizer[0].values.clone();
        let network = trainer.network().clone();
        Step { network, before, loss: loss.unwrap(), gradients, after, test_loss: test_loss.unwrap() }
    })
}

fn distance(ours: &[f32], reference: &[f64]) -> f64 {
    let error: f64 = ours.iter().zip(reference).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let norm: f64 = reference.iter().map(|b| b * b).sum();
    (error / norm.max(1e-60)).sqrt()
}

fn check(config: &TrainConfig, dataset: Dataset, tolerance: f64) {
    let config = TrainConfig {
        augment: false,
        shuffle: false,
        weight_decay: 0.0,
        steps: Some(1),
        batch_size: dataset.train.len() as u32,
        ..config.clone()
    };
    let dataset = Arc::new(dataset);
    let step = one_step(&config, &dataset);
    let weights = &step.before.replicas[0].weights;
    let parameters = variables(&step.network, weights).unwrap();
    let x = images(&dataset.train, &dataset).unwrap();
    let reference = loss(&step.network, &parameters, None, x, &dataset.train.labels).unwrap();
    let gradients = reference.backward().unwrap();
    let expected = reference.to_scalar::<f64>().unwrap();
    let mut problems = Vec::new();
    // 1e-6 relative: the mean of a few float32 losses, each with a few dozen roundings.
    if (f64::from(step.loss) - expected).abs() > 1e-6 * expected {
        problems.push(format!("loss {} instead of {expected}", step.loss));
    }
    for ((parameter, ours), variable) in step.network.parameters.iter().zip(&step.gradients).zip(&parameters) {
        let gradient = gradients.get(variable).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let error = distance(ours, &gradient);
        if error.is_nan() || error > tolerance {
            problems.push(format!("gradient of {}: {error:.2e} off", parameter.name));
        }
    }
    // Evaluation uses the running statistics and the updated weights.
    let after = &step.after.replicas[0].weights;
    let x = images(&dataset.test, &dataset).unwrap();
    let parameters = variables(&step.network, after).unwrap();
    let expected = loss(&step.network, &parameters, Some(&after.running), x, &dataset.test.labels).unwrap();
    let expected = expected.to_scalar::<f64>().unwrap();
    // 1e-5: after one step at lr 0.1 the logits are in the hundreds, and rounding errors grow with them.
    if (step.test_loss - expected).abs() > 1e-5 * expected {
        problems.push(format!("test loss {} instead of {expected}", step.test_loss));
    }
    assert!(problems.is_empty(), "{} {}:\n{}", config.net, config.activation(), problems.join("\n"));
}

fn resnet8(activation: Activation, width: f64) -> TrainConfig {
    TrainConfig { activation: Some(activation), width, ks: vec![1], ..runs::small() }
}

/// 20, 40, 80 and 160 channels. No tensor has C = H = W, which candle 0.9's conv2d takes for channels-last.
fn vgg11(activation: Activation) -> TrainConfig {
    TrainConfig { net: NetKind::Vgg { depth: 11 }, ..resnet8(activation, 0.3125) }
}

fn synthetic(n: usize) -> Dataset {
    lastbit_core::data::synthetic::dataset(3, n, 7)
}

// ReLU's tolerance is wider: a pre-activation within rounding of 0 may change its sign, and with it the whole gradient.
#[test]
fn resnet8_with_swish_agrees_with_candle() {
    check(&resnet8(Activation::Swish { beta: 5.0 }, 1.0), synthetic(9), 1e-4);
}

#[test]
fn resnet8_with_tanh_agrees_with_candle() {
    check(&resnet8(Activation::Tanh, 1.0), synthetic(9), 1e-4);
}

#[test]
fn resnet8_with_relu_agrees_with_candle() {
    check(&resnet8(Activation::Relu, 1.0), synthetic(9), 1e-2);
}

#[test]
fn preresnet8_agrees_with_candle() {
    let net = NetKind::PreResNet { depth: 8 };
    check(&TrainConfig { net, ..resnet8(Activation::Swish { beta: 5.0 }, 1.0) }, synthetic(9), 1e-4);
    check(&TrainConfig { net, ..resnet8(Activation::Relu, 1.0) }, synthetic(9), 1e-2);
}

/// Every kind of network with norms, with others in place of batch norm.
fn check_norm(norm: Norm) {
    let swish = Activation::Swish { beta: 1.0 };
    check(&TrainConfig { norm, ..resnet8(swish, 1.0) }, synthetic(9), 1e-4);
    let net = NetKind::WideResNet { depth: 10, factor: 2 };
    check(&TrainConfig { net, norm, ..resnet8(swish, 0.5) }, synthetic(9), 1e-4);
    check(&TrainConfig { norm, ..vgg11(swish) }, synthetic(5), 1e-4);
}

#[test]
fn networks_without_norms_agree_with_candle() {
    check_norm(Norm::None);
}

#[test]
fn networks_with_group_norm_agree_with_candle() {
    check_norm(Norm::Group);
}

#[test]
fn wrn10_2_agrees_with_candle() {
    let net = NetKind::WideResNet { depth: 10, factor: 2 };
    check(&TrainConfig { net, ..resnet8(Activation::Swish { beta: 1.0 }, 0.5) }, synthetic(9), 1e-4);
}

#[test]
fn vgg11_with_swish_agrees_with_candle() {
    check(&vgg11(Activation::Swish { beta: 5.0 }), synthetic(5), 1e-4);
}

#[test]
fn vgg11_with_relu_agrees_with_candle() {
    check(&vgg11(Activation::Relu), synthetic(5), 1e-2);
}

#[test]
fn mlps_agree_with_candle() {
    for (layers, activation) in [(2, Activation::Tanh), (1, Activation::Swish { beta: 1.0 })] {
        for loss in [LossKind::CrossEntropy, LossKind::Mse] {
            let net = NetKind::Mlp { layers };
            check(&TrainConfig { net, loss, ..resnet8(activation, 0.25) }, synthetic(9), 1e-4);
        }
    }
}

#[test]
fn a_narrow_net_on_one_odd_channel_agrees_with_candle() {
    // 30, 15 and 8 pixels wide and high: candle cannot differentiate a stride of 2 on images that are not square.
    let mut dataset = synthetic(5);
    for set in [&mut dataset.train, &mut dataset.test] {
        let shape = lastbit_core::ops::Shape::new(1, 30, 30);
        let pixels = (0..set.len()).flat_map(|i| set.image(i)[..shape.elements() as usize].to_vec()).collect();
        *set = ImageSet { shape, pixels, labels: set.labels.clone() };
    }
    dataset.normalization.mean.truncate(1);
    dataset.normalization.std.truncate(1);
    // Six channels: not a multiple of a vector's four.
    check(&resnet8(Activation::Swish { beta: 1.0 }, 0.375), dataset, 1e-4);
}

#[test]
fn the_one_layer_net_agrees_with_candle() {
    let config = TrainConfig { net: NetKind::OneLayer, ..resnet8(Activation::Swish { beta: 1.0 }, 1.0) };
    let mut dataset = lastbit_core::data::checkerboard::dataset(64);
    // Random pixels: a checkerboard would hide a transposed kernel.
    let mut word = 1u32;
    for byte in &mut dataset.train.pixels {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (word >> 24) as u8;
    }
    dataset.test = dataset.train.clone();
    check(&config, dataset, 1e-4);
}

#[test]
fn the_one_layer_net_settles_at_the_papers_loss() {
    // Paper, section 4, Figure 4: with alpha 20 and dt 0.01, cross-entropy + alpha/2 |w|^2 = 0.2915.
    let config = TrainConfig {
        net: NetKind::OneLayer,
        ks: vec![1, 3],
        batch_size: 1,
        lr: 0.01,
        momentum: 0.0,
        weight_decay: 20.0,
        epochs: 150,
        decay_every: 0,
        eval_every: 0,
        ..TrainConfig::default()
    };
    let outcome = pollster::block_on(async {
        let dataset = Arc::new(lastbit_core::data::checkerboard::dataset(256));
        let new = Trainer::new(runs::context(), config, dataset, Tuning::default(), Start::Fresh);
        let mut trainer = new.await.unwrap();
        let events = runs::finish(&mut trainer).await;
        (events, trainer.state().await.unwrap())
    });
    let (events, state) = outcome;
    let last = events.iter().rev().find_map(|e| if let Event::Step(s) = e { Some(s.clone()) } else { None }).unwrap();
    assert_eq!(last.step, 150);
    for (replica, loss) in state.replicas.iter().zip(&last.loss) {
        let weights = &replica.weights.parameters[0];
        let squares: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        let total = f64::from(*loss) + 10.0 * squares;
        // The published number has four digits.
        assert!((total - 0.2915).abs() < 5e-5, "settled at {total}");
    }
    assert!(last.rel_l1[1] < 1e-3, "k = 3 leaves k = 1 at this step size: {}", last.rel_l1[1]);
}

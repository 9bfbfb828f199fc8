use std::rc::Rc;
use std::sync::Arc;

use crate::data::{Dataset, synthetic};
use crate::device::{AdapterChoice, Context, Options};
use crate::double;
use crate::nets::{GraphBuilder, Network};
use crate::ops::{Activation, Shape, cross_entropy::Loss};
use crate::train::plan::{MemoryLimits, RecordingKind, Tuning};
use crate::train::trainer::{Trainer, plan_of};
use crate::train::{State, TrainConfig, Weights};

const SWISH: Activation = Activation::Swish { beta: 1.0 };
const BATCH: u32 = 4;

/// Every kind of tensor has several readers, some of them the same node.
fn tangled(input: Shape, classes: u32) -> Network {
    let mut g = GraphBuilder::new("tangled", input, Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    // The batch has readers that need a copy of it for each replica, and readers whose result needs no gradient.
    let bent = g.activation("bent", g.input(), SWISH);
    let of_bent = g.conv3x3("conv of bent", bent, 4);
    let [of_batch, projected] = g.conv_down(["conv of batch", "projection of batch"], g.input(), 8);
    let flat = g.flatten("flat batch", g.input());
    let bent_flat = g.activation("bent flat", flat, SWISH);
    let flat_sum = g.add("flat sum", flat, bent_flat);
    let x = g.add("with bent", x, of_bent);
    let a = g.norm_act("bn1", x, SWISH);
    // A batch norm of a batch norm's output, which has one reader and is not kept.
    let b = g.norm_act("bn2", a, SWISH);
    let b = g.norm("bn3", b);
    let c = g.conv3x3("conv2", b, 4);
    let d = g.activation("act", a, SWISH);
    let sum = g.add("sum", c, d);
    let double = g.add("double", sum, sum);
    let normed = g.norm_add_act("bn4", double, sum, SWISH);
    let [y, s] = g.conv_down(["conv3", "projection"], normed, 8);
    let pooled = g.max_pool("pool", normed);
    let pooled = g.conv3x3("conv4", pooled, 8);
    let y = g.add("branches", y, pooled);
    let y = g.add("with batch", y, of_batch);
    let y = g.add("with projected", y, projected);
    // 1x1 convolutions of a tensor with other readers, and of the batch.
    let widened = g.conv1x1("conv1x1", y, 8);
    let of_batch = g.conv1x1("conv1x1 of batch", g.input(), 8);
    let of_batch = g.max_pool("pool of batch", of_batch);
    let widened = g.add("widened", widened, of_batch);
    let y = g.add("with widened", y, widened);
    let y = g.norm_add_act("bn5", y, s, SWISH);
    let features = g.global_average_pool(y);
    let hidden = [0, 1].map(|i| g.dense(&format!("dense{i}"), features, 6));
    let features = g.add("features", hidden[0], hidden[1]);
    let of_flat = [flat, flat_sum].map(|x| g.dense(&format!("dense of {}", x.0), x, 6));
    let of_flat = g.add("of flat", of_flat[0], of_flat[1]);
    // Planes, flattened, whose gradient is needed.
    let inner = g.flatten("flatten", y);
    let inner = g.activation("act of features", inner, SWISH);
    let inner = g.dense("dense of flattened", inner, 6);
    let features = g.add("with flat", features, of_flat);
    let features = g.add("with inner", features, inner);
    let features = g.add("features twice", features, features);
    g.dense("fc", features, classes);
    g.finish()
}

/// The training images as float64 planes, and their labels.
fn batch(dataset: &Dataset) -> (Vec<f64>, Vec<u32>) {
    let pixels = (dataset.shape().height * dataset.shape().width) as usize;
    let planes = dataset.train.pixels.chunks_exact(pixels).enumerate();
    let x = planes.flat_map(|(plane, bytes)| {
        let c = plane % dataset.shape().channels as usize;
        let (mean, std) = (f64::from(dataset.normalization.mean[c]), f64::from(dataset.normalization.std[c]));
        bytes.iter().map(move |byte| (f64::from(*byte) / 255.0 - mean) / std)
    });
    (x.collect(), dataset.train.labels.iter().map(|label| u32::from(*label)).collect())
}

#[test]
fn any_tensor_may_have_several_readers() {
    let dataset = Arc::new(synthetic::dataset(1, BATCH as usize, 4));
    let network = tangled(dataset.shape(), dataset.classes);
    let initial = Weights::initial(&network, 1);
    let parameters: Vec<Vec<f64>> =
        initial.parameters.iter().map(|p| p.iter().map(|v| f64::from(*v)).collect()).collect();
    let (x, labels) = batch(&dataset);
    let (_, expected) = double::gradients(&network, &parameters, &x, &labels);
    let config =
        TrainConfig { ks: vec![1, 3], batch_size: BATCH, augment: false, weight_decay: 0.0, ..TrainConfig::default() };
    // Without weight decay the momenta after the first step are the gradients.
    let state = pollster::block_on(async {
        let options = Options { adapter: AdapterChoice::Named("processor".to_owned()), ..Options::default() };
        let context = Rc::new(Context::open(options).await.unwrap());
        let limits = MemoryLimits { binding: u64::MAX, total: None };
        let tuning = Tuning::default();
        let plan = plan_of(&network, &config, &dataset.outline(), &tuning, limits).unwrap();
        let state = State::initial(&initial, config.ks.len(), config.optimizer);
        let mut trainer = Trainer::allocate(context, config, dataset, tuning, plan, state).await.unwrap();
        let kinds = vec![
            RecordingKind::Input(BATCH),
            RecordingKind::Train(0, BATCH),
            RecordingKind::Measure(0),
            RecordingKind::Fingerprint(0),
        ];
        trainer.build_programs(kinds).await.unwrap();
        trainer.advance().await.unwrap();
        trainer.flush().await.unwrap();
        trainer.state().await.unwrap()
    });
    for replica in &state.replicas {
        for ((parameter, found), expected) in network.parameters.iter().zip(&replica.optimizer[0].values).zip(&expected)
        {
            let error: f64 = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
            let norm: f64 = expected.iter().map(|b| b * b).sum();
            assert!(error <= 1e-8 * norm, "gradient of {}: off by {:.1e}", parameter.name, (error / norm).sqrt());
        }
    }
}

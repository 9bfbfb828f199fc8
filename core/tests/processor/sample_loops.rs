//! On the processor a thread that has a replica to itself computes consecutive dispatches together, a few samples at a time. The
//! bits are those of one dispatch after the other, as the processor computes them with more threads than replicas.

use std::rc::Rc;
use std::sync::Arc;

use lastbit_core::data::synthetic;
use lastbit_core::device::{AdapterChoice, Context, Options};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::batch_norm::{Backward, BatchNorm, ChannelBindings};
use lastbit_core::ops::conv::Conv;
use lastbit_core::ops::max_pool::MaxPool;
use lastbit_core::ops::{Activation, Pass, Shape, TileTarget, Tiles};
use lastbit_core::processor::{Class, Isa};
use lastbit_core::threads::Threads;
use lastbit_core::train::{DatasetKind, Start, TrainConfig, Trainer, Tuning};

use crate::common::{self, Gpu, Random};
use crate::runs::finish;

const REPLICAS: usize = 2;

/// The processor with `threads` threads. Threads run sample loops if there are at least as many replicas.
fn options(class: Class, instructions: Isa, threads: usize) -> Options {
    let threads = Threads::new(threads).unwrap();
    let adapter = AdapterChoice::Named(class.adapter().to_owned());
    Options { adapter, threads, instructions: Some(instructions), ..Options::default() }
}

/// Both classes, each with every instruction set of the machine.
fn kinds() -> impl Iterator<Item = (Class, Isa)> {
    let isas = || Isa::ALL.into_iter().filter(|isa| isa.is_available());
    Class::ALL.into_iter().flat_map(move |class| isas().map(move |isa| (class, isa)))
}

fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.uniform(-1.0, 1.0)).collect()
}

/// Runs batch norm, convolution and pool of a layer, forward and backward, on random values. Returns everything they write.
fn layer(gpu: &Gpu, input: Shape, out_channels: u32, activation: Option<Activation>, samples: usize) -> Vec<Vec<u32>> {
    let mut bench = common::Bench::new(gpu, REPLICAS, samples);
    let conv = Conv { input, out_channels, shared_input: false };
    let output = conv.output();
    let pooled = Shape { height: output.height / 2, width: output.width / 2, ..output };
    let values = |seed: u64, count: u32| random(seed, REPLICAS * count as usize);
    let tensor = |seed: u64, shape: Shape| values(seed, samples as u32 * shape.elements() as u32);
    let coefficients = |seed: u64, channels: u32| values(seed, 4 * channels);
    let sizes = [conv.weights(), out_channels, out_channels, input.channels, input.channels];
    let parameters = sizes.map(|size| vec![random(1, size as usize); REPLICAS]);
    let statistics = [3, 4].map(|seed| vec![random(seed, out_channels as usize); REPLICAS]);

    let norms = [(input, true), (output, false)].map(|(shape, shortcut)| BatchNorm { shape, activation, shortcut });
    let arena = bench.arena(&parameters);
    let running = bench.arena(&statistics);
    bench.rec.job.running_stride = running.stride;
    let packed_stride = out_channels.max(input.channels).div_ceil(4) * out_channels.max(input.channels) * 36;
    bench.rec.job.packed_stride = packed_stride;
    let [packed, packed_back] = [5, 6].map(|seed| bench.floats(&values(seed, packed_stride)));
    let [y0, shortcut] = [7, 8].map(|seed| bench.planes(input, &tensor(seed, input)));
    let [coefficients0, coefficients1] =
        [(9, input), (10, output)].map(|(seed, shape)| bench.floats(&coefficients(seed, shape.channels)));
    let g = bench.planes(output, &tensor(11, output));
    let g0 = bench.planes(input, &tensor(12, input));
    let [a0, dx] = [(); 2].map(|()| bench.fresh_planes(input));
    let [y1, a1, dy, d_pool] = [(); 4].map(|()| bench.fresh_planes(output));
    let p1 = bench.fresh_planes(pooled);
    let leaves = norms.map(|norm| bench.fresh(REPLICAS * 2 * norm.leaves(samples as u32) as usize));
    let means = norms.map(|norm| bench.fresh(REPLICAS * 2 * norm.shape.channels as usize));
    let partial = bench.fresh(REPLICAS * conv.partial_bytes(samples as u32) as usize / 4);
    let gradients = bench.fresh_arena(&sizes);
    let channels = ChannelBindings {
        scale: bench.tensor(&arena, 1),
        shift: bench.tensor(&arena, 2),
        running: bench.tensor(&running, 0),
        mean_to_variance: running.offsets[1] - running.offsets[0],
    };
    let statistics = bench.fresh(REPLICAS * 4 * out_channels as usize);
    let [weights, scale1, shift1, scale0, shift0] =
        [0, 1, 2, 3, 4].map(|i| (bench.tensor(&gradients, i), gradients.offsets[i]));
    bench.rec.job.parameter_stride = gradients.stride;

    let tiles = Tiles::default_for(TileTarget::Software);
    let rec = &mut bench.rec;
    norms[0].apply(rec, "apply", y0, coefficients0, shortcut, a0);
    conv.forward(rec, "conv", tiles.of(conv, Pass::Forward), [a0, packed, y1]);
    norms[1].statistics(rec, "statistics", y1, leaves[1], channels, statistics);
    norms[1].apply(rec, "apply", y1, coefficients1, y1, a1);
    let pool = MaxPool { input: output };
    pool.forward(rec, "pool", a1, p1);
    pool.backward(rec, "pool", [a1, p1, d_pool]);
    let backward = |norm: usize, y, shortcut, coefficients, g, dy, scale: (_, u32), shift: u32| Backward {
        y,
        coefficients,
        shortcut,
        g,
        leaves: leaves[norm],
        scale_gradient: scale.0,
        scale_to_shift: shift - scale.1,
        means: means[norm],
        dy,
    };
    norms[1].backward(rec, "norm", backward(1, y1, y1, coefficients1, g, dy, scale1, shift1.1));
    conv.dweight(rec, "conv", tiles.of(conv, Pass::WeightGradient), [a0, dy, partial, weights.0]);
    conv.dinput(rec, "conv", tiles.of(conv, Pass::InputGradient), [dy, packed_back, g0], true);
    norms[0].backward(rec, "norm", backward(0, y0, shortcut, coefficients0, g0, dx, scale0, shift0.1));

    let outcome = bench.run(u64::MAX);
    let whole = [a0, y1, a1, p1, d_pool, g, dy, g0, dx, statistics, leaves[0], leaves[1], means[0], means[1]];
    let mut all: Vec<Vec<u32>> = whole.map(|binding| outcome.words(binding)).to_vec();
    for (tensor, size) in sizes.into_iter().enumerate() {
        let by_replica = outcome.tensor(&gradients, tensor, size as usize);
        all.extend(by_replica.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()));
    }
    all
}

#[test]
fn loops_are_dispatches_one_after_the_other() {
    // Rows of whole, half and quarter vectors, and rows that end inside a vector; more images than a leaf holds.
    let shapes = [(16, 32, 16), (8, 16, 12), (20, 8, 8), (8, 4, 16), (3, 14, 5), (5, 6, 3), (8, 10, 8)];
    for (class, isa) in kinds() {
        for (i, (channels, side, outputs)) in shapes.into_iter().enumerate() {
            let input = Shape::new(channels, side, side);
            let activation = [Some(Activation::Relu), Some(Activation::Swish { beta: 5.0 }), None][i % 3];
            let samples = if i == 0 { 9 } else { 37 };
            let [in_loops, in_pieces] = [1, REPLICAS + 1]
                .map(|threads| layer(&Gpu::open(options(class, isa, threads)), input, outputs, activation, samples));
            for (at, (a, b)) in in_loops.iter().zip(&in_pieces).enumerate() {
                assert!(a == b, "{class:?} {isa:?} {input:?} to {outputs}, {activation:?}: result {at} differs");
            }
        }
    }
}

/// Metrics and final state of a short training.
fn trained(config: &TrainConfig, options: Options) -> (Vec<String>, Vec<Vec<u32>>) {
    // More images than a leaf of the statistics holds, and a smaller last batch, which is the second.
    let dataset = Arc::new(synthetic::dataset(1, 76, 20));
    pollster::block_on(async {
        let context = Rc::new(Context::open(options).await.unwrap());
        let mut trainer =
            Trainer::new(context, config.clone(), dataset, Tuning::default(), Start::Fresh).await.unwrap();
        let events = finish(&mut trainer).await.iter().map(|event| event.to_json()).collect();
        let state = trainer.state().await.unwrap();
        let tensors = state.replicas.iter().flat_map(|replica| {
            replica
                .weights
                .parameters
                .iter()
                .chain(&replica.optimizer[0].values)
                .chain(replica.weights.running.iter().flatten())
        });
        (events, tensors.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect())
    })
}

#[test]
fn networks_train_alike_in_loops_and_in_pieces() {
    let swish = Some(Activation::Swish { beta: 5.0 });
    let nets = [
        (NetKind::ResNet { depth: 14 }, 0.5, None),
        (NetKind::ResNet { depth: 8 }, 0.25, swish),
        ("vgg11".parse().unwrap(), 0.25, None),
        (NetKind::PreResNet { depth: 8 }, 0.25, None),
    ];
    for (i, (net, width, activation)) in nets.into_iter().enumerate() {
        let config = TrainConfig {
            net,
            width,
            activation,
            dataset: DatasetKind::Synthetic,
            batch_size: 40,
            ks: vec![1, 3, 5, 1],
            steps: Some(2),
            ..TrainConfig::default()
        };
        for (class, isa) in kinds().filter(|(_, isa)| i == 1 || *isa == Isa::best()) {
            let in_pieces = trained(&config, options(class, isa, 7));
            // Two threads run different loops at the same time, and share pieces at the end.
            for threads in [1, 2] {
                let in_loops = trained(&config, options(class, isa, threads));
                assert_eq!(in_loops.0, in_pieces.0, "metrics of {net:?} in {class:?} {isa:?}, {threads} threads");
                assert!(in_loops.1 == in_pieces.1, "state of {net:?} in {class:?} {isa:?}, {threads} threads");
            }
        }
    }
}

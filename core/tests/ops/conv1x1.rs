//! The 1x1 convolution with stride 1 is compared with candle: forward, gradient by the input, gradient by the weights.

use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::ops::{Conv1x1, Shape, Tile};

use super::common::{
    Bench, Failures, Gpu, LARGE_TILE, OTHER_TILES, Outputs, Random, Setting, joined, outputs_by_any_setting,
};
use super::oracle;

struct Case {
    conv: Conv1x1,
    samples: usize,
    x: Vec<Vec<f32>>,
    w: Vec<Vec<f32>>,
    dy: Vec<Vec<f32>>,
    /// The gradient from other layers, to which that by the input is added.
    earlier: Vec<Vec<f32>>,
}

impl Case {
    fn new(
        random: &mut Random,
        [c, height, width]: [u32; 3],
        out_channels: u32,
        samples: usize,
        replicas: usize,
    ) -> Self {
        let conv = Conv1x1 { input: Shape::new(c, height, width), out_channels };
        let (input, output) = (conv.input.elements() as usize, conv.output().elements() as usize);
        Self {
            x: random.replicas(replicas, samples * input),
            w: random.replicas(replicas, conv.weights() as usize),
            dy: random.replicas(replicas, samples * output),
            earlier: random.replicas(replicas, samples * input),
            conv,
            samples,
        }
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let Self { conv, samples, .. } = self;
        let range = setting.replicas.clone();
        let mut bench = Bench::new(gpu, range.len(), *samples);
        let x = bench.planes(conv.input, &joined(&self.x[range.clone()]));
        let dy = bench.planes(conv.output(), &joined(&self.dy[range.clone()]));
        let parameters = bench.arena(&[self.w[range.clone()].to_vec()]);
        let mut table = PackTable::default();
        let forward = table.add(conv.weight_dims(), parameters.offsets[0], Direction::Forward);
        let backward = table.add(conv.weight_dims(), parameters.offsets[0], Direction::InputGradient);
        bench.rec.job.packed_stride = table.stride();
        let packed = bench.fresh(table.stride() as usize * range.len());
        let (layers, tiles) = (bench.bytes(table.layer_bytes()), bench.bytes(table.tile_bytes()));
        let whole = bench.whole(&parameters);
        table.forward(&mut bench.rec, [whole, layers, tiles, packed]);
        let (y, dx) = (bench.fresh_planes(conv.output()), bench.fresh_planes(conv.input));
        let added = bench.planes(conv.input, &joined(&self.earlier[range.clone()]));
        let partial = bench.fresh(conv.partial_bytes(*samples as u32) as usize / 4 * range.len());
        let gradients = bench.fresh_arena(&[conv.weights()]);
        let gradient = bench.tensor(&gradients, 0);
        let [forward, backward] = [forward, backward].map(|at| bench.from(packed, at));
        conv.forward(&mut bench.rec, "conv", setting.tile, [x, forward, y]);
        conv.dinput(&mut bench.rec, "conv", setting.tile, [dy, backward, dx], false);
        conv.dinput(&mut bench.rec, "conv", setting.tile, [dy, backward, added], true);
        conv.dweight(&mut bench.rec, "conv", setting.tile, [x, dy, partial, gradient]);
        let done = bench.run(setting.limit_flops);
        vec![
            ("y", done.planes(y, conv.output())),
            ("dx", done.planes(dx, conv.input)),
            ("added dx", done.planes(added, conv.input)),
            ("dweight", done.tensor(&gradients, 0, conv.weights() as usize)),
        ]
    }

    fn check(&self, gpu: &Gpu, failures: &mut Failures, tiles: &[Tile]) {
        let replicas = self.x.len();
        let name = format!("{:?} N {} R {replicas}", self.conv, self.samples);
        let outputs = outputs_by_any_setting(failures, &name, replicas, tiles, |setting| self.run(gpu, setting));
        let (input, out) = (self.conv.input, self.conv.output());
        let n = self.samples as u32;
        for replica in 0..replicas {
            let x = oracle::leaf(&self.x[replica], &[n, input.channels, input.height, input.width]);
            let w = oracle::leaf(&self.w[replica], &[out.channels, input.channels, 1, 1]);
            let dy = oracle::constant(&self.dy[replica], &[n, out.channels, out.height, out.width]);
            let y = oracle::convolution(&x, &w, 0, 1);
            let [dx, dw] = oracle::gradients(&y, &dy, &[&x, &w]).try_into().expect("two leaves");
            let added = dx.iter().zip(&self.earlier[replica]).map(|(a, b)| a + f64::from(*b)).collect();
            for ((what, values), reference) in outputs.iter().zip(&[oracle::values(&y), dx, added, dw]) {
                // f32 sums of at most a few thousand products: the typical error is 1e-6, the bound 1e-5.
                failures.close(&format!("{name}: {what} [{replica}]"), &values[replica], reference, 1e-5);
            }
        }
    }
}

#[test]
fn the_projection_of_a_wide_resnet() {
    let mut failures = Failures::default();
    let case = Case::new(&mut Random::new(41), [16, 32, 32], 64, 3, 2);
    case.check(&Gpu::new(), &mut failures, &OTHER_TILES);
    failures.finish();
}

#[test]
fn pointwise_convolutions_of_odd_shapes() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(42);
    // The images are so small that a block of the weight gradient holds many of them; the batch ends inside a block.
    Case::new(&mut random, [3, 1, 1], 2, 131, 2).check(&gpu, &mut failures, &OTHER_TILES);
    Case::new(&mut random, [9, 17, 13], 19, 3, 2).check(&gpu, &mut failures, &[LARGE_TILE]);
    for round in 0..12 {
        let input = [random.between(1..=9), random.between(1..=19), random.between(1..=19)];
        let (samples, replicas) = (random.between(1..=7) as usize, random.between(1..=6) as usize);
        let out_channels = random.between(1..=13);
        let case = Case::new(&mut random, input, out_channels, samples, replicas);
        case.check(&gpu, &mut failures, if round < 4 { &OTHER_TILES } else { &[] });
    }
    failures.finish();
}

//! The pair of convolutions with stride 2 is compared with candle: forward, gradient by the input, gradients by the weights.

use lastbit_core::ops::conv_down::{ConvDown, WeightGradient};
use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::ops::{Shape, Tile};

use super::common::{
    Bench, Failures, Gpu, LARGE_TILE, OTHER_TILES, Outputs, Random, Setting, joined, outputs_by_any_setting,
};
use super::oracle;

/// In each pair, the 3x3 convolution comes first and the shortcut's 1x1 second.
struct Case {
    conv: ConvDown,
    samples: usize,
    x: Vec<Vec<f32>>,
    weights: [Vec<Vec<f32>>; 2],
    dy: [Vec<Vec<f32>>; 2],
}

impl Case {
    fn new(
        random: &mut Random,
        [channels, height, width]: [u32; 3],
        out_channels: u32,
        samples: usize,
        replicas: usize,
    ) -> Self {
        let conv = ConvDown { input: Shape::new(channels, height, width), out_channels };
        let (input, output) = (conv.input.elements() as usize, conv.output().elements() as usize);
        Self {
            x: random.replicas(replicas, samples * input),
            weights: conv.weights().map(|elements| random.replicas(replicas, elements as usize)),
            dy: [(); 2].map(|()| random.replicas(replicas, samples * output)),
            conv,
            samples,
        }
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let Self { conv, samples, .. } = self;
        let range = setting.replicas.clone();
        let mut bench = Bench::new(gpu, range.len(), *samples);
        let x = bench.planes(conv.input, &joined(&self.x[range.clone()]));
        let dy = [0, 1].map(|i| bench.planes(conv.output(), &joined(&self.dy[i][range.clone()])));
        let parameters = bench.arena(&[0, 1].map(|i| self.weights[i][range.clone()].to_vec()));
        let mut table = PackTable::default();
        // Another layer comes first, so that no offset is 0.
        table.add(conv.weight_dims()[0], 64, Direction::Forward);
        let mut packed_at = |i: usize, direction| table.add(conv.weight_dims()[i], parameters.offsets[i], direction);
        let forward = [0, 1].map(|i| packed_at(i, Direction::Forward));
        let backward = [0, 1].map(|i| packed_at(i, Direction::InputGradient));
        bench.rec.job.packed_stride = table.stride();
        let packed = bench.fresh(table.stride() as usize * range.len());
        let (layers, tiles) = (bench.bytes(table.layer_bytes()), bench.bytes(table.tile_bytes()));
        let whole = bench.whole(&parameters);
        table.forward(&mut bench.rec, [whole, layers, tiles, packed]);

        let y = [(); 2].map(|()| bench.fresh_planes(conv.output()));
        let dx = bench.fresh_planes(conv.input);
        let partial = conv.partial_bytes(*samples as u32).map(|bytes| bench.fresh(bytes as usize / 4 * range.len()));
        let gradients = bench.fresh_arena(&conv.weights());
        let gradient = [0, 1].map(|i| bench.tensor(&gradients, i));
        let [forward, backward] = [forward, backward].map(|both| both.map(|at| bench.from(packed, at)));
        conv.forward(&mut bench.rec, "conv", setting.tile, x, forward, y);
        conv.dinput(&mut bench.rec, "conv", setting.tile, dy, backward, dx);
        conv.dweight(&mut bench.rec, "conv", setting.tile, WeightGradient { x, dy, partial, gradient });

        let done = bench.run(setting.limit_flops);
        let dweight = |i: usize| done.tensor(&gradients, i, conv.weights()[i] as usize);
        vec![
            ("y", done.planes(y[0], conv.output())),
            ("shortcut", done.planes(y[1], conv.output())),
            ("dx", done.planes(dx, conv.input)),
            ("dweight", dweight(0)),
            ("dweight of the shortcut", dweight(1)),
        ]
    }

    fn compare(&self, failures: &mut Failures, name: &str, outputs: &Outputs) {
        let (input, out) = (self.conv.input, self.conv.output());
        let n = self.samples as u32;
        for replica in 0..self.x.len() {
            let x = oracle::leaf(&self.x[replica], &[n, input.channels, input.height, input.width]);
            let [w, v] = [(0, 3), (1, 1)]
                .map(|(i, side)| oracle::leaf(&self.weights[i][replica], &[out.channels, input.channels, side, side]));
            let [dy, ds] =
                [0, 1].map(|i| oracle::constant(&self.dy[i][replica], &[n, out.channels, out.height, out.width]));
            let [y, s] = [oracle::convolution(&x, &w, 1, 2), oracle::convolution(&x, &v, 0, 2)];
            let [dx, dw] = oracle::gradients(&y, &dy, &[&x, &w]).try_into().expect("two leaves");
            let [dx_shortcut, dv] = oracle::gradients(&s, &ds, &[&x, &v]).try_into().expect("two leaves");
            let dx = dx.iter().zip(&dx_shortcut).map(|(a, b)| a + b).collect();
            let references = [oracle::values(&y), oracle::values(&s), dx, dw, dv];
            for ((what, values), reference) in outputs.iter().zip(&references) {
                // f32 sums of at most a few thousand products: the typical error is 1e-6, the bound 1e-5.
                failures.close(&format!("{name}: {what} [{replica}]"), &values[replica], reference, 1e-5);
            }
        }
    }

    fn check(&self, gpu: &Gpu, failures: &mut Failures, tiles: &[Tile]) {
        let replicas = self.x.len();
        let name = format!("{:?} N {} R {replicas}", self.conv, self.samples);
        let outputs = outputs_by_any_setting(failures, &name, replicas, tiles, |setting| self.run(gpu, setting));
        self.compare(failures, &name, &outputs);
    }
}

#[test]
fn pairs_of_the_networks() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(4);
    for (input, out_channels, samples, replicas) in [([16, 32, 32], 32, 3, 2), ([32, 16, 16], 64, 9, 1)] {
        Case::new(&mut random, input, out_channels, samples, replicas).check(&gpu, &mut failures, &OTHER_TILES);
    }
    failures.finish();
}

#[test]
fn the_largest_tile() {
    let mut failures = Failures::default();
    let case = Case::new(&mut Random::new(8), [9, 17, 13], 19, 3, 2);
    case.check(&Gpu::new(), &mut failures, &[LARGE_TILE]);
    failures.finish();
}

#[test]
fn pairs_of_odd_shapes() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(5);
    // The images are so small that a block of the weight gradient holds many of them; the batch ends inside a block.
    Case::new(&mut random, [3, 1, 1], 2, 131, 2).check(&gpu, &mut failures, &OTHER_TILES);
    for round in 0..16 {
        let input = [random.between(1..=7), random.between(1..=19), random.between(1..=19)];
        let (samples, replicas) = (random.between(1..=7) as usize, random.between(1..=6) as usize);
        let out_channels = random.between(1..=13);
        let case = Case::new(&mut random, input, out_channels, samples, replicas);
        case.check(&gpu, &mut failures, if round < 6 { &OTHER_TILES } else { &[] });
    }
    failures.finish();
}

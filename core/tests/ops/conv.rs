//! Convolutions with stride 1 are compared with candle: forward, gradient by the input (stored and added), gradient by the
//! weight.

use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::ops::{Conv, Pass, Shape, Tile, conv_valid::ConvValid};

use super::common::{
    Bench, Failures, Gpu, LARGE_TILE, OTHER_TILES, Outputs, Random, Setting, joined, outputs_by_any_setting,
};
use super::oracle;

struct Case {
    conv: Conv,
    samples: usize,
    x: Vec<Vec<f32>>,
    weight: Vec<Vec<f32>>,
    dy: Vec<Vec<f32>>,
    /// Values to which the input gradient is added.
    before: Vec<Vec<f32>>,
}

impl Case {
    fn new(random: &mut Random, conv: Conv, samples: usize, replicas: usize) -> Self {
        let (input, output) = (conv.input.elements() as usize, conv.output().elements() as usize);
        Self {
            x: random.replicas(if conv.shared_input { 1 } else { replicas }, samples * input),
            weight: random.replicas(replicas, conv.weights() as usize),
            dy: random.replicas(replicas, samples * output),
            before: random.replicas(replicas, samples * input),
            conv,
            samples,
        }
    }

    fn of<'a>(&self, values: &'a [Vec<f32>], replica: usize) -> &'a [f32] {
        &values[if values.len() == 1 { 0 } else { replica }]
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let Self { conv, samples, .. } = self;
        let range = setting.replicas.clone();
        let mut bench = Bench::new(gpu, range.len(), *samples);
        let x = if conv.shared_input { &self.x[..] } else { &self.x[range.clone()] };
        let x = bench.planes(conv.input, &joined(x));
        let dy = bench.planes(conv.output(), &joined(&self.dy[range.clone()]));
        let parameters = bench.arena(&[self.weight[range.clone()].to_vec()]);
        let mut table = PackTable::default();
        // Another layer comes first, so that neither offset is 0.
        table.add(conv.weight_dims(), 64, Direction::Forward);
        let forward = table.add(conv.weight_dims(), 64, Direction::Forward);
        let backward = table.add(conv.weight_dims(), 64, Direction::InputGradient);
        bench.rec.job.packed_stride = table.stride();
        let packed = bench.fresh(table.stride() as usize * range.len());
        let (layers, tiles) = (bench.bytes(table.layer_bytes()), bench.bytes(table.tile_bytes()));
        let whole = bench.whole(&parameters);
        table.forward(&mut bench.rec, [whole, layers, tiles, packed]);

        let y = bench.fresh_planes(conv.output());
        let dx = bench.fresh_planes(conv.input);
        let added = bench.planes(conv.input, &joined(&self.before[range.clone()]));
        let partial = bench.fresh(conv.partial_bytes(*samples as u32) as usize / 4 * range.len());
        let gradients = bench.fresh_arena(&[conv.weights()]);
        let (forward, backward) = (bench.from(packed, forward), bench.from(packed, backward));
        let gradient = bench.tensor(&gradients, 0);
        conv.forward(&mut bench.rec, "conv", setting.tile, [x, forward, y]);
        if !conv.shared_input {
            conv.dinput(&mut bench.rec, "conv", setting.tile, [dy, backward, dx], false);
            conv.dinput(&mut bench.rec, "conv", setting.tile, [dy, backward, added], true);
        }
        conv.dweight(&mut bench.rec, "conv", setting.tile, [x, dy, partial, gradient]);

        let done = bench.run(setting.limit_flops);
        let mut outputs = vec![("y", done.planes(y, conv.output()))];
        outputs.push(("dweight", done.tensor(&gradients, 0, conv.weights() as usize)));
        if !conv.shared_input {
            outputs.push(("dx", done.planes(dx, conv.input)));
            outputs.push(("dx added", done.planes(added, conv.input)));
        }
        outputs
    }

    fn compare(&self, failures: &mut Failures, name: &str, outputs: &Outputs) {
        let Conv { input, out_channels, .. } = self.conv;
        let out = self.conv.output();
        let n = self.samples as u32;
        for replica in 0..self.weight.len() {
            let x = oracle::leaf(self.of(&self.x, replica), &[n, input.channels, input.height, input.width]);
            let w = oracle::leaf(&self.weight[replica], &[out_channels, input.channels, 3, 3]);
            let dy = oracle::constant(&self.dy[replica], &[n, out_channels, out.height, out.width]);
            let y = oracle::convolution(&x, &w, 1, 1);
            let [dx, dw] = oracle::gradients(&y, &dy, &[&x, &w]).try_into().expect("two leaves");
            let added: Vec<_> = dx.iter().zip(&self.before[replica]).map(|(d, b)| d + f64::from(*b)).collect();
            for (what, values) in outputs {
                let reference = match *what {
                    "y" => &oracle::values(&y),
                    "dweight" => &dw,
                    "dx" => &dx,
                    _ => &added,
                };
                // f32 sums of at most a few thousand products: the typical error is 1e-6, the bound 1e-5.
                failures.close(&format!("{name}: {what} [{replica}]"), &values[replica], reference, 1e-5);
            }
        }
    }
}

fn check(gpu: &Gpu, failures: &mut Failures, case: &Case, tiles: &[Tile]) {
    let (conv, replicas) = (&case.conv, case.weight.len());
    let name = format!("{conv:?} N {} R {replicas}", case.samples);
    let outputs = outputs_by_any_setting(failures, &name, replicas, tiles, |setting| case.run(gpu, setting));
    case.compare(failures, &name, &outputs);
}

fn conv(input: [u32; 3], out_channels: u32, shared_input: bool) -> Conv {
    let [channels, height, width] = input;
    Conv { input: Shape::new(channels, height, width), out_channels, shared_input }
}

#[test]
fn convolutions_of_the_networks() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(1);
    for (conv, samples, replicas) in [
        (conv([3, 32, 32], 16, true), 3, 6),
        (conv([16, 32, 32], 16, false), 3, 2),
        (conv([64, 8, 8], 64, false), 9, 1),
    ] {
        for tile in OTHER_TILES.iter().filter(|tile| tile.staging.is_some()) {
            let passes = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient];
            let are_staged = passes.map(|pass| conv.is_staged(pass, *tile, samples as u32));
            assert_eq!(are_staged, [true; 3], "{conv:?} {tile} is not staged");
        }
        check(&gpu, &mut failures, &Case::new(&mut random, conv, samples, replicas), &OTHER_TILES);
    }
    failures.finish();
}

#[test]
fn convolutions_of_odd_shapes() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(2);
    // The images are so small that a block of the weight gradient holds many of them; the batch ends inside a block.
    for (conv, samples) in [(conv([2, 2, 3], 3, false), 67), (conv([3, 1, 1], 2, true), 131)] {
        check(&gpu, &mut failures, &Case::new(&mut random, conv, samples, 2), &OTHER_TILES);
    }
    for round in 0..16 {
        let input = [random.between(1..=7), random.between(1..=13), random.between(1..=13)];
        let conv = conv(input, random.between(1..=7), random.below(4) == 0);
        let (samples, replicas) = (random.between(1..=7) as usize, random.between(1..=6) as usize);
        let tiles: &[Tile] = if round < 6 { &OTHER_TILES } else { &[] };
        check(&gpu, &mut failures, &Case::new(&mut random, conv, samples, replicas), tiles);
    }
    failures.finish();
}

#[test]
fn the_largest_tile() {
    let mut failures = Failures::default();
    let case = Case::new(&mut Random::new(7), conv([9, 9, 7], 19, false), 3, 2);
    let staged = Tile { channels: [4, 16], staging: Some(2), ..LARGE_TILE };
    assert!(case.conv.is_staged(Pass::WeightGradient, staged, 3), "the weight gradient is not staged");
    check(&Gpu::new(), &mut failures, &case, &[LARGE_TILE, staged]);
    failures.finish();
}

#[test]
fn valid_convolution() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(3);
    for (height, width, kernel, samples, replicas) in [
        (64, 64, 32, 1, 2),
        (40, 37, 32, 3, 6),
        (11, 9, 8, 5, 3),
        (9, 13, 1, 2, 2),
        (12, 10, 3, 1, 3),
        (17, 18, 7, 2, 2),
    ] {
        let conv = ConvValid { input: Shape::new(1, height, width), kernel };
        let out = conv.output();
        let pixels = samples * out.elements() as usize;
        let x = random.normals(samples * conv.input.elements() as usize);
        let weight = random.replicas(replicas, (kernel * kernel) as usize);
        // Each row of the kernel is padded to whole vectors.
        let row = kernel.next_multiple_of(4) as usize;
        let padded = |w: &Vec<f32>| -> Vec<f32> {
            w.chunks(kernel as usize).flat_map(|line| [line, &vec![0.0; row - line.len()]].concat()).collect()
        };
        let dy = random.replicas(replicas, pixels);
        let run = |setting: &Setting| -> Outputs {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), samples);
            let x = bench.planes(conv.input, &x);
            let dy = bench.planes(out, &joined(&dy[range.clone()]));
            let parameters = bench.arena(&[weight[range.clone()].iter().map(padded).collect()]);
            let y = bench.fresh_planes(out);
            let partial = bench.fresh(conv.partial_bytes(samples as u32) as usize / 4 * range.len());
            let gradients = bench.fresh_arena(&[conv.weights()]);
            let (w, gradient) = (bench.tensor(&parameters, 0), bench.tensor(&gradients, 0));
            conv.forward(&mut bench.rec, "conv", setting.tile, [x, w, y]);
            conv.dweight(&mut bench.rec, "conv", [x, dy, partial, gradient]);
            let done = bench.run(setting.limit_flops);
            vec![("y", done.planes(y, out)), ("dweight", done.tensor(&gradients, 0, conv.weights() as usize))]
        };
        let name = format!("{conv:?} N {samples}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &OTHER_TILES, run);
        let n = samples as u32;
        let x = oracle::constant(&x, &[n, 1, height, width]);
        for r in 0..replicas {
            let w = oracle::leaf(&weight[r], &[1, 1, kernel, kernel]);
            let y = oracle::convolution(&x, &w, 0, 1);
            let dy = oracle::constant(&dy[r], &[n, 1, out.height, out.width]);
            // 1,024 products per pixel, up to thousands of pixels per tap: the error of f32 sums is about 1e-6.
            failures.close(&format!("{name}: y [{r}]"), &outputs[0].1[r], &oracle::values(&y), 1e-5);
            let dw = &oracle::gradients(&y, &dy, &[&w])[0];
            let (taps, padding): (Vec<_>, Vec<_>) =
                outputs[1].1[r].chunks(row).map(|l| l.split_at(kernel as usize)).unzip();
            failures.close(&format!("{name}: dweight [{r}]"), &taps.concat(), dw, 1e-5);
            failures.check(padding.concat().iter().all(|g| *g == 0.0), || format!("{name}: the padding is not zero"));
        }
    }
    failures.finish();
}

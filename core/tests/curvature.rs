//! Curvature from the gradients of lockstep replicas agrees with float64, and measuring it disturbs nothing.

mod runs;

use std::sync::Arc;

use lastbit_core::data::{Dataset, checkerboard, synthetic};
use lastbit_core::double::DoubleTrainer;
use lastbit_core::nets::{NetKind, Norm};
use lastbit_core::ops::Activation;
use lastbit_core::pde::symmetric_eigenvalues;
use lastbit_core::train::{
    Curvature, CurvatureEvent, Event, LossKind, Probe, ProbeBatch, Switches, TrainConfig, Tuning, Weights,
};
use runs::{finish, small, trainer_on};

/// Curvature by `DoubleTrainer`'s gradients, with differences so small that only float64 can take them.
struct Reference {
    trainer: DoubleTrainer,
    point: Vec<Vec<f64>>,
}

fn flat(values: &[Vec<f64>]) -> Vec<f64> {
    values.iter().flatten().copied().collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

impl Reference {
    /// At the weights after `steps` steps in float32, which are float64 numbers, too.
    fn at(config: &TrainConfig, dataset: &Arc<Dataset>, weights: &[Vec<f32>]) -> Self {
        let config = TrainConfig { ks: vec![1], ..config.clone() };
        let trainer = DoubleTrainer::new(config, Arc::clone(dataset)).unwrap();
        let point = weights.iter().map(|values| values.iter().map(|v| f64::from(*v)).collect()).collect();
        Self { trainer, point }
    }

    fn gradient(&mut self, displacement: f64, v: &[f64], step: u64) -> Vec<f64> {
        let mut along = v.iter();
        let moved = |p: &f64| p + displacement * along.next().unwrap();
        let at: Vec<Vec<f64>> = {
            let mut moved = moved;
            self.point.iter().map(|values| values.iter().map(&mut moved).collect()).collect()
        };
        flat(&self.trainer.gradient(&at, step).1)
    }

    fn product(&mut self, v: &[f64], step: u64) -> Vec<f64> {
        const H: f64 = 1e-9;
        let [up, down] = [H, -H].map(|h| self.gradient(h, v, step));
        up.iter().zip(&down).map(|(a, b)| (a - b) / (2.0 * H)).collect()
    }

    fn unit(mut v: Vec<f64>) -> Vec<f64> {
        let norm = dot(&v, &v).sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        v
    }

    fn batch_sharpness(&mut self, batches: u64) -> f64 {
        let zero = vec![0.0; flat(&self.point).len()];
        let ratio = |step| {
            let v = Self::unit(self.gradient(0.0, &zero, step));
            dot(&self.product(&v, step), &v)
        };
        (1..=batches).map(ratio).sum::<f64>() / batches as f64
    }

    /// The product with the Hessian of the mean loss of the first `batches` batches.
    fn mean_product(&mut self, v: &[f64], batches: u64) -> Vec<f64> {
        let mut sum = vec![0.0; v.len()];
        for step in 1..=batches {
            sum.iter_mut().zip(self.product(v, step)).for_each(|(sum, p)| *sum += p / batches as f64);
        }
        sum
    }

    /// By Lanczos' iteration with full reorthogonalisation.
    fn lambda_max(&mut self, products: usize, batches: u64) -> f64 {
        let zero = vec![0.0; flat(&self.point).len()];
        let mut basis = vec![Self::unit(self.gradient(0.0, &zero, 1))];
        let mut projected = vec![0.0; products * products];
        for i in 0..products {
            let mut product = self.mean_product(&basis[i], batches);
            for (j, vector) in basis.iter().enumerate() {
                let along = dot(&product, vector);
                projected[i * products + j] = along;
                projected[j * products + i] = along;
                product.iter_mut().zip(vector).for_each(|(p, v)| *p -= along * v);
            }
            basis.push(Self::unit(product));
        }
        // Products are symmetric up to their error, so the entries beside the tridiagonal are as small.
        for i in 0..products {
            for j in 0..i.saturating_sub(1) {
                projected[i * products + j] = 0.0;
            }
        }
        symmetric_eigenvalues(projected, products)[products - 1]
    }
}

fn curvatures(events: &[Event]) -> Vec<CurvatureEvent> {
    let only = |event: &Event| match event {
        Event::Curvature(curvature) => Some(curvature.clone()),
        _ => None,
    };
    events.iter().filter_map(only).collect()
}

/// 16 training images a batch, the same ones in the same order every epoch, so that the subset is the `batches` of an epoch.
fn whole_batches(net: NetKind, activation: Option<Activation>, batches: u64) -> (TrainConfig, Arc<Dataset>) {
    let images = 16 * batches as usize;
    let config = TrainConfig {
        net,
        activation,
        batch_size: 16,
        train_limit: Some(images),
        shuffle: false,
        augment: false,
        ks: vec![1, 3],
        steps: Some(4),
        sharpness: Some(4),
        ..small()
    };
    (config, Arc::new(synthetic::dataset(1, images, 4)))
}

/// Runs four steps. Returns the curvature after them, and what it is in float64: lambda_max and Batch Sharpness.
fn compare(config: &TrainConfig, dataset: &Arc<Dataset>) -> (Curvature, [f64; 2]) {
    pollster::block_on(async {
        let mut trainer = trainer_on(config, dataset).await;
        let events = finish(&mut trainer).await;
        let found = curvatures(&events);
        assert_eq!(found.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 4]);
        let state = trainer.state().await.unwrap();
        let mut reference = Reference::at(config, dataset, &state.replicas[0].weights.parameters);
        let batches = (dataset.outline().train / config.batch_size as usize) as u64;
        let wanted = [reference.lambda_max(24, batches), reference.batch_sharpness(batches)];
        (found[1].curvature, wanted)
    })
}

fn assert_near(found: f64, wanted: f64, part: f64, what: &str) {
    assert!((found / wanted - 1.0).abs() < part, "{what} is {found}, in float64 {wanted}");
}

#[test]
fn curvature_of_a_smooth_resnet_agrees_with_float64() {
    let (config, dataset) = whole_batches(NetKind::ResNet { depth: 8 }, Some(Activation::Swish { beta: 1.0 }), 1);
    let (found, [lambda_max, batch_sharpness]) = compare(&config, &dataset);
    assert_near(found.lambda_max, lambda_max, 0.01, "lambda_max");
    assert_near(found.batch_sharpness, batch_sharpness, 0.02, "Batch Sharpness");
    assert!(found.product_error < 0.002 && found.residual < 0.02 * lambda_max, "{found:?}");
}

#[test]
fn curvature_of_a_resnet_agrees_with_float64() {
    let (config, dataset) = whole_batches(NetKind::ResNet { depth: 8 }, None, 1);
    let (found, [lambda_max, batch_sharpness]) = compare(&config, &dataset);
    assert_near(found.lambda_max, lambda_max, 0.01, "lambda_max");
    assert_near(found.batch_sharpness, batch_sharpness, 0.02, "Batch Sharpness");
    assert!(found.product_error < 0.002, "{found:?}");
}

/// Over an epoch of three batches, so that the means over batches are checked, too.
#[test]
fn curvature_of_an_mlp_agrees_with_float64() {
    for loss in [LossKind::Mse, LossKind::CrossEntropy] {
        let (config, dataset) = whole_batches(NetKind::Mlp { layers: 2 }, Some(Activation::Tanh), 3);
        let (found, [lambda_max, batch_sharpness]) = compare(&TrainConfig { loss, ..config }, &dataset);
        assert_near(found.lambda_max, lambda_max, 0.01, "lambda_max");
        assert_near(found.batch_sharpness, batch_sharpness, 0.02, "Batch Sharpness");
        assert!(found.product_error < 0.002 && found.residual < 0.02 * lambda_max, "{found:?}");
    }
}

/// The networks of the experiments, on few images: float64 takes its time.
#[test]
fn curvature_at_full_width_agrees_with_float64() {
    for (net, activation) in
        [(NetKind::ResNet { depth: 8 }, Activation::Relu), (NetKind::Mlp { layers: 2 }, Activation::Tanh)]
    {
        let (config, _) = whole_batches(net, Some(activation), 1);
        let config = TrainConfig { width: 1.0, batch_size: 4, train_limit: Some(4), ..config };
        let (found, [lambda_max, batch_sharpness]) = compare(&config, &Arc::new(synthetic::dataset(1, 4, 4)));
        println!(
            "{net}: {:.2e} and {:.2e} off",
            found.lambda_max / lambda_max - 1.0,
            found.batch_sharpness / batch_sharpness - 1.0
        );
        assert_near(found.lambda_max, lambda_max, 0.01, "lambda_max");
        assert_near(found.batch_sharpness, batch_sharpness, 0.02, "Batch Sharpness");
    }
}

/// A network whose ReLUs the first replica switches computes, for that replica, what the network itself computes, and for one at the same
/// weights as well.
#[test]
fn switched_relus_change_nothing_for_the_replica_that_switches_them() {
    let nets = [
        ("resnet8", Norm::Batch),
        ("resnet8", Norm::Group),
        ("resnet8", Norm::None),
        ("preresnet8", Norm::Batch),
        ("wrn10-1", Norm::Batch),
        ("vgg11", Norm::Batch),
        ("mlp2", Norm::Batch),
    ];
    for (net, norm) in nets {
        let net: NetKind = net.parse().unwrap();
        let config = TrainConfig { net, norm, activation: Some(Activation::Relu), ks: vec![1], ..small() };
        pollster::block_on(async {
            let probe = async |slots, switches| {
                let (context, dataset) = (runs::context(), runs::dataset());
                Probe::new(context, &config, dataset, Tuning::default(), (slots, switches), 0).await.unwrap()
            };
            let (mut own, mut switched) = (probe(1, Switches::Own).await, probe(3, Switches::First).await);
            let point = own.point(&Weights::initial(own.network(), 1));
            let other: Vec<f32> = point.iter().map(|w| w * 1.5).collect();
            let wanted = own.gradients(&[&point], &ProbeBatch::Step(1)).await.unwrap();
            let found = switched.gradients(&[&point, &other, &point], &ProbeBatch::Step(1)).await.unwrap();
            assert_eq!(found[0], wanted[0], "{net} with {norm}");
            assert_eq!(found[2], wanted[0], "{net} with {norm}: the same weights");
            assert_ne!(found[1].values, wanted[0].values);
        });
    }
}

#[test]
fn measuring_changes_no_bit() {
    let config = TrainConfig { ks: vec![1, 1, 3], steps: Some(6), ..small() };
    let with = TrainConfig { sharpness: Some(2), sharpness_images: Some(16), ..config.clone() };
    let (plain, measured) = (runs::run(&config), runs::run(&with));
    assert_eq!(plain.state, measured.state);
    let lines = |events: &[Event]| -> Vec<String> {
        events.iter().filter(|event| !matches!(event, Event::Curvature(_))).map(Event::to_json).collect()
    };
    assert_eq!(lines(&plain.events), lines(&measured.events));
    let found = curvatures(&measured.events);
    assert_eq!(found.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 2, 4, 6]);
    assert_eq!(runs::run(&with).events, measured.events, "a second run measures the same bits");
    assert!(found.iter().all(|event| event.curvature.lambda_max > 0.0));
}

/// The nonlinear equation of the paper has a fixed point that loses stability at dt = 0.03226 (docs/RESULTS.md): there 2 / dt is the largest
/// eigenvalue of its loss, weight decay included.
#[test]
fn the_sharpness_of_the_one_layer_network_is_its_edge() {
    let weight_decay = 20.0;
    let config = TrainConfig {
        net: NetKind::OneLayer,
        width: 1.0,
        batch_size: 1,
        ks: vec![1],
        lr: 0.03,
        momentum: 0.0,
        nesterov: false,
        weight_decay,
        epochs: 1000,
        steps: Some(400),
        eval_every: 0,
        sharpness: Some(400),
        ..small()
    };
    pollster::block_on(async {
        let mut trainer = trainer_on(&config, &Arc::new(checkerboard::dataset(256))).await;
        let found = curvatures(&finish(&mut trainer).await);
        let edge = 2.0 / (found[1].curvature.lambda_max + weight_decay);
        assert_near(edge, 0.03226, 0.005, "the edge");
        let Curvature { lambda_max, batch_sharpness, .. } = found[1].curvature;
        assert!(batch_sharpness <= lambda_max * 1.01, "no direction is sharper: {:?}", found[1]);
    });
}

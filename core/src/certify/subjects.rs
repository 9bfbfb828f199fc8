//! What the kernels are checked on: networks and equations, in the shapes in which they are trained and solved.

use std::rc::Rc;
use std::sync::Arc;

use super::lockstep::Variant;
use crate::data::{Dataset, ImageSet, Normalization, synthetic};
use crate::device::{Context, Family};
use crate::nets::NetKind;
use crate::ops::sgd::Perturbation;
use crate::ops::{Activation, Shape, Tile, TileTarget, Tiles, functions};
use crate::pde::{
    Heat, HeatParams, Image, Linear, LinearParams, Nonlinear, NonlinearParams, PdeError, Regime, Replica,
    initial_kernel,
};
use crate::record::{Act, BufferTable, Function, Job, Recording, Script};
use crate::rng::{Purpose, Stream};
use crate::train::{DatasetKind, MemoryLimits, Optimizer, TrainConfig, TrainError, Tuning, default_tiles, script};

/// A network or an equation whose kernels are compared with their twins.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name, such as `resnet20`.
    pub name: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Network(Box<Network>),
    Equation(Equation),
    Functions,
}

/// A network with its batches.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub config: TrainConfig,
    pub train_images: usize,
    pub test_images: usize,
    /// Which other tiles its convolutions are compared with.
    pub tiles: ForcedTiles,
    /// Edge of the one-layer network's image.
    pub side: u32,
}

/// Which tiles the convolutions of a network are compared with, beside the default and the tuned ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForcedTiles {
    /// None.
    None,
    /// Those of NVIDIA's GPUs, which stage, or those of other GPUs if these are the default.
    Staged,
    /// Those of every kind of adapter, low ones, tall ones.
    All,
}

/// An equation of the paper, on an image of this edge.
#[derive(Clone, Copy, Debug)]
pub(super) enum Equation {
    Heat,
    Linear(Regime, u32),
    Nonlinear(u32),
}

impl Subject {
    /// A network: two replicas with k = 1 and 3, one epoch of `images` training images in batches of `batch`, then an
    /// evaluation of as many as a batch.
    #[must_use]
    pub fn network(net: NetKind, activation: Activation, batch: u32, images: usize) -> Self {
        let config = TrainConfig {
            net,
            activation: Some(activation),
            dataset: DatasetKind::Synthetic,
            ks: vec![1, 3],
            batch_size: batch,
            ..TrainConfig::default()
        };
        let suffix = if activation == Activation::Relu { "" } else { ", Swish" };
        let test_images = batch.min(4) as usize;
        let network = Network { config, train_images: images, test_images, tiles: ForcedTiles::None, side: 256 };
        Self { name: format!("{net}{suffix}"), what: What::Network(Box::new(network)) }
    }

    fn equation(name: &str, equation: Equation) -> Self {
        Self { name: name.to_owned(), what: What::Equation(equation) }
    }

    /// The same subject, if it is a network with other settings.
    fn with(mut self, set: impl FnOnce(&mut Network)) -> Self {
        if let What::Network(network) = &mut self.what {
            set(network);
        }
        self
    }

    /// The same network with other divisors.
    #[must_use]
    pub fn with_ks(self, ks: &[u32]) -> Self {
        self.with(|network| network.config.ks = ks.to_vec())
    }

    /// The same network with a multiple of its channels.
    #[must_use]
    pub fn with_width(self, width: f64) -> Self {
        self.with(|network| network.config.width = width)
    }

    /// The same network, also with these tiles.
    #[must_use]
    pub fn with_tiles(self, tiles: ForcedTiles) -> Self {
        self.with(|network| network.tiles = tiles)
    }

    /// The script of the subject on this adapter, and those with other tiles. `tuned` are tiles that were found to be quick.
    pub(super) fn scripts(&self, context: &Rc<Context>, tuned: &[Tiles]) -> Result<(Script, Vec<Variant>), TrainError> {
        let network = match &self.what {
            What::Network(network) => network,
            What::Equation(equation) => return Ok((equation.script(), Vec::new())),
            What::Functions => return Ok((functions_script(), Vec::new())),
        };
        let dataset = Arc::new(match network.config.net {
            NetKind::OneLayer => noise(network.side, network.train_images, network.test_images),
            _ => synthetic::dataset(1, network.train_images, network.test_images),
        });
        let adapter = context.adapter();
        let limits = MemoryLimits { binding: adapter.binding_bytes(), total: context.memory_budget() };
        let of = |tiles: Tiles| {
            let tuning = Tuning { tiles: Some(tiles), ..Tuning::default() };
            script(&network.config, &dataset, &tuning, limits)
        };
        let mut variants = Vec::new();
        if adapter.has_tiles() {
            let forced = network.tiles.list(context).into_iter();
            let tuned = tuned.iter().map(|tiles| ("tuned tiles".to_owned(), tiles.clone()));
            for (name, tiles) in forced.chain(tuned) {
                variants.push(Variant { name, script: of(tiles)? });
            }
        }
        Ok((of(default_tiles(adapter))?, variants))
    }
}

impl ForcedTiles {
    fn list(self, context: &Context) -> Vec<(String, Tiles)> {
        let named = |name: &str, tiles: Tiles| (name.to_owned(), tiles);
        let nvidia = || named("tiles of NVIDIA's GPUs", Tiles::default_for(TileTarget::NvidiaGpu));
        let other = || named("tiles of other GPUs", Tiles::default_for(TileTarget::OtherGpu));
        let low = named("tiles of one row", Tiles::all(Tile::with_rows(1)));
        // Neither tall tiles nor those of software GPUs fit into the registers of a GPU, where they are only slow; on a
        // software GPU they take seconds to compile.
        let tall = Tile { rows: 8, groups: 2, channels: [4, 8], lanes: 128, uniform: true, staging: None };
        let default = default_tiles(context.adapter());
        match self {
            Self::None => Vec::new(),
            Self::Staged if default == Tiles::default_for(TileTarget::NvidiaGpu) => vec![other()],
            Self::Staged => vec![nvidia()],
            Self::All if context.adapter().family == Family::SoftwareGpu => vec![nvidia(), other(), low],
            Self::All => {
                let software = named("tiles of software GPUs", Tiles::default_for(TileTarget::Software));
                vec![nvidia(), other(), low, named("tall tiles", Tiles::all(tall)), software]
            }
        }
    }
}

/// Images of random bytes in one channel, of two classes.
fn noise(side: u32, train: usize, test: usize) -> Dataset {
    let shape = Shape::new(1, side, side);
    let set = |index: u64, n: usize| {
        let mut stream = Stream::new(1, Purpose::Synthetic, index);
        let pixels = (0..n * shape.elements() as usize).map(|_| stream.below(256) as u8).collect();
        ImageSet { shape, pixels, labels: (0..n).map(|i| (i % 2) as u8).collect() }
    };
    Dataset {
        name: "noise".into(),
        classes: 2,
        class_names: ["first", "second"].map(String::from).to_vec(),
        train: set(1, train),
        test: set(2, test),
        normalization: Normalization { mean: vec![0.5], std: vec![0.25] },
        pad_byte: 0,
        crop_and_flip: false,
    }
}

impl Equation {
    fn script(self) -> Script {
        self.checked_script().expect("the parameters are valid")
    }

    fn checked_script(self) -> Result<Script, PdeError> {
        // The size of the paper's kernel.
        const KERNEL: u32 = 32;
        match self {
            Self::Heat => Heat::script(HeatParams::default(), &[0.3, 0.5, 0.6]),
            Self::Linear(regime, side) => {
                let (image, initial) = (Image::noise(side, side, 0.1, 1.0, 1)?, initial_kernel(KERNEL, None, 1));
                let params = LinearParams { image, kernel: KERNEL, regime, a: -0.5, beta: 1.0, source: true, initial };
                Linear::script(&params, &[(20.0, 1e-9), (1e7, 3e-8)])
            }
            Self::Nonlinear(side) => {
                let params = NonlinearParams {
                    image: Image::noise(side, side, 0.1, 1.0, 1)?,
                    kernel: KERNEL,
                    activation: Activation::Swish { beta: 1.0 },
                    label: 1,
                    alpha: 20.0,
                    perturbation: Perturbation::Divide,
                    initial: initial_kernel(KERNEL, None, 1),
                };
                let replica = |k: u32| Replica { k, dt: 0.05, reference: 0 };
                Nonlinear::script(&params, &[replica(1), replica(3)])
            }
        }
    }
}

/// All shared functions, on numbers of moderate size.
fn functions_script() -> Script {
    const COUNT: u32 = 1 << 12;
    let mut stream = Stream::new(1, Purpose::Synthetic, 0);
    let any = |stream: &mut Stream| (20.0 * stream.uniform() as f32 - 10.0).to_bits();
    let mut table = BufferTable::default();
    let [operands, positive] = ["operands", "positive operands"].map(|label| table.add(label, 16 * u64::from(COUNT)));
    let results = table.add("results", 4 * u64::from(COUNT));
    let words: Vec<u32> = (0..4 * COUNT).map(|_| any(&mut stream)).collect();
    let small: Vec<u32> =
        words.iter().enumerate().map(|(i, word)| if i % 4 == 1 { 1 + word % 63 } else { word & 0x7fff_ffff }).collect();
    let write = |buffer, words: &[u32]| Act::Write(buffer, bytemuck::cast_slice(words).to_vec());
    let mut acts = vec![write(operands, &words), write(positive, &small)];
    acts.extend(Function::ALL.map(|function| {
        let of = match function {
            Function::DivideExactly | Function::Log | Function::Root => positive,
            _ => operands,
        };
        let mut recording = Recording::new(1, Job::default());
        functions::apply(&mut recording, function, [of, results].map(|id| table.whole(id)), COUNT);
        Act::run(format!("{function:?}"), recording)
    }));
    Script { table, acts, results: vec![results] }
}

const SWISH: Activation = Activation::Swish { beta: 5.0 };

/// The subjects of a certificate: every published network and equation; fewer if `quick`.
pub(super) fn all(context: &Context, quick: bool) -> Vec<Subject> {
    let resnet = |depth| NetKind::ResNet { depth };
    let relu = Activation::Relu;
    let one_layer = |side: u32, images: usize| {
        let beta_one = Activation::Swish { beta: 1.0 };
        let subject = Subject::network(NetKind::OneLayer, beta_one, 2, images).with(|network| network.side = side);
        Subject { name: "one-layer".to_owned(), ..subject }
    };
    let reciprocal =
        Subject::network(resnet(8), relu, 2, 2).with(|network| network.config.perturbation = Perturbation::Reciprocal);
    let adamw = Subject::network(resnet(8), relu, 2, 2).with(|network| network.config.optimizer = Optimizer::AdamW);
    let functions = Subject { name: "shared functions".to_owned(), what: What::Functions };
    if quick {
        return vec![
            Subject::network(resnet(20), relu, 4, 7).with_tiles(ForcedTiles::Staged),
            one_layer(64, 2),
            functions,
            Subject::equation("heat equation", Equation::Heat),
            Subject::equation("linear equation, activated", Equation::Linear(Regime::Activated, 64)),
        ];
    }
    let is_processor = context.adapter().family == Family::Processor;
    let mut subjects = vec![
        Subject::network(resnet(20), relu, 5, 8).with_tiles(ForcedTiles::All),
        // Several blocks and leaves in each sum, and an incomplete one.
        Subject { name: "resnet8, batch of 36".to_owned(), ..Subject::network(resnet(8), relu, 36, 36).with_ks(&[3]) },
        Subject::network(resnet(56), relu, 2, 2),
        Subject::network(resnet(20), SWISH, 3, 3),
        Subject { name: "resnet8, reciprocal".to_owned(), ..reciprocal },
        Subject { name: "resnet8, adamw".to_owned(), ..adamw },
        Subject::network(NetKind::PreResNet { depth: 20 }, relu, 3, 3),
        Subject::network(NetKind::Vgg { depth: 16 }, relu, 3, 5).with_ks(&[3]).with_tiles(ForcedTiles::Staged),
        one_layer(256, 3).with_tiles(ForcedTiles::All),
        functions.clone(),
        Subject::equation("heat equation", Equation::Heat),
        Subject::equation("nonlinear equation", Equation::Nonlinear(256)),
    ];
    let regimes = [
        ("linear equation, activated", Regime::Activated),
        ("linear equation, transitioning", Regime::Transitioning),
        ("linear equation, not activated", Regime::NotActivated),
    ];
    subjects.extend(regimes.map(|(name, regime)| Subject::equation(name, Equation::Linear(regime, 64))));
    if is_processor {
        // Plain Rust computes some of them at a hundredth of the speed, with the same code for all shapes.
        subjects.retain(|subject| !["resnet56", "resnet8, batch of 36"].contains(&subject.name.as_str()));
    }
    subjects
}

/// The networks whose backward pass is checked with tiny gradients.
pub(super) fn with_tiny_gradients(quick: bool) -> Vec<Subject> {
    // Without weight decay, gradients alone make the update.
    let of =
        |net, activation| Subject::network(net, activation, 3, 3).with(|network| network.config.weight_decay = 0.0);
    let mut all = vec![of(NetKind::ResNet { depth: 8 }, Activation::Relu)];
    if !quick {
        all.extend([
            of(NetKind::ResNet { depth: 8 }, SWISH),
            of(NetKind::PreResNet { depth: 8 }, Activation::Relu),
            of(NetKind::Vgg { depth: 16 }, Activation::Relu).with_ks(&[3]),
            Subject::network(NetKind::OneLayer, Activation::Swish { beta: 1.0 }, 2, 2)
                .with(|network| network.config.weight_decay = 0.0),
        ]);
    }
    all
}

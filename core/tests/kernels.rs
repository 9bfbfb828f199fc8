//! Every kernel in every specialisation that the networks use: naga validates it and translates it to SPIR-V, MSL and
//! HLSL, and `tint` (Chrome's compiler) accepts it where that program is on the PATH. All failures in one message.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use lastbit_core::gpu::{Binding, BufferId, Job, Kernel, Recording};
use lastbit_core::nets::{NetKind, Network, Operation};
use lastbit_core::ops::{self, Activation, Shape, Tile, batch_norm, conv};
use lastbit_core::ops::{batch_input, cross_entropy, divergence, fingerprint, flip_bit, pack, pool, sgd};

/// A binding for launches that are looked at and never run.
fn nowhere() -> Binding {
    Binding { buffer: BufferId::default(), offset: 0, bytes: 16 }
}

/// Every launch of `network` once, in both directions, on no buffers at all.
fn launches(network: &Network, tile: Tile) -> Recording {
    let mut rec = Recording::new(2, Job { samples: 3, parameter_stride: 64, packed_stride: 256, ..Job::default() });
    let at = nowhere();
    for node in &network.nodes {
        let shape = network.shapes[node.input.0];
        match &node.operation {
            Operation::Conv { conv, .. } => {
                conv.forward(&mut rec, &node.name, tile, at, at, at);
                conv.dweight(&mut rec, &node.name, [at; 4]);
                if !conv.shared_input {
                    conv.dinput(&mut rec, &node.name, tile, [at; 3], false);
                    conv.dinput(&mut rec, &node.name, tile, [at; 3], true);
                }
            }
            Operation::ConvValid { conv, .. } => {
                conv.forward(&mut rec, &node.name, tile, [at; 3]);
                conv.dweight(&mut rec, &node.name, [at; 4]);
            }
            Operation::BatchNorm { norm, .. } => {
                let channels = batch_norm::Channels { scale: at, shift: at, running: at, mean_to_variance: 64 };
                norm.statistics(&mut rec, &node.name, at, at, channels, at);
                norm.running(&mut rec, &node.name, channels, at);
                norm.apply(&mut rec, &node.name, at, at, at, at);
                let tensors = batch_norm::Backward {
                    y: at,
                    coefficients: at,
                    shortcut: at,
                    g: at,
                    leaves: at,
                    scale_gradient: at,
                    scale_to_shift: 64,
                    means: at,
                    dy: at,
                };
                norm.backward(&mut rec, &node.name, tensors);
            }
            Operation::Activation(activation) => {
                ops::activation::forward(&mut rec, &node.name, shape, *activation, at, at);
                ops::activation::backward(&mut rec, &node.name, shape, *activation, at, at);
            }
            Operation::GlobalAveragePool => {
                pool::forward(&mut rec, &node.name, shape, at, at);
                pool::backward(&mut rec, &node.name, shape, at, at);
            }
            Operation::Dense { dense, .. } => {
                dense.forward(&mut rec, &node.name, [at; 4]);
                dense.dinput(&mut rec, &node.name, [at; 3]);
                dense.dweight(&mut rec, &node.name, [at; 3], 640);
            }
        }
    }
    let bindings =
        cross_entropy::Bindings { logits: at, labels: at, dlogits: at, scores: at, totals: at };
    cross_entropy::forward(&mut rec, network.loss, network.shapes[network.logits().0].channels, bindings);
    let bindings = batch_input::Bindings { bytes: at, choices: at, normalization: at, x: at };
    batch_input::forward(&mut rec, network.input(), 0, bindings);
    rec
}

/// The launches that know no network.
fn common_launches() -> Recording {
    let mut rec = Recording::new(2, Job { samples: 3, parameter_stride: 64, packed_stride: 256, ..Job::default() });
    let at = nowhere();
    for perturbation in [sgd::Perturbation::Divide, sgd::Perturbation::Reciprocal, sgd::Perturbation::Nextafter] {
        let bindings = sgd::Bindings { gradients: at, step: at, replicas: at, parameters: at, momenta: at };
        sgd::update(&mut rec, perturbation, bindings);
    }
    divergence::measure(&mut rec, 3, [at; 5]);
    fingerprint::measure(&mut rec, [at; 5]);
    flip_bit::flip(&mut rec, at, 0, 0);
    let mut table = pack::PackTable::default();
    let input = Shape::new(3, 8, 8);
    let layer = conv::Conv { input, out_channels: 4, kernel: 3, stride: 1, shared_input: false };
    table.add(&layer, 0, pack::Direction::Forward);
    table.forward(&mut rec, [at; 4]);
    rec
}

/// Every network in the shapes, widths and activations that a command line can ask for and that differ in kernels.
fn networks() -> Vec<Network> {
    let swish = |beta| Activation::Swish { beta };
    let mut all = Vec::new();
    // Kernels know shapes, not depth: a second block a stage (depth 14) has the last kernel that deeper ones add.
    for depth in [8, 14, 20, 32, 44, 56, 110] {
        for activation in [Activation::Relu, swish(5.0)] {
            all.push(NetKind::ResNet { depth }.build(Shape::new(3, 32, 32), 10, activation, 1.0));
        }
    }
    for width in [0.25, 0.5, 0.625, 2.0, 4.0] {
        for (channels, size) in [(1, 32), (3, 32), (1, 28), (3, 30), (3, 9), (1, 64)] {
            for activation in [Activation::Relu, swish(1.0)] {
                all.push(NetKind::ResNet { depth: 14 }.build(Shape::new(channels, size, size), 7, activation, width));
            }
        }
    }
    for (height, width) in [(256, 256), (64, 64), (40, 37)] {
        for activation in [Activation::Relu, swish(1.0)] {
            all.push(NetKind::OneLayer.build(Shape::new(1, height, width), 2, activation, 1.0));
        }
    }
    all.into_iter().map(|network| network.expect("a network that the command line takes")).collect()
}

fn kernels() -> Vec<Kernel> {
    let mut recordings = vec![common_launches()];
    for network in networks() {
        recordings.extend([1, 2, 4].map(|rows| launches(&network, Tile { rows })));
    }
    let mut seen = HashSet::new();
    let all = recordings.iter().flat_map(Recording::dispatches).map(|d| d.kernel.clone());
    all.filter(|kernel| seen.insert(kernel.clone())).collect()
}

fn through_naga(source: &str) -> Result<(), String> {
    use naga::back::{hlsl, msl, spv};
    let module = naga::front::wgsl::parse_str(source).map_err(|e| format!("WGSL: {}", e.emit_to_string(source)))?;
    // No capability beyond WebGPU's own.
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), Default::default());
    let info = validator.validate(&module).map_err(|e| format!("validation: {}", e.emit_to_string(source)))?;
    spv::write_vec(&module, &info, &spv::Options::default(), None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options = msl::Options { lang_version: (2, 0), ..Default::default() };
    msl::write_string(&module, &info, &options, &Default::default()).map_err(|e| format!("MSL: {e}"))?;
    let (mut text, options, pipeline) = (String::new(), hlsl::Options::default(), Default::default());
    let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
    writer.write(&module, &info, None).map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

fn program_on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&folders).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// `path` is a scratch file.
fn through_tint(tint: &Path, path: &Path, source: &str) -> Result<(), String> {
    std::fs::write(path, source).map_err(|e| format!("tint: {e}"))?;
    let run = Command::new(tint).args(["--format", "wgsl"]).arg(path).output().map_err(|e| format!("tint: {e}"))?;
    if run.status.success() { Ok(()) } else { Err(format!("tint: {}", String::from_utf8_lossy(&run.stderr))) }
}

#[test]
fn every_kernel_is_valid_everywhere() {
    let kernels = kernels();
    let tint = program_on_path("tint");
    let scratch = std::env::temp_dir().join(format!("lastbit-kernels-{}.wgsl", std::process::id()));
    let mut failures = Vec::new();
    let mut specialisations = BTreeMap::<&str, usize>::new();
    for kernel in &kernels {
        *specialisations.entry(kernel.name()).or_default() += 1;
        let naga = through_naga(kernel.source());
        let tint = tint.as_deref().map_or(Ok(()), |tint| through_tint(tint, &scratch, kernel.source()));
        for error in [naga, tint].into_iter().filter_map(Result::err) {
            let constants: Vec<_> = kernel.source().lines().take_while(|line| line.starts_with("const ")).collect();
            failures.push(format!("{} [{}]: {error}", kernel.name(), constants.join(" ")));
        }
    }
    // The scratch file is not there when tint is not.
    let _ = std::fs::remove_file(&scratch);
    println!("{} kernels, tint: {tint:?}; specialisations: {specialisations:?}", kernels.len());
    assert!(failures.is_empty(), "{} of {} kernels fail:\n{}", failures.len(), kernels.len(), failures.join("\n"));
}

#[test]
fn every_shader_file_is_used() {
    let used: HashSet<_> = kernels().iter().map(Kernel::name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let files = std::fs::read_dir(folder).expect("the shaders are in the repository");
    let names = files.map(|f| f.expect("a readable folder").path()).filter(|p| p.extension().is_some());
    let unused: Vec<_> = names.filter(|p| !used.contains(p.file_stem().and_then(|s| s.to_str()).unwrap_or(""))).collect();
    assert!(unused.is_empty(), "no launch of ops or nets uses {unused:?}");
}

//! Checkpoints as bytes, in the safetensors format: one file for each replica, with torchvision's tensor names, and one file
//! with the optimiser's state and counters. Equal states give equal bytes: the files hold no clock, path or host name.

use std::collections::{HashMap, HashSet};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::config::TrainConfig;
use super::state::{Arena, EpochSums, ReplicaState, Reported, State, Weights};
use crate::nets::Network;
use crate::ops::fingerprint;

/// Why bytes are not a checkpoint of this network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// Not a safetensors file, or truncated.
    #[error("'{file}' is not a complete safetensors file {reason}")]
    Format {
        /// Name of the file.
        file: String,
        /// The parser's message, or the format that the file has.
        reason: String,
    },
    /// A tensor is missing or has the wrong shape.
    #[error("'{file}': tensor '{tensor}' {problem}; the file belongs to another network or data set")]
    Tensor {
        /// Name of the file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Under every known prefix and renaming, tensors of the network are missing.
    #[error(
        "'{file}' lacks tensors of {network}: of {wanted} names it lacks {missing}; {found}. The file belongs to another \
         network or data set, or names its tensors differently; rename them as docs/PYTORCH.md describes"
    )]
    Names {
        /// Name of the file.
        file: String,
        /// Name of the network.
        network: String,
        /// Number of the network's tensors.
        wanted: usize,
        /// Names that the file lacks.
        missing: String,
        /// Names that the file has instead.
        found: String,
    },
    /// The file contains the network several times.
    #[error("'{file}' contains the network several times, under {prefixes}; save only one of them")]
    Several {
        /// Name of the file.
        file: String,
        /// Prefixes of the tensor names.
        prefixes: String,
    },
    /// Numbers of the wrong type, missing counters, or bits that changed since they were saved.
    #[error("'{file}': {problem}")]
    Content {
        /// Name of the file.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

/// The only metadata key in lastbit's files.
const KEY: &str = "lastbit";
/// Name of the file with the optimiser's state and counters.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";

/// Name of a replica's file: `r1-k3.safetensors`.
#[must_use]
pub fn replica_file(position: usize, k: u32) -> String {
    format!("r{position}-k{k}.safetensors")
}

#[derive(Serialize, Deserialize)]
struct Counters {
    step: u64,
    evaluated: bool,
    /// Version 0.1 saved only after the measurements.
    #[serde(default = "yes")]
    measured: bool,
    samples: u64,
    correct: Vec<u64>,
    ks: Vec<u32>,
    /// Two fingerprints of each replica: of parameters and optimiser state, and of running means and variances.
    fingerprints: Vec<[String; 2]>,
}

fn yes() -> bool {
    true
}

#[derive(Serialize)]
struct ReplicaMetadata<'a> {
    net: &'a str,
    step: u64,
    replica: usize,
    k: u32,
    fingerprint: &'a str,
}

/// Collects the tensors of a file.
#[derive(Default)]
struct Writer<'a> {
    tensors: Vec<(String, Dtype, Vec<usize>, &'a [u8])>,
}

impl<'a> Writer<'a> {
    fn push(&mut self, name: impl Into<String>, dims: &[u32], values: &'a [f32]) {
        let dims = dims.iter().map(|&d| d as usize).collect();
        self.tensors.push((name.into(), Dtype::F32, dims, bytemuck::cast_slice(values)));
    }

    fn finish(self, metadata: &impl Serialize) -> Vec<u8> {
        let text = serde_json::to_string(metadata).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        let views = self.tensors.into_iter().map(|(name, dtype, dims, bytes)| {
            let view = TensorView::new(dtype, dims, bytes);
            (name, view.unwrap_or_else(|e| unreachable!("dimensions and values agree: {e}")))
        });
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])))
            .unwrap_or_else(|e| unreachable!("tensors in memory serialize: {e}"))
    }
}

/// A file being read.
struct Reader<'a> {
    file: &'a str,
    tensors: SafeTensors<'a>,
    naming: Naming,
}

/// How a file names the tensors of a network: with some parts renamed, and with a prefix that wrappers add, such as
/// `DataParallel` (`module.`), `torch.compile` (`_orig_mod.`) or a module around the network (`model.`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Naming {
    prefix: String,
    renamed: Vec<(&'static str, &'static str)>,
}

/// Parts of tensor names: in torchvision's networks, and in those of kuangliu's pytorch-cifar.
const RENAMED: [(&str, &str); 2] = [("downsample", "shortcut"), ("fc", "linear")];
/// Most prefixes that are tried.
const MOST_PREFIXES: usize = 16;
/// Most names that a message lists.
const SHOWN: usize = 4;

impl Naming {
    /// The file's name for the tensor that the network calls `name`.
    fn stored(&self, name: &str) -> String {
        let part = |part: &str| {
            self.renamed
                .iter()
                .find(|(ours, _)| *ours == part)
                .map_or_else(|| part.to_owned(), |(_, own)| (*own).into())
        };
        self.prefix.clone() + &name.split('.').map(part).collect::<Vec<_>>().join(".")
    }

    /// The naming under which the file has all tensors of the network.
    fn of(network: &Network, file: &str, stored: &HashSet<&str>) -> Result<Self, CheckpointError> {
        let wanted = names(network);
        let subsets = (0..1_usize << RENAMED.len()).map(|subset| {
            let renamed = RENAMED.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
            renamed.map(|(_, pair)| *pair).collect::<Vec<_>>()
        });
        let mut closest = (Self::default(), 0);
        for renamed in subsets {
            let bare = Self { prefix: String::new(), renamed };
            let mut complete = Vec::new();
            for naming in bare.with_prefixes(&wanted, stored) {
                let found = wanted.iter().filter(|name| stored.contains(naming.stored(name).as_str())).count();
                if found == wanted.len() {
                    complete.push(naming);
                } else if found > closest.1 {
                    closest = (naming, found);
                }
            }
            match complete.len() {
                0 => {}
                // Names without a prefix take precedence; further tensors are ignored.
                _ if complete[0].prefix.is_empty() => return Ok(complete.swap_remove(0)),
                1 => return Ok(complete.swap_remove(0)),
                _ => {
                    let prefixes = listed(complete.iter().map(|naming| naming.prefix.as_str()));
                    return Err(CheckpointError::Several { file: file.to_owned(), prefixes });
                }
            }
        }
        // A few names with the same ending prove nothing.
        let naming = if 2 * closest.1 >= wanted.len() { closest.0 } else { Self::default() };
        let expected: HashSet<String> = wanted.iter().map(|name| naming.stored(name)).collect();
        let mut other: Vec<&str> = stored.iter().copied().filter(|name| !expected.contains(*name)).collect();
        other.retain(|name| !name.ends_with("num_batches_tracked"));
        other.sort_unstable();
        let missing = wanted.iter().map(|name| naming.stored(name)).filter(|name| !stored.contains(name.as_str()));
        Err(CheckpointError::Names {
            file: file.to_owned(),
            network: network.name.clone(),
            wanted: wanted.len(),
            missing: listed(missing.collect::<Vec<_>>().iter().map(String::as_str)),
            found: match other.len() {
                0 => "it has no others".to_owned(),
                _ => format!("it has {}", listed(other.into_iter())),
            },
        })
    }

    /// This naming with each prefix that the network's first tensor has in the file, the shortest first.
    fn with_prefixes(&self, wanted: &[String], stored: &HashSet<&str>) -> Vec<Self> {
        let firsts = wanted.iter().take(1).map(|name| self.stored(name)).collect::<Vec<_>>();
        let mut prefixes: Vec<&str> = stored
            .iter()
            .filter_map(|name| firsts.iter().find_map(|first| name.strip_suffix(first.as_str())))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .collect();
        prefixes.sort_unstable_by_key(|prefix| (prefix.len(), *prefix));
        // A file may have any number of names; the right prefix is among the shortest.
        let prefixes = prefixes.into_iter().take(MOST_PREFIXES);
        prefixes.map(|prefix| Self { prefix: prefix.to_owned(), ..self.clone() }).collect()
    }
}

/// The names of all tensors in a file of weights.
fn names(network: &Network) -> Vec<String> {
    let parameters = network.parameters.iter().map(|parameter| parameter.name.clone());
    let running = network.running.iter();
    let statistics =
        running.flat_map(|norm| ["running_mean", "running_var"].map(|what| format!("{}.{what}", norm.name)));
    parameters.chain(statistics).collect()
}

/// `'a', 'b', 'c', 'd' and 7 more`
fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// First bytes of the files of `torch.save`: since PyTorch 1.6, and before.
const TORCH_SAVE: [&[u8]; 2] = [b"PK\x03\x04", b"\x80\x02"];

impl<'a> Reader<'a> {
    fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let failed = |e: safetensors::SafeTensorError| {
            let is_pickle = TORCH_SAVE.iter().any(|start| bytes.starts_with(start));
            let reason = if is_pickle {
                "but in torch.save's format: save it again with safetensors.torch.save_file".to_owned()
            } else {
                format!("({e})")
            };
            CheckpointError::Format { file: file.to_owned(), reason }
        };
        let tensors = SafeTensors::deserialize(bytes).map_err(failed)?;
        Ok(Self { file, tensors, naming: Naming::default() })
    }

    /// Opens a file of weights, which may come from PyTorch.
    fn of_weights(network: &Network, file: &'a str, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let reader = Self::new(file, bytes)?;
        let stored = reader.tensors.names().into_iter().collect();
        Ok(Self { naming: Naming::of(network, file, &stored)?, ..reader })
    }

    fn bytes(&self, name: &str, dtype: Dtype, dims: &[u32]) -> Result<&'a [u8], CheckpointError> {
        let refuse =
            |problem: String| CheckpointError::Tensor { file: self.file.to_owned(), tensor: name.to_owned(), problem };
        let stored = self.naming.stored(name);
        let view = self.tensors.tensor(&stored).map_err(|_| refuse("is missing".to_owned()))?;
        let dims: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
        if view.shape() != dims {
            return Err(refuse(format!("has shape {:?}, not {dims:?}", view.shape())));
        }
        if view.dtype() != dtype {
            let problem = format!("tensor '{name}' has type {}, not {dtype}", view.dtype());
            let remedy = if dtype == Dtype::F32 { "; in PyTorch, call model.float() before state_dict()" } else { "" };
            return Err(content(self.file, format!("{problem}{remedy}")));
        }
        Ok(view.data())
    }

    fn floats(&self, name: &str, dims: &[u32]) -> Result<Vec<f32>, CheckpointError> {
        Ok(bytemuck::pod_collect_to_vec(self.bytes(name, Dtype::F32, dims)?))
    }
}

fn content(file: &str, problem: impl Into<String>) -> CheckpointError {
    CheckpointError::Content { file: file.to_owned(), problem: problem.into() }
}

/// Encodes the weights of one replica under torchvision's names. `metadata` becomes one JSON string.
#[must_use]
pub fn encode_weights(network: &Network, weights: &Weights, metadata: &impl Serialize) -> Vec<u8> {
    let mut writer = Writer::default();
    for (parameter, values) in network.parameters.iter().zip(&weights.parameters) {
        writer.push(&parameter.name, &parameter.dims, values);
    }
    for (norm, [mean, variance]) in network.running.iter().zip(&weights.running) {
        writer.push(format!("{}.running_mean", norm.name), &[norm.channels], mean);
        writer.push(format!("{}.running_var", norm.name), &[norm.channels], variance);
    }
    writer.finish(metadata)
}

/// Decodes the weights in a file from [`encode_weights`] or PyTorch. The network's names may follow a prefix such as `module.`
/// or `_orig_mod.`, `downsample` may be `shortcut` and `fc` may be `linear`. Further tensors are ignored.
///
/// # Errors
/// [`CheckpointError::Format`] if the bytes are not safetensors, [`CheckpointError::Names`] if a tensor of the network is missing,
/// [`CheckpointError::Several`] if all of them are there under several prefixes, [`CheckpointError::Tensor`] if one has the
/// wrong shape, [`CheckpointError::Content`] if one is not float32.
pub fn decode_weights(network: &Network, file: &str, bytes: &[u8]) -> Result<Weights, CheckpointError> {
    let reader = Reader::of_weights(network, file, bytes)?;
    let parameters = network.parameters.iter().map(|p| reader.floats(&p.name, &p.dims)).collect::<Result<_, _>>()?;
    let norm = |name: &str, channels: u32| -> Result<[Vec<f32>; 2], CheckpointError> {
        Ok([
            reader.floats(&format!("{name}.running_mean"), &[channels])?,
            reader.floats(&format!("{name}.running_var"), &[channels])?,
        ])
    };
    let running = network.running.iter().map(|r| norm(&r.name, r.channels)).collect::<Result<_, _>>()?;
    Ok(Weights { parameters, running })
}

/// Names and dimensions of all tensors in a file of any network, ordered by name.
///
/// # Errors
/// [`CheckpointError::Format`] if the bytes are not safetensors.
pub fn tensor_dims(file: &str, bytes: &[u8]) -> Result<Vec<(String, Vec<usize>)>, CheckpointError> {
    let reader = Reader::new(file, bytes)?;
    let mut tensors: Vec<_> =
        reader.tensors.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect();
    tensors.sort_unstable();
    Ok(tensors)
}

/// The values of one float32 tensor in a file of any network.
///
/// # Errors
/// [`CheckpointError::Format`] if the bytes are not safetensors, [`CheckpointError::Tensor`] if the tensor is missing,
/// [`CheckpointError::Content`] if it is not float32.
pub fn decode_tensor(file: &str, bytes: &[u8], name: &str) -> Result<Vec<f32>, CheckpointError> {
    let reader = Reader::new(file, bytes)?;
    let dims = reader.tensors.tensor(name).map(|view| view.shape().to_vec()).unwrap_or_default();
    let dims: Vec<u32> = dims.iter().map(|&d| d as u32).collect();
    reader.floats(name, &dims)
}

/// Name of a tensor of the optimiser's state in [`OPTIMIZER_FILE`]: `r1.conv1.weight` for SGD's momentum, `r1.exp_avg.conv1.weight` for
/// other arenas.
fn optimizer_tensor(position: usize, arena: &str, parameter: &str) -> String {
    match arena {
        "momentum" => format!("r{position}.{parameter}"),
        _ => format!("r{position}.{arena}.{parameter}"),
    }
}

/// Fingerprint of a replica's parameters and optimiser state, 16 hex digits.
#[must_use]
pub fn fingerprint_of(replica: &ReplicaState) -> String {
    let arenas = replica.optimizer.iter().map(|arena| &arena.values);
    let arenas = std::iter::once(&replica.weights.parameters).chain(arenas);
    fingerprint::text(fingerprint::of_arenas(arenas.map(|tensors| tensors.iter().map(Vec::as_slice))))
}

/// Two fingerprints that cover a whole replica: the one in the metrics, and one of the running statistics.
fn fingerprints_of(replica: &ReplicaState) -> [String; 2] {
    let running = [0, 1].map(|which| replica.weights.running.iter().map(move |both| both[which].as_slice()));
    [fingerprint_of(replica), fingerprint::text(fingerprint::of_arenas(running))]
}

/// All files of a checkpoint, as pairs of name and bytes.
#[must_use]
pub fn encode_state(network: &Network, config: &TrainConfig, state: &State) -> Vec<(String, Vec<u8>)> {
    let fingerprints: Vec<_> = state.replicas.iter().map(fingerprints_of).collect();
    let mut files = Vec::with_capacity(state.replicas.len() + 1);
    let mut optimizer = Writer::default();
    for (position, (replica, &k)) in state.replicas.iter().zip(&config.ks).enumerate() {
        let metadata = ReplicaMetadata {
            net: &network.name,
            step: state.step,
            replica: position,
            k,
            fingerprint: &fingerprints[position][0],
        };
        files.push((replica_file(position, k), encode_weights(network, &replica.weights, &metadata)));
        for arena in &replica.optimizer {
            for (parameter, values) in network.parameters.iter().zip(&arena.values) {
                let name = optimizer_tensor(position, arena.name, &parameter.name);
                optimizer.push(name, &parameter.dims, values);
            }
        }
    }
    let losses: &[u8] = bytemuck::cast_slice(&state.sums.loss);
    optimizer.tensors.push(("epoch.loss".to_owned(), Dtype::F64, vec![state.sums.loss.len()], losses));
    let counters = Counters {
        step: state.step,
        evaluated: state.reported.evaluation,
        measured: state.reported.measurements,
        samples: state.sums.samples,
        correct: state.sums.correct.clone(),
        ks: config.ks.clone(),
        fingerprints,
    };
    files.push((OPTIMIZER_FILE.to_owned(), optimizer.finish(&counters)));
    files
}

/// Decodes the state in the files of a checkpoint. `read` returns the bytes of the file with the given name.
///
/// # Errors
/// Any error of `read`. Those of [`decode_weights`], and [`CheckpointError::Tensor`] if a tensor of the optimiser is missing.
/// [`CheckpointError::Content`] if the checkpoint belongs to other divisors, its counters are missing or unreadable, or a
/// replica's bits have changed since they were saved.
pub fn decode_state<E: From<CheckpointError>>(
    network: &Network,
    config: &TrainConfig,
    mut read: impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<State, E> {
    let file = OPTIMIZER_FILE;
    let bytes = read(file)?;
    let optimizer = Reader::new(file, &bytes)?;
    let counters = counters(file, &bytes)?;
    let n = config.ks.len();
    if counters.ks != config.ks || counters.fingerprints.len() != n || counters.correct.len() != n {
        let problem = format!("was saved with ks {:?}, not {:?}", counters.ks, config.ks);
        return Err(content(file, problem).into());
    }
    let loss = bytemuck::pod_collect_to_vec(optimizer.bytes("epoch.loss", Dtype::F64, &[n as u32])?);
    let mut replicas = Vec::with_capacity(n);
    for (position, &k) in config.ks.iter().enumerate() {
        let name = replica_file(position, k);
        let weights = decode_weights(network, &name, &read(&name)?)?;
        let arena = |&name: &&'static str| -> Result<Arena, CheckpointError> {
            let tensors = network.parameters.iter();
            let tensors = tensors.map(|p| optimizer.floats(&optimizer_tensor(position, name, &p.name), &p.dims));
            Ok(Arena { name, values: tensors.collect::<Result<_, _>>()? })
        };
        let arenas = config.optimizer.arenas().iter().map(arena).collect::<Result<_, _>>()?;
        let replica = ReplicaState { weights, optimizer: arenas };
        if fingerprints_of(&replica) != counters.fingerprints[position] {
            return Err(content(&name, "its bits have changed since they were saved (wrong fingerprint)").into());
        }
        replicas.push(replica);
    }
    let sums = EpochSums { samples: counters.samples, loss, correct: counters.correct };
    let reported = Reported { evaluation: counters.evaluated, measurements: counters.measured };
    Ok(State { step: counters.step, reported, sums, replicas })
}

fn counters(file: &str, bytes: &[u8]) -> Result<Counters, CheckpointError> {
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| content(file, format!("has no readable header ({e})")))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let text = text.ok_or_else(|| content(file, "has no counters: lastbit did not write it"))?;
    serde_json::from_str(text).map_err(|e| content(file, format!("has unreadable counters ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::NetKind;
    use crate::ops::{Activation, Shape};
    use crate::train::Optimizer;

    fn example() -> (Network, TrainConfig, State) {
        example_of(Optimizer::Sgd)
    }

    fn example_of(optimizer: Optimizer) -> (Network, TrainConfig, State) {
        let net = NetKind::ResNet { depth: 8 };
        let network = net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25).unwrap();
        let config = TrainConfig { net, width: 0.25, ks: vec![1, 3], optimizer, ..Default::default() };
        let mut state = State::initial(&Weights::initial(&network, 1), 2, optimizer);
        state.step = 7;
        state.sums.add(5, &[[0.1, 2.0], [f32::MIN_POSITIVE, 3.0]]);
        state.replicas[1].optimizer[0].values[3][1] = -0.0;
        (network, config, state)
    }

    fn read(files: &[(String, Vec<u8>)]) -> impl FnMut(&str) -> Result<Vec<u8>, CheckpointError> {
        |name| {
            let found = files.iter().find(|(n, _)| n == name);
            found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| content(name, "missing"))
        }
    }

    #[test]
    fn a_state_survives_its_files() {
        let (network, config, state) = example();
        let files = encode_state(&network, &config, &state);
        assert_eq!(files, encode_state(&network, &config, &state), "equal states give equal bytes");
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["r0-k1.safetensors", "r1-k3.safetensors", "optimizer.safetensors"]);
        let back = decode_state(&network, &config, read(&files)).unwrap();
        assert_eq!(back, state);
        assert_eq!(back.replicas[1].optimizer[0].values[3][1].to_bits(), (-0.0f32).to_bits());
        // A single tensor, without the network.
        let (name, bytes) = &files[1];
        let dims = tensor_dims(name, bytes).unwrap();
        assert!(dims.contains(&("conv1.weight".to_owned(), vec![4, 3, 3, 3])), "{dims:?}");
        assert_eq!(decode_tensor(name, bytes, "conv1.weight").unwrap(), state.replicas[1].weights.parameters[0]);
        assert!(decode_tensor(name, bytes, "conv9.weight").unwrap_err().to_string().contains("is missing"));
    }

    #[test]
    fn every_arena_of_the_optimizer_is_kept() {
        let (network, config, mut state) = example_of(Optimizer::AdamW);
        state.replicas[0].optimizer[1].values[0][2] = 0.5;
        let files = encode_state(&network, &config, &state);
        assert_eq!(decode_state(&network, &config, read(&files)).unwrap(), state);
        let tensors = tensor_dims("x", &files[2].1).unwrap();
        let names: Vec<_> =
            tensors.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with("fc.bias")).collect();
        assert_eq!(
            names,
            ["r0.exp_avg.fc.bias", "r0.exp_avg_sq.fc.bias", "r1.exp_avg.fc.bias", "r1.exp_avg_sq.fc.bias"]
        );
        let mut other = state.clone();
        other.replicas[0].optimizer[1].values[0][2] = -0.5;
        assert_ne!(fingerprint_of(&other.replicas[0]), fingerprint_of(&state.replicas[0]));
        other.replicas[0].optimizer.swap(0, 1);
        assert_ne!(fingerprint_of(&other.replicas[0]), fingerprint_of(&state.replicas[0]));
        let sgd = TrainConfig { optimizer: Optimizer::Sgd, ..config };
        let error = decode_state(&network, &sgd, read(&files)).unwrap_err().to_string();
        assert!(error.contains("'r0.conv1.weight' is missing"), "{error}");
    }

    #[test]
    fn state_dicts_of_pytorch_are_read() {
        let (network, _, state) = example();
        let weights = &state.replicas[0].weights;
        let bytes = encode_weights(&network, weights, &"");
        let ours = SafeTensors::deserialize(&bytes).unwrap();
        let renamed = |rename: &dyn Fn(&str) -> String| {
            let counter = TensorView::new(Dtype::I64, vec![], &[0; 8]).unwrap();
            let tensors = ours.iter().chain([("bn1.num_batches_tracked", counter)]);
            safetensors::serialize(tensors.map(|(name, view)| (rename(name), view)), None).unwrap()
        };
        let kuangliu = |name: &str| name.replace("downsample", "shortcut").replace("fc.", "linear.");
        for prefix in ["", "module.", "_orig_mod.", "module._orig_mod.", "model.", "state_dict.", "net.encoder.0."] {
            let theirs = renamed(&|name| format!("{prefix}{name}"));
            assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "'{prefix}'");
            let theirs = renamed(&|name| format!("{prefix}{}", kuangliu(name)));
            assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "'{prefix}' and kuangliu's names");
        }
        let theirs = renamed(&|name| name.replace("fc.", "linear."));
        assert_eq!(decode_weights(&network, "x", &theirs).as_ref(), Ok(weights), "one part renamed");

        // Unknown names are listed from both sides.
        let error = |rename: &dyn Fn(&str) -> String| decode_weights(&network, "x", &renamed(rename)).unwrap_err();
        let lacks =
            error(&|name| format!("model.{}", name.replace("fc.", "head.").replace("layer2", "stage2"))).to_string();
        for part in
            ["'x' lacks tensors of", "lacks 'model.layer2.0.", "more; it has 'model.head.bias', 'model.head.weight'"]
        {
            assert!(lacks.contains(part), "{part}: {lacks}");
        }
        assert!(!lacks.contains("num_batches"), "{lacks}");
        let twice = ours
            .iter()
            .flat_map(|(name, view)| ["ema.", "net."].map(|prefix| (format!("{prefix}{name}"), view.clone())));
        let twice = safetensors::serialize(twice.collect::<Vec<_>>(), None).unwrap();
        let several = decode_weights(&network, "x", &twice).unwrap_err().to_string();
        assert!(several.contains("several times, under 'ema.', 'net.'"), "{several}");
        let zeros = [0; 4 * 27 * 8];
        let doubles = TensorView::new(Dtype::F64, vec![4, 3, 3, 3], &zeros).unwrap();
        let doubles = ours.iter().map(|(name, view)| match name {
            "conv1.weight" => (name, doubles.clone()),
            _ => (name, view),
        });
        let doubles = safetensors::serialize(doubles.collect::<Vec<_>>(), None).unwrap();
        for (bytes, part) in [(doubles.as_slice(), "F64, not F32"), (b"PK\x03\x04....", "torch.save")] {
            let error = decode_weights(&network, "x", bytes).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn damage_is_noticed_and_named() {
        let (network, config, state) = example();
        let good = encode_state(&network, &config, &state);
        let with = |file: usize, change: &dyn Fn(&mut Vec<u8>)| {
            let mut files = good.clone();
            change(&mut files[file].1);
            decode_state(&network, &config, read(&files)).unwrap_err().to_string()
        };
        let flipped = with(1, &|bytes| *bytes.last_mut().unwrap() ^= 1);
        assert!(flipped.contains("r1-k3") && flipped.contains("fingerprint"), "{flipped}");
        let cut = with(0, &|bytes| bytes.truncate(bytes.len() / 2));
        assert!(cut.contains("r0-k1") && cut.contains("complete"), "{cut}");
        let other = TrainConfig { ks: vec![1, 5], ..config.clone() };
        let error = decode_state(&network, &other, read(&good)).unwrap_err().to_string();
        assert!(error.contains("with ks"), "{error}");
        let wide = NetKind::ResNet { depth: 8 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0).unwrap();
        let error = decode_state(&wide, &config, read(&good)).unwrap_err().to_string();
        assert!(error.contains("another network"), "{error}");
    }
}

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
mod tests;

//! The flags of `train` that describe a run. They have the names of the TOML file's keys: each given flag becomes an entry,
//! so that flags, file and defaults merge as tables.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args};
use lastbit_core::nets::{NetKind, Norm};
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, LossKind, LrChange, Perturb};
use serde::Serialize;
use toml::Table;

use crate::failure::Failure;
use crate::run_config::{CheckpointEvery, FlipBitText};
use crate::value_parsers::{real, whole, whole_in};

/// Flags of a run. All are optional: a missing flag has the TOML file's value, or else the paper's.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunFlags {
    /// Network: resnet8, resnet14, resnet20, ... resnet110, preresnet8, ... preresnet110, wrn16-4, wrn28-10 and other wrnD-K with
    /// D = 6n + 4, vgg11, vgg13, vgg16, mlp1 to mlp8 (hidden layers of 200 units) or one-layer [default: resnet56]
    #[arg(long, value_parser = checked::<NetKind>, help_heading = "Network")]
    net: Option<String>,
    /// Multiply the channels of a ResNet, PreResNet, WideResNet or VGG, or the hidden units of an MLP [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Network", value_parser = real)]
    width: Option<f64>,
    /// Activation function: relu, swish (beta 5), swish:BETA or tanh [default: relu; mlp: tanh; one-layer: swish:1]
    #[arg(long, value_parser = checked::<Activation>, help_heading = "Network")]
    activation: Option<String>,
    /// Norm of a ResNet, PreResNet, WideResNet or VGG: batch, group (8 channels), or none (a bias for each channel) [default: batch]
    #[arg(long, value_parser = checked::<Norm>, help_heading = "Network")]
    norm: Option<String>,
    /// Loss: cross-entropy, or mse, half the squared distance of the logits from the one-hot label [default: cross-entropy]
    #[arg(long, value_parser = checked::<LossKind>, help_heading = "Network")]
    loss: Option<String>,
    /// Images: cifar10, fashion-mnist, folder (train/CLASS/*.png, .jpg, ..., test/CLASS/...) or synthetic (for one-layer: the
    /// 256 x 256 checkerboard) [default: cifar10; one-layer: synthetic]
    #[arg(long, value_parser = checked::<DatasetKind>, help_heading = "Data")]
    dataset: Option<String>,
    /// Folder with the data set's files, or its parent, or the archive [default: ./data, then the user's data folder, where
    /// `lastbit data fetch` puts them]
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[serde(skip)]
    data_dir: Option<PathBuf>,
    /// Divisors k from 1 to 63, one replica for each; all are compared with the first [default: 1,3,5,7,9,11]
    #[arg(
        long,
        value_name = "K,K,...",
        value_delimiter = ',',
        value_parser = divisor,
        allow_negative_numbers = true,
        help_heading = "Replicas"
    )]
    ks: Option<Vec<u32>>,
    /// Seed of initial weights, order and augmentation [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Replicas", value_parser = whole::<u64>)]
    seed: Option<u64>,
    /// Seed of the initial weights alone [default: --seed]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Replicas", value_parser = whole::<u64>)]
    seed_init: Option<u64>,
    /// Seed of the sample order alone [default: --seed]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Replicas", value_parser = whole::<u64>)]
    seed_order: Option<u64>,
    /// Seed of the augmentation alone [default: --seed]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Replicas", value_parser = whole::<u64>)]
    seed_augment: Option<u64>,
    /// Samples in a batch [default: 128]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = whole::<u32>)]
    batch_size: Option<u32>,
    /// Initial learning rate [default: 0.1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    lr: Option<f64>,
    /// Replace --lr from these steps on. Warm-up and schedule multiply the new value as they would have multiplied --lr, past decays
    /// included
    #[arg(
        long,
        value_name = "STEP:LR,...",
        value_delimiter = ',',
        value_parser = checked::<LrChange>,
        allow_negative_numbers = true,
        help_heading = "Optimiser"
    )]
    lr_changes: Option<Vec<String>>,
    /// Fall of the learning rate: step (--decay-every), cosine or linear (from --lr after the warm-up to 0 after the last step; such a
    /// run cannot become longer) [default: step]
    #[arg(long, value_parser = ["step", "cosine", "linear"], help_heading = "Optimiser")]
    schedule: Option<String>,
    /// Raise the learning rate from --lr / STEPS to --lr over the first STEPS steps [default: 0]
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = whole::<u64>)]
    warmup: Option<u64>,
    /// Optimiser: sgd (--momentum, --nesterov) or adamw (--beta1, --beta2, --epsilon; --weight-decay is decoupled from the gradients)
    /// [default: sgd]
    #[arg(long, value_parser = ["sgd", "adamw"], help_heading = "Optimiser")]
    optimizer: Option<String>,
    /// Momentum coefficient of sgd, 0 for plain SGD [default: 0.9]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    momentum: Option<f64>,
    /// Nesterov's form of momentum, for sgd [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Optimiser")]
    nesterov: Option<bool>,
    /// Decay of adamw's mean of gradients [default: 0.9]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    beta1: Option<f64>,
    /// Decay of adamw's mean of squared gradients [default: 0.999]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    beta2: Option<f64>,
    /// What adamw adds to the root of the mean of squares [default: 1e-8]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    epsilon: Option<f64>,
    /// Weight decay (for sgd the L2 coefficient), applied to every parameter [default: 0.0005]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    weight_decay: Option<f64>,
    /// End after N epochs, or after --steps if that comes first [default: 200]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u32>)]
    epochs: Option<u32>,
    /// End after N steps, or after --epochs if that comes first
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u64>)]
    steps: Option<u64>,
    /// Epochs between the learning-rate decays of --schedule step, 0 for none [default: 40]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = whole::<u32>)]
    decay_every: Option<u32>,
    /// Factor of each learning-rate decay [default: 0.1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Optimiser", value_parser = real)]
    decay_factor: Option<f64>,
    /// Epochs between evaluations, 0 for a single one at the end [default: 1]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u32>)]
    eval_every: Option<u32>,
    /// Steps between layer-wise lines in metrics.jsonl [default: dense at the start, sparser later]
    #[arg(long, value_name = "STEPS", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u64>)]
    log_every: Option<u64>,
    /// Do not augment: no random crop and flip
    #[arg(long = "no-augment", action = ArgAction::SetTrue, help_heading = "Data")]
    #[serde(skip)]
    is_unaugmented: bool,
    /// Do not shuffle: take samples in file order
    #[arg(long = "no-shuffle", action = ArgAction::SetTrue, help_heading = "Data")]
    #[serde(skip)]
    is_unshuffled: bool,
    /// Train on the first N images only
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Data", value_parser = whole::<usize>)]
    train_limit: Option<usize>,
    /// Evaluate on the first N test images only
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Data", value_parser = whole::<usize>)]
    test_limit: Option<usize>,
    /// Perturbation: divide the update by k, multiply it by the reciprocal of k (the authors' form), or nextafter (move one
    /// initial weight by one ulp instead) [default: divide]
    #[arg(long, value_parser = ["divide", "reciprocal", "nextafter"], help_heading = "Replicas")]
    perturbation: Option<String>,
    /// Perturb the weights of each replica before one step: none, or STEP:KIND:SIZE[:TENSOR][:SEED] with KIND ulp (move one weight by
    /// SIZE ulps), scale (multiply one weight by 1 + SIZE), gaussian (add SIZE times the initial scale, in TENSOR or everywhere) or
    /// gradient (as far, along the batch's gradient). One entry for each replica; without --ks, every k is 1
    #[arg(long, value_name = "FORM,FORM,...", value_delimiter = ',', value_parser = checked::<Perturb>, help_heading = "Replicas")]
    perturb: Option<Vec<String>>,
    /// Measure the curvature of the loss at the first replica before the first step and every N steps: the largest eigenvalue of the
    /// Hessian and Batch Sharpness
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u64>)]
    sharpness: Option<u64>,
    /// Training images on which --sharpness finds the largest eigenvalue, in whole batches [default: 1024]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<usize>)]
    sharpness_images: Option<usize>,
    /// Measure the Lyapunov exponent: every N steps the replicas after the first return to --lyapunov-distances from it, and the
    /// logarithm of their growth is recorded
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Replicas", value_parser = whole::<u64>)]
    lyapunov: Option<u64>,
    /// Distances for --lyapunov, one for each replica after the first, in the Euclidean norm of all weights; without --ks, every k is 1
    #[arg(long, value_name = "X,X,...", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Replicas", value_parser = real)]
    lyapunov_distances: Option<Vec<f64>>,
    /// Adapter by index or part of its name (see `lastbit adapters`) [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long)]
    adapter: Option<String>,
    /// Interval between checkpoints, as in 50steps, 1epoch or 10min [default: 1epoch]
    #[arg(long, value_name = "INTERVAL", value_parser = checked::<CheckpointEvery>, help_heading = "Length and recording")]
    checkpoint_every: Option<String>,
    /// Keep the N newest checkpoints [default: 2]
    #[arg(long, value_name = "N", value_parser = whole_in::<u32>(1, 10_000), allow_negative_numbers = true, help_heading = "Length and recording")]
    keep_checkpoints: Option<u32>,
    /// After the last step, compare the ends of the copies on the first N training and test images, 0 for no comparison [default: up to
    /// 2000, where that takes at most a fifth of the run's time]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Length and recording", value_parser = whole::<u32>)]
    ends: Option<u32>,
    /// Keep the logits of every evaluation, in RUN_FOLDER/logits
    #[arg(long = "keep-logits", action = ArgAction::SetTrue, help_heading = "Length and recording")]
    #[serde(skip)]
    is_keeping_logits: bool,
    /// Write event files for TensorBoard into RUN_FOLDER/tensorboard
    #[arg(long = "tensorboard", action = ArgAction::SetTrue, help_heading = "Length and recording")]
    #[serde(skip)]
    is_tensorboard: bool,
    /// What to do if the adapter fails the start-up self-test: refuse to train, or warn and train [default: refuse]
    #[arg(long, value_name = "POLICY", value_parser = ["refuse", "warn"])]
    on_broken_device: Option<String>,
    /// Start from these weights: a safetensors file in float32 with torchvision's tensor names, as in a state dict of PyTorch.
    /// A prefix that all names share, such as `module.`, and additional tensors are ignored
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    #[serde(skip)]
    init: Option<PathBuf>,
    /// Fault injector: flip the last bit of one element of one replica after one step, to see the control lamp turn red
    #[arg(long, value_name = "TENSOR:INDEX:STEP:REPLICA", value_parser = checked::<FlipBitText>, help_heading = "Replicas")]
    flip_bit: Option<String>,
}

impl RunFlags {
    /// The given flags as entries of the TOML file.
    pub fn given(&self) -> Result<Table, Failure> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().and_then(|path| std::path::absolute(path).ok());
        let mut table = Table::try_from(self).map_err(Failure::usage)?;
        for (key, path) in [("data-dir", absolute(&self.data_dir)), ("init", absolute(&self.init))] {
            if let Some(path) = path {
                let text = path.to_str().ok_or_else(|| {
                    Failure::usage(format!("--{key}: '{}' is not Unicode: rename the folder or file", path.display()))
                })?;
                table.insert(key.to_owned(), text.into());
            }
        }
        if self.is_keeping_logits {
            table.insert("keep-logits".to_owned(), true.into());
        }
        if self.is_tensorboard {
            table.insert("tensorboard".to_owned(), true.into());
        }
        for (key, is_off) in [("augment", self.is_unaugmented), ("shuffle", self.is_unshuffled)] {
            if is_off {
                table.insert(key.to_owned(), false.into());
            }
        }
        Ok(table)
    }
}

/// Parses `text` as a `T` and returns the text in `T`'s own spelling.
fn checked<T: FromStr<Err: Display> + Display>(text: &str) -> Result<String, String> {
    text.trim().parse::<T>().map(|value| value.to_string()).map_err(|error| error.to_string())
}

/// Parses one k. The config checks its range.
pub fn divisor(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "k is a whole number from 1 to 63; write a list as 1,3,2".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run_config::{RunConfig, known_keys};
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        flags: RunFlags,
    }

    fn given(flags: &[&str]) -> Table {
        CommandLine::parse_from([&["train"], flags].concat()).flags.given().unwrap()
    }

    #[test]
    fn only_given_flags_are_entries() {
        assert!(given(&[]).is_empty());
        let table =
            given(&["--ks", "1,3,1", "--lr", "0.05", "--no-shuffle", "--nesterov=false", "--activation", "swish:5"]);
        assert_eq!(table.len(), 5, "{table:?}");
        assert_eq!(table["ks"].as_array().map(Vec::len), Some(3));
        assert_eq!(table["shuffle"].as_bool(), Some(false));
        assert_eq!(table["nesterov"].as_bool(), Some(false));
        assert_eq!(table["activation"].as_str(), Some("swish"));
    }

    #[test]
    fn bad_names_are_refused_at_once() {
        for flags in [
            ["--net", "resnet9"],
            ["--dataset", "imagenet"],
            ["--flip-bit", "a:b"],
            ["--lr-changes", "20"],
            ["--seed", "-1"],
            ["--steps", "18446744073709551615"],
        ] {
            assert!(CommandLine::try_parse_from([&["train"], &flags[..]].concat()).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn published_command_lines_are_their_configs() {
        for run in lastbit_core::published::all() {
            let line = run.command_line();
            let flags = line.strip_prefix("lastbit train ").and_then(|line| line.strip_suffix(" --out RUN_FOLDER"));
            let table = given(&flags.unwrap().split(' ').collect::<Vec<_>>());
            assert_eq!(RunConfig::from_table(&table, "test").unwrap().train, run.config, "{line}");
        }
    }

    /// A line of the table in www/src/properties.ts.
    struct Property<'a> {
        key: &'a str,
        /// The default of `lastbit train`, empty where there is none.
        native: &'a str,
    }

    /// The text between `before` and the next quotation mark.
    fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
        let (_, rest) = line.split_once(before)?;
        rest.split('"').next()
    }

    fn property(line: &str) -> Option<Property<'_>> {
        Some(Property { key: quoted(line, "{ key: \"")?, native: quoted(line, "native: \"")? })
    }

    /// A value of the TOML file as flags and addresses spell it.
    fn spelled(value: &toml::Value) -> String {
        match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(values) => values.iter().map(spelled).collect::<Vec<_>>().join(","),
            toml::Value::Float(number) if (1e-300..1e-5).contains(number) => format!("{number:e}"),
            // 1.0 is spelled 1.
            toml::Value::Float(number) => number.to_string(),
            other => other.to_string(),
        }
    }

    /// A property of a run is defined in the config, as a flag, and for the page. The three agree on keys and defaults.
    #[test]
    fn config_flags_and_page_have_the_same_properties() {
        use std::collections::BTreeSet;
        let command = <CommandLine as clap::CommandFactory>::command();
        let flags = command.get_arguments().filter_map(|flag| flag.get_long());
        let flags: BTreeSet<&str> = flags.map(|flag| flag.strip_prefix("no-").unwrap_or(flag)).collect();
        let config = known_keys();
        let config: BTreeSet<&str> = config.iter().map(String::as_str).collect();
        assert_eq!(flags, config, "flags and keys of the config");

        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../www/src/properties.ts");
        let text = std::fs::read_to_string(&path).unwrap();
        let properties: Vec<Property> = text.lines().filter_map(property).collect();
        // The page has no files and one adapter; what it shares with the program is what is trained.
        let keys: BTreeSet<&str> = properties.iter().map(|property| property.key).collect();
        let is_trained = |key: &&str| ["steps", "epochs"].contains(key) || !(RunConfig::is_free(key) || *key == "init");
        let trained = config.into_iter().filter(is_trained);
        assert_eq!(keys, trained.collect(), "keys of the page and of the config");
        let mut defaults = RunConfig::default().to_table().unwrap();
        // A config leaves these keys out at their defaults.
        defaults.insert("norm".to_owned(), Norm::default().to_string().into());
        defaults.insert("loss".to_owned(), LossKind::default().to_string().into());
        for Property { key, native } in &properties {
            let default = defaults.get(*key).map(spelled).unwrap_or_default();
            assert_eq!(*native, default, "default of {key} in {}", path.display());
        }

        for flag in command.get_arguments() {
            let (Some(name), Some(help)) = (flag.get_long(), flag.get_help()) else { continue };
            let help = help.to_string();
            let stated = help.split_once("[default: ").and_then(|(_, rest)| rest.split([';', ']']).next());
            if let (Some(stated), Some(default)) = (stated, defaults.get(name)) {
                assert_eq!(stated, spelled(default), "the default that --help states for --{name}");
            }
        }
    }
}

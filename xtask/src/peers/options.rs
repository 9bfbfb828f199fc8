//! The flags of `cargo xtask bench --peers`.

use anyhow::{Context, Result, bail};

/// A peer that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Burn,
    PyTorch,
    TensorFlowJs,
}

const PEERS: [(&str, Peer); 3] = [("burn", Peer::Burn), ("pytorch", Peer::PyTorch), ("tfjs", Peer::TensorFlowJs)];

/// The parsed flags.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// VGG16 or a ResNet, as in `lastbit train --net`.
    pub net: String,
    /// Samples in the batch of native contenders.
    pub batch: u32,
    /// Replicas that lastbit trains in lockstep, beside a run with one, and networks that PyTorch trains in turn.
    pub replicas: u32,
    /// Adapters that lastbit runs on, as `lastbit train --adapter` takes them; `None` is lastbit's default.
    pub adapters: Vec<Option<String>>,
    /// Rounds that count, after the one that warms up.
    pub rounds: usize,
    /// Whether to install and build what is missing.
    pub install: bool,
    only: Vec<Peer>,
}

impl Options {
    /// Parses the flags.
    ///
    /// # Errors
    /// An unknown flag, a flag without its value, or a value that the flag does not take.
    pub fn parse(flags: &[String]) -> Result<Self> {
        let only = PEERS.map(|(_, peer)| peer).to_vec();
        let mut options = Self {
            net: "resnet20".to_owned(),
            batch: 32,
            replicas: 6,
            adapters: vec![None],
            rounds: 5,
            install: false,
            only,
        };
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            if flag == "--install" {
                options.install = true;
                continue;
            }
            let value = flags.next().with_context(|| format!("{flag} needs a value; see `cargo xtask help`"))?;
            let number = |most: u32| {
                let number = value.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
                number.with_context(|| format!("{flag} takes a number from 1 to {most}, not '{value}'"))
            };
            match flag.as_str() {
                "--net" if is_net(value) => options.net.clone_from(value),
                "--net" => {
                    bail!("--net takes vgg16, resnet8, resnet20, resnet56 or another of that family, not '{value}'")
                }
                "--batch-size" => options.batch = number(1024)?,
                "--replicas" => options.replicas = number(31)?,
                "--adapters" => options.adapters = value.split(',').map(adapter).collect::<Result<_>>()?,
                "--rounds" => options.rounds = number(99)? as usize,
                "--only" => options.only = value.split(',').map(peer).collect::<Result<_>>()?,
                _ => bail!("bench --peers has no flag {flag}; see `cargo xtask help`"),
            }
        }
        Ok(options)
    }

    /// True unless `--only` leaves `peer` out.
    pub fn wants(&self, peer: Peer) -> bool {
        self.only.contains(&peer)
    }
}

/// True for the networks that lastbit and PyTorch both train: `vgg16`, `resnet8` and its family.
pub fn is_net(name: &str) -> bool {
    name == "vgg16" || is_resnet(name)
}

/// True for `resnet8` and its family.
pub fn is_resnet(name: &str) -> bool {
    let depth = name.strip_prefix("resnet").and_then(|depth| depth.parse::<u32>().ok());
    depth.is_some_and(|depth| (8..=110).contains(&depth) && depth % 6 == 2)
}

fn adapter(name: &str) -> Result<Option<String>> {
    anyhow::ensure!(!name.is_empty(), "--adapters takes names separated by commas; `lastbit adapters` lists them");
    Ok(Some(name.to_owned()))
}

fn peer(name: &str) -> Result<Peer> {
    let known = PEERS.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, peer)| *peer)
        .with_context(|| format!("--only takes burn, pytorch and tfjs, separated by commas, not '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read() {
        let options = parse("--net resnet56 --only tfjs,burn --rounds 3 --install").unwrap();
        assert_eq!((options.net.as_str(), options.rounds, options.install), ("resnet56", 3, true));
        assert!(options.wants(Peer::Burn) && options.wants(Peer::TensorFlowJs) && !options.wants(Peer::PyTorch));
        let options = parse("--net vgg16 --adapters processor,llvmpipe").unwrap();
        let adapters = ["processor", "llvmpipe"].map(|name| Some(name.to_owned()));
        assert_eq!((options.net.as_str(), options.adapters.as_slice()), ("vgg16", &adapters[..]));
        let defaults = parse("").unwrap();
        assert_eq!((defaults.replicas, defaults.adapters), (6, vec![None]));
    }

    #[test]
    fn invalid_flags_are_named() {
        for (line, named) in [
            ("--net vgg19", "'vgg19'"),
            ("--net resnet21", "'resnet21'"),
            ("--batch-size 0", "--batch-size"),
            ("--replicas", "--replicas needs a value"),
            ("--only jax", "'jax'"),
            ("--adapters processor,", "--adapters"),
            ("--fast yes", "--fast"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}

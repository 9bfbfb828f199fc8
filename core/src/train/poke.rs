//! Perturbations of a replica's weights before one step of a run (`--perturb`).

use serde::{Deserialize, Serialize};

use super::config::ConfigError;
use crate::nets::{Init, Network, Parameter};
use crate::rng::{Purpose, Stream};

/// What a perturbation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PokeKind {
    /// Moves one weight by `size` ulps away from zero.
    Ulp,
    /// Multiplies one weight by 1 + `size`.
    Scale,
    /// Adds to every weight a normal random number of `size` times the standard deviation of its initial values. What begins as a
    /// constant (scales and shifts of norms) is left alone.
    Gaussian,
    /// Moves along the gradient of the step's batch, as far as [`PokeKind::Gaussian`] moves on average.
    Gradient,
}

impl PokeKind {
    /// Every kind, in the order of help texts.
    pub const ALL: [Self; 4] = [Self::Ulp, Self::Scale, Self::Gaussian, Self::Gradient];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ulp => "ulp",
            Self::Scale => "scale",
            Self::Gaussian => "gaussian",
            Self::Gradient => "gradient",
        }
    }
}

/// A perturbation of the weights of one replica; as text `STEP:KIND:SIZE[:TENSOR][:SEED]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Poke {
    /// The step before which the weights change, from 1: the first one that differs.
    pub step: u64,
    /// What is done.
    pub kind: PokeKind,
    /// How much, in the unit of the kind.
    pub size: f64,
    /// The only tensor that changes; by default one weight of those over which divergence is measured, or all tensors.
    pub tensor: Option<String>,
    /// Seed of the weight's choice or of the random numbers; by default the run's seed.
    pub seed: Option<u64>,
}

/// The perturbation of one replica, as text `none` or that of a [`Poke`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Perturb(pub Option<Poke>);

impl std::str::FromStr for Perturb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self(None)),
            text => text.parse().map(|poke| Self(Some(poke))),
        }
    }
}

impl std::fmt::Display for Perturb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            None => f.write_str("none"),
            Some(poke) => poke.fmt(f),
        }
    }
}

impl TryFrom<String> for Perturb {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Perturb> for String {
    fn from(perturb: Perturb) -> Self {
        perturb.to_string()
    }
}

impl std::str::FromStr for Poke {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is not none or STEP:KIND:SIZE[:TENSOR][:SEED] with a kind of ulp, scale, gaussian or gradient, as in \
                 100:ulp:1 or 1:gaussian:0.01:conv1.weight:7"
            )
        };
        let mut parts = text.split(':').map(str::trim);
        let step = parts.next().and_then(|step| step.parse().ok()).ok_or_else(wrong)?;
        let name = parts.next().ok_or_else(wrong)?;
        let kind = PokeKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(wrong)?;
        let size = parts.next().and_then(|size| size.parse().ok()).ok_or_else(wrong)?;
        let rest: Vec<&str> = parts.collect();
        let (tensor, seed) = match rest[..] {
            [] => (None, None),
            [one] => one.parse().map_or_else(|_| (Some(one), None), |seed| (None, Some(seed))),
            [tensor, seed] => (Some(tensor), Some(seed.parse().map_err(|_| wrong())?)),
            _ => return Err(wrong()),
        };
        if tensor.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        Ok(Self { step, kind, size, tensor: tensor.map(str::to_owned), seed })
    }
}

impl std::fmt::Display for Poke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, kind, size, tensor, seed } = self;
        write!(f, "{step}:{}:{size}", kind.name())?;
        if let Some(tensor) = tensor {
            write!(f, ":{tensor}")?;
        }
        seed.map_or(Ok(()), |seed| write!(f, ":{seed}"))
    }
}

/// Smallest relative change that reaches another float32.
const LEAST_SCALE: f64 = 1.2e-7;
/// Most ulps: below, a normal weight keeps its exponent or gets the next one.
const MOST_ULPS: f64 = 8_388_608.0;
/// Index of the stream that chooses one weight; the others are indices of parameters.
const CHOICE: u64 = 1 << 32;

/// Standard deviation of a parameter's initial values.
fn deviation(parameter: &Parameter) -> f64 {
    match parameter.init {
        Init::Normal(std) => std,
        Init::Uniform(bound) => bound / 3.0_f64.sqrt(),
        Init::Constant(_) => 0.0,
    }
}

impl Poke {
    /// Checks what does not depend on the network.
    ///
    /// # Errors
    /// [`ConfigError`] with the remedy.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { step, kind, size, .. } = self;
        let refuse = |problem: String| Err(ConfigError::new("perturb", format!("{self}: {problem}")));
        if *step == 0 {
            return refuse("steps are numbered from 1".to_owned());
        }
        match kind {
            PokeKind::Ulp if size.fract() != 0.0 || !(1.0..=MOST_ULPS).contains(size) => {
                refuse(format!("the size of ulp is a whole number from 1 to {MOST_ULPS}, not {size}"))
            }
            PokeKind::Scale if !(LEAST_SCALE..=1e6).contains(&size.abs()) => refuse(format!(
                "the size of scale is at least {LEAST_SCALE:e}, or no float32 changes, and at most 1e6; not {size}"
            )),
            PokeKind::Gaussian if !(*size > 0.0 && *size <= 1e6) => {
                refuse(format!("the size of gaussian is above 0 and at most 1e6, not {size}"))
            }
            PokeKind::Gradient if !(*size != 0.0 && size.abs() <= 1e6) => {
                refuse(format!("the size of gradient is not 0 and at most 1e6, not {size}"))
            }
            _ => Ok(()),
        }
    }

    /// In words, for labels: `1 ulp before step 100`.
    #[must_use]
    pub fn label(&self) -> String {
        let Self { step, kind, size, tensor, seed } = self;
        let what = match kind {
            PokeKind::Ulp => format!("{size} ulp"),
            PokeKind::Scale => format!("one weight times 1 + {size:e}"),
            PokeKind::Gaussian | PokeKind::Gradient => format!("{} {size}", kind.name()),
        };
        let place = tensor.as_ref().map_or(String::new(), |tensor| format!(" in {tensor}"));
        let seed = seed.map_or(String::new(), |seed| format!(", seed {seed}"));
        format!("{what}{place} before step {step}{seed}")
    }

    /// The parameters that it may change.
    ///
    /// # Errors
    /// [`ConfigError`] if the network has no such tensor, or the kind has nothing to change in it.
    pub fn parameters<'n>(&self, network: &'n Network) -> Result<Vec<(usize, &'n Parameter)>, ConfigError> {
        let all = network.parameters.iter().enumerate();
        let Some(name) = &self.tensor else {
            return Ok(match self.kind {
                PokeKind::Ulp | PokeKind::Scale => all.filter(|(_, p)| p.measured).collect(),
                PokeKind::Gaussian | PokeKind::Gradient => all.filter(|(_, p)| deviation(p) > 0.0).collect(),
            });
        };
        let refuse = |problem| Err(ConfigError::new("perturb", format!("{self}: {problem}")));
        match all.into_iter().find(|(_, parameter)| parameter.name == *name) {
            None => refuse(format!("{} has no tensor '{name}'", network.name)),
            Some((_, p)) if matches!(self.kind, PokeKind::Gaussian | PokeKind::Gradient) && deviation(p) == 0.0 => {
                refuse(format!("{name} begins as a constant, so it has no initial scale: use scale or ulp"))
            }
            Some(found) => Ok(vec![found]),
        }
    }

    /// Whether it needs the gradient of the step's batch.
    #[must_use]
    pub fn needs_gradient(&self) -> bool {
        self.kind == PokeKind::Gradient
    }

    /// Changes the parameter arena of a replica. `gradient` is the arena of its gradients, which the kind `gradient` needs. Whatever
    /// computes the run, the weights change by the same bits: the host does it, in float64 and with one rounding.
    ///
    /// # Errors
    /// Same as [`Poke::parameters`].
    ///
    /// # Panics
    /// If the kind needs a gradient and there is none.
    pub fn apply(
        &self,
        network: &Network,
        run_seed: u64,
        gradient: Option<&[f32]>,
        arena: &mut [f32],
    ) -> Result<(), ConfigError> {
        let parameters = self.parameters(network)?;
        let seed = self.seed.unwrap_or(run_seed);
        let range = |p: &Parameter| p.offset as usize..(p.offset + p.elements()) as usize;
        match self.kind {
            PokeKind::Ulp | PokeKind::Scale => {
                let places: Vec<usize> = parameters.iter().flat_map(|(_, p)| range(p)).collect();
                let mut stream = Stream::new(seed, Purpose::Poke, CHOICE);
                let first = stream.below((places.len() as u32).max(1)) as usize;
                // The next one that is not zero: zero has no scale, and its ulp is below what some devices hold.
                let place = places[first..].iter().chain(&places[..first]).find(|&&place| arena[place] != 0.0);
                if let Some(&place) = place {
                    let value = arena[place];
                    arena[place] = match self.kind {
                        PokeKind::Ulp => f32::from_bits(value.to_bits() + self.size as u32),
                        _ => (f64::from(value) * (1.0 + self.size)) as f32,
                    };
                }
            }
            PokeKind::Gaussian => {
                for (index, parameter) in parameters {
                    let mut stream = Stream::new(seed, Purpose::Poke, index as u64);
                    let scale = self.size * deviation(parameter);
                    for value in &mut arena[range(parameter)] {
                        *value = (f64::from(*value) + scale * stream.normal()) as f32;
                    }
                }
            }
            PokeKind::Gradient => {
                let gradient = gradient.expect("the caller has computed the gradient");
                let square = |(_, p): &(usize, &Parameter)| f64::from(p.elements()) * deviation(p).powi(2);
                let length = self.size * parameters.iter().map(square).sum::<f64>().sqrt();
                let along = parameters.iter().flat_map(|(_, p)| &gradient[range(p)]);
                let norm = along.map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
                if norm > 0.0 {
                    for (_, parameter) in &parameters {
                        let pairs = arena[range(parameter)].iter_mut().zip(&gradient[range(parameter)]);
                        pairs
                            .for_each(|(value, g)| *value = (f64::from(*value) + length * f64::from(*g) / norm) as f32);
                    }
                }
            }
        }
        Ok(())
    }
}

//! Where two states of one network differ, tensor by tensor and bit by bit.

use super::state::ReplicaState;
use crate::nets::Network;

/// How two replicas differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the first tensor that differs, in network order: parameters, then running statistics, then the optimiser's state
    /// (`momentum of conv1.weight`, `exp_avg of conv1.weight`).
    pub tensor: String,
    /// Index of its first element that differs, row-major.
    pub index: usize,
    /// Bits of that element in the two replicas.
    pub bits: [u32; 2],
    /// Number of tensors that differ.
    pub tensors: usize,
    /// Number of elements that differ, over all tensors.
    pub elements: u64,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tensor, index, bits: [a, b], tensors, elements } = self;
        let (x, y) = (f32::from_bits(*a), f32::from_bits(*b));
        let all = if *elements == 1 {
            "nothing else differs".to_owned()
        } else {
            format!("{elements} elements of {tensors} tensors differ")
        };
        write!(f, "{tensor}[{index}] is {x:e} ({a:08x}) and {y:e} ({b:08x}); {all}")
    }
}

/// Every tensor of a replica with its name, in the order in which [`difference`] compares them.
pub fn tensors<'a>(network: &'a Network, replica: &'a ReplicaState) -> impl Iterator<Item = (String, &'a [f32])> {
    let weights = &replica.weights;
    let named = network.parameters.iter().zip(&weights.parameters).map(|(p, values)| (p.name.clone(), &values[..]));
    let running = network.running.iter().zip(&weights.running).flat_map(|(norm, [mean, variance])| {
        [(format!("{}.running_mean", norm.name), &mean[..]), (format!("{}.running_var", norm.name), &variance[..])]
    });
    let optimizer = replica.optimizer.iter().flat_map(|arena| {
        let tensors = network.parameters.iter().zip(&arena.values);
        tensors.map(|(p, values)| (format!("{} of {}", arena.name, p.name), &values[..]))
    });
    named.chain(running).chain(optimizer)
}

/// The difference between two replicas of `network`; `None` if every bit is the same.
#[must_use]
pub fn difference(network: &Network, a: &ReplicaState, b: &ReplicaState) -> Option<Difference> {
    let mut found: Option<Difference> = None;
    for ((tensor, x), (_, y)) in tensors(network, a).zip(tensors(network, b)) {
        let mut differing = x.iter().zip(y).enumerate().filter(|(_, (x, y))| x.to_bits() != y.to_bits());
        let Some((index, (x, y))) = differing.next() else { continue };
        let elements = 1 + differing.count() as u64;
        match &mut found {
            Some(found) => {
                found.tensors += 1;
                found.elements += elements;
            }
            None => {
                let bits = [x.to_bits(), y.to_bits()];
                found = Some(Difference { tensor, index, bits, tensors: 1, elements });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::NetKind;
    use crate::ops::{Activation, Shape};
    use crate::train::{Optimizer, State, Weights};

    #[test]
    fn the_first_difference_is_named() {
        let network = NetKind::ResNet { depth: 8 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25).unwrap();
        let state = State::initial(&Weights::initial(&network, 1), 2, Optimizer::Sgd);
        let [a, mut b] = <[ReplicaState; 2]>::try_from(state.replicas).unwrap();
        assert_eq!(difference(&network, &a, &b), None);
        b.optimizer[0].values[1][2] = -0.0;
        let found = difference(&network, &a, &b).unwrap();
        assert_eq!((found.tensor.as_str(), found.index, found.bits), ("momentum of bn1.weight", 2, [0, 1 << 31]));
        assert!(found.to_string().ends_with("(80000000); nothing else differs"), "{found}");
        b.weights.running[0][1][3] = f32::NAN;
        b.weights.parameters[3][5] += 1.0;
        let found = difference(&network, &a, &b).unwrap();
        assert_eq!((found.tensor.as_str(), found.tensors, found.elements), ("layer1.0.conv1.weight", 3, 3));
    }
}

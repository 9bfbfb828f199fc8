//! Lyapunov exponent along a run, by Benettin's method (Benettin et al. 1980): a displaced replica returns to its distance from the first
//! one after every few steps, along its displacement, and the logarithms of its growth are added up. The host computes in float64.

use super::optimizer::Optimizer;
use crate::nets::Network;
use crate::rng::{Purpose, Stream};

/// A replica's state as the arenas of its parameters and of its optimiser, the parameters first.
pub type Arenas = Vec<Vec<f32>>;

/// Distance of the parameters: the Euclidean norm of their difference.
pub fn distance(replica: &Arenas, reference: &Arenas) -> f64 {
    let squares = replica[0].iter().zip(&reference[0]).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Puts `replica` at `wanted` from `reference` along its displacement. The state of `optimizer`, a part of the same displacement, changes
/// by the same factor; means of squares stay at least 0.
pub fn rescale(optimizer: Optimizer, replica: &mut Arenas, reference: &Arenas, wanted: f64) {
    let factor = wanted / distance(replica, reference);
    let least = |arena: usize| match arena.checked_sub(1).map(|arena| optimizer.arenas()[arena]) {
        Some("exp_avg_sq") => 0.0,
        _ => f64::NEG_INFINITY,
    };
    for (arena, (values, reference)) in replica.iter_mut().zip(reference).enumerate() {
        for (value, origin) in values.iter_mut().zip(reference) {
            let origin = f64::from(*origin);
            *value = (origin + factor * (f64::from(*value) - origin)).max(least(arena)) as f32;
        }
    }
}

/// Displaces the parameters by `wanted` in a random direction, the same for every replica of a run.
pub fn displace(network: &Network, seed: u64, parameters: &mut [f32], wanted: f64) {
    let mut direction = vec![0.0; parameters.len()];
    for (index, parameter) in network.parameters.iter().enumerate() {
        let mut stream = Stream::new(seed, Purpose::Lyapunov, index as u64);
        direction[parameter.offset as usize..][..parameter.elements() as usize].fill_with(|| stream.normal());
    }
    let norm = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
    for (value, d) in parameters.iter_mut().zip(&direction) {
        *value = (f64::from(*value) + wanted * d / norm) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::NetKind;
    use crate::ops::{Activation, Shape};

    #[test]
    fn a_rescaled_replica_has_the_distance_and_the_direction() {
        let network = NetKind::ResNet { depth: 8 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25).unwrap();
        let reference: Arenas = vec![vec![1.0; network.parameter_stride as usize], vec![0.5; 4]];
        let mut replica = reference.clone();
        displace(&network, 1, &mut replica[0], 1e-2);
        assert!((distance(&replica, &reference) / 1e-2 - 1.0).abs() < 1e-3, "{}", distance(&replica, &reference));
        let direction: Vec<f32> = replica[0].iter().map(|value| value - 1.0).collect();
        replica[1][2] = 1.5;
        rescale(Optimizer::Sgd, &mut replica, &reference, 1.0);
        assert!((distance(&replica, &reference) - 1.0).abs() < 1e-5);
        assert!((replica[1][2] - 100.5).abs() < 0.1, "the optimiser's displacement grows as much: {}", replica[1][2]);
        let along: f64 = replica[0].iter().zip(&direction).map(|(a, d)| f64::from((a - 1.0) * d)).sum();
        assert!((along / 1e-2 - 1.0).abs() < 1e-3, "the direction is kept: {along}");
    }
}

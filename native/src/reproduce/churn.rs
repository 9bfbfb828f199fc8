//! Prediction churn: how many test images two copies classify differently, whatever their accuracies are.

use crate::statistics::mean;

/// Disagreement between two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Churn {
    /// Number of images that the copies classify differently.
    pub differing: u64,
    /// Number of images.
    pub images: u64,
}

impl Churn {
    /// Differing images in percent of all images.
    pub fn percent(&self) -> f64 {
        100.0 * self.differing as f64 / self.images.max(1) as f64
    }
}

/// Compares the classes that two copies predict for the same images.
pub fn disagreement(a: &[u32], b: &[u32]) -> Churn {
    let differing = a.iter().zip(b).filter(|(a, b)| a != b).count() as u64;
    Churn { differing, images: a.len().min(b.len()) as u64 }
}

/// Mean churn over all pairs of copies, in percent; `None` for fewer than two copies.
pub fn mean_of_pairs(copies: &[impl AsRef<[u32]>]) -> Option<f64> {
    let pairs = copies.iter().enumerate().flat_map(|(i, a)| copies[i + 1..].iter().map(move |b| (a, b)));
    mean(pairs.map(|(a, b)| disagreement(a.as_ref(), b.as_ref()).percent()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn churn_is_a_share_of_the_images() {
        let churn = disagreement(&[1, 2, 3, 4], &[1, 0, 3, 0]);
        assert_eq!((churn.differing, churn.percent()), (2, 50.0));
        assert_eq!(disagreement(&[], &[]).percent(), 0.0);
        assert_eq!(mean_of_pairs(&[[1, 2], [1, 2], [1, 3]]), Some(100.0 / 3.0));
        assert_eq!(mean_of_pairs(&[[1, 2]]), None);
    }
}

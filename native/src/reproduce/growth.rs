//! How a distance grows: when it begins, how fast it grows while growth is exponential, and when it is visible.

/// Relative L1 that counts as visible, from which on two networks have parted.
pub const VISIBLE: f64 = crate::ends::PARTED;
/// Fewest points for a fit.
const FEWEST: usize = 4;

/// The exponential phase of a distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Factor by which the distance grows a step.
    pub factor: f64,
    /// Share of the logarithm's variance that the line explains, 0 to 1.
    pub r_squared: f64,
    /// First and last step of the phase.
    pub steps: (u64, u64),
}

/// The first step at which the distance is not zero.
pub fn first_bit(points: &[(u64, f64)]) -> Option<u64> {
    points.iter().find(|(_, distance)| *distance != 0.0).map(|(step, _)| *step)
}

/// The first step at which the distance is at least `level` or NaN.
pub fn reaches(points: &[(u64, f64)], level: f64) -> Option<u64> {
    points.iter().find(|(_, distance)| distance.is_nan() || *distance >= level).map(|(step, _)| *step)
}

/// The largest finite distance.
pub fn largest(points: &[(u64, f64)]) -> f64 {
    points.iter().map(|(_, distance)| *distance).filter(|distance| distance.is_finite()).fold(0.0, f64::max)
}

/// Fits a line to the logarithm of the distance by least squares, from the first bit to a tenth of the largest distance and
/// at most to 1 %, where growth saturates. `None` if these are too few points.
pub fn exponential_phase(points: &[(u64, f64)]) -> Option<Growth> {
    let level = VISIBLE.min(largest(points) / 10.0);
    let from = points.iter().position(|(_, distance)| *distance > 0.0)?;
    let length = points[from..].iter().take_while(|(_, distance)| *distance < level).count();
    let phase: Vec<(f64, f64)> =
        points[from..from + length].iter().filter(|(_, d)| *d > 0.0).map(|(step, d)| (*step as f64, d.ln())).collect();
    if phase.len() < FEWEST {
        return None;
    }
    let n = phase.len() as f64;
    let (mean_x, mean_y) = (phase.iter().map(|p| p.0).sum::<f64>() / n, phase.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |of: &dyn Fn(f64, f64) -> f64| phase.iter().map(|p| of(p.0 - mean_x, p.1 - mean_y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = xy / xx;
    let r_squared = if yy == 0.0 { 1.0 } else { (xy * xy / (xx * yy)).min(1.0) };
    let steps = (phase[0].0 as u64, phase[phase.len() - 1].0 as u64);
    Some(Growth { factor: slope.exp(), r_squared, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_it_was_made_with() {
        // Zero for two steps, then growth by a factor of 3 a step up to saturation at 0.5.
        let points: Vec<(u64, f64)> = (1..=40)
            .map(|step| (step, if step < 3 { 0.0 } else { (1e-9 * 3f64.powi(step as i32 - 3)).min(0.5) }))
            .collect();
        assert_eq!(first_bit(&points), Some(3));
        assert_eq!(reaches(&points, VISIBLE), Some(18));
        let growth = exponential_phase(&points).unwrap();
        assert!((growth.factor - 3.0).abs() < 1e-9 && growth.r_squared > 0.999_999, "{growth:?}");
        assert_eq!(growth.steps, (3, 17));
        assert_eq!(largest(&points), 0.5);
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(exponential_phase(&[(1, 0.0), (2, 0.0)]), None);
        assert_eq!(exponential_phase(&[(1, 1e-9), (2, 1e-3), (3, 1.0)]), None);
        assert_eq!(reaches(&[(1, 0.0), (2, f64::NAN)], 0.5), Some(2));
    }
}

//! Thins a curve of any length to the points that a screen can show, keeping extremes, so that no spike is lost.

use super::scale::Scale;

/// Number of intervals of the axis. A curve keeps its smallest and largest value in each: about 1,000 points.
const BUCKETS: usize = 500;

/// A thinned curve.
#[derive(Debug, Default, PartialEq)]
pub struct Thinned {
    /// Lines of connected points (x, value).
    pub lines: Vec<Vec<(f64, f64)>>,
    /// Intervals of x in which the value is exactly zero. Only for curves on a logarithmic axis.
    pub zeros: Vec<(f64, f64)>,
}

/// Extremes of a curve in one interval of the axis.
#[derive(Clone, Copy)]
struct Bucket {
    index: usize,
    low: Option<(f64, f64)>,
    high: Option<(f64, f64)>,
    zeros: Option<(f64, f64)>,
}

/// Thins the points that the axis `x` covers. Values that are not finite interrupt the line, and so do zeros with
/// `are_zeros_apart`.
pub fn thin(points: impl IntoIterator<Item = (f64, f64)>, x: &Scale, are_zeros_apart: bool) -> Thinned {
    let mut drawing = Drawing::default();
    let mut bucket: Option<Bucket> = None;
    for (at, value) in points {
        let place = x.place(at);
        if !(0.0..=1.0).contains(&place) {
            continue;
        }
        let index = (place * BUCKETS as f64) as usize;
        if let Some(full) = bucket.take_if(|bucket| bucket.index != index) {
            drawing.add(full);
        }
        let bucket = bucket.get_or_insert(Bucket { index, low: None, high: None, zeros: None });
        if are_zeros_apart && value == 0.0 {
            bucket.zeros = Some((bucket.zeros.map_or(at, |(from, _)| from), at));
        } else if value.is_finite() {
            if bucket.low.is_none_or(|(_, low)| value < low) {
                bucket.low = Some((at, value));
            }
            if bucket.high.is_none_or(|(_, high)| value > high) {
                bucket.high = Some((at, value));
            }
        }
    }
    bucket.into_iter().for_each(|last| drawing.add(last));
    drawing.thinned
}

#[derive(Default)]
struct Drawing {
    thinned: Thinned,
    is_on_line: bool,
    is_on_rail: bool,
}

impl Drawing {
    fn add(&mut self, bucket: Bucket) {
        let Thinned { lines, zeros } = &mut self.thinned;
        if let (Some(low), Some(high)) = (bucket.low, bucket.high) {
            if !self.is_on_line {
                lines.push(Vec::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(if low.0 <= high.0 { low } else { high });
                if low.0 != high.0 {
                    line.push(if low.0 <= high.0 { high } else { low });
                }
            }
        }
        if let Some((from, to)) = bucket.zeros {
            match zeros.last_mut().filter(|_| self.is_on_rail) {
                Some(span) => span.1 = to,
                None => zeros.push((from, to)),
            }
        }
        self.is_on_line = bucket.low.is_some();
        self.is_on_rail = bucket.zeros.is_some();
    }
}

/// Mean of the finite values in a window of `window` values around each; NaN where the value itself is not finite.
pub fn moving_mean(values: &[f64], window: usize) -> Vec<f64> {
    let half = window / 2;
    let (mut sum, mut n, mut from, mut to) = (0.0, 0u32, 0, 0);
    let mean = |index: usize| {
        while to < (index + half + 1).min(values.len()) {
            if values[to].is_finite() {
                sum += values[to];
                n += 1;
            }
            to += 1;
        }
        while from < index.saturating_sub(half) {
            if values[from].is_finite() {
                sum -= values[from];
                n -= 1;
            }
            from += 1;
        }
        if values[index].is_finite() { sum / f64::from(n) } else { f64::NAN }
    };
    (0..values.len()).map(mean).collect()
}

/// Indices of lines whose values a pointer can read: all of a short run; of a long one the first lines, evenly spaced lines
/// and lines at equal ratios.
pub fn readable(n: usize) -> Vec<usize> {
    const FINEST: usize = 60;
    const EACH: usize = 170;
    if n <= FINEST + 2 * EACH {
        return (0..n).collect();
    }
    let last = n - 1;
    let linear = (0..=EACH).map(|i| i * last / EACH);
    let ratio = (0..=EACH).map(|i| (last as f64).powf(i as f64 / EACH as f64).round() as usize);
    let mut lines: Vec<usize> = (0..FINEST).chain(linear).chain(ratio).map(|line| line.min(last)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_stay() {
        let n = 78_200;
        let value = |i: usize| match i {
            40_000 => 9.0,
            50_000 => -9.0,
            _ => (i % 7) as f64 / 7.0,
        };
        let thinned = thin((0..n).map(|i| (i as f64, value(i))), &Scale::linear(0.0, n as f64), false);
        assert_eq!(thinned.lines.len(), 1);
        let points = &thinned.lines[0];
        assert!(points.len() <= 2 * (BUCKETS + 1), "{}", points.len());
        assert!(points.contains(&(40_000.0, 9.0)) && points.contains(&(50_000.0, -9.0)));
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
    }

    #[test]
    fn zeros_go_to_the_rail_and_gaps_stay_open() {
        let values = [0.0, 0.0, 1e-9, 1e-3, f64::NAN, 0.1, 0.0];
        let points = || values.iter().enumerate().map(|(i, v)| (i as f64, *v));
        let thinned = thin(points(), &Scale::linear(0.0, 6.0), true);
        assert_eq!(thinned.zeros, [(0.0, 1.0), (6.0, 6.0)]);
        assert_eq!(thinned.lines, [vec![(2.0, 1e-9), (3.0, 1e-3)], vec![(5.0, 0.1)]]);
        let together = thin(points(), &Scale::linear(0.0, 6.0), false);
        assert_eq!(together.lines.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(thin(points(), &Scale::linear(2.0, 3.0), true).lines[0].len(), 2, "only what the axis covers");
    }

    #[test]
    fn means_follow_the_values() {
        assert_eq!(moving_mean(&[1.0, 2.0, 6.0, 2.0], 3), [1.5, 3.0, 10.0 / 3.0, 4.0]);
        let gap = moving_mean(&[1.0, f64::NAN, 3.0], 3);
        assert!(gap[0] == 1.0 && gap[1].is_nan() && gap[2] == 3.0, "{gap:?}");
        assert_eq!(moving_mean(&[], 5), [0.0; 0]);
    }

    #[test]
    fn a_pointer_reads_the_start_and_the_end() {
        assert_eq!(readable(3), [0, 1, 2]);
        let lines = readable(78_200);
        assert!(lines.len() < 410 && lines[..60].iter().copied().eq(0..60) && lines.last() == Some(&78_199));
    }
}

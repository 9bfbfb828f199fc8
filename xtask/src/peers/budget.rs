//! The time that a comparison may take.

use std::time::{Duration, Instant};

/// Until when a comparison may run; without a deadline, only the limits of its parts apply.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    span: Option<(Instant, Duration)>,
}

impl Budget {
    /// A budget of `length` from now on.
    pub fn of(length: Duration) -> Self {
        Self { span: Some((Instant::now(), length)) }
    }

    /// The limit of a part that may take `most`: shorter if less than that is left.
    pub fn limit(&self, most: Duration) -> Duration {
        self.span.map_or(most, |(start, length)| most.min(length.saturating_sub(start.elapsed())))
    }

    /// True once more than `share` of the time has passed.
    pub fn is_spent(&self, share: f64) -> bool {
        self.span.is_some_and(|(start, length)| start.elapsed() > length.mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_with_the_whole() {
        let hour = Duration::from_secs(3600);
        let endless = Budget::default();
        assert_eq!((endless.limit(hour), endless.is_spent(0.0)), (hour, false));
        let short = Budget::of(Duration::from_secs(60));
        assert!(short.limit(hour) <= Duration::from_secs(60) && !short.is_spent(0.5));
        assert_eq!(short.limit(Duration::from_secs(2)), Duration::from_secs(2));
        assert!(Budget::of(Duration::ZERO).is_spent(1.0));
    }
}

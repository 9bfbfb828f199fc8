//! Divergence against the learning rate, as tables and figures.

use super::{Probe, Threshold, bracket};
use crate::numbers::about;
use crate::plot::{Axis, Figure};
use crate::reproduce::Table;
use crate::reproduce::findings::{ToCell, cells, table, with_lines};
use crate::statistics::ends;

impl Threshold {
    /// The distance at the end against the rate, and the distance against scaled time.
    pub(super) fn figures(&self, probes: &[Probe]) -> Vec<Figure> {
        let medians = probes.iter().filter(|probe| probe.median().is_finite());
        let mut by_rate = Figure::new(
            "threshold",
            format!("Distance at scaled time {}", self.scaled_time),
            Axis::log("learning rate").between(self.lr_min, self.lr_max),
            Axis::log("relative L1 of k = 3 to k = 1, at most 2"),
        );
        if self.seeds.len() > 1 {
            let area = |probe: &Probe| {
                let (low, high) = ends(probe.distances.iter().copied());
                (probe.lr, low, high.min(2.0))
            };
            by_rate = by_rate.band("", probes.iter().map(area).collect());
        }
        by_rate = by_rate
            .dotted_line("k = 3", medians.map(|probe| (probe.lr, probe.median())).collect())
            .horizontal(format!("--distance {}", self.distance), self.distance);
        if let Some((below, above)) = bracket(probes, self.distance) {
            let threshold = (below * above).sqrt();
            by_rate = by_rate.vertical(format!("threshold: {}", about(threshold)), threshold);
        }
        let many = if self.seeds.len() > 1 {
            " Points are medians over the seeds, the area reaches from the smallest to the largest."
        } else {
            ""
        };
        let by_time = Figure::new(
            "threshold-curves",
            format!("Distance against scaled time, seed {}", self.seeds[0]),
            Axis::linear("scaled time (learning rate x steps)"),
            Axis::log("relative L1 of k = 3 to k = 1, at most 2"),
        );
        let by_time = with_lines(by_time, probes.iter().map(|probe| (format!("lr {}", probe.lr), probe.curve.clone())));
        vec![
            by_rate.caption(format!(
                "Each point is a separate training; below the dashed line k = 3 counts as close.{many}"
            )),
            by_time
                .horizontal(format!("--distance {}", self.distance), self.distance)
                .caption("At the same scaled time, smaller rates have taken more steps."),
        ]
    }

    /// Every rate, and every step of the first seed.
    pub(super) fn tables(&self, probes: &[Probe]) -> Vec<Table> {
        let seeds = self.seeds.iter().map(|seed| (format!("seed{seed}"), format!("seed {seed}")));
        let stays = |probe: &Probe| if probe.median() <= self.distance { "yes" } else { "no" };
        let table = table!("threshold", "Every rate that was tried", for probe in probes => {
            "lr" as "learning rate" = probe.lr,
            "steps" = probe.steps,
            "distance_median" as "distance, median" = probe.median(),
            ..seeds.chain([("stays".to_owned(), "stays".to_owned())])
                => probe.distances.iter().map(ToCell::to_cell).chain(cells![stays(probe)]),
        });
        let points = probes.iter().flat_map(|probe| (1_u64..).zip(&probe.curve).map(move |point| (probe.lr, point)));
        let curves = table!("threshold-curves", "Every step of the first seed", for (lr, (step, point)) in points => {
            "lr" = lr,
            "step" = step,
            "scaled_time" = point.0,
            "rel_l1" = point.1,
        });
        vec![table, curves.not_shown()]
    }
}

//! Divergence against the learning rate, as tables and figures.

use super::{Probe, Threshold, bracket};
use crate::numbers::about;
use crate::reproduce::Table;
use crate::reproduce::figure::{Axis, Figure};
use crate::reproduce::statistics::ends;

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
        let mut by_time = Figure::new(
            "threshold-curves",
            format!("Distance against scaled time, seed {}", self.seeds[0]),
            Axis::linear("scaled time (learning rate x steps)"),
            Axis::log("relative L1 of k = 3 to k = 1, at most 2"),
        );
        for probe in probes {
            by_time = by_time.line(format!("lr {}", probe.lr), probe.curve.clone());
        }
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
        let mut table = Table::new(
            "threshold",
            "Every rate that was tried",
            &[("lr", "learning rate"), ("steps", "steps"), ("distance_median", "distance, median")],
        );
        for seed in &self.seeds {
            table = table.column(format!("seed{seed}"), format!("seed {seed}"));
        }
        table = table.column("stays", "stays");
        for probe in probes {
            let stays = if probe.median() <= self.distance { "yes" } else { "no" };
            let head = [probe.lr.into(), probe.steps.into(), probe.median().into()];
            let seeds = probe.distances.iter().map(|distance| (*distance).into());
            table.row(head.into_iter().chain(seeds).chain([stays.into()]));
        }
        let mut curves =
            Table::data("threshold-curves", "Every step of the first seed", &["lr", "step", "scaled_time", "rel_l1"]);
        for probe in probes {
            for (line, (time, distance)) in probe.curve.iter().enumerate() {
                curves.row([probe.lr.into(), (line + 1).into(), (*time).into(), (*distance).into()]);
            }
        }
        vec![table, curves]
    }
}

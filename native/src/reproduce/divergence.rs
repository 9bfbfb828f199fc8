//! Where and when the copies part: a table of the layers, and their growth as a figure.

use super::findings::{Table, table};
use super::growth::{VISIBLE, exponential_phase, first_bit, reaches};
use super::run::Run;
use crate::plot::{Axis, Figure};

/// Step and relative L1 of a tensor of a replica at each `layers` line.
pub fn of_tensor(run: &Run, replica: usize, tensor: usize) -> Vec<(u64, f64)> {
    run.layers.iter().filter_map(|(step, lines)| Some((*step, *lines.get(replica)?.get(tensor)?))).collect()
}

/// Step and relative L1 of a replica over all convolutions.
pub fn of_replica(run: &Run, replica: usize) -> Vec<(u64, f64)> {
    run.steps.iter().copied().zip(run.rel_l1[replica].iter().copied()).collect()
}

/// The points as a [`Figure`] takes them.
pub fn plotted(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    points.iter().map(|(step, distance)| (*step as f64, *distance)).collect()
}

/// Every layer of one replica of each run: the first step at which it differs, its growth, and when it is 1 % apart.
pub fn table(name: &str, title: impl Into<String>, runs: &[(String, &Run)], replica: usize) -> Table {
    let layers =
        runs.iter().flat_map(|(label, run)| run.tensors.iter().enumerate().map(move |layer| (label, run, layer)));
    table!(name, title, for (label, run, (tensor, name)) in layers => {
        let points = of_tensor(run, replica, tensor);
        let growth = exponential_phase(&points);
        "run" = label,
        "tensor" = name,
        "first_step" as "first step that differs" = first_bit(&points),
        "growth_factor" as "growth a step" = growth.map(|g| g.factor),
        "growth_r2" as "R² of the fit" = growth.map(|g| g.r_squared),
        "step_1_percent" as "1 % apart at step" = reaches(&points, VISIBLE),
        "rel_l1_last" as "distance at the end" = points.last().map(|(_, distance)| distance),
    })
    .note(
        "Steps are those at which layers were recorded. Growth is the factor by which the distance grows a step, \
         fitted by a line through its logarithm from the first bit to 1 %. An empty cell: it did not happen, or there are too few \
         points for a line.",
    )
}

/// Growth a step of each layer; `None` if no layer has an exponential phase.
pub fn figure(name: &str, runs: &[(String, &Run)], replica: usize) -> Option<Figure> {
    let mut figure = Figure::new(
        name,
        "Growth while it is exponential, by layer",
        Axis::linear("convolution, from the input (1) to the output"),
        Axis::linear("factor a step"),
    );
    let mut has_points = false;
    for (label, run) in runs {
        let rates = (0..run.tensors.len()).filter_map(|tensor| {
            let growth = exponential_phase(&of_tensor(run, replica, tensor))?;
            Some(((tensor + 1) as f64, growth.factor))
        });
        let rates: Vec<(f64, f64)> = rates.collect();
        has_points |= !rates.is_empty();
        figure = figure.dotted_line(label.as_str(), rates);
    }
    has_points.then(|| {
        figure.caption(
            "The factor by which each layer's distance grows a step, fitted by a line through its logarithm from its first bit to 1 %. \
             Layers that grow alike share one instability of the whole network. Layers without an exponential phase have no point.",
        )
    })
}

//! Where and when the copies part: a table of the layers, and their growth as a figure.

use super::figure::{Axis, Figure};
use super::findings::Table;
use super::growth::{VISIBLE, exponential_phase, first_bit, reaches};
use super::run::Run;

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
    let mut table = Table::new(
        name,
        title,
        &[
            ("run", "run"),
            ("tensor", "tensor"),
            ("first_step", "first step that differs"),
            ("growth_factor", "growth a step"),
            ("growth_r2", "R² of the fit"),
            ("step_1_percent", "1 % apart at step"),
            ("rel_l1_last", "distance at the end"),
        ],
    )
    .note(
        "Steps are those at which layers were recorded. Growth is the factor by which the distance grows a step, \
         fitted by a line through its logarithm from the first bit to 1 %. An empty cell: it did not happen, or there are too few \
         points for a line.",
    );
    for (label, run) in runs {
        for (tensor, name) in run.tensors.iter().enumerate() {
            let points = of_tensor(run, replica, tensor);
            let growth = exponential_phase(&points);
            table.row([
                label.clone().into(),
                name.clone().into(),
                first_bit(&points).into(),
                growth.map(|g| g.factor).into(),
                growth.map(|g| g.r_squared).into(),
                reaches(&points, VISIBLE).into(),
                points.last().map(|(_, distance)| *distance).into(),
            ]);
        }
    }
    table
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

//! Tables and figures of the trainings.

use super::row::{Done, Trained};
use crate::reproduce::beside::{self, COLUMNS};
use crate::reproduce::figure::{Axis, Figure};
use crate::reproduce::findings::{ToCell, table};
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::{Table, onset};
use crate::statistics::{Spread, ends, test_set_noise};

/// Index of the replica whose onset is shown by layer: the first perturbed one.
const SHOWN: usize = 1;

/// All tables, the paper's first.
pub fn tables(rows: &[Done], ks: &[u32]) -> Vec<Table> {
    let runs: Vec<(String, &crate::reproduce::run::Run)> =
        rows.iter().map(|done| (done.row.to_string(), &done.seeds[0].run)).collect();
    let seed = rows[0].seeds[0].seed();
    let title = format!("Where and when k = {} leaves k = {}, seed {seed}", ks[SHOWN], ks[0]);
    vec![
        table1(rows),
        spreads(rows, ks),
        accuracies(rows, ks),
        starts(rows, ks),
        onset::table("table1-layers", title, &runs, SHOWN),
        epochs(rows, ks),
    ]
}

/// Each row with each of its trainings.
fn trainings(rows: &[Done]) -> impl Iterator<Item = (&Done, &Trained)> {
    rows.iter().flat_map(|done| done.all().map(move |trained| (done, trained)))
}

/// The paper's table.
fn table1(rows: &[Done]) -> Table {
    table!("table1", "Spread of the test accuracy, in percentage points", for done in rows => {
        let [over_k, over_seeds] = [done.over_k(), done.over_seeds()].map(|samples| Spread::pooled(&samples));
        let [k_ends, seed_ends] = [over_k, over_seeds].map(|spread| spread.map(|spread| spread.interval()));
        "row" as "network, activation, data" = done.row.to_string(),
        "mean_accuracy" as "mean, %" = done.mean(),
        "std_k_ddof0" as "over k, ddof 0" = over_k.map(|s| s.ddof0),
        "std_k_ddof1" as "ddof 1" = over_k.map(|s| s.ddof1),
        "std_k_low" as "95 % from" = k_ends.map(|(low, _)| low),
        "std_k_high" as "to" = k_ends.map(|(_, high)| high),
        "std_seeds_ddof0" as "over seeds, ddof 0" = over_seeds.map(|s| s.ddof0),
        "std_seeds_ddof1" as "ddof 1" = over_seeds.map(|s| s.ddof1),
        "std_seeds_low" as "95 % from" = seed_ends.map(|(low, _)| low),
        "std_seeds_high" as "to" = seed_ends.map(|(_, high)| high),
        "test_set_noise" as "noise of the test set" = test_set_noise(done.mean(), done.images()),
        "churn_k" as "churn between k, %" = done.churn_over_k(),
        "churn_seeds" as "between seeds, %" = done.churn_over_seeds(),
        "churn_control" as "of controls, %" = done.all().map(|t| t.control_churn.percent()).fold(0.0, f64::max),
    })
    .note("Deviations pooled over all seeds (over all k). Churn: share of test images that two trainings classify differently.")
}

/// A row for each seed and each k.
fn spreads(rows: &[Done], ks: &[u32]) -> Table {
    let samples = rows.iter().flat_map(|done| {
        let over_k = done
            .all()
            .filter_map(|trained| Some(("k", format!("seed {}", trained.seed()), trained, trained.spread()?)));
        let over_seeds = ks.iter().zip(done.over_seeds());
        let over_seeds = over_seeds.map(|(k, spread)| ("seeds", format!("k = {k}"), &done.seeds[0], spread));
        over_k.chain(over_seeds).map(move |sample| (done, sample))
    });
    let title = "As published: over k at each seed, over seeds at each k";
    table!("table1-spreads", title, for (done, (over, at, trained, spread)) in samples => {
        "row" as "network, activation, data" = done.row.to_string(),
        "over" = over,
        "at" = at,
        "perturbation" = trained.form().name(),
        ..COLUMNS => beside::cells(&spread),
    })
}

/// The result of every training.
fn accuracies(rows: &[Done], ks: &[u32]) -> Table {
    let title = "Mean test accuracy over the last epochs, in percent";
    table!("table1-accuracies", title, for (done, trained) in trainings(rows) => {
        "row" as "network, activation, data" = done.row.to_string(),
        "seed" = trained.seed(),
        "perturbation" = trained.form().name(),
        ..ks.iter().map(|k| (format!("k{k}"), format!("k = {k}"))) => trained.numbers.iter().map(ToCell::to_cell),
    })
}

/// When and how fast each copy leaves the first.
fn starts(rows: &[Done], ks: &[u32]) -> Table {
    let copies = trainings(rows).flat_map(|of| (1..ks.len()).map(move |replica| (of, replica)));
    table!("table1-starts", "How the copies part", for ((done, trained), replica) in copies => {
        let points = onset::of_replica(&trained.run, replica);
        let (first, visible) = trained.onset(replica);
        "row" as "network, activation, data" = done.row.to_string(),
        "seed" = trained.seed(),
        "perturbation" = trained.form().name(),
        "k" = ks[replica],
        "first_step" as "first step that differs" = first,
        "rel_l1_step_1" as "relative L1 after step 1" = points.first().map(|(_, distance)| distance),
        "growth_factor" as "growth a step" = exponential_phase(&points).map(|growth| growth.factor),
        "steps_to_1_percent" as "steps from first bit to 1 %" = visible.zip(first).map(|(to, from)| to - from),
        "rel_l1_last" as "distance at the end" = points.last().map(|(_, distance)| distance),
    })
}

/// Every evaluation.
fn epochs(rows: &[Done], ks: &[u32]) -> Table {
    let evaluations = trainings(rows).flat_map(|of| of.1.run.accuracy.iter().map(move |evaluation| (of, evaluation)));
    let copies =
        evaluations.flat_map(|(of, (step, accuracy))| ks.iter().zip(accuracy).map(move |copy| (of, step, copy)));
    let title = "Test accuracy after every epoch";
    table!("table1-epochs", title, for ((done, trained), step, (k, accuracy)) in copies => {
        "row" = done.row.to_string(),
        "seed" = trained.seed(),
        "perturbation" = trained.form().name(),
        "k" = k,
        "step" = step,
        "test_accuracy" = accuracy,
    })
    .as_data()
}

/// For each row the accuracies, and the distances of the first seed.
pub fn figures(rows: &[Done]) -> Vec<Figure> {
    rows.iter().flat_map(|done| [accuracy_figure(done), distance_figure(done)]).collect()
}

fn accuracy_figure(done: &Done) -> Figure {
    // Leave a gap: a point on the edge would be cut in half.
    let (low, high) = ends(done.seeds.iter().flat_map(|trained| trained.numbers.iter().copied()));
    let gap = ((high - low) / 10.0).max(0.1);
    let axis = Axis::linear("mean test accuracy over the last epochs, %");
    let mut figure = Figure::new(
        format!("table1-{}", done.row.name()),
        format!("{}: test accuracy by seed and k", done.row),
        Axis::linear("position in --seeds").between(0.0, done.seeds.len() as f64 + 1.0),
        if low <= high { axis.between(low - gap, high + gap) } else { axis },
    );
    let n_ks = done.seeds[0].numbers.len();
    for (replica, k) in done.seeds[0].run.config.ks.iter().take(n_ks).enumerate() {
        // Set points side by side, so that equal accuracies are visible.
        let aside = (replica as f64 - (n_ks as f64 - 1.0) / 2.0) * 0.08;
        let point = |(seed, trained): (usize, &Trained)| ((seed + 1) as f64 + aside, trained.numbers[replica]);
        figure = figure.dots(format!("k = {k}"), done.seeds.iter().enumerate().map(point).collect());
    }
    let seeds: Vec<String> = done.seeds.iter().map(|trained| trained.seed().to_string()).collect();
    figure.caption(format!(
        "Seeds {} from left to right. Points of one seed differ only in k. The table compares their spread with that between \
         seeds.",
        seeds.join(", ")
    ))
}

fn distance_figure(done: &Done) -> Figure {
    let run = &done.seeds[0].run;
    let mut figure = Figure::new(
        format!("table1-{}-distance", done.row.name()),
        format!("{}: distance to k = {}, seed {}", done.row, run.config.ks[0], run.config.seed),
        Axis::log("step"),
        Axis::log("relative L1 over all convolutions, at most 2"),
    );
    let points = |replica: usize| onset::plotted(&onset::of_replica(run, replica));
    let n_ks = done.seeds[0].numbers.len();
    for replica in 1..n_ks {
        figure = figure.line(format!("k = {}", run.config.ks[replica]), points(replica));
    }
    figure
        .control(format!("control k = {}", run.config.ks[n_ks]), points(n_ks))
        .caption("Zero is on the rail below the axis, where the control must stay.")
}

//! Tables and figures of the trainings.

use super::row::Row;
use crate::plot::{Axis, Figure};
use crate::reproduce::findings::{ToCell, table};
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::k_versus_seeds::{self, COLUMNS, KVersusSeeds};
use crate::reproduce::trained::TrainedRun;
use crate::reproduce::{Table, divergence};
use crate::statistics::ends;

/// Index of the replica whose onset is shown by layer: the first perturbed one.
const SHOWN: usize = 1;

/// All tables, the paper's first.
pub fn tables(rows: &[Row], ks: &[u32]) -> Vec<Table> {
    let runs: Vec<(String, &crate::reproduce::run::Run)> =
        rows.iter().map(|row| (row.spec.to_string(), &row.seeds[0].run)).collect();
    let seed = rows[0].seeds[0].seed();
    let title = format!("Where and when k = {} leaves k = {}, seed {seed}", ks[SHOWN], ks[0]);
    vec![
        table1(rows),
        deviations(rows),
        accuracies(rows, ks),
        starts(rows, ks),
        divergence::table("table1-layers", title, &runs, SHOWN),
        epochs(rows, ks),
    ]
}

/// Each row with each of its trainings.
fn trainings(rows: &[Row]) -> impl Iterator<Item = (&Row, &TrainedRun)> {
    rows.iter().flat_map(|row| row.all().map(move |trained| (row, trained)))
}

/// The paper's table.
fn table1(rows: &[Row]) -> Table {
    table!("table1", "Spread of the test accuracy, in percentage points", for row in rows => {
        let KVersusSeeds { over_k, over_seeds } = row.deviations();
        let [over_k, over_seeds] = [over_k, over_seeds].map(|samples| k_versus_seeds::pooled(&samples));
        let [k_ends, seed_ends] = [over_k, over_seeds].map(|deviation| deviation.map(|deviation| deviation.interval()));
        "row" as "network, activation, data" = row.spec.to_string(),
        "mean_accuracy" as "mean, %" = row.mean(),
        "std_k_ddof0" as "over k, ddof 0" = over_k.map(|s| s.ddof0),
        "std_k_ddof1" as "ddof 1" = over_k.map(|s| s.ddof1),
        "std_k_low" as "95 % from" = k_ends.map(|(low, _)| low),
        "std_k_high" as "to" = k_ends.map(|(_, high)| high),
        "std_seeds_ddof0" as "over seeds, ddof 0" = over_seeds.map(|s| s.ddof0),
        "std_seeds_ddof1" as "ddof 1" = over_seeds.map(|s| s.ddof1),
        "std_seeds_low" as "95 % from" = seed_ends.map(|(low, _)| low),
        "std_seeds_high" as "to" = seed_ends.map(|(_, high)| high),
        "test_set_noise" as "noise of the test set" = row.test_set_noise(),
        "churn_k" as "churn between k, %" = row.churn_over_k(),
        "churn_seeds" as "between seeds, %" = row.churn_over_seeds(),
        "churn_control" as "of controls, %" = row.all().map(TrainedRun::control_churn).fold(0.0, f64::max),
    })
    .note("Deviations pooled over all seeds (over all k). Churn: share of test images that two trainings classify differently.")
}

/// A row for each seed and each k.
fn deviations(rows: &[Row]) -> Table {
    let samples = rows.iter().flat_map(|row| {
        let all = |run| KVersusSeeds::of(&[run], 0, |run, replica| run.accuracy[replica]).over_k;
        let over_k = row.all().flat_map(move |run| all(run).into_iter().map(move |sample| ("k", run, sample)));
        let over_seeds = row.deviations().over_seeds.into_iter().map(|sample| ("seeds", &row.seeds[0], sample));
        over_k.chain(over_seeds).map(move |sample| (row, sample))
    });
    let title = "As published: over k at each seed, over seeds at each k";
    table!("table1-spreads", title, for (row, (over, run, (at, deviation))) in samples => {
        "row" as "network, activation, data" = row.spec.to_string(),
        "over" = over,
        "at" = at,
        "perturbation" = run.form().name(),
        ..COLUMNS => k_versus_seeds::cells(&deviation),
    })
}

/// The result of every training.
fn accuracies(rows: &[Row], ks: &[u32]) -> Table {
    let title = "Mean test accuracy over the last epochs, in percent";
    table!("table1-accuracies", title, for (row, trained) in trainings(rows) => {
        "row" as "network, activation, data" = row.spec.to_string(),
        "seed" = trained.seed(),
        "perturbation" = trained.form().name(),
        ..ks.iter().map(|k| (format!("k{k}"), format!("k = {k}"))) => trained.accuracy[..ks.len()].iter().map(ToCell::to_cell),
    })
}

/// When and how fast each copy leaves the first.
fn starts(rows: &[Row], ks: &[u32]) -> Table {
    let copies = trainings(rows).flat_map(|of| (1..ks.len()).map(move |replica| (of, replica)));
    table!("table1-starts", "How the copies part", for ((row, trained), replica) in copies => {
        let points = trained.distances(replica);
        let [first, visible] = trained.onset(replica);
        "row" as "network, activation, data" = row.spec.to_string(),
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
fn epochs(rows: &[Row], ks: &[u32]) -> Table {
    let evaluations = trainings(rows).flat_map(|of| of.1.run.accuracy.iter().map(move |evaluation| (of, evaluation)));
    let copies =
        evaluations.flat_map(|(of, (step, accuracy))| ks.iter().zip(accuracy).map(move |copy| (of, step, copy)));
    let title = "Test accuracy after every epoch";
    table!("table1-epochs", title, for ((row, trained), step, (k, accuracy)) in copies => {
        "row" = row.spec.to_string(),
        "seed" = trained.seed(),
        "perturbation" = trained.form().name(),
        "k" = k,
        "step" = step,
        "test_accuracy" = accuracy,
    })
    .not_shown()
}

/// For each row the accuracies, and the distances of the first seed.
pub fn figures(rows: &[Row]) -> Vec<Figure> {
    rows.iter().flat_map(|row| [accuracy_figure(row), distance_figure(row)]).collect()
}

fn accuracy_figure(row: &Row) -> Figure {
    let n_ks = row.n_ks();
    // Leave a gap: a point on the edge would be cut in half.
    let (low, high) = ends(row.seeds.iter().flat_map(|trained| trained.accuracy[..n_ks].iter().copied()));
    let gap = ((high - low) / 10.0).max(0.1);
    let axis = Axis::linear("mean test accuracy over the last epochs, %");
    let figure = Figure::new(
        format!("table1-{}", row.spec.name()),
        format!("{}: test accuracy by seed and k", row.spec),
        Axis::linear("position in --seeds").between(0.0, row.seeds.len() as f64 + 1.0),
        if low <= high { axis.between(low - gap, high + gap) } else { axis },
    );
    let ks = row.seeds[0].run.config.ks.iter().take(n_ks).enumerate();
    let figure = ks.fold(figure, |figure, (replica, k)| {
        // Set points side by side, so that equal accuracies are visible.
        let aside = (replica as f64 - (n_ks as f64 - 1.0) / 2.0) * 0.08;
        let point = |(seed, trained): (usize, &TrainedRun)| ((seed + 1) as f64 + aside, trained.accuracy[replica]);
        figure.dots(format!("k = {k}"), row.seeds.iter().enumerate().map(point).collect())
    });
    let seeds: Vec<String> = row.seeds.iter().map(|trained| trained.seed().to_string()).collect();
    figure.caption(format!(
        "Seeds {} from left to right. Points of one seed differ only in k. The table compares their spread with that between \
         seeds.",
        seeds.join(", ")
    ))
}

fn distance_figure(row: &Row) -> Figure {
    let (first, n_ks) = (&row.seeds[0], row.n_ks());
    let ks = &first.run.config.ks;
    let figure = Figure::new(
        format!("table1-{}-distance", row.spec.name()),
        format!("{}: distance to k = {}, seed {}", row.spec, ks[0], first.seed()),
        Axis::log("step"),
        Axis::log("relative L1 over all convolutions, at most 2"),
    );
    let points = |replica: usize| divergence::plotted(&first.distances(replica));
    (1..n_ks)
        .fold(figure, |figure, replica| figure.line(format!("k = {}", ks[replica]), points(replica)))
        .control(format!("control k = {}", ks[n_ks]), points(n_ks))
        .caption("Zero is on the rail below the axis, where the control must stay.")
}

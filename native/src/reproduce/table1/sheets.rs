//! Tables and figures of the trainings.

use super::row::{Done, Trained};
use crate::reproduce::beside::{self, COLUMNS};
use crate::reproduce::figure::{Axis, Figure};
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::statistics::{Spread, ends, test_set_noise};
use crate::reproduce::{Cell, Table, onset};

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

/// The paper's table.
fn table1(rows: &[Done]) -> Table {
    let mut table = Table::new(
        "table1",
        "Spread of the test accuracy, in percentage points",
        &[
            ("row", "network, activation, data"),
            ("mean_accuracy", "mean, %"),
            ("std_k_ddof0", "over k, ddof 0"),
            ("std_k_ddof1", "ddof 1"),
            ("std_k_low", "95 % from"),
            ("std_k_high", "to"),
            ("std_seeds_ddof0", "over seeds, ddof 0"),
            ("std_seeds_ddof1", "ddof 1"),
            ("std_seeds_low", "95 % from"),
            ("std_seeds_high", "to"),
            ("test_set_noise", "noise of the test set"),
            ("churn_k", "churn between k, %"),
            ("churn_seeds", "between seeds, %"),
            ("churn_control", "of controls, %"),
        ],
    )
    .note("Deviations pooled over all seeds (over all k). Churn: share of test images that two trainings classify differently.");
    for done in rows {
        let cells = |spread: Option<Spread>| -> [Cell; 4] {
            let ends = spread.map(|spread| spread.interval());
            [
                spread.map(|s| s.ddof0).into(),
                spread.map(|s| s.ddof1).into(),
                ends.map(|(low, _)| low).into(),
                ends.map(|(_, high)| high).into(),
            ]
        };
        let control = done.all().map(|trained| trained.control_churn.percent()).fold(0.0, f64::max);
        let mut row: Vec<Cell> = vec![done.row.to_string().into(), done.mean().into()];
        row.extend(cells(Spread::pooled(&done.over_k())));
        row.extend(cells(Spread::pooled(&done.over_seeds())));
        row.push(test_set_noise(done.mean(), done.images()).into());
        row.extend([done.churn_over_k().into(), done.churn_over_seeds().into(), control.into()]);
        table.row(row);
    }
    table
}

/// A row for each seed and each k.
fn spreads(rows: &[Done], ks: &[u32]) -> Table {
    let head = [("row", "network, activation, data"), ("over", "over"), ("at", "at"), ("perturbation", "perturbation")];
    let title = "As published: over k at each seed, over seeds at each k";
    let mut table = Table::new("table1-spreads", title, &[&head[..], &COLUMNS].concat());
    let mut add = |row: &str, over: &str, at: String, form: &Trained, spread: &Spread| {
        let head: [Cell; 4] = [row.into(), over.into(), at.into(), form.form().name().into()];
        table.row(head.into_iter().chain(beside::cells(spread)));
    };
    for done in rows {
        let row = done.row.to_string();
        for trained in done.all() {
            if let Some(spread) = trained.spread() {
                add(&row, "k", format!("seed {}", trained.seed()), trained, &spread);
            }
        }
        for (k, spread) in ks.iter().zip(done.over_seeds()) {
            add(&row, "seeds", format!("k = {k}"), &done.seeds[0], &spread);
        }
    }
    table
}

/// The result of every training.
fn accuracies(rows: &[Done], ks: &[u32]) -> Table {
    let head = [("row", "network, activation, data"), ("seed", "seed"), ("perturbation", "perturbation")];
    let mut table = Table::new("table1-accuracies", "Mean test accuracy over the last epochs, in percent", &head);
    for k in ks {
        table = table.column(format!("k{k}"), format!("k = {k}"));
    }
    for done in rows {
        for trained in done.all() {
            let head: [Cell; 3] = [done.row.to_string().into(), trained.seed().into(), trained.form().name().into()];
            table.row(head.into_iter().chain(trained.numbers.iter().map(|number| (*number).into())));
        }
    }
    table
}

/// When and how fast each copy leaves the first.
fn starts(rows: &[Done], ks: &[u32]) -> Table {
    let mut table = Table::new(
        "table1-starts",
        "How the copies part",
        &[
            ("row", "network, activation, data"),
            ("seed", "seed"),
            ("perturbation", "perturbation"),
            ("k", "k"),
            ("first_step", "first step that differs"),
            ("rel_l1_step_1", "relative L1 after step 1"),
            ("growth_factor", "growth a step"),
            ("steps_to_1_percent", "steps from first bit to 1 %"),
            ("rel_l1_last", "distance at the end"),
        ],
    );
    let mut add = |done: &Done, trained: &Trained, replica: usize| {
        let points = onset::of_replica(&trained.run, replica);
        let (first, visible) = trained.onset(replica);
        table.row([
            done.row.to_string().into(),
            trained.seed().into(),
            trained.form().name().into(),
            ks[replica].into(),
            first.into(),
            points.first().map(|(_, distance)| *distance).into(),
            exponential_phase(&points).map(|growth| growth.factor).into(),
            visible.zip(first).map(|(to, from)| to - from).into(),
            points.last().map(|(_, distance)| *distance).into(),
        ]);
    };
    for done in rows {
        for trained in done.all() {
            (1..ks.len()).for_each(|replica| add(done, trained, replica));
        }
    }
    table
}

/// Every evaluation.
fn epochs(rows: &[Done], ks: &[u32]) -> Table {
    let names = ["row", "seed", "perturbation", "k", "step", "test_accuracy"];
    let mut table = Table::data("table1-epochs", "Test accuracy after every epoch", &names);
    for done in rows {
        for trained in done.all() {
            for (step, accuracy) in &trained.run.accuracy {
                for (k, accuracy) in ks.iter().zip(accuracy) {
                    table.row([
                        done.row.to_string().into(),
                        trained.seed().into(),
                        trained.form().name().into(),
                        (*k).into(),
                        (*step).into(),
                        (*accuracy).into(),
                    ]);
                }
            }
        }
    }
    table
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

//! What the trainings say about the paper's claims.

use super::row::Row;
use crate::numbers::{about, count, range};
use crate::reproduce::findings::claim;
use crate::reproduce::k_versus_seeds::{self, COMPARABLE, ENOUGH, Length};
use crate::reproduce::trained::{TrainedRun, judge_controls};
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{Deviation, ends, test_set_noise};

/// A test set of at least this many images shows a spread if there is one.
const FINE: usize = 1000;
/// The copies must part in fewer steps.
const SOON: usize = 100;

/// All claims.
pub fn claims(rows: &[Row]) -> Vec<Claim> {
    let mut claims: Vec<Claim> = rows.iter().filter_map(comparable).collect();
    claims.push(significant(rows));
    claims.push(controls(rows));
    claims.extend(rows.iter().filter_map(churn));
    claims.push(onset(rows));
    claims.extend(rows.iter().filter_map(forms));
    claims
}

/// The paper's main claim.
fn comparable(row: &Row) -> Option<Claim> {
    let pooled = row.deviations().pooled()?;
    Some(claim! {
        about: format!("{}: k matters as much as a seed", row.spec),
        paper: "The standard deviation of the test accuracy over k is comparable to that over random seeds.",
        found: format!(
            "Deviation {}; the paper uses ddof 0. Mean accuracy {:.1} %.",
            pooled.text("points"),
            row.mean()
        ),
        agrees: pooled.agrees(row.length()),
        certainty: pooled.certainty(row.length()),
    })
}

fn significant(rows: &[Row]) -> Claim {
    let texts: Vec<String> = rows
        .iter()
        .map(|row| {
            let ranges = row.seeds.iter().map(|trained| {
                let (low, high) = ends(trained.accuracy[..trained.compared()].iter().copied());
                high - low
            });
            format!(
                "{}: the best and the worst k of one seed are {} points apart; a test set of {} images alone makes a deviation of \
                 {:.2} points",
                row.spec,
                range(ranges, |points| format!("{points:.2}")).unwrap_or_default(),
                row.images(),
                row.test_set_noise()
            )
        })
        .collect();
    let deviation = |row: &Row| k_versus_seeds::pooled(&row.deviations().over_k).map_or(0.0, |pooled| pooled.ddof1);
    let has_diverged = |row: &Row| row.length() != Length::Together;
    claim! {
        about: "The last bit changes the accuracy",
        paper: "Perturbing the last bit changes the test accuracy.",
        found: format!("{}.", texts.join("; ")),
        agrees: match rows {
            rows if rows.iter().any(|row| has_diverged(row) && row.images() >= FINE && deviation(row) == 0.0) => Agreement::No,
            rows if rows.iter().all(|row| has_diverged(row) && deviation(row) > 0.5 * row.test_set_noise()) => Agreement::Yes,
            _ => Agreement::CannotTell,
        },
        certainty: "Everything but k is the same, including the test images. The accuracy counts as changed if the deviation over \
                    k is above half of the noise of the test set.",
    }
}

fn controls(rows: &[Row]) -> Claim {
    let (agrees, found) = judge_controls(rows.iter().flat_map(Row::all));
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. By the arithmetic k = 2 (a second k = 1 for nextafter) must not differ in a single bit.",
        found: found,
        agrees: agrees,
        certainty: "Sure: every weight is compared bit by bit on the adapter after every step, and the momenta at the end.",
    }
}

fn churn(row: &Row) -> Option<Claim> {
    let (k, seeds) = (row.churn_over_k()?, row.churn_over_seeds()?);
    Some(claim! {
        about: format!("{}: copies disagree on images", row.spec),
        paper: "Not in the paper. If k matters as much as a seed, two k should disagree on as many test images as two seeds.",
        found: format!(
            "Two k of one seed classify {} % of {} differently, two seeds {} %.",
            about(k),
            count(row.images() as u64, "test image"),
            about(seeds)
        ),
        agrees: match (k >= seeds / COMPARABLE, row.length()) {
            (_, Length::Together) => Agreement::CannotTell,
            _ if seeds == 0.0 => Agreement::CannotTell,
            (true, _) => Agreement::Yes,
            (false, Length::Long) => Agreement::No,
            (false, Length::Short) => Agreement::CannotTell,
        },
        certainty: format!(
            "A single share of {} images is known to within about {:.1} points; these are means over all pairs.",
            row.images(),
            test_set_noise(seeds, row.images())
        ),
    })
}

fn onset(rows: &[Row]) -> Claim {
    let mut delays = Vec::new();
    let (mut never, mut n) = (0_u64, 0_u64);
    for trained in rows.iter().flat_map(|row| &row.seeds) {
        for replica in 1..trained.compared() {
            n += 1;
            match trained.onset(replica) {
                [Some(first), Some(visible)] => delays.push((visible - first) as f64),
                _ => never += 1,
            }
        }
    }
    let longest = rows.iter().flat_map(|row| &row.seeds).map(|trained| trained.run.steps.len()).max().unwrap_or(0);
    let steps = range(delays.iter().copied(), |steps| format!("{steps:.0}"));
    claim! {
        about: "The copies part at the start",
        paper: "The copies part within tens of iterations, long before the first epoch ends.",
        found: match steps {
            Some(steps) => format!(
                "From the first differing bit to a relative L1 of 1 % it takes {steps} steps{}.",
                if never > 0 { format!(" ({never} of {n} copies did not reach it)") } else { String::new() }
            ),
            None => format!("None of {n} copies reached 1 %."),
        },
        agrees: match never == 0 && delays.iter().all(|steps| *steps < SOON as f64) {
            true => Agreement::Yes,
            false if longest < SOON => Agreement::CannotTell,
            false => Agreement::No,
        },
        certainty: format!("Sure: all {n} copies were compared after every step."),
    }
}

fn forms(row: &Row) -> Option<Claim> {
    let all: Vec<&TrainedRun> = row.seeds.first().into_iter().chain(&row.forms).collect();
    let of = |trained: &&TrainedRun| Deviation::of(&trained.accuracy[..trained.compared()]);
    let deviations: Vec<(&str, Deviation)> =
        all.iter().filter_map(|trained| Some((trained.form().name(), of(trained)?))).collect();
    if deviations.len() < 2 {
        return None;
    }
    let texts: Vec<String> =
        deviations.iter().map(|(name, deviation)| format!("{name} {:.2}", deviation.ddof1)).collect();
    let intervals: Vec<(f64, f64)> = deviations.iter().map(|(_, deviation)| deviation.interval()).collect();
    let highest_low = intervals.iter().map(|(low, _)| *low).fold(0.0, f64::max);
    let lowest_high = intervals.iter().map(|(_, high)| *high).fold(f64::INFINITY, f64::min);
    Some(claim! {
        about: format!("{}: the form of the perturbation does not matter", row.spec),
        paper: "The authors multiply by fl(1/k); Summers and Dinneen (2021) find the same spread from one ulp in one weight.",
        found: format!("Deviation over k at seed {} in points: {}.{}", all[0].seed(), texts.join(", "), stayed(&all)),
        agrees: match deviations.iter().map(|(_, deviation)| deviation.degrees_of_freedom).min() {
            _ if highest_low > lowest_high => Agreement::No,
            Some(least) if least >= ENOUGH => Agreement::Yes,
            _ => Agreement::CannotTell,
        },
        certainty: format!(
            "Agreement means that the 95 % intervals share a value. It needs {ENOUGH} degrees of freedom: with fewer, nearly all \
             intervals do."
        ),
    })
}

/// Copies that never left the first one: with `reciprocal` fl(lr k) fl(1/k) may round as fl(lr) does.
fn stayed(all: &[&TrainedRun]) -> String {
    let of = |trained: &&TrainedRun| {
        let ks = &trained.run.config.ks;
        let same = (1..trained.compared()).filter(|&replica| trained.onset(replica)[0].is_none());
        same.map(|replica| format!("{}, k = {}", trained.form().name(), ks[replica])).collect::<Vec<_>>()
    };
    match all.iter().flat_map(of).collect::<Vec<_>>() {
        same if same.is_empty() => String::new(),
        same => format!(" These never differed from k = {}: {}.", all[0].run.config.ks[0], same.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use lastbit_core::train::TrainConfig;

    use super::super::row::RowSpec;
    use super::*;
    use crate::reproduce::k_versus_seeds::LONG;
    use crate::reproduce::run::Run;

    /// Two seeds whose k = 1 and 3 are 0.5 apart and classify all `images` alike within a seed.
    fn row(steps: usize, images: usize) -> Row {
        let trained = |seed: u32| {
            let config = TrainConfig { ks: vec![1, 3, 2], seed: seed.into(), ..TrainConfig::default() };
            let rel_l1 = vec![vec![0.0; steps], vec![0.5; steps], vec![0.0; steps]];
            TrainedRun::new(Run::made_up(config, rel_l1), vec![vec![seed; images]; 3], 1)
        };
        Row::new(RowSpec::defaults(true).remove(0), vec![trained(1), trained(2)], 2)
    }

    #[test]
    fn agreement_on_images_contradicts_after_a_long_training() {
        let verdict = |steps: usize| churn(&row(steps, 8)).map(|claim| claim.agrees);
        assert_eq!(verdict(100), Some(Agreement::CannotTell));
        assert_eq!(verdict(LONG), Some(Agreement::No));
    }

    #[test]
    fn a_few_images_show_no_spread() {
        let verdict = |images: usize| significant(&[row(100, images)]).agrees;
        assert_eq!([16, FINE].map(verdict), [Agreement::CannotTell, Agreement::No]);
    }
}

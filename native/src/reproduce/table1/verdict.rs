//! What the trainings say about the paper's claims.

use super::row::{Done, Trained};
use crate::report::numbers::{about, count, range};
use crate::reproduce::beside::{Beside, COMPARABLE, ENOUGH, Length};
use crate::reproduce::findings::claim;
use crate::reproduce::run::judge_controls;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{Spread, ends, test_set_noise};

/// A test set of at least this many images shows a spread if there is one.
const FINE: usize = 1000;
/// The copies must part in fewer steps.
const SOON: usize = 100;

/// All claims.
pub fn claims(rows: &[Done]) -> Vec<Claim> {
    let mut claims: Vec<Claim> = rows.iter().filter_map(comparable).collect();
    claims.push(significant(rows));
    claims.push(controls(rows));
    claims.extend(rows.iter().filter_map(churn));
    claims.push(onset(rows));
    claims.extend(rows.iter().filter_map(forms));
    claims
}

/// The paper's main claim.
fn comparable(done: &Done) -> Option<Claim> {
    let beside = Beside::of(&done.over_k(), &done.over_seeds())?;
    Some(claim! {
        about: format!("{}: k matters as much as a seed", done.row),
        paper: "The standard deviation of the test accuracy over k is comparable to that over random seeds.",
        found: format!(
            "Deviation {}; the paper uses ddof 0. Mean accuracy {:.1} %.",
            beside.told("points"),
            done.mean()
        ),
        agrees: beside.agrees(done.length()),
        certainty: beside.certainty(done.length()),
    })
}

fn significant(rows: &[Done]) -> Claim {
    let texts: Vec<String> = rows
        .iter()
        .map(|done| {
            let ranges = done.seeds.iter().map(|trained| {
                let (low, high) = ends(trained.numbers.iter().copied());
 high - low
            });
            format!(
                "{}: the best and the worst k of one seed are {} points apart; a test set of {} images alone makes a deviation of \
                 {:.2} points",
                done.row,
                range(ranges, |points| format!("{points:.2}")).unwrap_or_default(),
                done.images(),
                test_set_noise(done.mean(), done.images())
            )
        })
        .collect();
    let spread = |done: &Done| Spread::pooled(&done.over_k()).map_or(0.0, |spread| spread.ddof1);
    let has_parted = |done: &Done| done.length() != Length::Together;
    let noise = |done: &Done| test_set_noise(done.mean(), done.images());
    claim! {
        about: "The last bit changes the accuracy",
        paper: "Perturbing the last bit changes the test accuracy.",
        found: format!("{}.", texts.join("; ")),
        agrees: match rows {
            rows if rows.iter().any(|done| has_parted(done) && done.images() >= FINE && spread(done) == 0.0) => Agreement::No,
            rows if rows.iter().all(|done| has_parted(done) && spread(done) > 0.5 * noise(done)) => Agreement::Yes,
            _ => Agreement::CannotTell,
        },
        certainty: "Everything but k is the same, including the test images. The accuracy counts as changed if the deviation over \
                    k is above half of the noise of the test set.",
    }
}

fn controls(rows: &[Done]) -> Claim {
    let all = rows.iter().flat_map(Done::all);
    let (agrees, found) = judge_controls(all.map(|trained| (&trained.run, trained.control_churn.differing > 0)));
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. By the arithmetic k = 2 (a second k = 1 for nextafter) must not differ in a single bit.",
        found: found,
        agrees: agrees,
        certainty: "Sure: every weight is compared bit by bit on the adapter after every step, and the momenta at the end.",
    }
}

fn churn(done: &Done) -> Option<Claim> {
    let (k, seeds) = (done.churn_over_k()?, done.churn_over_seeds()?);
    Some(claim! {
        about: format!("{}: copies disagree on images", done.row),
        paper: "Not in the paper. If k matters as much as a seed, two k should disagree on as many test images as two seeds.",
        found: format!(
            "Two k of one seed classify {} % of {} differently, two seeds {} %.",
            about(k),
            count(done.images() as u64, "test image"),
            about(seeds)
        ),
        agrees: match (k >= seeds / COMPARABLE, done.length()) {
            (_, Length::Together) => Agreement::CannotTell,
            _ if seeds == 0.0 => Agreement::CannotTell,
            (true, _) => Agreement::Yes,
            (false, Length::Long) => Agreement::No,
            (false, Length::Short) => Agreement::CannotTell,
        },
        certainty: format!(
            "A single share of {} images is known to within about {:.1} points; these are means over all pairs.",
            done.images(),
            test_set_noise(seeds, done.images())
        ),
    })
}

fn onset(rows: &[Done]) -> Claim {
    let mut delays = Vec::new();
    let (mut never, mut n) = (0_u64, 0_u64);
    for trained in rows.iter().flat_map(|done| &done.seeds) {
        for replica in 1..trained.numbers.len() {
            n += 1;
            match trained.onset(replica) {
                (Some(first), Some(visible)) => delays.push((visible - first) as f64),
                _ => never += 1,
            }
        }
    }
    let longest = rows.iter().flat_map(|done| &done.seeds).map(|trained| trained.run.steps.len()).max().unwrap_or(0);
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

fn forms(done: &Done) -> Option<Claim> {
    let all: Vec<&Trained> = done.seeds.first().into_iter().chain(&done.forms).collect();
    let spreads: Vec<(&str, Spread)> =
        all.iter().filter_map(|trained| Some((trained.form().name(), trained.spread()?))).collect();
    if spreads.len() < 2 {
        return None;
    }
    let texts: Vec<String> = spreads.iter().map(|(name, spread)| format!("{name} {:.2}", spread.ddof1)).collect();
    let intervals: Vec<(f64, f64)> = spreads.iter().map(|(_, spread)| spread.interval()).collect();
    let highest_low = intervals.iter().map(|(low, _)| *low).fold(0.0, f64::max);
    let lowest_high = intervals.iter().map(|(_, high)| *high).fold(f64::INFINITY, f64::min);
    Some(claim! {
        about: format!("{}: the form of the perturbation does not matter", done.row),
        paper: "The authors multiply by fl(1/k); Summers and Dinneen (2021) find the same spread from one ulp in one weight.",
        found: format!("Deviation over k at seed {} in points: {}.{}", all[0].seed(), texts.join(", "), stayed(&all)),
        agrees: match spreads.iter().map(|(_, spread)| spread.freedom).min() {
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
fn stayed(all: &[&Trained]) -> String {
    let of = |trained: &&Trained| {
        let ks = &trained.run.config.ks;
        let same = (1..trained.numbers.len()).filter(|&replica| trained.onset(replica).0.is_none());
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

    use super::super::row::Row;
    use super::*;
    use crate::reproduce::beside::LONG;
    use crate::reproduce::churn::disagreement;
    use crate::reproduce::run::Run;

    /// Two seeds whose k = 1 and 3 are 0.5 apart and classify all `images` alike within a seed.
    fn row(steps: usize, images: usize) -> Done {
        let trained = |seed: u32| {
            let config = TrainConfig { ks: vec![1, 3, 2], seed: seed.into(), ..TrainConfig::default() };
            let rel_l1 = vec![vec![0.0; steps], vec![0.5; steps], vec![0.0; steps]];
            Trained {
                run: Run::made_up(config, rel_l1),
                numbers: vec![50.0; 2],
                predictions: vec![vec![seed; images]; 2],
                control_churn: disagreement(&[], &[]),
            }
        };
        Done::new(Row::defaults(true).remove(0), vec![trained(1), trained(2)], 2)
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

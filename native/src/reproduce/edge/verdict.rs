//! What the runs say about the claims of Cohen et al. 2021, of arXiv 2412.20553 and of the paper's journal version.

use lastbit_core::nets::NetKind;

use super::{Case, Track, last_third};
use crate::numbers::{about, count, list, range};
use crate::reproduce::controls::{BY_THE_ARITHMETIC, controls_claim};
use crate::reproduce::findings::claim;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::ends;

/// How far the median of the last third may be from 2/lr, as a part of it, to be at it.
const NEAR: f64 = 0.05;
/// From which distance on it is not.
const FAR: f64 = 0.1;
/// How far Batch Sharpness may be, which is a mean over a few batches.
const NEAR_FOR_BATCHES: f64 = 0.2;
/// By how much a value that has settled may still move, as a part of 2/lr.
const STEADY: f64 = 0.05;
/// The same for Batch Sharpness.
const STEADY_FOR_BATCHES: f64 = 0.1;
/// Fewest rates at which something must hold.
const ENOUGH: usize = 3;

/// All claims.
pub fn claims(tracks: &[Track], net: NetKind) -> Vec<Claim> {
    let of = |case| tracks.iter().filter(|track| track.case == case).collect::<Vec<&Track>>();
    let (full, mini) = (of(Case::Full), of(Case::Mini));
    let mut claims = vec![
        sharpening(&full),
        hovering(&full),
        batches(&mini),
        below(&mini),
        parting(&full, Case::Full),
        parting(&mini, Case::Mini),
    ];
    let base = full.iter().copied().max_by(|a, b| a.lr.total_cmp(&b.lr));
    if let Some(base) = base {
        claims.extend(decay(base, tracks));
        claims.extend(depth(base, net, tracks));
    }
    let main = tracks.iter().filter(|track| track.case.is_main());
    claims.push(controls_claim(BY_THE_ARITHMETIC, "k", main.map(|track| track.run.are_controls_zero)));
    claims
}

/// Whether every measurement is a number.
fn is_finite(track: &Track) -> bool {
    track.sharpness().iter().all(|(_, value)| value.is_finite())
}

/// `0.984`
fn part(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "not finite".to_owned() }
}

/// `0.984 of 2/lr`
fn of_edge(value: f64) -> String {
    format!("{} of 2/lr", part(value))
}

/// `0.984 to 1.021 of 2/lr`, of those that are finite
fn span(values: impl IntoIterator<Item = f64>) -> String {
    range(values, part).map_or_else(|| "not finite".to_owned(), |span| format!("{span} of 2/lr"))
}

/// `0.853 of 2/lr at the start, the edge crossed at step 203, 1.070 of it at the end`
fn course(track: &Track) -> String {
    let crossed = match track.first_at(1.0) {
        Some(step) => format!("the edge crossed at step {step}"),
        None => "the edge not crossed".to_owned(),
    };
    format!(
        "{} at the start, {crossed}, {} at the end",
        of_edge(track.sharpness()[0].1 / track.edge()),
        part(track.end())
    )
}

/// The step of the last measurement.
fn length(track: &Track) -> u64 {
    track.run.curvature.last().map_or(0, |line| line.step)
}

fn decay(base: &Track, tracks: &[Track]) -> Option<Claim> {
    let mut decays: Vec<(f64, &Track)> = tracks
        .iter()
        .filter_map(|track| if let Case::Decay(decay) = track.case { Some((decay, track)) } else { None })
        .collect();
    decays.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (largest, last) = *decays.last()?;
    let each = std::iter::once((0.0, base)).chain(decays.iter().copied());
    let each: Vec<String> = each.map(|(decay, track)| format!("with {decay} {}", course(track))).collect();
    // Never within the run is at least as late as its end.
    let time = |track: &Track| track.first_at(1.0).unwrap_or_else(|| length(track));
    let has_crossed = last.first_at(1.0).is_some();
    let are_settled = base.has_settled(STEADY) && has_crossed && Track::is_steady(&last.sharpness(), STEADY);
    Some(claim! {
        about: "Weight decay keeps it from the edge",
        paper: "Journal version (JMLR 25(174), 2024): training is stable under conditions on the learning rate and the weight decay, so \
            regularization has a role at the edge of stability.",
        found: format!("At lr {} the largest eigenvalue is, by weight decay: {}.", base.lr, list(&each)),
        agrees: match base.first_at(1.0) {
            // Without an edge to keep away from, or without numbers, nothing is shown.
            None | Some(0) => Agreement::CannotTell,
            _ if !is_finite(base) || decays.iter().any(|(_, track)| !is_finite(track)) => Agreement::CannotTell,
            _ if time(last) >= 2 * time(base) => Agreement::Yes,
            _ if are_settled && last.end() < base.end() - 0.1 => Agreement::Yes,
            _ if has_crossed && 5 * time(last) <= 6 * time(base) && last.end() > base.end() - 0.02 => Agreement::No,
            _ => Agreement::CannotTell,
        },
        certainty: format!(
            "One seed, up to a weight decay of {largest}. Yes: the edge is not crossed before twice the time, and the run is that long; or \
             it is crossed, both have settled, and the end is a tenth lower. No: it is crossed at most a fifth later, and the end is \
             the same."
        ),
    })
}

fn depth(base: &Track, net: NetKind, tracks: &[Track]) -> Option<Claim> {
    let others =
        tracks.iter().filter_map(|track| if let Case::Depth(net) = track.case { Some((net, track)) } else { None });
    let mut nets: Vec<(NetKind, &Track)> = others.chain([(net, base)]).collect();
    if nets.len() < 2 {
        return None;
    }
    nets.sort_by_key(|(net, _)| net.to_string());
    let each: Vec<String> = nets.iter().map(|(net, track)| format!("{net}: {}", course(track))).collect();
    let times: Vec<Option<u64>> = nets.iter().map(|(_, track)| track.first_at(1.0)).collect();
    let known = times.iter().flatten().count();
    // Never within the run is at least as late as its end.
    let times = nets.iter().zip(&times).map(|((_, track), time)| time.unwrap_or_else(|| length(track)) as f64);
    let (early, late) = ends(times);
    Some(claim! {
        about: "It depends on the depth",
        paper: "Journal version (JMLR 25(174), 2024): what happens at the edge of stability depends on the complexity of the network.",
        found: format!("At lr {} the largest eigenvalue is, by network: {}.", base.lr, list(&each)),
        agrees: match known {
            0 => Agreement::CannotTell,
            _ if nets.iter().any(|(_, track)| !is_finite(track)) => Agreement::CannotTell,
            _ if late >= 1.5 * early.max(1.0) => Agreement::Yes,
            n => Agreement::of_decidable(false, n == nets.len()),
        },
        certainty: "One seed. Yes: the last to cross the edge takes at least one and a half times as long as the first, or the run is \
                    that long and it never does. No: all cross it, and sooner. A start above it counts as crossed at step 0.",
    })
}

fn rates(tracks: &[&Track]) -> String {
    list(&tracks.iter().map(|track| track.lr.to_string()).collect::<Vec<_>>())
}

fn sharpening(full: &[&Track]) -> Claim {
    let rises: Vec<&&Track> = full.iter().filter(|track| track.reached().is_some()).collect();
    let starts = full.iter().map(|track| track.sharpness()[0].1 / track.edge());
    let has_started_near = starts.clone().any(|start| start > 0.9);
    // It often falls first and then rises.
    let falls = full.iter().all(|track| {
        track.reached().is_none() && track.end() * track.edge() < track.sharpness()[0].1 && !track.is_rising()
    });
    claim! {
        about: "Progressive sharpening",
        paper: "Cohen et al. 2021: with full batches the largest eigenvalue rises until it reaches 2/lr.",
        found: format!(
            "It starts at {} and reaches 95 % of 2/lr at {} of {} (lr {}).",
            span(starts),
            rises.len(),
            count(full.len() as u64, "rate"),
            rates(full)
        ),
        agrees: match rises.len() {
            n if n == full.len() && !has_started_near => Agreement::Yes,
            0 if falls => Agreement::No,
            // A run that was too short, or that began near the edge, contradicts nothing.
            _ => Agreement::CannotTell,
        },
        certainty: "One seed. A rate at which it is not reached may need more steps (--scaled-time).",
    }
}

fn hovering(full: &[&Track]) -> Claim {
    let there: Vec<&&Track> = full.iter().filter(|track| track.has_settled(STEADY)).collect();
    let distance = |track: &Track| (track.end() - 1.0).abs();
    let near = there.iter().filter(|track| distance(track) <= NEAR).count();
    let each = full.iter().map(|track| match distance(track) {
        _ if !is_finite(track) || !track.has_settled(STEADY) => Agreement::CannotTell,
        distance if distance <= NEAR => Agreement::Yes,
        distance if distance > FAR => Agreement::No,
        _ => Agreement::CannotTell,
    });
    claim! {
        about: "Hovering at 2/lr",
        paper: "Cohen et al. 2021: from then on the largest eigenvalue hovers at or just above 2/lr.",
        found: match there.is_empty() {
            true => "No run reached 2/lr and settled before the last third of its measurements.".to_owned(),
            false => format!(
                "Over the last third of the measurements its median is {}, at {} that settled; {near} of {} lie within {} %.",
                span(there.iter().map(|track| track.end())),
                count(there.len() as u64, "rate"),
                full.len(),
                100.0 * NEAR
            ),
        },
        agrees: of_all(each),
        certainty: format!(
            "Yes: within {} % at every rate. No: farther than {} % at one. The eigenvalue oscillates, so medians are compared. Settled: it \
             reached 95 % of 2/lr before the last third, whose halves differ by at most {} % of it.",
            100.0 * NEAR,
            100.0 * FAR,
            100.0 * STEADY
        ),
    }
}

/// Yes if all are yes, no if one is no; without any, unknown.
fn of_all(each: impl Iterator<Item = Agreement>) -> Agreement {
    each.reduce(Agreement::and).unwrap_or(Agreement::CannotTell)
}

/// Whether Batch Sharpness has settled at the edge, or elsewhere.
fn is_at_edge(track: &Track) -> Agreement {
    let is_near = (track.end() - 1.0).abs() <= NEAR_FOR_BATCHES;
    let is_steady = Track::is_steady(&track.sharpness(), STEADY_FOR_BATCHES);
    match is_finite(track) {
        true if is_near && track.has_settled(STEADY_FOR_BATCHES) => Agreement::Yes,
        true if !is_near && is_steady => Agreement::No,
        // It is still moving, or has no numbers.
        _ => Agreement::CannotTell,
    }
}

fn batches(mini: &[&Track]) -> Claim {
    let each: Vec<Agreement> = mini.iter().map(|track| is_at_edge(track)).collect();
    let of = |wanted| each.iter().filter(|agrees| **agrees == wanted).count();
    claim! {
        about: "Batch Sharpness at 2/lr",
        paper: "arXiv 2412.20553: with mini-batches Batch Sharpness settles at 2/lr.",
        found: format!(
            "Over the last third of the measurements its median is {}; {} of {} settled within {} %, {} elsewhere.",
            span(mini.iter().map(|track| track.end())),
            of(Agreement::Yes),
            mini.len(),
            100.0 * NEAR_FOR_BATCHES,
            of(Agreement::No)
        ),
        agrees: of_all(each.iter().copied()),
        certainty: format!(
            "Fair: eight batches a measurement, one seed, and the mean of a ratio with a heavy tail. Settled: it reached 95 % of 2/lr \
             before the last third, whose halves differ by at most {} % of it. A value that still moves says nothing.",
            100.0 * STEADY_FOR_BATCHES
        ),
    }
}

fn below(mini: &[&Track]) -> Claim {
    let last = |track: &Track| last_third(&track.eigenvalue()) / track.edge();
    let there = mini.iter().filter(|track| is_at_edge(track) == Agreement::Yes);
    let each = mini.iter().map(|track| match last(track) {
        _ if is_at_edge(track) != Agreement::Yes || !Track::is_steady(&track.eigenvalue(), STEADY) => {
            Agreement::CannotTell
        }
        last if last < 1.0 - NEAR => Agreement::Yes,
        last if last >= 1.0 => Agreement::No,
        _ => Agreement::CannotTell,
    });
    claim! {
        about: "The largest eigenvalue stays below",
        paper: "arXiv 2412.20553: with mini-batches the largest eigenvalue of the loss settles below 2/lr, because Batch \
            Sharpness is larger.",
        found: format!("Over the last third of the measurements its median is {}.", span(mini.iter().map(|track| last(track)))),
        agrees: of_all(each),
        certainty: format!(
            "Batch Sharpness has settled at 2/lr at {} of {}. Yes: there the eigenvalue is more than {} % below. No: it is above. A value \
             that moved by over {} % since the middle third has not settled and says nothing.",
            there.count(),
            count(mini.len() as u64, "rate"),
            100.0 * NEAR,
            100.0 * STEADY
        ),
    }
}

/// Decades by which the distance grows in a unit of time (learning rate x steps), before the edge is reached and after it, until it is
/// visible. `None` where there are too few steps, or the distance is 0.
pub fn growth(track: &Track) -> (Option<f64>, Option<f64>) {
    /// Fewest steps of a phase.
    const FEWEST: usize = 20;
    let Some(reached) = track.first_at(1.0) else { return (None, None) };
    let rate = |points: Vec<&(u64, f64)>| {
        let (first, last) = (points.first()?, points.last()?);
        let time = (last.0 - first.0) as f64 * track.lr;
        (points.len() >= FEWEST).then(|| (last.1 / first.1).log10() / time)
    };
    // The first bits come by chance; growth is measured from the tenth step that differs.
    let sound = track.distance.iter().filter(|(_, distance)| *distance > 0.0).skip(10);
    let visible = |point: &&(u64, f64)| point.1 < super::super::growth::VISIBLE;
    let before = sound.clone().take_while(|(step, _)| *step <= reached).take_while(visible).collect();
    let after = sound.skip_while(|(step, _)| *step < reached).take_while(visible).collect();
    (rate(before), rate(after))
}

fn parting(tracks: &[&Track], case: Case) -> Claim {
    let both: Vec<(f64, f64)> = tracks
        .iter()
        // A single large value of Batch Sharpness, a mean over a few batches, does not show that it has come to the edge.
        .filter(|track| case == Case::Full || track.end() >= 1.0 - NEAR_FOR_BATCHES)
        .filter_map(|track| match growth(track) {
            (Some(before), Some(after)) => Some((before, after)),
            _ => None,
        })
        .collect();
    let list_of = |value: fn(&(f64, f64)) -> f64| list(&both.iter().map(|pair| about(value(pair))).collect::<Vec<_>>());
    let each = both.iter().map(|(before, after)| match before.max(0.0) {
        _ if !(before.is_finite() && after.is_finite()) => Agreement::CannotTell,
        before if *after > 2.0 * before => Agreement::Yes,
        before if *after <= before => Agreement::No,
        _ => Agreement::CannotTell,
    });
    let (is_yes, is_no) = (each.clone().all(|a| a == Agreement::Yes), each.clone().all(|a| a == Agreement::No));
    let (about, edge) = match case {
        Case::Mini => ("With mini-batches the parting begins at the edge", "Batch Sharpness reaches 2/lr"),
        _ => ("With full batches the parting begins at the edge", "the largest eigenvalue reaches 2/lr"),
    };
    claim! {
        about: about,
        paper: "Journal version (JMLR 25(174), 2024): the instabilities that amplify the last bit are those of the edge of stability.",
        found: match both.is_empty() {
            true => "No run has enough steps on both sides of the edge.".to_owned(),
            false => format!(
                "The distance of k = 3 grows by {} decades in a unit of time before {edge}, and by {} after it.",
                list_of(|pair| pair.0),
                list_of(|pair| pair.1)
            ),
        },
        agrees: match both.len() {
            n if n < ENOUGH => Agreement::CannotTell,
            _ if is_yes => Agreement::Yes,
            _ if is_no => Agreement::No,
            _ => Agreement::CannotTell,
        },
        certainty: format!(
            "{}, of which it takes {ENOUGH}; one counts if the distance is not visible yet when the edge is reached{}. Yes: after it \
             the growth is over twice as fast at every rate. No: it is no faster at any.",
            count(both.len() as u64, "rate"),
            match case {
                Case::Full => String::new(),
                _ => format!(", and the median of the last third is at least {} of 2/lr", 1.0 - NEAR_FOR_BATCHES),
            }
        ),
    }
}

#[cfg(test)]
mod tests {
    use Agreement::{CannotTell, No, Yes};

    use super::*;
    use crate::report::data::CurvatureLine;
    use crate::reproduce::run::Run;

    /// A run at learning rate 0.02, whose edge is 100, with this eigenvalue and Batch Sharpness at steps 0, 10, 20, ...
    fn track_of(case: Case, eigenvalue: &[f64], batch_sharpness: &[f64]) -> Track {
        let lines = eigenvalue.iter().zip(batch_sharpness).enumerate().map(|(i, (lambda_max, batch_sharpness))| {
            CurvatureLine {
                step: 10 * i as u64,
                lr: 0.02,
                lambda_max: *lambda_max,
                product_error: 0.0,
                batch_sharpness: *batch_sharpness,
                batch_sharpness_error: 0.0,
                loss: 1.0,
            }
        });
        let config = lastbit_core::train::TrainConfig { ks: vec![1, 3, 2], ..Default::default() };
        let run = Run { curvature: lines.collect(), ..Run::made_up(config, vec![vec![0.0]; 3]) };
        Track { lr: 0.02, case, run, distance: Vec::new() }
    }

    fn track(case: Case, sharpness: &[f64]) -> Track {
        track_of(case, sharpness, sharpness)
    }

    /// Six measurements that reach the edge and hover there.
    const HOVERING: [f64; 6] = [60.0, 80.0, 97.0, 104.0, 101.0, 103.0];

    #[test]
    fn sharpening_and_hovering_can_be_denied_and_left_open() {
        let of = |sharpness: &[f64]| {
            let track = track(Case::Full, sharpness);
            [sharpening(&[&track]).agrees, hovering(&[&track]).agrees]
        };
        assert_eq!(of(&HOVERING), [Yes, Yes]);
        assert_eq!(of(&[60.0, 80.0, 97.0, 130.0, 129.0, 131.0]), [Yes, No]);
        assert_eq!(of(&[60.0, 80.0, 97.0, 130.0, 81.0, 82.0]), [Yes, No], "it settled below");
        assert_eq!(of(&[60.0, 80.0, 97.0, 108.0, 107.0, 108.0]), [Yes, CannotTell], "between near and far");
        assert_eq!(of(&[60.0, 80.0, 97.0, 104.0, 90.0, 103.0]), [Yes, CannotTell], "it is still rising");
        assert_eq!(of(&[60.0, 80.0, 97.0, 130.0, 120.0, 98.0]), [Yes, CannotTell], "it is still falling");
        assert_eq!(of(&[60.0, 70.0, 80.0, 85.0, 96.0, 99.0]), [Yes, CannotTell], "it has only just arrived");
        assert_eq!(of(&[60.0, 55.0, 50.0, 45.0, 40.0, 35.0]), [No, CannotTell]);
        assert_eq!(of(&[60.0, 35.0, 40.0, 45.0, 50.0, 55.0]), [CannotTell, CannotTell], "it fell first, and rises");
        assert_eq!(of(&[98.0, 99.0, 101.0, 102.0, 101.0, 102.0]), [CannotTell, Yes], "it began at the edge");
        assert_eq!(of(&[60.0, 61.0, 62.0, 63.0, 64.0, 65.0]), [CannotTell, CannotTell]);
        assert_eq!(of(&[60.0, 80.0, 97.0, 104.0, f64::NAN, f64::NAN])[1], CannotTell);
        assert_eq!(of(&[f64::NAN; 6]), [CannotTell, CannotTell]);
    }

    #[test]
    fn every_rate_must_hover() {
        let of = |others: [&[f64]; 2]| {
            let tracks = [&HOVERING[..], others[0], others[1]].map(|sharpness| track(Case::Full, sharpness));
            hovering(&tracks.each_ref())
        };
        assert_eq!(of([&HOVERING, &HOVERING]).agrees, Yes);
        let claim = of([&HOVERING, &[60.0, 80.0, 97.0, 108.0, 107.0, 108.0]]);
        assert_eq!(claim.agrees, CannotTell);
        let found = "Over the last third of the measurements its median is 1.020 to 1.075 of 2/lr, at 3 rates that settled; 2 of 3 lie \
            within 5 %.";
        assert_eq!(claim.found, found);
        assert_eq!(of([&HOVERING, &[60.0, 80.0, 97.0, 130.0, 129.0, 131.0]]).agrees, No);
        let lost = of([&HOVERING, &[60.0, 80.0, 97.0, f64::NAN, f64::NAN, f64::NAN]]);
        assert!(lost.agrees == CannotTell && !lost.found.contains("inf"), "{}", lost.found);
    }

    #[test]
    fn batch_sharpness_that_has_settled_elsewhere_denies() {
        let of = |sharpness: &[f64]| batches(&[&track(Case::Mini, sharpness)]);
        assert_eq!(of(&[40.0, 60.0, 97.0, 90.0, 97.0, 105.0]).agrees, Yes);
        assert_eq!(of(&[40.0, 60.0, 80.0, 90.0, 95.0, 105.0]).agrees, CannotTell, "it has only just arrived");
        assert_eq!(of(&[20.0, 30.0, 40.0, 50.0, 60.0, 70.0]).agrees, CannotTell, "it is still rising");
        assert_eq!(of(&[90.0, 97.0, 97.0, 100.0, 90.0, 105.0]).agrees, CannotTell, "it is still rising");
        assert_eq!(of(&[90.0, 97.0, 90.0, 80.0, 70.0, 60.0]).agrees, CannotTell, "it is still falling");
        assert_eq!(of(&[4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).agrees, CannotTell, "it is small and rises");
        assert_eq!(of(&[40.0, 50.0, 50.0, 50.0, 50.0, 50.0]).agrees, No);
        assert_eq!(of(&[40.0, 97.0, 140.0, 140.0, 140.0, 140.0]).agrees, No);
        for lost in [
            &[40.0, 97.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN],
            &[40.0, f64::NAN, 97.0, 97.0, 98.0, 97.0],
            &[f64::NAN; 6],
        ] {
            let claim = of(lost);
            assert!(claim.agrees == CannotTell && !claim.found.contains("inf"), "{}", claim.found);
        }
    }

    #[test]
    fn the_eigenvalue_settles_below_or_not_or_still_moves() {
        let at_edge = [60.0, 97.0, 98.0, 102.0, 101.0, 103.0];
        let of =
            |eigenvalue: &[f64], batch_sharpness: &[f64]| below(&[&track_of(Case::Mini, eigenvalue, batch_sharpness)]);
        assert_eq!(of(&[40.0, 60.0, 60.0, 61.0, 61.0, 60.0], &at_edge).agrees, Yes);
        assert_eq!(of(&[40.0, 60.0, 104.0, 105.0, 104.0, 105.0], &at_edge).agrees, No);
        assert_eq!(of(&[40.0, 60.0, 97.0, 97.0, 98.0, 97.0], &at_edge).agrees, CannotTell, "just below");
        assert_eq!(of(&[40.0, 50.0, 60.0, 66.0, 72.0, 78.0], &at_edge).agrees, CannotTell, "it is still rising");
        assert_eq!(of(&[90.0, 90.0, 90.0, 84.0, 78.0, 70.0], &at_edge).agrees, CannotTell, "it is still falling");
        assert_eq!(of(&[60.0; 6], &[60.0; 6]).agrees, CannotTell, "Batch Sharpness is elsewhere");
        let lost = of(&[40.0, 60.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN], &at_edge);
        assert!(lost.agrees == CannotTell && lost.found.ends_with("its median is not finite."), "{}", lost.found);
    }

    /// Runs that reach the edge at step 100; their distance of k = 3 grows by these decades in a unit of time before and after it.
    fn parted(rates: &[(f64, f64)]) -> Agreement {
        parted_with(Case::Full, 101.0, rates)
    }

    /// The same; the sharpness ends with this value.
    fn parted_with(case: Case, end: f64, rates: &[(f64, f64)]) -> Agreement {
        let of = |&(before, after): &(f64, f64)| {
            let decades = |step: u64| {
                let time = |steps: u64| 0.02 * steps as f64;
                before * time(step.min(100)) + after * time(step.saturating_sub(100))
            };
            let distance = (1..=200).map(|step| (step, 1e-9 * 10f64.powf(decades(step)))).collect();
            let sharpness = (0..=20).map(|i| match i {
                0..10 => 60.0,
                10 => 101.0,
                _ => end,
            });
            Track { distance, ..track(case, &sharpness.collect::<Vec<_>>()) }
        };
        let tracks: Vec<Track> = rates.iter().map(of).collect();
        parting(&tracks.iter().collect::<Vec<_>>(), case).agrees
    }

    #[test]
    fn the_parting_begins_at_the_edge_or_not_or_it_is_unknown() {
        assert_eq!(parted(&[(0.1, 1.0), (-0.1, 0.5), (0.2, 0.5)]), Yes);
        assert_eq!(parted(&[(0.35, -0.08), (0.39, 0.23), (0.36, 0.03)]), No, "it grows faster before");
        assert_eq!(parted(&[(0.1, 1.0), (0.1, 0.05), (0.2, 0.5)]), CannotTell, "rates disagree");
        assert_eq!(parted(&[(0.1, 0.15), (0.1, 0.15), (0.1, 0.15)]), CannotTell, "hardly faster");
        assert_eq!(parted(&[(0.1, 1.0)]), CannotTell, "a single rate");
        assert_eq!(parted(&[(0.1, 1.0), (0.1, 1.0)]), CannotTell, "two rates");
        assert_eq!(parted(&[(f64::NAN, f64::NAN); 3]), CannotTell);
        assert_eq!(parted_with(Case::Mini, 85.0, &[(0.35, -0.08), (0.39, 0.23), (0.36, 0.03)]), No);
        assert_eq!(parted_with(Case::Mini, 85.0, &[(0.1, 1.0); 3]), Yes);
        assert_eq!(parted_with(Case::Mini, 70.0, &[(0.1, 1.0); 3]), CannotTell, "it has not come to the edge");
        assert_eq!(parted_with(Case::Mini, f64::NAN, &[(0.1, 1.0); 3]), CannotTell);
        let (full, mini) = (parting(&[], Case::Full), parting(&[], Case::Mini));
        assert_eq!((full.agrees, mini.agrees), (CannotTell, CannotTell));
        assert!(full.about.starts_with("With full batches") && mini.about.starts_with("With mini-batches"));
    }

    #[test]
    fn weight_decay_and_depth_can_have_no_effect() {
        // The edge is crossed at step 20 of 80.
        let rising = [80.0, 97.0, 104.0, 101.0, 103.0, 101.0, 103.0, 101.0, 103.0];
        let of = |base: &[f64], other: &[f64]| {
            let base = track(Case::Full, base);
            let tracks = [track(Case::Decay(0.1), other), track(Case::Depth(NetKind::Mlp { layers: 4 }), other)];
            let net = NetKind::Mlp { layers: 2 };
            [decay(&base, &tracks).unwrap().agrees, depth(&base, net, &tracks).unwrap().agrees]
        };
        assert_eq!(of(&rising, &[80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 5.0]), [Yes, Yes]);
        assert_eq!(of(&rising, &[80.0, 85.0, 90.0, 92.0, 94.0, 101.0, 103.0, 101.0, 103.0]), [Yes, Yes], "far later");
        assert_eq!(of(&rising, &rising), [No, No]);
        let lost = [60.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN];
        assert_eq!(of(&rising, &lost), [CannotTell, CannotTell]);
        let above = [150.0, 120.0, 104.0, 103.0, 101.0, 102.0, 103.0, 101.0, 103.0];
        assert_eq!(of(&above, &rising)[0], CannotTell, "it began above the edge");
        // The base crosses the edge at step 60 of 80: too late to say that another one never does.
        let late = [60.0, 65.0, 70.0, 80.0, 90.0, 97.0, 101.0, 103.0, 102.0];
        assert_eq!(of(&late, &[60.0, 64.0, 68.0, 76.0, 85.0, 90.0, 95.0, 96.0, 98.0]), [CannotTell, CannotTell]);
        assert_eq!(of(&late, &[60.0; 9]), [CannotTell, CannotTell]);
        // It crossed as early, and then settled lower.
        assert_eq!(of(&rising, &[80.0, 97.0, 102.0, 85.0, 84.0, 85.0, 84.0, 85.0, 84.0])[0], Yes);
        assert_eq!(
            of(&rising, &[80.0, 97.0, 102.0, 101.0, 97.0, 94.0, 90.0, 85.0, 80.0])[0],
            CannotTell,
            "it still falls"
        );
    }
}

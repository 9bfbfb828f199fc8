//! What the runs say about the claims of Cohen et al. 2021, of arXiv 2412.20553 and of the paper's journal version.

use lastbit_core::nets::NetKind;

use super::{Case, Track, last_third};
use crate::numbers::{about, count, list};
use crate::reproduce::findings::claim;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::ends;

/// How far the median of the last third may be below and above 2/lr: "at, or just above".
const BELOW: f64 = 0.05;
const ABOVE: f64 = 0.1;
/// The same for Batch Sharpness, which is a mean over a few batches.
const NEAR_FOR_BATCHES: f64 = 0.2;
/// Fewest rates at which something must hold.
const ENOUGH: usize = 3;

/// All claims.
pub fn claims(tracks: &[Track], net: NetKind) -> Vec<Claim> {
    let of = |case| tracks.iter().filter(|track| track.case == case).collect::<Vec<&Track>>();
    let (full, mini) = (of(Case::Full), of(Case::Mini));
    let mut claims = vec![sharpening(&full), hovering(&full), batches(&mini), below(&mini), parting(&full)];
    let base = full.iter().copied().max_by(|a, b| a.lr.total_cmp(&b.lr));
    if let Some(base) = base {
        claims.extend(decay(base, tracks));
        claims.extend(depth(base, net, tracks));
    }
    claims.push(controls(tracks));
    claims
}

/// Whether every measurement is a number.
fn is_finite(track: &Track) -> bool {
    track.sharpness().iter().all(|(_, value)| value.is_finite())
}

/// `0.984 of 2/lr`
fn of_edge(part: f64) -> String {
    format!("{part:.3} of 2/lr")
}

/// `0.853 of 2/lr at the start, the edge crossed at step 203, 1.070 of it at the end`
fn course(track: &Track) -> String {
    let crossed = match track.first_at(1.0) {
        Some(step) => format!("the edge crossed at step {step}"),
        None => "the edge not crossed".to_owned(),
    };
    format!("{} at the start, {crossed}, {:.3} at the end", of_edge(track.sharpness()[0].1 / track.edge()), track.end())
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
    let steps = base.run.curvature.last().map_or(0, |line| line.step);
    let time = |track: &Track| track.first_at(1.0).unwrap_or(2 * steps);
    Some(claim! {
        about: "Weight decay keeps it from the edge",
        paper: "Journal version (JMLR 25(174), 2024): training is stable under conditions on the learning rate and the weight decay, so \
            regularization has a role at the edge of stability.",
        found: format!("At lr {} the largest eigenvalue is, by weight decay: {}.", base.lr, list(&each)),
        agrees: match base.first_at(1.0) {
            // Without an edge to keep away from, or without numbers, nothing is shown.
            None | Some(0) => Agreement::CannotTell,
            _ if !is_finite(base) || decays.iter().any(|(_, track)| !is_finite(track)) => Agreement::CannotTell,
            _ if last.first_at(1.0).is_none() || time(last) > 2 * time(base) => Agreement::Yes,
            _ if last.end() < base.end() - 0.1 => Agreement::Yes,
            _ if 5 * time(last) <= 6 * time(base) && last.end() > base.end() - 0.02 => Agreement::No,
            _ => Agreement::CannotTell,
        },
        certainty: format!(
            "One seed, up to a weight decay of {largest}. Yes: the edge is crossed at more than twice the time or not at all, or the end \
             is a tenth lower. No: it is crossed within a fifth of the time and the end is the same."
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
    let known: Vec<f64> = times.iter().flatten().map(|step| *step as f64).collect();
    let (early, late) = ends(known.iter().copied());
    Some(claim! {
        about: "It depends on the depth",
        paper: "Journal version (JMLR 25(174), 2024): what happens at the edge of stability depends on the complexity of the network.",
        found: format!("At lr {} the largest eigenvalue is, by network: {}.", base.lr, list(&each)),
        agrees: match known.len() {
            0 => Agreement::CannotTell,
            _ if nets.iter().any(|(_, track)| !is_finite(track)) => Agreement::CannotTell,
            n if n < nets.len() || late > 1.5 * early.max(1.0) => Agreement::Yes,
            _ => Agreement::No,
        },
        certainty: "One seed. Yes: not all cross the edge, or their times differ by more than half. A start above it counts as crossed at step 0.",
    })
}

fn rates(tracks: &[&Track]) -> String {
    list(&tracks.iter().map(|track| track.lr.to_string()).collect::<Vec<_>>())
}

fn sharpening(full: &[&Track]) -> Claim {
    let rises: Vec<&&Track> = full.iter().filter(|track| track.reached().is_some()).collect();
    let starts = full.iter().map(|track| track.sharpness()[0].1 / track.edge());
    let has_started_near = starts.clone().any(|start| start > 0.9);
    let falls =
        full.iter().all(|track| track.reached().is_none() && track.end() * track.edge() < track.sharpness()[0].1);
    let (low, high) = ends(starts);
    claim! {
        about: "Progressive sharpening",
        paper: "Cohen et al. 2021: with full batches the largest eigenvalue rises until it reaches 2/lr.",
        found: format!(
            "It starts at {low:.3} to {} and reaches 95 % of 2/lr at {} of {} (lr {}).",
            of_edge(high),
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
    let there: Vec<&&Track> = full.iter().filter(|track| track.has_settled()).collect();
    let (low, high) = ends(there.iter().map(|track| track.end()));
    let is_near = there.iter().all(|track| (1.0 - BELOW..=1.0 + ABOVE).contains(&track.end()));
    claim! {
        about: "Hovering at 2/lr",
        paper: "Cohen et al. 2021: from then on the largest eigenvalue hovers at or just above 2/lr.",
        found: match there.is_empty() {
            true => "No run reached 2/lr before the last third of its measurements.".to_owned(),
            false => format!(
                "Over the last third of the measurements its median is {low:.3} to {}, at {}.",
                of_edge(high),
                count(there.len() as u64, "rate")
            ),
        },
        agrees: match there.len() {
            0 => Agreement::CannotTell,
            n => Agreement::of_decidable(is_near && n == full.len(), !is_near),
        },
        certainty: format!(
            "From {} % below to {} % above. The eigenvalue oscillates, so a median over many measurements is compared.",
            100.0 * BELOW,
            100.0 * ABOVE
        ),
    }
}

fn batches(mini: &[&Track]) -> Claim {
    let (low, high) = ends(mini.iter().map(|track| track.end()));
    let near = mini.iter().filter(|track| (track.end() - 1.0).abs() <= NEAR_FOR_BATCHES).count();
    let is_rising = mini.iter().any(|track| {
        let all = track.sharpness();
        track.end() < 1.0 - NEAR_FOR_BATCHES && last_third(&all) > 1.05 * last_third(&all[..2 * all.len() / 3])
    });
    let is_lost = mini.iter().any(|track| !is_finite(track));
    claim! {
        about: "Batch Sharpness at 2/lr",
        paper: "arXiv 2412.20553: with mini-batches Batch Sharpness settles at 2/lr.",
        found: format!(
            "Over the last third of the measurements its median is {low:.3} to {}; {} of {} lie within {} %.",
            of_edge(high),
            near,
            mini.len(),
            100.0 * NEAR_FOR_BATCHES
        ),
        agrees: match (near == mini.len(), is_rising || is_lost) {
            (true, _) => Agreement::Yes,
            // It is still rising, or has no numbers.
            (false, true) => Agreement::CannotTell,
            (false, false) => Agreement::No,
        },
        certainty: "Fair: eight batches a measurement, one seed, and the mean of a ratio with a heavy tail.",
    }
}

fn below(mini: &[&Track]) -> Claim {
    let last = |track: &&Track| {
        let values: Vec<(u64, f64)> = track.run.curvature.iter().map(|line| (line.step, line.lambda_max)).collect();
        last_third(&values) / track.edge()
    };
    let values: Vec<f64> = mini.iter().map(last).collect();
    let (low, high) = ends(values.iter().copied());
    let there: Vec<&&Track> = mini.iter().filter(|track| (track.end() - 1.0).abs() <= NEAR_FOR_BATCHES).collect();
    let is_below = there.iter().all(|track| last(track) < 1.0);
    claim! {
        about: "The largest eigenvalue stays below",
        paper: "arXiv 2412.20553: with mini-batches the largest eigenvalue of the loss settles below 2/lr, because Batch \
            Sharpness is larger.",
        found: format!("Over the last third of the measurements its median is {low:.3} to {}.", of_edge(high)),
        agrees: match there.len() {
            0 => Agreement::CannotTell,
            _ => Agreement::of(is_below),
        },
        certainty: format!("For the {} of {} at which Batch Sharpness has come to 2/lr.", there.len(), count(mini.len() as u64, "rate")),
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

fn parting(full: &[&Track]) -> Claim {
    let both: Vec<(f64, f64)> = full
        .iter()
        .filter_map(|track| match growth(track) {
            (Some(before), Some(after)) => Some((before, after)),
            _ => None,
        })
        .collect();
    let faster = both.iter().filter(|(before, after)| *after > 2.0 * before.max(0.0)).count();
    let list_of = |value: fn(&(f64, f64)) -> f64| list(&both.iter().map(|pair| about(value(pair))).collect::<Vec<_>>());
    claim! {
        about: "The parting begins at the edge",
        paper: "Journal version (JMLR 25(174), 2024): the instabilities that amplify the last bit are those of the edge of stability.",
        found: match both.is_empty() {
            true => "No run has enough steps on both sides of the edge.".to_owned(),
            false => format!(
                "The distance of k = 3 grows by {} decades in a unit of time before the edge, and by {} after it.",
                list_of(|pair| pair.0),
                list_of(|pair| pair.1)
            ),
        },
        agrees: match both.len() {
            0 => Agreement::CannotTell,
            n if n < ENOUGH => Agreement::of_decidable(faster == n, false),
            n => Agreement::of(faster == n),
        },
        certainty: format!("{}; a run counts if the distance is not visible yet when the edge is reached.", count(both.len() as u64, "rate")),
    }
}

fn controls(tracks: &[Track]) -> Claim {
    let main: Vec<&Track> = tracks.iter().filter(|track| track.case.is_main()).collect();
    let agrees = main.iter().map(|track| track.run.are_controls_zero).fold(Agreement::Yes, Agreement::and);
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. By the arithmetic k = 2 must not differ in a single bit, with all measurements on.",
        found: match agrees {
            Agreement::Yes => format!("{}: 0 bits differ.", count(main.len() as u64, "control")),
            Agreement::No => "A control differs: nothing here can be attributed to k.".to_owned(),
            Agreement::CannotTell => "Numbers stopped being finite: equal bits then prove nothing.".to_owned(),
        },
        agrees: agrees,
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

#[cfg(test)]
mod tests {
    use Agreement::{CannotTell, No, Yes};

    use super::*;
    use crate::report::data::CurvatureLine;
    use crate::reproduce::run::Run;

    /// A run at learning rate 0.02, whose edge is 100, with this sharpness at steps 0, 10, 20, ...
    fn track(case: Case, sharpness: &[f64]) -> Track {
        let lines = sharpness.iter().enumerate().map(|(i, value)| CurvatureLine {
            step: 10 * i as u64,
            lr: 0.02,
            lambda_max: *value,
            product_error: 0.0,
            batch_sharpness: *value,
            batch_sharpness_error: 0.0,
            loss: 1.0,
        });
        let config = lastbit_core::train::TrainConfig { ks: vec![1, 3, 2], ..Default::default() };
        let run = Run { curvature: lines.collect(), ..Run::made_up(config, vec![vec![0.0]; 3]) };
        Track { lr: 0.02, case, run, distance: Vec::new() }
    }

    #[test]
    fn sharpening_and_hovering_can_be_denied_and_left_open() {
        let of = |sharpness: &[f64]| {
            let track = track(Case::Full, sharpness);
            [sharpening(&[&track]).agrees, hovering(&[&track]).agrees]
        };
        assert_eq!(of(&[60.0, 80.0, 97.0, 104.0, 101.0, 103.0]), [Yes, Yes]);
        assert_eq!(of(&[60.0, 80.0, 97.0, 130.0, 140.0, 150.0]), [Yes, No]);
        assert_eq!(of(&[60.0, 70.0, 80.0, 85.0, 96.0, 99.0]), [Yes, CannotTell], "it has only just arrived");
        assert_eq!(of(&[60.0, 55.0, 50.0, 45.0, 40.0, 35.0]), [No, CannotTell]);
        assert_eq!(of(&[98.0, 99.0, 101.0, 102.0, 101.0, 102.0]), [CannotTell, Yes], "it began at the edge");
        assert_eq!(of(&[60.0, 61.0, 62.0, 63.0, 64.0, 65.0]), [CannotTell, CannotTell]);
    }

    #[test]
    fn batch_sharpness_that_has_settled_elsewhere_denies() {
        let of = |sharpness: &[f64]| batches(&[&track(Case::Mini, sharpness)]).agrees;
        assert_eq!(of(&[40.0, 60.0, 80.0, 90.0, 95.0, 105.0]), Yes);
        assert_eq!(of(&[20.0, 30.0, 40.0, 50.0, 60.0, 70.0]), CannotTell, "it is still rising");
        assert_eq!(of(&[40.0, 50.0, 50.0, 50.0, 50.0, 50.0]), No);
        assert_eq!(of(&[40.0, 50.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN]), CannotTell);
    }

    #[test]
    fn weight_decay_and_depth_can_have_no_effect() {
        let rising = [60.0, 80.0, 97.0, 104.0, 101.0, 103.0];
        let of = |base: &[f64], other: &[f64]| {
            let base = track(Case::Full, base);
            let tracks = [track(Case::Decay(0.1), other), track(Case::Depth(NetKind::Mlp { layers: 4 }), other)];
            let net = NetKind::Mlp { layers: 2 };
            [decay(&base, &tracks).unwrap().agrees, depth(&base, net, &tracks).unwrap().agrees]
        };
        assert_eq!(of(&rising, &[60.0, 50.0, 40.0, 30.0, 20.0, 10.0]), [Yes, Yes]);
        assert_eq!(of(&rising, &rising), [No, No]);
        let lost = [60.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN];
        assert_eq!(of(&rising, &lost), [CannotTell, CannotTell]);
        let above = [150.0, 120.0, 104.0, 103.0, 101.0, 102.0];
        assert_eq!(of(&above, &rising)[0], CannotTell, "it began above the edge");
    }
}

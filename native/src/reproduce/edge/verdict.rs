//! What the runs say about the claims of Cohen et al. 2021, of arXiv 2412.20553 and of the paper's journal version.

use lastbit_core::nets::NetKind;

use super::{Case, Track};
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
            None => Agreement::CannotTell,
            Some(_) if last.first_at(1.0).is_none() || time(last) > 2 * time(base) => Agreement::Yes,
            Some(_) if last.end() < base.end() - 0.1 => Agreement::Yes,
            Some(_) => Agreement::CannotTell,
        },
        certainty: format!(
            "One seed, up to a weight decay of {largest}. Yes: the edge is crossed at more than twice the time or not at all, or the end \
             is a tenth lower."
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
    let starts: Vec<f64> = nets.iter().map(|(_, track)| track.sharpness()[0].1 / track.edge()).collect();
    let times: Vec<Option<u64>> = nets.iter().map(|(_, track)| track.first_at(1.0)).collect();
    let (low, high) = ends(starts.iter().copied());
    let known: Vec<f64> = times.iter().flatten().map(|step| *step as f64).collect();
    let (early, late) = ends(known.iter().copied());
    Some(claim! {
        about: "It depends on the depth",
        paper: "Journal version (JMLR 25(174), 2024): what happens at the edge of stability depends on the complexity of the network.",
        found: format!("At lr {} the largest eigenvalue is, by network: {}.", base.lr, list(&each)),
        agrees: match known.len() {
            0 => Agreement::CannotTell,
            n if n < nets.len() || late > 1.5 * early.max(1.0) || high > 1.5 * low => Agreement::Yes,
            _ => Agreement::No,
        },
        certainty: "One seed. Yes: not all cross the edge, or their times or starts differ by more than half.",
    })
}

fn rates(tracks: &[&Track]) -> String {
    list(&tracks.iter().map(|track| track.lr.to_string()).collect::<Vec<_>>())
}

fn sharpening(full: &[&Track]) -> Claim {
    let rises: Vec<&&Track> = full.iter().filter(|track| track.reached().is_some()).collect();
    let starts = full.iter().map(|track| track.sharpness()[0].1 / track.edge());
    let has_started_above = starts.clone().any(|start| start > 1.0);
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
            n if n == full.len() && !has_started_above => Agreement::Yes,
            // A run that was too short, or that began above the edge, contradicts nothing.
            _ => Agreement::CannotTell,
        },
        certainty: "One seed. A rate at which it is not reached may need more steps (--scaled-time).",
    }
}

fn hovering(full: &[&Track]) -> Claim {
    let there: Vec<&&Track> = full.iter().filter(|track| track.reached().is_some()).collect();
    let (low, high) = ends(there.iter().map(|track| track.end()));
    let is_near = there.iter().all(|track| (1.0 - BELOW..=1.0 + ABOVE).contains(&track.end()));
    claim! {
        about: "Hovering at 2/lr",
        paper: "Cohen et al. 2021: from then on the largest eigenvalue hovers at or just above 2/lr.",
        found: match there.is_empty() {
            true => "No run reached 2/lr.".to_owned(),
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
    let is_rising = mini.iter().any(|track| track.end() < 1.0 - NEAR_FOR_BATCHES);
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
        agrees: match (near == mini.len(), is_rising) {
            (true, _) => Agreement::Yes,
            // It may still be rising.
            (false, true) => Agreement::CannotTell,
            (false, false) => Agreement::No,
        },
        certainty: "Fair: eight batches a measurement, one seed, and the mean of a ratio with a heavy tail.",
    }
}

fn below(mini: &[&Track]) -> Claim {
    let last = |track: &&Track| track.run.curvature.last().map_or(f64::NAN, |line| line.lambda_max / track.edge());
    let values: Vec<f64> = mini.iter().map(last).collect();
    let (low, high) = ends(values.iter().copied());
    let there: Vec<&&Track> = mini.iter().filter(|track| (track.end() - 1.0).abs() <= NEAR_FOR_BATCHES).collect();
    let is_below = there.iter().all(|track| last(track) < 1.0);
    claim! {
        about: "The largest eigenvalue stays below",
        paper: "arXiv 2412.20553: with mini-batches the largest eigenvalue of the whole loss settles below 2/lr, because Batch \
            Sharpness is larger.",
        found: format!("At the end it is {low:.3} to {}.", of_edge(high)),
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
        certainty: "Sure: every weight is compared bit by bit on the adapter after every step.",
    }
}

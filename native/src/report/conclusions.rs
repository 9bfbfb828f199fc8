//! What a run shows and what it does not show, in plain words, computed from the data.

use lastbit_core::ops::sgd::Perturbation;

use super::data::{RunData, Verdict};
use crate::numbers::{about, count, range};
use crate::statistics::Deviation;

/// What the run shows.
pub fn shown(run: &RunData) -> Vec<String> {
    let (others, first) = (run.others(), run.label(0));
    let mut points = Vec::new();
    if matches!(run.verdict(), Verdict::Red(_)) {
        return vec!["Nothing about k: the control is red, so something else changes bits.".to_owned()];
    }
    if others.is_empty() || run.steps.step.is_empty() {
        return points;
    }
    let cause = match run.verdict() {
        Verdict::Green => "and the control proves it for this run.",
        Verdict::NotFinite => "by construction; the control proves it for as long as its numbers were finite.",
        _ => "by construction; a control would prove it for this run.",
    };
    let began = match run.config.train.perturbation {
        Perturbation::Nextafter => "Every difference began as one ulp in one weight.",
        _ => "On paper k changes nothing; every difference began as the rounding of a last bit.",
    };
    points.push(format!("k is the only difference between the copies, {cause} {began}"));
    points.extend(growth(run));
    if run.sound_lines() < run.steps.step.len() {
        points.push("That training blows up. Try a smaller learning rate first.".to_owned());
        return points;
    }
    let ends: Vec<f64> = others.iter().filter_map(|&r| run.steps.rel_l1[r].last().copied()).collect();
    let most = ends.iter().copied().fold(0.0, f64::max);
    if most >= 0.1 {
        points.push(format!(
            "At the end {} {} {} from {first}, on a scale from 0 (equal) to 2 (opposite signs everywhere): these are \
             different networks, although they were trained on the same images in the same order.",
            run.labels(&others),
            if others.len() == 1 { "lies" } else { "lie" },
            range(ends, about).unwrap_or_default()
        ));
    } else if most > 0.0 {
        points.push(format!(
            "So far the copies have stayed close: at most {} apart. A small learning rate or few steps have this effect.",
            about(most)
        ));
    }
    if most == 0.0 && others.iter().any(|&r| run.departure(r).is_some()) {
        points.push("The copies became equal again: at this learning rate rounding differences are damped.".to_owned());
    }
    points.extend(accuracies(run));
    points
}

/// The spread of the copies' test accuracies, without the controls.
fn accuracies(run: &RunData) -> Option<String> {
    let compared: Vec<usize> = std::iter::once(0).chain(run.others()).collect();
    let epoch = run.epochs.last()?;
    let values: Vec<f64> = compared.iter().map(|&r| epoch.test_accuracy[r]).collect();
    let names = run.labels(&compared);
    let span = range(values.iter().copied(), |accuracy| format!("{accuracy:.2} %"))?;
    let deviation = Deviation::of(&values)?.ddof0;
    if deviation == 0.0 {
        let is_apart = run.others().iter().any(|&r| run.steps.rel_l1[r].last().is_some_and(|distance| *distance > 0.0));
        let why = if is_apart { ": this measure is too coarse to distinguish these copies" } else { "" };
        return Some(format!("Test accuracy is {span} for {names} alike{why}."));
    }
    // For two values give their distance, for more the standard deviation in the paper's form.
    let spread = match values.len() {
        2 => format!("{:.2} percentage points apart", (values[0] - values[1]).abs()),
        n => format!("standard deviation {deviation:.2} percentage points (over {n} copies, ddof 0)"),
    };
    Some(format!("Test accuracy of {names}: {span}, {spread}. Nothing but the last bit separates these copies."))
}

/// How fast the distance of the first replica that leaves grows, up to a tenth of its largest value.
fn growth(run: &RunData) -> Option<String> {
    let replica = run.others().into_iter().find(|&r| run.departure(r).is_some())?;
    let (distance, steps) = (&run.steps.rel_l1[replica], &run.steps.step);
    let from = run.departure(replica).filter(|&line| distance[line] > 0.0)?;
    let sound = &distance[..run.sound_lines()];
    let highest = sound.iter().copied().fold(0.0, f64::max);
    let to = (from..sound.len()).find(|&line| distance[line] >= highest / 10.0)?;
    let (n, factor) = (steps[to] - steps[from], distance[to] / distance[from]);
    if n < 2 || factor < 100.0 {
        return None;
    }
    // What follows line `to` is longer than the growth before it and grows at most tenfold.
    let slows = if sound.len() - to > to - from { ", and then slowed down" } else { "" };
    Some(format!(
        "The distance grew by orders of magnitude: {} went from {} to {} within {}, by a factor of {} a step on average{slows}.",
        run.label(replica),
        about(distance[from]),
        about(distance[to]),
        count(n, "step"),
        about(factor.powf(1.0 / n as f64))
    ))
}

/// What the run does not show.
pub fn not_shown(run: &RunData) -> Vec<String> {
    let train = &run.config.train;
    let mut points = Vec::new();
    if run.steps_per_epoch().is_some_and(|steps| run.last_step() < steps.saturating_mul(100)) {
        points.push(
            "The result of full training. This run is short compared with the paper's 200 epochs: its accuracies are those of \
             a network that has only begun to learn, and their spread does not predict the final one."
                .to_owned(),
        );
    }
    if run.manifest["environment"]["software"] == true {
        points.push("How fast a GPU is. The machine's processor did the work, by the same rules.".to_owned());
    }
    if train.dataset.to_string() == "synthetic" {
        points.push("Anything about real images: these are made up.".to_owned());
    }
    if let Some(limit) = train.test_limit {
        points.push(format!("A precise accuracy: only {} were evaluated.", count(limit as u64, "test image")));
    }
    points.push("How other seeds, learning rates or networks behave: this is one run at one seed.".to_owned());
    points.push(match run.manifest["environment"]["class"].as_str() {
        Some(class @ ("fused" | "separate")) => format!(
            "The bits of a device of another class. Devices of the class {class} have the bits of this run; `lastbit certify` says \
             whether a device keeps that promise."
        ),
        _ => "The bits of another device: the class of this run's adapter is unknown. Compare fingerprints.".to_owned(),
    });
    points.push(
        "Which k is best. None is: they are equal on paper, and it is chance which one comes out ahead.".to_owned(),
    );
    points
}

/// What k does in this run.
pub fn meaning_of_k(run: &RunData) -> &'static str {
    match run.config.train.perturbation {
        Perturbation::Divide => {
            "Each update d of a weight is divided by k, correctly rounded, and the learning rate is multiplied by k: p ← p − (lr · \
             k) · (d / k). On paper the two k cancel. In float32 the quotient and lr · k are rounded: the update changes in its \
             last bit, which can be several ulps of a small weight. Dividing by a power of two is exact and changes nothing: such \
             copies are the controls."
        }
        Perturbation::Reciprocal => {
            "Each update d of a weight is multiplied by 1/k, rounded to float32, and the learning rate is multiplied by k: \
             p ← p − (lr · k) · (d · fl(1/k)). On paper the two cancel. In float32 both roundings move the last bits. For a power of \
             two they are exact: such copies are the controls. This is the form of the paper's own code."
        }
        Perturbation::Nextafter => {
            "Before the first step one weight is moved to the next float32; k selects the weight, and k = 1 moves none (as in Summers & \
             Dinneen 2021). The updates are the same in all copies. A second copy with the same k is a control."
        }
    }
}

//! What a run shows and what it does not show, in plain words, computed from the data.

use lastbit_core::ops::sgd::Perturbation;

use super::data::{RunData, Verdict};
use super::treatment::{Treatment, displaced, perturbed};
use crate::numbers::{about, count, range, thousands};
use crate::statistics::{Deviation, ends};

/// What the run shows.
pub fn shown(run: &RunData) -> Vec<String> {
    let (others, first) = (run.others(), run.named(0));
    let treatment = Treatment::of(&run.config.train);
    let mut points = Vec::new();
    if matches!(run.verdict(), Verdict::Red(_)) {
        return vec![format!(
            "Nothing about {}: the control is red, so something else changes bits.",
            treatment.cause()
        )];
    }
    if others.is_empty() || run.steps.step.is_empty() {
        return points;
    }
    points.push(difference(run, treatment));
    points.extend(if treatment.by_displacement { exponent(run) } else { growth(run) });
    if run.sound_lines() < run.steps.step.len() {
        points.push("That training blows up. Try a smaller learning rate first.".to_owned());
        return points;
    }
    if treatment.by_displacement {
        points.extend(accuracies(run, treatment));
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
        let damped = match treatment.by_perturbation {
            true => "such differences are damped",
            false => "rounding differences are damped",
        };
        points.push(format!("The copies became equal again: at this learning rate {damped}."));
    }
    points.extend(accuracies(run, treatment));
    points
}

/// What differs between the copies, how that is known, and how differences began.
fn difference(run: &RunData, treatment: Treatment) -> String {
    let train = &run.config.train;
    let subject = treatment.cause_is();
    let so_long = match run.verdict() {
        Verdict::Green => "and the control proves it for this run",
        Verdict::NotFinite => "by construction; the control proves it for as long as its numbers were finite",
        _ if treatment.by_displacement => "by construction; a run with --lyapunov has no control",
        _ => "by construction; a control would prove it for this run",
    };
    let mut sentences = vec![format!(
        "{} the only difference{} between the copies, {so_long}.",
        // k stays small at the beginning of a sentence.
        if treatment.by_k { subject } else { capital(&subject) },
        if treatment.is_singular() { "" } else { "s" },
    )];
    if let Some(sentence) = displaced(run) {
        sentences.push(sentence);
        sentences
            .push("Distances are in the Euclidean norm of all weights, at first in one random direction.".to_owned());
    }
    if let Some(sentence) = perturbed(run) {
        sentences.push(sentence);
        sentences.push("Until its perturbation, a copy has the bits of a run without one.".to_owned());
    }
    if treatment.by_k {
        let whose = if treatment.by_perturbation || treatment.by_displacement {
            "what k alone changed"
        } else {
            "every difference"
        };
        sentences.push(match train.perturbation {
            Perturbation::Nextafter => format!("{} began as one ulp in one weight.", capital(whose)),
            _ => format!("On paper k changes nothing; {whose} began as the rounding of a last bit."),
        });
    }
    if treatment.by_displacement && (treatment.by_k || treatment.by_perturbation) {
        sentences.push("The run does not tell their effects apart.".to_owned());
    } else if treatment.mixes(train) {
        sentences.push(
            "Where a copy has both another k and another perturbation, the run does not tell their effects apart."
                .to_owned(),
        );
    }
    sentences.join(" ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The Lyapunov exponents of the displaced copies.
fn exponent(run: &RunData) -> Option<String> {
    let exponents = run.exponents();
    let found = range(exponents.iter().copied(), about)?;
    let (low, high) = ends(exponents.iter().copied().filter(|value| value.is_finite()));
    let so = match (low, high) {
        _ if low > 0.0 => "distances grew exponentially",
        _ if high < 0.0 => "distances shrank exponentially",
        _ => "distances neither grew nor shrank in all copies",
    };
    Some(format!(
        "The Lyapunov exponent up to step {} is {found} a step: {so}. It is one number for training if it does not depend on the \
         distance.",
        thousands(run.growth.last()?.step)
    ))
}

/// The spread of the copies' test accuracies, without the controls.
fn accuracies(run: &RunData, treatment: Treatment) -> Option<String> {
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
    let separated = match (treatment.by_displacement, treatment.by_perturbation) {
        (true, _) => "The copies were held at their distances from the first.".to_owned(),
        (_, true) => format!("Nothing but {} separates these copies.", treatment.cause()),
        _ => "Nothing but the last bit separates these copies.".to_owned(),
    };
    Some(format!("Test accuracy of {names}: {span}, {spread}. {separated}"))
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
        run.named(replica),
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
            "The bits of a device of another class. Devices of the class {class} have the bits of this run; lastbit certify says \
             whether a device keeps that promise."
        ),
        _ => "The bits of another device: the class of this run's adapter is unknown. Compare fingerprints.".to_owned(),
    });
    let treatment = Treatment::of(train);
    if treatment.by_displacement {
        points.push("How far copies part: they were returned to their distances again and again.".to_owned());
    }
    if treatment.by_perturbation {
        points.push("What the same perturbations do at other weights, steps or sizes.".to_owned());
    }
    if treatment.by_k {
        points.push(
            "Which k is best. None is: they are equal on paper, and it is chance which one comes out ahead.".to_owned(),
        );
    }
    points
}

//! The head of the page in plain words, computed from the data: what happened, what the control lamp shows, and warnings.

use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::MAX_K;

use super::data::{MANY, RunData, Verdict};
use super::treatment::{Treatment, displaced};
use crate::html::Light;
use crate::numbers::{about, count, range, thousands};

/// A step whose distance the headline gives besides those of the first and the last one.
const MILESTONE: u64 = 20;

/// The headline: one or two sentences.
pub fn sentence(run: &RunData) -> String {
    let (last, first) = (run.last_step(), run.named(0));
    let mut before = String::new();
    if run.steps.step.is_empty() {
        return "No step of this run is recorded yet.".to_owned();
    }
    if let Some(step) = run.steps.step.get(run.sound_lines()) {
        before += &format!("Training blew up at step {}. ", thousands(*step));
    }
    if let Verdict::Red(since) = run.verdict() {
        let since = since.map_or_else(String::new, |step| format!(" from step {} on", thousands(step)));
        let red = red_names(run);
        before += &format!("The control is red: {red} should equal {first} bit for bit, but bits differ{since}. ");
    }
    let network = &run.config.train.net;
    if run.ks().len() == 1 {
        let steps = count(last, "step");
        return before
            + &format!(
                "One copy of {network} ({first}) was trained for {steps}; there is no second copy to compare it with."
            );
    }
    if let Some(displaced) = displaced(run) {
        return before + &displaced + &growth(run);
    }
    let (gone, stayed): (Vec<usize>, Vec<usize>) = run.others().iter().partition(|&&r| run.departure(r).is_some());
    let (lost, stayed): (Vec<usize>, Vec<usize>) = stayed.into_iter().partition(|&r| run.is_lost(r));
    let mut parts = Vec::new();
    if !lost.is_empty() {
        parts.push(format!("Whether {} left {first} is unknown: numbers are not finite", run.labels(&lost)));
    }
    if !gone.is_empty() {
        parts.push(departure(run, &gone));
    }
    if !stayed.is_empty() {
        let names = run.labels(&stayed);
        parts.push(format!("{names} did not leave {first}: after {} every bit is the same", count(last, "step")));
    }
    if [&gone, &stayed, &lost].iter().all(|replicas| replicas.is_empty()) {
        parts.push(format!("Only controls were trained besides {first}"));
    }
    if !matches!(run.verdict(), Verdict::Red(_) | Verdict::NotFinite) {
        parts.push(controls(run));
    }
    format!("{before}{}.", parts.join("; "))
}

/// How fast the distances of displaced copies grew.
fn growth(run: &RunData) -> String {
    let Some(last) = run.growth.last() else { return " No return is recorded yet.".to_owned() };
    let exponent = range(run.exponents(), about).unwrap_or_else(|| "not finite".to_owned());
    let what = if run.have_one_exponent() { "Their Lyapunov exponent" } else { "The mean logarithm of their growth" };
    format!(" {what} up to step {} is {exponent} a step.", thousands(last.step))
}

fn red_names(run: &RunData) -> String {
    let red: Vec<usize> = run.controls().into_iter().filter(|&r| run.departure(r).is_some()).collect();
    run.labels(if red.is_empty() { run.controls() } else { red }.as_slice())
}

fn distances(run: &RunData, replicas: &[usize], line: usize) -> String {
    range(replicas.iter().map(|&r| run.steps.rel_l1[r][line]), about).unwrap_or_else(|| "not finite".to_owned())
}

fn departure(run: &RunData, gone: &[usize]) -> String {
    let lines: Vec<usize> = gone.iter().filter_map(|&r| run.departure(r)).collect();
    let steps = &run.steps.step;
    let (Some(&first), Some(&latest)) = (lines.iter().min(), lines.iter().max()) else { return String::new() };
    let when = if first == latest {
        format!("after step {} ({})", thousands(steps[first]), distances(run, gone, first))
    } else {
        format!("between step {} and step {}", thousands(steps[first]), thousands(steps[latest]))
    };
    let verb = if gone.len() == 1 { "was" } else { "were" };
    let mut sentence = format!("{} left {} {when}", run.labels(gone), run.named(0));
    let end = run.sound_lines().saturating_sub(1);
    let milestone = run.line_at(MILESTONE).filter(|&line| steps[line] == MILESTONE && line > latest && line < end);
    if let Some(line) = milestone {
        sentence += &format!(", {verb} {} apart by step {MILESTONE}", distances(run, gone, line));
    }
    if end > latest {
        let apart = if milestone.is_some() { "" } else { " apart" };
        let verb = if milestone.is_some() { String::new() } else { format!("{verb} ") };
        sentence += &format!(" and {verb}{}{apart} by step {}", distances(run, gone, end), thousands(steps[end]));
    }
    sentence
}

fn controls(run: &RunData) -> String {
    match run.controls().as_slice() {
        [] => "the run has no control".to_owned(),
        [one] => format!("the control {} never differed in a bit", run.named(*one)),
        more if more.len() > MANY => format!("none of the {} controls ever differed in a bit", more.len()),
        more => format!("the controls {} never differed in a bit", run.labels(more)),
    }
}

/// The control lamp: its light, its label, and what it means.
pub fn lamp(run: &RunData) -> (Light, &'static str, String) {
    let first = run.named(0);
    let treatment = Treatment::of(&run.config.train);
    match run.verdict() {
        Verdict::Green => {
            let (names, they) = (run.labels(&run.controls()), if run.controls().len() == 1 { "It" } else { "They" });
            let (why, steps) = (because(run), count(run.last_step(), "step"));
            let meaning = format!(
                "{why}, so {names} must equal {first} bit for bit. {they} did, after each of {steps}. {}",
                treatment.reason()
            );
            (Light::Green, "Control green", meaning)
        }
        Verdict::Red(since) => {
            let since = since.map_or_else(String::new, |step| format!(" from step {} on", thousands(step)));
            let meaning = format!(
                "{} must equal {first} bit for bit, but bits differ{since}. Something other than {cause} changes bits: nothing in \
                 this report can be attributed to {cause}.",
                red_names(run),
                cause = treatment.cause()
            );
            (Light::Red, "Control red", meaning)
        }
        Verdict::Nothing => {
            (Light::Off, "Nothing recorded", "No step of this run is recorded: nothing was compared.".to_owned())
        }
        Verdict::NotFinite => {
            let meaning = format!(
                "{} must equal {first} bit for bit, but numbers in this run stopped being finite. Copies that are lost in the same \
                 way are equal whatever happened before, so the control proves nothing.",
                run.labels(&run.controls())
            );
            (Light::Off, "Control not finite", meaning)
        }
        Verdict::NoControl if run.ks().len() == 1 => (
            Light::Off,
            "No control",
            "A single copy has nothing to differ from. Give two or more k, as in --ks 1,3,2.".to_owned(),
        ),
        Verdict::NoControl => (Light::Off, "No control", without_control(run, treatment)),
    }
}

/// Why a run of several copies proves nothing by itself, and how to have a control.
fn without_control(run: &RunData, treatment: Treatment) -> String {
    let (first, train) = (run.named(0), &run.config.train);
    if treatment.by_displacement {
        return format!(
            "Copies were displaced from {first} on purpose, so none must equal it bit for bit: a run with --lyapunov has no control. \
             Whether this adapter keeps equal copies equal, a run without --lyapunov shows, as with --ks 1,3,2."
        );
    }
    let k = run.ks()[0];
    let proof = format!(
        "This run has no copy that must equal {first} bit for bit, so it cannot prove that {} alone make{} the difference.",
        treatment.cause(),
        if treatment.is_singular() { "s" } else { "" }
    );
    if train.perturb.is_empty() {
        let is_divided = train.perturbation != Perturbation::Nextafter;
        let double = (is_divided && 2 * k <= MAX_K).then(|| format!("k = {}, or ", 2 * k));
        return format!("{proof} For that, add {}k = {k} a second time to --ks.", double.unwrap_or_default());
    }
    let entry = train.perturb.first().map(ToString::to_string).unwrap_or_default();
    let and_k = format!("k = {k} to --ks{}", if run.ks().iter().all(|k| *k == 1) { ", if you give it" } else { "" });
    format!("{proof} For that, add another {entry} to --perturb, and {and_k}.")
}

/// Why the controls must not differ.
fn because(run: &RunData) -> String {
    let (controls, train) = (run.controls(), &run.config.train);
    let same = match (train.perturb.is_empty(), Treatment::of(train).by_k) {
        (true, _) => "The same k is the same arithmetic",
        (false, true) => "The same k and the same perturbation, or none, are the same arithmetic",
        (false, false) if train.perturb(0).is_none() => "Without a perturbation the arithmetic is the same",
        (false, false) => "The same perturbation is the same arithmetic",
    };
    let power = "a power of two divides exactly";
    match controls.iter().filter(|&&r| run.ks()[r] == run.ks()[0]).count() {
        0 if train.perturb.is_empty() => "A power of two divides exactly".to_owned(),
        twins if twins == controls.len() => same.to_owned(),
        _ => format!("{same}, and {power}"),
    }
}

/// Warnings for the head of the page.
pub fn notices(run: &RunData) -> Vec<String> {
    let damages = run.problems.iter();
    let mut notices: Vec<String> =
        damages.map(|problem| format!("The run folder is damaged or was edited: {problem}.")).collect();
    let last = run.last_step();
    if last > 0 && !run.is_finished() {
        let of = run.total_steps().map_or_else(String::new, |total| format!(" of {}", thousands(total)));
        notices.push(format!(
            "This run is not finished: the report shows it after step {}{of}. Continue it with --resume; that also rebuilds \
             the report.",
            thousands(last)
        ));
    }
    let blown: Vec<usize> = (0..run.ks().len()).filter(|&r| run.blow_up(r).is_some()).collect();
    if let Some(step) = run.steps.step.get(run.sound_lines()) {
        notices.push(format!(
            "From step {} on, numbers of {} are far too large or not finite. Distances from then on mean nothing: NaN can \
             equal NaN bit for bit.",
            thousands(*step),
            run.labels(&blown)
        ));
    }
    if let Some(flip) = run.summary["flip_bit"].as_str() {
        notices.push(format!(
            "A fault was injected (--flip-bit {flip}): the last bit of one weight of replica {} was flipped on purpose, to test \
             whether the control lamp notices.",
            flip.rsplit(':').next().unwrap_or("?")
        ));
    }
    let changes = run.manifest["changes"].as_array().map_or(&[][..], Vec::as_slice);
    for change in changes {
        let step = change["from_step"].as_u64().unwrap_or(0);
        notices.push(format!(
            "From step {} on, the run continued with another program, driver or adapter ({}). Its bits are those of an undisturbed \
             run if both are of one class; otherwise they may differ, in all copies alike.",
            thousands(step.saturating_add(1)),
            change["environment"]["adapter"].as_str().unwrap_or("unknown")
        ));
    }
    if run.ignored > 0 {
        let are = if run.ignored == 1 { "is" } else { "are" };
        notices.push(format!(
            "{} of metrics.jsonl {are} damaged or out of order and left out.",
            count(run.ignored, "line")
        ));
    }
    notices
}

/// Short facts below the headline: label and value of each.
pub fn facts(run: &RunData) -> Vec<(String, String)> {
    let others: Vec<usize> =
        run.others().into_iter().filter(|&r| run.departure(r).is_some() || !run.is_lost(r)).collect();
    let mut facts = Vec::new();
    if run.config.train.lyapunov.is_some() {
        let exponent = range(run.exponents(), about).unwrap_or_else(|| "-".to_owned());
        facts.push(("Lyapunov exponent a step".to_owned(), exponent));
        facts.push(("returns".to_owned(), thousands(run.growth.len() as u64)));
        facts.extend(accuracy(run));
        return facts;
    }
    if let Some(line) = others.iter().filter_map(|&r| run.departure(r)).min() {
        facts.push(("first bit differs".to_owned(), format!("step {}", thousands(run.steps.step[line]))));
    }
    let passes = |r: &usize| run.steps.rel_l1[*r].iter().position(|distance| *distance >= 0.01);
    if let Some(line) = others.iter().filter_map(passes).min() {
        facts.push(("1 % apart".to_owned(), format!("step {}", thousands(run.steps.step[line]))));
    }
    if let Some(end) = run.sound_lines().checked_sub(1)
        && let Some(apart) = range(others.iter().map(|&r| run.steps.rel_l1[r][end]), about)
    {
        let step = thousands(run.steps.step[end]);
        facts.push((format!("relative L1 at step {step}"), apart));
    }
    facts.extend(accuracy(run));
    facts
}

fn accuracy(run: &RunData) -> Option<(String, String)> {
    let accuracy = range(run.epochs.last()?.test_accuracy.iter().copied(), |a| format!("{a:.1}"))?;
    Some(("test accuracy".to_owned(), format!("{accuracy} %")))
}

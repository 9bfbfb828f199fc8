//! The run in plain words: what happened, what the lamp says, what a reader has to know before trusting it. All of it is
//! computed from the data.

use lastbit_core::ops::sgd::Perturbation;

use super::data::{RunData, Verdict};
use super::numbers::{about, count, list, range, thousands};

/// The step that the headline looks at beside the first and the last.
const MILESTONE: u64 = 20;

/// One or two sentences.
pub fn headline(run: &RunData) -> String {
    let (n, last) = (run.steps.step.len(), run.last_step());
    let others = run.others();
    let network = &run.config.train.net;
    if n == 0 {
        return "No step of this run is recorded yet.".to_owned();
    }
    if run.ks().len() == 1 {
        return format!(
            "One copy of {network} ({}) went through {}: there is no second one to compare it with.",
            run.label(0),
            count(last, "step")
        );
    }
    let red = match run.verdict() {
        Verdict::Red(since) => {
            let since = since.map_or_else(String::new, |step| format!(" from step {} on", thousands(step)));
            format!(
                "The control is red: {} should equal {} bit for bit and{since} does not. ",
                red_names(run),
                run.label(0)
            )
        }
        _ => String::new(),
    };
    let (gone, stayed): (Vec<usize>, Vec<usize>) = others.iter().partition(|&&r| run.departure(r).is_some());
    let mut parts = Vec::new();
    if !gone.is_empty() {
        parts.push(departure(run, &gone));
    }
    if !stayed.is_empty() {
        let (names, first) = (labels(run, &stayed), run.label(0));
        parts.push(format!("{names} did not leave {first}: after {} every bit is the same", count(last, "step")));
    }
    if red.is_empty() {
        parts.push(controls(run));
    }
    let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut sentence = told.join("; ");
    if sentence.is_empty() {
        sentence = "Every copy of this run is a control".to_owned();
    }
    format!("{red}{sentence}.")
}

/// `k = 3, 5 and 7`
fn labels(run: &RunData, replicas: &[usize]) -> String {
    let short: Vec<String> =
        replicas.iter().map(|&r| run.label(r).strip_prefix("k = ").unwrap_or_default().to_owned()).collect();
    format!("k = {}", list(&short))
}

fn red_names(run: &RunData) -> String {
    let red: Vec<usize> = run.controls().into_iter().filter(|&r| run.departure(r).is_some()).collect();
    labels(run, if red.is_empty() { run.controls() } else { red }.as_slice())
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
    let mut sentence = format!("{} left {} {when}", labels(run, gone), run.label(0));
    let end = steps.len() - 1;
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
        [] => "no control ran beside them".to_owned(),
        [one] => format!("the control {} stayed at exactly 0 bits", run.label(*one)),
        more => format!("the controls {} stayed at exactly 0 bits", labels(run, more)),
    }
}

/// The lamp: its class, its word, and what it means.
pub fn lamp(run: &RunData) -> (&'static str, &'static str, String) {
    let first = run.label(0);
    match run.verdict() {
        Verdict::Green => {
            let names = labels(run, &run.controls());
            let (steps, why) = (count(run.last_step(), "step"), because(run));
            (
                "green",
                "Control green",
                format!(
                    "{why}, so {names} must equal {first} bit for bit: checked after each of {steps}, and so it was. Whatever else differs here, k is the reason."
                ),
            )
        }
        Verdict::Red(since) => {
            let since = since.map_or_else(String::new, |step| format!(" since step {}", thousands(step)));
            (
                "red",
                "Control red",
                format!(
                    "{} must equal {first} bit for bit, and differs{since}. Something besides k changes bits: nothing in this \
                 report may be put down to k.",
                    red_names(run)
                ),
            )
        }
        Verdict::NoControl => (
            "none",
            "No control",
            format!(
                "This run has no copy that must equal {first} bit for bit, so nothing shows that k alone makes the difference. \
             Add a second k = {0}, or k = {1}, to --ks.",
                run.ks()[0],
                run.ks()[0] * 2,
            ),
        ),
    }
}

/// Why the controls must not differ.
fn because(run: &RunData) -> &'static str {
    let controls = run.controls();
    match controls.iter().filter(|&&r| run.ks()[r] == run.ks()[0]).count() {
        0 => "A power of two divides exactly",
        twins if twins == controls.len() => "The same k is the same arithmetic",
        _ => "The same k is the same arithmetic, and a power of two divides exactly",
    }
}

/// What must be said before anything is read off the page.
pub fn notices(run: &RunData) -> Vec<String> {
    let mut notices = Vec::new();
    let last = run.last_step();
    if last > 0 && !run.is_finished() {
        let of = run.total_steps().map_or_else(String::new, |total| format!(" of {}", thousands(total)));
        notices.push(format!(
            "This run is not finished: the report shows it after step {}{of}. Train it on with --resume, and the report is \
             made anew.",
            thousands(last)
        ));
    }
    let blown: Vec<(usize, u64)> = (0..run.ks().len()).filter_map(|r| Some((r, run.first_nonfinite(r)?))).collect();
    if let Some(first) = blown.iter().map(|(_, step)| *step).min() {
        let names = labels(run, &blown.iter().map(|(r, _)| *r).collect::<Vec<_>>());
        notices.push(format!(
            "Numbers that are not finite: {names} blew up, the first at step {}. Curves have a gap there, and distances from \
             then on mean nothing.",
            thousands(first)
        ));
    }
    if let Some(flip) = run.summary["flip_bit"].as_str() {
        notices.push(format!(
            "A fault was injected (--flip-bit {flip}): the last bit of one weight of replica {} was flipped on purpose, to see \
             whether the lamp notices.",
            flip.rsplit(':').next().unwrap_or("?")
        ));
    }
    let changes = run.manifest["changes"].as_array().map_or(&[][..], Vec::as_slice);
    for change in changes {
        let step = change["from_step"].as_u64().unwrap_or(0);
        notices.push(format!(
            "From step {} on the run went on with another program, driver or adapter ({}): its bits may differ from those of \
             an undisturbed run, equally in all copies.",
            thousands(step + 1),
            change["environment"]["adapter"].as_str().unwrap_or("unknown")
        ));
    }
    if run.ignored > 0 {
        let are = if run.ignored == 1 { "is" } else { "are" };
        notices.push(format!(
            "{} of metrics.jsonl {are} damaged or out of turn and left out.",
            count(run.ignored, "line")
        ));
    }
    notices
}

/// Short facts beside the headline: what, and its value.
pub fn facts(run: &RunData) -> Vec<(String, String)> {
    let others = run.others();
    let mut facts = Vec::new();
    if let Some(line) = others.iter().filter_map(|&r| run.departure(r)).min() {
        facts.push(("first bit differs".to_owned(), format!("step {}", thousands(run.steps.step[line]))));
    }
    let passes = |r: &usize| run.steps.rel_l1[*r].iter().position(|distance| *distance >= 0.01);
    if let Some(line) = others.iter().filter_map(passes).min() {
        facts.push(("1 % apart".to_owned(), format!("step {}", thousands(run.steps.step[line]))));
    }
    if let Some(end) = run.steps.step.len().checked_sub(1) {
        if let Some(apart) = range(others.iter().map(|&r| run.steps.rel_l1[r][end]), about) {
            facts.push(("relative L1 at the end".to_owned(), apart));
        }
    }
    if let Some(epoch) = run.epochs.last() {
        if let Some(accuracy) = range(epoch.test_accuracy.iter().copied(), |a| format!("{a:.1}")) {
            facts.push(("test accuracy".to_owned(), format!("{accuracy} %")));
        }
    }
    facts
}

/// What the run shows.
pub fn shown(run: &RunData) -> Vec<String> {
    let (others, first) = (run.others(), run.label(0));
    let mut points = Vec::new();
    if matches!(run.verdict(), Verdict::Red(_)) {
        points.push("Nothing about k: the control is red, so something else changes bits.".to_owned());
    } else if !others.is_empty() && run.steps.step.len() > 1 {
        let cause = if run.verdict() == Verdict::Green {
            "k is the only difference between the copies, and the control proves it for this very run."
        } else {
            "k is the only difference between the copies by construction; a control would prove it."
        };
        points
            .push(format!("{cause} On paper k changes nothing; every difference began as the rounding of a last bit."));
    }
    if let Some(growth) = growth(run) {
        points.push(growth);
    }
    let ends: Vec<f64> = others.iter().filter_map(|&r| run.steps.rel_l1[r].last().copied()).collect();
    let most = ends.iter().copied().fold(0.0, f64::max);
    if most >= 0.1 {
        points.push(format!(
            "At the end the weights of {} and {first} are {} apart, where 0 means the same and 2 means opposite signs \
             everywhere: these are different networks, though they were trained on the same images in the same order.",
            labels(run, &others),
            range(ends, about).unwrap_or_default()
        ));
    } else if most > 0.0 {
        points.push(format!(
            "So far the copies have stayed close: at most {} apart. A smaller learning rate or fewer steps do that.",
            about(most)
        ));
    }
    if let Some(epoch) = run.epochs.last().filter(|_| !others.is_empty()) {
        let values: Vec<f64> =
            std::iter::once(0).chain(others.iter().copied()).map(|r| epoch.test_accuracy[r]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let deviation = (values.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        points.push(format!(
            "Test accuracy over {} different k: {} %, standard deviation {deviation:.2} percentage points. That is noise from \
             rounding alone.",
            values.len(),
            range(values.iter().copied(), |a| format!("{a:.2}")).unwrap_or_default()
        ));
    }
    points
}

/// How fast the first replica that leaves grows, while it does.
fn growth(run: &RunData) -> Option<String> {
    let replica = run.others().into_iter().find(|&r| run.departure(r).is_some())?;
    let (distance, steps) = (&run.steps.rel_l1[replica], &run.steps.step);
    let from = run.departure(replica).filter(|&line| distance[line] > 0.0)?;
    let highest = distance.iter().copied().filter(|d| d.is_finite()).fold(0.0, f64::max);
    let to = (from..distance.len()).find(|&line| distance[line] >= highest / 10.0)?;
    let (n, factor) = (steps[to] - steps[from], distance[to] / distance[from]);
    (n > 0 && factor > 10.0).then(|| {
        format!(
            "The distance grew by powers of ten: {} went from {} to {} within {}, by a factor of {} a step on average. Then it \
             levelled off.",
            run.label(replica),
            about(distance[from]),
            about(distance[to]),
            count(n, "step"),
            about(factor.powf(1.0 / n as f64))
        )
    })
}

/// What the run does not show.
pub fn not_shown(run: &RunData) -> Vec<String> {
    let train = &run.config.train;
    let mut points = Vec::new();
    if run.steps_per_epoch().is_some_and(|steps| run.last_step() < steps.saturating_mul(100)) {
        points.push(
            "What training to the end would give. This run is short beside the paper's 200 epochs: its accuracies are those \
             of a network that has hardly learned, and their spread is no measure of the final one."
                .to_owned(),
        );
    }
    if run.manifest["environment"]["software"] == true {
        points.push(
            "How fast a GPU is. A software adapter did the work; it rounds by the same rules, but its bits need not be those \
             of a GPU."
                .to_owned(),
        );
    }
    if train.dataset.to_string() == "synthetic" {
        points.push("Anything about real images: these were made up.".to_owned());
    }
    if let Some(limit) = train.test_limit {
        points.push(format!("A precise accuracy: only {} were looked at.", count(limit as u64, "test image")));
    }
    points.push("How other seeds, learning rates or networks behave: this is one run at one seed.".to_owned());
    points.push(
        "What another machine gives. Float32 differs in details between drivers; only runs of one machine are equal bit for \
         bit. Compare fingerprints."
            .to_owned(),
    );
    points
        .push("Which k is best. None is: they are equal on paper, and which one comes out ahead is chance.".to_owned());
    points
}

/// What k does in this run.
pub fn meaning_of_k(run: &RunData) -> &'static str {
    match run.config.train.perturbation {
        Perturbation::Divide => {
            "Each update d of a weight is divided by k, correctly rounded, and the learning rate is multiplied by k: \
             p ← p − (lr · k) · (d / k). On paper the two k cancel. In float32 the quotient is rounded, which moves the last bit. \
             Dividing by a power of two is exact and moves none: such copies are the controls."
        }
        Perturbation::Reciprocal => {
            "Each update d of a weight is multiplied by 1/k, rounded to float32, and the learning rate is multiplied by k: \
             p ← p − (lr · k) · (d · fl(1/k)). On paper the two cancel. In float32 both roundings move the last bits. For a power of \
             two they are exact: such copies are the controls. This is the form of the paper's own code."
        }
        Perturbation::Nextafter => {
            "Before the first step one weight is moved to the next float32; k says which, and k = 1 moves none (as in Summers & \
             Dinneen 2021). The updates are the same in all copies. A second copy with the same k is a control."
        }
    }
}

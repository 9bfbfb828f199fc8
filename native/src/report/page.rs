//! The page of a run: its sections in order.

use maud::{Markup, html};

use super::data::RunData;
use super::edges::edges;
use super::treatment;
use super::{bits, conclusions, ends, figures, headline, tables, weight};
use crate::failure::Failure;
use crate::html::{absent, code, document, header, lamp, note, notice, prose, section};
use crate::numbers::{count, thousands};
use crate::plot::{CHART_STYLE, heat_style, script};

/// The whole page of a run as HTML.
pub fn page(run: &RunData) -> Result<String, Failure> {
    let name = run.name();
    let measured = [
        curvature(run).map(|body| section("curvature", "How sharp the loss is", body)),
        lyapunov(run).map(|body| section("lyapunov", "How fast a distance grows", body)),
    ];
    let mut sections = vec![
        section("apart", "How the copies part", divergence(run)),
        section("layers", "Where in the network", layers(run)),
    ];
    sections.extend(measured.into_iter().flatten());
    sections.extend([section("learning", "What the copies learn", learning(run))]);
    sections.extend(ends::of_run(run).map(|body| section("ends", "The ends compared", body)));
    sections.extend([
        section("bits", "The bits", bits(run)),
        section("copies", &format!("The copies after step {}", thousands(run.last_step())), replicas(run)),
        section("conclusions", "What to conclude", conclusions(run)),
        section("again", "Run it again", again(run)?),
    ]);
    Ok(document(&name, &[CHART_STYLE, &heat_style()].concat(), &head(run, &name), &sections, &script()))
}

fn head(run: &RunData, name: &str) -> Markup {
    let copies = count(run.ks().len() as u64, "copy").replace("copys", "copies");
    let (light, word, meaning) = headline::lamp(run);
    let facts = headline::facts(run);
    let below = html! {
        (lamp(light, word, prose(meaning)))
        @if !facts.is_empty() { dl.key { @for (what, value) in facts { div { dt { (what) } dd { (value) } } } } }
        @for text in headline::notices(run) { (notice(&text)) }
    };
    header(format!("{name} · {copies} · {}", count(run.last_step(), "step")), prose(headline::sentence(run)), below)
}

fn divergence(run: &RunData) -> Markup {
    let Some(chart) = figures::divergence(run) else {
        return absent(match run.ks().len() {
            1 => "A single copy was trained. With several k, as in --ks 1,3,2, this section shows how the copies part.",
            _ => "No finite distance is recorded.",
        });
    };
    html! {
        p {
            "Relative L1 is the mean of 2|a − b| / (|a| + |b|) over the elements of a weight tensor, averaged over all convolutions, \
             or over all matrices of a network without any: 0 where every bit is the same, 2 at most. The axis is logarithmic, so exponential growth is a straight line. Zero has \
             no place on it: a curve that equals " (run.named(0)) " bit for bit runs on the rail marked 0 below."
        }
        @if run.has_long_names() { (note(key(run))) }
        (chart)
        @if let Some(charts) = figures::elements(run) { (charts) }
    }
}

/// The names of the copies whose positions stand beside curves.
fn key(run: &RunData) -> String {
    let named = |replica: usize| format!("r{replica}: {}", run.label(replica));
    let all: Vec<String> = (0..run.ks().len().min(figures::MAX_CURVES + 1)).map(named).collect();
    format!("Beside the curves are the copies' positions. {}.", all.join("; "))
}

fn layers(run: &RunData) -> Markup {
    match figures::heat_maps(run) {
        Some(maps) => html! {
            p {
                "Relative L1 of each convolution (or matrix, in a network without any), from the input (top) to the output (bottom). Columns are the steps at which layers \
                 were recorded, dense at the start. The colour scale is logarithmic."
            }
            (maps)
        },
        None if run.layers.columns.is_empty() => absent(
            "No layers lines are recorded. --log-every sets how often they are; by default it is every step at the start.",
        ),
        None => absent("No recorded layer has a finite distance above zero from the first copy."),
    }
}

fn curvature(run: &RunData) -> Option<Markup> {
    let chart = figures::curvature(run)?;
    Some(html! {
        p {
            "The largest eigenvalue is that of the Hessian of the loss, on a fixed part of the training images. Batch Sharpness is the \
             curvature of single batches along their own gradients. " (edge_in_words(run))
        }
        (chart)
    })
}

/// Where training loses stability, as far as that is known for its optimiser.
fn edge_in_words(run: &RunData) -> String {
    let train = &run.config.train;
    let edges = edges(train);
    let Some(plain) = edges.first() else { return "For AdamW no edge of stability is drawn.".to_owned() };
    let (full, small) = (edges.get(1).unwrap_or(plain), edges.get(2).unwrap_or(plain));
    let which = if train.momentum > 0.0 { "With momentum b, gradient" } else { "Gradient" };
    let settles = if full == small { "there".to_owned() } else { format!("near {}", small.formula) };
    let decay = match train.weight_decay > 0.0 {
        true => " The weight decay is subtracted, because the measured loss does not contain it.",
        false => "",
    };
    format!(
        "{which} descent with full batches loses stability where the largest eigenvalue reaches {}; with small batches, Batch Sharpness \
         settles {settles}.{decay}",
        full.formula
    )
}

fn lyapunov(run: &RunData) -> Option<Markup> {
    let chart = figures::lyapunov(run)?;
    Some(html! {
        p {
            "Every copy but the first returned to its distance from the first one again and again. The exponent is the mean logarithm of \
             its growth a step: above 0, distances grow exponentially, however small they are; below 0, they shrink."
            @if !run.have_one_exponent() {
                " Here it depends on the distance, so it is not a Lyapunov exponent: large distances saturate, and rounding adds to small \
                 ones. Try other distances, or more steps."
            }
        }
        (chart)
    })
}

fn learning(run: &RunData) -> Markup {
    html! {
        @if let Some(chart) = figures::loss(run) {
            p { "Where fewer curves are visible than named, they lie on top of one another." }
            (chart)
        } @else {
            (absent("No loss is recorded yet."))
        }
        @match (figures::epochs(run), run.epochs.len()) {
            (Some(charts), _) => (charts),
            (None, 0) => (absent("The run has not been evaluated yet.")),
            (None, _) => (absent("The run was evaluated once; the numbers are in the table below.")),
        }
    }
}

fn bits(run: &RunData) -> Markup {
    html! {
        @if let Some(figure) = weight::figure(run) { (figure) }
        (bits::section(run))
    }
}

fn replicas(run: &RunData) -> Markup {
    html! {
        (tables::finals(run))
        h3 { "Fingerprints" }
        p {
            "A fingerprint is 16 hexadecimal digits computed on the adapter from every bit of a copy's parameters and optimiser state. Equal \
             fingerprints mean equal copies. Compare them with those of the same run on another machine."
        }
        (tables::fingerprints(run))
    }
}

fn conclusions(run: &RunData) -> Markup {
    let list = |points: Vec<String>| match points.as_slice() {
        [] => absent("Nothing yet."),
        points => html! { ul { @for point in points { li { (prose(point)) } } } },
    };
    html! {
        div.pair.text {
            div { h3 { "The run shows" } (list(conclusions::shown(run))) }
            div { h3 { "The run does not show" } (list(conclusions::not_shown(run))) }
        }
        dl.terms {
            @if let Some(meaning) = treatment::meaning_of_k(&run.config.train) { dt { "k" } dd { (meaning) } }
            @for (kind, meaning) in treatment::kinds(&run.config.train) { dt { "Perturbation: " (kind) } dd { (meaning) } }
            @if run.config.train.lyapunov.is_some() {
                dt { "Displacement" }
                dd {
                    "Before the first step a copy is moved to its distance from the first one, in a random direction. Whenever it \
                     returns, its weights and its optimiser's state come back along the displacement. The logarithms of the growth \
                     in between add up to the Lyapunov exponent (Benettin et al. 1980)."
                }
            }
            dt { "Relative L1" }
            dd {
                "For a tensor a and the first copy's b: mean over the elements of 2|a − b| / (|a| + |b|), with 0/0 = 0. A run's value \
                 is the unweighted mean over all convolution weights, shortcuts included; in a network without convolutions, over all \
                 tensors of two or more dimensions."
            }
            dt { "ulp" }
            dd {
                "Unit in the last place: the step from one float32 to the next. Two weights one ulp apart differ in their last bit; \
                 two of opposite sign are up to 2 × 10⁹ apart, so the curve jumps where a weight crosses zero."
            }
            dt { "Control" }
            dd {
                "A copy that must equal the first bit for bit. It is compared on the adapter after every step. That it stays at 0 \
                 shows that order, memory and the other copies have no influence."
            }
        }
        p.cite {
            "After Yuxin Sun, Dong Lao, Ganesh Sundaramoorthi and Anthony Yezzi, "
            cite { "Surprising Instabilities in Training Deep Networks and a Theoretical Analysis" } ", NeurIPS 2022."
        }
    }
}

fn again(run: &RunData) -> Result<Markup, Failure> {
    let (flags, browser, config) = (tables::flags(&run.config)?, tables::in_browser(run)?, tables::config(run)?);
    Ok(html! {
        p { "Use the config file in this run's folder, or flags. Both give the same bits on the same machine." }
        pre { (code("lastbit train --config config.toml --out FOLDER")) }
        pre { code #flags { (flags) } }
        p { "To rebuild this page: " (code("lastbit report RUN_FOLDER")) }
        (browser)
        h3 { "Made with" }
        (tables::environment(run))
        h3 { "Config" }
        (config)
    })
}

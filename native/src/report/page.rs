//! The page: its sections in order, with style and script inlined, so that it needs no other file.

use super::charts::palette::{LEVELS, colour};
use super::data::RunData;
use super::html::escape;
use super::numbers::{count, thousands};
use super::{bits, charts, conclusions, figures, headline, tables};
use crate::failure::Failure;

/// Colours for light and dark, as variables.
pub const THEME: &str = include_str!("theme.css");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page of a run as HTML.
pub fn page(run: &RunData) -> Result<String, Failure> {
    let name = run.name();
    let mut body = head(run, &name);
    body += &divergence(run);
    body += &layers(run);
    body += &learning(run);
    body += &section("bits", "The bits", &bits::section(run));
    body += &replicas(run);
    body += &conclusions(run);
    body += &again(run)?;
    Ok(document(&name, &palette(), &body, &script()))
}

/// The script that shows the values of curves at the pointer.
pub fn script() -> String {
    format!("<script>//<![CDATA[\n{SCRIPT}//]]></script>\n")
}

/// A self-contained page. `style` is appended to the style sheet that all pages share; `body` and `script` are markup.
pub fn document(title: &str, style: &str, body: &str, script: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{} – lastbit</title>\n<style>\n{THEME}{STYLE}{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         {script}</body>\n</html>\n",
        escape(title),
    )
}

/// Colour classes of the heat maps: dark colours first on a dark background, light ones first on a light one.
fn palette() -> String {
    let variables = |at: fn(usize) -> usize| {
        (1..=LEVELS).map(|level| format!("--h{level}:{};", colour(at(level - 1)))).collect::<String>()
    };
    let light = variables(|level| LEVELS - 1 - level);
    let dark = variables(|level| level);
    let classes: String =
        (1..=LEVELS).map(|level| format!(".h{level}{{fill:var(--h{level});background:var(--h{level})}}")).collect();
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{classes}\n")
}

/// A section with its heading; `content` is markup.
pub fn section(id: &str, title: &str, content: &str) -> String {
    format!(
        "<section id=\"{id}-section\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{content}</section>\n"
    )
}

fn head(run: &RunData, name: &str) -> String {
    let (class, word, meaning) = headline::lamp(run);
    let facts = headline::facts(run)
        .into_iter()
        .map(|(what, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(what), escape(value)));
    let facts: String = facts.collect();
    let facts = if facts.is_empty() { facts } else { format!("<dl class=\"key\">{facts}</dl>\n") };
    let notices: String = headline::notices(run)
        .into_iter()
        .map(|notice| format!("<p class=\"notice\">{}</p>\n", prose(notice)))
        .collect();
    let copies = count(run.ks().len() as u64, "copy").replace("copys", "copies");
    format!(
        "<header>\n<p class=\"eyebrow\">lastbit · {} · {copies} · {}</p>\n<h1>{}</h1>\n\
         <p class=\"lamp {class}\"><b><i aria-hidden=\"true\"></i>{word}</b> <span>{}</span></p>\n{facts}{notices}</header>\n",
        escape(name),
        count(run.last_step(), "step"),
        prose(headline::sentence(run)),
        prose(meaning),
    )
}

/// Escapes a sentence and makes the spaces in `k = 3` non-breaking.
pub fn prose(text: impl AsRef<str>) -> String {
    escape(text.as_ref().replace("k = ", "k\u{a0}=\u{a0}"))
}

fn absent(text: &str) -> String {
    format!("<p class=\"absent\">{text}</p>\n")
}

fn divergence(run: &RunData) -> String {
    let content = match figures::divergence(run) {
        Some(chart) => format!(
            "<p>Relative L1 is the mean of 2|a − b| / (|a| + |b|) over the elements of a weight tensor, averaged over all \
             convolutions: 0 where every bit is the same, 2 at most. The axis is logarithmic, so exponential growth is a straight \
             line. Zero has no place on it: a curve that equals {} bit for bit runs on the rail marked 0 below.</p>\n{chart}{}",
            escape(run.label(0)),
            figures::elements(run).unwrap_or_default()
        ),
        None if run.ks().len() == 1 => absent(
            "A single copy was trained. With several k, as in --ks 1,3,2, this section shows how the copies part.",
        ),
        None => absent("No finite distance is recorded."),
    };
    section("apart", "How the copies part", &content)
}

fn layers(run: &RunData) -> String {
    let content = match charts::heatmap(run) {
        Some(maps) => format!(
            "<p>Relative L1 of each convolution, from the input (top) to the output (bottom). Columns are the steps at which \
             layers were recorded, dense at the start. The colour scale is logarithmic.</p>\n{maps}"
        ),
        None if run.layers.columns.is_empty() => absent(
            "No layers lines are recorded. --log-every sets how often they are; by default it is every step at the start.",
        ),
        None => absent("No recorded layer has a finite distance above zero from the first copy."),
    };
    section("layers", "Where in the network", &content)
}

fn learning(run: &RunData) -> String {
    let loss = figures::loss(run)
        .map(|chart| {
            format!("<p>Where fewer curves are visible than named, they lie on top of one another.</p>\n{chart}")
        })
        .unwrap_or_else(|| absent("No loss is recorded yet."));
    let epochs = figures::epochs(run).unwrap_or_else(|| {
        absent(match run.epochs.len() {
            0 => "The run has not been evaluated yet.",
            _ => "The run was evaluated once; the numbers are in the table below.",
        })
    });
    section("learning", "What the copies learn", &format!("{loss}{epochs}"))
}

fn replicas(run: &RunData) -> String {
    let content = format!(
        "{}<h3>Fingerprints</h3>\n<p>A fingerprint is 16 hexadecimal digits computed on the adapter from every bit of a copy's \
         parameters and momenta. Equal fingerprints mean equal copies. Compare them with those of the same run on another \
         machine.</p>\n{}",
        tables::finals(run),
        tables::fingerprints(run)
    );
    let title = format!("The copies after step {}", thousands(run.last_step()));
    section("copies", &title, &content)
}

fn conclusions(run: &RunData) -> String {
    let list = |points: Vec<String>| {
        let items: String = points.iter().map(|point| format!("<li>{}</li>\n", prose(point))).collect();
        if items.is_empty() { absent("Nothing yet.") } else { format!("<ul>\n{items}</ul>\n") }
    };
    let content = format!(
        "<div class=\"pair text\"><div><h3>The run shows</h3>\n{}</div>\n<div><h3>The run does not show</h3>\n{}</div></div>\n\
         <dl class=\"terms\">\n<dt>k</dt><dd>{}</dd>\n\
         <dt>Relative L1</dt><dd>For a tensor a and the first copy's b: mean over the elements of 2|a − b| / (|a| + |b|), with \
         0/0 = 0. A run's value is the unweighted mean over all convolution weights, shortcuts included.</dd>\n\
         <dt>ulp</dt><dd>Unit in the last place: the step from one float32 to the next. Two weights one ulp apart differ in their \
         last bit; two of opposite sign are up to 2 × 10⁹ apart, so the curve jumps where a weight crosses zero.</dd>\n\
         <dt>Control</dt><dd>A copy that must equal the first bit for bit. It is compared on the adapter after every step. That it \
         stays at 0 shows that order, memory and the other copies have no influence.</dd>\n</dl>\n\
         <p class=\"cite\">After Yuxin Sun, Dong Lao, Ganesh Sundaramoorthi and Anthony Yezzi, <cite>Surprising Instabilities in \
         Training Deep Networks and a Theoretical Analysis</cite>, NeurIPS 2022.</p>\n",
        list(conclusions::shown(run)),
        list(conclusions::not_shown(run)),
        escape(conclusions::meaning_of_k(run)),
    );
    section("conclusions", "What to conclude", &content)
}

fn again(run: &RunData) -> Result<String, Failure> {
    let commands = format!(
        "<p>Use the config file in this run's folder, or flags. Both give the same bits on the same machine.</p>\n\
         <pre><code>lastbit train --config config.toml --out FOLDER</code></pre>\n\
         <pre><code id=\"flags\">{}</code></pre>\n\
         <p>To rebuild this page: <code>lastbit report RUN_FOLDER</code></p>\n{}",
        escape(tables::flags(&run.config)?),
        tables::in_browser(run)?
    );
    let content =
        format!("{commands}<h3>Made with</h3>\n{}<h3>Config</h3>\n{}", tables::environment(run), tables::config(run)?);
    Ok(section("again", "Run it again", &content))
}

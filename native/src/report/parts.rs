//! The page of a run in parts, one for each adapter. One chart shows all replicas, each compared with the reference on its
//! own adapter; the lamp shows whether the references have the same bits.

use std::path::{Path, PathBuf};

use super::charts::{Chart, Curve, Panel, Scale, readable_lines, style_of};
use super::data::RunData;
use super::html::{escape, table};
use super::numbers::{about, count, thousands};
use super::page::{document, prose, script, section};
use super::tables;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::run::{Found, Manifest, REPORT_FILE};
use crate::verify::References;

/// Largest number of curves in the chart.
const MAX_CURVES: usize = 24;

/// Writes the page of the parts in `folders` to the folder `out` and returns its path.
pub fn write(out: &Path, folders: &[PathBuf], references: &References) -> Result<PathBuf, Failure> {
    let mut parts = folders.iter().map(|folder| RunData::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let mut colours = 0;
    for part in &mut parts {
        part.first_colour = colours;
        colours += part.others().len();
    }
    let path = out.join(REPORT_FILE);
    replace_file(&path, page(&parts, references).as_bytes())?;
    Ok(path)
}

fn page(parts: &[RunData], references: &References) -> String {
    let train = &parts[0].config.train;
    let name = format!("{}, in {} parts", parts[0].name(), parts.len());
    let (class, word, meaning) = match references.difference {
        None if references.lines == 0 => ("none", "nothing compared", "a part has no recorded step yet".to_owned()),
        None => ("green", "one reference", "the first copy has the same bits in all parts".to_owned()),
        Some((step, part)) => (
            "red",
            "several references",
            format!(
                "from step {} on, the first copy of part {part} has other bits than that of part 0, so each curve shows the distance \
                 from the first copy on its own adapter",
                thousands(step)
            ),
        ),
    };
    let mut body = format!(
        "<header>\n<p class=\"eyebrow\">lastbit · {} · {}</p>\n<h1>{}</h1>\n\
         <p class=\"lamp {class}\"><b><i aria-hidden=\"true\"></i>{word}</b> <span>{}</span></p>\n</header>\n",
        escape(&name),
        count(last_step(parts), "step"),
        prose(format!("Each part trains k = {} as the reference of its other copies.", train.ks[0])),
        prose(meaning),
    );
    body += &section("apart", "How the copies part", &apart(parts));
    let copies = parts.iter().enumerate().map(|(i, part)| format!("<h3>Part {i}</h3>\n{}", tables::finals(part)));
    body += &section("copies", "The copies at the end", &copies.collect::<String>());
    body += &section("made", "Where they were trained", &made(parts));
    document(&name, "", &body, &script())
}

fn last_step(parts: &[RunData]) -> u64 {
    parts.iter().map(RunData::last_step).max().unwrap_or(0)
}

fn apart(parts: &[RunData]) -> String {
    let Some(longest) = parts.iter().max_by_key(|part| part.steps.step.len()).filter(|p| !p.steps.step.is_empty())
    else {
        return "<p class=\"absent\">No step is recorded yet.</p>\n".to_owned();
    };
    let steps = &longest.steps.step;
    let replicas = parts.iter().enumerate().flat_map(|(i, part)| (1..part.ks().len()).map(move |r| (i, part, r)));
    let curves: Vec<Curve> = replicas
        .take(MAX_CURVES)
        .map(|(i, part, replica)| {
            let mut values = part.steps.rel_l1[replica].clone();
            // A part may have fewer steps than the others.
            values.resize(steps.len(), f64::NAN);
            let k = part.ks()[replica];
            let same = parts.iter().flat_map(|part| &part.ks()[1..]).filter(|other| **other == k).count();
            // Keep it short: the margin beside the plot is narrow.
            let label = if same == 1 { format!("k = {k}") } else { format!("k = {k}, {i}") };
            Curve { label, style: style_of(part, replica), values, raw: None }
        })
        .filter(|curve| curve.values.iter().any(|value| value.is_finite()))
        .collect();
    let ends = curves.iter().map(|curve| {
        let end = curve.values.iter().rfind(|value| !value.is_nan()).copied().unwrap_or(f64::NAN);
        format!("{}: {} at the end.", curve.label, about(end))
    });
    let chart = Chart {
        id: "divergence".to_owned(),
        title: format!("Relative L1 distance to k = {} on the same adapter", parts[0].ks()[0]),
        description: ends.collect::<Vec<_>>().join(" "),
        height: 330,
        y: Scale::decades(curves.iter().flat_map(|curve| curve.values.iter().copied()))
            .unwrap_or_else(|| Scale::log(1e-10, 1.0)),
        has_rail: true,
        x: steps.iter().map(|step| *step as f64).collect(),
        x_name: "step",
        panels: vec![Panel {
            caption: String::new(),
            x: Scale::linear(steps[0] as f64, last_step(parts) as f64),
            share: 1,
        }],
        marks: Vec::new(),
        readable: readable_lines(steps.len()),
        curves,
    };
    let more = match parts.iter().map(|part| part.ks().len() - 1).sum::<usize>().saturating_sub(MAX_CURVES) {
        0 => String::new(),
        n => format!(" The chart has {MAX_CURVES} curves; {n} more are in the reports of the parts."),
    };
    format!(
        "<p>A curve that equals the reference bit for bit runs on the rail marked 0 below the axis.{more}</p>\n{}",
        chart.markup()
    )
}

fn made(parts: &[RunData]) -> String {
    let rows: Vec<Vec<String>> = parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let facts = match Manifest::read(&part.folder) {
                Found::Whole(manifest) => manifest.facts().map(|(_, value)| value),
                Found::Damaged | Found::Nothing => [(); 7].map(|()| "unknown".to_owned()),
            };
            let [adapter, driver, interface, ..] = facts;
            let ks = part.ks().iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let folder = part.folder.file_name().unwrap_or_default().to_string_lossy();
            let link = format!("<a href=\"{0}/{REPORT_FILE}\">{0}</a>", escape(folder));
            vec![i.to_string(), ks, escape(adapter), escape(driver), escape(interface), link]
        })
        .collect();
    table("numbers", &["part", "k", "adapter", "driver", "interface", "report"], &rows)
}

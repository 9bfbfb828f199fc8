//! The page of a run in parts, one for each adapter. One chart shows all replicas, each compared with the reference on its
//! own adapter; the lamp shows whether the references have the same bits.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::data::RunData;
use super::figures::{Curve, MAX_CURVES, distances};
use super::tables;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::html::{Light, absent, cell, document, header, lamp, prose, section, table};
use crate::numbers::{count, thousands};
use crate::plot::{CHART_STYLE, script};
use crate::run::{Found, Manifest, REPORT_FILE};
use crate::verify::References;

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
    let name = format!("{}, in {} parts", parts[0].name(), parts.len());
    let (light, word, meaning) = match references.difference {
        None if references.lines == 0 => (Light::Off, "nothing compared", "a part has no recorded step yet".to_owned()),
        None => (Light::Green, "one reference", "the first copy has the same bits in all parts".to_owned()),
        Some((step, part)) => (
            Light::Red,
            "several references",
            format!(
                "from step {} on, the first copy of part {part} has other bits than that of part 0, so each curve shows the distance \
                 from the first copy on its own adapter",
                thousands(step)
            ),
        ),
    };
    let steps = count(parts.iter().map(RunData::last_step).max().unwrap_or(0), "step");
    let sentence = format!("Each part trains {} as the reference of its other copies.", parts[0].named(0));
    let head = header(format!("{name} · {steps}"), prose(sentence), lamp(light, word, prose(meaning)));
    let copies = html! { @for (i, part) in parts.iter().enumerate() { h3 { "Part " (i) } (tables::finals(part)) } };
    let sections = [
        section("apart", "How the copies part", apart(parts)),
        section("copies", "The copies at the end", copies),
        section("made", "Where they were trained", made(parts)),
    ];
    document(&name, CHART_STYLE, &head, &sections, &script())
}

fn apart(parts: &[RunData]) -> Markup {
    let steps = parts.iter().map(|part| &part.steps.step).max_by_key(|steps| steps.len());
    let steps: Vec<f64> = steps.into_iter().flatten().map(|step| *step as f64).collect();
    let replicas = parts.iter().enumerate().flat_map(|(i, part)| (1..part.ks().len()).map(move |r| (i, part, r)));
    let n_replicas = replicas.clone().count();
    let curves = replicas.take(MAX_CURVES).map(|(i, part, replica)| {
        let k = part.ks()[replica];
        let same = parts.iter().flat_map(|part| &part.ks()[1..]).filter(|other| **other == k).count();
        // A part may have fewer steps than the others.
        let values = part.steps.rel_l1[replica].iter().copied().chain(std::iter::repeat(f64::NAN));
        Curve {
            style: part.style(replica),
            // Keep it short: the margin beside the plot is narrow.
            label: match &part.config.train {
                config if !config.perturb.is_empty() || config.lyapunov.is_some() => {
                    format!("{}, {i}", config.label(replica))
                }
                _ if same == 1 => format!("k = {k}"),
                _ => format!("k = {k}, {i}"),
            },
            points: steps.iter().copied().zip(values).collect(),
        }
    });
    let title = format!("Relative L1 distance to {} on the same adapter", parts[0].label(0));
    let Some(figure) = distances("divergence", title, curves.collect()) else {
        return absent(if steps.is_empty() { "No step is recorded yet." } else { "No finite distance is recorded." });
    };
    html! {
        p {
            "A curve that equals the reference bit for bit runs on the rail marked 0 below the axis."
            @if let n @ 1.. = n_replicas.saturating_sub(MAX_CURVES) {
                " The chart has " (MAX_CURVES) " curves; " (n) " more are in the reports of the parts."
            }
        }
        (figure.chart(330))
    }
}

fn made(parts: &[RunData]) -> Markup {
    let rows = parts.iter().enumerate().map(|(i, part)| {
        let facts = match Manifest::read(&part.folder) {
            Found::Whole(manifest) => manifest.facts().map(|(_, value)| value),
            Found::Damaged | Found::Nothing => [(); 10].map(|()| "unknown".to_owned()),
        };
        let [adapter, driver, interface, class, ..] = facts;
        let ks = part.ks().iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let folder = part.folder.file_name().unwrap_or_default().to_string_lossy();
        let link = html! { a href={ (folder) "/" (REPORT_FILE) } { (folder) } };
        vec![cell(i), cell(ks), cell(adapter), cell(driver), cell(interface), cell(class), link]
    });
    table("numbers", &["part", "k", "adapter", "driver", "interface", "class", "report"], rows)
}

//! A few weights bit by bit, all replicas side by side: at the common start and in the last checkpoint.

use std::path::{Path, PathBuf};

use lastbit_core::train::checkpoint::{decode_tensor, replica_file, tensor_dims};
use maud::{Markup, html};

use super::data::RunData;
use super::treatment::Treatment;
use crate::html::{self, absent, note};
use crate::numbers::{count, thousands};
use crate::plot::Style;
use crate::run::{INIT_FILE, checkpoint_folders};

/// Largest number of replicas shown.
const MAX_ROWS: usize = 8;

/// An element of a weight tensor to show, and why.
struct Pick {
    index: usize,
    why: &'static str,
}

/// Content of the section, or the reason why there are no weights to show.
pub fn section(run: &RunData) -> Markup {
    weights(run).unwrap_or_else(|reason| absent(format!("No weights to show: {reason}.")))
}

fn weights(run: &RunData) -> Result<Markup, String> {
    let (step, folder) = checkpoint_folders(&run.folder).into_iter().next().ok_or("the run has no checkpoint yet")?;
    let shown: Vec<usize> = (0..run.ks().len().min(MAX_ROWS)).collect();
    let files: Vec<PathBuf> = shown.iter().map(|&r| folder.join(replica_file(r, run.ks()[r]))).collect();
    let first = read(&files[0])?;
    let layers = layers(run, &tensor_dims(&name_of(&files[0]), &first).map_err(|error| error.to_string())?);
    drop(first);
    // Read one file at a time and keep only the chosen layers: all files of a large network do not fit into memory.
    let tensors = |path: &PathBuf| -> Result<Vec<Vec<f32>>, String> {
        let (bytes, name) = (read(path)?, name_of(path));
        let of = |layer: &String| decode_tensor(&name, &bytes, layer).map_err(|error| error.to_string());
        layers.iter().map(of).collect()
    };
    let replicas: Vec<Vec<Vec<f32>>> = files.iter().map(&tensors).collect::<Result<_, _>>()?;
    let start = tensors(&run.folder.join(INIT_FILE));
    let mut weights = Vec::new();
    for (layer, name) in layers.iter().enumerate() {
        let values: Vec<&[f32]> = replicas.iter().map(|tensors| tensors[layer].as_slice()).collect();
        if values.iter().any(|tensor| tensor.len() != values[0].len()) {
            return Err(format!("the replicas' tensors '{name}' have different sizes"));
        }
        for pick in picks(&values) {
            let start = start.as_ref().ok().and_then(|tensors| tensors[layer].get(pick.index).copied());
            weights.push(weight(run, name, &pick, start, &values));
        }
    }
    let treatment = Treatment::of(&run.config.train);
    let is_changed = treatment.by_perturbation || treatment.by_displacement;
    Ok(html! {
        p {
            "Weights after step " (thousands(step)) ", from the last checkpoint."
            @match &start {
                Ok(_) if is_changed => " The first row is the initial weight, the same in every copy before anything was done to it.",
                Ok(_) => " The first row is the weight before the first step, the same in every copy.",
                Err(reason) => { " The weights before the first step are missing: " (reason) "." }
            }
        }
        p.bits-key aria-hidden="true" {
            span.bits { span.s { i { "0" } } } " sign "
            span.bits { span.e { i { "01111011" } } } " exponent "
            span.bits { span.m { i { "0101…" } } } " mantissa "
            span.bits { span.m { b { "1" } } } " differs from the first copy"
        }
        div.weights { @for weight in weights { (weight) } }
        @if run.ks().len() > MAX_ROWS { (note(format!("The first {MAX_ROWS} of {} copies are shown.", run.ks().len()))) }
    })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read ({error})", name_of(path)))
}

/// The first, middle and last convolution (or matrix, in a network without any) and the final dense layer, as far as the network has
/// them.
fn layers(run: &RunData, tensors: &[(String, Vec<usize>)]) -> Vec<String> {
    let with = |n_dims: usize| tensors.iter().filter(move |(_, dims)| dims.len() == n_dims).map(|(name, _)| name);
    let n_dims = if with(4).next().is_some() { 4 } else { 2 };
    let named: Vec<&String> =
        run.layers.names.iter().filter(|name| with(n_dims).any(|tensor| tensor == *name)).collect();
    let weights: Vec<&String> = if named.is_empty() { with(n_dims).collect() } else { named };
    let last = weights.len().saturating_sub(1);
    let mut chosen: Vec<String> =
        [0, last / 2, last].iter().filter_map(|&i| weights.get(i)).map(|name| (*name).clone()).collect();
    chosen.extend(with(2).next_back().cloned());
    chosen.dedup();
    chosen
}

/// The differing element that is closest to the first replica's, in ulps, and the one that is farthest from it, by value.
fn picks(replicas: &[&[f32]]) -> Vec<Pick> {
    let Some((first, others)) = replicas.split_first() else { return Vec::new() };
    let mut nearest: Option<(u32, usize)> = None;
    let mut farthest: Option<(f32, usize)> = None;
    for other in others {
        for (index, (a, b)) in first.iter().zip(*other).enumerate() {
            let (apart, distance) = (ulps(*a, *b), (a - b).abs());
            if apart > 0 && nearest.is_none_or(|(least, _)| apart < least) {
                nearest = Some((apart, index));
            }
            if distance > 0.0 && farthest.is_none_or(|(most, _)| distance > most) {
                farthest = Some((distance, index));
            }
        }
    }
    match (nearest, farthest) {
        (Some((_, near)), Some((_, far))) if near != far => {
            vec![Pick { index: near, why: "the closest that differs" }, Pick { index: far, why: "the farthest apart" }]
        }
        (Some((_, index)), _) => vec![Pick { index, why: "the one that differs most" }],
        _ if first.is_empty() => Vec::new(),
        _ if replicas.iter().any(|values| !values[0].is_finite()) => vec![Pick { index: 0, why: "not finite" }],
        _ => vec![Pick { index: 0, why: "equal in all copies, like all others in this layer" }],
    }
}

fn weight(run: &RunData, layer: &str, pick: &Pick, start: Option<f32>, replicas: &[&[f32]]) -> Markup {
    let reference = replicas[0][pick.index];
    let replica = |(replica, tensor): (usize, &&[f32])| {
        let value = tensor[pick.index];
        let apart = match ulps(reference, value) {
            _ if replica == 0 => String::new(),
            0 => "same bits".to_owned(),
            ulps => count(u64::from(ulps), "ulp"),
        };
        row(&run.label(replica), run.style(replica), value, reference, &apart)
    };
    html! {
        div.weight {
            h3 { code { (layer) "[" (pick.index) "]" } " " span { (pick.why) } }
            div.scroll tabindex="0" role="group" aria-label="bits" {
                table.bit-table {
                    thead.hidden { tr { @for head in ["copy", "bits", "value", "distance"] { th scope="col" { (head) } } } }
                    tbody {
                        @if let Some(start) = start { (row("start", Style::Reference, start, start, "")) }
                        @for each in replicas.iter().enumerate() { (replica(each)) }
                    }
                }
            }
        }
    }
}

fn row(label: &str, style: Style, value: f32, reference: f32, apart: &str) -> Markup {
    let bits = format!("{:032b}", value.to_bits());
    let differing = value.to_bits() ^ reference.to_bits();
    let differs = |at: usize| differing >> (31 - at) & 1 == 1;
    html! {
        tr {
            th scope="row" class=(style.classes()) { (label) }
            td.bits {
                @for (class, field) in [("s", 0..1), ("e", 1..9), ("m", 9..32)] {
                    span class=(class) {
                        // Each differing bit gets its own cell; neighbouring equal bits share one.
                        @for run in field.collect::<Vec<_>>().chunk_by(|&a, &b| !differs(a) && !differs(b)) {
                            @let text = &bits[run[0]..run[0] + run.len()];
                            @if differs(run[0]) { b { (text) } } @else { i { (text) } }
                        }
                    }
                }
            }
            td.value { (html::number(f64::from(value), format!("{value:?}"))) }
            td.apart { (apart) }
        }
    }
}

/// Distance in ulps: steps between two floats in the order of all floats, as the divergence kernel counts them.
fn ulps(a: f32, b: f32) -> u32 {
    let rank = |value: f32| {
        let bits = value.to_bits() as i32;
        if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
    };
    rank(a).abs_diff(rank(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulps_count_floats_between() {
        assert_eq!(ulps(1.0, f32::from_bits(1.0f32.to_bits() + 1)), 1);
        assert_eq!(ulps(0.0, -0.0), 0);
        assert_eq!(ulps(f32::from_bits(1), -f32::from_bits(1)), 2);
        assert_eq!(ulps(f32::MAX, f32::MIN), 2 * (f32::MAX.to_bits()));
    }

    #[test]
    fn the_closest_and_the_farthest_are_picked() {
        let next = f32::from_bits(0.5f32.to_bits() + 1);
        let picked: Vec<usize> =
            picks(&[&[1.0, 0.5, -2.0, 0.25], &[1.0, next, 2.0, 0.26], &[1.0, 0.5, f32::NAN, 0.25]])
                .iter()
                .map(|pick| pick.index)
                .collect();
        assert_eq!(picked, [1, 2]);
        assert_eq!(picks(&[&[1.0, 0.5], &[1.0, 0.5]]).len(), 1);
        assert_eq!(picks(&[&[1.0, 0.5], &[1.0, next]]).len(), 1, "one element, not twice");
        assert!(picks(&[&[], &[]]).is_empty());
    }

    #[test]
    fn differing_bits_are_cells() {
        let row = row("k = 3", Style::Series(0), f32::from_bits(1.0f32.to_bits() + 1), 1.0, "1 ulp").into_string();
        assert!(row.contains("<span class=\"s\"><i>0</i></span><span class=\"e\"><i>01111111</i></span>"), "{row}");
        assert!(row.contains("<i>0000000000000000000000</i><b>1</b></span>"), "{row}");
    }
}

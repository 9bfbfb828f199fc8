//! One weight bit by bit over the run: how the bits in which two copies differ climb from the last one. The page draws the same
//! figure while it trains (`www/src/run/climb.ts`).

use maud::{Markup, html};

use super::data::RunData;
use super::layers::Layers;
use crate::numbers::thousands;
use crate::plot::{BitChart, BitColumn};

/// A step that the caption names besides the first one with a difference and the last one.
const MILESTONE: u64 = 20;
/// Number of bits of the fraction: a bit that is further from the end belongs to the exponent, and the 32nd is the sign.
const FRACTION: u32 = 23;

/// The figure for the first copy that is no control; `None` if there is no such copy or its weight was not recorded.
pub fn figure(run: &RunData) -> Option<Markup> {
    let other = *run.others().first()?;
    let (columns, lost) = columns(&run.layers, other);
    columns.first()?;
    let copies = [0, other].map(|replica| (run.label(replica), run.style(replica)));
    let [first, shown] = [0, other].map(|replica| run.label(replica));
    let name = run.layers.names.first().map_or("weight", String::as_str);
    let chart = BitChart {
        id: "climb",
        title: format!("One weight, bit by bit: {name}[0] of {shown}"),
        caption: seen(&columns, lost, &first, &shown),
        copies,
        columns: &columns,
    };
    Some(html! {
        p {
            "The first weight of " (name) " in " (shown) ", at the steps at which layers were recorded. A column is the \
             weight's 32 bits after a step, from the sign (top) to the last bit (bottom). Bits that differ from " (first) " are lit."
        }
        (chart.markup())
    })
}

/// Steps at which the weight is known in the first copy and in `other`, and the first step at which it is not finite in one of them.
/// Columns end there: from then on bits mean nothing.
fn columns(layers: &Layers, other: usize) -> (Vec<BitColumn>, Option<u64>) {
    let bits = |(step, weights): (u64, &[Option<u32>])| {
        Some(BitColumn { step, reference: *weights.first()?.as_ref()?, other: *weights.get(other)?.as_ref()? })
    };
    let chosen = layers.chosen().into_iter();
    let mut columns: Vec<BitColumn> = chosen.filter_map(|column| bits((column.step, &column.weights))).collect();
    let is_finite = |bits: u32| f32::from_bits(bits).is_finite();
    let lost = columns.iter().position(|column| !(is_finite(column.reference) && is_finite(column.other)));
    let step = lost.map(|index| columns[index].step);
    columns.truncate(lost.unwrap_or(columns.len()));
    (columns, step)
}

/// The figure in words: the highest bit that differs at the first step with a difference, at step 20 and at the last step.
fn seen(columns: &[BitColumn], lost: Option<u64>, first: &str, shown: &str) -> String {
    let mut sentences = Vec::new();
    match columns.iter().position(|column| column.height() > 0) {
        None => sentences.push(format!("All bits of {shown} equal those of {first} at every step shown.")),
        Some(start) => {
            let milestone = columns.partition_point(|column| column.step <= MILESTONE).checked_sub(1);
            let mut moments = vec![start];
            moments.extend([milestone, Some(columns.len() - 1)].into_iter().flatten().filter(|moment| *moment > start));
            moments.dedup();
            sentences.extend(moments.into_iter().map(|moment| highest(&columns[moment])));
        }
    }
    if let Some(step) = lost {
        sentences.push(format!("At step {} the weight is not finite; the figure ends before.", thousands(step)));
    }
    sentences.join(" ")
}

/// The highest bit that differs after a step, in words.
fn highest(column: &BitColumn) -> String {
    let (step, height) = (thousands(column.step), column.height());
    match height {
        0 => format!("At step {step} no bit differs."),
        1 => format!("At step {step} only the last bit differs."),
        u32::BITS => format!("At step {step} the sign differs."),
        _ if height > FRACTION => {
            format!(
                "At step {step} the highest bit that differs is the {} from the end, in the exponent.",
                ordinal(height)
            )
        }
        _ => format!("At step {step} the highest bit that differs is the {} from the end.", ordinal(height)),
    }
}

fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u32 = 0x3f80_0000;
    const NAN: u32 = 0x7fc0_0000;

    fn layers(lines: &[(u64, usize, Option<u32>)]) -> Layers {
        let mut layers = Layers::new(3);
        for (step, replica, weight) in lines {
            let weight = weight.map_or(String::new(), |bits| format!(r#""weight":"{bits:08x}","#));
            let line = format!(
                r#"{{"step":{step},"replica":{replica},"fingerprint":"0",{weight}"rel_l1":{{"conv1.weight":0}}}}"#
            );
            assert!(layers.take(serde_json::from_str(&line).unwrap()));
        }
        layers
    }

    fn column(step: u64, reference: u32, other: u32) -> BitColumn {
        BitColumn { step, reference, other }
    }

    #[test]
    fn a_column_has_the_weight_of_both_copies() {
        let bits = |weight| Some(ONE + weight);
        let lines = [
            (1, 0, bits(0)),
            (1, 1, bits(1)),
            (1, 2, bits(2)),
            // One copy's line is missing, then both were written by an older program.
            (2, 0, bits(0)),
            (2, 1, bits(0)),
            (3, 0, None),
            (3, 2, None),
            (4, 0, bits(7)),
            (4, 2, bits(9)),
        ];
        let found = columns(&layers(&lines), 2);
        assert_eq!(found, (vec![column(1, ONE, ONE + 2), column(4, ONE + 7, ONE + 9)], None));
        assert_eq!(columns(&layers(&lines[5..7]), 2), (vec![], None));
    }

    #[test]
    fn columns_end_where_the_weight_is_not_finite() {
        let lines: Vec<_> = (1..=4)
            .flat_map(|step| [(step, 0, Some(ONE)), (step, 1, Some(if step < 3 { ONE + 1 } else { NAN }))])
            .collect();
        let (found, lost) = columns(&layers(&lines), 1);
        assert_eq!((found.len(), lost), (2, Some(3)));
        assert_eq!(
            seen(&found, lost, "k = 1", "k = 3"),
            "At step 1 only the last bit differs. At step 2 only the last bit differs. At step 3 the weight is not finite; the figure \
             ends before."
        );
    }

    #[test]
    fn long_runs_are_thinned() {
        let lines: Vec<_> = (1..=2000).flat_map(|step| [(step, 0, Some(ONE)), (step, 1, Some(ONE))]).collect();
        let (found, _) = columns(&layers(&lines), 1);
        assert!((100..=240).contains(&found.len()), "{}", found.len());
        assert_eq!(found[0].step, 1);
    }

    #[test]
    fn the_caption_names_the_highest_bit_that_differs() {
        let at = |step: u64, other: u32| column(step, ONE, ONE ^ other);
        let seen = |columns: &[BitColumn]| seen(columns, None, "k = 1", "k = 3");
        assert_eq!(
            seen(&[at(1, 0), at(2, 0b11), at(19, 1 << 16 | 1), at(25, 0), at(2000, 1 << 25)]),
            "At step 2 the highest bit that differs is the 2nd from the end. At step 19 the highest bit that differs is the 17th from \
             the end. At step 2,000 the highest bit that differs is the 26th from the end, in the exponent."
        );
        assert_eq!(seen(&[at(1, 1 << 31)]), "At step 1 the sign differs.");
        assert_eq!(seen(&[at(1, 1), at(20, 0)]), "At step 1 only the last bit differs. At step 20 no bit differs.");
        assert_eq!(seen(&[at(30, 1)]), "At step 30 only the last bit differs.");
        assert_eq!(seen(&[at(1, 0)]), "All bits of k = 3 equal those of k = 1 at every step shown.");
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 31st"
        );
    }
}

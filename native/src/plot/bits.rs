//! One float32 bit by bit: a column for each step, from the sign (top) to the last bit (bottom). Bits in which two copies differ are lit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};
use serde_json::{Value, json};

use super::frame::{Data, Frame, readings};
use super::heatmap::step_labels;
use super::style::Style;
use crate::numbers::thousands;

const BITS: usize = 32;
/// Parts of a float32 from the top, and the rows of each.
const PARTS: [(&str, std::ops::Range<usize>); 3] = [("sign", 0..1), ("exponent", 1..9), ("fraction", 9..BITS)];
/// Height of a row in pixels, which are the SVG's vertical units.
const ROW: usize = 9;
/// Height of a cell. The rest of its row is a gap.
const CELL: usize = ROW - 1;
/// Additional distance between two parts.
const BETWEEN_PARTS: usize = 6;
const HEIGHT: usize = BITS * ROW + (PARTS.len() - 1) * BETWEEN_PARTS;
/// The plot has room for at least this many columns, so that the cells of a short run are not wide.
const LEAST_COLUMNS: usize = 24;
/// Up to this many columns have gaps between them. On a narrow screen more columns are too narrow for that.
const MOST_GAPS: usize = 60;

/// The bits of one number in two copies after one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Step, counted from 1.
    pub step: u64,
    /// Bits in the first copy.
    pub reference: u32,
    /// Bits in the copy that is shown.
    pub other: u32,
}

impl Column {
    /// How many bits, counted from the last, lie at or below the highest one that differs; 0 if none does.
    pub fn height(&self) -> u32 {
        u32::BITS - (self.reference ^ self.other).leading_zeros()
    }

    /// Tone of a bit, counted from the top.
    fn tone(&self, bit: usize) -> Tone {
        let is_set = |bits: u32| bits >> (BITS - 1 - bit) & 1 == 1;
        match (is_set(self.reference ^ self.other), is_set(self.other)) {
            (false, false) => Tone::Zero,
            (false, true) => Tone::One,
            (true, false) => Tone::LitZero,
            (true, true) => Tone::LitOne,
        }
    }
}

/// How a cell looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tone {
    Zero,
    One,
    LitZero,
    LitOne,
}

impl Tone {
    /// CSS class.
    fn class(self) -> &'static str {
        match self {
            Self::Zero => "b0",
            Self::One => "b1",
            Self::LitZero => "lit0",
            Self::LitOne => "lit1",
        }
    }
}

/// The figure.
pub struct BitChart<'a> {
    /// HTML id, unique in the page.
    pub id: &'a str,
    /// Title above the plot.
    pub title: String,
    /// What is seen, in one or a few sentences.
    pub caption: String,
    /// Label and look of the first copy and of the one whose bits are shown.
    pub copies: [(String, Style); 2],
    /// Columns in the order of their steps.
    pub columns: &'a [Column],
}

impl BitChart<'_> {
    /// The figure as markup, for a page that has the style sheet and the script of charts.
    pub fn markup(&self) -> Markup {
        let steps: Vec<u64> = self.columns.iter().map(|column| column.step).collect();
        let n_columns = steps.len().max(LEAST_COLUMNS);
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let [first, last] = [steps.first(), steps.last()].map(|step| thousands(step.copied().unwrap_or(0)));
        let [(reference, _), (other, _)] = &self.copies;
        let svg = html! {
            svg viewBox={ "0 0 " (n_columns) " " (HEIGHT) } preserveAspectRatio="none" shape-rendering="crispEdges" role="img"
                aria-labelledby={ (title) " " (description) } {
                title id=(title) { (self.title) }
                desc id=(description) {
                    "The 32 bits of " (other) " from the sign (top) to the last bit (bottom), steps " (first) " to " (last)
                    " from left to right. Bits that differ from " (reference) " are lit. " (self.caption)
                }
                @for (tone, path) in self.paths() { path class=(tone.class()) d=(path) {} }
                @if steps.len() <= MOST_GAPS {
                    path class="gaps" d=((1..=steps.len()).map(|x| format!("M{x},0v{HEIGHT}")).collect::<String>()) {}
                }
            }
        };
        let frame = Frame {
            height: HEIGHT as u32,
            svg,
            x: &step_labels(&steps, n_columns),
            y: &row_labels(),
            x_name: "step",
            marks: html! {},
            ends: None,
            data: Data::Columns(n_columns),
        };
        html! {
            figure.chart.bit-chart id=(self.id) {
                figcaption { b { (self.title) } output aria-live="off" {} }
                div.tones aria-hidden="true" {
                    span { i.(Tone::Zero.class()) {} "0" }
                    span { i.(Tone::One.class()) {} "1" }
                    span { i.(Tone::LitZero.class()) {} "0, differs from " (reference) }
                    span { i.(Tone::LitOne.class()) {} "1, differs from " (reference) }
                }
                (frame.markup())
                (readings(&self.values()))
                p.note { (self.caption) }
            }
        }
    }

    /// SVG paths of the cells of each tone.
    fn paths(&self) -> BTreeMap<Tone, String> {
        let mut paths: BTreeMap<Tone, String> = BTreeMap::new();
        for bit in 0..BITS {
            let mut from = 0;
            for cells in self.columns.chunk_by(|a, b| a.tone(bit) == b.tone(bit)) {
                let (path, width) = (paths.entry(cells[0].tone(bit)).or_default(), cells.len());
                let _ = write!(path, "M{from},{}h{width}v{CELL}h-{width}z", top(bit));
                from += width;
            }
        }
        paths
    }

    /// The values that the pointer reads: steps, and of each copy its label, its CSS classes and its values.
    fn values(&self) -> Value {
        let [reference, other] = &self.copies;
        let values = |of: fn(&Column) -> u32| -> Vec<String> {
            self.columns.iter().map(|column| format!("{:?}", f32::from_bits(of(column)))).collect()
        };
        let copy = |(label, style): &(String, Style), of| json!([label, style.classes(), values(of)]);
        let steps: Vec<u64> = self.columns.iter().map(|column| column.step).collect();
        json!({ "steps": steps, "copies": [copy(reference, |column| column.reference), copy(other, |column| column.other)] })
    }
}

/// Distance of a bit's cell from the top of the plot.
fn top(bit: usize) -> usize {
    let parts_above = PARTS.iter().filter(|(_, rows)| rows.end <= bit).count();
    bit * ROW + parts_above * BETWEEN_PARTS
}

/// Names of the parts, each at its middle, and of the last bit.
fn row_labels() -> Vec<(f64, String)> {
    let middle = |from: usize, to: usize| (top(from) + top(to) + CELL) as f64 / 2.0;
    let parts = PARTS.iter().map(|(name, rows)| (middle(rows.start, rows.end - 1), (*name).to_owned()));
    parts.chain([(middle(BITS - 1, BITS - 1), "last bit".to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u32 = 0x3f80_0000;

    fn chart(columns: &[Column]) -> BitChart<'_> {
        let copies = [("k = 1".to_owned(), Style::Reference), ("k = <3>".to_owned(), Style::Series(0))];
        BitChart { id: "w", title: "t".to_owned(), caption: "c".to_owned(), copies, columns }
    }

    #[test]
    fn bits_that_differ_are_lit() {
        let columns = [
            Column { step: 1, reference: ONE, other: ONE },
            Column { step: 2, reference: ONE, other: ONE + 1 },
            Column { step: 5, reference: ONE + 1, other: ONE | 1 << 31 },
        ];
        assert_eq!(columns.map(|column| column.height()), [0, 1, 32]);
        let paths = chart(&columns).paths();
        // The last bit of the second column is 1; in the third column it is 0, and the sign is 1.
        assert_eq!(paths[&Tone::LitOne], "M2,0h1v8h-1zM1,291h1v8h-1z");
        assert_eq!(paths[&Tone::LitZero], "M2,291h1v8h-1z");
        // The exponent of 1 is 01111111.
        let ones: String = (2..9).map(|bit| format!("M0,{}h3v8h-3z", bit * 9 + 6)).collect();
        assert_eq!(paths[&Tone::One], ones);
        assert!(paths[&Tone::Zero].starts_with("M0,0h2v8h-2zM0,15h3v8h-3zM0,93h3v8h-3z"), "{}", paths[&Tone::Zero]);
    }

    #[test]
    fn columns_keep_their_width_in_a_short_run() {
        let columns: Vec<Column> = (1..=10).map(|step| Column { step, reference: ONE, other: ONE }).collect();
        let markup = chart(&columns).markup().into_string();
        assert!(markup.contains("viewBox=\"0 0 24 300\"") && markup.contains("data-columns=\"24\""), "{markup}");
        assert!(markup.contains("left:2.08%\">1<") && markup.contains("left:39.58%\">10<"), "{markup}");
        assert!(markup.contains("class=\"gaps\" d=\"M1,0v300M2,0v300"), "{markup}");
        assert!(markup.contains("\"k = \\u003c3\\u003e\",\"c0 d0\",[\"1.0\""), "{markup}");
        roxmltree::Document::parse(&markup).unwrap();
        let many: Vec<Column> = (1..=61).map(|step| Column { step, reference: ONE, other: ONE }).collect();
        assert!(!chart(&many).markup().into_string().contains("gaps"));
    }

    #[test]
    fn parts_are_named_at_their_middle() {
        let labels = [(4.0, "sign"), (50.5, "exponent"), (196.0, "fraction"), (295.0, "last bit")];
        assert_eq!(row_labels(), labels.map(|(at, name)| (at, name.to_owned())));
    }
}

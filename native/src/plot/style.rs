//! How a series looks: its colour, its dashes, and the mark before its label.

/// Number of colours. Further series reuse them with other dashes.
const COLOURS: usize = 6;
/// Number of dash patterns.
const DASHES: usize = 3;

/// The look of a series, the same in every figure of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// What others are compared with, in the colour of the text.
    Reference,
    /// A null control, grey.
    Control,
    /// A theoretical value, dashed.
    Theory,
    /// The series of this index, in its own colour and dashes.
    Series(usize),
}

impl Style {
    /// CSS classes of colour and dashes.
    pub fn classes(self) -> String {
        match self {
            Self::Reference => "ref".to_owned(),
            Self::Control => "ctl".to_owned(),
            Self::Theory => "theory".to_owned(),
            Self::Series(index) => format!("c{} d{}", index % COLOURS, index / COLOURS % DASHES),
        }
    }

    /// The mark before a label, so that series can be distinguished without colour.
    pub fn mark(self) -> char {
        match self {
            Self::Reference => '●',
            Self::Control => '○',
            Self::Theory => '–',
            Self::Series(index) => ['■', '▲', '◆', '▼', '★', '✚'][index % COLOURS],
        }
    }
}

//! Results of a reproduction: claims with their verdicts, figures, tables, and notes on the methods.

use serde::Serialize;

use crate::plot::Figure;

/// Whether this run agrees with the paper on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Agreement {
    /// The run agrees.
    #[serde(rename = "yes")]
    Yes,
    /// The run contradicts the claim.
    #[serde(rename = "no")]
    No,
    /// The data do not decide.
    #[serde(rename = "cannot tell")]
    CannotTell,
}

impl Agreement {
    /// [`Self::Yes`] or [`Self::No`].
    pub fn of(agrees: bool) -> Self {
        if agrees { Self::Yes } else { Self::No }
    }

    /// [`Self::No`] only if the data suffice to decide.
    pub fn of_decidable(agrees: bool, is_decidable: bool) -> Self {
        if agrees || is_decidable { Self::of(agrees) } else { Self::CannotTell }
    }

    /// Yes if both are yes, no if one is no.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::No, _) | (_, Self::No) => Self::No,
            _ => Self::CannotTell,
        }
    }

    /// The word for it in the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// One line of the verdict, in plain sentences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Subject of the claim, as in `Controls` or `Blow-up at alpha 2.1e8`.
    pub about: String,
    /// What the paper found, or what must hold by algebra.
    pub paper: String,
    /// What this run found, with its numbers.
    pub found: String,
    /// Whether the two agree.
    pub agrees: Agreement,
    /// How sure the verdict is, and why.
    pub certainty: String,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number, exact in the csv file and with a few digits in the page. A number that is not finite is an empty field.
    Number(f64),
    /// An integer.
    Whole(u64),
    /// An empty field.
    Empty,
}

/// A [`Claim`], with texts of any type.
macro_rules! claim {
    (about: $about:expr, paper: $paper:expr, found: $found:expr, agrees: $agrees:expr, certainty: $certainty:expr $(,)?) => {
        $crate::reproduce::findings::Claim {
            about: $about.into(),
            paper: $paper.into(),
            found: $found.into(),
            agrees: $agrees,
            certainty: $certainty.into(),
        }
    };
}
pub(super) use claim;

/// A value that a cell of a table shows.
pub trait ToCell {
    /// The cell.
    fn to_cell(&self) -> Cell;
}

macro_rules! to_cell {
    ($($type:ty: |$value:ident| $cell:expr;)+) => {
        $(impl ToCell for $type {
            fn to_cell(&self) -> Cell {
                let $value = self;
                $cell
            }
        })+
    };
}

to_cell! {
    str: |text| Cell::Text(text.to_owned());
    String: |text| Cell::Text(text.clone());
    f64: |value| Cell::Number(*value);
    u32: |value| Cell::Whole((*value).into());
    u64: |value| Cell::Whole(*value);
    usize: |value| Cell::Whole(*value as u64);
}

impl<T: ToCell> ToCell for Option<T> {
    fn to_cell(&self) -> Cell {
        self.as_ref().map_or(Cell::Empty, T::to_cell)
    }
}

impl<T: ToCell + ?Sized> ToCell for &T {
    fn to_cell(&self) -> Cell {
        (**self).to_cell()
    }
}

/// Cells of any values.
macro_rules! cells {
    ($($value:expr),+ $(,)?) => { [$($crate::reproduce::findings::ToCell::to_cell(&$value)),+] };
}
pub(super) use cells;

/// A table with a row for each item. Each column is its name in the csv file, its head in the page if it has another one, and
/// its cell. Further columns may follow, with an iterator of their cells.
///
/// ```text
/// table!("growth", "Growth a step", for run in &runs => {
///     let growth = run.growth();
///     "k" = run.k,
///     "growth_factor" as "growth a step" = growth.factor,
///     ..[("low", "95 % from"), ("high", "to")] => cells![growth.low, growth.high],
/// })
/// ```
macro_rules! table {
    ($name:expr, $title:expr, for $item:pat in $items:expr => {
        $(let $local:pat = $value:expr;)*
        $($column:literal $(as $head:literal)? = $cell:expr,)+
        $(..$further:expr => $cells:expr,)?
    }) => {{
        let columns = [$(($column, $crate::reproduce::findings::table!(@head $column $($head)?))),+];
        let table = $crate::reproduce::findings::Table::new($name, $title, &columns);
        $(let table = $further.into_iter().fold(table, |table, (name, head)| table.column(name, head));)?
        let mut table = table;
        for $item in $items {
            $(let $local = $value;)*
            let cells = $crate::reproduce::findings::cells![$($cell),+].into_iter();
            $(let cells = cells.chain($cells);)?
            table.row(cells);
        }
        table
    }};
    (@head $column:literal) => { $column };
    (@head $column:literal $head:literal) => { $head };
}
pub(super) use table;

/// A table: a csv file and, if it is short, a part of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name of its file, without `.csv`.
    pub name: String,
    /// Title above the table.
    pub title: String,
    /// Note below the table; may be empty.
    pub note: String,
    /// Each column's name in the csv file, and its head in the page.
    pub columns: Vec<(String, String)>,
    /// Cells in the order of the columns.
    pub rows: Vec<Vec<Cell>>,
    /// False for data that are too long to read, which the page only links.
    pub is_shown: bool,
}

impl Table {
    /// An empty table that the page shows.
    pub fn new(name: &str, title: impl Into<String>, columns: &[(&str, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            title: title.into(),
            note: String::new(),
            columns: columns.iter().map(|(name, head)| ((*name).to_owned(), (*head).to_owned())).collect(),
            rows: Vec::new(),
            is_shown: true,
        }
    }

    /// The table as data that are too long to read, whose csv file the page only links.
    pub fn not_shown(self) -> Self {
        Self { is_shown: false, ..self }
    }

    /// The table with this note below it.
    pub fn note(self, text: impl Into<String>) -> Self {
        Self { note: text.into(), ..self }
    }

    /// The table with another column.
    pub fn column(mut self, name: impl Into<String>, head: impl Into<String>) -> Self {
        self.columns.push((name.into(), head.into()));
        self
    }

    /// Appends a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The csv file (RFC 4180, lines end with a newline alone).
    pub fn csv(&self) -> String {
        let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => quoted(text),
            Cell::Number(value) if value.is_finite() => shortest(*value),
            Cell::Whole(value) => value.to_string(),
            Cell::Number(_) | Cell::Empty => String::new(),
        };
        let head = self.columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(",");
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(","));
        std::iter::once(head).chain(rows).map(|line| line + "\n").collect()
    }
}

/// The shortest text that reads as the same float64.
fn shortest(value: f64) -> String {
    [format!("{value}"), format!("{value:e}")].into_iter().min_by_key(String::len).unwrap_or_default()
}

/// The figure with more lines, each a label and its points.
pub fn with_lines(figure: Figure, lines: impl IntoIterator<Item = (String, Vec<(f64, f64)>)>) -> Figure {
    lines.into_iter().fold(figure, |figure, (label, points)| figure.line(label, points))
}

/// All results of a reproduction.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The verdict: the paper's claims first, then what must hold for the run itself.
    pub claims: Vec<Claim>,
    /// Figures in the order of the page.
    pub figures: Vec<Figure>,
    /// Tables in the order of the page.
    pub tables: Vec<Table>,
    /// Paragraphs on the methods and on what they leave open.
    pub methods: Vec<String>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn tables_are_csv() {
        let rows = [("a, \"b\"", Some(1e-9), Some(3)), ("", Some(f64::NAN), None)];
        let table = table!("t", "", for (name, value, count) in rows => {
            "name" = name,
            "value" as "head" = value,
            "count" = count.map(|count: u64| count),
            ..[("more", "more")] => cells![0.25],
        });
        assert_eq!(table.csv(), "name,value,count,more\n\"a, \"\"b\"\"\",1e-9,3,0.25\n,,,0.25\n");
    }
}

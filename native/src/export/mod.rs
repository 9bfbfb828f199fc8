//! A run's numbers in long form: one row for each number of `metrics.jsonl`, as CSV or Parquet (docs/DATA.md). Lines are read one by
//! one, so that a run of any length fits into memory.

mod csv;
mod line;
mod parquet;
mod reader;
mod source;

pub use csv::{COLUMNS, CsvWriter};
pub use parquet::ParquetWriter;
pub use reader::{Read, Stop, read_metrics};
pub use source::{Source, Sources};

use std::io;
use std::path::Path;

/// A number of a run. The number of a row is unique among those of its run, step, replica, tensor and quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Step that the line of the metrics belongs to.
    pub step: u64,
    /// Position of the replica in `--ks`, from 0.
    pub replica: usize,
    /// The replica's divisor.
    pub k: u32,
    /// Name of the tensor; `None` if the number is of the whole network.
    pub tensor: Option<&'a str>,
    /// What the number is.
    pub quantity: &'static str,
    /// The number with the digits of the file; `NaN`, `inf` or `-inf` if it is not finite.
    pub value: &'a str,
}

/// A file in long form.
pub trait RowWriter {
    /// Rows from here on are of the run with this name. A file of a single run does not show it.
    fn begin_run(&mut self, name: &str);

    /// Writes a row.
    fn write(&mut self, row: &Row) -> io::Result<()>;

    /// Writes what is buffered, and the end of the file.
    fn finish(&mut self) -> io::Result<()>;
}

/// Exports metrics with these bytes, for [`crate::fuzzing`]. Every row can be written in both forms.
pub fn of_bytes(metrics: &[u8]) {
    let read = |rows: &mut dyn RowWriter| {
        let read = read_metrics((metrics, Path::new("metrics.jsonl")), &[1, 3, 2], rows).unwrap();
        rows.finish().unwrap();
        read
    };
    let csv = read(&mut CsvWriter::new(io::sink(), false).unwrap());
    let parquet = read(&mut ParquetWriter::new(io::sink(), false).unwrap());
    assert_eq!(csv, parquet);
}

//! The long form as CSV (RFC 4180, with `\n` as the end of a line). The digits are those of `metrics.jsonl`.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Row, RowWriter};

/// The columns of a file of one run; a file of several runs has `run` before them.
pub const COLUMNS: &str = "step,replica,k,tensor,quantity,value";

/// Writes CSV.
pub struct CsvWriter<W: Write> {
    file: W,
    /// What every row begins with: empty, or the name of the run and a comma.
    begin: String,
    is_named: bool,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the head of a file; `is_named` adds the column `run`.
    pub fn new(mut file: W, is_named: bool) -> io::Result<Self> {
        writeln!(file, "{}{COLUMNS}", if is_named { "run," } else { "" })?;
        Ok(Self { file, begin: String::new(), is_named })
    }
}

impl<W: Write> RowWriter for CsvWriter<W> {
    fn begin_run(&mut self, name: &str) {
        if self.is_named {
            self.begin = format!("{},", quoted(name));
        }
    }

    fn write(&mut self, row: &Row) -> io::Result<()> {
        let Row { step, replica, k, tensor, quantity, value } = row;
        let (begin, tensor) = (&self.begin, tensor.map_or(Cow::Borrowed(""), quoted));
        writeln!(self.file, "{begin}{step},{replica},{k},{tensor},{quantity},{value}")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A field, in quotation marks if it needs them.
fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\"")).into();
    }
    field.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_lines() {
        let mut bytes = Vec::new();
        let mut csv = CsvWriter::new(&mut bytes, true).unwrap();
        csv.begin_run("a \"run\", mine");
        let row = Row { step: 2, replica: 1, k: 3, tensor: Some("conv1.weight"), quantity: "rel_l1", value: "1e-9" };
        csv.write(&row).unwrap();
        csv.begin_run("b");
        csv.write(&Row { tensor: None, quantity: "loss", value: "NaN", ..row }).unwrap();
        csv.finish().unwrap();
        let expected = "run,step,replica,k,tensor,quantity,value\n\
            \"a \"\"run\"\", mine\",2,1,3,conv1.weight,rel_l1,1e-9\nb,2,1,3,,loss,NaN\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}

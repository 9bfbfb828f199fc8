//! The long form as Parquet: names from dictionaries, numbers as float64, pages packed by gzip.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Row, RowWriter};

/// The columns of a file of one run. A tensor that is absent is null.
const COLUMNS: &str = "required int64 step; required int32 replica; required int32 k; optional binary tensor (STRING); \
    required binary quantity (STRING); required double value;";
/// The first column of a file of several runs.
const RUN: &str = "required binary run (STRING);";
/// Rows that are held in memory and written together: about 40 MB.
const ROWS_OF_A_GROUP: usize = 1 << 20;
/// gzip's levels reach from 1, the fastest, to 9. From 3 on the file hardly becomes smaller.
const GZIP_LEVEL: u32 = 3;
/// Values that the library takes at once.
const BATCH: usize = 1 << 13;

/// A column of names that repeat.
#[derive(Default)]
struct Names {
    /// Every name once.
    known: Vec<ByteArray>,
    index: HashMap<String, u32>,
    /// By row: index in `known`; `None` for a row without a name.
    rows: Vec<Option<u32>>,
}

impl Names {
    fn push(&mut self, name: Option<&str>) {
        let index = name.map(|name| match self.index.get(name) {
            Some(index) => *index,
            None => {
                let index = self.known.len() as u32;
                self.known.push(name.into());
                self.index.insert(name.to_owned(), index);
                index
            }
        });
        self.rows.push(index);
    }
}

/// The rows of a group.
#[derive(Default)]
struct Group {
    run: Names,
    step: Vec<i64>,
    replica: Vec<i32>,
    k: Vec<i32>,
    tensor: Names,
    quantity: Names,
    value: Vec<f64>,
}

/// Writes Parquet.
pub struct ParquetWriter<W: Write + Send> {
    file: Option<SerializedFileWriter<W>>,
    group: Group,
    run: String,
    is_named: bool,
    rows_of_a_group: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Writes the head of a file; `is_named` adds the column `run`.
    pub fn new(file: W, is_named: bool) -> io::Result<Self> {
        let schema = format!("message metrics {{ {} {COLUMNS} }}", if is_named { RUN } else { "" });
        let schema = Arc::new(parse_message_type(&schema).map_err(as_io)?);
        let properties = WriterProperties::builder()
            .set_created_by(concat!("lastbit version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::GZIP(GzipLevel::try_new(GZIP_LEVEL).map_err(as_io)?));
        let file = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).map_err(as_io)?;
        let (group, run) = (Group::default(), String::new());
        Ok(Self { file: Some(file), group, run, is_named, rows_of_a_group: ROWS_OF_A_GROUP })
    }

    fn write_group(&mut self) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| !self.group.value.is_empty()) else { return Ok(()) };
        let group = &mut self.group;
        let mut write = || {
            let mut writer = file.next_row_group()?;
            if self.is_named {
                write_names(&mut writer, &group.run, false)?;
            }
            write_column::<Int64Type>(&mut writer, &group.step)?;
            write_column::<Int32Type>(&mut writer, &group.replica)?;
            write_column::<Int32Type>(&mut writer, &group.k)?;
            write_names(&mut writer, &group.tensor, true)?;
            write_names(&mut writer, &group.quantity, false)?;
            write_column::<DoubleType>(&mut writer, &group.value)?;
            writer.close().map(drop)
        };
        write().map_err(as_io)?;
        let Group { run, step, replica, k, tensor, quantity, value } = group;
        [run, tensor, quantity].into_iter().for_each(|names| names.rows.clear());
        [replica, k].into_iter().for_each(Vec::clear);
        step.clear();
        value.clear();
        Ok(())
    }
}

impl<W: Write + Send> RowWriter for ParquetWriter<W> {
    fn begin_run(&mut self, name: &str) {
        name.clone_into(&mut self.run);
    }

    fn write(&mut self, row: &Row) -> io::Result<()> {
        let group = &mut self.group;
        // No run has as many steps, replicas or divisors as these types hold.
        group.step.push(row.step.try_into().map_err(io::Error::other)?);
        group.replica.push(row.replica.try_into().map_err(io::Error::other)?);
        group.k.push(row.k.try_into().map_err(io::Error::other)?);
        group.tensor.push(row.tensor);
        group.quantity.push(Some(row.quantity));
        // Rust's own parser rounds correctly, so that these are the numbers that other programs read from the CSV.
        group.value.push(row.value.parse().map_err(io::Error::other)?);
        if self.is_named {
            group.run.push(Some(&self.run));
        }
        if group.value.len() == self.rows_of_a_group { self.write_group() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_group()?;
        let Some(file) = self.file.take() else { return Ok(()) };
        file.into_inner().map_err(as_io)?.flush()
    }
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<impl Write + Send>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    for values in values.chunks(BATCH) {
        column.typed::<T>().write_batch(values, None, None)?;
    }
    column.close()
}

fn write_names(
    group: &mut SerializedRowGroupWriter<impl Write + Send>,
    names: &Names,
    is_optional: bool,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    for rows in names.rows.chunks(BATCH) {
        let values: Vec<ByteArray> = rows.iter().flatten().map(|index| names.known[*index as usize].clone()).collect();
        let levels: Vec<i16> = rows.iter().map(|index| i16::from(index.is_some())).collect();
        let levels = is_optional.then_some(&levels[..]);
        column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
    }
    column.close()
}

/// The error of the file below, if that is what failed.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    const ROW: Row = Row { step: 7, replica: 0, k: 1, tensor: None, quantity: "loss", value: "2.5" };

    fn written(is_named: bool, rows_of_a_group: usize, rows: &[(&str, Row)]) -> SerializedFileReader<bytes::Bytes> {
        let mut bytes = Vec::new();
        let mut parquet = ParquetWriter::new(&mut bytes, is_named).unwrap();
        parquet.rows_of_a_group = rows_of_a_group;
        for (run, row) in rows {
            parquet.begin_run(run);
            parquet.write(row).unwrap();
        }
        parquet.finish().unwrap();
        drop(parquet);
        SerializedFileReader::new(bytes.into()).unwrap()
    }

    #[test]
    fn groups_hold_all_rows_in_their_order() {
        let tensor = Row { step: 8, replica: 1, k: 3, tensor: Some("conv1.weight"), quantity: "rel_l1", value: "1e-9" };
        let rows = [("a", ROW), ("a", tensor), ("b", ROW), ("b", Row { value: "NaN", ..tensor }), ("b", ROW)];
        let file = written(true, 2, &rows);
        let sizes: Vec<_> = file.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        let read: Vec<String> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        let row = |run: &str, rest: &str| format!("{{run: \"{run}\", {rest}}}");
        let first = "step: 7, replica: 0, k: 1, tensor: null, quantity: \"loss\", value: 2.5";
        let second = "step: 8, replica: 1, k: 3, tensor: \"conv1.weight\", quantity: \"rel_l1\", value: ";
        let expected = [
            row("a", first),
            row("a", &format!("{second}0.000000001")),
            row("b", first),
            row("b", &format!("{second}NaN")),
            row("b", first),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn values_keep_every_bit() {
        let texts = ["0.1", "2.302585", "5e-324", "1.7976931348623157e308", "9007199254740993", "-0.0", "inf", "-inf"];
        let rows: Vec<_> = texts.iter().map(|value| ("", Row { value, ..ROW })).collect();
        let file = written(false, 100, &rows);
        let bits = file.get_row_iter(None).unwrap().map(|row| match row.unwrap().get_column_iter().last().unwrap().1 {
            Field::Double(value) => value.to_bits(),
            other => panic!("not a float64: {other}"),
        });
        assert!(bits.eq(texts.iter().map(|text| text.parse::<f64>().unwrap().to_bits())));
    }

    #[test]
    fn a_file_without_rows_can_be_read() {
        let file = written(false, 100, &[]);
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
        assert_eq!(file.metadata().file_metadata().schema_descr().num_columns(), 6);
    }
}

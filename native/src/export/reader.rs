//! Reads `metrics.jsonl` and gives its numbers to a writer, row by row.

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use serde_json::value::RawValue;

use super::line::{
    CurvatureLine, EpochLine, GrowthLine, Head, InOrder, Kind, LayersLine, StepLine, digits, digits_of_bits,
};
use super::{Row, RowWriter};
use crate::failure::Failure;
use crate::interrupt;
use crate::run::MOST_LINE_BYTES;

/// What was found in the metrics of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Rows written.
    pub rows: u64,
    /// The last step.
    pub last_step: u64,
    /// Number of lines that are damaged, do not fit the run or are out of order. They are left out.
    pub ignored: u64,
    /// Number of the first of these lines, from 1.
    pub first_ignored: Option<u64>,
    /// Replica and step of the first loss that is not finite.
    pub first_not_finite: Option<(usize, u64)>,
}

/// Why reading stopped before the end.
#[derive(Debug)]
pub enum Stop {
    /// The metrics cannot be read.
    Failed(Failure),
    /// The rows cannot be written.
    Write(io::Error),
    /// A signal asked to stop.
    Signal,
}

/// The state of reading the metrics of a run with the divisors `ks`.
struct Reader<'a> {
    ks: &'a [u32],
    /// By kind: the step of its last line.
    last: [Option<u64>; 5],
    /// By replica: the step of its last `layers` line.
    last_of_replica: Vec<Option<u64>>,
    /// Names of the measured tensors; empty before the first `layers` line.
    tensors: Vec<String>,
    read: Read,
}

/// A number with its replica and the index of its tensor.
type Cell<'a> = (usize, Option<usize>, &'static str, &'a str);

/// Writes the numbers of `metrics`, read from the file `path` of a run with the divisors `ks`, to `writer`.
pub fn read_metrics(
    (mut metrics, path): (impl BufRead, &Path),
    ks: &[u32],
    writer: &mut dyn RowWriter,
) -> Result<Read, Stop> {
    let (tensors, read) = (Vec::new(), Read::default());
    let mut reader = Reader { ks, last: [None; 5], last_of_replica: vec![None; ks.len()], tensors, read };
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        // No run writes a longer line. It is read in pieces, which are left out.
        let bytes = metrics.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line);
        let bytes = bytes.map_err(|error| Stop::Failed(Failure::file("read", path, &error)))?;
        if bytes == 0 {
            return Ok(reader.read);
        }
        if interrupt::requested() {
            return Err(Stop::Signal);
        }
        let is_used = reader.take(&line, writer).map_err(Stop::Write)?;
        // A run that is under way, or was killed, leaves an unfinished last line.
        if !is_used && line.ends_with(b"\n") {
            reader.read.ignored += 1;
            reader.read.first_ignored.get_or_insert(number);
        }
    }
}

impl Reader<'_> {
    /// Writes the rows of a line. False for a line that cannot be used, of which nothing is written.
    fn take(&mut self, line: &[u8], writer: &mut dyn RowWriter) -> io::Result<bool> {
        let Ok(Head { kind, step }) = serde_json::from_slice(line) else { return Ok(false) };
        let text = &mut None;
        if !self.follows(kind, step) {
            return Ok(false);
        }
        let Some(cells) = self.cells(kind, step, line, text) else { return Ok(false) };
        self.last[kind as usize] = Some(step);
        self.read.last_step = self.read.last_step.max(step);
        for &(replica, tensor, quantity, value) in &cells {
            let tensor = tensor.map(|index| self.tensors[index].as_str());
            writer.write(&Row { step, replica, k: self.ks[replica], tensor, quantity, value })?;
        }
        self.read.rows += cells.len() as u64;
        Ok(true)
    }

    /// Whether a line may come next: steps rise; each replica has its own `layers` line of a step.
    fn follows(&self, kind: Kind, step: u64) -> bool {
        // The step of a row may become a signed number.
        i64::try_from(step).is_ok()
            && self.last[kind as usize].is_none_or(|last| last < step || kind == Kind::Layers && last == step)
    }

    /// The numbers of a line in the order of their rows; `None` if it is damaged or does not fit the run.
    fn cells<'a>(
        &mut self,
        kind: Kind,
        step: u64,
        line: &'a [u8],
        text: &'a mut Option<String>,
    ) -> Option<Vec<Cell<'a>>> {
        let n = self.ks.len();
        let mut cells = Vec::new();
        match kind {
            Kind::Step => {
                let StepLine { epoch, lr, loss, rel_l1, max_ulp, differing } = serde_json::from_slice(line).ok()?;
                same_for_all(&mut cells, n, [("epoch", epoch), ("lr", lr)])?;
                let not_finite = loss.iter().position(|loss| loss.get() == "null");
                let columns = [("loss", loss), ("rel_l1", rel_l1), ("max_ulp", max_ulp), ("differing", differing)];
                of_replicas(&mut cells, n, columns)?;
                if self.read.first_not_finite.is_none() {
                    self.read.first_not_finite = not_finite.map(|replica| (replica, step));
                }
            }
            Kind::Epoch => {
                let line: EpochLine = serde_json::from_slice(line).ok()?;
                // The line's rate is that of the step, whose line has it, too.
                same_for_all(&mut cells, n, [("epochs_done", line.epoch)])?;
                let columns = [
                    ("train_loss", line.train_loss),
                    ("train_accuracy", line.train_accuracy),
                    ("test_loss", line.test_loss),
                    ("test_accuracy", line.test_accuracy),
                ];
                of_replicas(&mut cells, n, columns)?;
            }
            Kind::Growth => {
                let GrowthLine { steps, growth } = serde_json::from_slice(line).ok()?;
                same_for_all(&mut cells, n, [("growth_steps", steps)])?;
                of_replicas(&mut cells, n, [("growth", growth)])?;
            }
            Kind::Curvature => {
                let line: CurvatureLine = serde_json::from_slice(line).ok()?;
                let numbers = [
                    // The rate and the loss of a `step` line of the same step are others.
                    ("curvature_lr", line.lr),
                    ("lambda_max", line.lambda_max),
                    ("residual", line.residual),
                    ("products", line.products),
                    ("h", line.h),
                    ("product_error", line.product_error),
                    ("batch_sharpness", line.batch_sharpness),
                    ("batch_sharpness_error", line.batch_sharpness_error),
                    ("curvature_loss", line.loss),
                    ("gradient_norm", line.gradient_norm),
                ];
                for (quantity, raw) in numbers {
                    cells.push((line.replica, None, quantity, digits(raw)?));
                }
                cells.retain(|(replica, ..)| *replica < n);
            }
            Kind::Layers => {
                let LayersLine { replica, k, weight, rel_l1: InOrder(pairs) } = serde_json::from_slice(line).ok()?;
                if self.ks.get(replica) != Some(&k) || self.last_of_replica[replica] >= Some(step) {
                    return None;
                }
                let names = pairs.iter().map(|(name, _)| name);
                if pairs.is_empty() || !self.tensors.is_empty() && !names.clone().eq(&self.tensors) {
                    return None;
                }
                let names = names.cloned().collect();
                *text = match weight {
                    Some(bits) => Some(digits_of_bits(&bits)?),
                    None => None,
                };
                cells.extend(text.as_deref().map(|weight| (replica, Some(0), "weight", weight)));
                for (tensor, (_, raw)) in pairs.iter().enumerate() {
                    cells.push((replica, Some(tensor), "rel_l1", digits(raw)?));
                }
                (self.tensors, self.last_of_replica[replica]) = (names, Some(step));
            }
        }
        (!cells.is_empty()).then_some(cells)
    }
}

/// Adds numbers that are the same for all `n` replicas.
fn same_for_all<'a, const N: usize>(
    cells: &mut Vec<Cell<'a>>,
    n: usize,
    numbers: [(&'static str, &'a RawValue); N],
) -> Option<()> {
    for (quantity, raw) in numbers {
        let digits = digits(raw)?;
        cells.extend((0..n).map(|replica| (replica, None, quantity, digits)));
    }
    Some(())
}

/// Adds numbers of which each replica has its own. Their number must be `n`.
fn of_replicas<'a, const N: usize>(
    cells: &mut Vec<Cell<'a>>,
    n: usize,
    columns: [(&'static str, Vec<&'a RawValue>); N],
) -> Option<()> {
    for (quantity, raws) in columns {
        if raws.len() != n {
            return None;
        }
        for (replica, raw) in raws.into_iter().enumerate() {
            cells.push((replica, None, quantity, digits(raw)?));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::CsvWriter;

    /// The rows of lines of a run with k = 1 and 3, and what was found.
    fn rows(lines: &str) -> (Vec<String>, Read) {
        let mut bytes = Vec::new();
        let mut csv = CsvWriter::new(&mut bytes, false).unwrap();
        let read = read_metrics((lines.as_bytes(), Path::new("metrics.jsonl")), &[1, 3], &mut csv).unwrap();
        let rows: Vec<String> = String::from_utf8(bytes).unwrap().lines().skip(1).map(str::to_owned).collect();
        assert_eq!(rows.len() as u64, read.rows);
        (rows, read)
    }

    const STEP: &str = r#"{"kind":"step","step":1,"epoch":0,"lr":0.1,"loss":[2.5,null],"rel_l1":[0.0,1e-9],"max_ulp":[0,1],"differing":[0,7],"nonfinite":true}"#;
    const LAYERS: &str = r#"{"kind":"layers","step":1,"replica":1,"k":3,"fingerprint":"00ff","weight":"3f800001","rel_l1":{"b":0.5,"a":null}}"#;
    const GROWTH: &str = r#"{"kind":"growth","step":10,"steps":5,"growth":[0,0.25]}"#;
    const CURVATURE: &str = r#"{"kind":"curvature","step":0,"lr":0.1,"replica":1,"lambda_max":12.5,"residual":0.01,"products":9,"h":0.001,"product_error":1e-4,"batch_sharpness":3.5,"batch_sharpness_error":null,"loss":2.3,"gradient_norm":0.7}"#;
    const EPOCH: &str = r#"{"kind":"epoch","epoch":1,"step":8,"lr":0.1,"train_loss":[2.0,2.5],"train_accuracy":[50.0,25],"test_loss":[1,2],"test_accuracy":[12.5,10.0]}"#;

    #[test]
    fn every_number_of_a_line_is_a_row_with_its_digits() {
        let (step, read) = rows(&format!("{STEP}\n"));
        let expected = [
            "1,0,1,,epoch,0",
            "1,1,3,,epoch,0",
            "1,0,1,,lr,0.1",
            "1,1,3,,lr,0.1",
            "1,0,1,,loss,2.5",
            "1,1,3,,loss,NaN",
            "1,0,1,,rel_l1,0.0",
            "1,1,3,,rel_l1,1e-9",
            "1,0,1,,max_ulp,0",
            "1,1,3,,max_ulp,1",
            "1,0,1,,differing,0",
            "1,1,3,,differing,7",
        ];
        assert_eq!(step, expected);
        assert_eq!((read.first_not_finite, read.last_step, read.ignored), (Some((1, 1)), 1, 0));
        let layers = ["1,1,3,b,weight,1.0000001", "1,1,3,b,rel_l1,0.5", "1,1,3,a,rel_l1,NaN"];
        assert_eq!(rows(&format!("{LAYERS}\n")).0, layers);
        let growth = ["10,0,1,,growth_steps,5", "10,1,3,,growth_steps,5", "10,0,1,,growth,0", "10,1,3,,growth,0.25"];
        assert_eq!(rows(&format!("{GROWTH}\n")).0, growth);
        let (curvature, _) = rows(&format!("{CURVATURE}\n"));
        assert_eq!(curvature.len(), 10);
        assert_eq!(curvature[..2], ["0,1,3,,curvature_lr,0.1", "0,1,3,,lambda_max,12.5"]);
        assert_eq!(
            curvature[7..],
            ["0,1,3,,batch_sharpness_error,NaN", "0,1,3,,curvature_loss,2.3", "0,1,3,,gradient_norm,0.7"]
        );
        let (epoch, _) = rows(&format!("{EPOCH}\n"));
        assert_eq!(epoch[..3], ["8,0,1,,epochs_done,1", "8,1,3,,epochs_done,1", "8,0,1,,train_loss,2.0"]);
        assert_eq!(epoch[9], "8,1,3,,test_accuracy,10.0");
    }

    #[test]
    fn lines_that_cannot_be_used_are_counted_and_leave_no_row() {
        let damaged = [
            "",
            "{\"kind\":\"step\"",
            "{\"kind\":\"other\",\"step\":1}",
            // Another number of replicas.
            &STEP.replace("[0,7]", "[0,7,9]"),
            &STEP.replace("[0,7]", "[0,\"7\"]"),
            &STEP.replace("\"step\":1", "\"step\":18446744073709551615"),
            &LAYERS.replace("\"k\":3", "\"k\":5"),
            &LAYERS.replace("\"replica\":1", "\"replica\":2"),
            &LAYERS.replace("3f800001", "3f80000"),
            &LAYERS.replace("{\"b\":0.5,\"a\":null}", "{}"),
            &CURVATURE.replace("\"replica\":1", "\"replica\":2"),
            &CURVATURE.replace("\"h\":0.001,", ""),
            &GROWTH.replace("[0,0.25]", "[0]"),
            &EPOCH.replace("\"epoch\":1", "\"epoch\":{}"),
        ];
        for line in damaged {
            let (rows, read) = rows(&format!("{line}\n"));
            assert_eq!((rows.len(), read.ignored, read.first_ignored), (0, 1, Some(1)), "{line}");
        }
        // Out of order, and other tensors than before.
        let other = LAYERS.replace("\"step\":1", "\"step\":2").replace("\"a\"", "\"c\"");
        let (rows, read) = rows(&[STEP, STEP, LAYERS, LAYERS, &other, GROWTH, "{"].join("\n"));
        assert_eq!((rows.len(), read.ignored, read.first_ignored, read.last_step), (12 + 3 + 4, 3, Some(2), 10));
    }
}

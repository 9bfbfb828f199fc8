//! The `layers` lines: divergence of each measured tensor, and the bits of one weight. Lines are thinned while they are read, so that a run that logs every
//! step fits into memory.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Largest number of columns of a heat map. The paper's run has 208 at the default cadence.
const MAX_COLUMNS: usize = 240;

/// A `layers` line of `metrics.jsonl`.
#[derive(serde::Deserialize)]
pub struct LayersLine {
    /// Step, counted from 1.
    pub step: u64,
    /// Index of the replica in `--ks`, from 0.
    pub replica: usize,
    fingerprint: String,
    /// Bits of the first measured weight; older programs did not record them.
    weight: Option<Bits>,
    /// Relative L1 of each measured tensor to the first replica's.
    pub rel_l1: InOrder,
}

/// The bits of a float32, written as eight hexadecimal digits.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(try_from = "String")]
struct Bits(u32);

impl TryFrom<String> for Bits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // `from_str_radix` also accepts a sign.
        let is_plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u32::from_str_radix(&text, 16).ok().filter(|_| is_plain);
        bits.map(Self).ok_or("the bits of a weight are not eight hexadecimal digits")
    }
}

/// Pairs of a JSON object in the order of the file, which is the network's order. `None` is a value that was not finite.
pub struct InOrder(pub Vec<(String, Option<f32>)>);

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = InOrder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensors to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(InOrder(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// What the `layers` lines of one step hold.
pub struct Column {
    /// Step, counted from 1.
    pub step: u64,
    /// `[replica][layer]`: relative L1; empty if the replica's line is missing, NaN for a value that was not finite.
    pub rel_l1: Vec<Vec<f32>>,
    /// `[replica]`: bits of the first measured weight; `None` if they were not recorded.
    pub weights: Vec<Option<u32>>,
}

/// The `layers` lines of a run.
pub struct Layers {
    /// Names of the measured tensors in the network's order.
    pub names: Vec<String>,
    /// Columns in the order of their steps.
    pub columns: Vec<Column>,
    /// `[replica]`: step and fingerprint of its last line.
    pub fingerprints: Vec<Option<(u64, String)>>,
    replicas: usize,
    /// Number of columns from which on they are thinned.
    most: usize,
    /// Every `stride`-th logged step is kept.
    stride: usize,
    /// Number of logged steps so far.
    seen: usize,
}

impl Layers {
    /// No lines yet, for `replicas` replicas.
    pub fn new(replicas: usize) -> Self {
        Self { most: 2 * MAX_COLUMNS, ..Self::all(replicas) }
    }

    /// No lines yet, for `replicas` replicas. All lines are kept.
    pub fn all(replicas: usize) -> Self {
        Self {
            names: Vec::new(),
            columns: Vec::new(),
            fingerprints: vec![None; replicas],
            replicas,
            most: usize::MAX,
            stride: 1,
            seen: 0,
        }
    }

    /// Adds a line. Returns false and drops it if it does not fit this run or is out of order.
    pub fn take(&mut self, line: LayersLine) -> bool {
        let LayersLine { step, replica, fingerprint, weight, rel_l1: InOrder(pairs) } = line;
        if self.names.is_empty() {
            self.names = pairs.iter().map(|(name, _)| name.clone()).collect();
        }
        let newest = self.fingerprints.iter().flatten().map(|(step, _)| *step).max();
        if replica >= self.replicas
            || newest.is_some_and(|newest| newest > step)
            || !pairs.iter().map(|(name, _)| name).eq(&self.names)
        {
            return false;
        }
        if newest != Some(step) {
            self.begin(step);
        }
        self.fingerprints[replica] = Some((step, fingerprint));
        if let Some(column) = self.columns.last_mut().filter(|column| column.step == step) {
            column.rel_l1[replica] = pairs.iter().map(|(_, value)| value.unwrap_or(f32::NAN)).collect();
            column.weights[replica] = weight.map(|Bits(bits)| bits);
        }
        true
    }

    /// Adds the column of a step, if the stride keeps it.
    fn begin(&mut self, step: u64) {
        if self.columns.len() == self.most {
            let mut index = 0;
            self.columns.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
        if self.seen.is_multiple_of(self.stride) {
            let (rel_l1, weights) = (vec![Vec::new(); self.replicas], vec![None; self.replicas]);
            self.columns.push(Column { step, rel_l1, weights });
        }
        self.seen += 1;
    }

    /// At most [`MAX_COLUMNS`] columns, evenly spaced.
    pub fn chosen(&self) -> Vec<&Column> {
        let n = self.columns.len();
        let kept = n.min(MAX_COLUMNS);
        (0..kept).map(|index| &self.columns[if kept == n { index } else { index * (n - 1) / (kept - 1) }]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, replica: usize) -> LayersLine {
        let text = format!(
            r#"{{"step":{step},"replica":{replica},"k":1,"fingerprint":"{step:x}","rel_l1":{{"b":1e-9,"a":null}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn layers_keep_the_order_of_the_network() {
        let mut layers = Layers::new(1);
        assert!(layers.take(line(1, 0)));
        assert!(!layers.take(line(2, 1)), "there is no replica 1");
        assert!(!layers.take(line(0, 0)), "steps rise");
        assert_eq!(layers.names, ["b", "a"]);
        let values = &layers.columns[0].rel_l1[0];
        assert!(values[0] == 1e-9 && values[1].is_nan());
    }

    #[test]
    fn the_bits_of_the_weight_are_eight_digits_or_missing() {
        let line = |weight: &str| {
            let text = format!(r#"{{"step":1,"replica":0,"fingerprint":"0",{weight}"rel_l1":{{}}}}"#);
            serde_json::from_str::<LayersLine>(&text)
        };
        let mut layers = Layers::new(1);
        assert!(layers.take(line(r#""weight":"bd8a7f21","#).unwrap()));
        assert_eq!(layers.columns[0].weights, [Some(0xbd8a_7f21)]);
        assert!(layers.take(line("").unwrap()), "a line of an older program");
        assert_eq!(layers.columns[0].weights, [None]);
        for damaged in ["bd8a7f2", "bd8a7f210", "+d8a7f21", "bd8a7f2x", ""] {
            assert!(line(&format!(r#""weight":"{damaged}","#)).is_err(), "{damaged}");
        }
    }

    #[test]
    fn many_lines_are_thinned_and_the_last_fingerprint_stays() {
        let mut layers = Layers::new(2);
        for step in 1..=5000 {
            assert!(layers.take(line(step, 0)) && layers.take(line(step, 1)));
        }
        let chosen = layers.chosen();
        assert_eq!(chosen.len(), MAX_COLUMNS);
        assert_eq!(chosen[0].step, 1);
        assert!(chosen[MAX_COLUMNS - 1].step > 4900, "{}", chosen[MAX_COLUMNS - 1].step);
        assert!(chosen.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert!(chosen.iter().all(|column| column.rel_l1.iter().all(|values| values.len() == 2)));
        assert_eq!(layers.fingerprints[1], Some((5000, "1388".to_owned())));
    }
}

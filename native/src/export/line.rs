//! A line of `metrics.jsonl` (docs/RULES.md, "A run folder") with the digits of its numbers as they are written.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A number as it is written, or null.
type Raw<'a> = &'a RawValue;

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Step,
    Layers,
    Epoch,
    Curvature,
    Growth,
}

/// Kind and step of a line.
#[derive(Deserialize)]
pub struct Head {
    pub kind: Kind,
    pub step: u64,
}

/// A `step` line.
#[derive(Deserialize)]
pub struct StepLine<'a> {
    #[serde(borrow)]
    pub epoch: Raw<'a>,
    pub lr: Raw<'a>,
    pub loss: Vec<Raw<'a>>,
    pub rel_l1: Vec<Raw<'a>>,
    pub max_ulp: Vec<Raw<'a>>,
    pub differing: Vec<Raw<'a>>,
}

/// A `layers` line.
#[derive(Deserialize)]
pub struct LayersLine<'a> {
    pub replica: usize,
    pub k: u32,
    /// Bits of a float32 as hexadecimal digits; older programs did not record them.
    pub weight: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub rel_l1: InOrder<'a>,
}

/// An `epoch` line.
#[derive(Deserialize)]
pub struct EpochLine<'a> {
    #[serde(borrow)]
    pub epoch: Raw<'a>,
    pub train_loss: Vec<Raw<'a>>,
    pub train_accuracy: Vec<Raw<'a>>,
    pub test_loss: Vec<Raw<'a>>,
    pub test_accuracy: Vec<Raw<'a>>,
}

/// A `curvature` line.
#[derive(Deserialize)]
pub struct CurvatureLine<'a> {
    pub replica: usize,
    #[serde(borrow)]
    pub lr: Raw<'a>,
    pub lambda_max: Raw<'a>,
    pub residual: Raw<'a>,
    pub products: Raw<'a>,
    pub h: Raw<'a>,
    pub product_error: Raw<'a>,
    pub batch_sharpness: Raw<'a>,
    pub batch_sharpness_error: Raw<'a>,
    pub loss: Raw<'a>,
    pub gradient_norm: Raw<'a>,
}

/// A `growth` line.
#[derive(Deserialize)]
pub struct GrowthLine<'a> {
    #[serde(borrow)]
    pub steps: Raw<'a>,
    pub growth: Vec<Raw<'a>>,
}

/// Names and numbers of a JSON object in the order of the file.
pub struct InOrder<'a>(pub Vec<(String, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for InOrder<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = InOrder<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensors to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<'de>, A::Error> {
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

/// The digits of a number, or `NaN` for null; `None` for other JSON.
pub fn digits(raw: Raw<'_>) -> Option<&str> {
    match raw.get() {
        "null" => Some("NaN"),
        text => text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(text),
    }
}

/// The shortest digits of the float32 with these bits, as the metrics write a float32.
pub fn digits_of_bits(hex: &str) -> Option<String> {
    // `from_str_radix` also accepts a sign.
    let is_plain = hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = f32::from_bits(u32::from_str_radix(hex, 16).ok().filter(|_| is_plain)?);
    // JSON has no numbers that are not finite; Rust writes `NaN`, `inf` and `-inf`.
    if value.is_finite() { serde_json::to_string(&value).ok() } else { Some(value.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_a_weight_are_a_number() {
        assert_eq!(digits_of_bits("3f800001").as_deref(), Some("1.0000001"));
        assert_eq!(digits_of_bits("00000001").as_deref(), Some("1e-45"));
        assert_eq!(digits_of_bits("ff800000").as_deref(), Some("-inf"));
        assert_eq!(digits_of_bits("7fc00000").as_deref(), Some("NaN"));
        for damaged in ["", "3f80000", "3f8000011", "+f800001", "3f80000g"] {
            assert_eq!(digits_of_bits(damaged), None, "{damaged}");
        }
    }
}

//! What a device computes with: its class and what it does with subnormal numbers (rule 12 of docs/RULES.md). Both are found by
//! known numbers, and never guessed from the kind of the adapter.

use serde::{Deserialize, Serialize};

use crate::device::{Buffers, Context, DeviceError, Fill, Program, Readback, Submitter};
use crate::ops::functions;
use crate::processor::Class;
use crate::record::{BufferTable, Function, Job, Recording};

/// How a device rounds `a b + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceClass {
    /// Once, always.
    Fused,
    /// Twice, always: first the product, then the sum.
    Separate,
    /// Sometimes once and sometimes twice, or otherwise. No other device has the bits of such a device.
    Neither,
}

impl DeviceClass {
    /// Name shown on the screen and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Separate => "separate",
            Self::Neither => "neither",
        }
    }

    /// The class of the processor that computes the same; `None` for [`DeviceClass::Neither`].
    #[must_use]
    pub fn known(self) -> Option<Class> {
        match self {
            Self::Fused => Some(Class::Fused),
            Self::Separate => Some(Class::Separate),
            Self::Neither => None,
        }
    }
}

/// What a device does with subnormal numbers, as operands and as results of products, sums, quotients and `mac`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subnormals {
    /// All are as IEEE-754 requires.
    Kept,
    /// At least one is replaced, usually by zero.
    Flushed,
}

impl Subnormals {
    /// Name shown on the screen and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Flushed => "flushed",
        }
    }
}

/// The arithmetic of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// How it rounds `a b + c`.
    pub class: DeviceClass,
    /// What it does with subnormal numbers.
    pub subnormals: Subnormals,
}

impl std::fmt::Display for DeviceClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Subnormals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, subnormals {}", self.class, self.subnormals)
    }
}

/// The functions that are applied.
const FUNCTIONS: [Function; 4] = [Function::Mac, Function::Product, Function::Sum, Function::Quotient];

/// Operands of one function, and what a device may answer.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// Position in [`FUNCTIONS`].
    function: usize,
    operands: [f32; 3],
    /// The result that is rounded once.
    once: f32,
    /// The result that is rounded after each operation.
    twice: f32,
}

impl Question {
    fn new(function: usize, operands: [f32; 3]) -> Self {
        let [x, y, z] = operands;
        let (once, twice) = match FUNCTIONS[function] {
            Function::Mac => (x.mul_add(y, z), x * y + z),
            Function::Product => (x * y, x * y),
            Function::Sum => (x + y, x + y),
            _ => (x / y, x / y),
        };
        Self { function, operands, once, twice }
    }

    /// True if the result shows the class.
    fn tells_class(&self) -> bool {
        self.once.to_bits() != self.twice.to_bits()
    }
}

/// Triples of which rounding once and twice make different numbers, in several magnitudes, and operations on subnormal numbers.
fn questions() -> Vec<Question> {
    let power = |exponent: i32| f32::from_bits(((127 + exponent) as u32) << 23);
    let mut all = Vec::new();
    let exponents = [-30, -7, 0, 9, 30];
    // Different significands of 24 bits, whose products are not exact.
    let significand =
        |i: usize| f32::from_bits(1.0_f32.to_bits() | ((2 * i as u32 + 1).wrapping_mul(0x61_c887) & 0x7f_ffff));
    for (i, (a, b)) in exponents.iter().flat_map(|a| exponents.map(|b| (*a, b))).enumerate() {
        let (x, y) = (significand(2 * i) * power(a), significand(2 * i + 1) * power(b));
        // The product's rounding error alone; and sums whose last bit it decides.
        let sums = [-(x * y), x * y * 0.75, x * y * -1.5, x * y * 3.0, x * y * -0.3];
        all.extend(sums.map(|z| Question::new(0, [x, y, z])).into_iter().filter(Question::tells_class));
        all.extend(sums.map(|z| Question::new(0, [-x, y, -z])).into_iter().filter(Question::tells_class));
    }
    // The smallest normal number, half of it, and the smallest number.
    let (normal, half, least) = (f32::MIN_POSITIVE, f32::MIN_POSITIVE / 2.0, f32::from_bits(1));
    let subnormal = [
        (0, [power(-100), power(-27), 0.0]),
        (0, [half, 1.0, half]),
        (0, [1.0, -half, least]),
        (1, [normal, 0.5, 0.0]),
        (1, [half, power(24), 0.0]),
        (1, [power(-75), -power(-70), 0.0]),
        (1, [least, 3.0, 0.0]),
        (2, [half, half, 0.0]),
        (2, [least, least, 0.0]),
        (2, [normal, -half, 0.0]),
        (2, [1.5 * normal, -normal, 0.0]),
        (3, [normal, 3.0, 0.0]),
        (3, [half, least, 0.0]),
        (3, [1.0, power(127), 0.0]),
    ];
    all.extend(subnormal.map(|(function, operands)| Question::new(function, operands)));
    all
}

/// Finds the arithmetic of a device. It submits one small piece of work.
///
/// # Errors
/// [`DeviceError::DeviceLost`], [`DeviceError::OutOfMemory`], or [`DeviceError::Refused`] if the driver refuses a call.
pub async fn probe(context: &Context) -> Result<Arithmetic, DeviceError> {
    let questions = questions();
    let of_function = |function| questions.iter().filter(move |question| question.function == function);
    let mut table = BufferTable::default();
    let places: Vec<_> = (0..FUNCTIONS.len())
        .map(|function| {
            let count = of_function(function).count() as u64;
            let mut add = |what: &str, bytes| table.add(format!("{what} {function}"), bytes);
            (add("operands", count * 16), add("results", count * 4), count)
        })
        .collect();
    let buffers = Buffers::allocate(context, &table, Fill::Junk).await?;
    let mut recording = Recording::new(1, Job::default());
    for (function, &(operands, results, count)) in places.iter().enumerate() {
        let words = of_function(function).map(|Question { operands: [x, y, z], .. }| [*x, *y, *z, 0.0]);
        buffers.write(context, operands, 0, bytemuck::cast_slice(&words.collect::<Vec<_>>()));
        let bindings = [operands, results].map(|buffer| table.whole(buffer));
        functions::apply(&mut recording, FUNCTIONS[function], bindings, count as u32);
    }
    let program = Program::build(context, &buffers, &recording, u64::MAX).await?;
    let mut submitter = Submitter::new(context);
    submitter.run(&program, &buffers);
    let readback = Readback::default();
    let ranges: Vec<_> = places.iter().map(|&(_, results, count)| (results, 0, count * 4)).collect();
    let pending = readback.capture_all(context, submitter, &buffers, &ranges);
    let found: Vec<u32> = bytemuck::pod_collect_to_vec(&readback.take(context, pending).await?);
    let in_order = (0..FUNCTIONS.len()).flat_map(of_function);
    Ok(judge(in_order.copied().zip(found)))
}

/// The arithmetic that these bits show.
fn judge(answers: impl Iterator<Item = (Question, u32)>) -> Arithmetic {
    let (mut is_fused, mut is_separate, mut is_kept) = (true, true, true);
    for (question, found) in answers {
        let [is_once, is_twice] = [question.once, question.twice].map(|expected| expected.to_bits() == found);
        if question.tells_class() {
            is_fused &= is_once;
            is_separate &= is_twice;
        } else {
            is_kept &= is_once;
        }
    }
    let class = match (is_fused, is_separate) {
        (true, _) => DeviceClass::Fused,
        (_, true) => DeviceClass::Separate,
        _ => DeviceClass::Neither,
    };
    Arithmetic { class, subnormals: if is_kept { Subnormals::Kept } else { Subnormals::Flushed } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device finds that answers each question with `answer`.
    fn found(answer: impl Fn(usize, &Question) -> f32) -> String {
        let questions = questions();
        let answers = questions.iter().enumerate().map(|(i, question)| (*question, answer(i, question).to_bits()));
        judge(answers).to_string()
    }

    #[test]
    fn devices_are_known_by_their_answers() {
        assert_eq!(found(|_, question| question.once), "fused, subnormals kept");
        assert_eq!(found(|_, question| question.twice), "separate, subnormals kept");
        // A compiler that fuses some of the expressions, or that is one ulp off.
        assert_eq!(found(|i, q| if i % 2 == 0 { q.once } else { q.twice }), "neither, subnormals kept");
        assert_eq!(found(|i, q| if i == 40 { q.once } else { q.twice }), "neither, subnormals kept");
        assert_eq!(found(|_, q| if q.tells_class() { q.once.next_up() } else { q.once }), "neither, subnormals kept");
        let flushed = |x: f32| if x.is_subnormal() { 0.0 } else { x };
        assert_eq!(found(|_, q| flushed(q.once)), "fused, subnormals flushed");
        let of_operands = |q: &Question| Question::new(q.function, q.operands.map(flushed)).twice;
        assert_eq!(found(|_, q| of_operands(q)), "separate, subnormals flushed");
    }

    #[test]
    fn questions_cover_many_magnitudes() {
        let (telling, subnormal): (Vec<_>, Vec<_>) = questions().into_iter().partition(Question::tells_class);
        assert!(telling.len() >= 100, "{}", telling.len());
        let all = telling.iter().flat_map(|q| [q.once, q.twice]).chain(telling.iter().flat_map(|q| q.operands));
        assert!(all.into_iter().all(|number| number.is_normal() || number == 0.0), "only the class decides");
        assert_eq!(subnormal.len(), 14);
        let is_touched = |q: &Question| q.once.is_subnormal() || q.operands.iter().any(|x| x.is_subnormal());
        assert!(subnormal.iter().all(is_touched));
    }
}

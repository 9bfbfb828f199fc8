//! The claim that an experiment makes about its null controls.

use super::findings::{Agreement, Claim, claim};
use crate::numbers::count;

/// Why k = 2 is a control.
pub const BY_THE_ARITHMETIC: &str = "Not in the paper. By the arithmetic k = 2 must not differ in a single bit.";

/// The claim that controls, one for each of `verdicts`, stay at zero. `promise` says which copies are controls and why; `subject` is what
/// is attributed to the other copies.
pub fn controls_claim(promise: &str, subject: &str, verdicts: impl IntoIterator<Item = Agreement>) -> Claim {
    let verdicts: Vec<Agreement> = verdicts.into_iter().collect();
    let agrees = verdicts.iter().copied().fold(Agreement::Yes, Agreement::and);
    claim! {
        about: "The controls stay at zero",
        paper: promise,
        found: match agrees {
            Agreement::Yes => format!("{}: 0 bits differ.", count(verdicts.len() as u64, "control")),
            Agreement::No => format!("A control differs: nothing here can be attributed to {subject}."),
            Agreement::CannotTell => "Numbers stopped being finite: equal bits then prove nothing.".to_owned(),
        },
        agrees: agrees,
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

//! The search for the threshold, and its flags.

use super::*;
use crate::reproduce::{Agreement, Flags as _};

fn threshold() -> Threshold {
    Threshold { batch_size: 8, scaled_time: 1.0, lr_min: 0.01, lr_max: 0.16, ..Threshold::read(None, true) }
}

#[test]
fn the_grid_reaches_from_end_to_end() {
    let experiment = threshold();
    assert_eq!(experiment.grid(), [0.01, 0.02, 0.04, 0.08, 0.16]);
    // Bisection reduces a factor of 2 to 1.41 and 1.19.
    assert_eq!(experiment.bisections(), 2);
    assert_eq!(experiment.config(0.04, 1).steps, Some(25));
}

#[test]
fn the_bracket_is_the_first_that_leaves() {
    let probe =
        |lr, distance| Probe { lr, steps: 1, distances: vec![distance], controls: vec![Agreement::Yes], curve: vec![] };
    let probes = [probe(0.01, 1e-8), probe(0.02, 1e-5), probe(0.04, 0.1), probe(0.08, 1e-5)];
    assert_eq!(bracket(&probes, 1e-3), Some((0.02, 0.04)));
    assert_eq!(bracket(&probes, 1.0), None);
    assert_eq!(bracket(&probes[2..], 1e-3), None, "no rate stays");
    let claims = threshold().claims(&probes);
    assert_eq!(claims[1].agrees, Agreement::CannotTell, "0.08 came back, for one seed");
    let several = Threshold { seeds: vec![1, 2, 3], ..threshold() };
    assert_eq!(several.claims(&probes)[1].agrees, Agreement::No, "for the median of three");
    assert_eq!(threshold().claims(&probes[..3])[1].agrees, Agreement::Yes);
    assert_eq!(claims[2].agrees, Agreement::Yes);
    // A threshold above the common rate contradicts the paper only for the paper's network.
    let high = [probe(0.1, 1e-8), probe(0.2, 0.1)];
    assert_eq!(threshold().claims(&high)[2].agrees, Agreement::CannotTell);
    let papers = Threshold { net: NetKind::ResNet { depth: 56 }, batch_size: 128, ..threshold() };
    assert_eq!(papers.claims(&high)[2].agrees, Agreement::No);
}

#[test]
fn bad_values_name_their_flag() {
    let bad = [
        (Threshold { seeds: vec![], ..threshold() }, "--seeds"),
        (Threshold { distance: 0.0, ..threshold() }, "--distance"),
        (Threshold { distance: 2.5, ..threshold() }, "--distance"),
        (Threshold { scaled_time: f64::NAN, ..threshold() }, "--scaled-time"),
        (Threshold { scaled_time: 0.1, ..threshold() }, "--scaled-time"),
        (Threshold { lr_max: 0.01, ..threshold() }, "--lr-max"),
        (Threshold { precision: 1.0, ..threshold() }, "--precision"),
        (Threshold { momentum: 1.0, ..threshold() }, "--momentum"),
    ];
    for (experiment, flag) in bad {
        let failure = experiment.check().unwrap_err().to_string();
        assert!(failure.starts_with(flag), "{failure}");
    }
}

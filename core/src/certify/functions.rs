//! Checks the functions that every correctly rounded quotient and root in the shaders goes through, against the host's arithmetic:
//! every exponent, and a million significands.

use std::rc::Rc;

use web_time::Instant;

use super::report::{Findings, Mismatch, Promise, note, since};
use crate::device::{Buffers, Context, DeviceError, Fill, Program, Readback, Submitter};
use crate::ops::functions;
use crate::record::{BufferTable, Function, Job, Recording};
use crate::rng::{Purpose, Stream};
use crate::train::TrainError;

/// Operands of one launch.
const LAUNCH: usize = 1 << 18;
/// Largest divisor of an update.
const MAX_K: u32 = 63;

/// Operands x and y of a function.
type Operands = [u32; 2];

/// Checks division by k, quotients and roots, for every exponent and a million significands (65,536 if `quick`).
///
/// # Errors
/// [`TrainError::Gpu`] if the device is lost.
pub async fn check_functions(context: &Rc<Context>, quick: bool) -> Result<Promise, TrainError> {
    let start = Instant::now();
    let mut findings = Findings::default();
    let significands = if quick { 1 << 16 } else { 1 << 20 };
    let mut count = 0;
    for function in [Function::DivideExactly, Function::Quotient, Function::Root] {
        let operands = operands(function, significands);
        count += operands.len();
        let checked = compare(context, function, &operands, &mut findings).await.map_err(TrainError::from);
        note(&mut findings, checked)?;
    }
    findings.seconds = since(start);
    let checked = format!(
        "d / k for k from 1 to {MAX_K}, x / y and roots, every exponent and {significands} significands each: {:.1} million results \
         against IEEE-754",
        count as f64 * 1e-6
    );
    Ok(findings.promise("division and roots", MEANING, checked))
}

const MEANING: &str = "Quotients and square roots are correctly rounded.";

/// Operands of every exponent, pairs of exponents for a quotient, and `significands` random significands.
fn operands(function: Function, significands: usize) -> Vec<Operands> {
    let mut stream = Stream::new(1, Purpose::Synthetic, function as u64);
    let mut any = |exponent: u32| stream.below(2) << 31 | exponent << 23 | stream.below(1 << 23);
    let mut all: Vec<Operands> = Vec::new();
    match function {
        Function::Root => {
            // A power of two, and its neighbours: beyond it a device's error counts twice.
            let near = |exponent: u32| [0, 1, 0x7f_ffff].map(|fraction| [exponent << 23 | fraction, 0]);
            all.extend((0..256).flat_map(near));
            all.extend((0..1 << 16).map(|i| [any(i & 255) & 0x7fff_ffff, 0]));
            // Both parities of the exponent.
            all.extend((0..significands as u32).map(|i| [any(127 + (i & 1)) & 0x7fff_ffff, 0]));
        }
        Function::DivideExactly => {
            all.extend((0..256).flat_map(|exponent| (1..=MAX_K).map(move |k| [exponent << 23, k])));
            all.extend((0..255).flat_map(|exponent| (1..=MAX_K).map(move |k| (exponent, k))).map(|(e, k)| [any(e), k]));
            all.extend((0..significands as u32).map(|i| [any(127), 1 + i % MAX_K]));
        }
        _ => {
            all.extend((0..1_u32 << 16).map(|exponents| [any(exponents & 255), any(exponents >> 8)]));
            // Quotients beside 1, beyond which a device's error counts twice.
            let near = |y: u32| [[y - 1, y], [y, y], [y, y - 1]];
            all.extend((0..1 << 12).flat_map(|_| near(1 + (any(127) & 0x7fff_ffff))));
            all.extend((0..significands).map(|_| [any(127), any(127)]));
        }
    }
    all
}

/// The result on the host, whose arithmetic is IEEE-754's.
fn expected(function: Function, [x, y]: Operands) -> f32 {
    let value = f32::from_bits(x);
    match function {
        Function::Root => value.sqrt(),
        Function::DivideExactly => value / y as f32,
        _ => value / f32::from_bits(y),
    }
}

async fn compare(
    context: &Rc<Context>,
    function: Function,
    all: &[Operands],
    findings: &mut Findings,
) -> Result<(), DeviceError> {
    let mut table = BufferTable::default();
    let operands = table.add("operands", 16 * LAUNCH as u64);
    let results = table.add("results", 4 * LAUNCH as u64);
    let mut recording = Recording::new(1, Job::default());
    let bindings = [operands, results].map(|id| table.whole(id));
    functions::apply(&mut recording, function, bindings, LAUNCH as u32);
    let buffers = Buffers::allocate(context, &table, Fill::Junk).await?;
    let program = Program::build(context, &buffers, &recording, context.adapter().submit_flops()).await?;
    let readback = Readback::default();
    for (nth, launch) in all.chunks(LAUNCH).enumerate() {
        let words: Vec<[u32; 4]> = launch.iter().map(|[x, y]| [*x, *y, 0, 0]).collect();
        buffers.write(context, operands, 0, bytemuck::cast_slice(&words));
        let mut submitter = Submitter::new(context);
        submitter.run(&program, &buffers);
        let pending = readback.capture(context, submitter, &buffers, (results, 0, 4 * launch.len() as u64));
        let found: Vec<u32> = bytemuck::pod_collect_to_vec(&readback.take(context, pending).await?);
        let differs = |(operands, found): &(&Operands, &u32)| {
            let (expected, found) = (expected(function, **operands), **found);
            expected.to_bits() != found && !(expected.is_nan() && f32::from_bits(found).is_nan())
        };
        let mut wrong = launch.iter().zip(&found).enumerate().filter(|(_, pair)| differs(pair));
        if let Some((i, ([x, y], found))) = wrong.next() {
            let expected = expected(function, [*x, *y]).to_bits();
            let elements = 1 + wrong.count() as u64;
            let mismatch = Mismatch { element: (nth * LAUNCH + i) as u64, expected, found: *found, elements };
            let Some(dispatch) = recording.dispatches().next() else { return Ok(()) };
            let case = match function {
                Function::Root => format!("{function:?} of {x:08x}"),
                Function::DivideExactly => format!("{function:?} of {x:08x} and {y}"),
                _ => format!("{function:?} of {x:08x} and {y:08x}"),
            };
            findings.add_mismatch(&dispatch.kernel, case, "results", mismatch);
        }
    }
    Ok(())
}

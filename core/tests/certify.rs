//! A sound device keeps the promises of a certificate, and a device that lies is caught: each fault changes the text of one
//! shader, as if a driver had compiled another one, and must be reported under its name, with element and bits.

#[path = "common/skip.rs"]
mod skip;

use std::rc::Rc;

use lastbit_core::arithmetic::{Arithmetic, DeviceClass, Subnormals};
use lastbit_core::certify::{self, Event, Failure, ForcedTiles, KernelFailure, POISON, Promise, Settings, Subject};
use lastbit_core::device::{AdapterChoice, Context, Options, ShaderPatch, adapters};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::processor::Class;
use lastbit_core::published;
use lastbit_core::record::Shader;
use pollster::block_on;

const SEPARATE: Arithmetic = Arithmetic { class: DeviceClass::Separate, subnormals: Subnormals::Kept };

/// A network that a software GPU compiles and trains in seconds, with every kind of kernel of a ResNet.
fn small() -> Subject {
    Subject::network(NetKind::ResNet { depth: 8 }, Activation::Relu, 3, 5).with_width(0.25)
}

/// llvmpipe, whose arithmetic is known; with a fault.
fn llvmpipe(patch: Option<ShaderPatch>) -> Option<Rc<Context>> {
    let found = block_on(adapters(Options::default())).into_iter().find(|adapter| adapter.name.contains("llvmpipe"));
    let Some(adapter) = found else {
        skip::skip("faults of a device (no llvmpipe: install Mesa's Vulkan drivers)");
        return None;
    };
    let options = Options { adapter: AdapterChoice::Named(adapter.name), patch, ..Options::default() };
    Some(Rc::new(block_on(Context::open(options)).expect("an adapter that was listed")))
}

/// The promises about kernels, and about tiny gradients if `tiny`.
fn promises(device: &Rc<Context>, subject: Subject, settings: &Settings, tiny: bool) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut collect = |event: Event<'_>| {
        if let Event::Promise(promise) = event {
            println!("{}: kept {}, {}", promise.name, promise.kept, promise.checked);
            promise.failures.iter().for_each(|failure| println!("    {failure}"));
            promises.push(promise);
        }
    };
    let subjects = [subject];
    block_on(certify::check_kernels(device, SEPARATE, settings, &subjects, &mut collect)).expect("a device");
    if tiny {
        block_on(certify::check_tiny_gradients(device, SEPARATE, settings, &subjects, &mut collect)).expect("a device");
    }
    promises
}

fn of<'a>(promises: &'a [Promise], name: &str) -> &'a Promise {
    promises.iter().find(|promise| promise.name == name).unwrap_or_else(|| panic!("no promise {name}"))
}

/// The failures of kernels. Each must be of `shader` and have bits that differ.
fn of_kernel(promise: &Promise, shader: Shader) -> Vec<&KernelFailure> {
    assert!(!promise.kept && promise.failure_count > 0, "{} is kept", promise.name);
    let kernels: Vec<_> = promise
        .failures
        .iter()
        .filter_map(|failure| match failure {
            Failure::Kernel(failure) => Some(failure),
            Failure::Text(_) => None,
        })
        .collect();
    assert!(!kernels.is_empty(), "no kernel is named");
    for failure in &kernels {
        assert_eq!(failure.kernel, shader.name(), "{failure:?}");
        assert!(failure.expected != failure.found && failure.elements > 0, "{failure:?}");
        assert!(failure.expected.len() == 8 && failure.found.len() == 8, "{failure:?}");
    }
    kernels
}

/// Certifies llvmpipe with `from` replaced by `to` in one shader.
fn with_fault(shader: Shader, from: &str, to: &str, subject: Subject, tiny: bool) -> Option<Vec<Promise>> {
    let patch = ShaderPatch { shader, from: from.to_owned(), to: to.to_owned() };
    let device = llvmpipe(Some(patch))?;
    Some(promises(&device, subject, &Settings::default(), tiny))
}

/// A multiply-add that is rounded once: Dekker's exact product and Knuth's exact sum.
const FUSED: &str = "let p = vec4f(a) * b;
    let ca = 4097.0 * a;
    let ah = ca - (ca - a);
    let al = a - ah;
    let cb = 4097.0 * b;
    let bh = cb - (cb - b);
    let bl = b - bh;
    let e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    let s = p + acc;
    let v = s - p;
    return s + (((p - (s - v)) + (acc - v)) + e);";
const SEPARATE_MAC: &str = "return fma(vec4f(a), b, acc);";

#[test]
fn a_sound_device_keeps_its_promises() {
    let Some(device) = llvmpipe(None) else { return };
    let promises = promises(&device, small().with_tiles(ForcedTiles::All), &Settings::default(), true);
    let names: Vec<_> = promises.iter().map(|promise| promise.name).collect();
    assert_eq!(names, ["twins", "tile-independent", "subnormals"]);
    assert!(promises.iter().all(|promise| promise.kept && promise.failures.is_empty()));
}

#[test]
fn a_fused_multiply_add_is_caught() {
    let shader = Shader::Conv3x3Forward;
    let Some(found) = with_fault(shader, SEPARATE_MAC, FUSED, small(), false) else { return };
    of_kernel(of(&found, "twins"), shader);
}

#[test]
fn a_tile_that_rounds_otherwise_is_caught() {
    let shader = Shader::Conv3x3ForwardStaged;
    let subject = small().with_tiles(ForcedTiles::Staged);
    let Some(found) = with_fault(shader, SEPARATE_MAC, FUSED, subject, false) else { return };
    assert!(of(&found, "twins").kept);
    of_kernel(of(&found, "tile-independent"), shader);
}

#[test]
fn a_quotient_one_ulp_off_is_caught() {
    let shader = Shader::SgdUpdate;
    let exact = "divide_exactly(bitcast<u32>(direction), by.k)";
    let fault = format!("({exact} + u32(by.k == 3u))");
    let Some(found) = with_fault(shader, exact, &fault, small(), false) else { return };
    let found = of_kernel(of(&found, "twins"), shader);
    // The second replica, and of it the parameters to which the last bit of d / k matters.
    assert!(found[0].buffer.starts_with("parameters") && found[0].element >= 5_000, "{found:?}");
}

#[test]
fn a_reassociated_sum_is_caught() {
    let shader = Shader::BnBackwardReduce;
    let (ordered, other) =
        ("opaque(lanes.x + lanes.y) + opaque(lanes.z + lanes.w)", "((lanes.x + lanes.y) + lanes.z) + lanes.w");
    let Some(found) = with_fault(shader, ordered, other, small(), false) else { return };
    assert_eq!(of_kernel(of(&found, "twins"), shader)[0].buffer, "leaves");
}

#[test]
fn a_flushed_subnormal_is_caught() {
    let shader = Shader::DenseDinput;
    let kept = "= sums[i][j];";
    let flushed = "= select(sums[i][j], 0.0, abs(sums[i][j]) < 1.1754944e-38);";
    let Some(found) = with_fault(shader, kept, flushed, small(), true) else { return };
    assert!(of(&found, "twins").kept, "healthy values show nothing");
    let found = of_kernel(of(&found, "subnormals"), shader);
    let expected = u32::from_str_radix(&found[0].expected, 16).unwrap() & 0x7fff_ffff;
    assert!((1..0x80_0000).contains(&expected) && found[0].found == "00000000", "{found:?}");
}

#[test]
fn a_missing_barrier_is_caught() {
    let shader = Shader::BnFinalize;
    let Some(found) = with_fault(shader, "workgroupBarrier();", "", small(), false) else { return };
    of_kernel(of(&found, "twins"), shader);
}

#[test]
fn a_stray_write_and_a_missing_one_are_caught() {
    let shader = Shader::BnApply;
    // Into the zero border, on which convolutions rely.
    let stray = "a[at] = value; a[at - 1u - own.quad] = vec4f(1.0);";
    let Some(found) = with_fault(shader, "a[at] = value;", stray, small(), false) else { return };
    assert_eq!(of_kernel(of(&found, "twins"), shader)[0].expected, format!("{POISON:08x}"));
    let missing = "if (own.plane != 1u) { a[at] = value; }";
    let Some(found) = with_fault(shader, "a[at] = value;", missing, small(), false) else { return };
    assert_eq!(of_kernel(of(&found, "twins"), shader)[0].found, format!("{POISON:08x}"));
}

#[test]
fn a_bit_that_is_wrong_in_all_replicas_is_caught_by_the_published_runs() {
    let written = "parameters[at] = mac(-by.rate, divided, p);";
    let wrong = "parameters[at] = bitcast<f32>(bitcast<u32>(mac(-by.rate, divided, p)) ^ select(0u, 1u, e == 7u));";
    let runs = [published::all()[0].until(1)];
    let check = |patch| {
        let device = llvmpipe(patch)?;
        Some(block_on(certify::check_published_runs(&device, Class::Separate, &runs, &mut |_| {})).expect("a device"))
    };
    let patch = ShaderPatch { shader: Shader::SgdUpdate, from: written.to_owned(), to: wrong.to_owned() };
    let Some((sound, faulty)) = check(None).zip(check(Some(patch))) else { return };
    assert!(sound.kept && sound.failures.is_empty(), "{:?}", sound.failures);
    assert!(!faulty.kept);
    let [Failure::Text(text)] = faulty.failures.as_slice() else { panic!("{:?}", faulty.failures) };
    let published = &runs[0].of(Class::Separate)[0].fingerprints[0];
    let [start, end] = ["resnet8, step 1, k = 1: the fingerprint is ", &format!(", published {published}")];
    let found = text.strip_prefix(start).and_then(|text| text.strip_suffix(end)).unwrap_or_else(|| panic!("{text}"));
    assert!(found.len() == 16 && found != published, "{text}");
}

#[test]
fn a_patch_that_changes_nothing_is_an_error() {
    let Some(found) = with_fault(Shader::Add, "no such text", "", small(), false) else { return };
    // ResNets do not use this shader, so nothing is patched.
    assert!(of(&found, "twins").kept);
    let Some(found) = with_fault(Shader::BnApply, "no such text", "", small(), false) else { return };
    let failures = &of(&found, "twins").failures;
    assert!(failures.iter().any(|failure| failure.to_string().contains("no such text")), "{failures:?}");
}

/// The promise about division and roots on llvmpipe, whose own `operation` is `units` in the last place off.
fn with_units_off(operation: &str, units: i32) -> Option<Promise> {
    let to = format!("bitcast<f32>(bitcast<i32>({operation}) + {units})");
    let patch = ShaderPatch { shader: Shader::SharedFunctions, from: operation.to_owned(), to };
    let device = llvmpipe(Some(patch))?;
    Some(block_on(certify::check_functions(&device, true)).expect("a device"))
}

#[test]
fn the_error_that_wgsl_allows_a_device_is_corrected() {
    let quotient = "(f32(x.significand) / f32(y.significand))";
    let root = "sqrt(f32(parts.significand << (scale - 22u)))";
    // 2.5 units of a quotient, rounded up, and 9 of a root (shaders/shared/root.wgsl).
    for (operation, most, too_many) in [(quotient, 3, 11), (root, 9, 23)] {
        for units in [-most, -1, 1, most] {
            let Some(promise) = with_units_off(operation, units) else { return };
            assert!(promise.kept, "{operation} + {units}: {:?}", promise.failures);
        }
        // More is not, and is caught.
        for units in [-too_many, too_many] {
            let Some(promise) = with_units_off(operation, units) else { return };
            of_kernel(&promise, Shader::SharedFunctions);
        }
    }
}

#[test]
fn the_processor_is_compared_with_itself() {
    let adapter = AdapterChoice::Named(Class::Separate.adapter().to_owned());
    let device = Rc::new(block_on(Context::new(&adapter)).expect("the processor"));
    let of =
        |fault: Option<Shader>| promises(&device, small(), &Settings { fault, ..Settings::default() }, fault.is_none());
    let sound = of(None);
    assert_eq!(
        sound.iter().map(|promise| promise.name).collect::<Vec<_>>(),
        ["instruction sets and threads", "subnormals"]
    );
    assert!(sound.iter().all(|promise| promise.kept && promise.exception.is_none()));
    of_kernel(&of(Some(Shader::PoolForward))[0], Shader::PoolForward);
}

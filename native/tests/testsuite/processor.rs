//! The processor as an adapter: whole runs have the same files with every instruction set and number of threads, and those of
//! `processor:separate` equal the files of Mesa's software GPU.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::common::skip::skip;
use crate::common::{Ended, SMALL, assert_equal_runs, assert_refused, command, lastbit, scratch, text, with_checksum};

/// Flags of a run with all parts of training: momentum, weight decay, augmentation, a smaller last batch, evaluations.
const RUN: &[&str] = &["train", "--dataset", "synthetic", "--ks", "1,3", "--log-every", "1", "--quiet"];
/// Flags for the images of a run.
const IMAGES: &[&str] = &["--batch-size", "8", "--train-limit", "60", "--test-limit", "20"];

/// The paper's equations in float32, by the experiment that computes them: heat, linear in its three regimes, nonlinear. The kernels
/// are 6, 3 and 32 pixels wide.
const EQUATIONS: [(&str, &[&str]); 4] = [
    ("fig1", &["--points", "11"]),
    ("fig3", &["--size", "12", "--kernel", "6", "--dt", "0.0003", "--alpha", "300,500,6500,7000", "--steps", "120"]),
    ("table3", &["--size", "12", "--kernel", "3", "--points", "6", "--steps", "400"]),
    ("fig4", &["--size", "40", "--dt", "0.03,0.07,0.13", "--steps", "150", "--points", "24"]),
];

fn listed() -> Vec<Value> {
    serde_json::from_str(&lastbit(&["adapters", "--json"]).out).unwrap()
}

/// Mesa's software GPU, as a value of `--adapter`.
fn llvmpipe() -> Option<String> {
    let names = listed().into_iter().map(|adapter| adapter["name"].as_str().unwrap().to_owned());
    names.into_iter().find(|name| name.contains("llvmpipe"))
}

/// The instruction sets of this machine, as values of `LASTBIT_INSTRUCTIONS`.
fn instruction_sets() -> Vec<&'static str> {
    let is_here = |isa: &&str| {
        let ended: Ended =
            command(["smoke", "--adapter", "processor"]).env("LASTBIT_INSTRUCTIONS", isa).output().unwrap().into();
        let is_absent = ended.code == Some(2) && ended.err.contains(&format!("has no {isa} instructions"));
        assert!(is_absent || ended.code == Some(0), "{ended:?}");
        !is_absent
    };
    let here: Vec<_> = ["avx512", "avx2", "neon", "plain"].into_iter().filter(is_here).collect();
    assert!(here.contains(&"plain"), "plain Rust must run on every machine");
    here
}

fn run(flags: &[&str], out: &Path, variables: &[(&str, &str)]) {
    let arguments = [RUN, flags, &["--out", text(out)]].concat();
    let ended: Ended = command(&arguments).envs(variables.iter().copied()).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
}

/// Flags of ResNet-8 with half the width, for `steps` steps.
fn resnet8<'a>(adapter: &'a str, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let net = ["--net", "resnet8", "--width", "0.5", "--adapter", adapter, "--steps", steps];
    [&net[..], IMAGES, more].concat()
}

#[test]
fn a_software_gpu_writes_the_files_of_the_separate_class() {
    let Some(gpu) = llvmpipe() else {
        return skip("whole runs on the processor against llvmpipe (install Mesa's Vulkan drivers)");
    };
    let home = scratch("processor-gpu");
    let one_image = ["--batch-size", "1", "--train-limit", "1", "--test-limit", "1"];
    // The published runs, which a software GPU finds too, are of every network (core's `processor/fingerprints.rs`).
    let nets: [(&str, &[&str], &[&str]); 3] = [
        ("resnet8", &["--net", "resnet8", "--width", "0.5", "--activation", "swish"], IMAGES),
        ("vgg11", &["--net", "vgg11", "--width", "0.25"], IMAGES),
        ("one-layer", &["--net", "one-layer"], &one_image),
    ];
    for (name, net, images) in nets {
        let folders = [("processor", "processor:separate"), ("gpu", &gpu)].map(|(kind, adapter)| {
            let out = home.join(format!("{name}-{kind}"));
            run(&[net, images, &["--steps", "10", "--adapter", adapter]].concat(), &out, &[]);
            out
        });
        assert_equal_runs(&folders[0], &folders[1], &[10]);
    }
}

/// Computes an equation and returns its tables, figures and the values of its pieces by file name. The pieces' seals are left out,
/// because they name the adapter.
fn equation(name: &str, flags: &[&str], out: &Path, variables: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let arguments = [&["reproduce", name, "--quick", "--quiet"], flags, &["--out", text(out)]].concat();
    let ended: Ended = command(&arguments).envs(variables.iter().copied()).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    let listed =
        |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let has_numbers =
        |path: &Path| ["csv", "svg"].iter().any(|kind| path.extension().is_some_and(|found| found == *kind));
    let tables = listed(out).into_iter().filter(|path| has_numbers(path));
    let named = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        (path.strip_prefix(out).unwrap().display().to_string(), bytes)
    };
    let pieces = listed(&out.join("pieces")).into_iter().map(|path| {
        let (name, bytes) = named(&path);
        let (_, value) = std::str::from_utf8(&bytes).unwrap().split_once("\"value\":").unwrap();
        (name, value.as_bytes().to_vec())
    });
    tables.map(|path| named(&path)).chain(pieces).collect()
}

fn assert_equal_files(name: &str, a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert!(a.keys().eq(b.keys()) && !a.is_empty(), "{name}: {:?} against {:?}", a.keys(), b.keys());
    let different: Vec<_> = a.keys().filter(|file| a[*file] != b[*file]).collect();
    assert!(different.is_empty(), "{name}: these differ: {different:?}");
}

#[test]
fn equations_on_a_software_gpu_write_the_files_of_the_separate_class() {
    let Some(gpu) = llvmpipe() else {
        return skip("equations on the processor against llvmpipe (install Mesa's Vulkan drivers)");
    };
    let home = scratch("processor-equations-gpu");
    for (name, flags) in EQUATIONS {
        let [processor, software] = [("processor", "processor:separate"), ("gpu", &gpu)].map(|(kind, adapter)| {
            equation(name, &[flags, &["--adapter", adapter]].concat(), &home.join(format!("{name}-{kind}")), &[])
        });
        assert_equal_files(name, &processor, &software);
    }
}

#[test]
fn threads_and_instruction_sets_change_no_bit_of_an_equation() {
    let home = scratch("processor-equations-same");
    let instruction_sets = instruction_sets();
    for (name, flags) in EQUATIONS {
        let at = |kind: &str, more: &[&str], variables: &[(&str, &str)]| {
            let flags = [flags, &["--adapter", "processor"], more].concat();
            equation(name, &flags, &home.join(format!("{name}-{kind}")), variables)
        };
        let reference = at("reference", &[], &[]);
        for threads in ["1", "2", "7"] {
            assert_equal_files(name, &reference, &at(threads, &["--threads", threads], &[]));
        }
        for isa in &instruction_sets {
            assert_equal_files(name, &reference, &at(isa, &[], &[("LASTBIT_INSTRUCTIONS", isa)]));
        }
    }
}

#[test]
fn threads_and_instruction_sets_change_no_bit() {
    let home = scratch("processor-same");
    let instruction_sets = instruction_sets();
    for (class, adapter) in [("fused", "processor"), ("separate", "processor:separate")] {
        let reference = home.join(class);
        run(&resnet8(adapter, "10", &[]), &reference, &[]);
        for threads in ["1", "2", "3", "7"] {
            let out = home.join(format!("{class}-{threads}"));
            run(&resnet8(adapter, "10", &["--threads", threads]), &out, &[]);
            assert_equal_runs(&reference, &out, &[10]);
        }
        for isa in &instruction_sets {
            let out = home.join(format!("{class}-{isa}"));
            run(&resnet8(adapter, "10", &[]), &out, &[("LASTBIT_INSTRUCTIONS", isa)]);
            assert_equal_runs(&reference, &out, &[10]);
        }
    }
    // The two classes have different bits.
    let [fused, separate] =
        ["fused", "separate"].map(|class| std::fs::read(home.join(class).join("metrics.jsonl")).unwrap());
    assert_ne!(fused, separate);
}

#[test]
fn a_run_resumes_with_other_threads_and_instructions() {
    let home = scratch("processor-resume");
    let (whole, parts) = (home.join("whole"), home.join("parts"));
    let checkpoints = ["--checkpoint-every", "5steps"];
    run(&resnet8("processor", "20", &checkpoints), &whole, &[]);
    run(&resnet8("processor", "10", &[&checkpoints[..], &["--threads", "1"]].concat()), &parts, &[]);
    let rest = ["train", "--resume", "--steps", "20", "--threads", "3", "--quiet", "--out", text(&parts)];
    let ended: Ended = command(rest).env("LASTBIT_INSTRUCTIONS", "plain").output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_equal_runs(&whole, &parts, &[20]);
}

#[test]
fn a_run_is_verified_on_its_own_adapter() {
    let out = scratch("processor-verify").join("run");
    let arguments = [SMALL, &["--steps", "3", "--out", text(&out)]].concat();
    let ended: Ended = command(arguments).env("LASTBIT_ADAPTER", "processor:separate").output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let verified = |variable: Option<&str>| -> Ended {
        let mut verify = command(["verify", text(&out)]);
        match variable {
            Some(adapter) => verify.env("LASTBIT_ADAPTER", adapter),
            None => verify.env_remove("LASTBIT_ADAPTER"),
        };
        verify.output().unwrap().into()
    };
    let ended = verified(None);
    assert!(ended.code == Some(0) && ended.out.contains("on 'processor:separate'"), "{ended:?}");
    // The manifest names the adapter, so its index may change.
    let config = std::fs::read_to_string(out.join("config.toml")).unwrap();
    std::fs::write(out.join("config.toml"), format!("adapter = \"7\"\n{config}")).unwrap();
    let ended = verified(None);
    assert!(ended.code == Some(0) && ended.out.contains("on 'processor:separate'"), "{ended:?}");
    let ended = verified(Some("processor"));
    assert!(
        ended.code == Some(1) && ended.err.contains("the adapter ('processor:separate', now 'processor')"),
        "{ended:?}"
    );
}

#[test]
fn adapters_of_one_class_continue_and_verify_each_others_runs() {
    let Some(llvmpipe) = llvmpipe() else {
        skip("a run that continues on another adapter of its class (no llvmpipe: install Mesa's Vulkan drivers)");
        return;
    };
    let home = scratch("processor-class");
    let (whole, out) = (home.join("whole"), home.join("parts"));
    let on = |adapter: &str, steps: &str, out: &Path, more: &[&str]| {
        let flags = ["--checkpoint-every", "2steps", "--steps", steps, "--adapter", adapter, "--out", text(out)];
        lastbit(&[SMALL, &flags, more].concat())
    };
    let ended = on("processor:separate", "6", &whole, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(on("processor:separate", "4", &out, &[]).code, Some(0));
    // Another class has other bits, and is refused before a file changes.
    let refused = on("processor", "6", &out, &["--resume"]);
    assert_refused(
        &refused,
        2,
        &["the adapter ('processor:separate', now 'processor')", "the class ('separate', now 'fused')"],
    );
    let ended = on(&llvmpipe, "6", &out, &["--resume"]);
    assert!(ended.code == Some(0) && !ended.err.contains("may differ"), "{ended:?}");
    assert_equal_runs(&whole, &out, &[4, 6]);
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let change = &manifest["changes"][0];
    assert_eq!((&change["from_step"], &change["environment"]["adapter"]), (&4.into(), &llvmpipe.as_str().into()));

    let class = "class separate, version ";
    let ended = lastbit(&["verify", text(&whole), "--adapter", &llvmpipe]);
    assert!(ended.code == Some(0) && ended.err.is_empty() && ended.out.contains(class), "{ended:?}");
    let ended = lastbit(&["verify", text(&whole), "--adapter", "processor"]);
    let warned = "the class ('separate', now 'fused') changed: equal bits are no longer promised";
    assert!(ended.code == Some(1) && ended.err.contains(warned) && ended.err.contains("does not replay"), "{ended:?}");
    let ended = lastbit(&["compare", text(&whole), text(&out)]);
    assert!(ended.code == Some(0) && ended.out.contains(&format!("comparable bit by bit: {class}")), "{ended:?}");
    assert!(!ended.out.contains("environment:") && !ended.out.contains("finding"), "{ended:?}");

    let fused = home.join("fused");
    assert_eq!(on("processor", "6", &fused, &[]).code, Some(0));
    let ended = lastbit(&["compare", text(&whole), text(&fused)]);
    let why = "not comparable bit by bit: they belong to the classes separate and fused: equal bits are not promised";
    assert!(ended.code == Some(1) && ended.out.contains(why), "{ended:?}");

    // As if both were of one class: the difference is a finding.
    let path = fused.join("manifest.json");
    let lie = std::fs::read_to_string(&path).unwrap().replace("\"class\": \"fused\"", "\"class\": \"separate\"");
    std::fs::write(&path, with_checksum(&lie)).unwrap();
    let ended = lastbit(&["compare", text(&whole), text(&fused)]);
    assert!(ended.code == Some(1) && ended.out.contains("so a difference is a finding"), "{ended:?}");
    let ended = lastbit(&["verify", text(&fused), "--adapter", "processor:separate"]);
    assert!(ended.code == Some(1) && ended.err.contains("equal bits are promised"), "{ended:?}");

    // A run of an earlier version does not name its class.
    let path = whole.join("manifest.json");
    let text_of = std::fs::read_to_string(&path).unwrap();
    let is_new =
        |line: &&str| ["\"class\"", "\"subnormals\"", "\"order_version\""].iter().any(|key| line.contains(key));
    assert_eq!(text_of.lines().filter(is_new).count(), 3);
    let old: Vec<&str> = text_of.lines().filter(|line| !is_new(line)).collect();
    let old = format!("{}\n", old.join("\n")).replace("\"software\": true,", "\"software\": true");
    std::fs::write(&path, with_checksum(&old)).unwrap();
    let ended = lastbit(&["verify", text(&whole)]);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    let ended = lastbit(&["compare", text(&whole), text(&out)]);
    assert!(
        ended.code == Some(0) && ended.out.contains("the class of 'processor:separate' is not recorded"),
        "{ended:?}"
    );
    assert_eq!(lastbit(&["report", text(&whole)]).code, Some(0));
    assert!(std::fs::read_to_string(whole.join("report.html")).unwrap().contains("not recorded"));
}

#[test]
fn the_control_turns_red() {
    let out = scratch("processor-lamp").join("run");
    let flags = ["--steps", "4", "--adapter", "processor", "--flip-bit", "conv1.weight:0:2:2", "--out", text(&out)];
    let ended = lastbit(&[SMALL, &flags].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("THE CONTROL IS RED since step 2"), "{ended:?}");
}

#[test]
fn the_processor_is_listed_with_its_class_and_threads() {
    let listed = listed();
    for (name, class) in [("processor", "fused"), ("processor:separate", "separate")] {
        let adapter = listed.iter().find(|adapter| adapter["name"] == name).unwrap();
        assert_eq!(adapter["driver"], class);
        assert_eq!((&adapter["class"], &adapter["subnormals"]), (&class.into(), &"kept".into()));
        assert!(adapter["detail"].as_str().unwrap().contains("thread"), "{adapter}");
    }
    let one = lastbit(&["adapters", "--threads", "1"]);
    assert!(one.out.contains("1 thread ") || one.out.contains("1 thread\n"), "{one:?}");
    // A GPU comes before the processor, a software GPU after it.
    let place = |is_wanted: &dyn Fn(&Value) -> bool| listed.iter().position(is_wanted);
    let processor = place(&|adapter| adapter["family"] == "processor").unwrap();
    assert!(place(&|adapter| adapter["family"] == "software-gpu").is_none_or(|software| software > processor));
    assert!(place(&|adapter| adapter["family"] == "gpu").is_none_or(|gpu| gpu < processor));
}

#[test]
fn bad_values_are_one_line() {
    let home = scratch("processor-refused");
    let out = home.join("run");
    let at = |flags: &[&str]| lastbit(&[SMALL, flags, &["--out", text(&out)]].concat());
    assert_refused(&at(&["--threads", "0"]), 2, &["--threads", "1 to 1024"]);
    assert_refused(&at(&["--threads", "many"]), 2, &["--threads", "1 to 1024"]);
    assert_refused(
        &at(&["--adapter", "processor:sloppy"]),
        2,
        &["--adapter", "processor:sloppy", "'processor:separate'"],
    );
    let with = |isa: &str| -> Ended {
        let arguments = [SMALL, &["--adapter", "processor", "--out", text(&out)]].concat();
        command(arguments).env("LASTBIT_INSTRUCTIONS", isa).output().unwrap().into()
    };
    assert_refused(&with("sse9"), 2, &["LASTBIT_INSTRUCTIONS", "sse9", "avx512", "plain"]);
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx512" };
    assert_refused(&with(foreign), 2, &["LASTBIT_INSTRUCTIONS", foreign, "plain"]);
    let listed: Ended = command(["adapters"]).env("LASTBIT_INSTRUCTIONS", foreign).output().unwrap().into();
    assert_refused(&listed, 2, &["LASTBIT_INSTRUCTIONS", foreign, "plain"]);
    // 64 replicas of VGG16 at batch 2000 need more memory than any machine has.
    let ks = vec!["1"; 64].join(",");
    let large = ["train", "--net", "vgg16", "--dataset", "synthetic", "--batch-size", "2000", "--ks", &ks];
    let ended = lastbit(&[&large[..], &["--adapter", "processor", "--out", text(&out)]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("memory") && ended.err.contains("--batch-size"), "{ended:?}");
    assert!(!out.exists());
}

//! Two adapters of different makes: this machine's first one, and SwiftShader, which comes with Chromium. `cargo xtask test`
//! finds SwiftShader and runs these tests; no one else needs it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Ended, FIG2, SMALL, assert_equal_runs, assert_refused, command, copy_folder, scratch, text};

/// The variable that names SwiftShader's manifest for Vulkan's loader.
const DRIVER: &str = "LASTBIT_SWIFTSHADER";

/// Runs the program with both drivers available.
fn lastbit(arguments: &[&str]) -> Ended {
    let file = std::env::var(DRIVER).unwrap_or_else(|_| panic!("set {DRIVER} to Chromium's vk_swiftshader_icd.json"));
    let mut command = command(arguments);
    // SwiftShader is added to the drivers that the loader finds, or that its variable names.
    if let Ok(others) = std::env::var("VK_DRIVER_FILES") {
        command.env("VK_DRIVER_FILES", format!("{others}:{file}"));
    }
    command.env("VK_ADD_DRIVER_FILES", &file).output().unwrap().into()
}

/// An adapter: its index for `--adapter`, and its name.
struct Adapter {
    index: String,
    name: String,
}

/// SwiftShader, and the first adapter of another make.
fn adapters() -> [Adapter; 2] {
    let listed: Vec<Value> = serde_json::from_str(&lastbit(&["adapters", "--json"]).out).unwrap();
    let names: Vec<&str> = listed.iter().map(|adapter| adapter["name"].as_str().unwrap()).collect();
    let find = |is_wanted: bool| {
        let index = names.iter().position(|name| name.contains("SwiftShader") == is_wanted);
        let index = index.unwrap_or_else(|| panic!("there are not two makes of adapters: {names:?}"));
        Adapter { index: index.to_string(), name: names[index].to_owned() }
    };
    [find(true), find(false)]
}

fn succeeds(arguments: &[&str]) -> Ended {
    let ended = lastbit(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended
}

fn manifest(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap()
}

/// The command line of the small run with a network of few kernels, because SwiftShader compiles them anew for every program.
fn small<'a>(ks: &'a str, flags: &[&'a str], out: &'a Path) -> Vec<&'a str> {
    let sizes = &SMALL[3..SMALL.len() - 1];
    [&["train", "--net", "mlp1"], sizes, &[ks, "--checkpoint-every", "2steps"], flags, &["--out", text(out)]].concat()
}

#[test]
#[ignore = "needs SwiftShader: `cargo xtask test` runs it"]
fn parts_on_two_makes_warn_and_keep_their_adapters() {
    let home = scratch("drivers-parts");
    let (out, both) = (home.join("out"), adapters());
    let [a, b] = both.each_ref().map(|adapter| adapter.index.as_str());
    let (there, exchanged) = (format!("{a},{b}"), format!("{b},{a}"));
    let ended = succeeds(&small("1,3,2", &["--steps", "4", "--adapters", &there], &out));
    let warned = "the reference of part 1 has other bits than that of part 0 from step 1 on";
    assert!(ended.err.contains(warned) && !ended.out.contains("same bits on all"), "{ended:?}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("several references") && both.iter().all(|adapter| page.contains(&adapter.name)));

    // Each part replays on its own adapter only.
    let parts = ["part-0", "part-1"].map(|part| out.join(part));
    parts.iter().for_each(|part| drop(succeeds(&["verify", text(part)])));
    let ended = lastbit(&["verify", text(&parts[0]), "--adapter", b]);
    let change = format!("the adapter ('{}', now '{}') changed", both[0].name, both[1].name);
    assert!(ended.code == Some(1) && ended.err.contains(&change) && ended.err.contains("does not replay"), "{ended:?}");

    // Exchanged adapters are refused before any file changes.
    let before = home.join("before");
    copy_folder(&out, &before);
    let line = small("1,3,2", &["--steps", "6", "--resume", "--adapters", &exchanged], &out);
    assert_refused(&lastbit(&line), 2, &["part ", "stopped after step 4", "the adapter ('", "--allow-changed"]);
    assert_eq!(fs::read(before.join("parts.toml")).unwrap(), fs::read(out.join("parts.toml")).unwrap());
    parts.iter().for_each(|part| assert_equal_runs(&before.join(part.file_name().unwrap()), part, &[2, 4]));

    // With --allow-changed, each part records which adapter computed which steps.
    let ended = succeeds(&[&line[..], &["--allow-changed"]].concat());
    assert!(ended.err.contains("part 0: the run was made by") && ended.err.contains("part 1: the run was made by"));
    for (part, (was, is)) in parts.iter().zip([(&both[0], &both[1]), (&both[1], &both[0])]) {
        let manifest = manifest(part);
        assert_eq!(manifest["environment"]["adapter"], *was.name);
        assert_eq!(manifest["changes"][0]["from_step"], 4);
        assert_eq!(manifest["changes"][0]["environment"]["adapter"], *is.name);
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(both.iter().all(|adapter| page.contains(&format!("; from step 5 on {}", adapter.name))));
}

#[test]
#[ignore = "needs SwiftShader: `cargo xtask test` runs it"]
fn a_run_resumed_elsewhere_replays_piece_by_piece() {
    let home = scratch("drivers-run");
    let (out, first, [a, b]) = (home.join("out"), home.join("first"), adapters());
    let line = |flags: &[&str]| lastbit(&small("1,3", flags, &out));
    assert_eq!(line(&["--steps", "4", "--adapter", &a.index]).code, Some(0));
    copy_folder(&out, &first);
    let longer = ["--steps", "6", "--resume", "--adapter", &b.index];
    assert_refused(&line(&longer), 2, &["--resume", "the adapter ('", &a.name, &b.name, "--allow-changed"]);
    assert_equal_runs(&first, &out, &[2, 4]);
    let ended = line(&[&longer[..], &["--allow-changed"]].concat());
    assert!(ended.code == Some(0) && ended.err.contains("its bits may differ from here on"), "{ended:?}");

    let verify = |flags: &[&str]| lastbit(&[&["verify", text(&out)], flags].concat());
    let ended = verify(&[]);
    let change = format!("the adapter of the steps from 5 on ('{}', now '{}') changed", b.name, a.name);
    assert!(ended.code == Some(1) && ended.err.contains(&change), "{ended:?}");
    let ended = verify(&["--adapter", &b.index]);
    let change = format!("the adapter of steps 1 to 4 ('{}', now '{}') changed", a.name, b.name);
    assert!(ended.code == Some(1) && ended.err.contains(&change), "{ended:?}");
    // Each piece replays on the adapter that computed it.
    for steps in ["1..4", "5..6"] {
        let ended = verify(&["--steps", steps]);
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{steps}: {ended:?}");
    }
    // The steps that both runs have were computed on the same adapter.
    let compared = |x: &Path, y: &Path, code: i32| {
        let ended = lastbit(&["compare", text(x), text(y)]);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        ended.out
    };
    let output = compared(&first, &out, 0);
    assert!(output.contains("every bit that both runs have") && !output.contains("environment:"), "{output}");
    let longer = home.join("longer");
    succeeds(&small("1,3", &["--steps", "6", "--adapter", &a.index], &longer));
    let output = compared(&longer, &out, 1);
    let change = format!("the adapter of the steps from 5 on ('{}', now '{}')", a.name, b.name);
    assert!(output.contains(&change) && output.contains("the first line that differs is of step 5"), "{output}");
}

#[test]
#[ignore = "needs SwiftShader: `cargo xtask test` runs it"]
fn a_reproduction_uses_one_make() {
    let home = scratch("drivers-reproduce");
    let (out, [a, b]) = (home.join("out"), adapters());
    let both = format!("{},{}", a.index, b.index);
    let line = [FIG2, &["--adapters", &both, "--out", text(&out)]].concat();
    assert_refused(&lastbit(&line), 2, &["--adapters", &a.name, &b.name, "not of one make"]);
    assert!(!out.exists(), "a refused command left files behind");
    let on = |adapter: &Adapter| {
        lastbit(&["reproduce", "fig1", "--quick", "--adapter", &adapter.index, "--out", text(&out)])
    };
    assert_eq!(on(&a).code, Some(0));
    assert_refused(&on(&b), 2, &["--adapter", "was begun by", &a.name, &b.name]);
}

//! `verify` and `compare`: a sound run replays, and every change is named by step, tensor and element.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{SMALL, assert_refused, copy_folder, lastbit, scratch, text, train};

fn verify(run: &Path, flags: &[&str]) -> (Option<i32>, Value, String) {
    let ended = lastbit(&[&["verify", text(run), "--json"], flags].concat());
    let found = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.code, found, ended.err)
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no '{from}' in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_run_is_replayed_from_its_start_or_a_checkpoint() {
    let home = scratch("verify");
    let run = home.join("run");
    // Step 8 ends an epoch, and an evaluation follows.
    train(&["--steps", "12", "--checkpoint-every", "5steps", "--keep-checkpoints", "9"], &run);
    let (code, found, err) = verify(&run, &[]);
    assert!(code == Some(0) && err.is_empty(), "{found} {err}");
    assert_eq!((&found["equal"], &found["first_step"], &found["last_step"]), (&true.into(), &1.into(), &12.into()));
    assert_eq!(found["checkpoints"], serde_json::json!([5, 10, 12]));
    assert_eq!((&found["lines"], &found["fingerprints"]), (&(12 + 36 + 2).into(), &36.into()));
    let (code, found, _) = verify(&run, &["--steps", "7..9"]);
    assert_eq!((code, &found["first_step"], &found["last_step"]), (Some(0), &6.into(), &9.into()), "{found}");
    let ended = lastbit(&["verify", text(&run), "--steps", "11..12"]);
    assert!(
        ended.out.contains("verified: every bit is the same") && ended.out.contains("from step 11 on"),
        "{ended:?}"
    );
    for (flags, parts) in [
        (["--steps", "9..7"], ["--steps", "9..7"]),
        (["--steps", "x"], ["--steps", "A..B"]),
        (["--steps", "40..50"], ["--steps", "steps 1 to 12, not step 50: give steps up to 12"]),
        (["--steps", "10..99"], ["--steps", "steps 1 to 12, not step 99: give steps up to 12"]),
        (["--steps", "10..13"], ["--steps", "steps 1 to 12, not step 13: give steps up to 12"]),
        (["--adapter", "no-such-gpu"], ["--adapter", "no-such-gpu"]),
    ] {
        assert_refused(&lastbit(&[&["verify", text(&run)], &flags[..]].concat()), 2, &parts);
    }
    assert_refused(&lastbit(&["verify", text(&home)]), 2, &["holds no run"]);

    // A run whose config no longer names the fault that was injected.
    let flipped = home.join("flipped");
    let flags = ["--steps", "12", "--checkpoint-every", "5steps", "--keep-checkpoints", "9"];
    train(&[&flags[..], &["--flip-bit", "layer2.0.conv1.weight:17:7:1"]].concat(), &flipped);
    assert_eq!(verify(&flipped, &[]).0, Some(0), "it does not replay with the fault");
    replace(&flipped.join("config.toml"), "flip-bit = \"layer2.0.conv1.weight:17:7:1\"\n", "");
    let (code, found, err) = verify(&flipped, &[]);
    assert_eq!((code, &found["line"]["step"], &found["state"]["step"]), (Some(1), &7.into(), &10.into()), "{found}");
    assert!(found["state"]["replica"] == 1 && found["state"]["tensor"] == "conv1.weight", "{found}");
    assert!(err.contains("at step 7, ") && err.contains("replica 1 (k = 3), conv1.weight[0] is "), "{err}");
    assert!(err.contains("config.toml: flip-bit is not set and was"), "{err}");
    // The steps after a checkpoint that follows the fault are the same, but the config still differs.
    let (code, found, err) = verify(&flipped, &["--steps", "11..12"]);
    assert!(code == Some(1) && found["line"].is_null() && found["state"].is_null(), "{found} {err}");
}

#[test]
fn what_was_changed_is_named() {
    let home = scratch("tampered");
    let whole = home.join("whole");
    train(&["--steps", "6", "--checkpoint-every", "4steps"], &whole);
    let tampered = |name: &str, change: &dyn Fn(&Path)| {
        let run = home.join(name);
        copy_folder(&whole, &run);
        change(&run);
        let (code, found, err) = verify(&run, &[]);
        assert!(code == Some(1) && found["equal"] == false && err.starts_with("error: "), "{name}: {found} {err}");
        (found, err)
    };
    let (found, _) = tampered("line", &|run| {
        replace(&run.join("metrics.jsonl"), "\"step\":3,\"epoch\":0,\"lr\":0.1", "\"step\":3,\"epoch\":0,\"lr\":0.2");
    });
    assert_eq!((&found["line"]["step"], &found["line"]["what"]), (&3.into(), &"lr is 0.2 and 0.1".into()), "{found}");
    let (found, err) = tampered("cut", &|run| {
        let path = run.join("metrics.jsonl");
        let lines = fs::read_to_string(&path).unwrap();
        let kept = lines.find("{\"kind\":\"step\",\"step\":4,").unwrap();
        fs::write(path, &lines[..kept]).unwrap();
    });
    // The states are compared even so.
    assert_eq!((&found["last_step"], &found["checkpoints"]), (&3.into(), &serde_json::json!([4, 6])), "{found}");
    assert!(err.contains("checkpoint of step 4 is ahead of metrics.jsonl, which ends at step 3"), "{err}");
    let (_, err) = tampered("damaged", &|run| {
        let path = run.join("checkpoint/step-000004/r0-k1.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(err.contains("step-000004") && err.contains("SHA-256"), "{err}");
    let (found, err) = tampered("start", &|run| {
        let path = run.join("init.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[header] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(found["state"]["step"] == 0 && err.contains("at the start, "), "{found} {err}");
    let (_, err) = tampered("seed", &|run| replace(&run.join("config.toml"), "seed = 1", "seed = 2"));
    assert!(err.contains("at the start, conv1.weight[0] is "), "{err}");
}

#[test]
fn two_runs_are_compared() {
    let home = scratch("compare");
    let run = |name: &str, flags: &[&str]| {
        let out = home.join(name);
        train(&[&["--steps", "6", "--checkpoint-every", "3steps"], flags].concat(), &out);
        out
    };
    let (a, b, c, d) =
        (run("a", &[]), run("b", &[]), run("c", &["--flip-bit", "conv1.weight:3:2:0"]), run("d", &["--lr", "0.2"]));
    let compare = |x: &Path, y: &Path| -> Value {
        let ended = lastbit(&["compare", text(x), text(y), "--json"]);
        let found: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        // The exit codes are those of cmp and diff.
        let code = if found["equal"] == true { 0 } else { 1 };
        assert!(ended.code == Some(code) && ended.err.is_empty(), "{ended:?}");
        found
    };
    let equal = compare(&a, &b);
    assert!(equal["equal"] == true && equal["steps"] == 6 && equal["fingerprints"] == 18, "{equal}");
    assert_eq!(equal["last_equal_fingerprint"], 6);
    let page = fs::read_to_string(a.join("compare.html")).unwrap();
    assert!(page.contains("lamp green") && page.contains("Both runs have the same bits."), "{page}");
    roxmltree::Document::parse_with_options(&page, roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() })
        .unwrap();

    // A line that cannot be read is not equal. The lines after it are still compared.
    let torn = home.join("torn");
    copy_folder(&b, &torn);
    replace(&torn.join("metrics.jsonl"), "{\"kind\":\"step\",\"step\":2,", "{\"kind\":step\",\"step\":2,");
    let found = compare(&a, &torn);
    assert_eq!((&found["equal"], &found["damaged_lines"]), (&false.into(), &serde_json::json!([0, 1])), "{found}");
    assert!(found["line"].is_null() && found["steps"] == 5 && found["fingerprints"] == 18, "{found}");
    let ended = lastbit(&["compare", text(&a), text(&torn)]);
    assert!(
        ended.out.contains("torn' has 1 line that cannot be read") && !ended.out.contains("is the same"),
        "{ended:?}"
    );
    assert!(fs::read_to_string(a.join("compare.html")).unwrap().contains("something is missing or damaged"));

    let apart = compare(&a, &c);
    assert_eq!(
        (&apart["equal"], &apart["last_equal_fingerprint"], &apart["line"]["step"]),
        (&false.into(), &1.into(), &2.into())
    );
    // At the common start no bit differs. By the first common checkpoint the injected difference has spread.
    assert_eq!(apart["states"][0]["elements"], 0);
    let state = &apart["states"][1];
    assert!(state["step"] == 3 && state["replica"] == 0 && state["tensor"] == "conv1.weight", "{apart}");
    assert!(state["rel_l1"].as_f64().unwrap() > 0.0 && state["elements"].as_u64().unwrap() > 1, "{apart}");
    let ended = lastbit(&["compare", text(&a), text(&c), "--out", text(&home.join("page.html"))]);
    assert!(ended.out.contains("first line that differs is of step 2") && ended.out.contains("page.html"), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let page = fs::read_to_string(home.join("page.html")).unwrap();
    assert!(page.contains("lamp red") && page.contains("conv1.weight"), "{page}");

    assert_eq!(compare(&a, &d)["different_keys"], serde_json::json!(["lr"]));
    let other = home.join("other");
    let line = [&SMALL[..SMALL.len() - 1], &["1,3", "--steps", "1", "--out", text(&other)]].concat();
    assert_eq!(lastbit(&line).code, Some(0));
    assert_refused(&lastbit(&["compare", text(&a), text(&other)]), 2, &["--ks", "one experiment"]);
    assert_refused(&lastbit(&["compare", text(&a), text(&home)]), 2, &["holds no run"]);
}

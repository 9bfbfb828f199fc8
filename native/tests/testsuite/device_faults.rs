//! Faults of a device: it is lost, another one continues a run, its driver breaks a promise, its numbers stop being finite. The tests
//! of the command line run these again on a software GPU.

use std::fs;

use crate::common::{self, SMALL, assert_equal_runs, assert_refused, lastbit, scratch, text, train};

#[test]
fn a_run_resumes_after_a_lost_device() {
    let home = scratch("lost");
    let (whole, lost) = (home.join("whole"), home.join("lost"));
    let flags = ["--steps", "14", "--checkpoint-every", "4steps"];
    train(&flags, &whole);
    let ended = lastbit(&[SMALL, &flags, &["--lose-device", "10", "--out", text(&lost)]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.lines().count() == 1 && ended.err.contains("lost") && ended.err.contains("--resume"),
        "{ended:?}"
    );
    assert!(lost.join("checkpoint/step-000008").is_dir());
    train(&["--resume"], &lost);
    assert_equal_runs(&whole, &lost, &[12, 14]);
}

#[test]
fn another_adapter_or_shader_has_to_be_allowed() {
    let home = scratch("changed");
    let out = home.join("run");
    let keep = ["--checkpoint-every", "2steps", "--keep-checkpoints", "9"];
    train(&[&["--steps", "4"], &keep[..]].concat(), &out);
    // As if another driver had made the run: the manifest is complete and names that driver.
    let path = out.join("manifest.json");
    let before = fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&before).unwrap();
    let environment = &manifest["environment"];
    let shaders = environment["shaders_sha256"].as_str().unwrap();
    let zero = "0".repeat(64);
    // Within one class another driver changes nothing.
    let [driver, class] = ["driver", "class"].map(|key| format!("\"{key}\": {}", environment[key]));
    let changed = before.replace(&driver, "\"driver\": \"another driver 1.2\"").replace(shaders, &zero);
    let changed = changed.replace(&class, "\"class\": \"neither\"");
    fs::write(&path, common::with_checksum(&changed)).unwrap();
    let line = [SMALL, &["--steps", "6", "--resume", "--out", text(&out)]].concat();
    assert_refused(
        &lastbit(&line),
        2,
        &[
            "the driver ('another driver 1.2', now '",
            "the shaders ('000",
            "the class ('neither', now '",
            "--allow-changed",
        ],
    );
    let ended = lastbit(&[&line[..], &["--allow-changed"]].concat());
    assert!(ended.code == Some(0) && ended.err.contains("its bits may differ"), "{ended:?}");
    let changes = || serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).unwrap()["changes"].clone();
    assert_eq!((&changes()[0]["from_step"], &changes()[1]), (&4.into(), &serde_json::Value::Null));

    // Every command names the steps that another driver computed.
    let whole = home.join("whole");
    train(&["--steps", "6"], &whole);
    let change = "the driver of steps 1 to 4 ('another driver 1.2', now '";
    let ended = lastbit(&["verify", text(&out)]);
    assert!(ended.code == Some(0) && ended.err.contains(change), "{ended:?}");
    let ended = lastbit(&["verify", text(&out), "--steps", "5..6"]);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    let ended = lastbit(&["compare", text(&out), text(&whole)]);
    assert!(ended.code == Some(0) && ended.out.contains(change), "{ended:?}");
    let page = fs::read_to_string(out.join("compare.html")).unwrap();
    assert!(page.contains("another driver 1.2; from step 5 on "), "the page does not name both drivers");

    // When a run goes back to an older checkpoint, the manifest's entries for the lost steps go back, too. A change that was accepted
    // once needs no flag again.
    for (gone, left) in [(&["step-000006"][..], 4), (&["step-000006", "step-000004"], 2)] {
        gone.iter().for_each(|step| fs::remove_dir_all(out.join("checkpoint").join(step)).unwrap());
        // Without its summary the run is not finished.
        fs::remove_file(out.join("summary.json")).unwrap();
        let ended = lastbit(&line);
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
        assert_eq!((&changes()[0]["from_step"], &changes()[1]), (&left.into(), &serde_json::Value::Null));
    }
    assert_equal_runs(&whole, &out, &[6]);
}

#[test]
fn a_driver_that_breaks_a_promise_is_named() {
    let home = scratch("broken");
    for (check, seen) in
        [("division", "quotients are wrong"), ("control", "k = 2"), ("tiles", "tiles of 2 rows"), ("loss", "known")]
    {
        let out = home.join(check);
        let line = [SMALL, &["--steps", "2", "--break-device", check, "--out", text(&out)]].concat();
        assert_refused(&lastbit(&line), 1, &["breaks a promise", check, seen, "--on-broken-device warn"]);
        assert!(!out.exists());
    }
    let out = home.join("warned");
    let ended = train(&["--steps", "2", "--break-device", "tiles", "--on-broken-device", "warn"], &out);
    assert!(ended.err.contains("warning: adapter") && ended.err.contains("the default tiles"), "{ended:?}");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert!(manifest["environment"]["broken"][0].as_str().unwrap().starts_with("tiles: "), "{manifest}");
    // Resuming on a sound adapter is a change.
    let line = [SMALL, &["--steps", "3", "--resume", "--out", text(&out)]].concat();
    assert_refused(&lastbit(&line), 2, &["the self-test", "--allow-changed"]);
}

/// Images are read while the adapter is tested. The error does not depend on which of them finishes first.
#[test]
fn bad_images_are_reported_before_a_broken_driver() {
    let home = scratch("bad-images");
    let (data, out) = (home.join("data"), home.join("run"));
    fs::create_dir(&data).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let label = if name == "data_batch_2" { 200 } else { 0 };
        fs::write(data.join(format!("{name}.bin")), [&[label][..], &[0; 3072]].concat()).unwrap();
    }
    for policy in ["refuse", "warn"] {
        let broken = ["--break-device", "tiles", "--on-broken-device", policy];
        let line = [&["train", "--data-dir", text(&data), "--out", text(&out)][..], &broken].concat();
        assert_refused(&lastbit(&line), 1, &["data_batch_2.bin", "label 200"]);
        assert!(!out.exists());
    }
}

#[test]
fn numbers_that_stop_being_finite_are_located() {
    let out = scratch("not-finite").join("run");
    let ended = train(&["--steps", "4", "--lr", "1e30"], &out);
    let warnings: Vec<_> = ended.err.lines().collect();
    assert_eq!(warnings.len(), 3, "each replica must have one warning: {ended:?}");
    for (replica, line) in warnings.iter().enumerate() {
        assert!(line.starts_with("warning: step ") && line.contains(&format!("replica {replica} (k = ")), "{line}");
        assert!(line.contains("layer 'bn1'") && line.contains("replicas continue"), "{line}");
    }
    // If no replica is finite, equal bits prove nothing.
    let lost = ended.out.lines().find(|line| line.starts_with("step 4/4")).unwrap();
    assert_eq!(lost.matches("rel_l1 not finite").count(), 2, "{lost}");
    assert!(lost.ends_with("control: cannot tell, the numbers are not finite"), "{lost}");
    assert!(!ended.out.contains("green") && ended.out.contains("\ncontrol: cannot tell"), "{ended:?}");
    let table: Vec<&str> = ended.out.lines().skip_while(|line| !line.starts_with("replica ")).skip(1).take(3).collect();
    assert!(table.iter().all(|row| row.matches("not finite").count() >= 4), "{table:?}");
    let summary = || {
        let bytes = fs::read(out.join("summary.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["control"].clone()
    };
    let control = summary();
    assert!(control["green"] == false && control["not_finite"] == true && control["first_red_step"].is_null());
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("Control not finite"));

    // A resumed run names the step at which it happened, not the step at which it is noticed again.
    let first = |line: &&str| line.split(':').nth(1).unwrap().to_owned();
    let resumed = train(&["--steps", "6", "--lr", "1e30", "--resume"], &out);
    let again: Vec<_> = resumed.err.lines().collect();
    assert_eq!(again.iter().map(first).collect::<Vec<_>>(), warnings.iter().map(first).collect::<Vec<_>>());
    assert!(again.iter().all(|line| line.contains(", at step 5 first in layer '")), "{resumed:?}");
    assert_eq!(lastbit(&["verify", text(&out)]).code, Some(0));
}

#[test]
fn weights_that_are_lost_in_the_last_step_are_reported() {
    let out = scratch("lost-last").join("run");
    let ended = train(&["--steps", "1", "--lr", "1e30", "--weight-decay", "3e38"], &out);
    let warnings: Vec<_> = ended.err.lines().collect();
    assert_eq!(warnings.len(), 3, "{ended:?}");
    for (replica, line) in warnings.iter().enumerate() {
        let start = format!("warning: after step 1 the weights of replica {replica} (k = ");
        assert!(line.starts_with(&start) && line.contains("not finite"), "{line}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("Whether k\u{a0}=\u{a0}3 left k\u{a0}=\u{a0}1 is unknown") && !page.contains("did not leave"),
        "the page calls the run healthy"
    );
    // Neither the table nor a chart shows a distance.
    assert!(!page.contains("0 ulp") && !page.contains(": 0 at step 1"), "the page has distances of lost replicas");
    assert!(page.contains("Control not finite") && !page.contains("relative L1 at step 1"));
}

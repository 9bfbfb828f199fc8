//! `lastbit reproduce` on the paper's equations and on precision: every experiment at a tiny size, resumed, and refused
//! where it must be.

use std::path::Path;

use roxmltree::{Document, ParsingOptions};
use serde_json::Value;

use crate::common::{assert_refused, lastbit, scratch, text};

const FIG1: &[&str] = &["reproduce", "fig1", "--quick", "--points", "11"];
/// dt and alpha are the published ones, scaled by the numbers of patches and of kernel elements.
const FIG3: &[&str] = &[
    "reproduce",
    "fig3",
    "--quick",
    "--size",
    "12",
    "--kernel",
    "6",
    "--dt",
    "0.0003",
    "--alpha",
    "300,500,6500,7000",
    "--steps",
    "120",
];
const TABLE2: &[&str] = &["reproduce", "table2", "--quick", "--size", "12", "--kernel", "6"];
const TABLE3: &[&str] =
    &["reproduce", "table3", "--quick", "--size", "12", "--kernel", "3", "--points", "6", "--steps", "400"];
const FIG4: &[&str] =
    &["reproduce", "fig4", "--quick", "--size", "40", "--dt", "0.03,0.07,0.13", "--steps", "150", "--points", "24"];
const PRECISION: &[&str] =
    &["reproduce", "precision", "--quick", "--dataset", "synthetic", "--batch-size", "4", "--steps", "5"];

fn reproduce(line: &[&str], out: &Path) {
    let ended = lastbit(&[line, &["--out", text(out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

fn verdict(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("verdict.json")).unwrap()).unwrap()
}

/// Checks that every claim holds, that page and figures are well-formed, and that `files` have content.
fn check(folder: &Path, files: &[&str]) {
    for claim in verdict(folder)["claims"].as_array().unwrap() {
        assert_eq!(claim["agrees"], "yes", "{claim}");
    }
    for file in files {
        let content = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        if file.ends_with(".svg") {
            Document::parse(&content).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(!content.contains("NaN") && !content.contains("inf"), "{file} has a coordinate that is not finite");
        } else {
            assert!(content.lines().count() > 2, "{file}: {content}");
        }
    }
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(&page, options).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn figure_1_and_the_same_command_again() {
    let out = scratch("equations-fig1").join("out");
    reproduce(FIG1, &out);
    check(
        &out,
        &["fig1.csv", "fig1-growth.csv", "fig1-edge.csv", "fig1-dt0.4.svg", "fig1-dt0.8.svg", "fig1-growth.svg"],
    );
    // Finished pieces are read, not repeated.
    let before = std::fs::read(out.join("report.html")).unwrap();
    let ended = lastbit(&[FIG1, &["--out", text(&out)]].concat());
    assert!(ended.code == Some(0) && !format!("{}{}", ended.out, ended.err).contains("edges"), "{ended:?}");
    assert_eq!(std::fs::read(out.join("report.html")).unwrap(), before);
    let other = lastbit(&["reproduce", "fig1", "--quick", "--points", "12", "--out", text(&out)]);
    assert_refused(&other, 2, &["--out"]);
}

#[test]
fn figure_3() {
    let home = scratch("equations-fig3");
    let out = home.join("out");
    reproduce(FIG3, &out);
    check(&out, &["fig3.csv", "fig3-growth.csv", "fig3-low.svg", "fig3-high.svg"]);
    // With as many steps as published, decaying kernels underflow and growing ones stop.
    let long: Vec<&str> = FIG3.iter().map(|word| if *word == "120" { "1000" } else { word }).collect();
    reproduce(&long, &home.join("long"));
    check(&home.join("long"), &["fig3.csv"]);
}

#[test]
fn tables_2_and_3() {
    let home = scratch("equations-tables");
    reproduce(TABLE2, &home.join("2"));
    check(&home.join("2"), &["table2.csv"]);
    reproduce(TABLE3, &home.join("3"));
    let figures = ["table3-activated.svg", "table3-transitioning.svg", "table3-not-activated.svg"];
    check(&home.join("3"), &[&["table3.csv", "table3-growth.csv"], &figures[..]].concat());
}

#[test]
fn figure_4() {
    let out = scratch("equations-fig4").join("out");
    reproduce(FIG4, &out);
    let figures =
        ["loss", "loss-first", "distance", "precision", "bifurcation", "lyapunov"].map(|f| format!("fig4-{f}.svg"));
    let data = ["fig4.csv", "fig4-steps.csv", "fig4-bifurcation.csv", "fig4-lyapunov.csv"];
    check(&out, &figures.iter().map(String::as_str).chain(data).collect::<Vec<_>>());
}

#[test]
fn precision() {
    let out = scratch("equations-precision").join("out");
    reproduce(PRECISION, &out);
    check_words(&out, "The first difference");
    for file in ["precision.csv", "precision-distance.svg", "precision-loss.svg"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    // The file has a row for each step, with the loss of k = 1 from the run's metrics.
    let metrics = std::fs::read_to_string(out.join("runs/float32/metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let losses = lines.filter(|line| line["kind"] == "step").map(|line| line["loss"][0].as_f64().unwrap());
    let data = std::fs::read_to_string(out.join("precision.csv")).unwrap();
    let rows = data.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().parse().unwrap());
    let rows: Vec<f64> = rows.collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows, losses.collect::<Vec<_>>());
}

#[test]
fn controls_that_are_not_finite_prove_nothing() {
    let home = scratch("equations-lost");
    let threshold = [
        &["reproduce", "threshold", "--quick", "--net", "resnet8", "--dataset", "synthetic", "--batch-size", "4"][..],
        &["--test-limit", "16", "--seeds", "1", "--scaled-time", "3e30", "--lr-min", "1e29", "--lr-max", "1e30"],
        &["--precision", "5"],
    ];
    let precision = [PRECISION, &["--lr", "1e30"]];
    for (line, about) in [(threshold.concat(), "The controls stay at zero"), (precision.concat(), "Null controls")] {
        let out = home.join(line[1]);
        reproduce(&line, &out);
        let verdict = verdict(&out);
        let claim = |about: &str| verdict["claims"].as_array().unwrap().iter().find(|claim| claim["about"] == about);
        let control = claim(about).unwrap_or_else(|| panic!("{verdict}"));
        assert_eq!(control["agrees"], "cannot tell", "{control}");
        assert!(control["found"].as_str().unwrap().contains("finite"), "{control}");
        if let Some(edge) = claim("A small enough rate removes the divergence") {
            let found = edge["found"].as_str().unwrap();
            assert!(found.contains("numbers stop being finite"), "{found}");
        }
    }
}

/// Checks that no claim is "no", and that the claim `about` is "yes". Five steps cannot decide growth and divergence.
fn check_words(folder: &Path, about: &str) {
    let verdict = verdict(folder);
    let claims = verdict["claims"].as_array().unwrap();
    assert!(claims.iter().all(|claim| claim["agrees"] != "no"), "{claims:?}");
    assert!(claims.iter().any(|claim| claim["about"] == about && claim["agrees"] == "yes"), "{claims:?}");
}

/// The agreement of the claims whose subject begins with `about`.
fn agreements(folder: &Path, about: &str) -> Vec<String> {
    let verdict = verdict(folder);
    let claims = verdict["claims"].as_array().unwrap().iter();
    let of_it = claims.filter(|claim| claim["about"].as_str().unwrap().starts_with(about));
    of_it.map(|claim| claim["agrees"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn experiments_beyond_the_formats_or_too_short_cannot_tell() {
    let home = scratch("equations-extremes");
    let run = |name: &str, line: &[&str], about: &str| {
        let out = home.join(name);
        reproduce(&[&["reproduce"], line].concat(), &out);
        // Again, from the kept pieces.
        reproduce(&[&["reproduce"], line].concat(), &out);
        agreements(&out, about)
    };
    // The growth is so steep that the run stops before the default measurement.
    assert_eq!(run("steep", &["fig1", "--quick", "--points", "11", "--dt", "3"], "dt 3"), ["yes"]);
    // At the start its highest mode consists of rounding errors.
    assert_eq!(run("steep-fine", &["fig1", "--quick", "--points", "1024", "--dt", "3"], "dt 3"), ["cannot tell"]);
    let small = ["--quick", "--size", "12", "--kernel", "6"];
    let fig3 = |rest: &[&'static str]| [&["fig3"], &small[..], rest].concat();
    assert_eq!(run("alpha", &fig3(&["--dt", "0.0003", "--alpha", "1e30"]), "alpha"), ["cannot tell"]);
    assert_eq!(run("dt", &fig3(&["--dt", "1e30", "--alpha", "500"]), "alpha"), ["cannot tell"]);
    // The growing modes are hidden by the rounding of the tent.
    assert_eq!(agreements(&home.join("steep-fine"), "The edge"), ["cannot tell"]);
    // On such a coarse grid the tent does not move.
    let coarse = ["fig1", "--quick", "--points", "11", "--dx", "100000", "--dt", "0.4"];
    assert_eq!(run("coarse", &coarse, "dt 0.4"), ["cannot tell"]);
    // The decaying modes are still visible after 20 steps.
    let short = fig3(&["--dt", "0.0003", "--alpha", "300,7000", "--steps", "20"]);
    assert_eq!(run("short", &short, "alpha"), ["cannot tell", "yes"]);
    let table2 = ["table2", "--quick", "--size", "12", "--kernel", "6", "--steps", "20"];
    assert_eq!(run("bounds", &table2, "alpha_m"), ["cannot tell", "yes"]);
    let slow = ["table3", "--size", "12", "--kernel", "3", "--points", "4", "--steps", "20"];
    assert_eq!(run("slow", &slow, "Transitioning"), ["cannot tell"]);
    let table3 = ["table3", "--size", "12", "--kernel", "3", "--points", "4", "--steps", "20", "--mean"];
    assert_eq!(run("mean", &[&table3[..], &["1e15"]].concat(), "Activated"), ["yes"]);
    let out = home.join("beyond");
    let beyond = [&["reproduce"], &table3[..], &["1e20", "--out", text(&out)]].concat();
    assert_refused(&lastbit(&beyond), 2, &["--mean", "3.4e38"]);
    let fig4 = ["fig4", "--quick", "--size", "40", "--points", "4"];
    let few = [&fig4[..], &["--dt", "0.01,0.07", "--steps", "20"]].concat();
    assert_eq!(run("few", &few, "dt 0.01"), ["cannot tell"]);
    assert_ne!(agreements(&home.join("few"), "Chaos"), ["no"]);
    assert_eq!(agreements(&home.join("few"), "dt 0.07"), ["cannot tell"]);
    // In float32 the replicas become equal again, and diverge later than in float64.
    let meeting = [&fig4[..], &["--dt", "0.05", "--seed", "3", "--steps", "400"]].concat();
    assert_eq!(run("meeting", &meeting, "Precision"), ["yes"]);
    let decaying = [&fig4[..], &["--dt", "0.001", "--alpha", "300", "--steps", "150"]].concat();
    assert_eq!(run("decaying", &decaying, "First period doubling"), ["cannot tell"]);
    assert!(agreements(&home.join("decaying"), "k = 3 against 1").is_empty());
}

#[test]
fn bad_values_are_one_line() {
    let out = scratch("equations-bad").join("out");
    for (line, parts) in [
        (vec!["fig1", "--dt", "0"], vec!["--dt", "positive"]),
        (vec!["fig1", "--dt", "-0.4"], vec!["--dt", "positive"]),
        (vec!["fig1", "--dt", "0.00001"], vec!["--dt", "t = 800"]),
        (vec!["fig1", "--points", "2"], vec!["--points", "3 to 1024"]),
        (vec!["fig1", "--dx", "0"], vec!["--dx", "positive"]),
        (vec!["fig3", "--alpha", "-1"], vec!["--alpha", "positive"]),
        (vec!["fig3", "--alpha", "1e7, 1e39"], vec!["--alpha", "float32 cannot hold 1e39"]),
        (vec!["fig3", "--dt", "1e-50"], vec!["--dt", "float32 cannot hold 1e-50"]),
        (vec!["fig3", "--dt", "0,1"], vec!["--dt", "write it with a point: 0.1"]),
        (vec!["fig3", "--size", "16"], vec!["--size, --kernel", "1 to 16"]),
        (vec!["fig3", "--steps", "0"], vec!["--steps", "at least 20"]),
        (vec!["table2", "--dt", "nan"], vec!["--dt", "positive"]),
        (vec!["table2", "--kernel", "0"], vec!["--kernel"]),
        (vec!["table2", "--dt", "1"], vec!["--dt", "no stable interval"]),
        (vec!["table3", "--mean", "1e39"], vec!["--mean", "finite"]),
        (vec!["fig3", "--steps", "4294967296"], vec!["--steps", "at most 10000000"]),
        (vec!["fig4", "--points", "100001"], vec!["--points", "at most 100000"]),
        (vec!["fig4", "--alpha", "1e-5"], vec!["--alpha"]),
        (vec!["table3", "--mean", "0"], vec!["--mean"]),
        (vec!["table3", "--noise", "-1"], vec!["--noise", "at least 0"]),
        (vec!["table3", "--points", "5000"], vec!["--points", "1000"]),
        (vec!["fig4", "--dt", "0.01,-1"], vec!["--dt", "positive"]),
        (vec!["fig4", "--size", "2000"], vec!["--size", "1024"]),
        (vec!["precision", "--lr", "-0.1"], vec!["--lr", "positive"]),
    ] {
        let ended = lastbit(&[&["reproduce"], &line[..], &["--out", text(&out)]].concat());
        assert_refused(&ended, 2, &parts);
        assert!(!out.exists(), "{line:?} left files behind");
    }
}

#[test]
fn damaged_pieces_are_computed_again() {
    let home = scratch("equations-pieces");
    let (out, line) = (home.join("out"), TABLE3);
    reproduce(line, &out);
    let before = std::fs::read(out.join("verdict.json")).unwrap();
    let piece = out.join("pieces/activated.sides.json");
    let kept = std::fs::read_to_string(&piece).unwrap();
    // A piece that was computed with other flags.
    let other = home.join("other");
    let six = line.iter().position(|value| *value == "6").unwrap();
    reproduce(&[&line[..six], &["7"], &line[six + 1..]].concat(), &other);
    let of_others = std::fs::read_to_string(other.join("pieces/activated.sides.json")).unwrap();
    // A piece with another digit, and one without its checksum.
    let digit = kept.rfind(|c: char| c.is_ascii_digit()).unwrap();
    let other = if &kept[digit..=digit] == "1" { "2" } else { "1" };
    let changed = format!("{}{other}{}", &kept[..digit], &kept[digit + 1..]);
    let (_, value) = kept.split_once("\"value\":").unwrap();
    let without = value.trim_end().strip_suffix('}').unwrap();
    for damaged in [changed.as_bytes(), of_others.as_bytes(), without.as_bytes(), b"", b"\xff\xfe"] {
        std::fs::write(&piece, damaged).unwrap();
        let ended = lastbit(&[line, &["--out", text(&out)]].concat());
        assert!(ended.code == Some(0) && ended.err.contains("sides.json' is computed again"), "{ended:?}");
        assert_eq!(std::fs::read(out.join("verdict.json")).unwrap(), before);
        assert_eq!(std::fs::read_to_string(&piece).unwrap(), kept);
    }
    // The environment that computed the pieces must be known.
    let environment = out.join("environment.json");
    let whole = std::fs::read_to_string(&environment).unwrap();
    let hash = whole.split("shaders_sha256\": \"").nth(1).unwrap()[..64].to_owned();
    std::fs::write(&environment, whole.replace(&hash, &"0".repeat(64))).unwrap();
    assert_refused(&lastbit(&[line, &["--out", text(&out)]].concat()), 2, &["shaders 000000000000", &hash[..12]]);
    for damage in [|path: &Path| std::fs::write(path, "").unwrap(), |path: &Path| std::fs::remove_file(path).unwrap()] {
        damage(&environment);
        for more in [&[][..], &["--dry-run"]] {
            let ended = lastbit(&[line, &["--out", text(&out)], more].concat());
            assert_refused(&ended, 2, &["environment.json", "'pieces'"]);
        }
    }
    std::fs::write(&environment, whole).unwrap();
    reproduce(line, &out);
}

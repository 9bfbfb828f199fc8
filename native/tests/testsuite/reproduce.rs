//! `lastbit reproduce`: every experiment at a tiny size, stopped and resumed, and refused where it must be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;

use roxmltree::{Document, ParsingOptions};
use serde_json::Value;

#[cfg(unix)]
use crate::common::child::stop;
use crate::common::child::{kill, spawn, wait_for_step};
use crate::common::{self, Ended, FIG2, assert_refused, command, files_in, lastbit, scratch, text, words};

const TABLE1: &[&str] = &[
    "reproduce",
    "table1",
    "--quick",
    "--rows",
    "resnet8:relu:synthetic",
    "--ks",
    "1,3",
    "--seeds",
    "4,5",
    "--batch-size",
    "4",
    "--epochs",
    "2",
    "--last",
    "1",
    "--train-limit",
    "12",
    "--test-limit",
    "32",
    "--perturbation",
    "divide",
];
const THRESHOLD: &[&str] = &[
    "reproduce",
    "threshold",
    "--quick",
    "--net",
    "resnet8",
    "--dataset",
    "synthetic",
    "--batch-size",
    "4",
    "--scaled-time",
    "0.2",
    "--lr-min",
    "0.05",
    "--lr-max",
    "0.2",
    "--distance",
    "0.0000001",
    "--precision",
    "1.5",
    "--test-limit",
    "16",
    "--seeds",
    "1,2",
];

/// Runs the experiment and expects success.
fn reproduce(line: &[&str], out: &Path) -> Ended {
    let ended = lastbit(&[line, &["--out", text(out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// A row of a table, by column name.
type Row = BTreeMap<String, String>;

/// The rows of a CSV file. Fields of these files contain no commas.
fn csv(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let row = |cells: Vec<String>| {
        assert_eq!(cells.len(), head.len(), "{}: {cells:?}", path.display());
        head.iter().cloned().zip(cells).collect()
    };
    lines.map(row).collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is '{}'", row[column]))
}

/// Checks what every report must be: well-formed, self-contained, with the verdict and with links to existing files.
fn check_report(folder: &Path) {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap_or_else(|error| panic!("{error}"));
    for forbidden in ["http", " src=", "@import", "url(", "<link"] {
        assert!(!page.contains(forbidden), "the page loads something: {forbidden}");
    }
    let mut ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "the page has an id twice: {ids:?}");
    let links: Vec<&str> = document.descendants().filter_map(|node| node.attribute("href")).collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        assert!(folder.join(link).is_file(), "the page links '{link}', which does not exist");
    }
    let verdict: Value = serde_json::from_slice(&fs::read(folder.join("verdict.json")).unwrap()).unwrap();
    let all = words(document.root());
    let claims = verdict["claims"].as_array().unwrap();
    assert!(claims.len() >= 4);
    for claim in claims {
        for part in ["about", "paper", "found", "certainty"] {
            let found = claim[part].as_str().unwrap();
            assert!(!found.is_empty() && all.contains(found), "'{found}' is not on the page");
        }
        assert!(["yes", "no", "cannot tell"].contains(&claim["agrees"].as_str().unwrap()), "{claim}");
    }
    assert_eq!(verdict["size"], "quick");
    assert!(all.contains(verdict["environment"]["driver"].as_str().unwrap()));
    assert!(all.contains(verdict["command"].as_str().unwrap()));
    for (name, bytes) in files_in(folder) {
        if name.ends_with(".svg") {
            let file = String::from_utf8(bytes).unwrap();
            Document::parse(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!file.contains("NaN") && !file.contains("inf"), "{name} has a coordinate that is not finite");
        }
    }
}

fn agrees(folder: &Path, about: &str) -> String {
    let verdict: Value = serde_json::from_slice(&fs::read(folder.join("verdict.json")).unwrap()).unwrap();
    let claim = verdict["claims"].as_array().unwrap().iter().find(|claim| claim["about"] == about).cloned();
    claim.unwrap_or_else(|| panic!("no claim '{about}'"))["agrees"].as_str().unwrap().to_owned()
}

/// Starts the program and waits until its run `name` has reported `steps` steps.
fn running(line: &[&str], out: &Path, name: &str, steps: usize) -> Child {
    let child = spawn(command([line, &["--out", text(out)]].concat()));
    wait_for_step(&out.join("runs").join(name), steps);
    child
}

#[test]
fn figure_2_has_its_data_and_resumes_after_a_kill_with_the_same_bytes() {
    let home = scratch("reproduce-fig2");
    let (whole, stopped) = (home.join("whole"), home.join("stopped"));
    let ended = reproduce(FIG2, &whole);
    assert!(ended.err.is_empty() && ended.out.contains("[1/6] run n2-seed1"), "{ended:?}");
    check_report(&whole);
    assert_eq!(agrees(&whole, "The controls stay at zero"), "yes");
    assert_eq!(agrees(&whole, "It begins in the last bit"), "yes");
    let points = csv(&whole.join("fig2.csv"));
    assert_eq!(points.len(), 6);
    for (step, point) in points.iter().enumerate() {
        assert_eq!(number(point, "step"), (step + 1) as f64);
        assert_eq!(number(point, "scaled_iteration"), (step + 1) as f64 / 2.0);
        assert_eq!((number(point, "lr"), number(point, "control_largest")), (0.05, 0.0));
        assert!(number(point, "rel_l1") > 0.0 && number(point, "rel_l1") == number(point, "rel_l1_median"));
    }
    // The numbers are those of the run's metrics.
    let metrics = common::json_lines(&whole.join("runs/n2-seed1/metrics.jsonl"));
    let layer =
        metrics.iter().find(|line| line["kind"] == "layers" && line["step"] == 3 && line["replica"] == 1).unwrap();
    assert_eq!(Some(number(&points[2], "rel_l1")), layer["rel_l1"]["layer2.0.conv1.weight"].as_f64());
    assert_eq!(csv(&whole.join("fig2-layers.csv")).len(), 9, "ResNet-8 has 9 convolutions");
    let runs = csv(&whole.join("fig2-runs.csv"));
    let forms = runs.iter().map(|run| run["perturbation"].as_str()).collect::<Vec<_>>();
    assert_eq!(forms, ["divide", "nextafter", "divide"]);
    assert_eq!(number(&runs[0], "controls_differ"), 0.0);
    check_spreads(&whole);

    // Killed in the first run, and in the second. Finished pieces stay, and the other files have the same bytes.
    for (run, steps) in [("n2-seed1", 3), ("n2-seed1-nextafter", 2)] {
        kill(running(FIG2, &stopped, run, steps));
        assert!(!stopped.join("report.html").exists());
    }
    let ended = reproduce(FIG2, &stopped);
    assert!(!ended.out.contains("run n2-seed1\n"), "a finished run was repeated: {ended:?}");
    assert_eq!(files_in(&whole), files_in(&stopped));

    // Again: nothing is left to do, and the page is rebuilt.
    fs::remove_file(stopped.join("report.html")).unwrap();
    let ended = reproduce(FIG2, &stopped);
    assert!(!ended.out.contains("run n2-seed1"), "{ended:?}");
    assert_eq!(files_in(&whole), files_in(&stopped));

    // Other values of flags, and another experiment, are refused.
    for (line, flag) in [([FIG2, &["--seeds", "2"]].concat(), "--seeds"), (TABLE1.to_vec(), "--out")] {
        let ended = lastbit(&[line, vec!["--out", text(&whole)]].concat());
        assert_refused(&ended, 2, &[flag, text(&whole)]);
    }
    // Other images or another class in the manifest of a finished run, and a damaged manifest.
    let path = whole.join("runs/n2-seed1/manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    let parsed: Value = serde_json::from_str(&manifest).unwrap();
    let page = fs::read(whole.join("report.html")).unwrap();
    let other_images = manifest.replace(parsed["dataset"]["sha256"].as_str().unwrap(), "another");
    for (changed, names) in
        [(other_images, "the images ('another', now '"), (of_another_class(&manifest), "the class ('")]
    {
        fs::write(&path, common::with_checksum(&changed)).unwrap();
        let ended = lastbit(&[FIG2, &["--out", text(&whole)]].concat());
        assert_refused(&ended, 2, &["--out", "n2-seed1", names, "another --out"]);
    }
    fs::write(&path, &manifest[1..]).unwrap();
    assert_refused(&lastbit(&[FIG2, &["--out", text(&whole)]].concat()), 2, &["n2-seed1", "manifest.json"]);
    assert_eq!(fs::read(whole.join("report.html")).unwrap(), page, "a refused command changed the page");
    fs::write(&path, manifest).unwrap();
    reproduce(FIG2, &whole);
    // Another version of the program.
    let environment = fs::read_to_string(whole.join("environment.json")).unwrap();
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    fs::write(whole.join("environment.json"), environment.replace(&version, "\"0.0.1\"")).unwrap();
    let ended = lastbit(&[FIG2, &["--out", text(&whole)]].concat());
    assert_refused(&ended, 2, &["begun by lastbit 0.0.1"]);
}

/// Checks the accuracies, the noise of their test set, and the spreads computed from them.
fn check_spreads(folder: &Path) {
    let accuracies = csv(&folder.join("fig2-accuracies.csv"));
    let rows: Vec<[&str; 3]> =
        accuracies.iter().map(|row| ["seed", "perturbation", "k"].map(|column| row[column].as_str())).collect();
    let divide = ["1", "3", "5", "2"].map(|k| ["1", "divide", k]);
    let further = [["1", "nextafter", "1"], ["1", "nextafter", "3"], ["2", "divide", "1"], ["2", "divide", "3"]];
    assert_eq!(rows, [&divide[..], &further].concat());
    let accuracy = |row: usize| number(&accuracies[row], "test_accuracy");
    for (i, row) in accuracies.iter().enumerate() {
        let share = accuracy(i) / 100.0;
        let noise = 100.0 * (share * (1.0 - share) / 16.0).sqrt();
        assert!((number(row, "test_set_noise") - noise).abs() < 1e-9, "{row:?}");
    }
    assert_eq!((accuracy(3), number(&accuracies[3], "churn_percent")), (accuracy(0), 0.0), "the control differs");
    let spreads = csv(&folder.join("fig2-spreads.csv"));
    let spread = |quantity: &str, over: &str, at: &str| {
        let found = spreads.iter().find(|row| row["quantity"] == quantity && row["over"] == over && row["at"] == at);
        found.unwrap_or_else(|| panic!("no {quantity} over {over} at {at}")).clone()
    };
    let check = |row: BTreeMap<String, String>, values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        assert!((number(&row, "mean") - mean).abs() < 1e-9, "{row:?}");
        assert!((number(&row, "std_ddof0") - (squares / n).sqrt()).abs() < 1e-9, "{row:?}");
        assert!((number(&row, "std_ddof1") - (squares / (n - 1.0)).sqrt()).abs() < 1e-9, "{row:?}");
        assert!(number(&row, "low") <= number(&row, "std_ddof1") && number(&row, "std_ddof1") <= number(&row, "high"));
        assert_eq!(number(&row, "freedom"), n - 1.0);
    };
    check(spread("test accuracy (%)", "k", "seed 1"), &[accuracy(0), accuracy(1), accuracy(2)]);
    check(spread("test accuracy (%)", "seeds", "k = 3"), &[accuracy(1), accuracy(7)]);
    // The final distances are those of the runs.
    let last = |run: &str, replica: usize| {
        let metrics = common::json_lines(&folder.join("runs").join(run).join("metrics.jsonl"));
        metrics.iter().rfind(|line| line["kind"] == "step").unwrap()["rel_l1"][replica].as_f64().unwrap().log10()
    };
    check(spread("log10 relative L1", "k", "seed 1"), &[last("n2-seed1", 1), last("n2-seed1", 2)]);
    check(spread("log10 relative L1", "seeds", "k = 3"), &[last("n2-seed1", 1), last("n2-seed2", 1)]);
    for pooled in [spread("test accuracy (%)", "k", "pooled"), spread("test accuracy (%)", "seeds", "pooled")] {
        assert!(number(&pooled, "freedom") > 1.0, "{pooled:?}");
    }
    assert_eq!(agrees(folder, "k compared with a seed"), "cannot tell", "such a short run cannot decide this");
}

#[test]
fn an_adapter_that_breaks_a_promise_is_named() {
    let home = scratch("reproduce-broken");
    let out = home.join("out");
    let line = ["reproduce", "fig1", "--quick", "--points", "11", "--dt", "0.4"];
    let broken = [&line[..], &["--break-device", "tiles"]].concat();
    assert_refused(&lastbit(&[&broken[..], &["--out", text(&out)]].concat()), 1, &["--on-broken-device warn"]);
    assert!(!out.exists());
    let broken = [&broken[..], &["--on-broken-device", "warn"]].concat();
    assert!(reproduce(&broken, &out).err.contains("warning: adapter"));
    let verdict: Value = serde_json::from_slice(&fs::read(out.join("verdict.json")).unwrap()).unwrap();
    let failure = verdict["environment"]["broken"][0].as_str().unwrap();
    assert!(failure.starts_with("tiles: "), "{verdict}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    let document =
        Document::parse_with_options(&page, ParsingOptions { allow_dtd: true, ..Default::default() }).unwrap();
    let header = words(document.descendants().find(|node| node.has_tag_name("header")).unwrap());
    assert!(header.contains("fails the self-test") && header.contains(failure), "{header}");
    // The folder does not resume on a sound adapter, nor a sound one's folder on the broken adapter.
    let ended = lastbit(&[&line[..], &["--out", text(&out)]].concat());
    assert_refused(&ended, 2, &["--out", "which fails the self-test (tiles: "]);
    let sound = home.join("sound");
    reproduce(&line, &sound);
    assert!(!fs::read_to_string(sound.join("report.html")).unwrap().contains("fails the self-test"));
    let ended = lastbit(&[&broken[..], &["--out", text(&sound)]].concat());
    assert!(ended.code == Some(2) && ended.err.contains("which fails the self-test"), "{ended:?}");
}

/// The manifest of a run that a device of the other class made.
fn of_another_class(manifest: &str) -> String {
    let parsed: Value = serde_json::from_str(manifest).unwrap();
    let class = parsed["environment"]["class"].as_str().unwrap();
    let other = if class == "fused" { "separate" } else { "fused" };
    let [from, to] = [class, other].map(|class| format!("\"class\": \"{class}\""));
    let changed = manifest.replace(&from, &to);
    assert_ne!(changed, manifest);
    changed
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_130_and_the_same_command_resumes() {
    let home = scratch("reproduce-interrupt");
    let out = home.join("out");
    let replaced = |part: &&'static str| match *part {
        "6" => "40",
        "divide,nextafter" => "divide",
        part => part,
    };
    let line: Vec<&str> = FIG2.iter().map(replaced).collect();
    let ended = stop(running(&line, &out, "n2-seed1", 2), "INT");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("the same command continues") && !ended.err.contains("error"), "{ended:?}");
    let before = common::json_lines(&out.join("runs/n2-seed1/timing.jsonl")).len();
    assert!((2..40).contains(&before), "{before}");
    // Another class is refused in the middle of a run, too. The message names no flag that `reproduce` does not have.
    let path = out.join("runs/n2-seed1/manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, common::with_checksum(&of_another_class(&manifest))).unwrap();
    let ended = lastbit(&[&line[..], &["--out", text(&out)]].concat());
    assert_refused(&ended, 2, &["--out", "the class ('", "give another --out"]);
    assert!(!ended.err.contains("--allow-changed") && !ended.err.contains("--resume"), "{ended:?}");
    fs::write(&path, manifest).unwrap();
    reproduce(&line, &out);
    check_report(&out);
    assert_eq!(csv(&out.join("fig2.csv")).len(), 40);
    assert_eq!(common::json_lines(&out.join("runs/n2-seed1/timing.jsonl")).len(), 40, "a step was repeated");
}

#[test]
fn table_1_has_the_deviations_of_its_accuracies() {
    let out = scratch("reproduce-table1").join("out");
    reproduce(TABLE1, &out);
    check_report(&out);
    assert_eq!(agrees(&out, "The controls stay at zero"), "yes");
    let accuracies = csv(&out.join("table1-accuracies.csv"));
    assert_eq!(accuracies.iter().map(|row| row["seed"].as_str()).collect::<Vec<_>>(), ["4", "5"]);
    let of = |row: usize| [number(&accuracies[row], "k1"), number(&accuracies[row], "k3")];
    // The deviation of two numbers is half their distance with ddof 0, and that times the square root of 2 with ddof 1.
    let halves = [0, 1].map(|row| (of(row)[0] - of(row)[1]).abs() / 2.0);
    let pooled = ((halves[0].powi(2) + halves[1].powi(2)) / 2.0).sqrt();
    let table = &csv(&out.join("table1.csv"))[0];
    assert!((number(table, "std_k_ddof0") - pooled).abs() < 1e-9, "{table:?}");
    assert!((number(table, "std_k_ddof1") - pooled * 2f64.sqrt()).abs() < 1e-9, "{table:?}");
    let mean = (of(0).iter().sum::<f64>() + of(1).iter().sum::<f64>()) / 4.0;
    assert!((number(table, "mean_accuracy") - mean).abs() < 1e-9);
    assert_eq!(number(table, "churn_control"), 0.0);
    assert!((0.0..=100.0).contains(&number(table, "churn_k")) && number(table, "churn_seeds") > 0.0, "{table:?}");
    // The accuracy of a run is that of its last epoch.
    let epochs = csv(&out.join("table1-epochs.csv"));
    let last = epochs.iter().find(|row| row["seed"] == "5" && row["k"] == "3" && row["step"] == "6").unwrap();
    assert_eq!(number(last, "test_accuracy"), of(1)[1]);
    assert_eq!(csv(&out.join("table1-spreads.csv")).len(), 4);
    // Only a missing piece is computed again, with the same result.
    let before = files_in(&out);
    fs::remove_file(out.join("pieces/predictions-resnet8-relu-synthetic-seed4.json")).unwrap();
    let ended = reproduce(TABLE1, &out);
    assert!(
        ended.out.contains("predictions-resnet8-relu-synthetic-seed4") && !ended.out.contains("] run "),
        "{ended:?}"
    );
    assert_eq!(files_in(&out), before);
}

#[test]
fn the_threshold_lies_between_a_rate_that_stays_and_one_that_diverges() {
    let home = scratch("reproduce-threshold");
    let out = home.join("out");
    reproduce(THRESHOLD, &out);
    check_report(&out);
    assert_eq!(agrees(&out, "The controls stay at zero"), "yes");
    let rates = csv(&out.join("threshold.csv"));
    assert!(rates.len() >= 5);
    assert!(rates.windows(2).all(|pair| number(&pair[0], "lr") < number(&pair[1], "lr")));
    for rate in &rates {
        assert_eq!(rate["stays"] == "yes", number(rate, "distance_median") <= 1e-7, "{rate:?}");
        assert_eq!(number(rate, "steps"), (0.2 / number(rate, "lr")).round());
    }

    // If the larger of two rates diverges farther, there is a threshold between them. To find it, two adapters train the grid
    // and then the seeds of one rate after the other.
    let farther = |a: &Row, b: &Row| number(a, "distance_median") < number(b, "distance_median");
    let mut pairs = rates.iter().enumerate().flat_map(|(i, a)| rates[i + 1..].iter().map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| farther(a, b)).expect("some larger rate goes farther");
    let between =
        ["--lr-min", &a["lr"], "--lr-max", &b["lr"], "--distance", &a["distance_median"], "--precision", "1.02"];
    let line = [&THRESHOLD[..9], &["--scaled-time", "0.2", "--test-limit", "16", "--seeds", "1,2"], &between].concat();
    let (one, two) = (home.join("one"), home.join("two"));
    reproduce(&line, &one);
    let ended = reproduce(&[&line[..], &["--adapters", "0,0"]].concat(), &two);
    assert!(ended.out.contains("\nbetween ") && ended.err.is_empty(), "{ended:?}");
    assert_eq!(files_in(&one), files_in(&two));
}

/// An experiment at a tiny size, as words.
fn tiny(line: &str, out: &Path) {
    let line: Vec<&str> = std::iter::once("reproduce").chain(line.split(' ')).collect();
    reproduce(&line, out);
    check_report(out);
    assert_eq!(agrees(out, "The controls stay at zero"), "yes");
    // The same line reads what is there.
    let before = files_in(out);
    let ended = reproduce(&line, out);
    assert!(!ended.out.contains("] run "), "{ended:?}");
    assert_eq!(files_in(out), before);
}

#[test]
fn the_edge_has_sharpness_and_distance_of_every_rate() {
    let out = scratch("reproduce-edge").join("out");
    tiny(
        "edge --quick --dataset synthetic --net resnet8 --width 0.25 --images 16 --batch-size 8 --lrs 0.05,0.1 --scaled-time 1 \
         --steps 10 --measurements 9 --decays 0.5 --depths preresnet8",
        &out,
    );
    let runs = csv(&out.join("edge.csv"));
    let names: Vec<_> = runs.iter().map(|row| (row["batches"].as_str(), row["lr"].as_str())).collect();
    let of_others = [("full", "0.1"), ("full", "0.1")];
    assert_eq!(
        names,
        [&[("full", "0.05"), ("full", "0.1"), ("mini", "0.05"), ("mini", "0.1")], &of_others[..]].concat()
    );
    let config = |run: &str| fs::read_to_string(out.join("runs").join(run).join("config.toml")).unwrap();
    assert!(config("decay0.5").contains("weight-decay = 0.5") && config("preresnet8").contains("net = \"preresnet8\""));
    assert!(config("full-lr0.1").contains("weight-decay = 0.0"));
    // Ten steps cross no edge: what it is kept from, and when something begins, is not shown by a run that is too short.
    assert!(runs.iter().all(|run| run["crossed"].is_empty()), "{runs:?}");
    for claim in [
        "Progressive sharpening",
        "Hovering at 2/lr",
        "The largest eigenvalue stays below",
        "With full batches the parting begins at the edge",
        "With mini-batches the parting begins at the edge",
        "Weight decay keeps it from the edge",
        "It depends on the depth",
    ] {
        assert_eq!(agrees(&out, claim), "cannot tell", "{claim}");
    }
    for run in &runs {
        assert_eq!(number(run, "edge"), 2.0 / number(run, "lr"));
        assert!(number(run, "start") > 0.0, "the loss of an MLP curves upwards somewhere: {run:?}");
        assert!((number(run, "end_over_edge") - number(run, "end") / number(run, "edge")).abs() < 1e-9);
    }
    let curves = csv(&out.join("edge-curves.csv"));
    assert!(curves.iter().all(|line| number(line, "product_error") < 0.01), "{curves:?}");
    let with_full: Vec<&Row> = curves.iter().filter(|line| line["batches"] == "full").collect();
    // With one batch, its gradient is that of the whole loss, and no direction curves more than the largest eigenvalue says.
    assert!(with_full.iter().all(|line| number(line, "batch_sharpness") <= 1.02 * number(line, "lambda_max")));
}

#[test]
fn lyapunov_exponents_are_means_of_the_growth() {
    let out = scratch("reproduce-lyapunov").join("out");
    tiny(
        "lyapunov --quick --dataset synthetic --net resnet8 --batch-size 4 --lrs 0.01,0.1 --distances 0.01,0.1 --every 2 --steps 16",
        &out,
    );
    let exponents = csv(&out.join("lyapunov.csv"));
    assert_eq!(exponents.len(), 4);
    let growth = csv(&out.join("lyapunov-growth.csv"));
    assert_eq!(growth.len(), 2 * 8);
    let last: Vec<&Row> = growth.iter().filter(|row| row["lr"] == "0.1" && number(row, "step") > 8.0).collect();
    let mean = last.iter().map(|row| number(row, "d1e-2") / 2.0).sum::<f64>() / last.len() as f64;
    let found = exponents.iter().find(|row| row["lr"] == "0.1" && row["distance"] == "0.01").unwrap();
    assert!((number(found, "exponent") - mean).abs() < 1e-9, "{found:?}, not {mean}");
}

#[test]
fn poked_copies_are_equal_until_their_step() {
    let out = scratch("reproduce-poke").join("out");
    tiny(
        "poke --quick --dataset synthetic --net resnet8 --batch-size 4 --steps 12 --at 1,6,12 --sizes 0.001 --test-limit 16 --images 16",
        &out,
    );
    let copies = csv(&out.join("poke.csv"));
    assert_eq!(copies.len(), 6);
    assert!(copies.iter().all(|copy| copy["equal_before"] == "yes" && number(copy, "rel_l1") > 0.0), "{copies:?}");
    let of = |step: &str, size: &str| copies.iter().find(|copy| copy["step"] == step && copy["size"] == size).unwrap();
    let late = [of("12", "ulp"), of("12", "0.001")].map(|copy| number(copy, "rel_l1"));
    assert!(late[0] < 1e-3 * late[1], "one ulp is far smaller than noise after a single step: {late:?}");
    assert_eq!(agrees(&out, "Equal until the perturbation"), "yes");
    // The barrier is that of `compare --ends`.
    let run = out.join("runs/seed1");
    assert_eq!(lastbit(&["compare", "--ends", "--images", "16", text(&run)]).code, Some(0));
    let ends: Value = serde_json::from_slice(&fs::read(run.join("ends.json")).unwrap()).unwrap();
    let wanted = ends["pairs"][0]["test_barrier"].as_f64().unwrap();
    assert!((number(of("1", "ulp"), "test_barrier") - wanted).abs() <= 1e-6 * wanted.abs(), "{copies:?} {ends}");
}

#[test]
fn sources_are_trained_alone() {
    let out = scratch("reproduce-sources").join("out");
    let line = "sources --quick --dataset synthetic --net resnet8 --batch-size 8 --copies 3 --epochs 1 --train-limit 48 --test-limit 32";
    tiny(line, &out);
    let sources = csv(&out.join("sources.csv"));
    let names: Vec<&str> = sources.iter().map(|row| row["source"].as_str()).collect();
    assert_eq!(names, ["initial weights", "order", "augmentation", "all of these", "k", "one bit"]);
    let pairs = csv(&out.join("sources-pairs.csv"));
    assert_eq!(pairs.len(), 6 * 3);
    for row in &sources {
        let of_source: Vec<&Row> = pairs.iter().filter(|pair| pair["source"] == row["source"]).collect();
        let mean = of_source.iter().map(|pair| number(pair, "disagreement")).sum::<f64>() / 3.0;
        assert!((number(row, "disagreement") - mean).abs() < 1e-9, "{row:?}");
        assert_eq!(row["trainings"], "3");
    }
    let correlation = |source: &str| number(sources.iter().find(|row| row["source"] == source).unwrap(), "correlation");
    assert!(correlation("k") > correlation("initial weights"), "{sources:?}");
    let of_k: Vec<&Row> = pairs.iter().filter(|pair| pair["source"] == "k").collect();
    assert!(of_k.iter().all(|pair| number(pair, "correlation") < 1.0), "no two k have the same bits: {of_k:?}");
    assert_eq!(agrees(&out, "The controls stay at zero"), "yes");
    // The first training belongs to every source, and seeds differ in one thing.
    let config = fs::read_to_string(out.join("runs/order-2/config.toml")).unwrap();
    assert!(config.contains("seed-order = 2") && config.contains("seed-init = 1"), "{config}");
    // A second call finds everything done.
    let before = fs::metadata(out.join("runs/k/logits")).unwrap().modified().unwrap();
    tiny(line, &out);
    assert_eq!(fs::metadata(out.join("runs/k/logits")).unwrap().modified().unwrap(), before);
}

#[test]
fn bad_command_lines_are_refused_and_leave_nothing() {
    let home = scratch("reproduce-refused");
    let out = home.join("out");
    let at = |line: &[&str]| lastbit(&[&["reproduce"], line, &["--out", text(&out)]].concat());
    assert_refused(&at(&["fig9"]), 2, &["fig9"]);
    assert_refused(&at(&["fig2", "--ns", "0"]), 2, &["--ns", "at least one n"]);
    assert_refused(&at(&["fig2", "--seeds", ""]), 2, &["--seeds"]);
    assert_refused(&at(&["fig2", "--net", "vgg99"]), 2, &["--net", "vgg99"]);
    assert_refused(&at(&["fig2", "--ks", "1,5"]), 2, &["--ks", "1,3"]);
    assert_refused(&at(&["fig2", "--spread-seeds", "4"]), 2, &["--spread-seeds", "two"]);
    assert_refused(&at(&["fig2", "--tensor", "fc.weight"]), 2, &["--tensor", "layer2.5.conv1.weight"]);
    assert_refused(&at(&["table1", "--ks", "1,2"]), 2, &["--ks", "control"]);
    assert_refused(&at(&["threshold", "--distance", "0"]), 2, &["--distance"]);
    assert_refused(&at(&["edge", "--measurements", "3"]), 2, &["--measurements", "at least 9"]);
    assert_refused(&at(&["edge", "--decays", "0.1,0"]), 2, &["--decays", "not 0"]);
    assert_refused(&at(&["edge", "--depths", "mlp2"]), 2, &["--depths", "not mlp2"]);
    assert_refused(&at(&["lyapunov", "--distances", "1"]), 2, &["--distances", "at least two"]);
    assert_refused(&at(&["poke", "--at", "5,1"]), 2, &["--at", "ascending"]);
    assert_refused(&at(&["sources", "--copies", "2"]), 2, &["--copies", "3 to"]);
    assert_refused(
        &at(&["table1", "--quick", "--data-dir", text(&home.join("none"))]),
        2,
        &["--data-dir", "does not exist"],
    );
    assert_refused(&at(&["fig2", "--quick", "--adapter", "no such"]), 2, &["--adapter"]);
    assert_refused(&lastbit(&["reproduce", "fig2"]), 2, &["--out"]);
    assert!(!out.exists());
    // A folder with other files, and a file in the place of the folder.
    fs::create_dir(&out).unwrap();
    fs::write(out.join("letter.txt"), "dear").unwrap();
    fs::write(out.join("table.csv"), "").unwrap();
    assert_refused(&at(&["fig2", "--quick"]), 2, &["--out", "'table.csv'", "reproduce.toml"]);
    fs::remove_file(out.join("table.csv")).unwrap();
    fs::write(out.join("config.toml"), "").unwrap();
    assert_refused(&at(&["fig2", "--quick"]), 2, &["--out", "lastbit train"]);
    assert_refused(&lastbit(&["reproduce", "fig2", "--out", text(&out.join("letter.txt"))]), 2, &["letter.txt"]);
    assert_eq!(fs::read_to_string(out.join("letter.txt")).unwrap(), "dear");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn a_dry_run_reports_the_cost_and_writes_nothing() {
    let out = scratch("reproduce-dry").join("out");
    let ended = lastbit(&[FIG2, &["--dry-run", "--out", text(&out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in ["--steps 6", "--spread-seeds 1,2", "takes", "6 pieces", "of memory", "of files"] {
        assert!(ended.out.contains(part), "'{part}' is missing: {ended:?}");
    }
    assert!(!out.exists());
}

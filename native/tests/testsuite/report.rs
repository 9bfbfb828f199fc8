//! The report of a run: it has the numbers of the metrics, is well-formed and self-contained, and is built from whatever files
//! the folder still has.

use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;

use crate::common::{
    FIG2, SMALL, assert_equal_runs, assert_refused, copy_folder, json_lines, lastbit, scratch, text, train, words,
};

/// Parses a run's page for `check`. Checks that it is well-formed and loads nothing.
fn with_page(run: &Path, check: impl FnOnce(&Document)) {
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap_or_else(|error| panic!("{error}"));
    for forbidden in ["http", " src=", "@import", "url(", "<link"] {
        assert!(!page.contains(forbidden), "the page loads something: {forbidden}");
    }
    let charts = document.descendants().filter(|node| node.has_tag_name("svg"));
    for svg in charts {
        let has = |name| svg.children().any(|child| child.has_tag_name(name) && !words(child).is_empty());
        assert!(has("title") && has("desc"), "a chart without a text alternative");
    }
    check(&document);
}

fn by_id<'a>(document: &'a Document, id: &str) -> Option<Node<'a, 'a>> {
    document.descendants().find(|node| node.attribute("id") == Some(id))
}

/// The values that a figure's script reads.
fn values_of(figure: Node) -> Value {
    let script = figure.descendants().find(|node| node.has_tag_name("script")).map(words).unwrap();
    serde_json::from_str(&script).unwrap()
}

fn headline(document: &Document) -> String {
    document.descendants().find(|node| node.has_tag_name("h1")).map(words).unwrap().replace('\u{a0}', " ")
}

fn steps(run: &Path) -> Vec<Value> {
    json_lines(&run.join("metrics.jsonl")).into_iter().filter(|line| line["kind"] == "step").collect()
}

#[test]
fn the_page_has_the_numbers_of_the_metrics() {
    let home = scratch("report");
    let (run, again) = (home.join("run"), home.join("again"));
    let ended = train(&["--steps", "10"], &run);
    assert!(ended.out.trim_end().ends_with("report.html"), "{ended:?}");
    let steps = steps(&run);
    let last = steps.last().unwrap();
    let mut line = Vec::new();
    with_page(&run, |page| {
        // The table of replicas has exact values.
        let copies = by_id(page, "copies-section").unwrap();
        let table = copies.descendants().find(|node| node.has_tag_name("tbody")).unwrap();
        for (replica, row) in table.children().filter(|node| node.has_tag_name("tr")).enumerate() {
            let cells = row.descendants().filter(|node| node.has_tag_name("data"));
            let values: Vec<f64> = cells.map(|cell| cell.attribute("value").unwrap().parse().unwrap()).collect();
            let of = |key: &str| last[key][replica].as_f64().unwrap();
            assert_eq!(values.len(), 6);
            assert_eq!(
                [values[0], values[3], values[4], values[5]],
                ["loss", "rel_l1", "max_ulp", "differing"].map(of)
            );
        }
        // The chart's read-outs have four digits for every step.
        let readings = values_of(by_id(page, "divergence").unwrap());
        assert_eq!(readings["x"].as_array().unwrap().len(), 10);
        for (curve, replica) in [(0, 1), (1, 2)] {
            for (at, step) in steps.iter().enumerate() {
                let (shown, exact) = (&readings["curves"][curve][1][at], &step["rel_l1"][replica]);
                let (shown, exact) = (shown.as_f64().unwrap(), exact.as_f64().unwrap());
                assert!((shown - exact).abs() <= 5e-4 * exact, "step {}: {shown} for {exact}", at + 1);
            }
        }
        let headline = headline(page);
        assert!(headline.starts_with("k = 3 left k = 1 after step 1 ("), "{headline}");
        assert!(headline.ends_with("the control k = 2 never differed in a bit."), "{headline}");
        assert!(words(page.root()).contains("Control green"));
        let fingerprints: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
        for replica in 0..3 {
            assert!(words(copies).contains(fingerprints["fingerprints"][replica].as_str().unwrap()));
        }
        assert!(by_id(page, "map-1").is_some(), "k = 3 has no heat map");
        assert!(by_id(page, "map-2").is_none(), "k = 2 differs nowhere, but has a heat map");
        let bits = by_id(page, "bits-section").unwrap();
        assert!(words(bits).contains("conv1.weight[") && words(bits).contains("fc.weight["));
        // The bits of the traced weight, of k = 1 and k = 3, at every step with layers lines.
        let lines = json_lines(&run.join("metrics.jsonl"));
        let weights = |replica: u64| -> Vec<(u64, u32)> {
            let of_replica = lines.iter().filter(|line| line["kind"] == "layers" && line["replica"] == replica);
            let bits = |line: &Value| u32::from_str_radix(line["weight"].as_str().unwrap(), 16).unwrap();
            of_replica.map(|line| (line["step"].as_u64().unwrap(), bits(line))).collect()
        };
        let climb = by_id(page, "climb").unwrap();
        assert!(bits.descendants().any(|node| node == climb), "it is in another section");
        let drawn = values_of(climb);
        for (copy, (label, replica)) in [("k = 1", 0), ("k = 3", 1)].into_iter().enumerate() {
            let values = drawn["copies"][copy][2].as_array().unwrap().iter();
            let values = values.map(|value| value.as_str().unwrap().parse::<f32>().unwrap().to_bits());
            let steps = drawn["steps"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap());
            assert_eq!(drawn["copies"][copy][0], label);
            assert_eq!(steps.zip(values).collect::<Vec<_>>(), weights(replica));
        }
        assert!(
            words(climb).contains("conv1.weight[0] of k = 3") && words(climb).contains("At step 10 "),
            "{}",
            words(climb)
        );
        line.extend(words(by_id(page, "flags").unwrap()).split(' ').map(str::to_owned));
    });
    // The command line on the page repeats the run.
    assert_eq!(line.remove(0), "lastbit");
    *line.last_mut().unwrap() = text(&again).to_owned();
    let ended = lastbit(&line.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_equal_runs(&run, &again, &[8, 10]);

    // Rebuilt twice, the page has the same bytes.
    let (first, elsewhere) = (fs::read(run.join("report.html")).unwrap(), home.join("page.html"));
    for flags in [&["report", text(&run)][..], &["report", text(&run), "--out", text(&elsewhere)]] {
        let ended = lastbit(flags);
        assert!(ended.code == Some(0) && ended.err.is_empty() && ended.out.contains(".html"), "{ended:?}");
    }
    assert_eq!(fs::read(run.join("report.html")).unwrap(), first);
    assert_eq!(fs::read(&elsewhere).unwrap(), first);
    assert_eq!(fs::read(again.join("report.html")).unwrap(), first);
}

#[test]
fn the_page_of_a_red_run_begins_with_the_red_control() {
    let run = scratch("report-red").join("run");
    train(&["--steps", "4", "--flip-bit", "layer2.0.conv1.weight:17:3:2"], &run);
    with_page(&run, |page| {
        let headline = headline(page);
        assert!(
            headline.starts_with("The control is red: k = 2 ") && headline.contains("from step 3 on"),
            "{headline}"
        );
        let all = words(page.root());
        assert!(all.contains("Control red") && all.contains("--flip-bit layer2.0.conv1.weight:17:3:2"));
        assert!(!all.contains("k is the reason"));
        assert!(by_id(page, "map-2").is_some(), "a red control has no heat map");
    });
}

#[test]
fn a_single_replica_has_a_page_and_a_failed_page_does_not_fail_the_run() {
    let run = scratch("report-single").join("run");
    let flags = |steps| {
        let small = SMALL[..SMALL.len() - 2].iter().copied();
        small
            .chain(["--ks", "3", "--resume", "--steps", steps, "--out", text(&run)])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let train = |steps| {
        let flags = flags(steps);
        let ended = lastbit(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    };
    train("1");
    with_page(&run, |page| {
        assert!(headline(page).contains("no second copy"), "{}", headline(page));
        assert!(words(page.root()).contains("No control"));
        assert!(by_id(page, "divergence").is_none() && by_id(page, "loss").is_some());
    });
    // A folder takes the place of the page.
    fs::remove_file(run.join("report.html")).unwrap();
    fs::create_dir(run.join("report.html")).unwrap();
    let ended = train("2");
    assert!(
        ended.err.starts_with("warning: no report: cannot write") && ended.err.contains("report.html"),
        "{ended:?}"
    );
    assert_eq!(steps(&run).len(), 2);
}

/// A run folder that contains only this config and these metrics.
fn folder(name: &str, config: &str, metrics: &str) -> PathBuf {
    let run = scratch(name);
    fs::write(run.join("config.toml"), config).unwrap();
    fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    run
}

const CONFIG: &str = "net = \"resnet8\"\ndataset = \"synthetic\"\nks = [1, 3]\nsteps = 9\n";
const STEP_1: &str = r#"{"kind":"step","step":1,"epoch":0,"lr":0.1,"loss":[2.5,2.5],"rel_l1":[0.0,1e-9],"max_ulp":[0,1],"differing":[0,7]}"#;
const STEP_2: &str = r#"{"kind":"step","step":2,"epoch":0,"lr":0.1,"loss":[2.25,null],"rel_l1":[0.0,2.0],"max_ulp":[0,4294967295],"differing":[0,9],"nonfinite":true}"#;

#[test]
fn one_weight_is_drawn_bit_by_bit_if_its_bits_were_recorded() {
    let line = |replica: usize, weight: &str| {
        format!(
            r#"{{"kind":"layers","step":1,"replica":{replica},"fingerprint":"0",{weight}"rel_l1":{{"conv1.weight":0.0}}}}"#
        )
    };
    let bits = |replica| line(replica, ["\"weight\":\"3f800000\",", "\"weight\":\"3f800004\","][replica]);
    let figure = |metrics: &str, config: &str, check: &dyn Fn(Option<Node>)| {
        let run = folder("report-weight", config, metrics);
        let ended = lastbit(&["report", text(&run)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        with_page(&run, |page| check(by_id(page, "climb")));
    };
    let recorded = format!("{STEP_1}\n{}\n{}\n", bits(0), bits(1));
    figure(&recorded, CONFIG, &|figure| {
        let figure = figure.expect("no figure");
        let seen = "At step 1 the highest bit that differs is the 3rd from the end.";
        let texts: Vec<String> = figure
            .descendants()
            .filter(|node| node.has_tag_name("desc") || node.has_tag_name("p"))
            .map(words)
            .collect();
        assert!(texts.len() == 2 && texts.iter().all(|text| text.ends_with(seen)), "{texts:?}");
        let lit: Vec<_> = figure.descendants().filter(|node| node.attribute("class") == Some("lit1")).collect();
        assert!(lit.iter().any(|cells| cells.attribute("d") == Some("M0,273h1v8h-1z")), "{lit:?}");
    });
    // An older program recorded no bits. A control has nothing to show.
    let older = format!("{STEP_1}\n{}\n{}\n", line(0, ""), line(1, ""));
    figure(&older, CONFIG, &|figure| assert!(figure.is_none()));
    figure(&recorded, &CONFIG.replace("[1, 3]", "[1, 2]"), &|figure| assert!(figure.is_none()));
}

#[test]
fn damaged_lines_are_counted_and_missing_files_are_named() {
    let metrics =
        format!("{STEP_1}\n\u{1}garbage\n{STEP_1}\n{{\"kind\":\"step\",\"step\":3}}\n{STEP_2}\n{{\"kind\":\"st");
    let run = folder("report-damaged", CONFIG, &metrics);
    let ended = lastbit(&["report", text(&run)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Garbage, a repeated step, a step without its numbers, and a line that was cut off.
    assert!(ended.err.starts_with("warning: ") && ended.err.contains("left out: 4\n"), "{ended:?}");
    with_page(&run, |page| {
        let all = words(page.root()).replace('\u{a0}', " ");
        for expected in [
            "4 lines of metrics.jsonl are damaged",
            "not finished: the report shows it after step 2 of 9",
            "From step 2 on, numbers of k = 3 are far too large or not finite",
            "the run has no checkpoint yet",
            "manifest.json is missing",
            "No layers lines are recorded",
            "has not been evaluated yet",
        ] {
            assert!(all.contains(expected), "'{expected}' is missing: {all}");
        }
    });
    // A single step, then none.
    for (metrics, expected) in [(STEP_1, "left k = 1 after step 1"), ("", "No step of this run")] {
        fs::write(run.join("metrics.jsonl"), metrics).unwrap();
        assert_eq!(lastbit(&["report", text(&run)]).code, Some(0));
        with_page(&run, |page| assert!(headline(page).contains(expected), "{}", headline(page)));
    }
}

#[test]
fn text_from_files_cannot_become_markup() {
    let evil = "<script>alert(1)</script>&\"'";
    let run = folder("report-evil", &format!("{CONFIG}adapter = \"<b>\"\n"), STEP_1);
    let layers = serde_json::json!({ "kind": "layers", "step": 1, "replica": 1, "k": 3, "fingerprint": evil, "rel_l1": { evil: 0.5 } });
    fs::write(run.join("metrics.jsonl"), format!("{STEP_1}\n{layers}\n")).unwrap();
    let environment = serde_json::json!({ "version": evil, "adapter": evil, "driver": evil, "backend": evil });
    let manifest = serde_json::json!({ "environment": environment, "dataset": { "name": evil }, "changes": [{ "environment": environment }] });
    fs::write(run.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(
        run.join("summary.json"),
        serde_json::json!({ "flip_bit": evil, "fingerprints": [evil, evil] }).to_string(),
    )
    .unwrap();
    assert_eq!(lastbit(&["report", text(&run)]).code, Some(0));
    with_page(&run, |page| {
        assert!(words(page.root()).contains(evil));
        let scripts = page.descendants().filter(|node| node.has_tag_name("script"));
        assert!(scripts.map(words).all(|script| !script.contains("alert")));
    });
    assert!(!fs::read_to_string(run.join("report.html")).unwrap().contains("<script>alert"));
}

#[test]
fn folders_without_a_run_are_refused() {
    let home = scratch("report-none");
    assert_refused(&lastbit(&["report", text(&home)]), 2, &["report-none", "holds no run", "config.toml"]);
    assert_refused(&lastbit(&["report", text(&home.join("absent"))]), 2, &["absent", "holds no run"]);
    fs::write(home.join("config.toml"), "steps = \"many\"\n").unwrap();
    assert_refused(&lastbit(&["report", text(&home)]), 2, &["config.toml", "steps"]);
    fs::write(home.join("config.toml"), CONFIG).unwrap();
    let nowhere = home.join("no/such/folder/page.html");
    assert_refused(&lastbit(&["report", text(&home), "--out", text(&nowhere)]), 1, &["cannot write", "page.html"]);
    assert_refused(&lastbit(&["report"]), 2, &["RUN_FOLDER"]);
}

/// People share pages, so a page must not contain paths, which may contain the user's name.
#[test]
fn no_page_contains_a_path_of_this_machine() {
    let home = scratch("ursula-secret");
    let (first, second, parts) = (home.join("first"), home.join("second"), home.join("parts"));
    train(&["--steps", "2"], &first);
    let init = first.join("init.safetensors");
    let places = ["--steps", "2", "--data-dir", text(&home), "--init", text(&init)];
    train(&places, &second);
    let line =
        [&SMALL[..SMALL.len() - 2], &["--ks", "1,3,5", "--adapters", "0,0", "--out", text(&parts)], &places].concat();
    assert_eq!(lastbit(&line).code, Some(0));
    let torn = home.join("torn");
    copy_folder(&second, &torn);
    let metrics = torn.join("metrics.jsonl");
    fs::write(&metrics, fs::read_to_string(&metrics).unwrap().replacen("{\"kind\":\"step\"", "{", 1)).unwrap();
    lastbit(&["compare", text(&second), text(&torn)]);
    lastbit(&["report", text(&second), "--page-url", "https://example.org/"]);
    let reproduced = home.join("fig2");
    let line = [FIG2, &["--data-dir", text(&home), "--out", text(&reproduced)]].concat();
    assert_eq!(lastbit(&line).code, Some(0));
    let mut pages: Vec<PathBuf> = vec![
        second.join("report.html"),
        second.join("compare.html"),
        parts.join("report.html"),
        parts.join("part-0/report.html"),
        parts.join("part-1/report.html"),
    ];
    let made = fs::read_dir(&reproduced).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    // The files that identify the folder's environment are not pages.
    pages.extend(
        made.filter(|path| {
            path.extension().is_some_and(|kind| ["html", "csv", "svg"].iter().any(|page| kind == *page))
        }),
    );
    pages.push(reproduced.join("verdict.json"));
    assert!(pages.len() > 9, "{pages:?}");
    for page in pages {
        let content = fs::read_to_string(&page).unwrap();
        assert!(!content.contains("ursula-secret"), "{} contains a path of this machine", page.display());
    }
    let page = fs::read_to_string(second.join("report.html")).unwrap();
    assert!(page.contains("--data-dir DATA_FOLDER --init WEIGHTS_FILE"), "{page}");
}

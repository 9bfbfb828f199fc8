//! `export`: every number of a run as a row, with its digits; Parquet and CSV hold the same rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::value::RawValue;

use crate::common::{Ended, FIG2, assert_refused, lastbit, names_in, scratch, text, train};

type Object = BTreeMap<String, Box<RawValue>>;

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The rows that the metrics of a run with these divisors should become.
fn expected(metrics: &str, ks: &[u32]) -> String {
    let mut rows = String::from("step,replica,k,tensor,quantity,value\n");
    for line in metrics.lines() {
        let line: Object = parse(line);
        let raw = |key: &str| line[key].get().replace("null", "NaN");
        let (kind, step) = (raw("kind"), raw("step"));
        let mut row = |replica: usize, tensor: &str, quantity: &str, value: &str| {
            rows += &format!("{step},{replica},{},{tensor},{quantity},{value}\n", ks[replica]);
        };
        // Keys, and the quantities that they become.
        let (same, each): (&[_], &[_]) = match kind.trim_matches('"') {
            "step" => (&[("epoch", "epoch"), ("lr", "lr")], &["loss", "rel_l1", "max_ulp", "differing"]),
            "epoch" => (&[("epoch", "epochs_done")], &["train_loss", "train_accuracy", "test_loss", "test_accuracy"]),
            "growth" => (&[("steps", "growth_steps")], &["growth"]),
            "layers" => {
                let replica: usize = parse(&raw("replica"));
                // In the order of the file, which a map of JSON does not keep.
                let text = raw("rel_l1");
                let pairs: Vec<_> =
                    text.trim_matches(['{', '}']).split(',').map(|p| p.split_once(':').unwrap()).collect();
                let bits: String = parse(&raw("weight"));
                let weight = f32::from_bits(u32::from_str_radix(&bits, 16).unwrap());
                row(replica, parse(pairs[0].0), "weight", &serde_json::to_string(&weight).unwrap());
                pairs.iter().for_each(|(name, value)| row(replica, parse(name), "rel_l1", value));
                continue;
            }
            "curvature" => {
                let keys = [
                    ("lr", "curvature_lr"),
                    ("lambda_max", "lambda_max"),
                    ("residual", "residual"),
                    ("products", "products"),
                    ("h", "h"),
                    ("product_error", "product_error"),
                    ("batch_sharpness", "batch_sharpness"),
                    ("batch_sharpness_error", "batch_sharpness_error"),
                    ("loss", "curvature_loss"),
                    ("gradient_norm", "gradient_norm"),
                ];
                let replica: usize = parse(&raw("replica"));
                keys.iter().for_each(|(key, quantity)| row(replica, "", quantity, &raw(key)));
                continue;
            }
            other => panic!("unknown kind {other}"),
        };
        for (key, quantity) in same {
            (0..ks.len()).for_each(|replica| row(replica, "", quantity, &raw(key)));
        }
        for key in each {
            let text = raw(key);
            let values = text.trim_matches(['[', ']']).split(',').enumerate();
            values.for_each(|(replica, value)| row(replica, "", key, value));
        }
    }
    rows
}

/// The rows of a Parquet file, as lines of CSV whose values are the bits of the numbers.
fn from_parquet(file: &Path) -> Vec<String> {
    let reader = SerializedFileReader::new(fs::File::open(file).unwrap()).unwrap();
    let line = |row: parquet::record::Row| {
        let cells = row.get_column_iter().map(|(_, field)| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Int(number) => number.to_string(),
            Field::Long(number) => number.to_string(),
            Field::Double(number) => number.to_bits().to_string(),
            other => panic!("unexpected {other}"),
        });
        cells.collect::<Vec<_>>().join(",")
    };
    reader.get_row_iter(None).unwrap().map(|row| line(row.unwrap())).collect()
}

/// The same of CSV, without its head.
fn from_csv(csv: &str) -> Vec<String> {
    let line = |line: &str| {
        let (before, value) = line.rsplit_once(',').unwrap();
        format!("{before},{}", value.parse::<f64>().unwrap().to_bits())
    };
    csv.lines().skip(1).map(line).collect()
}

fn export(folder: &Path, flags: &[&str]) -> Ended {
    lastbit(&[&["export", text(folder)], flags].concat())
}

/// The CSV of a folder, after a check that Parquet has the same rows. Expects these warnings of both.
fn exported(folder: &Path, home: &Path, warnings: &[&str]) -> String {
    let [csv, parquet] = ["out.csv", "out.parquet"].map(|name| home.join(name));
    let ended = export(folder, &["--csv"]);
    let files =
        [export(folder, &["--csv", "--out", text(&csv)]), export(folder, &["--parquet", "--out", text(&parquet)])];
    for ended in files.iter().chain([&ended]) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.err.lines().count(), warnings.len(), "{ended:?}");
        assert!(warnings.iter().all(|warning| ended.err.contains(warning)), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&csv).unwrap(), ended.out);
    let rows = from_csv(&ended.out);
    assert_eq!(from_parquet(&parquet), rows);
    assert!(files[1].out.contains(&format!("data: {}", text(&parquet))), "{files:?}");
    ended.out
}

#[test]
fn every_number_of_the_metrics_is_a_row() {
    let home = scratch("export-run");
    let run = home.join("run");
    // Two epochs; `--log-every` writes `layers` lines.
    train(&["--steps", "12", "--log-every", "3", "--sharpness", "4"], &run);
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let csv = exported(&run, &home, &[]);
    assert_eq!(csv, expected(&metrics, &[1, 3, 2]));

    let growth = home.join("growth");
    let flags = ["--lyapunov", "2", "--ks", "1,1", "--lyapunov-distances", "0.01", "--steps", "4"];
    let ended =
        lastbit(&[&crate::common::SMALL[..crate::common::SMALL.len() - 2], &flags, &["--out", text(&growth)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let metrics = fs::read_to_string(growth.join("metrics.jsonl")).unwrap();
    let growing = exported(&growth, &home, &[]);
    assert_eq!(growing, expected(&metrics, &[1, 1]));
    assert_documented(&[csv, growing]);
    // An equal export is an equal file.
    let [a, b] = ["a", "b"].map(|name| home.join(name));
    for out in [&a, &b] {
        assert_eq!(export(&run, &["--parquet", "--out", text(out)]).code, Some(0));
    }
    assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
}

/// The quantities of docs/DATA.md are those of the exports of a run with everything.
fn assert_documented(exports: &[String]) {
    const DATA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/DATA.md"));
    let table = DATA.lines().skip_while(|line| !line.starts_with("| quantity |")).skip(2);
    let first = table.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    let documented: BTreeSet<&str> =
        first.flat_map(|names| names.split(',').map(|name| name.trim().trim_matches('`'))).collect();
    let rows = exports.iter().flat_map(|csv| csv.lines().skip(1));
    let exported: BTreeSet<&str> = rows.filter_map(|row| row.split(',').nth(4)).collect();
    assert_eq!(documented, exported);
}

#[test]
fn several_runs_are_named_in_the_first_column() {
    let home = scratch("export-several");
    let parts = home.join("parts");
    let flags = ["--adapters", "0,0", "--ks", "1,3,5", "--steps", "2", "--out", text(&parts)];
    let small = &crate::common::SMALL[..crate::common::SMALL.len() - 2];
    let ended = lastbit(&[small, &flags].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let fig2 = home.join("fig2");
    let ended = lastbit(&[FIG2, &["--out", text(&fig2)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let runs = names_in(&fig2.join("runs"));
    assert!(runs.contains(&"n2-seed1".to_owned()), "{runs:?}");
    let parts = (parts.clone(), parts, ["part-0", "part-1"].map(str::to_owned).to_vec());
    for (folder, runs_in, names) in [parts, (fig2.clone(), fig2.join("runs"), runs)] {
        let mut expected = String::from("run,step,replica,k,tensor,quantity,value\n");
        for name in names {
            let rows = export(&runs_in.join(&name), &["--csv"]).out;
            rows.lines().skip(1).for_each(|row| expected += &format!("{name},{row}\n"));
        }
        assert_eq!(exported(&folder, &home, &[]), expected);
    }
}

#[test]
fn what_is_damaged_or_missing_is_named() {
    let home = scratch("export-damaged");
    let run = home.join("run");
    // The adapter is lost after the fourth step: the run is not finished.
    let ended = lastbit(&[crate::common::SMALL, &["--steps", "8", "--lose-device", "4", "--out", text(&run)]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let whole = exported(&run, &home, &["is not finished: its rows end at step 4"]);
    let metrics = run.join("metrics.jsonl");
    let lines = fs::read_to_string(&metrics).unwrap();
    let changed = lines.replacen("\"step\":2,", "\"step\":9x,", 1) + "{\"kind\":\"st";
    fs::write(&metrics, changed).unwrap();
    let ended = export(&run, &["--csv"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let number = lines.lines().position(|line| line.contains("\"step\":2,")).unwrap() + 1;
    let left_out = format!("out of order were left out: 1 (the first is line {number})");
    assert!(ended.err.contains(&left_out), "{}", ended.err);
    // The `layers` lines of the step are whole.
    let is_lost = |row: &&str| row.starts_with("2,") && row.contains(",,");
    let without: String = whole.split_inclusive('\n').filter(|row| !is_lost(row)).collect();
    assert_eq!(whole.lines().count() - without.lines().count(), 18);
    assert_eq!(ended.out, without);

    // A loss that is not finite.
    let lost = home.join("lost");
    train(&["--steps", "4", "--lr", "1e30"], &lost);
    let ended = export(&lost, &["--csv"]);
    assert!(ended.code == Some(0) && ended.err.contains("is not finite at step"), "{ended:?}");
    assert!(ended.out.contains(",loss,NaN\n"), "{}", ended.out);
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let home = scratch("export-refused");
    let run = home.join("run");
    train(&["--steps", "2"], &run);
    let metrics = fs::read(run.join("metrics.jsonl")).unwrap();
    assert_refused(&export(&run, &[]), 2, &["--csv", "--parquet"]);
    assert_refused(&export(&run, &["--csv", "--parquet"]), 2, &["--parquet", "--csv"]);
    assert_refused(&export(&run, &["--parquet"]), 2, &["--out run.parquet"]);
    assert_refused(&export(&run, &["--parquet", "--out", "-"]), 2, &["--out run.parquet"]);
    assert_refused(&export(&home, &["--csv"]), 2, &["holds no run"]);
    let own = run.join("metrics.jsonl");
    assert_refused(&export(&run, &["--csv", "--out", text(&own)]), 2, &["is not an earlier export"]);
    assert_refused(&export(&run, &["--csv", "--out", text(&home)]), 2, &["is a folder"]);
    let nowhere = home.join("nowhere").join("out.csv");
    assert_refused(&export(&run, &["--csv", "--out", text(&nowhere)]), 2, &["cannot write", "check the path"]);
    assert_eq!(fs::read(own).unwrap(), metrics);
    // An earlier export is replaced, and nothing else is left beside it.
    let out = home.join("out");
    for flag in ["--csv", "--parquet", "--csv"] {
        let ended = export(&run, &[flag, "--out", text(&out)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), export(&run, &["--csv", "--out", "-"]).out);
    assert_eq!(names_in(&home), ["out", "run"]);
    let fig1 = home.join("fig1");
    assert_eq!(lastbit(&["reproduce", "fig1", "--quick", "--out", text(&fig1)]).code, Some(0));
    assert_refused(&export(&fig1, &["--csv"]), 2, &["nothing to export", "*.csv"]);
}

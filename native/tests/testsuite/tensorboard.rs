//! `--tensorboard`: the event files have the values of the metrics. TensorBoard's own reader agrees, if it is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::skip::skip;
use crate::common::{json_lines, scratch, train};

/// The bits of each value, by (tag, step).
type Scalars = BTreeMap<(String, u64), u32>;

/// CRC-32C bit by bit, as RFC 3720 defines it.
fn crc32c(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

/// The records of a file. Checks lengths and checksums.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut take = |n: usize| {
        let (taken, after) = rest.split_at(n);
        rest = after;
        (taken.to_vec(), after.is_empty())
    };
    let check = |bytes: &[u8], stored: &[u8]| {
        let crc = crc32c(bytes);
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked.to_le_bytes(), stored, "a checksum is wrong");
    };
    let mut records = Vec::new();
    loop {
        let (length, _) = take(8);
        check(&length, &take(4).0);
        let (record, _) = take(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (stored, is_end) = take(4);
        check(&record, &stored);
        records.push(record);
        if is_end {
            return records;
        }
    }
}

/// The fields of a protocol buffer: `(number, content)`.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            wire => {
                let length = match wire {
                    1 => 8,
                    5 => 4,
                    _ => varint(&mut bytes) as usize,
                };
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                content.to_vec()
            }
        };
        found.push((key >> 3, content));
    }
    found
}

fn scalars(file: &Path) -> Scalars {
    let mut found = Scalars::new();
    for (index, record) in records(&fs::read(file).unwrap()).iter().enumerate() {
        let event: BTreeMap<u64, Vec<u8>> = fields(record).into_iter().collect();
        assert!(f64::from_le_bytes(event[&1].clone().try_into().unwrap()) > 1.7e9, "the wall time is wrong");
        if index == 0 {
            assert_eq!(event[&3], b"brain.Event:2");
        }
        let step = event.get(&2).map_or(0, |step| u64::from_le_bytes(step.clone().try_into().unwrap()));
        for (_, value) in event.get(&5).map(|summary| fields(summary)).unwrap_or_default() {
            let value: BTreeMap<u64, Vec<u8>> = fields(&value).into_iter().collect();
            let tag = String::from_utf8(value[&1].clone()).unwrap();
            found.insert((tag, step), u32::from_le_bytes(value[&2].clone().try_into().unwrap()));
        }
    }
    found
}

/// The steps from which on a file makes TensorBoard discard the events of earlier files.
fn session_starts(file: &Path) -> Vec<u64> {
    let events = records(&fs::read(file).unwrap());
    let events = events.iter().map(|record| fields(record).into_iter().collect::<BTreeMap<u64, Vec<u8>>>());
    // `session_log { status: START }`
    let starts = events.filter(|event| event.get(&7).is_some_and(|log| log == &[8, 1]));
    starts.map(|event| u64::from_le_bytes(event[&2].clone().try_into().unwrap())).collect()
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The scalars that TensorBoard's reader finds in a folder. `None` if it is not installed.
fn by_tensorboard(folder: &Path) -> Option<Scalars> {
    const READER: &str = r"
import sys, struct
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
for tag in events.Tags()['scalars']:
    for e in events.Scalars(tag):
        print(tag, e.step, struct.unpack('<I', struct.pack('<f', e.value))[0])
";
    // The variable may name another Python than the system's, for instance that of a virtual environment.
    let python = std::env::var("LASTBIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let is_there = Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|o| o.status.success());
    if !is_there {
        skip("TensorBoard's reader (not installed: only the test's own reader read the files)");
        return None;
    }
    let output = Command::new(python).args(["-c", READER]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let parse = |line: &str| {
        let mut parts = line.split(' ');
        let mut next = || parts.next().unwrap();
        ((next().to_owned(), next().parse().unwrap()), next().parse().unwrap())
    };
    Some(text.lines().map(parse).collect())
}

#[test]
fn event_files_hold_the_metrics() {
    let out = scratch("tensorboard").join("run");
    let measured = ["--sharpness", "4", "--sharpness-images", "16"];
    train(&[&["--steps", "9", "--checkpoint-every", "4steps", "--tensorboard"], &measured[..]].concat(), &out);
    // The run resumes from step 8, as after a crash. The events are written again from the metrics, also those that never reached
    // a file or are lost from it.
    fs::remove_dir_all(out.join("checkpoint/step-000009")).unwrap();
    let first = |replica: &str| out.join(format!("tensorboard/{replica}/events.out.tfevents.0000000000.lastbit"));
    fs::write(first("r0-k1"), "").unwrap();
    fs::remove_file(first("r1-k3")).unwrap();
    // Files of other programs, one of them with the largest possible number in its name.
    let foreign = ["notes.txt", "events.out.tfevents.18446744073709551615.lastbit"];
    let foreign = foreign.map(|name| out.join("tensorboard/r0-k1").join(name));
    foreign.iter().for_each(|file| fs::write(file, "mine").unwrap());
    train(&["--steps", "11", "--resume"], &out);
    for file in foreign {
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        fs::remove_file(file).unwrap();
    }
    let lines = json_lines(&out.join("metrics.jsonl"));
    for (replica, name) in ["r0-k1", "r1-k3", "r2-k2"].iter().enumerate() {
        let folder = out.join("tensorboard").join(name);
        let files = event_files(&folder);
        assert_eq!(files.len(), 1, "{files:?}");
        // A reader that has read an earlier file discards it.
        assert_eq!(session_starts(&files[0]), [1]);
        let all = scalars(&files[0]);
        let mut n_values = 0;
        for line in &lines {
            let step = line["step"].as_u64().unwrap();
            let mut same = |tag: String, value: &serde_json::Value| {
                let bits = all.get(&(tag.clone(), step)).copied().unwrap_or_else(|| panic!("no {tag} at step {step}"));
                assert_eq!(f32::from_bits(bits), value.as_f64().unwrap() as f32, "{tag} at step {step}");
                n_values += 1;
            };
            match line["kind"].as_str().unwrap() {
                "step" => {
                    for key in ["loss", "rel_l1", "max_ulp", "differing"] {
                        same(format!("step/{key}"), &line[key][replica]);
                    }
                    same("step/lr".to_owned(), &line["lr"]);
                }
                "epoch" => {
                    for key in ["train_loss", "train_accuracy", "test_loss", "test_accuracy"] {
                        same(format!("epoch/{key}"), &line[key][replica]);
                    }
                }
                "curvature" if replica == 0 => {
                    for key in ["lambda_max", "batch_sharpness"] {
                        same(format!("curvature/{key}"), &line[key]);
                    }
                }
                "layers" if line["replica"] == replica => {
                    let layers = line["rel_l1"].as_object().unwrap();
                    layers.iter().for_each(|(layer, value)| same(format!("rel_l1/{layer}"), value));
                }
                _ => {}
            }
        }
        assert_eq!(n_values, all.len(), "the event files have values that the metrics do not have");
        if let Some(theirs) = by_tensorboard(&folder) {
            assert_eq!(theirs, all);
        }
    }
}

#[test]
fn growth_is_an_exponent_a_step() {
    let out = scratch("tensorboard-growth").join("run");
    let growth = ["--lyapunov", "2", "--lyapunov-distances", "0.01,0.1"];
    train(&[&["--steps", "4", "--tensorboard"], &growth[..]].concat(), &out);
    let lines = json_lines(&out.join("metrics.jsonl"));
    let last = lines.iter().rfind(|line| line["kind"] == "growth").unwrap();
    let shown = scalars(&event_files(&out.join("tensorboard/r2-k2"))[0]);
    let exponent = f32::from_bits(shown[&("growth/exponent".to_owned(), 4)]);
    assert_eq!(exponent, last["growth"][2].as_f64().unwrap() as f32 / 2.0);
    assert!(!scalars(&event_files(&out.join("tensorboard/r0-k1"))[0]).keys().any(|(tag, _)| tag.starts_with("growth")));
}

#[test]
fn lost_replicas_have_no_distance() {
    let out = scratch("tensorboard-lost").join("run");
    train(&["--steps", "4", "--lr", "1e30", "--log-every", "1", "--tensorboard"], &out);
    let lines = json_lines(&out.join("metrics.jsonl"));
    let last = lines.iter().rfind(|line| line["kind"] == "step").unwrap();
    // The metrics record a distance of 0.
    assert!(last["loss"][2].is_null() && last["rel_l1"][2] == 0.0, "{last}");
    let shown = scalars(&event_files(&out.join("tensorboard/r2-k2"))[0]);
    for tag in ["step/rel_l1", "step/max_ulp", "step/differing", "rel_l1/conv1.weight"] {
        let value = f32::from_bits(shown[&(tag.to_owned(), 4)]);
        assert!(value.is_nan(), "{tag} is {value}");
    }
}

#[test]
fn a_restarted_run_replaces_its_events() {
    let out = scratch("tensorboard-anew").join("run");
    train(&["--steps", "6", "--tensorboard"], &out);
    let first = scalars(&event_files(&out.join("tensorboard/r0-k1"))[0]);
    fs::remove_dir_all(out.join("checkpoint")).unwrap();
    fs::remove_file(out.join("summary.json")).unwrap();
    train(&["--steps", "6", "--resume"], &out);
    let folder = out.join("tensorboard/r0-k1");
    let files = event_files(&folder);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(session_starts(&files[0]), [1]);
    assert_eq!(scalars(&files[0]), first, "the bits differ");
    if let Some(theirs) = by_tensorboard(&folder) {
        assert_eq!(theirs, first);
    }
}

#[test]
#[cfg(unix)]
fn a_kill_after_a_checkpoint_loses_no_step() {
    use crate::common::{SMALL, command, text};

    let out = scratch("tensorboard-killed").join("run");
    let flags = ["--steps", "4000", "--checkpoint-every", "5steps", "--eval-every", "0", "--tensorboard"];
    let mut child = command([SMALL, &flags[..], &["--out", text(&out), "--quiet"]].concat()).spawn().unwrap();
    while !out.join("checkpoint/step-000010").is_dir() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Resume twice, so that the second time continues after the first one's event file.
    let saved = || {
        let folders = fs::read_dir(out.join("checkpoint")).unwrap().map(|entry| entry.unwrap().file_name());
        let steps = folders.filter_map(|name| name.into_string().unwrap().strip_prefix("step-")?.parse::<u64>().ok());
        steps.max().unwrap()
    };
    for _ in 0..2 {
        let steps = (saved() + 3).to_string();
        let config = fs::read_to_string(out.join("config.toml")).unwrap();
        let line = config.lines().find(|line| line.starts_with("steps = ")).unwrap();
        fs::write(out.join("config.toml"), config.replace(line, &format!("steps = {steps}"))).unwrap();
        train(&["--resume"], &out);
    }
    let files = event_files(&out.join("tensorboard/r1-k3"));
    assert_eq!(files.len(), 1, "{files:?}");
    let losses = scalars(&files[0]).into_keys().filter(|(tag, _)| tag == "step/loss").map(|(_, step)| step);
    assert!(losses.eq(1..=saved()), "a step is missing");
}

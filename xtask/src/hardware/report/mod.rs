//! `cargo xtask hardware report`: turns folders of results into sections of the documentation, one for each device. The same
//! results give the same text; a device's section replaces the one that is there.

mod devices;
mod hardware;
mod performance;
mod sections;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::adapters::Adapter;
use super::certificate;
use super::results::{Report, replace};
use crate::process;

/// What is known of a device: results, a certificate, or both.
struct Device {
    adapter: Adapter,
    report: Option<Report>,
    certificate: Option<Value>,
}

/// A document, with what it says about a device.
struct Document {
    file: &'static str,
    /// The text of a device's section, without its heading; `None` if there is nothing to say.
    section: fn(&Device) -> Option<String>,
    /// True if the section in the file, the first argument, is to be replaced by the second.
    replaces: fn(&str, &str) -> bool,
}

const DOCUMENTS: [Document; 3] = [
    Document { file: "DEVICES.md", section: devices::section, replaces: devices::replaces },
    Document { file: "HARDWARE.md", section: hardware::section, replaces: |_, _| true },
    Document { file: "PERFORMANCE.md", section: performance::section, replaces: |_, _| true },
];

impl Device {
    /// Reads a folder of results, or one that `lastbit certify` has written.
    fn read(folder: &Path) -> Result<Self> {
        let (report, certificate) = (Report::read(folder)?, certificate::read(folder)?);
        let certified = certificate.as_ref().map(|certificate| &certificate["adapter"]);
        let certified: Option<Adapter> = match certified {
            Some(adapter) => Some(
                serde_json::from_value(adapter.clone())
                    .with_context(|| format!("the certificate in {} is damaged", folder.display()))?,
            ),
            None => None,
        };
        if let (Some(report), Some(adapter)) = (&report, &certified) {
            ensure!(
                report.adapter.name == adapter.name,
                "{} has a certificate of '{}' beside results of '{}'",
                folder.display(),
                adapter.name,
                report.adapter.name
            );
        }
        let adapter = report.as_ref().map(|report| report.adapter.clone()).or(certified);
        let adapter =
            adapter.with_context(|| format!("'{}' holds no results.json and no certificate.json", folder.display()))?;
        Ok(Self { adapter, report, certificate })
    }

    /// What its section is known by.
    fn key(&self) -> String {
        format!("{} ({})", self.adapter.title(), self.adapter.backend)
    }

    /// The day of the newest results.
    fn date(&self) -> String {
        let stages = self.report.iter().flat_map(|report| &report.stages).map(|stage| stage.date.as_str());
        let certified = self.certificate.iter().filter_map(|certificate| certificate["date"].as_str());
        stages.chain(certified).max().unwrap_or("no date").to_owned()
    }

    /// The values that a stage has noted, or null.
    fn value(&self, stage: &str, name: &str) -> &Value {
        let values = self.report.as_ref().and_then(|report| report.stage(stage)).map(|stage| &stage.values);
        values.and_then(|values| values.get(name)).unwrap_or(&Value::Null)
    }
}

/// Arguments: `RESULTS... [--docs FOLDER]`.
pub fn run(arguments: &[String]) -> Result<()> {
    let (folders, docs) = parse(arguments)?;
    let docs = docs.unwrap_or_else(|| process::root().join("docs"));
    let devices = folders.iter().map(|folder| Device::read(folder)).collect::<Result<Vec<_>>>()?;
    for document in &DOCUMENTS {
        let path = docs.join(document.file);
        let old = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let new = update(document, &old, &devices).with_context(|| path.display().to_string())?;
        if new == old {
            println!("hardware report: {} is up to date", path.display());
        } else {
            replace(&path, &new)?;
            println!("hardware report: wrote {}", path.display());
        }
        for device in &devices {
            if (document.section)(device).is_some_and(|body| !new.contains(body.trim_end())) {
                let name = device.adapter.title();
                println!("hardware report: {} keeps a newer or more complete section of '{name}'", path.display());
            }
        }
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
    let (mut folders, mut docs) = (Vec::new(), None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--docs" => docs = Some(PathBuf::from(words.next().context("--docs needs a folder")?)),
            flag if flag.starts_with('-') => bail!("hardware report has no flag {flag}; see `cargo xtask help`"),
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    ensure!(!folders.is_empty(), "hardware report needs a folder of results");
    Ok((folders, docs))
}

/// The document with the sections of these devices.
fn update(document: &Document, text: &str, devices: &[Device]) -> Result<String> {
    let mut text = text.to_owned();
    for device in devices {
        let Some(body) = (document.section)(device) else { continue };
        let section = format!("### {}\n\n{}\n", text::cell(&device.adapter.title()), body.trim_end());
        text = sections::set(&text, &device.key(), &section, document.replaces)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    const RESULTS: &str = include_str!("testdata/results.json");
    const CERTIFICATE: &str = include_str!("testdata/certificate.json");
    const DOCUMENT: &str =
        "# Title\n\nHead.\n\n<!-- hardware report -->\n<!-- end of the hardware report -->\n\n## Written by hand\n";

    fn device(scratch: &Scratch, results: Option<&str>, certificate: Option<&str>) -> Device {
        let folder = scratch.path().join("results");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("certificate")).unwrap();
        if let Some(text) = results {
            fs::write(folder.join("results.json"), text).unwrap();
        }
        if let Some(text) = certificate {
            fs::write(folder.join("certificate/certificate.json"), text).unwrap();
        }
        Device::read(&folder).unwrap()
    }

    fn document(file: &str) -> &'static Document {
        DOCUMENTS.iter().find(|document| document.file == file).unwrap()
    }

    #[test]
    fn the_same_results_give_the_same_text() {
        let scratch = Scratch::new("report");
        let devices = [device(&scratch, Some(RESULTS), Some(CERTIFICATE))];
        for document in &DOCUMENTS {
            let once = update(document, DOCUMENT, &devices).unwrap();
            assert_eq!(update(document, &once, &devices).unwrap(), once, "{}", document.file);
            assert_eq!(once.matches("### Recorded GPU\n").count(), 1, "{once}");
            assert!(once.starts_with("# Title\n\nHead.\n") && once.ends_with("\n## Written by hand\n"), "{once}");
        }
    }

    #[test]
    fn each_document_says_what_was_measured() {
        let scratch = Scratch::new("texts");
        let devices = [device(&scratch, Some(RESULTS), Some(CERTIFICATE))];
        let expected: [(&str, &[&str]); 3] = [
            (
                "DEVICES.md",
                &[
                    "Recorded driver 1.2",
                    "version 3",
                    "fused; subnormals flushed",
                    "| shaders are twins | **broken** | 123 kernels |",
                    "\n    two runs differ\n    bn_apply [C=16] (resnet20): output[17] is 3f800001, expected 3f800000\n    and 7 more\n",
                    "| run-to-run | kept | 20 steps |",
                    "| resume | kept, except: not with subnormals | 1 run |",
                ],
            ),
            (
                "HARDWARE.md",
                &[
                    "| rules | 95 s | incomplete | 80 tests passed; 1 had no time: bit\\_rules: neither\\_chunks |",
                    "| twice | 12 s | done | controls, run to run, `lastbit compare`, one k alone, chunks, replay: every bit is the same |",
                    "57.1 TFLOP/s",
                    "2.96 TB/s",
                    "| conv3x3_forward | C16 K16 32x32 | 0.125 | 0.116 | 50.5 % | 13.0 % |",
                    "| 3x3 16 -> 16 at 32 | weight gradient | 0.325 | 0.227 | 0.70 |",
                    "350 steps",
                ],
            ),
            (
                "PERFORMANCE.md",
                &[
                    "| lastbit 0.1.0: in lockstep | 6 | 128 | 6.7",
                    "| resnet56 | 6 | 128 | 40.1 | 6.68 | 26.0 % | 34.0 % | 3774 |",
                ],
            ),
        ];
        for (file, parts) in expected {
            let text = update(document(file), DOCUMENT, &devices).unwrap();
            for part in parts {
                assert!(text.contains(part), "{file} lacks '{part}':\n{text}");
            }
        }
    }

    #[test]
    fn results_without_a_certificate_do_not_hide_one() {
        let scratch = Scratch::new("certified");
        let certified = device(&scratch, None, Some(CERTIFICATE));
        let plain = device(&scratch, Some(RESULTS), None);
        let devices = document("DEVICES.md");
        let only_plain = update(devices, DOCUMENT, &[plain]).unwrap();
        assert!(only_plain.contains("no command `certify`"), "{only_plain}");
        let both = update(devices, &only_plain, &[certified]).unwrap();
        assert!(both.contains("subnormals flushed") && !both.contains("no command `certify`"), "{both}");
        let plain = device(&scratch, Some(RESULTS), None);
        assert_eq!(update(devices, &both, &[plain]).unwrap(), both);
    }

    #[test]
    fn a_certificate_gives_way_to_one_that_is_as_complete_and_not_older() {
        let scratch = Scratch::new("newer");
        let devices = document("DEVICES.md");
        let [broken, kept] =
            ["false", "true"].map(|kept| format!("\"kept\":{kept},\"exception\":null,\"checked\":\"123"));
        let sound = CERTIFICATE.replace(&broken, &kept);
        let with = |changes: &[(&str, &str)]| {
            let text = changes.iter().fold(sound.clone(), |text, (old, new)| {
                assert!(text.contains(old), "{old}");
                text.replace(old, new)
            });
            device(&scratch, None, Some(&text))
        };
        let dates = ["2026-11-27", "2026-11-28", "2026-11-29"];
        let texts = dates.map(|date| format!("\"date\":\"{date}\""));
        let old = update(devices, DOCUMENT, &[with(&[])]).unwrap();
        let then = |device: Device| update(devices, &old, &[device]).unwrap();
        let date = texts[1].as_str();
        assert_eq!(then(with(&[(date, &texts[0])])), old);
        assert!(then(with(&[(date, &texts[2])])).contains(dates[2]));
        let quick = ("\"speed\"", "\"quick\":true,\"speed\"");
        assert_eq!(then(with(&[(date, &texts[2]), quick])), old);
        let breaks = (kept.as_str(), broken.as_str());
        assert!(then(with(&[(date, &texts[2]), quick, breaks])).contains("| shaders are twins | **broken** |"));
        assert_eq!(then(with(&[(date, &texts[0]), quick, breaks])), old);
        let quick_then = |device: Device| {
            let newer = update(devices, DOCUMENT, &[with(&[(date, &texts[2]), quick])]).unwrap();
            (update(devices, &newer, &[device]).unwrap(), newer)
        };
        let (older, newer) = quick_then(with(&[]));
        assert_eq!(older, newer, "a newer one stays");
        assert!(!quick_then(with(&[(date, &texts[2])])).0.contains("`certify --quick`"));
        let unfinished = ("\"unfinished\":null", "\"unfinished\":\"resnet20: the device was lost\"");
        assert_eq!(then(with(&[(date, &texts[2]), unfinished])), old);
        let alone = update(devices, DOCUMENT, &[with(&[unfinished])]).unwrap();
        assert!(alone.contains("**not finished**: resnet20: the device was lost"), "{alone}");
        assert!(update(devices, &alone, &[with(&[])]).unwrap().contains("**not all kept**"));
        // Processors have one name.
        let another = ("\"kind\"", "\"detail\":\"neon, 8 threads\",\"kind\"");
        assert!(then(with(&[another])).contains("### Recorded GPU, neon, 8 threads\n"));
        assert!(then(with(&[another])).contains("### Recorded GPU\n"));
    }

    #[test]
    fn folders_that_are_no_results_are_named() {
        let scratch = Scratch::new("no-results");
        let error = Device::read(scratch.path()).err().unwrap().to_string();
        assert!(error.contains("holds no results.json and no certificate.json"), "{error}");
        fs::write(scratch.path().join("results.json"), "{\"format\":1,").unwrap();
        assert!(Device::read(scratch.path()).err().unwrap().to_string().contains("is damaged"));
        assert!(parse(&["--docs".to_owned(), "x".to_owned()]).is_err());
        fs::remove_file(scratch.path().join("results.json")).unwrap();
        for (old, new, expected) in [
            ("\"format\":1", "\"format\":2", "has format 2"),
            ("Recorded GPU", " ", "certificate.json lacks the adapter's name"),
            ("2026-11-28", "yesterday", "certificate.json lacks the date"),
            ("\"promises\"", "\"promise\"", "certificate.json lacks the promises"),
        ] {
            fs::write(scratch.path().join("certificate.json"), CERTIFICATE.replace(old, new)).unwrap();
            let error = Device::read(scratch.path()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let other = CERTIFICATE.replace("Recorded GPU", "Another GPU");
        fs::write(scratch.path().join("results.json"), RESULTS).unwrap();
        fs::write(scratch.path().join("certificate.json"), other).unwrap();
        assert!(
            Device::read(scratch.path())
                .err()
                .unwrap()
                .to_string()
                .contains("'Another GPU' beside results of 'Recorded GPU'")
        );
    }

    #[test]
    fn every_kind_of_device_that_needs_no_gpu_is_certified() {
        let text = fs::read_to_string(process::root().join("docs/DEVICES.md")).unwrap();
        let sections: Vec<&str> = text.split("\n### ").skip(1).collect();
        let order = fs::read_to_string(process::root().join("docs/ORDER.md")).unwrap();
        let order =
            order.split("ersion ").nth(1).and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next()).unwrap();
        for (name, interface) in [
            ("llvmpipe", "vulkan"),
            ("processor,", "processor"),
            ("processor:separate,", "processor"),
            ("SwiftShader", "vulkan"),
            ("SwiftShader", "webgpu"),
        ] {
            let kind = format!("| interface, kind | {interface}, Cpu |");
            let section = sections.iter().find(|section| section.starts_with(name) && section.contains(&kind));
            let section = section.unwrap_or_else(|| panic!("no certificate of {name} ({interface})"));
            assert!(section.contains("| promises | all kept |"), "{section}");
            assert!(section.contains(&format!("| order of sums | version {} |", order.trim())), "{section}");
        }
    }

    #[test]
    fn the_documents_have_a_place_for_sections() {
        let scratch = Scratch::new("documents");
        let devices = [device(&scratch, Some(RESULTS), Some(CERTIFICATE))];
        for document in &DOCUMENTS {
            let text = fs::read_to_string(process::root().join("docs").join(document.file)).unwrap();
            let new = update(document, &text, &devices).unwrap();
            assert!(new.contains("### Recorded GPU\n"), "{}", document.file);
        }
    }
}

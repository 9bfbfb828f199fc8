//! The purpose of the program, on real images if they are available: replicas learn, and their distance grows by eight orders
//! of magnitude within twenty steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lastbit_core::data::{ImageSet, synthetic};
use lastbit_core::ops::Shape;
use serde_json::Value;

use crate::common::{json_lines, lastbit, scratch, text};

/// Images per class: `[training, test]`.
const PER_CLASS: [usize; 2] = [100, 10];
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The first images of each class of the CIFAR-10 archive beside the checkout. `None` without that archive.
fn real_images(home: &Path) -> Option<[ImageSet; 2]> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cifar10-jpeg.tar.xz");
    if !archive.is_file() {
        return None;
    }
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(&archive).arg("-C").arg(home).args(["--wildcards", "train/*/00??.jpg", "test/*/000?.jpg"]);
    assert!(tar.status().is_ok_and(|status| status.success()), "tar with xz unpacks {}", archive.display());
    let set = |part: &str, per_class: usize| {
        let mut set = ImageSet::with_capacity(Shape::new(3, 32, 32), per_class * CLASSES.len());
        // The classes alternate, so that every file of the set has all of them.
        for i in 0..per_class {
            for (label, class) in CLASSES.iter().enumerate() {
                let file = home.join(format!("{part}/{class}/{i:04}.jpg"));
                let image = image::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())).to_rgb8();
                for channel in 0..3 {
                    set.pixels.extend(image.pixels().map(|pixel| pixel.0[channel]));
                }
                set.labels.push(label as u8);
            }
        }
        set
    };
    Some([set("train", PER_CLASS[0]), set("test", PER_CLASS[1])])
}

/// Writes the images in CIFAR-10's binary layout.
fn write_cifar10(folder: &Path, [train, test]: &[ImageSet; 2]) {
    fs::create_dir_all(folder).unwrap();
    let records = |set: &ImageSet, images: std::ops::Range<usize>| -> Vec<u8> {
        images.flat_map(|i| [&[set.labels[i]], set.image(i)].concat()).collect()
    };
    let fifth = train.len() / 5;
    for file in 0..5 {
        let name = format!("data_batch_{}.bin", file + 1);
        fs::write(folder.join(name), records(train, file * fifth..(file + 1) * fifth)).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), records(test, 0..test.len())).unwrap();
}

fn train(flags: &[&str], out: PathBuf) -> Vec<Value> {
    let ended = lastbit(&[&["train", "--quiet", "--out", text(&out)], flags].concat());
    assert!(ended.code == Some(0) && ended.out.is_empty() && ended.err.is_empty(), "{ended:?}");
    json_lines(&out.join("metrics.jsonl"))
}

fn steps(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["kind"] == "step").collect()
}

#[test]
fn resnet20_diverges_by_eight_orders_of_magnitude() {
    let home = scratch("parting");
    let images = real_images(&home).unwrap_or_else(|| {
        println!("no CIFAR-10 beside the checkout: this test uses made-up images");
        let [train, test] = PER_CLASS.map(|n| n * CLASSES.len());
        let made_up = synthetic::dataset(1, train, test);
        [made_up.train, made_up.test]
    });
    let data = home.join("data");
    write_cifar10(&data, &images);
    // The paper's settings, but with batch 32 for a software adapter.
    let flags = ["--net", "resnet20", "--dataset", "cifar10", "--data-dir", text(&data), "--ks", "1,3"];
    let length = ["--batch-size", "32", "--steps", "30", "--eval-every", "0", "--test-limit", "32"];
    let lines = train(&[&flags[..], &length].concat(), home.join("run"));
    let steps = steps(&lines);
    let distance = |step: usize| steps[step - 1]["rel_l1"][1].as_f64().unwrap();
    assert!(distance(1) > 0.0 && distance(1) < 1e-7, "after step 1: {}", distance(1));
    assert!(distance(20) > 0.05, "after step 20: {}", distance(20));
    let mean =
        |steps: &[&Value]| steps.iter().map(|s| s["loss"][0].as_f64().unwrap()).sum::<f64>() / steps.len() as f64;
    let (first, last) = (mean(&steps[..10]), mean(&steps[20..]));
    assert!(last < first, "the loss does not fall: {first} in the first ten steps, {last} in the last ten");
}

#[test]
fn made_up_images_can_be_learned() {
    let flags = ["--net", "resnet8", "--dataset", "synthetic", "--ks", "1", "--batch-size", "64", "--steps", "100"];
    let lines = train(&[&flags[..], &["--eval-every", "0"]].concat(), scratch("made-up").join("run"));
    let last = lines.iter().rfind(|line| line["kind"] == "epoch").unwrap();
    let accuracy = last["test_accuracy"][0].as_f64().unwrap();
    assert!(accuracy > 60.0, "test accuracy {accuracy} %");
}

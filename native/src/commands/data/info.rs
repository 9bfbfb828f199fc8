//! `lastbit data info`: shows where the data sets are, or what one contains.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lastbit_core::data::{Dataset, ImageSet, Origin};
use lastbit_core::train::DatasetKind;
use serde_json::json;

use crate::datasets::{self, Loaded};
use crate::failure::Failure;
use crate::files::replace_file;
use crate::terminal::{columns, print_line};

/// Flags of `data info`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Data set: cifar10, fashion-mnist, folder or synthetic [default: list all]
    name: Option<DatasetKind>,
    /// Folder with the data set's files, or its parent, or the archive [default: ./data, then the user's data folder]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Draw the first ten training images of each class into a PNG file
    #[arg(long, value_name = "FILE.png", requires = "name")]
    contact_sheet: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the data sets, or describes one.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match arguments.name {
        None => list(arguments),
        Some(kind) => describe(kind, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists which data sets are there, without reading them.
fn list(arguments: &Arguments) {
    let places: Vec<_> =
        DatasetKind::ALL.map(|kind| (kind, datasets::find(kind, arguments.data_dir.as_deref()))).into_iter().collect();
    if arguments.json {
        let entries = places.iter().map(|(kind, place)| {
            json!({ "name": kind.to_string(), "found": place.is_ok(), "path": place.as_ref().ok().and_then(path_text) })
        });
        print_line(json!(entries.collect::<Vec<_>>()));
        return;
    }
    let mut rows = vec![["name", "found", "where"].map(str::to_owned).to_vec()];
    rows.extend(places.iter().map(|(kind, place)| {
        let (found, place) = match place {
            Ok(Some(path)) => ("yes", path.display().to_string()),
            Ok(None) => ("yes", "made up, needs no files".to_owned()),
            Err(_) if *kind == DatasetKind::Folder => {
                ("no", "give the folder with train/CLASS/ and test/CLASS/ to --data-dir".to_owned())
            }
            Err(_) => ("no", format!("get it with: lastbit data fetch {kind}")),
        };
        vec![kind.to_string(), found.to_owned(), place]
    }));
    columns(&rows).iter().for_each(print_line);
}

fn describe(kind: DatasetKind, arguments: &Arguments) -> Result<(), Failure> {
    let is_png = |path: &PathBuf| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if let Some(path) = arguments.contact_sheet.as_ref().filter(|path| !is_png(path)) {
        return Err(Failure::usage(format!(
            "--contact-sheet: '{}' does not end in .png: the sheet is a PNG image, so give it a name that does",
            path.display()
        )));
    }
    let place = datasets::find(kind, arguments.data_dir.as_deref())?;
    let Loaded { dataset, not_read } = datasets::read(kind, place.as_deref())?;
    if let Some(path) = &arguments.contact_sheet {
        replace_file(path, &datasets::contact_sheet(&dataset)?)?;
    }
    let sha256 = datasets::sha256(&dataset);
    let origin = Origin::of(&dataset).map(|origin| origin.to_string());
    let counts = [&dataset.train, &dataset.test].map(|set| class_counts(set, dataset.classes));
    if arguments.json {
        let shape = dataset.shape();
        let classes = dataset.class_names.iter().enumerate().map(
            |(label, name)| json!({ "label": label, "name": name, "train": counts[0][label], "test": counts[1][label] }),
        );
        print_line(json!({
            "name": dataset.name,
            "path": path_text(&place),
            "train": dataset.train.len(),
            "test": dataset.test.len(),
            "shape": [shape.channels, shape.height, shape.width],
            "mean": as_written(&dataset.normalization.mean),
            "std": as_written(&dataset.normalization.std),
            "pad_byte": dataset.pad_byte,
            "crop_and_flip": dataset.crop_and_flip,
            "sha256": sha256,
            "origin": origin,
            "not_read": not_read.kinds(),
            "classes": classes.collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    let place = path_text(&place).unwrap_or_else(|| "made up, needs no files".to_owned());
    let beside = [("origin", origin), ("not read", not_read.text())];
    facts(&dataset, place, sha256, beside).iter().for_each(print_line);
    print_line("");
    class_table(&dataset, &counts).iter().for_each(print_line);
    if let Some(path) = &arguments.contact_sheet {
        print_line(format!("\nthe first ten training images of each class are in '{}'", path.display()));
    }
    Ok(())
}

/// The path of a place; `None` if it has none.
fn path_text(place: &Option<PathBuf>) -> Option<String> {
    place.as_ref().map(|path| path.display().to_string())
}

/// Float32 numbers with the digits that they have in float32.
fn as_written(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| value.to_string().parse().unwrap_or_else(|_| f64::from(*value))).collect()
}

/// Number of images of each class.
fn class_counts(set: &ImageSet, classes: u32) -> Vec<usize> {
    let mut counts = vec![0; classes as usize];
    set.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

fn facts(dataset: &Dataset, place: String, sha256: String, beside: [(&'static str, Option<String>); 2]) -> Vec<String> {
    let shape = dataset.shape();
    let numbers = |values: &[f32]| values.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(" / ");
    let scale = &dataset.normalization;
    let rows = [
        ("data set", dataset.name.clone()),
        ("where", place),
        ("images", format!("{} training, {} test", dataset.train.len(), dataset.test.len())),
        ("shape", format!("{} x {} x {} (channels, rows, columns)", shape.channels, shape.height, shape.width)),
        ("normalisation", format!("mean {}, std {}", numbers(&scale.mean), numbers(&scale.std))),
        (
            "augmentation",
            match dataset.crop_and_flip {
                true => format!("random crop, padded with byte {}, and flip", dataset.pad_byte),
                false => "none".to_owned(),
            },
        ),
        ("sha-256", sha256),
    ];
    let beside = beside.into_iter().filter_map(|(key, value)| Some((key, value?)));
    columns(&rows.into_iter().chain(beside).map(|(key, value)| vec![key.to_owned(), value]).collect::<Vec<_>>())
}

fn class_table(dataset: &Dataset, [train, test]: &[Vec<usize>; 2]) -> Vec<String> {
    let row = |cells: [String; 4]| cells.to_vec();
    let mut rows = vec![row(["label", "class", "train", "test"].map(str::to_owned))];
    rows.extend(dataset.class_names.iter().enumerate().map(|(label, name)| {
        row([label.to_string(), name.clone(), train[label].to_string(), test[label].to_string()])
    }));
    rows.push(row(["".into(), "all".into(), dataset.train.len().to_string(), dataset.test.len().to_string()]));
    columns(&rows)
}

//! `lastbit data info`: the list, the table, the contact sheet.

use std::fs;

use crate::common::{Ended, assert_refused, command, lastbit, names_in, scratch, text};

#[test]
fn all_data_sets_are_listed() {
    let home = scratch("info-list");
    let list = |flags: &[&str]| -> Ended {
        let line = [&["data", "info"], flags].concat();
        command(line).current_dir(&home).env("XDG_DATA_HOME", &home).output().unwrap().into()
    };
    let ended = list(&["--json"]);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let names: Vec<_> = found.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cifar10", "fashion-mnist", "folder", "synthetic"]);
    assert_eq!((&found[0]["found"], &found[3]["found"]), (&false.into(), &true.into()));
    let ended = list(&[]);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 5), "{ended:?}");
    assert!(ended.out.contains("lastbit data fetch cifar10"), "{ended:?}");
    fs::create_dir_all(home.join("lastbit")).unwrap();
    fs::write(home.join("lastbit/cifar-10-binary.tar.gz"), "looked for, not read").unwrap();
    let found: serde_json::Value = serde_json::from_str(&list(&["--json"]).out).unwrap();
    assert!(found[0]["path"].as_str().unwrap().ends_with("cifar-10-binary.tar.gz"));
}

#[test]
fn a_data_set_is_a_table() {
    let ended = lastbit(&["data", "info", "synthetic"]);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    for part in ["2048 training, 512 test", "3 x 32 x 32", "mean 0.436", "sha-256", "diagonal", "made up"] {
        assert!(ended.out.contains(part), "{part}: {ended:?}");
    }
    let table: Vec<_> = ended.out.lines().skip_while(|line| !line.starts_with("label")).collect();
    assert_eq!(table.len(), 12, "the table must have a head, ten classes and their sum: {table:?}");
    let column = table[0].find("train").unwrap();
    assert!(table[1..].iter().all(|line| line[column..].starts_with("20")), "{table:?}");
}

#[test]
fn a_contact_sheet_is_a_png() {
    let home = scratch("info-sheet");
    let sheet = home.join("sheet.png");
    let with = |path: &str| lastbit(&["data", "info", "synthetic", "--contact-sheet", path]);
    assert_eq!(with(text(&sheet)).code, Some(0));
    assert_eq!(image::image_dimensions(&sheet).unwrap(), (728, 662));
    assert_eq!(names_in(&home), ["sheet.png"]);
    assert_refused(&with(text(&home.join("sheet.jpg"))), 2, &["--contact-sheet", "sheet.jpg", ".png"]);
    assert_refused(&with(text(&home.join("none/sheet.png"))), 1, &["none/sheet.png", "cannot write"]);
    assert_eq!(names_in(&home), ["sheet.png"]);
}

#[test]
fn bad_names_are_refused() {
    assert_refused(
        &lastbit(&["data", "info", "imagenet"]),
        2,
        &["imagenet", "cifar10, fashion-mnist, folder or synthetic"],
    );
    assert_refused(&lastbit(&["data", "info", "--contact-sheet", "x.png"]), 2, &["NAME"]);
}

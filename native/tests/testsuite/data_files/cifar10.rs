//! CIFAR-10: a folder with six files, its parent, or the archive.

use std::fs;
use std::path::{Path, PathBuf};

use tar::EntryType;

use super::{good_info, gzip, info, two_steps};
use crate::common::{self, assert_refused, command, json_lines, lastbit, names_in, scratch, text};

const RECORD: usize = 3073;

/// `n` records with the ten labels in turn and random pixels.
fn records(n: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut pixel = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..n)
        .flat_map(|i| std::iter::once((i % 10) as u8).chain((1..RECORD).map(|_| pixel())).collect::<Vec<_>>())
        .collect()
}

fn file_names() -> Vec<String> {
    (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".to_owned()]).collect()
}

/// Writes six small files: 102 training and 8 test images. The second file is longer than one read.
fn small_cifar10(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (i, name) in file_names().iter().enumerate() {
        fs::write(folder.join(name), records(if i == 1 { 70 } else { 8 }, i as u32)).unwrap();
    }
}

fn flags<'a>(data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    two_steps("cifar10", data, out)
}

/// An archive of these members: `(name, type, content)`. The builder refuses names that lead out of the archive, so
/// this function writes them into the header.
fn archive(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, contents) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(contents.len() as u64);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn folder_parent_and_archive_are_the_same_data() {
    let home = scratch("places");
    let folder = home.join("cifar-10-batches-bin");
    small_cifar10(&folder);
    let archive = home.join("elsewhere").join("cifar-10-binary.tar.gz");
    fs::create_dir_all(archive.parent().unwrap()).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("cifar-10-batches-bin", &folder).unwrap();
    fs::write(&archive, gzip(&builder.into_inner().unwrap())).unwrap();

    let mut runs = Vec::new();
    for (i, data) in [&folder, &home, &archive, &archive.parent().unwrap().to_owned()].into_iter().enumerate() {
        let out = home.join(format!("run-{i}"));
        let ended = lastbit(&flags(data, &out));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        runs.push((fs::read(out.join("metrics.jsonl")).unwrap(), fs::read(out.join("manifest.json")).unwrap()));
        let lines = json_lines(&out.join("metrics.jsonl"));
        assert_eq!(lines.iter().filter(|line| line["kind"] == "step").count(), 2);
    }
    assert!(runs.iter().all(|run| run == &runs[0]));
    let manifest = String::from_utf8(runs[0].1.clone()).unwrap();
    assert!(manifest.contains("\"origin\": \"not the published CIFAR-10\""), "{manifest}");
    let ended = lastbit(&[&flags(&folder, &home)[..], &["--dry-run"]].concat());
    assert!(ended.out.contains("cifar10 (not the published CIFAR-10): 102 training"), "{ended:?}");
}

#[test]
fn archives_are_read_bare_and_in_several_members() {
    let home = scratch("bare-archives");
    let records = records(2, 1);
    let six = file_names();
    let members: Vec<_> = six.iter().map(|name| (name.as_str(), EntryType::Regular, &records[..])).collect();
    let bare = archive(&members);
    let (packed, unpacked) = (home.join("cifar-10-binary.tar.gz"), home.join("cifar-10-binary.tar"));
    let of = |path: &Path, bytes: &[u8]| {
        let _ = (fs::remove_file(&packed), fs::remove_file(&unpacked));
        fs::write(path, bytes).unwrap();
        let (inside, itself) = (good_info("cifar10", &home), good_info("cifar10", path));
        assert_eq!((&inside["sha256"], &inside["train"]), (&itself["sha256"], &10.into()));
        inside["sha256"].clone()
    };
    let expected = of(&packed, &gzip(&bare));
    // Safari unpacks the download; the file may also keep the name of the packed one.
    assert_eq!(of(&unpacked, &bare), expected);
    assert_eq!(of(&packed, &bare), expected);
    assert_eq!(of(&packed, &bare.chunks(10_000).flat_map(gzip).collect::<Vec<_>>()), expected, "several members");
    let last_record = 5 * (512 + 6656) + 512 + 6000;
    fs::write(&packed, &bare[..last_record]).unwrap();
    assert_refused(&info("cifar10", &home), 1, &["cifar-10-binary.tar.gz", "not a whole tar", "again"]);
}

#[test]
fn other_versions_are_named() {
    let home = scratch("python-version");
    let refused = |place: &Path, parts: &[&str]| {
        assert_refused(&info("cifar10", place), 2, &[parts, &["version", "cifar-10-binary.tar.gz"]].concat());
    };
    for (name, file, version) in
        [("batches-py", "data_batch_1", "Python version"), ("batches-mat", "data_batch_1.mat", "MATLAB version")]
    {
        let folder = home.join(name).join(format!("cifar-10-{name}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), b"\x80\x02}q").unwrap();
        refused(folder.parent().unwrap(), &[&format!("cifar-10-{name}"), version]);
        refused(&folder, &[&format!("cifar-10-{name}"), version]);
        refused(&folder.join(file), &[file, version]);
    }
    // In ./data, which is searched without --data-dir.
    fs::rename(home.join("batches-py"), home.join("data")).unwrap();
    let bare = command(["data", "info", "cifar10"]).current_dir(&home).env("XDG_DATA_HOME", home.join("none")).output();
    assert_refused(&bare.unwrap().into(), 2, &["cifar-10-batches-py", "Python version", "cifar-10-binary.tar.gz"]);
    let packed = home.join("cifar-10-python.tar.gz");
    let pickle = ("cifar-10-batches-py/data_batch_1", EntryType::Regular, &b"\x80\x02}q"[..]);
    fs::write(&packed, gzip(&archive(&[pickle]))).unwrap();
    refused(&home, &["cifar-10-python.tar.gz", "Python version"]);
    refused(&packed, &["cifar-10-python.tar.gz", "Python version"]);
}

#[test]
fn archives_that_are_not_whole_are_refused() {
    let home = scratch("broken-archives");
    let records = records(2, 1);
    let six = file_names();
    let members: Vec<_> = six.iter().map(|name| (name.as_str(), EntryType::Regular, &records[..])).collect();
    let whole = gzip(&archive(&members));
    let path = home.join("cifar-10-binary.tar.gz");
    fs::write(&path, &whole).unwrap();
    assert_eq!(good_info("cifar10", &home)["train"], 10);

    let refused = |bytes: &[u8], parts: &[&str]| {
        fs::write(&path, bytes).unwrap();
        assert_refused(&info("cifar10", &home), 1, &[parts, &["cifar-10-binary.tar.gz"]].concat());
        assert_eq!(names_in(&home), ["cifar-10-binary.tar.gz"], "something was written");
    };
    for length in (0..whole.len()).step_by(whole.len() / 50) {
        refused(&whole[..length], &["again"]);
    }
    let mut wrong_sum = whole.clone();
    let checksum = wrong_sum.len() - 8;
    wrong_sum[checksum] ^= 1;
    refused(&wrong_sum, &["not a whole tar.gz", "again"]);
    refused(b"<!DOCTYPE html>", &["not a whole tar.gz", "again"]);
    refused(&gzip(&[7; 5000]), &["not a whole tar.gz", "again"]);
    refused(&gzip(&archive(&members[..5])), &["no test_batch.bin", "binary version"]);

    let with = |member: (&str, EntryType, &[u8])| gzip(&archive(&[&members[..], &[member]].concat()));
    refused(&with(("test_batch.bin", EntryType::Symlink, b"")), &["'test_batch.bin'", "a link", "again"]);
    refused(&with(("more", EntryType::Link, b"")), &["'more'", "a link", "again"]);
    refused(&with(("../test_batch.bin", EntryType::Regular, &records)), &["'../test_batch.bin'", "leads out", "again"]);
    refused(&with(("/data_batch_1.bin", EntryType::Regular, &records)), &["'/data_batch_1.bin'", "leads out"]);
    refused(&with(("a/test_batch.bin", EntryType::Regular, &records)), &["test_batch.bin twice", "again"]);
    // 220 MB of zeros in a 1 MB archive; the limit of unpacked bytes is 215 MB.
    let zeros = vec![0; 220_000_000];
    refused(&with(("zeros.bin", EntryType::Regular, &zeros)), &["unpacks to more than", "again"]);
    refused(&with(("b/test_batch.bin", EntryType::Regular, &zeros[..31_000_000])), &["31000000 bytes", "30730000"]);
}

#[test]
#[cfg(unix)]
fn an_endless_file_is_refused() {
    let home = scratch("endless");
    small_cifar10(&home);
    fs::remove_file(home.join("data_batch_5.bin")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", home.join("data_batch_5.bin")).unwrap();
    assert_refused(&info("cifar10", &home), 1, &["data_batch_5.bin", "30730000"]);
}

#[test]
fn damaged_and_foreign_files_are_named() {
    type Damage = (usize, fn(&Path), &'static [&'static str]);
    let damages: &[Damage] = &[
        (2, |file| fs::write(file, &records(8, 0)[..RECORD * 8 - 1]).unwrap(), &["data_batch_3.bin", "bytes"]),
        (5, |file| fs::write(file, "").unwrap(), &["test_batch.bin", "empty"]),
        (0, |file| fs::write(file, "<!DOCTYPE html>").unwrap(), &["data_batch_1.bin"]),
        // A sparse file, larger than any valid file and than memory.
        (1, |file| fs::File::create(file).unwrap().set_len(1 << 40).unwrap(), &["data_batch_2.bin", "30730000"]),
        (4, |file| fs::remove_file(file).unwrap(), &["data_batch_5.bin", "cannot read"]),
        (
            1,
            |file| {
                let mut bytes = records(70, 0);
                bytes[RECORD * 66] = 11;
                fs::write(file, bytes).unwrap();
            },
            &["data_batch_2.bin", "label 11", "record 66"],
        ),
        (
            3,
            |file| {
                let mut bytes = records(8, 0);
                bytes[RECORD * 7] = 10;
                fs::write(file, bytes).unwrap();
            },
            &["data_batch_4.bin", "label 10", "record 7"],
        ),
    ];
    let home = scratch("damaged");
    for (index, damage, parts) in damages {
        let data = home.join("data");
        small_cifar10(&data);
        damage(&data.join(&file_names()[*index]));
        assert_refused(&lastbit(&flags(&data, &home.join("run"))), 1, parts);
        assert!(!home.join("run").exists());
    }
}

#[test]
fn without_data_the_archive_is_named() {
    let home = scratch("no-data");
    let out = home.join("run");
    let parts =
        ["CIFAR-10", "lastbit data fetch cifar10", "cifar-10-binary.tar.gz", "--data-dir", "--dataset synthetic"];
    assert_refused(&lastbit(&flags(&home, &out)), 2, &parts);
    let bare = ["train", "--net", "resnet8", "--steps", "1", "--out", "run"];
    let in_empty_home =
        |user: &PathBuf| command(bare).current_dir(&home).env("XDG_DATA_HOME", user).output().unwrap().into();
    assert_refused(&in_empty_home(&home), 1, &parts);
    small_cifar10(&home.join("user").join("lastbit"));
    let ended: common::Ended = command([&bare[..], &["--batch-size", "8", "--width", "0.25"]].concat())
        .current_dir(&home)
        .env("XDG_DATA_HOME", home.join("user"))
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_run_resumes_with_its_own_images_only() {
    let home = scratch("other-images");
    let (data, out) = (home.join("data"), home.join("run"));
    small_cifar10(&data);
    assert_eq!(lastbit(&flags(&data, &out)).code, Some(0));
    fs::write(data.join("data_batch_1.bin"), records(8, 99)).unwrap();
    let longer = ["train", "--resume", "--steps", "4", "--data-dir", text(&data), "--out", text(&out)];
    assert_refused(&lastbit(&longer), 2, &["--data-dir", "other images"]);
}

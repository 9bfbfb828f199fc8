//! The images that the stages train on: those of the packed folder, else made-up ones.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{archive, stamp};

/// Name of an archive of images that [`pack`] makes from a folder.
const ARCHIVE: &str = "images.tar.lz";
/// Name of the folder for an archive that `--data` names. lastbit reads it as it is.
const GIVEN: &str = "images";

/// Images to train on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// CIFAR-10's binary files below this folder.
    Cifar10(PathBuf),
    /// A folder of images by class.
    Folder(PathBuf),
    /// Images that lastbit makes up.
    Synthetic,
}

impl Images {
    /// The images in or at `path`: the archive of CIFAR-10, a folder with its files, or a folder of images by class.
    fn at(path: &Path) -> Self {
        let is_by_class = ["train", "test"].iter().all(|part| path.join(part).is_dir());
        if is_by_class { Self::Folder(path.to_owned()) } else { Self::Cifar10(path.to_owned()) }
    }

    /// Flags of `lastbit train`.
    pub fn flags(&self) -> Vec<OsString> {
        let (dataset, path) = self.parts();
        let path = path.into_iter().flat_map(|path| [OsString::from("--data-dir"), path.into()]);
        ["--dataset".into(), dataset.into()].into_iter().chain(path).collect()
    }

    /// Name of the data set as `lastbit train --dataset` takes it, and the path of its files.
    fn parts(&self) -> (&'static str, Option<&Path>) {
        match self {
            Self::Cifar10(path) => ("cifar10", Some(path)),
            Self::Folder(path) => ("folder", Some(path)),
            Self::Synthetic => ("synthetic", None),
        }
    }

    /// The images in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Cifar10(_) => "CIFAR-10",
            Self::Folder(_) => "an image folder",
            Self::Synthetic => "made-up images",
        }
    }
}

/// Packs the images at `path` into the folder `pack`.
///
/// # Errors
/// If `lastbit data info` cannot read them; it says why.
pub fn pack(path: &Path, pack: &Path, data_info: impl FnOnce(&str, &Path) -> Result<()>) -> Result<()> {
    ensure!(path.exists(), "--data: '{}' does not exist", path.display());
    let (dataset, _) = Images::at(path).parts();
    data_info(dataset, path).with_context(|| format!("--data: '{}' has no images for lastbit", path.display()))?;
    if !path.is_file() {
        return archive::pack(&pack.join(ARCHIVE), &[(path.to_owned(), String::new())]);
    }
    let folder = pack.join(GIVEN);
    let name = path.file_name().context("--data: the path has no name")?;
    let copied = fs::create_dir_all(&folder).and_then(|()| fs::copy(path, folder.join(name)));
    copied.map(drop).with_context(|| format!("cannot copy {}", path.display()))
}

/// The images of the folder `pack`, unpacked into `work`; made-up ones if it has none.
pub fn unpack(pack: &Path, work: &Path) -> Result<Images> {
    let given = fs::read_dir(pack.join(GIVEN)).ok().and_then(|mut files| files.next()).transpose();
    if let Some(file) = given.with_context(|| format!("cannot read {}", pack.join(GIVEN).display()))? {
        return Ok(Images::Cifar10(file.path()));
    }
    let source = pack.join(ARCHIVE);
    if !source.is_file() {
        println!("The packed folder has no images (`pack --data`): training on made-up ones.");
        return Ok(Images::Synthetic);
    }
    let target = work.join("images");
    stamp::once(&source, &target, || {
        if target.exists() {
            fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))?;
        }
        archive::unpack(&source, &target)
    })?;
    Ok(Images::at(&target))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn images_of_each_form_arrive() {
        let scratch = Scratch::new("images");
        let at = |name: &str| scratch.path().join(name);
        let write = |name: &str, text: &str| {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), text).unwrap();
        };
        write("cifar/data_batch_1.bin", "cifar");
        write("classes/train/cat/1.png", "cat");
        write("classes/test/cat/2.png", "cat");
        write("cifar.tar.gz", "an archive");
        let arrive = |source: &str, expected: &str| {
            let folder = at(&format!("pack-{source}"));
            fs::create_dir_all(&folder).unwrap();
            let check = |dataset: &str, _: &Path| {
                assert_eq!(dataset, expected);
                Ok(())
            };
            pack(&at(source), &folder, check).unwrap();
            unpack(&folder, &at(&format!("work-{source}"))).unwrap()
        };
        let Images::Cifar10(path) = arrive("cifar", "cifar10") else { panic!("not CIFAR-10") };
        assert_eq!(fs::read_to_string(path.join("data_batch_1.bin")).unwrap(), "cifar");
        let images = arrive("classes", "folder");
        assert_eq!(images.flags()[..3], ["--dataset", "folder", "--data-dir"]);
        let Images::Folder(path) = images else { panic!("not a folder") };
        assert_eq!(fs::read_to_string(path.join("test/cat/2.png")).unwrap(), "cat");
        let Images::Cifar10(path) = arrive("cifar.tar.gz", "cifar10") else { panic!("not CIFAR-10") };
        assert_eq!(fs::read_to_string(path).unwrap(), "an archive");
        assert_eq!(unpack(&at("empty"), &at("work")).unwrap().flags(), ["--dataset", "synthetic"]);
        assert!(pack(&at("none"), &at("pack"), |_, _| Ok(())).unwrap_err().to_string().contains("does not exist"));
    }
}

//! The data sets that can be downloaded: their URLs, checksums and licences, and the search for files that are there.

use std::path::{Path, PathBuf};

use super::search_paths::{search_paths, user_folder};
use crate::failure::Failure;

/// A file on a server.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFile<'a> {
    /// Name of the file.
    pub name: &'static str,
    /// Length in bytes; a server may send no more.
    pub bytes: u64,
    /// MD5 in hexadecimal, as its publishers give it.
    pub md5: &'a str,
}

/// A data set on a server.
#[derive(Debug)]
pub struct Source {
    /// Name in `--dataset`.
    pub name: &'static str,
    /// Name as its authors write it.
    pub title: &'static str,
    /// The URL of the folder that holds the files.
    pub url: &'static str,
    /// The web page that describes it.
    page: &'static str,
    /// The files.
    pub files: &'static [RemoteFile<'static>],
    /// Folder of the files in the data folder; empty for a single file.
    pub subfolder: &'static str,
    /// Debian package with the same files.
    pub package: Option<&'static str>,
    /// The publication to cite.
    pub citation: &'static str,
    /// Terms of use.
    pub licence: &'static str,
}

/// CIFAR-10, binary version.
pub const CIFAR10: Source = Source {
    name: "cifar10",
    title: "CIFAR-10",
    url: "https://www.cs.toronto.edu/~kriz",
    page: "https://www.cs.toronto.edu/~kriz/cifar.html",
    files: &[RemoteFile {
        name: "cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        md5: "c32a1d4ab5d03f1284b67883e8d87530",
    }],
    subfolder: "",
    package: None,
    citation: "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, University of \
               Toronto, 2009",
    licence: "none is stated; its author asks for this citation",
};

/// Fashion-MNIST, IDX files.
pub const FASHION_MNIST: Source = Source {
    name: "fashion-mnist",
    title: "Fashion-MNIST",
    url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    page: "https://github.com/zalandoresearch/fashion-mnist",
    files: &[
        RemoteFile { name: "train-images-idx3-ubyte.gz", bytes: 26_421_880, md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d" },
        RemoteFile { name: "train-labels-idx1-ubyte.gz", bytes: 29_515, md5: "25c81989df183df01b3e8a0aad5dffbe" },
        RemoteFile { name: "t10k-images-idx3-ubyte.gz", bytes: 4_422_102, md5: "bef4ecab320f06d8554ea6380940ec79" },
        RemoteFile { name: "t10k-labels-idx1-ubyte.gz", bytes: 5_148, md5: "bb300cfdad3c16e7a12a480ee83cd310" },
    ],
    subfolder: "fashion-mnist",
    package: Some("dataset-fashion-mnist"),
    citation: "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning \
               Algorithms, arXiv:1708.07747, 2017",
    licence: "MIT, copyright 2017 Zalando SE",
};

impl Source {
    /// Folder of its files in a data folder.
    pub fn folder_in(&self, data_folder: &Path) -> PathBuf {
        if self.subfolder.is_empty() { data_folder.to_owned() } else { data_folder.join(self.subfolder) }
    }

    /// Looks for the data set in `data_dir`, else in `./data`, the user's data folder and `packaged`, the folders of system packages.
    /// `accept` returns the folder or archive if a place holds it.
    pub fn search(
        &self,
        data_dir: Option<&Path>,
        packaged: &[&str],
        accept: impl Fn(&Path) -> Option<PathBuf>,
    ) -> Result<PathBuf, Failure> {
        let mut searched = search_paths(data_dir);
        if data_dir.is_none() {
            searched.extend(packaged.iter().map(PathBuf::from));
        }
        if let Some(found) = searched.iter().find_map(|place| accept(place)) {
            return Ok(found);
        }
        let title = self.title;
        let looked_in = searched.iter().map(|place| format!("'{}'", place.display())).collect::<Vec<_>>().join(" or ");
        let problem = match data_dir {
            Some(given) if !given.exists() => format!("--data-dir: {looked_in} does not exist"),
            Some(_) => format!("--data-dir: there is no {title} in {looked_in}"),
            None => format!("there is no {title} in {looked_in}"),
        };
        let message = format!("{problem}: {}; a run with --dataset synthetic needs no files", self.remedy());
        Err(if data_dir.is_some() { Failure::usage(message) } else { Failure::other(message) })
    }

    /// How to get it, with and without a network.
    fn remedy(&self) -> String {
        let files = self.files.iter().map(|file| file.name).collect::<Vec<_>>().join(", ");
        let folder = user_folder().map(|folder| format!("into '{}' or ", self.folder_in(&folder).display()));
        let package =
            self.package.map(|package| format!("or install Debian's package {package}; ")).unwrap_or_default();
        format!(
            "download it with `lastbit data fetch {}`; {package}without a network, put {files} (from {}) {}anywhere, and \
             give that place to --data-dir",
            self.name,
            self.page,
            folder.unwrap_or_default(),
        )
    }

    /// What to do when `file` cannot be downloaded from `url` into `folder`.
    pub fn by_hand(&self, file: &RemoteFile, url: &str, folder: &Path) -> String {
        let (folder, md5) = (folder.display(), file.md5);
        let package = self.package.map(|package| format!(", or install Debian's package {package}"));
        format!(
            "try again later, or download {url} on another machine and put it into '{folder}' (MD5 {md5}){}",
            package.unwrap_or_default()
        )
    }
}

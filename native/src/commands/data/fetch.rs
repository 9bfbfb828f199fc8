//! `lastbit data fetch`: downloads the files of a data set.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::datasets::{self, CIFAR10, FASHION_MNIST, Fetched, RemoteFile, Source};
use crate::failure::Failure;
use crate::interrupt;
use crate::terminal::print_line;

/// Flags of `data fetch`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Data set: cifar10 or fashion-mnist
    #[arg(value_parser = [CIFAR10.name, FASHION_MNIST.name], hide_possible_values = true)]
    name: String,
    /// Folder to download into [default: lastbit in the user's data folder, where train finds it]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Download from this mirror: the folder that holds the files, or the file if there is only one [default: the authors' server]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Expect these checksums, one for each file
    #[arg(long, value_name = "MD5,...", value_delimiter = ',', hide = true)]
    md5: Option<Vec<String>>,
}

/// Downloads the files that are missing.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source: &'static Source = if arguments.name == CIFAR10.name { &CIFAR10 } else { &FASHION_MNIST };
    let data_dir =
        arguments.data_dir.clone().or_else(datasets::user_folder).ok_or_else(|| {
            Failure::usage("--data-dir: this user has no home folder: give the folder to download into")
        })?;
    let folder = source.folder_in(&data_dir);
    let base = arguments.url.as_deref().unwrap_or(source.url);
    if arguments.md5.as_ref().is_some_and(|md5s| md5s.len() != source.files.len()) {
        return Err(Failure::usage(format!("--md5: {} has {} files", source.name, source.files.len())));
    }
    interrupt::exit_on_ctrl_c("stopped: the downloaded part is kept; run the same command again to continue")?;
    let mut md5s = arguments.md5.iter().flatten();
    for file in source.files {
        let file = RemoteFile { md5: md5s.next().map_or(file.md5, String::as_str), ..*file };
        let url = url_of(base, file.name);
        let path = folder.join(file.name);
        match datasets::fetch(source, &file, &url, &folder)? {
            Fetched::Before => print_line(format!("'{}' is there already, with the right checksum", path.display())),
            Fetched::Now => print_line(format!("'{}' is complete, with the right checksum", path.display())),
        }
    }
    print_line(format!("{}: {} (licence: {})", source.title, source.citation, source.licence));
    Ok(ExitCode::SUCCESS)
}

/// The URL of a file in the folder `base`; `base` itself if it ends with the file's name.
fn url_of(base: &str, name: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(&format!("/{name}")) { base.to_owned() } else { format!("{base}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::url_of;

    #[test]
    fn a_url_is_a_folder_or_the_file() {
        assert_eq!(url_of("http://a/b/", "c.gz"), "http://a/b/c.gz");
        assert_eq!(url_of("http://a/b", "c.gz"), "http://a/b/c.gz");
        assert_eq!(url_of("http://a/c.gz", "c.gz"), "http://a/c.gz");
        assert_eq!(url_of("http://a/bc.gz", "c.gz"), "http://a/bc.gz/c.gz");
    }
}

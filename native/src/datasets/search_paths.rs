//! The folders in which data sets are looked for.

use std::path::{Path, PathBuf};

/// The folder into which `lastbit data fetch` downloads files, and in which they are looked for; `None` without a home folder.
pub fn user_folder() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local").join("share")));
    data.map(|folder| folder.join("lastbit"))
}

/// The folders in which files are looked for: `data_dir`, else `./data` and the user's data folder.
pub fn search_paths(data_dir: Option<&Path>) -> Vec<PathBuf> {
    match data_dir {
        Some(given) => vec![given.to_owned()],
        None => [Some(PathBuf::from("data")), user_folder()].into_iter().flatten().collect(),
    }
}

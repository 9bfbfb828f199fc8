//! `logits/step-000120.safetensors`: the logits of a run on all test images, as an evaluation had them.

use std::path::{Path, PathBuf};

use lastbit_core::train::{Outputs, Trainer, decode_outputs};
use pollster::block_on;

use super::layout::LOGITS_FOLDER;
use crate::failure::Failure;
use crate::files::replace_file;

fn path_of(folder: &Path, step: u64) -> PathBuf {
    folder.join(LOGITS_FOLDER).join(format!("step-{step:06}.safetensors"))
}

/// Writes the logits of a run in `folder`, whose trainer has done `step` steps.
pub fn write_logits(trainer: &mut Trainer, folder: &Path, step: u64) -> Result<(), Failure> {
    let bytes = block_on(trainer.encoded_logits())?;
    let all = folder.join(LOGITS_FOLDER);
    std::fs::create_dir_all(&all).map_err(|error| Failure::file("create", &all, &error))?;
    replace_file(&path_of(folder, step), &bytes)
}

/// Outputs of each replica after `step` steps, and the labels; `None` if they are not kept, or the file is not whole.
pub fn read_logits(folder: &Path, step: u64) -> Option<(Vec<Outputs>, Vec<u8>)> {
    decode_outputs(&std::fs::read(path_of(folder, step)).ok()?)
}

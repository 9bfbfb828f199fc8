//! Progress of a download: a bar on a terminal, a line at each quarter elsewhere.

use indicatif::ProgressBar;
use lastbit_core::device::human_bytes;

use super::bars::style;
use crate::terminal::{is_interactive, print_line};

/// A download in progress.
pub struct DownloadProgress {
    bar: Option<ProgressBar>,
    total_bytes: u64,
    /// Quarters that have been reported.
    quarters: u64,
}

impl DownloadProgress {
    /// A download of `total_bytes`, of which the first `first_bytes` are there.
    pub fn new(name: &str, first_bytes: u64, total_bytes: u64) -> Self {
        let from =
            if first_bytes > 0 { format!(", resuming after {}", human_bytes(first_bytes)) } else { String::new() };
        print_line(format!("downloading {name} ({}{from})", human_bytes(total_bytes)));
        let bar = is_interactive().then(|| {
            let template = "{bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
            let bar = ProgressBar::new(total_bytes).with_style(style(template)).with_position(first_bytes);
            bar.reset_eta();
            bar
        });
        let mut download = Self { bar, total_bytes, quarters: 0 };
        download.quarters = download.quarters_of(first_bytes);
        download
    }

    fn quarters_of(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(4) / self.total_bytes.max(1)
    }

    /// Shows that the first `bytes` bytes are there.
    pub fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            return;
        }
        let quarters = self.quarters_of(bytes);
        if quarters > self.quarters && quarters < 4 {
            print_line(format!("  {} of {}", human_bytes(bytes), human_bytes(self.total_bytes)));
            self.quarters = quarters;
        }
    }
}

impl Drop for DownloadProgress {
    /// Removes the bar, however the download ended.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

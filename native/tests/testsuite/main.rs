//! Tests of the command line as users see it. One program holds all tests, so that it is linked once, and tests run at the same time
//! to keep all cores busy.

mod adapters;
mod bad_input;
mod certify;
#[cfg(target_os = "linux")]
mod cluster;
mod common;
mod data_fetch;
mod data_files;
mod device_faults;
mod documented;
mod drivers;
mod ends;
mod equations;
mod exit_codes;
mod export;
mod faults;
mod hostile;
mod integrity;
mod learning;
mod log;
mod lost_output;
mod measured;
mod output_modes;
mod perturbed;
mod processor;
mod pytorch;
mod report;
mod reproduce;
mod resume;
mod runs;
mod tasks;
mod tensorboard;
mod tune;
mod verify;

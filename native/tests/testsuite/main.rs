//! The command line as its users meet it. One program holds all tests: it is linked once, and a test that leaves a core idle has
//! another one beside it.

mod adapters;
mod bad_input;
mod common;
mod data_fetch;
mod data_files;
mod drivers;
mod equations;
mod exit_codes;
mod faults;
mod hostile;
mod learning;
mod log;
mod manners;
mod output;
mod processor;
mod pytorch;
mod record;
mod report;
mod reproduce;
mod resume;
mod runs;
mod tensorboard;
mod tune;
mod verify;

//! One file for each subcommand: its flags and what it does.

pub mod adapters;
pub mod bench;
pub mod certify;
pub mod compare;
pub mod completions;
pub mod data;
pub mod export;
pub mod man;
pub mod report;
pub mod reproduce;
pub mod smoke;
pub mod train;
pub mod tune;
pub mod verify;

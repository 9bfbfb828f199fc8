//! Sizes of a CIFAR-10 file, for its parser and for the messages of errors.

/// Length of a record in bytes.
pub const RECORD_BYTES: usize = 1 + 3 * 32 * 32;
/// Number of records in a complete file.
pub const RECORDS: usize = 10_000;
/// Length of a complete file in bytes.
pub const FILE_BYTES: usize = RECORDS * RECORD_BYTES;

//! What the program prints: text for a person, JSON for a program, or nothing.

use std::fmt::Display;

use serde_json::Value;

use crate::terminal::print_line;

/// What the program prints on standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// Text for a person.
    Text,
    /// Text for a person, in lines that begin with this name, because other runs print at the same time.
    Prefixed(String),
    /// JSON for a program, one object a line.
    Json,
    /// Nothing.
    Quiet,
}

impl OutputMode {
    /// Prints a line for a person.
    pub fn print(&self, line: impl Display) {
        match self {
            Self::Text => print_line(line),
            Self::Prefixed(name) => print_line(format!("{name}: {line}")),
            Self::Json | Self::Quiet => {}
        }
    }

    /// Prints an object for a program.
    pub fn print_json(&self, object: &Value) {
        if *self == Self::Json {
            print_line(object);
        }
    }
}

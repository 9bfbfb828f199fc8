//! `lastbit man`: the manual pages of all commands, in roff.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::files;
use crate::terminal::print_line;

/// The foot of every page.
const VERSION: &str = concat!("lastbit ", env!("CARGO_PKG_VERSION"));

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The command, such as `train` or `data fetch`; without, lastbit itself
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder: lastbit.1, lastbit-train.1 and so on
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Prints or writes pages for `grammar`, the whole command line.
pub fn run(arguments: &Arguments, grammar: Command) -> Result<ExitCode, Failure> {
    // `lastbit help train` and `lastbit train --help` show the same.
    let mut grammar = grammar.disable_help_subcommand(true);
    // Names the commands of commands, and gives each the flags that all have.
    grammar.build();
    if let Some(folder) = &arguments.out {
        files::create_folder(folder)?;
        let pages = pages(&grammar);
        for (name, page) in &pages {
            files::replace_file(&folder.join(name), page)?;
        }
        print_line(format!("{} pages in '{}'", pages.len(), folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = &grammar;
    for word in &arguments.command {
        command = command.find_subcommand(word).filter(|found| !found.is_hide_set()).ok_or_else(|| {
            let known: Vec<&str> = shown(command).map(Command::get_name).collect();
            let known = if known.is_empty() { "has none".to_owned() } else { format!("has {}", known.join(", ")) };
            Failure::usage(format!("no command '{word}': '{}' {known}", full_name(command, " ")))
        })?;
    }
    print_line(String::from_utf8_lossy(&page(command).1).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// The pages of `command` and of all commands within, each with the name of its file.
fn pages(command: &Command) -> Vec<(String, Vec<u8>)> {
    let within = shown(command).flat_map(pages);
    std::iter::once(page(command)).chain(within).collect()
}

fn page(command: &Command) -> (String, Vec<u8>) {
    let name = full_name(command, "-");
    let man = Man::new(command.clone()).title(&name).source(VERSION).manual("lastbit");
    let mut text = Vec::new();
    man.render(&mut text).expect("memory takes every byte");
    (format!("{name}.1"), text)
}

/// `lastbit-data-fetch`, with `-` between words.
fn full_name(command: &Command, between: &str) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).replace(' ', between)
}

/// The commands in `command` that its help lists.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

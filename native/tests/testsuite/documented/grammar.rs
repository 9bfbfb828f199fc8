//! Checks a documented command with the grammar of the program that it calls: clap for lastbit, `cargo xtask help` for xtask.

use std::collections::BTreeSet;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::shell::{Shown, is_placeholder, without_brackets};

/// What a reader might put in for a placeholder; the first that the flag takes is used.
const EXAMPLES: [&str; 8] = ["1", "0.5", "1,2", "80..100", "resnet8", "cifar10", "x=1", "2:x:1"];

/// Both programs' grammars.
pub struct Grammar {
    lastbit: Command,
    xtask: Vec<Usage>,
    stages: Vec<String>,
}

/// A line of `cargo xtask help`: its verb with the flags that choose it, then flags and arguments.
struct Usage {
    verb: Vec<String>,
    /// `(flag, whether a value follows)`.
    flags: Vec<(String, bool)>,
    needed: usize,
    most: usize,
    takes_any_flag: bool,
}

impl Grammar {
    /// `xtask_help` contains the lines of `cargo xtask help`.
    pub fn new(lastbit: Command, xtask_help: &str, stages: Vec<String>) -> Self {
        let mut usages: Vec<String> = Vec::new();
        for line in xtask_help.lines().map(str::trim) {
            let usage = line.split("  ").next().unwrap_or_default();
            match (usage.strip_prefix("cargo xtask "), usages.last_mut()) {
                (Some(usage), _) => usages.push(usage.to_owned()),
                (None, Some(last)) if usage.starts_with('[') => *last = format!("{last} {usage}"),
                _ => {}
            }
        }
        Self { lastbit, xtask: usages.iter().map(|usage| Usage::parse(usage)).collect(), stages }
    }

    /// Checks a command; `is_whole` if a reader can copy it as it is, so that nothing may be missing.
    pub fn check(&self, shown: &Shown, is_whole: bool) -> Result<(), String> {
        match shown {
            Shown::Lastbit(words) => self.check_lastbit(words, is_whole),
            Shown::Xtask(words) => self.check_xtask(words, is_whole),
        }
    }

    /// Checks inline code that has flags but not the program's name: `--resume`, `compare --ends`, `fig2 --quick`.
    pub fn check_fragment(&self, words: &[String]) -> Result<(), String> {
        let Some(first) = words.first() else { return Ok(()) };
        if first.starts_with("--") {
            let flag = flag_name(first);
            let is_known = self.flags().contains(flag) || flag == "--help" || flag == "--version";
            return if is_known { Ok(()) } else { Err(format!("no command of lastbit or xtask has {flag}")) };
        }
        let mut checked = Vec::new();
        if self.lastbit.find_subcommand(first).is_some() {
            checked.push(self.check_lastbit(words, false));
        }
        if self.is_experiment(first) {
            checked.push(self.check_lastbit(&[&["reproduce".to_owned()], words].concat(), false));
        }
        if self.is_verb(first) {
            checked.push(self.check_xtask(words, false));
        }
        match checked.iter().any(Result::is_ok) {
            true => Ok(()),
            false => checked.into_iter().next().unwrap_or(Ok(())),
        }
    }

    /// Whether inline code that begins so is a command without the program's name.
    pub fn is_fragment(&self, words: &[String]) -> bool {
        match words {
            [first, ..] if first.starts_with("--") && first.len() > 2 => {
                first[2..].starts_with(|c: char| c.is_ascii_lowercase())
            }
            [first, second, ..] => {
                let subcommand = self.lastbit.find_subcommand(first);
                let has_second = subcommand.is_some_and(|command| command.find_subcommand(second).is_some());
                let is_known = subcommand.is_some() || self.is_experiment(first) || self.is_verb(first);
                has_second || is_known && second.starts_with("--")
            }
            _ => false,
        }
    }

    fn is_experiment(&self, word: &str) -> bool {
        self.lastbit.find_subcommand("reproduce").is_some_and(|reproduce| reproduce.find_subcommand(word).is_some())
    }

    fn is_verb(&self, word: &str) -> bool {
        self.xtask.iter().any(|usage| usage.verb.first().is_some_and(|verb| verb == word))
    }

    /// All long flags of both programs.
    fn flags(&self) -> BTreeSet<String> {
        fn collect(command: &Command, flags: &mut BTreeSet<String>) {
            flags.extend(
                command.get_arguments().filter_map(|argument| argument.get_long()).map(|name| format!("--{name}")),
            );
            command.get_subcommands().for_each(|command| collect(command, flags));
        }
        let mut flags = BTreeSet::new();
        collect(&self.lastbit, &mut flags);
        for usage in &self.xtask {
            flags.extend(usage.flags.iter().map(|(flag, _)| flag.clone()));
            flags.extend(usage.verb.iter().filter(|word| word.starts_with("--")).cloned());
        }
        flags
    }

    fn check_lastbit(&self, words: &[String], is_whole: bool) -> Result<(), String> {
        let mut words = without_brackets(words);
        if words.is_empty() {
            return Ok(());
        }
        for _ in 0..20 {
            let line = std::iter::once("lastbit").chain(words.iter().map(String::as_str));
            let Err(error) = self.lastbit.clone().try_get_matches_from(line) else { return Ok(()) };
            let context = |kind| match error.get(kind) {
                Some(ContextValue::String(text)) => text.as_str(),
                _ => "",
            };
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Ok(()),
                ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    if !is_whole =>
                {
                    return Ok(());
                }
                // `reproduce --adapters 0,1`: a flag of some of its commands.
                ErrorKind::UnknownArgument if !is_whole && self.parent(&words).has_subcommands() => {
                    let count = words.iter().take_while(|word| !word.starts_with('-')).count();
                    words.insert(count, "NAME".to_owned());
                    return self.check_any_subcommand(&words, "NAME", is_whole).map_err(|_| one_line(&error));
                }
                // `report --page-url` in passing, without the value.
                ErrorKind::InvalidValue if !is_whole && context(ContextKind::InvalidValue).is_empty() => return Ok(()),
                ErrorKind::InvalidSubcommand if is_placeholder(context(ContextKind::InvalidSubcommand)) => {
                    let name = context(ContextKind::InvalidSubcommand).to_owned();
                    return self.check_any_subcommand(&words, &name, is_whole);
                }
                ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                    let (flag, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
                    let flag = flag.split([' ', '=', '[', '<']).next().unwrap_or_default();
                    if !is_placeholder(value) || !self.put_in(&mut words, flag, value) {
                        return Err(one_line(&error));
                    }
                }
                _ => return Err(one_line(&error)),
            }
        }
        Err("too many placeholders".to_owned())
    }

    /// The innermost command that the first words name.
    fn parent(&self, words: &[String]) -> &Command {
        let mut command = &self.lastbit;
        for word in words {
            match command.find_subcommand(word) {
                Some(next) => command = next,
                None => break,
            }
        }
        command
    }

    /// A placeholder stands where a subcommand does: one at least must take the rest.
    fn check_any_subcommand(&self, words: &[String], name: &str, is_whole: bool) -> Result<(), String> {
        let at = words.iter().position(|word| word == name).expect("clap took it from there");
        let parent = self.parent(words);
        let put = |command: &Command| {
            let mut words = words.to_vec();
            command.get_name().clone_into(&mut words[at]);
            self.check_lastbit(&words, is_whole)
        };
        let mut outcome = Err(format!("no command stands for '{name}'"));
        for command in parent.get_subcommands() {
            outcome = put(command);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Puts an example in place of a placeholder that a flag refused. Returns whether one was found.
    fn put_in(&self, words: &mut [String], flag: &str, value: &str) -> bool {
        let joined = format!("{flag}={value}");
        let after_flag = words.windows(2).position(|pair| pair[0] == flag && pair[1] == value).map(|at| at + 1);
        let at = after_flag.or_else(|| words.iter().position(|word| *word == joined || word == value));
        let Some(at) = at else { return false };
        let start = if words[at] == joined { format!("{flag}=") } else { String::new() };
        let options = self.possible_values(words, flag);
        for example in options.iter().map(String::as_str).chain(EXAMPLES) {
            words[at] = format!("{start}{example}");
            let line = std::iter::once("lastbit").chain(words.iter().map(String::as_str));
            let refused = match self.lastbit.clone().try_get_matches_from(line) {
                Err(error) => {
                    matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(text)) if text == example)
                }
                Ok(_) => false,
            };
            if !refused {
                return true;
            }
        }
        false
    }

    /// The values that the flag lists, if it lists them.
    fn possible_values(&self, words: &[String], flag: &str) -> Vec<String> {
        let long = flag.trim_start_matches('-');
        let argument = self.parent(words).get_arguments().find(|argument| argument.get_long() == Some(long));
        let values = argument.map(clap::Arg::get_possible_values).unwrap_or_default();
        values.iter().map(|value| value.get_name().to_owned()).collect()
    }

    fn check_xtask(&self, words: &[String], is_whole: bool) -> Result<(), String> {
        let shown = || format!("cargo xtask {}", words.join(" "));
        let words = without_brackets(words);
        let matching = self.xtask.iter().filter(|usage| words.starts_with(&usage.verb));
        let Some(usage) = matching.max_by_key(|usage| usage.verb.len()) else {
            let is_start = self.xtask.iter().any(|usage| usage.verb.starts_with(&words));
            return if is_start && !is_whole {
                Ok(())
            } else {
                Err(format!("`cargo xtask help` has no '{}'", shown()))
            };
        };
        let rest = &words[usage.verb.len()..];
        if usage.verb == ["bench"] {
            return self.check_lastbit(&[&["bench".to_owned()], rest].concat(), is_whole);
        }
        let mut values = Vec::new();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match usage.flags.iter().find(|(flag, _)| flag == word) {
                Some((_, true)) if rest.next().is_none() => {
                    return Err(format!("{word} needs a value in '{}'", shown()));
                }
                Some(_) => {}
                None if word.starts_with('-') && !usage.takes_any_flag => {
                    return Err(format!("`cargo xtask help` has no {word} for '{}'", shown()));
                }
                None => values.push(word),
            }
        }
        if usage.verb == ["test"]
            && let Some(unknown) = values.iter().find(|stage| !is_placeholder(stage) && !self.stages.contains(stage))
        {
            return Err(format!("'{unknown}' is no stage of `cargo xtask test`"));
        }
        let is_count_right = values.len() <= usage.most && (!is_whole || values.len() >= usage.needed);
        if is_count_right { Ok(()) } else { Err(format!("wrong number of arguments in '{}'", shown())) }
    }
}

impl Usage {
    fn parse(usage: &str) -> Self {
        let words: Vec<&str> = usage.split_whitespace().collect();
        let is_verb = |word: &&&str| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
        let count = words.iter().take_while(is_verb).count();
        let verb = words[..count].iter().map(|word| (*word).to_owned()).collect();
        let mut parsed = Self { verb, flags: Vec::new(), needed: 0, most: 0, takes_any_flag: false };
        let mut rest = words[count..].iter();
        while let Some(word) = rest.next() {
            if let Some(flag) = word.strip_prefix('[').filter(|flag| flag.starts_with("--")) {
                let has_value = !flag.ends_with(']');
                parsed.flags.push((flag.trim_end_matches(']').to_owned(), has_value));
                if has_value {
                    rest.next();
                }
            } else {
                parsed.takes_any_flag |= *word == "[FLAG...]";
                parsed.needed += usize::from(!word.starts_with('['));
                parsed.most = if word.contains("...") { usize::MAX } else { parsed.most.saturating_add(1) };
            }
        }
        parsed
    }
}

fn flag_name(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// What clap says, without the usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

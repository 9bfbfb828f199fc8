//! The flags of an experiment. [`flags!`] declares each one once: its help, its type, and its default values at both sizes.

use clap::{Arg, ArgAction, ArgMatches, Command};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{DatasetKind, LossKind, LrChange};
use toml::{Table, Value};

use crate::failure::Failure;
use crate::value_parsers::{listed, real, whole};

/// The values of an experiment's flags.
pub trait Flags {
    /// Name of the experiment on the command line.
    fn name(&self) -> &'static str;
    /// What the experiment reproduces, in one line.
    fn about(&self) -> &'static str;
    /// True for the quick size.
    fn is_quick(&self) -> bool;
    /// Every value that determines the results, by its flag's name. They identify the folder.
    ///
    /// # Errors
    /// If TOML cannot represent a value.
    fn settings(&self) -> Result<Table, Failure>;
    /// The settings that are not the default of the size.
    ///
    /// # Errors
    /// As [`Flags::settings`].
    fn changes(&self) -> Result<Table, Failure>;
    /// The subcommand with the experiment's own flags.
    fn command() -> Command
    where
        Self: Sized;
    /// The values of the flags in `given`, and the defaults of the others.
    fn read(given: Option<&ArgMatches>, is_quick: bool) -> Self
    where
        Self: Sized;
}

/// Declares an experiment as a struct of the values of its flags, and implements [`Flags`] for it.
///
/// ```text
/// flags! {
///     /// Figure X: the heat equation                    The subcommand's description.
///     #[name = "figx"]
///     pub struct FigX {
///         /// Time steps                                 The flag's help; the defaults are appended to it.
///         dt: Vec<f64> = vec![0.4, 0.8];
///         /// Points
///         points: u32 = 31, quick = 11;                  The default at the full size, and with --quick.
///         /// Width
///         width: f64 = 2.0 * f64::from(points), shown = "twice --points";
///     }
/// }
/// ```
///
/// A default with `shown` may use the values of flags without it. `#[arg(value_name = "K")]` above a flag calls methods of
/// its [`clap::Arg`].
macro_rules! flags {
    (
        $(#[doc = $about:literal])+
        #[name = $name:literal]
        $(#[example = $example:literal])?
        pub struct $Experiment:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[arg($($method:ident = $argument:expr),+)])?
                $flag:ident: $type:ty = $full:expr $(, quick = $quick:expr)? $(, shown = $shown:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $Experiment {
            /// True for the quick size.
            pub is_quick: bool,
            $($(#[doc = $doc])+ pub $flag: $type,)+
        }

        impl $crate::reproduce::flags::Flags for $Experiment {
            fn name(&self) -> &'static str {
                $name
            }

            fn about(&self) -> &'static str {
                concat!($($about),+).trim()
            }

            fn is_quick(&self) -> bool {
                self.is_quick
            }

            fn settings(&self) -> Result<toml::Table, $crate::failure::Failure> {
                use $crate::reproduce::flags::{FlagValue, table};
                table([$((stringify!($flag), FlagValue::setting(&self.$flag))),+])
            }

            fn changes(&self) -> Result<toml::Table, $crate::failure::Failure> {
                let (mut changes, default) = (self.settings()?, Self::read(None, self.is_quick).settings()?);
                changes.retain(|name, value| default.get(name) != Some(value));
                Ok(changes)
            }

            fn command() -> clap::Command {
                let [full, quick] = [false, true].map(|is_quick| Self::read(None, is_quick));
                clap::Command::new($name)
                    .about(full.about())
                    $(.after_help(concat!("Example: ", $example)))?
                    $(.arg(
                        $crate::reproduce::flags::arg(
                            stringify!($flag),
                            concat!($($doc),+),
                            flags!(@shown $($shown)?),
                            [&full.$flag, &quick.$flag],
                        )
                        $($(.$method($argument))+)?
                    ))+
            }

            fn read(given: Option<&clap::ArgMatches>, is_quick: bool) -> Self {
                use $crate::reproduce::flags::FlagValue;
                $(flags!(@independent [$($shown)?] let $flag = match <$type as FlagValue>::read(given, stringify!($flag)) {
                    Some(value) => value,
                    None => flags!(@default is_quick, $full $(, $quick)?),
                });)+
                $(flags!(@dependent [$($shown)?] let $flag = match <$type as FlagValue>::read(given, stringify!($flag)) {
                    Some(value) => value,
                    None => flags!(@default is_quick, $full $(, $quick)?),
                });)+
                Self { is_quick, $($flag),+ }
            }
        }
    };
    (@default $is_quick:ident, $full:expr) => { $full };
    (@default $is_quick:ident, $full:expr, $quick:expr) => { if $is_quick { $quick } else { $full } };
    (@shown) => { None };
    (@shown $shown:literal) => { Some($shown) };
    (@independent [] $($statement:tt)+) => { $($statement)+; };
    (@independent [$shown:literal] $($statement:tt)+) => {};
    (@dependent [] $($statement:tt)+) => {};
    (@dependent [$shown:literal] $($statement:tt)+) => { $($statement)+; };
}
pub(super) use flags;

/// A single value, or an item of a list.
pub trait Item: Clone + Send + Sync + 'static {
    /// Name of the value in the help; empty for the flag's name in capitals.
    const NAME: &'static str;
    /// Reads it from the command line.
    fn parse(text: &str) -> Result<Self, String>;
    /// The value in the settings.
    fn setting(&self) -> Result<Value, toml::ser::Error>;
}

macro_rules! items {
    ($($type:ty, $name:literal, $parse:expr, $setting:expr;)+) => {
        $(impl Item for $type {
            const NAME: &'static str = $name;

            fn parse(text: &str) -> Result<Self, String> {
                $parse(text)
            }

            fn setting(&self) -> Result<Value, toml::ser::Error> {
                $setting(self)
            }
        })+
    };
}

fn text(value: &impl ToString) -> Result<Value, toml::ser::Error> {
    Ok(Value::String(value.to_string()))
}

items! {
    f64, "X", real, Value::try_from;
    u32, "N", whole, Value::try_from;
    u64, "N", whole, Value::try_from;
    usize, "N", whole, Value::try_from;
    String, "NAME", listed, text;
    NetKind, "", listed, text;
    Activation, "", listed, text;
    DatasetKind, "", listed, text;
    LossKind, "", listed, text;
    LrChange, "STEP:LR", listed, text;
    Perturbation, "FORM", listed, |form: &Perturbation| text(&form.name());
}

/// The value of a flag: an [`Item`], a list of items, or an item that may be missing.
pub trait FlagValue: Sized {
    /// Sets name and parser of the value.
    fn describe(arg: Arg) -> Arg;
    /// The value on the command line; `None` if the flag is not given.
    fn read(given: Option<&ArgMatches>, flag: &str) -> Option<Self>;
    /// The value in the settings; `None` if it is missing or an empty list.
    fn setting(&self) -> Result<Option<Value>, toml::ser::Error>;
}

impl<T: Item> FlagValue for T {
    fn describe(arg: Arg) -> Arg {
        let arg = if T::NAME.is_empty() { arg } else { arg.value_name(T::NAME) };
        arg.allow_negative_numbers(true).value_parser(T::parse)
    }

    fn read(given: Option<&ArgMatches>, flag: &str) -> Option<Self> {
        given?.get_one(flag).cloned()
    }

    fn setting(&self) -> Result<Option<Value>, toml::ser::Error> {
        Item::setting(self).map(Some)
    }
}

impl<T: Item> FlagValue for Vec<T> {
    fn describe(arg: Arg) -> Arg {
        T::describe(arg).value_name(format!("{0},{0},...", T::NAME)).value_delimiter(',').action(ArgAction::Append)
    }

    fn read(given: Option<&ArgMatches>, flag: &str) -> Option<Self> {
        given?.get_many(flag).map(|items| items.cloned().collect())
    }

    fn setting(&self) -> Result<Option<Value>, toml::ser::Error> {
        let items = self.iter().map(Item::setting).collect::<Result<Vec<_>, _>>()?;
        Ok((!items.is_empty()).then_some(Value::Array(items)))
    }
}

impl<T: Item> FlagValue for Option<T> {
    fn describe(arg: Arg) -> Arg {
        T::describe(arg)
    }

    fn read(given: Option<&ArgMatches>, flag: &str) -> Option<Self> {
        T::read(given, flag).map(Some)
    }

    fn setting(&self) -> Result<Option<Value>, toml::ser::Error> {
        self.as_ref().map(Item::setting).transpose()
    }
}

/// The argument of a flag whose defaults are `[full, quick]`. Its help ends with `shown` or with the defaults.
pub fn arg<T: FlagValue>(flag: &'static str, doc: &str, shown: Option<&str>, defaults: [&T; 2]) -> Arg {
    let [full, quick] = defaults.map(|value| value.setting().ok().flatten().map(|value| default_text(&value)));
    let quick = quick.filter(|quick| full.as_ref() != Some(quick)).map(|text| format!("--quick: {text}"));
    let full = full.map(|text| format!("default: {text}"));
    let default = match shown {
        Some(text) => format!("default: {text}"),
        None => full.into_iter().chain(quick).collect::<Vec<_>>().join("; "),
    };
    T::describe(Arg::new(flag).long(flag.replace('_', "-")).value_name(flag.to_uppercase()))
        .help(format!("{} [{default}]", doc.trim()))
}

/// A default as a flag takes it, but with spaces in a list of long texts.
fn default_text(value: &Value) -> String {
    match value {
        Value::Float(number) => {
            let (digits, power) = (number.to_string(), format!("{number:e}"));
            if digits.len() > 6 && power.len() < digits.len() { power } else { digits }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(default_text).collect();
            items.join(if items.iter().any(|item| item.contains(':')) { ", " } else { "," })
        }
        other => flag_text(other),
    }
}

/// A value in the form that a flag takes.
pub fn flag_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(flag_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// [`Flags::settings`] from fields and their values.
pub fn table<const N: usize>(values: [(&str, Result<Option<Value>, toml::ser::Error>); N]) -> Result<Table, Failure> {
    let mut table = Table::new();
    for (field, value) in values {
        if let Some(value) = value.map_err(Failure::usage)? {
            table.insert(field.replace('_', "-"), value);
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    flags! {
        /// Figure X: the heat equation
        #[name = "figx"]
        pub struct FigX {
            /// Width
            width: f64 = 2.0 * f64::from(points), shown = "twice --points";
            /// Points
            points: u32 = 31, quick = 11;
            /// Step
            /// sizes
            step_sizes: Vec<f64> = vec![1e-8, 0.001, 2e8];
            /// Limit
            limit: Option<usize> = None, quick = Some(5);
        }
    }

    #[test]
    fn one_declaration_gives_help_values_and_settings() {
        let help = FigX::command().render_help().to_string();
        for text in
            ["twice --points]", "[default: 31; --quick: 11]", "Step sizes [default: 1e-8,0.001,2e8]", "[--quick: 5]"]
        {
            assert!(help.contains(text), "no '{text}' in {help}");
        }
        let given = FigX::command().try_get_matches_from(["figx", "--points", "4", "--step-sizes", "0.5,1"]).unwrap();
        let settings = |is_quick| FigX::read(Some(&given), is_quick).settings().unwrap().to_string();
        assert_eq!(settings(false), "points = 4\nstep-sizes = [0.5, 1.0]\nwidth = 8.0\n");
        assert_eq!(settings(true), "limit = 5\npoints = 4\nstep-sizes = [0.5, 1.0]\nwidth = 8.0\n");
    }
}

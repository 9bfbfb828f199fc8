//! Parsers of flag values. Their errors say how to write values such as `0,1` or `1e3`, which those of the standard library do not.

use std::fmt::Display;
use std::str::FromStr;

/// Largest integer of a TOML file: flags become entries of one.
const MOST: u64 = i64::MAX as u64;

/// Parses a number, such as 0.1 or 5e-4.
pub fn real(text: &str) -> Result<f64, String> {
    let text = text.trim();
    text.parse().map_err(|_| match text.replacen(',', ".", 1) {
        point if text.contains(',') && point.parse::<f64>().is_ok() => format!("write it with a point: {point}"),
        _ => "give a number, as in 0.1 or 5e-4".to_owned(),
    })
}

/// Parses a whole number from 0 to the largest that `T` and a TOML file can hold.
pub fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let most = [MOST, u64::from(u32::MAX)].into_iter().find(|most| T::try_from(*most).is_ok());
    whole_of(text, 0, most.unwrap_or(u64::from(u16::MAX)))
}

/// A parser of whole numbers from `least` to `most`.
pub fn whole_in<T: TryFrom<u64>>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| whole_of(text, least, most)
}

fn whole_of<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let wrong = || match digits(text).filter(|digits| (least..=most).contains(digits)) {
        Some(digits) => format!("write it in digits: {digits}"),
        None => format!("give a whole number from {least} to {most}"),
    };
    let value = text.trim().parse().ok().filter(|value| (least..=most).contains(value)).ok_or_else(wrong)?;
    T::try_from(value).map_err(|_| wrong())
}

/// The whole number that `1e3`, `1_000` or `10.0` means.
fn digits(text: &str) -> Option<u64> {
    let plain = text.trim().replace(['_', '\'', ' '], "");
    // A float64 holds every whole number up to 9e15.
    let exact = |value: &f64| value.fract() == 0.0 && (0.0..=9e15).contains(value);
    plain.parse().ok().or_else(|| plain.parse().ok().filter(exact).map(|value: f64| value as u64))
}

/// Parses one item of a list, which may have spaces around it.
pub fn listed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_explained() {
        assert_eq!((real("5e-4"), real(" .1"), real("-1")), (Ok(5e-4), Ok(0.1), Ok(-1.0)));
        assert_eq!(real("0,1").unwrap_err(), "write it with a point: 0.1");
        for text in ["", "fast", "1,2,3", "0x10"] {
            assert_eq!(real(text).unwrap_err(), "give a number, as in 0.1 or 5e-4", "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_read_or_explained() {
        assert_eq!((whole("7"), whole(" 7")), (Ok(7_u32), Ok(7_u64)));
        for (text, meant) in [("1e3", 1000), ("1_000", 1000), ("10.0", 10), ("1'000", 1000)] {
            assert_eq!(whole::<u64>(text).unwrap_err(), format!("write it in digits: {meant}"));
        }
        for text in ["-1", "", "1.5", "many", "1e30", "18446744073709551615"] {
            assert_eq!(whole::<u64>(text).unwrap_err(), "give a whole number from 0 to 9223372036854775807", "{text}");
        }
        assert_eq!(whole::<u32>("4294967296").unwrap_err(), "give a whole number from 0 to 4294967295");
        assert_eq!(whole_in::<u16>(1, 1000)("0").unwrap_err(), "give a whole number from 1 to 1000");
        assert_eq!(whole_in::<u16>(1, 1000)("1e3").unwrap_err(), "write it in digits: 1000");
    }
}

//! Numbers as text for readers: few digits, powers of ten with superscripts, thousands separators.

use crate::statistics::ends;

/// Three significant digits: `0.271`, `4.82 × 10⁻⁹`, `12.3`; 0 is `0`.
pub fn number(value: f64) -> String {
    significant(value, 3)
}

/// Two significant digits, for prose.
pub fn about(value: f64) -> String {
    significant(value, 2)
}

fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    // Rounding may carry into the next power of ten. The exponent is therefore read from the rounded text.
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match exponent {
        -3..=4 => {
            let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{mantissa}\u{a0}×\u{a0}{}", power_of_ten(exponent)),
    }
}

/// A power of ten with a superscript, as in `10⁻⁹`.
pub fn power_of_ten(exponent: i32) -> String {
    let digits = exponent.to_string();
    let raised = digits.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => char::from_u32('⁰' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    });
    format!("10{}", raised.collect::<String>())
}

/// An integer with thousands separators, as in `78,200`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 step`, `78,200 steps`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The range of the finite values, as in `0.25 to 0.50`, or one number if both ends read the same. `None` if no value is
/// finite.
pub fn range(values: impl IntoIterator<Item = f64>, show: fn(f64) -> String) -> Option<String> {
    let (low, high) = ends(values.into_iter().filter(|value| value.is_finite()));
    if low > high {
        return None;
    }
    let (low, high) = (show(low), show(high));
    Some(if low == high { low } else { format!("{low} to {high}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits() {
        let shown = [0.0, 4.8249e-9, 0.27149, 0.0099999, 12.345, 1234.5, 3.1e7, f64::NAN].map(number);
        let expected =
            ["0", "4.82\u{a0}×\u{a0}10⁻⁹", "0.271", "0.0100", "12.3", "1234", "3.10\u{a0}×\u{a0}10⁷", "not finite"];
        assert_eq!(shown, expected);
        assert_eq!(about(0.099_96), "0.10");
        assert_eq!(power_of_ten(-10), "10⁻¹⁰");
    }

    #[test]
    fn words_around_numbers() {
        assert_eq!(count(78_200, "step"), "78,200 steps");
        assert_eq!(count(1, "step"), "1 step");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(range([0.5, f64::NAN, 0.25], about).as_deref(), Some("0.25 to 0.50"));
        assert_eq!(range([0.5, 0.501], about).as_deref(), Some("0.50"));
        assert_eq!(range([f64::NAN], about), None);
    }
}

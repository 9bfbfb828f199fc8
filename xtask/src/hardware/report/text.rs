//! Numbers and cells of Markdown tables.

use serde_json::Value;

/// A positive number with three significant digits or more.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// The number, or a dash if there is none.
pub fn number_or_dash(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), number)
}

/// A share as a percentage, or a dash if there is none or nothing was counted.
pub fn percent(value: &Value) -> String {
    value.as_f64().filter(|share| *share > 0.0).map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A rate in FLOP/s or bytes a second, from one in units of 10^9.
pub fn rate(value: &Value, unit: &str) -> Option<String> {
    let rate = value.as_f64()?;
    Some(if rate >= 1000.0 {
        format!("{:.*} T{unit}", if rate >= 10_000.0 { 1 } else { 2 }, rate / 1000.0)
    } else {
        format!("{} G{unit}", number(rate))
    })
}

/// Text of a program, as it reads in a cell: on one line, and without Markdown's signs, except that code stays code.
pub fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut is_code = false;
    for sign in text.trim().chars() {
        match sign {
            '\n' | '\r' => cell.push(' '),
            '|' => cell.push_str("\\|"),
            '_' | '*' | '<' | '[' if !is_code => cell.extend(['\\', sign]),
            _ => {
                is_code ^= sign == '`';
                cell.push(sign);
            }
        }
    }
    cell
}

/// A Markdown table.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = vec!["---".to_owned(); head.len()];
    [line(&head), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!([1234.6, 40.12, 6.684, 0.1251].map(number), ["1235", "40.1", "6.68", "0.125"]);
        assert_eq!(
            (percent(&json!(0.5049)), percent(&json!(0.0)), percent(&Value::Null)),
            ("50.5 %".into(), "-".into(), "-".into())
        );
        assert_eq!(rate(&json!(57_100.0), "FLOP/s").unwrap(), "57.1 TFLOP/s");
        assert_eq!(rate(&json!(2963.0), "B/s").unwrap(), "2.96 TB/s");
        assert_eq!(rate(&json!(332.6), "FLOP/s").unwrap(), "333 GFLOP/s");
        assert_eq!(rate(&Value::Null, "B/s"), None);
    }

    #[test]
    fn cells_stay_cells() {
        assert_eq!(cell(" a_b |\nc "), "a\\_b \\| c");
        assert_eq!(cell("`a_b` c_d"), "`a_b` c\\_d");
        assert_eq!(
            table(&["a", "b"], &[vec!["1".to_owned(), "2".to_owned()]]),
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
        );
    }
}

//! Dates without a time zone: UTC, as results name them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Today as `2026-11-28`.
pub fn today() -> String {
    date(seconds() / 86_400)
}

/// The time of the day as `13:05:59`.
pub fn time() -> String {
    let seconds = seconds() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The date that comes `days` after 1970-01-01, in the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> String {
    // Years begin in March here, so that a leap day is the last day of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        let known = [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_785, "2026-11-28"),
            (20_818, "2026-12-31"),
        ];
        for (days, expected) in known {
            assert_eq!(date(days), expected);
        }
        assert_eq!((today().len(), time().len()), (10, 8));
    }
}

//! Points in time as JavaScript writes them.

/// The milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A time as `Date.prototype.toISOString` writes it; `None` outside of a `Date`'s range.
pub(crate) fn iso_date(millis: i64) -> Option<String> {
    if !(-100_000_000 * DAY..=100_000_000 * DAY).contains(&millis) {
        return None;
    }
    let (year, month, day) = civil(millis.div_euclid(DAY));
    let time = millis.rem_euclid(DAY);
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    // "Years outside of 0 to 9999 have a sign and six digits." (ECMA-262, "Expanded Years")
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time % 1000))
}

/// A time as `Date.prototype.toString` writes it, in UTC; empty outside of a `Date`'s range.
pub(crate) fn date_text(millis: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if !(-100_000_000 * DAY..=100_000_000 * DAY).contains(&millis) {
        return String::new();
    }
    let days = millis.div_euclid(DAY);
    let (year, month, day) = civil(days);
    // 1970 began with a Thursday.
    let (weekday, month) = (WEEKDAYS[days.rem_euclid(7) as usize], MONTHS[month as usize - 1]);
    let time = millis.rem_euclid(DAY);
    // `format!` is slow, and this is written for each socket.
    let mut text = String::with_capacity(64);
    text.extend([weekday, " ", month]);
    two_digits(&mut text, " ", day);
    match year {
        0..=9999 => {
            two_digits(&mut text, " ", year / 100);
            two_digits(&mut text, "", year % 100);
        }
        _ => text.push_str(&format!(" {year:04}")),
    }
    two_digits(&mut text, " ", time / 3_600_000);
    two_digits(&mut text, ":", time / 60_000 % 60);
    two_digits(&mut text, ":", time / 1000 % 60);
    text.push_str(" GMT+0000 (Coordinated Universal Time)");
    text
}

fn two_digits(text: &mut String, before: &str, number: i64) {
    text.push_str(before);
    text.extend([number / 10, number % 10].map(|digit| char::from(b'0' + digit as u8)));
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar.
///
/// If a year begins on 1 March, its leap day is the last day, and the lengths of months repeat: 31, 30, 31, 30, 31,
/// which is 153 days in five.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097; // the days of 400 years
    let days = days + 719_468; // from 1 March of the year 0
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153; // from March
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_text_that_javascript_makes_of_it() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(iso_date(millis).as_deref(), Some(text));
        }
        assert_eq!(iso_date(8_640_000_000_000_001), None);
        assert_eq!(iso_date(i64::MIN), None);
    }

    #[test]
    fn a_date_as_text_has_its_weekday() {
        for (millis, text) in [
            (0, "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)"),
            (-1, "Wed Dec 31 1969 23:59:59 GMT+0000 (Coordinated Universal Time)"),
            (1_709_210_096_789, "Thu Feb 29 2024 12:34:56 GMT+0000 (Coordinated Universal Time)"),
        ] {
            assert_eq!(date_text(millis), text);
        }
        assert_eq!(date_text(i64::MAX), "");
    }
}

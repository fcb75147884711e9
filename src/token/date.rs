//! Reads and writes the two date formats of tokens.
//!
//! A JWT has a NumericDate (RFC 7519 section 2), a PASETO an RFC 3339 date and time. Of the forms
//! that RFC 3339 section 5.6 permits, only the unambiguous ones are accepted: `T` and `Z` in upper
//! case, a real date of the Gregorian calendar, no leap second, at most nine fractional digits, and
//! an offset of less than a day. White space, signs, commas and the week or ordinal dates of ISO
//! 8601 are rejected.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::clock::Timestamp;

/// The date format of a kind of token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DateFormat {
    /// Seconds since the epoch, as a JSON number.
    Numeric,
    /// An RFC 3339 date and time, as a JSON string.
    #[cfg_attr(
        not(feature = "paseto"),
        expect(dead_code, reason = "only PASETO uses it")
    )]
    Text,
}

/// A time in seconds, to be written in one of the formats.
pub(super) struct Date(pub(super) DateFormat, pub(super) u64);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            DateFormat::Numeric => serializer.serialize_u64(self.1),
            DateFormat::Text => serializer.serialize_str(&format_rfc3339(self.1)),
        }
    }
}

/// Reads a date claim in either format.
pub(super) fn from_claim(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => parse_rfc3339(text),
        other => numeric_date(other.as_f64()?),
    }
}

/// Reads a NumericDate (RFC 7519 section 2): seconds since the epoch, from 1970 to 9999.
pub(super) fn numeric_date(seconds: f64) -> Option<Timestamp> {
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked"
    )]
    Some(Timestamp::from_millis((seconds * 1000.0) as u64))
}

/// Reads an RFC 3339 date and time, from 1970 to 9999 in UTC. Fractions of a millisecond are
/// truncated.
pub(super) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.as_bytes().split_at_checked(DATE.len())?;
    let (time, rest) = rest.split_at_checked(TIME.len())?;
    let (date, time) = (parse_digits(date, DATE)?, parse_digits(time, TIME)?);
    let (millis, rest) = match rest {
        [b'.', rest @ ..] => fraction(rest)?,
        rest => (0, rest),
    };
    let offset = offset_seconds(rest)?;
    let days = days_of([date[0], date[1], date[2]])?;
    let [hour, minute, second] = [time[0], time[1], time[2]];
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * SECONDS_OF_A_DAY + hour * 3600 + minute * 60 + second - offset;
    let seconds = u64::try_from(seconds).ok()?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "the bound is far below the limit of exact integers"
    )]
    let is_in_range = seconds as f64 <= LAST_SECOND;
    is_in_range.then(|| Timestamp::from_millis(seconds * 1000 + millis))
}

/// Formats a time before the year 10000 as RFC 3339, in UTC with the offset as in the examples of
/// the PASETO specification.
fn format_rfc3339(seconds: u64) -> String {
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let [year, month, day] = date_of(day);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// Reads the numbers of `text`, which must have digits where `form` has `0`, and the same bytes
/// elsewhere.
fn parse_digits(text: &[u8], form: &[u8]) -> Option<[i64; 3]> {
    let (mut numbers, mut at) = ([0; 3], 0);
    for (byte, expected) in text.iter().zip(form) {
        match expected {
            b'0' if byte.is_ascii_digit() => {
                numbers[at] = numbers[at] * 10 + i64::from(byte - b'0');
            }
            b'T' if byte == expected => {}
            _ if byte == expected && *expected != b'0' => at += 1,
            _ => return None,
        }
    }
    Some(numbers)
}

/// Reads the fraction at the start as milliseconds, and returns the rest.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    let thousandths = digits.iter().chain(b"00").take(3);
    let millis = thousandths.fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    Some((millis, rest))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        b"Z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    if rest.len() != OFFSET.len() {
        return None;
    }
    let [hours, minutes, _] = parse_digits(rest, OFFSET)?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a date, or `None` if the date does not exist.
fn days_of([year, month, day]: [i64; 3]) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last day of a year.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    Some(era * DAYS_OF_AN_ERA + day_of_era - DAYS_TO_1970)
}

/// The inverse of [`days_of`], for days from 1970 on.
fn date_of(day: u64) -> [u64; 3] {
    let day = day + DAYS_TO_1970.unsigned_abs();
    let length = DAYS_OF_AN_ERA.unsigned_abs();
    let (era, day) = (day / length, day % length);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    [era * 400 + year + u64::from(month <= 2), month, day]
}

const DATE: &[u8] = b"0000-00-00";
const TIME: &[u8] = b"T00:00:00";
const OFFSET: &[u8] = b"00:00";

const SECONDS_OF_A_DAY: i64 = 86_400;
/// The days of 400 years, after which the calendar repeats.
const DAYS_OF_AN_ERA: i64 = 146_097;
/// The days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// 9999-12-31T23:59:59Z.
pub(super) const LAST_SECOND: f64 = 253_402_300_799.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_finite_and_in_range() {
        for seconds in [
            -1.0,
            -0.001,
            LAST_SECOND + 1.0,
            1e300,
            f64::INFINITY,
            f64::NAN,
        ] {
            assert_eq!(numeric_date(seconds), None, "{seconds}");
        }
        assert_eq!(numeric_date(0.0), Some(Timestamp::from_secs(0)));
        assert_eq!(numeric_date(1.5), Some(Timestamp::from_millis(1_500)));
        assert!(numeric_date(LAST_SECOND).is_some());
    }

    #[test]
    fn an_rfc_3339_date_is_read_as_its_timestamp() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0_i64),
            ("1970-01-01T00:00:00+00:00", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1985-04-12T23:20:50.52Z", 482_196_050_520),
            ("1996-12-19T16:39:57-08:00", 851_042_397_000),
            ("1937-01-01T12:00:27.87+00:20", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-01-01T00:00:00+00:00", 1_767_225_600_000),
            ("2026-01-01T01:30:00+01:30", 1_767_225_600_000),
            ("2025-12-31T00:01:00-23:59", 1_767_225_600_000),
            ("2026-01-01T00:00:00.999999999Z", 1_767_225_600_999),
            ("2026-01-01T00:00:00.1Z", 1_767_225_600_100),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("9999-12-31T23:59:59-00:01", -1),
            ("1970-01-01T00:00:00+00:01", -1),
            ("1969-12-31T23:59:59Z", -1),
            ("0000-01-01T00:00:00Z", -1),
        ] {
            let expected = u64::try_from(millis).ok().map(Timestamp::from_millis);
            assert_eq!(parse_rfc3339(text), expected, "{text}");
        }
    }

    #[test]
    fn other_text_is_not_an_rfc_3339_date() {
        for text in [
            "",
            "2026",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00Z ",
            " 2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00.-1Z",
            "2026-01-01T00:00:00+0000",
            "2026-01-01T00:00:00+00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+00:60",
            "2026-01-01T00:00:00+00:00Z",
            "2026-01-01T00:00:00\u{2212}00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-12-31T23:59:60Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "+2026-01-01T00:00:00Z",
            "12026-01-01T00:00:00Z",
            "-026-01-01T00:00:00Z",
            "20260101T000000Z",
            "2026-W01-1T00:00:00Z",
            "2026-001T00:00:00Z",
            "2026-01-01T00:00:0\u{664}Z",
            "2026/01/01T00:00:00Z",
            "1767225600",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_is_read_as_it_was_written() {
        let last = 253_402_300_799 / 86_400;
        for day in 0..=last {
            let seconds = day * 86_400 + day % 86_400;
            let text = format_rfc3339(seconds);
            assert_eq!(
                parse_rfc3339(&text),
                Some(Timestamp::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(format_rfc3339(0), "1970-01-01T00:00:00+00:00");
        assert_eq!(format_rfc3339(1_709_208_000), "2024-02-29T12:00:00+00:00");
        assert_eq!(format_rfc3339(253_402_300_799), "9999-12-31T23:59:59+00:00");
    }
}

//! AWS's spellings of instants, to and from seconds since 1970, UTC. It must never ask what time it is.
//! Calendar arithmetic is the proleptic Gregorian calendar's: 400 years are 146,097 days.

const DAY_S: u64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days since 1970-01-01 of a date from 1970 to 9999; `None` for what is no date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return None;
    }
    // Leap days of all years before this one.
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + (1..month).map(|month| month_days(year, month)).sum::<u64>() + day - 1)
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month, day, hour, minute, second.
fn civil(unix_s: u64) -> (u64, u64, u64, u64, u64, u64) {
    let (mut left, clock) = (unix_s / DAY_S, unix_s % DAY_S);
    let mut year = 1970 + left / 146_097 * 400;
    left %= 146_097;
    // 1970 plus a multiple of 400 is like 1970; at most 400 steps remain.
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let mut month = 1;
    while left >= month_days(year, month) {
        left -= month_days(year, month);
        month += 1;
    }
    (year, month, left + 1, clock / 3600, clock / 60 % 60, clock % 60)
}

fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

fn seconds(date: Option<u64>, hour: u64, minute: u64, second: u64) -> Option<u64> {
    (hour < 24 && minute < 60 && second < 60).then_some(date? * DAY_S + hour * 3600 + minute * 60 + second)
}

/// Reads `20150830T123600Z`.
#[must_use]
pub fn read_basic(text: &str) -> Option<u64> {
    if text.len() != 16 || !text.is_ascii() || text.as_bytes()[8] != b'T' || text.as_bytes()[15] != b'Z' {
        return None;
    }
    let n = |from: usize, to: usize| number(&text[from..to]);
    seconds(days(n(0, 4)?, n(4, 6)?, n(6, 8)?), n(9, 11)?, n(11, 13)?, n(13, 15)?)
}

/// Reads `Sun, 30 Aug 2015 12:36:00 GMT` (RFC 9110, IMF-fixdate). The day of the week is not checked against the date.
#[must_use]
pub fn read_http(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (clock, zone) = (parts.next()?, parts.next()?);
    if parts.next().is_some() || zone != "GMT" || day.len() != 2 || year.len() != 4 || clock.len() != 8 {
        return None;
    }
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let mut clock = clock.split(':');
    let (hour, minute, second) = (number(clock.next()?)?, number(clock.next()?)?, number(clock.next()?)?);
    seconds(days(number(year)?, month, number(day)?), hour, minute, second)
}

/// Prints `20150830T123600Z`.
#[must_use]
pub fn basic(unix_s: u64) -> String {
    let (year, month, day, hour, minute, second) = civil(unix_s);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Prints `2015-08-30T12:36:00Z`.
#[must_use]
pub fn extended(unix_s: u64) -> String {
    let (year, month, day, hour, minute, second) = civil(unix_s);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    //! Known instants, and that reading undoes printing.

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        for (unix_s, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (4_107_542_400, "21000301T000000Z"),
            (253_402_300_799, "99991231T235959Z"),
        ] {
            assert_eq!(basic(unix_s), text);
            assert_eq!(read_basic(text), Some(unix_s));
        }
        assert_eq!(extended(1_440_938_160), "2015-08-30T12:36:00Z");
        assert_eq!(read_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(1_440_938_160));
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "20150830",
            "20150830T123600",
            "20150830T1236000",
            "20150230T123600Z",
            "21000229T000000Z",
            "20150830T246000Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "2015083+T123600Z",
            "20151330T123600Z",
            "19690830T123600Z",
            "2015083\u{e9}T12360Z",
        ] {
            assert_eq!(read_basic(text), None, "{text}");
        }
        for text in
            ["", "Sun, 30 Aug 2015 12:36:00", "Sun, 30 Aug 2015 12:36:00 CET", "30 Aug 2015 12:36:00 GMT", ", x"]
        {
            assert_eq!(read_http(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(unix_s in 0u64..=253_402_300_799) {
            prop_assert_eq!(read_basic(&basic(unix_s)), Some(unix_s));
        }

        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            let _ = (read_basic(&text), read_http(&text));
        }
    }
}

//! Times of the day and of the year at which a rotation may begin, as AWS writes them: `cron(0 8 1 * ? *)`, in UTC. Pure; it
//! must never take an expression that it would read otherwise than its owner.

use crate::error::Error;
use crate::time::Timestamp;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Days that are looked at for the next time: the 29th of February is at most eight years away.
const DAYS_AHEAD_MAX: u64 = 8 * 366;
/// Longest expression, in bytes; what AWS documents.
const TEXT_BYTES_MAX: usize = 256;
const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A parsed expression: on the hour, on days of the month or on days of the week.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cron {
    /// A bit for each hour.
    hours: u32,
    days: Days,
    /// A bit for each month from 1.
    months: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Days {
    /// A bit for each day from 1; whether the last one counts as well.
    OfMonth { days: u32, last: bool },
    /// A bit for each weekday from Sunday = 1.
    OfWeek(u32),
    /// The n-th of a weekday in its month; 0 is the last.
    NthOfWeek { weekday: u32, n: u32 },
}

fn wrong() -> Error {
    Error::invalid(
        "the schedule is not cron(0 <hours> <day of month> <month> <day of week> *) with one of the days as `?`",
    )
}

impl Cron {
    /// # Errors
    /// Another form, minutes other than 0, a year, values out of range, or both kinds of days at once.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong());
        }
        let inside = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
        let fields: Vec<&str> = inside.split_ascii_whitespace().collect();
        let &["0", hours, of_month, months, of_week, "*"] = fields.as_slice() else { return Err(wrong()) };
        let days = match (of_month, of_week) {
            ("?", "?") => return Err(wrong()),
            ("L", "?") => Days::OfMonth { days: 0, last: true },
            (days, "?") => Days::OfMonth { days: mask(days, 1, 31, &[])?, last: false },
            ("?", days) => match (days.split_once('#'), days.strip_suffix('L')) {
                (Some((weekday, n)), _) => {
                    Days::NthOfWeek { weekday: value(weekday, 1, 7, WEEKDAYS)?, n: value(n, 1, 5, &[])? }
                }
                (None, Some("")) => Days::OfWeek(mask("7", 1, 7, &[])?),
                (None, Some(weekday)) => Days::NthOfWeek { weekday: value(weekday, 1, 7, WEEKDAYS)?, n: 0 },
                (None, None) => Days::OfWeek(mask(days, 1, 7, WEEKDAYS)?),
            },
            _ => return Err(wrong()),
        };
        Ok(Self { hours: mask(hours, 0, 23, &[])?, days, months: mask(months, 1, 12, MONTHS)? })
    }

    /// The first time after `now`; nothing if there never is one (the 31st of February).
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.0 / DAY_MS;
        for day in today..today + DAYS_AHEAD_MAX {
            if !self.has_day(day) {
                continue;
            }
            let times =
                (0..24u64).filter(|hour| self.hours & (1 << hour) != 0).map(|hour| day * DAY_MS + hour * HOUR_MS);
            if let Some(at) = times.into_iter().find(|at| *at > now.0) {
                return Some(Timestamp(at));
            }
        }
        None
    }

    fn has_day(&self, day: u64) -> bool {
        let (year, month, of_month) = civil(day);
        if self.months & (1 << month) == 0 {
            return false;
        }
        let last = length(year, month);
        // The first day of 1970 was a Thursday; Sunday is 1.
        let weekday = u32::try_from((day + 4) % 7).unwrap_or_default() + 1;
        match self.days {
            Days::OfMonth { days, last: on_last } => days & (1 << of_month) != 0 || (on_last && of_month == last),
            Days::OfWeek(days) => days & (1 << weekday) != 0,
            Days::NthOfWeek { weekday: wanted, n: 0 } => weekday == wanted && of_month + 7 > last,
            Days::NthOfWeek { weekday: wanted, n } => weekday == wanted && (of_month - 1) / 7 + 1 == n,
        }
    }
}

fn value(text: &str, least: u32, most: u32, names: &[&str]) -> Result<u32, Error> {
    if let Some(at) = names.iter().position(|name| *name == text) {
        return u32::try_from(at).map(|at| at + least).map_err(|_| wrong());
    }
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let value = text.parse().map_err(|_| wrong())?;
    (least..=most).contains(&value).then_some(value).ok_or_else(wrong)
}

/// Values, ranges, steps and lists of them, as bits.
fn mask(text: &str, least: u32, most: u32, names: &[&str]) -> Result<u32, Error> {
    let mut out = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, value(step, 1, most, &[])?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from, least, most, names)?, value(to, least, most, names)?),
            None if range == "*" => (least, most),
            None => {
                let from = value(range, least, most, names)?;
                (from, if part.contains('/') { most } else { from })
            }
        };
        if from > to {
            return Err(wrong());
        }
        let mut at = from;
        while at <= to {
            out |= 1 << at;
            at += step;
        }
    }
    Ok(out)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn length(year: u64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a day since 1970.
fn civil(day: u64) -> (u64, u32, u32) {
    let mut year = 1970 + day / 366;
    let days_before = |year: u64| {
        let past = year - 1;
        365 * (year - 1970) + (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400)
    };
    while days_before(year + 1) <= day {
        year += 1;
    }
    let mut left = u32::try_from(day - days_before(year)).unwrap_or_default();
    let mut month = 1;
    while left >= length(year, month) {
        left -= length(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests;

//! Instants, spans, and how wires spell them. It must never ask what time it is: the store's clock says so.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last instant that RFC 3339 can spell with a four-digit year: 9999-12-31T23:59:59.999Z.
pub const UNIX_MS_MAX: u64 = 253_402_300_799_999;

/// Milliseconds since the Unix epoch, UTC, by the store's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The later instant `ttl` after this one; saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, ttl: TtlSeconds) -> Self {
        Self(self.0.saturating_add(ttl.0.saturating_mul(1000)))
    }

    #[must_use]
    pub fn plus_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// Whole seconds from `now` until this instant, rounded up, so that what still lives never shows 0; 0 once past.
    #[must_use]
    pub fn seconds_from(self, now: Timestamp) -> u64 {
        self.0.saturating_sub(now.0).div_ceil(1000)
    }

    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.0 / 1000
    }

    /// RFC 3339 with `Z`, as Go prints `RFC3339Nano` for such values; empty for what has no spelling.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let Some(spelled) = self.spelled() else { return String::new() };
        let text = std::str::from_utf8(&spelled).unwrap_or_default().trim_end_matches('Z');
        // Go leaves out the zeros at the end of a fraction, and a fraction of zeros.
        let kept = text.trim_end_matches('0').trim_end_matches('.');
        let mut out = String::with_capacity(spelled.len());
        out.push_str(kept);
        out.push('Z');
        out
    }

    /// RFC 3339 with exactly three digits of fraction: `2023-11-14T22:13:20.123Z`. `None` beyond the year 9999, for which
    /// it has no spelling. Several times a request, so it does without a formatter.
    #[must_use]
    pub fn spelled(self) -> Option<[u8; 24]> {
        const DAY_MS: u64 = 86_400_000;
        /// Days of 400 years, of 100 and of 4 (a century's last day and an era's come once in each).
        const ERA: u64 = 146_097;
        const CENTURY: u64 = 36_524;
        const OLYMPIAD: u64 = 1_460;
        /// Days from 1 March of the year 0 to 1970: where years begin in March, a leap day is a year's last.
        const BEFORE_1970: u64 = 719_468;
        if self.0 > UNIX_MS_MAX {
            return None;
        }
        let (days, ms) = (self.0 / DAY_MS + BEFORE_1970, self.0 % DAY_MS);
        let (era, day) = (days / ERA, days % ERA);
        let year = (day - day / OLYMPIAD + day / CENTURY - day / (ERA - 1)) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let mut out = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, digits: usize, mut number: u64| {
            for place in out[at..at + digits].iter_mut().rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(0, 4, era * 400 + year + next);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, ms / 3_600_000);
        put(14, 2, ms / 60_000 % 60);
        put(17, 2, ms / 1000 % 60);
        put(20, 3, ms % 1000);
        Some(out)
    }

    /// Reads RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Result<Self, Error> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Error::invalid("time is not RFC 3339"))?;
        u64::try_from(at.unix_timestamp_nanos() / 1_000_000)
            .map(Self)
            .map_err(|_| Error::invalid("time is before 1970"))
    }
}

/// A time to live in whole seconds. Zero is zero: it never means infinite. Where a wire uses 0 for "the default", the
/// reader turns it into `Option::None` at the edge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TtlSeconds(pub u64);

impl TtlSeconds {
    #[must_use]
    pub fn none_if_zero(self) -> Option<Self> {
        (self.0 != 0).then_some(self)
    }
}

/// Reads a span the way Vault's clients write it: whole seconds (`3600`) or Go's form (`1h30m`, `15s`, `500ms`, `1.5h`),
/// with `d` for days. The result is in whole seconds, rounded down.
///
/// # Errors
/// Negative, empty, unknown unit, or beyond a century.
pub fn parse_duration_s(text: &str) -> Result<u64, Error> {
    /// A hundred years; beyond it arithmetic on instants would be a joke on the reader.
    const SPAN_S_MAX: f64 = 100.0 * 366.0 * 86_400.0;
    let bad = || Error::invalid("duration is not a number of seconds nor of the form `1h30m`");
    let text = text.trim();
    if text.starts_with('-') {
        return Err(Error::invalid("duration is negative"));
    }
    if text.is_empty() {
        return Err(bad());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: u64 = text.parse().map_err(|_| bad())?;
        return if seconds as f64 > SPAN_S_MAX { Err(Error::invalid("duration is too long")) } else { Ok(seconds) };
    }
    let mut total = 0.0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit_s = match &rest[..unit_end] {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(bad()),
        };
        total += number * unit_s;
        rest = &rest[unit_end..];
    }
    if total > SPAN_S_MAX { Err(Error::invalid("duration is too long")) } else { Ok(total as u64) }
}

/// Prints whole seconds in Go's form: `0s`, `15s`, `1m0s`, `768h0m0s`.
#[must_use]
pub fn go_duration(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 {
        format!("{h}h{m}m{s}s")
    } else if m > 0 {
        format!("{m}m{s}s")
    } else {
        format!("{s}s")
    }
}

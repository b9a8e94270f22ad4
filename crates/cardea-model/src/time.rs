//! Instants, spans, and how wires spell them. It must never ask what time it is: the store's clock says so.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

    /// RFC 3339 with nine digits of fraction and `Z`, as Go prints `RFC3339Nano` for such values.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000_000;
        match OffsetDateTime::from_unix_timestamp_nanos(nanos) {
            Ok(at) => at.format(&Rfc3339).unwrap_or_default(),
            Err(_) => String::new(),
        }
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

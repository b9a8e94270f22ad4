//! Instants as the log spells them: RFC 3339, UTC, exactly three digits of fraction. One instant has one spelling, so that
//! equal records are equal bytes. It must never ask what time it is.

use cardea_model::Timestamp;
use cardea_model::time::UNIX_MS_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// An instant in whole milliseconds, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogTime(pub Timestamp);

impl LogTime {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub fn from_unix_ms(unix_ms: u64) -> Self {
        Self(Timestamp(unix_ms))
    }

    #[must_use]
    pub fn unix_ms(self) -> u64 {
        self.0.0
    }

    /// Reads any RFC 3339 instant since 1970; fractions finer than a millisecond are dropped. `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Timestamp::parse_rfc3339(text).ok().map(Self)
    }
}

impl From<Timestamp> for LogTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An instant beyond year 9999 is a broken clock; it is written as the last one that has a spelling.
        let at = Timestamp(self.unix_ms().min(UNIX_MS_MAX)).spelled().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&at).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for LogTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("time is not RFC 3339"))
    }
}

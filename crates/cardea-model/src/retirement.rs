//! The end of an old credential (DESIGN section 8): what its owner waits for, what is known, and whether that is enough.
//! Values and one pure decision; it must never decide by what is not known: a source that does not say, or a log that was
//! not read to its end, proves nothing.

use crate::error::Error;
use crate::time::{Timestamp, TtlSeconds};
use serde::{Deserialize, Serialize};

/// What has to be seen before an old credential is turned off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetireBar {
    /// The source has seen no session of the old credential for the settling time.
    Sessions,
    /// The settling time is over.
    Time,
}

impl RetireBar {
    pub const ALL: &[Self] = &[Self::Sessions, Self::Time];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Time => "time",
        }
    }

    /// # Errors
    /// Any other word.
    pub fn parse(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().copied().find(|one| one.as_str() == word);
        found.ok_or_else(|| Error::invalid("field `retire_bar` is not none, sessions or time"))
    }
}

/// What the owner of a secret decided about the end of its old credentials. Without a rule, an old one lives until the next
/// rotation takes its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetireRule {
    pub bar: RetireBar,
    /// Seconds that the old one lives at least: the settling time of what is seen, or how long consumers keep a value.
    pub after_s: u64,
    /// Seconds after which it is turned off whatever is known; `None` waits for as long as it takes.
    #[serde(default)]
    pub latest_s: Option<u64>,
    /// Whether its open sessions are ended, too.
    #[serde(default)]
    pub end_sessions: bool,
}

/// Why an old credential is turned off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetireReason {
    /// The bar was met.
    Proved,
    /// Its owner's latest moment came first.
    TimeRanOut,
    /// Somebody said so.
    Emergency,
}

impl RetireReason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::TimeRanOut => "time-ran-out",
            Self::Emergency => "emergency",
        }
    }
}

/// An old credential that waits for its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retiring {
    /// When the new version became the current one.
    pub since: Timestamp,
    /// Since when every look has seen no session.
    #[serde(default)]
    pub quiet_since: Option<Timestamp>,
    /// Sessions at the last look, if the source said.
    #[serde(default)]
    pub sessions: Option<u64>,
    /// Set once it was decided, before the source is asked to turn anything off.
    #[serde(default)]
    pub decided: Option<RetireReason>,
    /// What was missing at the last look, in words for the owner.
    #[serde(default)]
    pub lacks: Vec<String>,
}

impl Retiring {
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { since, quiet_since: None, sessions: None, decided: None, lacks: Vec::new() }
    }

    /// Why it has to end now, whatever is known.
    #[must_use]
    pub fn forced(&self, rule: Option<&RetireRule>, emergency: bool, now: Timestamp) -> Option<RetireReason> {
        let latest_s = rule.and_then(|rule| rule.latest_s);
        if emergency {
            return Some(RetireReason::Emergency);
        }
        latest_s.is_some_and(|s| self.since.plus(TtlSeconds(s)) <= now).then_some(RetireReason::TimeRanOut)
    }

    /// Takes in what a look has found, and decides. Where it is not enough, `lacks` says what is missing.
    pub fn judge(&mut self, rule: &RetireRule, sessions: Option<u64>, now: Timestamp) -> Option<RetireReason> {
        self.lacks.clear();
        let earliest = match rule.bar {
            RetireBar::Time => self.since.plus(TtlSeconds(rule.after_s)),
            RetireBar::Sessions => {
                self.sessions = sessions;
                self.quiet_since = match sessions {
                    Some(0) => self.quiet_since.or(Some(now)),
                    _ => None,
                };
                match sessions {
                    None => {
                        self.lacks.push("the source cannot say how many sessions the old credential has".to_owned())
                    }
                    Some(0) => {}
                    Some(open) => self.lacks.push(format!("sessions of the old credential: {open}")),
                }
                self.quiet_since.unwrap_or(now).plus(TtlSeconds(rule.after_s))
            }
        };
        if self.lacks.is_empty() && now < earliest {
            self.lacks.push(format!("the settling time ends at {}", earliest.rfc3339()));
        }
        self.lacks.is_empty().then_some(RetireReason::Proved)
    }
}

/// The end of an old credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retired {
    /// The version that holds it.
    pub version: u64,
    pub at: Timestamp,
    pub reason: RetireReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1000)
    }

    fn rule(bar: RetireBar) -> RetireRule {
        RetireRule { bar, after_s: 100, latest_s: Some(1_000), end_sessions: false }
    }

    #[test]
    fn an_old_credential_ends_when_its_bar_is_met_and_not_before() {
        use RetireBar::{Sessions, Time};
        /// Seconds, sessions that the source saw, whether that is enough.
        type Look = (u64, Option<u64>, bool);
        let table: &[(RetireBar, &[Look])] = &[
            (Time, &[(0, None, false), (99, None, false), (100, None, true)]),
            (Sessions, &[(0, Some(0), false), (99, Some(0), false), (100, Some(0), true)]),
            // A session in between begins the settling time anew.
            (Sessions, &[(0, Some(0), false), (90, Some(1), false), (120, Some(0), false), (219, Some(0), false)]),
            (Sessions, &[(0, Some(2), false), (500, Some(0), false), (600, Some(0), true)]),
            // What is not known proves nothing.
            (Sessions, &[(0, Some(0), false), (50, None, false), (900, None, false), (950, Some(0), false)]),
        ];
        for (bar, looks) in table {
            let mut retiring = Retiring::new(at(0));
            for (seconds, sessions, enough) in *looks {
                let reason = retiring.judge(&rule(*bar), *sessions, at(*seconds));
                assert_eq!(reason.is_some(), *enough, "{bar:?} {looks:?} at {seconds}");
                assert_eq!(retiring.lacks.is_empty(), *enough, "{bar:?} {looks:?} at {seconds}");
            }
        }
    }

    #[test]
    fn it_ends_without_proof_where_its_owner_or_an_emergency_says_so() {
        let retiring = Retiring::new(at(0));
        let some = rule(RetireBar::Sessions);
        assert_eq!(retiring.forced(Some(&some), false, at(999)), None);
        assert_eq!(retiring.forced(Some(&some), false, at(1_000)), Some(RetireReason::TimeRanOut));
        assert_eq!(retiring.forced(None, false, at(9_999_999)), None);
        assert_eq!(retiring.forced(None, true, at(0)), Some(RetireReason::Emergency));
    }
}

//! The end of an old credential (DESIGN section 8): what its owner waits for, what is known, and whether that is enough.
//! Values and one pure decision; it must never decide by what is not known: a source that does not say, or a log that was
//! not read to its end, proves nothing.

use crate::consumer::{Ack, SecretReaders};
use crate::error::Error;
use crate::time::{Timestamp, TtlSeconds};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Names of laggards that are kept with an end that came without proof.
pub const LAGGING_KEPT_MAX: usize = 64;
/// Laggards that are named one by one in what is missing.
const LAGGING_NAMED_MAX: usize = 8;

/// What has to be seen before an old credential is turned off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetireBar {
    /// The source has seen no session of the old credential for the settling time.
    Sessions,
    /// Every consumer has acknowledged the new version, and one at least.
    Acknowledged,
    /// Every consumer has read the new version or acknowledged it.
    Read,
    /// The settling time is over.
    Time,
}

impl RetireBar {
    pub const ALL: &[Self] = &[Self::Sessions, Self::Acknowledged, Self::Read, Self::Time];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Acknowledged => "acknowledged",
            Self::Read => "read",
            Self::Time => "time",
        }
    }

    /// # Errors
    /// Any other word.
    pub fn parse(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().copied().find(|one| one.as_str() == word);
        found.ok_or_else(|| Error::invalid("field `retire_bar` is not none, sessions, acknowledged, read or time"))
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
    /// Consumers that nobody waits for, by name or entity: an operator who looked, say.
    #[serde(default)]
    pub ignored: BTreeSet<String>,
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
    /// Its owner ended all that the source had made.
    Revoked,
}

impl RetireReason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::TimeRanOut => "time-ran-out",
            Self::Emergency => "emergency",
            Self::Revoked => "revoked",
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
    /// Consumers that lagged when it was decided.
    #[serde(default)]
    pub lagging: Vec<String>,
}

impl Retiring {
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self { since, quiet_since: None, sessions: None, decided: None, lacks: Vec::new(), lagging: Vec::new() }
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
    pub fn judge(&mut self, rule: &RetireRule, seen: &Seen, now: Timestamp) -> Option<RetireReason> {
        self.lacks.clear();
        let sessions = seen.sessions;
        let earliest = match rule.bar {
            RetireBar::Time => self.since.plus(TtlSeconds(rule.after_s)),
            RetireBar::Acknowledged | RetireBar::Read => {
                self.sessions = sessions;
                self.judge_consumers(rule.bar, seen);
                self.since.plus(TtlSeconds(rule.after_s))
            }
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

    fn judge_consumers(&mut self, bar: RetireBar, seen: &Seen) {
        if !seen.log_complete {
            self.lacks.push("the log was not read to its end yet, or has more readers than are followed".to_owned());
        }
        let lagging: Vec<&Standing> = seen.standings.iter().filter(|one| one.lags).collect();
        let verb = if bar == RetireBar::Read { "read" } else { "acknowledged" };
        for one in lagging.iter().take(LAGGING_NAMED_MAX) {
            self.lacks.push(format!("{} has not {verb} the new version", one.name));
        }
        if let more @ 1.. = lagging.len().saturating_sub(LAGGING_NAMED_MAX) {
            self.lacks.push(format!("{more} more consumers have not {verb} the new version"));
        }
        if bar == RetireBar::Acknowledged && seen.standings.iter().all(|one| one.acknowledged.is_none()) {
            self.lacks.push("nobody has acknowledged the new version".to_owned());
        }
    }
}

/// What a look has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Open sessions of the old credential; `None` if the source cannot tell.
    pub sessions: Option<u64>,
    pub standings: Vec<Standing>,
    /// Whether the log was read to its end, and no reader left out.
    pub log_complete: bool,
}

/// How far one consumer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// An entity's id, or a display name where there is none.
    pub consumer: String,
    pub name: String,
    /// The last read of a version with the old credential, and of the new version.
    pub old_read: Option<Timestamp>,
    pub new_read: Option<Timestamp>,
    /// When it acknowledged the new version.
    pub acknowledged: Option<Timestamp>,
    /// Whether the bar waits for it.
    pub lags: bool,
    pub ignored: bool,
}

/// Which versions hold the old credential, and which is the new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    pub old: RangeInclusive<u64>,
    pub new: u64,
    /// When the new version became the current one.
    pub since: Timestamp,
}

impl Pair {
    /// Whether a version came with the new credential or after it.
    fn is_new(&self, version: u64) -> bool {
        version == self.new || version > self.new.max(*self.old.end())
    }

    /// How far each consumer is that has anything to do with the two. An acknowledgement counts as a read; what happened
    /// before the new version became current counts for nothing, and whoever read the old one again lags again.
    #[must_use]
    pub fn standings(
        &self,
        bar: RetireBar,
        readers: &SecretReaders,
        acks: &BTreeMap<String, Ack>,
        ignored: &BTreeSet<String>,
    ) -> Vec<Standing> {
        let mut all: BTreeMap<&str, Standing> = BTreeMap::new();
        let blank = |consumer: &str, name: &str| Standing {
            consumer: consumer.to_owned(),
            name: name.to_owned(),
            old_read: None,
            new_read: None,
            acknowledged: None,
            lags: false,
            ignored: ignored.contains(consumer) || ignored.contains(name),
        };
        for one in &readers.consumers {
            let newest = |wanted: &dyn Fn(u64) -> bool| {
                one.reads.iter().filter(|read| wanted(read.version)).map(|read| read.at).max()
            };
            let mut standing = blank(&one.consumer, &one.name);
            standing.old_read = newest(&|version| self.old.contains(&version));
            standing.new_read = newest(&|version| self.is_new(version)).filter(|at| *at >= self.since);
            if standing.old_read.is_some() || standing.new_read.is_some() {
                all.insert(&one.consumer, standing);
            }
        }
        for (consumer, ack) in acks {
            let standing = all.entry(consumer).or_insert_with(|| blank(consumer, &ack.name));
            if self.is_new(ack.version) && ack.at >= self.since {
                standing.acknowledged = Some(ack.at);
            } else if self.old.contains(&ack.version) {
                // Whoever said that it uses the old one uses it.
                standing.old_read = standing.old_read.max(Some(ack.at));
            }
        }
        let mut standings: Vec<Standing> = all.into_values().collect();
        for one in &mut standings {
            let moved = match bar {
                RetireBar::Acknowledged => one.acknowledged,
                RetireBar::Sessions | RetireBar::Read | RetireBar::Time => one.new_read.max(one.acknowledged),
            };
            // Who reads the new version and does not say that it works is a consumer, too.
            let used = match bar {
                RetireBar::Acknowledged => one.old_read.or(one.new_read),
                _ => one.old_read,
            };
            one.lags =
                !one.ignored && used.is_some() && moved.is_none_or(|at| one.old_read.is_some_and(|old| old > at));
        }
        standings.retain(|one| one.old_read.is_some() || one.new_read.is_some() || one.acknowledged.is_some());
        standings
    }
}

/// The end of an old credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retired {
    /// The version that holds it.
    pub version: u64,
    pub at: Timestamp,
    pub reason: RetireReason,
    /// Consumers that were not seen with the new version by then.
    #[serde(default)]
    pub lagging: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::{ConsumerReads, VersionRead};

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1000)
    }

    fn rule(bar: RetireBar) -> RetireRule {
        RetireRule { bar, after_s: 100, latest_s: Some(1_000), end_sessions: false, ignored: BTreeSet::new() }
    }

    /// `name: version@seconds …`, and `name! version@seconds` for an acknowledgement.
    fn told(lines: &[&str]) -> (SecretReaders, BTreeMap<String, Ack>) {
        let mut readers = SecretReaders { complete: true, ..SecretReaders::default() };
        let mut acks = BTreeMap::new();
        for line in lines {
            let (name, rest) = line.split_once(' ').unwrap();
            let reads: Vec<VersionRead> = rest
                .split(' ')
                .map(|word| {
                    let (version, seconds) = word.split_once('@').unwrap();
                    VersionRead { version: version.parse().unwrap(), at: at(seconds.parse().unwrap()) }
                })
                .collect();
            match name.strip_suffix('!') {
                None => {
                    let name = name.trim_end_matches(':').to_owned();
                    readers.consumers.push(ConsumerReads { consumer: name.clone(), name, reads });
                }
                Some(name) => {
                    let ack = Ack { name: name.to_owned(), version: reads[0].version, at: reads[0].at };
                    acks.insert(name.to_owned(), ack);
                }
            }
        }
        (readers, acks)
    }

    #[test]
    fn whoever_was_not_seen_with_the_new_version_lags() {
        use RetireBar::{Acknowledged, Read};
        // Versions 2 and 3 hold the old credential, 4 the new one, current since second 100. `root` is ignored.
        let table: &[(RetireBar, &[&str], &[&str])] = &[
            (Read, &["a: 3@50 4@120", "b: 3@60", "c: 2@10"], &["b", "c"]),
            (Read, &["a: 3@50 5@120", "root: 3@50"], &[]),
            // Versions of before the old one; and those who never had it.
            (Read, &["a: 1@50", "b: 4@120"], &[]),
            // Back to the old one.
            (Read, &["a: 4@120 3@130"], &["a"]),
            (Read, &["a: 3@50", "a! 4@120"], &[]),
            (Read, &["a: 3@50", "a! 3@60"], &["a"]),
            // The new version of before: as after a rollback.
            (Read, &["a: 3@90 4@80"], &["a"]),
            (Read, &["a! 3@60"], &["a"]),
            (Acknowledged, &["a: 3@50 4@120", "b: 3@50 4@120", "b! 4@130"], &["a"]),
            (Acknowledged, &["a: 3@50 4@120", "a! 4@90"], &["a"]),
            (Acknowledged, &["a: 4@120", "b! 4@120"], &["a"]),
            (Acknowledged, &["a: 3@140 4@120", "a! 4@130"], &["a"]),
            (Acknowledged, &["a: 3@50 4@120", "a! 4@130", "root: 3@200"], &[]),
        ];
        let pair = Pair { old: 2..=3, new: 4, since: at(100) };
        let ignored = BTreeSet::from(["root".to_owned()]);
        for (bar, lines, expected) in table {
            let (readers, acks) = told(lines);
            let standings = pair.standings(*bar, &readers, &acks, &ignored);
            let lagging: Vec<&str> = standings.iter().filter(|one| one.lags).map(|one| one.name.as_str()).collect();
            assert_eq!(&lagging, expected, "{bar:?} {lines:?}");
            let seen = Seen { sessions: None, standings, log_complete: true };
            let met = Retiring::new(at(100)).judge(&rule(*bar), &seen, at(500)).is_some();
            assert_eq!(met, expected.is_empty(), "{bar:?} {lines:?}");
            // Neither before the settling time is over, nor while the log is still read.
            assert!(Retiring::new(at(450)).judge(&rule(*bar), &seen, at(500)).is_none());
            let behind = Seen { log_complete: false, ..seen };
            assert!(Retiring::new(at(100)).judge(&rule(*bar), &behind, at(500)).is_none());
        }
        // The way back: 3 is new again, and what holds the old credential is 4.
        let back = Pair { old: 4..=4, new: 3, since: at(300) };
        let (readers, acks) = told(&["a: 3@50 4@120", "b: 3@50 4@120 3@310", "c: 3@50"]);
        let standings = back.standings(Read, &readers, &acks, &BTreeSet::new());
        assert_eq!(standings.iter().filter(|one| one.lags).map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn nobody_is_no_acknowledgement() {
        let seen = Seen { log_complete: true, ..Seen::default() };
        assert!(Retiring::new(at(0)).judge(&rule(RetireBar::Acknowledged), &seen, at(500)).is_none());
        assert!(Retiring::new(at(0)).judge(&rule(RetireBar::Read), &seen, at(500)).is_some());
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
                let reason =
                    retiring.judge(&rule(*bar), &Seen { sessions: *sessions, ..Seen::default() }, at(*seconds));
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

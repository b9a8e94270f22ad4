//! Strangers buy nothing: refusals without a credential are recorded singly up to a named rate a source, then as counts,
//! so that nobody can fill the log or the disk by being refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

/// Sources remembered at once; further ones share one count.
const SOURCES_MAX: usize = 10_000;

/// Counters of refusals a source.
pub struct Strangers {
    single_per_s: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    second: u64,
    recorded: HashMap<IpAddr, u32>,
    /// Refusals since the last count was written, by source.
    uncounted: HashMap<IpAddr, u64>,
    overflow: u64,
}

impl Strangers {
    #[must_use]
    pub fn new(single_per_s: u32) -> Self {
        Self { single_per_s, state: Mutex::new(State::default()) }
    }

    /// Whether this refusal gets a record of its own; otherwise it is counted.
    pub fn record_singly(&self, source: IpAddr, now_s: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.second != now_s {
            state.second = now_s;
            state.recorded.clear();
        }
        if state.recorded.len() >= SOURCES_MAX && !state.recorded.contains_key(&source) {
            state.overflow += 1;
            return false;
        }
        let seen = state.recorded.entry(source).or_insert(0);
        *seen = seen.saturating_add(1);
        if *seen <= self.single_per_s {
            return true;
        }
        if state.uncounted.len() < SOURCES_MAX || state.uncounted.contains_key(&source) {
            *state.uncounted.entry(source).or_insert(0) += 1;
        } else {
            state.overflow += 1;
        }
        false
    }

    /// Takes the counts to be written: at most `limit` sources, and the sum of the nameless.
    pub fn take_counts(&self, limit: usize) -> Vec<(Option<IpAddr>, u64)> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sources: Vec<IpAddr> = state.uncounted.keys().copied().take(limit).collect();
        let mut out: Vec<_> =
            sources.into_iter().filter_map(|s| state.uncounted.remove(&s).map(|count| (Some(s), count))).collect();
        if state.overflow > 0 {
            out.push((None, std::mem::take(&mut state.overflow)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_beyond_the_rate_are_counted_not_lost() {
        let strangers = Strangers::new(3);
        let source: IpAddr = [10, 0, 0, 1].into();
        let singly = (0..10).filter(|_| strangers.record_singly(source, 5)).count();
        assert_eq!(singly, 3);
        assert_eq!(strangers.take_counts(100), [(Some(source), 7)]);
        assert!(strangers.take_counts(100).is_empty());
        assert!(strangers.record_singly(source, 6), "a new second");
    }
}

//! Strangers buy nothing: refusals without a credential are recorded singly up to a named rate a source, then as counts,
//! so that nobody can fill the log or the disk by being refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

/// Sources remembered at once; further ones share one count.
const SOURCES_MAX: usize = 10_000;

/// What counts as one source: whoever holds one IPv6 address holds the /64 around it.
#[must_use]
pub fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

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
    pub fn record_singly(&self, peer: IpAddr, now_s: u64) -> bool {
        let source = source(peer);
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

    #[test]
    fn whoever_holds_a_network_of_ipv6_is_one_source() {
        let strangers = Strangers::new(3);
        let address = |n: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n));
        assert_eq!((0..100).filter(|n| strangers.record_singly(address(*n), 5)).count(), 3);
        assert!(strangers.record_singly(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1)), 5));
        assert_eq!(source("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
    }
}

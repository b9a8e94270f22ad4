//! How long things live: one pure function for leases and one for tokens. Zero never means infinite here.

use cardea_model::lease::LeaseTerm;
use cardea_model::{Error, Timestamp, TtlSeconds};

/// The term of a new lease or token: what was asked, else the default, capped by every maximum, counted from now.
/// The second value says whether a cap bit.
#[must_use]
pub fn first_term(
    now: Timestamp,
    asked_s: Option<TtlSeconds>,
    default_s: u64,
    caps_s: &[Option<u64>],
) -> (LeaseTerm, bool) {
    let cap_s = caps_s.iter().flatten().copied().min().unwrap_or(u64::MAX);
    let wanted_s = asked_s.map_or(default_s, |ttl| ttl.0);
    let ttl_s = wanted_s.min(cap_s);
    let latest = now.plus(TtlSeconds(cap_s));
    (LeaseTerm { issued: now, expires: now.plus(TtlSeconds(ttl_s)).min(latest), latest }, ttl_s < wanted_s)
}

/// The end after a renewal: `increment` from now (the original TTL if absent), never beyond the latest instant.
///
/// # Errors
/// Already at or past the latest instant.
pub fn renewed(
    now: Timestamp,
    term: LeaseTerm,
    increment_s: Option<TtlSeconds>,
    original_s: u64,
) -> Result<(Timestamp, bool), Error> {
    if now >= term.latest || now >= term.expires {
        return Err(Error::invalid("past the max TTL, cannot renew"));
    }
    let wanted = now.plus(increment_s.unwrap_or(TtlSeconds(original_s)));
    Ok((wanted.min(term.latest), wanted > term.latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_never_exceeds_a_cap_and_zero_is_not_infinite() {
        let now = Timestamp(1_000_000);
        for asked in [None, Some(0), Some(1), Some(60), Some(u64::MAX)] {
            for cap in [None, Some(0), Some(1), Some(30), Some(3600)] {
                let (term, capped) = first_term(now, asked.map(TtlSeconds), 300, &[cap, Some(86_400)]);
                let most = cap.unwrap_or(86_400).min(86_400);
                assert!(term.expires <= now.plus(TtlSeconds(most)));
                assert!(term.expires <= term.latest);
                assert_eq!(capped, asked.unwrap_or(300) > most);
            }
        }
    }

    #[test]
    fn renewals_stop_at_the_maximum_to_the_second() {
        let now = Timestamp(0);
        let (term, _) = first_term(now, Some(TtlSeconds(10)), 300, &[Some(20)]);
        let at = |ms, by| renewed(Timestamp(ms), term, Some(TtlSeconds(by)), 10).map(|(t, capped)| (t.0, capped));
        assert_eq!(at(5_000, 10), Ok((15_000, false)));
        assert_eq!(at(9_999, 3600), Ok((20_000, true)), "within a second of the end it still ends");
        assert!(at(10_000, 10).is_err(), "expired");
        let longer = LeaseTerm { expires: Timestamp(30_000), ..term };
        assert!(renewed(Timestamp(20_000), longer, None, 10).is_err(), "past the maximum");
    }
}

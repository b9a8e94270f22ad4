//! Where requests come from: the connections of a source, and the address that a trusted proxy names.
//!
//! It must never believe `X-Forwarded-For` of anybody whom the owner did not name.

use super::activity::Activity;
use crate::config::Forwarded;
use cardea_model::Error;
use hyper::HeaderMap;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest chain of proxies that is read.
const CHAIN_MAX: usize = 64;

/// How often a source that has all it may have is worth a line in the log.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Connections by source.
pub(super) struct Sources {
    per_source_max: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    /// By age: a later connection has a higher number.
    taken: HashMap<IpAddr, BTreeMap<u64, Arc<Activity>>>,
    next: u64,
    warned: Option<Instant>,
}

impl Sources {
    pub(super) fn new(per_source_max: usize) -> Arc<Self> {
        Arc::new(Self { per_source_max, seats: Mutex::new(Seats::default()) })
    }

    /// A place for one more connection of this source. One that has none left loses its oldest connection for whose
    /// request the server only waits; `None` if each of them is of use to somebody.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr, activity: Arc<Activity>) -> Option<Seat> {
        let source = network(source);
        let mut guard = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = &mut *guard;
        let of_source = seats.taken.entry(source).or_default();
        if of_source.len() >= self.per_source_max {
            let oldest = of_source.iter().find(|(_, held)| held.may_make_room()).map(|(number, _)| *number);
            let left = oldest.and_then(|number| of_source.remove(&number));
            let now = Instant::now();
            if seats.warned.is_none_or(|before| now.duration_since(before) >= WARN_EVERY) {
                seats.warned = Some(now);
                let (limit, made_room) = (self.per_source_max, left.is_some());
                tracing::warn!(%source, limit, made_room, "a source has as many connections as it may");
            }
            left?.make_room();
        }
        let number = seats.next;
        seats.next += 1;
        of_source.insert(number, activity);
        Some(Seat { sources: self.clone(), source, number })
    }
}

/// One counted connection.
pub(super) struct Seat {
    sources: Arc<Sources>,
    source: IpAddr,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.sources.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_source) = seats.taken.get_mut(&self.source) {
            of_source.remove(&self.number);
            if of_source.is_empty() {
                seats.taken.remove(&self.source);
            }
        }
    }
}

/// Whoever holds one IPv6 address holds the /64 around it.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// The address that counts as the request's source.
///
/// # Errors
/// The owner said to reject what this request is.
pub(super) fn origin(peer: SocketAddr, headers: &HeaderMap, rules: Option<&Forwarded>) -> Result<SocketAddr, Error> {
    let Some(rules) = rules else { return Ok(peer) };
    let mut chain: Vec<&str> = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let text = value.to_str().map_err(|_| malformed())?;
        chain.extend(text.split(',').map(str::trim));
        if chain.len() > CHAIN_MAX {
            return Err(malformed());
        }
    }
    if chain.is_empty() {
        return match rules.reject_not_present {
            true => Err(Error::invalid("missing x-forwarded-for header and configured to reject when not present")),
            false => Ok(peer),
        };
    }
    if !rules.authorized.iter().any(|network| network.contains(peer.ip())) {
        let words = "client address not authorized for x-forwarded-for and configured to reject connection";
        return if rules.reject_not_authorized { Err(Error::invalid(words)) } else { Ok(peer) };
    }
    let named = chain.len().checked_sub(1 + rules.hop_skips).and_then(|at| chain.get(at)).ok_or_else(|| {
        Error::invalid("malformed x-forwarded-for: hops to skip would skip before the earliest link of the chain")
    })?;
    let address: IpAddr = named.parse().map_err(|_| malformed())?;
    Ok(SocketAddr::new(address.to_canonical(), peer.port()))
}

fn malformed() -> Error {
    Error::invalid("malformed x-forwarded-for header")
}

#[cfg(test)]
mod tests;

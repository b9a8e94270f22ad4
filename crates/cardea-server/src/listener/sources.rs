//! Where requests come from: the count of connections a source, and the address that a trusted proxy names.
//!
//! It must never believe `X-Forwarded-For` of anybody whom the owner did not name.

use crate::config::Forwarded;
use cardea_model::Error;
use hyper::HeaderMap;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest chain of proxies that is read.
const CHAIN_MAX: usize = 64;

/// Counts of connections by source.
pub(super) struct Sources {
    per_source_max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl Sources {
    pub(super) fn new(per_source_max: usize) -> Arc<Self> {
        Arc::new(Self { per_source_max, counts: Mutex::new(HashMap::new()) })
    }

    /// A place for one more connection of this source, if it has one left.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr) -> Option<Seat> {
        let source = network(source);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= self.per_source_max {
            return None;
        }
        *count += 1;
        Some(Seat { sources: self.clone(), source })
    }
}

/// One counted connection.
pub(super) struct Seat {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.sources.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// Whoever holds one IPv6 address holds the /64 around it.
fn network(source: IpAddr) -> IpAddr {
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

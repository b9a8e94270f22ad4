//! Networks that a role, a secret id or a token is bound to: parsing, and whether an address or a network lies inside.
//!
//! It must never widen what an owner wrote: IPv4 and IPv6 are different families (`::/0` holds no IPv4 address), an
//! IPv4 address mapped into IPv6 is the IPv4 address, and text that does not parse admits nobody.

use cardea_model::Error;
use std::net::IpAddr;

/// Most networks that one list holds: each login walks the lists of its role and secret id.
pub const CIDRS_MAX: usize = 256;

/// One network. IPv4 is kept as its mapped form, so that both families share the arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    bits: u128,
    prefix: u32,
    v4: bool,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits behind the prefix may be set and do not matter.
    ///
    /// # Errors
    /// Anything else; the text does not repeat the input.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid("a network is not of the form `10.0.0.0/8`");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = match prefix {
            None => width,
            // Digits only: `parse` alone would take a sign.
            Some(digits) if !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| bad())?
            }
            Some(_) => return Err(bad()),
        };
        if prefix > width {
            return Err(bad());
        }
        let prefix = prefix + (128 - width);
        let bits = mapped(address);
        // A mapped network that reaches beyond the mapped range is an IPv6 one.
        let v4 = is_v4(bits) && prefix >= 96;
        Ok(Self { bits: bits & mask(prefix), prefix, v4 })
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = mapped(address);
        self.v4 == is_v4(bits) && bits & mask(self.prefix) == self.bits
    }

    /// Whether every address of this network is also one of `outer`.
    #[must_use]
    pub fn within(&self, outer: &Self) -> bool {
        self.v4 == outer.v4 && self.prefix >= outer.prefix && self.bits & mask(outer.prefix) == outer.bits
    }

    /// Whether it holds its whole family, which constrains nobody.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == if self.v4 { 96 } else { 0 }
    }
}

/// Checks a list that a client sent; the texts are kept as they were written, because clients compare them.
///
/// # Errors
/// A text that is no network, or too many of them.
pub fn checked(list: Vec<String>) -> Result<Vec<String>, Error> {
    if list.len() > CIDRS_MAX {
        return Err(Error::invalid("a list names too many networks"));
    }
    for text in &list {
        Cidr::parse(text)?;
    }
    Ok(list)
}

/// Whether a list admits an address. An empty list admits everybody.
#[must_use]
pub fn admits(list: &[String], address: IpAddr) -> bool {
    list.is_empty() || list.iter().any(|text| Cidr::parse(text).is_ok_and(|cidr| cidr.contains(address)))
}

/// Whether `inner` admits nobody whom `outer` does not admit. An empty `outer` bounds nothing.
#[must_use]
pub fn is_within(inner: &[String], outer: &[String]) -> bool {
    if outer.is_empty() {
        return true;
    }
    let outer: Vec<Cidr> = outer.iter().filter_map(|text| Cidr::parse(text).ok()).collect();
    !inner.is_empty()
        && inner.iter().all(|text| Cidr::parse(text).is_ok_and(|inner| outer.iter().any(|outer| inner.within(outer))))
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn is_v4(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

fn mask(prefix: u32) -> u128 {
    match prefix {
        0 => 0,
        prefix => u128::MAX << (128 - prefix),
    }
}

#[cfg(test)]
mod tests;

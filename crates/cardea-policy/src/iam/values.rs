//! Numbers, instants and networks as documents and requests write them. Exact: no value goes through a floating point.

use std::net::IpAddr;

/// Digits of a number before and after its point.
const WHOLE_DIGITS_MAX: usize = 18;
const FRACTION_DIGITS: usize = 9;

/// A decimal number, in units of its ninth digit after the point; of an instant, nanoseconds since 1970.
pub(super) fn decimal(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |text: &str, max: usize| (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole, WHOLE_DIGITS_MAX) || !is_number(fraction, FRACTION_DIGITS) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction:0<FRACTION_DIGITS$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// An instant in nanoseconds since 1970: ISO 8601 (a date, or date, time and zone), or seconds since 1970.
pub(super) fn instant(text: &str) -> Option<i128> {
    const NS_A_S: i128 = 1_000_000_000;
    if !text.contains(['T', 't']) && !is_date(text) {
        return decimal(text);
    }
    let (date, time) = text.split_once(['T', 't']).map_or((text, None), |(date, time)| (date, Some(time)));
    if !is_date(date) {
        return None;
    }
    let number = |text: &str| text.parse::<i128>().ok();
    let (year, month, day) = (number(date.get(..4)?)?, number(date.get(5..7)?)?, number(date.get(8..10)?)?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let midnight_s = days_before(year, month, day) * 86_400;
    let Some(time) = time else { return Some(midnight_s * NS_A_S) };
    let (clock, offset_s) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let at = time.len().checked_sub(6)?;
            let (clock, zone) = (time.get(..at)?, time.get(at..)?);
            let (hours, minutes) = two_and_two(zone.get(1..)?)?;
            let offset_s = hours * 3600 + minutes * 60;
            match zone.as_bytes().first() {
                Some(b'+') => (clock, offset_s),
                Some(b'-') => (clock, -offset_s),
                _ => return None,
            }
        }
    };
    let (hours, minutes) = two_and_two(clock.get(..5)?)?;
    // A second of 60 is a leap second, which no clock of a server has.
    let seconds = match clock.get(5..)?.strip_prefix(':') {
        None if clock.len() == 5 => 0,
        Some(seconds) if seconds.split('.').next().is_some_and(|whole| whole.len() == 2) => decimal(seconds)?,
        _ => return None,
    };
    if hours > 23 || minutes > 59 || !(0..60 * NS_A_S).contains(&seconds) {
        return None;
    }
    Some((midnight_s + hours * 3600 + minutes * 60 - offset_s) * NS_A_S + seconds)
}

/// Whether it has the form `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

/// `hh:mm`.
fn two_and_two(text: &str) -> Option<(i128, i128)> {
    let shaped =
        text.len() == 5 && text.bytes().enumerate().all(|(at, b)| if at == 2 { b == b':' } else { b.is_ascii_digit() });
    if !shaped {
        return None;
    }
    Some((text.get(..2)?.parse().ok()?, text.get(3..)?.parse().ok()?)).filter(|(_, minutes)| *minutes < 60)
}

fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i128, month: i128) -> i128 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the first of January 1970; before it they are negative.
fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let leaps = |year: i128| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|month| days_of_month(year, month)).sum::<i128>() + day - 1
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Reads an address, or one with the length of a prefix. An IPv4 address in IPv6's clothes is IPv4.
    pub fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let whole_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits: u8 = match prefix {
            None => whole_bits,
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        if prefix_bits > whole_bits {
            return None;
        }
        match address.to_canonical() {
            mapped if mapped.is_ipv4() != address.is_ipv4() => {
                prefix_bits.checked_sub(96).map(|prefix_bits| Self { address: mapped, prefix_bits })
            }
            address => Some(Self { address, prefix_bits }),
        }
    }

    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(u128::from(network.to_bits()), u128::from(address.to_bits()), self.prefix_bits, 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), self.prefix_bits, 128)
            }
            _ => false,
        }
    }

    /// Whether it is so wide that it bounds nobody: AWS takes more than a /8, of IPv6 more than a /32, for the world.
    pub fn is_wide(&self) -> bool {
        self.prefix_bits < if self.address.is_ipv4() { 8 } else { 32 }
    }
}

fn same_prefix(a: u128, b: u128, prefix_bits: u8, width_bits: u8) -> bool {
    let beyond = u32::from(width_bits.saturating_sub(prefix_bits));
    (a ^ b).checked_shr(beyond).unwrap_or(0) == 0
}

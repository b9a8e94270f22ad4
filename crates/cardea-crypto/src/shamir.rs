//! Shamir's secret sharing over GF(2^8) in Vault's share format, so that shares of either product look alike.
//! It must never branch on or index by a secret byte, and it cannot tell a right secret from a wrong one: the caller
//! checks what was combined, as fewer shares than the threshold, or shares of different secrets, combine to noise.
//!
//! A share is the polynomial's value for each byte of the secret, followed by one byte, the x coordinate (1..=255, distinct,
//! in random order). The field is that of AES (polynomial 0x11b).
//!
//! Why no crate: `sharks` and `blahaj` compute over another field (0x11d) with tables indexed by secrets, so their shares
//! are neither compatible nor constant in time; `vsss-rs` is both over the right field, but puts the coordinate first and
//! brings its own generator traits and five more crates, and adapting it takes as much code as the arithmetic below.

use crate::random::{Randomness, below};
use std::hint::black_box;
use zeroize::Zeroizing;

/// Why a secret was not split or shares were not combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// There is nothing to split.
    #[error("secret is empty")]
    EmptySecret,
    /// Not 2 <= threshold <= shares, nor the special case of one share.
    #[error("threshold must be at least two and at most the number of shares, or both must be one")]
    Threshold,
    /// Combining takes at least two shares.
    #[error("at least two shares are needed")]
    TooFewShares,
    /// Shares differ in length, or have no room for a value and its coordinate.
    #[error("shares have different or impossible lengths")]
    ShareLength,
    /// A share with the coordinate zero, which would be the secret itself.
    #[error("share has an impossible coordinate")]
    ShareCoordinate,
    /// The same coordinate twice: the same share given twice.
    #[error("share was given twice")]
    DuplicateShare,
}

/// Splits `secret` into `shares` shares, any `threshold` of which give it back.
///
/// One share of one is a special case, as in Vault: the share is the secret itself, without a coordinate, and must not be
/// given to [`combine`].
///
/// # Errors
/// `EmptySecret`, `Threshold`.
pub fn split(
    secret: &[u8],
    shares: u8,
    threshold: u8,
    rng: &dyn Randomness,
) -> Result<Vec<Zeroizing<Vec<u8>>>, ShamirError> {
    if secret.is_empty() {
        return Err(ShamirError::EmptySecret);
    }
    if (shares, threshold) == (1, 1) {
        return Ok(vec![Zeroizing::new(secret.to_vec())]);
    }
    if threshold < 2 || threshold > shares {
        return Err(ShamirError::Threshold);
    }
    let coordinates = coordinates(shares, rng);
    // Reserved in full: a growing vector would leave values behind.
    let mut out: Vec<_> = coordinates.iter().map(|_| Zeroizing::new(Vec::with_capacity(secret.len() + 1))).collect();
    // Highest power first. All of them are uniform, the first too: a leading zero must be as likely as anything else, or
    // threshold - 1 shares would rule out one value of each byte.
    let mut coefficients = Zeroizing::new(vec![0; usize::from(threshold) - 1]);
    for byte in secret {
        rng.fill(&mut coefficients);
        for (x, share) in coordinates.iter().zip(&mut out) {
            let high = coefficients.iter().fold(0, |sum, coefficient| multiply(sum, *x) ^ coefficient);
            share.push(multiply(high, *x) ^ byte);
        }
    }
    for (x, share) in coordinates.iter().zip(&mut out) {
        share.push(*x);
    }
    Ok(out)
}

/// Combines shares that [`split`] made with a threshold of at least two. With a threshold of one the only share is the
/// secret, and the caller uses it as it is.
///
/// # Errors
/// `TooFewShares`, `ShareLength`, `ShareCoordinate`, `DuplicateShare`. Too few shares for the threshold are no error: the
/// threshold is not part of a share.
pub fn combine(shares: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    let [first, _, ..] = shares else { return Err(ShamirError::TooFewShares) };
    let secret_bytes = first.len().saturating_sub(1);
    let mut seen = [false; 256];
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        let Some((x, values)) = share.split_last() else { return Err(ShamirError::ShareLength) };
        if values.is_empty() || values.len() != secret_bytes {
            return Err(ShamirError::ShareLength);
        }
        if *x == 0 {
            return Err(ShamirError::ShareCoordinate);
        }
        if std::mem::replace(&mut seen[usize::from(*x)], true) {
            return Err(ShamirError::DuplicateShare);
        }
        points.push((*x, values));
    }
    let mut secret = Zeroizing::new(vec![0; secret_bytes]);
    for (x, values) in &points {
        // Lagrange's weight at zero: the product of x_j / (x_j - x) over the other shares; minus is plus in this field.
        let (above, beneath) = points
            .iter()
            .filter(|(other, _)| other != x)
            .fold((1, 1), |(above, beneath), (other, _)| (multiply(above, *other), multiply(beneath, other ^ x)));
        let weight = multiply(above, inverse(beneath));
        for (byte, value) in secret.iter_mut().zip(*values) {
            *byte ^= multiply(*value, weight);
        }
    }
    Ok(secret)
}

/// `count` distinct coordinates of 1..=255 in random order: the head of a shuffle.
fn coordinates(count: u8, rng: &dyn Randomness) -> Vec<u8> {
    let mut all: Vec<u8> = (1..=255).collect();
    for done in 0..count {
        let pick = done + below(rng, 255 - done);
        all.swap(usize::from(done), usize::from(pick));
    }
    all.truncate(usize::from(count));
    all
}

/// The product in GF(2^8) modulo 0x11b: eight shifts and masks whatever the factors. `black_box` keeps the compiler from
/// turning a mask back into a branch.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        let take = black_box(0u8.wrapping_sub((b >> bit) & 1));
        product ^= a & take;
        let carry = black_box(0u8.wrapping_sub(a >> 7));
        a = (a << 1) ^ (0x1b & carry);
    }
    product
}

/// The inverse, as the 254th power: 254 is 0b11111110. Zero has none and gives zero.
fn inverse(a: u8) -> u8 {
    let (mut square, mut product) = (a, 1);
    for _ in 0..7 {
        square = multiply(square, square);
        product = multiply(product, square);
    }
    product
}

#[cfg(test)]
mod tests;

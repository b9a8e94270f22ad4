//! Randomness as a parameter, so that a whole run can be repeated from a seed.
//! It must never fall back to a weaker source, and nothing here may be reached with `SeededRandomness` in production.

use crate::fault::library_fault;
use crate::mac::MacKey;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A source of random bytes. Filling cannot fail: a source that has nothing to give ends the process.
pub trait Randomness: Send + Sync {
    /// Overwrites all of `buf` with random bytes.
    fn fill(&self, buf: &mut [u8]);
}

/// The cipher library's generator, seeded by the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, buf: &mut [u8]) {
        if aws_lc_rs::rand::fill(buf).is_err() {
            library_fault("random bytes");
        }
    }
}

/// For tests only: HMAC-SHA256 in counter mode over a seed. The same seed and the same order of calls give the same
/// bytes; calls from several threads stay distinct from each other, but their order is then the scheduler's.
pub struct SeededRandomness {
    key: MacKey,
    next_block: AtomicU64,
}

impl SeededRandomness {
    /// A generator whose whole output follows from `seed`.
    pub fn new(seed: &[u8]) -> Self {
        SeededRandomness { key: MacKey::new(seed), next_block: AtomicU64::new(0) }
    }
}

impl Randomness for SeededRandomness {
    fn fill(&self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(32) {
            let block = self.next_block.fetch_add(1, Ordering::Relaxed);
            let bytes = self.key.sign(&[&block.to_be_bytes()]);
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// `N` random bytes. A key made this way belongs in a `Zeroizing` at once.
pub fn random_array<const N: usize>(rng: &dyn Randomness) -> [u8; N] {
    let mut out = [0; N];
    rng.fill(&mut out);
    out
}

/// A uniformly random number below `bound` (1..=255; a bound of 0 answers 0).
pub(crate) fn below(rng: &dyn Randomness, bound: u8) -> u8 {
    if bound == 0 {
        return 0;
    }
    let limit = 256 - 256 % u16::from(bound);
    loop {
        let [byte] = random_array::<1>(rng);
        if u16::from(byte) < limit {
            return byte % bound;
        }
    }
}

/// `len` characters of `0-9A-Za-z`, each uniform and independent: 5.95 bits of entropy a character.
pub fn base62(rng: &dyn Randomness, len: usize) -> Zeroizing<String> {
    // 248 is the largest multiple of 62 in a byte: what lies above it would make the first eight characters likelier.
    const LIMIT: u8 = 248;
    let mut out = Zeroizing::new(String::with_capacity(len));
    let mut pool = Zeroizing::new([0u8; 64]);
    while out.len() < len {
        // Never more than is still missing, so that short tokens cost few bytes of a deterministic stream.
        let want = (len - out.len()).min(pool.len());
        rng.fill(&mut pool[..want]);
        for byte in pool[..want].iter().filter(|byte| **byte < LIMIT) {
            out.push(char::from(BASE62[usize::from(byte % 62)]));
        }
    }
    out
}

/// A random UUID (version 4, RFC 9562) in lower case with hyphens.
pub fn uuid4(rng: &dyn Randomness) -> String {
    spell_uuid4(random_array(rng))
}

fn spell_uuid4(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 0x0f)]));
    }
    out
}

/// Ids of requests, drawn many at a time: a call of the generator costs as much as twenty bytes hashed. What was drawn
/// waits in memory, so nothing secret may come from here.
pub struct Ids {
    rng: Arc<dyn Randomness>,
    drawn: Mutex<Vec<[u8; 16]>>,
}

impl Ids {
    /// Ids in one draw.
    const AT_ONCE: usize = 64;

    pub fn new(rng: Arc<dyn Randomness>) -> Self {
        Self { rng, drawn: Mutex::default() }
    }

    /// As [`uuid4`].
    pub fn uuid4(&self) -> String {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            drawn.resize(Self::AT_ONCE, [0; 16]);
            self.rng.fill(drawn.as_flattened_mut());
        }
        let bytes = drawn.pop().unwrap_or_else(|| random_array(&*self.rng));
        drop(drawn);
        spell_uuid4(bytes)
    }
}

#[cfg(test)]
mod tests;

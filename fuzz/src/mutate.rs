//! Small changes to an input, by a seed: the same seed changes the same input alike, on every machine. It must never depend
//! on time, addresses or the order of a map.

use crate::INPUT_BYTES_MAX;

/// Changes to one input.
const CHANGES_MAX: u64 = 6;
/// Bytes and words that parsers of ours look at.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"'",
    b"\\",
    b"/",
    b"..",
    b"*",
    b"+",
    b"{{",
    b"}}",
    b"$$",
    b"\0",
    b"\n",
    b",",
    b":",
    b";",
    b"=",
    b"&",
    b"%2F",
    b"%00",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"1e999",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"\xff",
    b"\\u0000",
    b"deny",
    b"root",
    b"arn:aws:",
    b"vault:v1:",
    b"crit",
    b"none",
    b"--",
    b"/*",
];

/// xorshift64*; Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016.
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => usize::try_from(self.next() >> 33).unwrap_or(0) % bound,
        }
    }
}

/// A changed copy of one of the inputs.
#[must_use]
pub fn mutated(inputs: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut out = inputs.get(dice.below(inputs.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.next() % CHANGES_MAX {
        let at = dice.below(out.len() + 1);
        let span = dice.below(16).min(out.len() - at);
        match dice.below(8) {
            0 if at < out.len() => out[at] ^= 1 << dice.below(8),
            1 if at < out.len() => out[at] = u8::try_from(dice.below(256)).unwrap_or_default(),
            2 => drop(out.drain(at..at + span)),
            3 => {
                let copy = out[at..at + span].to_vec();
                let to = dice.below(out.len() + 1);
                out.splice(to..to, copy);
            }
            4 | 5 => {
                let word = WORDS[dice.below(WORDS.len())];
                out.splice(at..at + span.min(dice.below(4)), word.iter().copied());
            }
            6 => {
                let other = inputs.get(dice.below(inputs.len())).map(Vec::as_slice).unwrap_or_default();
                let from = dice.below(other.len() + 1);
                let length = dice.below(64).min(other.len() - from);
                out.splice(at..at + span, other[from..from + length].iter().copied());
            }
            7 => out.truncate(at),
            _ => {}
        }
    }
    out.truncate(INPUT_BYTES_MAX);
    out
}

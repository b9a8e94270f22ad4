//! What must hold of every parser for every input. A target is one pure function over bytes that fails by a panic: it takes
//! the way in that everybody takes, so that nothing is opened up for its sake, and says what must be true of whatever came out.
//!
//! `tests/replay.rs` runs the corpus and bounded mutations of it with the other tests; `libfuzzer/` looks for new inputs. It
//! must never be a dependency of anything that serves.

#![forbid(unsafe_code)]
// A target fails as a test does: by a panic that names the place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod json; // JSON read by somebody else
mod mark; // a text that may come back nowhere
mod mount; // one mount of an engine, in memory
pub mod mutate; // small changes to an input, by a seed
mod targets;
mod wire; // a wire request written as text

use std::path::PathBuf;

/// Longest input, in bytes: what is longer is found by shorter ones.
pub const INPUT_BYTES_MAX: usize = 16 * 1024;

/// One parser, and what must hold of it.
pub struct Target {
    pub name: &'static str,
    /// Whether the parser took the input; a panic if something does not hold.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that take the formats of today, beside those in `corpus/`.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations that a replay tries.
    pub rounds: u32,
}

/// All of them.
pub const TARGETS: &[Target] = targets::ALL;

#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// Files of `corpus/<name>/`, by name, and the seeds that are made.
    #[must_use]
    pub fn corpus(&self) -> Vec<(String, Vec<u8>)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut out = Vec::new();
        for file in std::fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
            out.push((file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap()));
        }
        out.sort();
        let made = (self.seeds)().into_iter().enumerate();
        out.extend(made.map(|(n, seed)| (format!("seed {n}"), seed)));
        out
    }

    /// One input, cut to the longest. Says whether the parser took it.
    pub fn try_input(&self, data: &[u8]) -> bool {
        (self.run)(data.get(..INPUT_BYTES_MAX).unwrap_or(data))
    }
}

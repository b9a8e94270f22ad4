//! Whole lines into something that may take only part of them.
//!
//! It must never let a line that broke off run into the next one: readers would lose both.

use std::io::{Error, ErrorKind, Result, Write};

/// A sink, and whether its last line broke off.
pub struct Lines<W> {
    pub sink: W,
    broken: bool,
}

impl<W: Write> Lines<W> {
    /// `broken` says whether the sink already ends in the middle of a line.
    pub fn new(sink: W, broken: bool) -> Self {
        Self { sink, broken }
    }

    /// Writes all of `lines`. After an error the caller writes the same lines again: what broke off is ended first, so
    /// that the copy has a broken line and then the whole one.
    ///
    /// # Errors
    /// The sink's own, or bytes that are no whole lines.
    pub fn write(&mut self, lines: &[u8]) -> Result<()> {
        match lines.last() {
            None => return Ok(()),
            Some(b'\n') => {}
            Some(_) => return Err(Error::new(ErrorKind::InvalidInput, "what was to be written does not end a line")),
        }
        if self.broken {
            self.put(b"\n")?;
        }
        self.put(lines)
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.sink.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    let (done, rest) = bytes.split_at(taken.min(bytes.len()));
                    self.broken = done.last() != Some(&b'\n');
                    bytes = rest;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

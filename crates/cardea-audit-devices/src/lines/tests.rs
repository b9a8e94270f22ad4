//! Sinks that take less than they were given.

use super::Lines;
use proptest::prelude::*;
use std::io::{Error, ErrorKind, Result, Write};

/// Takes as many bytes as each turn allows; 0 fails the turn.
#[derive(Default)]
struct Miser {
    got: Vec<u8>,
    turns: Vec<usize>,
}

impl Write for Miser {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.turns.pop() {
            Some(0) => Err(Error::from_raw_os_error(28)),
            Some(most) => {
                let taken = most.min(bytes.len());
                self.got.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            None => {
                self.got.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn miser(turns: &[usize]) -> Lines<Miser> {
    Lines::new(Miser { got: Vec::new(), turns: turns.iter().rev().copied().collect() }, false)
}

#[test]
fn a_line_that_broke_off_is_ended_before_the_next() {
    let mut lines = miser(&[3, 0]);
    assert_eq!(lines.write(b"abcdef\n").unwrap_err().kind(), ErrorKind::StorageFull);
    lines.write(b"abcdef\n").unwrap();
    lines.write(b"next\n").unwrap();
    assert_eq!(lines.sink.got, b"abc\nabcdef\nnext\n");
}

#[test]
fn what_did_not_break_off_needs_no_end() {
    // Nothing was taken at all; then the failure stood exactly between two lines.
    let mut lines = miser(&[0, 2, 0]);
    assert!(lines.write(b"a\nb\n").is_err());
    assert!(lines.write(b"a\nb\n").is_err());
    lines.write(b"b\n").unwrap();
    assert_eq!(lines.sink.got, b"a\nb\n");
}

#[test]
fn short_writes_go_on() {
    let mut lines = miser(&[1, 2, 1]);
    lines.write(b"abcdef\n").unwrap();
    assert_eq!(lines.sink.got, b"abcdef\n");
}

#[test]
fn only_whole_lines_are_taken() {
    let mut lines = miser(&[]);
    assert!(lines.write(b"half").is_err());
    lines.write(b"").unwrap();
    assert!(lines.sink.got.is_empty());
    let mut lines = Lines::new(Miser::default(), true);
    lines.write(b"x\n").unwrap();
    assert_eq!(lines.sink.got, b"\nx\n");
}

proptest! {
    /// However often a sink fails, every line that was acknowledged stands whole in it, in order.
    #[test]
    fn acknowledged_lines_are_whole(turns in prop::collection::vec(0usize..6, 0..40), count in 1usize..8) {
        let mut lines = miser(&turns);
        for number in 0..count {
            let line = format!("line {number}\n");
            while lines.write(line.as_bytes()).is_err() {}
        }
        let text = String::from_utf8(lines.sink.got).unwrap();
        let mut whole: Vec<&str> = text.lines().filter(|line| line.len() == "line 0".len()).collect();
        // A line that broke off just before its end was whole already, and stands there twice.
        whole.dedup();
        let expected: Vec<String> = (0..count).map(|number| format!("line {number}")).collect();
        prop_assert_eq!(whole, expected);
        prop_assert!(text.ends_with('\n'));
    }
}

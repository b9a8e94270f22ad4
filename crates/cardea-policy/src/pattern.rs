//! Path patterns: exact, prefix (`*` at the end) and with `+` segments; how they match and which goes before which.
//! A pattern never canonicalises what it is matched with.

use crate::error::PolicyErrorKind;
use serde::Serialize;
use std::{cmp::Reverse, sync::Arc};

/// What a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PatternKind {
    /// The very path.
    Exact,
    /// Every path that begins with what stands before the final `*`.
    Prefix,
    /// Segment by segment; `+` stands for any one segment, and a final `*` opens the end.
    Segments,
}

/// A pattern whose templates, if it had any, are filled.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Arc<str>,
    kind: PatternKind,
    rank: Rank,
}

/// Precedence among patterns that are not exact; the greater goes first. The fields stand in the order in which they
/// decide: a later first wildcard, no glob at the end, fewer `+`, longer. Between equals the text decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub first_wildcard: usize,
    pub closed: bool,
    pub plus_segments: Reverse<usize>,
    pub length_bytes: usize,
}

impl Pattern {
    /// Reads a pattern as policies write it. One leading slash is dropped, as in Vault.
    pub fn parse(text: &str) -> Result<Self, PolicyErrorKind> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.contains("+*") {
            return Err(PolicyErrorKind::PlusGlob);
        }
        if text.contains(char::is_control) {
            return Err(PolicyErrorKind::PatternControlCharacter);
        }
        Ok(Self::new(text))
    }

    fn new(text: &str) -> Self {
        let (stem, open) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        let mut position = 0;
        let mut first_plus = None;
        let mut plus_segments = 0;
        for segment in stem.split('/') {
            if segment == "+" {
                first_plus.get_or_insert(position);
                plus_segments += 1;
            }
            position += segment.len() + 1;
        }
        let kind = match (first_plus, open) {
            (Some(_), _) => PatternKind::Segments,
            (None, true) => PatternKind::Prefix,
            (None, false) => PatternKind::Exact,
        };
        let rank = Rank {
            first_wildcard: first_plus.unwrap_or(stem.len()),
            closed: !open,
            plus_segments: Reverse(plus_segments),
            length_bytes: stem.len(),
        };
        Self { text: text.into(), kind, rank }
    }

    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub fn kind(&self) -> PatternKind {
        self.kind
    }

    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// The pattern without its final `*`.
    pub fn stem(&self) -> &str {
        if self.rank.closed { &self.text } else { self.text.strip_suffix('*').unwrap_or(&self.text) }
    }

    /// The same pattern with case folded; only explicit denies are matched so.
    pub fn folded(&self) -> Self {
        Self::new(&fold_case(&self.text))
    }

    /// Whether the path is one of those that the pattern stands for.
    pub fn matches(&self, path: &str) -> bool {
        match self.kind {
            PatternKind::Exact => path == &*self.text,
            PatternKind::Prefix => path.starts_with(self.stem()),
            PatternKind::Segments => self.segments_match(path),
        }
    }

    fn segments_match(&self, path: &str) -> bool {
        let open = !self.rank.closed;
        let mut wanted = self.stem().split('/').peekable();
        let mut given = path.split('/');
        while let Some(part) = wanted.next() {
            let Some(segment) = given.next() else { return false };
            if part == "+" || part == segment {
                continue;
            }
            return open && wanted.peek().is_none() && segment.starts_with(part);
        }
        open || given.next().is_none()
    }

    /// What every path begins with that the pattern stands for.
    pub fn literal(&self) -> &str {
        self.stem().get(..self.rank.first_wildcard).unwrap_or_else(|| self.stem())
    }

    /// Whether the pattern names something below a mount; the mount path ends with a slash. Patterns that stand for the
    /// mount as a whole are the business of an ordinary match.
    pub fn reaches_under(&self, mount: &str) -> bool {
        match self.kind {
            PatternKind::Exact | PatternKind::Prefix => self.stem().starts_with(mount),
            PatternKind::Segments => {
                let mut wanted = self.stem().split('/');
                let above = mount.strip_suffix('/').unwrap_or(mount);
                above.split('/').all(|segment| wanted.next().is_some_and(|part| part == "+" || part == segment))
                    && wanted.next().is_some()
            }
        }
    }
}

/// Folds case character by character, so that a prefix stays a prefix.
pub(crate) fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether folding would change nothing; cheap, and wrong only towards folding once too often.
pub(crate) fn is_folded(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase())
}

//! Errors of policy texts and policy names. They name lines and keys of the language, and never a value of the input.

use crate::{name::POLICY_NAME_BYTES_MAX, policy::POLICY_TEXT_BYTES_MAX, syntax::NESTING_MAX};
use std::fmt;
use thiserror::Error;

/// A policy text that was refused, with the line (from 1) where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line of the text, from 1.
    pub line: Option<u32>,
    /// What is wrong there.
    pub kind: PolicyErrorKind,
}

impl PolicyError {
    pub(crate) const fn at(line: u32, kind: PolicyErrorKind) -> Self {
        Self { line: Some(line), kind }
    }

    pub(crate) const fn nowhere(kind: PolicyErrorKind) -> Self {
        Self { line: None, kind }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for PolicyError {}

/// Why a policy text was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyErrorKind {
    /// The text is over [`POLICY_TEXT_BYTES_MAX`].
    #[error("the policy is longer than {POLICY_TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// `root` and `response-wrapping` have no text of their own that a user could write.
    #[error("the name is reserved for a built-in policy")]
    ReservedName,
    /// Objects and lists nest too deep.
    #[error("objects and lists nest deeper than {NESTING_MAX} levels")]
    TooDeep,
    /// The text is not of the grammar; the phrase says what was expected.
    #[error("{0}")]
    Syntax(&'static str),
    /// A key that the language does not have.
    #[error("unknown key {key}in {place}")]
    UnknownKey {
        /// The key in backticks and a space after it, or nothing if it is too odd to be printed.
        key: String,
        /// Where it stands.
        place: &'static str,
    },
    /// A key of the language whose control Cardea does not enforce; ignoring it would weaken the policy.
    #[error("key `{0}` is not supported, and ignoring it would weaken the policy")]
    UnsupportedKey(&'static str),
    /// The same key twice in one object.
    #[error("duplicate key {key}in {place}")]
    DuplicateKey {
        /// As in [`PolicyErrorKind::UnknownKey`].
        key: String,
        /// Where it stands.
        place: &'static str,
    },
    /// A key has a value of another type.
    #[error("`{key}` must be {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// The type that it must have.
        expected: &'static str,
    },
    /// A member of `capabilities` is no capability; counted from 1.
    #[error("element {element} of `capabilities` is not a known capability")]
    UnknownCapability {
        /// Position in the list, from 1.
        element: usize,
    },
    /// The legacy `policy` key has another word than read, write, sudo or deny.
    #[error("`policy` must be read, write, sudo or deny")]
    UnknownLegacyPolicy,
    /// `+*` stands in a pattern.
    #[error("`+*` is forbidden in a path pattern")]
    PlusGlob,
    /// A pattern holds control characters, which no canonical path can hold.
    #[error("a path pattern must not hold control characters")]
    PatternControlCharacter,
    /// A template is not closed, or closed without being opened.
    #[error("a template in a path pattern has unbalanced braces")]
    TemplateUnbalanced,
    /// A template names nothing that exists.
    #[error("a template in a path pattern names an unknown field")]
    TemplateUnknown,
    /// A wrapping bound is not a duration.
    #[error("`{0}` must be seconds or a duration such as 90s, 15m or 1h30m")]
    NotADuration(&'static str),
    /// The bounds contradict each other.
    #[error("max_wrapping_ttl is less than min_wrapping_ttl")]
    WrappingBoundsCross,
}

/// Why a policy name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyNameError {
    /// Nothing is left after trimming.
    #[error("the policy name is empty")]
    Empty,
    /// Over [`POLICY_NAME_BYTES_MAX`].
    #[error("the policy name is longer than {POLICY_NAME_BYTES_MAX} bytes")]
    TooLong,
    /// Control or invisible formatting characters.
    #[error("the policy name holds control or invisible characters")]
    Unprintable,
    /// A slash, of any width.
    #[error("the policy name holds a slash")]
    Slash,
    /// Only dots: a path segment that means another place.
    #[error("the policy name consists of dots")]
    Dots,
}

/// Wraps a key for an error: only a short plain word is printed, so that a misplaced value does not end in a log.
pub(crate) fn printable_key(key: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 64; // longer than any key of the language
    let plain = key.len() <= SHOWN_BYTES_MAX
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if plain && !key.is_empty() { format!("`{key}` ") } else { String::new() }
}

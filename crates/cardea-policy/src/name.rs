//! Names of policies in their one canonical form. A name is folded before anything compares it: two spellings of one
//! name must never be two policies, and no spelling of `root` may pass as another name.

use crate::{defaults, error::PolicyNameError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, sync::Arc};
use unicode_normalization::UnicodeNormalization;

/// Longest canonical name: it is part of storage keys and of every token that carries it.
pub const POLICY_NAME_BYTES_MAX: usize = 128;

/// Input that is refused unread: folding can shrink a name, but none of this size to the maximum.
const RAW_BYTES_MAX: usize = 16 * POLICY_NAME_BYTES_MAX;

/// The canonical name of a policy: compatibility-folded (NFKC), lower-case, trimmed, of printable characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Arc<str>);

impl PolicyName {
    /// The canonical form of what a caller wrote.
    ///
    /// # Errors
    /// Empty, too long, unprintable, slashed or dots-only names, judged after folding.
    pub fn parse(raw: &str) -> Result<Self, PolicyNameError> {
        if raw.len() > RAW_BYTES_MAX {
            return Err(PolicyNameError::TooLong);
        }
        let name = fold(raw);
        if name.is_empty() {
            return Err(PolicyNameError::Empty);
        }
        if name.len() > POLICY_NAME_BYTES_MAX {
            return Err(PolicyNameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(PolicyNameError::Unprintable);
        }
        if name.contains(['/', '\\']) {
            return Err(PolicyNameError::Slash);
        }
        if name.bytes().all(|b| b == b'.') {
            return Err(PolicyNameError::Dots);
        }
        Ok(Self(name.into()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the reserved name that stands for everything. Fields that take policies from a caller who is
    /// not root must refuse it.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.as_str() == defaults::ROOT_POLICY_NAME
    }

    /// Whether this is the built-in `default` policy, which is added to tokens unless they ask otherwise.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == defaults::DEFAULT_POLICY_NAME
    }

    /// Whether users may neither write nor delete the text under this name.
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        self.is_root() || self.as_str() == defaults::RESPONSE_WRAPPING_POLICY_NAME
    }
}

/// Folds until nothing changes: lower-casing can open a new compatibility folding and the other way round.
fn fold(raw: &str) -> String {
    const ROUNDS_MAX: usize = 4; // two suffice for every assigned character; the rest is margin
    let mut name = raw.trim().to_owned();
    for _ in 0..ROUNDS_MAX {
        let folded: String = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
        };
        let folded = folded.trim();
        if folded == name {
            break;
        }
        name = folded.to_owned();
    }
    name
}

/// Characters that are drawn as nothing or reorder what is drawn: soft hyphen, joiners and marks, fillers, variation
/// selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for PolicyName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for PolicyName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl std::str::FromStr for PolicyName {
    type Err = PolicyNameError;
    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::parse(raw)
    }
}

impl Serialize for PolicyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&raw).map_err(D::Error::custom)
    }
}

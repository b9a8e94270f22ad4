//! What roles of every auth method have in common: how they may be named, and which part of their list is asked for.
//!
//! It must never fold a name: the routes' patterns do, so that policies, records and the log know one spelling.

use cardea_model::limit::LIST_ENTRIES_MAX;
use cardea_model::{Error, Params, loose};
use serde::Deserialize;

/// Longest role name in bytes: it is part of store keys and of token metadata.
pub const ROLE_NAME_BYTES_MAX: usize = 128;

/// The canonical name of a role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleName(String);

impl RoleName {
    /// The role that a route captured; the pattern has folded it.
    ///
    /// # Errors
    /// Characters beyond letters, digits, `_`, `-` and `.`, or one of the latter two at an end (Vault's rule for names).
    pub fn captured(params: &Params) -> Result<Self, Error> {
        Self::parse(params.capture("role_name").unwrap_or_default())
    }

    /// A name that is folded already.
    ///
    /// # Errors
    /// As [`Self::captured`].
    pub fn parse(name: &str) -> Result<Self, Error> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let outer = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.len() > ROLE_NAME_BYTES_MAX {
            return Err(Error::invalid("role name is too long"));
        }
        if !name.bytes().all(inner) || !outer(name.bytes().next()) || !outer(name.bytes().last()) {
            return Err(Error::invalid("role name may have letters, digits, `_`, `-` and `.` only"));
        }
        Ok(Self(name.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of a list is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Page {
    pub after: Option<String>,
    limit: Option<loose::Int>,
}

impl Page {
    /// Most entries to answer with.
    ///
    /// # Errors
    /// A limit that is not positive.
    pub fn limit(&self) -> Result<usize, Error> {
        match self.limit {
            None => Ok(LIST_ENTRIES_MAX),
            Some(limit) if limit.0 <= 0 => Err(Error::invalid("`limit` is not positive")),
            Some(limit) => Ok(usize::try_from(limit.0).map_or(LIST_ENTRIES_MAX, |limit| limit.min(LIST_ENTRIES_MAX))),
        }
    }
}

//! What a field of a record may show, said by its type. A `Public` or `Identifying` field is written in clear, a `Sensitive`
//! one is a keyed hash and nothing else. There is no class for secrets: they have no way in. It must never gain one.

use crate::hash::Hash;
use crate::log_time::LogTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// What precedes the digits of a keyed hash in text; the spelling that users of Vault's log search for.
pub const HMAC_PREFIX: &str = "hmac-sha256:";

mod sealed {
    pub trait Sealed {}
}

/// Values that may stand in clear. Closed to this crate: a type that holds a secret cannot join from outside.
pub trait Plain: sealed::Sealed {}

macro_rules! plain {
    ($($t:ty),*) => { $(impl sealed::Sealed for $t {} impl Plain for $t {})* };
}
plain!(String, Vec<String>, u16, u32, u64, i64, bool, LogTime);

macro_rules! clear_class {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent, bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
        pub struct $name<T: Plain>(T);

        impl<T: Plain> $name<T> {
            #[must_use]
            pub fn new(value: T) -> Self {
                Self(value)
            }

            #[must_use]
            pub fn get(&self) -> &T {
                &self.0
            }

            pub(crate) fn get_mut(&mut self) -> &mut T {
                &mut self.0
            }
        }

        impl $name<String> {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Plain> From<T> for $name<T> {
            fn from(value: T) -> Self {
                Self(value)
            }
        }

        impl From<&str> for $name<String> {
            fn from(value: &str) -> Self {
                Self(value.to_owned())
            }
        }
    };
}

clear_class! {
    /// Says nothing about a person or a credential: kinds, counts, names of mounts and policies.
    Public
}
clear_class! {
    /// Says who or which: display names, entity ids, addresses, lease ids. Written in clear, because the log is asked
    /// about exactly these; a place that must not learn them filters by this class.
    Identifying
}

/// The keyed hash of a value that must not be readable. It holds 32 bytes of HMAC-SHA-256 and never the value; equal values
/// under one key have equal hashes, which is how a search finds them. Made by [`crate::hash::AuditHasher`] only, or read back
/// from a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sensitive(Hash);

impl Sensitive {
    pub(crate) fn from_mac(mac: [u8; 32]) -> Self {
        Self(Hash(mac))
    }

    /// Reads `hmac-sha256:` and 64 lower-case hex digits. `None` for anything else, so no plain value can pass as a hash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(HMAC_PREFIX).and_then(Hash::from_hex).map(Self)
    }
}

impl fmt::Display for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HMAC_PREFIX}{}", self.0)
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sensitive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("value is not a keyed hash"))
    }
}

//! How a typed record becomes sealed bytes under a key, and back. It must never hold a cipher: the barrier is the codec.

use cardea_model::Error;
pub use cardea_model::Wiped;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Turns plain bytes into sealed ones and back. The barrier implements it; stores see only what `seal` returns.
///
/// `kind` and `key` are authenticated with the bytes, so that what was sealed for one place opens at no other. The key
/// holds the namespace, the mount, the path and, where a record has versions, the version.
pub trait Codec: Send + Sync {
    /// # Errors
    /// Sealed (no key in memory), or the cipher library failed.
    fn seal(&self, kind: &str, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error>;

    /// # Errors
    /// Foreign, moved, truncated or altered bytes: the error says which as far as it can be known, and returns nothing.
    fn open(&self, kind: &str, key: &[u8], sealed: &[u8]) -> Result<Wiped, Error>;
}

/// A stored type. The first byte of its encoding is its version, so that a later release can tell old from new.
pub trait Record: Sized + Send + Sync + 'static {
    /// Part of the key and of the authenticated data.
    const KIND: &'static str;
    /// Whether decoded copies may stay in memory, keyed by revision. Never for payloads of secrets.
    const CACHED: bool = false;

    fn encode(&self) -> Result<Wiped, Error>;
    fn decode(bytes: &[u8]) -> Result<Self, Error>;
}

/// Room that most records do not outgrow: a buffer that grows leaves a copy behind that nobody wipes.
const ENCODED_BYTES_USUAL: usize = 2048;

/// JSON behind one version byte: what most records use. Self-describing, so that a field may be added with a default.
pub fn encode_json<T: Serialize>(version: u8, value: &T) -> Result<Wiped, Error> {
    let mut out = Wiped::new(Vec::with_capacity(ENCODED_BYTES_USUAL));
    out.push(version);
    serde_json::to_writer(&mut *out, value).map_err(|_| Error::internal("a record could not be encoded"))?;
    Ok(out)
}

/// The reverse of [`encode_json`].
pub fn decode_json<T: DeserializeOwned>(version: u8, kind: &str, bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((found, rest)) if *found == version => {
            serde_json::from_slice(rest).map_err(|_| Error::internal(format!("a record of kind {kind} does not parse")))
        }
        Some((found, _)) => {
            Err(Error::internal(format!("a record of kind {kind} has version {found}, this release knows {version}")))
        }
        None => Err(Error::internal(format!("a record of kind {kind} is empty"))),
    }
}

/// The only form of a record whose name says all.
pub const NAME_FORM: u8 = 1;

/// Declares that a serde type is stored as JSON: `json_record!(Mount, "mount", 1)`; add `cached` for hot small records.
#[macro_export]
macro_rules! json_record {
    ($type:ty, $kind:literal, $version:literal) => {
        $crate::json_record!(@ $type, $kind, $version, false);
    };
    ($type:ty, $kind:literal, $version:literal, cached) => {
        $crate::json_record!(@ $type, $kind, $version, true);
    };
    (@ $type:ty, $kind:literal, $version:literal, $cached:literal) => {
        impl $crate::record::Record for $type {
            const KIND: &'static str = $kind;
            const CACHED: bool = $cached;
            fn encode(&self) -> ::std::result::Result<$crate::record::Wiped, ::cardea_model::Error> {
                $crate::record::encode_json($version, self)
            }
            fn decode(bytes: &[u8]) -> ::std::result::Result<Self, ::cardea_model::Error> {
                $crate::record::decode_json($version, $kind, bytes)
            }
        }
    };
}

/// Declares that the name of a record says all: `name_record!(Purge, "purge")`. The body is the version byte alone, so that two
/// writers may write or remove it without reading, and so without a conflict.
#[macro_export]
macro_rules! name_record {
    ($type:ident, $kind:literal) => {
        impl $crate::record::Record for $type {
            const KIND: &'static str = $kind;
            fn encode(&self) -> ::std::result::Result<$crate::record::Wiped, ::cardea_model::Error> {
                Ok($crate::record::Wiped::new(vec![$crate::record::NAME_FORM]))
            }
            fn decode(bytes: &[u8]) -> ::std::result::Result<Self, ::cardea_model::Error> {
                match bytes {
                    [$crate::record::NAME_FORM] => Ok(Self),
                    _ => Err(::cardea_model::Error::internal(concat!(
                        "a ",
                        $kind,
                        " record has a form that this release does not know"
                    ))),
                }
            }
        }
    };
}

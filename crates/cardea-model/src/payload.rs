//! JSON kept token for token: what a client wrote is what a client reads, down to the digits of a number.
//! It must never be re-serialised on the way to a store or back.

use crate::error::Error;
use serde::de::{self, Deserializer};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use zeroize::Zeroizing;

/// A JSON text that was checked once. It may hold secrets: wiped on drop, not printed.
pub struct Payload(Zeroizing<String>);

impl Payload {
    /// # Errors
    /// Not JSON.
    pub fn parse(text: String) -> Result<Self, Error> {
        serde_json::from_str::<&RawValue>(&text).map_err(|_| Error::invalid("payload is not JSON"))?;
        Ok(Self(Zeroizing::new(text)))
    }

    /// The JSON of a typed value.
    ///
    /// # Errors
    /// A value that JSON cannot express (a map with keys that are not text).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        serde_json::to_string(value)
            .map(|text| Self(Zeroizing::new(text)))
            .map_err(|_| Error::internal("an answer could not be written as JSON"))
    }

    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(Zeroizing::new(raw.get().to_owned()))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.trim_start().starts_with('{')
    }

    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Reads it as a typed value.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(&self.0).map_err(|_| Error::invalid("payload does not have the expected shape"))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<payload of {} bytes>", self.0.len())
    }
}

/// Splices the text into the answer that carries it.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text: Box<str> = raw.into();
        if text.is_empty() {
            return Err(de::Error::custom("empty"));
        }
        Ok(Self(Zeroizing::new(text.into_string())))
    }
}

//! JSON kept token for token: what a client wrote is what a client reads, down to the digits of a number.
//! It must never be re-serialised on the way to a store or back.

use crate::error::Error;
use crate::secret_bytes::SecretText;
use serde::de::{self, Deserializer};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// A JSON text that was checked once. It may hold secrets: wiped on drop, not printed.
pub struct Payload(SecretText);

impl Payload {
    /// # Errors
    /// Not JSON.
    pub fn parse(text: String) -> Result<Self, Error> {
        serde_json::from_str::<&RawValue>(&text).map_err(|_| Error::invalid("payload is not JSON"))?;
        Ok(Self(SecretText::new(text)))
    }

    /// The JSON of a typed value.
    ///
    /// # Errors
    /// A value that JSON cannot express (a map with keys that are not text).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        serde_json::to_string(value)
            .map(|text| Self(SecretText::new(text)))
            .map_err(|_| Error::internal("an answer could not be written as JSON"))
    }

    /// A text that was checked before it was stored, and that the seal gives back as it was.
    #[must_use]
    pub fn kept(text: String) -> Self {
        Self(SecretText::new(text))
    }

    /// An object whose members are JSON already: they are spliced as they are, into a buffer that need not grow. The
    /// names are words of the program, without anything that JSON would escape.
    #[must_use]
    pub fn of_members(members: &[(&'static str, &str)]) -> Self {
        /// Quotes, a colon and a comma.
        const AROUND: usize = 4;
        let length: usize = members.iter().map(|(name, json)| name.len() + json.len() + AROUND).sum();
        let mut text = String::with_capacity(length + 2);
        text.push('{');
        for (at, (name, json)) in members.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            text.push_str(json);
        }
        text.push('}');
        Self(SecretText::new(text))
    }

    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(SecretText::new(raw.get().to_owned()))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        self.text().trim_start().starts_with('{')
    }

    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// Reads it as a typed value.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_str(self.text()).map_err(|_| Error::invalid("payload does not have the expected shape"))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<payload of {} bytes>", self.text().len())
    }
}

/// Splices the text into the answer that carries it.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.text()).map_err(ser::Error::custom)?;
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
        Ok(Self(SecretText::new(text.into_string())))
    }
}

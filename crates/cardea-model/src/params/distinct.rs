//! Whether every object inside a JSON text names each member once. Readers disagree on which of two equal names counts: a
//! policy's rule, the log's hash and the program that reads the secret later could each see another value.
//!
//! It builds nothing but the names of the objects that are open, and its errors never repeat one.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

const DUPLICATE: &str = "duplicate member";

/// Whether an object in this text, at any depth, has two members of one name. The text was parsed before, so it has no
/// other fault; its depth is bounded by the caller.
pub(super) fn has_duplicate(text: &str) -> bool {
    // Single values have no members, and most bodies are made of them.
    if !text.starts_with(['{', '[']) {
        return false;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Distinct.deserialize(&mut reader).is_err_and(|error| error.to_string().starts_with(DUPLICATE))
}

/// Whether this is JSON in which every object, at any depth, names each member once: for dialects that read bodies by
/// themselves. What is nested so deeply that it cannot be walked is not.
#[must_use]
pub fn is_distinct(body: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(body);
    Distinct.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// Any value, walked and dropped.
struct Distinct;

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Distinct)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            names.push(name);
            members.next_value_seed(Distinct)?;
        }
        // Sorted once at the end: an object of a million names must not cost their square.
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(de::Error::custom(DUPLICATE)),
            false => Ok(()),
        }
    }
}

/// A member's name, copied only if it is written with escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

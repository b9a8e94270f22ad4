//! Spellings that clients use for durations, lists, flags and numbers. Each type reads all of them and holds one.
//! Nothing here may accept what it cannot represent.

use crate::time::{TtlSeconds, parse_duration_s};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A duration: seconds as a number, or text (`"3600"`, `"1h"`). An empty text reads as zero, as Vault's clients send it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Duration(pub TtlSeconds);

impl Duration {
    /// Where 0 means "the default".
    #[must_use]
    pub fn none_if_zero(self) -> Option<TtlSeconds> {
        self.0.none_if_zero()
    }
}

/// A list: a JSON array of texts, or one text with commas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List(pub Vec<String>);

/// A flag: `true`, `"true"`, `1`, `"1"` and their opposites.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flag(pub bool);

/// A whole number, also as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Int(pub i64);

/// Pairs: a JSON object of texts, or a list of `k=v`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pairs(pub BTreeMap<String, String>);

macro_rules! loose {
    ($type:ty, $visitor:ident, $expecting:literal, { $($body:tt)* }) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
        struct $visitor;
        impl<'de> Visitor<'de> for $visitor {
            type Value = $type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }
            $($body)*
        }
    };
}

/// With `arbitrary_precision`, serde_json hands numbers over as a map with one private key; this reads them.
fn number_text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    match map.next_key::<String>()? {
        Some(key) if key == "$serde_json::private::Number" => map.next_value::<String>().map(Some),
        _ => Ok(None),
    }
}

loose!(Duration, DurationVisitor, "a duration in seconds or of the form `1h30m`", {
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Duration, E> {
        parse_duration_s(&v.to_string()).map(|s| Duration(TtlSeconds(s))).map_err(|e| E::custom(e.client))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Duration, E> {
        u64::try_from(v).map_err(|_| E::custom("duration is negative")).and_then(|v| self.visit_u64(v))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Duration, E> {
        self.visit_str(&format!("{v}s"))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Duration, E> {
        if v.trim().is_empty() {
            return Ok(Duration::default());
        }
        parse_duration_s(v).map(|s| Duration(TtlSeconds(s))).map_err(|e| E::custom(e.client))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Duration, E> {
        Ok(Duration::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Duration, A::Error> {
        match number_text(&mut map)? {
            Some(text) => self.visit_str(&text),
            None => Err(de::Error::custom("an object is not a duration")),
        }
    }
});

loose!(List, ListVisitor, "a list of texts, or one text with commas", {
    fn visit_str<E: de::Error>(self, v: &str) -> Result<List, E> {
        Ok(List(v.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<List, E> {
        Ok(List::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element::<String>()? {
            let item = item.trim();
            if !item.is_empty() {
                out.push(item.to_owned());
            }
        }
        Ok(List(out))
    }
});

loose!(Flag, FlagVisitor, "true or false", {
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Flag, E> {
        Ok(Flag(v))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Flag, E> {
        match v {
            0 => Ok(Flag(false)),
            1 => Ok(Flag(true)),
            _ => Err(E::custom("a flag is true or false")),
        }
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Flag, E> {
        u64::try_from(v).map_err(|_| E::custom("a flag is true or false")).and_then(|v| self.visit_u64(v))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Flag, E> {
        match v {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Flag(true)),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Flag(false)),
            _ => Err(E::custom("a flag is true or false")),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flag, A::Error> {
        match number_text(&mut map)? {
            Some(text) => self.visit_str(&text),
            None => Err(de::Error::custom("an object is not a flag")),
        }
    }
});

loose!(Int, IntVisitor, "a whole number", {
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Int, E> {
        i64::try_from(v).map(Int).map_err(|_| E::custom("number is too large"))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Int, E> {
        Ok(Int(v))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Int, E> {
        v.trim().parse().map(Int).map_err(|_| E::custom("not a whole number"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Int, A::Error> {
        match number_text(&mut map)? {
            Some(text) => self.visit_str(&text),
            None => Err(de::Error::custom("an object is not a number")),
        }
    }
});

loose!(Pairs, PairsVisitor, "an object of texts, or a list of k=v", {
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Pairs, E> {
        if v.trim_start().starts_with('{') {
            return serde_json::from_str(v).map(Pairs).map_err(|_| E::custom("not an object of texts"));
        }
        v.split(',').filter(|s| !s.trim().is_empty()).map(pair).collect::<Result<_, _>>().map(Pairs)
    }
    fn visit_unit<E: de::Error>(self) -> Result<Pairs, E> {
        Ok(Pairs::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
        let mut out = BTreeMap::new();
        while let Some(item) = seq.next_element::<String>()? {
            let (key, value) = pair(&item)?;
            out.insert(key, value);
        }
        Ok(Pairs(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut out = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            out.insert(key, map.next_value::<Text>()?.0);
        }
        Ok(Pairs(out))
    }
});

/// A text, or a number or flag read as its text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text(pub String);

loose!(Text, TextVisitor, "a text", {
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Text, E> {
        Ok(Text(v.to_owned()))
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Text, E> {
        Ok(Text(v.to_string()))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Text, E> {
        Ok(Text(v.to_string()))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Text, E> {
        Ok(Text(v.to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        match number_text(&mut map)? {
            Some(text) => Ok(Text(text)),
            None => Err(de::Error::custom("an object is not a text")),
        }
    }
});

fn pair<E: de::Error>(text: &str) -> Result<(String, String), E> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(E::custom("a pair has no `=`")),
    }
}

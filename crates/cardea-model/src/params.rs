//! The parameters of a request: captures of the path, the query, and the members of the body, kept token for token.
//!
//! [`Params::read`] turns them into a typed request and says which members nobody asked for. This is the parameter view
//! of the system: the only place besides payloads where JSON without a type may be looked at. Error texts name a
//! field, never its value.

mod distinct; // no member twice, at any depth

pub use distinct::is_distinct;

use crate::error::{Cause, Error};
use crate::limit::{JSON_DEPTH_MAX, PARAMS_MAX};
use crate::secret_bytes::{SecretText, Wiped};
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::fmt;

/// What a request says beside its target.
#[derive(Default)]
pub struct Params {
    captures: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    body: Vec<(String, Box<RawValue>)>,
    /// Why the wire's dialect would not read the body; told only to who may do what was asked.
    refused: Option<Error>,
}

/// A typed request, and the members that it does not know.
pub struct Read<T> {
    pub value: T,
    pub unknown: Vec<String>,
}

impl Params {
    /// Reads a JSON object; an empty body is an empty object. Depth and width are bounded before anything is built.
    ///
    /// # Errors
    /// [`Cause::Invalid`] for what is not a JSON object, for a member that stands twice in one object, at any depth;
    /// [`Cause::TooLarge`] beyond the bounds.
    pub fn from_json(body: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(body).map_err(|_| Error::invalid("request body is not UTF-8"))?;
        // Go's client sends `null` where it has no body.
        if matches!(text.trim(), "" | "null") {
            return Ok(Self::default());
        }
        check_depth(text)?;
        let duplicate = || Error::invalid("request body has a duplicate member");
        let members: Members = serde_json::from_str(text).map_err(|error| match error.to_string() {
            words if words.starts_with(TOO_MANY) => Error::new(Cause::TooLarge, "request body has too many members"),
            words if words.starts_with(REPEATED) => duplicate(),
            _ => Error::invalid("failed to parse JSON input: the body is not one JSON object"),
        })?;
        let mut params = Self::default();
        params.body = members.0;
        match params.body.iter().any(|(_, raw)| distinct::has_duplicate(raw.get())) {
            true => Err(duplicate()),
            false => Ok(params),
        }
    }

    /// From pairs that are texts (a query string, a form).
    #[must_use]
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        let mut params = Self::default();
        params.query = pairs;
        params
    }

    /// Parameters that the dialect would not read, and why. Whoever binds the request says so, after its caller was found
    /// to be allowed: permission is judged before form.
    #[must_use]
    pub fn refused(error: Error) -> Self {
        let mut params = Self::default();
        params.refused = Some(error);
        params
    }

    /// See [`Params::refused`].
    #[must_use]
    pub fn refusal(&self) -> Option<&Error> {
        self.refused.as_ref()
    }

    /// Adds the parts of the path that a route captured. They win over everything else, so that no body can rename the
    /// thing that the policy was asked about.
    pub fn set_captures(&mut self, captures: Vec<(&'static str, String)>) {
        self.captures = captures;
    }

    #[must_use]
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is nothing beside the path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.query.is_empty() && self.body.is_empty()
    }

    /// Names of the query and body members, as policies' parameter rules see them (captures are not among them).
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.query.iter().map(|(k, _)| k.as_str()).chain(self.body.iter().map(|(k, _)| k.as_str())).collect()
    }

    /// The value of a member as parsed JSON, for policies' parameter rules.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<serde_json::Value> {
        if let Some((_, raw)) = self.body.iter().find(|(key, _)| key == name) {
            return serde_json::from_str(raw.get()).ok();
        }
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| serde_json::Value::String(value.clone()))
    }

    /// The JSON text of a body member.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<&str> {
        self.body.iter().find(|(key, _)| key == name).map(|(_, raw)| raw.get())
    }

    /// The JSON text of a body member, or the query text; what the log hashes. Texts come without their quotes.
    #[must_use]
    pub fn hashable(&self, name: &str) -> Option<Wiped> {
        if let Some((_, raw)) = self.body.iter().find(|(key, _)| key == name) {
            let text = match serde_json::from_str::<String>(raw.get()) {
                Ok(text) => text.into_bytes(),
                Err(_) => raw.get().as_bytes().to_vec(),
            };
            return Some(Wiped::new(text));
        }
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| Wiped::new(value.clone().into_bytes()))
    }

    /// All members of the body as one JSON object, token for token; those of a form as texts.
    ///
    /// # Errors
    /// Only what should not happen: names and texts can all be written as JSON.
    pub fn body_object(&self) -> Result<crate::Payload, Error> {
        let mut text = zeroize::Zeroizing::new(String::from("{"));
        let quoted = |plain: &str| {
            let quoted = serde_json::to_string(plain).map(zeroize::Zeroizing::new);
            quoted.map_err(|_| Error::internal("a member could not be written"))
        };
        let mut member = |key: &str, value: &str| -> Result<(), Error> {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&quoted(key)?);
            text.push(':');
            text.push_str(value);
            Ok(())
        };
        for (key, value) in &self.query {
            member(key, &quoted(value)?)?;
        }
        for (key, raw) in &self.body {
            member(key, raw.get())?;
        }
        text.push('}');
        crate::Payload::parse(text.as_str().to_owned())
    }

    /// The typed request.
    ///
    /// # Errors
    /// [`Cause::Invalid`], naming the field that is missing or has the wrong type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Read<T>, Error> {
        let mut left_out = Vec::new();
        loop {
            let reader = Reader {
                params: self,
                left_out: left_out.clone(),
                current: RefCell::new(None),
                unknown: RefCell::new(Vec::new()),
            };
            let error = match T::deserialize(&reader) {
                Ok(value) => return Ok(Read { value, unknown: reader.unknown.into_inner() }),
                Err(error) => error,
            };
            let field = reader.current.into_inner();
            // Some clients send `null` for what their caller left out. Where a type has a meaning for it, that holds; where
            // it has none, it is as if the member were not there.
            let null = self.body.iter().find(|(key, raw)| Some(key) == field.as_ref() && raw.get() == "null");
            if let Some((key, _)) = null.filter(|(key, _)| !left_out.contains(&key.as_str())) {
                left_out.push(key.as_str());
                continue;
            }
            return Err(match (error, field) {
                (ReadError::Missing(field), _) => Error::invalid(format!("missing `{field}`")),
                (ReadError::Unknown, _) => Error::invalid("a field has an unknown choice"),
                (ReadError::Wrong, Some(field)) => {
                    Error::invalid(format!("field `{field}` has the wrong type or form"))
                }
                (ReadError::Wrong, None) => Error::invalid("request has the wrong shape"),
            });
        }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({} captures, {} query, {} members)", self.captures.len(), self.query.len(), self.body.len())
    }
}

/// Bodies carry secrets: what we copied is wiped as far as its type lets us.
impl Drop for Params {
    fn drop(&mut self) {
        for (_, value) in self.query.drain(..) {
            drop(SecretText::new(value));
        }
        for (_, raw) in self.body.drain(..) {
            let text: Box<str> = raw.into();
            drop(SecretText::new(text.into_string()));
        }
    }
}

const TOO_MANY: &str = "too many members";
const REPEATED: &str = "repeated member";

/// The members of one object in their order; a repeated member is refused (two readers may disagree on which counts).
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> de::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut out: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if out.len() >= PARAMS_MAX {
                        return Err(de::Error::custom(TOO_MANY));
                    }
                    if out.iter().any(|(known, _)| *known == key) {
                        return Err(de::Error::custom(REPEATED));
                    }
                    out.push((key, map.next_value()?));
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Counts brackets outside of texts: linear, without allocation, before any parser builds something.
fn check_depth(text: &str) -> Result<(), Error> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(Error::new(Cause::TooLarge, "request body is nested too deeply"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Errors of reading without the values that serde would put into their texts.
#[derive(Debug)]
enum ReadError {
    Missing(&'static str),
    Unknown,
    Wrong,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong shape")
    }
}
impl std::error::Error for ReadError {}
impl de::Error for ReadError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Wrong
    }
    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }
}

struct Reader<'p> {
    params: &'p Params,
    /// Members whose `null` has no meaning to the type that is read.
    left_out: Vec<&'p str>,
    /// The member that is being read: an error names it.
    current: RefCell<Option<String>>,
    unknown: RefCell<Vec<String>>,
}

impl<'p> Reader<'p> {
    fn members(&self) -> Vec<(&'p str, Member<'p>)> {
        let params = self.params;
        let mut out: Vec<(&str, Member<'p>)> =
            params.captures.iter().map(|(key, value)| (*key, Member::Text(value))).collect();
        let given = params.body.iter().filter(|(key, _)| !self.left_out.contains(&key.as_str()));
        let body = given.map(|(key, raw)| (key.as_str(), Member::Json(raw)));
        let query = params.query.iter().map(|(key, value)| (key.as_str(), Member::Text(value)));
        for (key, member) in body.chain(query) {
            if !out.iter().any(|(known, _)| *known == key) {
                out.push((key, member));
            }
        }
        out
    }
}

#[derive(Clone, Copy)]
enum Member<'p> {
    Text(&'p str),
    Json(&'p RawValue),
}

impl<'de, 'p: 'de> Deserializer<'de> for &'de Reader<'p> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let members = self.members().into_iter().map(|(key, member)| (key, Field { reader: self, key, member }));
        visitor.visit_map(MapDeserializer::new(members))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let (known, unknown): (Vec<_>, Vec<_>) = self.members().into_iter().partition(|(key, _)| fields.contains(key));
        *self.unknown.borrow_mut() = unknown
            .into_iter()
            .filter(|(key, _)| self.params.capture(key).is_none())
            .map(|(key, _)| key.to_owned())
            .collect();
        let known = known.into_iter().map(|(key, member)| (key, Field { reader: self, key, member }));
        visitor.visit_map(MapDeserializer::new(known))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Field<'de, 'p> {
    reader: &'de Reader<'p>,
    key: &'p str,
    member: Member<'p>,
}

impl<'de, 'p: 'de> IntoDeserializer<'de, ReadError> for Field<'de, 'p> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! forward_field {
    ($($method:ident ( $($arg:ident : $type:ty),* )),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, ReadError> {
            *self.reader.current.borrow_mut() = Some(self.key.to_owned());
            let value = match self.member {
                Member::Text(text) => {
                    let text: StrDeserializer<'_, ReadError> = text.into_deserializer();
                    text.$method($($arg,)* visitor)
                }
                Member::Json(raw) => raw.$method($($arg,)* visitor).map_err(|_| ReadError::Wrong),
            }?;
            *self.reader.current.borrow_mut() = None;
            Ok(value)
        }
    )*};
}

impl<'de, 'p: 'de> Deserializer<'de> for Field<'de, 'p> {
    type Error = ReadError;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.member {
            Member::Json(raw) if raw.get() == "null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    forward_field! {
        deserialize_any(), deserialize_bool(), deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(),
        deserialize_i128(), deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_u128(),
        deserialize_f32(), deserialize_f64(), deserialize_char(), deserialize_str(), deserialize_string(),
        deserialize_bytes(), deserialize_byte_buf(), deserialize_unit(), deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str), deserialize_seq(), deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize), deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]), deserialize_identifier(),
        deserialize_ignored_any(),
    }
}

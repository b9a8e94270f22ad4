//! One answer, and the envelope inside it. The envelope is kept as the server sent it, number for number, so that nothing
//! is lost on the way to a user; neither prints what it holds.

use cardea_model::{SecretBytes, SecretText};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

/// A status below 400, or one that a caller asked to see, with its body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: SecretBytes,
}

impl Response {
    /// The body as a typed value.
    ///
    /// # Errors
    /// The body is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, &'static str> {
        serde_json::from_slice(self.body.expose()).map_err(|_| "the answer is not the JSON that was expected")
    }

    /// The envelope; `None` if there is no body.
    ///
    /// # Errors
    /// The body is not a JSON object.
    pub fn secret(&self) -> Result<Option<Secret>, &'static str> {
        if self.body.expose().iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        self.json::<Map<String, Value>>().map(|fields| Some(Secret { fields }))
    }
}

/// The envelope of an answer.
pub struct Secret {
    fields: Map<String, Value>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Secret {
    #[must_use]
    pub fn of(fields: Map<String, Value>) -> Self {
        Self { fields }
    }

    /// The whole answer.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    #[must_use]
    pub fn into_fields(self) -> Map<String, Value> {
        self.fields
    }

    /// `data`, if it is an object.
    #[must_use]
    pub fn data(&self) -> Option<&Map<String, Value>> {
        self.object("data")
    }

    /// `data`, or the whole body where a route answers without an envelope.
    #[must_use]
    pub fn data_or_body(&self) -> &Map<String, Value> {
        self.data().unwrap_or(&self.fields)
    }

    #[must_use]
    pub fn auth(&self) -> Option<&Map<String, Value>> {
        self.object("auth")
    }

    #[must_use]
    pub fn wrap_info(&self) -> Option<&Map<String, Value>> {
        self.object("wrap_info")
    }

    fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.fields.get(name).and_then(Value::as_object)
    }

    #[must_use]
    pub fn warnings(&self) -> Vec<&str> {
        let list = self.fields.get("warnings").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    #[must_use]
    pub fn lease_id(&self) -> &str {
        self.fields.get("lease_id").and_then(Value::as_str).unwrap_or_default()
    }

    #[must_use]
    pub fn lease_duration_s(&self) -> u64 {
        self.fields.get("lease_duration").and_then(Value::as_u64).unwrap_or_default()
    }

    #[must_use]
    pub fn renewable(&self) -> bool {
        self.fields.get("renewable").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The token of a login or a creation.
    #[must_use]
    pub fn client_token(&self) -> Option<SecretText> {
        self.auth()?
            .get("client_token")?
            .as_str()
            .filter(|token| !token.is_empty())
            .map(|t| SecretText::new(t.to_owned()))
    }

    /// The names of a list.
    #[must_use]
    pub fn keys(&self) -> Option<Vec<&str>> {
        let keys = self.data()?.get("keys")?.as_array()?;
        Some(keys.iter().filter_map(Value::as_str).collect())
    }
}

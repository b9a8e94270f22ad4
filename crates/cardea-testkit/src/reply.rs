//! A response of the wire, taken apart: what a client's program would look at. Its checks name the line of the test.

use cardea_model::wire::WireResponse;
use serde_json::Value;

/// Status and JSON of one response.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// `Null` if there is no body, or if it is not JSON.
    pub json: Value,
    pub text: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    #[must_use]
    pub fn of(wire: WireResponse) -> Self {
        let text = String::from_utf8_lossy(wire.body.expose()).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: wire.status, json, text, headers: wire.headers }
    }

    /// The value at a JSON pointer; `Null` if there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text at a JSON pointer.
    #[track_caller]
    #[must_use]
    pub fn text_at(&self, pointer: &str) -> String {
        match self.at(pointer) {
            Value::String(text) => text.clone(),
            other => panic!("no text at {pointer} but {other} in {}", self.text),
        }
    }

    /// The number at a JSON pointer.
    #[track_caller]
    #[must_use]
    pub fn number_at(&self, pointer: &str) -> u64 {
        self.at(pointer).as_u64().unwrap_or_else(|| panic!("no number at {pointer} in {}", self.text))
    }

    #[must_use]
    pub fn data(&self) -> &Value {
        self.at("/data")
    }

    /// The token of a login or a token request.
    #[track_caller]
    #[must_use]
    pub fn client_token(&self) -> String {
        self.text_at("/auth/client_token")
    }

    #[track_caller]
    #[must_use]
    pub fn wrapping_token(&self) -> String {
        self.text_at("/wrap_info/token")
    }

    #[track_caller]
    #[must_use]
    pub fn lease_id(&self) -> String {
        self.text_at("/lease_id")
    }

    /// The list of errors, as one text.
    #[must_use]
    pub fn errors(&self) -> String {
        let errors = self.at("/errors").as_array().into_iter().flatten();
        errors.filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Checks the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Checks that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.is_success(), "status {}: {}", self.status, self.text);
        self
    }
}

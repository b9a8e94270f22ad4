//! Set-up calls to a Vault-compatible server: one at a time, JSON in and out, with a time limit. It is not on the path of
//! a measurement, and it never puts a token, a key or an answer into an error's text.

use std::time::Duration;

use serde_json::Value;
use tokio::runtime;
use zeroize::Zeroizing;

use crate::{
    error::BenchError,
    wire::{Connection, Endpoint, WireError},
};

/// Longest wait for one set-up call.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// An answer as it came.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: String,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON, null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn errors(&self) -> Vec<String> {
        let body = self.json();
        let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        errors.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// A caller with a token. Not printable, because it holds one.
pub struct Admin {
    endpoint: Endpoint,
    token: Zeroizing<String>,
    runtime: runtime::Runtime,
    connection: Option<Connection>,
}

impl Admin {
    /// A caller; an empty token sends none.
    pub fn new(endpoint: Endpoint, token: Zeroizing<String>) -> Result<Admin, BenchError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::io("starting a runtime for set-up calls"))?;
        Ok(Admin { endpoint, token, runtime, connection: None })
    }

    /// Forgets the connection; for a server that was restarted.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// The server it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Calls `path` (without `/v1/`) and returns the answer, whatever its status. A kept connection that turns out to be
    /// closed is opened anew once.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, BenchError> {
        let request = self.request(method, path, body);
        let kept = self.connection.take().filter(|connection| !connection.is_ended());
        let had_one = kept.is_some();
        let result = match self.attempt(kept, &request) {
            Err(_) if had_one => self.attempt(None, &request),
            result => result,
        };
        result.map_err(|source| BenchError::Wire { what: format!("{method} {path}"), source })
    }

    /// Calls `path` and insists on a status of 200 to 299; returns the JSON of the answer.
    pub fn insist(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, BenchError> {
        let reply = self.call(method, path, body)?;
        match reply.status {
            200..=299 => Ok(reply.json()),
            status => Err(BenchError::Refused { what: format!("{method} {path}"), status, errors: reply.errors() }),
        }
    }

    /// Calls `path` and insists on a text at `pointer` of the answer.
    pub fn text(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        pointer: &str,
    ) -> Result<String, BenchError> {
        let answer = self.insist(method, path, body)?;
        let text = answer.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| BenchError::Setup(format!("{method} {path}: no {pointer} in the answer")))
    }

    /// Runs something asynchronous beside the calls, on their runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Zeroizing<Vec<u8>> {
        let mut head =
            format!("{method} /v1/{path} HTTP/1.1\r\nHost: {}\r\nX-Vault-Request: true\r\n", self.endpoint.authority());
        if !self.token.is_empty() {
            head += &format!("X-Vault-Token: {}\r\n", self.token.as_str());
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        Zeroizing::new(format!("{head}\r\n{body}").into_bytes())
    }

    fn attempt(&mut self, kept: Option<Connection>, request: &[u8]) -> Result<Reply, WireError> {
        let endpoint = self.endpoint.clone();
        let exchange = async move {
            let mut connection = match kept {
                Some(connection) => connection,
                None => endpoint.connect().await?,
            };
            let response = connection.exchange(request).await?;
            let reply = Reply {
                status: response.status,
                content_type: String::from_utf8_lossy(response.content_type).into_owned(),
                body: response.body.to_vec(),
            };
            Ok((connection, reply))
        };
        let (connection, reply) = self.runtime.block_on(async {
            tokio::time::timeout(CALL_LIMIT, exchange)
                .await
                .unwrap_or_else(|_| Err(WireError::Io(std::io::ErrorKind::TimedOut.into())))
        })?;
        self.connection = Some(connection);
        Ok(reply)
    }
}

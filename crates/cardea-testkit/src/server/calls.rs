//! Requests over the wire of a dialect. It must never reach a node but by its one door.

use super::TestServer;
use crate::reply::Reply;
use crate::toy::{KEYS_BINDING, MOUNT_BINDING, Toy};
use cardea_dialects::vault::Vault;
use cardea_model::SecretBytes;
use cardea_model::wire::WireRequest;
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};
use serde_json::Value;
use std::net::SocketAddr;

/// What dialects of AWS's clients read regions from.
const REGION_BINDINGS: [&str; 2] = ["regions", "replica_regions"];

impl TestServer {
    /// A request of the Vault dialect: verb and path below `/v1/`.
    #[must_use]
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let wire = WireRequest {
            method: method.to_owned(),
            path: format!("/v1/{path}"),
            query: query.to_owned(),
            headers: Vec::new(),
            body: SecretBytes::default(),
            peer: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            tls: None,
        };
        Call { server: self, wire }
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path).token(token).send().await
    }

    pub async fn list(&self, path: &str, token: &str) -> Reply {
        self.call("LIST", path).token(token).send().await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        self.call("DELETE", path).token(token).send().await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.call("POST", path).token(token).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Reply {
        let call = self.call("PATCH", path).token(token).json(&body);
        call.header("content-type", "application/merge-patch+json").send().await
    }

    /// A request of the toy dialect, signed with an access key.
    pub async fn toy(&self, key: &(String, String), method: &str, name: &str, body: &str) -> Reply {
        self.send(&Toy, crate::toy::request(&key.0, &key.1, method, name, body, self.now().unix_s())).await
    }

    /// Any wire request, in any dialect.
    pub async fn send(&self, dialect: &dyn Dialect, wire: WireRequest) -> Reply {
        let mut config =
            DialectConfig { logged_headers: self.builder.logged_headers.clone(), ..DialectConfig::default() };
        config.logged_headers.extend(self.node.kept_headers());
        config.bindings.insert(MOUNT_BINDING.to_owned(), "secret/".to_owned());
        config.bindings.insert(KEYS_BINDING.to_owned(), "transit/".to_owned());
        for binding in REGION_BINDINGS.iter().filter(|_| !self.builder.regions.is_empty()) {
            config.bindings.insert((*binding).to_owned(), self.builder.regions.to_owned());
        }
        assert!(dialect.claims(&wire), "the dialect does not claim {}", wire.path);
        let (context, result) = match dialect.lower(&config, wire) {
            Ok(lowered) => (lowered.context, self.node.answer(lowered.request).await),
            Err(refusal) => (RenderContext::default(), Err(refusal)),
        };
        Reply::of(dialect.render(&config, &context, result))
    }
}

/// One request of the Vault dialect, being put together.
pub struct Call<'s> {
    server: &'s TestServer,
    wire: WireRequest,
}

impl Call<'_> {
    /// The caller's token; an empty one is none.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        if token.is_empty() { self } else { self.header("x-vault-token", token) }
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        let text = body.to_string();
        self.body(&text)
    }

    /// A body that need not be JSON.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.wire.body = SecretBytes::new(body.as_bytes().to_vec());
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.wire.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Asks for the answer to be wrapped.
    #[must_use]
    pub fn wrap(self, ttl: &str) -> Self {
        self.header("x-vault-wrap-ttl", ttl)
    }

    /// The client's address.
    #[must_use]
    pub fn from(mut self, address: [u8; 4]) -> Self {
        self.wire.peer = SocketAddr::from((address, 50_000));
        self
    }

    /// Sends it and waits for the response.
    pub async fn send(self) -> Reply {
        self.server.send(&Vault, self.wire).await
    }
}

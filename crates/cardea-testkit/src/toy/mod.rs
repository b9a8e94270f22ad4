//! A second dialect, for tests alone, as unlike Vault's as can be: requests are signed, and they are operations on secrets
//! of one configured mount, not paths. It keeps the core honest: what knows only one door would not open for this one.
//! It must never know an engine, nor be part of a server.

mod lower;
mod render;

use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Refusal, SecretBytes};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};

/// The binding that names the mount.
pub const MOUNT_BINDING: &str = "secrets";
/// The binding that names the mount of keys.
pub const KEYS_BINDING: &str = "keys";
const PREFIX: &str = "/toy/";
const KEY: &str = "x-toy-key";
const TIME: &str = "x-toy-time";
const SIGNATURE: &str = "x-toy-signature";

/// The dialect.
pub struct Toy;

impl Dialect for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn claims(&self, wire: &WireRequest) -> bool {
        wire.path.starts_with(PREFIX)
    }

    fn lower(&self, config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Refusal> {
        lower::lower(config, wire).map_err(Refusal::from)
    }

    fn render(
        &self,
        _config: &DialectConfig,
        _context: &RenderContext,
        answer: Result<Answer, Refusal>,
    ) -> WireResponse {
        render::render(answer)
    }
}

/// What is signed: everything that decides.
fn signed(wire: &WireRequest, time: &str) -> Vec<u8> {
    [wire.method.as_bytes(), wire.path.as_bytes(), wire.query.as_bytes(), time.as_bytes(), wire.body.expose()]
        .join(&b'\n')
}

/// A signed request, as a client of this dialect makes it.
#[must_use]
pub fn request(key_id: &str, secret: &str, method: &str, name: &str, body: &str, time_s: u64) -> WireRequest {
    let body = SecretBytes::new(body.as_bytes().to_vec());
    let (method, path, query) = (method.to_owned(), format!("{PREFIX}{name}"), String::new());
    let mut wire =
        WireRequest { method, path, query, headers: Vec::new(), body, peer: ([127, 0, 0, 1], 4000).into(), tls: None };
    let signature = cardea_crypto::mac::hmac_sha256(secret.as_bytes(), &[&signed(&wire, &time_s.to_string())]);
    for (name, value) in [(KEY, key_id.to_owned()), (TIME, time_s.to_string()), (SIGNATURE, hex::encode(signature))] {
        wire.headers.push((name.to_owned(), value.into_bytes()));
    }
    wire
}

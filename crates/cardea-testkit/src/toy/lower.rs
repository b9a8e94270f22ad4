//! From the wire to an operation on a secret or a key.

use super::{KEY, KEYS_BINDING, MOUNT_BINDING, PREFIX, SIGNATURE, TIME, signed};
use cardea_model::operation::VersionRef;
use cardea_model::request::SIGNATURE_SKEW_S_MAX;
use cardea_model::wire::WireRequest;
use cardea_model::{
    CanonicalPath, Cause, Credential, Error, KeyOp, KeyRef, NamespaceId, Origin, Params, Payload, Request, SecretOp,
    SignatureScheme, Signed, Target,
};
use cardea_sdk::dialect::{DialectConfig, Lowered, RenderContext};

pub(super) fn lower(config: &DialectConfig, wire: WireRequest) -> Result<Lowered, Error> {
    let mount = |binding| config.bindings.get(binding).cloned().ok_or_else(|| Error::invalid("no mount is configured"));
    let path = CanonicalPath::parse_encoded(wire.path.strip_prefix(PREFIX).unwrap_or_default())?;
    let target = match wire.method.as_str() {
        "SEAL" | "OPEN" => {
            let (mount, op) = (mount(KEYS_BINDING)?, key_op(&wire, path.as_str())?);
            Target::Key { mount, op, said: Params::default() }
        }
        _ => Target::Secret { mount: mount(MOUNT_BINDING)?, op: secret_op(&wire, path)? },
    };
    let credential = credential(&wire)?;
    let origin = Origin { dialect: "toy", peer: wire.peer, tls: wire.tls, headers: Vec::new() };
    let request = Request { namespace: NamespaceId::root(), credential, target, wrap_ttl: None, origin };
    Ok(Lowered { request, context: RenderContext::default() })
}

/// `SEAL id/<id>`, `OPEN alias/<alias>` and so on; what is sealed or opened is the body, the sealed in hex.
fn key_op(wire: &WireRequest, path: &str) -> Result<KeyOp, Error> {
    let key = match path.split_once('/') {
        Some(("name", text)) => KeyRef::Name(text.to_owned()),
        Some(("id", text)) => KeyRef::Id(text.to_owned()),
        Some(("alias", text)) => KeyRef::Alias(text.to_owned()),
        _ => return Err(Error::invalid("a key is named by name, id or alias")),
    };
    let (aad, oaep) = (Vec::new(), None);
    if wire.method == "SEAL" {
        return Ok(KeyOp::Encrypt { key, plaintext: wire.body.duplicate(), aad, oaep });
    }
    let sealed = hex::decode(wire.body.expose()).map_err(|_| Error::invalid("the body is not hex"))?;
    Ok(KeyOp::Decrypt { key, expected: None, version: 0, sealed, aad, oaep })
}

fn secret_op(wire: &WireRequest, path: CanonicalPath) -> Result<SecretOp, Error> {
    Ok(match wire.method.as_str() {
        "GET" => SecretOp::Read { path, version: VersionRef::Current },
        "PUT" => {
            let text = std::str::from_utf8(wire.body.expose()).map_err(|_| Error::invalid("the body is not text"))?;
            SecretOp::Write { path, payload: Payload::parse(text.to_owned())?, check_version: None }
        }
        _ => return Err(Error::new(Cause::Unsupported, "read with GET, write with PUT")),
    })
}

/// What is malformed becomes a signature that cannot verify: it is judged, and refused, where all others are.
fn credential(wire: &WireRequest) -> Result<Credential, Error> {
    let Some(key_id) = wire.header(KEY)? else { return Ok(Credential::None) };
    let time = wire.header(TIME)?.unwrap_or_default();
    Ok(Credential::Signed(Box::new(Signed {
        key_id: key_id.to_owned(),
        session_token: None,
        scheme: SignatureScheme::Hmac,
        string_to_sign: signed(wire, time),
        signature: hex::decode(wire.header(SIGNATURE)?.unwrap_or_default()).unwrap_or_default(),
        signed_at_s: time.parse().unwrap_or(0),
        valid_s: SIGNATURE_SKEW_S_MAX,
    })))
}

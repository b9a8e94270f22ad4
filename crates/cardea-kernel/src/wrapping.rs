//! Wrapped answers: the shaped answer of a request, kept for the one who shows a single-use token. Stored in the same commit
//! as the change that it tells of; taken out exactly once.

use crate::hashes::Hashes;
use crate::tokens::{self, Minted, NewToken};
use cardea_barrier::Keyring;
use cardea_crypto::random::Randomness;
use cardea_model::{Error, NamespaceId, Payload, Timestamp, TtlSeconds, WrapFacts};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};

/// A wrapped answer, as the dialect's envelope needs it.
#[derive(Serialize, Deserialize)]
pub struct Wrapped {
    pub created: Timestamp,
    pub ttl_s: u64,
    /// The path of the request whose answer this is.
    pub creation_path: String,
    /// Accessor of the token inside, if the answer is a login.
    pub wrapped_accessor: Option<String>,
    pub content: Content,
}
json_record!(Wrapped, "wrapped", 1);

/// What was wrapped.
#[derive(Serialize, Deserialize)]
// Externally tagged: a tag inside would make serde buffer the value, and a payload is kept token for token.
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A JSON object with lease and auth facts beside it.
    Answer {
        data: Option<Payload>,
        #[serde(default)]
        lease_id: String,
        #[serde(default)]
        lease_ttl_s: u64,
        #[serde(default)]
        renewable: bool,
        /// The auth part as JSON.
        #[serde(default)]
        auth: Option<Payload>,
        #[serde(default)]
        warnings: Vec<String>,
        #[serde(default)]
        mount_kind: String,
    },
    /// Bytes with a content type; base64 in the record.
    Raw { status: u16, content_type: String, body_base64: String },
}

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "wrapping")
}

/// What wrapping needs to know of its surroundings.
pub struct Surroundings<'a> {
    pub hashes: &'a Hashes,
    pub keyring: &'a Keyring,
    pub rng: &'a dyn Randomness,
    pub namespace: &'a NamespaceId,
    pub now: Timestamp,
}

/// Stores an answer and makes the token for it. The second value is the wrapping token's id.
pub fn wrap(
    txn: &mut Txn,
    at: &Surroundings<'_>,
    ttl: TtlSeconds,
    creation_path: &str,
    wrapped_accessor: Option<String>,
    content: Content,
) -> Result<(WrapFacts, String), Error> {
    let expires = at.now.plus(ttl);
    let new = NewToken {
        namespace: at.namespace.clone(),
        display_name: "wrapping".to_owned(),
        path: creation_path.to_owned(),
        explicit_max_ttl_s: ttl.0,
        wrapping: true,
        ..NewToken::plain("response-wrapping", at.now, Some(expires))
    };
    let Minted { text, accessor, token, .. } = tokens::mint(txn, at.hashes, at.keyring, at.rng, new)?;
    let wrapped = Wrapped {
        created: at.now,
        ttl_s: ttl.0,
        creation_path: creation_path.to_owned(),
        wrapped_accessor: wrapped_accessor.clone(),
        content,
    };
    view(txn, at.namespace).put(&token.id, &wrapped)?;
    let facts = WrapFacts {
        token: text,
        accessor,
        ttl_s: ttl.0,
        creation_time: at.now.rfc3339(),
        creation_path: creation_path.to_owned(),
        wrapped_accessor,
    };
    Ok((facts, token.id))
}

/// Looks at a wrapped answer without taking it.
pub async fn look(
    txn: &mut Txn,
    namespace: &NamespaceId,
    token_id: &str,
    now: Timestamp,
) -> Result<Option<Wrapped>, Error> {
    match tokens::find_live(txn, namespace, token_id, now).await? {
        Some(token) if token.wrapping => view(txn, namespace).get::<Wrapped>(token_id).await,
        _ => Ok(None),
    }
}

/// Takes a wrapped answer out: token and record are gone with this commit, whoever else tries.
pub async fn take(
    txn: &mut Txn,
    hashes: &Hashes,
    namespace: &NamespaceId,
    token_id: &str,
    now: Timestamp,
) -> Result<Option<Wrapped>, Error> {
    let Some(wrapped) = look(txn, namespace, token_id, now).await? else { return Ok(None) };
    forget(txn, namespace, token_id);
    tokens::remove_step(txn, hashes, namespace, token_id, false).await?;
    Ok(Some(wrapped))
}

/// Drops the answer of a wrapping token that ended unused.
pub fn forget(txn: &mut Txn, namespace: &NamespaceId, token_id: &str) {
    view(txn, namespace).delete::<Wrapped>(token_id);
}

//! Access keys: what callers of signing dialects hold instead of a token. The secret half must be recoverable to verify a
//! signature, so it is kept sealed, not hashed; it never leaves the kernel after it was issued.

use cardea_crypto::random::{Randomness, base62};
use cardea_crypto::{constant_time, mac};
use cardea_model::secret_bytes::stored;
use cardea_model::{Caller, Error, NamespaceId, SecretText, Timestamp, TokenKind};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};

/// How far a signature's time may be from ours, in seconds: AWS's five minutes.
const SKEW_S_MAX: u64 = 300;

/// The stored key.
#[derive(Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    #[serde(with = "stored")]
    pub secret: SecretText,
    pub display_name: String,
    pub policies: Vec<String>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
}
json_record!(AccessKey, "access-key", 1, cached);

/// Makes a key with these policies. Returns its id and secret, once.
pub fn issue(
    txn: &mut Txn,
    namespace: &NamespaceId,
    display_name: &str,
    policies: Vec<String>,
    now: Timestamp,
    expires: Option<Timestamp>,
    rng: &dyn Randomness,
) -> Result<(String, SecretText), Error> {
    let id = format!("CARDEA{}", base62(rng, 14).to_uppercase());
    let secret = SecretText::new(base62(rng, 40).to_string());
    let key = AccessKey {
        id: id.clone(),
        secret: secret.duplicate(),
        display_name: display_name.to_owned(),
        policies: crate::policies::names(&policies)?,
        created: now,
        expires,
    };
    if key.policies.iter().any(|policy| policy == "root") {
        return Err(Error::invalid("access keys cannot have the root policy"));
    }
    View::new(txn, namespace, "access-keys").put(&id, &key)?;
    Ok((id, secret))
}

/// The caller of a signed request. `None` for an unknown or expired key, a wrong signature, or a time too far off.
pub async fn verify(
    txn: &mut Txn,
    namespace: &NamespaceId,
    key_id: &str,
    signed: &[u8],
    signature: &[u8],
    signed_at_s: u64,
    now: Timestamp,
) -> Result<Option<Caller>, Error> {
    let key = View::new(txn, namespace, "access-keys").peek::<AccessKey>(key_id).await?;
    // An unknown key costs the same work as a known one.
    let secret = key.as_ref().map_or("", |key| key.secret.expose());
    let good = constant_time::eq(&mac::hmac_sha256(secret.as_bytes(), &[signed]), signature);
    let fresh = signed_at_s.abs_diff(now.unix_s()) <= SKEW_S_MAX;
    Ok(key.filter(|key| good && fresh && key.expires.is_none_or(|end| end > now)).map(|key| Caller {
        namespace: namespace.clone(),
        display_name: key.display_name.clone(),
        entity: None,
        token_id: String::new(),
        accessor: None,
        kind: TokenKind::Batch,
        is_root: false,
        policies: key.policies.clone(),
        metadata: Default::default(),
        expires: key.expires,
    }))
}

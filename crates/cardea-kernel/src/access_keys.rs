//! Access keys: what callers of signing dialects hold instead of a token. The secret half must be recoverable to verify a
//! signature, so it is kept sealed, not hashed; it never leaves the kernel after it was issued.

use cardea_crypto::random::{Randomness, base62};
use cardea_crypto::{constant_time, mac};
use cardea_model::request::SIGNATURE_SKEW_S_MAX;
use cardea_model::secret_bytes::stored;
use cardea_model::{
    Caller, CredentialFault, Error, NamespaceId, SecretText, SignatureScheme, Signed, Timestamp, TokenKind,
};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// The caller of a signed request, or what is wrong with it.
///
/// # Errors
/// Only if the store does not answer.
pub async fn verify(
    txn: &mut Txn,
    namespace: &NamespaceId,
    shown: &Signed,
    now: Timestamp,
) -> Result<Result<Caller, CredentialFault>, Error> {
    let key = View::new(txn, namespace, "access-keys").peek::<AccessKey>(&shown.key_id).await?;
    // An unknown key costs the same work as a known one.
    let secret = key.as_ref().map_or("", |key| key.secret.expose());
    let good = signature_verifies(secret, shown);
    if let Err(fault) = in_time(shown, now) {
        return Ok(Err(fault));
    }
    let Some(key) = key else { return Ok(Err(CredentialFault::UnknownKey)) };
    if !good {
        return Ok(Err(CredentialFault::BadSignature("")));
    }
    if shown.session_token.is_some() {
        return Ok(Err(CredentialFault::UnknownKey));
    }
    if key.expires.is_some_and(|end| end <= now) {
        return Ok(Err(CredentialFault::ExpiredKey));
    }
    Ok(Ok(Caller {
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

fn signature_verifies(secret: &str, shown: &Signed) -> bool {
    let tag = match &shown.scheme {
        SignatureScheme::Hmac => mac::hmac_sha256(secret.as_bytes(), &[&shown.string_to_sign]),
        SignatureScheme::AwsV4 { date, region, service } => {
            let secret = Zeroizing::new(format!("AWS4{secret}"));
            let links = [date.as_bytes(), region.as_bytes(), service.as_bytes(), b"aws4_request"];
            mac::hmac_sha256(&*mac::hmac_chain(secret.as_bytes(), &links), &[&shown.string_to_sign])
        }
    };
    constant_time::eq(&tag, &shown.signature)
}

fn in_time(shown: &Signed, now: Timestamp) -> Result<(), CredentialFault> {
    let (signed_at_s, valid_s, now_s) = (shown.signed_at_s, shown.valid_s, now.unix_s());
    if signed_at_s > now_s.saturating_add(SIGNATURE_SKEW_S_MAX) {
        return Err(CredentialFault::TooNew { signed_at_s, now_s });
    }
    if now_s > signed_at_s.saturating_add(valid_s) {
        return Err(CredentialFault::TooOld { signed_at_s, now_s, valid_s });
    }
    Ok(())
}

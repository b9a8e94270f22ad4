//! What is done with a key: one function an operation, on one thing. Batches and shared operations call the same. Nothing
//! here may know a wire, or let a key be used against its state, usage or minimum versions.

use crate::transit::counter::{Counter, Spent};
use crate::transit::model::{KeyName, KeyRecord, Material};
use crate::transit::{aliases, manage, regions};
use cardea_crypto::keys::KeyError;
use cardea_model::key::{
    HashAlgorithm, Key, KeyFamily, KeyFault, KeyRef, KeyState, KeyUsage, RotationCause, SigningScheme, ToSign,
};
use cardea_model::{Cause, Error, SecretBytes, Timestamp};
use cardea_sdk::Context;
use cardea_sdk::compute::give_way;
use std::sync::Arc;

/// What an error of the cipher crate means to a caller.
#[must_use]
pub fn refused(error: KeyError) -> Error {
    match error {
        KeyError::WrongOperation => KeyFault::Usage.error(),
        KeyError::WrongScheme => KeyFault::Scheme.error(),
        KeyError::PublicOnly => KeyFault::PublicOnly.error(),
        KeyError::Malformed => KeyFault::Material.error(),
        KeyError::DigestLength => KeyFault::DigestLength.error(),
        KeyError::TooLong => KeyFault::TooLong.error(),
        KeyError::Refused => KeyFault::Ciphertext.error(),
        KeyError::Library => Error::internal("the cipher library failed"),
    }
}

/// A key, to be looked at.
///
/// # Errors
/// Not found.
pub async fn find(cx: &mut Context<'_>, name: &str) -> Result<Arc<KeyRecord>, Error> {
    let found = cx.state.peek::<KeyRecord>(name).await?;
    let found = found.filter(|record| !is_past(&record.0, cx.now)).ok_or_else(Error::not_found)?;
    if found.0.regions.is_none() && !found.0.is_stale(cx.now) {
        return Ok(found);
    }
    let mut settled = (*found).clone();
    regions::settle(cx, &mut settled.0).await?;
    settled.0.settle(cx.now);
    if is_past(&settled.0, cx.now) { Err(Error::not_found()) } else { Ok(Arc::new(settled)) }
}

/// Whether the time of a key's scheduled deletion has come: from then on it is not there, whoever removes it.
#[must_use]
pub fn is_past(key: &Key, now: Timestamp) -> bool {
    matches!(key.state, KeyState::PendingDeletion(at) if at <= now)
}

/// Whether a key is known in a region: one of a set is in its own alone.
#[must_use]
pub fn is_in(key: &Key, region: Option<&str>) -> bool {
    match (&key.regions, region) {
        (Some(its), Some(region)) => its.region == region,
        _ => true,
    }
}

/// The name behind an id or an alias.
///
/// # Errors
/// Only the store's.
pub async fn name_of(cx: &mut Context<'_>, key: &KeyRef) -> Result<Option<String>, Error> {
    match key {
        KeyRef::Name(name) => Ok(Some(name.clone())),
        KeyRef::Id(id) => Ok(cx.state.peek::<KeyName>(id).await?.map(|found| found.name.clone())),
        KeyRef::RegionalId { id, region } => {
            let index = regions::index_of(id, region);
            Ok(cx.state.peek::<KeyName>(&index).await?.map(|found| found.name.clone()))
        }
        KeyRef::Alias(alias) => aliases::resolve(cx, alias, None).await,
        KeyRef::RegionalAlias { alias, region } => aliases::resolve(cx, alias, Some(region)).await,
    }
}

/// The state that keeps a key from being used, if there is one.
///
/// # Errors
/// See [`KeyFault`].
pub fn in_use(key: &Key) -> Result<(), Error> {
    match key.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => Err(KeyFault::Disabled.error()),
        KeyState::PendingDeletion(_) | KeyState::PendingReplicaDeletion { .. } => {
            Err(KeyFault::PendingDeletion.error())
        }
        KeyState::PendingImport => Err(KeyFault::PendingImport.error()),
        KeyState::SoftDeleted => Err(KeyFault::SoftDeleted.error()),
    }
}

/// That a key is not about to be gone.
///
/// # Errors
/// [`KeyFault::PendingDeletion`].
pub fn stays(key: &Key) -> Result<(), Error> {
    match key.state {
        KeyState::PendingDeletion(_) | KeyState::PendingReplicaDeletion { .. } => {
            Err(KeyFault::PendingDeletion.error())
        }
        _ => Ok(()),
    }
}

fn usable(key: &Key, usage: KeyUsage) -> Result<(), Error> {
    in_use(key)?;
    if key.allows(usage) { Ok(()) } else { Err(KeyFault::Usage.error()) }
}

/// One version's material.
///
/// # Errors
/// A version that is not there (any more); [`KeyFault::PendingImport`] where its imported material is not.
pub async fn material(cx: &mut Context<'_>, key: &Key, version: u64) -> Result<Arc<Material>, Error> {
    if key.version(version).is_some_and(|version| !version.is_there(cx.now)) {
        return Err(KeyFault::PendingImport.error());
    }
    let found = cx.state.peek::<Material>(&Material::name(&key.id, version)).await?;
    found.ok_or_else(|| Error::invalid("the key version does not exist or is no longer valid"))
}

/// A key that is about to make something: rotated first if its time has come, or if `seals` messages more are too many
/// for its newest version.
///
/// # Errors
/// Not found, a state that forbids it, and what rotating says.
pub async fn ready(cx: &mut Context<'_>, counter: &Counter, name: &str, seals: u64) -> Result<Arc<KeyRecord>, Error> {
    let mut found = find(cx, name).await?;
    in_use(&found.0)?;
    let due = found.0.next_rotation().is_some_and(|at| at <= cx.now);
    if due && manage::may_rotate(&found.0).is_ok() {
        found = Arc::new(manage::rotate(cx, name, RotationCause::Due).await?);
    }
    if seals == 0 || !is_counted(&found.0) {
        return Ok(found);
    }
    if counter.spend(cx, &found.0.id, found.0.latest, seals).await? == Spent::Exhausted {
        found = Arc::new(manage::rotate(cx, name, RotationCause::Due).await?);
        if counter.spend(cx, &found.0.id, found.0.latest, seals).await? == Spent::Exhausted {
            return Err(Error::new(Cause::TooLarge, "too many messages in one request"));
        }
    }
    Ok(found)
}

/// Whether messages under a key have random nonces, which run out.
fn is_counted(key: &Key) -> bool {
    key.algorithm.family() == KeyFamily::Aead && !key.settings.convergent
}

/// The version that makes something; 0 asks for the newest.
///
/// # Errors
/// Newer than the newest, or below the minimum.
pub fn making_version(key: &Key, wanted: u64) -> Result<u64, Error> {
    match wanted {
        0 => Ok(key.latest),
        wanted if wanted > key.latest => {
            Err(Error::invalid("requested version for encryption is higher than the latest key version"))
        }
        wanted if wanted < key.settings.min_encryption => {
            Err(Error::invalid("requested version for encryption is less than the minimum encryption key version"))
        }
        wanted if wanted < key.settings.min_decryption => {
            Err(Error::invalid("ciphertext or signature version is disallowed by policy (too old)"))
        }
        wanted => Ok(wanted),
    }
}

/// The version that opens or checks something.
///
/// # Errors
/// Newer than the newest, or below the minimum.
pub fn reading_version(key: &Key, wanted: u64) -> Result<u64, Error> {
    match wanted {
        0 => Ok(key.latest),
        wanted if wanted > key.latest => Err(Error::invalid("invalid ciphertext: version is too new")),
        wanted if wanted < key.settings.min_decryption => {
            Err(Error::invalid("ciphertext or signature version is disallowed by policy (too old)"))
        }
        wanted => Ok(wanted),
    }
}

/// Keeps the keys of contexts apart from everything else that is derived from a key.
pub const CONTEXT_SALT: &[u8] = b"cardea transit context 1";

/// What every use of a key may bring along.
#[derive(Clone, Copy, Default)]
pub struct Along<'a> {
    /// For keys that derive one key a context.
    pub context: &'a [u8],
    /// Authenticated and not stored; AEAD alone.
    pub aad: &'a [u8],
    /// 0 is the newest.
    pub version: u64,
}

const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, which means \
                          additional, per-request information must be included in order to perform operations with the key";

/// Checks that a context is there exactly where one is needed, and returns whether it is.
fn derives(key: &Key, along: &Along<'_>) -> Result<bool, Error> {
    match (key.settings.derived, along.context.is_empty()) {
        (true, true) => Err(Error::invalid(NO_CONTEXT)),
        (derived, _) => Ok(derived),
    }
}

/// Encrypts one message. The caller has counted it, if it asked for the newest version.
///
/// # Errors
/// A state, usage, version or size that forbids it.
pub async fn seal(
    cx: &mut Context<'_>,
    counter: &Counter,
    key: &Key,
    along: Along<'_>,
    oaep: HashAlgorithm,
    plaintext: &[u8],
) -> Result<(u64, Vec<u8>), Error> {
    usable(key, KeyUsage::Encrypt)?;
    let version = making_version(key, along.version)?;
    if version != key.latest && is_counted(key) && counter.spend(cx, &key.id, version, 1).await? == Spent::Exhausted {
        return Err(Error::invalid("this key version has sealed as many messages as it may: use a newer one"));
    }
    let material = material(cx, key, version).await?;
    let derived =
        derives(key, &along)?.then(|| material.key.derive(CONTEXT_SALT, along.context)).transpose().map_err(refused)?;
    let using = derived.as_ref().unwrap_or(&material.key);
    let sealed = match key.algorithm.family() {
        KeyFamily::Rsa if !along.aad.is_empty() => {
            return Err(Error::invalid("associated data is only supported by AEAD key types"));
        }
        KeyFamily::Rsa => using.rsa_encrypt(oaep, plaintext),
        _ if key.settings.convergent => using.seal_convergent(along.aad, plaintext),
        _ => using.seal(along.aad, plaintext, cx.rng),
    };
    Ok((version, sealed.map_err(refused)?))
}

/// Decrypts one message.
///
/// # Errors
/// A state, usage or version that forbids it; [`KeyFault::Ciphertext`] for everything that does not open.
pub async fn open(
    cx: &mut Context<'_>,
    key: &Key,
    along: Along<'_>,
    oaep: HashAlgorithm,
    sealed: &[u8],
) -> Result<SecretBytes, Error> {
    usable(key, KeyUsage::Encrypt)?;
    let version = reading_version(key, along.version)?;
    let material = material(cx, key, version).await?;
    let derived =
        derives(key, &along)?.then(|| material.key.derive(CONTEXT_SALT, along.context)).transpose().map_err(refused)?;
    let using = derived.as_ref().unwrap_or(&material.key);
    match key.algorithm.family() {
        KeyFamily::Rsa => {
            give_way().await;
            using.rsa_decrypt(oaep, sealed)
        }
        _ => using.open(along.aad, sealed),
    }
    .map_err(refused)
}

/// A signature, and what verifies it where the key was derived.
pub struct Signed {
    pub version: u64,
    pub signature: Vec<u8>,
    pub derived_public: Option<Vec<u8>>,
}

/// Signs one message or digest.
///
/// # Errors
/// A state, usage, version or scheme that forbids it.
pub async fn sign(
    cx: &mut Context<'_>,
    key: &Key,
    along: Along<'_>,
    scheme: SigningScheme,
    input: ToSign<'_>,
) -> Result<Signed, Error> {
    usable(key, KeyUsage::Sign)?;
    let version = making_version(key, along.version)?;
    let material = material(cx, key, version).await?;
    let derived =
        derives(key, &along)?.then(|| material.key.derive(CONTEXT_SALT, along.context)).transpose().map_err(refused)?;
    let using = derived.as_ref().unwrap_or(&material.key);
    let signature = using.sign(scheme, input).map_err(refused)?;
    if key.algorithm.is_asymmetric() {
        give_way().await;
    }
    let derived_public = derived.as_ref().map(|key| key.public_raw()).transpose().map_err(refused)?;
    Ok(Signed { version, signature, derived_public })
}

/// Whether a signature is valid under any of the schemes.
///
/// # Errors
/// As [`sign`].
pub async fn verify(
    cx: &mut Context<'_>,
    key: &Key,
    along: Along<'_>,
    schemes: &[SigningScheme],
    input: ToSign<'_>,
    signature: &[u8],
) -> Result<bool, Error> {
    usable(key, KeyUsage::Sign)?;
    let version = reading_version(key, along.version)?;
    let material = material(cx, key, version).await?;
    let derived =
        derives(key, &along)?.then(|| material.key.derive(CONTEXT_SALT, along.context)).transpose().map_err(refused)?;
    let using = derived.as_ref().unwrap_or(&material.key);
    for scheme in schemes {
        if using.verify(*scheme, input, signature).map_err(refused)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The MAC of one message. A key that is no MAC key has one beside it.
///
/// # Errors
/// A state, version or hash that forbids it.
pub async fn mac(
    cx: &mut Context<'_>,
    key: &Key,
    version: u64,
    hash: HashAlgorithm,
    input: &[u8],
) -> Result<(u64, Vec<u8>), Error> {
    in_use(key)?;
    let version = making_version(key, version)?;
    let material = material(cx, key, version).await?;
    let using = material.mac.as_ref().unwrap_or(&material.key);
    Ok((version, using.mac(hash, input).map_err(refused)?))
}

/// Whether a MAC is valid.
///
/// # Errors
/// As [`mac`].
pub async fn verify_mac(
    cx: &mut Context<'_>,
    key: &Key,
    version: u64,
    hash: HashAlgorithm,
    input: &[u8],
    shown: &[u8],
) -> Result<bool, Error> {
    in_use(key)?;
    let version = reading_version(key, version)?;
    let material = material(cx, key, version).await?;
    let using = material.mac.as_ref().unwrap_or(&material.key);
    using.verify_mac(hash, input, shown).map_err(refused)
}

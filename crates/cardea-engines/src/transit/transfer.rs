//! Keys that come and go: import under a wrapping key, export, backups. Material leaves only where the key's owner allowed
//! it, and never again becomes a secret of this server alone.

use crate::transit::model::{ImportRecord, KeyName, KeyRecord, Material, Purge, StoredMaterial, WRAPPING_NAME};
use crate::transit::{actions, documents, manage, ops, regions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::keys::{self, KeyMaterial};
use cardea_crypto::random::random_array;
use cardea_crypto::{constant_time, mac};
use cardea_model::key::{
    Attachments, HashAlgorithm, ImportedMaterial, Key, KeyAlgorithm, KeyFamily, KeyFault, KeyOrigin, KeyState,
    KeyUsage, NewKey, check_key_name,
};
use cardea_model::{Action, Error, SecretBytes, SecretText, Timestamp, TtlSeconds};
use cardea_sdk::Context;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of the wrapped ephemeral key at the front of an import: the modulus of the wrapping key.
const WRAPPED_KEY_BYTES: usize = 512;
/// Most versions that a backup may hold: each is a record of its own, and a commit has 96 operations.
pub const BACKUP_VERSIONS_MAX: usize = 48;
const BACKUP_FORM: u64 = 1;

/// The key that imports are wrapped for, made when it is first asked for.
///
/// # Errors
/// Only the store's and the library's.
pub async fn wrapping_key(cx: &mut Context<'_>) -> Result<Arc<Material>, Error> {
    if let Some(found) = cx.state.peek::<Material>(WRAPPING_NAME).await? {
        return Ok(found);
    }
    let key = manage::material(cx, KeyAlgorithm::Rsa4096, 0).await?;
    let material = Material { key, mac: None };
    cx.state.put(WRAPPING_NAME, &material)?;
    Ok(Arc::new(material))
}

/// Material that somebody brings.
#[derive(Debug)]
pub enum Brought {
    /// An ephemeral AES key under the wrapping key, and the material under that (RFC 5649).
    Wrapped { ciphertext: Vec<u8>, hash: HashAlgorithm },
    /// A public key alone, as PEM.
    Public(String),
}

async fn read(cx: &mut Context<'_>, algorithm: KeyAlgorithm, brought: &Brought) -> Result<KeyMaterial, Error> {
    match brought {
        Brought::Public(pem) => KeyMaterial::import_public(algorithm, pem.as_bytes()).map_err(ops::refused),
        Brought::Wrapped { ciphertext, hash } => {
            let wrapping = cx.state.peek::<Material>(WRAPPING_NAME).await?;
            let wrapping = wrapping.ok_or_else(|| Error::invalid("no wrapping key was read from this mount yet"))?;
            let broken = |_| KeyFault::WrappedMaterial.error();
            let (wrapped, rest) = ciphertext
                .split_at_checked(WRAPPED_KEY_BYTES)
                .ok_or_else(|| Error::invalid("the imported key material is too short"))?;
            let ephemeral = wrapping.key.rsa_decrypt(*hash, wrapped).map_err(broken)?;
            let material = keys::unwrap_padded(ephemeral.expose(), rest).map_err(broken)?;
            KeyMaterial::import(algorithm, material.expose()).map_err(ops::refused)
        }
    }
}

/// Makes a key of imported material.
///
/// # Errors
/// [`KeyFault::Exists`], [`KeyFault::Material`], settings that no key may have.
pub async fn import(cx: &mut Context<'_>, name: &str, new: &NewKey, brought: &Brought) -> Result<KeyRecord, Error> {
    if cx.state.exists::<KeyRecord>(name).await? {
        return Err(Error::invalid("the import path cannot be used with an existing key; use import_version instead"));
    }
    let material = read(cx, new.algorithm, brought).await?;
    let mut key = manage::new_key(cx, Some(name), new)?;
    key.origin = KeyOrigin::Imported;
    manage::add_version(cx, &mut key, material, KeyOrigin::Imported)?;
    manage::insert(cx, key).await
}

/// Adds a version of imported material to a key that was imported itself, or gives a version that has its public half
/// alone the private one.
///
/// # Errors
/// Not found; a key that was generated here; [`KeyFault::Material`].
pub async fn import_version(
    cx: &mut Context<'_>,
    name: &str,
    version: Option<u64>,
    brought: &Brought,
) -> Result<KeyRecord, Error> {
    let mut key = manage::changing(cx, name).await?;
    regions::leads(&key)?;
    let waiting = key.latest == 0;
    if key.origin != KeyOrigin::Imported && !waiting {
        return Err(Error::invalid("the import_version endpoint can only be used with an imported key"));
    }
    let material = read(cx, key.algorithm, brought).await?;
    key.origin = KeyOrigin::Imported;
    match version {
        None => manage::add_version(cx, &mut key, material, KeyOrigin::Imported)?,
        Some(number) => {
            if !key.version(number).is_some_and(|at| at.public_only) {
                return Err(Error::invalid("only a version without private key material can be completed"));
            }
            let before = ops::material(cx, &key, number).await?;
            if material.spki().map_err(ops::refused)? != before.key.spki().map_err(ops::refused)? {
                return Err(Error::invalid("the private key does not belong to the version's public key"));
            }
            let stored = before.to_stored();
            let mac = Material::from_stored(&stored)?.mac;
            if let Some(at) = key.versions.iter_mut().find(|at| at.number == number) {
                at.public_only = material.is_public_only();
            }
            cx.state.put(&Material::name(&key.id, number), &Material { key: material, mac })?;
        }
    }
    manage::store(cx, key).await
}

/// Seconds that a wrapping key for one key's material is good for; AWS's day.
const IMPORT_S: u64 = 86_400;
const TOKEN_BYTES: usize = 32;

/// A wrapping key for the material of one key, and the token that belongs to it.
///
/// # Errors
/// Not found; a key that was generated here; a wrapping key that is not RSA.
pub async fn import_parameters(
    cx: &mut Context<'_>,
    name: &str,
    wrapping: KeyAlgorithm,
) -> Result<(Key, Vec<u8>, Vec<u8>, Timestamp), Error> {
    let record = ops::find(cx, name).await?;
    let key = record.0.clone();
    regions::leads(&key)?;
    if key.origin != KeyOrigin::Imported && key.state != KeyState::PendingImport {
        return Err(KeyFault::Usage.error());
    }
    if wrapping.family() != KeyFamily::Rsa {
        return Err(KeyFault::Scheme.error());
    }
    let pair = manage::material(cx, wrapping, 0).await?;
    let spki = pair.spki().map_err(ops::refused)?.to_vec();
    let token: [u8; TOKEN_BYTES] = random_array(cx.rng);
    let expires = cx.now.plus(TtlSeconds(IMPORT_S));
    let wrapping = Material { key: pair, mac: None }.to_stored();
    let awaited = ImportRecord { wrapping, token_hash: token_hash(&token), expires };
    cx.state.put(&key.id, &awaited)?;
    Ok((key, spki, token.to_vec(), expires))
}

fn token_hash(token: &[u8]) -> String {
    BASE64.encode(mac::sha256(&[token]))
}

/// Unwraps material that was awaited.
///
/// # Errors
/// [`KeyFault::ImportToken`], [`KeyFault::WrappedMaterial`].
pub async fn unwrap_import(
    cx: &mut Context<'_>,
    name: &str,
    material: &ImportedMaterial,
) -> Result<SecretBytes, Error> {
    let (token, hash, wrapped, by_aes) = match material {
        ImportedMaterial::Plain(material) => return Ok(material.duplicate()),
        ImportedMaterial::Oaep { token, hash, wrapped } => (token, *hash, wrapped, false),
        ImportedMaterial::OaepAes { token, hash, wrapped } => (token, *hash, wrapped, true),
    };
    let record = ops::find(cx, name).await?;
    let awaited = cx.state.get::<ImportRecord>(&record.0.id).await?;
    let good = |awaited: &ImportRecord| {
        constant_time::eq(awaited.token_hash.as_bytes(), token_hash(token).as_bytes()) && awaited.expires > cx.now
    };
    let awaited = awaited.filter(good).ok_or_else(|| KeyFault::ImportToken.error())?;
    let wrapping = Material::from_stored(&awaited.wrapping)?.key;
    let broken = |_| KeyFault::WrappedMaterial.error();
    if !by_aes {
        return wrapping.rsa_decrypt(hash, wrapped).map_err(broken);
    }
    let modulus_bytes = match wrapping.algorithm() {
        KeyAlgorithm::Rsa2048 => 256,
        KeyAlgorithm::Rsa3072 => 384,
        _ => 512,
    };
    let (front, rest) = wrapped.split_at_checked(modulus_bytes).ok_or_else(|| KeyFault::WrappedMaterial.error())?;
    let ephemeral = wrapping.rsa_decrypt(hash, front).map_err(broken)?;
    keys::unwrap_padded(ephemeral.expose(), rest).map_err(broken)
}

/// The material of versions under another key of this mount, in the form that imports have.
///
/// # Errors
/// As [`export`]; a destination that is no RSA key or may not encrypt.
pub async fn export_wrapped(
    cx: &mut Context<'_>,
    destination: &str,
    source: &str,
    versions: ExportVersions,
    hash: HashAlgorithm,
) -> Result<Vec<(u64, SecretText)>, Error> {
    let to = ops::find(cx, destination).await?;
    // Policies were asked about both keys by one path; what is attached to this one was not.
    if !to.0.attached.is_none() {
        let attached = documents::of_key(cx, &to.0, actions::re_encrypted(&[], Some(hash))).await?;
        let path = format!("{}byok-export/{destination}/{source}", cx.mount.path);
        if !cx.rights.allows_with(Action::Read, &path, &attached) {
            return Err(Error::denied());
        }
    }
    ops::in_use(&to.0)?;
    if to.0.algorithm.family() != KeyFamily::Rsa || !to.0.allows(KeyUsage::Encrypt) {
        return Err(Error::invalid("the destination of a wrapped export has to be an RSA key"));
    }
    let wrapping = ops::material(cx, &to.0, to.0.latest).await?;
    let record = ops::find(cx, source).await?;
    ops::in_use(&record.0)?;
    if !record.0.settings.exportable {
        return Err(Error::invalid("private key material is not exportable"));
    }
    let mut out = Vec::new();
    for number in exported_versions(&record.0, versions) {
        let material = ops::material(cx, &record.0, number).await?;
        let raw = material.key.export_pkcs8().or_else(|_| material.key.export_raw()).map_err(ops::refused)?;
        let ephemeral: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(cx.rng));
        let front = wrapping.key.rsa_encrypt(hash, &*ephemeral).map_err(ops::refused)?;
        let rest = keys::wrap_padded(&*ephemeral, raw.expose()).map_err(ops::refused)?;
        out.push((number, SecretText::new(BASE64.encode([front, rest].concat()))));
    }
    match out.is_empty() {
        true => Err(Error::invalid("version does not exist or is no longer valid")),
        false => Ok(out),
    }
}

/// Numbers of the versions that are still valid and wanted.
fn exported_versions(key: &Key, versions: ExportVersions) -> Vec<u64> {
    let from = key.settings.min_decryption.max(key.oldest);
    let wanted = |number: &u64| match versions {
        ExportVersions::All => true,
        ExportVersions::Latest => *number == key.latest,
        ExportVersions::One(one) => *number == one,
    };
    key.versions.iter().map(|version| version.number).filter(|number| *number >= from).filter(wanted).collect()
}

/// What an export is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportKind {
    Encryption,
    Signing,
    Mac,
    Public,
}

/// Which versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportVersions {
    All,
    Latest,
    One(u64),
}

/// The material of versions, in the form that Vault's clients know.
///
/// # Errors
/// Not found; a key that is not exportable or not of the kind; a version that is not there.
pub async fn export(
    cx: &mut Context<'_>,
    name: &str,
    kind: ExportKind,
    versions: ExportVersions,
) -> Result<Vec<(u64, SecretText)>, Error> {
    let record = ops::find(cx, name).await?;
    let key = &record.0;
    if kind != ExportKind::Public {
        ops::in_use(key)?;
        if !key.settings.exportable {
            return Err(Error::invalid("private key material is not exportable"));
        }
    }
    let offered = match kind {
        ExportKind::Encryption => key.allows(KeyUsage::Encrypt),
        ExportKind::Signing => key.allows(KeyUsage::Sign),
        ExportKind::Public => key.algorithm.is_asymmetric(),
        ExportKind::Mac => true,
    };
    if !offered {
        return Err(Error::invalid("this form of export is not supported for the key type"));
    }
    let mut out = Vec::new();
    for number in exported_versions(key, versions) {
        let material = ops::material(cx, key, number).await?;
        out.push((number, exported(&material, kind)?));
    }
    if out.is_empty() {
        return Err(Error::invalid("version does not exist or is no longer valid"));
    }
    Ok(out)
}

fn exported(material: &Material, kind: ExportKind) -> Result<SecretText, Error> {
    let raw = |key: &KeyMaterial| {
        key.export_raw().map(|raw| SecretText::new(BASE64.encode(raw.expose()))).map_err(ops::refused)
    };
    match kind {
        ExportKind::Mac => raw(material.mac.as_ref().unwrap_or(&material.key)),
        ExportKind::Public => public_text(&material.key).map(SecretText::new),
        ExportKind::Encryption | ExportKind::Signing => match material.key.algorithm().family() {
            KeyFamily::Aead | KeyFamily::Hmac | KeyFamily::MlKem => raw(&material.key),
            KeyFamily::Ed25519 => {
                // Seed and public half side by side, as Go's library keeps such keys.
                let seed = material.key.export_raw().map_err(ops::refused)?;
                let public = material.key.public_raw().map_err(ops::refused)?;
                let both = Zeroizing::new([seed.expose(), &public].concat());
                Ok(SecretText::new(BASE64.encode(&*both)))
            }
            KeyFamily::Rsa | KeyFamily::Ec => {
                let (label, der) = material.key.export_traditional().map_err(ops::refused)?;
                Ok(SecretText::new(keys::pem(label, der.expose()).to_string()))
            }
            KeyFamily::MlDsa => {
                let der = material.key.export_pkcs8().map_err(ops::refused)?;
                Ok(SecretText::new(keys::pem("PRIVATE KEY", der.expose()).to_string()))
            }
        },
    }
}

/// A public key as Vault shows it: PEM, but base64 of the raw key for Ed25519.
///
/// # Errors
/// Symmetric keys have none.
pub fn public_text(key: &KeyMaterial) -> Result<String, Error> {
    match key.algorithm() {
        KeyAlgorithm::Ed25519 => key.public_raw().map(|raw| BASE64.encode(raw)).map_err(ops::refused),
        _ => key.spki().map(|spki| keys::pem("PUBLIC KEY", spki).to_string()).map_err(ops::refused),
    }
}

/// A key with all its material, readable by whoever holds it.
#[derive(Serialize, Deserialize)]
struct Backup {
    form: u64,
    key: Key,
    material: Vec<(u64, StoredMaterial)>,
}

/// A backup of a key.
///
/// # Errors
/// Not found, or its owner did not allow it.
pub async fn backup(cx: &mut Context<'_>, name: &str) -> Result<SecretText, Error> {
    let record = ops::find(cx, name).await?;
    let key = &record.0;
    ops::in_use(key)?;
    if !key.settings.exportable {
        return Err(Error::invalid("exporting is disallowed on the policy"));
    }
    if !key.settings.plaintext_backup {
        return Err(Error::invalid("plaintext backup is disallowed on the policy"));
    }
    let mut material = Vec::new();
    for version in &key.versions {
        material.push((version.number, ops::material(cx, key, version.number).await?.to_stored()));
    }
    let backup = Backup { form: BACKUP_FORM, key: key.clone(), material };
    let text = serde_json::to_string(&backup).map_err(|_| Error::internal("a backup could not be written"))?;
    let text = Zeroizing::new(text);
    Ok(SecretText::new(BASE64.encode(text.as_bytes())))
}

/// The name that a backup would be restored under by itself.
#[must_use]
pub fn name_in(backup: &SecretText) -> Option<String> {
    let text = Zeroizing::new(BASE64.decode(backup.expose().trim()).ok()?);
    serde_json::from_slice::<Backup>(&text).ok().map(|backup| backup.key.name)
}

/// Brings a key back, under its own name or another.
///
/// # Errors
/// A key of that name, unless `force`; what is no backup of this system.
pub async fn restore(cx: &mut Context<'_>, name: Option<&str>, backup: &SecretText, force: bool) -> Result<(), Error> {
    let broken = || Error::invalid("backup is not one of this server's");
    let text = Zeroizing::new(BASE64.decode(backup.expose().trim()).map_err(|_| broken())?);
    let Backup { form, mut key, material } = serde_json::from_slice(&text).map_err(|_| broken())?;
    let numbers = key.versions.iter().map(|version| version.number);
    let whole = numbers.eq(material.iter().map(|(number, _)| *number));
    let ascending = material.is_sorted_by(|a, b| a.0 < b.0);
    let last = material.last().map(|(number, _)| *number);
    if form != BACKUP_FORM || !whole || !ascending || last != Some(key.latest) || key.latest == u64::MAX {
        return Err(broken());
    }
    if material.len() > BACKUP_VERSIONS_MAX {
        return Err(KeyFault::TooManyVersions.error());
    }
    if let Some(name) = name {
        key.name = name.to_owned();
    }
    check_key_name(&key.name)?;
    // It comes back alone, and without what waited.
    key.pending = None;
    if key.regions.take().is_some() {
        key.id = manage::new_id(cx);
    }
    if uuid::Uuid::parse_str(&key.id).map(|id| id.to_string()).ok().as_ref() != Some(&key.id) {
        return Err(broken());
    }
    if let Some(there) = cx.state.get::<KeyRecord>(&key.name).await? {
        if !force {
            return Err(Error::invalid("key already exists"));
        }
        manage::remove(cx, there.0).await?;
    }
    // What was attached to the key that was backed up stayed there.
    key.attached = Attachments::default();
    key.settings.min_decryption = key.settings.min_decryption.max(1);
    let usages = key.algorithm.usages();
    if key.usages.iter().any(|usage| !usages.contains(usage)) {
        return Err(broken());
    }
    // Two keys of one id would share records, and one whose old records still wait to be removed would lose its new ones.
    let leftovers = cx.state.names::<Purge>(&format!("{}/", key.id), None, 1).await?;
    if !leftovers.is_empty() || cx.state.exists::<KeyName>(&key.id).await? {
        key.id = manage::new_id(cx);
    }
    for (number, stored) in &material {
        let one = Material::from_stored(stored).map_err(|_| broken())?;
        if one.key.algorithm() != key.algorithm {
            return Err(broken());
        }
        cx.state.put(&Material::name(&key.id, *number), &one)?;
    }
    manage::insert(cx, key).await.map(|_| ())
}

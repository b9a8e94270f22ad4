//! The life of a key: made, rotated, configured, trimmed and deleted. Import, export and backups stand in `transfer`. A
//! pointer and the material that it points to change in one transaction; nothing here may leave a version without either.

use crate::transit::model::{
    CONFIG_NAME, Config, Doomed, ImportRecord, KeyName, KeyRecord, LastUse, Material, Purge, StoredDocument,
};
use crate::transit::{documents, grants, imported, names, ops, regions};
use cardea_crypto::keys::KeyMaterial;
use cardea_crypto::random::SystemRandomness;
use cardea_model::key::{
    Attachments, KEY_TAGS_MAX, Key, KeyAlgorithm, KeyChange, KeyFamily, KeyFault, KeyOrigin, KeySettings, KeyState,
    KeyVersion, NewKey, RotationCause, check_key_name,
};
use cardea_model::limit::{METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX};
use cardea_model::{Error, TtlSeconds};
use cardea_sdk::compute::compute;
use cardea_sdk::purge::Purges;
use cardea_sdk::{Context, purge};
use std::sync::Arc;

/// Most versions of one key. Their states stand in one record of some 150 bytes each.
pub const VERSIONS_MAX: usize = 1000;
/// Most versions of all keys of a set together: each of the set has a record with all of them, and all change in one commit of 1 MiB.
const SET_VERSIONS_MAX: usize = 3000;
/// Material that one request removes at once: with the records around it it stays below the 96 operations of a commit.
pub const REMOVED_MAX: usize = 24;
/// Versions of a key whose time has come that one request removes beside what it does itself.
const BURIED_MAX: usize = 4;
/// Shortest period of automatic rotation in seconds, as Vault documents it.
pub const AUTO_ROTATE_S_MIN: u64 = 3600;
/// Longest text of a dialect's attribute in bytes: AWS's largest key policy.
const ATTRIBUTE_BYTES_MAX: usize = 32 * 1024;

/// A fresh random id.
pub fn new_id(cx: &Context<'_>) -> String {
    let mut bytes = [0u8; 16];
    cx.rng.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Settings of the mount.
///
/// # Errors
/// Only the store's.
pub async fn config(cx: &mut Context<'_>) -> Result<Arc<Config>, Error> {
    Ok(cx.state.peek::<Config>(CONFIG_NAME).await?.unwrap_or_default())
}

/// Changes the settings of the mount.
///
/// # Errors
/// Only the store's.
pub async fn change_config(cx: &mut Context<'_>, disable_upsert: Option<bool>) -> Result<Arc<Config>, Error> {
    let mut config = (*config(cx).await?).clone();
    if let Some(disable_upsert) = disable_upsert {
        config.disable_upsert = disable_upsert;
        cx.state.put(CONFIG_NAME, &config)?;
    }
    Ok(Arc::new(config))
}

fn check_settings(algorithm: KeyAlgorithm, settings: &KeySettings) -> Result<(), Error> {
    if settings.convergent && !settings.derived {
        return Err(Error::invalid("convergent encryption requires derivation to be enabled"));
    }
    if settings.derived && !names::derives(algorithm) {
        return Err(Error::invalid("derivation is not supported for this key type"));
    }
    if settings.convergent && algorithm.family() != KeyFamily::Aead {
        return Err(Error::invalid("convergent encryption is not supported for this key type"));
    }
    check_period(settings.auto_rotate_s)
}

fn check_period(seconds: u64) -> Result<(), Error> {
    match seconds {
        0 => Ok(()),
        seconds if seconds < AUTO_ROTATE_S_MIN => {
            Err(Error::invalid("auto rotate period must be 0 to disable or at least an hour"))
        }
        _ => Ok(()),
    }
}

/// A key without versions, not yet stored.
///
/// # Errors
/// A name or settings that no key may have.
pub fn new_key(cx: &Context<'_>, name: Option<&str>, new: &NewKey) -> Result<Key, Error> {
    let id = match new.region {
        Some(_) => format!("mrk-{}", new_id(cx).replace('-', "")),
        None => new_id(cx),
    };
    let name = name.unwrap_or(&id).to_owned();
    check_key_name(&name)?;
    check_settings(new.algorithm, &new.settings)?;
    let usages = if new.usages.is_empty() { new.algorithm.usages().to_vec() } else { new.usages.clone() };
    if usages.iter().any(|usage| !new.algorithm.usages().contains(usage)) {
        return Err(KeyFault::Usage.error());
    }
    let settings = KeySettings { min_decryption: new.settings.min_decryption.max(1), ..new.settings.clone() };
    Ok(Key {
        regions: new.region.as_deref().map(|region| regions::first(region, &name)),
        id,
        name,
        algorithm: new.algorithm,
        usages,
        origin: KeyOrigin::Generated,
        created: cx.now,
        state: if new.without_material { KeyState::PendingImport } else { KeyState::Enabled },
        settings,
        latest: 0,
        oldest: 0,
        versions: Vec::new(),
        pending: None,
        uses_kept_from: Some(cx.now),
        description: new.description.clone(),
        tags: new.tags.clone(),
        attributes: new.attributes.clone(),
        attached: Attachments::default(),
    })
}

/// Stores a key that was not there, with its index.
///
/// # Errors
/// [`KeyFault::Exists`].
pub async fn insert(cx: &mut Context<'_>, key: Key) -> Result<KeyRecord, Error> {
    if let Some(there) = cx.state.get::<KeyRecord>(&key.name).await? {
        if !ops::is_past(&there.0, cx.now) {
            return Err(KeyFault::Exists.error());
        }
        remove(cx, there.0).await?;
    }
    cx.state.put(&regions::index_name(&key), &KeyName { name: key.name.clone() })?;
    let record = KeyRecord(key);
    cx.state.put(&record.0.name, &record)?;
    Ok(record)
}

/// Makes a key with its first version.
///
/// # Errors
/// [`KeyFault::Exists`], and what [`new_key`] says.
pub async fn create(cx: &mut Context<'_>, name: Option<&str>, new: &NewKey) -> Result<KeyRecord, Error> {
    let mut key = new_key(cx, name, new)?;
    sweep(cx).await?;
    if !new.without_material {
        generate(cx, &mut key).await?;
    }
    if let Some(document) = &new.document {
        documents::attach(cx, &mut key, document)?;
    }
    insert(cx, key).await
}

/// Fresh material. RSA keys are looked for on the side, with the library's own randomness (the only one it takes for them):
/// they take long enough to keep a thread from everybody else's requests.
///
/// # Errors
/// Only the library's.
pub async fn material(cx: &mut Context<'_>, algorithm: KeyAlgorithm, bytes: usize) -> Result<KeyMaterial, Error> {
    match algorithm.family() {
        KeyFamily::Rsa => compute(move || KeyMaterial::generate(algorithm, bytes, &SystemRandomness)).await?,
        _ => KeyMaterial::generate(algorithm, bytes, cx.rng),
    }
    .map_err(ops::refused)
}

/// Adds a fresh version.
async fn generate(cx: &mut Context<'_>, key: &mut Key) -> Result<(), Error> {
    let bytes = usize::try_from(key.settings.material_bytes).unwrap_or(usize::MAX);
    let material = material(cx, key.algorithm, bytes).await?;
    add_version(cx, key, material, KeyOrigin::Generated)
}

/// Adds a version of given material.
///
/// # Errors
/// [`KeyFault::TooManyVersions`].
pub fn add_version(cx: &mut Context<'_>, key: &mut Key, material: KeyMaterial, origin: KeyOrigin) -> Result<(), Error> {
    check_room(key)?;
    imported::drop_pending(cx, key);
    let mac = (key.algorithm.family() != KeyFamily::Hmac).then(|| beside(cx)).transpose()?;
    key.latest += 1;
    key.versions.push(KeyVersion {
        number: key.latest,
        id: new_id(cx),
        created: cx.now,
        origin,
        public_only: material.is_public_only(),
        expires: None,
        absent: false,
        note: String::new(),
        rotated: None,
    });
    if key.state == KeyState::PendingImport {
        key.state = KeyState::Enabled;
    }
    cx.state.put(&Material::name(&key.id, key.latest), &Material { key: material, mac })
}

/// Whether a key has room for one more version.
///
/// # Errors
/// [`KeyFault::TooManyVersions`].
pub fn check_room(key: &Key) -> Result<(), Error> {
    let keys = key.regions.as_ref().map_or(1, |regions| regions.members.len());
    match key.versions.len() < VERSIONS_MAX && (key.versions.len() + 1) * keys <= SET_VERSIONS_MAX {
        true => Ok(()),
        false => Err(KeyFault::TooManyVersions.error()),
    }
}

/// The MAC key that stands beside a version.
///
/// # Errors
/// Only the library's.
pub fn beside(cx: &Context<'_>) -> Result<KeyMaterial, Error> {
    KeyMaterial::generate(KeyAlgorithm::Hmac, 0, cx.rng).map_err(ops::refused)
}

/// Whether a key may get a version that is generated here.
///
/// # Errors
/// [`KeyFault::Imported`], or a state that forbids it.
pub fn may_rotate(key: &Key) -> Result<(), Error> {
    ops::in_use(key)?;
    match key.origin {
        KeyOrigin::Imported if !key.settings.imported_rotation => Err(KeyFault::Imported.error()),
        _ => Ok(()),
    }
}

/// A key, to be changed.
///
/// # Errors
/// Not found.
pub async fn changing(cx: &mut Context<'_>, name: &str) -> Result<Key, Error> {
    let found = cx.state.get::<KeyRecord>(name).await?.map(|record| record.0);
    let mut key = found.ok_or_else(Error::not_found)?;
    regions::settle(cx, &mut key).await?;
    if ops::is_past(&key, cx.now) {
        return Err(Error::not_found());
    }
    key.settle(cx.now);
    Ok(key)
}

/// Stores a changed key, and what others share with it.
///
/// # Errors
/// Only the store's.
pub async fn store(cx: &mut Context<'_>, key: Key) -> Result<KeyRecord, Error> {
    regions::share(cx, &key).await?;
    let record = KeyRecord(key);
    cx.state.put(&record.0.name, &record)?;
    Ok(record)
}

/// Gives a key a new version: the material that waits for this, or some that is generated here. An imported key counts as
/// generated from the latter on: nothing is imported into it any more.
///
/// # Errors
/// Not found, and what [`may_rotate`] says.
pub async fn rotate(cx: &mut Context<'_>, name: &str, cause: RotationCause) -> Result<KeyRecord, Error> {
    sweep(cx).await?;
    let mut key = changing(cx, name).await?;
    ops::in_use(&key)?;
    if !imported::promote(cx, &mut key)? {
        may_rotate(&key)?;
        generate(cx, &mut key).await?;
        if key.origin == KeyOrigin::Imported {
            key.origin = KeyOrigin::Generated;
        }
    }
    if let Some(newest) = key.versions.last_mut() {
        newest.rotated = Some(cause);
    }
    store(cx, key).await
}

/// The same because somebody asks for it, which is the primary key's.
///
/// # Errors
/// As [`rotate`], and [`KeyFault::Replica`].
pub async fn rotate_primary(cx: &mut Context<'_>, name: &str) -> Result<KeyRecord, Error> {
    regions::leads(&ops::find(cx, name).await?.0)?;
    rotate(cx, name, RotationCause::Asked).await
}

/// A change of a key's settings as Vault's `config` makes it; `None` leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    pub min_decryption: Option<i64>,
    pub min_encryption: Option<i64>,
    pub deletion_allowed: Option<bool>,
    pub exportable: Option<bool>,
    pub plaintext_backup: Option<bool>,
    pub auto_rotate_s: Option<u64>,
}

/// Changes settings. What lets material leave can be granted and never taken back.
///
/// # Errors
/// Not found; versions that do not exist or contradict each other.
pub async fn configure(cx: &mut Context<'_>, name: &str, change: &SettingsChange) -> Result<KeyRecord, Error> {
    let mut key = changing(cx, name).await?;
    regions::leads(&key)?;
    if key.state == KeyState::SoftDeleted {
        return Err(KeyFault::SoftDeleted.error());
    }
    let latest = key.latest;
    let version = |number: i64, what: &str| match u64::try_from(number) {
        Err(_) => Err(Error::invalid(format!("min {what} version cannot be negative"))),
        Ok(number) if number > latest => {
            Err(Error::invalid(format!("cannot set min {what} version above the latest key version")))
        }
        Ok(number) => Ok(number),
    };
    let settings = &mut key.settings;
    if let Some(number) = change.min_decryption {
        let number = version(number, "decryption")?;
        if number == 0 {
            cx.warnings
                .push("since Vault 0.3, transit decryption numbering starts at 1; forcing minimum to 1".to_owned());
        }
        if number.max(1) < key.oldest {
            return Err(Error::invalid("min decryption version is below what was trimmed"));
        }
        settings.min_decryption = number.max(1);
    }
    if let Some(number) = change.min_encryption {
        settings.min_encryption = version(number, "encryption")?;
    }
    if settings.min_encryption > 0 && settings.min_encryption < settings.min_decryption {
        let words = "cannot set min encryption/decryption values; min encryption version must be greater than or \
                     equal to min decryption version";
        return Err(Error::invalid(words));
    }
    if let Some(allowed) = change.deletion_allowed {
        settings.deletion_allowed = allowed;
    }
    settings.exportable |= change.exportable.unwrap_or_default();
    settings.plaintext_backup |= change.plaintext_backup.unwrap_or_default();
    if let Some(period_s) = change.auto_rotate_s {
        check_period(period_s)?;
        settings.auto_rotate_s = period_s;
    }
    store(cx, key).await
}

/// Changes what dialects show beside a key.
///
/// # Errors
/// Not found; more tags or longer texts than a key may have; enabling a key that waits for something else.
pub async fn change(cx: &mut Context<'_>, name: &str, change: &KeyChange) -> Result<KeyRecord, Error> {
    let mut key = changing(cx, name).await?;
    ops::stays(&key)?;
    if change.symmetric_only && key.algorithm.family() != KeyFamily::Aead {
        return Err(KeyFault::Usage.error());
    }
    if let Some(description) = &change.description {
        key.description.clone_from(description);
    }
    match (change.enabled, key.state) {
        (None, _) => {}
        (Some(true), KeyState::Enabled | KeyState::Disabled) => key.state = KeyState::Enabled,
        (Some(false), KeyState::Enabled | KeyState::Disabled) => key.state = KeyState::Disabled,
        (Some(_), _) => ops::in_use(&key)?,
    }
    if let Some(period_s) = change.auto_rotate_s {
        regions::leads(&key)?;
        ops::in_use(&key)?;
        check_period(period_s)?;
        if period_s > 0 && change.symmetric_only {
            may_rotate(&key)?;
        }
        key.settings.auto_rotate_s = period_s;
    }
    for (map, changes) in [(&mut key.tags, &change.tags), (&mut key.attributes, &change.attributes)] {
        for (name, value) in changes {
            match value {
                Some(value) => map.insert(name.clone(), value.clone()),
                None => map.remove(name),
            };
        }
    }
    check_texts(&key)?;
    store(cx, key).await
}

/// # Errors
/// More tags or longer texts than a key may have.
pub fn check_texts(key: &Key) -> Result<(), Error> {
    let too_long = |pairs: &std::collections::BTreeMap<String, String>, most: usize| {
        pairs.len() > METADATA_PAIRS_MAX || pairs.iter().any(|(name, value)| name.len() > 256 || value.len() > most)
    };
    if key.tags.len() > KEY_TAGS_MAX {
        return Err(KeyFault::TooManyTags.error());
    }
    if key.description.len() > ATTRIBUTE_BYTES_MAX
        || too_long(&key.tags, METADATA_VALUE_BYTES_MAX)
        || too_long(&key.attributes, ATTRIBUTE_BYTES_MAX)
    {
        return Err(Error::invalid("description, tags or attributes of the key are too large"));
    }
    Ok(())
}

/// Puts a key off to be deleted after a window in seconds, or takes that back. A primary key waits for its replicas first.
///
/// # Errors
/// Not found; a key that does not wait for its deletion has none to cancel.
pub async fn schedule_deletion(cx: &mut Context<'_>, name: &str, window_s: Option<u64>) -> Result<KeyRecord, Error> {
    sweep(cx).await?;
    let mut key = changing(cx, name).await?;
    let index = regions::index_name(&key);
    key.state = match (window_s, key.state) {
        (Some(_), KeyState::PendingDeletion(_) | KeyState::PendingReplicaDeletion { .. }) => {
            return Err(KeyFault::PendingDeletion.error());
        }
        (Some(window_s), _) if regions::has_replicas(&key) => KeyState::PendingReplicaDeletion { window_s },
        (Some(window_s), _) => {
            let at = cx.now.plus(TtlSeconds(window_s));
            cx.state.put(&Doomed::name(at, &index), &Doomed { name: key.name.clone() })?;
            KeyState::PendingDeletion(at)
        }
        (None, KeyState::PendingDeletion(at)) => {
            cx.state.delete::<Doomed>(&Doomed::name(at, &index));
            KeyState::Disabled
        }
        (None, KeyState::PendingReplicaDeletion { .. }) => KeyState::Disabled,
        (None, _) => return Err(KeyFault::NotPendingDeletion.error()),
    };
    store(cx, key).await
}

/// Takes a key out of sight, or brings it back. Idempotent.
///
/// # Errors
/// Not found; another state than in use.
pub async fn soft_delete(cx: &mut Context<'_>, name: &str, deleted: bool) -> Result<KeyRecord, Error> {
    let mut key = changing(cx, name).await?;
    key.state = match (deleted, key.state) {
        (true, KeyState::Enabled | KeyState::SoftDeleted) => KeyState::SoftDeleted,
        (false, KeyState::Enabled | KeyState::SoftDeleted) => KeyState::Enabled,
        (_, other) => {
            key.state = other;
            ops::in_use(&key)?;
            other
        }
    };
    store(cx, key).await
}

/// Removes a key with everything it had, for good.
///
/// # Errors
/// No such key, or its deletion is not allowed.
pub async fn delete(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(record) = cx.state.get::<KeyRecord>(name).await? else {
        return Err(Error::invalid("error deleting key: could not delete key; not found"));
    };
    if !record.0.settings.deletion_allowed {
        return Err(Error::invalid("error deleting key: deletion is not allowed for this key"));
    }
    remove(cx, record.0).await
}

/// Removes a key whatever its settings say.
///
/// # Errors
/// [`KeyFault::HasReplicas`].
pub async fn remove(cx: &mut Context<'_>, mut key: Key) -> Result<(), Error> {
    sweep(cx).await?;
    regions::settle(cx, &mut key).await?;
    if regions::has_replicas(&key) {
        return Err(KeyFault::HasReplicas.error());
    }
    erase(cx, &key, REMOVED_MAX).await
}

/// The records of a key, and at most so many versions of its material now, unless it is that of others, too.
async fn erase(cx: &mut Context<'_>, key: &Key, most: usize) -> Result<(), Error> {
    let index = regions::index_name(key);
    cx.state.delete::<KeyRecord>(&key.name);
    cx.state.delete::<KeyName>(&index);
    cx.state.delete::<LastUse>(&key.name);
    if key.attached.document {
        cx.state.delete::<StoredDocument>(&key.attached.place);
    }
    grants::leave(cx, key)?;
    if let KeyState::PendingDeletion(at) = key.state {
        cx.state.delete::<Doomed>(&Doomed::name(at, &index));
    }
    if regions::leave(cx, key).await? {
        return Ok(());
    }
    cx.state.delete::<ImportRecord>(&key.id);
    if let Some(pending) = &key.pending {
        imported::forget_end(cx, &key.id, pending);
        Purge::remove(&mut cx.state, &key.id, pending.number);
    }
    let numbers: Vec<u64> = key.versions.iter().map(|version| version.number).collect();
    purge::remove::<Purge>(&mut cx.state, &key.id, &numbers, most)
}

/// Removes one key whose scheduled deletion has come.
async fn bury(cx: &mut Context<'_>) -> Result<(), Error> {
    let names = cx.state.names::<Doomed>("", None, 1).await?;
    let Some(first) = names.first() else { return Ok(()) };
    if Doomed::time(first).is_none_or(|at| at > cx.now) {
        return Ok(());
    }
    if let Some(doomed) = cx.state.get::<Doomed>(first).await?
        && let Some(record) = cx.state.get::<KeyRecord>(&doomed.name).await?
        && let KeyState::PendingDeletion(at) = record.0.state
        && Doomed::name(at, &regions::index_name(&record.0)) == *first
    {
        return erase(cx, &record.0, BURIED_MAX).await;
    }
    cx.state.delete::<Doomed>(first);
    Ok(())
}

/// Forgets all versions below one, for good.
///
/// # Errors
/// Not found; a version above the minimum versions, or below what was trimmed before.
pub async fn trim(cx: &mut Context<'_>, name: &str, min_available: i64) -> Result<KeyRecord, Error> {
    sweep(cx).await?;
    let mut key = changing(cx, name).await?;
    regions::leads(&key)?;
    let settings = &key.settings;
    let refused = |words: &str| Err(Error::invalid(words.to_owned()));
    let Ok(wanted) = u64::try_from(min_available) else {
        return refused("minimum available version cannot be negative");
    };
    if wanted < key.oldest {
        return refused("minimum available version cannot be decremented");
    }
    if settings.min_encryption == 0 {
        return refused("minimum available version cannot be set when minimum encryption version is not set");
    }
    if wanted > settings.min_encryption {
        return refused("minimum available version cannot be greater than minimum encryption version");
    }
    if wanted > settings.min_decryption {
        return refused("minimum available version cannot be greater than minimum decryption version");
    }
    let gone: Vec<u64> = key.versions.iter().map(|version| version.number).filter(|number| *number < wanted).collect();
    key.versions.retain(|version| version.number >= wanted);
    key.oldest = wanted;
    purge::remove::<Purge>(&mut cx.state, &key.id, &gone, REMOVED_MAX)?;
    store(cx, key).await
}

/// Removes some material that an earlier change left behind or whose time has come, and a key whose time has come.
///
/// # Errors
/// Only the store's.
pub async fn sweep(cx: &mut Context<'_>) -> Result<(), Error> {
    bury(cx).await?;
    imported::expire(cx).await?;
    grants::sweep(cx).await?;
    purge::sweep::<Purge>(&mut cx.state).await.map(|_| ())
}

//! One function an operation, over the mount's records. Nothing here may know a wire, or look into a payload beyond
//! what `tree` does; answers are records and typed answers that `routes` gives a form. What only some dialects ask for
//! stands in `shared`.

use crate::kv::model::{CONFIG_NAME, Config, DeleteAfter, Doomed, Pointer, Purge, StoredPayload, StoredPolicy};
use crate::kv::routes::{ConfigChange, MetadataChange, SecretChange};
use crate::kv::tree;
use cardea_crypto::mac::sha256;
use cardea_model::limit::{METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use cardea_model::operation::VersionRef;
use cardea_model::secret::{
    ContentForm, STAGE_CURRENT, STAGE_PENDING, STAGE_PREVIOUS, Secret, SecretAnswer, SecretFault, SecretSettings,
    SecretValue, Version, VersionState,
};
use cardea_model::{CanonicalPath, Cause, Error, Payload, Timestamp, TtlSeconds};
use cardea_sdk::named::Page;
use cardea_sdk::{Context, purge};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Versions kept where neither the secret nor the mount says otherwise; what Vault documents.
pub const VERSIONS_KEPT_DEFAULT: u64 = 10;
/// Most versions that a secret may keep. Their states stand in one record of at most some 300 bytes each, which must
/// fit one commit of 1 MiB beside a payload of 768 KiB.
pub const VERSIONS_KEPT_MAX: u64 = 500;
/// Most payloads that one deletion or destruction removes at once: with the records around them and what the pipeline
/// adds they stay below the 96 operations of a commit.
pub const PAYLOADS_REMOVED_MAX: usize = 40;
/// Most payloads that one write prunes at once; the rest becomes a purge.
const PAYLOADS_PRUNED_MAX: usize = 32;
/// Times that a read looks again when a writer took the version away between its two looks.
const READ_ATTEMPTS_MAX: usize = 3;
/// Longest creator kept with a version, in bytes: an entity id fits, and 500 of them fit the pointer.
const CREATOR_BYTES_MAX: usize = 128;
/// Versions without a label that are kept of a secret whose dialect has labels, where nothing else is said: what AWS
/// documents.
const UNLABELLED_KEPT_DEFAULT: u64 = 100;
/// Most versions kept of such a secret beside the labelled ones: labels, tags and a description share its record.
const UNLABELLED_KEPT_MAX: u64 = 400;

/// Settings of the mount.
pub async fn config(cx: &mut Context<'_>) -> Result<Arc<Config>, Error> {
    Ok(cx.state.peek::<Config>(CONFIG_NAME).await?.unwrap_or_default())
}

/// Changes what the request names, and leaves the rest.
pub async fn change_config(cx: &mut Context<'_>, change: &ConfigChange) -> Result<(), Error> {
    let mut config = (*config(cx).await?).clone();
    if let Some(max_versions) = change.max_versions {
        config.max_versions = max_versions;
    }
    if let Some(cas_required) = change.cas_required {
        config.cas_required = cas_required;
    }
    if let Some(delete_after) = change.delete_after {
        config.delete_after = delete_after;
    }
    cx.state.put(CONFIG_NAME, &config)
}

/// Whether a secret has a pointer, with or without versions. Every write asks this, and looks at the pointer anyway.
pub async fn exists(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<bool, Error> {
    let pointer = cx.state.peek::<Pointer>(path.as_str()).await?;
    Ok(pointer.is_some_and(|pointer| !pointer.0.is_past(cx.now)))
}

/// The pointer of a secret that is not deleted as a whole, to be looked at.
async fn visible(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Arc<Pointer>, Error> {
    let pointer = cx.state.peek::<Pointer>(path.as_str()).await?;
    pointer.filter(|pointer| pointer.0.deleted.is_none()).ok_or_else(Error::not_found)
}

/// The secret at a path, to be changed. One whose recovery window is over is removed on the way.
///
/// # Errors
/// It is marked for deletion.
pub async fn changeable(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<Option<Secret>, Error> {
    // A copy of what readers share costs a quarter of opening and parsing the record.
    match cx.state.peek::<Pointer>(path.as_str()).await? {
        Some(pointer) if pointer.0.is_past(cx.now) => forget(cx, pointer.0.clone(), 0).map(|()| None),
        Some(pointer) if pointer.0.deleted.is_some() => Err(SecretFault::MarkedForDeletion.into()),
        found => Ok(found.map(|pointer| pointer.0.clone())),
    }
}

/// One version; without a payload if it is deleted, destroyed or past its time. A secret that is marked for deletion is not
/// there.
///
/// # Errors
/// Not found, if the secret or the version does not exist.
pub async fn read(cx: &mut Context<'_>, path: &CanonicalPath, wanted: &VersionRef) -> Result<SecretAnswer, Error> {
    read_if(cx, path, wanted, |_, _| Ok(())).await
}

/// The same, if the secret is one that the caller may mean.
///
/// # Errors
/// As [`read`], and what `check` says of the secret as it is now.
pub async fn read_if(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    wanted: &VersionRef,
    check: impl Fn(&Secret, Timestamp) -> Result<(), Error> + Send + Sync,
) -> Result<SecretAnswer, Error> {
    for _ in 0..READ_ATTEMPTS_MAX {
        let pointer = cx.state.peek::<Pointer>(path.as_str()).await?.ok_or_else(Error::not_found)?;
        let secret = &pointer.0;
        check(secret, cx.now)?;
        if secret.deleted.is_some() {
            return Err(Error::not_found());
        }
        let version = find(secret, wanted)?;
        if !version.is_readable(cx.now) {
            return Ok(answer(secret, version, None));
        }
        let name = StoredPayload::name(&secret.id, version.number);
        if let Some(stored) = cx.state.get::<StoredPayload>(&name).await? {
            return Ok(answer(secret, version, Some(stored.0)));
        }
        // The pointer and the payload are two reads. A writer may have removed the version in between; then the
        // pointer says so by now.
    }
    Err(Error::internal("a readable version of a secret has no payload"))
}

fn find<'s>(secret: &'s Secret, wanted: &VersionRef) -> Result<&'s Version, Error> {
    let of_id = |id: &str| match secret.versions.iter().find(|version| version.id == *id) {
        Some(version) => Some(version.number),
        None => secret.tokens.get(id).copied(),
    };
    let no_version = || Error::from(SecretFault::NoVersion);
    match wanted {
        VersionRef::Current | VersionRef::Number(0) => secret.version(secret.current).ok_or_else(Error::not_found),
        // Who knows versions by their numbers knows no stages, and is not shown what is only being prepared.
        VersionRef::Number(number) => {
            let version = secret.version(*number).filter(|version| !is_prepared(secret, version));
            version.ok_or_else(Error::not_found)
        }
        VersionRef::Stage(stage) => {
            secret.stages.get(stage).and_then(|number| secret.version(*number)).ok_or_else(no_version)
        }
        VersionRef::Id(id) => of_id(id).and_then(|number| secret.version(number)).ok_or_else(no_version),
        VersionRef::IdAt { id, stage } => {
            let number = of_id(id).ok_or_else(no_version)?;
            if secret.stages.get(stage) != Some(&number) {
                return Err(SecretFault::StageNotOnVersion.into());
            }
            secret.version(number).ok_or_else(no_version)
        }
    }
}

/// Whether a version never was what a plain read serves. What an earlier release wrote shows it by its label alone.
fn is_prepared(secret: &Secret, version: &Version) -> bool {
    let number = version.number;
    version.prepared || (number != secret.current && secret.stages.get(STAGE_PENDING) == Some(&number))
}

pub fn answer(secret: &Secret, version: &Version, payload: Option<Payload>) -> SecretAnswer {
    SecretAnswer {
        secret_id: secret.id.clone(),
        short_id: secret.short_id(),
        path: secret.path.clone(),
        version: version.clone(),
        stages: secret.stages_of(version.number),
        metadata: secret.metadata.clone(),
        payload,
    }
}

/// Adds a version; creates the secret if there is none.
///
/// # Errors
/// A check-and-set that failed or is missing, a payload that is too large or not something a secret can hold.
pub async fn write(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    payload: &Payload,
    check: Option<u64>,
) -> Result<SecretAnswer, Error> {
    let config = config(cx).await?;
    let secret = match changeable(cx, path).await? {
        Some(secret) => secret,
        None => new_secret(cx, path)?,
    };
    check_and_set(&config, &secret, check)?;
    let value = SecretValue::of_json(payload.duplicate())?;
    let (pointer, number) =
        add_version(cx, &config, secret, Draft { value: &value, id: None, stages: &[], rotator: None }).await?;
    written(&pointer.0, number)
}

/// Writes the one value of a path, where only that is kept: the version before it goes.
///
/// # Errors
/// A payload that is too large or not something a secret can hold.
pub async fn replace(cx: &mut Context<'_>, path: &CanonicalPath, payload: &Payload) -> Result<SecretAnswer, Error> {
    let secret = match changeable(cx, path).await? {
        Some(secret) => secret,
        None => new_secret(cx, path)?,
    };
    let config = Config { max_versions: Some(1), ..Config::default() };
    let value = SecretValue::of_json(payload.duplicate())?;
    let (pointer, number) =
        add_version(cx, &config, secret, Draft { value: &value, id: None, stages: &[], rotator: None }).await?;
    written(&pointer.0, number)
}

/// What a patch leads to.
pub enum Patched {
    Written(SecretAnswer),
    /// The current version is deleted or destroyed: there is nothing to patch.
    Gone(SecretAnswer),
}

/// Adds a version that is the current one with a merge patch applied.
///
/// # Errors
/// As [`write`], and not found if there is no current version.
pub async fn patch(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    change: &Payload,
    check: Option<u64>,
) -> Result<Patched, Error> {
    let config = config(cx).await?;
    let mut current = read(cx, path, &VersionRef::Current).await?;
    // Should this see another pointer than the read did, the commit fails and everything runs again.
    let secret = changeable(cx, path).await?.ok_or_else(Error::not_found)?;
    check_and_set(&config, &secret, check)?;
    let Some(payload) = current.payload.take() else { return Ok(Patched::Gone(current)) };
    if current.version.content != ContentForm::Object {
        return Err(Error::invalid("only a secret whose current version is an object can be patched"));
    }
    let value = SecretValue { content: ContentForm::Object, payload: tree::merge(&payload, change)? };
    let (pointer, number) =
        add_version(cx, &config, secret, Draft { value: &value, id: None, stages: &[], rotator: None }).await?;
    written(&pointer.0, number).map(Patched::Written)
}

fn written(secret: &Secret, number: u64) -> Result<SecretAnswer, Error> {
    let version = secret.version(number).ok_or_else(|| Error::internal("a version was pruned as it was written"))?;
    Ok(answer(secret, version, None))
}

fn check_and_set(config: &Config, secret: &Secret, check: Option<u64>) -> Result<(), Error> {
    match check {
        // The current number counts even if that version is deleted; 0 is the number of a secret never written.
        Some(expected) if expected != secret.current => {
            Err(Error::conflict("check-and-set parameter did not match the current version"))
        }
        None if config.cas_required || secret.settings.cas_required => {
            Err(Error::invalid("check-and-set parameter required for this call"))
        }
        _ => Ok(()),
    }
}

pub fn new_secret(cx: &Context<'_>, path: &CanonicalPath) -> Result<Secret, Error> {
    if path.is_folder() {
        return Err(Error::invalid("the name of a secret cannot end in a slash"));
    }
    Ok(Secret {
        id: new_id(cx),
        once: None,
        path: path.as_str().to_owned(),
        created: cx.now,
        updated: cx.now,
        current: 0,
        newest: 0,
        oldest: 0,
        metadata: BTreeMap::new(),
        description: String::new(),
        key_id: None,
        staged: false,
        policy_arn: None,
        settings: SecretSettings::default(),
        regions: None,
        stages: BTreeMap::new(),
        tokens: BTreeMap::new(),
        deleted: None,
        versions: Vec::new(),
    })
}

pub fn new_id(cx: &Context<'_>) -> String {
    let mut bytes = [0u8; 16];
    cx.rng.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Bytes of a mark of a caller: 500 of them fit the pointer as well.
const MAKER_BYTES: usize = 8;

/// What the caller is called, as versions keep it.
pub fn creator(cx: &Context<'_>) -> String {
    let Some(caller) = cx.caller else { return String::new() };
    let name = match &caller.entity {
        Some(entity) if caller.display_name.is_empty() => &entity.0,
        _ => &caller.display_name,
    };
    let end = (0..=CREATOR_BYTES_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    name[..end.unwrap_or(0)].to_owned()
}

/// A mark of the caller, by what he cannot choose: his entity, or his token. What it is made of is not to be had from it without
/// those, and there are no more of them than 64 bits tell apart.
pub fn maker(cx: &Context<'_>, secret_id: &str) -> String {
    let Some(caller) = cx.caller else { return String::new() };
    let who = match (&caller.entity, &caller.key) {
        (Some(entity), _) => entity.0.as_str(),
        (None, Some(key)) => key.owner_id.as_str(),
        (None, None) => caller.token_id.as_str(),
    };
    if who.is_empty() {
        return String::new();
    }
    let digest = sha256(&[b"maker\0", secret_id.as_bytes(), b"\0", who.as_bytes()]);
    hex::encode(&digest[..MAKER_BYTES])
}

/// A version to be.
pub struct Draft<'a> {
    pub value: &'a SecretValue,
    /// The client's own id for it; without one it gets a new one.
    pub id: Option<&'a str>,
    /// Labels to put on it. Without any it becomes the current version, and so does the first of a secret.
    pub stages: &'a [String],
    /// The rotator that it is made for.
    pub rotator: Option<&'a str>,
}

/// Adds a version and stores the pointer; gives the number of the version.
///
/// # Errors
/// [`Cause::TooLarge`] for a payload beyond the bound.
pub async fn add_version(
    cx: &mut Context<'_>,
    config: &Config,
    mut secret: Secret,
    draft: Draft<'_>,
) -> Result<(Arc<Pointer>, u64), Error> {
    if draft.value.payload.text().len() > PAYLOAD_BYTES_MAX {
        return Err(Error::new(Cause::TooLarge, "payload of the secret is too large"));
    }
    let number = secret.newest() + 1;
    secret.versions.push(Version {
        number,
        id: draft.id.map_or_else(|| new_id(cx), str::to_owned),
        created: cx.now,
        creator: creator(cx),
        maker: maker(cx, &secret.id),
        state: VersionState::Enabled,
        deletion: deletion_time(config, &secret.settings, cx.now),
        content: draft.value.content,
        rotator: draft.rotator.map(str::to_owned),
        prepared: true,
    });
    for stage in draft.stages {
        secret.stages.insert(stage.clone(), number);
    }
    if draft.stages.is_empty() || draft.stages.iter().any(|stage| stage == STAGE_CURRENT) || secret.current == 0 {
        // What was current is prepared no more: with the label it would stand in the way of the next rotation.
        if secret.current > 0 && secret.stages.get(STAGE_PENDING) == Some(&secret.current) {
            secret.stages.remove(STAGE_PENDING);
        }
        make_current(&mut secret, number);
    }
    secret.newest = number;
    secret.updated = cx.now;

    cx.state.put(&StoredPayload::name(&secret.id, number), &StoredPayload(draft.value.payload.duplicate()))?;
    let kept = versions_kept(config, &secret);
    let pruned = prune(&mut secret, kept);
    purge::remove::<Purge>(&mut cx.state, &secret.id, &pruned, PAYLOADS_PRUNED_MAX)?;
    sweep(cx).await?;
    let pointer = Arc::new(Pointer(secret));
    cx.state.put_shared(&pointer.0.path, pointer.clone())?;
    Ok((pointer, number))
}

/// Moves the pointer that all dialects read by, and the two labels that say so.
pub fn make_current(secret: &mut Secret, number: u64) {
    if secret.current > 0 && secret.current != number {
        secret.stages.insert(STAGE_PREVIOUS.to_owned(), secret.current);
        secret.newest = secret.newest();
    }
    secret.stages.insert(STAGE_CURRENT.to_owned(), number);
    secret.current = number;
    if let Some(version) = secret.versions.iter_mut().find(|version| version.number == number) {
        version.prepared = false;
    }
}

/// The larger of the secret's and the mount's setting, as clients know it; the default where neither says anything.
pub fn versions_kept(config: &Config, secret: &Secret) -> u64 {
    let (default, most) = match secret.staged {
        true => (UNLABELLED_KEPT_DEFAULT, UNLABELLED_KEPT_MAX),
        false => (VERSIONS_KEPT_DEFAULT, VERSIONS_KEPT_MAX),
    };
    config.max_versions.max(secret.settings.max_versions).unwrap_or(default).clamp(1, most)
}

fn deletion_time(config: &Config, settings: &SecretSettings, now: Timestamp) -> Option<Timestamp> {
    let seconds = match (config.delete_after, settings.delete_after_s) {
        (DeleteAfter::Never, _) => return None,
        (DeleteAfter::Seconds(mount_s), Some(own_s)) => mount_s.min(own_s),
        (DeleteAfter::Seconds(mount_s), None) => mount_s,
        (DeleteAfter::Unset, own_s) => own_s?,
    };
    Some(now.plus(TtlSeconds(seconds)))
}

/// Forgets all versions but the newest `kept`; returns those of them that still had a payload, ascending. Where labels
/// mean something, labelled versions stay, and no more go than can be removed one by one: what lies between is kept.
fn prune(secret: &mut Secret, kept: u64) -> Vec<u64> {
    let last_gone = secret.newest().saturating_sub(kept);
    let mut gone: Vec<u64> = secret.versions.iter().map(|version| version.number).filter(|n| *n <= last_gone).collect();
    if secret.staged {
        gone.retain(|number| !secret.stages.values().any(|at| at == number));
        gone.truncate(PAYLOADS_PRUNED_MAX);
    }
    let goes = |number: u64| gone.binary_search(&number).is_ok();
    let full = secret.versions.iter().filter(|v| goes(v.number) && v.state != VersionState::Destroyed);
    let full = full.map(|version| version.number).collect();
    secret.versions.retain(|version| !goes(version.number));
    secret.stages.retain(|_, number| !goes(*number));
    secret.tokens.retain(|_, number| !goes(*number));
    secret.oldest = secret.versions.first().map_or(0, |version| version.number);
    full
}

/// Removes a few payloads that an earlier change left behind, or a secret whose recovery window is over.
pub async fn sweep(cx: &mut Context<'_>) -> Result<(), Error> {
    match purge::sweep::<Purge>(&mut cx.state).await? {
        true => Ok(()),
        false => bury(cx).await,
    }
}

/// When the next recovery window is over, and the name of its record.
async fn first_doomed(cx: &mut Context<'_>) -> Result<Option<(Timestamp, String)>, Error> {
    let Some(name) = cx.state.names::<Doomed>("", None, 1).await?.into_iter().next() else { return Ok(None) };
    match Doomed::parse(&name) {
        Some((purge_at, _)) => Ok(Some((purge_at, name))),
        None => Err(Error::internal("the name of a doomed secret does not parse")),
    }
}

/// Removes the secret whose recovery window was over first, if there is one.
async fn bury(cx: &mut Context<'_>) -> Result<(), Error> {
    let Some((purge_at, doomed)) = first_doomed(cx).await? else { return Ok(()) };
    if purge_at > cx.now {
        return Ok(());
    }
    let path = Doomed::parse(&doomed).map(|(_, path)| path).unwrap_or_default();
    match cx.state.get::<Pointer>(path).await? {
        Some(pointer) if pointer.0.is_past(cx.now) => forget(cx, pointer.0, 0),
        _ => {
            cx.state.delete::<Doomed>(&doomed);
            Ok(())
        }
    }
}

/// Removes a secret with everything it had, and up to `at_once` of its payloads now.
pub fn forget(cx: &mut Context<'_>, secret: Secret, at_once: usize) -> Result<(), Error> {
    cx.state.delete::<Pointer>(&secret.path);
    if secret.policy_arn.is_some() {
        cx.state.delete::<StoredPolicy>(&secret.id);
    }
    if let Some(deletion) = &secret.deleted {
        cx.state.delete::<Doomed>(&Doomed::name(deletion.purge_at, &secret.path));
    }
    let left = secret.versions.iter().filter(|version| version.state != VersionState::Destroyed);
    let left: Vec<u64> = left.map(|version| version.number).collect();
    purge::remove::<Purge>(&mut cx.state, &secret.id, &left, at_once)
}

/// What happens to chosen versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Delete,
    Undelete,
    Destroy,
}

/// Deletes the current version. Idempotent, also where there is nothing.
pub async fn delete_current(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(), Error> {
    match changeable(cx, path).await? {
        Some(secret) => change_versions(cx, path, &[secret.current], Fate::Delete).await,
        None => Ok(()),
    }
}

/// Deletes, brings back or destroys versions. Numbers that do not exist are passed over, and so is a secret.
///
/// # Errors
/// [`Cause::TooLarge`] if more payloads would have to be destroyed than one commit can carry.
pub async fn change_versions(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    numbers: &[u64],
    fate: Fate,
) -> Result<(), Error> {
    let Some(secret) = changeable(cx, path).await? else { return Ok(()) };
    let mut pointer = Pointer(secret);
    let now = cx.now;
    let mut changed = false;
    let mut destroyed = Vec::new();
    for number in numbers {
        let Some(version) = pointer.0.version_mut(*number) else { continue };
        let gone = version.state == VersionState::Deleted || version.deletion.is_some_and(|at| at <= now);
        match (fate, version.state) {
            (_, VersionState::Destroyed) => continue,
            (Fate::Delete, _) if gone => continue,
            (Fate::Delete, _) => {
                version.state = VersionState::Deleted;
                version.deletion = Some(now);
            }
            (Fate::Undelete, VersionState::Enabled) if version.deletion.is_none() => continue,
            (Fate::Undelete, _) => {
                if version.state == VersionState::Deleted {
                    version.state = VersionState::Enabled;
                }
                version.deletion = None;
            }
            (Fate::Destroy, _) => {
                version.state = VersionState::Destroyed;
                destroyed.push(*number);
            }
        }
        changed = true;
    }
    if destroyed.len() > PAYLOADS_REMOVED_MAX {
        let words =
            format!("too many versions in one request: at most {PAYLOADS_REMOVED_MAX} can be destroyed at once");
        return Err(Error::new(Cause::TooLarge, words));
    }
    for number in destroyed {
        cx.state.delete::<StoredPayload>(&StoredPayload::name(&pointer.0.id, number));
    }
    if changed {
        pointer.0.updated = now;
        cx.state.put(path.as_str(), &pointer)?;
    }
    Ok(())
}

/// Names directly in a folder; `folder` is empty or ends in a slash.
pub async fn list(cx: &mut Context<'_>, folder: &str, page: &Page) -> Result<Vec<String>, Error> {
    cx.state.children::<Pointer>(folder, page.after.as_deref(), page.most()).await
}

/// The pointer of a secret, to be looked at, and the mount's settings that apply to it.
///
/// # Errors
/// Not found.
pub async fn metadata(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(Arc<Pointer>, Arc<Config>), Error> {
    let pointer = visible(cx, path).await?;
    let config = config(cx).await?;
    Ok((pointer, config))
}

/// Changes a secret's settings and metadata; creates it without versions if `create`.
///
/// # Errors
/// Metadata beyond the bounds; not found if it neither exists nor may be created.
pub async fn change_metadata(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    change: &SecretChange,
    create: bool,
) -> Result<(), Error> {
    let config = config(cx).await?;
    let mut secret = match changeable(cx, path).await? {
        Some(secret) => secret,
        None if create => new_secret(cx, path)?,
        None => return Err(Error::not_found()),
    };
    if let Some(max_versions) = change.max_versions {
        secret.settings.max_versions = max_versions;
    }
    if let Some(cas_required) = change.cas_required {
        if !cas_required && config.cas_required {
            cx.warn("the mount requires check-and-set: cas_required = false on the secret has no effect");
        }
        secret.settings.cas_required = cas_required;
    }
    if let Some(delete_after_s) = change.delete_after_s {
        secret.settings.delete_after_s = delete_after_s;
    }
    match &change.metadata {
        MetadataChange::Keep => {}
        MetadataChange::Replace(pairs) => secret.metadata = pairs.clone(),
        MetadataChange::Merge(pairs) => {
            for (key, value) in pairs {
                match value {
                    Some(value) => secret.metadata.insert(key.clone(), value.clone()),
                    None => secret.metadata.remove(key),
                };
            }
        }
    }
    check_metadata(&secret.metadata)?;
    secret.updated = cx.now;
    cx.state.put(path.as_str(), &Pointer(secret))
}

pub fn check_metadata(pairs: &BTreeMap<String, String>) -> Result<(), Error> {
    if pairs.len() > METADATA_PAIRS_MAX {
        return Err(Error::invalid(format!("custom_metadata has more than {METADATA_PAIRS_MAX} pairs")));
    }
    for (key, value) in pairs {
        if key.is_empty() || key.len() > METADATA_KEY_BYTES_MAX || key.chars().any(char::is_control) {
            let words =
                format!("a key of custom_metadata is empty, unprintable or over {METADATA_KEY_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        if value.len() > METADATA_VALUE_BYTES_MAX || value.chars().any(char::is_control) {
            let words = format!("a value of custom_metadata is unprintable or over {METADATA_VALUE_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
    }
    Ok(())
}

/// Removes a secret with everything it had, marked for deletion or not. Idempotent.
pub async fn delete_secret(cx: &mut Context<'_>, path: &CanonicalPath) -> Result<(), Error> {
    let Some(pointer) = cx.state.get::<Pointer>(path.as_str()).await? else { return Ok(()) };
    // Swept before new work is left behind, so that what is swept is older than this.
    sweep(cx).await?;
    forget(cx, pointer.0, PAYLOADS_REMOVED_MAX)
}

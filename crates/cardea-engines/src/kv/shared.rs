//! What dialects with stage labels, client tokens and recovery windows ask of one secret. It must never know which dialect
//! asks, nor spell an error in its words: those that dialects tell apart are `SecretFault`s.

use crate::kv::model::{Config, Doomed, Pointer, StoredPayload};
use crate::kv::ops::{self, Draft, PAYLOADS_REMOVED_MAX};
use crate::kv::{attached, policy, regions, rotation};
use cardea_crypto::constant_time;
use cardea_model::limit::METADATA_PAIRS_MAX;
use cardea_model::operation::{NewSecret, NewVersion, PolicyAct, SecretAct, SecretRef, SecretUpdate, VersionRef};
use cardea_model::rotation::Rotation;
use cardea_model::secret::{
    Deletion, STAGE_CURRENT, STAGE_PREVIOUS, Secret, SecretAnswer, SecretFacts, SecretFault, SecretPlace, SecretReport,
    SecretValue,
};
use cardea_model::{Action, Body, Error, Timestamp, TtlSeconds};
use cardea_sdk::{Context, Question};
use std::collections::BTreeMap;

/// Most stage labels of one secret, on all its versions together: they share its record with the states of up to 500.
pub const STAGES_MAX: usize = 40;
/// Most stage labels of one version; what AWS documents.
const STAGES_OF_VERSION_MAX: usize = 20;

/// The route of Vault's that does as much, and the first segment of its path.
pub fn equal_route(act: &SecretAct) -> (&'static str, &'static str) {
    match act {
        SecretAct::Read { .. } => ("data-read", "data"),
        SecretAct::Describe | SecretAct::Versions => ("metadata-read", "metadata"),
        SecretAct::Create(_) | SecretAct::Put(_) | SecretAct::Update(SecretUpdate { value: Some(_), .. }) => {
            ("data-write", "data")
        }
        // To move this label is to write what everybody reads.
        SecretAct::MoveStage { stage, .. } if stage == STAGE_CURRENT => ("data-write", "data"),
        SecretAct::MoveStage { .. }
        | SecretAct::Tag { .. }
        | SecretAct::Update(_)
        | SecretAct::Replicate(_)
        | SecretAct::RemoveReplicas(_)
        | SecretAct::Detach => ("metadata-write", "metadata"),
        SecretAct::Delete { recovery_s: Some(_) } => ("delete", "delete"),
        SecretAct::Delete { recovery_s: None } => ("metadata-delete", "metadata"),
        SecretAct::Restore => ("undelete", "undelete"),
        SecretAct::Rotate(_) => ("rotate", "rotate"),
        SecretAct::CancelRotation => ("rotation-cancel", "rotation-cancel"),
        SecretAct::Policy(act) => (policy::equal_route(act), "policy"),
    }
}

/// Does it.
///
/// # Errors
/// Not found, and the faults that each function names.
pub async fn act(cx: &mut Context<'_>, at: &SecretRef, act: &SecretAct) -> Result<Body, Error> {
    let (secret, version) = match act {
        SecretAct::Read { version } => {
            return read(cx, at, version).await.map(|answer| Body::Secret(Box::new(answer)));
        }
        SecretAct::Describe | SecretAct::Versions => {
            let pointer = cx.state.peek::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
            check_meant(at, &pointer.0)?;
            if pointer.0.is_past(cx.now) {
                return Err(Error::not_found());
            }
            let rotation = rotation::of(cx, &pointer.0).await?;
            return Ok(facts(pointer.0.clone(), None, rotation));
        }
        SecretAct::Rotate(wish) => {
            changeable(cx, at).await?;
            let (secret, rotation) = rotation::ask(cx, &at.path, wish).await?;
            return Ok(facts(secret, None, Some(rotation)));
        }
        SecretAct::CancelRotation => {
            changeable(cx, at).await?;
            let (secret, rotation) = rotation::hold(cx, &at.path).await?;
            return Ok(facts(secret, None, Some(rotation)));
        }
        SecretAct::Create(new) => create(cx, at, new).await?,
        SecretAct::Put(new) => put(cx, at, new).await?,
        SecretAct::Update(change) => update(cx, at, change).await?,
        SecretAct::MoveStage { stage, from, to } => {
            (move_stage(cx, at, stage, from.as_deref(), to.as_deref()).await?, None)
        }
        SecretAct::Delete { recovery_s: Some(window_s) } => (mark(cx, at, *window_s).await?, None),
        SecretAct::Delete { recovery_s: None } => (remove(cx, at).await?, None),
        SecretAct::Restore => (restore(cx, at).await?, None),
        SecretAct::Tag { set, remove } => (tag(cx, at, set, remove).await?, None),
        SecretAct::Replicate(replicas) => (regions::replicate(cx, at, replicas).await?, None),
        SecretAct::RemoveReplicas(gone) => (regions::remove(cx, at, gone).await?, None),
        SecretAct::Detach => (regions::detach(cx, at).await?, None),
        SecretAct::Policy(PolicyAct::Read | PolicyAct::List) => {
            let (secret, policy) = policy::read(cx, at).await?;
            let facts = SecretFacts { secret, version: None, rotation: None, policy, moved: Vec::new() };
            return Ok(Body::Secrets(Box::new(SecretReport::Facts(Box::new(facts)))));
        }
        SecretAct::Policy(PolicyAct::Put(new)) => (policy::put(cx, at, new).await?, None),
        SecretAct::Policy(PolicyAct::Delete) => (policy::delete(cx, at).await?, None),
        SecretAct::Policy(PolicyAct::Check(new)) => {
            let findings = policy::check(cx, at, new).await?;
            return Ok(Body::Secrets(Box::new(SecretReport::PolicyCheck(findings))));
        }
    };
    let moved = match act {
        SecretAct::Create(new) => new.replicas.regions.keys().cloned().collect(),
        SecretAct::Replicate(replicas) => replicas.regions.keys().cloned().collect(),
        SecretAct::RemoveReplicas(gone) => gone.clone(),
        _ => Vec::new(),
    };
    let facts = SecretFacts { secret, version, rotation: None, policy: None, moved };
    Ok(Body::Secrets(Box::new(SecretReport::Facts(Box::new(facts)))))
}

fn facts(secret: Secret, version: Option<u64>, rotation: Option<Rotation>) -> Body {
    let rotation = rotation.map(Box::new);
    let facts = SecretFacts { secret, version, rotation, policy: None, moved: Vec::new() };
    Body::Secrets(Box::new(SecretReport::Facts(Box::new(facts))))
}

/// A request can name the one secret it means by more than the path, and come from a region that a secret is not in:
/// another one of that name is not there for it.
///
/// # Errors
/// Not found.
pub fn check_meant(at: &SecretRef, secret: &Secret) -> Result<(), Error> {
    match &at.short_id {
        Some(wanted) if *wanted != secret.short_id() => Err(Error::not_found()),
        _ if regions::place(secret, at.region.as_deref()) == SecretPlace::Nowhere => Err(Error::not_found()),
        _ => Ok(()),
    }
}

/// The secret is the one that is meant, and not marked for deletion.
pub fn check_there(at: &SecretRef, secret: &Secret, now: Timestamp) -> Result<(), Error> {
    check_meant(at, secret)?;
    match secret.deleted {
        Some(_) if secret.is_past(now) => Err(Error::not_found()),
        Some(_) => Err(SecretFault::MarkedForDeletion.into()),
        None => Ok(()),
    }
}

/// One version, for a dialect that tells a marked secret from none. Where none is named, it is that with the current label.
pub async fn read(cx: &mut Context<'_>, at: &SecretRef, version: &VersionRef) -> Result<SecretAnswer, Error> {
    let current = VersionRef::Stage(STAGE_CURRENT.to_owned());
    let version = if *version == VersionRef::Current { &current } else { version };
    ops::read_if(cx, &at.path, version, |secret, now| check_there(at, secret, now)).await
}

/// The secret that is meant, to be changed.
///
/// # Errors
/// Not found; [`SecretFault::MarkedForDeletion`], [`SecretFault::Replica`].
pub async fn changeable(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let pointer = cx.state.peek::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
    check_meant(at, &pointer.0)?;
    if !pointer.0.is_past(cx.now) {
        regions::check_home(at, &pointer.0)?;
    }
    ops::changeable(cx, &at.path).await?.ok_or_else(Error::not_found)
}

/// Stores a changed secret.
///
/// # Errors
/// Only the store's.
pub fn store(cx: &mut Context<'_>, mut secret: Secret) -> Result<Secret, Error> {
    secret.updated = cx.now;
    let pointer = Pointer(secret);
    cx.state.put(&pointer.0.path, &pointer)?;
    Ok(pointer.0)
}

/// Whether the version that carries this id holds the same content; `None` if no version carries it. It is told only to who may
/// read the value, or is who wrote it: to others, who may be called as he is, the answer would confirm a guess.
async fn repeats(
    cx: &mut Context<'_>,
    secret: &Secret,
    id: &str,
    value: &SecretValue,
) -> Result<Option<(u64, bool)>, Error> {
    let Some(version) = secret.versions.iter().find(|version| version.id == id) else { return Ok(None) };
    let question = attached::value(&VersionRef::Id(id.to_owned()), secret);
    let attached = attached::of_secret(cx, secret, vec![question]).await?;
    let may_read = regions::may(cx, Action::Read, "data", &secret.path, attached.as_ref());
    let may_know = version.maker == ops::maker(cx, &secret.id) && !version.maker.is_empty() || may_read;
    // What can no longer be read must not be confirmed either, to who guesses it.
    if !may_know || !version.is_readable(cx.now) {
        return Ok(Some((version.number, false)));
    }
    let stored = cx.state.get::<StoredPayload>(&StoredPayload::name(&secret.id, version.number)).await?;
    let same = stored.is_some_and(|stored| {
        version.content == value.content
            && constant_time::eq(stored.0.text().as_bytes(), value.payload.text().as_bytes())
    });
    Ok(Some((version.number, same)))
}

async fn create(cx: &mut Context<'_>, at: &SecretRef, new: &NewSecret) -> Result<(Secret, Option<u64>), Error> {
    if let Some(secret) = ops::changeable(cx, &at.path).await? {
        // A client that did not hear the first answer asks again.
        if let Some(value) = &new.value
            && let Some((number, true)) = repeats(cx, &secret, &new.version_id, value).await?
        {
            return Ok((secret, Some(number)));
        }
        return Err(SecretFault::Exists.into());
    }
    let mut secret = ops::new_secret(cx, &at.path)?;
    secret.staged = true;
    secret.description.clone_from(&new.description);
    secret.key_id.clone_from(&new.key_id);
    secret.metadata.clone_from(&new.tags);
    secret.regions = regions::of_new(cx, at, &new.replicas).await?;
    check_tags(&secret.metadata)?;
    match &new.value {
        None => Ok((store(cx, secret)?, None)),
        Some(value) => {
            let config = config(cx).await?;
            let draft = Draft { value, id: Some(&new.version_id), stages: &[], rotator: None };
            ops::add_version(cx, &config, secret, draft).await.map(|(at, number)| (at.0.clone(), Some(number)))
        }
    }
}

/// The mount's settings. Where it wants every write to name the version it replaces, a dialect that cannot say so must not
/// get around it.
async fn config(cx: &mut Context<'_>) -> Result<Config, Error> {
    Ok((*ops::config(cx).await?).clone())
}

fn check_blind_write(config: &Config, secret: &Secret) -> Result<(), Error> {
    if secret.current > 0 && (config.cas_required || secret.settings.cas_required) {
        return Err(Error::invalid("check-and-set parameter required for this call"));
    }
    Ok(())
}

async fn put(cx: &mut Context<'_>, at: &SecretRef, new: &NewVersion) -> Result<(Secret, Option<u64>), Error> {
    let mut secret = changeable(cx, at).await?;
    match repeats(cx, &secret, &new.version_id, &new.value).await? {
        Some((number, true)) => return Ok((secret, Some(number))),
        Some((_, false)) => return Err(SecretFault::TokenTaken.into()),
        None => {}
    }
    let config = config(cx).await?;
    check_blind_write(&config, &secret)?;
    secret.staged = true;
    check_stages(&secret, &new.stages)?;
    let draft = Draft { value: &new.value, id: Some(&new.version_id), stages: &new.stages, rotator: None };
    ops::add_version(cx, &config, secret, draft).await.map(|(at, number)| (at.0.clone(), Some(number)))
}

fn check_stages(secret: &Secret, added: &[String]) -> Result<(), Error> {
    let new = added.iter().filter(|stage| !secret.stages.contains_key(*stage)).count();
    if added.len() > STAGES_OF_VERSION_MAX || secret.stages.len() + new > STAGES_MAX {
        return Err(SecretFault::TooManyStages.into());
    }
    Ok(())
}

async fn update(cx: &mut Context<'_>, at: &SecretRef, change: &SecretUpdate) -> Result<(Secret, Option<u64>), Error> {
    let mut secret = match changeable(cx, at).await {
        Err(error) if SecretFault::of(&error) == Some(SecretFault::Replica) => {
            let only_key = change.value.is_none() && change.description.is_none();
            let key_id = change.key_id.as_deref().filter(|_| only_key);
            return regions::name_key(cx, at, key_id).await.map(|secret| (secret, None));
        }
        found => found?,
    };
    if change.value.is_some() && (change.description.is_some() || change.key_id.is_some()) {
        // The request was allowed to write the value; the rest is another name to policies.
        let questions = vec![Question::new("secretsmanager:UpdateSecret")];
        let attached = attached::of_secret(cx, &secret, questions).await?;
        if !regions::may(cx, Action::Update, "metadata", at.path.as_str(), attached.as_ref()) {
            return Err(Error::denied());
        }
    }
    if let Some(description) = &change.description {
        secret.description.clone_from(description);
    }
    if let Some(key_id) = &change.key_id {
        secret.key_id = Some(key_id.clone()).filter(|id| !id.is_empty());
    }
    let Some(value) = &change.value else { return Ok((store(cx, secret)?, None)) };
    // A client that did not hear the first answer asks again.
    match repeats(cx, &secret, &change.version_id, value).await? {
        Some((number, true)) if change.description.is_none() && change.key_id.is_none() => {
            return Ok((secret, Some(number)));
        }
        Some((number, true)) => return Ok((store(cx, secret)?, Some(number))),
        Some((_, false)) => return Err(SecretFault::TokenTaken.into()),
        None => {}
    }
    let config = config(cx).await?;
    check_blind_write(&config, &secret)?;
    secret.staged = true;
    let draft = Draft { value, id: Some(&change.version_id), stages: &[], rotator: None };
    ops::add_version(cx, &config, secret, draft).await.map(|(at, number)| (at.0.clone(), Some(number)))
}

/// Moves, adds or removes one label. The current one is on exactly one version at every moment, and takes the label of the
/// previous one behind it.
async fn move_stage(
    cx: &mut Context<'_>,
    at: &SecretRef,
    stage: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Secret, Error> {
    let mut secret = changeable(cx, at).await?;
    let config = config(cx).await?;
    let number_of = |id: Option<&str>| match id {
        None => Ok(None),
        Some(id) => match secret.versions.iter().find(|version| version.id == id) {
            Some(version) => Ok(Some(version.number)),
            None => Err(Error::from(SecretFault::NoVersion)),
        },
    };
    let (from, to) = (number_of(from)?, number_of(to)?);
    let holder = secret.stages.get(stage).copied();
    match (from, to) {
        (Some(from), _) if holder != Some(from) => return Err(SecretFault::StageNotOnVersion.into()),
        (Some(_), None) if stage == STAGE_CURRENT => return Err(SecretFault::CurrentStays.into()),
        (Some(_), None) => {
            secret.stages.remove(stage);
        }
        (None, Some(to)) if holder.is_some_and(|holder| holder != to) => {
            return Err(SecretFault::StageElsewhere.into());
        }
        (_, Some(to)) => {
            if holder != Some(to) && secret.stages_of(to).len() >= STAGES_OF_VERSION_MAX {
                return Err(SecretFault::TooManyStages.into());
            }
            check_stages(&secret, &[stage.to_owned()])?;
            // What can no longer be read must not become what everybody reads.
            if !secret.version(to).is_some_and(|version| version.is_readable(cx.now)) {
                return Err(SecretFault::NoVersion.into());
            }
            if stage == STAGE_CURRENT {
                if secret.current != to {
                    check_blind_write(&config, &secret)?;
                }
                if secret.stages.get(STAGE_PREVIOUS) == Some(&to) {
                    secret.stages.remove(STAGE_PREVIOUS);
                }
                ops::make_current(&mut secret, to);
            } else {
                secret.stages.insert(stage.to_owned(), to);
            }
        }
        (None, None) => return Ok(secret),
    }
    secret.staged = true;
    store(cx, secret)
}

/// Deletes with a window in which it can be brought back.
async fn mark(cx: &mut Context<'_>, at: &SecretRef, window_s: u64) -> Result<Secret, Error> {
    let mut secret = changeable(cx, at).await?;
    regions::check_alone(at, &secret)?;
    let purge_at = cx.now.plus(TtlSeconds(window_s));
    secret.deleted = Some(Deletion { at: cx.now, purge_at });
    cx.state.put(&Doomed::name(purge_at, &secret.path), &Doomed)?;
    ops::sweep(cx).await?;
    let pointer = Pointer(secret);
    cx.state.put(&pointer.0.path, &pointer)?;
    Ok(pointer.0)
}

/// Deletes at once, marked or not. The answer is about what was. To remove what is not there is to have removed it: then it is
/// about a secret that nobody made.
async fn remove(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let pointer = match cx.state.get::<Pointer>(at.path.as_str()).await? {
        Some(pointer) if check_meant(at, &pointer.0).is_ok() => pointer,
        _ => {
            let mut none = ops::new_secret(cx, &at.path)?;
            none.deleted = Some(Deletion { at: cx.now, purge_at: cx.now });
            return Ok(none);
        }
    };
    regions::check_home(at, &pointer.0)?;
    regions::check_alone(at, &pointer.0)?;
    let mut was = pointer.0.clone();
    was.deleted = Some(Deletion { at: cx.now, purge_at: cx.now });
    ops::sweep(cx).await?;
    ops::forget(cx, pointer.0, PAYLOADS_REMOVED_MAX)?;
    Ok(was)
}

async fn restore(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let pointer = cx.state.get::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
    check_meant(at, &pointer.0)?;
    regions::check_home(at, &pointer.0)?;
    let mut secret = pointer.0;
    if secret.is_past(cx.now) {
        return Err(Error::not_found());
    }
    let Some(deletion) = secret.deleted.take() else { return Ok(secret) };
    cx.state.delete::<Doomed>(&Doomed::name(deletion.purge_at, &secret.path));
    let pointer = Pointer(secret);
    cx.state.put(&pointer.0.path, &pointer)?;
    Ok(pointer.0)
}

async fn tag(
    cx: &mut Context<'_>,
    at: &SecretRef,
    set: &BTreeMap<String, String>,
    remove: &[String],
) -> Result<Secret, Error> {
    let mut secret = changeable(cx, at).await?;
    secret.metadata.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
    for key in remove {
        secret.metadata.remove(key);
    }
    check_tags(&secret.metadata)?;
    store(cx, secret)
}

fn check_tags(pairs: &BTreeMap<String, String>) -> Result<(), Error> {
    if pairs.len() > METADATA_PAIRS_MAX {
        return Err(SecretFault::TooManyTags.into());
    }
    ops::check_metadata(pairs)
}

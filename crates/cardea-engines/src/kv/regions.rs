//! Secrets of regions: who asks from a region that a secret is not in finds none, and who asks from one that it is replicated
//! to changes nothing. It must never copy a payload but where a replica becomes a secret of its own, and never let a path with
//! a region be a way around what is said of the path without it.
//!
//! A name is one secret's in each region. The first one has the path of its name; one that is made, or set free, where another
//! secret has that path, has its region behind it (`prod/db%us-east-1`). That is its name to policies and to doors without
//! regions. The kernel asks policies about the path without the region, too (`Engine::stands_under`); what this engine asks for
//! itself goes through [`may`].

use crate::kv::model::{Pointer, StoredPayload, StoredPolicy};
use crate::kv::{ops, policy_name, shared};
use cardea_model::limit::PAYLOAD_BYTES_MAX;
use cardea_model::operation::{Replicas, SecretRef};
use cardea_model::secret::{
    SECRET_REPLICAS_MAX, Secret, SecretFault, SecretPlace, SecretRegions, Version, VersionState, regional_path,
    split_regional,
};
use cardea_model::{Action, CanonicalPath, Error};
use cardea_sdk::Context;
use cardea_sdk::attached::Attached;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Paths of one name that are looked at: each region that the owner can replicate to, and what else somebody made there.
const PATHS_OF_NAME_MAX: usize = 64;
/// Names that are looked at to find those: who may make none of this name may still make names that begin as they do.
const NAMES_LOOKED_AT_MAX: usize = 1024;
/// Most payloads that a replica takes with it when it becomes a secret of its own; each is read and written in one commit of
/// 96 operations.
const PAYLOADS_COPIED_MAX: usize = 28;
/// Secrets that one replication overwrites at most: each takes four operations of a commit.
const OVERWRITTEN_MAX: usize = 8;

/// Whether the caller may do something to a part of a secret, by all that is said of its path.
pub fn may(cx: &Context<'_>, action: Action, part: &str, path: &str, attached: Option<&Attached>) -> bool {
    if split_regional(path).is_some_and(|(path, _)| cx.rights.forbids(action, &policy_name(cx.mount, part, path))) {
        return false;
    }
    let name = policy_name(cx.mount, part, path);
    match attached {
        Some(attached) => cx.rights.allows_with(action, &name, attached),
        None => cx.rights.allows(action, &name),
    }
}

/// The path of the secret that has a name in the region that asks, or that of the one to be made there.
///
/// # Errors
/// Only the store's.
pub async fn path_of(cx: &mut Context<'_>, at: &SecretRef, makes: bool) -> Result<CanonicalPath, Error> {
    let Some(region) = &at.region else { return Ok(at.path.clone()) };
    if split_regional(at.path.as_str()).is_some() {
        return Ok(at.path.clone());
    }
    if let Some(found) = in_region(cx, &at.path, region).await? {
        return CanonicalPath::parse(&found.0.path);
    }
    // The path is that of a secret elsewhere.
    let plain = cx.state.peek::<Pointer>(at.path.as_str()).await?;
    let is_elsewhere = plain.is_some_and(|plain| !plain.0.is_past(cx.now) && plain.0.regions.is_some());
    match regional_path(&at.path, region) {
        Ok(path) if makes && is_elsewhere => Ok(path),
        _ => Ok(at.path.clone()),
    }
}

/// The one secret of a name that is in a region, at home or replicated. One without regions is in all of them, unless another
/// one is in this.
async fn in_region(cx: &mut Context<'_>, name: &CanonicalPath, region: &str) -> Result<Option<Arc<Pointer>>, Error> {
    let is_in = |secret: &Secret| match &secret.regions {
        Some(regions) => regions.place(region) != SecretPlace::Nowhere,
        None => false,
    };
    let plain = cx.state.peek::<Pointer>(name.as_str()).await?.filter(|pointer| !pointer.0.is_past(cx.now));
    if let Some(plain) = plain.as_ref().filter(|plain| is_in(&plain.0)) {
        return Ok(Some(plain.clone()));
    }
    // At home in this region it has that path: no other name can stand before it.
    if let Ok(path) = regional_path(name, region) {
        let home = cx.state.peek::<Pointer>(path.as_str()).await?;
        if let Some(home) = home.filter(|home| !home.0.is_past(cx.now) && is_in(&home.0)) {
            return Ok(Some(home));
        }
    }
    let (front, mut after, mut looked_at, mut regional) = (format!("{name}%"), None::<String>, 0, 0);
    while looked_at < NAMES_LOOKED_AT_MAX && regional < PATHS_OF_NAME_MAX {
        let names = cx.state.names::<Pointer>(&front, after.as_deref(), PATHS_OF_NAME_MAX).await?;
        let Some(last) = names.last() else { break };
        (after, looked_at) = (Some(last.clone()), looked_at + names.len());
        for path in names {
            if split_regional(&path).is_none_or(|(of, _)| of != name.as_str()) {
                continue;
            }
            regional += 1;
            let found = cx.state.peek::<Pointer>(&path).await?;
            if let Some(found) = found.filter(|found| !found.0.is_past(cx.now) && is_in(&found.0)) {
                return Ok(Some(found));
            }
        }
    }
    Ok(plain.filter(|plain| plain.0.regions.is_none()))
}

/// The path without a region.
fn name_of(path: &str) -> Result<CanonicalPath, Error> {
    CanonicalPath::parse(split_regional(path).map_or(path, |(path, _)| path))
}

/// Where a secret is to whoever asks. One that was made without regions, or that is asked for without, is everywhere.
#[must_use]
pub fn place(secret: &Secret, region: Option<&str>) -> SecretPlace {
    match (&secret.regions, region) {
        (Some(regions), Some(region)) => regions.place(region),
        _ => SecretPlace::Home,
    }
}

/// That a secret may be changed from where it is asked for.
///
/// # Errors
/// Not found; [`SecretFault::Replica`].
pub fn check_home(at: &SecretRef, secret: &Secret) -> Result<(), Error> {
    match place(secret, at.region.as_deref()) {
        SecretPlace::Home => Ok(()),
        SecretPlace::Replica => Err(SecretFault::Replica.into()),
        SecretPlace::Nowhere => Err(Error::not_found()),
    }
}

/// That a secret has no replicas, which are to go first; who asks without a region removes all there is.
///
/// # Errors
/// [`SecretFault::HasReplicas`].
pub fn check_alone(at: &SecretRef, secret: &Secret) -> Result<(), Error> {
    match &secret.regions {
        Some(regions) if at.region.is_some() && !regions.replicas.is_empty() => Err(SecretFault::HasReplicas.into()),
        _ => Ok(()),
    }
}

/// The regions of a new secret.
///
/// # Errors
/// As [`replicate`]; denied, if the caller may not replicate it.
pub async fn of_new(cx: &mut Context<'_>, at: &SecretRef, replicas: &Replicas) -> Result<Option<SecretRegions>, Error> {
    let Some(region) = &at.region else {
        return if replicas.regions.is_empty() { Ok(None) } else { Err(SecretFault::NoRegions.into()) };
    };
    if !replicas.regions.is_empty() && !may(cx, Action::Update, "metadata", at.path.as_str(), None) {
        return Err(Error::denied());
    }
    let mut regions = SecretRegions { primary: region.clone(), replicas: BTreeMap::new() };
    add(cx, &at.path, &mut regions, replicas).await?;
    Ok(Some(regions))
}

/// Adds regions. Where another secret has the name in one of them, it stays, and this one is not there; unless it shall give
/// way, and can: a secret that is at home there and nowhere else.
async fn add(
    cx: &mut Context<'_>,
    path: &CanonicalPath,
    regions: &mut SecretRegions,
    replicas: &Replicas,
) -> Result<(), Error> {
    if replicas.regions.contains_key(&regions.primary) {
        return Err(SecretFault::OwnRegion.into());
    }
    let name = name_of(path.as_str())?;
    let mut overwritten = 0;
    for (region, replica) in &replicas.regions {
        let mut replica = replica.clone();
        if let Some(other) = in_region(cx, &name, region).await?.filter(|other| other.0.path != path.as_str()) {
            let gives_way = other.0.regions.as_ref().is_some_and(|of| of.primary == *region && of.replicas.is_empty());
            match replicas.force && gives_way {
                true => {
                    overwritten += 1;
                    if overwritten > OVERWRITTEN_MAX {
                        return Err(SecretFault::TooManyReplicas.into());
                    }
                    overwrite(cx, &other.0).await?;
                }
                false => replica.taken = true,
            }
        }
        regions.replicas.insert(region.clone(), replica);
    }
    if regions.replicas.len() > SECRET_REPLICAS_MAX {
        return Err(SecretFault::TooManyReplicas.into());
    }
    Ok(())
}

/// Removes the secret that is in the way of a replica: as much as to delete it by force.
async fn overwrite(cx: &mut Context<'_>, other: &Secret) -> Result<(), Error> {
    let question = vec![cardea_sdk::Question::new("secretsmanager:DeleteSecret")];
    let attached = crate::kv::attached::of_secret(cx, other, question).await?;
    if !may(cx, Action::Delete, "metadata", &other.path, attached.as_ref()) {
        return Err(Error::denied());
    }
    ops::forget(cx, other.clone(), 0)
}

/// Makes a secret readable in more regions. One that had none is at home in the one where this is asked from then on.
///
/// # Errors
/// As [`shared::changeable`]; [`SecretFault::NoRegions`], [`SecretFault::OwnRegion`], [`SecretFault::TooManyReplicas`].
pub async fn replicate(cx: &mut Context<'_>, at: &SecretRef, replicas: &Replicas) -> Result<Secret, Error> {
    let mut secret = shared::changeable(cx, at).await?;
    let Some(region) = &at.region else { return Err(SecretFault::NoRegions.into()) };
    let home = || SecretRegions { primary: region.clone(), replicas: BTreeMap::new() };
    let mut regions = secret.regions.take().unwrap_or_else(home);
    add(cx, &at.path, &mut regions, replicas).await?;
    secret.regions = Some(regions);
    shared::store(cx, secret)
}

/// Takes a secret out of regions that it is replicated to.
///
/// # Errors
/// As [`shared::changeable`]; [`SecretFault::NotReplicated`] if it is not in one of them.
pub async fn remove(cx: &mut Context<'_>, at: &SecretRef, gone: &[String]) -> Result<Secret, Error> {
    let mut secret = shared::changeable(cx, at).await?;
    let Some(regions) = &mut secret.regions else { return Err(SecretFault::NotReplicated.into()) };
    for region in gone {
        regions.replicas.remove(region).ok_or(SecretFault::NotReplicated)?;
    }
    shared::store(cx, secret)
}

/// Makes a replica a secret of its own, under the path of its region: a copy of what it was, of which the primary secret knows
/// nothing from then on. How the primary rotates stays with that.
///
/// # Errors
/// Not found; [`SecretFault::NotReplicated`] where it is at home; [`SecretFault::Exists`] if the path is taken;
/// [`SecretFault::TooMuchToDetach`]; denied, if the caller may not make a secret at that path.
pub async fn detach(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let whole = SecretRef { region: None, ..at.clone() };
    let primary = cx.state.peek::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
    shared::check_meant(at, &primary.0)?;
    let Some(region) = at.region.as_ref().filter(|_| place(&primary.0, at.region.as_deref()) == SecretPlace::Replica)
    else {
        return Err(if primary.0.is_past(cx.now) { Error::not_found() } else { SecretFault::NotReplicated.into() });
    };
    let mut primary = shared::changeable(cx, &whole).await?;
    let path = regional_path(&name_of(at.path.as_str())?, region)?;
    if ops::changeable(cx, &path).await?.is_some() {
        return Err(SecretFault::Exists.into());
    }
    let mut secret = copy(cx, &primary, path.as_str()).await?;
    let question = vec![cardea_sdk::Question::new("secretsmanager:CreateSecret")];
    let attached = crate::kv::attached::of_secret(cx, &primary, question).await?;
    if !may(cx, Action::Create, "data", path.as_str(), attached.as_ref()) {
        return Err(Error::denied());
    }
    let replica = primary.regions.as_mut().and_then(|regions| regions.replicas.remove(region));
    secret.key_id = replica.ok_or_else(Error::not_found)?.key_id;
    secret.regions = Some(SecretRegions { primary: region.clone(), replicas: BTreeMap::new() });
    shared::store(cx, primary)?;
    shared::store(cx, secret)
}

/// A secret with the versions of another one: all that have a label, and of the others the newest, as many as one change can
/// copy. No rotator made them as far as this one knows: what a source has made is the primary secret's to end.
async fn copy(cx: &mut Context<'_>, of: &Secret, path: &str) -> Result<Secret, Error> {
    let id = ops::new_id(cx);
    let is_labelled = |version: &Version| of.stages.values().any(|number| *number == version.number);
    let mut order: Vec<&Version> = of.versions.iter().filter(|version| is_labelled(version)).collect();
    order.extend(of.versions.iter().rev().filter(|version| !is_labelled(version)));
    let (mut kept, mut count, mut bytes) = (Vec::new(), 0, 0);
    for version in order {
        if version.state != VersionState::Destroyed {
            if count == PAYLOADS_COPIED_MAX {
                if is_labelled(version) {
                    return Err(SecretFault::TooMuchToDetach.into());
                }
                break;
            }
            let stored = cx.state.get::<StoredPayload>(&StoredPayload::name(&of.id, version.number)).await?;
            let stored = stored.ok_or_else(|| Error::internal("a version of a secret has no payload"))?;
            (count, bytes) = (count + 1, bytes + stored.0.text().len());
            if bytes > PAYLOAD_BYTES_MAX {
                if is_labelled(version) {
                    return Err(SecretFault::TooMuchToDetach.into());
                }
                break;
            }
            cx.state.put(&StoredPayload::name(&id, version.number), &stored)?;
        }
        kept.push(Version { rotator: None, ..version.clone() });
    }
    kept.sort_by_key(|version| version.number);
    let is_kept = |number: &u64| kept.iter().any(|version| version.number == *number);
    let mut secret = Secret { path: path.to_owned(), staged: true, ..of.clone() };
    secret.tokens.retain(|_, number| is_kept(number));
    secret.newest = of.newest();
    secret.oldest = kept.first().map_or(0, |version| version.number);
    secret.versions = kept;
    secret.once = Some(of.once.clone().unwrap_or_else(|| of.id.clone()));
    if of.policy_arn.is_some() {
        // As unreadable as it was, if it is lost.
        if let Some(policy) = cx.state.peek::<StoredPolicy>(&of.id).await? {
            cx.state.put(&id, &StoredPolicy::new(policy.text.clone()))?;
        }
    }
    secret.id = id;
    Ok(secret)
}

/// The one change that a replica's region may make: the key that is named for it there.
///
/// # Errors
/// [`SecretFault::Replica`] for any other.
pub async fn name_key(cx: &mut Context<'_>, at: &SecretRef, key_id: Option<&str>) -> Result<Secret, Error> {
    let (Some(region), Some(key_id)) = (&at.region, key_id) else { return Err(SecretFault::Replica.into()) };
    let home = SecretRef { region: None, ..at.clone() };
    let mut secret = shared::changeable(cx, &home).await?;
    let replica = secret.regions.as_mut().and_then(|regions| regions.replicas.get_mut(region));
    replica.ok_or_else(Error::not_found)?.key_id = Some(key_id.to_owned()).filter(|id| !id.is_empty());
    shared::store(cx, secret)
}

//! Secrets of regions: who asks from a region that a secret is not in finds none, and who asks from one that it is replicated
//! to changes nothing. It must never copy a payload: a replica is the same secret, seen from elsewhere.

use crate::kv::model::Pointer;
use crate::kv::shared;
use cardea_model::operation::SecretRef;
use cardea_model::secret::{SECRET_REPLICAS_MAX, Secret, SecretFault, SecretPlace, SecretRegions, SecretReplica};
use cardea_model::{Action, Error};
use cardea_sdk::Context;
use std::collections::BTreeMap;

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
/// As [`add`]; denied, if the caller may not replicate it.
pub fn of_new(
    cx: &Context<'_>,
    at: &SecretRef,
    replicas: &BTreeMap<String, SecretReplica>,
) -> Result<Option<SecretRegions>, Error> {
    let Some(region) = &at.region else {
        return if replicas.is_empty() { Ok(None) } else { Err(SecretFault::NoRegions.into()) };
    };
    if !replicas.is_empty() && !cx.rights.allows(Action::Update, &format!("{}metadata/{}", cx.mount.path, at.path)) {
        return Err(Error::denied());
    }
    let mut regions = SecretRegions { primary: region.clone(), replicas: BTreeMap::new() };
    add(&mut regions, replicas)?;
    Ok(Some(regions))
}

fn add(regions: &mut SecretRegions, replicas: &BTreeMap<String, SecretReplica>) -> Result<(), Error> {
    if replicas.contains_key(&regions.primary) {
        return Err(SecretFault::OwnRegion.into());
    }
    regions.replicas.extend(replicas.iter().map(|(region, replica)| (region.clone(), replica.clone())));
    if regions.replicas.len() > SECRET_REPLICAS_MAX {
        return Err(SecretFault::TooManyReplicas.into());
    }
    Ok(())
}

/// Makes a secret readable in more regions. One that had none is at home in the one where this is asked from then on.
///
/// # Errors
/// As [`shared::changeable`]; [`SecretFault::NoRegions`], [`SecretFault::OwnRegion`], [`SecretFault::TooManyReplicas`].
pub async fn replicate(
    cx: &mut Context<'_>,
    at: &SecretRef,
    replicas: &BTreeMap<String, SecretReplica>,
) -> Result<Secret, Error> {
    let mut secret = shared::changeable(cx, at).await?;
    let Some(region) = &at.region else { return Err(SecretFault::NoRegions.into()) };
    let home = || SecretRegions { primary: region.clone(), replicas: BTreeMap::new() };
    let mut regions = secret.regions.take().unwrap_or_else(home);
    add(&mut regions, replicas)?;
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

/// A replica that shall stand alone: a name is one secret's here, in all regions, so that there is none to be made of it.
///
/// # Errors
/// Always: not found, [`SecretFault::NotReplicated`] where it is at home, and otherwise [`SecretFault::StaysReplica`].
pub async fn detach(cx: &mut Context<'_>, at: &SecretRef) -> Result<Secret, Error> {
    let pointer = cx.state.peek::<Pointer>(at.path.as_str()).await?.ok_or_else(Error::not_found)?;
    shared::check_meant(at, &pointer.0)?;
    match place(&pointer.0, at.region.as_deref()) {
        _ if pointer.0.is_past(cx.now) => Err(Error::not_found()),
        SecretPlace::Nowhere => Err(Error::not_found()),
        SecretPlace::Home => Err(SecretFault::NotReplicated.into()),
        SecretPlace::Replica => Err(SecretFault::StaysReplica.into()),
    }
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

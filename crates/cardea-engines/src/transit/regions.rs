//! Keys of several regions: a record in each, with one id, and so with the same material and the same count of uses. The
//! primary changes what they share; the others follow in the same transaction. It must never let one change alone, nor take
//! material away while a key of the set is left.

use crate::transit::model::{Doomed, Ending, KeyRecord};
use crate::transit::{actions, documents, manage, ops};
use cardea_model::key::{Attachments, KEY_REGIONS_MAX, Key, KeyFault, KeyRegions, KeyState, NewReplica};
use cardea_model::{Action, Error, Timestamp, TtlSeconds};
use cardea_sdk::Context;
use std::collections::BTreeMap;

/// Newest versions of a key that goes whose end others look for from then on: a commit has 96 operations. What is not looked for
/// ends all the same, and is removed with the last key.
const ENDS_MOVED_MAX: usize = 32;

/// Under which name the id of a key leads to it: there are as many of one id as it has regions.
#[must_use]
pub fn index_name(key: &Key) -> String {
    match &key.regions {
        Some(regions) => index_of(&key.id, &regions.region),
        None => key.id.clone(),
    }
}

/// The same of a key that is looked for.
#[must_use]
pub fn index_of(id: &str, region: &str) -> String {
    format!("{id}@{region}")
}

/// The first of a set.
#[must_use]
pub fn first(region: &str, name: &str) -> KeyRegions {
    let members = BTreeMap::from([(region.to_owned(), name.to_owned())]);
    KeyRegions { region: region.to_owned(), primary: region.to_owned(), members }
}

/// That a key may change what its set shares.
///
/// # Errors
/// [`KeyFault::Replica`].
pub fn leads(key: &Key) -> Result<(), Error> {
    match &key.regions {
        Some(regions) if !regions.is_primary() => Err(KeyFault::Replica.error()),
        _ => Ok(()),
    }
}

/// What a key is by the clock: those of its set whose time has come are gone, and a primary that waited for the last of
/// them waits for its own deletion.
///
/// # Errors
/// Only the store's.
pub async fn settle(cx: &mut Context<'_>, key: &mut Key) -> Result<(), Error> {
    let Some(regions) = &mut key.regions else { return Ok(()) };
    let mut last_gone = Timestamp(0);
    for (region, name) in regions.members.clone() {
        if region == regions.region {
            continue;
        }
        let other = cx.state.peek::<KeyRecord>(&name).await?;
        match other.as_ref().map(|other| other.0.state) {
            Some(KeyState::PendingDeletion(at)) if at <= cx.now => last_gone = last_gone.max(at),
            Some(_) => continue,
            None => {}
        }
        regions.members.remove(&region);
    }
    if let KeyState::PendingReplicaDeletion { window_s } = key.state
        && regions.members.len() == 1
        && last_gone > Timestamp(0)
    {
        key.state = KeyState::PendingDeletion(last_gone.plus(TtlSeconds(window_s)));
    }
    Ok(())
}

/// Gives the others of a set what they share with a key that was changed.
///
/// # Errors
/// Only the store's.
pub async fn share(cx: &mut Context<'_>, key: &Key) -> Result<(), Error> {
    let Some(regions) = &key.regions else { return Ok(()) };
    for name in regions.others() {
        let Some(KeyRecord(mut other)) = cx.state.get::<KeyRecord>(&name).await? else { continue };
        other.origin = key.origin;
        other.settings = key.settings.clone();
        other.latest = key.latest;
        other.oldest = key.oldest;
        other.versions.clone_from(&key.versions);
        other.pending.clone_from(&key.pending);
        if let Some(its) = &mut other.regions {
            its.primary.clone_from(&regions.primary);
            its.members.clone_from(&regions.members);
        }
        if other.state == KeyState::PendingImport && other.latest > 0 && !other.lacks_material() {
            other.state = KeyState::Enabled;
        }
        cx.state.put(&name, &KeyRecord(other))?;
    }
    Ok(())
}

/// Takes a key out of its set. Gives whether others are left, which keep the material.
///
/// # Errors
/// Only the store's.
pub async fn leave(cx: &mut Context<'_>, key: &Key) -> Result<bool, Error> {
    let Some(regions) = &key.regions else { return Ok(false) };
    let at = match key.state {
        KeyState::PendingDeletion(at) => at,
        _ => cx.now,
    };
    let mut left = None;
    for name in regions.others() {
        let Some(KeyRecord(mut other)) = cx.state.get::<KeyRecord>(&name).await? else { continue };
        let Some(its) = &mut other.regions else { continue };
        its.members.remove(&regions.region);
        let alone = its.members.len() == 1;
        if let KeyState::PendingReplicaDeletion { window_s } = other.state
            && alone
        {
            let at = at.plus(TtlSeconds(window_s));
            other.state = KeyState::PendingDeletion(at);
            cx.state.put(&Doomed::name(at, &index_name(&other)), &Doomed { name: name.clone() })?;
        }
        cx.state.put(&name, &KeyRecord(other))?;
        left = Some(name);
    }
    // What ends by itself is looked for under the name of a key that is there.
    let Some(name) = left else { return Ok(false) };
    let ends = key.versions.iter().chain(&key.pending).rev().filter(|version| !version.absent);
    for version in ends.take(ENDS_MOVED_MAX) {
        if let Some(at) = version.expires {
            cx.state.put(&Ending::name(at, &key.id, version.number), &Ending { name: name.clone() })?;
        }
    }
    Ok(true)
}

/// Whether a key that is to be deleted has to wait for others of its set.
#[must_use]
pub fn has_replicas(key: &Key) -> bool {
    key.regions.as_ref().is_some_and(|regions| regions.is_primary() && regions.members.len() > 1)
}

/// Makes a key's counterpart in another region.
///
/// # Errors
/// Not found; [`KeyFault::Usage`] for a key of no region, [`KeyFault::Replica`], a state that forbids it;
/// [`KeyFault::Exists`]; denied, if the caller may not make keys.
pub async fn replicate(cx: &mut Context<'_>, name: &str, replica: &NewReplica) -> Result<KeyRecord, Error> {
    manage::sweep(cx).await?;
    let mut key = manage::changing(cx, name).await?;
    leads(&key)?;
    let Some(mut regions) = key.regions.clone() else { return Err(KeyFault::Usage.error()) };
    ops::in_use(&key)?;
    if !cx.rights.allows(Action::Update, &format!("{}keys", cx.mount.path)) {
        return Err(Error::denied());
    }
    let its_name = format!("{}.{}", key.id, replica.region);
    // One whose time has come stands in nobody's way, whether it was removed or not.
    let there = cx.state.peek::<KeyRecord>(&its_name).await?.filter(|there| !ops::is_past(&there.0, cx.now));
    if regions.members.contains_key(&replica.region) || there.is_some() {
        return Err(KeyFault::Exists.error());
    }
    if regions.members.len() >= KEY_REGIONS_MAX {
        return Err(KeyFault::TooManyVersions.error());
    }
    regions.members.insert(replica.region.clone(), its_name.clone());
    manage::check_room(&Key { regions: Some(regions.clone()), ..key.clone() })?;
    let mut made = Key {
        name: its_name,
        created: cx.now,
        state: KeyState::Enabled,
        description: replica.description.clone(),
        tags: replica.tags.clone(),
        attributes: replica.attributes.clone(),
        // What decides about a key is its region's own.
        attached: Attachments::default(),
        uses_kept_from: Some(cx.now),
        regions: Some(KeyRegions { region: replica.region.clone(), ..regions.clone() }),
        ..key.clone()
    };
    manage::check_texts(&made)?;
    if let Some(document) = &replica.document {
        documents::attach(cx, &mut made, document)?;
    }
    let made = manage::insert(cx, made).await?;
    key.regions = Some(regions);
    manage::store(cx, key).await?;
    Ok(made)
}

/// Makes another key of the set the one that changes what all share.
///
/// # Errors
/// Not found, of the key or of one in that region; [`KeyFault::Usage`], [`KeyFault::Replica`], states that forbid it;
/// denied, if the caller may not do this to the other key, too.
pub async fn set_primary(cx: &mut Context<'_>, name: &str, region: &str) -> Result<KeyRecord, Error> {
    let mut key = manage::changing(cx, name).await?;
    leads(&key)?;
    let Some(regions) = &mut key.regions else { return Err(KeyFault::Usage.error()) };
    let other = regions.members.get(region).cloned().ok_or_else(Error::not_found)?;
    regions.primary = region.to_owned();
    ops::in_use(&key)?;
    let path = format!("{}keys/{other}/primary", cx.mount.path);
    let found = ops::find(cx, &other).await?;
    let allowed = match found.0.attached.is_none() {
        true => cx.rights.allows(Action::Update, &path),
        false => {
            let attached = documents::of_key(cx, &found.0, actions::made_primary()).await?;
            cx.rights.allows_with(Action::Update, &path, &attached)
        }
    };
    if !allowed {
        return Err(Error::denied());
    }
    ops::in_use(&found.0)?;
    manage::store(cx, key).await
}

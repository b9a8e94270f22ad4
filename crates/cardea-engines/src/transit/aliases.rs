//! Second names of keys. One that stands for a key of several regions is known in that key's region alone; any other is known
//! in all. It must never stand in the way of a key that is called so itself once its own is gone.

use crate::transit::model::{AliasRecord, KeyRecord};
use crate::transit::ops;
use cardea_model::key::{KeyAlias, KeyFault};
use cardea_model::limit::LIST_ENTRIES_MAX;
use cardea_model::{CanonicalPath, Cause, Error, KeyAnswer};
use cardea_sdk::Context;

/// Between an alias and its region in the name of a record; aliases of dialects that have regions do not have it.
const AT: char = '@';

fn in_region(alias: &str, region: &str) -> String {
    format!("{alias}{AT}{region}")
}

/// The name of the key that an alias stands for, as it is known in a region: that of the region, then that of all, then a
/// key that is called so itself.
///
/// # Errors
/// Only the store's.
pub async fn resolve(cx: &mut Context<'_>, alias: &str, region: Option<&str>) -> Result<Option<String>, Error> {
    for name in region.map(|region| in_region(alias, region)).into_iter().chain([alias.to_owned()]) {
        if let Some(name) = behind(cx, &name, region).await? {
            return Ok(Some(name));
        }
    }
    there(cx, alias, region).await
}

/// The name of the key behind the record of an alias, if both are there.
async fn behind(cx: &mut Context<'_>, record: &str, region: Option<&str>) -> Result<Option<String>, Error> {
    match cx.state.peek::<AliasRecord>(record).await? {
        Some(found) => there(cx, &found.name, region).await,
        None => Ok(None),
    }
}

/// A key's name, if there is one in the region.
async fn there(cx: &mut Context<'_>, name: &str, region: Option<&str>) -> Result<Option<String>, Error> {
    match ops::find(cx, name).await {
        Ok(found) => Ok(ops::is_in(&found.0, region).then(|| name.to_owned())),
        Err(error) if error.cause == Cause::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets an alias, or moves one.
///
/// # Errors
/// [`KeyFault::Exists`] if there is one and it is not to be moved; not found if there is none to be moved;
/// [`KeyFault::PendingDeletion`] of the key.
pub async fn set(
    cx: &mut Context<'_>,
    alias: &str,
    key: &str,
    moves: bool,
    region: Option<&str>,
) -> Result<KeyAnswer, Error> {
    CanonicalPath::parse(alias)?;
    let target = ops::find(cx, key).await?;
    ops::stays(&target.0)?;
    let own = region.map(|region| in_region(alias, region));
    let mut in_own = false;
    if let Some(own) = &own {
        in_own = behind(cx, own, region).await?.is_some();
    }
    // One that stands for a key that is gone is free.
    let named = in_own || behind(cx, alias, region).await?.is_some();
    match moves {
        true if !named => return Err(Error::not_found()),
        false if named || there(cx, alias, region).await?.is_some() => return Err(KeyFault::Exists.error()),
        _ => {}
    }
    let record = match (&target.0.regions, own) {
        (Some(regions), _) => in_region(alias, &regions.region),
        (None, Some(own)) if in_own => own,
        (None, _) => alias.to_owned(),
    };
    cx.state.put(&record, &AliasRecord { name: key.to_owned() })?;
    Ok(KeyAnswer::Done)
}

/// Takes an alias away: that of the region, or else that of all.
///
/// # Errors
/// Not found.
pub async fn delete(cx: &mut Context<'_>, alias: &str, region: Option<&str>) -> Result<KeyAnswer, Error> {
    for record in region.map(|region| in_region(alias, region)).into_iter().chain([alias.to_owned()]) {
        if cx.state.exists::<AliasRecord>(&record).await? {
            cx.state.delete::<AliasRecord>(&record);
            return Ok(KeyAnswer::Done);
        }
    }
    Err(Error::not_found())
}

/// Aliases as they are known in a region. Those that are not known there stand in the list without a key, as it goes on by
/// what was read.
///
/// # Errors
/// Only the store's.
pub async fn list(
    cx: &mut Context<'_>,
    after: Option<&str>,
    limit: usize,
    region: Option<&str>,
) -> Result<KeyAnswer, Error> {
    let mut names = cx.state.names::<AliasRecord>("", after, (limit + 1).min(LIST_ENTRIES_MAX)).await?;
    let more = names.len() > limit;
    names.truncate(limit);
    let mut aliases = Vec::with_capacity(names.len());
    for place in names {
        let Some(found) = cx.state.peek::<AliasRecord>(&place).await? else { continue };
        let (alias, its) = match place.rsplit_once(AT) {
            Some((alias, its)) if region.is_some() => (alias.to_owned(), Some(its)),
            _ => (place.clone(), None),
        };
        let hidden = match (its, region) {
            (Some(its), Some(region)) => its != region,
            // One of the region stands before that of all.
            (None, Some(_)) => match region {
                Some(here) => behind(cx, &in_region(&alias, here), region).await?.is_some(),
                None => false,
            },
            _ => false,
        };
        let key = match hidden {
            true => None,
            false => cx.state.peek::<KeyRecord>(&found.name).await?,
        };
        let key = key.filter(|key| !ops::is_past(&key.0, cx.now) && ops::is_in(&key.0, region));
        let key_id = key.map(|key| key.0.id.clone()).unwrap_or_default();
        aliases.push(KeyAlias { place, alias, key_id, key_name: found.name.clone() });
    }
    Ok(KeyAnswer::Aliases { aliases, more })
}

//! Grants: made, listed, retired and revoked, and which of them allow a question to the caller. The grants of one grantee on
//! one key are one record, so that a use of the key reads as many of them as the caller has names. They are kept under a
//! place that no other key ever has: they end with the key, and what is left of them is removed by later changes.

use crate::transit::model::{GrantPointer, GrantPurge, GrantsOf, KeyRecord, Retirable, StoredGrant};
use crate::transit::{manage, ops};
use cardea_crypto::random::random_array;
use cardea_crypto::{constant_time, mac};
use cardea_model::key::{Grant, GrantOperation, GrantToken, Key, KeyFamily, KeyFault, KeyState, NewGrant};
use cardea_model::{Caller, Error, KeyRef, SecretBytes, SecretText};
use cardea_sdk::Context;

/// Most grants of one grantee on one key: a record of some 100 KiB.
pub const OF_GRANTEE_MAX: usize = 100;
/// Most grants on one key: they are counted when another one is made.
pub const OF_KEY_MAX: usize = 2_500;
/// Grants that a later change removes of a key that is gone.
const PURGED_MAX: usize = 8;
const SECRET_BYTES: usize = 32;
const NONCE_BYTES: usize = 16;
/// Keeps the proofs of tokens apart from everything else that could be made of a grant's secret.
const PROOF: &[u8] = b"cardea grant token 1";

fn hash(arn: &str) -> String {
    hex::encode(mac::sha256(&[arn.as_bytes()]))
}

fn record_name(place: &str, grantee: &str) -> String {
    format!("{place}/{grantee}")
}

fn retirable_name(retiring: &str, place: &str, grant: &str) -> String {
    format!("{retiring}/{place}/{grant}")
}

/// Makes a grant, or finds the one of its name and content. Returns its id and a token.
///
/// # Errors
/// Not found; [`KeyFault::GrantOperation`], [`KeyFault::TooManyGrants`]; a key that is out of use.
pub async fn create(
    cx: &mut Context<'_>,
    name: &str,
    new: &NewGrant,
    dry_run: bool,
) -> Result<(String, Vec<u8>), Error> {
    let mut key = manage::changing(cx, name).await?;
    match key.state {
        KeyState::PendingImport => {}
        _ => ops::in_use(&key)?,
    }
    // No other key authenticates a context.
    let constrained = new.constraint.is_none() || key.algorithm.family() == KeyFamily::Aead;
    if !constrained || !new.operations.iter().all(|operation| operation.fits(&key)) {
        return Err(KeyFault::GrantOperation.error());
    }
    let had = key.attached.clone();
    if key.attached.place.is_empty() {
        key.attached.place = manage::new_id(cx);
    }
    let (grantee, place) = (hash(&new.grantee), key.attached.place.clone());
    let record = record_name(&place, &grantee);
    let mut of_grantee = cx.state.get::<GrantsOf>(&record).await?.unwrap_or_default();
    if let Some(same) = of_grantee.grants.iter().find(|known| repeats(&known.grant, new)) {
        return Ok((same.grant.id.clone(), token(cx, &key, same)));
    }
    let of_key = cx.state.names::<GrantPointer>(&format!("{place}/"), None, OF_KEY_MAX).await?.len();
    if of_grantee.grants.len() >= OF_GRANTEE_MAX || of_key >= OF_KEY_MAX {
        return Err(KeyFault::TooManyGrants.error());
    }
    let id: [u8; 32] = random_array(cx.rng);
    let secret: [u8; SECRET_BYTES] = random_array(cx.rng);
    let grant = Grant {
        id: hex::encode(id),
        grantee: new.grantee.clone(),
        retiring: new.retiring.clone(),
        operations: new.operations.clone(),
        constraint: new.constraint.clone(),
        name: new.name.clone(),
        created: cx.now,
        issuer: cx.caller.map(issuer).unwrap_or_default(),
    };
    let stored = StoredGrant { grant, secret: SecretText::new(hex::encode(secret)) };
    let made = (stored.grant.id.clone(), token(cx, &key, &stored));
    if dry_run {
        return Ok(made);
    }
    let retiring = new.retiring.as_deref().map(hash);
    if let Some(retiring) = &retiring {
        cx.state.put(&retirable_name(retiring, &place, &made.0), &Retirable { name: key.name.clone() })?;
    }
    cx.state.put(&format!("{place}/{}", made.0), &GrantPointer { grantee, retiring })?;
    of_grantee.grants.push(stored);
    cx.state.put(&record, &of_grantee)?;
    key.attached.grants = true;
    if !new.arn_front.is_empty() {
        key.attached.arn = format!("{}{}", new.arn_front, key.id);
    }
    if key.attached != had {
        manage::store(cx, key).await?;
    }
    Ok(made)
}

/// Whether a grant is what is asked for once more. One without a name never is.
fn repeats(known: &Grant, new: &NewGrant) -> bool {
    new.name.is_some()
        && known.name == new.name
        && known.retiring == new.retiring
        && known.operations == new.operations
        && known.constraint == new.constraint
}

fn issuer(caller: &Caller) -> String {
    match &caller.entity {
        Some(id) => id.0.clone(),
        None => caller.display_name.clone(),
    }
}

/// What only this server can make for a grant; every call makes another one.
fn token(cx: &Context<'_>, key: &Key, stored: &StoredGrant) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random_array(cx.rng);
    let tag = mac::hmac_sha256(stored.secret.expose().as_bytes(), &[PROOF, &nonce]);
    let proof = SecretBytes::new([&nonce[..], &tag].concat());
    let key = match &key.regions {
        Some(regions) => KeyRef::RegionalId { id: key.id.clone(), region: regions.region.clone() },
        None => KeyRef::Id(key.id.clone()),
    };
    GrantToken { key, grant_id: stored.grant.id.clone(), proof }.encode()
}

/// That tokens are those of grants that there are.
///
/// # Errors
/// [`KeyFault::GrantToken`].
pub async fn check_tokens(cx: &mut Context<'_>, tokens: &[GrantToken]) -> Result<(), Error> {
    for token in tokens {
        let stored = of_token(cx, token).await?.ok_or_else(|| KeyFault::GrantToken.error())?;
        let (nonce, tag) =
            token.proof.expose().split_at_checked(NONCE_BYTES).ok_or_else(|| KeyFault::GrantToken.error())?;
        if !constant_time::eq(&mac::hmac_sha256(stored.secret.expose().as_bytes(), &[PROOF, nonce]), tag) {
            return Err(KeyFault::GrantToken.error());
        }
    }
    Ok(())
}

async fn of_token(cx: &mut Context<'_>, token: &GrantToken) -> Result<Option<StoredGrant>, Error> {
    let Some(name) = ops::name_of(cx, &token.key).await? else { return Ok(None) };
    match cx.state.peek::<KeyRecord>(&name).await? {
        Some(record) => find(cx, &record.0, &token.grant_id).await,
        None => Ok(None),
    }
}

/// A grant of a key by its id.
async fn find(cx: &mut Context<'_>, key: &Key, id: &str) -> Result<Option<StoredGrant>, Error> {
    let place = &key.attached.place;
    let Some(pointer) = cx.state.peek::<GrantPointer>(&format!("{place}/{id}")).await? else { return Ok(None) };
    let of_grantee = cx.state.peek::<GrantsOf>(&record_name(place, &pointer.grantee)).await?;
    let found = of_grantee.as_ref().and_then(|of| of.grants.iter().find(|known| known.grant.id == id));
    Ok(found.map(|stored| StoredGrant { grant: stored.grant.clone(), secret: stored.secret.duplicate() }))
}

/// The grant of a key.
///
/// # Errors
/// [`KeyFault::NoGrant`].
pub async fn read(cx: &mut Context<'_>, key: &Key, id: &str) -> Result<Grant, Error> {
    find(cx, key, id).await?.map(|stored| stored.grant).ok_or_else(|| KeyFault::NoGrant.error())
}

/// Ends a grant: from this commit on it allows nothing.
///
/// # Errors
/// Not found, [`KeyFault::NoGrant`].
pub async fn end(cx: &mut Context<'_>, name: &str, id: &str, dry_run: bool) -> Result<(), Error> {
    let key = manage::changing(cx, name).await?;
    let place = &key.attached.place;
    let pointer = cx.state.get::<GrantPointer>(&format!("{place}/{id}")).await?;
    let pointer = pointer.ok_or_else(|| KeyFault::NoGrant.error())?;
    if dry_run {
        return Ok(());
    }
    let record = record_name(place, &pointer.grantee);
    if let Some(mut of_grantee) = cx.state.get::<GrantsOf>(&record).await? {
        of_grantee.grants.retain(|known| known.grant.id != id);
        match of_grantee.grants.is_empty() {
            true => cx.state.delete::<GrantsOf>(&record),
            false => cx.state.put(&record, &of_grantee)?,
        }
    }
    forget(cx, place, id, &pointer);
    Ok(())
}

fn forget(cx: &mut Context<'_>, place: &str, id: &str, pointer: &GrantPointer) {
    if let Some(retiring) = &pointer.retiring {
        cx.state.delete::<Retirable>(&retirable_name(retiring, place, id));
    }
    cx.state.delete::<GrantPointer>(&format!("{place}/{id}"));
}

/// Grants of a key in the order of their ids, after one of them; and where the list goes on.
///
/// # Errors
/// Only the store's.
pub async fn list(
    cx: &mut Context<'_>,
    key: &Key,
    grantee: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<Grant>, Option<String>), Error> {
    let mut grants = Vec::new();
    match grantee {
        Some(grantee) => {
            let of_grantee = cx.state.peek::<GrantsOf>(&record_name(&key.attached.place, &hash(grantee))).await?;
            grants.extend(of_grantee.iter().flat_map(|of| &of.grants).map(|stored| stored.grant.clone()));
            grants.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            grants.retain(|grant| after.is_none_or(|after| grant.id.as_str() > after));
        }
        None => {
            let front = format!("{}/", key.attached.place);
            let after = after.map(|after| format!("{front}{after}"));
            for name in cx.state.names::<GrantPointer>(&front, after.as_deref(), limit + 1).await? {
                grants.extend(find(cx, key, &name[front.len()..]).await?.map(|stored| stored.grant));
            }
        }
    }
    let more = grants.len() > limit;
    grants.truncate(limit);
    let next = grants.last().filter(|_| more).map(|last| last.id.clone());
    Ok((grants, next))
}

/// Grants of any key of a region that a principal may retire, each with its key's id; and where the list goes on.
///
/// # Errors
/// Only the store's.
pub async fn retirable(
    cx: &mut Context<'_>,
    retiring: &str,
    after: Option<&str>,
    limit: usize,
    region: Option<&str>,
) -> Result<(Vec<(String, Grant)>, Option<String>), Error> {
    let front = format!("{}/", hash(retiring));
    let after = after.map(|after| format!("{front}{after}"));
    let mut names = cx.state.names::<Retirable>(&front, after.as_deref(), limit + 1).await?;
    let more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| more).map(|last| last[front.len()..].to_owned());
    let mut grants = Vec::new();
    for name in names {
        let Some((place, id)) = name[front.len()..].split_once('/') else { continue };
        let Some(retirable) = cx.state.get::<Retirable>(&name).await? else { continue };
        let Some(record) = cx.state.peek::<KeyRecord>(&retirable.name).await? else { continue };
        // One of a key that is gone may still wait to be removed.
        let there = record.0.attached.place == place && !ops::is_past(&record.0, cx.now);
        if there && ops::is_in(&record.0, region) {
            grants.extend(find(cx, &record.0, id).await?.map(|stored| (record.0.id.clone(), stored.grant)));
        }
    }
    Ok((grants, next))
}

/// The caller's grants on a key, by the names that are vouched for.
///
/// # Errors
/// Only the store's.
pub async fn of_caller(cx: &mut Context<'_>, key: &Key) -> Result<Vec<Grant>, Error> {
    if !key.attached.grants {
        return Ok(Vec::new());
    }
    let mut grants = Vec::new();
    for arn in cx.rights.names(&key.attached.arn) {
        let of_grantee = cx.state.peek::<GrantsOf>(&record_name(&key.attached.place, &hash(&arn))).await?;
        grants.extend(of_grantee.iter().flat_map(|of| &of.grants).map(|stored| stored.grant.clone()));
    }
    Ok(grants)
}

/// The grant by which the caller may retire one: that very grant, if it says so.
///
/// # Errors
/// Only the store's.
pub async fn retiring(cx: &mut Context<'_>, key: &Key, id: &str) -> Result<Option<String>, Error> {
    let names = cx.rights.names(&key.attached.arn);
    let found = find(cx, key, id).await?.map(|stored| stored.grant);
    let lets = |grant: &Grant| {
        grant.retiring.as_ref().is_some_and(|retiring| names.contains(retiring))
            || (names.contains(&grant.grantee) && grant.allows(GrantOperation::RetireGrant, None))
    };
    Ok(found.filter(lets).map(|grant| grant.id))
}

/// Marks what is left of a key's grants to be removed.
///
/// # Errors
/// Only the store's.
pub fn leave(cx: &mut Context<'_>, key: &Key) -> Result<(), Error> {
    match key.attached.grants {
        true => cx.state.put(&key.attached.place, &GrantPurge {}),
        false => Ok(()),
    }
}

/// Removes some grants of a key that is gone.
///
/// # Errors
/// Only the store's.
pub async fn sweep(cx: &mut Context<'_>) -> Result<(), Error> {
    let gone = cx.state.names::<GrantPurge>("", None, 1).await?;
    let Some(place) = gone.first() else { return Ok(()) };
    let front = format!("{place}/");
    let names = cx.state.names::<GrantPointer>(&front, None, PURGED_MAX).await?;
    for name in &names {
        let id = &name[front.len()..];
        if let Some(pointer) = cx.state.get::<GrantPointer>(name).await? {
            cx.state.delete::<GrantsOf>(&record_name(place, &pointer.grantee));
            forget(cx, place, id, &pointer);
        }
    }
    if names.len() < PURGED_MAX {
        cx.state.delete::<GrantPurge>(place);
    }
    Ok(())
}

//! Imported material that comes for a time, goes, and comes again: the same, or the next. That it is gone is judged by the
//! store's clock at every use; its record is removed by later changes in the mount. It must never let other material stand
//! where a key had one before.

use crate::transit::model::{Ending, KeyRecord, Material, Proof, Purge};
use crate::transit::{manage, ops, regions, transfer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::constant_time;
use cardea_crypto::keys::KeyMaterial;
use cardea_crypto::mac::hmac_sha256;
use cardea_model::key::{
    ImportTerms, ImportWhich, ImportedMaterial, Key, KeyFamily, KeyFault, KeyOrigin, KeyState, KeyVersion,
};
use cardea_model::{Error, SecretBytes, TtlSeconds};
use cardea_sdk::Context;
use cardea_sdk::material::material_id;
use cardea_sdk::purge::Purges;

/// Longest time that material may be imported for, in seconds: AWS's 365 days.
const EXPIRES_S_MAX: u64 = 365 * 86_400;

/// Imports material under its terms; gives the id of its version.
///
/// # Errors
/// Not found; [`KeyFault::Usage`] for a key that was generated here, and what [`transfer::unwrap_import`] says;
/// [`KeyFault::OtherMaterial`]; an end that is not to come, or too far away.
pub async fn import(
    cx: &mut Context<'_>,
    name: &str,
    material: &ImportedMaterial,
    terms: &ImportTerms,
) -> Result<(KeyRecord, String), Error> {
    manage::sweep(cx).await?;
    let mut key = manage::changing(cx, name).await?;
    regions::leads(&key)?;
    match key.state {
        KeyState::Enabled | KeyState::Disabled | KeyState::PendingImport => {}
        _ => ops::in_use(&key)?,
    }
    let first = key.latest == 0;
    if !first && key.origin != KeyOrigin::Imported {
        return Err(KeyFault::Usage.error());
    }
    let raw = transfer::unwrap_import(cx, name, material).await?;
    if let Some(at) = terms.expires
        && (at <= cx.now || at > cx.now.plus(TtlSeconds(EXPIRES_S_MAX)))
    {
        return Err(Error::invalid("the end of key material must be to come, and within 365 days"));
    }
    let brought = KeyMaterial::import(key.algorithm, raw.expose()).map_err(ops::refused)?;
    let known = known(cx, &key, &brought).await?;
    let id = match (first, known, &terms.which) {
        (true, _, ImportWhich::Known(_)) => return Err(KeyFault::OtherMaterial.error()),
        (true, _, ImportWhich::Unsaid | ImportWhich::New) => {
            key.origin = KeyOrigin::Imported;
            manage::add_version(cx, &mut key, brought, KeyOrigin::Imported)?;
            let newest = key.versions.last_mut().ok_or_else(|| Error::internal("a version was not added"))?;
            settle(cx, &key.id, &key.name, newest, terms)?;
            newest.id.clone()
        }
        (false, None, ImportWhich::New) if key.algorithm.family() == KeyFamily::Aead => {
            wait(cx, &mut key, brought, terms)?
        }
        (false, None, _) | (false, Some(_), ImportWhich::New) => return Err(KeyFault::OtherMaterial.error()),
        (false, Some(number), ImportWhich::Known(Some(wanted)))
            if at(&mut key, number).is_none_or(|version| material_id(&version.id) != *wanted) =>
        {
            return Err(KeyFault::OtherMaterial.error());
        }
        (false, Some(number), ImportWhich::Known(_) | ImportWhich::Unsaid) => {
            restore(cx, &mut key, number, brought, terms).await?
        }
    };
    // A key that waited for what was missing is in use again.
    if key.state == KeyState::PendingImport && !key.lacks_material() {
        key.state = KeyState::Enabled;
    }
    Ok((manage::store(cx, key).await?, id))
}

/// The version of a number, the one that waits for a rotation included.
fn at(key: &mut Key, number: u64) -> Option<&mut KeyVersion> {
    key.versions.iter_mut().chain(&mut key.pending).find(|version| version.number == number)
}

/// The number of the version that has, or had, this material.
async fn known(cx: &mut Context<'_>, key: &Key, brought: &KeyMaterial) -> Result<Option<u64>, Error> {
    for version in key.versions.iter().chain(&key.pending) {
        let name = Material::name(&key.id, version.number);
        let shown = proof(&version.id, brought)?;
        let kept = match cx.state.peek::<Material>(&name).await? {
            Some(material) => proof(&version.id, &material.key)?,
            None => cx.state.get::<Proof>(&name).await?.map(|proof| proof.mac).unwrap_or_default(),
        };
        if constant_time::eq(shown.as_bytes(), kept.as_bytes()) {
            return Ok(Some(version.number));
        }
    }
    Ok(None)
}

/// What tells one material from another when it is gone: of a pair, its public half will do.
fn proof(version_id: &str, key: &KeyMaterial) -> Result<String, Error> {
    let mac = match key.algorithm().is_asymmetric() {
        true => hmac_sha256(version_id.as_bytes(), &[key.spki().map_err(ops::refused)?]),
        false => {
            let raw: SecretBytes = key.export_raw().map_err(ops::refused)?;
            hmac_sha256(version_id.as_bytes(), &[raw.expose()])
        }
    };
    Ok(BASE64.encode(mac))
}

/// The terms of material that was just put in its place.
fn settle(
    cx: &mut Context<'_>,
    key_id: &str,
    key_name: &str,
    version: &mut KeyVersion,
    terms: &ImportTerms,
) -> Result<(), Error> {
    forget_end(cx, key_id, version);
    version.absent = false;
    version.expires = terms.expires;
    version.note.clone_from(&terms.note);
    match version.expires {
        Some(at) => cx.state.put(&Ending::name(at, key_id, version.number), &Ending { name: key_name.to_owned() }),
        None => Ok(()),
    }
}

/// Takes a version out of the list of those that end.
pub fn forget_end(cx: &mut Context<'_>, key_id: &str, version: &KeyVersion) {
    if let Some(at) = version.expires {
        cx.state.delete::<Ending>(&Ending::name(at, key_id, version.number));
    }
}

/// Material that the next rotation takes, instead of any that waited before.
fn wait(cx: &mut Context<'_>, key: &mut Key, brought: KeyMaterial, terms: &ImportTerms) -> Result<String, Error> {
    manage::check_room(key)?;
    drop_pending(cx, key);
    let mut version = KeyVersion {
        number: key.latest + 1,
        id: manage::new_id(cx),
        created: cx.now,
        origin: KeyOrigin::Imported,
        public_only: false,
        expires: None,
        absent: false,
        note: String::new(),
        rotated: None,
    };
    settle(cx, &key.id, &key.name, &mut version, terms)?;
    let material = Material { key: brought, mac: Some(manage::beside(cx)?) };
    cx.state.put(&Material::name(&key.id, version.number), &material)?;
    let id = version.id.clone();
    key.pending = Some(version);
    Ok(id)
}

/// Forgets material that waits for a rotation, whose number another version takes.
pub fn drop_pending(cx: &mut Context<'_>, key: &mut Key) {
    if let Some(version) = key.pending.take() {
        forget_end(cx, &key.id, &version);
        Purge::remove(&mut cx.state, &key.id, version.number);
    }
}

/// Makes material that waits the newest version, if there is any.
///
/// # Errors
/// [`KeyFault::PendingImport`] if it was taken away again.
pub fn promote(cx: &Context<'_>, key: &mut Key) -> Result<bool, Error> {
    let Some(mut version) = key.pending.take() else { return Ok(false) };
    if !version.is_there(cx.now) {
        return Err(KeyFault::PendingImport.error());
    }
    version.created = cx.now;
    key.latest = version.number;
    key.versions.push(version);
    Ok(true)
}

async fn restore(
    cx: &mut Context<'_>,
    key: &mut Key,
    number: u64,
    brought: KeyMaterial,
    terms: &ImportTerms,
) -> Result<String, Error> {
    let name = Material::name(&key.id, number);
    let (key_id, key_name, family) = (key.id.clone(), key.name.clone(), key.algorithm.family());
    let version = at(key, number).ok_or_else(|| Error::internal("a version went while it was imported"))?;
    let there = cx.state.peek::<Material>(&name).await?;
    if there.is_none_or(|there| there.key.is_public_only()) {
        // The MAC key beside it went with it, and comes anew.
        let mac = (family != KeyFamily::Hmac).then(|| manage::beside(cx)).transpose()?;
        cx.state.put(&name, &Material { key: brought, mac })?;
        cx.state.delete::<Proof>(&name);
        version.public_only = false;
    }
    settle(cx, &key_id, &key_name, version, terms)?;
    Ok(version.id.clone())
}

/// Takes imported material away; gives the id of its version. What is away already, or never was there, stays so.
///
/// # Errors
/// Not found, of the key or of the material; [`KeyFault::Usage`] for a key that was generated here.
pub async fn take_away(
    cx: &mut Context<'_>,
    name: &str,
    wanted: Option<&str>,
) -> Result<(KeyRecord, Option<String>), Error> {
    manage::sweep(cx).await?;
    let mut key = manage::changing(cx, name).await?;
    regions::leads(&key)?;
    if key.latest == 0 && key.state == KeyState::PendingImport {
        return match wanted {
            None => Ok((KeyRecord(key), None)),
            Some(_) => Err(Error::not_found()),
        };
    }
    if key.origin != KeyOrigin::Imported {
        return Err(KeyFault::Usage.error());
    }
    let number = match wanted {
        None => Some(key.latest),
        Some(wanted) => {
            let all = key.versions.iter().chain(&key.pending);
            all.filter(|version| material_id(&version.id) == wanted).map(|version| version.number).next()
        }
    };
    let key_id = key.id.clone();
    let version = number.and_then(|number| at(&mut key, number)).ok_or_else(Error::not_found)?;
    leave_proof(cx, &key_id, version).await?;
    forget_end(cx, &key_id, version);
    version.absent = true;
    version.expires = None;
    let id = version.id.clone();
    key.settle(cx.now);
    Ok((manage::store(cx, key).await?, Some(id)))
}

/// Removes the record of material, and keeps what it is known by.
async fn leave_proof(cx: &mut Context<'_>, key_id: &str, version: &KeyVersion) -> Result<(), Error> {
    let name = Material::name(key_id, version.number);
    let Some(material) = cx.state.peek::<Material>(&name).await? else { return Ok(()) };
    cx.state.put(&name, &Proof { mac: proof(&version.id, &material.key)? })?;
    cx.state.delete::<Material>(&name);
    Ok(())
}

/// Removes the record of one material whose time has come. The key says so itself, and is not written.
///
/// # Errors
/// Only the store's.
pub async fn expire(cx: &mut Context<'_>) -> Result<(), Error> {
    let names = cx.state.names::<Ending>("", None, 1).await?;
    let Some(first) = names.first() else { return Ok(()) };
    let Some((at, number)) = Ending::parse(first).filter(|(at, _)| *at <= cx.now) else { return Ok(()) };
    let ending = cx.state.get::<Ending>(first).await?;
    cx.state.delete::<Ending>(first);
    let Some(ending) = ending else { return Ok(()) };
    let Some(record) = cx.state.peek::<KeyRecord>(&ending.name).await? else { return Ok(()) };
    let mut of_key = record.0.versions.iter().chain(&record.0.pending);
    let ended = |version: &&KeyVersion| {
        version.number == number && version.expires == Some(at) && Ending::name(at, &record.0.id, number) == *first
    };
    match of_key.find(ended) {
        Some(version) => leave_proof(cx, &record.0.id, version).await,
        None => Ok(()),
    }
}

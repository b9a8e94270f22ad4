//! Logins and renewals. Whatever is wrong with a login, the caller hears the same words after the same lookups; the
//! log alone learns which part it was.
//!
//! It must never write anything for a login that fails, nor for one with a secret id whose uses are not counted.

use crate::approle::model::{Role, RoleIdIndex, SecretId};
use crate::approle::ops::{forget_secret_id, role_id_hash, secret_hash, secret_key};
use crate::cidr;
use cardea_model::{Error, SecretText, Timestamp};
use cardea_sdk::{Context, Identification, TokenTerms, Vouch};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Stands for a role, and for its internal id, where there is none: no name and no id can be this.
const NOBODY: &str = "-";

/// Keys of [`Identification::internal`].
const ROLE_NAME: &str = "role_name";
const ROLE_UID: &str = "role_uid";
const TOKEN_BOUND_CIDRS: &str = "token_bound_cidrs";

/// Judges a login.
pub async fn login(cx: &mut Context<'_>, role_id: &SecretText, secret_id: &SecretText) -> Result<Vouch, Error> {
    // Files and environments bring line ends along.
    let (role_id, secret_id) = (role_id.expose().trim(), secret_id.expose().trim());
    let index = cx.state.peek::<RoleIdIndex>(&role_id_hash(cx, role_id)).await?;
    let name = index.map_or_else(|| NOBODY.to_owned(), |index| index.role_name.clone());
    let role = cx.state.peek::<Role>(&name).await?;
    let uid = role.as_ref().map_or_else(|| NOBODY.to_owned(), |role| role.uid.clone());
    let hash = secret_hash(cx, &uid, secret_id);
    let secret = cx.state.peek::<SecretId>(&secret_key(&uid, &hash)).await?;

    let Some(role) = role else { return Ok(refused("no role has this role id")) };
    let proof = match judge(&role, secret.as_deref(), cx.origin.peer.ip(), cx.now) {
        Ok(proof) => proof,
        Err(detail) => return Ok(refused(detail)),
    };
    let identification = identify(&name, &role, proof.secret, proof.bound_cidrs);
    if let Some((secret, left)) = proof.secret.and_then(|secret| Some((secret, secret.uses_left?))) {
        if left > 1 {
            let used = SecretId { uses_left: Some(left - 1), updated: cx.now, ..secret.clone() };
            cx.state.put(&secret_key(&uid, &hash), &used)?;
        } else {
            forget_secret_id(cx, &uid, &hash, secret);
        }
    }
    Ok(Vouch::Yes(Box::new(identification)))
}

/// Judges a renewal: the role that vouched must still be there, and its terms of today hold. The secret id may be gone.
pub async fn renew(cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
    let fact = |key: &str| before.internal.get(key).map(String::as_str);
    let name = fact(ROLE_NAME).unwrap_or(NOBODY);
    let role = cx.state.peek::<Role>(name).await?;
    let Some(role) = role.filter(|role| fact(ROLE_UID) == Some(role.uid.as_str())) else {
        let error = Error::invalid("the role that this token was made for does not exist any more");
        return Ok(Vouch::No { error, keep_writes: false });
    };
    let mut terms = role.terms.clone();
    if let Some(narrower) = fact(TOKEN_BOUND_CIDRS) {
        let narrower: Vec<String> = narrower.split(',').map(str::to_owned).collect();
        if !cidr::is_within(&narrower, &terms.bound_cidrs) {
            let error = Error::invalid("the role's networks were narrowed since this token was made");
            return Ok(Vouch::No { error, keep_writes: false });
        }
        terms.bound_cidrs = narrower;
    }
    Ok(Vouch::Yes(Box::new(Identification { terms, ..before.clone() })))
}

/// What a sound login rests on.
struct Proof<'s> {
    secret: Option<&'s SecretId>,
    bound_cidrs: Vec<String>,
}

/// Pure. The error is for the log.
fn judge<'s>(
    role: &Role,
    secret: Option<&'s SecretId>,
    peer: IpAddr,
    now: Timestamp,
) -> Result<Proof<'s>, &'static str> {
    let mut bound_cidrs = role.terms.bound_cidrs.clone();
    let mut proof = None;
    if role.bind_secret_id {
        let secret = secret.ok_or("the role has no such secret id")?;
        if secret.is_expired(now) {
            return Err("the secret id has expired");
        }
        if secret.uses_left == Some(0) {
            return Err("the secret id is used up");
        }
        if !cidr::admits(&secret.cidr_list, peer) {
            return Err("the secret id is bound to other networks");
        }
        if !secret.token_bound_cidrs.is_empty() {
            // The role may have been narrowed since the secret id was issued.
            if !cidr::is_within(&secret.token_bound_cidrs, &bound_cidrs) {
                return Err("the secret id's token networks reach beyond the role's");
            }
            bound_cidrs.clone_from(&secret.token_bound_cidrs);
        }
        proof = Some(secret);
    } else if role.secret_id_bound_cidrs.is_empty() && bound_cidrs.is_empty() {
        return Err("the role has no constraint");
    }
    if !cidr::admits(&role.secret_id_bound_cidrs, peer) || !cidr::admits(&bound_cidrs, peer) {
        return Err("the role is bound to other networks");
    }
    Ok(Proof { secret: proof, bound_cidrs })
}

fn identify(name: &str, role: &Role, secret: Option<&SecretId>, bound_cidrs: Vec<String>) -> Identification {
    let mut metadata: BTreeMap<String, String> = secret.map(|secret| secret.metadata.clone()).unwrap_or_default();
    // Last, so that no metadata of a secret id can pose as another role.
    metadata.insert(ROLE_NAME.to_owned(), name.to_owned());
    let mut internal =
        BTreeMap::from([(ROLE_NAME.to_owned(), name.to_owned()), (ROLE_UID.to_owned(), role.uid.clone())]);
    if let Some(secret) = secret {
        // The log keeps it: which secret id was used is a question that operators ask.
        metadata.insert("secret_id_accessor".to_owned(), secret.accessor.clone());
        if !secret.token_bound_cidrs.is_empty() {
            internal.insert(TOKEN_BOUND_CIDRS.to_owned(), secret.token_bound_cidrs.join(","));
        }
    }
    Identification {
        alias: role.role_id.clone(),
        alias_metadata: BTreeMap::from([(ROLE_NAME.to_owned(), name.to_owned())]),
        // Vault's is the mount's prefix alone.
        display_name: String::new(),
        role: name.to_owned(),
        metadata,
        terms: TokenTerms { bound_cidrs, ..role.terms.clone() },
        internal,
    }
}

fn refused(detail: &'static str) -> Vouch {
    let error = Error::invalid("invalid role or secret ID").with_detail(detail);
    Vouch::No { error, keep_writes: false }
}

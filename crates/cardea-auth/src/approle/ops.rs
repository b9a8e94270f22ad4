//! One function an operation. Every check and change of one operation is in its caller's transaction.
//!
//! No function here may find a secret id or an accessor but through the role that it was asked of.

use crate::approle::model::{
    ACCESSOR_BYTES_MAX, AccessorIndex, ExpiryMark, ExpiryName, GoneRole, Role, RoleIdIndex, SECRET_ID_BYTES_MAX,
    SecretId, SecretIdTerms, chosen_id,
};
use crate::approle::routes::{Field, IssuedView, RoleFields, RoleView, SecretIdFields, SecretIdView};
use crate::roles::{Page, RoleName};
use crate::token_fields::TokenFields;
use cardea_crypto::random::uuid4;
use cardea_model::limit::LIST_ENTRIES_MAX;
use cardea_model::{Cause, Error, SecretBytes, SecretText, TtlSeconds};
use cardea_sdk::{Context, Done, Outcome};
use std::collections::HashSet;
use std::sync::Arc;

/// How much one operation removes along with its own change.
///
/// A batch has at most 96 operations. An expired secret id takes three deletes, and a read if its value was chosen; one
/// of a removed role takes two deletes.
#[derive(Clone, Copy)]
struct Sweep {
    expired_max: usize,
    gone_max: usize,
}

/// At most 73 operations, and issuing has at most 8 of its own. Each issue adds one secret id and removes up to 16, so
/// that expired ones cannot pile up.
const SWEEP_ALONG: Sweep = Sweep { expired_max: 16, gone_max: 4 };
/// At most 85 operations; nothing else is in a tidy's batch.
const SWEEP_TIDY: Sweep = Sweep { expired_max: 16, gone_max: 10 };
/// Secret ids that leave with their role at once.
const ROLE_REMOVALS_MAX: usize = 32;
/// Marks looked at once while expired secret ids are left out of a list.
const MARKS_PAGE: usize = 1024;

/// Names of roles.
pub async fn list_roles(cx: &mut Context<'_>, page: &Page) -> Result<Outcome, Error> {
    let names = cx.state.names::<Role>("", page.after.as_deref(), page.limit()?).await?;
    Done::keys(names)
}

pub async fn read_role(cx: &mut Context<'_>, name: &RoleName) -> Result<Outcome, Error> {
    Done::object(&RoleView::of(&*role_of(cx, name).await?))
}

/// Creates the role, or changes what was sent.
pub async fn write_role(
    cx: &mut Context<'_>,
    name: &RoleName,
    fields: &RoleFields,
    token: &TokenFields,
) -> Result<Outcome, Error> {
    let before = cx.state.get::<Role>(name.as_str()).await?;
    let creating = before.is_none();
    let role = before.unwrap_or_else(|| Role::new(uuid4(cx.rng), uuid4(cx.rng)));
    change_role(cx, name, role, fields, token, creating).await
}

/// Changes one field of a role that exists.
pub async fn write_field(
    cx: &mut Context<'_>,
    name: &RoleName,
    fields: &RoleFields,
    token: &TokenFields,
) -> Result<Outcome, Error> {
    let role = cx.state.get::<Role>(name.as_str()).await?.ok_or_else(no_role)?;
    change_role(cx, name, role, fields, token, false).await
}

async fn change_role(
    cx: &mut Context<'_>,
    name: &RoleName,
    mut role: Role,
    fields: &RoleFields,
    token: &TokenFields,
    creating: bool,
) -> Result<Outcome, Error> {
    let role_id_before = role.role_id.clone();
    role.apply(fields, token, creating)?;
    if creating || role.role_id != role_id_before {
        let index = role_id_hash(cx, &role.role_id);
        // Read within the transaction: two roles that take one id at once cannot both commit.
        if cx.state.exists::<RoleIdIndex>(&index).await? {
            return Err(Error::invalid("`role_id` is already in use by a role"));
        }
        if !creating {
            cx.state.delete::<RoleIdIndex>(&role_id_hash(cx, &role_id_before));
        }
        cx.state.put(&index, &RoleIdIndex { role_name: name.as_str().to_owned() })?;
    }
    for words in role.warnings(cx.system.ttl_s(cx.mount).1) {
        cx.warn(words);
    }
    cx.state.put(name.as_str(), &role)?;
    Ok(Done::empty())
}

/// Removes the role; everything it issued is unreachable at once, and leaves the store in bounded steps.
pub async fn delete_role(cx: &mut Context<'_>, name: &RoleName) -> Result<Outcome, Error> {
    let Some(role) = cx.state.get::<Role>(name.as_str()).await? else { return Ok(Done::empty()) };
    cx.state.delete::<Role>(name.as_str());
    cx.state.delete::<RoleIdIndex>(&role_id_hash(cx, &role.role_id));
    cx.state.put(&role.uid, &GoneRole {})?;
    sweep_role(cx, &role.uid, ROLE_REMOVALS_MAX).await?;
    Ok(Done::empty())
}

pub async fn read_field(cx: &mut Context<'_>, name: &RoleName, field: Field) -> Result<Outcome, Error> {
    Done::object(&RoleView::only(field, &*role_of(cx, name).await?))
}

/// Puts one field back to its default. A role that does not exist has nothing to put back.
pub async fn reset_field(cx: &mut Context<'_>, name: &RoleName, field: Field) -> Result<Outcome, Error> {
    if let Some(mut role) = cx.state.get::<Role>(name.as_str()).await? {
        role.reset(field)?;
        cx.state.put(name.as_str(), &role)?;
    }
    Ok(Done::empty())
}

/// Accessors of the role's living secret ids.
pub async fn list_accessors(cx: &mut Context<'_>, name: &RoleName, page: &Page) -> Result<Outcome, Error> {
    let role = role_of(cx, name).await?;
    let expired = expired_accessors(cx, &role.uid).await?;
    let prefix = format!("{}/", role.uid);
    let limit = page.limit()?;
    let mut after = page.after.as_ref().map(|after| format!("{prefix}{after}"));
    let mut out: Vec<String> = Vec::new();
    while out.len() < limit {
        let asked = (limit - out.len()).min(LIST_ENTRIES_MAX);
        let names = cx.state.names::<AccessorIndex>(&prefix, after.as_deref(), asked).await?;
        let last = names.len() < asked;
        after = names.last().cloned();
        out.extend(names.into_iter().map(|name| name[prefix.len()..].to_owned()).filter(|a| !expired.contains(a)));
        if last {
            break;
        }
    }
    Done::keys(out)
}

/// Accessors of one role whose secret ids have expired but were not removed yet; there are few, as sweeps keep up.
async fn expired_accessors(cx: &mut Context<'_>, uid: &str) -> Result<HashSet<String>, Error> {
    let mut out = HashSet::new();
    let mut after: Option<String> = None;
    loop {
        let marks = cx.state.names::<ExpiryMark>("", after.as_deref(), MARKS_PAGE).await?;
        let last = marks.len() < MARKS_PAGE;
        for mark in marks.iter().filter_map(|name| ExpiryName::parse(name)) {
            if mark.expires > cx.now {
                return Ok(out);
            }
            if mark.uid == uid {
                out.insert(mark.accessor);
            }
        }
        if last {
            return Ok(out);
        }
        after = marks.last().cloned();
    }
}

/// Makes a secret id, or registers the one that the caller chose.
pub async fn issue(
    cx: &mut Context<'_>,
    name: &RoleName,
    fields: &SecretIdFields,
    custom: Option<&SecretText>,
) -> Result<Outcome, Error> {
    let gone = || Error::new(Cause::NotFound, "role does not exist");
    let role = cx.state.peek::<Role>(name.as_str()).await?.ok_or_else(gone)?;
    let terms = SecretIdTerms::within(fields, &role)?;
    let ttl_s = capped(cx, terms.ttl_s);
    let secret_id = match custom {
        Some(chosen) => SecretText::new(chosen_id(chosen.expose(), SECRET_ID_BYTES_MAX, "`secret_id`")?.to_owned()),
        None => SecretText::new(uuid4(cx.rng)),
    };
    if custom.is_some() && secret_id.expose().len() < CUSTOM_BYTES_GOOD {
        cx.warn("the secret id is short: whoever knows the role id may guess it");
    }
    sweep(cx, SWEEP_ALONG).await?;
    let hash = secret_hash(cx, &role.uid, secret_id.expose());
    let key = secret_key(&role.uid, &hash);
    if let Some(before) = cx.state.peek::<SecretId>(&key).await? {
        // A sweep removes expired secret ids that we made without looking again, so their values stay taken until then.
        if !before.is_expired(cx.now) || !before.custom {
            return Err(Error::invalid("the secret id is already registered"));
        }
        forget_secret_id(cx, &role.uid, &hash, &before);
    }
    let secret = SecretId {
        accessor: uuid4(cx.rng),
        custom: custom.is_some(),
        created: cx.now,
        updated: cx.now,
        ttl_s,
        expires: ttl_s.map(|ttl| cx.now.plus(ttl)),
        uses_left: (terms.num_uses > 0).then_some(terms.num_uses),
        cidr_list: terms.cidr_list,
        token_bound_cidrs: terms.token_bound_cidrs,
        metadata: terms.metadata,
    };
    cx.state.put(&key, &secret)?;
    cx.state.put(&secret_key(&role.uid, &secret.accessor), &AccessorIndex { secret_hash: hash.clone() })?;
    if let Some(mark) = ExpiryName::of(&role.uid, &hash, &secret) {
        cx.state.put(&mark.text(), &ExpiryMark {})?;
    }
    Done::object(&IssuedView::of(&secret_id, &secret))
}

/// Below this many bytes a chosen secret id is warned about: 128 bits in the densest of common spellings.
const CUSTOM_BYTES_GOOD: usize = 22;

/// No secret id outlives what the mount allows.
fn capped(cx: &mut Context<'_>, ttl_s: Option<TtlSeconds>) -> Option<TtlSeconds> {
    let max = TtlSeconds(cx.system.ttl_s(cx.mount).1);
    match ttl_s {
        Some(ttl) if ttl > max => {
            cx.warn("the secret id's TTL was cut to the mount's maximum");
            Some(max)
        }
        other => other,
    }
}

/// What is known of a secret id; nothing if the role has none such.
pub async fn lookup_secret_id(cx: &mut Context<'_>, name: &RoleName, secret_id: &SecretText) -> Result<Outcome, Error> {
    let role = role_of(cx, name).await?;
    match by_secret_id(cx, &role, secret_id).await? {
        Some((_, secret)) => Done::object(&SecretIdView::of(&secret)),
        None => Ok(Done::empty()),
    }
}

/// Destroys a secret id; done already if there is none such.
pub async fn destroy_secret_id(
    cx: &mut Context<'_>,
    name: &RoleName,
    secret_id: &SecretText,
) -> Result<Outcome, Error> {
    let role = role_of(cx, name).await?;
    if let Some((hash, secret)) = by_secret_id(cx, &role, secret_id).await? {
        forget_secret_id(cx, &role.uid, &hash, &secret);
    }
    Ok(Done::empty())
}

pub async fn lookup_accessor(cx: &mut Context<'_>, name: &RoleName, accessor: &str) -> Result<Outcome, Error> {
    let role = role_of(cx, name).await?;
    let (_, secret) = by_accessor(cx, &role, accessor).await?;
    Done::object(&SecretIdView::of(&secret))
}

pub async fn destroy_accessor(cx: &mut Context<'_>, name: &RoleName, accessor: &str) -> Result<Outcome, Error> {
    let role = role_of(cx, name).await?;
    let (hash, secret) = by_accessor(cx, &role, accessor).await?;
    forget_secret_id(cx, &role.uid, &hash, &secret);
    Ok(Done::empty())
}

/// Removes a bounded number of expired and abandoned secret ids. There is always one more operation that does.
pub async fn tidy(cx: &mut Context<'_>) -> Result<Outcome, Error> {
    sweep(cx, SWEEP_TIDY).await?;
    cx.warn("expired secret ids are refused already; their records are removed in bounded steps, of which this is one");
    Ok(Done::empty())
}

/// Removes a secret id with everything that points at it.
pub fn forget_secret_id(cx: &mut Context<'_>, uid: &str, hash: &str, secret: &SecretId) {
    cx.state.delete::<SecretId>(&secret_key(uid, hash));
    cx.state.delete::<AccessorIndex>(&secret_key(uid, &secret.accessor));
    if let Some(mark) = ExpiryName::of(uid, hash, secret) {
        cx.state.delete::<ExpiryMark>(&mark.text());
    }
}

async fn sweep(cx: &mut Context<'_>, bounds: Sweep) -> Result<(), Error> {
    for name in cx.state.names::<ExpiryMark>("", None, bounds.expired_max).await? {
        let Some(mark) = ExpiryName::parse(&name) else {
            cx.state.delete::<ExpiryMark>(&name);
            continue;
        };
        if mark.expires > cx.now {
            break;
        }
        // A chosen value may have been registered anew since the scan: the read makes such a race a conflict. What we
        // made is never registered twice, and deleting it unread keeps concurrent sweeps from conflicting.
        if mark.custom && !cx.state.exists::<ExpiryMark>(&name).await? {
            continue;
        }
        cx.state.delete::<SecretId>(&secret_key(&mark.uid, &mark.secret_hash));
        cx.state.delete::<AccessorIndex>(&secret_key(&mark.uid, &mark.accessor));
        cx.state.delete::<ExpiryMark>(&name);
    }
    if let Some(uid) = cx.state.names::<GoneRole>("", None, 1).await?.pop() {
        sweep_role(cx, &uid, bounds.gone_max).await?;
    }
    Ok(())
}

/// Removes up to `most` secret ids of a removed role; nobody can issue new ones under its internal id.
async fn sweep_role(cx: &mut Context<'_>, uid: &str, most: usize) -> Result<(), Error> {
    let prefix = format!("{uid}/");
    let secrets = cx.state.names::<SecretId>(&prefix, None, most).await?;
    let accessors = cx.state.names::<AccessorIndex>(&prefix, None, most).await?;
    if secrets.len() < most && accessors.len() < most {
        cx.state.delete::<GoneRole>(uid);
    }
    for name in secrets {
        cx.state.delete::<SecretId>(&name);
    }
    for name in accessors {
        cx.state.delete::<AccessorIndex>(&name);
    }
    Ok(())
}

async fn role_of(cx: &mut Context<'_>, name: &RoleName) -> Result<Arc<Role>, Error> {
    cx.state.peek::<Role>(name.as_str()).await?.ok_or_else(no_role)
}

fn no_role() -> Error {
    Error::not_found()
}

/// The role's living secret id of this value, with its hash.
async fn by_secret_id(
    cx: &mut Context<'_>,
    role: &Role,
    secret_id: &SecretText,
) -> Result<Option<(String, Arc<SecretId>)>, Error> {
    let hash = secret_hash(cx, &role.uid, secret_id.expose().trim());
    let found = cx.state.peek::<SecretId>(&secret_key(&role.uid, &hash)).await?;
    Ok(found.filter(|secret| !secret.is_expired(cx.now)).map(|secret| (hash, secret)))
}

/// The role's living secret id of this accessor, with its hash.
async fn by_accessor(cx: &mut Context<'_>, role: &Role, accessor: &str) -> Result<(String, Arc<SecretId>), Error> {
    let unknown = || Error::new(Cause::NotFound, "failed to find accessor entry for secret_id_accessor");
    if accessor.is_empty() || accessor.len() > ACCESSOR_BYTES_MAX {
        return Err(unknown());
    }
    let index = cx.state.get::<AccessorIndex>(&secret_key(&role.uid, accessor)).await?.ok_or_else(unknown)?;
    let found = cx.state.peek::<SecretId>(&secret_key(&role.uid, &index.secret_hash)).await?;
    let living = found.filter(|secret| secret.accessor == accessor && !secret.is_expired(cx.now));
    living.map(|secret| (index.secret_hash, secret)).ok_or_else(unknown)
}

/// Name of the index record of a role id.
pub fn role_id_hash(cx: &Context<'_>, role_id: &str) -> String {
    cx.system.lookup_hash("approle/role-id", role_id.as_bytes())
}

/// Keyed hash of a secret id, bound to the role: equal values of two roles have nothing in common in the store.
pub fn secret_hash(cx: &Context<'_>, uid: &str, secret_id: &str) -> String {
    let bound = SecretBytes::new([uid.as_bytes(), b"/", secret_id.as_bytes()].concat());
    cx.system.lookup_hash("approle/secret-id", bound.expose())
}

/// Name of a record below a role.
pub fn secret_key(uid: &str, name: &str) -> String {
    format!("{uid}/{name}")
}

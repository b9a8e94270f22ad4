//! `identity/access-key`: keys for callers that sign their requests instead of showing a token. One is issued for the caller's
//! own token, or by a caller with sudo for an entity; for AWS's SDKs also by a GET in the form of a container's credentials.
//!
//! It must never give a key more than its issuer has, tell a secret a second time, or issue a key to a signed request: a key
//! that can make keys would have no end.

use super::{Op as IdentityOp, captured, some};
use crate::access_keys::{self, AccessKey, Issued, NewKey, Owner};
use crate::{identity, policies, tokens};
use cardea_model::identity::EntityId;
use cardea_model::{Action, Body, Caller, Envelope, Error, KeyFacts, Params, Timestamp, TokenKind, TtlSeconds, loose};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keys that live longer carry no session token: they end up in files that have two lines.
const SESSION_TTL_S_MAX: u64 = access_keys::MAX_TTL_S;
/// Why a policy is not lent.
const TEMPLATED: &str =
    "the key would have a policy with templates, which means other paths to the entity than to the issuer";
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Operations.
pub enum Op {
    Issue {
        terms: Terms,
        form: Form,
    },
    /// Who signed this request, or whose token it shows.
    Caller,
    List,
    Read(String),
    Delete(String),
}

/// How the answer is shaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Vault's members.
    Vault,
    /// What AWS's SDKs read from a container's credentials endpoint.
    Container,
}

/// What was asked of a new key; all of it may be absent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Terms {
    ttl: Option<loose::Duration>,
    policies: Option<loose::List>,
    name: Option<String>,
    entity_id: Option<String>,
    session_token: Option<loose::Flag>,
    bound_cidrs: Option<loose::List>,
}

/// The same where the client sends no body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerInput {
    ttl: Option<loose::Duration>,
}

fn by_id(p: &Params) -> Result<String, Error> {
    captured(p, "id")
}

const ISSUE_CLEAR: &[&str] = &["ttl", "policies", "name", "entity_id", "session_token", "bound_cidrs"];

pub(super) fn routes() -> Vec<Route<IdentityOp>> {
    vec![
        Route::write("access-key-issue", "access-key", |p| {
            Bound::read(p, |terms: Terms| IdentityOp::AccessKey(Op::Issue { terms, form: Form::Vault }))
        })
        .clear(ISSUE_CLEAR)
        .clear_answer(&["access_key_id", "expiration", "policies", "entity_id"])
        .help("Issues an access key for the calling token, or with sudo for an entity. The secret is told once.")
        .example("{\"ttl\": \"1h\", \"policies\": [\"payments\"]}"),
        // A read by its method and a write by what it does: policies are asked for `update`.
        Route::read("access-key-container", "access-key/container", |p| {
            Bound::read(p, |input: ContainerInput| {
                let terms = Terms { ttl: input.ttl, ..Terms::default() };
                IdentityOp::AccessKey(Op::Issue { terms, form: Form::Container })
            })
        })
        .action(Action::Update)
        .envelope(Envelope::Bare)
        .clear(&["ttl"])
        .clear_answer(&["AccessKeyId", "Expiration"])
        .help("Issues an access key for the calling token, in the form of a container's credentials endpoint of AWS."),
        Route::read("access-key-caller", "access-key/caller", |p| Bound::plain(p, IdentityOp::AccessKey(Op::Caller)))
            .access(Access::Authenticated)
            .clear_answer(&["display_name", "entity_id"])
            .help("Who is asking, as the owner of the access key or of the token is known."),
        Route::list("access-key-ids", "access-key/id", |p| Bound::plain(p, IdentityOp::AccessKey(Op::List)))
            .help("Ids of the access keys."),
        Route::read("access-key-read", "access-key/id/{id}", |p| {
            Bound::plain(p, IdentityOp::AccessKey(Op::Read(by_id(p)?)))
        })
        .clear_answer(&["access_key_id", "expiration", "policies", "entity_id"])
        .help("Facts of an access key, without its secret."),
        Route::delete("access-key-delete", "access-key/id/{id}", |p| {
            Bound::plain(p, IdentityOp::AccessKey(Op::Delete(by_id(p)?)))
        })
        .help("Removes an access key; it is unknown from then on."),
    ]
}

pub(super) async fn handle(cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    match op {
        Op::Issue { terms, form } => issue(cx, terms, *form).await,
        Op::Caller => {
            let caller = cx.caller.filter(|caller| caller.namespace == namespace).ok_or_else(Error::denied)?;
            Done::object(&Who {
                display_name: &caller.display_name,
                entity_id: caller.entity.as_ref().map_or("", |id| &id.0),
                metadata: &caller.metadata,
                key: caller.key.as_ref(),
            })
        }
        Op::List => Done::keys(access_keys::list(cx.state.kernel_side(), &namespace).await?),
        Op::Read(id) => {
            let key = access_keys::find(cx.state.kernel_side(), &namespace, id).await?.ok_or_else(Error::not_found)?;
            let accessor = match &key.owner {
                Owner::Token { id } => tokens::find(cx.state.kernel_side(), &namespace, id).await?,
                Owner::Entity { .. } => None,
            };
            Done::object(&Facts::of(&key, accessor.as_ref().map_or("", |token| &token.accessor), cx.now))
        }
        Op::Delete(id) => {
            if let Some(key) = access_keys::find(cx.state.kernel_side(), &namespace, id).await? {
                access_keys::delete(cx.state.kernel_side(), &namespace, &key);
            }
            Ok(Done::empty())
        }
    }
}

async fn issue(cx: &mut Context<'_>, terms: &Terms, form: Form) -> Result<Outcome, Error> {
    let (namespace, now) = (cx.mount.namespace.clone(), cx.now);
    let caller = cx.caller.filter(|caller| caller.namespace == namespace).ok_or_else(Error::denied)?;
    if caller.token_id.is_empty() || caller.kind != TokenKind::Service {
        return Err(Error::invalid("only a service token can issue access keys"));
    }
    let sudo = caller.is_root || cx.rights.has_sudo(&format!("{}access-key", cx.mount.path));
    // Read again in this transaction: a token revoked meanwhile issues nothing.
    let txn = cx.state.kernel_side();
    let token = tokens::find_live(txn, &namespace, &caller.token_id, now).await?;
    // The last use of a limited token was taken for this request.
    let token = match token {
        Some(token) => token,
        None => {
            let found = tokens::find(txn, &namespace, &caller.token_id).await?.ok_or_else(Error::denied)?;
            return Err(match found.uses_left {
                Some(0) => Error::invalid("the token has no uses left for an access key to take"),
                _ => Error::denied(),
            });
        }
    };
    let named = named_policies(caller, terms)?;
    let (owner, policies, issuer) = match some(terms.entity_id.clone()) {
        None if caller.is_root && named.is_none() => {
            return Err(Error::invalid("access keys cannot have the root policy: name the policies it shall have"));
        }
        None => (Owner::Token { id: token.id.clone() }, named, None),
        Some(_) if !sudo => {
            return Err(Error::invalid("root or sudo privileges required to issue a key for an entity"));
        }
        Some(id) => {
            let id = EntityId(id);
            let found = identity::find(txn, &namespace, &id).await?.filter(|entity| !entity.disabled);
            let entity = found.ok_or_else(|| Error::invalid("the entity does not exist or is disabled"))?;
            // What the entity is given later, its issuer may lack: the key names what it has today.
            let policies = named.or_else(|| (!caller.is_root).then(|| entity.policies.clone()));
            check_policies(caller, policies.as_deref())?;
            let foreign = !caller.is_root && caller.entity.as_ref() != Some(&id);
            if foreign {
                let wanted = policies.clone().unwrap_or_default();
                if access_keys::lent(txn, caller, wanted.clone()).await? != wanted {
                    return Err(Error::invalid(TEMPLATED));
                }
            }
            (Owner::Entity { id }, policies, foreign.then(|| token.id.clone()))
        }
    };
    access_keys::check_room(txn, &namespace, &owner, now).await?;
    let expires = end(cx, terms.ttl, sudo, now);
    let expires = match (&owner, token.expires) {
        (Owner::Token { .. }, Some(end)) => expires.min(end),
        (Owner::Entity { .. }, Some(end)) if issuer.is_some() => expires.min(end),
        _ => expires,
    };
    let lives_s = expires.seconds_from(now);
    let new = NewKey {
        name: key_name(terms)?,
        policies,
        bound_cidrs: cidrs(terms, &owner, &token.bound_cidrs)?,
        session: terms.session_token.map_or(lives_s <= SESSION_TTL_S_MAX, |flag| flag.0),
        owner,
        assumed_role: None,
        came_by: token.login_role(),
        issuer,
        now,
        expires,
    };
    let (policies, rng) = (new.policies.clone(), cx.rng);
    let issued = access_keys::issue(cx.state.kernel_side(), &namespace, rng, new)?;
    match form {
        Form::Vault => {
            let entity_id = terms.entity_id.as_deref().unwrap_or_default();
            let body = Body::Object(issued.payload(policies.as_deref(), entity_id, now)?);
            Ok(Done::body(body))
        }
        Form::Container => Done::object(&Container::of(&issued)),
    }
}

/// Policies that the key is narrowed to; each must be the issuer's.
fn named_policies(caller: &Caller, terms: &Terms) -> Result<Option<Vec<String>>, Error> {
    let Some(list) = &terms.policies else { return Ok(None) };
    // Whoever sends a list that names nothing meant to narrow the key.
    if list.0.is_empty() || list.0.iter().any(|name| name.trim().is_empty()) {
        return Err(Error::invalid(
            "`policies` is empty or has an empty name: name what the key shall have, or leave it out for all that its owner has",
        ));
    }
    let names = policies::names(&list.0)?;
    check_policies(caller, Some(&names))?;
    Ok(Some(names))
}

fn check_policies(caller: &Caller, policies: Option<&[String]>) -> Result<(), Error> {
    if !caller.is_root && policies.unwrap_or_default().iter().any(|name| !caller.policies.contains(name)) {
        return Err(Error::invalid("the key would have policies that its issuer does not have"));
    }
    Ok(())
}

/// When the key shall end, its owner's end aside.
fn end(cx: &mut Context<'_>, ttl: Option<loose::Duration>, sudo: bool, now: Timestamp) -> Timestamp {
    let (default_s, max_s) = access_keys::ttl_s(&cx.mount.config);
    let asked_s = ttl.and_then(loose::Duration::none_if_zero).map_or(default_s, |ttl| ttl.0);
    if asked_s > max_s && !sudo {
        cx.warn("the TTL is longer than the maximum for access keys, which was used instead");
    }
    now.plus(TtlSeconds(if sudo { asked_s } else { asked_s.min(max_s) }))
}

/// A name that can stand behind its owner's in the log.
fn key_name(terms: &Terms) -> Result<String, Error> {
    let name = some(terms.name.clone()).unwrap_or_default();
    if name.len() > NAME_BYTES_MAX || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) {
        return Err(Error::invalid(
            "the key's name is too long or has characters other than letters, digits and `._-@`",
        ));
    }
    Ok(name)
}

/// Addresses of the key beside those of its owner. A token's are asked at every use; an entity has none, so a key of an entity
/// inherits the issuing token's where none are named.
fn cidrs(terms: &Terms, owner: &Owner, issuers: &[String]) -> Result<Vec<String>, Error> {
    let named = terms.bound_cidrs.as_ref().map(|list| list.0.clone()).unwrap_or_default();
    tokens::check_cidrs(&named)?;
    match owner {
        Owner::Entity { .. } if !issuers.is_empty() && !named.is_empty() => {
            Err(Error::invalid("the issuing token is bound to addresses: the key inherits them and can name no others"))
        }
        Owner::Entity { .. } if named.is_empty() => Ok(issuers.to_vec()),
        _ => Ok(named),
    }
}

/// The names are AWS's.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Container<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
}

impl<'a> Container<'a> {
    fn of(issued: &'a Issued) -> Self {
        Self {
            access_key_id: &issued.id,
            secret_access_key: issued.secret.expose(),
            token: issued.session_token.as_ref().map_or("", |token| token.expose()),
            expiration: issued.expires.rfc3339(),
        }
    }
}

#[derive(Serialize)]
struct Who<'a> {
    display_name: &'a str,
    entity_id: &'a str,
    metadata: &'a BTreeMap<String, String>,
    /// What the kernel knows of the key that signed; `null` for a token.
    key: Option<&'a KeyFacts>,
}

/// What may be known of a key: never its secret.
#[derive(Serialize)]
struct Facts<'a> {
    access_key_id: &'a str,
    name: &'a str,
    entity_id: &'a str,
    /// Of the token that it stands for.
    token_accessor: &'a str,
    policies: Option<&'a [String]>,
    bound_cidrs: &'a [String],
    has_session_token: bool,
    created_time: String,
    expiration: String,
    /// Seconds; 0 once it has ended.
    ttl: u64,
}

impl<'a> Facts<'a> {
    fn of(key: &'a AccessKey, token_accessor: &'a str, now: Timestamp) -> Self {
        Self {
            access_key_id: &key.id,
            name: &key.name,
            entity_id: match &key.owner {
                Owner::Entity { id } => &id.0,
                Owner::Token { .. } => "",
            },
            token_accessor,
            policies: key.policies.as_deref(),
            bound_cidrs: &key.bound_cidrs,
            has_session_token: key.session.is_some(),
            created_time: key.created.rfc3339(),
            expiration: key.expires.rfc3339(),
            ttl: key.expires.seconds_from(now),
        }
    }
}

#[cfg(test)]
mod tests;

//! From an identification to a token: the one function that mints for auth methods. An auth method cannot do it itself.

use crate::access_keys::{self, NewKey, Owner};
use crate::active::Active;
use crate::tokens::{self, Login, NewToken};
use crate::{identity, policies, ttl};
use cardea_model::mount::Mount;
use cardea_model::request::KeyWish;
use cardea_model::{AssumedRole, AuthGrant, Body, Error, Timestamp, TokenKind, TtlSeconds};
use cardea_sdk::Identification;
use cardea_sdk::context::System;
use cardea_storage::txn::Txn;

/// Makes the token of a login.
///
/// # Errors
/// The method asked for what no login may have (the root policy, say), or the entity is disabled.
pub async fn mint(
    active: &Active,
    txn: &mut Txn,
    mount: &Mount,
    path: &str,
    identification: Identification,
    now: Timestamp,
) -> Result<AuthGrant, Error> {
    let terms = &identification.terms;
    let mut token_policies = policies::names(&terms.policies)?;
    if token_policies.iter().any(|policy| policy == "root") {
        return Err(Error::denied().with_detail("an auth method asked for the root policy"));
    }
    if !terms.no_default_policy {
        token_policies.push("default".to_owned());
        token_policies.sort_unstable();
        token_policies.dedup();
    }
    tokens::check_cidrs(&terms.bound_cidrs)?;
    let entity = identity::of_login(txn, mount, &identification, now, &*active.rng).await?;
    let kind = terms.kind.unwrap_or(match mount.config.token_type.as_deref() {
        Some("batch" | "default-batch") => TokenKind::Batch,
        _ => TokenKind::Service,
    });
    let span = lifetime(active, mount, &identification, now);
    let keyring = active.barrier.keyring()?;
    // What the method says itself stands above what it was told of the alias (mapped claims, say).
    let mut metadata = identification.alias_metadata.clone();
    metadata.extend(identification.metadata.iter().map(|(k, v)| (k.clone(), v.clone())));
    let renewable = kind == TokenKind::Service;
    let new = NewToken {
        namespace: mount.namespace.clone(),
        kind,
        parent: None,
        parent_depth: 0,
        policies: token_policies.clone(),
        metadata: metadata.clone(),
        display_name: display_name(mount, &identification.display_name),
        entity: entity.as_ref().map(|entity| entity.id.clone()),
        path: path.to_owned(),
        now,
        expires: Some(span.expires),
        latest: span.latest,
        explicit_max_ttl_s: terms.explicit_max_ttl_s.map_or(0, |ttl| ttl.0),
        period_s: if kind == TokenKind::Service { terms.period_s.map_or(0, |ttl| ttl.0) } else { 0 },
        num_uses: if kind == TokenKind::Service { terms.num_uses } else { 0 },
        renewable,
        bound_cidrs: terms.bound_cidrs.clone(),
        role: String::new(),
        came_by: None,
        login: Some(Login { mount_uuid: mount.uuid.clone(), identification: identification.clone() }),
        wrapping: false,
        custom_id: None,
    };
    let minted = tokens::mint(txn, &active.hashes, &keyring, &*active.rng, new)?;
    let identity_policies = entity.as_ref().map(|entity| entity.policies.clone()).unwrap_or_default();
    Ok(grant(minted, identity_policies, now))
}

/// Makes the token of a login and an access key that stands for it. The token ends with the key: nobody holds its text, so
/// nobody could renew or revoke it but by its accessor.
///
/// # Errors
/// As [`mint`].
pub async fn mint_key(
    active: &Active,
    txn: &mut Txn,
    mount: &Mount,
    path: &str,
    mut identification: Identification,
    wish: KeyWish,
    now: Timestamp,
) -> Result<(AuthGrant, Body), Error> {
    let mounts = active.mounts.now();
    let config = mounts.at("identity/").map(|mount| mount.config.clone()).unwrap_or_default();
    let (default_s, max_s) = access_keys::ttl_s(&config);
    let wanted_s = wish.ttl.map_or(default_s, |ttl| ttl.0).min(max_s);
    let terms = &mut identification.terms;
    let given_s = terms.ttl_s.map(|ttl| ttl.0).filter(|s| *s > 0).unwrap_or(u64::MAX);
    terms.ttl_s = Some(TtlSeconds(given_s.min(wanted_s)));
    (terms.period_s, terms.kind) = (None, Some(TokenKind::Service));
    let auth = mint(active, txn, mount, path, identification, now).await?;
    let assumed_role = (!wish.role.is_empty()).then(|| AssumedRole {
        mount: mount.path.trim_start_matches("auth/").trim_end_matches('/').to_owned(),
        role: wish.role,
        session: wish.name.clone(),
    });
    let new = NewKey {
        name: wish.name,
        owner: Owner::Token { id: active.hashes.token_id(auth.client_token.expose()) },
        policies: None,
        bound_cidrs: Vec::new(),
        session: true,
        assumed_role,
        came_by: None,
        issuer: None,
        now,
        expires: now.plus(TtlSeconds(auth.ttl_s)),
    };
    let issued = access_keys::issue(txn, &mount.namespace, &*active.rng, new)?;
    let body = Body::Object(issued.payload(None, &auth.entity_id, now)?);
    Ok((auth, body))
}

/// The answer's part about a token that was just made.
#[must_use]
pub fn grant(minted: tokens::Minted, identity_policies: Vec<String>, now: Timestamp) -> AuthGrant {
    let token = minted.token;
    let mut all = token.policies.clone();
    all.extend(identity_policies.iter().cloned());
    all.sort_unstable();
    all.dedup();
    AuthGrant {
        client_token: minted.text,
        accessor: minted.accessor,
        policies: all,
        token_policies: token.policies.clone(),
        identity_policies,
        metadata: token.metadata.clone(),
        ttl_s: token.ttl_s(now),
        renewable: token.renewable && minted.kind == TokenKind::Service,
        entity_id: token.entity.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
        kind: minted.kind,
        orphan: token.is_orphan(),
        num_uses: token.num_uses,
    }
}

/// When a login's token ends, and the instant that no renewal passes.
pub struct Span {
    pub expires: Timestamp,
    pub latest: Option<Timestamp>,
}

/// Periodic tokens live a period at a time without end, unless an explicit maximum says otherwise.
#[must_use]
pub fn lifetime(active: &Active, mount: &Mount, identification: &Identification, now: Timestamp) -> Span {
    let terms = &identification.terms;
    let (default_s, max_s) = active.ttl_s(mount);
    let explicit = terms.explicit_max_ttl_s.map(|ttl| ttl.0).filter(|s| *s > 0);
    match terms.period_s.filter(|ttl| ttl.0 > 0) {
        Some(period) => {
            let (term, _) = ttl::first_term(now, Some(period), period.0, &[explicit]);
            Span { expires: term.expires, latest: explicit.map(|_| term.latest) }
        }
        None => {
            let role_max = terms.max_ttl_s.map(|ttl| ttl.0).filter(|s| *s > 0);
            let asked = terms.ttl_s.filter(|ttl| ttl.0 > 0);
            let (term, _) = ttl::first_term(now, asked, default_s, &[Some(max_s), role_max, explicit]);
            Span { expires: term.expires, latest: Some(term.latest) }
        }
    }
}

/// Vault's form: the mount's path without `auth/`, a dash, and what the method said; just the path if it said nothing.
fn display_name(mount: &Mount, name: &str) -> String {
    let path = mount.path.trim_start_matches("auth/").trim_end_matches('/').replace('/', "-");
    if name.is_empty() || name == path { path } else { format!("{path}-{name}") }
}

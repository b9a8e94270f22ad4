//! `auth/token/`: make, look up, renew and revoke tokens, and the roles by which callers make what they could not make
//! alone. Tokens are found by their text, by their accessor, or as the caller's own; each handle is looked up inside the
//! request's namespace alone.
//!
//! A request that fails makes no token: everything is judged before one is minted, and nothing is committed after an
//! error. It must never give a token more than its maker may hand on, nor answer why a token is not good.

pub mod create;
pub mod roles;
pub mod terms;

use super::upgrade;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::login::grant;
use crate::tokens::{self, Login, Minted, Token};
use crate::{identity, surroundings};
use async_trait::async_trait;
use cardea_model::identity::EntityId;
use cardea_model::time::go_duration;
use cardea_model::{
    Body, Caller, Cause, Error, NamespaceId, Params, SecretText, Timestamp, TokenKind, TtlSeconds, loose,
};
use cardea_sdk::auth_method::Vouch;
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Engine, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Weak};
use terms::{RenewalQuestion, tighter};

/// The engine.
pub struct TokenStore {
    active: Weak<Active>,
}

impl TokenStore {
    #[must_use]
    pub fn new(active: Weak<Active>) -> Self {
        Self { active }
    }
}

/// Which token is meant.
pub enum Which {
    /// The one whose text the request holds.
    Text(SecretText),
    /// The caller's own.
    Own,
    Accessor(String),
}

/// Operations.
pub enum Op {
    Create(Box<create::Create>),
    Lookup(Which),
    Renew { which: Which, increment: Option<TtlSeconds> },
    Revoke { which: Which, keep_children: bool },
    Accessors,
    Roles(roles::Op),
    Tidy,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenInput {
    token: Option<SecretText>,
    increment: Option<loose::Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessorInput {
    accessor: String,
    increment: Option<loose::Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnInput {
    increment: Option<loose::Duration>,
}

impl TokenInput {
    fn which(&mut self) -> Result<Which, Error> {
        match self.token.take().filter(|text| !text.is_empty()) {
            Some(text) => Ok(Which::Text(text)),
            None => Err(Error::invalid("missing token ID")),
        }
    }
}

impl AccessorInput {
    fn which(self) -> Result<Which, Error> {
        match self.accessor.is_empty() {
            true => Err(Error::invalid("missing accessor")),
            false => Ok(Which::Accessor(self.accessor)),
        }
    }
}

fn span(increment: Option<loose::Duration>) -> Option<TtlSeconds> {
    increment.and_then(loose::Duration::none_if_zero)
}

/// Without a token in the request, the caller's own is meant.
fn lookup(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::read(p, |mut i: TokenInput| Op::Lookup(i.which().unwrap_or(Which::Own)))
}
fn lookup_self(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::plain(p, Op::Lookup(Which::Own))
}
fn lookup_accessor(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |i: AccessorInput| Ok(Op::Lookup(i.which()?)))
}
fn renew(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |mut i: TokenInput| Ok(Op::Renew { which: i.which()?, increment: span(i.increment) }))
}
fn renew_self(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::read(p, |i: OwnInput| Op::Renew { which: Which::Own, increment: span(i.increment) })
}
fn renew_accessor(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |i: AccessorInput| {
        let increment = span(i.increment);
        Ok(Op::Renew { which: i.which()?, increment })
    })
}
fn revoke(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |mut i: TokenInput| Ok(Op::Revoke { which: i.which()?, keep_children: false }))
}
fn revoke_self(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::plain(p, Op::Revoke { which: Which::Own, keep_children: false })
}
fn revoke_accessor(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |i: AccessorInput| Ok(Op::Revoke { which: i.which()?, keep_children: false }))
}
fn revoke_orphan(p: &Params) -> Result<Bound<Op>, Error> {
    Bound::try_read(p, |mut i: TokenInput| Ok(Op::Revoke { which: i.which()?, keep_children: true }))
}

/// Members of a lookup's answer that the log keeps.
const LOOKUP_CLEAR: &[&str] =
    &["display_name", "path", "policies", "type", "ttl", "expire_time", "orphan", "renewable", "num_uses", "entity_id"];

static ROUTES: LazyLock<Vec<Route<Op>>> = LazyLock::new(|| {
    let tokens = vec![
        Route::read("lookup-self", "lookup-self", lookup_self)
            .clear_answer(LOOKUP_CLEAR)
            .hashed_answer(&["accessor"])
            .help("Facts of the calling token."),
        Route::write("lookup-self-write", "lookup-self", lookup_self)
            .clear_answer(LOOKUP_CLEAR)
            .hashed_answer(&["accessor"])
            .help("Facts of the calling token."),
        Route::write("lookup", "lookup", lookup)
            .clear_answer(LOOKUP_CLEAR)
            .hashed_answer(&["accessor"])
            .help("Facts of a token; without one, of the calling token.")
            .example("{\"token\": \"hvs.example\"}"),
        Route::read("lookup-read", "lookup", lookup)
            .clear_answer(LOOKUP_CLEAR)
            .hashed_answer(&["accessor"])
            .help("Facts of the calling token."),
        Route::write("lookup-accessor", "lookup-accessor", lookup_accessor)
            .clear_answer(LOOKUP_CLEAR)
            .hashed_answer(&["accessor"])
            .help("Facts of the token of an accessor, without the token."),
        Route::write("renew", "renew", renew).clear(&["increment"]).help("Extends a token's life."),
        Route::write("renew-self", "renew-self", renew_self)
            .clear(&["increment"])
            .help("Extends the calling token's life.")
            .example("{\"increment\": \"1h\"}"),
        Route::write("renew-accessor", "renew-accessor", renew_accessor)
            .clear(&["increment"])
            .help("Extends the life of an accessor's token."),
        Route::write("revoke", "revoke", revoke).help("Revokes a token with its children and leases."),
        Route::write("revoke-self", "revoke-self", revoke_self)
            .help("Revokes the calling token with its children and leases."),
        Route::write("revoke-accessor", "revoke-accessor", revoke_accessor)
            .help("Revokes the token of an accessor with its children and leases."),
        Route::write("revoke-orphan", "revoke-orphan", revoke_orphan)
            .access(Access::Sudo)
            .help("Revokes a token and its leases; its children live on as orphans."),
        Route::list("accessors", "accessors", |p| Bound::plain(p, Op::Accessors))
            .access(Access::Sudo)
            .help("Accessors of all tokens. Each of them can revoke its token."),
        Route::write("tidy", "tidy", |p| Bound::plain(p, Op::Tidy))
            .status(202)
            .help("Looks at every token that is due now; it is done all the time anyway."),
    ];
    [create::routes(), tokens, roles::routes()].into_iter().flatten().collect()
});

#[async_trait]
impl Engine for TokenStore {
    type Op = Op;

    fn kind(&self) -> &'static str {
        "token"
    }

    fn routes(&self) -> &'static [Route<Op>] {
        &ROUTES
    }

    async fn exists(&self, cx: &mut Context<'_>, op: &Op) -> Result<bool, Error> {
        match op {
            Op::Roles(op) => roles::exists(cx, op).await,
            _ => Ok(false),
        }
    }

    async fn handle(&self, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
        let active = upgrade(&self.active)?;
        match op {
            Op::Create(new) => create::create(&active, cx, new).await,
            Op::Lookup(which) => look(&active, cx, which).await,
            Op::Renew { which, increment } => extend(&active, cx, which, *increment).await,
            Op::Revoke { which, keep_children } => end(&active, cx, which, *keep_children).await,
            Op::Accessors => {
                let namespace = cx.mount.namespace.clone();
                let limit = cardea_model::limit::LIST_ENTRIES_MAX;
                Done::keys(tokens::accessors(cx.state.kernel_side(), &namespace, limit).await?)
            }
            Op::Roles(op) => roles::handle(cx, op).await,
            Op::Tidy => {
                cx.warn("Tidy operation successfully started. Any information from the operation will be printed to the server logs.");
                Ok(Extra::after(After::Wake))
            }
        }
    }
}

fn bad_token() -> Error {
    Error::new(Cause::Denied, "bad token")
}

fn invalid_accessor() -> Error {
    Error::invalid("invalid accessor")
}

/// The caller and the namespace in which it may name tokens: its own, which is the mount's.
fn caller<'a>(cx: &Context<'a>) -> Result<&'a Caller, Error> {
    cx.caller.filter(|caller| caller.namespace == cx.mount.namespace).ok_or_else(Error::denied)
}

/// A live token that a request named.
struct Found {
    token: Arc<Token>,
    kind: TokenKind,
    /// Its text, if the request held it.
    text: SecretText,
}

/// The text of the caller's own token: empty here, filled in by the pipeline, which alone still has it (`presented_id`).
fn own_text(_cx: &Context<'_>) -> SecretText {
    SecretText::default()
}

/// Finds a live token.
async fn locate(active: &Active, cx: &mut Context<'_>, which: &Which) -> Result<Found, Error> {
    let namespace = cx.mount.namespace.clone();
    let now = cx.now;
    match which {
        Which::Text(text) => {
            let keyring = active.barrier.keyring()?;
            let txn = cx.state.kernel_side();
            let shown = tokens::find_shown(txn, &active.hashes, &keyring, &namespace, text.expose(), now).await?;
            let shown = shown.ok_or_else(bad_token)?;
            Ok(Found { token: shown.token, kind: shown.kind, text: text.duplicate() })
        }
        Which::Own => {
            let id = caller(cx)?.token_id.clone();
            let text = own_text(cx);
            // The last use of a limited token was taken before this: what counts is that nobody revoked it since.
            let token = tokens::find(cx.state.kernel_side(), &namespace, &id).await?.ok_or_else(bad_token)?;
            if token.revoked || token.expires.is_some_and(|end| end <= now) {
                return Err(bad_token());
            }
            Ok(Found { token, kind: TokenKind::Service, text })
        }
        Which::Accessor(accessor) => {
            let txn = cx.state.kernel_side();
            let id = tokens::by_accessor(txn, &active.hashes, &namespace, accessor).await?;
            let id = id.ok_or_else(invalid_accessor)?;
            let token = tokens::find_live(txn, &namespace, &id, now).await?.ok_or_else(invalid_accessor)?;
            Ok(Found { token, kind: TokenKind::Service, text: SecretText::default() })
        }
    }
}

/// Policies that the entity of a token adds, as they are now.
async fn identity_policies(
    cx: &mut Context<'_>,
    namespace: &NamespaceId,
    entity: Option<&EntityId>,
) -> Result<Vec<String>, Error> {
    let Some(id) = entity else { return Ok(Vec::new()) };
    let found = identity::find(cx.state.kernel_side(), namespace, id).await?;
    Ok(found.map(|entity| entity.policies.clone()).unwrap_or_default())
}

/// What a lookup answers; members that a token does not have are absent, as Vault has it.
#[derive(Default, Serialize)]
struct LookupAnswer<'a> {
    accessor: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    bound_cidrs: &'a [String],
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_ttl: Option<u64>,
    display_name: &'a str,
    entity_id: &'a str,
    expire_time: Option<String>,
    explicit_max_ttl: u64,
    id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identity_policies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_renewal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_renewal_time: Option<u64>,
    /// `null` if there is none.
    meta: Option<&'a BTreeMap<String, String>>,
    /// Uses that are left; 0 is unlimited.
    num_uses: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    orphan: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
    policies: &'a [String],
    renewable: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    role: &'a str,
    ttl: u64,
    #[serde(rename = "type")]
    kind: &'static str,
}

fn kind_word(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Service => "service",
        TokenKind::Batch => "batch",
    }
}

fn some_metadata(metadata: &BTreeMap<String, String>) -> Option<&BTreeMap<String, String>> {
    (!metadata.is_empty()).then_some(metadata)
}

impl<'a> LookupAnswer<'a> {
    fn of(found: &'a Found, identity_policies: Vec<String>, now: Timestamp) -> Self {
        let token = &*found.token;
        let service = found.kind == TokenKind::Service;
        Self {
            accessor: if service { &token.accessor } else { "" },
            bound_cidrs: &token.bound_cidrs,
            creation_time: Some(token.created.unix_s()),
            creation_ttl: Some(token.creation_ttl_s),
            display_name: &token.display_name,
            entity_id: token.entity.as_ref().map_or("", |id| &id.0),
            expire_time: token.expires.map(Timestamp::rfc3339),
            explicit_max_ttl: token.explicit_max_ttl_s,
            id: found.text.expose(),
            identity_policies,
            issue_time: Some(token.created.rfc3339()),
            last_renewal: token.last_renewal.map(Timestamp::rfc3339),
            last_renewal_time: token.last_renewal.map(Timestamp::unix_s),
            meta: some_metadata(&token.metadata),
            num_uses: token.uses_left.unwrap_or(0),
            orphan: Some(token.is_orphan()),
            path: Some(&token.path),
            period: Some(token.period_s).filter(|s| *s > 0),
            policies: &token.policies,
            renewable: is_renewable(token, found.kind),
            role: &token.role,
            ttl: token.ttl_s(now),
            kind: kind_word(found.kind),
        }
    }

    /// Of a caller that left no record (a batch token, a signed request): what the request itself told of it.
    fn of_caller(caller: &'a Caller, now: Timestamp) -> Self {
        Self {
            display_name: &caller.display_name,
            entity_id: caller.entity.as_ref().map_or("", |id| &id.0),
            expire_time: caller.expires.map(Timestamp::rfc3339),
            meta: some_metadata(&caller.metadata),
            policies: &caller.policies,
            ttl: caller.expires.map_or(0, |end| end.seconds_from(now)),
            kind: kind_word(caller.kind),
            ..Self::default()
        }
    }
}

async fn look(active: &Active, cx: &mut Context<'_>, which: &Which) -> Result<Outcome, Error> {
    let own = caller(cx)?;
    if matches!(which, Which::Own) && (own.kind == TokenKind::Batch || own.token_id.is_empty()) {
        return presented(&LookupAnswer::of_caller(own, cx.now));
    }
    let found = locate(active, cx, which).await?;
    let namespace = found.token.namespace.clone();
    let added = identity_policies(cx, &namespace, found.token.entity.as_ref()).await?;
    let answer = LookupAnswer::of(&found, added, cx.now);
    if matches!(which, Which::Own) { presented(&answer) } else { Done::object(&answer) }
}

/// An answer about the token that was shown: its text is filled in by the pipeline, which alone still has it.
fn presented(answer: &LookupAnswer<'_>) -> Result<Outcome, Error> {
    let body = Body::Object(cardea_model::Payload::of(answer)?);
    Ok(Extra::with(body, Extra { presented_id: true, ..Extra::default() }))
}

fn is_renewable(token: &Token, kind: TokenKind) -> bool {
    token.renewable && token.expires.is_some() && kind == TokenKind::Service
}

/// What holds for a renewal today. Spans in seconds, 0 where nothing is said.
struct Today {
    period_s: u64,
    explicit_max_s: u64,
    role_max_s: u64,
    original_s: u64,
    max_s: u64,
    login: Option<Login>,
}

/// Asks who vouched for the token whether, and on what terms, it may go on: the auth method of its login, or its role.
async fn today(active: &Active, cx: &mut Context<'_>, token: &Token) -> Result<Today, Error> {
    if let Some(login) = &token.login {
        return by_login(active, cx, token, login).await;
    }
    let (_, max_s) = cx.system.ttl_s(cx.mount);
    let own = Today {
        period_s: token.period_s,
        explicit_max_s: token.explicit_max_ttl_s,
        role_max_s: 0,
        original_s: token.creation_ttl_s,
        max_s,
        login: None,
    };
    if token.role.is_empty() {
        return Ok(own);
    }
    let role = roles::find(cx, &token.role).await?;
    let role = role.ok_or_else(|| Error::invalid("original token role could not be found, not renewing"))?;
    let explicit_max_s = tighter(token.explicit_max_ttl_s, role.explicit_max_ttl_s);
    Ok(Today { period_s: role.period_s, explicit_max_s, ..own })
}

async fn by_login(active: &Active, cx: &mut Context<'_>, token: &Token, login: &Login) -> Result<Today, Error> {
    let mount = active.mounts.now().by_uuid(&login.mount_uuid).cloned();
    let mount = mount.filter(|mount| mount.namespace == token.namespace);
    let mount =
        mount.ok_or_else(|| Error::invalid("the auth mount that vouched for this token is gone, not renewing"))?;
    let engine = active.engine(&mount)?;
    let (vouch, warnings) = {
        let (origin, now) = (cx.origin, cx.now);
        let txn = cx.state.kernel_side();
        let mut inner = surroundings::context(active, txn, &mount, origin, None, now, &surroundings::NoRights);
        (engine.renew_login(&mut inner, &login.identification).await?, inner.warnings)
    };
    cx.warnings.extend(warnings);
    let identification = match vouch {
        Vouch::Yes(identification) => *identification,
        Vouch::No { error, .. } => return Err(error),
    };
    let (default_s, max_s) = cx.system.ttl_s(&mount);
    let terms = &identification.terms;
    let span = |ttl: Option<TtlSeconds>| ttl.map_or(0, |ttl| ttl.0);
    Ok(Today {
        period_s: span(terms.period_s),
        explicit_max_s: tighter(token.explicit_max_ttl_s, span(terms.explicit_max_ttl_s)),
        role_max_s: span(terms.max_ttl_s),
        original_s: terms.ttl_s.filter(|ttl| ttl.0 > 0).map_or(default_s, |ttl| ttl.0),
        max_s,
        login: Some(Login { mount_uuid: login.mount_uuid.clone(), identification }),
    })
}

async fn extend(
    active: &Active,
    cx: &mut Context<'_>,
    which: &Which,
    increment: Option<TtlSeconds>,
) -> Result<Outcome, Error> {
    let own = caller(cx)?;
    let batch = || Error::invalid("batch tokens cannot be renewed");
    if matches!(which, Which::Own) && own.kind == TokenKind::Batch {
        return Err(batch());
    }
    let found = locate(active, cx, which).await.map_err(|error| match (which, error.cause) {
        (Which::Text(_), Cause::Denied) => Error::invalid("token not found"),
        _ => error,
    })?;
    if found.kind == TokenKind::Batch {
        return Err(batch());
    }
    let token = &*found.token;
    let expires = token.expires.filter(|_| is_renewable(token, found.kind));
    let expires = expires.ok_or_else(|| Error::invalid("lease is not renewable"))?;
    let (namespace, now) = (token.namespace.clone(), cx.now);
    if let Some(id) = &token.entity {
        // Who lost its entity, or had it disabled, has nothing to extend.
        let entity = identity::find(cx.state.kernel_side(), &namespace, id).await?;
        if entity.is_none_or(|entity| entity.disabled) {
            return Err(Error::denied().with_detail("the entity of the token is disabled or gone"));
        }
    }
    let today = today(active, cx, token).await?;
    let question = RenewalQuestion {
        now,
        created: token.created,
        expires,
        latest: token.latest,
        increment,
        original_s: today.original_s,
        period_s: today.period_s,
        explicit_max_s: today.explicit_max_s,
        role_max_s: today.role_max_s,
        max_s: today.max_s,
    };
    let (until, capped) = question.answer()?;
    if capped {
        let left = go_duration(until.seconds_from(now));
        cx.warn(format!("TTL exceeded the effective max_ttl; TTL value is capped to \"{left}\""));
    }
    tokens::extend(cx.state.kernel_side(), &namespace, &token.id, until, now, today.login).await?;
    let added = identity_policies(cx, &namespace, token.entity.as_ref()).await?;
    let presented_id = matches!(which, Which::Own);
    let renewed = Token { expires: Some(until), last_renewal: Some(now), ..token.clone() };
    let accessor = renewed.accessor.clone();
    let minted = Minted { text: found.text, accessor, token: renewed, kind: TokenKind::Service };
    Ok(Extra::with(Body::Empty, Extra { auth: Some(grant(minted, added, now)), presented_id, ..Extra::default() }))
}

/// Revokes. A token that is not known is gone already: that is what was asked for, and no answer says which it was. Only
/// sparing the children of one is asked in vain.
async fn end(active: &Active, cx: &mut Context<'_>, which: &Which, keep_children: bool) -> Result<Outcome, Error> {
    let own = caller(cx)?;
    let namespace = cx.mount.namespace.clone();
    let now = cx.now;
    let batch = || Error::invalid("batch tokens cannot be revoked");
    let txn = cx.state.kernel_side();
    let id = match which {
        Which::Own if own.kind == TokenKind::Batch => return Err(batch()),
        Which::Own if own.token_id.is_empty() => return Err(Error::invalid("a signed request has no token to revoke")),
        Which::Own => own.token_id.clone(),
        Which::Text(text) => {
            let keyring = active.barrier.keyring()?;
            let shown = tokens::find_shown(txn, &active.hashes, &keyring, &namespace, text.expose(), now).await?;
            if shown.is_some_and(|shown| shown.kind == TokenKind::Batch) {
                return Err(batch());
            }
            active.hashes.token_id(text.expose())
        }
        Which::Accessor(accessor) => match tokens::by_accessor(txn, &active.hashes, &namespace, accessor).await? {
            Some(id) => id,
            // As with a token that is gone already: who cleans up must not fail because time was faster.
            None => {
                cx.warn("No token found with this accessor");
                return Ok(Done::empty());
            }
        },
    };
    // A token that ended took its children with it: sparing them now would bring them back.
    if keep_children && tokens::find_live(txn, &namespace, &id, now).await?.is_none() {
        return Err(Error::invalid("token to revoke not found"));
    }
    tokens::revoke(txn, &namespace, &id, keep_children).await?;
    Ok(Extra::after(After::Wake))
}

#[cfg(test)]
pub(crate) mod tests;

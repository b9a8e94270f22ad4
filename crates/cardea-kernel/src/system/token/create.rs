//! `auth/token/create` and its siblings: gathers the facts, asks [`super::terms`], mints. Nothing is minted before every
//! question has its answer.

use super::terms::{self, BatchQuestion, PolicyQuestion, Term, TermQuestion, tighter};
use super::{Op, caller, identity_policies, roles};
use crate::active::Active;
use crate::extra::Extra;
use crate::login::grant;
use crate::tokens::{self, NewToken, Token};
use crate::{identity, policies};
use cardea_model::identity::EntityId;
use cardea_model::{Body, Error, Params, SecretText, TokenKind, TtlSeconds, loose};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Identification, Outcome, TokenTerms};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was asked for. Spans in seconds, 0 where nothing was said.
pub struct Create {
    id: Option<SecretText>,
    role: Option<String>,
    /// Canonical.
    policies: Vec<String>,
    metadata: BTreeMap<String, String>,
    no_parent: bool,
    /// Whether it was asked for by `create-orphan`.
    orphan: bool,
    no_default_policy: bool,
    renewable: bool,
    ttl: Option<TtlSeconds>,
    kind: String,
    explicit_max_s: u64,
    display_name: String,
    num_uses: u64,
    period_s: u64,
    entity_alias: String,
}

impl Create {
    #[cfg(test)]
    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Input {
    id: Option<SecretText>,
    policies: loose::List,
    meta: loose::Pairs,
    no_parent: loose::Flag,
    no_default_policy: loose::Flag,
    renewable: Option<loose::Flag>,
    ttl: Option<loose::Duration>,
    lease: Option<loose::Duration>,
    #[serde(rename = "type")]
    kind: Option<String>,
    explicit_max_ttl: Option<loose::Duration>,
    display_name: Option<String>,
    num_uses: Option<loose::Int>,
    period: Option<loose::Duration>,
    entity_alias: Option<String>,
}

impl Input {
    /// The role is what the path says: a body cannot name another, or the policy would have been asked about nothing.
    pub(super) fn read(self, role: Option<String>, orphan: bool) -> Result<Create, Error> {
        let seconds = |span: Option<loose::Duration>| span.map_or(0, |span| span.0.0);
        let uses = self.num_uses.unwrap_or_default().0;
        let metadata = self.meta.0;
        terms::check_metadata(&metadata)?;
        Ok(Create {
            id: self.id.filter(|id| !id.is_empty()),
            role,
            policies: policies::names(&self.policies.0)?,
            metadata,
            no_parent: self.no_parent.0,
            orphan,
            no_default_policy: self.no_default_policy.0,
            renewable: self.renewable.is_none_or(|flag| flag.0),
            ttl: self.ttl.or(self.lease).and_then(loose::Duration::none_if_zero),
            kind: self.kind.unwrap_or_default(),
            explicit_max_s: seconds(self.explicit_max_ttl),
            display_name: terms::display_name(&self.display_name.unwrap_or_default())?,
            num_uses: u64::try_from(uses).map_err(|_| Error::invalid("number of uses cannot be negative"))?,
            period_s: seconds(self.period),
            entity_alias: self.entity_alias.unwrap_or_default().to_lowercase(),
        })
    }
}

fn bind(p: &Params, orphan: bool) -> Result<Bound<Op>, Error> {
    let role = p.capture("role_name").map(str::to_owned);
    Bound::try_read(p, |input: Input| Ok(Op::Create(Box::new(input.read(role, orphan)?))))
}

const CLEAR: &[&str] = &[
    "policies",
    "ttl",
    "lease",
    "period",
    "display_name",
    "type",
    "no_parent",
    "no_default_policy",
    "role_name",
    "renewable",
    "num_uses",
    "explicit_max_ttl",
];

pub(super) fn routes() -> Vec<Route<Op>> {
    vec![
        Route::write("create", "create", |p| bind(p, false))
            .clear(CLEAR)
            .help("Makes a token, child of the calling one.")
            .example("{\"policies\": [\"payments\"], \"ttl\": \"1h\", \"renewable\": true}"),
        Route::write("create-orphan", "create-orphan", |p| bind(p, true))
            .access(Access::Sudo)
            .clear(CLEAR)
            .help("Makes a token without a parent."),
        Route::write("create-role", "create/{role_name}", |p| bind(p, false))
            .clear(CLEAR)
            .help("Makes a token as a role allows."),
    ]
}

/// The caller's own token, if it may have children at all.
async fn parent_of(cx: &mut Context<'_>) -> Result<Arc<Token>, Error> {
    let caller = caller(cx)?;
    if caller.kind == TokenKind::Batch {
        return Err(Error::invalid("batch tokens cannot create more tokens"));
    }
    if caller.token_id.is_empty() {
        return Err(Error::invalid("a signed request cannot create tokens"));
    }
    let (id, namespace, now) = (caller.token_id.clone(), cx.mount.namespace.clone(), cx.now);
    let txn = cx.state.kernel_side();
    let parent = tokens::find(txn, &namespace, &id).await?.ok_or_else(Error::denied)?;
    // Else a child would do what the count forbids.
    if parent.num_uses > 0 {
        return Err(Error::invalid("restricted use token cannot generate child tokens"));
    }
    // Read again in this transaction: a token revoked meanwhile has no more children.
    tokens::find_live(txn, &namespace, &id, now).await?.ok_or_else(Error::denied)
}

/// The path below the mount that policies were asked about.
fn path_of(new: &Create) -> String {
    match (&new.role, new.orphan) {
        (Some(role), _) => format!("create/{role}"),
        (None, true) => "create-orphan".to_owned(),
        (None, false) => "create".to_owned(),
    }
}

pub(super) async fn create(active: &Active, cx: &mut Context<'_>, new: &Create) -> Result<Outcome, Error> {
    let parent = parent_of(cx).await?;
    let role = match &new.role {
        None => None,
        Some(name) => Some(roles::find(cx, name).await?.ok_or_else(|| Error::invalid(format!("unknown role {name}")))?),
    };
    let role = role.as_ref();
    let relative = path_of(new);
    let path = format!("{}{relative}", cx.mount.path);
    let sudo = parent.is_root() || cx.rights.has_sudo(&path);
    let (namespace, now) = (cx.mount.namespace.clone(), cx.now);

    let asks = |field: bool, words: &'static str| if field && !sudo { Err(Error::invalid(words)) } else { Ok(()) };
    asks(new.id.is_some(), "root or sudo privileges required to specify token id")?;
    asks(new.no_parent, "root or sudo privileges required to create orphan token")?;
    asks(new.period_s > 0, "root or sudo privileges required to create periodic token")?;
    let question = PolicyQuestion {
        asked: &new.policies,
        parent: &parent.policies,
        role,
        no_default: new.no_default_policy,
        sudo,
    };
    let token_policies = question.answer()?;
    let is_root = token_policies.iter().any(|policy| policy == "root");
    let kind = terms::kind(&new.kind, role.map(|role| role.kind))?;
    let num_uses = tighter(new.num_uses, role.map_or(0, |role| role.num_uses));
    if kind == TokenKind::Batch {
        let batch = BatchQuestion {
            explicit_max_ttl: new.explicit_max_s > 0,
            num_uses: num_uses > 0,
            period: new.period_s > 0,
            custom_id: new.id.is_some(),
            root: is_root,
        };
        batch.check()?;
    }
    if let Some(id) = &new.id {
        terms::check_custom_id(id.expose())?;
        let id = active.hashes.token_id(id.expose());
        if tokens::find(cx.state.kernel_side(), &namespace, &id).await?.is_some() {
            return Err(Error::invalid("cannot create a token with a duplicate ID"));
        }
    }
    // A role's period needs a record; its explicit maximum caps what has none as well.
    let service = kind == TokenKind::Service;
    let period_s = if service { tighter(new.period_s, role.map_or(0, |role| role.period_s)) } else { 0 };
    let explicit_max_s = tighter(new.explicit_max_s, role.map_or(0, |role| role.explicit_max_ttl_s));
    let (default_s, max_s) = cx.system.ttl_s(cx.mount);
    let parent_expires = parent.expires.is_some();
    let question =
        TermQuestion { now, ttl: new.ttl, period_s, explicit_max_s, is_root, parent_expires, default_s, max_s };
    let Term { expires, latest, warning } = question.answer()?;

    let is_orphan = new.orphan || new.no_parent || role.is_some_and(|role| role.orphan);
    let entity = match (entity_of_alias(active, cx, new, role).await?, is_orphan) {
        (Some(entity), _) => Some(entity),
        (None, true) => None,
        (None, false) => parent.entity.clone(),
    };
    let bound_cidrs = match role {
        Some(role) => role.bound_cidrs.clone(),
        None if is_orphan => Vec::new(),
        None => parent.bound_cidrs.clone(),
    };
    let suffix = role.map(|role| role.path_suffix.as_str()).filter(|suffix| !suffix.is_empty());
    let minted = {
        let token = NewToken {
            namespace: namespace.clone(),
            kind,
            parent: (!is_orphan).then(|| parent.id.clone()),
            parent_depth: parent.depth,
            policies: token_policies,
            metadata: new.metadata.clone(),
            display_name: new.display_name.clone(),
            entity,
            path: suffix.map_or_else(|| path.clone(), |suffix| format!("{path}/{suffix}")),
            now,
            expires,
            latest,
            explicit_max_ttl_s: if service { explicit_max_s } else { 0 },
            period_s,
            num_uses,
            renewable: service && expires.is_some() && new.renewable && role.is_none_or(|role| role.renewable),
            bound_cidrs,
            role: new.role.clone().unwrap_or_default(),
            login: None,
            came_by: parent.login_role(),
            wrapping: false,
            custom_id: new.id.as_ref().map(SecretText::duplicate),
        };
        let keyring = active.barrier.keyring()?;
        tokens::mint(cx.state.kernel_side(), &active.hashes, &keyring, &*active.rng, token)?
    };
    cx.warnings.extend(warning);
    warn_of_missing(active, cx, &minted.token.policies).await?;
    let added = identity_policies(cx, &namespace, minted.token.entity.as_ref()).await?;
    Ok(Extra::with(Body::Empty, Extra { auth: Some(grant(minted, added, now)), ..Extra::default() }))
}

/// The entity that a role lets its callers make tokens for, by an alias on this mount.
async fn entity_of_alias(
    active: &Active,
    cx: &mut Context<'_>,
    new: &Create,
    role: Option<&roles::Role>,
) -> Result<Option<EntityId>, Error> {
    if new.entity_alias.is_empty() {
        return Ok(None);
    }
    let role = role.ok_or_else(|| Error::invalid("'entity_alias' is only allowed in combination with token role"))?;
    if !role.allows_alias(&new.entity_alias) {
        return Err(Error::invalid("invalid 'entity_alias' value"));
    }
    if new.entity_alias.len() > cardea_model::limit::METADATA_VALUE_BYTES_MAX {
        return Err(Error::invalid("'entity_alias' is too long"));
    }
    let identification = Identification {
        alias: new.entity_alias.clone(),
        alias_metadata: BTreeMap::new(),
        display_name: String::new(),
        role: String::new(),
        metadata: BTreeMap::new(),
        terms: TokenTerms::default(),
        internal: BTreeMap::new(),
    };
    let (mount, now) = (cx.mount, cx.now);
    let entity = identity::of_login(cx.state.kernel_side(), mount, &identification, now, &*active.rng).await?;
    Ok(entity.map(|entity| entity.id.clone()))
}

/// A token may name a policy that is written later; its maker should know that it is not there yet. Read beside the
/// transaction: a warning is no reason to try again, and its reads would be conditions of the commit.
async fn warn_of_missing(active: &Active, cx: &mut Context<'_>, names: &[String]) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    for name in names.iter().filter(|name| *name != "root") {
        let known = policies::find(&mut txn, &cx.mount.namespace, &policies::name(name)?).await?;
        if known.is_none() {
            cx.warn(format!("Policy \"{name}\" does not exist"));
        }
    }
    Ok(())
}

//! Authenticated to Resolved: which mount, which route, and the one canonical resource name. A path that resolves to
//! nothing is still decided by name and recorded: only who would have been allowed learns that it does not exist.

use super::authenticate::Authenticated;
use crate::active::Active;
use crate::documents::{Asker, Standing};
use crate::surroundings;
use cardea_model::mount::{Mount, MountClass};
use cardea_model::operation::SecretAct;
use cardea_model::request::{KeyWish, SAID_OF_KEYS};
use cardea_model::{Action, CanonicalPath, Cause, Error, KeyOp, KeyRef, Method, Params, Refusal, SecretOp, Target};
use cardea_sdk::attached::Attached;
use cardea_sdk::erased::{AnyEngine, BindError, BoundOp};
use cardea_sdk::route::{Access, ActionRule, RouteFacts};
use cardea_storage::txn::Txn;
use std::sync::Arc;

/// A request whose resource is known.
pub struct Resolved {
    pub(super) from: Authenticated,
    /// The canonical name that policies match and the log prints.
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) what: What,
    pub(super) mount: Option<Arc<Mount>>,
    pub(super) params: Params,
    /// Whether the request was a path (its typed answer is shaped by the route).
    pub(super) by_path: bool,
    pub(super) help: bool,
    /// What a login shall answer with instead of a token.
    pub(super) wish: Option<KeyWish>,
    /// What is attached to the resource, with who asks about it.
    pub(super) attached: Option<Box<(Asker, Attached)>>,
    /// In which it was looked for: the operation goes on in it.
    pub(super) txn: Option<Txn>,
    /// What the credential says beside who asks, where that could decide.
    pub(super) standing: Standing,
    /// The alias by which the request called a key.
    alias: Option<String>,
    /// Parameters that a request of its kind says; `None` for all that its route has.
    pub(super) stated: Option<&'static [&'static str]>,
}

/// What the name resolved to.
pub(super) enum What {
    Bound {
        engine: Arc<dyn AnyEngine>,
        op: BoundOp,
        existed: Option<bool>,
    },
    /// Nothing that could run: the error is told only to those who are allowed to know.
    Nothing {
        error: Error,
        facts: Option<&'static RouteFacts>,
        /// See [`cardea_sdk::Engine::stray_hint`].
        hint: Option<&'static str>,
    },
}

impl What {
    fn nothing(error: Error) -> Self {
        Self::Nothing { error, facts: None, hint: None }
    }
}

impl Resolved {
    /// Whether an auth method judges it.
    pub(super) fn is_login(&self) -> bool {
        self.facts().is_some_and(|facts| facts.access == Access::Login)
    }

    /// The name whose rules hold as well.
    pub(super) fn stands_under(&self) -> Option<String> {
        let (What::Bound { engine, .. }, Some(mount)) = (&self.what, &self.mount) else { return None };
        let path = self.name.strip_prefix(&mount.path)?;
        engine.stands_under(path).map(|path| format!("{}{path}", mount.path))
    }

    pub(super) fn facts(&self) -> Option<&'static RouteFacts> {
        match &self.what {
            What::Bound { op, .. } => Some(op.facts),
            What::Nothing { facts, .. } => *facts,
        }
    }
}

/// Finds mount and route.
///
/// # Errors
/// Only if the store does not answer.
pub async fn resolve(active: &Active, mut from: Authenticated) -> Result<Resolved, Refusal> {
    let refuse = |error| Refusal { request_id: Some(from.id.clone()), ..Refusal::from(error) };
    let target = std::mem::replace(
        &mut from.request.target,
        Target::Secret {
            mount: String::new(),
            op: cardea_model::SecretOp::Read {
                path: root_path().map_err(refuse)?,
                version: cardea_model::operation::VersionRef::Current,
            },
        },
    );
    let mut resolved = match target {
        Target::Path { method, path, params, help } => by_path(active, from, method, &path, params, help, None),
        Target::KeyLogin { path, params, wish } => {
            by_path(active, from, Method::Write, &path, params, false, Some(wish))
        }
        Target::Secret { mount, op } => shared(active, from, mount, Shared::Secret(op)).await?,
        Target::Key { mount, op, said } => {
            Resolved { params: said, ..shared(active, from, mount, Shared::Key(op)).await? }
        }
    };
    settle_action(active, &mut resolved).await?;
    attached(active, &mut resolved).await?;
    Ok(resolved)
}

/// A path that a mount's table of routes binds.
fn by_path(
    active: &Active,
    from: Authenticated,
    method: Method,
    path: &CanonicalPath,
    mut params: Params,
    help: bool,
    wish: Option<KeyWish>,
) -> Resolved {
    let mounts = active.mounts.now();
    // Help is asked about a mount by its name without the slash, too.
    let itself = mounts.at(&format!("{path}/")).filter(|_| help).map(|mount| (mount, ""));
    let (name, mount, what) = match itself.or_else(|| mounts.resolve(path.as_str())) {
        None => {
            let error = Error::new(Cause::NoRoute, "no handler for route");
            (path.as_str().to_owned(), None, What::nothing(error))
        }
        Some((mount, rest)) => match active.engine(mount) {
            Err(error) => (path.as_str().to_owned(), Some(mount.clone()), What::nothing(error)),
            Ok(engine) => match bind(&*engine, mount, method, rest, &mut params, help) {
                Ok(op) => {
                    let name = format!("{}{}", mount.path, op.path);
                    (name, Some(mount.clone()), What::Bound { engine, op, existed: None })
                }
                Err(failed) => {
                    let what = What::Nothing { error: failed.error, facts: failed.facts, hint: failed.hint };
                    (format!("{}{}", mount.path, failed.path), Some(mount.clone()), what)
                }
            },
        },
    };
    let what = match (what, &wish) {
        // Keys are for logins: nothing else hands out a token that one could stand for.
        (What::Bound { op, .. }, Some(_)) if op.facts.access != Access::Login => {
            What::nothing(Error::new(Cause::Unsupported, "unsupported operation"))
        }
        (what, _) => what,
    };
    Resolved {
        from,
        name,
        action: default_action(method),
        what,
        mount,
        params,
        by_path: true,
        help,
        wish,
        attached: None,
        txn: None,
        standing: Standing::default(),
        alias: None,
        stated: None,
    }
}

fn bind(
    engine: &dyn AnyEngine,
    mount: &Mount,
    method: Method,
    rest: &str,
    params: &mut Params,
    help: bool,
) -> Result<BoundOp, BindError> {
    if help { engine.bind_help(rest) } else { engine.bind(method, without_slash(mount, method, rest), params) }
}

/// An operation that dialects share.
enum Shared {
    Secret(SecretOp),
    Key(KeyOp),
}

/// Such an operation on the mount that the dialect names.
async fn shared(active: &Active, from: Authenticated, mount: String, op: Shared) -> Result<Resolved, Refusal> {
    let (alias, stated) = match &op {
        Shared::Key(op) => (op.key().and_then(KeyRef::alias).map(str::to_owned), Some(SAID_OF_KEYS)),
        Shared::Secret(_) => (None, Some(&[] as &[&str])),
    };
    let found = active.mounts.now().at(&mount).cloned();
    let (name, what) = match &found {
        None => {
            let error = Error::new(Cause::NotFound, "the configured mount does not exist");
            (mount, What::nothing(error))
        }
        Some(found) => {
            let bound = match (active.engine(found), op) {
                (Err(error), _) => Err(error),
                (Ok(engine), Shared::Secret(mut op)) => {
                    match place_secret(active, &engine, found, &from, &mut op).await {
                        Ok(()) => engine.bind_secret(op).map(|op| (engine, op)),
                        Err(error) => Err(error),
                    }
                }
                (Ok(engine), Shared::Key(mut op)) => match name_key(active, &engine, found, &from, &mut op).await {
                    Ok(()) => engine.bind_key(op).map(|op| (engine, op)),
                    Err(error) => Err(error),
                },
            };
            match bound {
                Ok((engine, op)) => (format!("{}{}", found.path, op.path), What::Bound { engine, op, existed: None }),
                // The store does not answer: there is nothing to decide by, and nowhere to write.
                Err(error) if error.cause == Cause::Unavailable => {
                    return Err(Refusal { request_id: Some(from.id), error, warnings: Vec::new() });
                }
                Err(error) => (mount, What::nothing(error)),
            }
        }
    };
    Ok(Resolved {
        from,
        name,
        action: Action::Read,
        what,
        mount: found,
        params: Params::default(),
        by_path: false,
        help: false,
        wish: None,
        attached: None,
        txn: None,
        standing: Standing::default(),
        alias,
        stated,
    })
}

/// Policies know secrets by their paths: which one a name has depends on the region that asks, where there are regions.
async fn place_secret(
    active: &Active,
    engine: &Arc<dyn AnyEngine>,
    mount: &Arc<Mount>,
    from: &Authenticated,
    op: &mut SecretOp,
) -> Result<(), Error> {
    let SecretOp::One { secret, act } = op else { return Ok(()) };
    // Strangers do not get to make the engine look.
    let (Some(_), Some(caller)) = (&secret.region, from.who.caller()) else { return Ok(()) };
    let mut txn = active.sealed.txn();
    let origin = &from.request.origin;
    let mut cx =
        surroundings::context(active, &mut txn, mount, origin, Some(caller), from.now, &surroundings::NoRights);
    if let Some(path) = engine.secret_path(&mut cx, secret, matches!(act, SecretAct::Create(_))).await? {
        secret.path = path;
    }
    Ok(())
}

/// Policies know keys by their names: an id or an alias becomes one before they are asked. What is no key stays what it
/// was: policies are asked about the words that were said, and the engine finds nothing.
async fn name_key(
    active: &Active,
    engine: &Arc<dyn AnyEngine>,
    mount: &Arc<Mount>,
    from: &Authenticated,
    op: &mut KeyOp,
) -> Result<(), Error> {
    let Some(key) = op.key_mut().filter(|key| !matches!(key, KeyRef::Name(_))) else { return Ok(()) };
    // Strangers do not get to make the engine look.
    let name = match from.who.caller() {
        None => None,
        Some(caller) => {
            let mut txn = active.sealed.txn();
            let origin = &from.request.origin;
            let mut cx =
                surroundings::context(active, &mut txn, mount, origin, Some(caller), from.now, &surroundings::NoRights);
            engine.key_name(&mut cx, key).await?
        }
    };
    if let Some(name) = name {
        *key = KeyRef::Name(name);
    }
    Ok(())
}

/// What is attached to the resource and decides beside policies. Strangers do not get to make the engine look.
async fn attached(active: &Active, resolved: &mut Resolved) -> Result<(), Refusal> {
    let from = &resolved.from;
    let (What::Bound { engine, op, .. }, Some(mount), Some(caller)) =
        (&resolved.what, &resolved.mount, from.who.caller())
    else {
        return Ok(());
    };
    if resolved.help || !engine.attaches() {
        return Ok(());
    }
    // Also where the engine asks for each of many.
    let standing = Standing::of(&active.mounts.now(), from.who.token(), caller.key.as_ref(), &from.request.credential);
    resolved.standing = standing.clone();
    if op.facts.access != Access::Policy {
        return Ok(());
    }
    let asker = Asker::of(caller, &from.request.origin, from.now, resolved.alias.clone()).standing(standing);
    let mut txn = active.sealed.txn();
    let rights = surroundings::NamesOnly(&asker);
    let origin = &from.request.origin;
    let mut cx = surroundings::context(active, &mut txn, mount, origin, Some(caller), from.now, &rights);
    match engine.attached(&mut cx, &op.op).await {
        Ok(None) => resolved.txn = Some(txn),
        Ok(Some(attached)) => {
            resolved.txn = Some(txn);
            resolved.attached = Some(Box::new((asker, attached)));
        }
        // What decides cannot be known: nothing is decided.
        Err(error) => return Err(Refusal { request_id: Some(from.id.clone()), error, warnings: Vec::new() }),
    }
    Ok(())
}

/// Which capability it takes: the route's, and for upserts what the engine's existence check says.
async fn settle_action(active: &Active, resolved: &mut Resolved) -> Result<(), Refusal> {
    let Some(facts) = resolved.facts().filter(|_| !resolved.help) else { return Ok(()) };
    resolved.action = match facts.rule {
        ActionRule::Fixed(action) => action,
        ActionRule::CreateOrUpdate => Action::Update,
    };
    // Strangers do not get to make the engine look.
    if facts.rule != ActionRule::CreateOrUpdate
        || (resolved.from.who.caller().is_none() && facts.access == Access::Policy)
    {
        return Ok(());
    }
    if let (What::Bound { engine, op, existed }, Some(mount)) = (&mut resolved.what, &resolved.mount) {
        let mut txn = active.sealed.txn();
        let mut cx = surroundings::context(
            active,
            &mut txn,
            mount,
            &resolved.from.request.origin,
            resolved.from.who.caller(),
            resolved.from.now,
            &surroundings::NoRights,
        );
        match engine.exists(&mut cx, &op.op).await {
            Ok(found) => {
                *existed = Some(found);
                resolved.action = if found { Action::Update } else { Action::Create };
            }
            // The store does not answer: there is nothing to decide by, and nowhere to write.
            Err(error) if matches!(error.cause, Cause::Unavailable | Cause::Internal) => {
                let request_id = Some(resolved.from.id.clone());
                return Err(Refusal { request_id, error, warnings: Vec::new() });
            }
            // What the engine says is told only to those who are allowed to know, like every other error of a route.
            Err(error) => resolved.what = What::Nothing { error, facts: Some(facts), hint: None },
        }
    }
    Ok(())
}

/// In the system's own mounts a trailing slash is no part of a thing's name: what is read, written or deleted has one spelling,
/// the one that policies are asked about. (A deny on `sys/mounts/x` was once walked around by `sys/mounts/x/`.)
fn without_slash<'p>(mount: &Mount, method: Method, rest: &'p str) -> &'p str {
    match (mount.class, method) {
        (MountClass::System, Method::List) | (MountClass::Secret | MountClass::Auth, _) => rest,
        (MountClass::System, _) => rest.strip_suffix('/').unwrap_or(rest),
    }
}

fn default_action(method: Method) -> Action {
    match method {
        Method::Read => Action::Read,
        Method::List => Action::List,
        Method::Write => Action::Update,
        Method::Patch => Action::Patch,
        Method::Delete => Action::Delete,
    }
}

fn root_path() -> Result<cardea_model::CanonicalPath, Error> {
    cardea_model::CanonicalPath::parse("resolved")
}

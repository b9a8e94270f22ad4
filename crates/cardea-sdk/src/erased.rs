//! The extension traits behind trait objects; what the kernel holds. Typed operations stay typed: they travel as
//! [`AnyOp`] from the route that bound them to the engine that made the route.

use crate::attached::Attached;
use crate::auth_method::{AuthMethod, Identification, Vouch};
use crate::context::{Context, OutsideContext};
use crate::engine::{Engine, SharedOp};
use crate::external::{External, Revoker};
use crate::outcome::Outcome;
use crate::pattern;
use crate::posture::Postures;
use crate::rotation::{Rotates, Rotator};
use crate::route::{Access, Route, RouteFacts};
use async_trait::async_trait;
use cardea_model::operation::SecretRef;
use cardea_model::params::Params;
use cardea_model::{CanonicalPath, Cause, Error, KeyOp, KeyRef, Method, SecretOp};
use std::any::Any;

/// A typed operation whose type only its engine knows.
pub struct AnyOp(Box<dyn Any + Send + Sync>);

/// A request bound to a route of an engine.
pub struct BoundOp {
    pub facts: &'static RouteFacts,
    pub op: AnyOp,
    pub unknown: Vec<String>,
    /// Path inside the mount in its canonical form; ends in a slash for LIST.
    pub path: String,
}

/// An engine of any kind.
#[async_trait]
pub trait AnyEngine: Send + Sync {
    fn kind(&self) -> &'static str;
    fn version(&self) -> &'static str;
    fn route_facts(&self) -> Vec<&'static RouteFacts>;
    /// Binds a path inside the mount.
    ///
    /// # Errors
    /// [`Cause::NoRoute`] if no pattern matches, [`Cause::Unsupported`] if one does but not with this method, and what
    /// the binding says of wrong parameters.
    fn bind(&self, method: Method, path: &str, params: &mut Params) -> Result<BoundOp, BindError>;
    /// What help is asked about: the first route of this path, whatever its method, or the mount itself. The operation is
    /// none, and nothing but help may be made of it.
    fn bind_help(&self, path: &str) -> Result<BoundOp, BindError>;
    fn bind_secret(&self, op: SecretOp) -> Result<BoundOp, Error>;
    fn bind_key(&self, op: KeyOp) -> Result<BoundOp, Error>;
    async fn key_name(&self, cx: &mut Context<'_>, key: &KeyRef) -> Result<Option<String>, Error>;
    async fn secret_path(
        &self,
        cx: &mut Context<'_>,
        secret: &SecretRef,
        makes: bool,
    ) -> Result<Option<CanonicalPath>, Error>;
    fn stands_under<'p>(&self, path: &'p str) -> Option<&'p str>;
    async fn handle(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Outcome, Error>;
    async fn exists(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<bool, Error>;
    fn attaches(&self) -> bool;
    async fn attached(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Option<Attached>, Error>;
    /// See [`AuthMethod::prepares`]; no other engine does.
    fn prepares(&self, _op: &AnyOp) -> bool {
        false
    }
    async fn prepare(&self, _cx: &mut OutsideContext<'_>, _op: &AnyOp) -> Result<(), Error> {
        Ok(())
    }
    async fn login(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Vouch, Error>;
    async fn renew_login(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error>;
    fn external(&self) -> Option<&dyn External>;
    fn revoker(&self) -> Option<&dyn Revoker>;
    fn rotates(&self) -> Option<&dyn Rotates>;
    fn rotator(&self) -> Option<&dyn Rotator>;
    fn postures(&self) -> Option<&dyn Postures>;
}

/// Why a path was not bound. If a route matched but its parameters were wrong, policies are still asked first: a
/// stranger must not learn from an error text what exists.
pub struct BindError {
    pub error: Error,
    pub facts: Option<&'static RouteFacts>,
    /// See [`Engine::stray_hint`]; told only to who may learn that there is nothing.
    pub hint: Option<&'static str>,
    /// Canonical as far as it could be made.
    pub path: String,
}

/// A plain engine behind the erased trait.
pub struct Erased<E: Engine>(pub E);

/// An auth method behind the erased trait.
pub struct ErasedAuth<E: AuthMethod>(pub E);

fn bind_with<E: Engine>(engine: &E, method: Method, path: &str, params: &mut Params) -> Result<BoundOp, BindError> {
    let folder = method == Method::List;
    let bare = if folder { path.strip_suffix('/').unwrap_or(path) } else { path };
    let mut other_method = false;
    for route in engine.routes() {
        let Some(found) = pattern::bind(route.facts.pattern, bare) else { continue };
        if route.facts.method != method {
            other_method = true;
            continue;
        }
        let path = if folder && !found.path.is_empty() { format!("{}/", found.path) } else { found.path };
        if let Some(error) = params.refusal() {
            return Err(BindError { error: error.clone(), facts: Some(&route.facts), hint: None, path });
        }
        // `a/` would be a second name of `a`, or a thing that no list shows.
        if !folder && path.ends_with('/') {
            let error = Error::invalid("path ends in a slash: only lists have such paths");
            return Err(BindError { error, facts: Some(&route.facts), hint: None, path });
        }
        params.set_captures(found.captures);
        return match (route.bind)(params) {
            Ok(bound) => {
                Ok(BoundOp { facts: &route.facts, op: AnyOp(Box::new(bound.op)), unknown: bound.unknown, path })
            }
            Err(error) => Err(BindError { error, facts: Some(&route.facts), hint: None, path }),
        };
    }
    let hint = if other_method { None } else { engine.stray_hint(method, bare) };
    let error = match (other_method, hint) {
        (true, _) => Error::new(Cause::Unsupported, "unsupported operation"),
        (false, None) => Error::new(Cause::NoRoute, "unsupported path"),
        (false, Some(_)) => Error::not_found(),
    };
    Err(BindError { error, facts: None, hint, path: path.to_owned() })
}

/// The facts of a mount itself, which no route binds.
pub static MOUNT_HELP: RouteFacts =
    Route::<()>::read("mount-help", "", |_| Err(Error::internal("help is not bound"))).facts;

fn bind_help_with<E: Engine>(engine: &E, path: &str) -> Result<BoundOp, BindError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut routes = engine.routes().iter().map(|route| &route.facts);
    let found = match path {
        "" => Some((&MOUNT_HELP, String::new())),
        path => routes.find_map(|facts| Some((facts, pattern::bind(facts.pattern, path)?.path))),
    };
    match found {
        Some((facts, path)) => Ok(BoundOp { facts, op: AnyOp(Box::new(())), unknown: Vec::new(), path }),
        None => {
            let error = Error::new(Cause::NoRoute, "unsupported path");
            Err(BindError { error, facts: None, hint: None, path: path.to_owned() })
        }
    }
}

fn bind_secret_with<E: Engine>(engine: &E, op: SecretOp) -> Result<BoundOp, Error> {
    let shared = engine.secret(op).ok_or_else(|| Error::new(Cause::Unsupported, "this mount keeps no secrets"))?;
    bind_shared(engine, shared)
}

fn bind_key_with<E: Engine>(engine: &E, op: KeyOp) -> Result<BoundOp, Error> {
    let shared = engine.key(op).ok_or_else(|| Error::new(Cause::Unsupported, "this mount keeps no keys"))?;
    bind_shared(engine, shared)
}

fn bind_shared<E: Engine>(engine: &E, shared: SharedOp<E::Op>) -> Result<BoundOp, Error> {
    let mut routes = engine.routes().iter().chain(engine.shared_routes());
    let route = routes.find(|route| route.facts.name == shared.route);
    let route = route.ok_or_else(|| Error::internal("a shared operation names no route"))?;
    CanonicalPath::parse(&shared.path)?;
    Ok(BoundOp { facts: &route.facts, op: AnyOp(Box::new(shared.op)), unknown: Vec::new(), path: shared.path })
}

fn typed<E: Engine>(op: &AnyOp) -> Result<&E::Op, Error> {
    op.0.downcast_ref().ok_or_else(|| Error::internal("an operation reached an engine that did not bind it"))
}

macro_rules! erase {
    ($wrapper:ident, $bound:path, { $($login:tt)* }) => {
        #[async_trait]
        impl<E: $bound> AnyEngine for $wrapper<E> {
            fn kind(&self) -> &'static str {
                self.0.kind()
            }
            fn version(&self) -> &'static str {
                self.0.version()
            }
            fn route_facts(&self) -> Vec<&'static RouteFacts> {
                self.0.routes().iter().map(|route| &route.facts).collect()
            }
            fn bind(&self, method: Method, path: &str, params: &mut Params) -> Result<BoundOp, BindError> {
                bind_with(&self.0, method, path, params)
            }
            fn bind_help(&self, path: &str) -> Result<BoundOp, BindError> {
                bind_help_with(&self.0, path)
            }
            fn bind_secret(&self, op: SecretOp) -> Result<BoundOp, Error> {
                bind_secret_with(&self.0, op)
            }
            fn bind_key(&self, op: KeyOp) -> Result<BoundOp, Error> {
                bind_key_with(&self.0, op)
            }
            async fn key_name(&self, cx: &mut Context<'_>, key: &KeyRef) -> Result<Option<String>, Error> {
                self.0.key_name(cx, key).await
            }
            async fn secret_path(
                &self,
                cx: &mut Context<'_>,
                secret: &SecretRef,
                makes: bool,
            ) -> Result<Option<CanonicalPath>, Error> {
                self.0.secret_path(cx, secret, makes).await
            }
            fn stands_under<'p>(&self, path: &'p str) -> Option<&'p str> {
                self.0.stands_under(path)
            }
            async fn handle(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Outcome, Error> {
                self.0.handle(cx, typed::<E>(op)?).await
            }
            async fn exists(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<bool, Error> {
                self.0.exists(cx, typed::<E>(op)?).await
            }
            fn attaches(&self) -> bool {
                self.0.attaches()
            }
            async fn attached(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Option<Attached>, Error> {
                self.0.attached(cx, typed::<E>(op)?).await
            }
            fn external(&self) -> Option<&dyn External> {
                self.0.external()
            }
            fn revoker(&self) -> Option<&dyn Revoker> {
                self.0.revoker()
            }
            fn rotates(&self) -> Option<&dyn Rotates> {
                self.0.rotates()
            }
            fn rotator(&self) -> Option<&dyn Rotator> {
                self.0.rotator()
            }
            fn postures(&self) -> Option<&dyn Postures> {
                self.0.postures()
            }
            $($login)*
        }
    };
}

erase!(Erased, Engine, {
    async fn login(&self, _cx: &mut Context<'_>, _op: &AnyOp) -> Result<Vouch, Error> {
        Err(Error::internal("this engine cannot vouch for callers"))
    }
    async fn renew_login(&self, _cx: &mut Context<'_>, _before: &Identification) -> Result<Vouch, Error> {
        Err(Error::internal("this engine cannot vouch for callers"))
    }
});

erase!(ErasedAuth, AuthMethod, {
    fn prepares(&self, op: &AnyOp) -> bool {
        typed::<E>(op).is_ok_and(|op| self.0.prepares(op))
    }
    async fn prepare(&self, cx: &mut OutsideContext<'_>, op: &AnyOp) -> Result<(), Error> {
        self.0.prepare(cx, typed::<E>(op)?).await
    }
    async fn login(&self, cx: &mut Context<'_>, op: &AnyOp) -> Result<Vouch, Error> {
        self.0.login(cx, typed::<E>(op)?).await
    }
    async fn renew_login(&self, cx: &mut Context<'_>, before: &Identification) -> Result<Vouch, Error> {
        self.0.renew(cx, before).await
    }
});

/// Whether a table's row needs no token: what the golden list of tests compares.
#[must_use]
pub fn is_open(facts: &RouteFacts) -> bool {
    matches!(facts.access, Access::Anonymous | Access::Login)
}

//! Secrets engines. An engine is a table of routes and one function over typed operations; what it does not implement,
//! it visibly cannot do.

use crate::attached::Attached;
use crate::context::Context;
use crate::external::{External, Revoker};
use crate::outcome::Outcome;
use crate::posture::Postures;
use crate::rotation::{Rotates, Rotator};
use crate::route::Route;
use async_trait::async_trait;
use cardea_model::operation::SecretRef;
use cardea_model::{CanonicalPath, Error, KeyOp, KeyRef, Method, SecretOp};

/// A secrets engine. One value serves every mount of its kind: all state is in the context's view.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The engine's own typed operations.
    type Op: Send + Sync + 'static;

    /// Such as `kv`: what `sys/mounts` calls the type.
    fn kind(&self) -> &'static str;

    /// Where engines share a kind: which `version` a mount's option asks for. The least is what a mount has that names none.
    /// Engines of one kind keep the same records, so a mount can be raised to a later version at any moment, never lowered.
    fn version(&self) -> &'static str {
        ""
    }

    fn routes(&self) -> &'static [Route<Self::Op>];

    /// What to say beside "not found" where no route has the path: such as how a client of another version would have asked.
    fn stray_hint(&self, _method: Method, _path: &str) -> Option<&'static str> {
        None
    }

    /// Does one operation inside the request's transaction. It may run again on a conflict and therefore never touches
    /// the outside; it returns what it wants done there.
    async fn handle(&self, cx: &mut Context<'_>, op: &Self::Op) -> Result<Outcome, Error>;

    /// For routes whose action is create or update: whether the thing exists.
    async fn exists(&self, _cx: &mut Context<'_>, _op: &Self::Op) -> Result<bool, Error> {
        Ok(false)
    }

    /// Whether documents or grants can be attached to its resources. Where not, [`Engine::attached`] is not asked.
    fn attaches(&self) -> bool {
        false
    }

    /// What is attached to the one resource of an operation. The record that says so is looked at ahead
    /// ([`cardea_storage::view::View::peek_ahead`]), since the operation is going to read it in the same transaction.
    async fn attached(&self, _cx: &mut Context<'_>, _op: &Self::Op) -> Result<Option<Attached>, Error> {
        Ok(None)
    }

    /// Rows of shared operations that no path leads to. Their patterns and bindings are not used.
    fn shared_routes(&self) -> &'static [Route<Self::Op>] {
        &[]
    }

    /// The engine's operation for one that dialects share, if it keeps secrets, and the path inside the mount that
    /// policies know it by.
    fn secret(&self, _op: SecretOp) -> Option<SharedOp<Self::Op>> {
        None
    }

    /// The same for operations on keys. Keys are named by then (see [`Engine::key_name`]); what is still an id or an alias
    /// is of no key, and its words stand in the path.
    fn key(&self, _op: KeyOp) -> Option<SharedOp<Self::Op>> {
        None
    }

    /// The name of a key that a dialect knows by its id or an alias; `None` if there is none. It decides nothing: the
    /// answer is what policies are asked about.
    async fn key_name(&self, _cx: &mut Context<'_>, _key: &KeyRef) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// The path of a secret that a dialect knows by its name and the region that asks, `makes` it or not; `None` for the
    /// path that was asked for. It decides nothing: the answer is what policies are asked about.
    async fn secret_path(
        &self,
        _cx: &mut Context<'_>,
        _secret: &SecretRef,
        _makes: bool,
    ) -> Result<Option<CanonicalPath>, Error> {
        Ok(None)
    }

    /// The path inside the mount whose rules hold as well for what has this one: a rule that matches it and does not allow an
    /// action forbids it here, too.
    fn stands_under<'p>(&self, _path: &'p str) -> Option<&'p str> {
        None
    }

    /// Effects outside that it plans.
    fn external(&self) -> Option<&dyn External> {
        None
    }

    /// How its leases are revoked and renewed; without one, it cannot issue a lease.
    fn revoker(&self) -> Option<&dyn Revoker> {
        None
    }

    /// Its records whose credentials change at a source.
    fn rotates(&self) -> Option<&dyn Rotates> {
        None
    }

    /// How its secrets stand against what their owners want.
    fn postures(&self) -> Option<&dyn Postures> {
        None
    }

    /// How it changes credentials at its sources, for secrets that other mounts keep.
    fn rotator(&self) -> Option<&dyn Rotator> {
        None
    }
}

/// A shared operation, bound by an engine.
pub struct SharedOp<Op> {
    pub op: Op,
    /// Name of the route, or of the shared one, that it is equal to: same action, same log fields, same help.
    pub route: &'static str,
    /// The path inside the mount, such as `data/app`.
    pub path: String,
}

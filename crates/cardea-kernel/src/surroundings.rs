//! Contexts for engines: built in one place, so that every operation sees the same world.

use crate::active::Active;
use crate::documents::{Asker, ByPolicies};
use cardea_model::mount::Mount;
use cardea_model::{Action, Caller, Origin, Timestamp};
use cardea_policy::iam::{Document, Verdict};
use cardea_policy::{Acl, Operation, ParameterView, Query};
use cardea_sdk::attached::Attached;
use cardea_sdk::context::{Context, OutsideContext, Rights};
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde_json::Value;
use std::sync::Arc;

/// The context of one operation in one transaction.
pub fn context<'a>(
    active: &'a Active,
    txn: &'a mut Txn,
    mount: &'a Mount,
    origin: &'a Origin,
    caller: Option<&'a Caller>,
    now: Timestamp,
    rights: &'a dyn Rights,
) -> Context<'a> {
    Context {
        state: View::new(txn, &mount.namespace, &mount.uuid),
        mount,
        caller,
        origin,
        now,
        rng: &*active.rng,
        rights,
        wrap_ttl: None,
        system: active,
        warnings: Vec::new(),
    }
}

/// The context of work outside any transaction.
pub fn outside<'a>(active: &'a Active, txn: &'a mut Txn, mount: &'a Mount, now: Timestamp) -> OutsideContext<'a> {
    OutsideContext {
        state: View::new(txn, &mount.namespace, &mount.uuid),
        mount,
        now,
        rng: &*active.rng,
        faults: &*active.faults,
    }
}

/// What a caller may do elsewhere, by its compiled policies and by what is attached there.
pub struct AclRights {
    pub acl: Arc<Acl>,
    /// Absent where nobody asks.
    pub asker: Option<Asker>,
}

impl Rights for AclRights {
    fn allows(&self, action: Action, path: &str) -> bool {
        self.acl.decide(&question(action, path)).allowed
    }

    fn forbids(&self, action: Action, path: &str) -> bool {
        self.acl.decide(&question(action, path)).forbids()
    }

    fn has_sudo(&self, path: &str) -> bool {
        self.acl.decide(&Query::plain(Operation::Update, path)).sudo
    }

    fn reaches(&self, mount_path: &str) -> bool {
        self.acl.has_any_grant_under(mount_path)
    }

    fn allows_with(&self, action: Action, path: &str, attached: &Attached) -> bool {
        let policies = ByPolicies::of(&self.acl.decide(&question(action, path)));
        self.asker.as_ref().is_some_and(|asker| asker.combine(policies, attached).allowed)
    }

    fn names(&self, arn: &str) -> Vec<String> {
        self.asker.as_ref().map(|asker| asker.principal(arn).arns).unwrap_or_default()
    }

    fn verdict(&self, document: &Document, arn: &str, action: &'static str) -> Verdict {
        self.asker.as_ref().map_or(Verdict::Silent, |asker| asker.verdict(document, arn, action))
    }

    fn beginnings(&self, action: Action, folder: &str) -> Vec<String> {
        operation(action).required().map(|wanted| self.acl.beginnings(wanted, folder)).unwrap_or_default()
    }
}

/// A change that comes with another one: with which parameters its own route would be asked, nobody knows.
struct Unstated;

impl ParameterView for Unstated {
    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
    fn value(&self, _key: &str) -> Option<&Value> {
        None
    }
    fn states(&self, _key: &str) -> bool {
        false
    }
}

fn question(action: Action, path: &str) -> Query<'_> {
    let plain = Query::plain(operation(action), path);
    match action {
        Action::Create | Action::Update | Action::Patch => Query { parameters: &Unstated, ..plain },
        Action::Read | Action::List | Action::Delete => plain,
    }
}

/// Where nobody's rights are asked, and only the caller's names are.
pub struct NamesOnly<'a>(pub &'a Asker);

impl Rights for NamesOnly<'_> {
    fn allows(&self, _action: Action, _path: &str) -> bool {
        false
    }
    fn has_sudo(&self, _path: &str) -> bool {
        false
    }
    fn reaches(&self, _mount_path: &str) -> bool {
        false
    }
    fn names(&self, arn: &str) -> Vec<String> {
        self.0.principal(arn).arns
    }
}

/// Where nobody's rights are asked.
pub struct NoRights;

impl Rights for NoRights {
    fn allows(&self, _action: Action, _path: &str) -> bool {
        false
    }
    fn has_sudo(&self, _path: &str) -> bool {
        false
    }
    fn reaches(&self, _mount_path: &str) -> bool {
        false
    }
}

/// The policy language's word for an action.
#[must_use]
pub fn operation(action: Action) -> Operation {
    match action {
        Action::Create => Operation::Create,
        Action::Read => Operation::Read,
        Action::Update => Operation::Update,
        Action::Patch => Operation::Patch,
        Action::Delete => Operation::Delete,
        Action::List => Operation::List,
    }
}

//! Resolved to Decided: allow or deny, with reasons. The decision itself is a pure function of cardea-policy, and what is
//! attached to the resource is combined with it by one of `documents`; this stage fetches what they need. Deny by default: whoever is nobody may come in only where a route says so.

use super::authenticate::Who;
use super::resolve::Resolved;
use crate::active::Active;
use crate::documents::ByPolicies;
use crate::surroundings;
use cardea_model::{Params, Refusal};
use cardea_policy::{Acl, Decision, Operation, ParameterView, Query};
use cardea_sdk::route::Access;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A request with its decision.
pub struct Decided {
    pub(super) resolved: Resolved,
    pub(super) allowed: bool,
    /// For the log.
    pub(super) reasons: Vec<String>,
    /// Policies and patterns that granted it.
    pub(super) granting: Vec<(String, String)>,
    pub(super) acl: Arc<Acl>,
}

/// Decides.
///
/// # Errors
/// Only if the store does not answer.
pub async fn authorize(active: &Active, resolved: Resolved) -> Result<Decided, Refusal> {
    let access = resolved.facts().map_or(Access::Policy, |facts| facts.access);
    let refuse = |error| Refusal { request_id: Some(resolved.from.id.clone()), error, warnings: Vec::new() };
    let acl = match resolved.from.who.caller() {
        Some(caller) => active.acls.of(&mut active.sealed.txn(), caller).await.map_err(refuse)?,
        None => Arc::new(Acl::compile(&[], &cardea_policy::Subject::default())),
    };
    let plain = |allowed, why: &str| (allowed, vec![why.to_owned()], Vec::new());
    let (allowed, reasons, granting) = match (&resolved.from.who, access) {
        (_, Access::Anonymous) => plain(true, "the route is open to everybody"),
        (_, Access::Login) => plain(true, "the route judges logins"),
        (_, Access::SudoOrShares) if active.settings.root_by_shares => {
            plain(true, "the owner lets shares alone suffice")
        }
        (Who::Nobody, _) => plain(false, "no credential was shown"),
        (Who::Unknown(why), _) => plain(false, why),
        (Who::Unverified(fault), _) => plain(false, fault.why()),
        (Who::Caller { .. }, Access::Authenticated) => plain(true, "the route is open to every valid token"),
        (Who::Caller { .. }, Access::Policy | Access::Sudo | Access::SudoOrShares) => {
            let view = View { params: &resolved.params, stated: resolved.stated, parsed: OnceLock::new() };
            let ask = |path: &str| -> Decision {
                acl.decide(&Query {
                    path,
                    operation: if resolved.help { Operation::Help } else { surroundings::operation(resolved.action) },
                    parameters: &view,
                    wrap_ttl_s: resolved.from.request.wrap_ttl.map(|ttl| ttl.0),
                    needs_sudo: access != Access::Policy && !resolved.help,
                })
            };
            if let Some(above) = resolved.stands_under().map(|name| ask(&name)).filter(Decision::forbids) {
                let mut reasons = vec!["what is said of the name without the region holds for it as well".to_owned()];
                reasons.extend(above.reasons.iter().map(ToString::to_string));
                return Ok(Decided { resolved, allowed: false, reasons, granting: Vec::new(), acl });
            }
            let decision = ask(&resolved.name);
            let mut reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
            let granting =
                decision.granting.iter().map(|g| (g.name.as_str().to_owned(), g.pattern.to_string())).collect();
            match resolved.attached.as_deref() {
                None => (decision.allowed, reasons, granting),
                Some((asker, attached)) => {
                    let combined = asker.combine(ByPolicies::of(&decision), attached);
                    // What decided in the end stands first.
                    reasons.splice(0..0, combined.reasons);
                    (combined.allowed, reasons, if combined.allowed { granting } else { Vec::new() })
                }
            }
        }
    };
    Ok(Decided { resolved, allowed, reasons, granting, acl })
}

/// Parameters as policies see them; parsed only if a policy constrains any.
struct View<'p> {
    params: &'p Params,
    /// See [`Resolved::stated`].
    stated: Option<&'static [&'static str]>,
    parsed: OnceLock<BTreeMap<String, Value>>,
}

impl ParameterView for View<'_> {
    fn states(&self, key: &str) -> bool {
        self.stated.is_none_or(|stated| stated.contains(&key))
    }

    fn keys(&self) -> Vec<&str> {
        self.params.names()
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let parsed = self.parsed.get_or_init(|| {
            let values =
                self.params.names().into_iter().filter_map(|name| Some((name.to_owned(), self.params.value(name)?)));
            values.collect()
        });
        parsed.get(key)
    }
}

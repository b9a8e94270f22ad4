//! `sys/policy`, `sys/policies/acl`, `sys/policies/password`, and `sys/policies/explain`.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::policies::{self, PASSWORD_POLICIES, StoredPasswordPolicy, StoredPolicy};
use crate::{surroundings, tokens};
use cardea_model::{Action, Body, CanonicalPath, Envelope, Error, Params, loose};
use cardea_policy::{Acl, Query, Subject, explain};
use cardea_sdk::password::PasswordPolicy;
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub enum Op {
    List { legacy: bool },
    Read { name: String, legacy: bool },
    Write { name: String, text: String },
    Delete { name: String },
    Explain(Box<ExplainInput>),
    ListPasswords,
    ReadPassword { name: String },
    WritePassword { name: String, text: String },
    DeletePassword { name: String },
    GeneratePassword { name: String },
}

#[derive(Deserialize)]
struct NameInput {
    name: String,
}

#[derive(Deserialize)]
struct WriteInput {
    name: String,
    #[serde(default)]
    policy: String,
    /// Older name of `policy`.
    #[serde(default)]
    rules: String,
}

/// Whose policies are asked: a token's, or a list of names. The caller's own if neither is given.
#[derive(Deserialize)]
pub struct ExplainInput {
    path: String,
    #[serde(default)]
    capability: String,
    /// Older spelling.
    #[serde(default)]
    operation: String,
    #[serde(default)]
    policies: loose::List,
    #[serde(default)]
    accessor: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    wrap_ttl: Option<loose::Duration>,
}

fn named(p: &Params, make: fn(String) -> Op) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: NameInput| SysOp::Policies(make(i.name)))
}

fn write(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::read(p, |i: WriteInput| {
        let text = if i.policy.is_empty() { i.rules } else { i.policy };
        SysOp::Policies(Op::Write { name: i.name, text })
    })
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::list("acl-list", "policies/acl", |p| Bound::plain(p, SysOp::Policies(Op::List { legacy: false })))
            .help("Names of all policies."),
        Route::read("acl-list-read", "policies/acl", |p| Bound::plain(p, SysOp::Policies(Op::List { legacy: false })))
            .action(Action::List)
            .help("Names of all policies."),
        Route::read("acl-read", "policies/acl/{name:lower}", |p| named(p, |name| Op::Read { name, legacy: false }))
            .help("One policy."),
        Route::write("acl-write", "policies/acl/{name:lower}", write)
            .help("Writes a policy in HCL or JSON.")
            .example("{\"policy\": \"path \\\"secret/data/app\\\" { capabilities = [\\\"read\\\"] }\"}"),
        Route::delete("acl-delete", "policies/acl/{name:lower}", |p| named(p, |name| Op::Delete { name }))
            .help("Deletes a policy."),
        Route::read("policy-list", "policy", |p| Bound::plain(p, SysOp::Policies(Op::List { legacy: true })))
            .envelope(Envelope::Flattened)
            .help("Names of all policies, in the older form."),
        Route::list("policy-list-list", "policy", |p| Bound::plain(p, SysOp::Policies(Op::List { legacy: true })))
            .envelope(Envelope::Flattened)
            .help("Names of all policies, in the older form."),
        Route::read("policy-read", "policy/{name:lower}", |p| named(p, |name| Op::Read { name, legacy: true }))
            .envelope(Envelope::Flattened)
            .help("One policy, in the older form."),
        Route::write("policy-write", "policy/{name:lower}", write)
            .help("Writes a policy.")
            .example("{\"policy\": \"path \\\"a\\\" {}\"}"),
        Route::delete("policy-delete", "policy/{name:lower}", |p| named(p, |name| Op::Delete { name }))
            .help("Deletes a policy."),
        Route::write("policy-explain", "policies/explain", |p| {
            Bound::read(p, |i: ExplainInput| SysOp::Policies(Op::Explain(Box::new(i))))
        })
        .clear(&["path", "capability", "operation", "policies"])
        .help("Why a request would be allowed or denied, with every pattern that matches.")
        .example("{\"path\": \"secret/data/app\", \"capability\": \"read\", \"policies\": [\"default\"]}"),
        Route::list("password-list", "policies/password", |p| Bound::plain(p, SysOp::Policies(Op::ListPasswords)))
            .help("Names of password policies."),
        Route::read("password-generate", "policies/password/{name}/generate", |p| {
            named(p, |name| Op::GeneratePassword { name })
        })
        .hashed_answer(&["password"])
        .help("A password by a policy."),
        Route::read("password-read", "policies/password/{name}", |p| named(p, |name| Op::ReadPassword { name }))
            .help("One password policy."),
        Route::write("password-write", "policies/password/{name}", |p| {
            Bound::read(p, |i: WriteInput| SysOp::Policies(Op::WritePassword { name: i.name, text: i.policy }))
        })
        .help("Writes a password policy.")
        .example("{\"policy\": \"length = 20\\nrule \\\"charset\\\" {\\n  charset = \\\"abc\\\"\\n}\"}"),
        Route::delete("password-delete", "policies/password/{name}", |p| named(p, |name| Op::DeletePassword { name }))
            .help("Deletes a password policy."),
    ]
}

/// A policy's text, plain or in base64, as clients send it.
fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let trimmed = text.trim();
    let plausible = trimmed.len().is_multiple_of(4) && !trimmed.is_empty() && !trimmed.contains(['{', '"', ' ', '\n']);
    match plausible.then(|| base64::engine::general_purpose::STANDARD.decode(trimmed)) {
        Some(Ok(bytes)) => String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()),
        _ => text.to_owned(),
    }
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    match op {
        Op::List { legacy } => {
            let names = policies::list(cx.state.kernel_side(), &namespace).await?;
            if *legacy {
                #[derive(Serialize)]
                struct Both {
                    keys: Vec<String>,
                    policies: Vec<String>,
                }
                return Done::object(&Both { keys: names.clone(), policies: names });
            }
            Done::keys(names)
        }
        Op::Read { name, legacy } => {
            let name = policies::name(name)?;
            let text = match policies::find(cx.state.kernel_side(), &namespace, &name).await {
                Ok(Some(policy)) => policy.text.clone(),
                _ if name.is_root() => String::new(),
                Ok(None) => return Err(Error::not_found()),
                Err(error) => return Err(error),
            };
            #[derive(Serialize)]
            struct Legacy<'a> {
                name: &'a str,
                rules: &'a str,
            }
            #[derive(Serialize)]
            struct Modern<'a> {
                name: &'a str,
                policy: &'a str,
            }
            match legacy {
                true => Done::object(&Legacy { name: name.as_str(), rules: &text }),
                false => Done::object(&Modern { name: name.as_str(), policy: &text }),
            }
        }
        Op::Write { name, text } => {
            let name = policies::name(name)?;
            if name.is_immutable() {
                return Err(Error::invalid(format!("cannot update \"{}\" policy", name.as_str())));
            }
            if text.trim().is_empty() {
                return Err(Error::invalid("'policy' parameter not supplied or empty"));
            }
            let policy = StoredPolicy::parse(name, &decoded(text))?;
            policies::put(cx.state.kernel_side(), &namespace, &policy)?;
            Ok(Done::empty())
        }
        Op::Delete { name } => {
            let name = policies::name(name)?;
            if name.is_immutable() || name.is_default() {
                return Err(Error::invalid(format!("cannot delete \"{}\" policy", name.as_str())));
            }
            policies::delete(cx.state.kernel_side(), &namespace, &name);
            Ok(Done::empty())
        }
        Op::Explain(input) => explain_for(active, cx, input).await,
        Op::ListPasswords => {
            let mut view = View::new(cx.state.kernel_side(), &namespace, PASSWORD_POLICIES);
            Done::keys(view.names::<StoredPasswordPolicy>("", None, cardea_model::limit::LIST_ENTRIES_MAX).await?)
        }
        Op::ReadPassword { name } => {
            #[derive(Serialize)]
            struct Answer<'a> {
                policy: &'a str,
            }
            let mut view = View::new(cx.state.kernel_side(), &namespace, PASSWORD_POLICIES);
            let found = view.get::<StoredPasswordPolicy>(name).await?.ok_or_else(Error::not_found)?;
            Done::object(&Answer { policy: &found.0 })
        }
        Op::WritePassword { name, text } => {
            CanonicalPath::parse(name)?;
            let text = decoded(text);
            // A policy that no password satisfies is refused when it is written, not when it is needed.
            PasswordPolicy::parse(&text)?.generate(cx.rng)?;
            View::new(cx.state.kernel_side(), &namespace, PASSWORD_POLICIES)
                .put(name, &StoredPasswordPolicy(text.clone()))?;
            Ok(Extra::after(After::PasswordPolicy { name: name.clone(), text: Some(text) }))
        }
        Op::DeletePassword { name } => {
            View::new(cx.state.kernel_side(), &namespace, PASSWORD_POLICIES).delete::<StoredPasswordPolicy>(name);
            Ok(Extra::after(After::PasswordPolicy { name: name.clone(), text: None }))
        }
        Op::GeneratePassword { name } => {
            #[derive(Serialize)]
            struct Answer {
                #[serde(with = "cardea_model::secret_bytes::stored")]
                password: cardea_model::SecretText,
            }
            let mut view = View::new(cx.state.kernel_side(), &namespace, PASSWORD_POLICIES);
            let found = view.get::<StoredPasswordPolicy>(name).await?.ok_or_else(Error::not_found)?;
            Done::object(&Answer { password: PasswordPolicy::parse(&found.0)?.generate(cx.rng)? })
        }
    }
}

async fn explain_for(active: &Arc<Active>, cx: &mut Context<'_>, input: &ExplainInput) -> Result<Outcome, Error> {
    let namespace = cx.mount.namespace.clone();
    let word = if input.capability.is_empty() { &input.operation } else { &input.capability };
    let action = match word.as_str() {
        "create" => Action::Create,
        "" | "read" => Action::Read,
        "update" | "write" => Action::Update,
        "patch" => Action::Patch,
        "delete" => Action::Delete,
        "list" => Action::List,
        _ => return Err(Error::invalid("capability must be create, read, update, patch, delete or list")),
    };
    let path = CanonicalPath::parse(input.path.trim_start_matches('/'))?;
    let path = if action == Action::List { path.into_folder() } else { path };
    let now = cx.now;
    let acl: Arc<Acl> = if !input.accessor.is_empty() {
        let unknown = || Error::invalid("the accessor names no token that lives");
        let id = tokens::by_accessor(cx.state.kernel_side(), &active.hashes, &namespace, &input.accessor)
            .await?
            .ok_or_else(unknown)?;
        let token = tokens::find_live(cx.state.kernel_side(), &namespace, &id, now).await?.ok_or_else(unknown)?;
        let shown = tokens::Shown { token, kind: cardea_model::TokenKind::Service };
        let caller = tokens::caller(cx.state.kernel_side(), &shown).await?.ok_or_else(unknown)?;
        active.acls.of(cx.state.kernel_side(), &caller).await?
    } else if !input.policies.0.is_empty() {
        let mut parsed = Vec::new();
        for name in policies::names(&input.policies.0)? {
            if name == "root" {
                return Err(Error::invalid("the root policy allows everything; there is nothing to explain"));
            }
            match policies::find(cx.state.kernel_side(), &namespace, &policies::name(&name)?).await? {
                Some(policy) => parsed.push(policy.parsed.clone()),
                None => cx.warn("a named policy does not exist"),
            }
        }
        Arc::new(Acl::compile(&parsed, &Subject::default()))
    } else {
        let caller = cx.caller.cloned().ok_or_else(Error::denied)?;
        active.acls.of(cx.state.kernel_side(), &caller).await?
    };
    let parameters: serde_json::Map<String, serde_json::Value> = input.parameters.clone().into_iter().collect();
    let query = Query {
        path: path.as_str(),
        operation: surroundings::operation(action),
        parameters: &parameters,
        wrap_ttl_s: input.wrap_ttl.map(|ttl| ttl.0.0),
        needs_sudo: false,
    };
    let mounts = active.mounts.now();
    let mount = mounts.resolve(path.as_str()).map(|(mount, _)| mount);
    if mount.and_then(|mount| active.engine(mount).ok()).is_some_and(|engine| engine.attaches()) {
        cx.warn("policies alone are explained: a policy document or grants of the resource itself decide beside them");
    }
    let explanation = explain(&acl, &query);
    let body = cardea_model::Payload::of(&explanation)?;
    Ok(Done::body(Body::Object(body)))
}

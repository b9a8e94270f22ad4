//! Decided to Recorded: the request's record is opened with its decision. A denial ends here, written. An allowed request
//! carries its open record on; it becomes durable exactly once: with the change, with an intent, or before a read's bytes
//! leave.

use super::authorize::Decided;
use super::dispatch::{AnswerContent, cause_word};
use super::leaves;
use super::resolve::What;
use crate::active::Active;
use crate::documents::Standing;
use crate::leases::LeaseRecord;
use crate::metrics::Metrics;
use crate::readers;
use crate::tokens::Token;
use bytes::Bytes;
use cardea_audit::record as log;
use cardea_audit::{LogTime, OpenRecord};
use cardea_model::mount::{Mount, MountClass};
use cardea_model::request::KeyWish;
use cardea_model::{
    Action, Body, Caller, Cause, Credential, Error, Origin, Refusal, RequestId, SecretText, Timestamp, TokenKind,
    TtlSeconds,
};
use cardea_policy::Acl;
use cardea_sdk::erased::{AnyEngine, AnyOp};
use cardea_sdk::route::{Access, RouteFacts};
use cardea_storage::store::CommitError;
use cardea_storage::txn::{Txn, commit_error};
use std::sync::Arc;

/// An allowed request whose record is open. Only this can be dispatched.
pub struct Recorded(Pending);

impl Recorded {
    pub(super) fn into_pending(self) -> Pending {
        self.0
    }
}

/// Everything that dispatch and release need.
pub(super) struct Pending {
    pub id: RequestId,
    pub now: Timestamp,
    pub name: String,
    pub action: Action,
    pub engine: Arc<dyn AnyEngine>,
    pub op: AnyOp,
    pub facts: &'static RouteFacts,
    pub mount: Arc<Mount>,
    pub caller: Option<Caller>,
    /// The id of the stored token that the request stands on.
    pub holder: Option<String>,
    pub limited_uses: bool,
    pub origin: Origin,
    pub wrap_ttl: Option<TtlSeconds>,
    pub by_path: bool,
    pub help: bool,
    pub existed: Option<bool>,
    /// What a login shall answer with instead of a token.
    pub wish: Option<KeyWish>,
    pub acl: Arc<Acl>,
    /// What the first run goes on in.
    pub txn: Option<Txn>,
    /// What the credential said beside who asks.
    pub standing: Standing,
    pub unknown: Vec<String>,
    /// The token as shown; only for an answer about the token itself.
    pub presented: Option<SecretText>,
    open: Option<OpenRecord>,
    announced: bool,
    hasher: Arc<cardea_audit::AuditHasher>,
}

/// Opens the record; ends denials.
///
/// # Errors
/// The denial, recorded; or that it could not be recorded.
pub async fn record(active: &Active, decided: Decided) -> Result<Recorded, Refusal> {
    let Decided { resolved, allowed, reasons, granting, acl } = decided;
    let facts = resolved.facts();
    let shown = logged_name(&active.hashes.audit, &resolved);
    let from = resolved.from;
    let known = from.who.caller().is_some();
    let refusal = |error: Error| Refusal { request_id: Some(from.id.clone()), error, warnings: Vec::new() };
    if active.log.is_stopped()
        && !facts.is_some_and(|facts| matches!(facts.access, Access::Sudo | Access::SudoOrShares))
    {
        return Err(refusal(Error::unavailable("an audit device is too far behind and its owner said to stop")));
    }
    let wanted = facts.is_none_or(|facts| facts.recorded);
    let open = wanted.then(|| {
        let mut open = OpenRecord::request(LogTime(from.now), &from.id.0, &active.settings.node)
            .namespace(from.request.namespace.as_str(), "")
            .dialect(from.request.origin.dialect)
            .path(&shown)
            .source(source(&from.request.origin))
            .decision(log::Decision {
                allowed,
                reasons: reasons.iter().map(|reason| reason.as_str().into()).collect(),
                granting: granting
                    .iter()
                    .map(|(name, pattern)| log::Grant { name: name.as_str().into(), pattern: pattern.as_str().into() })
                    .collect(),
            });
        open = if resolved.help { open.operation(log::Operation::Help) } else { open.operation(resolved.action) };
        if let Some(mount) = &resolved.mount {
            open = open.mount(log_mount(mount));
        }
        if let Some(caller) = from.who.caller() {
            let mut actor = actor(caller, from.who.token(), from.now);
            match &from.request.credential {
                Credential::Token(text) => match from.who.token() {
                    Some(token) => {
                        let told = token.told(&active.hashes, text.expose());
                        actor.token_hash = Some(told.token);
                        actor.accessor =
                            caller.accessor.as_ref().map(|_| log::Accessor { hash: told.accessor, clear: None });
                    }
                    None => actor.token_hash = Some(active.hashes.audit.text(text.expose())),
                },
                Credential::Signed(shown) => {
                    // What a signer holds is a key; the accessor is of the token that the key stands for.
                    actor.token_type = None;
                    actor.accessor = from.who.token().map(|token| accessor(&active.hashes.audit, &token.accessor));
                    actor.metadata.push(signing_key(log::FieldValue::Clear(shown.key_id.as_str().into())));
                }
                Credential::None | Credential::Refused(_) => {}
            }
            open = open.actor(actor);
        } else if let Credential::Signed(shown) = &from.request.credential {
            // Not in clear: whoever confuses the halves of a key shows the secret one here.
            let shown = log::FieldValue::Hashed(active.hashes.audit.text(&shown.key_id));
            open = open.actor(log::Actor { metadata: vec![signing_key(shown)], ..log::Actor::default() });
        }
        if let Some(ttl) = from.request.wrap_ttl {
            open = open.wrap_ttl_s(ttl.0);
        }
        if !from.request.origin.headers.is_empty() {
            let kept = active.kept_headers.now();
            for (name, value) in &from.request.origin.headers {
                let value = match kept.get(name) {
                    Some(false) => log::FieldValue::Clear(value.as_str().into()),
                    _ => log::FieldValue::Hashed(active.hashes.audit.text(value)),
                };
                open = open.header(name, value);
            }
        }
        if !resolved.params.is_empty() {
            let unknown = match &resolved.what {
                What::Bound { op, .. } => Some(op.unknown.as_slice()),
                What::Nothing { .. } => None,
            };
            open = open.params(log_params(&active.hashes.audit, &resolved.params, facts, unknown));
        }
        open
    });
    if !allowed {
        Metrics::add(&active.metrics.denied, 1);
        let singly = known || active.strangers.record_singly(from.request.origin.peer.ip(), from.now.unix_s());
        if let (Some(open), true) = (open, singly) {
            let done = open.complete(log::Outcome::denied("permission denied"));
            Box::pin(append(active, &done)).await.map_err(&refusal)?;
        }
        return Err(refusal(from.who.denial()));
    }
    // What takes no credential at all is not to be had without end: each answer would be a record.
    let costs_nothing = match facts.map(|facts| facts.access) {
        Some(Access::SudoOrShares) => true,
        Some(Access::Anonymous) => {
            resolved.action == Action::Read && matches!(from.request.credential, Credential::None)
        }
        _ => false,
    };
    if wanted
        && costs_nothing
        && !known
        && !active.strangers.record_singly(from.request.origin.peer.ip(), from.now.unix_s())
    {
        return Err(refusal(Error::new(Cause::RateLimited, "too many requests without a credential, try again later")));
    }
    let pending_parts = match resolved.what {
        What::Nothing { error, hint, .. } => {
            let singly = known || active.strangers.record_singly(from.request.origin.peer.ip(), from.now.unix_s());
            if let (Some(open), true) = (open, singly) {
                Box::pin(append(active, &open.complete(outcome_of(&error)))).await.map_err(&refusal)?;
            }
            return Err(Refusal { warnings: hint.map(str::to_owned).into_iter().collect(), ..refusal(error) });
        }
        What::Bound { engine, op, existed } => (engine, op, existed),
    };
    let (engine, op, existed) = pending_parts;
    let Some(mount) = resolved.mount else { return Err(refusal(Error::internal("a bound request has no mount"))) };
    let limited_uses = from.who.token().is_some_and(|token| token.uses_left.is_some());
    let holder = from.who.holder().map(str::to_owned);
    let wrap_ttl = from.request.wrap_ttl;
    let (caller, limited_uses) = match from.who {
        super::Who::Caller { caller, .. } => (Some(*caller), limited_uses),
        _ => (None, false),
    };
    Ok(Recorded(Pending {
        id: from.id,
        now: from.now,
        name: resolved.name,
        action: resolved.action,
        engine,
        facts: op.facts,
        op: op.op,
        unknown: op.unknown,
        presented: match from.request.credential {
            Credential::Token(text) => Some(text),
            _ => None,
        },
        mount,
        caller,
        holder,
        limited_uses,
        origin: from.request.origin,
        wrap_ttl,
        by_path: resolved.by_path,
        help: resolved.help,
        existed,
        wish: resolved.wish,
        acl,
        txn: resolved.txn,
        standing: resolved.standing,
        open,
        announced: false,
        hasher: active.hashes.audit.clone(),
    }))
}

impl Pending {
    /// Whether nothing can change by it.
    pub fn is_read(&self) -> bool {
        matches!(self.action, Action::Read | Action::List)
    }

    /// Whether it must work on a full disk: what it does makes things safer, and what it writes is small.
    pub fn is_essential(&self) -> bool {
        self.facts.name == "seal" || self.facts.name.contains("revoke")
    }

    /// The completed record of an answer; `None` for what leaves none. A conflict may make the request run again, so that
    /// the record is open again afterwards: a copy of it has every text and list once more.
    pub fn completed(&mut self, content: &AnswerContent) -> Result<Option<Bytes>, Error> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let done = self.complete(open, content);
        let encoded = encode(&done);
        self.open = Some(OpenRecord::reopened(done));
        encoded.map(Some)
    }

    /// The same where nothing can make it run again: the open record is used up. Reads end here.
    pub fn completed_last(&mut self, content: &AnswerContent) -> Result<Option<Bytes>, Error> {
        let Some(open) = self.open.take() else { return Ok(None) };
        encode(&self.complete(open, content)).map(Some)
    }

    fn complete(&self, mut open: OpenRecord, content: &AnswerContent) -> log::Record {
        if self.announced {
            open = open.after_intent(LogTime(self.now));
        }
        if let Some((id, version)) = &content.read_of {
            open = open.resource(log::Resource {
                kind: readers::RESOURCE_KIND.into(),
                id: id.as_str().into(),
                version: Some((*version).into()),
            });
        }
        open.response(self.response(content)).complete(log::Outcome::ok())
    }

    /// The record of the intent; from here on the request's own record is that of the outcome.
    pub fn announced(&self, lease: Option<&LeaseRecord>) -> Result<Option<Bytes>, Error> {
        let Some(open) = &self.open else { return Ok(None) };
        let event = log::Event {
            what: "effect.announced".into(),
            subject: lease.map(|lease| lease.id.as_str().into()),
            detail: None,
        };
        encode(&open.intent(event)).map(Some)
    }

    /// From now on records of this request tell how its intent ended.
    pub fn mark_announced(&mut self) {
        self.announced = true;
    }

    /// Writes the record of a refusal after the decision, with whatever the transaction holds.
    pub async fn try_refuse(&self, mut txn: Txn, error: &Error) -> Result<(), CommitError> {
        if let Some(open) = &self.open {
            let mut open = open.clone();
            if self.announced {
                open = open.after_intent(LogTime(self.now));
            }
            let done = open.complete(outcome_of(error));
            txn.append(encode(&done).map_err(|e| CommitError::Invalid(e.to_string()))?);
        }
        if !txn.has_writes() && !txn.has_appends() {
            return Ok(());
        }
        if self.is_essential() || self.announced {
            txn.mark_essential();
        }
        txn.commit().await.map(|_| ())
    }

    /// The same where nothing but the record is to be written.
    pub async fn refuse(&self, active: &Active, txn: Txn, error: Error, warnings: Vec<String>) -> Refusal {
        Metrics::add(&active.metrics.refused, 1);
        if self.is_counted(active) && !txn.has_writes() {
            return self.refusal(error, warnings);
        }
        match Box::pin(self.try_refuse(txn, &error)).await {
            Ok(()) => self.refusal(error, warnings),
            Err(failed) => self.unrecorded(commit_error(failed)),
        }
    }

    /// Whether this refusal of a stranger is counted instead of recorded: nobody fills the log by being refused, by an auth method
    /// either.
    fn is_counted(&self, active: &Active) -> bool {
        self.caller.is_none()
            && !self.announced
            && !active.strangers.record_singly(self.origin.peer.ip(), self.now.unix_s())
    }

    pub fn refusal(&self, error: Error, warnings: Vec<String>) -> Refusal {
        if let Some(detail) = &error.detail
            && matches!(error.cause, Cause::Internal | Cause::Unavailable | Cause::Upstream)
        {
            tracing::warn!(request = %self.id.0, cause = ?error.cause, %detail, "request failed");
        }
        Refusal { request_id: Some(self.id.clone()), error, warnings }
    }

    /// A refusal whose record could not be written: the store is the trouble, and there is nowhere to write.
    pub fn unrecorded(&self, error: Error) -> Refusal {
        tracing::error!(request = %self.id.0, %error, "request failed and left no record");
        Refusal { request_id: Some(self.id.clone()), error, warnings: Vec::new() }
    }

    fn response(&self, content: &AnswerContent) -> log::Response {
        let mut response = log::Response::default();
        if let Some(lease) = &content.lease {
            response.lease_id = (!lease.id.is_empty()).then(|| lease.id.as_str().into());
            response.lease_ttl_s = Some(lease.ttl_s.into());
            response.renewable = Some(lease.renewable.into());
        }
        if let Some(auth) = &content.auth {
            response.auth = Some(Box::new(log::Actor {
                display_name: None,
                entity_id: (!auth.entity_id.is_empty()).then(|| auth.entity_id.as_str().into()),
                accessor: (!auth.accessor.is_empty()).then(|| accessor(&self.hasher, &auth.accessor)),
                token_hash: Some(self.hasher.text(auth.client_token.expose())),
                token_type: Some(kind_word(auth.kind).into()),
                policies: auth.policies.clone().into(),
                token_policies: auth.token_policies.clone().into(),
                identity_policies: auth.identity_policies.clone().into(),
                token_ttl_s: Some(auth.ttl_s.into()),
                renewable: Some(auth.renewable.into()),
                orphan: Some(auth.orphan.into()),
                metadata: auth
                    .metadata
                    .iter()
                    .map(|(k, v)| log::Param {
                        name: k.as_str().into(),
                        value: log::FieldValue::Clear(v.as_str().into()),
                    })
                    .collect(),
                ..log::Actor::default()
            }));
        }
        if let Some(wrap) = &content.wrap {
            response.wrap = Some(Box::new(log::IssuedWrap {
                accessor: accessor(&self.hasher, &wrap.accessor),
                token_hash: self.hasher.text(wrap.token.expose()),
                ttl_s: wrap.ttl_s.into(),
                creation_path: wrap.creation_path.as_str().into(),
                creation_time: Some(LogTime(self.now).into()),
                wrapped_accessor: wrap.wrapped_accessor.as_ref().map(|a| accessor(&self.hasher, a)),
            }));
        }
        let clear: &[&str] = if self.wish.is_some() { &["access_key_id"] } else { self.facts.clear_answer };
        let wanted = !clear.is_empty() || !self.facts.hashed_answer.is_empty();
        if let (true, Body::Object(payload)) = (wanted, &content.body)
            && let Ok(serde_json::Value::Object(members)) = serde_json::from_str(payload.text())
        {
            for (name, value) in &members {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let value = if clear.contains(&name.as_str()) {
                    log::FieldValue::Clear(text.into())
                } else if self.facts.hashed_answer.contains(&name.as_str()) {
                    log::FieldValue::Hashed(self.hasher.text(&text))
                } else {
                    continue;
                };
                response.params.push(log::Param { name: name.as_str().into(), value });
            }
        }
        // One request may read many secrets; each has its name in the record.
        if let Body::Secrets(report) = &content.body {
            for path in report.values_of() {
                response.params.push(log::Param { name: "secret".into(), value: log::FieldValue::Clear(path.into()) });
            }
            for region in report.moved() {
                let value = log::FieldValue::Clear(region.as_str().into());
                response.params.push(log::Param { name: "region".into(), value });
            }
            for (id, version) in report.versions_of() {
                let value = log::FieldValue::Clear(format!("{id}/{version}").into());
                response.params.push(log::Param { name: readers::READ_PARAM.into(), value });
            }
        }
        response
    }
}

/// The name as the log shows it. Clients put tokens and accessors into paths that no route has: such a segment is logged as
/// its keyed hash, because what is in the log stays there.
fn logged_name(hasher: &cardea_audit::AuditHasher, resolved: &super::Resolved) -> String {
    let unrouted = matches!(resolved.what, What::Nothing { facts: None, .. });
    let token_store = unrouted && resolved.name.starts_with("auth/token/");
    let is_token =
        |segment: &str| ["hvs.", "hvb.", "hvr."].iter().any(|p| segment.len() > 12 && segment.starts_with(p));
    if !token_store && !resolved.name.split('/').any(is_token) {
        return resolved.name.clone();
    }
    let shown =
        resolved.name.split('/').enumerate().map(|(n, segment)| match is_token(segment) || (token_store && n >= 3) {
            true if !segment.is_empty() => hasher.text(segment).to_string(),
            _ => segment.to_owned(),
        });
    shown.collect::<Vec<_>>().join("/")
}

/// Appends one record by itself and waits until it is durable.
async fn append(active: &Active, record: &cardea_audit::Record) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    txn.append(encode(record)?);
    txn.commit().await.map(|_| ()).map_err(commit_error)
}

pub(crate) fn encode(record: &cardea_audit::Record) -> Result<Bytes, Error> {
    record
        .encode()
        // Kept until the log's segments have it: not a byte longer than it is.
        .map(|encoded| Bytes::copy_from_slice(&encoded))
        .map_err(|e| Error::internal(format!("a record of the log could not be encoded: {e}")))
}

fn outcome_of(error: &Error) -> log::Outcome {
    let outcome = match error.cause {
        Cause::Denied => log::Outcome::denied(&error.client),
        cause => log::Outcome::error(cause_word(cause), &error.client),
    };
    match &error.detail {
        Some(detail) => outcome.with_detail(detail),
        None => outcome,
    }
}

fn accessor(hasher: &cardea_audit::AuditHasher, clear: &str) -> log::Accessor {
    log::Accessor { hash: hasher.text(clear), clear: None }
}

fn kind_word(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Service => "service",
        TokenKind::Batch => "batch",
    }
}

fn log_mount(mount: &Mount) -> log::Mount {
    log::Mount {
        path: mount.path.as_str().into(),
        type_name: mount.kind.as_str().into(),
        accessor: mount.accessor.as_str().into(),
        class: match mount.class {
            MountClass::Secret => "secret",
            MountClass::Auth => "auth",
            MountClass::System => "system",
        }
        .into(),
        running_version: None,
    }
}

/// All of a caller but how it proved who it is.
fn actor(caller: &Caller, token: Option<&Token>, now: Timestamp) -> log::Actor {
    let mut actor = log::Actor {
        display_name: Some(caller.display_name.as_str().into()),
        entity_id: caller.entity.as_ref().map(|id| id.0.as_str().into()),
        token_type: Some(kind_word(caller.kind).into()),
        policies: caller.policies.clone().into(),
        ..log::Actor::default()
    };
    if let Some(token) = token {
        actor.token_policies = token.policies.clone().into();
        let identity = caller.policies.iter().filter(|p| !token.policies.contains(p)).cloned().collect::<Vec<_>>();
        actor.identity_policies = identity.into();
        actor.token_ttl_s = Some(token.ttl_s(now).into());
        actor.token_issue_time = Some(LogTime(token.created).into());
        actor.remaining_uses = token.uses_left.map(Into::into);
    }
    actor
}

/// By which access key a request was signed.
fn signing_key(id: log::FieldValue) -> log::Param {
    log::Param { name: "access_key_id".into(), value: id }
}

fn source(origin: &Origin) -> log::Source {
    log::Source {
        address: Some(origin.peer.ip().to_canonical().to_string().into()),
        port: Some(origin.peer.port().into()),
        tls: origin.tls.as_ref().map(|tls| log::Tls {
            version: tls.version.as_str().into(),
            cipher: tls.cipher_suite.as_str().into(),
            group: tls.key_exchange.as_deref().map(Into::into),
            client_certificate_sha256: tls.client_certificate_sha256.as_deref().map(Into::into),
            client_certificate_serial: None,
        }),
    }
}

/// Members of the request: those that the route declared clear stand as they are, the others as keyed hashes, leaf by leaf. Names
/// that no route declared are not written: a client may have put a secret there by mistake. Of a request that did not bind
/// (`unknown` is absent) nothing stands in clear: what has the wrong form is not what the route declared.
fn log_params(
    hasher: &cardea_audit::AuditHasher,
    params: &cardea_model::Params,
    facts: Option<&'static RouteFacts>,
    unknown: Option<&[String]>,
) -> log::Params {
    let mut out = log::Params::new();
    let Some(facts) = facts else {
        return out;
    };
    let mut left_out = 0u32;
    for name in params.names() {
        let declared_clear = facts.clear.contains(&name);
        if unknown.map_or(!declared_clear, |unknown| unknown.iter().any(|n| n == name)) {
            left_out += 1;
            continue;
        }
        // Leaf by leaf, if it has leaves and was understood.
        let text = params.json(name).filter(|_| unknown.is_some() && !declared_clear);
        if text.is_some_and(|text| leaves::push(&mut out, name, text, hasher)) {
            continue;
        }
        let Some(value) = params.hashable(name) else { continue };
        if declared_clear && unknown.is_some() {
            out.push(name, log::FieldValue::Clear(String::from_utf8_lossy(&value).into_owned().into()));
        } else {
            out.push_hashed(name, &value, hasher);
        }
    }
    if left_out > 0 {
        out.push("(unknown members)", log::FieldValue::Number(i64::from(left_out).into()));
    }
    out
}

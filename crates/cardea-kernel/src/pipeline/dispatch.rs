//! Recorded to Unreleased: the engine does its work in one transaction, and everything the work means (lease, token, wrapped
//! answer, the record itself) is in the same commit. On a conflict the whole of it runs again.

use super::help;
use super::perform;
use super::record::{Pending, Recorded};
use crate::active::Active;
use crate::documents::Asker;
use crate::extra::{After, Extra};
use crate::surroundings::{self, AclRights};
use crate::wrapping::{self, Content, Surroundings};
use crate::{login, rekey, relearn, root_attempt, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::{
    AuthGrant, Body, Cause, Envelope, Error, LeaseFacts, Payload, Refusal, TokenKind, TtlSeconds, WrapFacts,
};
use cardea_sdk::auth_method::Vouch;
use cardea_sdk::route::{Access, ActionRule};
use cardea_sdk::{Done, Outcome};
use cardea_storage::store::{CommitError, Revision};
use cardea_storage::txn::{Txn, commit_error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Times a handler runs again after conflicts. A conflict takes another commit between a read and an apply, some tens of
/// microseconds; a hundred of those in a row mean that something else is wrong.
pub(super) const RETRIES_MAX: usize = 100;

/// An answer that nobody may see yet.
pub struct Unreleased {
    pub(super) pending: Pending,
    pub(super) content: AnswerContent,
    /// Whether the record is durable already, with the change.
    pub(super) recorded: bool,
    /// The newest revision that the answer reflects.
    pub(super) seen: Revision,
    pub(super) seal_after: bool,
}

/// The parts of an answer.
#[derive(Default)]
pub(super) struct AnswerContent {
    pub body: Body,
    pub lease: Option<LeaseFacts>,
    pub auth: Option<AuthGrant>,
    pub wrap: Option<WrapFacts>,
    pub warnings: Vec<String>,
    /// Where an unwrapped answer brings its own.
    pub mount_kind: Option<String>,
    pub envelope: Option<Envelope>,
    /// Whether `id` is to be filled with the token that was shown.
    pub presented_id: bool,
    /// The secret and the version whose value the answer carries, for the log.
    pub read_of: Option<(String, u64)>,
}

/// Runs the operation.
///
/// # Errors
/// What the engine or the store said; the record says so too.
pub async fn dispatch(active: &Arc<Active>, recorded: Recorded) -> Result<Unreleased, Refusal> {
    let mut pending = recorded.into_pending();
    // What few requests need lives in a box of its own: the size of its state would otherwise be that of every request,
    // and is copied whenever a request's future is made.
    if pending.limited_uses
        && let Some(refusal) = Box::pin(take_use(active, &mut pending)).await
    {
        return Err(refusal);
    }
    if pending.help {
        let content =
            AnswerContent { body: help::body(&pending), envelope: Some(Envelope::Bare), ..AnswerContent::default() };
        return Ok(Unreleased { pending, content, recorded: false, seen: Revision::default(), seal_after: false });
    }
    if pending.engine.prepares(&pending.op)
        && let Err(error) = Box::pin(prepare(active, &pending)).await
    {
        return Err(pending.refuse(active, active.sealed.txn(), error, Vec::new()).await);
    }
    let caller = pending.caller.as_ref().filter(|_| pending.engine.attaches());
    let asker =
        caller.map(|caller| Asker::of(caller, &pending.origin, pending.now, None).standing(pending.standing.clone()));
    let rights = AclRights { acl: pending.acl.clone(), asker };
    let mut begun = pending.txn.take();
    for _ in 0..RETRIES_MAX {
        let mut txn = begun.take().unwrap_or_else(|| active.sealed.txn());
        let (result, warnings) = run(active, &pending, &mut txn, &rights).await;
        match result {
            Err(Failed { error, keep_writes }) => {
                if !keep_writes || !txn.has_writes() {
                    return Err(pending.refuse(active, active.sealed.txn(), error, warnings).await);
                }
                match pending.try_refuse(txn, &error).await {
                    Err(CommitError::Conflict) => continue,
                    Err(failed) => return Err(pending.unrecorded(commit_error(failed))),
                    Ok(()) => return Err(pending.refusal(error, warnings)),
                }
            }
            Ok(Ran::Planned(plan)) => {
                return Box::pin(perform::run(active, pending, txn, plan, &rights, warnings)).await;
            }
            Ok(Ran::Done(mut content, after)) => {
                content.warnings.extend(warnings);
                content.warnings.extend(ignored(&pending.unknown));
                match finish(active, &mut pending, txn, content, !after.is_empty()).await {
                    Ok(mut unreleased) => {
                        unreleased.seal_after = take_effect(active, after);
                        return Ok(unreleased.with(pending));
                    }
                    Err(Finish::Commit(CommitError::Conflict)) => {
                        tokio::task::yield_now().await;
                    }
                    // Nothing happened, and that is what the record says.
                    Err(Finish::Commit(failed @ CommitError::Invalid(_))) => {
                        return Err(pending
                            .refuse(active, active.sealed.txn(), commit_error(failed), Vec::new())
                            .await);
                    }
                    Err(Finish::Commit(failed)) => {
                        if matches!(failed, CommitError::Unknown(_)) && !after.is_empty() {
                            Box::pin(relearn::now(active)).await;
                        }
                        return Err(pending.unrecorded(commit_error(failed)));
                    }
                    Err(Finish::Error(error)) => {
                        return Err(pending.refuse(active, active.sealed.txn(), error, Vec::new()).await);
                    }
                }
            }
        }
    }
    let error = Error::unavailable("too many concurrent changes, try again");
    Err(pending.refuse(active, active.sealed.txn(), error, Vec::new()).await)
}

/// Longest that an auth method may take to bring facts of others up to date: three calls of five seconds each.
const PREPARE_MAX: Duration = Duration::from_secs(15);

/// Lets an auth method ask outside what judging needs: no transaction is open, and a conflict later does not repeat it.
async fn prepare(active: &Active, pending: &Pending) -> Result<(), Error> {
    let mut txn = active.sealed.txn();
    let mut cx = surroundings::outside(active, &mut txn, &pending.mount, pending.now);
    match tokio::time::timeout(PREPARE_MAX, pending.engine.prepare(&mut cx, &pending.op)).await {
        Ok(prepared) => prepared,
        Err(_) => Err(Error::upstream("what this login needs from outside did not come in time")),
    }
}

/// Longest name of an ignored member that is told back to the client, in bytes.
const IGNORED_NAME_BYTES_MAX: usize = 64;

/// Vault's words about members that nobody asked for. Only names are told back, and only to who sent them.
pub(super) fn ignored(unknown: &[String]) -> Option<String> {
    let mut names: Vec<&str> =
        unknown.iter().filter(|n| n.len() <= IGNORED_NAME_BYTES_MAX).map(String::as_str).collect();
    names.sort_unstable();
    (!unknown.is_empty()).then(|| format!("Endpoint ignored these unrecognized parameters: [{}]", names.join(" ")))
}

/// What a handler came to.
#[allow(clippy::large_enum_variant, reason = "lives for one match; boxing would allocate at every request")]
enum Ran {
    Done(AnswerContent, Vec<After>),
    Planned(cardea_sdk::Plan),
}

struct Failed {
    error: Error,
    keep_writes: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, keep_writes: false }
    }
}

async fn run(
    active: &Active,
    pending: &Pending,
    txn: &mut Txn,
    rights: &AclRights,
) -> (Result<Ran, Failed>, Vec<String>) {
    let mut cx = surroundings::context(
        active,
        txn,
        &pending.mount,
        &pending.origin,
        pending.caller.as_ref(),
        pending.now,
        rights,
    );
    if pending.facts.rule == ActionRule::CreateOrUpdate && pending.facts.access == Access::Policy {
        // The capability was decided by whether the thing existed; the transaction reads it again, so that a change in
        // between meets a conflict or this check.
        match pending.engine.exists(&mut cx, &pending.op).await {
            Ok(exists) if Some(exists) == pending.existed => {}
            Ok(_) => {
                return (
                    Err(Error::unavailable("the resource was created or deleted meanwhile, try again").into()),
                    Vec::new(),
                );
            }
            Err(error) => return (Err(error.into()), Vec::new()),
        }
    }
    if pending.facts.access == Access::Login {
        let vouched = pending.engine.login(&mut cx, &pending.op).await;
        let warnings = std::mem::take(&mut cx.warnings);
        let result = match vouched {
            Err(error) => Err(error.into()),
            Ok(Vouch::No { error, keep_writes }) => Err(Failed { error, keep_writes }),
            Ok(Vouch::Yes(identification)) if pending.wish.is_some() => {
                let wish = pending.wish.as_ref().cloned().unwrap_or_default();
                let (mount, name) = (&pending.mount, &pending.name);
                let minting = login::mint_key(active, txn, mount, name, *identification, wish, pending.now);
                match Box::pin(minting).await {
                    Ok((auth, body)) => {
                        Ok(Ran::Done(AnswerContent { auth: Some(auth), body, ..AnswerContent::default() }, Vec::new()))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Ok(Vouch::Yes(identification)) => {
                let minting = login::mint(active, txn, &pending.mount, &pending.name, *identification, pending.now);
                match Box::pin(minting).await {
                    Ok(auth) => {
                        Ok(Ran::Done(AnswerContent { auth: Some(auth), ..AnswerContent::default() }, Vec::new()))
                    }
                    Err(error) => Err(error.into()),
                }
            }
        };
        return (result, warnings);
    }
    cx.wrap_ttl = pending.wrap_ttl;
    let outcome = pending.engine.handle(&mut cx, &pending.op).await;
    let warnings = std::mem::take(&mut cx.warnings);
    let result = match outcome {
        Err(error) => Err(error.into()),
        Ok(Outcome::External(plan)) => Ok(Ran::Planned(plan)),
        Ok(Outcome::Done(done)) => {
            content_of(done).map(|(content, after)| Ran::Done(content, after)).map_err(Into::into)
        }
    };
    (result, warnings)
}

/// The parts of a handler's answer, an unwrapped one taken apart again.
pub(super) fn content_of(mut done: Done) -> Result<(AnswerContent, Vec<After>), Error> {
    let extra = Extra::take(&mut done);
    let mut content = AnswerContent {
        body: std::mem::take(&mut done.body),
        lease: extra.lease.or_else(|| done.fresh_s.map(fresh)),
        auth: extra.auth,
        wrap: extra.wrap,
        presented_id: extra.presented_id,
        ..AnswerContent::default()
    };
    match extra.replay {
        None => {}
        Some(Content::Raw { status, content_type, body_base64 }) => {
            let bytes = BASE64.decode(body_base64).map_err(|_| Error::internal("a wrapped body is not base64"))?;
            // Content types of wrapped bodies come from routes, which are static; this maps them back.
            let content_type =
                RAW_TYPES.iter().copied().find(|known| **known == content_type).unwrap_or("application/octet-stream");
            content.body = Body::Raw { status, content_type, bytes: cardea_model::SecretBytes::new(bytes) };
            content.envelope = Some(Envelope::Raw);
        }
        Some(Content::Answer { data, lease_id, lease_ttl_s, renewable, auth, warnings, mount_kind }) => {
            content.body = data.map_or(Body::Empty, Body::Object);
            if !lease_id.is_empty() || lease_ttl_s > 0 {
                content.lease = Some(LeaseFacts { id: lease_id, renewable, ttl_s: lease_ttl_s });
            }
            content.auth = auth.map(|auth| read_auth(&auth)).transpose()?;
            content.warnings = warnings;
            content.mount_kind = Some(mount_kind);
            content.envelope = Some(Envelope::Standard);
        }
    }
    Ok((content, extra.after))
}

/// How long an answer is good for, where no lease stands behind it.
fn fresh(seconds: u64) -> LeaseFacts {
    LeaseFacts { id: String::new(), renewable: false, ttl_s: seconds }
}

const RAW_TYPES: &[&str] = &["application/json", "text/plain", "application/octet-stream"];

enum Finish {
    Commit(CommitError),
    Error(Error),
}

/// Shapes, wraps, records and commits. What takes effect in memory does so behind its record, too: nothing may come of a request
/// that left none.
async fn finish(
    active: &Active,
    pending: &mut Pending,
    mut txn: Txn,
    mut content: AnswerContent,
    takes_effect: bool,
) -> Result<Finished, Finish> {
    shape_and_wrap(active, pending, &mut txn, &mut content).map_err(Finish::Error)?;
    let seen = txn.seen();
    if !txn.has_writes() && !takes_effect {
        return Ok(Finished { content, recorded: false, seen, seal_after: false });
    }
    if let Some(record) = pending.completed(&content).map_err(Finish::Error)? {
        txn.append(record);
    }
    if pending.is_essential() {
        txn.mark_essential();
    }
    let committed = txn.commit().await.map_err(Finish::Commit)?;
    Ok(Finished { content, recorded: true, seen: committed.revision, seal_after: false })
}

/// A finished answer, before it gets its request back.
struct Finished {
    content: AnswerContent,
    recorded: bool,
    seen: Revision,
    seal_after: bool,
}

impl Finished {
    fn with(self, pending: Pending) -> Unreleased {
        Unreleased {
            pending,
            content: self.content,
            recorded: self.recorded,
            seen: self.seen,
            seal_after: self.seal_after,
        }
    }
}

/// A typed answer takes the route's shape; a successful answer goes into a wrapping token if that was asked.
pub(super) fn shape_and_wrap(
    active: &Active,
    pending: &Pending,
    txn: &mut Txn,
    content: &mut AnswerContent,
) -> Result<(), Error> {
    if let Body::Secret(answer) = &content.body
        && answer.payload.is_some()
    {
        content.read_of = Some((answer.secret_id.clone(), answer.version.number));
    }
    if pending.by_path {
        content.body = match std::mem::take(&mut content.body) {
            Body::Secret(answer) => {
                let shape =
                    pending.facts.shape.ok_or_else(|| Error::internal("a route answers a secret without a shape"))?;
                shape(*answer)?
            }
            body => body,
        };
    }
    if let (true, Some(token), Body::Object(payload)) = (content.presented_id, &pending.presented, &content.body) {
        content.body = Body::Object(with_id(payload, token)?);
    }
    if let (true, Some(token), Some(auth)) = (content.presented_id, &pending.presented, &mut content.auth) {
        auth.client_token = token.duplicate();
    }
    let Some(ttl) = pending.wrap_ttl else { return Ok(()) };
    wrap(active, pending, txn, content, ttl)
}

/// The object with its member `id` set to a token's text.
fn with_id(payload: &Payload, token: &cardea_model::SecretText) -> Result<Payload, Error> {
    let mut members: serde_json::Map<String, serde_json::Value> = payload.read()?;
    members.insert("id".to_owned(), serde_json::Value::String(token.expose().to_owned()));
    Payload::of(&members)
}

fn wrap(
    active: &Active,
    pending: &Pending,
    txn: &mut Txn,
    content: &mut AnswerContent,
    ttl: TtlSeconds,
) -> Result<(), Error> {
    let nothing = matches!(content.body, Body::Empty) && content.auth.is_none();
    if nothing || matches!(content.body, Body::Gone(_)) || content.wrap.is_some() {
        return Ok(());
    }
    if ttl.0 > active.settings.max_ttl_s {
        return Err(Error::invalid("the wrapping TTL is longer than the system's maximum"));
    }
    let mut taken = std::mem::take(content);
    // Who asked has read it, whoever opens what is around it.
    content.read_of = taken.read_of.take();
    let accessor = taken.auth.as_ref().map(|auth| auth.accessor.clone());
    let wrapped = match taken.body {
        Body::Raw { status, content_type, bytes } => {
            Content::Raw { status, content_type: content_type.to_owned(), body_base64: BASE64.encode(bytes.expose()) }
        }
        body => Content::Answer {
            data: match body {
                Body::Object(payload) | Body::Partial { payload, .. } => Some(payload),
                Body::Empty => None,
                _ => return Err(Error::internal("an unshaped answer cannot be wrapped")),
            },
            lease_id: taken.lease.as_ref().map(|lease| lease.id.clone()).unwrap_or_default(),
            lease_ttl_s: taken.lease.as_ref().map_or(0, |lease| lease.ttl_s),
            renewable: taken.lease.as_ref().is_some_and(|lease| lease.renewable),
            auth: taken.auth.as_ref().map(write_auth).transpose()?,
            warnings: taken.warnings,
            mount_kind: pending.mount.kind.clone(),
        },
    };
    let keyring = active.barrier.keyring()?;
    let at = Surroundings {
        hashes: &active.hashes,
        keyring: &keyring,
        rng: &*active.rng,
        namespace: &pending.mount.namespace,
        now: pending.now,
    };
    let (facts, _) = wrapping::wrap(txn, &at, ttl, &pending.name, accessor.filter(|a| !a.is_empty()), wrapped)?;
    content.wrap = Some(facts);
    Ok(())
}

/// One use of a limited token, in a commit of its own before anything else happens.
async fn take_use(active: &Active, pending: &mut Pending) -> Option<Refusal> {
    let namespace = pending.caller.as_ref()?.namespace.clone();
    let id = pending.holder.clone()?;
    for _ in 0..RETRIES_MAX {
        let mut txn = active.sealed.txn();
        let taken = match tokens::take_use(&mut txn, &namespace, &id).await {
            Ok(taken) => taken,
            Err(error) => return Some(pending.unrecorded(error)),
        };
        if !taken {
            let error = Error::denied().with_detail("the token has no uses left");
            return Some(pending.refuse(active, active.sealed.txn(), error, Vec::new()).await);
        }
        if pending.is_essential() {
            txn.mark_essential();
        }
        match txn.commit().await {
            Ok(_) => return None,
            Err(CommitError::Conflict) => {}
            Err(failed) => return Some(pending.unrecorded(commit_error(failed))),
        }
    }
    Some(pending.unrecorded(Error::unavailable("too many concurrent changes, try again")))
}

/// Applies to memory what the commit made durable. Returns whether the server shall seal itself.
pub(super) fn take_effect(active: &Active, after: Vec<After>) -> bool {
    let mut seal = false;
    for action in after {
        match action {
            After::Mounts(change) => active.mounts.committed(change),
            After::PasswordPolicy { name, text } => {
                let mut policies = active.password_policies.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                match text {
                    Some(text) => policies.insert(name, text),
                    None => policies.remove(&name),
                };
            }
            After::Keyring(keyring) => {
                active.barrier.install(keyring);
                active.wake.notify_waiters();
            }
            After::KeptHeader { name, hashed } => active.kept_headers.committed(name, hashed),
            After::Wake => active.wake.notify_waiters(),
            After::Devices => active.log.devices_changed(),
            After::Thaw => {
                active.frozen.store(false, std::sync::atomic::Ordering::Release);
                active.wake.notify_waiters();
            }
            After::RekeyBegun(rekey) => rekey.take_place(active),
            After::RekeyDone => rekey::end(active),
            After::RootBegun(attempt) => attempt.take_place(active),
            After::RootOver(nonces) => root_attempt::end(active, &nonces),
            After::Seal => seal = true,
        }
    }
    seal
}

/// The auth part of a wrapped login, in a form that can be read back.
#[derive(Serialize, serde::Deserialize)]
struct StoredAuth {
    #[serde(with = "cardea_model::secret_bytes::stored")]
    client_token: cardea_model::SecretText,
    accessor: String,
    policies: Vec<String>,
    token_policies: Vec<String>,
    identity_policies: Vec<String>,
    metadata: BTreeMap<String, String>,
    ttl_s: u64,
    renewable: bool,
    entity_id: String,
    kind: TokenKind,
    orphan: bool,
    num_uses: u64,
}

fn write_auth(auth: &AuthGrant) -> Result<Payload, Error> {
    Payload::of(&StoredAuth {
        client_token: auth.client_token.duplicate(),
        accessor: auth.accessor.clone(),
        policies: auth.policies.clone(),
        token_policies: auth.token_policies.clone(),
        identity_policies: auth.identity_policies.clone(),
        metadata: auth.metadata.clone(),
        ttl_s: auth.ttl_s,
        renewable: auth.renewable,
        entity_id: auth.entity_id.clone(),
        kind: auth.kind,
        orphan: auth.orphan,
        num_uses: auth.num_uses,
    })
}

fn read_auth(payload: &Payload) -> Result<AuthGrant, Error> {
    let stored: StoredAuth = payload.read()?;
    Ok(AuthGrant {
        client_token: stored.client_token,
        accessor: stored.accessor,
        policies: stored.policies,
        token_policies: stored.token_policies,
        identity_policies: stored.identity_policies,
        metadata: stored.metadata,
        ttl_s: stored.ttl_s,
        renewable: stored.renewable,
        entity_id: stored.entity_id,
        kind: stored.kind,
        orphan: stored.orphan,
        num_uses: stored.num_uses,
    })
}

/// Causes that a refused request's record names.
pub(super) fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Denied => "denied",
        Cause::NotFound => "not_found",
        Cause::NoRoute => "no_route",
        Cause::Unsupported => "unsupported",
        Cause::Invalid => "invalid",
        Cause::Conflict => "conflict",
        Cause::Sealed => "sealed",
        Cause::Unavailable => "unavailable",
        Cause::TooLarge => "too_large",
        Cause::HeaderTooLarge => "header_too_large",
        Cause::MediaType => "media_type",
        Cause::RateLimited => "rate_limited",
        Cause::Upstream => "upstream",
        Cause::Internal => "internal",
    }
}

//! Leases and intents: the records of credentials that must die and of effects that were announced. A lease is written
//! before its credential exists at the source, becomes active with the answer, and leaves only when the source has
//! confirmed. Expiry reads a time-ordered index a mount, so neither start nor memory grows with their number.
//!
//! It must never drop a lease that a source has not confirmed, except when an operator forces it and the log says so.

use cardea_model::lease::LeaseTerm;
use cardea_model::mount::Mount;
use cardea_model::secret_bytes::stored;
use cardea_model::{Error, NamespaceId, SecretBytes, SecretText, Timestamp};
use cardea_sdk::{Effect, Recovery};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};

/// First pause before a failed revocation is tried again, in milliseconds; doubles each time.
const RETRY_FIRST_MS: u64 = 1_000;
/// Longest pause between tries, in milliseconds. A source that was down for hours is cleaned within this of its return.
const RETRY_LONGEST_MS: u64 = 60_000;
/// Longest error text kept with a lease, in bytes.
const ERROR_BYTES_MAX: usize = 240;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// Announced; nobody has received the credential, and it may or may not exist.
    Pending,
    /// With a client.
    Active,
    /// To be removed at the source as soon as that works.
    Revoking,
}

/// The record of one lease.
#[derive(Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The canonical path of the request, a slash, and 24 random characters.
    pub id: String,
    pub namespace: NamespaceId,
    pub mount_uuid: String,
    pub path: String,
    /// Id of the token that asked; the lease ends with it.
    pub token: Option<String>,
    pub state: LeaseState,
    pub effect: StoredEffect,
    pub issued: Timestamp,
    pub expires: Timestamp,
    pub latest: Timestamp,
    pub ttl_s: u64,
    pub renewable: bool,
    #[serde(default)]
    pub last_renewal: Option<Timestamp>,
    /// Where it stands in the index of what is due.
    pub due: Timestamp,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub last_error: Option<String>,
    /// Id of the request that made it.
    pub request: String,
}
json_record!(LeaseRecord, "lease", 1);

/// An effect as kept with its intent: sealed like every record.
#[derive(Serialize, Deserialize)]
pub struct StoredEffect {
    pub what: String,
    #[serde(with = "stored")]
    pub data: SecretText,
}

impl StoredEffect {
    /// # Errors
    /// An effect whose data is not text (they are JSON).
    pub fn of(effect: &Effect) -> Result<Self, Error> {
        let text = std::str::from_utf8(effect.data.expose()).map_err(|_| Error::internal("an effect is not text"))?;
        Ok(Self { what: effect.what.clone(), data: SecretText::new(text.to_owned()) })
    }

    #[must_use]
    pub fn effect(&self) -> Effect {
        Effect { what: self.what.clone(), data: SecretBytes::new(self.data.expose().as_bytes().to_vec()) }
    }
}

/// An announced effect that issues no credential.
#[derive(Serialize, Deserialize)]
pub struct IntentRecord {
    pub id: String,
    pub namespace: NamespaceId,
    pub mount_uuid: String,
    pub path: String,
    pub effect: StoredEffect,
    pub recovery: Recovery,
    pub created: Timestamp,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub last_error: Option<String>,
    pub due: Timestamp,
}
json_record!(IntentRecord, "intent", 1);

/// Index entries: the key says everything.
#[derive(Serialize, Deserialize)]
pub struct DueEntry {}
json_record!(DueEntry, "lease-due", 1);
#[derive(Serialize, Deserialize)]
pub struct TokenEntry {}
json_record!(TokenEntry, "lease-by-token", 1);
#[derive(Serialize, Deserialize)]
pub struct PendingEntry {}
json_record!(PendingEntry, "lease-pending", 1);

/// Stands while a restored backup waits for its operator; gone with the thaw, not with the process.
#[derive(Serialize, Deserialize)]
pub struct Freeze {
    pub since: Timestamp,
}
json_record!(Freeze, "lease-freeze", 1);

/// The scope and the name of the one record of its kind.
const FREEZE: (&str, &str) = ("lease-freeze", "restored");

/// From this commit on nothing is revoked until an operator says so.
pub fn freeze(txn: &mut Txn, since: Timestamp) -> Result<(), Error> {
    View::new(txn, &NamespaceId::root(), FREEZE.0).put(FREEZE.1, &Freeze { since })
}

pub async fn is_frozen(txn: &mut Txn) -> Result<bool, Error> {
    View::new(txn, &NamespaceId::root(), FREEZE.0).exists::<Freeze>(FREEZE.1).await
}

/// The operator looked at the restored backup: revocation goes on.
pub fn thaw(txn: &mut Txn) {
    View::new(txn, &NamespaceId::root(), FREEZE.0).delete::<Freeze>(FREEZE.1);
}

fn view<'t>(txn: &'t mut Txn, namespace: &NamespaceId) -> View<'t> {
    View::new(txn, namespace, "leases")
}

fn due_key(mount_uuid: &str, due: Timestamp, id: &str) -> String {
    format!("{mount_uuid}/{:016x}/{id}", due.0)
}

impl LeaseRecord {
    #[must_use]
    pub fn term(&self) -> LeaseTerm {
        LeaseTerm { issued: self.issued, expires: self.expires, latest: self.latest }
    }
}

pub async fn find(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<Option<LeaseRecord>, Error> {
    view(txn, namespace).get::<LeaseRecord>(id).await
}

/// Writes the intent of a credential: pending, nobody's yet. It becomes due like any other lease at its end, so that it
/// is removed even if every other trace is lost.
pub fn announce(txn: &mut Txn, lease: &LeaseRecord) -> Result<(), Error> {
    let mut view = view(txn, &lease.namespace);
    view.put(&lease.id, lease)?;
    view.put(&lease.id, &PendingEntry {})?;
    view.put(&due_key(&lease.mount_uuid, lease.due, &lease.id), &DueEntry {})
}

/// The credential is with the client from this commit on.
pub async fn activate(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<(), Error> {
    let mut view = view(txn, namespace);
    let mut lease = view.get::<LeaseRecord>(id).await?.ok_or_else(|| Error::internal("an announced lease is gone"))?;
    if lease.state != LeaseState::Pending {
        return Err(Error::unavailable("the credential was revoked before it could be handed out"));
    }
    lease.state = LeaseState::Active;
    view.delete::<PendingEntry>(id);
    if let Some(token) = &lease.token {
        view.put(&format!("{token}/{id}"), &TokenEntry {})?;
    }
    view.put(id, &lease)
}

/// Moves a lease to another place in the index.
fn reschedule(view: &mut View<'_>, lease: &mut LeaseRecord, due: Timestamp) -> Result<(), Error> {
    view.delete::<DueEntry>(&due_key(&lease.mount_uuid, lease.due, &lease.id));
    lease.due = due;
    view.put(&due_key(&lease.mount_uuid, due, &lease.id), &DueEntry {})?;
    let id = lease.id.clone();
    view.put(&id, lease)
}

/// Marks a lease for removal at once. Unknown leases are no error: they are gone already.
pub async fn mark_revoking(txn: &mut Txn, namespace: &NamespaceId, id: &str, now: Timestamp) -> Result<bool, Error> {
    let mut view = view(txn, namespace);
    let Some(mut lease) = view.get::<LeaseRecord>(id).await? else { return Ok(false) };
    if lease.state == LeaseState::Pending {
        view.delete::<PendingEntry>(id);
    }
    lease.state = LeaseState::Revoking;
    reschedule(&mut view, &mut lease, now)?;
    Ok(true)
}

/// Begins a try to revoke: counts it and moves the lease to where the next try stands, should this one never report.
pub async fn begin_attempt(
    txn: &mut Txn,
    namespace: &NamespaceId,
    id: &str,
    now: Timestamp,
) -> Result<Option<LeaseRecord>, Error> {
    let mut view = view(txn, namespace);
    let Some(mut lease) = view.get::<LeaseRecord>(id).await? else { return Ok(None) };
    if lease.state == LeaseState::Pending {
        view.delete::<PendingEntry>(id);
    }
    if lease.state == LeaseState::Active && lease.expires > now {
        return Ok(None);
    }
    lease.state = LeaseState::Revoking;
    lease.attempts = lease.attempts.saturating_add(1);
    let due = now.plus_ms(retry_ms(lease.attempts));
    reschedule(&mut view, &mut lease, due)?;
    Ok(Some(lease))
}

/// The pause after the n-th try.
#[must_use]
pub fn retry_ms(attempts: u32) -> u64 {
    RETRY_FIRST_MS.saturating_mul(1u64 << attempts.saturating_sub(1).min(16)).min(RETRY_LONGEST_MS)
}

/// The source confirmed, or an operator forced it: the lease leaves.
pub async fn remove(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<(), Error> {
    let mut view = view(txn, namespace);
    let Some(lease) = view.get::<LeaseRecord>(id).await? else { return Ok(()) };
    view.delete::<LeaseRecord>(id);
    view.delete::<PendingEntry>(id);
    view.delete::<DueEntry>(&due_key(&lease.mount_uuid, lease.due, id));
    if let Some(token) = &lease.token {
        view.delete::<TokenEntry>(&format!("{token}/{id}"));
    }
    Ok(())
}

/// A try failed: remembers why.
pub async fn note_failure(txn: &mut Txn, namespace: &NamespaceId, id: &str, why: &str) -> Result<(), Error> {
    let mut view = view(txn, namespace);
    let Some(mut lease) = view.get::<LeaseRecord>(id).await? else { return Ok(()) };
    let end = (0..=ERROR_BYTES_MAX.min(why.len())).rev().find(|n| why.is_char_boundary(*n)).unwrap_or(0);
    lease.last_error = Some(why[..end].to_owned());
    view.put(id, &lease)
}

/// Extends an active lease after the source agreed.
pub async fn renewed(
    txn: &mut Txn,
    namespace: &NamespaceId,
    id: &str,
    expires: Timestamp,
    now: Timestamp,
) -> Result<LeaseRecord, Error> {
    let mut view = view(txn, namespace);
    let mut lease = view.get::<LeaseRecord>(id).await?.ok_or_else(|| Error::invalid("lease not found"))?;
    if lease.state != LeaseState::Active {
        return Err(Error::invalid("lease is not renewable"));
    }
    lease.expires = expires.min(lease.latest);
    lease.last_renewal = Some(now);
    let due = lease.expires;
    reschedule(&mut view, &mut lease, due)?;
    Ok(lease)
}

/// Ids of a mount's leases that are due, oldest first.
pub async fn due(txn: &mut Txn, mount: &Mount, now: Timestamp, limit: usize) -> Result<Vec<String>, Error> {
    let prefix = format!("{}/", mount.uuid);
    let names = view(txn, &mount.namespace).names::<DueEntry>(&prefix, None, limit).await?;
    let end = format!("{prefix}{:016x}", now.0.saturating_add(1));
    Ok(names
        .into_iter()
        .take_while(|name| name.as_str() < end.as_str())
        .filter_map(|name| name[prefix.len()..].split_once('/').map(|(_, id)| id.to_owned()))
        .collect())
}

/// Refusals of its source after which a lease counts as one that cannot be revoked, Vault's number. It is tried again for
/// ever all the same.
const IRREVOCABLE_ATTEMPTS: u32 = 6;
/// Entries of a mount's queue that are looked at to count such leases; each costs a read.
const IRREVOCABLE_LOOKED_AT_MAX: usize = 256;

/// How many of a mount's leases were refused often, of those that are due next.
pub async fn irrevocable(txn: &mut Txn, mount: &Mount, now: Timestamp) -> Result<usize, Error> {
    let soon = now.plus_ms(RETRY_LONGEST_MS);
    let mut count = 0;
    for id in due(txn, mount, soon, IRREVOCABLE_LOOKED_AT_MAX).await? {
        let lease = find(txn, &mount.namespace, &id).await?;
        count += usize::from(lease.is_some_and(|lease| {
            lease.state == LeaseState::Revoking && lease.attempts >= IRREVOCABLE_ATTEMPTS && lease.last_error.is_some()
        }));
    }
    Ok(count)
}

/// Ids of leases announced and never settled.
pub async fn pending(txn: &mut Txn, namespace: &NamespaceId, limit: usize) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<PendingEntry>("", None, limit).await
}

/// Ids of leases that a token holds.
pub async fn of_token(txn: &mut Txn, namespace: &NamespaceId, token: &str, limit: usize) -> Result<Vec<String>, Error> {
    let prefix = format!("{token}/");
    let names = view(txn, namespace).names::<TokenEntry>(&prefix, None, limit).await?;
    Ok(names.into_iter().map(|name| name[prefix.len()..].to_owned()).collect())
}

/// A token that ends has passed its leases on to the revoker: it no longer holds them.
pub fn detach_from_token(txn: &mut Txn, namespace: &NamespaceId, token: &str, id: &str) {
    view(txn, namespace).delete::<TokenEntry>(&format!("{token}/{id}"));
}

/// Children of a prefix, as LIST shows them.
pub async fn children(
    txn: &mut Txn,
    namespace: &NamespaceId,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    view(txn, namespace).children::<LeaseRecord>(prefix, after, limit).await
}

/// Ids of leases below a prefix.
pub async fn under(
    txn: &mut Txn,
    namespace: &NamespaceId,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<LeaseRecord>(prefix, after, limit).await
}

pub fn put_intent(txn: &mut Txn, intent: &IntentRecord) -> Result<(), Error> {
    view(txn, &intent.namespace).put(&intent.id, intent)
}

pub fn remove_intent(txn: &mut Txn, namespace: &NamespaceId, id: &str) {
    view(txn, namespace).delete::<IntentRecord>(id);
}

pub async fn find_intent(txn: &mut Txn, namespace: &NamespaceId, id: &str) -> Result<Option<IntentRecord>, Error> {
    view(txn, namespace).get::<IntentRecord>(id).await
}

/// All open intents: a handful, since each is settled by the request that made it unless the process died.
pub async fn intents(txn: &mut Txn, namespace: &NamespaceId, limit: usize) -> Result<Vec<String>, Error> {
    view(txn, namespace).names::<IntentRecord>("", None, limit).await
}

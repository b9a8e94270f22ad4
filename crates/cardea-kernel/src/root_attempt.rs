//! A new root token from a threshold of the seal's shares, where no token of its kind is left. Attempts live in memory alone, end
//! by themselves, and a token leaves only under the password of whoever began its attempt. One must never finish by a share
//! that was not itself part of the threshold, nor be in the way of another: where strangers may begin, each has attempts of his
//! own, and reaches no other without its nonce.

use crate::active::Active;
use crate::{lifecycle, quotas, rekey, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use cardea_barrier::ShareCollector;
use cardea_crypto::constant_time;
use cardea_crypto::random::{base62, uuid4};
use cardea_model::{Error, SecretBytes, SecretText, Timestamp, TtlSeconds};
use cardea_storage::txn::Txn;
use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

/// How long an attempt may take: keepers of shares are called together for it. A forgotten one, or one that somebody began to
/// be in the way, is over then.
const ATTEMPT_S: u64 = 600;
/// Attempts that strangers of one source may have at a time: a keeper begins one, and now and then another after a mistake.
const OF_SOURCE_MAX: usize = 4;
/// Attempts of all strangers: with the most shares that there can be they are 2 MiB.
const OF_STRANGERS_MAX: usize = 256;

/// An attempt in progress.
pub struct RootAttempt {
    nonce: String,
    password: SecretText,
    ends: Timestamp,
    /// Where a stranger began it; `None` where somebody did who had the right.
    stranger: Option<IpAddr>,
    collector: ShareCollector,
    /// The share that completed the threshold; kept until its commit, which may run again.
    completed_by: Option<SecretBytes>,
}

/// Who asks about attempts.
#[derive(Clone, Copy)]
pub struct Asking {
    pub by_right: bool,
    pub peer: IpAddr,
}

/// What is known of attempts.
pub struct Progress {
    pub nonce: String,
    pub started: bool,
    pub progress: usize,
    pub required: u8,
    pub password_chars: usize,
}

/// Those that are not over.
fn live(active: &Active, now: Timestamp) -> MutexGuard<'_, Vec<RootAttempt>> {
    let mut attempts = active.root_attempts.lock().unwrap_or_else(PoisonError::into_inner);
    attempts.retain(|attempt| attempt.ends > now);
    attempts
}

fn is(attempt: &RootAttempt, nonce: &str) -> bool {
    constant_time::eq(attempt.nonce.as_bytes(), nonce.as_bytes())
}

/// How far an attempt is. Who names none hears of the newest if he has the right, and otherwise only whether there is any: the
/// nonce is what lets its bearer end one.
///
/// # Errors
/// Only the store's.
pub async fn progress(
    active: &Active,
    txn: &mut Txn,
    asking: Asking,
    nonce: &str,
    now: Timestamp,
) -> Result<Progress, Error> {
    let required = rekey::seal_record(txn).await?.settings.threshold;
    let attempts = live(active, now);
    let named = attempts.iter().find(|attempt| is(attempt, nonce));
    let shown = match asking.by_right && nonce.is_empty() {
        true => attempts.iter().max_by_key(|attempt| attempt.stranger.is_none()),
        false => named,
    };
    Ok(Progress {
        nonce: shown.map(|attempt| attempt.nonce.clone()).unwrap_or_default(),
        started: shown.is_some() || (nonce.is_empty() && !attempts.is_empty()),
        progress: shown.map_or(0, |attempt| attempt.collector.progress()),
        required,
        password_chars: tokens::SERVICE_TEXT_CHARS,
    })
}

/// A new attempt, which begins once it is recorded, and the password if none was given: it is shown this once.
///
/// # Errors
/// Too many are in progress, or the password cannot hide a token.
pub fn begin(
    active: &Active,
    asking: Asking,
    password: Option<SecretText>,
    now: Timestamp,
) -> Result<(RootAttempt, Option<SecretText>), Error> {
    let made = match password {
        Some(_) => None,
        None => Some(SecretText::new(base62(&*active.rng, tokens::SERVICE_TEXT_CHARS).to_string())),
    };
    let Some(password) = password.or_else(|| made.as_ref().map(SecretText::duplicate)) else {
        return Err(Error::internal("an attempt has no password"));
    };
    if password.expose().len() != tokens::SERVICE_TEXT_CHARS {
        return Err(Error::invalid(format!("field `otp` must have {} characters", tokens::SERVICE_TEXT_CHARS)));
    }
    let stranger = (!asking.by_right).then(|| quotas::source(asking.peer));
    if !has_room(&live(active, now), stranger) {
        return Err(Error::invalid("root generation already in progress"));
    }
    let attempt = RootAttempt {
        nonce: uuid4(&*active.rng),
        password,
        ends: now.plus(TtlSeconds(ATTEMPT_S)),
        stranger,
        collector: ShareCollector::default(),
        completed_by: None,
    };
    Ok((attempt, made))
}

fn has_room(attempts: &[RootAttempt], stranger: Option<IpAddr>) -> bool {
    let same = attempts.iter().filter(|attempt| attempt.stranger == stranger).count();
    let strangers = attempts.iter().filter(|attempt| attempt.stranger.is_some()).count();
    match stranger {
        None => same == 0,
        Some(_) => same < OF_SOURCE_MAX && strangers < OF_STRANGERS_MAX,
    }
}

impl RootAttempt {
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Takes its place, now that its record is durable. Who began beside it at the same moment may have taken the last one.
    pub fn take_place(self, active: &Active) {
        let mut attempts = active.root_attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if has_room(&attempts, self.stranger) {
            attempts.push(self);
        }
    }
}

/// Which attempts are given up: the named one, or all, which takes the right to.
///
/// # Errors
/// The nonce is needed and no attempt's.
pub fn cancel(active: &Active, asking: Asking, nonce: &str, now: Timestamp) -> Result<Vec<String>, Error> {
    let attempts = live(active, now);
    let of_all = asking.by_right && nonce.is_empty();
    let ended: Vec<String> =
        attempts.iter().filter(|attempt| of_all || is(attempt, nonce)).map(|attempt| attempt.nonce.clone()).collect();
    if ended.is_empty() && !attempts.is_empty() && !asking.by_right {
        return Err(Error::invalid("the nonce of the attempt is needed to cancel it without a token"));
    }
    Ok(ended)
}

/// These are over: done, or given up.
pub fn end(active: &Active, nonces: &[String]) {
    let mut attempts = active.root_attempts.lock().unwrap_or_else(PoisonError::into_inner);
    attempts.retain(|attempt| !nonces.contains(&attempt.nonce));
}

/// Takes one share. Once there were enough, a root token is in the transaction, and its text comes back under the password.
///
/// # Errors
/// The nonce is no attempt's, or the shares do not open the seal (the collection starts over).
pub async fn update(
    active: &Active,
    txn: &mut Txn,
    nonce: &str,
    share: SecretBytes,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let record = rekey::seal_record(txn).await?;
    let mut attempts = live(active, now);
    if attempts.is_empty() {
        return Err(Error::invalid("no root generation in progress"));
    }
    let Some(attempt) = attempts.iter_mut().find(|attempt| is(attempt, nonce)) else {
        return Err(Error::invalid("incorrect nonce supplied"));
    };
    let again = attempt.completed_by.as_ref().is_some_and(|known| constant_time::eq(known.expose(), share.expose()));
    if !again {
        attempt.completed_by = None;
        let given = share.duplicate();
        let Some(key) = attempt.collector.add(share, record.settings, &*active.rng)? else { return Ok(None) };
        let root = record.unwrap_root(key.expose())?;
        if !constant_time::eq(root.expose(), active.root.expose()) {
            return Err(Error::invalid("the shares do not open this server's seal"));
        }
        attempt.completed_by = Some(given);
    }
    let keyring = active.barrier.keyring()?;
    let minted = tokens::mint(txn, &active.hashes, &keyring, &*active.rng, lifecycle::root_token(now))?;
    hidden(&minted.text, &attempt.password).map(Some)
}

/// The token under the password, each character of one over one of the other.
fn hidden(token: &SecretText, password: &SecretText) -> Result<String, Error> {
    let (token, password) = (token.expose().as_bytes(), password.expose().as_bytes());
    if token.len() != password.len() {
        return Err(Error::internal("a root token has another length than its password"));
    }
    let mixed: Vec<u8> = token.iter().zip(password).map(|(a, b)| a ^ b).collect();
    Ok(BASE64.encode(mixed))
}

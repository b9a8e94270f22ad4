//! Where an issuer's keys come from when they are not in the configuration, and what of them is remembered.
//!
//! Sets are fetched before a login's transaction, by one login at a time and mount, and never more often than
//! [`REFETCH_MIN_S`]: however many tokens with unknown keys strangers send, the issuer is asked once. It must never use a
//! set of another configuration than the one that the login reads, nor one older than [`KEPT_S`].

use crate::jwt::claims::Claim;
use crate::jwt::keys::{Algorithm, PublicKey, key_set};
use crate::jwt::model::{Config, Source};
use cardea_model::{Error, Timestamp};
use cardea_sdk::{Fetch, FetchError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds after which a set is fetched again although it would do: a key that an issuer withdrew is accepted no longer.
pub const FRESH_S: u64 = 600;
/// The same for a file, which costs less to read.
pub const FILE_FRESH_S: u64 = 30;
/// Seconds for which a set is used while its issuer cannot be reached.
pub const KEPT_S: u64 = 3600;
/// Seconds between two attempts, whether they succeed or fail.
pub const REFETCH_MIN_S: u64 = 10;
/// Most mounts whose sets are remembered; beyond it those that were not asked for the longest time go.
const MOUNTS_MAX: usize = 256;

/// What a token's header says of its key.
#[derive(Clone, Copy)]
pub struct Wanted<'t> {
    pub algorithm: Algorithm,
    pub kid: Option<&'t str>,
}

/// One source's keys.
#[derive(Clone, Default)]
struct Set {
    keys: Arc<Vec<PublicKey>>,
    fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
    why_not: Option<FetchError>,
}

impl Set {
    fn is_younger(&self, at: Option<Timestamp>, seconds: u64, now: Timestamp) -> bool {
        at.is_some_and(|at| now.0.saturating_sub(at.0) < seconds * 1000)
    }
    fn is_usable(&self, now: Timestamp) -> bool {
        self.is_younger(self.fetched, KEPT_S, now)
    }
    fn is_fresh(&self, source: &Source, now: Timestamp) -> bool {
        let fresh_s = if matches!(source, Source::File(_)) { FILE_FRESH_S } else { FRESH_S };
        self.is_younger(self.fetched, fresh_s, now)
    }
    fn was_tried(&self, now: Timestamp) -> bool {
        self.is_younger(self.tried, REFETCH_MIN_S, now)
    }
    fn has(&self, wanted: Wanted<'_>) -> bool {
        self.keys.iter().any(|key| key.fits(wanted.algorithm, wanted.kid, true))
    }
}

/// One mount's sets.
struct Kept {
    generation: String,
    sets: Mutex<Vec<Set>>,
    /// Held by the one who fetches; everybody else who lacks a key waits for it.
    fetching: tokio::sync::Mutex<()>,
    asked: Mutex<Timestamp>,
}

/// The sets of all mounts.
pub struct KeySets {
    fetch: Arc<dyn Fetch>,
    kept: Mutex<BTreeMap<String, Arc<Kept>>>,
}

impl KeySets {
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, kept: Mutex::default() }
    }

    /// Brings the sets of a mount up to date as far as a token needs it.
    ///
    /// # Errors
    /// No source can be reached, and nothing usable is remembered.
    pub async fn refresh(&self, mount: &str, config: &Config, wanted: Wanted<'_>, now: Timestamp) -> Result<(), Error> {
        let sources = config.sources();
        let kept = self.kept(mount, config, sources.len(), now);
        if serves(&kept.sets(), &sources, wanted, now) {
            return Ok(());
        }
        let holds = kept.sets().iter().any(|set| set.is_usable(now) && set.has(wanted));
        let fetching = match kept.fetching.try_lock() {
            Ok(fetching) => fetching,
            // Whoever has a key that is merely old does not wait for an issuer that is slow.
            Err(_) if holds => return Ok(()),
            Err(_) => kept.fetching.lock().await,
        };
        // Somebody may have fetched meanwhile.
        if serves(&kept.sets(), &sources, wanted, now) {
            return Ok(());
        }
        for (n, source) in sources.iter().enumerate() {
            let before = kept.sets();
            if before[n].was_tried(now) || before[n].is_fresh(source, now) && before.iter().any(|set| set.has(wanted)) {
                continue;
            }
            kept.change(n, |set| set.tried = Some(now));
            let fetched = self.keys(source).await;
            kept.change(n, |set| match fetched {
                Ok(keys) => {
                    (set.keys, set.fetched, set.why_not) = (Arc::new(keys), Some(now), None);
                }
                Err(why) => set.why_not = Some(why),
            });
        }
        drop(fetching);
        let sets = kept.sets();
        if sets.iter().any(|set| set.is_usable(now)) {
            return Ok(());
        }
        let why = sets.iter().find_map(|set| set.why_not.as_ref());
        let why = why.map_or_else(|| "no attempt was made yet".to_owned(), ToString::to_string);
        Err(Error::upstream("the keys of the token's issuer cannot be fetched").with_detail(why))
    }

    /// Usable keys of a configuration, as they are remembered.
    #[must_use]
    pub fn remembered(&self, mount: &str, generation: &str, now: Timestamp) -> Vec<Arc<Vec<PublicKey>>> {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(mount).filter(|kept| kept.generation == generation);
        let sets = kept.map(|kept| kept.sets()).unwrap_or_default();
        sets.into_iter().filter(|set| set.is_usable(now)).map(|set| set.keys).collect()
    }

    /// The keys behind a source, fetched now.
    ///
    /// # Errors
    /// Nobody there, or no set of keys.
    pub async fn keys(&self, source: &Source) -> Result<Vec<PublicKey>, FetchError> {
        let document = match source {
            Source::File(path) => self.fetch.file(path).await?,
            Source::Address { address, ca_pem } => self.fetch.get(address, ca_pem).await?,
            Source::Discovery { issuer, ca_pem } => {
                let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                let found = discovered(&self.fetch.get(&address, ca_pem).await?, issuer)?;
                self.fetch.get(&found, ca_pem).await?
            }
        };
        key_set(&document).map_err(|why| FetchError::new(format!("the set of keys cannot be used: {why}")))
    }

    fn kept(&self, mount: &str, config: &Config, sources: usize, now: Timestamp) -> Arc<Kept> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get(mount).filter(|kept| kept.generation == config.generation) {
            *kept.asked.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return kept.clone();
        }
        if all.len() >= MOUNTS_MAX {
            let asked = |kept: &Kept| *kept.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = all.iter().min_by_key(|(_, kept)| asked(kept)).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        let kept = Arc::new(Kept {
            generation: config.generation.clone(),
            sets: Mutex::new(vec![Set::default(); sources]),
            fetching: tokio::sync::Mutex::default(),
            asked: Mutex::new(now),
        });
        all.insert(mount.to_owned(), kept.clone());
        kept
    }
}

impl Kept {
    fn sets(&self) -> Vec<Set> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, n: usize, change: impl FnOnce(&mut Set)) {
        if let Some(set) = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get_mut(n) {
            change(set);
        }
    }
}

/// Whether nothing needs to be fetched: a fresh set has the key.
fn serves(sets: &[Set], sources: &[Source], wanted: Wanted<'_>, now: Timestamp) -> bool {
    sets.iter().zip(sources).any(|(set, source)| set.is_fresh(source, now) && set.has(wanted))
}

/// Where a discovery document says that the keys are. The document must be the issuer's own.
fn discovered(document: &[u8], issuer: &str) -> Result<String, FetchError> {
    let members = Claim::object(document)
        .map_err(|why| FetchError::new(format!("the discovery document cannot be used: {why}")))?;
    let text = |name: &str| members.get(name).and_then(Claim::text);
    if text("issuer") != Some(issuer) {
        return Err(FetchError::new("the discovery document names another issuer"));
    }
    let found = text("jwks_uri").ok_or_else(|| FetchError::new("the discovery document names no `jwks_uri`"))?;
    // An issuer elsewhere must not lead us to this machine's own plain ports.
    if issuer.starts_with("https://") && !found.starts_with("https://") {
        return Err(FetchError::new("the discovery document leads from https to something else"));
    }
    Ok(found.to_owned())
}

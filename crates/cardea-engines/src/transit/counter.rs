//! Counts uses of AEAD keys with random nonces: one version is good for 2^32 messages (NIST SP 800-38D, section 8.3). A
//! process reserves a block of uses at a time, so that a request writes nothing but once in a million.
//!
//! It must never let a use pass that no committed reservation covers but the reserving request's own, whose answer leaves
//! only after its commit. What a process has reserved and not used when it ends is lost, which wastes uses and no more.

use crate::transit::model::{Material, Uses};
use cardea_crypto::random::random_array;
use cardea_model::Error;
use cardea_sdk::Context;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Uses of one version with random nonces of 96 bits.
pub const USES_MAX: u64 = 1 << 32;
/// Uses that a process reserves at once: 4,096 reservations fill a version, and a process that starts every hour takes
/// half a year to fill one with nothing but starts.
pub const BLOCK: u64 = 1 << 20;
/// Marks of reservations that a record keeps: as many as may be in flight at once.
const CLAIMS_KEPT: usize = 64;
/// Versions that a process counts at once. Beyond, it forgets all that it has reserved, which wastes a block each.
const VERSIONS_MAX: usize = 65_536;

/// Whether uses were counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent {
    Counted,
    /// The version has none left: rotate.
    Exhausted,
}

/// What this process has reserved, by key id and version.
#[derive(Default)]
pub struct Counter {
    versions: Mutex<HashMap<(String, u64), Reserved>>,
}

#[derive(Default)]
struct Reserved {
    left: u64,
    /// Reservations whose commit has not been seen yet: mark, and what will be left of each.
    pending: Vec<(String, u64)>,
}

impl Counter {
    /// Counts `uses` of a version.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn spend(&self, cx: &mut Context<'_>, key_id: &str, version: u64, uses: u64) -> Result<Spent, Error> {
        if self.take(key_id, version, uses) {
            return Ok(Spent::Counted);
        }
        let name = Material::name(key_id, version);
        let mut record = cx.state.get::<Uses>(&name).await?.unwrap_or_default();
        self.credit(key_id, version, &record.claims);
        if self.take(key_id, version, uses) {
            return Ok(Spent::Counted);
        }
        let block = uses.div_ceil(BLOCK).max(1) * BLOCK;
        if record.reserved.saturating_add(block) > USES_MAX {
            return Ok(Spent::Exhausted);
        }
        let mark = random_array::<16>(cx.rng).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        record.reserved += block;
        record.claims.push(mark.clone());
        let surplus = record.claims.len().saturating_sub(CLAIMS_KEPT);
        record.claims.drain(..surplus);
        cx.state.put(&name, &record)?;
        let mut versions = self.lock();
        if versions.len() >= VERSIONS_MAX {
            versions.clear();
        }
        let reserved = versions.entry((key_id.to_owned(), version)).or_default();
        reserved.pending.push((mark, block - uses));
        let surplus = reserved.pending.len().saturating_sub(CLAIMS_KEPT);
        reserved.pending.drain(..surplus);
        Ok(Spent::Counted)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u64), Reserved>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, key_id: &str, version: u64, uses: u64) -> bool {
        let mut versions = self.lock();
        let Some(reserved) = versions.get_mut(&(key_id.to_owned(), version)) else { return false };
        match reserved.left.checked_sub(uses) {
            Some(left) => {
                reserved.left = left;
                true
            }
            None => false,
        }
    }

    /// What was committed may be used from now on.
    fn credit(&self, key_id: &str, version: u64, committed: &[String]) {
        let mut versions = self.lock();
        let Some(reserved) = versions.get_mut(&(key_id.to_owned(), version)) else { return };
        let (seen, waiting) =
            std::mem::take(&mut reserved.pending).into_iter().partition(|(mark, _)| committed.contains(mark));
        reserved.pending = waiting;
        let seen: Vec<(String, u64)> = seen;
        reserved.left += seen.iter().map(|(_, left)| left).sum::<u64>();
    }
}

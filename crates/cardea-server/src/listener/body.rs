//! Bodies: read whole, within a bound of bytes, of time, and of memory for all requests together.
//!
//! A body may be a secret: it is collected in a buffer that is wiped, and a buffer that is outgrown is wiped too. (The
//! connection's own read buffer is out of reach; it is overwritten by what comes next and never leaves the process.)

use super::limit::{BODIES_BYTES_MAX, BODIES_PER_SOURCE_BYTES_MAX, BODY_FIRST_BYTES, BODY_UNIT_BYTES};
use super::sources::network;
use cardea_model::{Cause, Error, SecretBytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// Units that strangers hold, by source.
type Strangers = Arc<Mutex<HashMap<IpAddr, u32>>>;

/// The memory that all bodies share, and what of it strangers of one source hold.
#[derive(Clone)]
pub(super) struct Budget {
    all: Arc<Semaphore>,
    strangers: Strangers,
    /// In units, of one source.
    strangers_max: u32,
}

/// What memory is asked for: large bodies leave room for the first bytes of small ones, a login's among them.
#[derive(Clone, Copy)]
pub(super) enum Part {
    First,
    More,
}

/// A part of the memory, until it is dropped.
pub(super) struct Share {
    held: OwnedSemaphorePermit,
    of_source: Option<(IpAddr, Strangers)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((source, strangers)) = &self.of_source else { return };
        let mut strangers = strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holds) = strangers.get_mut(source) {
            *holds = holds.saturating_sub(u32::try_from(self.held.num_permits()).unwrap_or(u32::MAX));
            if *holds == 0 {
                strangers.remove(source);
            }
        }
    }
}

/// A body and its share of the memory, which is held for as long as the request lives.
#[derive(Default)]
pub(super) struct Read {
    pub bytes: SecretBytes,
    pub share: Option<Share>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self::of(BODIES_BYTES_MAX, BODIES_PER_SOURCE_BYTES_MAX)
    }

    pub(super) fn of(bytes: usize, per_source_bytes: usize) -> Self {
        let all = Arc::new(Semaphore::new(bytes / BODY_UNIT_BYTES));
        Self { all, strangers: Arc::default(), strangers_max: units(per_source_bytes) }
    }

    /// Counts what a stranger's body takes against its source.
    pub(super) fn count(&self, source: Option<IpAddr>, more: u32, part: Part) -> Result<(), Error> {
        let Some(source) = source else { return Ok(()) };
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = strangers.get(&source).copied().unwrap_or(0).saturating_add(more);
        let most = match part {
            Part::First => self.strangers_max.saturating_mul(2),
            Part::More => self.strangers_max,
        };
        if holds > most {
            return Err(crowded());
        }
        strangers.insert(source, holds);
        Ok(())
    }

    /// Reads a body. `stranger` is the source of a connection that has not shown a good credential yet: all of its kind
    /// from there share a part of the memory, so that no source takes it from the others.
    ///
    /// # Errors
    /// More bytes than `max`, less speed than `patience`, no memory left, or a broken connection.
    pub(super) async fn read(
        &self,
        body: Incoming,
        max: usize,
        patience: Duration,
        stranger: Option<IpAddr>,
    ) -> Result<Read, Error> {
        if body.is_end_stream() {
            return Ok(Read::default());
        }
        // What is known to be too long is not begun.
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(patience, self.collect(body, max, stranger.map(network))).await {
            Ok(read) => read,
            Err(_) => Err(Error::invalid("the request body did not arrive in time")),
        }
    }

    async fn collect(&self, mut body: Incoming, max: usize, stranger: Option<IpAddr>) -> Result<Read, Error> {
        let hint = body.size_hint();
        let declared = usize::try_from(hint.exact().unwrap_or(BODY_FIRST_BYTES as u64)).unwrap_or(BODY_FIRST_BYTES);
        let first = declared.clamp(1, BODY_FIRST_BYTES).min(max);
        // The first share may be waited for; whoever waits holds nothing.
        let wanted = self.all.clone().acquire_many_owned(units(first)).await;
        let held = wanted.map_err(|_| Error::unavailable("the server is stopping"))?;
        self.count(stranger, units(first), Part::First)?;
        let mut share = Share { held, of_source: stranger.map(|source| (source, self.strangers.clone())) };
        let mut bytes = Zeroizing::new(Vec::with_capacity(first));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Error::invalid("the request body is broken off"))?;
            let Some(chunk) = frame.data_ref() else { continue };
            let needed = bytes.len() + chunk.len();
            if needed > max {
                return Err(too_large());
            }
            if needed > bytes.capacity() {
                // Room for what is here, not for what is announced: an announcement costs its sender nothing.
                let room = needed.max(bytes.capacity() * 2).min(max);
                let more = units(room - bytes.capacity());
                // Not waited for: two requests that each hold half of what is left would wait for ever.
                let held = self.all.clone().try_acquire_many_owned(more).map_err(|_| crowded())?;
                self.count(stranger, more, Part::More)?;
                share.held.merge(held);
                let mut grown = Zeroizing::new(Vec::with_capacity(room));
                grown.extend_from_slice(&bytes);
                bytes = grown;
            }
            bytes.extend_from_slice(chunk);
        }
        Ok(Read { bytes: SecretBytes::new(std::mem::take(&mut *bytes)), share: Some(share) })
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BODY_UNIT_BYTES)).unwrap_or(u32::MAX)
}

fn crowded() -> Error {
    Error::unavailable("too many large requests at once, try again")
}

fn too_large() -> Error {
    Error::new(Cause::TooLarge, "request body too large")
}

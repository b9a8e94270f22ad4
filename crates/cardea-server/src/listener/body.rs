//! Bodies: read whole, within a bound of bytes, of time, and of memory for all requests together.
//!
//! A body may be a secret: it is collected in a buffer that is wiped, and a buffer that is outgrown is wiped too. (The
//! connection's own read buffer is out of reach; it is overwritten by what comes next and never leaves the process.)

use super::limit::{BODIES_BYTES_MAX, BODY_FIRST_BYTES, BODY_UNIT_BYTES};
use cardea_model::{Cause, Error, SecretBytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// The memory that all bodies share.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// A body and its share of the memory, which is held for as long as the request lives.
#[derive(Default)]
pub(super) struct Read {
    pub bytes: SecretBytes,
    pub share: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self::of(BODIES_BYTES_MAX)
    }

    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / BODY_UNIT_BYTES)))
    }

    /// Reads a body.
    ///
    /// # Errors
    /// More bytes than `max`, less speed than `patience`, no memory left, or a broken connection.
    pub(super) async fn read(&self, body: Incoming, max: usize, patience: Duration) -> Result<Read, Error> {
        if body.is_end_stream() {
            return Ok(Read::default());
        }
        // What is known to be too long is not begun.
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(patience, self.collect(body, max)).await {
            Ok(read) => read,
            Err(_) => Err(Error::invalid("the request body did not arrive in time")),
        }
    }

    async fn collect(&self, mut body: Incoming, max: usize) -> Result<Read, Error> {
        let hint = body.size_hint();
        let declared = usize::try_from(hint.exact().unwrap_or(BODY_FIRST_BYTES as u64)).unwrap_or(BODY_FIRST_BYTES);
        let first = declared.clamp(1, BODY_FIRST_BYTES).min(max);
        // The first share may be waited for; whoever waits holds nothing.
        let wanted = self.0.clone().acquire_many_owned(units(first)).await;
        let mut share = wanted.map_err(|_| Error::unavailable("the server is stopping"))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(first));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Error::invalid("the request body is broken off"))?;
            let Some(chunk) = frame.data_ref() else { continue };
            let needed = bytes.len() + chunk.len();
            if needed > max {
                return Err(too_large());
            }
            if needed > bytes.capacity() {
                let room = needed.max(bytes.capacity() * 2).max(declared.min(bytes.capacity() * 8)).min(max);
                // Not waited for: two requests that each hold half of what is left would wait for ever.
                let more = self.0.clone().try_acquire_many_owned(units(room - bytes.capacity()));
                share.merge(more.map_err(|_| Error::unavailable("too many large requests at once, try again"))?);
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

fn too_large() -> Error {
    Error::new(Cause::TooLarge, "request body too large")
}

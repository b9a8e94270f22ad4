//! The client for programs that wait: a command line asks, waits and ends. It must never be used inside an async runtime.

use crate::{client::Client, error::ClientError, options::Options};
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// A client with the small runtime that drives it.
pub struct Blocking {
    // Dropped before the runtime, so that connections close while their reactor still lives.
    client: Client,
    runtime: Runtime,
}

impl Blocking {
    /// # Errors
    /// As [`Client::new`]; also a process out of file descriptors.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|e| ClientError::Setup(format!("cannot start the runtime: {}", e.kind())))?;
        Ok(Self { client: Client::new(options)?, runtime })
    }

    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Waits for a call of [`Blocking::client`].
    pub fn wait<F: Future>(&self, call: F) -> F::Output {
        self.runtime.block_on(call)
    }
}

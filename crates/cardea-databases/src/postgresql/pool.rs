//! Few connections, each either clean or closed.
//!
//! A session that was used goes back only after its last step ended well; one that was dropped in the middle, whatever
//! the reason, is closed. Nothing here may hand out a connection whose transaction somebody else began.
//!
//! The driver logs whole statements at level debug and notices at level info. The first is compiled out (the feature
//! `max_level_info` of `log`, which a test checks); the second never happens, because [`drive`] drops notices.

use crate::postgresql::Limits;
use crate::postgresql::address::Address;
use crate::postgresql::fault::{self, Moment};
use cardea_sdk::ExternalError;
use cardea_sdk::database::Connection;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Socket};

/// Most connections to one server; a larger setting is a mistake that would starve the applications.
const OPEN_MAX: u32 = 100;
/// Where a connection says 0: Vault's default.
const OPEN_DEFAULT: u32 = 4;
/// Most pools; beyond it those that were used longest ago are dropped. A thousand servers behind one Cardea are plenty.
const POOLS_MAX: usize = 1024;
/// Longest that a connection may lie idle and be used again; firewalls forget connections after minutes.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Idle time after which a connection is asked whether it still works.
const IDLE_TRUSTED: Duration = Duration::from_millis(500);
/// Longest that question, or a request to cancel, may take.
const PROBE_MAX: Duration = Duration::from_secs(3);

/// All pools of the plugin, by connection id.
#[derive(Default)]
pub struct Pools(Mutex<HashMap<String, Arc<Pool>>>);

struct Pool {
    address: Address,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    used: Mutex<Instant>,
}

struct Idle {
    client: Client,
    wire: Wire,
    since: Instant,
}

/// The task that reads and writes for a client; ends with this value.
struct Wire(AbortHandle);

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pools {
    /// A session, from the pool or new.
    ///
    /// # Errors
    /// Nothing happened: the settings are wrong, all connections stay busy, or the server cannot be reached.
    pub async fn session(&self, connection: &Connection, limits: &Limits) -> Result<Session, ExternalError> {
        let pool = self.pool(connection, limits)?;
        let permit = match timeout(limits.connect, pool.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ => {
                return Err(ExternalError::unreachable(
                    "all connections to the database are busy",
                    "max_open_connections",
                ));
            }
        };
        loop {
            let Some(idle) = lock(&pool.idle).pop() else { break };
            let age = idle.since.elapsed();
            if idle.client.is_closed() || age > IDLE_MAX {
                continue;
            }
            if age < IDLE_TRUSTED || matches!(timeout(PROBE_MAX, idle.client.check_connection()).await, Ok(Ok(()))) {
                return Ok(Session::new(idle.client, idle.wire, pool, permit, limits));
            }
        }
        let (client, wire) = connect(&pool.address, limits).await?;
        Ok(Session::new(client, wire, pool, permit, limits))
    }

    fn pool(&self, connection: &Connection, limits: &Limits) -> Result<Arc<Pool>, ExternalError> {
        let mut pools = lock(&self.0);
        if let Some(pool) = pools.get(&connection.id) {
            *lock(&pool.used) = Instant::now();
            return Ok(pool.clone());
        }
        let open = match connection.max_open_connections {
            0 => OPEN_DEFAULT,
            asked => asked.min(OPEN_MAX),
        };
        let pool = Arc::new(Pool {
            address: Address::of(connection, limits.connect)?,
            permits: Arc::new(Semaphore::new(open as usize)),
            idle: Mutex::new(Vec::new()),
            used: Mutex::new(Instant::now()),
        });
        if pools.len() >= POOLS_MAX {
            let oldest = pools.iter().min_by_key(|(_, pool)| *lock(&pool.used)).map(|(id, _)| id.clone());
            oldest.and_then(|id| pools.remove(&id));
        }
        pools.insert(connection.id.clone(), pool.clone());
        Ok(pool)
    }

    /// Closes what lies idle; sessions in use end when they are done.
    pub fn forget(&self, id: &str) {
        if let Some(pool) = lock(&self.0).remove(id) {
            pool.permits.close();
            lock(&pool.idle).clear();
        }
    }

    /// Connections that lie idle in the pool.
    #[cfg(test)]
    pub fn idle(&self, id: &str) -> usize {
        lock(&self.0).get(id).map_or(0, |pool| lock(&pool.idle).len())
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(address: &Address, limits: &Limits) -> Result<(Client, Wire), ExternalError> {
    match timeout(limits.connect, address.config.connect(address.tls.clone())).await {
        Ok(Ok((client, connection))) => Ok((client, drive(connection))),
        Ok(Err(error)) => {
            let user = address.config.get_user().unwrap_or_default();
            Err(fault::of(&error, Moment::Connecting, "the login of Cardea's own user", &[user]))
        }
        Err(_) => Err(fault::late(Moment::Connecting)),
    }
}

type Driven = tokio_postgres::Connection<Socket, crate::postgresql::tls::Stream<Socket>>;

fn drive(mut connection: Driven) -> Wire {
    let task = tokio::spawn(async move {
        // Notices and notifications are dropped: a function of the server's may put anything into them.
        while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {}
    });
    Wire(task.abort_handle())
}

/// One connection, for one call.
pub struct Session {
    /// Absent only while it is dropped.
    parts: Option<(Client, Wire)>,
    pool: Arc<Pool>,
    limits: Limits,
    /// Whether the connection may be used again by somebody else.
    clean: bool,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    fn new(client: Client, wire: Wire, pool: Arc<Pool>, permit: OwnedSemaphorePermit, limits: &Limits) -> Self {
        Self { parts: Some((client, wire)), pool, limits: *limits, clean: true, _permit: permit }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// From here to [`Session::mark_clean`] a failure or a drop closes the connection.
    pub fn mark_used(&mut self) {
        self.clean = false;
    }

    pub fn mark_clean(&mut self) {
        self.clean = true;
    }

    /// One step before `deadline`. When it comes too late, the server is asked to stop working on it.
    pub async fn step<'s, T, F>(
        &'s self,
        deadline: Instant,
        call: impl FnOnce(&'s Client) -> F,
    ) -> Result<Result<T, tokio_postgres::Error>, Late>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let Some((client, _)) = &self.parts else { return Err(Late) };
        match timeout_at(deadline, call(client)).await {
            Ok(result) => Ok(result),
            Err(_) => {
                let (token, tls) = (client.cancel_token(), self.pool.address.tls.clone());
                tokio::spawn(async move {
                    // Best effort: the server's own statement_timeout ends it otherwise.
                    let _ = timeout(PROBE_MAX, token.cancel_query(tls)).await;
                });
                Err(Late)
            }
        }
    }
}

/// A step was not answered before its deadline.
#[derive(Debug)]
pub struct Late;

impl Drop for Session {
    fn drop(&mut self) {
        let Some((client, wire)) = self.parts.take() else { return };
        if self.clean && !client.is_closed() && !self.pool.permits.is_closed() {
            lock(&self.pool.idle).push(Idle { client, wire, since: Instant::now() });
        }
    }
}

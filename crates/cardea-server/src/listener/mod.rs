//! Listeners: sockets, TLS and HTTP/1.1 and 2, up to the value that a dialect reads.
//!
//! Start with [`Listeners::open`], then `serve.rs`. Every bound of `limit.rs` holds before a caller is known. A listener must
//! never interpret a path, a token or a body.

mod activity; // what a connection is doing, and since when
mod aside; // what it does beside its requests
mod body; // bodies within bounds
pub mod limit; // the bounds
mod serve; // one request
mod sources; // where requests come from
mod tls; // certificates

use crate::StartError;
use crate::config::ListenerConfig;
use crate::registry::Spoken;
use activity::{Activity, Patience, Watched};
use aside::Aside;
use cardea_kernel::lifecycle::Node;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serve::{Connection, Shared};
use sources::Sources;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

/// A bound socket that does not yet accept.
struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    config: Arc<ListenerConfig>,
    tls: Option<Arc<Tls>>,
}

/// Sockets that are bound: nobody is served before the node exists.
pub(crate) struct Bindings(Vec<Bound>);

/// Listeners at work.
pub struct Listeners {
    addresses: Vec<SocketAddr>,
    tls: Vec<Arc<Tls>>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    /// Closed once every connection and every accepting task is gone.
    ended: mpsc::Receiver<Infallible>,
}

/// Binds every listener.
///
/// # Errors
/// An address that cannot be bound, or certificates that cannot be used.
pub(crate) async fn bind(configs: &[ListenerConfig]) -> Result<Bindings, StartError> {
    let mut out = Vec::with_capacity(configs.len());
    let share = connections_share(configs.len());
    for config in configs {
        let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
        let failed =
            |error: io::Error| StartError::new(format!("listener {}: cannot listen: {}", config.address, error.kind()));
        let socket = TcpListener::bind(&config.address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let mut config = config.clone();
        if config.connections_max > share {
            tracing::warn!(connections = share, "fewer connections than configured: the limit of open files is low");
            config.connections_max = share;
        }
        out.push(Bound { socket, address, config: Arc::new(config), tls });
    }
    Ok(Bindings(out))
}

/// Connections that one of several listeners may hold, given how many files the process may open.
fn connections_share(listeners: usize) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(limit::FILES_KEPT.min(files / 2)) / listeners.max(1)
}

impl Bindings {
    /// Where they listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|bound| bound.address).collect()
    }
}

impl Listeners {
    /// Begins to accept.
    pub(crate) fn open(bindings: Bindings, node: Arc<Node>, dialects: Vec<Spoken>) -> Self {
        let shared = Arc::new(Shared {
            node,
            dialects,
            bodies: body::Budget::new(),
            requests: Arc::new(Semaphore::new(limit::REQUESTS_MAX)),
        });
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let addresses = bindings.addresses();
        let tls = bindings.0.iter().filter_map(|bound| bound.tls.clone()).collect();
        for bound in bindings.0 {
            tokio::spawn(accept(bound, shared.clone(), stopped.clone(), alive.clone()));
        }
        Self { addresses, tls, shared, stop, ended }
    }

    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reads certificates again. Those in force stay so where the new ones are not in order.
    pub fn reload(&self) {
        for tls in &self.tls {
            match tls.reload() {
                Ok(()) => tracing::info!("TLS certificates were read again"),
                Err(error) => tracing::error!(%error, "TLS certificates stay as they are"),
            }
        }
    }

    /// Accepts nobody any longer, and waits for the requests in flight, at most [`limit::DRAIN_MAX`]. Returns whether
    /// all of them ended.
    pub async fn drain(mut self) -> bool {
        self.stop.send_replace(true);
        let all = async {
            let _ = self.ended.recv().await;
            serve::quiet(&self.shared.requests).await
        };
        tokio::time::timeout(limit::DRAIN_MAX, all).await.is_ok()
    }
}

async fn accept(
    bound: Bound,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
    alive: mpsc::Sender<Infallible>,
) {
    let slots = Arc::new(Semaphore::new(bound.config.connections_max));
    let sources = Sources::new(bound.config.connections_per_source_max);
    let mut pause = Duration::ZERO;
    loop {
        // A full house lets newcomers wait in the system's queue.
        let (slot, accepted) = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            both = async {
                let slot = slots.clone().acquire_owned().await;
                (slot, bound.socket.accept().await)
            } => both,
        };
        let Ok(slot) = slot else { return };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_caller(&error) => continue,
            Err(error) => {
                // Out of file descriptors or memory: to try again at once would only burn the processor.
                if pause.is_zero() {
                    tracing::error!(kind = %error, "connections cannot be accepted");
                }
                pause = (pause * 2).clamp(Duration::from_millis(10), limit::ACCEPT_PAUSE_MAX);
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        pause = Duration::ZERO;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let is_proxy = bound.config.forwarded.as_ref();
        let is_proxy = is_proxy.is_some_and(|rules| rules.authorized.iter().any(|net| net.contains(peer.ip())));
        let activity = Activity::begin();
        // A proxy brings many clients.
        let seat = if is_proxy { None } else { Some(sources.take(peer.ip(), activity.clone())) };
        if matches!(seat, Some(None)) {
            continue;
        }
        let (config, tls, shared) = (bound.config.clone(), bound.tls.clone(), shared.clone());
        let caller = Caller { peer, config, tls, shared, activity: activity.clone() };
        let (stopped, alive) = (stopped.clone(), alive.clone());
        tokio::spawn(async move {
            let _held = (slot, seat, alive);
            tokio::select! {
                biased;
                () = caller.attend(stream, stopped) => {}
                () = Aside::new(activity.asked_to_end()) => tracing::debug!("a connection made room for another of its source"),
            }
        });
    }
}

fn is_of_the_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// An accepted connection.
struct Caller {
    peer: SocketAddr,
    config: Arc<ListenerConfig>,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

impl Caller {
    async fn attend(self, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
        // Answers are single writes; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            return self.serve(stream, None, stopped).await;
        };
        let handshake = tokio::time::timeout(self.config.header_timeout, tls.acceptor().accept(stream));
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok(Ok(stream)) => {
                let facts = tls::facts(stream.get_ref().1);
                self.serve(stream, Some(facts), stopped).await;
            }
            Ok(Err(error)) => tracing::debug!(kind = %error.kind(), "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn serve<S>(self, stream: S, tls: Option<cardea_model::wire::TlsFacts>, mut stopped: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let patience = Patience::of(&self.config);
        let activity = self.activity;
        let connection = Arc::new(Connection {
            shared: self.shared,
            config: self.config,
            activity: activity.clone(),
            peer: self.peer,
            tls,
        });
        let service = service_fn(move |request| {
            let connection = connection.clone();
            async move { Ok::<_, Infallible>(serve::answer(connection, request).await) }
        });
        let protocols = protocols();
        let io = TokioIo::new(Watched::new(stream, activity.clone()));
        let mut exchange = pin!(protocols.serve_connection(io, service));
        let mut draining = *stopped.borrow();
        if draining {
            exchange.as_mut().graceful_shutdown();
        }
        loop {
            let told = Aside::new(attend_aside(&activity, patience, (!draining).then_some(&mut stopped)));
            tokio::select! {
                biased;
                ended = exchange.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                told = told => match told {
                    Told::End(why) => {
                        tracing::debug!(why, "a connection was closed");
                        return;
                    }
                    Told::Drain => {
                        draining = true;
                        exchange.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// What a connection is told beside its requests.
enum Told {
    /// At once, and why.
    End(&'static str),
    /// After the request in flight.
    Drain,
}

/// Returns when a connection has to end: by the clock, or because its listener stops.
async fn attend_aside(activity: &Activity, patience: Patience, stopped: Option<&mut watch::Receiver<bool>>) -> Told {
    let mut clock = tokio::time::interval(patience.tick());
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stops = async {
        match stopped {
            // A listener that is gone has stopped.
            Some(stopped) => drop(stopped.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    };
    let mut stops = pin!(stops);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if let Some(why) = activity.overdue(patience) {
                    return Told::End(why);
                }
            }
            () = stops.as_mut() => return Told::Drain,
        }
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Ours counts idle time and the time of a head apart; this one does not.
        .header_read_timeout(None)
        .max_buf_size(limit::HEAD_BYTES_MAX)
        .max_headers(limit::HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limit::HTTP2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limit::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024);
    builder
}

#[cfg(test)]
mod tests;

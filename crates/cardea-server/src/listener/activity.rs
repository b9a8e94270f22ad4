//! What a connection is doing and since when, kept in a few atomics; and the judgements that end a connection whose other
//! side is slow on purpose, or that has to make room. They must never end one whose request is being worked on.

use crate::config::ListenerConfig;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// The clockwork of one connection. Times are milliseconds since it began, plus one; zero means "not now".
pub(super) struct Activity {
    began: Instant,
    in_flight: AtomicU32,
    /// Those in flight whose bodies are still on their way.
    reading: AtomicU32,
    /// Whether a request with a credential was answered here and not refused.
    known: AtomicBool,
    make_room: Notify,
    served: AtomicBool,
    http2: AtomicBool,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    stalled_since: AtomicU64,
}

/// The time limits of a listener, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    head: u64,
    idle: u64,
    write: u64,
}

impl Patience {
    pub(super) fn of(config: &ListenerConfig) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self { head: ms(config.header_timeout), idle: ms(config.idle_timeout), write: ms(config.write_timeout) }
    }

    /// How often to look: often enough for the shortest limit, seldom enough for ten thousand connections.
    pub(super) fn tick(self) -> Duration {
        Duration::from_millis((self.head.min(self.idle).min(self.write) / 4).clamp(10, 5_000))
    }
}

impl Activity {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            in_flight: AtomicU32::new(0),
            reading: AtomicU32::new(0),
            known: AtomicBool::new(false),
            make_room: Notify::new(),
            served: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A head is complete: the connection is busy until the guard is dropped.
    pub(super) fn request(self: &Arc<Self>, http2: bool) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        if !self.served.swap(true, Ordering::AcqRel) {
            self.http2.store(http2, Ordering::Release);
        }
        InFlight(self.clone())
    }

    /// Why the connection has to end, if it has to.
    pub(super) fn overdue(&self, patience: Patience) -> Option<&'static str> {
        let now = self.now();
        let past = |since: u64, limit: u64| since != 0 && now.saturating_sub(since) > limit;
        if past(self.stalled_since.load(Ordering::Acquire), patience.write) {
            return Some("the answer was not read in time");
        }
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return None;
        }
        let head_since = if self.served.load(Ordering::Acquire) {
            // Frames of HTTP/2 come between requests too; they say nothing of a head.
            if self.http2.load(Ordering::Acquire) { 0 } else { self.head_since.load(Ordering::Acquire) }
        } else {
            1
        };
        if past(head_since, patience.head) {
            return Some("the request did not arrive in time");
        }
        past(self.idle_since.load(Ordering::Acquire), patience.idle).then_some("idle")
    }

    /// A body is on its way until the guard is dropped.
    pub(super) fn body(self: &Arc<Self>) -> Reading {
        self.reading.fetch_add(1, Ordering::AcqRel);
        Reading(self.clone())
    }

    /// The other side has shown a credential that was of use.
    pub(super) fn is_known(&self) {
        self.known.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub(super) fn has_shown_itself(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Whether it may be closed for another connection of its source: a stranger for whose request the server waits, or
    /// anybody who has asked for nothing for as long as [`Activity::IDLE_ENOUGH`].
    pub(super) fn may_make_room(&self) -> bool {
        if self.in_flight.load(Ordering::Acquire) > self.reading.load(Ordering::Acquire) {
            return false;
        }
        if !self.known.load(Ordering::Acquire) {
            return true;
        }
        let asks = self.in_flight.load(Ordering::Acquire) > 0 || self.head_since.load(Ordering::Acquire) != 0;
        let idle_ms = self.now().saturating_sub(self.idle_since.load(Ordering::Acquire));
        !asks && Duration::from_millis(idle_ms) >= Self::IDLE_ENOUGH
    }

    /// Idle for so long, a connection gives way to one of the same source that is wanted now: its client opens another.
    const IDLE_ENOUGH: Duration = Duration::from_secs(10);

    /// Asks the connection to end at once.
    pub(super) fn make_room(&self) {
        self.make_room.notify_one();
    }

    /// Returns once the connection is asked to end.
    pub(super) async fn asked_to_end(&self) {
        self.make_room.notified().await;
    }

    fn has_read(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 && self.in_flight.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now(), Ordering::Release);
        }
    }

    fn cannot_write(&self) {
        if self.stalled_since.load(Ordering::Relaxed) == 0 {
            self.stalled_since.store(self.now(), Ordering::Release);
        }
    }

    fn has_written_all(&self) {
        if self.stalled_since.load(Ordering::Relaxed) != 0 {
            self.stalled_since.store(0, Ordering::Release);
        }
    }
}

/// A request of a connection.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Release);
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body on its way.
pub(super) struct Reading(Arc<Activity>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream whose doings are noted.
pub(super) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.has_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.activity.cannot_write();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Flushed means that the whole answer was taken: only that ends a stall, not one byte a minute.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        if polled.is_ready() {
            self.activity.has_written_all();
        }
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.note(polled)
    }
}

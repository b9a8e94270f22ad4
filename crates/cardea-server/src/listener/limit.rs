//! Named bounds of the listener. They hold before anything is known of a caller.

use std::time::Duration;

/// Most bytes of a request's head (HTTP/1) or of its header list (HTTP/2). A token of 8 KiB and a path of 3 KiB fit.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most header fields; no client sends twenty.
pub const HEADERS_MAX: usize = 64;
/// From the first byte (on a new connection: from its acceptance, with the TLS handshake) to the end of the head.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// From the end of the head to the end of the body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// From the request to its answer; the work itself goes on to its end.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Between requests of one connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// From the first byte of an answer that a reader does not take to its last.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections of one listener at once. Each may hold a head and a few buffers: about 100 KiB at worst.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Connections of one address (IPv6: of one /64) at once, so that one source cannot take them all.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 1_000;
/// Open files that connections leave to the rest of the process: a store that cannot open its files has failed.
pub const FILES_KEPT: usize = 256;
/// What an owner may raise these to.
pub const CONNECTIONS_BOUND: usize = 1_000_000;
/// Bytes of request bodies in memory at once, over all listeners: a thousand strangers or forty of the largest writes.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What of them strangers of one address (IPv6: of one /64) may hold: a quarter (and as much again for first bytes of
/// bodies alone), so that others go on. A connection that has
/// shown a good credential is not counted.
pub const BODIES_PER_SOURCE_BYTES_MAX: usize = BODIES_BYTES_MAX / 4;
/// What the budget of bodies is counted in, in bytes.
pub const BODY_UNIT_BYTES: usize = 1024;
/// Room that the first bytes of a body get when nobody said how long it is, or said that it is longer.
pub const BODY_FIRST_BYTES: usize = 16 * 1024;
/// Requests between head and answer at once, over all listeners, those included whose client went away.
pub const REQUESTS_MAX: usize = 16_384;
/// Requests of one HTTP/2 connection at once.
pub const HTTP2_STREAMS_MAX: u32 = 128;
/// Longest pause after the system refused a new connection (no file descriptors left, say).
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a stopping server waits for the requests in flight.
pub const DRAIN_MAX: Duration = Duration::from_secs(30);

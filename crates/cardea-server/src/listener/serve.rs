//! One request: bytes to `WireRequest`, through the dialect and the node, and back to bytes.
//!
//! What a stranger sends is bounded before it is read. Work that was begun is finished even if the client goes away: an
//! announced effect must not stay half-done because a connection broke. A panic costs one answer, not the process.

use super::activity::Activity;
use super::body::{Budget, Read};
use super::limit::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::sources;
use crate::config::ListenerConfig;
use crate::registry::Spoken;
use bytes::Bytes;
use cardea_kernel::lifecycle::Node;
use cardea_model::limit::BODY_BYTES_STRANGER_MAX;
use cardea_model::wire::{TlsFacts, WireRequest, WireResponse};
use cardea_model::{Answer, Cause, Error, Refusal, SecretBytes};
use cardea_sdk::dialect::{DialectConfig, RenderContext};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all listeners of a server share.
pub(super) struct Shared {
    pub node: Arc<Node>,
    pub dialects: Vec<Spoken>,
    pub bodies: Budget,
    pub requests: Arc<Semaphore>,
}

/// One connection, as its requests see it.
pub(super) struct Connection {
    pub shared: Arc<Shared>,
    pub config: Arc<ListenerConfig>,
    pub activity: Arc<Activity>,
    pub peer: SocketAddr,
    pub tls: Option<TlsFacts>,
}

type WireBody = Full<Bytes>;

/// A secret as the body of an answer: wiped when the last byte was handed over.
struct Wiped(SecretBytes);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Answers one request, whatever happens.
pub(super) async fn answer(connection: Arc<Connection>, request: Request<Incoming>) -> Response<WireBody> {
    let version = request.version();
    let _busy = connection.activity.request(version == Version::HTTP_2);
    let mut work = pin!(exchange(&connection, request));
    let finished = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(answered)) => Poll::Ready(Some(answered)),
        Err(_) => Poll::Ready(None),
    });
    let (mut response, close) = match finished.await {
        Some(Exchanged { response, close }) => (response, close),
        None => (plain(StatusCode::INTERNAL_SERVER_ERROR, "{\"errors\":[\"internal error\"]}"), true),
    };
    for extra in &connection.config.response_headers {
        if extra.on.holds(response.status().as_u16()) {
            response.headers_mut().entry(&extra.name).or_insert_with(|| extra.value.clone());
        }
    }
    if close && version != Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer, and whether the connection is of no more use (part of its request was not read).
struct Exchanged {
    response: Response<WireBody>,
    close: bool,
}

impl From<Response<WireBody>> for Exchanged {
    fn from(response: Response<WireBody>) -> Self {
        Self { response, close: false }
    }
}

async fn exchange(connection: &Connection, request: Request<Incoming>) -> Exchanged {
    let shared = &connection.shared;
    let (head, body) = request.into_parts();
    let context = RenderContext { head: head.method == Method::HEAD, ..RenderContext::default() };
    let mut wire = WireRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: Vec::new(),
        body: SecretBytes::default(),
        peer: connection.peer,
        tls: connection.tls.clone(),
    };
    // Some dialects are known by a header; what does not fit is not copied.
    let fits = head_fits(&head.headers);
    if fits {
        wire.headers =
            head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    }
    let Some(Spoken { dialect, config }) = shared.dialects.iter().find(|spoken| spoken.dialect.claims(&wire)) else {
        return plain(StatusCode::NOT_FOUND, "{\"errors\":[]}").into();
    };
    let refuse = |error: Error| {
        let wire = dialect.render(config, &context, Err(Refusal::from(error)));
        Exchanged { response: into_http(wire), close: true }
    };
    if !fits {
        return refuse(Error::new(Cause::HeaderTooLarge, "request headers too large"));
    }
    match sources::origin(connection.peer, &head.headers, connection.config.forwarded.as_ref()) {
        Ok(peer) => wire.peer = peer,
        Err(error) => return refuse(error),
    }
    if connection.config.open_metrics && asks_metrics(&wire) {
        return metrics(&shared.node).into();
    }
    let shows_credential = ["x-vault-token", "authorization"].iter().any(|name| head.headers.contains_key(*name));
    let bytes_max = if shows_credential {
        connection.config.body_bytes_max
    } else {
        connection.config.body_bytes_max.min(BODY_BYTES_STRANGER_MAX)
    };
    let reading = connection.activity.body();
    let stranger = (!connection.activity.has_shown_itself()).then(|| wire.peer.ip());
    let patience = connection.config.body_timeout;
    let Read { bytes, share } = match shared.bodies.read(body, bytes_max, patience, stranger).await {
        Ok(read) => read,
        Err(error) => return refuse(error),
    };
    drop(reading);
    wire.body = bytes;
    // HTTP/2 names the host in a pseudo-header; signatures are over it all the same.
    if let (false, Some(authority)) = (head.headers.contains_key(HOST), head.uri.authority()) {
        wire.headers.push(("host".to_owned(), authority.as_str().as_bytes().to_vec()));
    }

    // Few owners keep any: others pay for no copy.
    let kept = shared.node.kept_headers();
    let own = (!kept.is_empty()).then(|| {
        let logged_headers = config.logged_headers.iter().cloned().chain(kept).collect();
        DialectConfig { logged_headers, ..config.clone() }
    });
    let lowered = match dialect.lower(own.as_ref().unwrap_or(config), wire) {
        Ok(lowered) => lowered,
        Err(refusal) => return into_http(dialect.render(config, &context, Err(refusal))).into(),
    };
    let Ok(place) = shared.requests.clone().try_acquire_owned() else {
        return refuse(Error::unavailable("too many requests at once, try again"));
    };
    let node = shared.node.clone();
    let work = Finishing::new(async move {
        let _held = (place, share);
        node.answer(lowered.request).await
    });
    let answered = match tokio::time::timeout(connection.config.request_timeout, work).await {
        Ok(answered) => answered,
        Err(_) => Err(Refusal::from(Error::unavailable("the request took too long; it may still take effect"))),
    };
    if answered.as_ref().is_ok_and(|answer| answer.caller_known) {
        connection.activity.is_known();
    }
    into_http(dialect.render(config, &lowered.context, answered)).into()
}

fn head_fits(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    headers.len() <= HEADERS_MAX && bytes <= HEAD_BYTES_MAX
}

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// A future that is finished in the background if nobody waits for it any longer.
struct Finishing(Option<Answering>);

impl Finishing {
    fn new(work: impl Future<Output = Result<Answer, Refusal>> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl Future for Finishing {
    type Output = Result<Answer, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out while it runs: one that panicked is not polled again.
        let Some(mut work) = self.0.take() else {
            return Poll::Ready(Err(Refusal::from(Error::internal("a finished request was asked again"))));
        };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // Nobody is left to be told.
                drop(work.await);
            });
        }
    }
}

fn asks_metrics(wire: &WireRequest) -> bool {
    wire.method == "GET"
        && wire.path == "/v1/sys/metrics"
        && wire.query.split('&').any(|pair| pair == "format=prometheus")
}

/// Metrics for whoever asks, where the owner said so.
fn metrics(node: &Node) -> Response<WireBody> {
    let text = node.metrics().prometheus(&node.store().stats());
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode, body: &'static str) -> Response<WireBody> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

fn into_http(wire: WireResponse) -> Response<WireBody> {
    let body = if wire.body.is_empty() { Bytes::new() } else { Bytes::from_owner(Wiped(wire.body)) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in wire.headers {
        // A header that cannot stand on the wire is left out; none of ours is such.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Waits until nothing is worked on, those requests included whose client went away.
pub(super) async fn quiet(requests: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let all = u32::try_from(super::limit::REQUESTS_MAX).unwrap_or(u32::MAX);
    requests.clone().acquire_many_owned(all).await.ok()
}

#[cfg(test)]
mod tests;

//! Documents from outside for extensions that ask: one GET, bounded in size and time, over TLS or to this machine itself.
//! Calls to sources (`calls`) go the same way.
//!
//! It must never follow a redirect, send a credential or anything that a caller said (calls do, to where an owner said), or
//! fall back from TLS to plain.

mod calls;

use bytes::Bytes;
use cardea_sdk::fetch::DOCUMENT_BYTES_MAX;
use cardea_sdk::{Fetch, FetchError, async_trait};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest that one document may take, name resolution and handshake included: a login waits for it.
const FETCH_MAX: Duration = Duration::from_secs(5);
/// Largest head of an answer in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Fetches over the machine's network, and from its files.
pub(crate) struct Outside {
    limit: Duration,
    /// For the answer of a source.
    answer_limit: Duration,
}

impl Default for Outside {
    fn default() -> Self {
        Self { limit: FETCH_MAX, answer_limit: calls::ANSWER_MAX }
    }
}

#[async_trait]
impl Fetch for Outside {
    async fn get(&self, address: &str, ca_pem: &str) -> Result<Vec<u8>, FetchError> {
        match tokio::time::timeout(self.limit, get(address, ca_pem)).await {
            Ok(document) => document,
            Err(_) => Err(FetchError::new("no whole answer in time")),
        }
    }

    async fn file(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let path = std::path::PathBuf::from(path);
        let read = tokio::task::spawn_blocking(move || read_file(&path));
        match tokio::time::timeout(self.limit, read).await {
            Ok(Ok(document)) => document,
            _ => Err(FetchError::new("the file could not be read in time")),
        }
    }
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, FetchError> {
    let unreadable = |error: std::io::Error| FetchError::new(format!("the file cannot be read: {}", error.kind()));
    if !path.is_absolute() {
        return Err(FetchError::new("the path is not absolute"));
    }
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FetchError::new("not a plain file"));
    }
    let mut document = Vec::new();
    let most = DOCUMENT_BYTES_MAX as u64 + 1;
    std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut document)).map_err(unreadable)?;
    if document.len() > DOCUMENT_BYTES_MAX { Err(too_large()) } else { Ok(document) }
}

fn too_large() -> FetchError {
    FetchError::new(format!("larger than {DOCUMENT_BYTES_MAX} bytes"))
}

/// A connection that can carry HTTP.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Wire for S {}

async fn get(address: &str, ca_pem: &str) -> Result<Vec<u8>, FetchError> {
    let (wire, uri) = open(address, ca_pem).await?;
    ask(wire, &uri).await
}

/// A connection to where the address leads, and the address as HTTP reads it.
async fn open(address: &str, ca_pem: &str) -> Result<(Box<dyn Wire>, Uri), FetchError> {
    let bad = || FetchError::new("not an address");
    let uri: Uri = address.parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    if authority.as_str().contains('@') {
        return Err(FetchError::new("an address with credentials"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let (secure, port) = match uri.scheme_str() {
        Some("https") => (true, authority.port_u16().unwrap_or(443)),
        Some("http") => (false, authority.port_u16().unwrap_or(80)),
        _ => return Err(FetchError::new("neither https nor http")),
    };
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    let found = found.map_err(|_| FetchError::new("the host's name is not known"))?;
    // By what the name means now, not by how it looks.
    let allowed: Vec<SocketAddr> = found.filter(|peer| secure || peer.ip().to_canonical().is_loopback()).collect();
    if allowed.is_empty() {
        return Err(FetchError::new("plain http is for this machine itself"));
    }
    let plain = TcpStream::connect(allowed.as_slice()).await;
    let plain = plain.map_err(|error| FetchError::new(format!("cannot connect: {}", error.kind())))?;
    if !secure {
        return Ok((Box::new(plain), uri));
    }
    let name = ServerName::try_from(host).map_err(|_| bad())?;
    let tls = TlsConnector::from(trusting(ca_pem).await?).connect(name, plain).await;
    let tls = tls.map_err(|error| FetchError::new(format!("TLS failed: {error}")))?;
    Ok((Box::new(tls), uri))
}

/// TLS that believes the given authorities; without any, those of the operating system.
async fn trusting(ca_pem: &str) -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    if ca_pem.trim().is_empty() {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let found = found.map_err(|_| FetchError::new("the system's authorities cannot be read"))?;
        roots.add_parsable_certificates(found.certs);
    } else {
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let bad = || FetchError::new("the given authorities are no PEM certificates");
            roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
        }
    }
    if roots.is_empty() {
        return Err(FetchError::new("there is no authority to believe"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| FetchError::new("TLS has no usable protocol version"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Ends the task that drives a connection, whatever became of the request.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// HTTP over a connection, for one request.
async fn handshake<B>(wire: Box<dyn Wire>) -> Result<(SendRequest<B>, Driver), hyper::Error>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(wire)).await?;
    let driver = Driver(tokio::spawn(async move {
        let _ = connection.await;
    }));
    Ok((sender, driver))
}

async fn ask(wire: Box<dyn Wire>, uri: &Uri) -> Result<Vec<u8>, FetchError> {
    let failed = |error: hyper::Error| FetchError::new(format!("the answer cannot be read: {error}"));
    let (mut sender, _driver) = handshake(wire).await.map_err(failed)?;
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, "cardea")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::new("not an address"))?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::new(format!("status {}", answer.status().as_u16())));
    }
    let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast::<http_body_util::LengthLimitError>() {
        Ok(_) => too_large(),
        Err(error) => FetchError::new(format!("the answer cannot be read: {error}")),
    })?;
    Ok(body.to_bytes().to_vec())
}

#[cfg(test)]
mod tests;

//! One HTTP/1.1 keep-alive connection with as little processor time as possible: the caller's request bytes go out
//! as they are, `httparse` reads the head of the answer, the body is a slice of the read buffer. On a machine with two
//! cores every microsecond of the generator is taken from the server, which is why this is not a full client.
//! It never pipelines, follows no redirect, retries nothing, and never prints what it sends.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Arc,
};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::error::BenchError;

/// Largest answer accepted, head and body together, in bytes: a lookup or a KV read is about 2 KiB, metrics about 100 KiB.
const MAX_RESPONSE_BYTES: usize = 8 << 20;
/// Most header lines of an answer.
const MAX_HEADERS: usize = 48;
/// Size of a connection's read buffer at the start, in bytes: one KV read of 1 KiB fits, so that one system call reads it.
const READ_BUFFER_BYTES: usize = 16 << 10;

/// What went wrong on a connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The server closed the connection in the middle of an answer, or before one.
    #[error("the server closed the connection before the whole answer")]
    Closed,
    /// The answer is not HTTP/1.1 as this reader knows it.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    /// The answer is larger than this reader takes.
    #[error("the answer is larger than {MAX_RESPONSE_BYTES} bytes")]
    TooLarge,
}

/// A server by address.
#[derive(Clone)]
pub struct Endpoint {
    address: SocketAddr,
    authority: String,
    tls: Option<(ServerName<'static>, Arc<rustls::ClientConfig>)>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// Reads `http://host:port` or `https://host:port`; the name is resolved once, here. https needs the file of the
    /// certificate authority that signed the server's certificate.
    pub fn parse(address: &str, ca_file: Option<&Path>) -> Result<Endpoint, BenchError> {
        let malformed = || BenchError::Setup("the address is not http://host:port or https://host:port".into());
        let (scheme, rest) = address.split_once("://").ok_or_else(malformed)?;
        let authority = rest.split('/').next().filter(|text| !text.is_empty()).ok_or_else(malformed)?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(malformed()),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| malformed())?),
            _ => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let resolved = (host, port).to_socket_addrs().map_err(BenchError::io("resolving the address"))?.next();
        let tls = match scheme {
            "https" => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
                Some((name, Arc::new(client_config(ca_file)?)))
            }
            _ => None,
        };
        Ok(Endpoint { address: resolved.ok_or_else(malformed)?, authority: authority.to_owned(), tls })
    }

    /// What belongs into the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Opens a connection, with TLS when the address says so.
    pub async fn connect(&self) -> Result<Connection, WireError> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((name, config)) => {
                Box::new(tokio_rustls::TlsConnector::from(config.clone()).connect(name.clone(), tcp).await?)
            }
        };
        Ok(Connection { stream, buffer: vec![0; READ_BUFFER_BYTES], body: Vec::new(), ended: false })
    }
}

fn client_config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, BenchError> {
    let ca_file = ca_file.ok_or_else(|| BenchError::Setup("https needs -ca-cert".into()))?;
    let unusable = |_| BenchError::Setup("the file of the certificate authority cannot be used".into());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(unusable)? {
        let added = roots.add(certificate.map_err(unusable)?);
        added.map_err(|_| BenchError::Setup("the file of the certificate authority cannot be used".into()))?;
    }
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// One answer; the body borrows the connection's buffer.
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`, empty when absent.
    pub content_type: &'a [u8],
    /// The whole body, chunks joined.
    pub body: &'a [u8],
}

/// A keep-alive connection with one exchange at a time.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    body: Vec<u8>,
    ended: bool,
}

/// What the head of an answer says.
struct Head {
    status: u16,
    length_bytes: usize,
    framing: Framing,
    closes: bool,
    content_type: Option<(usize, usize)>,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// The server said that it closes this connection after its last answer.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Sends one whole request and reads the whole answer. After an error the connection is of no further use.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>, WireError> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head = loop {
            filled = self.read_more(filled).await?;
            match parse_head(&self.buffer[..filled])? {
                // An interim answer (100 to 199) precedes the real one.
                Some(head) if head.status < 200 => {
                    self.buffer.copy_within(head.length_bytes..filled, 0);
                    filled -= head.length_bytes;
                    if let Some(head) = parse_head(&self.buffer[..filled])? {
                        break head;
                    }
                }
                Some(head) => break head,
                None => {}
            }
        };
        self.ended = head.closes;
        let range = match head.framing {
            Framing::Length(length) => {
                let end = head.length_bytes.checked_add(length).ok_or(WireError::TooLarge)?;
                if end > MAX_RESPONSE_BYTES {
                    return Err(WireError::TooLarge);
                }
                while filled < end {
                    filled = self.read_more(filled).await?;
                }
                if filled > end {
                    return Err(WireError::Malformed("bytes after the end of the answer"));
                }
                Some(head.length_bytes..end)
            }
            Framing::Chunked => {
                loop {
                    self.body.clear();
                    match unchunk(&self.buffer[head.length_bytes..filled], &mut self.body)? {
                        Some(used) if head.length_bytes + used == filled => break,
                        Some(_) => return Err(WireError::Malformed("bytes after the end of the answer")),
                        None => filled = self.read_more(filled).await?,
                    }
                }
                None
            }
        };
        let content_type = match head.content_type {
            Some((start, end)) => &self.buffer[start..end],
            None => &[],
        };
        let body = match range {
            Some(range) => &self.buffer[range],
            None => &self.body[..],
        };
        Ok(Response { status: head.status, content_type, body })
    }

    async fn read_more(&mut self, filled: usize) -> Result<usize, WireError> {
        if filled == self.buffer.len() {
            if filled >= MAX_RESPONSE_BYTES {
                return Err(WireError::TooLarge);
            }
            self.buffer.resize(filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(WireError::Closed),
            read => Ok(filled + read),
        }
    }
}

/// Reads the head of an answer; `None` while it is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, WireError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length_bytes = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(WireError::Malformed("head")),
    };
    let status = response.code.ok_or(WireError::Malformed("status"))?;
    let (mut length, mut chunked, mut content_type) = (None, false, None);
    let mut closes = response.version == Some(0);
    for header in response.headers.iter() {
        // Most headers are told apart by the length of their names, without a comparison.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let text = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse::<usize>().ok());
                length = Some(text.ok_or(WireError::Malformed("content-length"))?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                chunked = header.value.eq_ignore_ascii_case(b"chunked");
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                closes = header.value.eq_ignore_ascii_case(b"close");
            }
            12 if header.name.eq_ignore_ascii_case("content-type") => {
                let start = header.value.as_ptr() as usize - bytes.as_ptr() as usize;
                content_type = Some((start, start + header.value.len()));
            }
            _ => {}
        }
    }
    let framing = match (chunked, length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) if status == 204 || status == 304 || status < 200 => Framing::Length(0),
        (false, None) => return Err(WireError::Malformed("neither a length nor chunks")),
    };
    Ok(Some(Head { status, length_bytes, framing, closes, content_type }))
}

/// Joins the chunks of a body into `body`; returns how many bytes they took, or `None` while the last is missing.
fn unchunk(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, WireError> {
    let mut at = 0;
    loop {
        let (digits_bytes, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(WireError::Malformed("chunk size")),
        };
        let start = at + digits_bytes;
        let size = usize::try_from(size).ok().filter(|&size| size <= MAX_RESPONSE_BYTES).ok_or(WireError::TooLarge)?;
        if size == 0 {
            // Trailers end with an empty line, as the chunks without any do.
            let rest = &bytes[start..];
            return Ok(if rest.starts_with(b"\r\n") {
                Some(start + 2)
            } else {
                memchr::memmem::find(rest, b"\r\n\r\n").map(|end| start + end + 4)
            });
        }
        let Some(chunk) = bytes.get(start..start + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err(WireError::Malformed("chunk end"));
        }
        body.extend_from_slice(&chunk[..size]);
        at = start + size + 2;
    }
}

#[cfg(test)]
mod tests;

//! A wire request written as text: the first line has verb and target, the next ones headers, and the body begins after an
//! empty line. Every text is one, so that no input is lost on form.

use cardea_model::SecretBytes;
use cardea_model::wire::WireRequest;
use std::net::SocketAddr;

/// Reads any bytes.
#[must_use]
pub fn read(data: &[u8]) -> WireRequest {
    let (first, mut rest) = line(data);
    let (method, target) = first.split_once(' ').unwrap_or((&first, "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let header = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':').unwrap_or(header.len());
        let name = String::from_utf8_lossy(&header[..colon]).to_ascii_lowercase();
        headers.push((name, header.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec()));
    }
    WireRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: SecretBytes::new(rest.to_vec()),
        peer: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        tls: None,
    }
}

fn line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}

/// The same request again.
#[must_use]
pub fn copy(wire: &WireRequest) -> WireRequest {
    WireRequest {
        method: wire.method.clone(),
        path: wire.path.clone(),
        query: wire.query.clone(),
        headers: wire.headers.clone(),
        body: SecretBytes::new(wire.body.expose().to_vec()),
        peer: wire.peer,
        tls: None,
    }
}

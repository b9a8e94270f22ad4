//! For the tests of this crate: a server in memory, and requests over a bare socket, so that nothing polishes them.

use crate::{Config, ListenerConfig, Running, start};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server in memory on a free port, its listener changed as the test needs.
pub(crate) async fn server(change: impl FnOnce(&mut ListenerConfig)) -> Running {
    let mut config = Config::in_memory("127.0.0.1:0");
    change(&mut config.listeners[0]);
    start(config).await.unwrap()
}

/// An answer as it stands on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends bytes and reads until the other side closes or nothing comes any more.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let bytes = bytes.to_vec();
    tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        // The server may close while it is written to: what it said before is what counts.
        let _ = stream.write_all(&bytes);
        rest(&mut stream)
    })
    .await
    .unwrap()
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// What comes until the end of the stream.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        seen.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: cardea\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    parse(&raw(address, text.as_bytes()).await)
}

pub(crate) fn parse(text: &str) -> Seen {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer, but {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Seen { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

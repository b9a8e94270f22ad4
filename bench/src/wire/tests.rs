//! Answers cut at every byte, framings, and what is refused.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Serves one connection with the given pieces, one write each, and returns what the client made of them.
async fn answer_of(pieces: Vec<Vec<u8>>) -> Result<(u16, Vec<u8>, bool), String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap()), None).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 64];
        let read = stream.read(&mut request).await.unwrap();
        assert!(read > 0);
        for piece in pieces {
            stream.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let mut connection = endpoint.connect().await.unwrap();
    let answer = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.map(|r| (r.status, r.body.to_vec()));
    let ended = connection.is_ended();
    let result = answer.map(|(status, body)| (status, body, ended)).map_err(|error| error.to_string());
    server.await.unwrap();
    result
}

#[tokio::test]
async fn framings() {
    let cases: [(&str, &str, u16, &str, bool); 6] = [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=1\r\n ho\r\n0\r\n\r\n",
            200,
            "hi ho",
            false,
        ),
        (
            "trailers",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
            200,
            "hi",
            false,
        ),
        ("close", "HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 503, "", true),
        ("interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false),
    ];
    for (name, text, status, body, closes) in cases {
        let expected = Ok((status, body.as_bytes().to_vec(), closes));
        assert_eq!(answer_of(vec![text.into()]).await, expected, "{name} in one piece");
        for cut in 1..text.len() {
            let pieces = vec![text.as_bytes()[..cut].to_vec(), text.as_bytes()[cut..].to_vec()];
            assert_eq!(answer_of(pieces).await, expected, "{name} cut at {cut}");
        }
    }
}

#[tokio::test]
async fn refused_answers() {
    let cases = [
        ("early end", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "closed"),
        ("nothing", "", "closed"),
        ("too long", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "larger"),
        ("bytes after", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi", "after the end"),
        ("no framing", "HTTP/1.1 200 OK\r\n\r\n", "neither"),
        ("not http", "SSH-2.0-x\r\n\r\n", "malformed"),
        ("bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
    ];
    for (name, text, words) in cases {
        let error = answer_of(vec![text.into()]).await.expect_err(name);
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[tokio::test]
async fn large_answers_grow_the_buffer() {
    let body = "x".repeat(200_000);
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(answer_of(vec![text.into()]).await, Ok((200, body.into_bytes(), false)));
}

#[test]
fn addresses() {
    for address in ["http://127.0.0.1:8200", "http://127.0.0.1:8200/", "http://[::1]:8200", "http://127.0.0.1"] {
        assert!(Endpoint::parse(address, None).is_ok(), "{address}");
    }
    for address in ["127.0.0.1:8200", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", "https://127.0.0.1:1"] {
        assert!(Endpoint::parse(address, None).is_err(), "{address}");
    }
}

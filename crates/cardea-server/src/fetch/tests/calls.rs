//! What is sent to a source, what becomes of its answers, and which failures mean that nothing happened.

use super::{http, outside};
use cardea_model::{SecretBytes, SecretText};
use cardea_sdk::ExternalError;
use cardea_sdk::call::{ANSWER_BYTES_MAX, Address, HttpAnswer, HttpCall, HttpMethod};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SECRET: &str = "sk-very-secret";

/// A server for one request: what it heard, and the answer it gives. `hangs` never closes.
async fn once(answer: Vec<u8>, hangs: bool) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/api", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        let mut part = [0; 1024];
        while !heard.ends_with(b"{\"a\":1}") {
            let got = stream.read(&mut part).await.unwrap();
            assert!(got > 0, "the request ended early");
            heard.extend_from_slice(&part[..got]);
        }
        let _ = stream.write_all(&answer).await;
        if hangs {
            std::future::pending::<()>().await;
        }
        let _ = stream.shutdown().await;
        String::from_utf8(heard).unwrap()
    });
    (address, heard)
}

async fn send(address: &str) -> Result<HttpAnswer, ExternalError> {
    let address = Address::parse("address", address).unwrap();
    let call = HttpCall {
        method: HttpMethod::Post,
        address: &address,
        target: "/keys?of=a%20b".to_owned(),
        headers: vec![("authorization".to_owned(), SecretText::new(format!("Bearer {SECRET}")))],
        body: SecretBytes::new(b"{\"a\":1}".to_vec()),
        ca_pem: "",
    };
    outside().send(&call).await
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_asked_for() {
    let (address, heard) = once(http("201 Created", b"{\"id\":1}"), false).await;
    let answer = send(&address).await.unwrap();
    assert_eq!((answer.status, answer.body.expose()), (201, &b"{\"id\":1}"[..]));
    let heard = heard.await.unwrap().to_lowercase();
    assert!(heard.starts_with("post /api/keys?of=a%20b http/1.1\r\n"), "{heard}");
    for line in ["authorization: bearer sk-very-secret\r\n", "content-length: 7\r\n", "host: 127.0.0.1:"] {
        assert!(heard.contains(line), "{heard}");
    }
}

#[tokio::test]
async fn any_status_is_an_answer_and_half_an_answer_is_none() {
    let chunked = |bytes: usize| {
        let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n");
        [head.as_bytes(), &vec![b'x'; bytes], b"\r\n0\r\n\r\n"].concat()
    };
    let whole = vec![b'x'; ANSWER_BYTES_MAX];
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000)).into_bytes();
    let table: [(&str, Vec<u8>, bool, Option<u16>); 11] = [
        ("as large as may be", http("200 OK", &whole), false, Some(200)),
        ("a redirect", http("302 Found\r\nlocation: http://127.0.0.1:1/", b""), false, Some(302)),
        ("refused", http("403 Forbidden", b"sk-very-secret"), false, Some(403)),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false, Some(204)),
        ("larger", http("200 OK", &[whole.as_slice(), b"x"].concat()), false, None),
        ("larger in pieces", chunked(ANSWER_BYTES_MAX + 1), false, None),
        ("no HTTP", b"SSH-2.0-OpenSSH sk-very-secret\r\n".to_vec(), false, None),
        ("nothing", Vec::new(), false, None),
        ("cut off", http("200 OK", b"{}")[..39].to_vec(), false, None),
        ("a long head", long_head, false, None),
        ("silence", Vec::new(), true, None),
    ];
    for (what, answer, hangs, expected) in table {
        let (address, heard) = once(answer, hangs).await;
        match (send(&address).await, expected) {
            (Ok(answer), Some(status)) => assert_eq!(answer.status, status, "{what}"),
            (Err(failed), None) => {
                assert!(!failed.nothing_happened && failed.temporary, "{what}: it may have happened");
                let words = format!("{failed:?} {}", failed.detail.as_str());
                assert!(!words.contains(SECRET), "{what}: {words}");
            }
            (found, _) => panic!("{what}: {found:?}"),
        }
        heard.abort();
    }
}

#[tokio::test]
async fn where_nobody_is_nothing_happened() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    // Nobody there; a name that nobody has; TLS to one who speaks none.
    let (plain, heard) = once(Vec::new(), false).await;
    for address in [
        format!("http://{closed}"),
        "https://no-such-host.invalid".to_owned(),
        plain.replace("http://127.0.0.1", "https://localhost"),
    ] {
        let failed = send(&address).await.unwrap_err();
        assert!(failed.nothing_happened && failed.temporary, "{address}: {failed:?}");
    }
    heard.abort();
}

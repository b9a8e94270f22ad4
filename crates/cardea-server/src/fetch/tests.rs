//! Servers that answer as they should, and in every way that they should not.

mod calls;

use super::Outside;
use cardea_sdk::Fetch;
use cardea_sdk::fetch::DOCUMENT_BYTES_MAX;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn outside() -> Outside {
    Outside { limit: Duration::from_millis(500), answer_limit: Duration::from_millis(500) }
}

/// Answers every connection with these bytes, and keeps it open if `hangs`.
async fn serve(answer: Vec<u8>, hangs: bool, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => respond(stream, &answer, hangs).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        respond(stream, &answer, hangs).await;
                    }
                }
            }
        }
    });
    address
}

async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8], hangs: bool) {
    let mut head = [0; 1024];
    let got = stream.read(&mut head).await.unwrap_or(0);
    let text = String::from_utf8_lossy(&head[..got]).to_lowercase();
    assert!(text.starts_with("get /keys?a=b http/1.1\r\n") && !text.contains("authorization"), "{text}");
    let _ = stream.write_all(answer).await;
    if hangs {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let _ = stream.shutdown().await;
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

async fn fetched(answer: Vec<u8>, hangs: bool) -> Result<Vec<u8>, String> {
    let address = serve(answer, hangs, None).await;
    outside().get(&format!("http://{address}/keys?a=b"), "").await.map_err(|error| error.0)
}

/// The document's length, or how the words begin.
type Expected = Result<usize, &'static str>;

#[tokio::test]
async fn answers_and_what_becomes_of_them() {
    let whole = vec![b'x'; DOCUMENT_BYTES_MAX];
    let chunked = |bytes: usize| {
        let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{bytes:x}\r\n");
        [head.as_bytes(), &vec![b'x'; bytes], b"\r\n0\r\n\r\n"].concat()
    };
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000)).into_bytes();
    let table: [(&str, Vec<u8>, bool, Expected); 14] = [
        ("small", http("200 OK", b"{}"), false, Ok(2)),
        ("as large as may be", http("200 OK", &whole), false, Ok(DOCUMENT_BYTES_MAX)),
        ("larger", http("200 OK", &[whole.as_slice(), b"x"].concat()), false, Err("larger than")),
        ("larger in pieces", chunked(DOCUMENT_BYTES_MAX + 1), false, Err("larger than")),
        ("in pieces", chunked(100), false, Ok(100)),
        ("a redirect", http("302 Found\r\nlocation: http://127.0.0.1:1/", b""), false, Err("status 302")),
        ("not there", http("404 Not Found", b"{}"), false, Err("status 404")),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false, Err("status 204")),
        ("no HTTP", b"SSH-2.0-OpenSSH\r\n".to_vec(), false, Err("the answer cannot be read")),
        ("nothing", Vec::new(), false, Err("the answer cannot be read")),
        ("cut off", http("200 OK", b"{}")[..39].to_vec(), false, Err("the answer cannot be read")),
        ("a long head", long_head, false, Err("the answer cannot be read")),
        ("silence", Vec::new(), true, Err("no whole answer in time")),
        ("half an answer", http("200 OK", b"{}")[..39].to_vec(), true, Err("no whole answer in time")),
    ];
    for (what, answer, hangs, expected) in table {
        match (fetched(answer, hangs).await, expected) {
            (Ok(document), Ok(length)) => assert_eq!(document.len(), length, "{what}"),
            (Err(why), Err(words)) => assert!(why.starts_with(words), "{what}: {why}"),
            (found, _) => panic!("{what}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn addresses_that_are_not_asked() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (address, words) in [
        (format!("http://{closed}/"), "cannot connect"),
        ("http://192.0.2.1/".to_owned(), "plain http is for this machine itself"),
        ("http://[2001:db8::1]/".to_owned(), "plain http is for this machine itself"),
        ("http://0.0.0.0/".to_owned(), "plain http is for this machine itself"),
        ("https://me:secret@127.0.0.1/".to_owned(), "an address with credentials"),
        ("ftp://127.0.0.1/".to_owned(), "neither https nor http"),
        ("/keys".to_owned(), "not an address"),
        (String::new(), "not an address"),
        ("https://no-such-host.invalid/".to_owned(), ""),
    ] {
        let why = outside().get(&address, "").await.unwrap_err().0;
        assert!(why.starts_with(words), "{address}: {why}");
    }
}

#[tokio::test]
async fn who_is_believed_over_tls() {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let address = serve(http("200 OK", b"{}"), false, Some(TlsAcceptor::from(Arc::new(config)))).await;
    let port = address.port();
    let pem = pem(ca.der());
    let get = async |host: &str, ca_pem: &str| {
        outside().get(&format!("https://{host}:{port}/keys?a=b"), ca_pem).await.map_err(|error| error.0)
    };
    assert_eq!(get("localhost", &pem).await.unwrap(), b"{}");
    for (host, ca_pem) in [("localhost", ""), ("127.0.0.1", pem.as_str())] {
        let why = get(host, ca_pem).await.unwrap_err();
        assert!(why.starts_with("TLS failed") || why.starts_with("there is no authority"), "{host}: {why}");
    }
    for broken in ["-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "no PEM"] {
        assert!(get("localhost", broken).await.is_err());
    }
    // TLS where plain HTTP was asked for, and the other way round.
    assert!(outside().get(&format!("http://127.0.0.1:{port}/keys?a=b"), "").await.is_err());
    let plain = serve(http("200 OK", b"{}"), false, None).await.port();
    tokio::time::timeout(Duration::from_secs(5), outside().get(&format!("https://localhost:{plain}/"), &pem))
        .await
        .unwrap()
        .unwrap_err();
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("keys"), b"{}").unwrap();
    std::fs::write(path("largest"), vec![b'x'; DOCUMENT_BYTES_MAX]).unwrap();
    std::fs::write(path("larger"), vec![b'x'; DOCUMENT_BYTES_MAX + 1]).unwrap();
    assert_eq!(outside().file(&path("keys")).await.unwrap(), b"{}");
    assert_eq!(outside().file(&path("largest")).await.unwrap().len(), DOCUMENT_BYTES_MAX);
    for (path, words) in [
        (path("larger"), "larger than"),
        (path("absent"), "the file cannot be read"),
        (path("."), "not a plain file"),
        ("/dev/zero".to_owned(), "not a plain file"),
        ("keys".to_owned(), "the path is not absolute"),
    ] {
        let why = outside().file(&path).await.unwrap_err().0;
        assert!(why.starts_with(words), "{path}: {why}");
    }
}

//! The client against a server that says what its script says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Not only the tests but what they share.

mod fake;

use cardea_client::{Client, ClientError, Options, Request, TlsOptions, blocking::Blocking};
use cardea_model::SecretText;
use fake::{Fake, said};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};

fn client(fake: &Fake, change: impl FnOnce(&mut Options)) -> Blocking {
    let mut options = Options { address: fake.address.clone(), ..Options::default() };
    change(&mut options);
    Blocking::new(options).unwrap()
}

fn read(client: &Blocking, path: &str) -> Result<Option<cardea_client::Secret>, ClientError> {
    client.wait(client.client().read(path))
}

#[test]
fn a_request_says_who_where_and_how() {
    let fake = Fake::start(|_, _| said(204, ""));
    let client = client(&fake, |o| {
        o.token = Some(SecretText::new("hvs.token\n".to_owned()));
        o.namespace = Some("/team/a".to_owned());
        o.wrap_ttl = Some("60".to_owned());
        o.headers.push(("X-Mine".to_owned(), "yes".to_owned()));
    });
    client.wait(client.client().write("secret/a", &json!({"k": "v"}))).unwrap();
    client.wait(client.client().ask(&Request::get("sys/x").unwrapped())).unwrap();
    let asked = fake.asked();
    assert_eq!(asked[0].line, "PUT /v1/secret/a");
    assert_eq!(asked[0].body, r#"{"k":"v"}"#);
    for (name, value) in [
        ("x-vault-token", "hvs.token"),
        ("x-vault-request", "true"),
        ("x-vault-namespace", "team/a/"),
        ("x-vault-wrap-ttl", "60"),
        ("content-type", "application/json"),
        ("x-mine", "yes"),
    ] {
        assert_eq!(asked[0].header(name), Some(value), "{name}");
    }
    assert_eq!(asked[1].header("x-vault-wrap-ttl"), None);
}

#[test]
fn wrapping_has_a_default_time_and_patches_their_type() {
    let fake = Fake::start(|_, _| said(204, ""));
    let client = client(&fake, |_| {});
    client.wait(client.client().write("sys/wrapping/wrap", &json!({}))).unwrap();
    client.wait(client.client().ask(&Request::patch("p", &json!({})))).unwrap();
    let asked = fake.asked();
    assert_eq!(asked[0].header("x-vault-wrap-ttl"), Some("5m"));
    assert_eq!(asked[1].header("content-type"), Some("application/merge-patch+json"));
}

#[test]
fn not_found_is_nothing_unless_it_says_more() {
    let fake = Fake::replay(vec![
        said(404, r#"{"errors":[]}"#),
        said(404, r#"{"errors":["no handler for route"]}"#),
        said(404, r#"{"data":{"data":null,"metadata":{"version":1}}}"#),
        said(404, "gone"),
    ]);
    let client = client(&fake, |_| {});
    assert!(read(&client, "a").unwrap().is_none());
    assert_eq!(read(&client, "a").unwrap_err().status(), Some(404));
    assert!(read(&client, "a").unwrap().unwrap().data().unwrap().contains_key("metadata"));
    assert!(read(&client, "a").unwrap().is_none());
}

#[test]
fn passing_failures_are_asked_again() {
    for (statuses, retries, requests, status) in [
        (vec![503, 200], 2, 2, None),
        (vec![412, 500, 200], 2, 3, None),
        (vec![503, 503, 503, 200], 2, 3, Some(503)),
        (vec![503, 200], 0, 1, Some(503)),
        (vec![501, 200], 2, 1, Some(501)),
        (vec![403, 200], 2, 1, Some(403)),
    ] {
        let script = statuses.clone();
        let fake = Fake::start(move |_, index| said(script[index], r#"{"errors":["x"]}"#).with("Retry-After", "0"));
        let client = client(&fake, |o| o.retries = retries);
        let outcome = client.wait(client.client().write("p", &json!({})));
        assert_eq!(outcome.as_ref().err().and_then(ClientError::status), status, "{statuses:?}");
        assert_eq!(fake.asked().len(), requests, "{statuses:?}");
    }
}

#[test]
fn one_redirect_is_followed_with_the_whole_request() {
    let fake = Fake::replay(vec![
        said(307, "").with("Location", "/v1/elsewhere?x=1"),
        said(200, r#"{"data":{"a":1}}"#),
        said(307, "").with("Location", "/v1/again"),
        said(307, "").with("Location", "/v1/again"),
    ]);
    let client = client(&fake, |_| {});
    let secret = client.wait(client.client().write("p", &json!({"k": 1}))).unwrap().unwrap();
    assert_eq!(secret.data().unwrap()["a"], 1);
    assert_eq!(fake.lines(), ["PUT /v1/p", "PUT /v1/elsewhere?x=1"]);
    assert_eq!(fake.asked()[1].body, r#"{"k":1}"#);
    // A second redirect is an answer without a body and not a loop.
    assert!(client.wait(client.client().write("p", &json!({}))).unwrap().is_none());
    assert_eq!(fake.asked().len(), 4);
}

#[test]
fn answers_have_a_bound() {
    let fake = Fake::start(|_, _| said(200, &"x".repeat(1_000)));
    let client = client(&fake, |_| {});
    let mut request = Request::get("p");
    request.answer_bytes_max = 999;
    let failure = client.wait(client.client().send(&request)).unwrap_err();
    assert!(matches!(failure, ClientError::TooLarge { limit_bytes: 999, .. }), "{failure}");
    request.answer_bytes_max = 1_000;
    assert_eq!(client.wait(client.client().send(&request)).unwrap().body.len(), 1_000);
}

#[test]
fn a_silent_server_is_left() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let options = Options { address, timeout_s: Some(1), ..Options::default() };
    let client = Blocking::new(options).unwrap();
    assert!(matches!(read(&client, "p"), Err(ClientError::Timeout { after_s: 1, .. })));
}

#[test]
fn a_closed_port_reads_as_in_vault() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let options = Options { address: format!("http://{address}"), retries: 0, ..Options::default() };
    let client = Blocking::new(options).unwrap();
    let text = read(&client, "sys/seal-status").err().unwrap().to_string();
    let expected =
        format!("Get \"http://{address}/v1/sys/seal-status\": dial tcp {address}: connect: connection refused");
    assert_eq!(text, expected);
}

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testdata").join(name)
}

fn tls_fake(answer: fake::Said) -> Fake {
    let certificates = CertificateDer::pem_file_iter(testdata("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(testdata("server-key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let config = Arc::new(config);
    Fake::start_over(
        move |_, _| answer.clone(),
        "https",
        move |stream, talk| {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            talk(&mut rustls::StreamOwned::new(connection, stream));
        },
    )
}

#[test]
fn only_what_is_trusted_is_spoken_to() {
    let trust = |change: fn(&mut TlsOptions)| {
        let fake = tls_fake(said(200, r#"{"data":{"a":1}}"#));
        let client = client(&fake, |o| {
            o.retries = 0;
            change(&mut o.tls);
        });
        (read(&client, "p").is_ok(), fake.asked().len())
    };
    assert_eq!(trust(|_| {}), (false, 0));
    assert_eq!(trust(|tls| tls.ca_cert = Some(testdata("ca.pem"))), (true, 1));
    assert_eq!(trust(|tls| tls.ca_cert_bytes = std::fs::read_to_string(testdata("ca.pem")).ok()), (true, 1));
    assert_eq!(trust(|tls| tls.skip_verify = true), (true, 1));
    let named = |name: &str| {
        let tls = TlsOptions {
            ca_cert: Some(testdata("ca.pem")),
            server_name: Some(name.to_owned()),
            ..TlsOptions::default()
        };
        let fake = tls_fake(said(204, ""));
        read(&client(&fake, |o| (o.tls, o.retries) = (tls, 0)), "p").is_ok()
    };
    assert!(named("cardea.test"));
    assert!(!named("other.test"));
}

#[test]
fn trust_that_cannot_be_read_is_an_error_and_not_less_trust() {
    for tls in [
        TlsOptions { ca_cert: Some(testdata("absent.pem")), ..TlsOptions::default() },
        TlsOptions { ca_cert: Some(testdata("server-key.pem")), ..TlsOptions::default() },
        TlsOptions { ca_cert_bytes: Some(String::new()), ..TlsOptions::default() },
        TlsOptions { client_cert: Some(testdata("server.pem")), ..TlsOptions::default() },
    ] {
        let options = Options { address: "https://127.0.0.1:1".to_owned(), tls, ..Options::default() };
        assert!(matches!(Client::new(options), Err(ClientError::Setup(_))));
    }
}

#[test]
fn a_redirect_never_leaves_tls() {
    let plain = Fake::start(|_, _| said(200, "{}"));
    let fake = tls_fake(said(307, "").with("Location", &format!("{}/v1/p", plain.address)));
    let client = client(&fake, |o| {
        o.tls.ca_cert = Some(testdata("ca.pem"));
        o.token = Some(SecretText::new("hvs.token".to_owned()));
    });
    let failure = read(&client, "p").unwrap_err();
    assert!(matches!(failure, ClientError::Redirect { .. }), "{failure}");
    assert!(plain.asked().is_empty());
}

#[test]
fn plain_http_behind_a_tls_address_is_named() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        stream.read(&mut hello).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")).unwrap();
    });
    let tls = TlsOptions { skip_verify: true, ..TlsOptions::default() };
    let client = Blocking::new(Options { address, tls, retries: 0, ..Options::default() }).unwrap();
    let text = read(&client, "p").unwrap_err().to_string();
    assert!(text.ends_with("http: server gave HTTP response to HTTPS client"), "{text}");
}

//! TLS: what is negotiated, whose certificates are shown and asked for, and what SIGHUP changes.

use super::*;
use crate::config::TlsConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", BASE64.encode(der))
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key in PEM form.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// Writes what a listener needs.
    fn deploy(&self, folder: &Path) -> TlsConfig {
        let (certificate, key) = self.issue("localhost");
        std::fs::write(folder.join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        std::fs::write(folder.join("ca.pem"), pem("CERTIFICATE", self.0.der())).unwrap();
        TlsConfig {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            client_ca: None,
            require_client: false,
            only_13: false,
        }
    }
}

type Client = tokio_rustls::client::TlsStream<TcpStream>;

async fn dial(address: SocketAddr, config: ClientConfig) -> io::Result<Client> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn client(versions: &[&'static rustls::SupportedProtocolVersion], roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

async fn health(stream: &mut Client) -> io::Result<String> {
    stream.write_all(b"GET /v1/sys/health HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut seen = vec![0; 12];
    stream.read_exact(&mut seen).await?;
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

async fn encrypted(authority: &Authority, change: impl FnOnce(&mut TlsConfig)) -> (TempDir, crate::Running) {
    let folder = tempfile::tempdir().unwrap();
    let mut tls = authority.deploy(folder.path());
    change(&mut tls);
    let running = server(|listener| listener.tls = Some(tls)).await;
    (folder, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_exchange_is_hybrid_and_old_versions_are_refused() {
    let authority = Authority::new();
    let (_folder, running) = encrypted(&authority, |_| {}).await;
    let mut stream = dial(running.addresses[0], client(&[&rustls::version::TLS13], authority.roots())).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(health(&mut stream).await.unwrap(), "HTTP/1.1 501");
    let old = client(&[&rustls::version::TLS12], authority.roots());
    assert!(dial(running.addresses[0], old.clone()).await.is_ok(), "TLS 1.2 is served unless the owner says no");

    let (_folder, strict) = encrypted(&authority, |tls| tls.only_13 = true).await;
    assert!(dial(strict.addresses[0], old).await.is_err());
    let mut both = client(&[&rustls::version::TLS13], authority.roots());
    both.alpn_protocols = vec![b"h2".to_vec()];
    let stream = dial(strict.addresses[0], both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // Plain text on a TLS port is no request.
    assert!(!raw(strict.addresses[0], b"GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP"));
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_the_connection_reach_the_request() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let mut config = authority.deploy(folder.path());
    config.client_ca = Some(folder.path().join("ca.pem"));
    let tls = Tls::open(config).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (certificate, key) = authority.issue("client");
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_client_auth_cert(vec![der.clone()], PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        .unwrap();
    let dialing = tokio::spawn(dial(address, config));
    let (stream, _) = socket.accept().await.unwrap();
    let accepted = tls.acceptor().accept(stream).await.unwrap();
    let facts = tls::facts(accepted.get_ref().1);
    assert_eq!(facts.version, "TLSv1_3");
    assert_eq!(facts.key_exchange.as_deref(), Some("X25519MLKEM768"));
    assert!(facts.cipher_suite.starts_with("TLS13_"), "{}", facts.cipher_suite);
    let expected = hex::encode(cardea_crypto::mac::sha256(&[der.as_ref()]));
    assert_eq!(facts.client_certificate_sha256, Some(expected));
    drop(dialing.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_certificate_is_turned_away_where_one_is_required() {
    let authority = Authority::new();
    let (_folder, running) = encrypted(&authority, |tls| {
        tls.client_ca = Some(tls.certificate.with_file_name("ca.pem"));
        tls.require_client = true;
    })
    .await;
    // In TLS 1.3 a client learns of it with its first read.
    let refused = match dial(running.addresses[0], client(&[&rustls::version::TLS13], authority.roots())).await {
        Ok(mut stream) => health(&mut stream).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_shown_after_a_reload_and_bad_ones_are_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let (folder, running) = encrypted(&old, |_| {}).await;
    let address = running.addresses[0];
    let trusts = |authority: &Authority| dial(address, client(&[&rustls::version::TLS13], authority.roots()));
    let mut before = trusts(&old).await.unwrap();
    assert!(trusts(&new).await.is_err());

    new.deploy(folder.path());
    assert!(trusts(&old).await.is_ok(), "nothing changes unasked");
    running.reload();
    assert!(trusts(&new).await.is_ok());
    assert!(trusts(&old).await.is_err());
    assert_eq!(health(&mut before).await.unwrap(), "HTTP/1.1 501", "an open connection goes on");

    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    running.reload();
    assert!(trusts(&new).await.is_ok(), "what was in force stays so");
    // A pair whose halves do not belong together is no pair.
    std::fs::write(folder.path().join("key.pem"), old.issue("localhost").1).unwrap();
    running.reload();
    assert!(trusts(&new).await.is_ok());
}

#[test]
fn files_that_are_not_in_order_are_one_clear_line_without_their_content() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let good = authority.deploy(folder.path());
    std::fs::write(folder.path().join("bad"), "hunter2").unwrap();
    let bad = folder.path().join("bad");
    let table = [
        (TlsConfig { certificate: bad.clone(), ..good.clone() }, "holds no certificate"),
        (TlsConfig { key: bad.clone(), ..good.clone() }, "holds no private key"),
        (TlsConfig { key: folder.path().join("missing"), ..good.clone() }, "cannot be read"),
        (TlsConfig { client_ca: Some(bad), ..good.clone() }, "holds no certificate"),
    ];
    for (config, expected) in table {
        let error = Tls::open(config).err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

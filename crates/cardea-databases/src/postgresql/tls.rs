//! The driver's TLS on rustls: who is believed to be the server.
//!
//! What `sslmode` promises is checked here and nowhere else. It must never fall back to less than was asked: only
//! `prefer` may go on without TLS, and the driver does that before this module is asked.

use cardea_model::SecretText;
use cardea_sdk::ExternalError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

/// What is asked of the connection, from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TlsMode {
    Disable,
    /// TLS if the server offers it; nobody is verified.
    Prefer,
    /// TLS, but nobody is verified: protects from listeners only.
    Require,
    /// The certificate comes from a CA that is trusted.
    VerifyCa,
    /// And it is for this host.
    VerifyFull,
}

/// Where Linux distributions and BSDs keep the CAs that the machine trusts.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes the connector.
///
/// # Errors
/// PEM texts that do not parse, or nobody to trust.
pub fn make(mode: TlsMode, ca: &str, certificate: &str, key: &SecretText) -> Result<MakeTls, ExternalError> {
    if mode == TlsMode::Disable {
        return Ok(MakeTls(None));
    }
    let refused = |words: &str| ExternalError::refused(words, "");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut verifier = Verifier {
        mode,
        roots: RootCertStore::empty(),
        pinned: Vec::new(),
        algorithms: provider.signature_verification_algorithms,
    };
    if mode >= TlsMode::VerifyCa {
        if ca.is_empty() {
            verifier.trust_the_machines();
        } else {
            verifier.trust(ca).map_err(|()| refused("tls_ca is not a list of certificates in PEM form"))?;
        }
        if verifier.roots.is_empty() {
            return Err(refused("there is no CA to verify the database with: set tls_ca"));
        }
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| refused("TLS is not available"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match (certificate.is_empty(), key.is_empty()) {
        (true, true) => builder.with_no_client_auth(),
        (false, false) => {
            let words = "tls_certificate and private_key are not a certificate and its key in PEM form";
            let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|_| refused(words))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| refused(words))?;
            builder.with_client_auth_cert(chain, key).map_err(|_| refused(words))?
        }
        _ => return Err(refused("tls_certificate and private_key belong together: one is missing")),
    };
    Ok(MakeTls(Some(Arc::new(config))))
}

#[derive(Debug)]
struct Verifier {
    mode: TlsMode,
    roots: RootCertStore,
    /// The same certificates as they are: a server that presents one of them itself (self-signed) is believed.
    pinned: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn trust(&mut self, pem: &str) -> Result<(), ()> {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| ())?;
            self.roots.add(certificate.clone()).map_err(|_| ())?;
            self.pinned.push(certificate);
        }
        if self.pinned.is_empty() { Err(()) } else { Ok(()) }
    }

    fn trust_the_machines(&mut self) {
        for path in SYSTEM_BUNDLES {
            if let Ok(pem) = std::fs::read(path) {
                self.roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
                return;
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.mode < TlsMode::VerifyCa {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if !self.pinned.contains(end_entity) {
            rustls::client::verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.mode == TlsMode::VerifyFull {
            rustls::client::verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What the driver asks for a connector; `None` where TLS is off.
#[derive(Clone)]
pub struct MakeTls(Option<Arc<ClientConfig>>);

impl<S> MakeTlsConnect<S> for MakeTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connect, io::Error> {
        // A Unix socket has no name that TLS knows; that matters only if TLS is spoken.
        Ok(Connect { config: self.0.clone(), name: ServerName::try_from(domain.to_owned()).ok() })
    }
}

/// One handshake to be.
pub struct Connect {
    config: Option<Arc<ClientConfig>>,
    name: Option<ServerName<'static>>,
}

impl<S> TlsConnect<S> for Connect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let (Some(config), Some(name)) = (self.config, self.name) else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "no TLS for this host"));
            };
            tokio_rustls::TlsConnector::from(config).connect(name, stream).await.map(Stream)
        })
    }
}

/// A TLS session as the driver wants it.
pub struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // Binding SCRAM to the certificate would need its signature's hash; the modes that verify need no binding.
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

//! TLS of a listener: TLS 1.3 and 1.2 by aws-lc-rs, with the hybrid post-quantum key exchange first, no early data.
//!
//! Files are read again on SIGHUP and take effect for new connections, all of them or none. A key must never be printed,
//! not even its file's content in an error.

use crate::StartError;
use crate::config::TlsConfig;
use cardea_model::wire::TlsFacts;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// The current certificates of a listener.
pub(super) struct Tls {
    config: TlsConfig,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// # Errors
    /// A file that cannot be read, or does not hold what it should.
    pub(super) fn open(config: TlsConfig) -> Result<Self, StartError> {
        let current = RwLock::new(make(&config)?);
        Ok(Self { config, current })
    }

    /// Reads the files again. What was in force stays so if they are not in order.
    pub(super) fn reload(&self) -> Result<(), StartError> {
        let fresh = make(&self.config)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn make(config: &TlsConfig) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if config.only_13 { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS13, &rustls::version::TLS12] };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|_| StartError::new("TLS is not available"))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|_| wrong(path, "holds a certificate that is no CA's"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if config.require_client { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|_| wrong(path, "holds no CA"))?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?)
        .map_err(|_| wrong(&config.key, "holds no private key in PEM form without a password"))?;
    let mut made = builder
        .with_single_cert(certificates(&config.certificate)?, key)
        .map_err(|_| wrong(&config.certificate, "is not the certificate of the key in tls_key_file"))?;
    made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Early data can be replayed; a request that issues a credential must not be.
    made.max_early_data_size = 0;
    Ok(Arc::new(made))
}

fn wrong(path: &Path, words: &str) -> StartError {
    StartError::new(format!("{}: {words}", path.display()))
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, StartError> {
    std::fs::read(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| wrong(path, &format!("cannot be read: {}", error.kind())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let list: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(path, "does not hold certificates in PEM form"))?;
    if list.is_empty() { Err(wrong(path, "holds no certificate")) } else { Ok(list) }
}

/// What is known of a connection after its handshake.
pub(super) fn facts(connection: &ServerConnection) -> TlsFacts {
    TlsFacts {
        version: connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
        cipher_suite: connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        key_exchange: connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        client_certificate_sha256: connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|certificate| hex::encode(cardea_crypto::mac::sha256(&[certificate.as_ref()]))),
    }
}

//! What the client trusts and how it shows itself. It must never fall back to less trust than was asked for.

use crate::{error::ClientError, options::TlsOptions};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::Path, sync::Arc};

/// The configuration for one client: TLS 1.2 and 1.3, hybrid post-quantum key exchange offered first.
///
/// # Errors
/// A file that cannot be read or holds no certificate or key; a certificate without its key.
pub fn configuration(options: &TlsOptions) -> Result<Arc<ClientConfig>, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| setup("TLS has no usable protocol version"))?;
    let builder = if options.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnything { provider }))
    } else {
        builder.with_root_certificates(roots(options)?)
    };
    let mut config = match (&options.client_cert, &options.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|_| setup("cannot read the client key as PEM"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(|_| setup("the client certificate and its key do not fit"))?
        }
        _ => return Err(setup("both client cert and client key must be provided")),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn setup(text: &str) -> ClientError {
    ClientError::Setup(text.to_owned())
}

/// The authorities that were named; without any, those of the operating system.
fn roots(options: &TlsOptions) -> Result<RootCertStore, ClientError> {
    let mut found = Vec::new();
    if let Some(pem) = &options.ca_cert_bytes {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            found.push(certificate.map_err(|_| setup("cannot read the given CA certificate as PEM"))?);
        }
    } else if let Some(file) = &options.ca_cert {
        found = certificates(file)?;
    } else if let Some(directory) = &options.ca_path {
        let entries =
            std::fs::read_dir(directory).map_err(|e| setup(&format!("cannot read the CA path: {}", e.kind())))?;
        for entry in entries {
            let path = entry.map_err(|e| setup(&format!("cannot read the CA path: {}", e.kind())))?.path();
            if path.is_file() {
                found.extend(certificates(&path)?);
            }
        }
    } else {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    }
    if found.is_empty() {
        return Err(setup("no CA certificate found where one was named"));
    }
    let mut store = RootCertStore::empty();
    for certificate in found {
        store.add(certificate).map_err(|_| setup("a CA certificate cannot be used"))?;
    }
    Ok(store)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let bad = || setup(&format!("cannot read PEM certificates from {}", file.display()));
    let list: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(|_| bad())?.collect::<Result<_, _>>().map_err(|_| bad())?;
    if list.is_empty() { Err(bad()) } else { Ok(list) }
}

/// Takes any certificate, but still has the server prove that it holds its key.
#[derive(Debug)]
struct AcceptAnything {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

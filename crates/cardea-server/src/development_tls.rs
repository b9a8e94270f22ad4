//! `-dev-tls`: an authority of a day's life and a certificate for the development listener. The authority's key is dropped as
//! soon as it has signed; nothing here may serve a server whose store outlives the process.

use crate::StartError;
use crate::config::TlsConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::random::{SystemRandomness, base62};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Names of the files, as scripts around Vault's development server know them.
const CA_FILE: &str = "vault-ca.pem";
const CERTIFICATE_FILE: &str = "vault-cert.pem";
const KEY_FILE: &str = "vault-key.pem";
/// A development server that runs longer is none.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Clocks of clients that are behind.
const BEFORE: Duration = Duration::from_secs(3600);
/// Columns of a line in PEM form (RFC 7468).
const PEM_COLUMNS: usize = 64;

/// Files on the disk; gone with this value if their folder was made for them.
pub(crate) struct Certificates {
    folder: PathBuf,
    temporary: bool,
}

impl Certificates {
    /// The authority that clients are told to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join(CA_FILE)
    }

    pub(crate) fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate: self.folder.join(CERTIFICATE_FILE),
            key: self.folder.join(KEY_FILE),
            client_ca: None,
            require_client: false,
            only_13: false,
        }
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        if self.temporary {
            // They may be gone already; nothing depends on them.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Makes them for a listener at `address`, in `folder` or in one of their own, for `names` beside the usual ones.
///
/// # Errors
/// A name that no certificate can carry, or a folder that cannot be written.
pub(crate) fn make(folder: Option<&Path>, names: &[String], address: &str) -> Result<Certificates, StartError> {
    let made = match folder {
        Some(folder) => Certificates { folder: folder.to_owned(), temporary: false },
        None => {
            let name = format!("cardea-dev-tls-{}", *base62(&SystemRandomness, 12));
            Certificates { folder: std::env::temp_dir().join(name), temporary: true }
        }
    };
    let unwritable = |path: &Path, error: &std::io::Error| {
        StartError::new(format!("-dev-tls: {} cannot be written: {}", path.display(), error.kind()))
    };
    if made.temporary {
        let built = fs::DirBuilder::new().mode(0o700).create(&made.folder);
        built.map_err(|error| unwritable(&made.folder, &error))?;
    } else if !made.folder.is_dir() {
        return Err(StartError::new("-dev-tls-cert-dir: the folder does not exist"));
    }
    let texts = issue(&all_names(names, address)).map_err(|_| {
        StartError::new("-dev-tls: a name of -dev-tls-san or of the listener's address does not fit a certificate")
    })?;
    for (name, text) in [(CA_FILE, &texts.ca), (CERTIFICATE_FILE, &texts.certificate), (KEY_FILE, &texts.key)] {
        let path = made.folder.join(name);
        let mode = if name == KEY_FILE { 0o600 } else { 0o644 };
        // A key of before may be readable for others: it is replaced, not written into.
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let file = removed.and_then(|()| fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path));
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| unwritable(&path, &error))?;
    }
    Ok(made)
}

/// What everybody calls a server on this machine, the listener's own host, and what was asked for.
fn all_names(asked: &[String], address: &str) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    for name in asked.iter().map(String::as_str).chain([host]) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

struct Texts {
    ca: String,
    certificate: String,
    key: Zeroizing<String>,
}

fn issue(names: &[String]) -> Result<Texts, rcgen::Error> {
    let now = SystemTime::now();
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "Cardea development authority");
    (authority.not_before, authority.not_after) = ((now - BEFORE).into(), (now + LIFE).into());
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names.to_vec())?;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    server.distinguished_name.push(DnType::CommonName, "Cardea development server");
    (server.not_before, server.not_after) = ((now - BEFORE).into(), (now + LIFE).into());
    let certificate = server.signed_by(&key, &authority)?;
    let private = Zeroizing::new(key.serialize_der());
    Ok(Texts {
        ca: pem("CERTIFICATE", authority.der()).to_string(),
        certificate: pem("CERTIFICATE", certificate.der()).to_string(),
        key: pem("PRIVATE KEY", &private),
    })
}

fn pem(what: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut out = Zeroizing::new(String::with_capacity(body.len() + body.len() / PEM_COLUMNS + 80));
    out.push_str(&format!("-----BEGIN {what}-----\n"));
    for (at, c) in body.chars().enumerate() {
        if at > 0 && at % PEM_COLUMNS == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str(&format!("\n-----END {what}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_machine_the_listener_and_the_wish() {
        for (address, asked, more) in [
            ("127.0.0.1:8200", &[][..], &[][..]),
            ("0.0.0.0:8200", &["dev.example"][..], &["dev.example", "0.0.0.0"][..]),
            ("[::1]:8200", &["localhost"][..], &[][..]),
            ("box.local:0", &["a.example", "10.0.0.7"][..], &["a.example", "10.0.0.7", "box.local"][..]),
        ] {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(all_names(&asked, address)[3..], *more, "{address}");
        }
    }

    #[test]
    fn files_of_a_folder_stay_and_those_of_their_own_go() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), "older").unwrap();
        let kept = make(Some(folder.path()), &[], "127.0.0.1:8200").unwrap();
        let config = kept.config();
        drop(kept);
        let key = std::fs::metadata(&config.key).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
        assert!(std::fs::read_to_string(&config.certificate).unwrap().lines().all(|line| line.len() <= PEM_COLUMNS));

        let own = make(None, &[], "127.0.0.1:8200").unwrap();
        let ca = own.ca();
        assert!(ca.is_file());
        drop(own);
        assert!(!ca.parent().unwrap().exists());
        assert!(make(Some(&folder.path().join("none")), &[], "x:1").is_err());
        assert!(make(None, &["näme".to_owned()], "x:1").is_err());
    }
}

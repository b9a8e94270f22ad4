//! From `connection_url` to the driver's configuration and a TLS mode.
//!
//! Username and password enter encoded, so that no character of theirs can become another host, option or parameter.
//! Nothing here may echo the text: it can hold a password.

use crate::postgresql::tls::{self, MakeTls, TlsMode};
use cardea_model::SecretText;
use cardea_sdk::ExternalError;
use cardea_sdk::database::Connection;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use zeroize::Zeroizing;

/// Longest connection_url, in bytes.
const URL_BYTES_MAX: usize = 4096;
/// Idle time after which the kernel probes a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Time that sent bytes may stay unacknowledged.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Where to connect, and how.
pub struct Address {
    pub config: Config,
    pub tls: MakeTls,
}

impl Address {
    /// # Errors
    /// Permanent: the settings are wrong.
    pub fn of(connection: &Connection, connect_max: Duration) -> Result<Self, ExternalError> {
        let text = connection.url.expose();
        if text.trim().is_empty() || text.len() > URL_BYTES_MAX {
            return Err(refused("connection_url is empty or too long"));
        }
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (filled, settings) = match is_url {
            true => from_url(text, &connection.username, &connection.password),
            false => from_pairs(text, &connection.username, &connection.password)?,
        };
        let mut config: Config = filled.parse().map_err(|_| {
            refused("connection_url is neither a postgresql:// URL nor a list of key=value, or has an unknown option")
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused("connection_url names no host"));
        }
        if config.get_user().is_none() && !connection.username.is_empty() {
            config.user(&connection.username);
            if config.get_password().is_none() {
                config.password(connection.password.expose());
            }
        }
        if config.get_application_name().is_none() {
            config.application_name("cardea");
        }
        if config.get_connect_timeout().is_none_or(|asked| *asked > connect_max) {
            config.connect_timeout(connect_max);
        }
        config.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(UNACKNOWLEDGED_MAX);
        let mode = settings.mode(!connection.tls_ca.is_empty())?;
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        let tls = tls::make(mode, &connection.tls_ca, &connection.tls_certificate, &connection.private_key)?;
        Ok(Self { config, tls })
    }
}

fn refused(words: &str) -> ExternalError {
    ExternalError::refused(words, "")
}

/// Settings that the driver does not know.
#[derive(Default)]
struct Settings {
    ssl_mode: Option<String>,
    names_files: bool,
}

impl Settings {
    /// Whether the setting is ours; otherwise the driver gets it.
    fn takes(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.ssl_mode = Some(value.to_owned()),
            // Paths of the server's disk have no business in a setting that an API can write.
            "sslrootcert" | "sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "passfile" | "service" => {
                self.names_files = true;
            }
            _ => return false,
        }
        true
    }

    /// The mode: as libpq reads it, except that a CA without a mode means full verification, as with Vault.
    fn mode(&self, has_ca: bool) -> Result<TlsMode, ExternalError> {
        if self.names_files {
            return Err(refused(
                "connection_url names files; use the fields tls_ca, tls_certificate and private_key instead",
            ));
        }
        match (self.ssl_mode.as_deref(), has_ca) {
            (Some("disable"), _) => Ok(TlsMode::Disable),
            (None, true) | (Some("verify-full"), _) => Ok(TlsMode::VerifyFull),
            (Some("verify-ca"), _) | (Some("allow" | "prefer" | "require"), true) => Ok(TlsMode::VerifyCa),
            (None | Some("allow" | "prefer"), false) => Ok(TlsMode::Prefer),
            (Some("require"), false) => Ok(TlsMode::Require),
            _ => Err(refused("sslmode is none of disable, prefer, require, verify-ca, verify-full")),
        }
    }
}

/// The URL form. What is put in is percent-encoded, so that it stays where the template has it.
fn from_url(text: &str, username: &str, password: &SecretText) -> (Zeroizing<String>, Settings) {
    let mut settings = Settings::default();
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            !pair.is_empty() && !settings.takes(key, value)
        })
        .collect();
    let mut url = Zeroizing::new(base.to_owned());
    if !kept.is_empty() {
        url.push('?');
        url.push_str(&kept.join("&"));
    }
    (fill(&url, &percent(username), &percent(password.expose())), settings)
}

fn percent(value: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 3));
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The key=value form: cut by libpq's rules, filled value by value, and written again with every value quoted.
fn from_pairs(
    text: &str,
    username: &str,
    password: &SecretText,
) -> Result<(Zeroizing<String>, Settings), ExternalError> {
    let mut settings = Settings::default();
    let mut out = Zeroizing::new(String::new());
    for (key, value) in pairs(text)? {
        if settings.takes(&key, &value) {
            continue;
        }
        let value = fill(&value, username, password.expose());
        out.push_str(&key);
        out.push_str("='");
        for c in value.chars() {
            if c == '\'' || c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
        out.push_str("' ");
    }
    Ok((out, settings))
}

/// Replaces the placeholders in one pass: a value that looks like a placeholder is not filled again.
fn fill(template: &str, username: &str, password: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(template.len() + username.len() + password.len()));
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let value = [("{{username}}", username), ("{{password}}", password)]
            .into_iter()
            .find(|(name, _)| found.starts_with(name));
        match value {
            Some((name, value)) => {
                out.push_str(value);
                rest = &found[name.len()..];
            }
            None => {
                out.push_str("{{");
                rest = &found[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn pairs(text: &str) -> Result<Vec<(String, Zeroizing<String>)>, ExternalError> {
    let bad = || refused("connection_url is neither a postgresql:// URL nor a list of key=value");
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(bad)?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(bad());
        }
        let after = after.trim_start();
        let mut value = Zeroizing::new(String::new());
        let quoted = after.starts_with('\'');
        let mut chars = after.char_indices().skip(usize::from(quoted));
        let mut end = after.len();
        let mut closed = !quoted;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.push(chars.next().ok_or_else(bad)?.1),
                '\'' if quoted => {
                    end = at + 1;
                    closed = true;
                    break;
                }
                c if !quoted && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        if !closed {
            return Err(bad());
        }
        out.push((key.to_owned(), value));
        rest = after[end..].trim_start();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &str, username: &str, password: &str, ca: &str) -> Connection {
        Connection {
            id: "1".to_owned(),
            url: SecretText::new(url.to_owned()),
            username: username.to_owned(),
            password: SecretText::new(password.to_owned()),
            max_open_connections: 1,
            tls_ca: ca.to_owned(),
            tls_certificate: String::new(),
            private_key: SecretText::default(),
            password_authentication: String::new(),
        }
    }

    fn address(url: &str, username: &str, password: &str) -> Result<Config, String> {
        Address::of(&connection(url, username, password, ""), Duration::from_secs(10))
            .map(|address| address.config)
            .map_err(|error| error.client)
    }

    #[test]
    fn hostile_names_and_passwords_stay_what_they_are() {
        let hostile = ["p@h:1/x?sslmode=disable#", "a' host='evil", "a\\", "{{username}}", "ü %41", "", "a b=c"];
        for url in [
            "postgresql://{{username}}:{{password}}@db.example:6432/app?application_name=x",
            "user={{username}} password='{{password}}' host=db.example port=6432 dbname=app",
            "host = db.example port=6432 dbname=app user={{username}} password = {{password}}",
        ] {
            for username in hostile.into_iter().filter(|name| !name.is_empty()) {
                for password in hostile {
                    let config = address(url, username, password).unwrap();
                    assert_eq!(config.get_user(), Some(username));
                    assert_eq!(config.get_password().unwrap_or_default(), password.as_bytes());
                    assert_eq!(config.get_hosts(), [tokio_postgres::config::Host::Tcp("db.example".to_owned())]);
                    assert_eq!(config.get_ports(), [6432]);
                    assert_eq!(config.get_dbname(), Some("app"));
                }
            }
        }
    }

    #[test]
    fn wrong_urls_are_refused_without_being_echoed() {
        for (url, words) in [
            ("", "empty"),
            ("mysql://u:hunter2@h/d", "neither"),
            ("postgresql://u:hunter2@h/d?nosuch=1", "unknown option"),
            ("postgresql://u:hunter2@h:port/d", "neither"),
            ("postgresql:///d", "no host"),
            ("dbname=d password=hunter2", "no host"),
            ("host=h password='hunter2", "neither"),
            ("host=h hunter2", "neither"),
            ("postgresql://u:hunter2@h/d?sslmode=maybe", "sslmode"),
            ("postgresql://u:hunter2@h/d?sslmode=require&sslrootcert=/etc/shadow", "files"),
            ("host=h sslkey=/etc/hunter2", "files"),
        ] {
            let error = address(url, "u", "p").err().unwrap_or_else(|| panic!("{url}"));
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn tls_modes_are_libpqs_and_a_ca_verifies() {
        let mode = |ssl_mode: Option<&str>, has_ca| {
            Settings { ssl_mode: ssl_mode.map(str::to_owned), names_files: false }.mode(has_ca).ok()
        };
        for (ssl_mode, bare, with_ca) in [
            (None, TlsMode::Prefer, TlsMode::VerifyFull),
            (Some("disable"), TlsMode::Disable, TlsMode::Disable),
            (Some("prefer"), TlsMode::Prefer, TlsMode::VerifyCa),
            (Some("require"), TlsMode::Require, TlsMode::VerifyCa),
            (Some("verify-ca"), TlsMode::VerifyCa, TlsMode::VerifyCa),
            (Some("verify-full"), TlsMode::VerifyFull, TlsMode::VerifyFull),
        ] {
            assert_eq!(mode(ssl_mode, false), Some(bare));
            assert_eq!(mode(ssl_mode, true), Some(with_ca));
        }
    }

    #[test]
    fn settings_fill_in_what_the_url_leaves_out() {
        let config = address("postgresql://db.example/app", "root", "pw").unwrap();
        assert_eq!((config.get_user(), config.get_password()), (Some("root"), Some(&b"pw"[..])));
        let config = address("postgresql://own:inline@db.example/app", "root", "pw").unwrap();
        assert_eq!((config.get_user(), config.get_password()), (Some("own"), Some(&b"inline"[..])));
    }
}

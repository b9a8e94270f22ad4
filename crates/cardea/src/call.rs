//! One command as it was called: flags, arguments and environment, and how its answer is to be
//! shown. It must never talk to a server; that is the session's.

use crate::{
    arguments::{Flag, Given},
    failure::Failure,
    output::Format,
};
use cardea_client::options;

/// Flags that every command takes.
pub const EVERYWHERE: &[Flag] = &[
    Flag::text(
        "format",
        "Print the output as table, json, yaml, pretty or raw; access keys also as env. Also CARDEA_FORMAT or VAULT_FORMAT.",
    ),
    Flag::switch("no-color", "Accepted for scripts; the output has no colors."),
    Flag::switch("non-interactive", "Never ask on the terminal; fail instead."),
];

/// Flags of commands that talk to a server.
pub const CONNECTION: &[Flag] = &[
    Flag::text("address", "Address of the server. Also CARDEA_ADDR or VAULT_ADDR; else https://127.0.0.1:8200.")
        .alias("addr"),
    Flag::text("ca-cert", "File of PEM certificates to trust. Also CARDEA_CACERT or VAULT_CACERT."),
    Flag::text("ca-path", "Directory of PEM certificates to trust. Also CARDEA_CAPATH or VAULT_CAPATH."),
    Flag::text("client-cert", "PEM certificate to show. Also CARDEA_CLIENT_CERT or VAULT_CLIENT_CERT."),
    Flag::text("client-key", "Its private key. Also CARDEA_CLIENT_KEY or VAULT_CLIENT_KEY."),
    Flag::text("tls-server-name", "Name to expect in the server's certificate."),
    Flag::switch("tls-skip-verify", "Trust any certificate. Never use this where it matters."),
    Flag::text("namespace", "Namespace to work in. Also CARDEA_NAMESPACE or VAULT_NAMESPACE.").alias("ns"),
    Flag::span("wrap-ttl", "Wrap the answer in a token that lives this long."),
    Flag::pairs("header", "Send this header, name=value. May be given several times."),
    Flag::list("mfa", "Second factor to send with the request."),
    Flag::switch("policy-override", "Ask to pass a soft-mandatory policy."),
    Flag::switch("output-curl-string", "Print the request as a curl command instead of sending it."),
    Flag::switch("output-policy", "Print the policy that the request needs instead of sending it."),
];

/// The flag of commands whose answer has fields.
pub const FIELD: &[Flag] = &[Flag::text("field", "Print only this field, without a line break unless on a terminal.")];

/// A command line after parsing.
pub struct Call {
    pub given: Given,
    pub format: Format,
}

impl Call {
    pub fn new(given: Given) -> Result<Self, Failure> {
        let named = given.text("format").map(str::to_owned).or_else(|| variable("FORMAT"));
        let format = match named.as_deref() {
            None => Format::Table,
            Some(name) => Format::parse(name).ok_or_else(|| Failure::usage("Invalid output format"))?,
        };
        Ok(Self { given, format })
    }

    /// The argument at this place; the registry's bounds were checked before.
    pub fn argument(&self, index: usize) -> &str {
        self.given.arguments.get(index).map(String::as_str).unwrap_or_default()
    }

    pub fn arguments(&self) -> &[String] {
        &self.given.arguments
    }

    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    pub fn may_ask(&self) -> bool {
        use std::io::IsTerminal as _;
        !self.given.switch("non-interactive") && std::io::stdin().is_terminal()
    }
}

/// A variable of the process's environment, by its name without prefix.
pub fn variable(suffix: &str) -> Option<String> {
    options::variable(&|name| std::env::var(name).ok(), suffix)
}

/// A path of the API without slashes and blanks around it.
pub fn api_path(text: &str) -> String {
    text.trim().trim_matches('/').to_owned()
}

/// A mount's path: one slash at the end.
pub fn mount_path(text: &str) -> String {
    format!("{}/", api_path(text))
}

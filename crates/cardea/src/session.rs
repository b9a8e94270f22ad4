//! One command's connection to the server: options from flags and environment, the token from where it is kept, and the
//! two dry runs that print a request instead of sending it. It must never print a token.

use crate::{
    call::Call,
    failure::Failure,
    output::{complain, line},
    token_store,
};
use cardea_client::{ClientError, Method, Options, Request, Response, Secret, blocking::Blocking};
use cardea_model::SecretText;
use std::{future::Future, path::PathBuf};

/// A connection.
pub struct Session {
    inner: Blocking,
    dry: Option<Dry>,
    warn: bool,
}

/// What to print instead of sending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dry {
    Curl,
    Policy,
}

impl Session {
    /// A session with the token of the environment, else of the token store.
    pub fn open(call: &Call) -> Result<Self, Failure> {
        let mut options = options(call)?;
        if options.token.is_none() {
            options.token = token_store::TokenStore::find()?.get()?;
        }
        Self::with(call, options)
    }

    /// A session for a command that brings its own token or needs none.
    pub fn open_without_token(call: &Call) -> Result<Self, Failure> {
        let mut options = options(call)?;
        options.token = None;
        Self::with(call, options)
    }

    fn with(call: &Call, options: Options) -> Result<Self, Failure> {
        let dry = if call.given.switch("output-curl-string") {
            Some(Dry::Curl)
        } else if call.given.switch("output-policy") {
            Some(Dry::Policy)
        } else {
            None
        };
        let inner = Blocking::new(options).map_err(|error| Failure::server(error.to_string()))?;
        Ok(Self { inner, dry, warn: call.is_table() })
    }

    pub fn token(&self) -> Option<&SecretText> {
        self.inner.client().token()
    }

    pub fn set_token(&mut self, token: SecretText) {
        self.inner.client_mut().set_token(Some(token));
    }

    /// Sends a request and reads its envelope; `what` begins the words of a failure. Warnings go to standard error where
    /// the output has no place for them.
    pub fn ask(&self, what: &str, request: &Request) -> Result<Option<Secret>, Failure> {
        let secret = self.attempt(request)?.map_err(|error| Failure::client(what, &error))?;
        let warnings = secret.as_ref().map(Secret::warnings).unwrap_or_default();
        if self.warn && !warnings.is_empty() {
            let list: Vec<String> = warnings.iter().map(|warning| format!("  * {warning}\n")).collect();
            complain(&format!("WARNING! The following warnings were returned from Vault:\n\n{}", list.join("\n")));
        }
        Ok(secret)
    }

    /// As [`Session::ask`], for callers that look at the error.
    pub fn attempt(&self, request: &Request) -> Result<Result<Option<Secret>, ClientError>, Failure> {
        self.dry_run(request)?;
        Ok(self.inner.wait(self.inner.client().ask(request)))
    }

    /// Sends a request and gives the answer as it came.
    pub fn send(&self, what: &str, request: &Request) -> Result<Response, Failure> {
        self.dry_run(request)?;
        self.inner.wait(self.inner.client().send(request)).map_err(|error| Failure::client(what, &error))
    }

    /// Runs a question of the client that is no part of what the user asked for, also in a dry run.
    pub fn aside<'a, T, F: Future<Output = T>>(&'a self, call: impl FnOnce(&'a cardea_client::Client) -> F) -> T {
        self.inner.wait(call(self.inner.client()))
    }

    fn dry_run(&self, request: &Request) -> Result<(), Failure> {
        match self.dry {
            None => return Ok(()),
            Some(Dry::Curl) => line(&self.curl(request))?,
            Some(Dry::Policy) => line(&policy(request))?,
        }
        Err(Failure::silent(0))
    }

    fn curl(&self, request: &Request) -> String {
        let client = self.inner.client();
        let tls = &client.options().tls;
        let mut out = String::from("curl");
        if tls.skip_verify {
            out.push_str(" --insecure");
        }
        let files = [
            ("--cacert", &tls.ca_cert),
            ("--capath", &tls.ca_path),
            ("--cert", &tls.client_cert),
            ("--key", &tls.client_key),
        ];
        for (flag, file) in files {
            if let Some(file) = file {
                out.push_str(&format!(" {flag} {}", quoted(&file.display().to_string())));
            }
        }
        if request.method != Method::Get {
            out.push_str(&format!(" -X {}", request.method.name()));
        }
        for (name, value) in client.headers(request) {
            // The media type of a JSON body is left to curl's user, as in Vault: servers of this dialect do not look at it.
            if name != "Content-Type" || request.method == Method::Patch {
                out.push_str(&format!(" -H {}", double_quoted(&format!("{name}: {value}"))));
            }
        }
        if request.token.is_some() || client.token().is_some() {
            out.push_str(" -H \"X-Vault-Token: $(cardea print token)\"");
        }
        if let Some(body) = &request.body {
            out.push_str(&format!(" -d {}", quoted(&String::from_utf8_lossy(body.expose()))));
        }
        format!("{out} {}", bare_or_quoted(&client.url(request)))
    }
}

/// Options from the environment, flags going first.
fn options(call: &Call) -> Result<Options, Failure> {
    let failure = |error: ClientError| Failure::server(error.to_string());
    let mut options = Options::from_environment(&|name| std::env::var(name).ok()).map_err(failure)?;
    let given = &call.given;
    let text = |name: &str| given.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let file = |name: &str| text(name).map(PathBuf::from);
    if let Some(address) = text("address") {
        options.address = address;
    }
    if let Some(file) = file("ca-cert") {
        (options.tls.ca_cert, options.tls.ca_cert_bytes) = (Some(file), None);
    }
    options.tls.ca_path = file("ca-path").or(options.tls.ca_path);
    options.tls.client_cert = file("client-cert").or(options.tls.client_cert);
    options.tls.client_key = file("client-key").or(options.tls.client_key);
    options.tls.server_name = text("tls-server-name").or(options.tls.server_name);
    if given.is_set("tls-skip-verify") {
        options.tls.skip_verify = given.switch("tls-skip-verify");
    }
    options.namespace = text("namespace").or(options.namespace);
    options.wrap_ttl = text("wrap-ttl").or(options.wrap_ttl);
    for (name, value) in given.pairs("header") {
        if name.to_ascii_lowercase().starts_with("x-vault-") {
            return Err(Failure::usage("-header must not set a header of the protocol itself"));
        }
        options.headers.push((name.to_owned(), value.to_owned()));
    }
    for factor in given.list("mfa") {
        options.headers.push(("X-Vault-MFA".to_owned(), factor.to_owned()));
    }
    if given.switch("policy-override") {
        options.headers.push(("X-Vault-Policy-Override".to_owned(), "true".to_owned()));
    }
    // A person at a terminal repeats a command faster than a back-off; scripts that want repeats say so.
    if crate::call::variable("MAX_RETRIES").is_none() {
        options.retries = 0;
    }
    Ok(options)
}

/// Routes that ask for sudo beside the capability.
const SUDO_ROUTES: &[&str] = &[
    "auth/token/accessors",
    "auth/token/revoke-orphan",
    "sys/audit",
    "sys/audit-log",
    "sys/auth/",
    "sys/config/",
    "sys/leases/lookup/",
    "sys/leases/revoke-force/",
    "sys/leases/revoke-prefix/",
    "sys/raw",
    "sys/remount",
    "sys/rotate",
    "sys/seal",
];

/// The stanza that allows a request.
fn policy(request: &Request) -> String {
    let is_list = request.query.iter().any(|(name, value)| name == "list" && value == "true");
    let mut capabilities = match request.method {
        Method::Get if is_list => vec!["list"],
        Method::Get => vec!["read"],
        Method::Post | Method::Put => vec!["create", "update"],
        Method::Patch => vec!["patch"],
        Method::Delete => vec!["delete"],
    };
    if SUDO_ROUTES.iter().any(|route| request.path.starts_with(route)) && request.path != "sys/seal-status" {
        capabilities.push("sudo");
    }
    let slash = if is_list && !request.path.ends_with('/') { "/" } else { "" };
    format!("path \"{}{slash}\" {{\n  capabilities = [\"{}\"]\n}}", request.path, capabilities.join("\", \""))
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn bare_or_quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:%+,@=~".contains(&b)) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

//! The flags of `cardea server`, spelt as Vault's users spell them: `-name=value`, `-name value`, one dash or two.
//! It must never print a value: one of them is a token.

use crate::StartError;
use crate::development::Wishes;
use cardea_model::SecretText;
use std::path::PathBuf;

/// What the command line asked for.
#[derive(Default)]
pub(crate) struct Flags {
    pub help: bool,
    pub config: Vec<PathBuf>,
    pub dev: bool,
    pub wishes: Wishes,
    pub log_level: Option<String>,
    pub log_format: Option<String>,
    pub log_file: Option<PathBuf>,
    pub accept_restored: bool,
    pub disable_mlock: bool,
    /// Flags of Vault's that change nothing here.
    pub without_effect: Vec<&'static str>,
}

/// The text of `-help`.
pub(crate) const USAGE: &str = "\
Usage: cardea server [options]

  Starts a server that answers API requests. It starts sealed, except with -dev or a seal that
  opens itself; initialise it once with `cardea operator init`, then `cardea operator unseal`.

  -config=<path>                A configuration file, or a folder of .hcl and .json files. Repeatable.
  -log-level=<level>            trace, debug, info, warn or error.
  -log-format=<format>          standard or json.
  -log-file=<path>              Write the server's log to this file instead of standard error.
  -accept-restored              Unseal although the store is older than its witness remembers: a backup was
                                restored. Revocation waits until it is thawed.
  -disable-mlock                Go on where memory cannot be locked.

  -dev                          A server in memory, initialised and unsealed. Never for real secrets.
  -dev-root-token-id=<id>       Its root token (or VAULT_DEV_ROOT_TOKEN_ID).
  -dev-listen-address=<addr>    Where it listens (or VAULT_DEV_LISTEN_ADDRESS); 127.0.0.1:8200.
  -dev-no-kv                    Mount nothing at secret/.
  -dev-kv-v1                    Mount version 1 of kv at secret/, not version 2.
  -dev-tls                      Encrypt, with an authority made for this start; its file is printed.
  -dev-tls-cert-dir=<path>      Leave the certificates in this folder, not in one that goes with the process.
  -dev-tls-san=<name>           One more name or address in the certificate. Repeatable.
  -dev-no-store-token           Leave ~/.vault-token alone.
";

/// Flags that take no value unless one is given with `=`.
const SWITCHES: &[&str] = &[
    "help",
    "h",
    "dev",
    "dev-no-store-token",
    "dev-no-kv",
    "dev-kv-v1",
    "dev-tls",
    "dev-ha",
    "dev-transactional",
    "dev-auto-seal",
    "dev-skip-init",
    "dev-leased-kv",
    "non-interactive",
    "exit-on-core-dump",
    "recovery",
    "experiment",
    "accept-restored",
    "disable-mlock",
    "combine-logs",
];

impl Flags {
    /// # Errors
    /// A flag that does not exist, lacks its value, or asks for what cannot be.
    pub(crate) fn parse(args: &[String]) -> Result<Self, StartError> {
        let mut flags = Self { wishes: Wishes { store_token: true, ..Wishes::default() }, ..Self::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|bare| !bare.is_empty());
            let Some(bare) = bare else {
                return Err(StartError::new("`server` takes flags only"));
            };
            let (name, given) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            if SWITCHES.contains(&name) {
                let on = match given.as_deref() {
                    None | Some("true" | "1" | "t") => true,
                    Some("false" | "0" | "f") => false,
                    Some(_) => return Err(StartError::new(format!("-{name} is true or false"))),
                };
                flags.switch(name, on)?;
                continue;
            }
            let value = || {
                given.or_else(|| args.next().cloned()).ok_or_else(|| StartError::new(format!("-{name} needs a value")))
            };
            match name {
                "config" => flags.config.push(value()?.into()),
                "log-level" => flags.log_level = Some(value()?),
                "log-format" => flags.log_format = Some(value()?),
                "log-file" => flags.log_file = Some(value()?.into()),
                "dev-root-token-id" => flags.wishes.root_token = Some(SecretText::new(value()?)),
                "dev-listen-address" => flags.wishes.address = Some(value()?),
                "dev-tls-cert-dir" => flags.wishes.tls_folder = Some(value()?.into()),
                "dev-tls-san" => flags.wishes.tls_names.extend(names(&value()?)),
                "dev-plugin-dir"
                | "dev-latency"
                | "dev-latency-jitter"
                | "log-rotate-duration"
                | "log-rotate-bytes"
                | "log-rotate-max-files" => {
                    value()?;
                    flags.without_effect.push("a flag of Vault's has no effect in Cardea");
                }
                // A misspelt flag may be a misplaced token: it is not repeated.
                _ => return Err(StartError::new("unknown flag; see -help")),
            }
        }
        if !flags.wishes.tls && (flags.wishes.tls_folder.is_some() || !flags.wishes.tls_names.is_empty()) {
            return Err(StartError::new("-dev-tls-cert-dir and -dev-tls-san need -dev-tls"));
        }
        Ok(flags)
    }

    fn switch(&mut self, name: &str, on: bool) -> Result<(), StartError> {
        match name {
            "help" | "h" => self.help = on,
            "dev" => self.dev = on,
            "dev-no-store-token" => self.wishes.store_token = !on,
            "accept-restored" => self.accept_restored = on,
            "disable-mlock" => self.disable_mlock = on,
            "dev-no-kv" => self.wishes.no_kv = on,
            "dev-kv-v1" => self.wishes.kv_version1 = on,
            "dev-tls" => self.wishes.tls = on,
            "dev-ha" | "recovery" | "dev-auto-seal" | "dev-skip-init" if on => {
                return Err(StartError::new(format!("-{name} is not supported")));
            }
            _ if on => self.without_effect.push("a flag of Vault's has no effect in Cardea"),
            _ => {}
        }
        Ok(())
    }
}

/// Names between commas.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

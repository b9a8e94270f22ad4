//! `cardea server`: the one place that touches the process as a whole. Reads flags, files and the environment, hardens
//! the process, starts the server, and follows signals: SIGTERM and SIGINT drain and stop, SIGHUP reads again.

use crate::assembly::{self, url};
use crate::config::{self, Environment, variable};
use crate::development::{self, Keys};
use crate::development_tls::Certificates;
use crate::flags::{Flags, USAGE};
use crate::telemetry::{self, ServerLog};
use crate::{Config, Running, SealConfig, StartError, StorageConfig, Surroundings, hardening, workers};
use cardea_model::SecretText;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A line for the person at the terminal. A terminal that went away must not end the server.
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// Runs `cardea server` with the arguments behind that word, until the server is told to stop.
#[must_use]
pub fn command(args: &[String]) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cardea server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Files, environment and flags, in rising order.
fn configure(flags: &Flags, environment: Environment<'_>) -> Result<Config, StartError> {
    if flags.config.is_empty() && !flags.dev {
        return Err(StartError::new("needs -config=<path>, or -dev for a server in memory; see -help"));
    }
    let mut config = config::load(&flags.config, environment)?;
    if let Some(text) = &flags.log_level {
        config.log.level =
            telemetry::level(text).ok_or_else(|| StartError::new("-log-level is trace, debug, info, warn or error"))?;
    }
    if let Some(text) = &flags.log_format {
        config.log.json = telemetry::is_json(text).ok_or_else(|| StartError::new("-log-format is standard or json"))?;
    }
    if let Some(path) = &flags.log_file {
        config.log.file = Some(path.clone());
    }
    config.accept_restored |= flags.accept_restored;
    config.disable_mlock |= flags.disable_mlock;
    config.warnings.extend(flags.without_effect.iter().map(ToString::to_string));
    Ok(config)
}

fn run(args: &[String]) -> Result<bool, StartError> {
    let mut flags = Flags::parse(args)?;
    if flags.help {
        say!("{USAGE}");
        return Ok(true);
    }
    let mut config = configure(&flags, &environment)?;
    let mut certificates = None;
    if flags.dev {
        let wishes = &mut flags.wishes;
        wishes.address = wishes.address.take().or_else(|| variable(&environment, "DEV_LISTEN_ADDRESS"));
        let token = || variable(&environment, "DEV_ROOT_TOKEN_ID").map(SecretText::new);
        wishes.root_token = wishes.root_token.take().or_else(token);
        certificates = development::adapt(&mut config, wishes)?;
    } else if config.storage == StorageConfig::Memory {
        config.warnings.push("the store is in memory: everything is gone with the process".to_owned());
    }
    config.check()?;
    let log = telemetry::install(&config.log)?;
    for words in config.warnings.drain(..).chain(hardening::harden()) {
        tracing::warn!("{words}");
    }
    if !config.disable_mlock {
        hardening::lock_memory()?;
    }
    let _pid = config.pid_file.clone().map(PidFile::write).transpose()?;
    let runtime = workers::watch(tokio::runtime::Builder::new_multi_thread().enable_all())
        .map_err(|error| StartError::new(format!("threads cannot be started: {}", error.kind())))?;
    let ca = certificates.as_ref().map(Certificates::ca);
    runtime.block_on(serve(config, &flags, ca.as_deref(), &log))
}

async fn serve(config: Config, flags: &Flags, ca: Option<&Path>, log: &ServerLog) -> Result<bool, StartError> {
    // Before anything is opened: a signal that comes early must not end the process half-way.
    let mut signals = Signals::new()?;
    let tls: Vec<bool> = config.listeners.iter().map(|listener| listener.tls.is_some()).collect();
    let facts = Facts {
        storage: match &config.storage {
            StorageConfig::Memory => "in memory".to_owned(),
            StorageConfig::Embedded { path } => format!("embedded, {}", path.display()),
        },
        opens_itself: matches!(config.seal, SealConfig::Static(_)),
        memory_locked: !config.disable_mlock,
        log_level: config.log.level,
    };
    let ready = assembly::open(config, Surroundings::system()).await?;
    // Whoever connects to a development server finds it ready.
    let keys = match flags.dev {
        true => Some(development::prepare(&ready.node, &flags.wishes).await?),
        false => None,
    };
    let running = ready.listen();
    let urls: Vec<String> = running.addresses.iter().zip(&tls).map(|(address, tls)| url(*address, *tls)).collect();
    let address = urls.first().cloned().unwrap_or_default();
    print_facts(&facts, &urls);
    match keys {
        Some(keys) => {
            say!("{}", development::banner(&keys, &address, ca));
            leave_token(flags, &keys);
        }
        None => print_next_steps(&running, &address, facts.opens_itself).await,
    }
    say!("\n==> Cardea server started! Log data will stream in below:\n");
    tracing::info!(addresses = ?urls, "listening");
    signals.follow(&running, flags, log).await;
    tracing::info!("stopping: requests in flight may end, then the server seals");
    say!("==> Cardea server is stopping");
    tokio::select! {
        clean = running.shutdown() => {
            tracing::info!("stopped");
            Ok(clean)
        }
        () = signals.end() => Err(StartError::new("a second signal ended the server before it had drained")),
    }
}

struct Facts {
    storage: String,
    /// Whether a key file unseals it.
    opens_itself: bool,
    memory_locked: bool,
    log_level: tracing::Level,
}

fn print_facts(facts: &Facts, urls: &[String]) {
    say!("==> Cardea server configuration:\n");
    for url in urls {
        say!("             Listener: {url}");
    }
    say!("            Log Level: {}", facts.log_level.as_str().to_lowercase());
    say!("        Memory locked: {}", facts.memory_locked);
    say!("              Storage: {}", facts.storage);
    say!("              Version: Cardea {}", env!("CARGO_PKG_VERSION"));
}

/// What a person does next; it depends on what the store holds.
async fn print_next_steps(running: &Running, address: &str, opens_itself: bool) {
    say!("\n    $ export VAULT_ADDR='{address}'");
    match running.node.status().await {
        Ok(status) if !status.initialized && opens_itself => {
            say!("\nThe store is new, and its key file will always unseal it. The first root token is made once:");
            say!("\n    $ cardea operator init");
            say!("    $ cardea login                 (with the root token)");
        }
        Ok(status) if !status.initialized => {
            say!("\nThe store is new. Initialise it, and keep what it prints: nobody can show it again.");
            say!("\n    $ cardea operator init");
            say!("    $ cardea operator unseal       (as often as the threshold says)");
            say!("    $ cardea login                 (with the root token)");
        }
        Ok(status) if status.sealed => {
            say!("\nThe server is sealed. Unseal it, then log in:");
            say!(
                "\n    $ cardea operator unseal       ({} of {} shares)",
                status.settings.threshold,
                status.settings.shares
            );
            say!("    $ cardea login");
        }
        Ok(_) => {
            say!("\nThe server is unsealed. Log in:");
            say!("\n    $ cardea login");
        }
        Err(error) => tracing::error!(%error, "the state of the seal cannot be read"),
    }
}

fn leave_token(flags: &Flags, keys: &Keys) {
    if !flags.wishes.store_token {
        return;
    }
    let home = environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let stored = home.as_deref().map(|home: &Path| development::store_token(home, &keys.root_token));
    if !matches!(stored, Some(Ok(()))) {
        tracing::warn!("the root token could not be left in ~/.vault-token");
    }
}

/// The signals that a server follows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(|_| StartError::new("signals cannot be followed"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns once the server shall stop.
    async fn follow(&mut self, running: &Running, flags: &Flags, log: &ServerLog) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {}
            }
            tracing::info!("reading again: level of the log, certificates, audit devices");
            log.reopen();
            match configure(flags, &environment) {
                Ok(config) => log.set_level(config.log.level),
                Err(error) => tracing::error!(%error, "the configuration is not in order; what was in force stays so"),
            }
            running.reload();
        }
    }
}

/// A file with the number of this process, gone with it.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> Result<Self, StartError> {
        std::fs::write(&path, format!("{}\n", std::process::id())).map_err(|error| {
            StartError::new(format!("pid_file {} cannot be written: {}", path.display(), error.kind()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may be gone already; nothing depends on it.
        let _ = std::fs::remove_file(&self.0);
    }
}

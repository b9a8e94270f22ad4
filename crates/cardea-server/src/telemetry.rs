//! The server's own log: lines or JSON, to standard error or a file, with a level that can be changed while it runs.
//!
//! It must never hold a secret. Cardea's crates print none; the libraries below them print whole frames and statements
//! at their finer levels, so nothing of theirs below a warning is let through, whatever level is asked for.

use crate::StartError;
use crate::config::LogConfig;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Reads a level in the words of Vault's users.
#[must_use]
pub fn level(text: &str) -> Option<Level> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Level::TRACE,
        "debug" => Level::DEBUG,
        "" | "info" | "notice" => Level::INFO,
        "warn" | "warning" => Level::WARN,
        "err" | "error" => Level::ERROR,
        _ => return None,
    })
}

/// Whether a format is JSON; `None` for an unknown one.
#[must_use]
pub fn is_json(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "standard" => Some(false),
        "json" => Some(true),
        _ => None,
    }
}

/// A log that is being written.
#[derive(Clone)]
pub struct ServerLog {
    filter: reload::Handle<Targets, Registry>,
    sink: Sink,
}

impl ServerLog {
    pub fn set_level(&self, level: Level) {
        if self.filter.reload(targets(level)).is_err() {
            tracing::warn!("the level of the log could not be changed");
        }
    }

    /// Opens the file anew: somebody moved it away.
    pub fn reopen(&self) {
        if let Err(error) = self.sink.reopen() {
            tracing::warn!(kind = %error.kind(), "the log file could not be opened anew; the old one goes on");
        }
    }
}

fn targets(level: Level) -> Targets {
    Targets::new().with_default(LevelFilter::from_level(level).min(LevelFilter::WARN)).with_target("cardea", level)
}

/// Starts the log of this process, and replaces the panic message, which may quote data, by its place alone.
///
/// # Errors
/// The file cannot be opened, or there is a log already.
pub fn install(config: &LogConfig) -> Result<ServerLog, StartError> {
    let sink = Sink::open(config.file.clone()).map_err(|error| {
        let path = config.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        StartError::new(format!("log_file {path} cannot be opened: {}", error.kind()))
    })?;
    let (filter, handle) = reload::Layer::new(targets(config.level));
    let layer = if config.json {
        fmt::layer().json().flatten_event(true).with_writer(sink.clone()).with_filter(filter).boxed()
    } else {
        fmt::layer().with_ansi(false).with_writer(sink.clone()).with_filter(filter).boxed()
    };
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|_| StartError::new("this process has a log already"))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a task panicked");
    }));
    Ok(ServerLog { filter: handle, sink })
}

/// Standard error, or a file that can be opened anew.
#[derive(Clone)]
struct Sink {
    path: Option<PathBuf>,
    file: Arc<Mutex<Option<File>>>,
}

impl Sink {
    fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let sink = Self { path, file: Arc::new(Mutex::new(None)) };
        sink.reopen()?;
        Ok(sink)
    }

    fn reopen(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.clone())
    }
}

/// One line on its way.
struct Line(Sink);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => file.write(bytes),
            None => io::stderr().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.0.file.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(file) => file.flush(),
            None => Ok(()),
        }
    }
}

//! Fresh servers from a binary: writes a configuration, starts them, initialises and unseals them by the API, and ends
//! them by their process. They live in a temporary folder; keys and root token stay in memory and are never printed.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    api::Admin,
    args::Audit,
    args::MOUNT_DEFAULT,
    error::BenchError,
    process::{Cpus, Guarded, spawn_on},
    script::{READ_FOLDER, Subject, key_name},
    wire::Endpoint,
};

/// What turns the records of reads off in the server's configuration. The one place that knows it.
pub const AUDIT_OFF: &str = "log {\n  record_reads = false\n}\n";
/// A server may take this long to listen, or to be ready after unsealing.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a starting server.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Lines of a server's own log that are shown when it does not start.
const LOG_LINES: usize = 15;

/// A server that this program started; killed when dropped.
pub struct LocalServer {
    process: Guarded,
    program: PathBuf,
    folder: PathBuf,
    cpus: Option<Cpus>,
    endpoint: Endpoint,
    unseal_key: Zeroizing<String>,
    root_token: Zeroizing<String>,
}

/// The configuration of one server.
fn configuration(folder: &Path, port: u16, audit: Audit) -> String {
    let log = if audit == Audit::Off { AUDIT_OFF } else { "" };
    format!(
        "storage \"embedded\" {{\n  path = \"{}\"\n}}\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  tls_disable = 1\n}}\n\
         api_addr = \"http://127.0.0.1:{port}\"\ndisable_mlock = true\n\
         dialect \"aws_secrets_manager\" {{\n  mount = \"{MOUNT_DEFAULT}\"\n}}\n\
         dialect \"aws_kms\" {{\n  mount = \"{MOUNT_DEFAULT}-transit\"\n}}\n{log}",
        folder.join("data").display()
    )
}

impl LocalServer {
    /// Starts `program` with fresh data below `folder`, initialises it with one share and unseals it.
    pub fn start(program: &Path, folder: &Path, audit: Audit, cpus: Option<Cpus>) -> Result<LocalServer, BenchError> {
        let io = |source| BenchError::Io { what: "preparing the folder of a server", source };
        fs::create_dir_all(folder.join("data")).map_err(io)?;
        // A port that was free a moment ago; the server listens on it a moment later.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(io)?.port();
        fs::write(folder.join("server.hcl"), configuration(folder, port, audit)).map_err(io)?;
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}"), None)?;
        let mut server = LocalServer {
            process: Guarded::new(launch(program, folder, cpus.as_deref())?),
            program: program.to_owned(),
            folder: folder.to_owned(),
            cpus,
            endpoint,
            unseal_key: Zeroizing::default(),
            root_token: Zeroizing::default(),
        };
        let ready = server.initialize();
        if ready.is_err() {
            server.show_log();
        }
        ready.map(|()| server)
    }

    /// A caller with the root token.
    pub fn admin(&self) -> Result<Admin, BenchError> {
        Admin::new(self.endpoint.clone(), self.root_token.clone())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn initialize(&mut self) -> Result<(), BenchError> {
        let mut admin = Admin::new(self.endpoint.clone(), Zeroizing::default())?;
        self.wait(&mut admin, "sys/seal-status", 200)?;
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let keys = admin.insist("PUT", "sys/init", Some(&shares))?;
        let text = |pointer: &str| {
            let text = keys.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
            Zeroizing::new(text.to_owned())
        };
        (self.unseal_key, self.root_token) = (text("/keys_base64/0"), text("/root_token"));
        if self.unseal_key.is_empty() || self.root_token.is_empty() {
            return Err(BenchError::Setup("sys/init: no key or no root token in the answer".into()));
        }
        self.unseal(&mut admin)?;
        self.wait(&mut admin, "sys/health", 200)
    }

    fn unseal(&self, admin: &mut Admin) -> Result<(), BenchError> {
        admin.insist("PUT", "sys/unseal", Some(&json!({ "key": self.unseal_key.as_str() }))).map(|_| ())
    }

    /// Asks until the server answers with this status.
    fn wait(&mut self, admin: &mut Admin, path: &str, status: u16) -> Result<(), BenchError> {
        let give_up = Instant::now() + START_LIMIT;
        loop {
            let last = admin.call("GET", path, None);
            if last.as_ref().is_ok_and(|reply| reply.status == status) {
                return Ok(());
            }
            if let Ok(Some(ended)) = self.process.child().try_wait() {
                return Err(BenchError::Setup(format!("the server ended at its start ({ended})")));
            }
            if Instant::now() > give_up {
                return Err(match last {
                    Ok(reply) => BenchError::Refused { what: path.into(), status: reply.status, errors: Vec::new() },
                    Err(error) => error,
                });
            }
            thread::sleep(LOOK_PAUSE);
        }
    }

    fn show_log(&self) {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            eprintln!("server: {line}");
        }
    }

    /// Kills the server (`kill -9`), starts it on the same data, unseals it and returns the time from the answer to the
    /// unseal call to the first 200 on a KV read, which is the time a restart costs its clients.
    pub fn restart(&mut self, subject: &Subject) -> Result<Duration, BenchError> {
        self.process.kill();
        self.process = Guarded::new(launch(&self.program, &self.folder, self.cpus.as_deref())?);
        let mut admin = Admin::new(self.endpoint.clone(), subject.token.clone())?;
        self.wait(&mut admin, "sys/seal-status", 200)?;
        let path = format!("{}/data/{READ_FOLDER}/{}", subject.kv_mount, key_name(0));
        self.unseal(&mut admin)?;
        let unsealed = Instant::now();
        while admin.call("GET", &path, None)?.status != 200 {
            if unsealed.elapsed() > START_LIMIT {
                return Err(BenchError::Setup("the restarted server does not answer a KV read".into()));
            }
            thread::sleep(Duration::from_micros(200));
        }
        Ok(unsealed.elapsed())
    }
}

fn launch(program: &Path, folder: &Path, cpus: Option<&[usize]>) -> Result<std::process::Child, BenchError> {
    let io = |source| BenchError::Io { what: "opening a server's log", source };
    let log = File::options().create(true).append(true).open(folder.join("server.log")).map_err(io)?;
    let mut command = Command::new(program);
    command.arg("server").arg(format!("-config={}", folder.join("server.hcl").display()));
    // The environment of the caller must not change what is measured.
    command.env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR").env_remove("PGPASSWORD").stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(io)?).stderr(log);
    spawn_on(cpus, &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_differ_in_the_log_alone() {
        let of = |audit| configuration(Path::new("/x"), 8200, audit);
        assert!(of(Audit::Durable).contains("path = \"/x/data\""));
        assert!(of(Audit::Durable).contains("address = \"127.0.0.1:8200\""));
        assert_eq!(of(Audit::Off), of(Audit::Durable) + AUDIT_OFF);
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let result = LocalServer::start(Path::new("true"), folder.path(), Audit::Durable, None);
        assert!(result.is_err_and(|error| error.to_string().contains("ended at its start")));
    }
}

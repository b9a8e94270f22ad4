//! A private PostgreSQL server for tests, the demo and the conformance suites: its own data directory, port, socket and
//! superuser, gone with the value. It must never touch a server that it did not start.
//!
//! Needs Debian's package `postgresql` (or the same programs elsewhere below `/usr/lib/postgresql` or in the PATH); if
//! they are missing, starting fails and says so. PostgreSQL refuses to run as root: then it runs as `postgres` or `nobody`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for a server to accept connections, or to end.
const START_MAX: Duration = Duration::from_secs(60);
/// Tries to find a port that nobody takes in between.
const PORT_TRIES: usize = 5;
const SUPERUSER: &str = "postgres";
const PASSWORD: &str = "private-superuser";

/// A running server.
pub struct PrivatePostgres {
    // Declared before the directory, so that the process is gone when the directory is removed.
    process: Option<Process>,
    programs: PathBuf,
    owner: Option<Owner>,
    directory: TempDir,
    port: u16,
    tls: bool,
}

struct Process(Child);

/// Whom PostgreSQL runs as, if we are root.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl PrivatePostgres {
    /// Starts a server without TLS.
    ///
    /// # Errors
    /// What is missing or went wrong, with the end of the server's log.
    pub fn start() -> Result<Self, String> {
        Self::start_with(false)
    }

    /// Starts a server that also speaks TLS, with a self-signed certificate for `localhost` and 127.0.0.1.
    ///
    /// # Errors
    /// As [`PrivatePostgres::start`]; also without the program `openssl`.
    pub fn start_with_tls() -> Result<Self, String> {
        Self::start_with(true)
    }

    /// A server that all tests of this process share while one of them holds it. Use [`PrivatePostgres::database`].
    ///
    /// # Errors
    /// As [`PrivatePostgres::start`].
    pub fn shared() -> Result<Arc<Self>, String> {
        static SHARED: Mutex<Weak<PrivatePostgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    fn start_with(tls: bool) -> Result<Self, String> {
        let programs = programs()?;
        let owner = owner()?;
        let directory =
            tempfile::Builder::new().prefix("cardea-pg-").tempdir().map_err(|e| format!("no directory: {e}"))?;
        if let Some(owner) = owner {
            chown(directory.path(), Some(owner.user), Some(owner.group)).map_err(|e| format!("chown: {e}"))?;
        }
        let mut server = Self { process: None, programs, owner, directory, port: 0, tls };
        server.initialize()?;
        server.run()?;
        Ok(server)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Directory of the Unix socket.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    #[must_use]
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// A `connection_url` over TCP with placeholders for username and password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/{database}", self.port)
    }

    /// The server's own certificate in PEM form, if it speaks TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<String> {
        if self.tls { fs::read_to_string(self.data().join("server.crt")).ok() } else { None }
    }

    /// The id of the server's process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.0.id())
    }

    /// Runs SQL as the superuser and returns rows as lines, columns parted by `|`.
    ///
    /// # Errors
    /// What `psql` printed.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        self.sql_as(SUPERUSER, PASSWORD, database, sql)
    }

    /// The same as any user, over TCP with its password.
    ///
    /// # Errors
    /// What `psql` printed.
    pub fn sql_as(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
        let output = self.client(user, password, database, sql).output().map_err(|e| format!("psql: {e}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// `psql`, ready to run one text of SQL; for sessions that are meant to stay open.
    #[must_use]
    pub fn client(&self, user: &str, password: &str, database: &str, sql: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string());
        command.args(["-U", user, "-d", database, "-c", sql]).env("PGPASSWORD", password);
        command.stdin(Stdio::null());
        command
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&self, name: &str) -> Result<(), String> {
        self.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))).map(|_| ())
    }

    /// Stops the server; its data and port stay.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`PrivatePostgres::stop`], on the same port.
    ///
    /// # Errors
    /// As [`PrivatePostgres::start`].
    pub fn start_again(&mut self) -> Result<(), String> {
        if self.process.is_none() {
            self.process = Some(self.spawn()?);
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A command that runs as the server's owner.
    fn as_owner(&self, program: &Path) -> Command {
        let mut command = match self.owner {
            None => Command::new(program),
            Some(owner) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={}", owner.user)).arg(format!("--regid={}", owner.group));
                command.args(["--clear-groups", "--"]).arg(program);
                command
            }
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    fn initialize(&self) -> Result<(), String> {
        let password_file = self.directory.path().join("password");
        fs::write(&password_file, PASSWORD).map_err(|e| format!("password file: {e}"))?;
        fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600)).map_err(|e| format!("chmod: {e}"))?;
        if let Some(owner) = self.owner {
            chown(&password_file, Some(owner.user), Some(owner.group)).map_err(|e| format!("chown: {e}"))?;
        }
        let mut initdb = self.as_owner(&self.programs.join("initdb"));
        initdb.args([
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        initdb.arg("--pwfile").arg(&password_file).arg("-D").arg(self.data());
        run_to_end(initdb, "initdb")?;
        if self.tls {
            let mut openssl = self.as_owner(Path::new("openssl"));
            openssl.args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ]);
            openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
            openssl.arg("-keyout").arg(self.data().join("server.key")).arg("-out").arg(self.data().join("server.crt"));
            run_to_end(openssl, "openssl")?;
            let mut chmod = self.as_owner(Path::new("chmod"));
            chmod.arg("600").arg(self.data().join("server.key"));
            run_to_end(chmod, "chmod")?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        let mut last = String::new();
        for _ in 0..PORT_TRIES {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            self.port = free.map_err(|e| format!("no free port: {e}"))?.port();
            match self.spawn() {
                Ok(process) => {
                    self.process = Some(process);
                    return Ok(());
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn spawn(&self) -> Result<Process, String> {
        let log_path = self.directory.path().join("log");
        let log = fs::File::create(&log_path).map_err(|e| format!("log: {e}"))?;
        let errors = log.try_clone().map_err(|e| format!("log: {e}"))?;
        let mut command = self.as_owner(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.directory.path());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("ssl={}", if self.tls { "on" } else { "off" }),
            // Its data need not survive anything.
            "fsync=off".to_owned(),
            "synchronous_commit=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "max_connections=100".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        let child = command.stdout(log).stderr(errors).spawn().map_err(|e| format!("postgres: {e}"))?;
        let mut process = Process(child);
        let until = Instant::now() + START_MAX;
        while Instant::now() < until {
            if matches!(process.0.try_wait(), Ok(Some(_))) {
                break;
            }
            if self.sql("postgres", "SELECT 1").is_ok() {
                return Ok(process);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(process);
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        let tail = log.char_indices().rev().nth(1500).map_or(log.as_str(), |(at, _)| &log[at..]);
        Err(format!("the private PostgreSQL did not start; its log ends with:\n{tail}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // QUIT ends the server and its children at once; data are not worth a checkpoint. By the id of our own child.
        let _ = Command::new("kill").args(["-QUIT", &self.0.id().to_string()]).stderr(Stdio::null()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run_to_end(mut command: Command, what: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{what} cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
}

/// The directory with `initdb`, `postgres` and `psql`, of the newest version there is.
fn programs() -> Result<PathBuf, String> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = found.into_iter().rev().map(|(_, bin)| bin).chain(std::env::split_paths(&path));
    let complete = |bin: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).is_file());
    candidates.into_iter().find(complete).ok_or_else(|| {
        "PostgreSQL is not installed: install the package `postgresql` (apt-get install postgresql)".to_owned()
    })
}

fn owner() -> Result<Option<Owner>, String> {
    let user = fs::metadata("/proc/self").map_err(|e| format!("/proc: {e}"))?.uid();
    if user != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    for wanted in ["postgres", "nobody"] {
        for line in users.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, user, group, ..] = fields[..]
                && let (true, Ok(user), Ok(group)) = (name == wanted, user.parse(), group.parse())
            {
                return Ok(Some(Owner { user, group }));
            }
        }
    }
    Err("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`".to_owned())
}

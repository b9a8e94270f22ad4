//! `cardea server` as a process: start, signals, and starts that must fail with one clear line. The test program runs
//! itself again as the server.
#![allow(clippy::unwrap_used, clippy::panic)] // clippy takes only functions marked as tests for tests, not their helpers

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Arguments of the server, one a line.
const ARGS: &str = "CARDEA_TEST_SERVER_ARGS";

/// Not a test: what the child runs.
#[test]
#[ignore = "run by the other tests as the server's process"]
fn child() {
    let Ok(args) = std::env::var(ARGS) else { return };
    let args: Vec<String> = args.lines().map(str::to_owned).collect();
    let code = cardea_server::command(&args);
    std::process::exit(i32::from(code != ExitCode::SUCCESS));
}

struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    fn run(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::run_in(folder, args, environment, None)
    }

    /// With a hard limit of open files, if one is given.
    fn run_in(folder: TempDir, args: &[&str], environment: &[(&str, &str)], files_max: Option<u32>) -> Self {
        let log = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
        let program = std::env::current_exe().unwrap();
        let mut command = match files_max {
            None => Command::new(program),
            Some(files_max) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("ulimit -n {files_max} && exec \"$0\" \"$@\"")).arg(program);
                shell
            }
        };
        command
            .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
            .env_clear()
            .env(ARGS, args.join("\n"))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"));
        command.envs(environment.iter().copied());
        let process = command.spawn().unwrap();
        Self { process, folder }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// All that was ever printed.
    fn output(&self) -> String {
        self.read("stdout") + &self.read("stderr")
    }

    fn wait_for(&mut self, words: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let output = self.output();
            if output.contains(words) {
                return output;
            }
            assert!(self.process.try_wait().unwrap().is_none(), "ended early:\n{}", self.output());
            assert!(Instant::now() < deadline, "no {words:?} in:\n{output}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Host and port of the first listener.
    fn address(&mut self) -> String {
        let output = self.wait_for("Log data will stream");
        let line = output.lines().find(|line| line.trim_start().starts_with("Listener:")).unwrap();
        line.rsplit("://").next().unwrap().trim().to_owned()
    }

    fn signal(&self, name: &str) {
        // By the number of a process that this test started.
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ended(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < deadline, "does not end:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(&mut self) -> bool {
        self.signal("TERM");
        self.ended()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ask(address: &str, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let token = if token.is_empty() { String::new() } else { format!("x-vault-token: {token}\r\n") };
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{token}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut seen = String::new();
    stream.read_to_string(&mut seen).unwrap();
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn field(json: &str, name: &str) -> String {
    let behind = json.split(&format!("\"{name}\":")).nth(1).unwrap_or_else(|| panic!("no {name} in {json}"));
    behind.split('"').nth(1).unwrap().to_owned()
}

/// A configuration with a store and a key file in a folder.
fn deploy(folder: &Path, more: &str) -> String {
    let key = folder.join("seal.key");
    fs::write(&key, "11".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let config = folder.join("cardea.hcl");
    let text = format!(
        "storage \"embedded\" {{ path = \"{}\" disk_reserve = \"1MiB\" }}\nseal \"static\" {{ key_file = \"{}\" }}\n\
         listener \"tcp\" {{ address = \"127.0.0.1:0\" tls_disable = true }}\ndisable_mlock = true\n{more}\n",
        folder.join("data").display(),
        key.display()
    );
    fs::write(&config, text).unwrap();
    format!("-config={}", config.display())
}

/// A start that must fail: its one line.
fn fails(args: &[&str]) -> String {
    let mut server = Server::run(args, &[]);
    assert!(!server.ended(), "started:\n{}", server.output());
    let text = server.read("stderr");
    let mut lines = text.lines().filter(|line| line.starts_with("cardea server: "));
    let line = lines.next().unwrap_or_else(|| panic!("no clear line in:\n{text}")).to_owned();
    assert!(lines.next().is_none(), "{text}");
    line
}

#[test]
fn a_development_server_greets_as_users_know_it() {
    let token = "my-canary-root-token";
    let args = ["-dev", "-dev-listen-address=127.0.0.1:0", "-dev-root-token-id", token, "-log-level=trace"];
    let mut server = Server::run(&args, &[]);
    let address = server.address();
    let greeting = server.read("stdout");
    for words in ["Unseal Key: ", "Root Token: my-canary-root-token", &format!("export VAULT_ADDR='http://{address}'")]
    {
        assert!(greeting.contains(words), "{words} in\n{greeting}");
    }
    assert_eq!(server.read(".vault-token"), token);
    let mode = fs::metadata(server.folder.path().join(".vault-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(ask(&address, "GET", "/v1/sys/health", "", "").0, 200);
    let (status, body) = ask(&address, "POST", "/v1/secret/data/a", token, "{\"data\":{\"k\":\"canary-value\"}}");
    assert_eq!(status, 200, "{body}");
    let (status, body) = ask(&address, "GET", "/v1/secret/data/a", token, "");
    assert!(status == 200 && body.contains("canary-value"), "{body}");
    assert_eq!(ask(&address, "GET", "/v1/secret/data/a", "wrong", "").0, 403);
    assert!(server.stop(), "{}", server.output());
}

/// Scripts start one in the background and ask at once.
#[test]
fn a_development_server_answers_nobody_before_it_is_ready() {
    // Below the ports that the system hands out: a connection to one of those may find itself.
    let free = |port: &u32| std::net::TcpListener::bind(format!("127.0.0.1:{port}")).is_ok();
    let port = (0..1_000).map(|step| 20_000 + (std::process::id() + step) % 10_000).find(free).unwrap();
    let address = format!("127.0.0.1:{port}");
    let mut server = Server::run(&["-dev", &format!("-dev-listen-address={address}"), "-dev-root-token-id=root"], &[]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline && server.process.try_wait().unwrap().is_none(), "{}", server.output());
    }
    assert_eq!(ask(&address, "GET", "/v1/sys/health", "", "").0, 200, "the first answer");
    assert_eq!(ask(&address, "GET", "/v1/sys/mounts/secret", "root", "").0, 200);
    assert!(server.stop());
}

#[test]
fn a_development_server_reads_the_environment_and_leaves_the_token_alone_if_told_so() {
    let environment = [("VAULT_DEV_ROOT_TOKEN_ID", "from-vault"), ("CARDEA_DEV_LISTEN_ADDRESS", "127.0.0.1:0")];
    let mut server = Server::run(&["-dev", "-dev-no-store-token"], &environment);
    let address = server.address();
    assert_eq!(ask(&address, "GET", "/v1/auth/token/lookup-self", "from-vault", "").0, 200);
    assert!(!server.folder.path().join(".vault-token").exists());
    server.signal("INT");
    assert!(server.ended());
}

#[test]
fn state_survives_a_clean_end_and_a_kill_and_opens_itself_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = deploy(folder.path(), &format!("pid_file = \"{}\"", folder.path().join("pid").display()));
    let mut first = Server::run(&[&config], &[]);
    let address = first.address();
    let banner = first.read("stdout");
    assert!(banner.contains("cardea operator init") && !banner.contains("operator unseal"), "how to go on: {banner}");
    assert_eq!(fs::read_to_string(folder.path().join("pid")).unwrap().trim(), first.process.id().to_string());
    let (status, body) = ask(&address, "PUT", "/v1/sys/init", "", "{}");
    assert_eq!(status, 200, "{body}");
    let root = field(&body, "root_token");
    assert_eq!(ask(&address, "POST", "/v1/sys/mounts/kv", &root, "{\"type\":\"kv-v2\"}").0, 204);
    assert_eq!(ask(&address, "POST", "/v1/kv/data/a", &root, "{\"data\":{\"n\":\"1\"}}").0, 200);
    assert!(first.stop(), "{}", first.output());
    assert!(!folder.path().join("pid").exists());
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    copy(&data, &backup);

    let mut second = Server::run(&[&config], &[]);
    let address = second.address();
    assert_eq!(ask(&address, "GET", "/v1/kv/data/a", &root, "").0, 200);
    assert_eq!(ask(&address, "POST", "/v1/kv/data/b", &root, "{\"data\":{\"n\":\"2\"}}").0, 200);
    // One process a store.
    let line = fails(&[&config]);
    assert!(line.contains("in use by another process"), "{line}");
    second.process.kill().unwrap();
    second.process.wait().unwrap();

    let mut third = Server::run(&[&config], &[]);
    let address = third.address();
    let (status, body) = ask(&address, "GET", "/v1/kv/data/b", &root, "");
    assert!(status == 200 && body.contains("\"2\""), "what was acknowledged survives: {body}");
    assert!(third.stop());

    // The store set back as a whole does not open unasked; asked, it does, and what came later is gone.
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let line = fails(&[&config]);
    assert!(line.contains("set back or restored"), "{line}");
    let mut restored = Server::run(&[&config, "-accept-restored"], &[]);
    let address = restored.address();
    assert_eq!(ask(&address, "GET", "/v1/kv/data/a", &root, "").0, 200);
    assert_eq!(ask(&address, "GET", "/v1/kv/data/b", &root, "").0, 404);
    assert!(restored.stop());

    assert!(folder.path().join("data.witness").exists());
    fs::remove_dir_all(&data).unwrap();
    let mut empty = Server::run(&[&config], &[]);
    empty.wait_for("its witness remembers a longer log");
    assert!(empty.stop());
}

/// Copies a folder with all below it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            let _bytes = fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_development_server_can_have_a_kv_without_versions() {
    let args =
        ["-dev", "-dev-kv-v1", "-dev-no-store-token", "-dev-listen-address=127.0.0.1:0", "-dev-root-token-id=root"];
    let mut server = Server::run(&args, &[]);
    let address = server.address();
    assert_eq!(ask(&address, "POST", "/v1/secret/a", "root", "{\"k\":\"v\"}").0, 204);
    let (status, body) = ask(&address, "GET", "/v1/secret/a", "root", "");
    assert!(status == 200 && body.contains("\"data\":{\"k\":\"v\"}"), "{body}");
    assert!(server.stop());
}

#[test]
fn a_development_server_encrypts_with_an_authority_of_its_own() {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    let kept = tempfile::tempdir().unwrap();
    let folder = format!("-dev-tls-cert-dir={}", kept.path().display());
    for (more, names) in [
        (&[][..], &["127.0.0.1", "localhost"][..]),
        (&[folder.as_str(), "-dev-tls-san=dev.example,10.0.0.7"][..], &["dev.example", "10.0.0.7", "localhost"][..]),
    ] {
        let args = [&["-dev", "-dev-tls", "-dev-no-store-token", "-dev-listen-address=127.0.0.1:0"][..], more].concat();
        let mut server = Server::run(&args, &[]);
        let output = server.wait_for("server started!");
        let between = |begin: &str| output.split_once(begin).unwrap().1.split('\'').next().unwrap().to_owned();
        let address = between("VAULT_ADDR='https://");
        let ca = between("VAULT_CACERT='");
        assert!(!output.contains("not encrypted"), "{output}");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&ca).unwrap()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = std::sync::Arc::new(client.with_root_certificates(roots).with_no_client_auth());
        for name in names {
            let named = ServerName::try_from((*name).to_owned()).unwrap();
            let session = rustls::ClientConnection::new(client.clone(), named).unwrap();
            let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(&address).unwrap());
            stream.write_all(b"GET /v1/sys/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            let _end = stream.read_to_string(&mut answer);
            assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
        }
        assert!(server.stop());
        assert_eq!(Path::new(&ca).exists(), !more.is_empty(), "files of their own folder go with the process");
    }
}

#[test]
fn starts_that_cannot_be_end_with_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = deploy(folder.path(), "");
    assert!(fails(&[]).contains("needs -config"));
    assert!(fails(&["-nonsense"]).contains("unknown flag"));
    assert!(fails(&["-config"]).contains("-config needs a value"));
    assert!(fails(&["-config=/nonexistent.hcl"]).contains("the file does not exist"));
    assert!(fails(&["-dev", "-dev-tls-san=x"]).contains("need -dev-tls"));
    assert!(fails(&["-dev", "-dev-tls", "-dev-tls-cert-dir=/nonexistent"]).contains("the folder does not exist"));
    assert!(fails(&[&config, "-log-level=loud"]).contains("-log-level is"));

    let lost = tempfile::tempdir().unwrap();
    let words = deploy(lost.path(), &format!("log {{\n  witness_file = \"{}/disk/w\"\n}}", lost.path().display()));
    assert!(fails(&[&words]).contains("witness_file: there is no folder"), "a disk that is not there");
    assert!(!lost.path().join("data").exists());

    // A data directory that is a file, and one that may not be written (root may write everywhere).
    fs::write(folder.path().join("data"), "").unwrap();
    assert!(fails(&[&config]).contains("the store cannot be opened"));
    fs::remove_file(folder.path().join("data")).unwrap();
    let probe = folder.path().join("probe");
    fs::create_dir(&probe).unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(probe.join("x"), "").is_err() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let line = fails(&[&config]);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(line.contains("the store cannot be opened"), "{line}");
    }
}

#[test]
fn a_key_that_is_not_the_stores_does_not_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = deploy(folder.path(), "");
    let mut server = Server::run(&[&config], &[]);
    let address = server.address();
    assert_eq!(ask(&address, "PUT", "/v1/sys/init", "", "{}").0, 200);
    assert!(server.stop());
    fs::write(folder.path().join("seal.key"), "22".repeat(32)).unwrap();
    let line = fails(&[&config]);
    assert!(line.contains("the server cannot be unsealed by its key") && !line.contains("2222"), "{line}");
}

#[test]
fn a_hang_up_reads_the_level_again_and_the_log_file_anew() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("server.log");
    let config = deploy(folder.path(), "log_level = \"info\"\nlog_format = \"json\"");
    let flag = format!("-log-file={}", log.display());
    let mut server = Server::run(&[&config, &flag], &[]);
    let address = server.address();
    fs::rename(&log, folder.path().join("server.log.1")).unwrap();
    let text = fs::read_to_string(folder.path().join("cardea.hcl")).unwrap();
    fs::write(folder.path().join("cardea.hcl"), text.replace("\"info\"", "\"debug\"")).unwrap();
    server.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !log.exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    // Something that is said at that level only.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"\0\0\0\0\r\n\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    while !fs::read_to_string(&log).unwrap().contains("\"level\":\"DEBUG\"") {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.stop());
}

#[test]
fn callers_cannot_take_all_file_descriptors_and_a_full_house_does_not_spin() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["-dev", "-dev-no-store-token", "-dev-listen-address=127.0.0.1:0"];
    let mut server = Server::run_in(folder, &args, &[], Some(48));
    let address = server.address();
    let held: Vec<TcpStream> = (0..100).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    server.wait_for("the limit of open files is low");
    let open = fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count();
    assert!(open < 44, "the store needs some, too: {open}");
    let before = processor_ticks(server.process.id());
    std::thread::sleep(Duration::from_millis(1500));
    let spent = processor_ticks(server.process.id()) - before;
    assert!(spent < 50, "half of one processor's time at most, not a spin: {spent} ticks of 10 ms in 1.5 s");
    drop(held);
    assert_eq!(ask(&address, "GET", "/v1/sys/health", "", "").0, 200);
    assert!(server.stop());
}

/// Time of the processor that a process has used, in ticks of 10 ms.
fn processor_ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn no_secret_is_in_any_log_of_a_run_at_the_finest_level() {
    let folder = tempfile::tempdir().unwrap();
    let config = deploy(folder.path(), "");
    let mut server = Server::run(&[&config, "-log-level=trace"], &[]);
    let address = server.address();
    let (_, body) = ask(&address, "PUT", "/v1/sys/init", "", "{}");
    let root = field(&body, "root_token");
    let canaries = [
        "canary-value-in-data",
        "canary-key-in-data",
        "canary-in-path-query",
        "canary-foreign-token",
        "canary-in-malformed",
    ];
    ask(&address, "POST", "/v1/sys/mounts/kv", &root, "{\"type\":\"kv-v2\"}");
    ask(&address, "POST", "/v1/kv/data/a", &root, "{\"data\":{\"canary-key-in-data\":\"canary-value-in-data\"}}");
    ask(&address, "GET", "/v1/kv/data/a", &root, "");
    ask(&address, "GET", "/v1/kv/data/a?x=canary-in-path-query", &root, "");
    ask(&address, "GET", "/v1/kv/data/a", "canary-foreign-token", "");
    ask(&address, "POST", "/v1/kv/data/a", &root, "{\"data\": canary-in-malformed");
    ask(&address, "POST", "/v1/auth/approle/login", "", "{\"secret_id\":\"canary-value-in-data\"}");
    ask(&address, "PUT", "/v1/sys/unseal", "", "{\"key\":\"canary-value-in-data\"}");
    ask(&address, "POST", "/v1/auth/token/create", &root, "{\"id\":\"canary-foreign-token\"}");
    server.signal("HUP");
    assert!(server.stop());
    let output = server.output();
    assert!(output.contains("TRACE") || output.contains("DEBUG") || output.contains("INFO"), "{output}");
    for secret in canaries.iter().copied().chain([root.as_str(), &"11".repeat(32)]) {
        assert!(!output.contains(secret), "{secret} in:\n{output}");
    }
}

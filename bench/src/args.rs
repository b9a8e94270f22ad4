//! The command line: flags in Vault's style (one dash is enough), environment in Vault's names, and how they become plans.
//! A token given in the environment is never shown in the help.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::{
    error::BenchError,
    matrix::{MatrixPlan, Offer},
    process::{Cpus, Machine, parse_cpus},
    script::Kind,
    subject::{Database, Postgres, SubjectPlan},
};

/// Load generator and machine limits for any Vault-compatible server.
///
/// Exit codes: 0, every answer was right; 1, the run could not take place; 2, wrong flags; 3, some answer was wrong.
#[derive(Parser)]
#[command(name = "cardea-bench", version)]
pub struct Cli {
    /// What to do; `run` when the first argument is a flag.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Load a server that is running: sets up its own data, measures, prints, cleans up.
    Run(Box<RunArgs>),
    /// Start fresh servers from a binary, one with the durable log and one without records of reads, and load both.
    Local(Box<LocalArgs>),
    /// Print the project's aims beside the figures of a JSON file that `run` or `local` wrote.
    Aims(AimsArgs),
    /// Fill a store with secrets and leases, and measure start, memory, and reads while many leases end at once.
    Scale(ScaleArgs),
    /// The server that `scale` measures: serves a store, and answers questions on its standard input until that ends.
    #[command(hide = true)]
    ScaleServe(ScaleServeArgs),
    /// The limit: answers every request with the same bytes until its standard input ends.
    BareServer(BareArgs),
}

/// Flags of `run`.
#[derive(Args)]
pub struct RunArgs {
    /// The server: http://host:port, or https://host:port with -ca-cert.
    #[arg(long, env = "VAULT_ADDR", default_value = "http://127.0.0.1:8200")]
    pub address: String,
    /// A token that may create mounts, policies and tokens.
    #[arg(long, env = "VAULT_TOKEN", hide_env_values = true)]
    pub token: Zeroed,
    /// PEM file of the authority that signed the server's certificate.
    #[arg(long, env = "VAULT_CACERT")]
    pub ca_cert: Option<PathBuf>,
    /// The server's process, if it runs on this machine: for its processor time and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// The server's name in the report.
    #[arg(long, default_value = "server")]
    pub label: String,
    /// Remove what an interrupted run left under the same -mount first.
    #[arg(long)]
    pub replace: bool,
    /// Folder on the disk of the server's store, to measure a sync there.
    #[arg(long)]
    pub sync_dir: Option<PathBuf>,
    /// Leave out the bare server.
    #[arg(long)]
    pub no_bare: bool,
    /// What is measured.
    #[command(flatten)]
    pub matrix: MatrixArgs,
    /// What it is measured on.
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Flags of `local`.
#[derive(Args)]
pub struct LocalArgs {
    /// The server's binary; started as `BINARY server -config=FILE`.
    #[arg(long)]
    pub server_binary: PathBuf,
    /// Folder for the servers' fresh data; on the disk that is to be measured.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Which servers: durable, off.
    #[arg(long, value_delimiter = ',', default_value = "durable,off")]
    pub audit: Vec<Audit>,
    /// Lets servers and generator run on all processors, instead of the generator on the last and the servers on the rest.
    #[arg(long)]
    pub no_pin: bool,
    /// Leave out the bare server.
    #[arg(long)]
    pub no_bare: bool,
    /// What is measured.
    #[command(flatten)]
    pub matrix: MatrixArgs,
    /// What it is measured on.
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Whether reads are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Audit {
    /// The default: every request's record is durable before its answer leaves.
    Durable,
    /// Reads leave no record.
    Off,
}

/// Flags of `aims`.
#[derive(Args)]
pub struct AimsArgs {
    /// The JSON file.
    #[arg(long)]
    pub results: PathBuf,
}

/// Flags of `bare-server`.
#[derive(Args)]
pub struct BareArgs {
    /// File with the bytes of every answer.
    #[arg(long)]
    pub body_file: PathBuf,
    /// Their content type.
    #[arg(long, default_value = "application/json")]
    pub content_type: String,
}

/// Flags of `scale`.
#[derive(Args, Clone)]
pub struct ScaleArgs {
    /// Folder on the disk that is to be measured; the store is made in a folder of its own there, and removed.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Secrets of 1 KiB, written by requests.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub secrets: u64,
    /// Leases, announced and activated through the kernel; those of the storm are among them.
    #[arg(long, default_value_t = 1_000_000)]
    pub leases: u64,
    /// Leases that end within one window.
    #[arg(long, default_value_t = 100_000)]
    pub storm: u64,
    /// Seconds over which the storm's ends are spread, and for which reads are measured at rest and during the storm.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub window: u64,
    /// KV reads a second, open loop, at rest and during the storm.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Random KV reads before the memory after reads is read.
    #[arg(long, default_value_t = 10_000)]
    pub reads: u64,
    /// Connections of the reads.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Gives the generator the last processor and the server the rest, instead of all to both.
    #[arg(long)]
    pub pin: bool,
}

/// Flags of `scale-serve`.
#[derive(Args)]
pub struct ScaleServeArgs {
    /// Folder of the store.
    #[arg(long)]
    pub dir: PathBuf,
}

/// Closed loop, open loop, or one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The next request follows the answer.
    Closed,
    /// A fixed rate; latency counts from the intended start.
    Open,
    /// Both.
    Both,
}

/// Flags of a measurement.
#[derive(Args)]
pub struct MatrixArgs {
    /// Operations: kv-read, kv-write-one, kv-write-spread, kv-mix-90-10, token-lookup, approle-login, database-creds,
    /// transit-encrypt, transit-sign, get-secret-value, put-secret-value, kms-encrypt, kms-decrypt, kms-data-key, kms-sign.
    #[arg(long, value_delimiter = ',', value_parser = Kind::parse)]
    pub ops: Vec<Kind>,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_value = "1,16,128")]
    pub connections: Vec<usize>,
    /// Closed loop, open loop or both.
    #[arg(long, default_value = "closed")]
    pub mode: Mode,
    /// Open loop: requests a second over all connections; without it, -load counts.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Open loop: share of what the closed loop reached in the same round.
    #[arg(long, default_value_t = 0.5)]
    pub load: f64,
    /// Seconds of load before each window.
    #[arg(long, default_value_t = 2.0)]
    pub warm_up: f64,
    /// Seconds of each window.
    #[arg(long, default_value_t = 10.0)]
    pub duration: f64,
    /// Repetitions of everything, interleaved; the report shows medians and the spread.
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Processors of the generator, such as 1 or 2-3.
    #[arg(long, value_parser = cpus)]
    pub generator_cpus: Option<List>,
    /// Processors of the servers that this program starts.
    #[arg(long, value_parser = cpus)]
    pub server_cpus: Option<List>,
    /// Writes everything into this file, too.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// A list of processors as one value of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(pub Cpus);

fn cpus(text: &str) -> Result<List, String> {
    parse_cpus(text).map(List)
}

/// A text of the command line that is wiped when it is dropped; not printable.
#[derive(Clone)]
pub struct Zeroed(pub Zeroizing<String>);

impl From<String> for Zeroed {
    fn from(text: String) -> Zeroed {
        Zeroed(Zeroizing::new(text))
    }
}

/// Where the secrets lie unless a flag says otherwise; servers that this program starts show this place to AWS's clients.
pub const MOUNT_DEFAULT: &str = "bench";

/// Flags of what is set up on the server.
#[derive(Args)]
pub struct SubjectArgs {
    /// Path of the KV mount that is made and removed.
    #[arg(long, default_value = MOUNT_DEFAULT)]
    pub mount: String,
    /// Secrets to read from, and as many to write to.
    #[arg(long, default_value_t = 1000)]
    pub secrets: u64,
    /// Size of a value in bytes.
    #[arg(long, default_value_t = 1024)]
    pub value_bytes: usize,
    /// database-creds: the path of a database mount that is there.
    #[arg(long, default_value = "database")]
    pub database_mount: String,
    /// database-creds: a role of that mount; without it (and without -postgres-url) the operation is skipped.
    #[arg(long)]
    pub database_role: Option<String>,
    /// database-creds: set up a mount of our own on this PostgreSQL, as in Vault's connection_url.
    #[arg(long, requires = "postgres_username", requires = "postgres_password")]
    pub postgres_url: Option<String>,
    /// The user that creates users.
    #[arg(long)]
    pub postgres_username: Option<String>,
    /// Its password.
    #[arg(long, env = "PGPASSWORD", hide_env_values = true)]
    pub postgres_password: Option<Zeroed>,
}

impl SubjectArgs {
    /// The plan of what to set up.
    pub fn plan(&self) -> SubjectPlan {
        let own = match (&self.postgres_url, &self.postgres_username, &self.postgres_password) {
            (Some(url), Some(username), Some(password)) => {
                Some(Postgres { url: url.clone(), username: username.clone(), password: password.0.clone() })
            }
            _ => None,
        };
        let database = match (own, &self.database_role) {
            (Some(own), _) => Database::Own(own),
            (None, Some(role)) => Database::Existing { mount: self.database_mount.clone(), role: role.clone() },
            (None, None) => Database::None,
        };
        SubjectPlan {
            mount: self.mount.trim_matches('/').to_owned(),
            secrets: self.secrets.max(1),
            value_bytes: self.value_bytes,
            database,
        }
    }
}

/// Longest window or warm-up, in seconds: a day.
const LONGEST_S: f64 = 86_400.0;

impl MatrixArgs {
    /// The plan of what to measure; the folder of the syncs and the bare server are for the caller to fill in.
    pub fn plan(&self) -> Result<MatrixPlan, BenchError> {
        let wrong = |text: &str| Err(BenchError::Setup(text.into()));
        let seconds = |value: f64| Duration::try_from_secs_f64(value.clamp(0.0, LONGEST_S)).unwrap_or_default();
        if self.connections.is_empty() || self.connections.contains(&0) {
            return wrong("-connections needs numbers above 0");
        }
        if self.rounds == 0 || self.threads == 0 || self.duration.is_nan() || self.duration <= 0.0 {
            return wrong("-rounds, -threads and -duration must be above 0");
        }
        if !(self.load > 0.0 && self.rate.unwrap_or(1.0) > 0.0) {
            return wrong("-load and -rate must be above 0");
        }
        let offer = self.rate.map_or(Offer::Share(self.load), Offer::Rate);
        Ok(MatrixPlan {
            kinds: if self.ops.is_empty() { Kind::ALL.to_vec() } else { self.ops.clone() },
            connections: self.connections.clone(),
            closed: self.mode != Mode::Open,
            open: (self.mode != Mode::Closed).then_some(offer),
            warm_up: seconds(self.warm_up),
            duration: seconds(self.duration),
            rounds: self.rounds,
            threads: self.threads,
            generator_cpus: self.generator_cpus.clone().map(|list| list.0),
            server_cpus: self.server_cpus.clone().map(|list| list.0),
            sync_folder: None,
            bare_program: None,
        })
    }

    /// How it is measured, as lines of the report.
    pub fn settings(&self, plan: &MatrixPlan, subject: &SubjectPlan) -> Vec<(String, String)> {
        let list = |cpus: &Option<Cpus>| match cpus {
            Some(cpus) => cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
            None => "any".into(),
        };
        let open = match plan.open {
            Some(Offer::Rate(rate)) => format!("open loop at {rate:.0} a second"),
            Some(Offer::Share(share)) => format!("open loop at {share} of the closed loop's rate"),
            None => "no open loop".into(),
        };
        vec![
            (
                "windows".into(),
                format!("{} s after {} s of warm-up, {} rounds, {open}", self.duration, self.warm_up, plan.rounds),
            ),
            (
                "processors".into(),
                format!(
                    "servers {}, generator {} ({} threads)",
                    list(&plan.server_cpus),
                    list(&plan.generator_cpus),
                    plan.threads
                ),
            ),
            ("data".into(), format!("{} secrets of {} bytes", subject.secrets, subject.value_bytes)),
        ]
    }
}

/// Gives the generator the last processors and the servers the rest, where there are enough and nothing was chosen.
pub fn pin(plan: &mut MatrixPlan, machine: &Machine) {
    let split = machine.cores.saturating_sub(plan.threads);
    if split > 0 && plan.generator_cpus.is_none() && plan.server_cpus.is_none() {
        plan.server_cpus = Some((0..split).collect());
        plan.generator_cpus = Some((split..machine.cores).collect());
    }
}

/// Makes Vault's style of flags readable for the parser: one dash becomes two, and a flag first means `run`.
pub fn normalize(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut arguments = arguments.into_iter();
    let mut out: Vec<String> = arguments.next().into_iter().collect();
    for (index, argument) in arguments.enumerate() {
        let long = argument.starts_with('-') && argument[1..].starts_with(|c: char| c.is_ascii_alphabetic());
        let doubled = if long && argument.len() > 2 { format!("-{argument}") } else { argument };
        if index == 0 && doubled.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&doubled.as_str()) {
            out.push("run".into());
        }
        out.push(doubled);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn one_dash_is_enough() {
        let cases = [
            ("b run -address=x -h", "b run --address=x -h"),
            ("b -token t --pid 1", "b run --token t --pid 1"),
            ("b aims -results -", "b aims --results -"),
            ("b -h", "b -h"),
            ("b -help", "b --help"),
            ("b run -rate -5", "b run --rate -5"),
        ];
        for (given, expected) in cases {
            assert_eq!(normalize(words(given)), words(expected), "{given}");
        }
    }

    #[test]
    fn plans() {
        let parse = |text: &str| match Cli::try_parse_from(normalize(words(text))) {
            Ok(Cli { command: Command::Run(run) }) => run.matrix.plan().map_err(|error| error.to_string()),
            Ok(_) => Err("not run".into()),
            Err(error) => Err(error.to_string()),
        };
        let plan = parse("b -token t -ops kv-read,approle-login -connections 2,4 -mode both -rate 10").unwrap();
        assert_eq!(plan.kinds, [Kind::KvRead, Kind::ApproleLogin]);
        assert_eq!((plan.connections, plan.closed, plan.open), (vec![2, 4], true, Some(Offer::Rate(10.0))));
        let plan = parse("b -token t -mode open -generator-cpus 1-2").unwrap();
        assert_eq!((plan.kinds.len(), plan.closed, plan.open), (Kind::ALL.len(), false, Some(Offer::Share(0.5))));
        assert_eq!(plan.generator_cpus, Some(vec![1, 2]));
        for text in [
            "b -token t -ops fast",
            "b -token t -connections 0",
            "b -token t -duration 0",
            "b -token t -rounds 0",
            "b -token t -load 0",
            "b -token t -generator-cpus x",
            "b -token t -postgres-url x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_generator_gets_the_last_processors() {
        let Ok(Cli { command: Command::Run(run) }) = Cli::try_parse_from(words("b run --token t")) else { panic!() };
        for (cores, expected) in [(1, None), (2, Some((vec![0], vec![1]))), (4, Some((vec![0, 1, 2], vec![3])))] {
            let mut plan = run.matrix.plan().unwrap();
            pin(&mut plan, &Machine { cores, ..Machine::default() });
            assert_eq!(plan.server_cpus.zip(plan.generator_cpus), expected, "{cores} cores");
        }
    }
}

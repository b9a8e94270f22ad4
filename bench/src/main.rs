//! `cardea-bench`: the figures of a Vault-compatible server beside the limits of the machine it runs on. The server under
//! test is a parameter. It prints figures and never judges a build by them: no test of the project reads the clock through it.

mod aims;
mod api;
mod args;
mod error;
#[cfg(test)]
mod fake;
mod limits;
mod load;
mod local;
mod matrix;
mod process;
mod report;
mod scale;
mod script;
mod signed;
mod subject;
mod wire;

use std::{
    io::Write as _,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Parser;

use crate::{
    aims::{DURABLE, OFF},
    api::Admin,
    args::{AimsArgs, Audit, Cli, Command, LocalArgs, RunArgs, normalize, pin},
    error::BenchError,
    local::LocalServer,
    matrix::Target,
    process::{Machine, confine_this_thread, rss_anon_bytes},
    report::{Extra, ExtraName, Report},
    wire::Endpoint,
};

/// A fresh server gets this long to come to rest before its idle memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Exit code when some answer was wrong.
const WRONG_ANSWERS: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse_from(normalize(std::env::args()));
    let result = match cli.command {
        Command::Run(args) => run(&args),
        Command::Local(args) => local(&args),
        Command::Aims(args) => print_aims(&args).map(|()| true),
        Command::Scale(args) => scale::run(&args),
        Command::ScaleServe(args) => scale::serve(&args.dir).map(|()| true),
        Command::BareServer(args) => limits::bare_server(&args.body_file, &args.content_type).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG_ANSWERS),
        Err(error) => {
            eprintln!("cardea-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures a server that is running; `false` when some answer was wrong.
fn run(args: &RunArgs) -> Result<bool, BenchError> {
    let mut plan = args.matrix.plan()?;
    plan.sync_folder = args.sync_dir.clone();
    plan.bare_program = if args.no_bare { None } else { Some(own_program()?) };
    let subject_plan = args.subject.plan();
    let endpoint = Endpoint::parse(&args.address, args.ca_cert.as_deref())?;
    let mut admin = Admin::new(endpoint, args.token.0.clone())?;
    let mut report = begin();
    report.settings = args.matrix.settings(&plan, &subject_plan);
    let version = version_of(&mut admin)?;
    report.settings.push((args.label.clone(), version));
    if let Some(cpus) = &plan.generator_cpus {
        confine_this_thread(cpus)?;
    }
    if args.replace {
        // What was not there cannot be removed; only a mount that stays is an error, and `prepare` finds it.
        let _absent = subject::clean(&mut admin, &subject_plan, None);
    }
    let subject = subject::prepare(&mut admin, &subject_plan)?;
    let mut targets = [Target { label: args.label.clone(), admin, pid: args.pid, subject }];
    let measured = matrix::run(&plan, &mut targets, &mut report);
    let [Target { mut admin, subject, .. }] = targets;
    admin.disconnect();
    for complaint in subject::clean(&mut admin, &subject_plan, Some(&subject)) {
        eprintln!("cleaning up: {complaint}");
    }
    measured?;
    finish(report, args.matrix.json.as_deref(), false)
}

/// Starts fresh servers and measures them, interleaved; `false` when some answer was wrong.
fn local(args: &LocalArgs) -> Result<bool, BenchError> {
    let mut report = begin();
    let mut plan = args.matrix.plan()?;
    if !args.no_pin {
        pin(&mut plan, &report.machine);
    }
    let folder = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .map_err(BenchError::io("making a folder for the servers"))?;
    plan.sync_folder = Some(folder.path().to_owned());
    plan.bare_program = if args.no_bare { None } else { Some(own_program()?) };
    if let Some(cpus) = &plan.generator_cpus {
        confine_this_thread(cpus)?;
    }
    let subject_plan = args.subject.plan();
    report.settings = args.matrix.settings(&plan, &subject_plan);

    let (mut servers, mut targets) = (Vec::new(), Vec::new());
    for &audit in &args.audit {
        let label = if audit == Audit::Durable { DURABLE } else { OFF };
        let home = folder.path().join(label);
        let server = LocalServer::start(&args.server_binary, &home, audit, plan.server_cpus.clone())?;
        thread::sleep(SETTLE);
        if let Some(bytes) = rss_anon_bytes(server.pid()) {
            report.extras.push(Extra {
                target: label.into(),
                name: ExtraName::IdleMemoryMib,
                value: bytes as f64 / f64::from(1 << 20),
                note: format!("{} s after unsealing, nothing stored", SETTLE.as_secs()),
            });
        }
        let mut admin = server.admin()?;
        let version = version_of(&mut admin)?;
        report.settings.push((label.into(), version));
        let subject = subject::prepare(&mut admin, &subject_plan)?;
        targets.push(Target { label: label.into(), admin, pid: Some(server.pid()), subject });
        servers.push(server);
    }
    matrix::run(&plan, &mut targets, &mut report)?;
    for (server, target) in servers.iter_mut().zip(&targets) {
        let took = server.restart(&target.subject)?;
        report.extras.push(Extra {
            target: target.label.clone(),
            name: ExtraName::FirstReadMs,
            value: took.as_secs_f64() * 1000.0,
            note: format!("after kill -9, {} secrets and what the load left", 2 * subject_plan.secrets + 1),
        });
    }
    drop(servers);
    finish(report, args.matrix.json.as_deref(), true)
}

fn begin() -> Report {
    let mut report = Report { machine: Machine::here(), ..Report::default() };
    report.warnings.clear();
    report
}

fn own_program() -> Result<std::path::PathBuf, BenchError> {
    std::env::current_exe().map_err(BenchError::io("finding this program's own file"))
}

/// What the server calls itself; also the first proof that it answers.
fn version_of(admin: &mut Admin) -> Result<String, BenchError> {
    let health = admin.insist("GET", "sys/health", None)?;
    let version = health.get("version").and_then(|version| version.as_str()).unwrap_or("unknown");
    Ok(format!("reports version {version}"))
}

fn finish(mut report: Report, json: Option<&Path>, with_aims: bool) -> Result<bool, BenchError> {
    let written = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    report.settings.push(("ended".into(), format!("{written} s of Unix time")));
    report.judge();
    print(&report.text())?;
    if with_aims {
        print(&format!("\n{}", aims::text(&report)))?;
    }
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|_| BenchError::Setup("the report cannot be written as JSON".into()))?;
        std::fs::write(path, text + "\n").map_err(BenchError::io("writing the JSON file"))?;
    }
    Ok(report.is_clean())
}

fn print_aims(args: &AimsArgs) -> Result<(), BenchError> {
    let text = std::fs::read_to_string(&args.results).map_err(BenchError::io("reading the results"))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|_| BenchError::Setup("the results are not a report of ours".into()))?;
    print(&aims::text(&report))
}

fn print(text: &str) -> Result<(), BenchError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(BenchError::io("printing the report"))
}

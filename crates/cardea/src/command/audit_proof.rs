//! `audit export|verify|search|checkpoint`: the log as evidence. `verify` works on a file and a kept checkpoint alone, with
//! no server in reach; it must never say that a log holds when it was not asked against a key.

use super::{Command, Traits};
use crate::{
    arguments::Flag,
    call::{Call, variable},
    failure::Failure,
    input,
    output::{self, line, table, two_columns},
    session::Session,
};
use cardea_audit::{
    Hash, Record,
    checkpoint::{Checkpoint, VerifierKey},
    export::{ExportError, ExportReader, ExportWriter, Line},
    merkle::Frontier,
    search::Summary,
    verify::verify_export,
};
use cardea_client::Request;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::os::unix::fs::OpenOptionsExt;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, IsTerminal as _, Write},
    path::Path,
};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "audit export",
        arguments: "",
        summary: "Writes the log with its checkpoints into a file that audit verify can judge",
        flags: &[&[Flag::text("output", "File to write; standard output if absent or -.").alias("o")]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: export,
    },
    Command {
        name: "audit verify",
        arguments: "FILE",
        summary: "Proves offline that an exported log is whole, against checkpoints kept earlier",
        flags: &[&[
            Flag::list("checkpoint", "File with a checkpoint kept earlier. May be given several times."),
            Flag::text("key", "Key that signs the log, as audit checkpoint -field=key prints it, or a file with it."),
        ]],
        traits: Traits::LOCAL,
        count: (1, 1),
        run: verify,
    },
    Command {
        name: "audit search",
        arguments: "",
        summary: "Finds records by path, caller, address, time and decision",
        flags: &[&[
            Flag::text("path", "secret/data/app, secret/data/*, secret/+/app, or secret/ for all below it."),
            Flag::text("caller", "Display name, entity id, accessor, token, or the keyed hash of one of the last two."),
            Flag::text("source", "Address that the request came from, or a network such as 10.0.0.0/8."),
            Flag::text("from", "Not before this time, RFC 3339."),
            Flag::text("to", "Before this time, RFC 3339."),
            Flag::text("decision", "allow or deny."),
            Flag::text("operation", "create, read, update, patch, delete or list."),
            Flag::text("value", "A value that stands hashed in the log; - reads it from standard input."),
            Flag::number("limit", "Most records to print, from the oldest that matches on; 100 if absent."),
        ]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: search,
    },
    Command {
        name: "audit checkpoint",
        arguments: "",
        summary: "Prints the newest signed checkpoint of the log: keep it elsewhere, it proves all before it",
        flags: &[],
        traits: Traits::FIELD,
        count: (0, 0),
        run: checkpoint,
    },
];

/// Records asked for at once; the server may give fewer.
const PAGE_RECORDS: &str = "5000";

/// Records that a search prints if nobody says how many.
const SEARCH_LIMIT_DEFAULT: usize = 100;

fn data_of(secret: Option<cardea_client::Secret>, what: &str) -> Result<Map<String, Value>, Failure> {
    let data = secret.as_ref().and_then(|secret| secret.data().cloned());
    data.ok_or_else(|| Failure::server(format!("{what}: the server answered with nothing")))
}

fn checkpoint(call: &Call) -> Result<(), Failure> {
    let what = "Error reading checkpoint";
    let secret = Session::open(call)?.ask(what, &Request::get("sys/audit-log/checkpoint"))?;
    let secret = secret.ok_or_else(|| Failure::server(format!("{what}: the log has none yet")))?;
    if call.given.is_set("field") || !call.is_table() {
        return output::secret(call, &secret);
    }
    // The note alone, byte for byte: what is redirected into a file is what verify takes.
    let note = secret.data().and_then(|data| data.get("checkpoint")?.as_str());
    let note = note.ok_or_else(|| Failure::server(format!("{what}: the answer holds none")))?;
    output::bytes(note.as_bytes())
}

fn export(call: &Call) -> Result<(), Failure> {
    match call.given.text("output").filter(|path| *path != "-") {
        None => {
            export_to(call, io::stdout().lock())?;
            Ok(())
        }
        Some(path) => {
            // Written beside and renamed: a file with the name asked for is a whole export.
            let beside = format!("{path}.part");
            let failure = |error: &io::Error| Failure::usage(format!("Error writing {path}: {}", error.kind()));
            // It says who did what, when and from where: the owner's eyes only.
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            let file = options.open(&beside).map_err(|error| failure(&error))?;
            let (records, first) = export_to(call, BufWriter::new(&file))?;
            file.sync_all().and_then(|()| std::fs::rename(&beside, path)).map_err(|error| failure(&error))?;
            line(&format!("Success! Exported {records} records from position {first} to: {path}"))
        }
    }
}

/// Joins the server's pages into one export. Returns the number of records and the first position.
fn export_to(call: &Call, out: impl Write) -> Result<(u64, u64), Failure> {
    const WHAT: &str = "Error exporting the log";
    let wrong = |text: &str| Failure::server(format!("{WHAT}: {text}"));
    let failed = |error: ExportError| Failure::server(format!("{WHAT}: {error}"));
    let session = Session::open(call)?;
    let facts = data_of(session.ask(WHAT, &Request::get("sys/audit-log/checkpoints").unwrapped())?, WHAT)?;
    let origin =
        facts.get("origin").and_then(Value::as_str).ok_or_else(|| wrong("the server does not name its log"))?;
    let texts = |name: &str| facts.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let nodes: Option<Vec<Hash>> = texts("frontier").map(Hash::from_hex).collect();
    let first = facts.get("first").and_then(Value::as_u64).unwrap_or_default();
    let frontier = nodes.and_then(|nodes| Frontier::from_parts(first, nodes));
    let frontier = frontier.ok_or_else(|| wrong("the beginning of the log is not well formed"))?;
    let mut checkpoints = Vec::new();
    for note in texts("checkpoints") {
        checkpoints.push(Checkpoint::parse(note).map_err(|_| wrong("a checkpoint is not well formed"))?);
    }
    let end = checkpoints.last().map(|checkpoint| checkpoint.statement().size);
    let end = end.filter(|end| *end >= first).ok_or_else(|| wrong("the log has no checkpoint yet"))?;

    let mut writer = ExportWriter::begin(out, origin, &frontier, &[]).map_err(failed)?;
    let mut due = checkpoints.iter().filter(|checkpoint| checkpoint.statement().size >= first).peekable();
    let bar = bar(end - first, "records");
    let mut next = first;
    loop {
        while let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.statement().size == next) {
            writer.checkpoint(checkpoint).map_err(failed)?;
        }
        if next >= end {
            break;
        }
        let request = Request::get("sys/audit-log/export").param("from", next.to_string()).param("limit", PAGE_RECORDS);
        let page = session.send(WHAT, &request.unwrapped())?;
        let before = next;
        each_record(page.body.expose(), origin, &mut |line| {
            let Line::Record { position, leaf, record } = line else {
                return Err(wrong("a page holds what is no record"));
            };
            if next < end {
                writer.record(position, &leaf, record).map_err(failed)?;
                next += 1;
                while let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.statement().size == next) {
                    writer.checkpoint(checkpoint).map_err(failed)?;
                }
            }
            Ok(())
        })?;
        if next == before {
            return Err(wrong("the log ends before its newest checkpoint"));
        }
        bar.set_position(next - first);
    }
    writer.finish().map_err(failed)?;
    bar.finish_and_clear();
    Ok((end - first, first))
}

/// Reads the record lines of a page. A page has no header of its own, so it is read behind an empty one.
fn each_record(
    page: &[u8],
    origin: &str,
    each: &mut dyn FnMut(Line<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let wrong = |_| Failure::server("Error exporting the log: a page is not well formed");
    let mut text = Vec::with_capacity(page.len() + origin.len() + 128);
    ExportWriter::begin(&mut text, origin, &Frontier::new(), &[]).map_err(wrong)?;
    text.extend_from_slice(page);
    let mut reader = ExportReader::open(text.as_slice()).map_err(wrong)?;
    loop {
        match reader.next_line() {
            Ok(Some(line)) => each(line)?,
            // A page has no end line either: it ends where its bytes do, between two lines.
            Err(ExportError::Truncated) if page.is_empty() || page.ends_with(b"\n") => return Ok(()),
            Ok(None) => return Err(wrong(ExportError::Malformed)),
            Err(error) => return Err(wrong(error)),
        }
    }
}

fn verify(call: &Call) -> Result<(), Failure> {
    let path = call.argument(0);
    let key = call.given.text("key").map(str::to_owned).or_else(|| variable("AUDIT_KEY"));
    let key = key.ok_or_else(|| {
        Failure::usage("A key is needed: -key=KEY or -key=FILE, as \"cardea audit checkpoint -field=key\" printed it")
    })?;
    let key = if Path::new(&key).is_file() { input::from_file(&key)? } else { key };
    let key =
        VerifierKey::parse(key.trim()).map_err(|error| Failure::usage(format!("Error reading the key: {error}")))?;
    let mut trusted = Vec::new();
    for file in call.given.list("checkpoint") {
        let text = input::from_file(file)?;
        let checkpoint = Checkpoint::parse(&text);
        trusted.push(checkpoint.map_err(|error| Failure::usage(format!("Error reading checkpoint {file}: {error}")))?);
    }
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let bar = bar(file.metadata().map(|facts| facts.len()).unwrap_or_default(), "bytes");
    let report = verify_export(BufReader::with_capacity(1 << 20, bar.wrap_read(&file)), &trusted, &key);
    bar.finish_and_clear();
    let report = report.map_err(|failure| Failure::server(format!("The log does not hold: {failure}")))?;
    if !call.is_table() {
        return output::value(
            call.format,
            &json!({
                "verified": true,
                "origin": report.origin,
                "first": report.first.0,
                "size": report.size,
                "root": report.root.to_string(),
                "records": report.records,
                "checkpoints": report.checkpoints,
                "trusted": report.trusted,
                "signed_at": report.signed_at.to_string(),
            }),
        );
    }
    let kept = report.trusted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let rows = [
        ("Log", report.origin.clone()),
        ("First Record", report.first.to_string()),
        ("Records", report.records.to_string()),
        ("Size", report.size.to_string()),
        ("Root", report.root.to_string()),
        ("Checkpoints", report.checkpoints.to_string()),
        ("Kept Checkpoints Proven", kept),
        ("Signed At", report.signed_at.to_string()),
    ];
    line(&two_columns(rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))?;
    if trusted.is_empty() {
        output::complain(
            "WARNING! No kept checkpoint was given: a log that was rewritten and signed again would pass.",
        );
    }
    line("\nSuccess! The log holds.")
}

fn search(call: &Call) -> Result<(), Failure> {
    const WHAT: &str = "Error searching the log";
    let given = &call.given;
    let limit = given.number("limit").map_or(Ok(SEARCH_LIMIT_DEFAULT), usize::try_from);
    let limit = limit.map_err(|_| Failure::usage("-limit must not be negative"))?;
    let session = Session::open(call)?;
    let mut base = Request::get("sys/audit-log/search");
    for (flag, name) in [
        ("path", "path"),
        ("caller", "caller"),
        ("source", "address"),
        ("from", "from"),
        ("to", "to"),
        ("decision", "decision"),
        ("operation", "operation"),
    ] {
        if let Some(text) = given.text(flag) {
            base = base.param(name, text);
        }
    }
    if let Some(value) = given.text("value") {
        base = base.param("value", input::secret(call, Some(value), "Value")?.expose());
    }
    let mut found: Vec<Value> = Vec::new();
    let mut after: Option<u64> = None;
    while found.len() < limit {
        let mut request = Request::get(&base.path);
        request.query.clone_from(&base.query);
        request = request.param("limit", (limit - found.len()).to_string());
        if let Some(after) = after {
            request = request.param("after", after.to_string());
        }
        let data = data_of(session.ask(WHAT, &request)?, WHAT)?;
        if let Some(Value::Array(page)) = data.get("found") {
            found.extend(page.iter().cloned());
        }
        let next = data.get("next").and_then(Value::as_u64);
        // A server that does not go on must not be asked for ever.
        if next.is_none() || next <= after {
            break;
        }
        after = next;
    }
    found.truncate(limit);
    if !call.is_table() {
        return output::value(call.format, &Value::Array(found));
    }
    if found.is_empty() {
        return Err(Failure::server("No records found"));
    }
    let mut head = vec!["Position".to_owned()];
    head.extend(Summary::COLUMNS.map(str::to_owned));
    let mut rows = vec![head];
    for hit in &found {
        let record = hit.get("record").map(Value::to_string).unwrap_or_default();
        let record = Record::decode(record.as_bytes());
        let record = record.map_err(|_| Failure::server(format!("{WHAT}: a record is not well formed")))?;
        let mut row = vec![hit.get("position").map(Value::to_string).unwrap_or_default()];
        row.extend(Summary::of(&record).cells().map(str::to_owned));
        rows.push(row);
    }
    line(&table(&rows))
}

/// A bar on a terminal, nothing in a pipe.
fn bar(length: u64, unit: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{human_pos}}/{{human_len}} {unit}"));
    let bar = ProgressBar::new(length);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

//! `operator rotate` and `operator key-status`. The rotation itself is one commit; the rewrap that follows runs in the
//! server, survives this command, and is only watched here.

use crate::{
    call::Call,
    failure::Failure,
    output::{self, columns, line, text_of},
    session::Session,
};
use cardea_client::Request;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::{io::IsTerminal as _, time::Duration};

/// Between two questions about the rewrap.
const ASK_EVERY: Duration = Duration::from_millis(200);

pub fn run(call: &Call) -> Result<(), Failure> {
    let session = Session::open(call)?;
    if call.given.switch("status") {
        return match rewrap(&session)? {
            Some(status) if call.is_table() => line(&rewrap_text(&status)),
            Some(status) => output::value(call.format, &Value::Object(status)),
            None => Err(Failure::server("Error reading rotation status: the server does not tell it")),
        };
    }
    session.ask("Error rotating key", &Request::put("sys/rotate", &json!({})).unwrapped())?;
    let rewrapped = if call.given.switch("no-wait") { None } else { watch(&session)? };
    let status = key(&session)?;
    if !call.is_table() {
        return output::value(call.format, &Value::Object(status));
    }
    line("Success! Rotated key\n")?;
    line(&key_text(&status))?;
    match rewrapped {
        Some(status) => line(&format!("\n{}", rewrap_text(&status))),
        None => Ok(()),
    }
}

pub fn key_status(call: &Call) -> Result<(), Failure> {
    let status = key(&Session::open(call)?)?;
    if call.is_table() { line(&key_text(&status)) } else { output::value(call.format, &Value::Object(status)) }
}

fn key(session: &Session) -> Result<Map<String, Value>, Failure> {
    let what = "Error reading key status";
    let secret = session.ask(what, &Request::get("sys/key-status").unwrapped())?;
    let secret = secret.ok_or_else(|| Failure::server(format!("{what}: the server answered with nothing")))?;
    Ok(secret.data_or_body().clone())
}

fn key_text(status: &Map<String, Value>) -> String {
    let row = |title: &str, name: &str| vec![title.to_owned(), status.get(name).map(text_of).unwrap_or_default()];
    columns(&[
        row("Key Term", "term"),
        vec!["Install Time".to_owned(), installed(status)],
        row("Encryption Count", "encryptions"),
    ])
}

/// As Vault's command line writes it, `28 Nov 26 21:12 UTC`; what is no time in UTC stays as it came.
fn installed(status: &Map<String, Value>) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = status.get("install_time").map(text_of).unwrap_or_default();
    let parts = || {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (year, month_day) = date.split_once('-')?;
        let (month, day) = month_day.split_once('-')?;
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{day} {month} {} {} UTC", year.get(2..)?, time.get(..5)?))
    };
    parts().unwrap_or(text.clone())
}

/// How far the rewrap is; `None` from a server that rewraps nothing, such as Vault.
fn rewrap(session: &Session) -> Result<Option<Map<String, Value>>, Failure> {
    match session.attempt(&Request::get("sys/rotate/status").unwrapped())? {
        Ok(secret) => Ok(secret.and_then(|secret| secret.data().cloned())),
        Err(error) if matches!(error.status(), Some(403..=405)) => Ok(None),
        Err(error) => Err(Failure::client("Error reading rotation status", &error)),
    }
}

fn rewrap_text(status: &Map<String, Value>) -> String {
    let text = |name: &str| status.get(name).map(text_of).unwrap_or_default();
    let running = status.get("running").and_then(Value::as_bool).unwrap_or_default();
    let mut rows = vec![("Rewrap", if running { "running" } else { "finished" }.to_owned())];
    if running {
        rows.push(("Records Seen", text("records_seen")));
        rows.push(("Data Keys Rewrapped", text("data_keys_rewrapped")));
    }
    rows.push(("Key Terms Held", text("terms_held")));
    columns(&rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect::<Vec<_>>())
}

/// Waits until no data key is wrapped by an old key any more.
fn watch(session: &Session) -> Result<Option<Map<String, Value>>, Failure> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    loop {
        let Some(status) = rewrap(session)? else { return Ok(None) };
        if !status.get("running").and_then(Value::as_bool).unwrap_or_default() {
            bar.finish_and_clear();
            return Ok(Some(status));
        }
        let text = |name: &str| status.get(name).map(text_of).unwrap_or_default();
        bar.set_message(format!(
            "rewrapping: {} records seen, {} data keys rewrapped",
            text("records_seen"),
            text("data_keys_rewrapped")
        ));
        bar.tick();
        std::thread::sleep(ASK_EVERY);
    }
}

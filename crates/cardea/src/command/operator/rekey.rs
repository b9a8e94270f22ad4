//! `operator rekey`: begin, look, cancel, or give a share; the last share prints the new ones.

use crate::{
    arguments::Flag,
    call::Call,
    failure::Failure,
    input,
    output::{self, complain, line, text_of, two_columns},
    session::Session,
};
use cardea_client::{Request, Response};
use serde_json::{Map, Value, json};

pub const FLAGS: &[Flag] = &[
    Flag::switch("init", "Begin."),
    Flag::switch("cancel", "Forget what was begun and given so far."),
    Flag::switch("status", "Print how far it is."),
    Flag::text("nonce", "What was printed at the beginning; needed with each share that is not typed in."),
    Flag::text("target", "barrier or recovery; barrier if absent."),
    Flag::switch("backup", "Not supported: shares are not kept."),
    Flag::switch("backup-retrieve", "Not supported: shares are not kept."),
    Flag::switch("backup-delete", "Not supported: shares are not kept."),
    Flag::switch("verify", "With -init: the new shares must be proven before they hold. Else: about that proof."),
];

/// Vault's defaults.
const SHARES_DEFAULT: i64 = 5;
const THRESHOLD_DEFAULT: i64 = 3;

/// The routes of one kind of rekey.
struct Routes {
    /// Begin, look, cancel.
    base: &'static str,
    /// Give a share.
    update: &'static str,
}

pub fn run(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    if given.is_set("pgp-keys") {
        return Err(Failure::usage("PGP keys are not supported"));
    }
    if ["backup", "backup-retrieve", "backup-delete"].iter().any(|flag| given.is_set(flag)) {
        return Err(Failure::usage(
            "Backups of shares are not supported: they are encrypted by PGP, which is not used here",
        ));
    }
    let about_proof = given.switch("verify") && !given.switch("init");
    let routes = match (given.text("target").unwrap_or("barrier").to_ascii_lowercase().as_str(), about_proof) {
        ("barrier", false) => Routes { base: "sys/rekey/init", update: "sys/rekey/update" },
        ("barrier", true) => Routes { base: "sys/rekey/verify", update: "sys/rekey/verify" },
        ("recovery" | "hsm", false) => {
            Routes { base: "sys/rekey-recovery-key/init", update: "sys/rekey-recovery-key/update" }
        }
        ("recovery" | "hsm", true) => {
            Routes { base: "sys/rekey-recovery-key/verify", update: "sys/rekey-recovery-key/verify" }
        }
        _ => return Err(Failure::usage("Unknown target: it must be barrier or recovery")),
    };
    let session = Session::open(call)?;
    if given.switch("cancel") {
        session.send("Error canceling rekey", &Request::delete(routes.base).unwrapped())?;
        return line("Success! Canceled rekeying (if it was started)");
    }
    if given.switch("init") {
        return begin(call, &session, &routes);
    }
    if given.switch("status") {
        let status = body(&session, "Error reading rekey status", &Request::get(routes.base).unwrapped())?;
        return print_status(call, &status);
    }
    give(call, &session, &routes)
}

fn body(session: &Session, what: &str, request: &Request) -> Result<Map<String, Value>, Failure> {
    let response: Response = session.send(what, request)?;
    let body: Map<String, Value> = response.json().map_err(|reason| Failure::server(format!("{what}: {reason}")))?;
    Ok(match body.get("data") {
        Some(Value::Object(data)) => data.clone(),
        _ => body,
    })
}

fn begin(call: &Call, session: &Session, routes: &Routes) -> Result<(), Failure> {
    let given = &call.given;
    let request = json!({
        "secret_shares": given.number("key-shares").unwrap_or(SHARES_DEFAULT),
        "secret_threshold": given.number("key-threshold").unwrap_or(THRESHOLD_DEFAULT),
        "require_verification": given.switch("verify"),
    });
    let status = body(session, "Error initializing rekey", &Request::put(routes.base, &request).unwrapped())?;
    if call.is_table() {
        complain("WARNING! If you lose the keys after they are returned, there is no recovery.\n");
    }
    print_status(call, &status)
}

fn give(call: &Call, session: &Session, routes: &Routes) -> Result<(), Failure> {
    let status = body(session, "Error getting rekey status", &Request::get(routes.base).unwrapped())?;
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    if !status.get("started").and_then(Value::as_bool).unwrap_or(!text("nonce").is_empty()) {
        return Err(Failure::usage(
            "No rekey is in progress. Start a rekey process by running \"cardea operator rekey -init\".",
        ));
    }
    let argument = call.arguments().first().map(|word| word.trim());
    // Who types a share sees the nonce on the terminal; who sends one from elsewhere must know it.
    let nonce = match (argument, call.given.text("nonce")) {
        (_, Some(nonce)) => nonce,
        (None, None) => {
            complain(&format!("Rekey operation nonce: {}", text("nonce")));
            text("nonce")
        }
        (Some(_), None) => return Err(Failure::usage("Missing nonce value: specify it via the -nonce flag")),
    };
    let share = input::secret(call, argument, "Unseal Key")?;
    let request = Request::put(routes.update, &json!({ "key": share.expose(), "nonce": nonce })).unwrapped();
    let answer = body(session, "Error posting unseal key", &request)?;
    if !answer.get("complete").and_then(Value::as_bool).unwrap_or_default() {
        // The answer to a share that was not the last one is the status on most servers, and almost nothing on some.
        if answer.contains_key("required") {
            return print_status(call, &answer);
        }
        let status = body(session, "Error reading rekey status", &Request::get(routes.base).unwrapped())?;
        return print_status(call, &status);
    }
    if !call.is_table() {
        return output::value(call.format, &Value::Object(answer));
    }
    let keys = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let list = if keys("keys_base64").is_empty() { keys("keys") } else { keys("keys_base64") };
    if list.is_empty() {
        return line("Success! Rekey verification is complete.");
    }
    line("")?;
    for (index, key) in list.iter().enumerate() {
        line(&format!("Key {}: {}", index + 1, text_of(key)))?;
    }
    line(&format!("\nOperation nonce: {}", answer.get("nonce").map(text_of).unwrap_or_default()))?;
    if answer.get("verification_required").and_then(Value::as_bool).unwrap_or_default() {
        return line(&format!(
            "\nThe new keys do not hold yet. Prove them with \"cardea operator rekey -verify\".\nVerification nonce: {}",
            answer.get("verification_nonce").map(text_of).unwrap_or_default()
        ));
    }
    let number = |name: &str| status.get(name).map(text_of).unwrap_or_default();
    line(&format!(
        "\nThe unseal key is split anew into {} key shares with a key threshold of {}. Give the\n\
         shares printed above to different keepers now: they are kept nowhere else, and the\n\
         old ones open nothing any more.",
        number("n"),
        number("t")
    ))
}

fn print_status(call: &Call, status: &Map<String, Value>) -> Result<(), Failure> {
    if !call.is_table() {
        return output::value(call.format, &Value::Object(status.clone()));
    }
    let text = |name: &str| status.get(name).map(text_of).unwrap_or_default();
    let flag = |name: &str| status.get(name).and_then(Value::as_bool).unwrap_or_default();
    let started = status.get("started").and_then(Value::as_bool).unwrap_or(!text("nonce").is_empty());
    let mut rows = vec![("Nonce", text("nonce")), ("Started", started.to_string())];
    if started {
        // Of a verification it is the new threshold that counts.
        let required = if text("required").is_empty() { text("t") } else { text("required") };
        rows.push(("Rekey Progress", format!("{}/{required}", text("progress"))));
        rows.push(("New Shares", text("n")));
        rows.push(("New Threshold", text("t")));
        if flag("verification_required") {
            rows.push(("Verification Required", "true".to_owned()));
        }
        if !text("verification_nonce").is_empty() {
            rows.push(("Verification Nonce", text("verification_nonce")));
        }
    }
    line(&two_columns(rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

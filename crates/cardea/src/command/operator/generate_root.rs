//! `operator generate-root`: begin, look, cancel, give a share, or read what came back. The password and the token under it
//! never leave this machine together.

use crate::{
    arguments::Flag,
    call::Call,
    failure::Failure,
    input,
    output::{self, complain, line, text_of, two_columns},
    session::Session,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use cardea_client::{Request, Response};
use serde_json::{Map, Value, json};

pub const FLAGS: &[Flag] = &[
    Flag::switch("init", "Begin. The one-time password that it prints is needed to read the token."),
    Flag::switch("cancel", "Give up what was begun. Without a token it takes -nonce."),
    Flag::switch("status", "Print how far it is."),
    Flag::text("decode", "What came back with the last share; prints the token, with -otp."),
    Flag::text("otp", "The one-time password: with -decode to read, with -init to bring one's own."),
    Flag::text("nonce", "What was printed at the beginning; needed with each share that is not typed in."),
    Flag::text("pgp-key", "Not supported: the token comes back under a one-time password."),
    Flag::switch("generate-otp", "Not needed: -init makes one."),
    Flag::switch("dr-token", "Not supported."),
    Flag::switch("recovery-token", "Not supported."),
];

const ATTEMPT: &str = "sys/generate-root/attempt";

pub fn run(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    for (flag, words) in [
        ("pgp-key", "PGP keys are not supported: the token comes back under a one-time password"),
        ("generate-otp", "-generate-otp is not supported: -init makes a one-time password and prints it"),
        ("dr-token", "-dr-token is not supported"),
        ("recovery-token", "-recovery-token is not supported"),
    ] {
        if given.is_set(flag) {
            return Err(Failure::usage(words));
        }
    }
    if let Some(encoded) = given.text("decode") {
        return decode(call, encoded);
    }
    let session = Session::open(call)?;
    if given.switch("cancel") {
        let mut request = Request::delete(ATTEMPT).unwrapped();
        if let Some(nonce) = given.text("nonce") {
            request = request.param("nonce", nonce.to_owned());
        }
        session.send("Error canceling root token generation", &request)?;
        return line("Success! Root token generation canceled (if it was started)");
    }
    if given.switch("init") {
        let begun = match given.text("otp") {
            Some(otp) => json!({ "otp": otp }),
            None => json!({}),
        };
        let status = body(&session, "Error initializing root generation", &Request::put(ATTEMPT, &begun).unwrapped())?;
        if call.is_table() && given.text("otp").is_none() {
            complain("A one-time password was made. Keep it: without it nobody can read the token.\n");
        }
        return print_status(call, &status);
    }
    let mut asked = Request::get(ATTEMPT).unwrapped();
    if let Some(nonce) = given.text("nonce") {
        asked = asked.param("nonce", nonce.to_owned());
    }
    let status = body(&session, "Error getting root generation status", &asked)?;
    if given.switch("status") {
        return print_status(call, &status);
    }
    give(call, &session, &status)
}

fn body(session: &Session, what: &str, request: &Request) -> Result<Map<String, Value>, Failure> {
    let response: Response = session.send(what, request)?;
    response.json().map_err(|reason| Failure::server(format!("{what}: {reason}")))
}

fn give(call: &Call, session: &Session, status: &Map<String, Value>) -> Result<(), Failure> {
    let begun = status.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !status.get("started").and_then(Value::as_bool).unwrap_or_default() {
        return Err(Failure::usage(
            "No root generation is in progress. Start one by running \"cardea operator generate-root -init\".",
        ));
    }
    let argument = call.arguments().first().map(|word| word.trim());
    // Who types a share sees the nonce on the terminal; who sends one from elsewhere must know it.
    let nonce = match (argument, call.given.text("nonce")) {
        (_, Some(nonce)) => nonce,
        // To who has no right of its own the server does not tell it.
        (None, None) if begun.is_empty() => {
            return Err(Failure::usage("Missing nonce value: specify it via the -nonce flag"));
        }
        (None, None) => {
            complain(&format!("Operation nonce: {begun}"));
            begun
        }
        (Some(_), None) => return Err(Failure::usage("Missing nonce value: specify it via the -nonce flag")),
    };
    let share = input::secret(call, argument, "Unseal Key")?;
    let given = json!({ "key": share.expose(), "nonce": nonce });
    let request = Request::put("sys/generate-root/update", &given).unwrapped();
    print_status(call, &body(session, "Error posting unseal key", &request)?)
}

fn print_status(call: &Call, status: &Map<String, Value>) -> Result<(), Failure> {
    if !call.is_table() {
        return output::value(call.format, &Value::Object(status.clone()));
    }
    let text = |name: &str| status.get(name).map(text_of).unwrap_or_default();
    let mut rows = vec![
        ("Nonce", text("nonce")),
        ("Started", text("started")),
        ("Progress", format!("{}/{}", text("progress"), text("required"))),
        ("Complete", text("complete")),
    ];
    for (title, name) in [("Encoded Token", "encoded_token"), ("OTP", "otp")] {
        if !text(name).is_empty() {
            rows.push((title, text(name)));
        }
    }
    rows.push(("OTP Length", text("otp_length")));
    line(&two_columns(rows.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// The token: each character of what came back over one of the password.
fn decode(call: &Call, encoded: &str) -> Result<(), Failure> {
    let password = call.given.text("otp").ok_or_else(|| Failure::usage("Missing otp: use the -otp flag"))?;
    let mixed = BASE64
        .decode(encoded.trim().trim_end_matches('='))
        .map_err(|_| Failure::usage("Error decoding base64 string: not what came back with the last share"))?;
    if mixed.len() != password.len() {
        return Err(Failure::usage("Error decoding root token: it has another length than the one-time password"));
    }
    let token: Option<String> = mixed
        .iter()
        .zip(password.bytes())
        .map(|(a, b)| (a ^ b).is_ascii_graphic().then_some(char::from(a ^ b)))
        .collect();
    let token = token.ok_or_else(|| Failure::usage("Error decoding root token: the one-time password is another's"))?;
    match call.is_table() {
        true => line(&token),
        false => output::value(call.format, &json!({ "token": token })),
    }
}

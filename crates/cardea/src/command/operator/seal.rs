//! `operator unseal` and `operator seal`. A share that is given as an argument stands in the shell's history; without one it
//! is asked for in the dark.

use crate::{
    call::Call,
    command::status,
    failure::Failure,
    input,
    output::{self, line},
    session::Session,
};
use cardea_client::{Request, sys::SealStatus};
use serde_json::{Value, json};

pub fn unseal(call: &Call) -> Result<(), Failure> {
    let session = Session::open_without_token(call)?;
    let given = &call.given;
    let (what, body) = if given.switch("reset") {
        ("Error resetting unseal process", json!({ "reset": true }))
    } else {
        let argument = call.arguments().first().map(String::as_str);
        let share = input::secret(call, argument, "Unseal Key")?;
        let mut body = json!({ "key": share.expose(), "migrate": given.switch("migrate") });
        // Vault does not know the word.
        if given.switch("accept-restored") {
            body["accept_restored"] = true.into();
        }
        ("Error unsealing", body)
    };
    let response = session.send(what, &Request::put("sys/unseal", &body).unwrapped())?;
    if !call.is_table() {
        let body: Value = response.json().map_err(|reason| Failure::server(format!("{what}: {reason}")))?;
        return output::value(call.format, &body);
    }
    let seal: SealStatus = response.json().map_err(|reason| Failure::server(format!("{what}: {reason}")))?;
    line(&status::text(&seal, None))
}

pub fn seal(call: &Call) -> Result<(), Failure> {
    Session::open(call)?.ask("Error sealing", &Request::put("sys/seal", &json!({})))?;
    line("Success! Vault is sealed.")
}

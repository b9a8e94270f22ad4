//! `sys/generate-root`: a root token from a threshold of shares. Needs a token with sudo, unless the owner's configuration lets
//! shares alone suffice. It must never log or repeat the password or the token.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::metrics::Metrics;
use crate::{event, root_attempt, sealed};
use cardea_model::{Action, Body, Envelope, Error, Params, Payload, SecretText};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub enum Op {
    Status,
    Begin { otp: Option<SecretText> },
    Cancel { nonce: String },
    Update { key: SecretText, nonce: String },
}

#[derive(Deserialize)]
struct BeginInput {
    #[serde(default)]
    otp: Option<SecretText>,
    #[serde(default)]
    pgp_key: String,
}

#[derive(Deserialize)]
struct CancelInput {
    #[serde(default)]
    nonce: String,
}

#[derive(Deserialize)]
struct UpdateInput {
    key: SecretText,
    nonce: String,
}

const STATUS_FIELDS: &[&str] = &["nonce", "started", "progress", "required", "complete"];

pub(super) fn routes() -> Vec<Route<SysOp>> {
    let attempt = "generate-root/attempt";
    vec![
        Route::read("generate-root-status", attempt, |p| Bound::plain(p, SysOp::GenerateRoot(Op::Status)))
            .access(Access::SudoOrShares)
            .envelope(Envelope::Bare)
            .clear_answer(STATUS_FIELDS)
            .help("How far a root generation is."),
        Route::write("generate-root-begin", attempt, begin)
            .access(Access::SudoOrShares)
            .envelope(Envelope::Bare)
            .clear_answer(STATUS_FIELDS)
            .help("Begins a root generation. The token will come back under a one-time password, which is made and shown once if none is given. An attempt ends by itself after ten minutes.")
            .example("{}"),
        Route::delete("generate-root-cancel", attempt, |p| {
            Bound::read(p, |i: CancelInput| SysOp::GenerateRoot(Op::Cancel { nonce: i.nonce }))
        })
        .access(Access::SudoOrShares)
        .action(Action::Delete)
        .clear(&["nonce"])
        .help("Gives a root generation up. Without a token it takes the nonce of the attempt."),
        Route::write("generate-root-update", "generate-root/update", |p| {
            Bound::read(p, |i: UpdateInput| SysOp::GenerateRoot(Op::Update { key: i.key, nonce: i.nonce }))
        })
        .access(Access::SudoOrShares)
        .envelope(Envelope::Bare)
        .clear(&["nonce"])
        .clear_answer(STATUS_FIELDS)
        .help("One share of a root generation. With a static seal, the content of its key file is the one share."),
    ]
}

fn begin(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: BeginInput| {
        if !i.pgp_key.is_empty() {
            return Err(Error::invalid("pgp_key is not supported: the token comes back under a one-time password"));
        }
        Ok(SysOp::GenerateRoot(Op::Begin { otp: i.otp.filter(|otp| !otp.expose().is_empty()) }))
    })
}

#[derive(Serialize)]
struct Status {
    started: bool,
    nonce: String,
    progress: usize,
    required: u8,
    complete: bool,
    encoded_token: String,
    encoded_root_token: String,
    pgp_fingerprint: &'static str,
    #[serde(with = "cardea_model::secret_bytes::stored")]
    otp: SecretText,
    otp_length: usize,
}

async fn status(active: &Active, cx: &mut Context<'_>) -> Result<Status, Error> {
    let now = cx.now;
    let known = root_attempt::progress(active, cx.state.kernel_side(), now).await?;
    Ok(Status {
        started: known.started,
        nonce: known.nonce,
        progress: known.progress,
        required: known.required,
        complete: false,
        encoded_token: String::new(),
        encoded_root_token: String::new(),
        pgp_fingerprint: "",
        otp: SecretText::default(),
        otp_length: known.password_chars,
    })
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let now = cx.now;
    match op {
        Op::Status => Done::object(&status(active, cx).await?),
        Op::Begin { otp } => {
            let made = root_attempt::begin(active, otp.as_ref().map(SecretText::duplicate), now).await?;
            let otp = made.unwrap_or_default();
            Done::object(&Status { otp, ..status(active, cx).await? })
        }
        Op::Cancel { nonce } => {
            let by_right = cx.rights.has_sudo(&format!("{}generate-root/attempt", cx.mount.path));
            root_attempt::cancel(active, nonce, by_right, now).await?;
            Ok(Done::empty())
        }
        Op::Update { key, nonce } => {
            let share = sealed::decode_share(key)?;
            let before = status(active, cx).await?;
            match root_attempt::update(active, cx.state.kernel_side(), nonce, share, now).await? {
                None => Done::object(&status(active, cx).await?),
                Some(encoded) => {
                    let happened = event::Event { what: "token.root_generated", subject: "", detail: "", path: "" };
                    event::append(active, cx.state.kernel_side(), happened, now)?;
                    Metrics::add(&active.metrics.root_creation, 1);
                    let answer = Status {
                        progress: before.required.into(),
                        complete: true,
                        encoded_token: encoded.clone(),
                        encoded_root_token: encoded,
                        ..before
                    };
                    let extra = Extra { after: vec![After::RootMade], ..Extra::default() };
                    Ok(Extra::with(Body::Object(Payload::of(&answer)?), extra))
                }
            }
        }
    }
}

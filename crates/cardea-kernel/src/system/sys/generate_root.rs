//! `sys/generate-root`: a root token from a threshold of shares. Needs a token with sudo, unless the owner's configuration lets
//! shares alone suffice. It must never log or repeat the password or the token.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::metrics::Metrics;
use crate::root_attempt::{Asking, Progress};
use crate::{event, root_attempt, sealed};
use cardea_model::{Action, Body, Envelope, Error, Params, Payload, SecretText};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub enum Op {
    Status { nonce: String },
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
struct NonceInput {
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
        Route::read("generate-root-status", attempt, |p| {
            Bound::read(p, |i: NonceInput| SysOp::GenerateRoot(Op::Status { nonce: i.nonce }))
        })
            .clear(&["nonce"])
            .access(Access::SudoOrShares)
            .envelope(Envelope::Bare)
            .clear_answer(STATUS_FIELDS)
            .help("How far a root generation is. Without a token it takes the nonce of the attempt."),
        Route::write("generate-root-begin", attempt, begin)
            .access(Access::SudoOrShares)
            .envelope(Envelope::Bare)
            .clear_answer(STATUS_FIELDS)
            .help("Begins a root generation. The token will come back under a one-time password, which is made and shown once if none is given. An attempt ends by itself after ten minutes.")
            .example("{}"),
        Route::delete("generate-root-cancel", attempt, |p| {
            Bound::read(p, |i: NonceInput| SysOp::GenerateRoot(Op::Cancel { nonce: i.nonce }))
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

impl From<Progress> for Status {
    fn from(known: Progress) -> Self {
        Self {
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
        }
    }
}

async fn status(active: &Active, cx: &mut Context<'_>, asking: Asking, nonce: &str) -> Result<Status, Error> {
    let now = cx.now;
    root_attempt::progress(active, cx.state.kernel_side(), asking, nonce, now).await.map(Status::from)
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let now = cx.now;
    let by_right = cx.rights.has_sudo(&format!("{}generate-root/attempt", cx.mount.path));
    let asking = Asking { by_right, peer: cx.origin.peer.ip() };
    match op {
        Op::Status { nonce } => Done::object(&status(active, cx, asking, nonce).await?),
        Op::Begin { otp } => {
            let (begun, made) = root_attempt::begin(active, asking, otp.as_ref().map(SecretText::duplicate), now)?;
            let known = status(active, cx, asking, begun.nonce()).await?;
            let (started, nonce, otp) = (true, begun.nonce().to_owned(), made.unwrap_or_default());
            let answer = Status { started, nonce, otp, ..known };
            let extra = Extra { after: vec![After::RootBegun(Box::new(begun))], ..Extra::default() };
            Ok(Extra::with(Body::Object(Payload::of(&answer)?), extra))
        }
        Op::Cancel { nonce } => Ok(Extra::after(After::RootOver(root_attempt::cancel(active, asking, nonce, now)?))),
        Op::Update { key, nonce } => {
            let share = sealed::decode_share(key)?;
            let before = status(active, cx, asking, nonce).await?;
            match root_attempt::update(active, cx.state.kernel_side(), nonce, share, now).await? {
                None => Done::object(&status(active, cx, asking, nonce).await?),
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
                    let extra = Extra { after: vec![After::RootOver(vec![nonce.clone()])], ..Extra::default() };
                    Ok(Extra::with(Body::Object(Payload::of(&answer)?), extra))
                }
            }
        }
    }
}

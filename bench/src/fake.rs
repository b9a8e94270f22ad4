//! A server for tests that speaks just enough of Vault's API for a run, and makes mistakes on demand. It keeps everything in
//! memory, checks no rights and is no model of the real one.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// What goes wrong, counted over the requests to `data/`, `lookup-self` and `login` (setting up is never disturbed).
#[derive(Debug, Clone, Copy, Default)]
pub struct Mistakes {
    /// Every n-th answer has a wrong body.
    pub wrong_body_every: u64,
    /// Every n-th answer is a 503.
    pub wrong_status_every: u64,
    /// Every n-th answer closes its connection, after saying so.
    pub close_every: u64,
    /// The n-th request, and all that come while it waits, are answered this much later.
    pub stall: Option<(u64, Duration)>,
    /// No answer at all from the n-th request on.
    pub silent_from: u64,
    /// There is no database role.
    pub no_database: bool,
}

/// A running server; it ends with the test.
pub struct Fake {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// What is stored, by path; what was called, in order.
    pub state: Arc<State>,
}

/// What the server remembers.
#[derive(Default)]
pub struct State {
    mistakes: Mutex<Mistakes>,
    requests: AtomicU64,
    stored: Mutex<HashMap<String, (u64, Value)>>,
    /// Mounts, policies and other things that exist, by path.
    pub made: Mutex<Vec<String>>,
    gate: tokio::sync::RwLock<()>,
}

impl State {
    /// Makes mistakes from now on, counting from the first request after this.
    pub fn misbehave(&self, mistakes: Mistakes) {
        *self.mistakes.lock().unwrap() = mistakes;
        self.requests.store(0, Ordering::SeqCst);
    }
}

impl Fake {
    /// Starts one on a free port.
    pub fn start() -> Fake {
        let state = Arc::new(State::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let state = shared.clone();
                    tokio::spawn(async move {
                        let service = service_fn(|request| answer(state.clone(), request));
                        let _left = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            });
        });
        Fake { url: format!("http://{}", receiver.recv().unwrap()), state }
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches("/v1/").to_owned();
    let (method, body) = (request.method().to_string(), request.into_body().collect().await.unwrap().to_bytes());
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let measured = ["/data/", "lookup-self", "/login"].iter().any(|part| path.contains(part));
    let (status, mut answer) = reply(&state, &method, &path, &body);
    let mut response = Response::new(Full::default());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    if measured {
        let number = state.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let mistakes = *state.mistakes.lock().unwrap();
        let due = |every: u64| every > 0 && number.is_multiple_of(every);
        if mistakes.silent_from > 0 && number >= mistakes.silent_from {
            std::future::pending::<()>().await;
        }
        match mistakes.stall {
            Some((at, pause)) if at == number => {
                let _others_wait = state.gate.write().await;
                tokio::time::sleep(pause).await;
            }
            _ => drop(state.gate.read().await),
        }
        if due(mistakes.wrong_body_every) {
            answer = json!({ "data": {} });
        }
        if due(mistakes.wrong_status_every) {
            *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
        }
        if due(mistakes.close_every) {
            response.headers_mut().insert("connection", "close".parse().unwrap());
        }
    }
    let text = match answer {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    *response.body_mut() = Full::new(text.into());
    Ok(response)
}

fn reply(state: &State, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut made = state.made.lock().unwrap();
    match (method, path) {
        ("GET", "sys/health") => (200, json!({ "initialized": true, "sealed": false, "version": "1.0.0-fake" })),
        ("GET", "sys/metrics") => {
            let requests = state.requests.load(Ordering::SeqCst);
            let text = format!("cardea_storage_syncs_total {requests}\ncardea_storage_commits_total {requests}\n");
            (200, Value::String(text))
        }
        ("POST", "auth/token/create") => {
            (200, json!({ "auth": { "client_token": "hvs.caller", "accessor": "accessor-of-caller" } }))
        }
        ("GET", "auth/token/lookup-self") => (200, json!({ "data": { "accessor": "accessor-of-caller" } })),
        ("GET", _) if path.ends_with("/role-id") => (200, json!({ "data": { "role_id": "role" } })),
        ("POST", _) if path.ends_with("/secret-id") => (200, json!({ "data": { "secret_id": "secret" } })),
        ("POST", _) if path.ends_with("/login") => {
            let right = body == &json!({ "role_id": "role", "secret_id": "secret" });
            (if right { 200 } else { 400 }, json!({ "auth": { "client_token": "hvs.new", "accessor": "a" } }))
        }
        ("POST", _) if path.contains("/encrypt/") => (200, json!({ "data": { "ciphertext": "vault:v1:AAAA" } })),
        ("POST", _) if path.contains("/sign/") => (200, json!({ "data": { "signature": "vault:v1:AAAA" } })),
        ("GET", _) if path.contains("/creds/") => match state.mistakes.lock().unwrap().no_database {
            true => (400, json!({ "errors": ["unknown role"] })),
            false => (200, json!({ "lease_id": "l", "data": { "username": "u", "password": "p" } })),
        },
        ("GET", _) if path.contains("/data/") => match state.stored.lock().unwrap().get(path) {
            Some((version, data)) => {
                (200, json!({ "data": { "data": data, "metadata": { "version": version } }, "lease_id": "" }))
            }
            None => (404, json!({ "errors": [] })),
        },
        ("POST", _) if path.contains("/data/") => {
            let mut stored = state.stored.lock().unwrap();
            let entry = stored.entry(path.to_owned()).or_insert((0, Value::Null));
            *entry = (entry.0 + 1, body["data"].clone());
            (200, json!({ "data": { "version": entry.0 } }))
        }
        ("POST", _) if path.starts_with("sys/mounts/") && made.iter().any(|one| one == path) => {
            (400, json!({ "errors": ["path is already in use"] }))
        }
        ("POST", _) => {
            made.push(path.to_owned());
            (204, Value::Null)
        }
        ("DELETE", _) => {
            made.retain(|one| one != path);
            (204, Value::Null)
        }
        _ => (404, json!({ "errors": [] })),
    }
}

//! The server that is measured, as a process of its own, so that its memory is that of a fresh server and its end can be a
//! `kill -9`. Over HTTP it serves what a server serves; by its standard input it takes one word a line and answers with
//! one line of JSON:
//!
//! | line | what it does | answer |
//! |---|---|---|
//! | `facts` | | [`Facts`] |
//! | `storm <ms>` | makes that moment (milliseconds since 1970) now | [`Facts`] |
//! | `left <prefix>` | counts leases whose id starts so | a number |
//! | `stop` | seals, closes the store, ends | [`Facts`] |
//!
//! It ends when its input does. It must never print a key, a token or a lease.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use cardea_kernel::{leases, lifecycle::Node};
use cardea_model::{NamespaceId, SecretBytes, limit::PAYLOAD_BYTES_MAX, wire::WireRequest};
use cardea_storage::Store;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::net::TcpListener;

use crate::{
    error::BenchError,
    process::{Guarded, spawn_on},
    scale::node::{Server, answer},
    wire::Endpoint,
};

/// Leases counted at once.
const COUNT_PAGE: usize = 1_000;

/// The first line: the server listens.
#[derive(Serialize, Deserialize)]
struct Hello {
    address: SocketAddr,
    open_ms: f64,
    /// Commits that the start replayed from the journal.
    replayed: u64,
}

/// What the server counted since its start.
#[derive(Serialize, Deserialize, Clone, Copy, Default)]
pub struct Facts {
    /// Revocations asked of the source.
    pub asked: u64,
    /// Leases that left because the source confirmed.
    pub revoked: u64,
    /// Revocations that began more than two seconds after their lease's end.
    pub late: u64,
    /// Longest time from an end to its revocation, in milliseconds.
    pub lag_ms_max: u64,
    pub commits: u64,
    pub syncs: u64,
    pub sync_ns: u64,
    pub flushes: u64,
}

/// The child's side.
pub fn serve(folder: &Path) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the runtime of the server"))?;
    let began = Instant::now();
    let server = Server::open(folder, |_| {})?;
    let open_ms = began.elapsed().as_secs_f64() * 1000.0;
    let listener =
        runtime.block_on(TcpListener::bind("127.0.0.1:0")).map_err(BenchError::io("binding the server's socket"))?;
    let address = listener.local_addr().map_err(BenchError::io("binding the server's socket"))?;
    runtime.spawn(accept(listener, server.node.clone()));
    say(&Hello { address, open_ms, replayed: server.store.recovery().commits })?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(BenchError::io("reading a question"))?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "facts" => say(&facts(&server))?,
            "storm" => {
                server.clock.jump_to(rest.parse().unwrap_or(0));
                say(&facts(&server))?;
            }
            "left" => say(&runtime.block_on(left(&server.node, rest))?)?,
            _ => {
                let last = facts(&server);
                runtime.block_on(server.close())?;
                return say(&last);
            }
        }
    }
    // Nobody asks any more: as after a crash, the journal holds what was acknowledged.
    std::process::exit(0);
}

fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut line = serde_json::to_vec(what).map_err(|_| BenchError::Setup("an answer cannot be written".into()))?;
    line.push(b'\n');
    let mut out = std::io::stdout();
    out.write_all(&line).and_then(|()| out.flush()).map_err(BenchError::io("answering"))
}

fn facts(server: &Server) -> Facts {
    let stats = server.store.stats();
    Facts {
        asked: server.count.revoked.load(Ordering::Relaxed),
        revoked: server.node.metrics().revoked.load(Ordering::Relaxed),
        late: server.count.late.load(Ordering::Relaxed),
        lag_ms_max: server.count.lag_ms_max.load(Ordering::Relaxed),
        commits: stats.commits,
        syncs: stats.syncs,
        sync_ns: stats.sync_ns,
        flushes: stats.flushes,
    }
}

async fn left(node: &Node, prefix: &str) -> Result<u64, BenchError> {
    let active = node.active().ok_or_else(|| BenchError::Setup("the server is sealed".into()))?;
    let (mut count, mut after) = (0, None);
    loop {
        let mut txn = active.sealed.txn();
        let page = leases::under(&mut txn, &NamespaceId::root(), prefix, after.as_deref(), COUNT_PAGE).await;
        let page = page.map_err(|error| BenchError::Setup(format!("counting leases: {error}")))?;
        count += page.len() as u64;
        match page.last() {
            Some(last) if page.len() == COUNT_PAGE => after = Some(last.clone()),
            _ => return Ok(count),
        }
    }
}

async fn accept(listener: TcpListener, node: Arc<Node>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let node = node.clone();
        let service = service_fn(move |request| {
            let node = node.clone();
            async move { Ok::<_, Infallible>(exchange(&node, peer, request).await) }
        });
        tokio::spawn(async move {
            let _only_delays_small_answers = stream.set_nodelay(true);
            // A client that goes away is no failure of this server.
            let _left = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn exchange(node: &Arc<Node>, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, 2 * PAYLOAD_BYTES_MAX).collect().await else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let wire = WireRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: SecretBytes::new(body.to_bytes().to_vec()),
        peer,
        tls: None,
    };
    let answered = answer(node, wire).await;
    let mut response = Response::builder().status(answered.status);
    for (name, value) in answered.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::copy_from_slice(answered.body.expose()))).unwrap_or_default()
}

/// The parent's side; the child is killed when this is dropped.
pub struct Child {
    process: Guarded,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    endpoint: Endpoint,
    /// How long the store took to open, in milliseconds.
    pub open_ms: f64,
    /// Commits that the start replayed from the journal.
    pub replayed: u64,
}

impl Child {
    /// Starts `program scale-serve` on the given processors over the store in `folder`.
    pub fn start(program: &Path, folder: &Path, cpus: Option<&[usize]>) -> Result<Child, BenchError> {
        let mut command = Command::new(program);
        command.arg("scale-serve").arg("-dir").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Guarded::new(spawn_on(cpus, &mut command)?);
        let (questions, answers) = (process.child().stdin.take(), process.child().stdout.take());
        let (Some(questions), Some(answers)) = (questions, answers) else {
            return Err(BenchError::Setup("the server was started without its pipes".into()));
        };
        let mut answers = BufReader::new(answers);
        let hello: Hello = read(&mut answers)?;
        let endpoint = Endpoint::parse(&format!("http://{}", hello.address), None)?;
        Ok(Child { process, questions, answers, endpoint, open_ms: hello.open_ms, replayed: hello.replayed })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks one question of the module's table.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &str) -> Result<T, BenchError> {
        let sent = writeln!(self.questions, "{question}").and_then(|()| self.questions.flush());
        sent.map_err(BenchError::io("asking the server"))?;
        read(&mut self.answers)
    }

    /// The clean end.
    pub fn stop(mut self) -> Result<Facts, BenchError> {
        let facts = self.ask("stop")?;
        let ended = self.process.child().wait().map_err(BenchError::io("waiting for the server's end"))?;
        if ended.success() {
            Ok(facts)
        } else {
            Err(BenchError::Setup(format!("the server did not end well ({ended})")))
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.process.kill();
    }
}

fn read<T: DeserializeOwned>(answers: &mut BufReader<ChildStdout>) -> Result<T, BenchError> {
    let mut line = String::new();
    answers.read_line(&mut line).map_err(BenchError::io("reading the server's answer"))?;
    serde_json::from_str(&line).map_err(|_| BenchError::Setup("the server ended, or gave no answer that parses".into()))
}

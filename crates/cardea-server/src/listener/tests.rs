//! The listener against callers who are clumsy or hostile: each bound, and that the server goes on behind it.

mod encrypted; // TLS

use super::body::Part;
use super::*;
use crate::testing::{ask, connect, parse, raw, rest, server};
use crate::{Config, config::Forwarded};
use cardea_auth::cidr::Cidr;
use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Answer, Cause, Refusal};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};
use std::io::Write as _;
use std::time::Instant;

const HEALTH: &str = "/v1/sys/health";

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_in_every_state_and_by_both_protocols() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let seen = ask(address, "GET", HEALTH, &[], "").await;
    assert_eq!(seen.status, 501, "{seen:?}");
    assert!(seen.body.contains("\"initialized\":false") && seen.head.contains("cache-control: no-store"));
    let head = ask(address, "HEAD", HEALTH, &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (501, ""));
    assert_eq!(ask(address, "GET", "/", &[], "").await.status, 404);
    assert_eq!(ask(address, "GET", "/v1/secret/data/x", &[("x-vault-token", "t")], "").await.status, 503);

    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let client = tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{address}{HEALTH}"))
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 501);
    client.abort();
    assert!(running.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded_in_bytes_and_in_fields() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let long = "x".repeat(limit::HEAD_BYTES_MAX);
    let many: String = (0..=limit::HEADERS_MAX).map(|n| format!("x-{n}: y\r\n")).collect();
    for head in [
        format!("GET {HEALTH} HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("GET {HEALTH} HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
    ] {
        let seen = raw(address, head.as_bytes()).await;
        assert!(seen.starts_with("HTTP/1.1 431") || seen.starts_with("HTTP/1.1 414"), "{seen}");
    }
    for garbage in ["\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "G\u{e9}T / HTTP/1.1\r\n\r\n"]
    {
        let seen = raw(address, garbage.as_bytes()).await;
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 400"), "{seen}");
    }
    // Two ways to say where a body ends are an attack on whoever stands in front.
    let smuggled = "POST /v1/sys/unseal HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef";
    assert!(raw(address, smuggled.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert_eq!(ask(address, "GET", HEALTH, &[], "").await.status, 501);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_before_they_are_read() {
    let running = server(|listener| listener.body_bytes_max = 200_000).await;
    let address = running.addresses[0];
    let unseal = "/v1/sys/unseal";
    let body = |bytes: usize| format!("{{\"key\":\"{}\"}}", "a".repeat(bytes));
    assert_eq!(ask(address, "PUT", unseal, &[], &body(60_000)).await.status, 400, "read, and wrong");
    let seen = ask(address, "PUT", unseal, &[], &body(70_000)).await;
    assert_eq!(seen.status, 413, "a stranger's bound");
    assert!(seen.body.contains("request body too large") && seen.head.contains("connection: close"));
    let token = [("x-vault-token", "t")];
    assert_eq!(
        ask(address, "PUT", unseal, &token, &body(150_000)).await.status,
        400,
        "who shows a token may send more"
    );
    assert_eq!(ask(address, "PUT", unseal, &token, &body(210_000)).await.status, 413);

    // What is announced as too long is refused without a byte of it.
    let announced = format!("PUT {unseal} HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n");
    assert_eq!(parse(&raw(address, announced.as_bytes()).await).status, 413);
    let mut chunked = format!("PUT {unseal} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..20 {
        chunked.push_str(&format!("1000\r\n{}\r\n", "a".repeat(4096)));
    }
    assert_eq!(parse(&raw(address, chunked.as_bytes()).await).status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_wrong_or_too_deep_is_refused_without_an_echo() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let deep = format!("{}1{}", "{\"hunter2\":".repeat(200), "}".repeat(200));
    let table = [
        "{",
        "[]",
        "\"hunter2\"",
        "{\"key\": hunter2}",
        "{\"key\":1,\"key\":2",
        deep.as_str(),
        "{\"key\":\"\\ud800\"}",
    ];
    for body in table {
        let seen = ask(address, "POST", "/v1/sys/unseal", &[], body).await;
        assert!(matches!(seen.status, 400 | 413), "{body}: {seen:?}");
        assert!(!seen.body.contains("hunter2"), "{seen:?}");
        assert!(seen.body.starts_with("{\"errors\":["), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_are_slow_on_purpose_are_cut_off() {
    let running = server(|listener| {
        listener.header_timeout = Duration::from_millis(300);
        listener.body_timeout = Duration::from_millis(300);
        listener.idle_timeout = Duration::from_millis(900);
    })
    .await;
    let address = running.addresses[0];
    let silent = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let seen = rest(&mut connect(address));
        (seen, began.elapsed())
    });
    let drip = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        let began = Instant::now();
        for byte in b"GET /v1/sys/health HTTP/1.1\r\nhost: a\r\nx-slow: ".iter().cycle() {
            if stream.write_all(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(8) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    });
    let body = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(b"PUT /v1/sys/unseal HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{").unwrap();
        rest(&mut stream)
    });
    let idle = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(b"GET /v1/sys/health HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let began = Instant::now();
        (rest(&mut stream), began.elapsed())
    });
    let (seen, took) = silent.await.unwrap();
    assert!(seen.is_empty() && took < Duration::from_secs(5), "{took:?}");
    assert!(drip.await.unwrap() < Duration::from_secs(5), "a byte now and then does not help");
    let seen = parse(&body.await.unwrap());
    assert!(seen.status == 400 && seen.body.contains("did not arrive in time"), "{seen:?}");
    let (seen, took) = idle.await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 501"));
    assert!(took > Duration::from_millis(700) && took < Duration::from_secs(5), "idle is not slow: {took:?}");
}

#[test]
fn a_reader_who_does_not_take_its_answer_is_overdue() {
    let mut config = ListenerConfig::plain("");
    config.write_timeout = Duration::from_millis(20);
    let patience = Patience::of(&config);
    let activity = Activity::begin();
    let busy = activity.request(false);
    assert_eq!(activity.overdue(patience), None);
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    // A pipe that holds one byte, and nobody reads.
    let (near, _far) = tokio::io::duplex(1);
    let mut watched = Watched::new(near, activity.clone());
    let mut write = |bytes: &[u8]| std::pin::Pin::new(&mut watched).poll_write(&mut cx, bytes);
    assert!(write(b"a").is_ready());
    assert!(write(b"b").is_pending());
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(activity.overdue(patience), Some("the answer was not read in time"), "even while busy");
    drop(busy);
}

/// Holds a connection on which something was asked and answered.
fn held(address: SocketAddr, path: &str, headers: &str) -> std::net::TcpStream {
    let mut stream = connect(address);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).unwrap();
    let mut seen = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut seen).unwrap();
    stream
}

/// Initializes and unseals the server; its root token.
async fn opened(address: SocketAddr) -> String {
    let seen = ask(address, "PUT", "/v1/sys/init", &[], "{\"secret_shares\":1,\"secret_threshold\":1}").await;
    let keys: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let unseal = serde_json::json!({ "key": keys["keys"][0] }).to_string();
    assert_eq!(ask(address, "PUT", "/v1/sys/unseal", &[], &unseal).await.status, 200);
    keys["root_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_cannot_take_all_connections() {
    let running = server(|listener| listener.connections_per_source_max = 2).await;
    let address = running.addresses[0];
    let token = format!("x-vault-token: {}\r\n", opened(address).await);
    // A guessed token on a path that is open to everybody makes nobody known.
    let guessed = held(address, HEALTH, "x-vault-token: t\r\n");
    let held = [(); 2].map(|()| held(address, "/v1/auth/token/lookup-self", &token));
    drop(guessed);
    assert_eq!(raw(address, b"GET /v1/sys/health HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(5);
    while raw(address, b"GET /v1/sys/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.is_empty() {
        assert!(Instant::now() < deadline, "places are given back");
    }
}

/// A guessed token once let a stranger reserve the memory of everybody's bodies by announcing long ones.
#[tokio::test(flavor = "multi_thread")]
async fn announced_bodies_of_strangers_leave_room_for_those_that_arrive() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let mut begun = Vec::new();
    for _ in 0..80 {
        let mut stream = connect(address);
        let head =
            "PUT /v1/sys/unseal HTTP/1.1\r\nhost: a\r\nx-vault-token: guessed\r\ncontent-length: 1048576\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b' '; 129 * 1024]).unwrap();
        begun.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let seen =
        tokio::time::timeout(Duration::from_secs(5), ask(address, "PUT", "/v1/sys/unseal", &[], "{\"key\":\"a\"}"));
    assert_eq!(seen.await.expect("nobody is kept waiting").status, 400, "read, and wrong");
}

/// What strangers of one source may hold is bounded, given back, and not taken from other sources.
#[tokio::test]
async fn a_source_has_its_part_of_the_memory() {
    let budget = body::Budget::of(1 << 20, 64 << 10);
    let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(std::net::IpAddr::from);
    budget.count(Some(one), 60, Part::More).unwrap();
    assert_eq!(budget.count(Some(one), 5, Part::More).unwrap_err().cause, Cause::Unavailable);
    budget.count(Some(one), 5, Part::First).unwrap();
    assert_eq!(budget.count(Some(one), 64, Part::First).unwrap_err().cause, Cause::Unavailable);
    budget.count(Some(other), 60, Part::More).unwrap();
    budget.count(None, 10_000, Part::More).unwrap();
}

/// Slow bodies of a stranger once locked out everybody else behind the same address.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_full_of_strangers_who_wait_has_room_for_one_more() {
    let running = server(|listener| listener.connections_per_source_max = 4).await;
    let address = running.addresses[0];
    let mut slow = [
        "PUT /v1/sys/unseal HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{",
        "PUT /v1/sys/unseal HTTP/1.1\r\nx-vault-token: guessed\r\ncontent-length: 10\r\n\r\n{",
        "GET /v1/sys/he",
        "",
    ]
    .map(|bytes| {
        let mut stream = connect(address);
        stream.write_all(bytes.as_bytes()).unwrap();
        stream
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut fillers = Vec::new();
    for stream in &mut slow {
        assert_eq!(ask(address, "GET", HEALTH, &[], "").await.status, 501, "a new connection gets in");
        let mut stream = stream.try_clone().unwrap();
        // Each of ours takes the place of the oldest, and leaves it when it is answered: refill it.
        let seen = tokio::task::spawn_blocking(move || rest(&mut stream)).await.unwrap();
        assert_eq!(seen, "", "the oldest was closed");
        fillers.push(connect(address));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A body with two ends: this side takes the chunks, and answers nothing that comes behind them.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_body_with_two_ends_is_never_a_request() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let ends = ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"];
    for ends in ends {
        let smuggled = format!(
            "POST /v1/sys/unseal HTTP/1.1\r\nhost: a\r\n{ends}\r\n\r\n0\r\n\r\nGET {HEALTH} HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        let seen = raw(address, smuggled.as_bytes()).await;
        assert_eq!(seen.matches("HTTP/1.1 ").count(), 1, "{seen}");
        assert!(seen.starts_with("HTTP/1.1 400") && !seen.contains("initialized"), "{seen}");
        assert!(seen.to_ascii_lowercase().contains("connection: close"), "{seen}");
    }
    for ends in [
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, identity",
        "content-length: +5",
        "content-length: 5, 6",
    ] {
        let seen =
            raw(address, format!("POST {HEALTH} HTTP/1.1\r\nhost: a\r\n{ends}\r\n\r\n0\r\n\r\n").as_bytes()).await;
        assert!(seen.starts_with("HTTP/1.1 400"), "{ends}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_added_is_on_every_answer_and_metrics_are_open_only_if_said_so() {
    let header = |on, name: &'static str| crate::config::ResponseHeader {
        on,
        name: hyper::header::HeaderName::from_static(name),
        value: hyper::header::HeaderValue::from_static("1"),
    };
    let running = server(|listener| {
        listener.open_metrics = true;
        listener.response_headers = vec![
            header(crate::config::StatusRange::Any, "x-any"),
            header(crate::config::StatusRange::Exactly(404), "x-lost"),
        ];
    })
    .await;
    let address = running.addresses[0];
    let seen = ask(address, "GET", "/v1/sys/metrics?format=prometheus", &[], "").await;
    assert_eq!(seen.status, 200);
    assert!(seen.body.contains("vault_core_unsealed 0") && seen.head.contains("x-any: 1"), "{seen:?}");
    assert!(ask(address, "GET", "/", &[], "").await.head.contains("x-lost: 1"));
    let closed = server(|_| {}).await;
    assert_eq!(ask(closed.addresses[0], "GET", "/v1/sys/metrics?format=prometheus", &[], "").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_needs_an_authorized_proxy() {
    let rules = |network: &str| Forwarded {
        authorized: vec![Cidr::parse(network).unwrap()],
        hop_skips: 0,
        reject_not_present: true,
        reject_not_authorized: true,
    };
    let trusted = server(|listener| listener.forwarded = Some(rules("127.0.0.0/8"))).await;
    let address = trusted.addresses[0];
    assert_eq!(ask(address, "GET", HEALTH, &[], "").await.status, 400);
    assert_eq!(ask(address, "GET", HEALTH, &[("x-forwarded-for", "192.0.2.7")], "").await.status, 501);
    let foreign = server(|listener| listener.forwarded = Some(rules("10.0.0.0/8"))).await;
    assert_eq!(ask(foreign.addresses[0], "GET", HEALTH, &[("x-forwarded-for", "192.0.2.7")], "").await.status, 400);
}

/// A dialect that breaks.
struct Broken;

impl Dialect for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn claims(&self, wire: &WireRequest) -> bool {
        wire.path == "/broken"
    }
    fn lower(&self, _: &DialectConfig, _: WireRequest) -> Result<Lowered, Refusal> {
        panic!("on purpose, with a hunter2 in its words")
    }
    fn render(&self, _: &DialectConfig, _: &RenderContext, _: Result<Answer, Refusal>) -> WireResponse {
        panic!("on purpose")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_answer_and_not_the_process() {
    let running = server(|_| {}).await;
    let bindings = bind(&[ListenerConfig::plain("127.0.0.1:0")]).await.unwrap();
    let broken = Spoken { dialect: Box::new(Broken), config: DialectConfig::default() };
    let listeners = Listeners::open(bindings, running.node.clone(), vec![broken]);
    let address = listeners.addresses()[0];
    for _ in 0..3 {
        let seen = ask(address, "GET", "/broken", &[], "").await;
        assert_eq!((seen.status, seen.body.as_str()), (500, "{\"errors\":[\"internal error\"]}"));
    }
    assert_eq!(ask(running.addresses[0], "GET", HEALTH, &[], "").await.status, 501);
    assert!(listeners.drain().await, "what panicked holds nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_finishes_what_it_began_and_takes_nothing_new() {
    let running = server(|_| {}).await;
    let address = running.addresses[0];
    let mut stream = connect(address);
    stream.write_all(b"PUT /v1/sys/unseal HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n{\"key\"").unwrap();
    let _idle = connect(address);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(running.shutdown());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished(), "a request is in flight");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody new");
    stream.write_all(b":\"ab\"").unwrap();
    stream.write_all(b"}").unwrap();
    let seen = tokio::task::spawn_blocking(move || rest(&mut stream)).await.unwrap();
    assert_eq!(parse(&seen).status, 400, "answered: not initialised");
    assert!(tokio::time::timeout(Duration::from_secs(5), stopping).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_one_clear_line() {
    let running = server(|_| {}).await;
    let taken = running.addresses[0].to_string();
    let error = crate::start(Config::in_memory(&taken)).await.err().unwrap().to_string();
    assert!(error.contains("cannot listen") && !error.contains('\n'), "{error}");
}

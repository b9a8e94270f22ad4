//! A server that says what its script says and remembers what it was asked. It must never judge a request.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Such as `GET /v1/sys/health`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

/// What to say to one request.
#[derive(Clone)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

pub fn said(status: u16, body: &str) -> Said {
    Said { status, headers: Vec::new(), body: body.to_owned() }
}

impl Said {
    #[allow(dead_code)]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Chooses an answer by the request and how many requests came before it.
type Script = dyn Fn(&Asked, usize) -> Said + Send + Sync;

pub struct Fake {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub fn start(script: impl Fn(&Asked, usize) -> Said + Send + Sync + 'static) -> Self {
        Self::start_over(script, "http", |stream, talk| talk(&mut { stream }))
    }

    /// Answers the n-th request with the n-th answer, and 599 beyond them.
    #[allow(dead_code)]
    pub fn replay(answers: Vec<Said>) -> Self {
        Self::start(move |_, index| answers.get(index).cloned().unwrap_or_else(|| said(599, "")))
    }

    /// `wrap` puts a layer such as TLS around each connection.
    pub fn start_over(
        script: impl Fn(&Asked, usize) -> Said + Send + Sync + 'static,
        scheme: &str,
        wrap: impl Fn(TcpStream, &mut dyn FnMut(&mut dyn ReadWrite)) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (memory, script, wrap) = (asked.clone(), Arc::new(script) as Arc<Script>, Arc::new(wrap));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (memory, script, wrap) = (memory.clone(), script.clone(), wrap.clone());
                thread::spawn(move || wrap(stream, &mut |wire| while talk(wire, &memory, &*script).is_some() {}));
            }
        });
        Self { address, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Methods and targets only.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

pub trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// One request and its answer; `None` once the client has gone.
fn talk(wire: &mut dyn ReadWrite, memory: &Mutex<Vec<Asked>>, script: &Script) -> Option<()> {
    let asked = read_request(wire)?;
    let index = {
        let mut memory = memory.lock().unwrap();
        memory.push(asked.clone());
        memory.len() - 1
    };
    let said = script(&asked, index);
    let mut head = format!("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n", said.status, said.body.len());
    for (name, value) in &said.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    wire.write_all(format!("{head}\r\n{}", said.body).as_bytes()).ok()?;
    wire.flush().ok()
}

fn read_request(wire: &mut dyn ReadWrite) -> Option<Asked> {
    // Unbuffered beyond one byte, so that nothing of a next request is swallowed.
    let mut reader = BufReader::with_capacity(1, wire);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let line = format!("{} {}", words.next()?, words.next()?);
    let mut asked = Asked { line, ..Asked::default() };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        asked.headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

//! The machine's own limits, measured in the same run as the server: one sync of the disk, and a bare HTTP server of the
//! same stack that answers every request with the same bytes. The bare server is a child process, so that its processor
//! time can be told apart. Nothing here knows what a secrets manager is.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{
    error::BenchError,
    process::{Guarded, spawn_on},
};

/// How long syncs are measured at a time.
const SYNC_SPAN: Duration = Duration::from_millis(1000);
/// At least this many, however slow the disk is.
const FEWEST_SYNCS: usize = 20;
/// Bytes written before each sync: the size of the value a KV write carries.
const SYNC_BYTES: usize = 1024;

/// Times, in microseconds, of appending 1 KiB to a file and making it durable (fdatasync).
#[derive(Debug, Clone, Copy)]
pub struct SyncTime {
    /// The median: "one sync" of every ratio.
    pub median_us: f64,
    /// The fastest tenth ends here. Far below the median it says that something else was in the way: a median taken on a
    /// busy machine is a time slice of its scheduler and not the disk's.
    pub fast_us: f64,
}

/// Measures one sync in `directory`.
pub fn sync_time(directory: &Path) -> Result<SyncTime, BenchError> {
    let io = |source| BenchError::Io { what: "measuring a sync of the disk", source };
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
    let block = [0x5a; SYNC_BYTES];
    let (mut took, began) = (Vec::new(), Instant::now());
    while took.len() < FEWEST_SYNCS || began.elapsed() < SYNC_SPAN {
        let before = Instant::now();
        file.write_all(&block).map_err(io)?;
        file.as_file().sync_data().map_err(io)?;
        took.push(before.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    Ok(SyncTime { median_us: took[took.len() / 2], fast_us: took[took.len() / 10] })
}

/// A running bare server; it ends with this value.
pub struct BareServer {
    process: Guarded,
    address: SocketAddr,
    // The child reads its body from here at its start; the directory goes with the server.
    _folder: tempfile::TempDir,
}

impl BareServer {
    /// Starts `program bare-server` on the given processors with the bytes that it has to return.
    pub fn start(
        program: &Path,
        cpus: Option<&[usize]>,
        body: &[u8],
        content_type: &str,
    ) -> Result<BareServer, BenchError> {
        let io = |source| BenchError::Io { what: "starting the bare server", source };
        let folder = tempfile::tempdir().map_err(io)?;
        let file: PathBuf = folder.path().join("body");
        std::fs::write(&file, body).map_err(io)?;
        let mut command = Command::new(program);
        command.arg("bare-server").arg("-body-file").arg(&file).arg("-content-type").arg(content_type);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Guarded::new(spawn_on(cpus, &mut command)?);
        let mut line = String::new();
        if let Some(stdout) = process.child().stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(io)?;
        }
        let address = line.trim().parse().map_err(|_| BenchError::Setup("the bare server did not start".into()))?;
        Ok(BareServer { process, address, _folder: folder })
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// The child's side: prints the address it listens on, serves, and ends when its standard input does, so that it cannot
/// outlive the run that started it.
pub fn bare_server(body_file: &Path, content_type: &str) -> Result<(), BenchError> {
    let io = |source| BenchError::Io { what: "bare server", source };
    let mut body = Vec::new();
    File::open(body_file).and_then(|mut file| file.read_to_end(&mut body)).map_err(io)?;
    let content_type = HeaderValue::from_str(content_type)
        .map_err(|_| BenchError::Setup("the content type is not a header value".into()))?;
    thread::spawn(|| {
        // An error ends the wait as the end of the input does.
        let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        writeln!(std::io::stdout(), "{address}").and_then(|()| std::io::stdout().flush()).map_err(io)?;
        serve(listener, body.into(), content_type).await.map_err(io)
    })
}

/// Answers every request with the same bytes, until the listener fails.
pub async fn serve(listener: TcpListener, body: Bytes, content_type: HeaderValue) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (body, content_type) = (body.clone(), content_type.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |_request| {
                let mut response = Response::new(Full::new(body.clone()));
                response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                std::future::ready(Ok::<_, std::convert::Infallible>(response))
            });
            // A client that goes away is no failure of this server.
            let _left = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

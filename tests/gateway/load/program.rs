//! The server as a process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketio_tests::{Connection, WebSocket};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Where clients begin.
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A running server; killed when it is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) clients: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) api: SocketAddr,
    /// How many lines it has logged.
    pub(crate) logged: Arc<AtomicUsize>,
}

impl Program {
    /// The server with this backend; port 0 is any.
    pub(crate) async fn start(server: &Path, port: u16, url: &str, options: &[&str]) -> Program {
        let listen = format!("127.0.0.1:{port}");
        let always =
            ["--listen", &listen, "--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--webhook", url];
        let mut child = Command::new(server)
            .args(always)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", server.display()));
        let logged = Arc::new(AtomicUsize::new(0));
        let (count, log) = (Arc::clone(&logged), child.stderr.take().expect("its log"));
        tokio::spawn(async move {
            let mut lines = BufReader::new(log).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                count.fetch_add(1, Ordering::Relaxed);
                eprintln!("{line}");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut addresses = Vec::new();
        while addresses.len() < 3 {
            let line = lines.next_line().await.expect("its output").expect("that it says where it listens");
            let address = line.split_once("http://").and_then(|(_, address)| address.split('/').next());
            addresses.extend(address.and_then(|address| address.parse::<SocketAddr>().ok()));
        }
        Program { child, metrics: addresses[0], api: addresses[1], clients: addresses[2], logged }
    }

    /// The sum of the samples of that name, labels included.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = Connection::open(self.metrics).await.request("GET", "/metrics", &[], b"").await;
        let samples = text.text().lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let whole = samples.filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'));
        whole.filter_map(|(_, value)| value.parse::<f64>().ok()).fold(0.0, |sum, value| sum + value)
    }

    /// How many bytes of memory it has.
    pub(crate) fn memory(&self) -> f64 {
        let id = self.child.id().expect("it runs");
        let pages = std::fs::read_to_string(format!("/proc/{id}/statm")).expect("a process");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).expect("pages") * 4096.0
    }
}

/// A client with a session, if a server listens.
pub(crate) async fn connect(address: SocketAddr) -> Option<WebSocket> {
    let stream = TcpStream::connect(address).await.ok()?;
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::over(stream);
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    connection.send("GET", WEBSOCKET, &headers, b"").await;
    // A server that has just been killed answers nothing.
    let answer = tokio::time::timeout(
        Duration::from_secs(20),
        tokio::spawn(async move {
            let answer = connection.response().await;
            (answer.status == 101).then_some(connection)
        }),
    );
    let mut client = WebSocket::on(answer.await.ok()?.ok()??);
    match client.next().await {
        socketio_tests::Received::Text(open) if open.starts_with('0') => Some(client),
        _ => None,
    }
}

//! What floods, drops and large messages on a WebSocket leave behind in a server, plain and over TLS.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::process::{PAYLOAD_LIMIT, PEM, Process};
use super::*;

const MB: usize = 1_000_000;

/// A server in a process of its own, and how to come in.
struct Stressed {
    process: Process,
    tls: Option<TlsConnector>,
}

impl Stressed {
    fn plain() -> Stressed {
        Stressed { process: Process::start(&[PAYLOAD_LIMIT, "=1000000"]), tls: None }
    }

    fn over_tls() -> Stressed {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["test".to_owned()]).expect("a certificate");
        let path = std::env::temp_dir().join(format!("hostile-{}-{}.pem", std::process::id(), unique()));
        let mut pem = std::fs::File::create(&path).expect("a file");
        write!(pem, "{}{}", cert.pem(), signing_key.serialize_pem()).expect("to write it");
        let pem = path.to_str().expect("a path in UTF-8");
        let process = Process::start(&[PAYLOAD_LIMIT, "=1000000 ", PEM, "=", pem]);
        std::fs::remove_file(&path).expect("to remove the file, which has been read");
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Stressed { process, tls: Some(TlsConnector::from(Arc::new(config))) }
    }

    /// A WebSocket at the plain echo, its open packet read.
    async fn open(&self) -> WebSocket {
        let stream = TcpStream::connect(self.process.address).await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP connection");
        let connection = match &self.tls {
            None => Connection::over(stream),
            Some(tls) => {
                let name = ServerName::try_from("test").expect("a name");
                Connection::over(tls.connect(name, stream).await.expect("TLS"))
            }
        };
        let mut websocket = WebSocket::over(connection, WEBSOCKET).await;
        assert!(websocket.next_text().await.starts_with("0{"));
        websocket
    }

    /// How much more memory the server has now than it had.
    fn grown(&self, before: usize) -> usize {
        self.process.resident().saturating_sub(before)
    }
}

/// Different with each call.
fn unique() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Clients send pings and read nothing.
async fn pings_that_nobody_reads(server: &Stressed) {
    // A server that takes no more is what this waits for.
    const STUCK: Duration = Duration::from_millis(500);
    const CLIENTS: usize = 8;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.open().await);
    }
    let before = server.process.resident();
    let pings = Arc::new(WebSocket::frame(0x89, &[b'p'; 125]).repeat(1_000));
    let flooding: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let pings = Arc::clone(&pings);
            tokio::spawn(async move {
                let mut sent = 0;
                while sent < 40 * MB && tokio::time::timeout(STUCK, client.flood(&pings)).await.is_ok() {
                    sent += pings.len();
                }
                (client, sent)
            })
        })
        .collect();
    let mut sent = 0;
    let mut held = Vec::new();
    for client in flooding {
        let (client, by_this) = client.await.expect("a client");
        sent += by_this;
        held.push(client);
    }
    let grown = server.grown(before);
    eprintln!("{sent} bytes of pings, {grown} bytes of memory");
    assert!(sent > CLIENTS * 100_000, "{sent} bytes of pings are no flood");
    assert!(grown < CLIENTS * MB / 2, "{grown} bytes for pongs that nobody reads");
}

// proves: hostile/34
#[tokio::test]
async fn pings_whose_pongs_nobody_reads_take_a_bounded_memory() {
    pings_that_nobody_reads(&Stressed::plain()).await;
}

#[tokio::test]
async fn pings_whose_pongs_nobody_reads_take_a_bounded_memory_over_tls() {
    pings_that_nobody_reads(&Stressed::over_tls()).await;
}

/// A client sends pings and reads all the pongs.
async fn pings_that_are_read(server: &Stressed) {
    let mut client = server.open().await;
    let before = server.process.resident();
    let count = 50_000u32;
    let pings = (0..count).flat_map(|n| WebSocket::frame(0x89, &n.to_be_bytes())).collect();
    let written = client.raw_in_background(pings);
    for n in 0..count {
        assert_eq!(client.next().await, Received::Pong(n.to_be_bytes().to_vec()));
    }
    written.await.expect("all was written");
    let grown = server.grown(before);
    assert!(grown < MB, "{grown} bytes are left of a flood of pings");
}

// proves: hostile/35
#[tokio::test]
async fn pings_whose_pongs_are_read_are_all_answered_and_leave_nothing() {
    pings_that_are_read(&Stressed::plain()).await;
}

#[tokio::test]
async fn pings_whose_pongs_are_read_are_all_answered_and_leave_nothing_over_tls() {
    pings_that_are_read(&Stressed::over_tls()).await;
}

/// A client sends a message byte by byte.
async fn drops(server: &Stressed, len: usize) {
    let mut client = server.open().await;
    let text = format!("4{}", "x".repeat(len - 1));
    for byte in WebSocket::frame(0x81, text.as_bytes()) {
        client.raw([byte]).await;
    }
    assert_eq!(client.next_text().await, text);
}

#[tokio::test]
async fn a_message_of_a_megabyte_may_come_byte_by_byte() {
    drops(&Stressed::plain(), MB).await;
}

#[tokio::test]
async fn a_message_may_come_byte_by_byte_over_tls() {
    drops(&Stressed::over_tls(), MB / 10).await;
}

/// Clients send a large message each and then are idle.
async fn large_messages(server: &Stressed) {
    const CLIENTS: usize = 40;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.open().await);
    }
    let text = format!("4{}", "x".repeat(900_000));
    // The first leaves what the allocator keeps for whoever comes next.
    let mut before = 0;
    for client in &mut clients {
        let written = client.raw_in_background(WebSocket::frame(0x81, text.as_bytes()));
        assert_eq!(client.next_text().await, text);
        written.await.expect("all was written");
        if before == 0 {
            before = server.process.resident();
        }
    }
    let grown = server.grown(before);
    eprintln!("{grown} bytes of memory are left of {CLIENTS} large messages");
    assert!(grown < CLIENTS * 100_000, "{grown} bytes are left of {CLIENTS} large messages");
}

// proves: flaw/ws-8-23-memory
#[tokio::test]
async fn large_messages_leave_no_memory_behind() {
    large_messages(&Stressed::plain()).await;
}

// proves: flaw/ws-8-23-memory
#[tokio::test]
async fn large_messages_leave_no_memory_behind_over_tls() {
    large_messages(&Stressed::over_tls()).await;
}

//! Clients by WebTransport, on loopback: a server with a certificate of its own, and clients that speak QUIC and HTTP/3
//! byte by byte. `sessions` has what honest clients see, `hostile` what others can't do.

mod hostile;
mod sessions;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engineio::EngineConfig;
use parking_lot::Mutex;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, RecvStream, SendStream, TransportConfig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use socketio_server_cli::apps::EngineEcho;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, RootCertStore};
use wtransport_proto::frame::Frame;
use wtransport_proto::headers::Headers;
use wtransport_proto::session::SessionRequest;

use super::*;
use crate::server::Builder;
use crate::service::Service;
use crate::{Listener, Server, Tls};

/// Longer than anything here takes. What never comes fails then.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate for `localhost` and its key, in files.
struct Certificate {
    folder: PathBuf,
    der: Mutex<CertificateDer<'static>>,
}

impl Certificate {
    fn new() -> Certificate {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("socketio-webtransport-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let der = Mutex::new(Certificate::write(&folder));
        Certificate { folder, der }
    }

    fn write(folder: &std::path::Path) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    /// Another takes its place.
    fn renew(&self) {
        *self.der.lock() = Certificate::write(&self.folder);
    }

    fn tls(&self) -> Tls {
        Tls::from_pem_files(self.folder.join("cert.pem"), self.folder.join("key.pem")).unwrap()
    }

    /// What a client trusts.
    fn trust(&self) -> rustls::ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.lock().clone()).unwrap();
        let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        tls
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A server that echoes.
struct Echo {
    certificate: Certificate,
    tls: Tls,
    /// Where it listens by UDP, and by TCP without TLS.
    udp: SocketAddr,
    tcp: SocketAddr,
    service: Service,
    _stop: oneshot::Sender<()>,
}

impl Echo {
    async fn new() -> Echo {
        Echo::with(Server::builder()).await
    }

    async fn with(builder: Builder) -> Echo {
        let config = EngineConfig { webtransport: true, ..EngineConfig::default() };
        let builder = builder.config(config).engineio("/engine.io/", EngineEcho);
        let certificate = Certificate::new();
        let tls = certificate.tls();
        let (server, listener, udp, tcp) = bound(builder, &tls).await;
        let service = server.service();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
        Echo { certificate, tls, udp, tcp, service, _stop: stop }
    }

    fn connections(&self) -> usize {
        self.service.site().admission.connections()
    }

    /// A WebTransport session that has sent nothing.
    async fn connect(&self) -> Connection {
        connect(self.udp, self.certificate.trust()).await.expect("a session")
    }

    /// A stream whose first packet is this one.
    async fn stream(&self, first: &str) -> Client {
        Client::new(self.connect().await, first).await
    }
}

async fn bound(builder: Builder, tls: &Tls) -> (Server, Listener, SocketAddr, SocketAddr) {
    let webtransport = WebTransport::bind("127.0.0.1:0".parse().unwrap(), tls.clone()).unwrap();
    let udp = webtransport.address();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap();
    (builder.build().unwrap().webtransport(webtransport), listener.into(), udp, tcp)
}

/// A client's QUIC alone.
async fn quic(
    address: SocketAddr,
    trust: rustls::ClientConfig,
) -> Result<quinn::Connection, ConnectionError> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some((PATIENCE / 4).try_into().unwrap()))
        .keep_alive_interval(Some(PATIENCE / 16));
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(trust).unwrap()));
    config.transport_config(Arc::new(transport));
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(config);
    timeout(PATIENCE, endpoint.connect(address, "localhost").unwrap()).await.expect("an answer")
}

/// A client's WebTransport session.
struct Connection {
    quic: quinn::Connection,
    request: (SendStream, RecvStream),
}

impl Connection {
    /// A stream for packets: `41`, and the number of the stream with the request.
    async fn open(&self) -> (SendStream, RecvStream) {
        let (mut send, receive) = self.quic.open_bi().await.unwrap();
        send.write_all(&[0x40, 0x41, 0]).await.unwrap();
        (send, receive)
    }
}

async fn connect(address: SocketAddr, trust: rustls::ClientConfig) -> Result<Connection, ConnectionError> {
    let quic = quic(address, trust).await?;
    let (status, request) = ask(&quic, "/engine.io/").await;
    assert_eq!(status, "200");
    Ok(Connection { quic, request })
}

/// Asks for a session at that path. Gives the status, and the streams of the request.
async fn ask(quic: &quinn::Connection, path: &str) -> (String, (SendStream, RecvStream)) {
    let (mut send, mut receive) = quic.open_bi().await.unwrap();
    let request = SessionRequest::new(format!("https://localhost{path}")).unwrap();
    // A frame without a meaning comes first.
    let mut bytes = vec![0x21, 3, 1, 2, 3];
    request.headers().generate_frame().write(&mut bytes).unwrap();
    send.write_all(&bytes).await.unwrap();
    let mut head = [0; 2];
    timeout(PATIENCE, receive.read_exact(&mut head)).await.expect("an answer").unwrap();
    assert_eq!(head[0], 1, "fields");
    let mut fields = vec![0; head[1].into()];
    receive.read_exact(&mut fields).await.unwrap();
    let fields = Headers::with_frame(&Frame::new_headers(fields.into())).unwrap();
    (fields.get(":status").unwrap().to_owned(), (send, receive))
}

/// A client's stream.
struct Client {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
}

impl Client {
    async fn new(connection: Connection, first: &str) -> Client {
        let (send, receive) = connection.open().await;
        let mut client = Client { connection, send, receive };
        client.says(first).await;
        client
    }

    /// Sends a packet of at most 125 bytes.
    async fn says(&mut self, packet: &str) {
        self.send.write_all(&[&[packet.len() as u8], packet.as_bytes()].concat()).await.unwrap();
    }

    /// The next packet, which is as short or has less than 64 KiB.
    async fn hears(&mut self) -> String {
        let mut length = [0];
        timeout(PATIENCE, self.receive.read_exact(&mut length)).await.expect("a packet").unwrap();
        let mut length = usize::from(length[0]);
        if length == 126 {
            let mut long = [0; 2];
            self.receive.read_exact(&mut long).await.unwrap();
            length = u16::from_be_bytes(long).into();
        }
        let mut packet = vec![0; length];
        self.receive.read_exact(&mut packet).await.unwrap();
        String::from_utf8(packet).unwrap()
    }

    /// The code with which the server closes the connection.
    async fn code(&self) -> u64 {
        closed(&self.connection.quic).await
    }
}

async fn closed(quic: &quinn::Connection) -> u64 {
    match timeout(PATIENCE, quic.closed()).await.expect("the server closes it") {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

//! TLS: from files, read again on SIGHUP, and never in the way of others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use socketio::{Io, Socket};
use socketio_server::{Listener, Server, Tls};
use socketio_tests::{Connection, WebSocket};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::listeners::Folder;
use crate::program::{Program, SERVER, connect};

/// A certificate for `localhost`, and its key, as files.
struct Identity {
    folder: Folder,
    certificate: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Identity {
        let folder = Folder::new();
        let certificate = Identity::write(&folder);
        Identity { folder, certificate }
    }

    /// Another one, in the same files.
    fn replaced(&mut self) -> CertificateDer<'static> {
        let new = Identity::write(&self.folder);
        std::mem::replace(&mut self.certificate, new)
    }

    fn write(folder: &Folder) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.file("cert.pem"), cert.pem()).expect("to write");
        fs::write(folder.file("key.pem"), signing_key.serialize_pem()).expect("to write");
        cert.der().clone()
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.folder.file("cert.pem"), self.folder.file("key.pem"))
    }

    fn tls(&self) -> Tls {
        let (certificate, key) = self.files();
        Tls::from_pem_files(certificate, key).expect("the files are right")
    }

    async fn server(&self) -> (Program, SocketAddr) {
        let (certificate, key) = self.files();
        let options = ["--app", "echo", "--listen", "127.0.0.1:0", "--max-payload", "8000000"];
        let mut program = Program::server(options.map(Into::into).into_iter().chain([
            "--tls-cert".into(),
            certificate.into_os_string(),
            "--tls-key".into(),
            key.into_os_string(),
        ]));
        let place = program.place().await;
        let address = place.strip_prefix("https://").and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        (program, address.unwrap_or_else(|| panic!("{place}")))
    }
}

/// Connects as a client that trusts this certificate alone and would rather speak HTTP/2.
async fn trusting(
    certificate: &CertificateDer<'static>,
    address: SocketAddr,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

// proves: features/tls
#[tokio::test]
async fn both_transports_and_the_upgrade_work_over_tls() {
    let identity = Identity::new();
    let (program, address) = identity.server().await;
    let stream = trusting(&identity.certificate, address).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut polling = Connection::over(stream);
    let target = "/engine.io/?EIO=4&transport=polling";
    let opened = polling.request("GET", target, &[], b"").await;
    let target = format!("{target}&sid={}", opened.sid());
    assert_eq!(polling.request("POST", &target, &[], b"4polled").await.text(), "ok");
    assert_eq!(polling.request("GET", &target, &[], b"").await.text(), "4polled");

    let stream = trusting(&identity.certificate, address).await.expect("a handshake");
    let mut client = WebSocket::over(Connection::over(stream), &target.replace("polling", "websocket")).await;
    client.text("2probe").await;
    assert_eq!(client.next_text().await, "3probe");
    client.text("5").await;
    // What doesn't fit into the socket stays in rustls until it is flushed.
    for length in [1, 16_384, 7_000_000] {
        let message = format!("4{}", "x".repeat(length));
        client.text(&message).await;
        assert!(client.next_text().await == message, "{length} bytes came back otherwise");
    }
    drop((client, program));
}

// proves: features/tls
#[tokio::test]
async fn a_handshake_over_tls_is_secure() {
    let identity = Identity::new();
    let io = Io::new();
    io.of("/").on_sync("secure?", |socket: Socket, ()| socket.handshake().secure);
    let server = Server::builder().socketio("/socket.io/", io).build().expect("a server");
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("an address");
    let listener = Listener::from(tcp).tls(identity.tls());
    assert_eq!(listener.to_string(), format!("https://{address}/"));
    let serving = tokio::spawn(server.serve(listener, std::future::pending()));
    let stream = trusting(&identity.certificate, address).await.expect("a handshake");
    let (mut client, _) = connect(Connection::over(stream), "40").await;
    client.text(r#"421["secure?"]"#).await;
    assert_eq!(client.next_text().await, "431[true]");
    serving.abort();
}

// proves: features/tls
#[tokio::test]
async fn sighup_changes_the_certificate_for_those_who_come_and_a_bad_one_changes_nothing() {
    let mut identity = Identity::new();
    let (mut program, address) = identity.server().await;
    let stream = trusting(&identity.certificate, address).await.expect("a handshake");
    let (mut early, _) = connect(Connection::over(stream), "40").await;
    early.next_text().await;

    let old = identity.replaced();
    trusting(&old, address).await.expect("the files are not watched");
    program.signal("HUP").await;
    program.logged("the certificate was reloaded").await;
    trusting(&identity.certificate, address).await.expect("the new certificate");
    trusting(&old, address).await.expect_err("the old certificate is gone");
    early.text(r#"42["message","still here"]"#).await;
    assert_eq!(early.next_text().await, r#"42["message-back","still here"]"#);

    fs::write(identity.files().0, "no certificate").expect("to write");
    program.signal("HUP").await;
    program.logged("the certificate can't be reloaded: the old one stays").await;
    trusting(&identity.certificate, address).await.expect("the certificate that was there");
}

// proves: security/certificates
#[tokio::test]
async fn a_certificate_that_does_not_come_stops_nobody() {
    let identity = Identity::new();
    let (mut program, address) = identity.server().await;
    let (certificate, _) = identity.files();
    fs::remove_file(&certificate).expect("to remove");
    let made = std::process::Command::new("mkfifo").arg(&certificate).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    for _ in 0..2 {
        program.signal("HUP").await;
        let line = program.logged("the certificate can't be reloaded: the old one stays").await;
        assert!(line.contains("it is not a regular file"), "{line}");
    }
    trusting(&identity.certificate, address).await.expect("the certificate that was there");
    program.signal("TERM").await;
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test]
async fn clients_that_never_shake_hands_hold_up_nobody() {
    let identity = Identity::new();
    let (_program, address) = identity.server().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(address).await.expect("a connection"));
    }
    trusting(&identity.certificate, address).await.expect("a handshake");
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_ten_seconds() {
    let identity = Identity::new();
    let server = Server::builder().build().expect("a server");
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("an address");
    let serving = tokio::spawn(server.serve(Listener::from(tcp).tls(identity.tls()), std::future::pending()));
    let began = tokio::time::Instant::now();
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    assert!(matches!(silent.read(&mut [0]).await, Ok(0)));
    assert_eq!(began.elapsed().as_secs(), 10);
    serving.abort();
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let (one, other) = (Identity::new(), Identity::new());
    let (certificate, key) = one.files();
    let problem = |certificate: &PathBuf, key: &PathBuf| match Tls::from_pem_files(certificate, key) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let missing = one.folder.file("missing.pem");
    let empty = one.folder.file("empty.pem");
    fs::write(&empty, "").expect("to write");
    let broken = one.folder.file("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").expect("to write");

    let error = problem(&missing, &key);
    assert!(error.starts_with(&format!("can't read {}: ", missing.display())), "{error}");
    let error = problem(&certificate, &missing);
    assert!(error.starts_with(&format!("can't read {}: ", missing.display())), "{error}");
    assert_eq!(problem(&empty, &key), format!("{} has no certificate", empty.display()));
    assert_eq!(problem(&key, &key), format!("{} has no certificate", key.display()));
    assert_eq!(problem(&certificate, &certificate), format!("{} has no private key", certificate.display()));
    let error = problem(&broken, &key);
    assert!(error.starts_with(&format!("{} is not a PEM file: ", broken.display())), "{error}");
    let (_, others) = other.files();
    assert_eq!(
        problem(&certificate, &others),
        format!("the key in {} does not belong to the certificate", others.display())
    );
    let tls = one.tls();
    fs::remove_file(&key).expect("to remove");
    tls.reload().expect_err("the key is gone");
}

#[tokio::test]
async fn a_wrong_file_ends_the_program() {
    let mut program = Program::server(["--tls-cert=/nowhere/cert.pem", "--tls-key=/nowhere/key.pem"]);
    let (status, log) = program.ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.starts_with("socketio-server: can't read /nowhere/cert.pem: "), "{log}");
}

#[tokio::test]
async fn connect_and_check_trust_the_certificate_that_they_are_told_to() {
    let identity = Identity::new();
    let (_server, address) = identity.server().await;
    let url = format!("https://localhost:{}", address.port());
    let (certificate, _) = identity.files();
    let certificate = certificate.display().to_string();
    let run = async |arguments: &[&str]| {
        let output = tokio::process::Command::new(SERVER).args(arguments).kill_on_drop(true).output().await;
        let output = output.expect("its output");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let ask = ["connect", &url, "--ca", &certificate, "-x", "? message-with-ack 7"];
    for transport in ["polling", "websocket"] {
        let (code, out) = run(&[&ask[..], &["--transports", transport]].concat()).await;
        assert_eq!(code, Some(0), "{out}");
        assert!(out.contains("message-with-ack = 7"), "{out}");
    }
    let (code, out) = run(&["check", &url, "--ca", &certificate, "--quick"]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("TLSv1_3, and its certificate is trusted"), "{out}");
    // Another authority has not signed it.
    let other = Identity::new();
    let (code, out) =
        run(&["connect", &url, "--ca", &other.files().0.display().to_string(), "-x", "message"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("TLS: "), "{out}");
}

#[tokio::test]
async fn our_own_client_trusts_a_certificate_that_signed_itself_if_it_is_named_and_for_its_names_alone() {
    let folder = Folder::new();
    let mut terms = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    // As `openssl req -x509` makes them.
    terms.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = terms.self_signed(&key).expect("a certificate");
    fs::write(folder.file("cert.pem"), certificate.pem()).expect("to write");
    fs::write(folder.file("key.pem"), key.serialize_pem()).expect("to write");
    let identity = Identity { folder, certificate: certificate.der().clone() };
    let (_server, address) = identity.server().await;
    let file = identity.folder.file("cert.pem").display().to_string();
    let connect = async |host: &str, options: &[&str]| {
        let url = format!("https://{host}:{}", address.port());
        let mut command = tokio::process::Command::new(SERVER);
        command.args(["connect", &url, "-x", "? message-with-ack 1"]).args(options).kill_on_drop(true);
        let output = command.output().await.expect("its output");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    for transports in ["polling", "websocket"] {
        let (code, out) = connect("localhost", &["--ca", &file, "--transports", transports]).await;
        assert_eq!(code, Some(0), "{out}");
    }
    let (code, out) = connect("127.0.0.1", &["--ca", &file]).await;
    assert!(code == Some(1) && out.contains("not valid for name \"127.0.0.1\""), "{out}");
    let another = Identity::new();
    let file = another.folder.file("cert.pem").display().to_string();
    let (code, out) = connect("localhost", &["--ca", &file]).await;
    assert!(code == Some(1) && out.contains("by --ca"), "{out}");
}

//! The program as systemd runs it: with sockets that it passes, and what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use socketio_tests::Connection;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::listeners::Folder;
use crate::program::{Program, get};

const TARGET: &str = "/engine.io/?EIO=4&transport=polling";

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What systemd has been told next, one state in each.
async fn told(systemd: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 1024];
    let len =
        timeout(LIMIT, systemd.recv(&mut message)).await.expect("a message in time").expect("a message");
    String::from_utf8_lossy(&message[..len]).lines().map(str::to_owned).collect()
}

// proves: features/wish/systemd
#[tokio::test]
async fn systemd_learns_that_the_server_is_ready_that_it_runs_and_that_it_stops() {
    let folder = Folder::new();
    let path = folder.file("notify");
    let systemd = UnixDatagram::bind(&path).expect("a socket");
    let options = ["--app=echo", "--listen=127.0.0.1:0", "--drain-wait=1s", "--drain-timeout=2h"];
    let path = path.display().to_string();
    let mut program = Program::server_with(options, [("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", "100000")]);
    assert_eq!(told(&systemd).await, ["READY=1"]);
    let address = program.address().await;
    assert_eq!(get(address, "/nothing").await.status, 404, "whoever is ready can be reached");
    for _ in 0..3 {
        assert_eq!(told(&systemd).await, ["WATCHDOG=1"]);
    }
    program.signal("TERM").await;
    let stopping = loop {
        let told = told(&systemd).await;
        if told != ["WATCHDOG=1"] {
            break told;
        }
    };
    assert_eq!(
        stopping,
        ["STOPPING=1", "EXTEND_TIMEOUT_USEC=7231000000"],
        "both parts of the drain, and 30 s for what comes after it"
    );
    assert_eq!(told(&systemd).await, ["WATCHDOG=1"], "a drain is no hang");
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

// proves: features/wish/systemd
#[tokio::test]
async fn a_client_can_connect_to_a_socket_of_systemd_before_the_server_runs() {
    // As ListenStream=3000 makes it.
    let listener = std::net::TcpListener::bind("[::]:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut early = Connection::open(address).await;
    let mut program = Program::with_socket(listener.into(), ["--app=echo", "--listen=systemd"]);
    assert_eq!(early.request("GET", TARGET, &[], b"").await.status, 200);
    assert_eq!(program.address().await.port(), port);

    let folder = Folder::new();
    let path = folder.file("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let mut program = Program::with_socket(listener.into(), ["--app=echo", "--listen=systemd"]);
    assert_eq!(program.place().await, format!("unix:{}", path.display()));
    let stream = tokio::net::UnixStream::connect(&path).await.expect("a connection");
    assert_eq!(Connection::over(stream).request("GET", TARGET, &[], b"").await.status, 200);
    program.signal("TERM").await;
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(path.exists(), "the file is systemd's");
}

#[tokio::test]
async fn a_server_that_systemd_passes_no_sockets_or_others_says_so() {
    let refused = "socketio-server: listen: can't use the sockets of systemd: ";
    let (status, log) = Program::server(["--listen=systemd"]).ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.starts_with(&format!("{refused}it passes none")), "{log}");

    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (status, log) = Program::with_socket(datagrams.into(), ["--listen=systemd"]).ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.starts_with(&format!("{refused}clients can't connect to number 0")), "{log}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let twice = ["--listen=systemd", "--listen=systemd"];
    let (status, log) = Program::with_socket(listener.into(), twice).ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("give systemd once"), "{log}");
}

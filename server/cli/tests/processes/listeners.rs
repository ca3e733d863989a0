//! Several listeners, Unix sockets, and what stands against them.

use std::path::{Path, PathBuf};

use socketio_tests::{Connection, Received};
use tokio::net::UnixStream;

use crate::program::{Program, connect, get};

/// A folder of one test's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("socketio-processes-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn unix(path: &Path) -> Connection {
    Connection::over(UnixStream::connect(path).await.expect("a connection"))
}

// proves: features/listeners, websocket-node/http-server, ws/address
#[tokio::test]
async fn one_session_can_use_all_listeners() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let unix_place = format!("unix:{}", path.display());
    let mut program = Program::server([
        "--app=echo",
        "--backlog=16",
        "--listen=127.0.0.1:0",
        "--listen=[::1]:0",
        &format!("--listen={unix_place}"),
    ]);
    let (first, second) = (program.address().await, program.address().await);
    assert!(first.is_ipv4() && second.is_ipv6());
    assert_eq!(program.place().await, unix_place);

    let target = "/engine.io/?EIO=4&transport=polling";
    let target = format!("{target}&sid={}", get(first, target).await.sid());
    let posted = Connection::open(second).await.request("POST", &target, &[], b"4hello").await;
    assert_eq!(posted.text(), "ok");
    let polled = unix(&path).await.request("GET", &target, &[], b"").await;
    assert_eq!(polled.text(), "4hello");
}

// proves: features/listeners
#[tokio::test]
async fn a_unix_socket_serves_until_the_drain_is_over_and_is_then_removed() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let mut program = Program::server(["--app=echo", &format!("--listen=unix:{}", path.display())]);
    program.place().await;
    let (mut client, joined) = connect(unix(&path).await, "40").await;
    assert!(joined.starts_with("40{"), "{joined}");
    assert!(client.next_text().await.starts_with(r#"42["auth""#));
    client.text(r#"42["message","over a file"]"#).await;
    assert_eq!(client.next_text().await, r#"42["message-back","over a file"]"#);

    program.signal("TERM").await;
    assert_eq!(client.next().await, Received::Close(None));
    assert!(path.exists(), "this client has not left yet");
    drop(client);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(!path.exists());
}

#[tokio::test]
async fn what_can_not_be_listened_on_is_named() {
    let (_program, taken) = Program::echo(&[]).await;
    let unix = "unix:/nowhere/at/all";
    for place in [&taken.to_string(), unix] {
        let mut program = Program::server(["--listen=127.0.0.1:0", &format!("--listen={place}")]);
        let (status, log) = program.ended().await;
        assert_eq!(status.code(), Some(1));
        assert!(log.starts_with(&format!("socketio-server: listen: can't listen on {place}: ")), "{log}");
    }
}

#[tokio::test]
async fn localhost_is_both_of_its_addresses_with_one_port() {
    let mut program =
        Program::server(["--app=echo", "--listen=localhost:0", "--listen=unix:/nowhere/at/all"]);
    let (status, log) = program.ended().await;
    assert_eq!(status.code(), Some(1), "{log}");

    let mut program = Program::server(["--app=echo", "--listen=localhost:0"]);
    let first = program.address().await;
    assert_eq!(first.ip(), std::net::Ipv4Addr::LOCALHOST);
    let target = "/engine.io/?EIO=4&transport=polling";
    assert_eq!(get(first, target).await.status, 200);
    // Where there is no IPv6 there is one line alone.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let second = program.address().await;
        assert_eq!(second, std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, first.port())));
        assert_eq!(get(second, target).await.status, 200);
    }
}

//! A journal is written, and replayed against servers that answer the same, or not.

use std::net::SocketAddr;
use std::path::Path;

use socketio_tests::{Connection, Received, WebSocket};
use tokio::process::Command;

use crate::program::{Program, SERVER};

/// What a client by polling does, up to its upgrade and beyond, and a client of revision 3.
async fn visit(address: SocketAddr) {
    let get = async |target: &str| Connection::open(address).await.request("GET", target, &[], b"").await;
    let post = async |target: &str, body: &str| {
        Connection::open(address).await.request("POST", target, &[], body.as_bytes()).await
    };
    let opened = get("/socket.io/?EIO=4&transport=polling").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", opened.sid());
    post(&target, "40{\"token\":\"x\"}").await;
    assert!(get(&target).await.text().starts_with("40{"));
    let mut poll = Connection::open(address).await;
    poll.send("GET", &target, &[], b"").await;
    let mut websocket = WebSocket::open(address, &target.replace("=polling", "=websocket")).await;
    websocket.text("2probe").await;
    assert_eq!(websocket.next_text().await, "3probe");
    assert_eq!(poll.response().await.text(), "6");
    websocket.text("5").await;
    websocket.text("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
    websocket.binary([1, 2, 255]).await;
    assert!(websocket.next_text().await.starts_with("451-[\"message-back\""));
    assert_eq!(websocket.next().await, Received::Binary(vec![1, 2, 255]));

    let opened = get("/socket.io/?EIO=3&transport=polling&b64=1").await;
    let target = format!("/socket.io/?EIO=3&transport=polling&b64=1&sid={}", opened.sid());
    get(&target).await;
    post(&target, "17:42[\"message\",\"é\"]").await;
    get(&target).await;
    assert_eq!(get("/socket.io/?EIO=4&transport=none").await.status, 400);
    websocket.text("41").await;
    websocket.text("1").await;
    assert_eq!(websocket.next().await, Received::Close(None));
}

async fn replay(journal: &Path, against: SocketAddr, options: &[&str]) -> (Option<i32>, String) {
    let command =
        ["replay", "--patience", "500ms", "--against", &format!("http://{against}")].map(str::to_owned);
    let output =
        Command::new(SERVER).args(command).args(options).arg(journal).output().await.expect("it starts");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[tokio::test]
async fn the_same_server_answers_the_same_and_another_does_not() {
    let journal = std::env::temp_dir().join(format!("socketio-replay-{}.jsonl", std::process::id()));
    let name = journal.to_str().expect("UTF-8");
    let (mut traced, address) =
        Program::echo(&["--trace", name, "--trace-secrets", "--close-timeout", "100ms"]).await;
    visit(address).await;
    traced.signal("TERM").await;
    let (status, log) = traced.ended().await;
    assert!(status.success(), "{status}: {log}");

    let (_same, address) = Program::echo(&[]).await;
    for options in [&[][..], &["--fast"]] {
        let (code, out) = replay(&journal, address, options).await;
        assert_eq!(code, Some(0), "{options:?}: {out}");
        assert!(out.starts_with("2 sessions, ") && out.ends_with(" 0 differences\n"), "{out}");
    }
    let mut other = Program::server(["--app", "none", "--listen", "127.0.0.1:0"]);
    let (code, out) = replay(&journal, other.address().await, &["--fast"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("session 1: packet 3 "), "{out}");
    std::fs::remove_file(&journal).expect("it is there");
}

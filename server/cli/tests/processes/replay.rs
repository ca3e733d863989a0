//! A journal is written, and replayed against servers that answer the same, or not.

use std::net::SocketAddr;
use std::path::Path;

use socketio_tests::{Connection, Received, WebSocket};
use tokio::process::Command;

use crate::listeners::Folder;
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

async fn explained(journal: &Path) -> (Option<i32>, String) {
    let output =
        Command::new(SERVER).arg("explain").arg("--file").arg(journal).output().await.expect("it starts");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[tokio::test]
async fn a_run_is_added_to_the_journal_of_the_one_before() {
    let folder = Folder::new();
    let journal = folder.file("journal.jsonl");
    let name = journal.to_str().expect("UTF-8");
    for run in 0..2 {
        let (mut program, address) =
            Program::echo(&["--trace", name, "--trace-secrets", "--close-timeout", "100ms"]).await;
        visit(address).await;
        // The first is ended in the middle of a line.
        program.signal(if run == 0 { "KILL" } else { "TERM" }).await;
        program.ended().await;
        if run == 0 {
            let mut file = std::fs::OpenOptions::new().append(true).open(&journal).expect("the journal");
            std::io::Write::write_all(&mut file, b"{\"n\":7,\"ti").expect("to write");
        }
    }
    let text = std::fs::read_to_string(&journal).expect("the journal");
    assert_eq!(text.lines().filter(|line| line.starts_with("{\"journal\":1")).count(), 2);
    let (code, out) = explained(&journal).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("\nrun 1, record ") && out.contains("\nrun 2, record "), "{out}");
    let (_same, address) = Program::echo(&[]).await;
    let (code, out) = replay(&journal, address, &["--fast"]).await;
    assert_eq!(code, Some(0), "{out}");
}

// proves: security/journal
#[tokio::test]
async fn a_file_that_is_no_journal_of_ours_is_left_alone() {
    let folder = Folder::new();
    let (there, link) = (folder.file("there"), folder.file("link"));
    std::fs::write(&there, "precious\n").expect("to write");
    std::os::unix::fs::symlink(&there, &link).expect("a link");
    for (file, problem) in [(&there, "is not a journal"), (&link, "it is a link")] {
        let name = file.to_str().expect("UTF-8");
        let mut program = Program::server(["--app=echo", "--listen=127.0.0.1:0", "--trace", name]);
        let (status, log) = program.ended().await;
        assert_eq!(status.code(), Some(1));
        assert!(log.starts_with(&format!("socketio-server: the journal {name}: ")), "{log}");
        assert!(log.contains(problem), "{log}");
        assert_eq!(std::fs::read_to_string(&there).expect("it is there"), "precious\n");
    }
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
    // The lab's journals have the names of header fields as clients write them.
    let text = std::fs::read_to_string(&journal).expect("the journal");
    let names = [
        ("host", "Host"),
        ("connection", "Connection"),
        ("upgrade", "UPGRADE"),
        ("content-length", "Content-Length"),
    ];
    let sockets =
        ["version", "key"].map(|name| (format!("sec-websocket-{name}"), format!("Sec-WebSocket-{name}")));
    let names = names.map(|(name, sent)| (name.to_owned(), sent.to_owned())).into_iter().chain(sockets);
    let sent = names
        .fold(text, |text, (name, sent)| text.replace(&format!("[\"{name}\","), &format!("[\"{sent}\",")));
    assert!(sent.contains("[\"UPGRADE\",") && sent.contains("[\"Sec-WebSocket-key\","), "{sent}");
    let copy = journal.with_extension("sent.jsonl");
    std::fs::write(&copy, sent).expect("to write");
    let (code, out) = replay(&copy, address, &["--fast"]).await;
    assert_eq!(code, Some(0), "{out}");
    std::fs::remove_file(&copy).expect("it is there");

    let mut other = Program::server(["--app", "none", "--listen", "127.0.0.1:0"]);
    let (code, out) = replay(&journal, other.address().await, &["--fast"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("session 1: packet 3 "), "{out}");
    std::fs::remove_file(&journal).expect("it is there");
}

/// A client that polls, as clients do: there is always one poll, also when a heartbeat has answered the last.
async fn poll_for_long(address: SocketAddr) {
    let get = async |target: &str| Connection::open(address).await.request("GET", target, &[], b"").await;
    let opened = get("/socket.io/?EIO=4&transport=polling").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", opened.sid());
    let post = async |body: &str| {
        Connection::open(address).await.request("POST", &target, &[], body.as_bytes()).await;
    };
    post("40").await;
    assert!(get(&target).await.text().starts_with("40{"));
    let mut beats = 0;
    while beats < 3 {
        let text = get(&target).await.text().to_owned();
        if text == "2" {
            beats += 1;
            post("3").await;
        }
    }
    post("42[\"message\",\"it's \\\"quoted\\\"\"]").await;
    while !get(&target).await.text().contains("quoted") {}
    post("1").await;
}

#[tokio::test]
async fn a_session_that_only_polls_is_replayed_without_overlapping_polls_and_told_so_that_it_can_be_explained()
 {
    let folder = Folder::new();
    let journal = folder.file("journal.jsonl");
    let name = journal.to_str().expect("UTF-8");
    let (mut traced, address) = Program::echo(&["--trace", name, "--ping-interval", "50ms"]).await;
    poll_for_long(address).await;
    traced.signal("TERM").await;
    let (status, log) = traced.ended().await;
    assert!(status.success(), "{status}: {log}");

    // One that pings as often, one that hardly does, and one that does it more often.
    for interval in ["50ms", "25s", "10ms"] {
        let (_same, address) = Program::echo(&["--ping-interval", interval]).await;
        for options in [&[][..], &["--fast"]] {
            let (code, out) = replay(&journal, address, options).await;
            let differences = out.lines().filter(|line| line.starts_with("session")).collect::<Vec<_>>();
            // The open packet says how often.
            let told: &[&str] = if interval == "50ms" { &[] } else { &["session 1: packet 1 was"] };
            assert_eq!(differences, told, "{interval} {options:?}: {out}");
            assert_eq!(code, Some(i32::from(!told.is_empty())));
        }
    }

    let mut other = Program::server(["--app", "none", "--listen", "127.0.0.1:0"]);
    let (code, out) = replay(&journal, other.address().await, &["--fast"]).await;
    assert_eq!(code, Some(1), "{out}");
    let word = out.lines().find(|line| line.contains("quoted")).expect("the event").trim();
    assert_eq!(word, r#"'42["message-back","it'\''s \"quoted\""]'"#);
    let explained = Command::new("sh").arg("-c").arg(format!("{SERVER} explain {word}")).output().await;
    let explained = explained.expect("a shell");
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(explained.status.success() && text.contains("message-back"), "{text}");
}

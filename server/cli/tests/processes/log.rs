//! The program's output: it stops nobody, there is not too much of it, and machines can read it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use socketio_tests::{Connection, WebSocket};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::listeners::Folder;
use crate::program::{Program, SERVER, get, join};

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(20);

const REFUSED: &str = "/socket.io/?EIO=4&transport=carrier-pigeon";

/// A server on a Unix socket, whose output goes to pipes; and a way to it.
async fn on_a_socket(
    folder: &Folder,
    options: &[&str],
    prepare: impl FnOnce(&mut Child),
) -> (Child, Connection) {
    let path = folder.file("socket");
    let mut child = Command::new(SERVER)
        .args(["--app=echo", &format!("--listen=unix:{}", path.display())])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    prepare(&mut child);
    let connected = timeout(LIMIT, async {
        loop {
            if let Ok(stream) = UnixStream::connect(&path).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    });
    let stream = connected.await.expect("the program listens");
    (child, Connection::over(stream))
}

async fn ends(mut child: Child) {
    let id = child.id().expect("the program runs").to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &id]).status().await;
    assert!(sent.is_ok_and(|status| status.success()));
    let status = timeout(LIMIT, child.wait()).await.expect("it ends in time").expect("a status");
    assert!(status.success(), "{status}");
}

// proves: security/log-rate
#[tokio::test]
async fn it_serves_when_nobody_reads_its_output_any_more() {
    let folder = Folder::new();
    let (child, mut connection) = on_a_socket(&folder, &[], |child| {
        drop((child.stdout.take(), child.stderr.take()));
    })
    .await;
    for _ in 0..3 {
        assert_eq!(connection.request("GET", REFUSED, &[], b"").await.status, 400);
    }
    ends(child).await;
}

// proves: security/log-rate
#[tokio::test]
async fn a_reader_of_the_log_that_stalls_stops_nobody() {
    let folder = Folder::new();
    // A pipe has 64 KiB, and what may wait 1 MiB.
    let options = ["--log-rate=0", "--trace=-", "--drain-timeout=1s"];
    let (child, mut connection) = on_a_socket(&folder, &options, |_| {}).await;
    let agent = "a".repeat(1_000);
    for _ in 0..1_500 {
        let fields = [("User-Agent", agent.as_str())];
        let refused = connection.request("GET", REFUSED, &fields, b"");
        assert_eq!(timeout(LIMIT, refused).await.expect("an answer").status, 400);
    }
    ends(child).await;
}

// proves: security/log-rate
#[tokio::test]
async fn a_flood_of_one_kind_of_line_is_cut_and_counted() {
    let (mut program, address) = Program::echo(&["--log-rate=5"]).await;
    let mut connection = Connection::open(address).await;
    for _ in 0..200 {
        assert_eq!(connection.request("GET", REFUSED, &[], b"").await.status, 400);
    }
    let mut told = program.logged("more lines of a kind were left out").await;
    assert!(told.contains("like=\"request refused\"") && told.contains(" INFO "), "{told}");
    program.signal("TERM").await;
    let (_, mut log) = program.ended_with_log().await;
    log.push(std::mem::take(&mut told));
    let left_out: u32 = log
        .iter()
        .filter_map(|line| line.split_once(" lines=")?.1.split(' ').next()?.parse::<u32>().ok())
        .sum();
    assert!((1..=195).contains(&left_out), "{left_out} of 200: {log:#?}");
}

#[tokio::test]
async fn with_json_each_line_is_an_object() {
    let listen = ["--app=echo", "--listen=127.0.0.1:0", "--log=json"];
    let mut program =
        Program::server(listen.iter().chain(&["--metrics=127.0.0.1:0", "--inspect=127.0.0.1:0"]));
    for place in ["metrics", "inspector", "listening"] {
        let line: Value = serde_json::from_str(&program.line("").await).expect("JSON");
        let url = line["url"].as_str().expect("a URL");
        assert_eq!(line["message"], format!("{place} on {url}"));
        assert_eq!(line["level"], "INFO");
    }
    program.signal("HUP").await;
    program.logged("SIGHUP").await;
    program.signal("TERM").await;
    let (_, log) = program.ended_with_log().await;
    assert!(!log.is_empty());
    for line in log {
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    for (options, code, problem) in [
        (&["--listen=unix:/nowhere/at/all", "--log=json"][..], 1, "listen: can't listen on unix:/nowhere"),
        (&["--listen=x", "--log=json"], 2, "--listen: \"x\" is not a place"),
        (&["--log", "json", "--no-such-option"], 2, "unexpected argument '--no-such-option'"),
    ] {
        let mut program = Program::server(options);
        let (status, log) = program.ended_with_log().await;
        assert_eq!((status.code(), log.len()), (Some(code), 1), "{log:?}");
        let line: Value = serde_json::from_str(&log[0]).expect("JSON");
        assert_eq!(line["level"], "ERROR");
        assert!(line["message"].as_str().expect("text").starts_with(problem), "{line}");
    }
}

/// The number of a field in a line of the log.
fn number(line: &str, field: &str) -> f64 {
    let value = line.split_once(&format!(" {field}=")).and_then(|(_, rest)| rest.split(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {field} in {line}"))
}

#[tokio::test]
async fn each_session_and_each_websocket_is_there_when_it_begins_and_when_it_ends() {
    let (mut program, address) = Program::echo(&["--close-timeout", "100ms"]).await;
    let mut client = join(address).await;
    let opened = program.logged("session opened").await;
    let session = number(&opened, "session");
    assert!(opened.contains(" INFO ") && opened.contains(" address=127.0.0.1:"), "{opened}");
    assert!(opened.contains("transport=\"websocket\" revision=4"), "{opened}");
    assert!(client.next_text().await.starts_with("42[\"auth\""));
    client.text("42[\"message\",1]").await;
    client.next_text().await;
    drop(client);
    let closed = program.logged("session closed").await;
    assert_eq!(number(&closed, "session"), session);
    assert!(closed.contains(" address=127.0.0.1:") && closed.contains("transport=\"websocket\""), "{closed}");
    assert!(
        closed.contains("reason=\"transport error\"") || closed.contains("reason=\"transport close\""),
        "{closed}"
    );
    // CONNECT and the event; and open, CONNECT, the greeting, the event.
    assert_eq!((number(&closed, "received"), number(&closed, "sent")), (2.0, 4.0), "{closed}");
    assert!((0.0..20.0).contains(&number(&closed, "seconds")), "{closed}");

    let opened = get(address, "/socket.io/?EIO=3&transport=polling&b64=1").await;
    let target = format!("/socket.io/?EIO=3&transport=polling&b64=1&sid={}", opened.sid());
    let line = program.logged("session opened").await;
    assert!(
        line.contains("transport=\"polling\" revision=3") && number(&line, "session") == session + 1.0,
        "{line}"
    );
    assert!(!line.contains(&opened.sid()), "{line}");
    get(address, &target).await;
    Connection::open(address).await.request("POST", &target, &[], b"1:1").await;
    let line = program.logged("session closed").await;
    assert!(line.contains("reason=\"transport close\""), "{line}");
    assert_eq!(number(&line, "received"), 1.0, "{line}");

    let mut plain = WebSocket::open(address, "/ws").await;
    plain.raw(WebSocket::frame(0x88, b"\x0f\xa0done")).await;
    let line = program.logged("WebSocket opened").await;
    assert!(line.contains("path=\"/ws\""), "{line}");
    let line = program.logged("WebSocket closed").await;
    assert!(line.contains("code=4000") && line.contains("reason=\"done\""), "{line}");
}

#[tokio::test]
async fn sighup_without_a_certificate_ends_nothing() {
    let (mut program, address) = Program::echo(&[]).await;
    program.signal("HUP").await;
    program.logged("SIGHUP: there is no file to reload").await;
    assert_eq!(get(address, "/engine.io/?EIO=4&transport=polling").await.status, 200);
    program.signal("TERM").await;
    let (status, log) = program.ended().await;
    assert!(status.success(), "{status}: {log}");
}

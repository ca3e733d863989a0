//! The gateway: its API as a backend uses it.

use std::net::SocketAddr;

use socketio_tests::{Connection, Response, WebSocket};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::listeners::Folder;
use crate::program::Program;

const KEY: &str = "the-key-0123456789";

/// The gateway, the address of its API, and that of its clients.
async fn gateway(options: &[&str]) -> (Program, SocketAddr, SocketAddr) {
    let always = ["--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--node", "a"];
    let mut program = Program::server(always.iter().chain(options));
    let api = program.line("API on http://").await;
    let api = api.strip_suffix("/api/").and_then(|address| address.parse().ok()).expect("an address");
    let clients = program.address().await;
    (program, api, clients)
}

async fn post(api: SocketAddr, path: &str, body: &str) -> Response {
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    Connection::open(api).await.request("POST", path, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_backend_publishes_to_clients_and_a_stop_waits_for_it() {
    let (mut program, api, clients) = gateway(&["--api-key", KEY]).await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    client.next_text().await;
    let sent = post(api, "/api/emit", r#"{"event":"news","args":["hi"]}"#).await;
    assert_eq!((sent.status, sent.text()), (200, r#"{"sockets":1,"scope":"cluster"}"#));
    assert_eq!(client.next_text().await, r#"42["news","hi"]"#);
    let refused = Connection::open(api).await.request("GET", "/api/info", &[], b"").await;
    assert_eq!(refused.status, 401);
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
}

/// Answers each request with 204, and gives the bodies.
async fn backend() -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    backend_that_answers("HTTP/1.1 204 No Content\r\n\r\n").await
}

async fn backend_that_answers(
    answer: &'static str,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (sender, bodies) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                        if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                            length = text.trim().parse().expect("a length");
                        }
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if length == 0 || stream.read_exact(&mut body).await.is_err() {
                        return;
                    }
                    let _ = sender.send(String::from_utf8(body).expect("text"));
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (url, bodies)
}

#[tokio::test]
async fn a_backend_is_asked_and_told_and_metrics_count_it() {
    let (url, mut bodies) = backend().await;
    let options = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--webhook", &url];
    let mut program = Program::server(options.iter().chain(&["--webhook-events", "chat"]));
    let metrics = program.line("metrics on http://").await;
    let metrics: SocketAddr = metrics.strip_suffix("/metrics").expect("a URL").parse().expect("an address");
    let clients = program.address().await;
    program.logged("webhooks are not signed").await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(client.next_text().await.starts_with("40{"));
    client.text(r#"42["other"]"#).await;
    client.text(r#"421["chat","hi"]"#).await;
    assert_eq!(client.next_text().await, "431[]");
    let text = Connection::open(metrics).await.request("GET", "/metrics", &[], b"").await;
    for sample in [
        "socketio_gateway_calls_total{hook=\"connect\",outcome=\"answered\"} 1\n",
        "socketio_gateway_calls_total{hook=\"event\",outcome=\"answered\"} 1\n",
        "socketio_gateway_events_total{result=\"dropped\"} 1\n",
    ] {
        assert!(text.text().contains(sample), "{sample} in {}", text.text());
    }
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
    let mut told = String::new();
    while let Ok(body) = bodies.try_recv() {
        told += &body;
    }
    for kind in ["connect", "event", "connected", "disconnected", "node_started"] {
        assert!(told.contains(&format!("\"type\":\"{kind}\"")), "{kind} in {told}");
    }
}

/// What a web server answers on a path that it doesn't know.
const NOT_FOUND: &str =
    "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<h1>Where?</h1>";

#[tokio::test]
async fn the_log_says_which_hook_failed_what_came_and_what_was_expected() {
    let (url, _bodies) = backend_that_answers(NOT_FOUND).await;
    let with_a_query = format!("{url}hooks?token=hidden");
    let options = ["--listen", "127.0.0.1:0", "--webhook", &with_a_query, "--webhook-hook"];
    let mut program = Program::server(options.iter().chain(&["connect"]));
    let mut client = WebSocket::open(program.address().await, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(!matches!(client.next().await, socketio_tests::Received::Text(_)), "no refusal: it comes back");
    let line = program.logged("a hook failed").await;
    for part in [
        "hook=\"connect\"",
        &format!("url=\"{url}hooks\""),
        "kind=\"bad_answer\"",
        "got 404 Not Found text/html \"<h1>Where?</h1>\", and expected {\"message\": \"...\"}",
        "Is the URL of the webhook right?",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("hidden") && !line.contains("left_out"), "{line}");

    let mut program = Program::server(options.iter().chain(&["event"]));
    let mut client = WebSocket::open(program.address().await, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text("40").await;
    assert!(client.next_text().await.starts_with("40{"));
    for name in ["one", "one", "two"] {
        client.text(format!("42[{name:?}]")).await;
    }
    // Another event is another mistake, also within a minute.
    for name in ["one", "two"] {
        let line = program.logged("a hook failed").await;
        assert!(line.contains(&format!("hook=\"event\" event={name:?} ")), "{line}");
    }
}

#[tokio::test]
async fn the_log_says_why_a_token_is_refused_without_the_token() {
    let key = "a secret of at least 32 characters";
    let mut program = Program::server(["--listen", "127.0.0.1:0", "--jwt-key", key]);
    let address = program.address().await;
    // {"alg":"HS256"} and {"exp":9999999999}, and a signature that is another's.
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for token in [token, token, "nonsense"] {
        let mut client = WebSocket::open(address, "/socket.io/?EIO=4&transport=websocket").await;
        client.next_text().await;
        client.text(format!("40{{\"token\":{token:?}}}")).await;
        assert!(client.next_text().await.contains("token_invalid"));
    }
    for reason in ["wrong signature", "not a JWT"] {
        let line = program.logged("a client's JWT is refused").await;
        assert!(line.contains(&format!("reason={reason:?}")) && !line.contains("AAAA"), "{line}");
    }
}

#[tokio::test]
async fn keys_and_secrets_are_read_again_on_sighup() {
    let folder = Folder::new();
    let files = ["api", "webhook", "jwt"].map(|name| folder.file(name).display().to_string());
    let write = |api: &str, webhook: &str, jwt: &str| {
        for (file, text) in files.iter().zip([api, webhook, jwt]) {
            std::fs::write(file, text).expect("to write");
        }
    };
    let (old_jwt, new_jwt) = ("the old secret of 32 or more bytes", "the new secret of 32 or more bytes");
    write(KEY, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", old_jwt);
    let (url, _bodies) = backend().await;
    let options = ["--api-key-file", &files[0], "--webhook", &url, "--webhook-secret-file", &files[1]];
    let (mut program, api, _) = gateway(&[&options[..], &["--jwt-key-file", &files[2]]].concat()).await;
    assert_eq!(post(api, "/api/emit", r#"{"event":"e"}"#).await.status, 200);
    write("another-key-0123456", "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", new_jwt);
    program.signal("HUP").await;
    for file in ["api-key-file", "webhook-secret-file", "jwt-key-file"] {
        program.logged(&format!("{file} was read again")).await;
    }
    assert_eq!(post(api, "/api/emit", r#"{"event":"e"}"#).await.status, 401);
    // What can't be used changes nothing.
    write("short", "whsec_", "short");
    program.signal("HUP").await;
    for file in ["api-key-file", "webhook-secret-file", "jwt-key-file"] {
        let line = program.logged(&format!("{file}: ")).await;
        assert!(line.contains("what was in it before stays"), "{line}");
    }
    write(KEY, "# none", "");
    std::fs::remove_file(&files[0]).expect("it was there");
    program.signal("HUP").await;
    program.logged("api-key-file: ").await;
    let new = [("Authorization", "Bearer another-key-0123456")];
    assert_eq!(Connection::open(api).await.request("GET", "/api/info", &new, b"").await.status, 200);
}

#[tokio::test]
async fn a_journal_has_hooks_and_api_calls_with_their_sessions_and_no_secrets() {
    let folder = Folder::new();
    let journal = folder.file("journal.jsonl").display().to_string();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"join\":[\"lobby\"],\"data\":{\"token\":\"hunter2 of answer\"}}";
    let (url, _bodies) = backend_that_answers(answer).await;
    let options = ["--api-key", KEY, "--webhook", &url, "--webhook-hook", "connect", "--trace", &journal];
    let (mut program, api, clients) = gateway(&options).await;
    let mut client = WebSocket::open(clients, "/socket.io/?EIO=4&transport=websocket").await;
    client.next_text().await;
    client.text(r#"40{"password":"hunter2"}"#).await;
    assert!(client.next_text().await.starts_with("40{"));
    assert_eq!(post(api, "/api/emit", r#"{"to":["lobby"],"event":"news"}"#).await.status, 200);
    assert_eq!(client.next_text().await, r#"42["news"]"#);
    program.signal("TERM").await;
    assert!(program.ended().await.0.success());
    let written = std::fs::read_to_string(&journal).expect("the journal");
    let notes: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &serde_json::Value| line["kind"] == "note")
        .collect();
    let said: Vec<_> = notes.iter().map(|note| [&note["source"], &note["name"], &note["text"]]).collect();
    assert_eq!(
        said,
        [["hook", "connect", r#"200 OK {"data":"***","join":["lobby"]}"#], ["api", "emit", "news to lobby"]]
    );
    assert!(notes[0]["took"].is_f64() && notes.iter().all(|note| note["session"] == 1));
    assert!(!written.contains("hunter2") && !written.contains(KEY), "{written}");
}

#[tokio::test]
async fn it_warns_if_anybody_may_connect_from_other_machines() {
    let options = |place, more: &'static [&str]| {
        ["--listen", place, "--api", "127.0.0.1:0"].into_iter().chain(more.iter().copied())
    };
    let warning = "anybody may connect";
    let mut open = Program::server(options(":0", &[]));
    assert!(open.logged(warning).await.contains("set webhook"));
    for mut closed in [
        Program::server(options("127.0.0.1:0", &[])),
        Program::server(options(":0", &["--jwt-key=a secret of at least 32 characters"])),
    ] {
        closed.line("API on ").await;
        closed.address().await;
        closed.signal("TERM").await;
        let (status, log) = closed.ended_with_log().await;
        assert!(status.success() && !log.iter().any(|line| line.contains(warning)), "{log:?}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_told_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    for option in ["api", "metrics", "inspect", "listen"] {
        let listen = ["--listen", "127.0.0.1:0"].into_iter().take(if option == "listen" { 0 } else { 2 });
        let options: Vec<_> =
            listen.map(str::to_owned).chain([format!("--{option}"), address.clone()]).collect();
        let (status, log) = Program::server(options).ended().await;
        let told = format!("{option}: can't listen on {address}: ");
        assert!(!status.success() && log.contains(&told), "{told} in {log}");
    }
}

#[tokio::test]
async fn the_api_is_described_by_a_command() {
    let mut program = Program::server(["openapi"]);
    assert_eq!(program.line("").await, "{");
    assert_eq!(program.line("").await, r#" "openapi": "3.1.0","#);
}

#[tokio::test]
async fn a_file_is_checked_by_a_command_and_one_is_printed() {
    let folder = std::env::temp_dir().join(format!("socketio-gateway-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("server.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        Program::server(["config".as_ref(), "check".as_ref(), file.as_os_str()])
    };
    let mut right = check("app = 'echo'\n");
    assert!(right.line("").await.ends_with("server.toml is right"));
    assert!(right.ended().await.0.success());
    let (status, told) = check("[gateway]\nwebhok = 'http://a.example'\n").ended().await;
    assert_eq!(status.code(), Some(2));
    assert!(told.ends_with("server.toml, line 2: no such option; did you mean webhook?"), "{told}");
    let mut printed = Program::server(["config", "default"]);
    assert!(printed.line("# Options of socketio-server").await.contains("--config"));
    std::fs::remove_dir_all(&folder).expect("it was there");
}

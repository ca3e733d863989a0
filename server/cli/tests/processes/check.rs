//! `socketio-server check` behind nginx, with one thing wrong at a time.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::listeners::Folder;
use crate::program::{Program, SERVER};

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a location needs to be right, as docs/guide/running.md has it.
const HEADERS: &str = "proxy_http_version 1.1; proxy_set_header Host $http_host;\n\
     proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;\n";

/// nginx before servers; killed when it is dropped.
struct Nginx {
    address: SocketAddr,
    process: Child,
    _folder: Folder,
}

impl Nginx {
    /// Its location has these lines, and its `http` those of `http`. Without an installed nginx there is none, but in CI:
    /// `tests/run` installs it there.
    async fn start(servers: &[SocketAddr], location: &str, http: &str) -> Option<Nginx> {
        let folder = Folder::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let path = folder.file("");
        let path = path.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String =
            temporary.iter().map(|name| format!("{name}_temp_path {path}/{name};")).collect();
        let servers: String = servers.iter().map(|server| format!("server {server};")).collect();
        let file = folder.file("nginx.conf");
        let text = format!(
            "daemon off; worker_processes 1; pid {path}/pid; error_log stderr error;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; {temporary} client_body_buffer_size 8m; client_max_body_size 8m;\n\
             {http}\n\
             map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}\n\
             upstream nodes {{ {servers} }}\n\
             server {{ listen {address}; location /socket.io/ {{ proxy_pass http://nodes; {location} }} }} }}"
        );
        std::fs::write(&file, text).expect("a file");
        // Debian has nginx in /usr/sbin, which not everybody's PATH has.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let started =
            Command::new("nginx").env("PATH", path).arg("-c").arg(&file).stderr(Stdio::null()).spawn();
        let Ok(process) = started else {
            assert!(std::env::var_os("CI").is_none(), "nginx is not installed");
            eprintln!("nginx is not installed: this is not tested");
            return None;
        };
        let nginx = Nginx { address, process, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker ends with it if it is told to, and not if it is killed.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &id]).status();
        let _ = self.process.wait();
    }
}

/// The exit code, and what was found: the step, the verdict and the sentence.
async fn check(address: SocketAddr, options: &[&str]) -> (i32, Vec<(String, String, String)>) {
    let running = tokio::process::Command::new(SERVER)
        .args(["check", &address.to_string(), "--json"])
        .args(options)
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let found = String::from_utf8(output.stdout).expect("UTF-8");
    let found = found.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (field("step"), field("verdict"), field("says"))
    });
    (output.status.code().expect("a code"), found.collect())
}

/// The steps at which something is wrong, each once.
fn faults(found: &[(String, String, String)]) -> Vec<&str> {
    let bad = found.iter().filter(|(_, verdict, _)| verdict == "bad");
    let mut steps: Vec<_> = bad.map(|(step, ..)| &**step).collect();
    steps.dedup();
    steps
}

#[tokio::test]
async fn a_server_that_is_right_has_no_fault_alone_and_behind_a_proxy_that_is_right() {
    let (_server, address) = Program::echo(&["--ping-interval", "1s"]).await;
    let (code, found) = check(address, &[]).await;
    assert_eq!((code, faults(&found)), (0, vec![]), "{found:?}");
    for step in [
        "connect",
        "handshake",
        "revisions",
        "sticky",
        "parked poll",
        "largest",
        "websocket",
        "upgrade",
        "idle",
    ] {
        assert!(found.iter().any(|(name, verdict, _)| name == step && verdict == "ok"), "{step}: {found:?}");
    }
    let (code, found) = check(address, &["--eio", "3"]).await;
    assert_eq!((code, faults(&found)), (0, vec![]), "revision 3: {found:?}");
    for what in ["poll", "WebSocket"] {
        let says = format!("an idle {what} stays open until the client's ping");
        assert!(found.iter().any(|finding| finding.2 == says), "{found:?}");
    }
    if let Some(nginx) = Nginx::start(&[address], HEADERS, "").await {
        let (code, found) = check(nginx.address, &[]).await;
        assert_eq!((code, faults(&found)), (0, vec![]), "{found:?}");
    }
}

#[tokio::test]
async fn two_servers_without_stickiness_are_named() {
    let (_one, one) = Program::echo(&[]).await;
    let (_other, other) = Program::echo(&[]).await;
    let Some(nginx) = Nginx::start(&[one, other], HEADERS, "").await else { return };
    let (code, found) = check(nginx.address, &["--quick"]).await;
    assert_eq!((code, faults(&found)), (1, vec!["sticky"]), "{found:?}");
    let (.., says) = found.iter().find(|(step, ..)| step == "sticky").expect("it is named");
    assert!(says.contains("Session ID unknown"), "{says}");
}

#[tokio::test]
async fn an_upgrade_that_the_proxy_does_not_pass_on_is_named() {
    let (_server, address) = Program::echo(&[]).await;
    let Some(nginx) = Nginx::start(&[address], "proxy_http_version 1.1;", "").await else { return };
    let (code, found) = check(nginx.address, &["--quick"]).await;
    assert_eq!((code, faults(&found)), (1, vec!["websocket"]), "{found:?}");
}

#[tokio::test]
async fn answers_that_the_proxy_holds_back_are_named() {
    let (_server, address) = Program::echo(&[]).await;
    // It sends 1,000 bytes a second of what is polled. It counts from the request on: the head of an answer is longer than what
    // it saves while the poll waits.
    let long = format!("add_header X-Padding {} always; ", "a".repeat(1_000)).repeat(5);
    let slow = format!(
        "{HEADERS} {long} set $polled $request_method$arg_sid; if ($polled ~ ^GET.) {{ set $limit_rate 1000; }}"
    );
    let Some(nginx) = Nginx::start(&[address], &slow, "").await else { return };
    let (code, found) = check(nginx.address, &["--quick"]).await;
    assert_eq!(code, 1);
    assert!(faults(&found).contains(&"parked poll"), "{found:?}");
}

#[tokio::test]
async fn an_idle_connection_that_the_proxy_cuts_before_the_ping_is_named() {
    let (_server, address) = Program::echo(&["--ping-interval", "4s"]).await;
    let hasty = format!("{HEADERS} proxy_read_timeout 1s;");
    let Some(nginx) = Nginx::start(&[address], &hasty, "").await else { return };
    let (code, found) = check(nginx.address, &[]).await;
    assert_eq!((code, faults(&found)), (1, vec!["idle"]), "{found:?}");
    let idle: Vec<_> = found.iter().filter(|(step, ..)| step == "idle").map(|(.., says)| &**says).collect();
    assert!(idle.iter().any(|says| says.contains("poll") && says.contains("504")), "{idle:?}");
    assert!(idle.iter().any(|says| says.contains("WebSocket")), "{idle:?}");
}

#[tokio::test]
async fn an_idle_connection_that_the_proxy_cuts_before_the_clients_ping_is_named_in_revision_3() {
    let (_server, address) = Program::echo(&["--ping-interval", "4s"]).await;
    let hasty = format!("{HEADERS} proxy_read_timeout 1s;");
    let Some(nginx) = Nginx::start(&[address], &hasty, "").await else { return };
    let (code, found) = check(nginx.address, &["--eio", "3"]).await;
    assert_eq!((code, faults(&found)), (1, vec!["idle"]), "{found:?}");
    let idle: Vec<_> = found.iter().filter(|(step, ..)| step == "idle").map(|(.., says)| &**says).collect();
    assert!(idle.iter().all(|says| says.contains("before the client's ping")), "{idle:?}");
    assert!(idle.iter().any(|says| says.contains("poll") && says.contains("504")), "{idle:?}");
}

#[tokio::test]
async fn a_session_that_its_server_ends_is_no_fault_of_a_proxy() {
    // Clients join in time, so there is nothing to end.
    let (_server, address) = Program::echo(&["--ping-interval", "4s", "--connect-timeout", "1s"]).await;
    let (code, found) = check(address, &[]).await;
    assert_eq!((code, faults(&found)), (0, vec![]), "{found:?}");
    for what in ["poll", "WebSocket"] {
        let says = format!("an idle {what} stays open until the server's ping");
        assert!(found.iter().any(|finding| finding.2 == says), "{found:?}");
    }
    // It refuses CONNECT, and closes then.
    let (code, found) = check(refuses().await, &["--timeout", "300ms"]).await;
    assert!(!faults(&found).contains(&"idle"), "{code}: {found:?}");
    let (_, verdict, says) = found.last().expect("a finding");
    assert!(verdict == "note" && says.contains("the server itself ends the session"), "{found:?}");
}

#[tokio::test]
async fn a_limit_of_the_proxy_below_the_servers_is_named_with_its_size() {
    let (_server, address) = Program::echo(&[]).await;
    let small = format!("{HEADERS} client_max_body_size 100k;");
    let Some(nginx) = Nginx::start(&[address], &small, "").await else { return };
    let (code, found) = check(nginx.address, &["--quick"]).await;
    assert_eq!((code, faults(&found)), (1, vec!["largest"]), "{found:?}");
}

#[tokio::test]
async fn cors_is_checked_for_an_origin() {
    let page = "https://app.example";
    let origin = ["--quick", "--origin", page];
    let (_server, address) = Program::echo(&["--cors-origin", page]).await;
    let (code, found) = check(address, &origin).await;
    assert_eq!((code, faults(&found)), (0, vec![]), "{found:?}");
    let twice = format!("{HEADERS} add_header Access-Control-Allow-Origin {page};");
    if let Some(nginx) = Nginx::start(&[address], &twice, "").await {
        let (_, found) = check(nginx.address, &origin).await;
        assert_eq!(faults(&found), ["CORS"], "{found:?}");
    }
}

#[tokio::test]
async fn what_is_no_server_is_told() {
    let (_server, address) = Program::echo(&[]).await;
    let (code, found) = check(address, &["--path", "/nothing/"]).await;
    assert_eq!((code, faults(&found)), (1, vec!["handshake"]), "{found:?}");
    assert!(found.last().expect("a finding").2.contains("there is nothing at /nothing/"), "{found:?}");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let (code, found) = check(free, &[]).await;
    assert_eq!((code, faults(&found)), (1, vec!["connect"]), "{found:?}");
}

/// A server that answers so many requests as if each opened a session, and is silent then.
async fn falls_silent(after: usize) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            // A connection that only looks whether somebody listens asks for nothing.
            if stream.read(&mut [0; 2000]).await.is_ok_and(|read| read > 0) && held.len() < after {
                let open = r#"0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}"#;
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{open}", open.len());
                stream.write_all(answer.as_bytes()).await.expect("it is sent");
            }
            held.push(stream);
        }
    });
    address
}

/// A request, with its body, and where to answer it. `None` on a connection that only looks whether somebody listens.
async fn read_request(mut stream: tokio::net::TcpStream) -> Option<(String, tokio::net::TcpStream)> {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 2000];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest);
        if body.len() >= length.lines().next().unwrap_or("0").parse().expect("a length") {
            return Some((text, stream));
        }
    }
}

/// The next request, each on a connection of its own.
async fn request(listener: &tokio::net::TcpListener) -> (String, tokio::net::TcpStream) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        if let Some(request) = read_request(stream).await {
            return request;
        }
    }
}

async fn answer(stream: &mut tokio::net::TcpStream, body: &str) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.expect("it is sent");
}

const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":4000,"pingTimeout":20000,"maxPayload":1000}"#;

/// A server of polling alone that refuses each CONNECT, and ends the session.
async fn refuses() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some((text, mut stream)) = read_request(stream).await else { return };
                let body = match () {
                    () if text.starts_with("POST") => "ok",
                    () if text.contains("sid=") => "44{\"message\":\"no\"}\x1e1",
                    () if text.contains("transport=websocket") => "",
                    () => OPEN,
                };
                answer(&mut stream, body).await;
            });
        }
    });
    address
}

/// A server of one session, which ends it by cutting the poll that waits, without an answer.
async fn cuts_the_poll() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        // Of what is asked first, whether there is a server, nothing comes.
        for body in [OPEN, OPEN, "ok", "40{\"sid\":\"b\"}\x1e42[\"auth\",{}]"] {
            let (_, mut stream) = request(&listener).await;
            answer(&mut stream, body).await;
            held.push(stream);
        }
        let (_, waits) = request(&listener).await;
        let (_, mut closes) = request(&listener).await;
        drop(waits);
        answer(&mut closes, "ok").await;
        // It goes on to listen.
        request(&listener).await;
    });
    address
}

#[tokio::test]
async fn a_poll_that_is_cut_is_not_answered() {
    let (code, runs, failed) = cases(cuts_the_poll().await, &["--only", "6.1.2"]).await;
    assert_eq!((code, runs, failed.len()), (1, 1, 1));
    let problem = failed[0]["problem"].as_str().unwrap_or_default();
    assert!(problem.starts_with("at `parked 200|400`: expected 200|400; seen: "), "{problem}");
}

#[tokio::test]
async fn a_case_that_would_send_too_much_is_not_run() {
    let (_server, address) = Program::echo(&["--max-payload", "20000000"]).await;
    let (code, runs, others) = cases(address, &["--only", "2.1.12"]).await;
    assert_eq!((code, runs, others.len()), (0, 1, 1));
    assert_eq!(others[0]["verdict"], "not-run");
    let why = "maxPayload is 20000000, and no more than 10000000 bytes are sent";
    assert_eq!(others[0]["problem"], why);
}

#[tokio::test]
async fn all_cases_that_ran_when_the_server_went_are_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (_, mut stream) = request(&listener).await;
        answer(&mut stream, OPEN).await;
        // Of two requests one ends the server, and who asks can't tell which.
        let both = (request(&listener).await, request(&listener).await);
        // Whoever sees the end of a request must find nobody there.
        drop(listener);
        drop(both);
    });
    let running = tokio::process::Command::new(SERVER)
        .args(["check", &address.to_string(), "--cases", "--only", "1.1.1", "--only", "1.2.2"])
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    server.await.expect("it has ended");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("What ran then: 1.1.1 by polling, 1.2.2 by polling."), "{told}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_told_at_each_step_that_waits_for_it() {
    let patience = ["--timeout", "300ms", "--origin", "https://app.example"];
    let (code, found) = check(falls_silent(0).await, &patience).await;
    assert_eq!((code, faults(&found)), (1, vec!["handshake"]), "{found:?}");
    // The first connection asks for nothing.
    let (code, found) = check(falls_silent(2).await, &patience).await;
    let silent = ["revisions", "compression", "CORS", "polling", "websocket"];
    assert_eq!((code, faults(&found)), (1, silent.to_vec()), "{found:?}");
    let bad = found.iter().filter(|(_, verdict, _)| verdict == "bad");
    for (step, _, says) in bad {
        assert!(says.contains("within 300ms"), "{step}: {says}");
    }
    assert_eq!(found.last().expect("a finding").2, "not looked at: no session stays open");
    let (code, runs, _) = cases(falls_silent(0).await, &["--timeout", "300ms"]).await;
    assert_eq!((code, runs), (1, 0), "no case needs to wait for it");
    let (code, runs, failed) = cases(falls_silent(1).await, &["--timeout", "300ms", "--only", "1.1.1"]).await;
    assert_eq!((code, runs, failed.len()), (1, 1, 1));
    let problem = failed[0]["problem"].as_str().unwrap_or_default();
    assert!(problem.ends_with("no answer within 300ms"), "{problem}");
}

#[tokio::test]
async fn a_number_that_chooses_no_case_and_an_origin_that_is_none_are_errors() {
    let run = async |arguments: &[&str]| {
        let run =
            tokio::process::Command::new(SERVER).arg("check").args(arguments).kill_on_drop(true).output();
        let output = timeout(LIMIT, run).await.expect("it ends").expect("its output");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, error) = run(&["localhost:1", "--cases", "--only", "1.1.1", "--only", "1.1.99"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("\"1.1.99\": there is no such case or group; the nearest is 1.1.9"), "{error}");
    let (code, error) = run(&["localhost:1/socket.io/", "--quick"]).await;
    assert_eq!(code, Some(1));
    assert!(error.starts_with("/socket.io/ in the URL is not used"), "{error}");
    for origin in ["app.example.com", "https://app.example.com/", "https://"] {
        let (code, error) = run(&["localhost:1", "--origin", origin]).await;
        assert_eq!(code, Some(2), "{origin}");
        assert!(error.contains("such as https://app.example.com"), "{error}");
    }
}

/// Runs the cases: the exit code, and the lines of those that failed.
async fn cases(address: SocketAddr, options: &[&str]) -> (i32, usize, Vec<Value>) {
    let running = tokio::process::Command::new(SERVER)
        .args(["check", &address.to_string(), "--cases", "--json"])
        .args(options)
        .kill_on_drop(true)
        .output();
    let output = timeout(3 * LIMIT, running).await.expect("it ends").expect("its output");
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let failed = lines.iter().filter(|line| line["verdict"] != "pass").cloned().collect();
    (output.status.code().expect("a code"), lines.len(), failed)
}

#[tokio::test]
async fn our_server_passes_every_case() {
    let (_server, address) = Program::echo(&["--ping-interval", "10s", "--ping-timeout", "20s"]).await;
    for (revision, least) in [("4", 340), ("3", 225)] {
        let (code, runs, failed) = cases(address, &["--eio", revision, "--hostile"]).await;
        assert!(failed.is_empty(), "revision {revision}: {failed:#?}");
        assert_eq!(code, 0);
        assert!(runs >= least, "{runs} runs in revision {revision}");
    }
}

#[tokio::test]
async fn a_server_without_a_revision_an_upgrade_or_the_application_fails_the_cases_of_these() {
    let (_server, address) = Program::echo(&["--no-eio3", "--no-upgrades"]).await;
    let (code, runs, failed) = cases(address, &["--eio", "3", "--only", "1.1.1"]).await;
    assert_eq!((code, runs, failed.len()), (1, 1, 1));
    let (code, runs, failed) = cases(address, &["--only", "4.1.1", "--only", "4.1.2"]).await;
    assert_eq!((code, runs, failed.len()), (1, 2, 2));
    let mut program = Program::server(["--app", "none", "--listen", "127.0.0.1:0"]);
    let address = program.address().await;
    let (code, runs, failed) = cases(address, &["--only", "11.1.1"]).await;
    assert_eq!((code, runs, failed.len()), (1, 2, 2));
}

//! Servers in processes of their own: killed, and out of file descriptors.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ::socketio::Io;
use socketio_server::{Limits, Listener, Server, Tls};
use socketio_server_cli::apps;

use super::*;

/// The limits of such a server.
pub(crate) const BUDGET: usize = 100_000;
pub(crate) const PAYLOAD: usize = 100_000;
pub(crate) const BACKLOG: usize = 200_000;

/// How many connections it takes, if not what its file descriptors allow.
const CONNECTIONS: &str = "HOSTILE_CONNECTIONS";

/// The payload that it takes, if not [`PAYLOAD`].
pub(crate) const PAYLOAD_LIMIT: &str = "HOSTILE_PAYLOAD";

/// What its clients together may make it hold, if not the default.
pub(crate) const MEMORY: &str = "HOSTILE_MEMORY";

/// The file with the certificate and the key of its TLS, if it speaks that.
pub(crate) const PEM: &str = "HOSTILE_PEM";

/// A process with nothing but a server in it, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it answers whoever operates it.
    operations: SocketAddr,
    /// Who prints to nobody is ended.
    _output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program as a server. `before` are words of a shell that come before it, such as `ulimit`.
    pub(crate) fn start(before: &[&str]) -> Process {
        let program = std::env::current_exe().expect("this program");
        let server = "process::a_server_in_a_process_of_its_own";
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{} exec \"$0\" --ignored --exact --nocapture {server}", before.concat()))
            .arg(program)
            .stdout(Stdio::piped())
            .spawn()
            .expect("another process");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let mut address = |before: &str| {
            let address = lines.find_map(|line| line.split_once(before)?.1.parse().ok());
            address.expect("the server says where it listens")
        };
        let (operations, address) = (address("operations on "), address("listening on "));
        Process { child, address, operations, _output: output }
    }

    /// Bytes of its memory that are in use.
    pub(crate) fn resident(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Ends it where it stands: `kill -9`.
    fn kill(&mut self) {
        self.child.kill().expect("to kill it");
        self.child.wait().expect("its end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
#[ignore = "the server of the other tests, which run it in a process of its own"]
async fn a_server_in_a_process_of_its_own() {
    let io = Io::with_config(::socketio::IoConfig { max_backlog: BACKLOG, ..Default::default() });
    apps::echo(&io);
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let max_payload = number(PAYLOAD_LIMIT).unwrap_or(PAYLOAD);
    let memory_budget = number(MEMORY).unwrap_or(EngineConfig::default().memory_budget);
    let config = EngineConfig { send_budget: BUDGET, max_payload, memory_budget, ..EngineConfig::default() };
    let max_connections = number(CONNECTIONS);
    let builder = Server::builder().config(config).limits(Limits { max_connections, ..Limits::default() });
    let builder = builder.socketio("/socket.io/", io).engineio("/engine.io/", apps::EngineEcho);
    let builder = builder.websocket("/ws", |request| std::future::ready(apps::plain_echo(request)));
    let server = builder.build().expect("a server");
    let operations = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("operations on {}", operations.local_addr().expect("an address"));
    tokio::spawn(server.operations(Arc::default()).serve(operations));
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    // What clients don't read is to stay with the server, and not with the kernel.
    socket.set_send_buffer_size(16 * 1024).expect("a small buffer");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1_024).expect("to listen");
    let address = listener.local_addr().expect("an address");
    let mut listener = Listener::from(listener);
    if let Ok(pem) = std::env::var(PEM) {
        listener = listener.tls(Tls::from_pem_files(&pem, &pem).expect("a certificate"));
    }
    println!("listening on {address}");
    server.serve(listener, std::future::pending()).await;
}

/// A socket in `/` of such a server, its auth event read.
async fn member(address: SocketAddr) -> WebSocket {
    let mut websocket = WebSocket::open(address, SOCKETIO).await;
    assert!(websocket.next_text().await.starts_with("0{"));
    websocket.text("40").await;
    assert!(websocket.next_text().await.starts_with("40{"));
    assert_eq!(websocket.next_text().await, r#"42["auth",{}]"#);
    websocket
}

// proves: security/kill-9
#[tokio::test]
async fn what_came_before_a_kill_9_in_mid_stream_is_a_prefix_of_what_was_sent() {
    let mut server = Process::start(&[]);
    let mut websocket = member(server.address).await;
    let event = |n: usize| WebSocket::frame(0x81, format!(r#"42["message",{n}]"#).as_bytes());
    // More than it can answer before it is killed.
    let stream: Vec<u8> = (0..200_000).flat_map(event).collect();
    let writing = websocket.raw_in_background(stream);
    let mut heard = 0;
    loop {
        match websocket.next().await {
            Received::Text(text) => {
                assert_eq!(text, format!(r#"42["message-back",{heard}]"#));
                heard += 1;
            }
            ended => {
                assert_eq!(ended, Received::End);
                break;
            }
        }
        if heard == 1_000 {
            server.kill();
        }
    }
    assert!((1_000..200_000).contains(&heard), "{heard}");
    // The rest could not be written.
    assert!(writing.await.is_err());
}

// proves: security/file-descriptors
#[tokio::test]
async fn a_server_keeps_file_descriptors_for_refusals_and_for_whoever_operates_it() {
    // The second has hardly more of them than a server needs for itself.
    for (descriptors, connections) in [("ulimit -n 1000;", 850..=900), ("ulimit -n 100;", 40..=60)] {
        let server = Process::start(&[descriptors]);
        let mut bystander = member(server.address).await;
        // They idle, all but the last, for which there is no room.
        let mut inside = vec![Connection::open(server.address).await];
        let refused = loop {
            let mut next = Connection::open(server.address).await;
            next.send("GET", "/nowhere", &[], b"").await;
            let answer = tokio::time::timeout(Duration::from_secs(20), next.response()).await;
            match answer.expect("it is answered, one way or the other").status {
                404 => inside.push(next),
                status => break status,
            }
        };
        assert_eq!(refused, 503);
        assert!(connections.contains(&inside.len()), "{descriptors} {} connections", inside.len());
        // Strangers at the other address don't shut it either.
        let mut strangers = Vec::new();
        for _ in 0..150 {
            strangers.push(Connection::open(server.operations).await);
        }
        let mut operator = Connection::open(server.operations).await;
        let health = operator.request("GET", "/healthz", &[], b"");
        let health = tokio::time::timeout(Duration::from_secs(20), health).await;
        assert_eq!(health.expect("health is answered").status, 200, "{descriptors}");
        bystander.text(r#"421["message-with-ack"]"#).await;
        assert_eq!(bystander.next_text().await, "431[]");
        drop(inside);
        // That they have gone is noticed soon, though not at once.
        while Connection::open(server.address).await.request("GET", "/", &[], b"").await.status == 503 {}
    }
}

// proves: security/file-descriptors
#[tokio::test]
async fn a_server_without_a_file_descriptor_left_serves_whom_it_has_and_then_the_others() {
    let server = Process::start(&["ulimit -n 60;", CONNECTIONS, "=1000"]);
    let mut bystander = member(server.address).await;
    // The kernel takes them, and the server can't.
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(Connection::open(server.address).await);
    }
    let mut last = Connection::open(server.address).await;
    last.send("GET", "/nowhere", &[], b"").await;
    for n in 1..50 {
        bystander.text(format!(r#"42{n}["message-with-ack"]"#)).await;
        assert_eq!(bystander.next_text().await, format!("43{n}[]"));
    }
    drop(waiting);
    assert_eq!(last.response().await.status, 404);
}

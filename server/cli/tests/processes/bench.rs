//! `socketio-server bench`, as it is called: its counts against servers of which each fault is known.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use socketio::{AckSender, Args, Io, Socket};
use socketio_server::Server;
use socketio_tests::TestServer;
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::{Program, SERVER};

/// As long as anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Its exit code, its figures and what it said meanwhile.
async fn bench(address: SocketAddr, options: &[&str]) -> (i32, Value, String) {
    let running = Command::new(SERVER)
        .args(["bench", &address.to_string(), "--json", "--warm-up", "0s"])
        .args(options)
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let figures = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().expect("a code"), figures, said)
}

/// What became of the messages.
fn messages(figures: &Value) -> [u64; 7] {
    let messages = &figures["messages"];
    ["due", "sent", "back", "lost", "out_of_order", "twice", "wrong"]
        .map(|name| messages[name].as_u64().unwrap_or_else(|| panic!("{name} in {figures:#}")))
}

const FEW: [&str; 6] = ["-c", "3", "--rate", "50", "--for", "1s"];

/// A server with these handlers.
async fn server(io: Io) -> TestServer {
    TestServer::start(Server::builder().socketio("/socket.io/", io)).await
}

#[tokio::test]
async fn all_that_was_due_is_back_by_each_transport_and_as_each_kind_of_message() {
    let (_server, address) = Program::echo(&[]).await;
    for transports in ["polling", "websocket", "polling,websocket"] {
        let (code, figures, said) = bench(address, &[&FEW[..], &["--transports", transports]].concat()).await;
        assert_eq!((code, messages(&figures)), (0, [50, 50, 50, 0, 0, 0, 0]), "{figures:#} {said}");
        assert_eq!(figures["clients"]["connected"], 3);
        assert_eq!(figures["clients"]["upgrades_failed"], 0);
        assert_eq!(figures["well"], true);
        let latency = &figures["latency_ms"];
        assert!(latency["p50"].as_f64() > Some(0.0) && latency["p50"].as_f64() <= latency["max"].as_f64());
        assert!(
            figures["messages"]["per_second"].as_f64() <= Some(50.0),
            "no more than the rate: {figures:#}"
        );
    }
    let acks = [&FEW[..], &["--acks", "--eio", "3"]].concat();
    let (code, figures, _) = bench(address, &acks).await;
    assert_eq!((code, messages(&figures)), (0, [50, 50, 50, 0, 0, 0, 0]), "{figures:#}");
    // Each broadcast comes to all three.
    let (code, figures, _) = bench(address, &[&FEW[..], &["--broadcast", "--ramp", "300ms"]].concat()).await;
    assert_eq!((code, messages(&figures)), (0, [50, 50, 150, 0, 0, 0, 0]), "{figures:#}");
    assert!(
        figures["clients"]["seconds"].as_f64() > Some(0.2),
        "the last is due after two thirds: {figures:#}"
    );
}

#[tokio::test]
async fn messagepack_namespaces_and_auth_are_options() {
    let (_server, address) = Program::echo(&["--parser", "msgpack"]).await;
    let running = Command::new(SERVER)
        .args([
            "bench",
            &format!("{address}/custom"),
            "--msgpack",
            "--auth",
            r#"{"token":"a"}"#,
            "--size",
            "0",
        ])
        .args(FEW)
        .output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("clients   3 of 3 connected in "), "{text}");
    assert!(text.contains(" 0 lost, 0 out of order, 0 twice, 0 wrong\n"), "{text}");
}

#[tokio::test]
async fn without_a_latency_there_is_none_and_the_run_failed() {
    let io = Io::new();
    on_message(&io, |_, _, _| {});
    let lost = ["-c", "1", "--rate", "20", "--for", "100ms", "--transports", "websocket", "--wait", "100ms"];
    let (code, figures, _) = bench(server(io).await.address(), &lost).await;
    assert_eq!((code, messages(&figures)), (1, [2, 2, 0, 2, 0, 0, 0]), "{figures:#}");
    let none = json!({"p50": null, "p90": null, "p99": null, "p99.9": null, "max": null});
    assert_eq!(figures["latency_ms"], none);

    let (_server, address) = Program::echo(&[]).await;
    let running = Command::new(SERVER)
        .args([
            "bench",
            &address.to_string(),
            "-c",
            "1",
            "--rate",
            "1",
            "--for",
            "100ms",
            "--warm-up",
            "200ms",
        ])
        .output();
    let output = timeout(LIMIT, running).await.expect("it ends").expect("its output");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("messages  1 due in ") && text.contains(" 1 back (0 a second), 0 lost"), "{text}");
    assert!(text.contains("\nlatency   none: no message came back that counts\n"), "{text}");
    assert_eq!(output.status.code(), Some(1), "its only message was of the warm-up");
}

/// Registers what to do with a `message` of that number, and how to answer.
fn on_message(io: &Io, answer: impl Fn(&Socket, u64, &Args) + Send + Sync + 'static) {
    io.of("/").on_sync("message", move |socket: Socket, args: Args| {
        let (number, _) = args.split_first::<u64>().expect("a number");
        answer(&socket, number, &args);
    });
}

fn answer(socket: &Socket, args: &Args) {
    socket.emit("message-back", args).expect("it goes out");
}

#[tokio::test]
async fn what_a_server_drops_repeats_swaps_or_changes_is_counted() {
    let one = ["-c", "1", "--rate", "100", "--for", "1s", "--transports", "websocket", "--wait", "300ms"];

    let io = Io::new();
    on_message(&io, |socket, number, args| {
        if number % 10 != 9 {
            answer(socket, args);
        }
    });
    let (code, figures, _) = bench(server(io).await.address(), &one).await;
    assert_eq!((code, messages(&figures)), (1, [100, 100, 90, 10, 0, 0, 0]), "dropped");
    assert_eq!(figures["well"], false);

    let io = Io::new();
    on_message(&io, |socket, number, args| {
        (0..if number == 7 { 3 } else { 1 }).for_each(|_| answer(socket, args));
    });
    let (code, figures, _) = bench(server(io).await.address(), &one).await;
    assert_eq!((code, messages(&figures)), (1, [100, 100, 100, 0, 0, 2, 0]), "repeated");

    let io = Io::new();
    let held = Mutex::new(None::<Args>);
    on_message(&io, move |socket, number, args| match number % 10 {
        // It comes after the next one.
        4 => *held.lock() = Some(args.clone()),
        _ => {
            answer(socket, args);
            if let Some(args) = held.lock().take() {
                answer(socket, &args);
            }
        }
    });
    let (code, figures, _) = bench(server(io).await.address(), &one).await;
    assert_eq!((code, messages(&figures)), (1, [100, 100, 100, 0, 10, 0, 0]), "swapped");

    let io = Io::new();
    on_message(&io, |socket, number, args| match number {
        3 => socket.emit("message-back", (number, "another text")).expect("it goes out"),
        4 => socket.emit("message-back", "no number").expect("it goes out"),
        5 => socket.emit("message-back", (1_000_000, "x".repeat(32))).expect("it goes out"),
        _ => answer(socket, args),
    });
    let (code, figures, _) = bench(server(io).await.address(), &one).await;
    assert_eq!((code, messages(&figures)), (1, [100, 100, 97, 3, 0, 0, 3]), "changed");
}

#[tokio::test]
async fn a_latency_counts_from_when_a_message_was_due_whatever_the_answers_do() {
    // It answers nothing before twenty messages have come, which a client that waits for answers would never send.
    const TOGETHER: usize = 20;
    let io = Io::new();
    let held = Mutex::new(Vec::<(AckSender, Args)>::new());
    io.of("/").on_with_ack("message-with-ack", move |_: Socket, args: Args, ack: AckSender| {
        let mut held = held.lock();
        held.push((ack, args));
        let ready = if held.len() == TOGETHER { std::mem::take(&mut *held) } else { Vec::new() };
        async move {
            for (ack, args) in ready {
                let _ = ack.send(args);
            }
        }
    });
    let server = server(io).await;
    let options = ["-c", "1", "--rate", "20", "--for", "2s", "--transports", "websocket", "--acks"];
    let (code, figures, _) = bench(server.address(), &options).await;
    assert_eq!((code, messages(&figures)), (0, [40, 40, 40, 0, 0, 0, 0]), "{figures:#}");
    // The first of twenty was due 950 ms before the last, and half of them 450 ms or more.
    assert!(figures["latency_ms"]["max"].as_f64() >= Some(940.0), "{figures:#}");
    assert!(figures["latency_ms"]["p50"].as_f64() >= Some(440.0), "{figures:#}");
}

#[tokio::test]
async fn clients_that_can_not_connect_or_stay_are_told_of() {
    let io = Io::new();
    let came = AtomicU64::new(0);
    io.of("/").middleware(move |_: Socket| {
        let refuse = came.fetch_add(1, Ordering::Relaxed) == 1;
        async move { if refuse { Err(socketio::ConnectError::new("full")) } else { Ok(()) } }
    });
    on_message(&io, |socket, number, args| {
        answer(socket, args);
        if number == 5 {
            socket.disconnect(true);
        }
    });
    let server = server(io).await;
    let options = ["-c", "2", "--rate", "20", "--for", "1s", "--transports", "websocket", "--wait", "100ms"];
    let (code, figures, _) = bench(server.address(), &options).await;
    assert_eq!(code, 1);
    assert_eq!(figures["clients"]["failed"], json!({"the namespace was refused: full": 1}));
    let ended = figures["clients"]["ended"].as_object().expect("an object");
    assert_eq!(ended.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{figures:#}");
    assert!(figures["messages"]["lost"].as_u64() > Some(10), "{figures:#}");
    drop(server);

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let (code, figures, _) = bench(address, &FEW).await;
    assert_eq!((code, &figures["clients"]["connected"]), (1, &json!(0)), "{figures:#}");
    assert_eq!(messages(&figures), [0; 7]);
}

#[tokio::test]
async fn it_shows_how_far_it_is_where_nobody_has_a_terminal() {
    let (_server, address) = Program::echo(&[]).await;
    let options = ["-c", "2", "--rate", "20", "--for", "2s"];
    let (code, _, said) = bench(address, &options).await;
    assert_eq!(code, 0);
    assert!(said.starts_with("1 s: ") && said.contains(" back in the last second, p50 "), "{said}");
    assert!(!said.contains('\x1b'), "{said:?}");
    let wrong = Command::new(SERVER).args(["bench", "localhost:1", "--rate", "0"]).output().await;
    let wrong = wrong.expect("its output");
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

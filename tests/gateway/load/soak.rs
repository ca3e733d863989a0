//! Minutes with a backend that fails in every way at random, and for some seconds altogether.
//!
//! It fails if a socket's events reach the backend out of order, if the API stops answering, if a queue or the memory
//! grows, if the log is flooded, or if anything is left when all clients have gone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use socketio_tests::{Connection, Received, WebSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Random;
use crate::backend::{self, Answer};
use crate::program::{Program, connect};

const CLIENTS: u64 = 100;

/// Of each twenty seconds, the backend is down for this many.
const DOWN: u64 = 4;

const OPTIONS: [&str; 12] = [
    "--webhook-connect-timeout",
    "500ms",
    "--webhook-event-timeout",
    "500ms",
    "--hook-timeout",
    "4s",
    "--webhook-secret",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "--idle-timeout",
    "10s",
    "--log-level",
    "warn",
];

#[derive(Default)]
struct Notes {
    over: AtomicBool,
    /// The backend answers as it should.
    calm: AtomicBool,
    calls: AtomicU64,
    failures: AtomicU64,
    acks: AtomicU64,
    published: AtomicU64,
    faults: Mutex<Vec<String>>,
    /// The last event of each socket.
    last: Mutex<HashMap<String, u64>>,
}

impl Notes {
    fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().expect("no panic");
        if faults.len() < 10 {
            faults.push(fault);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

pub(crate) async fn run(server: &Path, minutes: f64) -> Vec<String> {
    let (notes, began) = (Arc::new(Notes::default()), Instant::now());
    let noted = Arc::clone(&notes);
    let url = backend::start(move |hook| answer(hook, Arc::clone(&noted), began)).await;
    let mut program = Program::start(server, 0, &url, &OPTIONS).await;
    let mut living = JoinSet::new();
    for n in 0..CLIENTS {
        living.spawn(live(program.clients, n, Arc::clone(&notes)));
    }
    living.spawn(publish(program.api, Arc::clone(&notes)));

    let (mut memory, mut waiting) = (Vec::new(), 0.0_f64);
    while began.elapsed().as_secs_f64() < minutes * 60.0 {
        sleep(Duration::from_secs(1)).await;
        memory.push(program.memory());
        let now = program.metric("socketio_gateway_calls_waiting").await;
        waiting = waiting.max(now + program.metric("socketio_gateway_hooks_waiting").await);
    }
    let lines = program.logged.load(Ordering::Relaxed);
    notes.over.store(true, Ordering::Relaxed);
    while living.join_next().await.is_some() {}
    notes.calm.store(true, Ordering::Relaxed);
    let mut left = String::new();
    for _ in 0..300 {
        left = left_over(&program).await;
        if left.is_empty() {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let id = program.child.id().expect("it runs").to_string();
    let told = tokio::process::Command::new("kill").args(["-s", "TERM", &id]).status().await;
    let ended = timeout(Duration::from_secs(30), program.child.wait()).await;

    let mut faults = std::mem::take(&mut *notes.faults.lock().expect("no panic"));
    if !left.is_empty() {
        faults.push(format!("a minute after the last client has left: {left}"));
    }
    if !told.is_ok_and(|told| told.success())
        || !ended.is_ok_and(|ended| ended.is_ok_and(|status| status.success()))
    {
        faults.push("the server does not end in time".to_owned());
    }
    let third = memory.len().div_ceil(3);
    let least = |part: &[f64]| part.iter().copied().fold(f64::INFINITY, f64::min) / 1e6;
    let (first, last) = (least(&memory[..third]), least(&memory[memory.len() - third..]));
    if last > first * 1.2 + 8.0 {
        faults.push(format!("the memory has grown from {first:.1} to {last:.1} MB"));
    }
    // Seven kinds of failure of two hooks and three events, and an outage three times a minute.
    if lines as f64 > minutes.ceil() * 80.0 {
        faults.push(format!("{lines} lines were logged"));
    }
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!(
        "{} calls, of which the backend failed {}; {} acknowledgements; {} events published; at most {waiting} calls and hooks waited; \
         memory at least {first:.1} MB in the first third and {last:.1} in the last; {lines} lines of log",
        count(&notes.calls),
        count(&notes.failures),
        count(&notes.acks),
        count(&notes.published),
    );
    faults
}

/// What the server still holds, in words.
async fn left_over(program: &Program) -> String {
    let mut left = String::new();
    for name in [
        "socketio_sessions",
        "socketio_gateway_calls_running",
        "socketio_gateway_calls_waiting",
        "socketio_gateway_hooks_waiting",
    ] {
        let value = program.metric(name).await;
        if value != 0.0 {
            left += &format!("{name} {value} ");
        }
    }
    left
}

/// Answers a hook, or does not.
async fn answer(hook: Value, notes: Arc<Notes>, began: Instant) -> Answer {
    let number = notes.calls.fetch_add(1, Ordering::Relaxed);
    if hook["type"] == "event" {
        let socket = hook["socket"].as_str().unwrap_or_default().to_owned();
        let n = hook["args"][0].as_u64().unwrap_or_default();
        let last = notes.last.lock().expect("no panic").insert(socket, n);
        if last.is_some_and(|last| last >= n) {
            notes.fault(format!("event {n} came after {last:?}"));
        }
    }
    let right = match hook["type"].as_str() {
        Some("event") => Answer::json("200 OK", r#"{"ack":["ok"]}"#),
        _ => Answer::json("204 No Content", ""),
    };
    if notes.calm.load(Ordering::Relaxed) {
        return right;
    }
    let down = began.elapsed().as_secs() % 20 >= 20 - DOWN;
    let mut random = Random::new(number);
    let kind = if down { 0 } else { random.below(40) };
    if kind >= 9 {
        sleep(Duration::from_millis(random.below(8))).await;
        return right;
    }
    notes.failures.fetch_add(1, Ordering::Relaxed);
    match kind {
        0 => Answer::json("500 Internal Server Error", ""),
        1 => Answer::json("200 OK", "<html>"),
        2 => Answer::json("404 Not Found", "<html>"),
        3 => Answer::json("200 OK", r#"{"jion":[]}"#),
        4 => Answer::Last(b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n".to_vec()),
        5 => Answer::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()),
        6 => Answer::Last(Vec::new()),
        7 => Answer::json("200 OK", &" ".repeat(2_000_000)),
        _ => {
            sleep(Duration::from_secs(2)).await;
            right
        }
    }
}

/// One client after the other: each joins, sends some events, and goes.
async fn live(address: SocketAddr, n: u64, notes: Arc<Notes>) {
    let mut random = Random::new(n);
    while !notes.is_over() {
        if let Some(client) = connect(address).await {
            talk(client, &mut random, &notes).await;
        }
        sleep(Duration::from_millis(50 + random.below(300))).await;
    }
}

async fn talk(mut client: WebSocket, random: &mut Random, notes: &Notes) {
    client.flood(&WebSocket::frame(0x81, b"40")).await;
    loop {
        match client.next().await {
            Received::Text(text) if text.starts_with("40") => break,
            Received::Text(text) if text.starts_with("44") => {
                return notes.fault(format!("a client was refused for good: {text}"));
            }
            Received::Text(_) => {}
            _ => return,
        }
    }
    let events = 5 + random.below(10);
    for id in 0..events {
        let name = ["chat", "typing", "move"][random.below(3) as usize];
        client.flood(&WebSocket::frame(0x81, format!(r#"42{id}["{name}",{id}]"#).as_bytes())).await;
    }
    // Those that fail have no acknowledgement.
    let listening = async {
        loop {
            match client.next().await {
                Received::Text(text) if text.starts_with("43") => {
                    notes.acks.fetch_add(1, Ordering::Relaxed);
                    if text.starts_with(&format!("43{}[", events - 1)) {
                        return;
                    }
                }
                Received::Text(_) => {}
                _ => return,
            }
        }
    };
    let _ = timeout(Duration::from_secs(2), listening).await;
}

/// What the backend does with its hooks is nothing to the API.
async fn publish(api: SocketAddr, notes: Arc<Notes>) {
    let mut connection = Connection::open(api).await;
    connection.host = api.to_string();
    let headers = [("Content-Type", "application/json")];
    while !notes.is_over() {
        let sent = connection.request("POST", "/api/emit", &headers, br#"{"event":"news"}"#);
        match timeout(Duration::from_secs(5), sent).await {
            Ok(answer) if answer.status == 200 => drop(notes.published.fetch_add(1, Ordering::Relaxed)),
            Ok(answer) => notes.fault(format!("the API answers {}", answer.status)),
            Err(_) => return notes.fault("the API does not answer within 5 s".to_owned()),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

//! Clients that all come back when the server has been killed and started again, while the backend is slow.
//!
//! Each client is as stubborn as socket.io's: it comes back after 1 s, 2, 4, then 5, each half more or less. What is
//! looked at is whether all get in, in order of arrival, and with how many calls at once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socketio_tests::{Received, WebSocket};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::Random;
use crate::backend::{self, Answer};
use crate::program::{Program, connect};

/// As the gateway has it.
const MOST_CALLS: usize = 28;

/// What clients and backend note.
#[derive(Default)]
struct Notes {
    /// How long the backend takes, in milliseconds.
    delay: AtomicU64,
    calls: AtomicUsize,
    most_calls: AtomicUsize,
    /// When each attempt came to the server, in the order in which the backend was asked.
    asked: Mutex<Vec<String>>,
    inside: AtomicUsize,
    /// How often each client that is in has tried, and when it came in.
    entries: Mutex<Vec<(u32, Instant)>>,
    refusals: AtomicUsize,
}

pub(crate) async fn run(server: &Path, clients: usize, delay: Duration) -> Vec<String> {
    let notes = Arc::new(Notes::default());
    let asked = Arc::clone(&notes);
    let url = backend::start(move |hook| {
        let notes = Arc::clone(&asked);
        async move {
            let calls = notes.calls.fetch_add(1, Ordering::SeqCst) + 1;
            notes.most_calls.fetch_max(calls, Ordering::SeqCst);
            let arrived = hook["timestamp"].as_str().unwrap_or_default().to_owned();
            notes.asked.lock().expect("no panic").push(arrived);
            sleep(Duration::from_millis(notes.delay.load(Ordering::Relaxed))).await;
            notes.calls.fetch_sub(1, Ordering::SeqCst);
            Answer::json("204 No Content", "")
        }
    })
    .await;
    let left_out = ["no-event", "no-connected", "no-disconnected", "no-node_started"];
    let left_out = left_out.iter().flat_map(|hook| ["--webhook-hook", hook]);
    let options: Vec<_> = left_out.chain(["--log-level", "error"]).collect();
    let port = TcpListener::bind("127.0.0.1:0").await.and_then(|free| free.local_addr());
    let port = port.expect("a free port").port();
    let mut first = Program::start(server, port, &url, &options).await;
    let address = first.clients;
    for n in 0..clients {
        tokio::spawn(live(address, n as u64, Arc::clone(&notes)));
    }
    let all = async || {
        while notes.inside.load(Ordering::SeqCst) < clients {
            sleep(Duration::from_millis(10)).await;
        }
    };
    all().await;
    println!("{clients} clients are connected, and the server is killed");

    notes.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    first.child.kill().await.expect("to kill the server");
    while notes.inside.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    notes.asked.lock().expect("no panic").clear();
    notes.entries.lock().expect("no panic").clear();
    let began = Instant::now();
    let second = Program::start(server, port, &url, &options).await;
    let least = delay.as_secs_f64() * clients as f64 / MOST_CALLS as f64;
    let patience = Duration::from_secs_f64(4.0 * least + 60.0);
    let mut faults = Vec::new();
    if tokio::time::timeout(patience, all()).await.is_err() {
        faults
            .push(format!("{} of {clients} are in after {patience:?}", notes.inside.load(Ordering::SeqCst)));
    }
    let (waited, timeouts) = (outcomes(&second, "waited").await, outcomes(&second, "timeout").await);
    faults.extend(report(&notes, began, least));
    println!("{waited} calls waited too long, and their clients came back; {timeouts} calls took too long");
    faults
}

async fn outcomes(server: &Program, outcome: &str) -> f64 {
    let labels = format!("socketio_gateway_calls_total{{hook=\"connect\",outcome=\"{outcome}\"}}");
    server.metric(&labels).await
}

/// Says how it went. Gives what went wrong.
fn report(notes: &Notes, began: Instant, least: f64) -> Vec<String> {
    let mut faults = Vec::new();
    let mut entries = notes.entries.lock().expect("no panic").clone();
    entries.sort_by_key(|(_, at)| *at);
    let share = |part: f64| {
        let at = ((entries.len() as f64 * part).ceil() as usize).saturating_sub(1);
        entries.get(at).map_or(0.0, |(_, at)| at.duration_since(began).as_secs_f64())
    };
    println!(
        "half were in after {:.1} s, 90 % after {:.1} s, all after {:.1} s; at {MOST_CALLS} calls at once it takes {least:.1} s",
        share(0.5),
        share(0.9),
        share(1.0)
    );
    let mut tries: Vec<_> = entries.iter().map(|(tries, _)| *tries).collect();
    tries.sort_unstable();
    println!(
        "a client tried {} times in the median, and {} at the most",
        tries.get(tries.len() / 2).copied().unwrap_or_default(),
        tries.last().copied().unwrap_or_default()
    );
    let asked = notes.asked.lock().expect("no panic").clone();
    let (most, sum) = overtaken(&asked);
    println!(
        "{} calls; one was overtaken by {:.2} that had arrived later on average, and by {most} at the most",
        asked.len(),
        sum as f64 / asked.len().max(1) as f64
    );
    let most_calls = notes.most_calls.load(Ordering::SeqCst);
    println!("at most {most_calls} calls at once");
    if most_calls > MOST_CALLS {
        faults.push(format!("{most_calls} calls at once"));
    }
    // The tasks of the server and calls of the backend cross a little on their way.
    if most > 100 + asked.len() / 100 {
        faults.push(format!("a call was overtaken by {most} others"));
    }
    if notes.refusals.load(Ordering::SeqCst) > 0 {
        faults.push("clients were refused for good".to_owned());
    }
    faults
}

/// How many later ones were before each, at the most and together.
fn overtaken(asked: &[String]) -> (usize, usize) {
    let (mut before, mut most, mut sum) = (Vec::with_capacity(asked.len()), 0, 0);
    for arrived in asked {
        let at = before.partition_point(|other| *other <= arrived);
        let later = before.len() - at;
        before.insert(at, arrived);
        (most, sum) = (most.max(later), sum + later);
    }
    (most, sum)
}

/// A client that comes back whenever it has lost its connection.
async fn live(address: SocketAddr, n: u64, notes: Arc<Notes>) {
    let (mut random, mut tries) = (Random::new(n), 0);
    loop {
        tries += 1;
        if join(address, &notes, tries).await {
            tries = 0;
        }
        let pause = (1000 << tries.min(3)).min(5000);
        sleep(Duration::from_millis(pause / 2 + random.below(pause))).await;
    }
}

/// Joins, and stays until the server is gone. Gives whether it came in.
async fn join(address: SocketAddr, notes: &Notes, tries: u32) -> bool {
    let Some(mut client) = connect(address).await else { return false };
    client.flood(&WebSocket::frame(0x81, b"40")).await;
    let mut inside = false;
    loop {
        match client.next().await {
            Received::Text(ping) if ping == "2" => client.flood(&WebSocket::frame(0x81, b"3")).await,
            Received::Text(text) if text.starts_with("40") => {
                inside = true;
                notes.entries.lock().expect("no panic").push((tries, Instant::now()));
                notes.inside.fetch_add(1, Ordering::SeqCst);
            }
            Received::Text(text) if text.starts_with("44") => {
                eprintln!("refused: {text}");
                notes.refusals.fetch_add(1, Ordering::SeqCst);
            }
            Received::Text(_) => {}
            _ => break,
        }
    }
    if inside {
        notes.inside.fetch_sub(1, Ordering::SeqCst);
    }
    inside
}

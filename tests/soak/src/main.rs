//! Load of all kinds on a server, for as long as you ask: honest clients that come and go, talk, upgrade,
//! recover and are asked, and also resets in every state, slow readers, and clients that never poll or stop in
//! the middle of something. Each second it notes what the server holds. It fails if anything grows, if an
//! honest client notices anything, or if something is left when all have gone.

mod client;
mod graph;
mod held;
mod honest;
mod hostile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use held::{Sample, Watch};
use socketio_tests::Connection;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Timeouts that each come into play many times in a minute.
const SERVER: &str = "--app echo --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --log-level error \
    --ping-interval 4s --ping-timeout 4s --upgrade-timeout 3s --connect-timeout 3s --close-timeout 3s \
    --write-timeout 4s --head-timeout 4s --body-timeout 4s --idle-timeout 10s --attachment-timeout 3s \
    --ack-timeout 5s --recovery 5s";

/// How many clients of each kind there are at any time.
const HONEST: usize = 64;
const RESETTING: usize = 10;
const LINGERING: usize = 40;

/// How long the server may take to let go of everything when all have left: longer than any of its timeouts.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many lives were lived.
#[derive(Default)]
struct Lives {
    honest: AtomicUsize,
    reset: AtomicUsize,
    lingering: AtomicUsize,
    over: AtomicBool,
}

impl Lives {
    /// The next number of a kind, or nothing when it is over.
    fn next(&self, kind: fn(&Lives) -> &AtomicUsize) -> Option<usize> {
        (!self.over.load(Ordering::Relaxed)).then(|| kind(self).fetch_add(1, Ordering::Relaxed))
    }
}

/// What was asked for on the command line.
struct Asked {
    minutes: f64,
    server: PathBuf,
    graph: PathBuf,
}

impl Asked {
    fn read() -> Option<Asked> {
        let (mut minutes, mut server, mut graph) = (10.0, None, PathBuf::from("soak.svg"));
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next()?;
            match name.as_str() {
                "--minutes" => minutes = value.parse().ok().filter(|minutes| *minutes > 0.0)?,
                "--server" => server = Some(value.into()),
                "--graph" => graph = value.into(),
                _ => return None,
            }
        }
        Some(Asked { minutes, server: server?, graph })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(asked) = Asked::read() else {
        eprintln!("usage: socketio-soak --server PROGRAM [--minutes N] [--graph FILE.svg]");
        return ExitCode::from(2);
    };
    let (mut server, address, operations) = start(&asked).await;
    let mut watch = Watch::new(server.id().expect("a process"), operations).await;
    let before = settled(address, &mut watch).await;
    let lives = Arc::new(Lives::default());
    let mut living = populate(address, &lives);

    let (samples, mut faults) = observe(&asked, &mut watch, &mut living, before).await;
    faults.extend(held::grown(&samples));
    lives.over.store(true, Ordering::Relaxed);
    let mut seconds = interval(Duration::from_secs(1));
    while !living.is_empty() {
        tokio::select! {
            // The server ends a connection that idles.
            _ = seconds.tick() => drop(watch.metrics().await),
            Some(ended) = living.join_next() => {
                faults.extend(ended.err().map(|panic| format!("an honest client noticed: {panic}")));
            }
        }
    }
    let after = emptied(&mut watch, &samples[0]).await;
    for (at, series) in held::SERIES.iter().enumerate().skip(1) {
        let (then, now) = (samples[0].held[at], after.held[at]);
        if then != now {
            faults.push(format!("{} before: {then}, and {now} when all had left", series.name));
        }
    }
    std::fs::write(&asked.graph, graph::svg(&samples)).expect("to write the graph");
    println!("{}", graph::table(&samples, &after));
    println!("{}", account(&lives, &watch.metrics().await));
    println!("the graph is in {}", asked.graph.display());
    server.start_kill().expect("to end the server");
    for fault in &faults {
        println!("FAIL {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the server holds before anybody comes: the tasks that listen are there once one of them has answered.
async fn settled(server: SocketAddr, watch: &mut Watch) -> Sample {
    Connection::open(server).await.request("GET", "/nowhere", &[], b"").await;
    loop {
        let now = watch.sample().await;
        let connections = held::SERIES.iter().position(|series| series.name == "connections");
        if connections.is_some_and(|at| now.held[at] == 0.0) {
            return now;
        }
    }
}

/// Starts the server; it ends with this program. Returns where clients and where operators ask.
async fn start(asked: &Asked) -> (Child, SocketAddr, SocketAddr) {
    let mut server = Command::new(&asked.server)
        .args(SERVER.split_whitespace())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", asked.server.display()));
    let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let mut addresses = Vec::new();
    while addresses.len() < 2 {
        let line = lines.next_line().await.expect("its output").expect("that it says where it listens");
        let address = line.split_once("http://").map(|(_, address)| address.split('/').next());
        addresses.extend(address.flatten().and_then(|address| address.parse::<SocketAddr>().ok()));
    }
    (server, addresses[1], addresses[0])
}

/// As many clients of each kind as there are to be, each living one life after the other.
fn populate(server: SocketAddr, lives: &Arc<Lives>) -> JoinSet<()> {
    let mut living = JoinSet::new();
    for client in 0..HONEST + RESETTING + LINGERING {
        let lives = Arc::clone(lives);
        living.spawn(async move {
            // Not all at once.
            sleep(Duration::from_millis(client as u64 * 20)).await;
            if client < HONEST {
                while let Some(n) = lives.next(|lives| &lives.honest) {
                    honest::live(server, n).await;
                }
            } else if client < HONEST + RESETTING {
                while let Some(n) = lives.next(|lives| &lives.reset) {
                    hostile::reset(server, n).await;
                }
            } else {
                while let Some(n) = lives.next(|lives| &lives.lingering) {
                    hostile::linger(server, n).await;
                }
            }
        });
    }
    living
}

/// Takes a sample each second until the time is up, or until a client fails.
async fn observe(
    asked: &Asked,
    watch: &mut Watch,
    living: &mut JoinSet<()>,
    before: Sample,
) -> (Vec<Sample>, Vec<String>) {
    let (began, time) = (Instant::now(), Duration::from_secs_f64(asked.minutes * 60.0));
    let (mut samples, mut faults) = (vec![before], Vec::new());
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < time && faults.is_empty() {
        tokio::select! {
            _ = seconds.tick() => samples.push(watch.sample().await),
            Some(ended) = living.join_next() => {
                faults.extend(ended.err().map(|panic| format!("an honest client noticed: {panic}")));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    (samples, faults)
}

/// Waits until the server holds what it did before, memory apart; not for ever.
async fn emptied(watch: &mut Watch, before: &Sample) -> Sample {
    let began = Instant::now();
    loop {
        let now = watch.sample().await;
        if now.held[1..] == before.held[1..] || began.elapsed() > PATIENCE {
            return now;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What happened, in a line.
fn account(lives: &Lives, metrics: &str) -> String {
    let [honest, reset, lingering] =
        [&lives.honest, &lives.reset, &lives.lingering].map(|count| count.load(Ordering::Relaxed));
    let [opened, upgrades, packets, events, recoveries, hits] = [
        "socketio_sessions_opened_total",
        "socketio_upgrades_total",
        "socketio_packets_total",
        "socketio_events_total",
        "socketio_recoveries_total{outcome=\"recovered\"}",
        "socketio_limit_hits_total",
    ]
    .map(|name| held::sum(metrics, name));
    format!(
        "{honest} honest clients, {reset} resets, {lingering} that lingered; {opened} sessions, {upgrades} \
         upgrades, {packets} packets, {events} events, {recoveries} recoveries, {hits} limits met"
    )
}

//! The load of the bench: many clients of one server, on one thread and on raw sockets, so that no client
//! library is measured.
//!
//!     socketio-bench ROW --pid PID --address 127.0.0.1:PORT [--path /socket.io/] [--seconds 3]
//!
//! prints one JSON object: what the server took for each unit of work, and how long the clients waited.

mod process;
mod wire;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use wire::{Client, frame};

/// What is measured.
struct Row {
    name: &'static str,
    clients: usize,
    work: Work,
}

enum Work {
    /// Each client sends `message` and waits for `message-back`, so many at a time, strings of so many bytes.
    Echo { in_flight: usize, size: usize },
    /// The same with `message-with-ack`.
    Ack { in_flight: usize },
    /// One client sends `broadcast`, so many at a time, and everybody gets `bcast`.
    Broadcast { in_flight: usize },
    /// Clients come and go.
    Connect,
    /// Clients come and stay.
    Idle,
}

const ROWS: &[Row] = &[
    Row { name: "echo-1", clients: 100, work: Work::Echo { in_flight: 1, size: 32 } },
    Row { name: "echo-16", clients: 100, work: Work::Echo { in_flight: 16, size: 32 } },
    Row { name: "ack-4", clients: 100, work: Work::Ack { in_flight: 4 } },
    Row { name: "echo-4k", clients: 100, work: Work::Echo { in_flight: 4, size: 4096 } },
    Row { name: "broadcast-1", clients: 1000, work: Work::Broadcast { in_flight: 1 } },
    Row { name: "broadcast-16", clients: 1000, work: Work::Broadcast { in_flight: 16 } },
    Row { name: "connect", clients: 2000, work: Work::Connect },
    Row { name: "idle", clients: 5000, work: Work::Idle },
];

struct Options {
    row: &'static Row,
    pid: u32,
    address: SocketAddr,
    path: String,
    seconds: u64,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!(
            "usage: socketio-bench ROW --pid PID --address ADDR:PORT [--path /socket.io/] [--seconds 3]"
        );
        eprintln!("rows: {}", ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(" "));
        return ExitCode::from(2);
    };
    process::pin(1);
    match measure(&options) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", options.row.name);
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let name = arguments.next()?;
    let row = ROWS.iter().find(|row| row.name == name)?;
    let (mut pid, mut address, mut path, mut seconds) = (None, None, "/socket.io/".to_owned(), 3);
    while let Some(flag) = arguments.next() {
        let value = arguments.next()?;
        match flag.as_str() {
            "--pid" => pid = value.parse().ok(),
            "--address" => address = value.parse().ok(),
            "--path" => path = value,
            "--seconds" => seconds = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(Options { row, pid: pid?, address: address?, path, seconds })
}

fn measure(options: &Options) -> std::io::Result<String> {
    let row = options.row;
    let before = (process::cpu_micros(options.pid), process::resident_kib(options.pid));
    let connect = || Client::connect(options.address, &options.path, true);
    if let Work::Connect = row.work {
        for _ in 0..row.clients {
            drop(connect()?);
        }
        let cpu = process::cpu_micros(options.pid) - before.0;
        return Ok(format!(r#"{{"row":"{}","cpu_us":{:.1}}}"#, row.name, cpu as f64 / row.clients as f64));
    }
    let mut clients = (0..row.clients).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    if let Work::Idle = row.work {
        std::thread::sleep(Duration::from_secs(1));
        let kib = process::resident_kib(options.pid) - before.1;
        return Ok(format!(r#"{{"row":"{}","kib":{:.2}}}"#, row.name, kib as f64 / row.clients as f64));
    }
    let (message, wanted, in_flight, senders): (_, &[u8], _, _) = match row.work {
        Work::Echo { in_flight, size } => (
            format!(r#"42["message","{}"]"#, "x".repeat(size)),
            br#"42["message-back""#,
            in_flight,
            row.clients,
        ),
        Work::Ack { in_flight } => {
            (format!(r#"421["message-with-ack","{}"]"#, "x".repeat(32)), b"431[", in_flight, row.clients)
        }
        Work::Broadcast { in_flight } => {
            (format!(r#"42["broadcast","{}"]"#, "x".repeat(32)), br#"42["bcast""#, in_flight, 1)
        }
        Work::Connect | Work::Idle => unreachable!("measured above"),
    };
    let message = frame(message.as_bytes());
    let mut poll = Poll::new()?;
    for (token, client) in clients.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut client.stream, Token(token), interest)?;
    }
    // The auth events of the connects come in first; nothing counts before the load runs.
    let mut load = Load {
        clients,
        message,
        wanted,
        senders,
        latencies: Vec::new(),
        sent: vec![Instant::now(); senders],
    };
    load.start(in_flight)?;
    load.run(&mut poll, Duration::from_millis(500))?;
    load.latencies.clear();
    let cpu = process::cpu_micros(options.pid);
    let began = Instant::now();
    let received = load.run(&mut poll, Duration::from_secs(options.seconds))?;
    let elapsed = began.elapsed();
    let cpu = process::cpu_micros(options.pid) - cpu;
    load.latencies.sort_unstable();
    let percentile = |of: f64| {
        let at = (load.latencies.len() as f64 * of) as usize;
        load.latencies.get(at).map_or(0, |latency| latency.as_micros())
    };
    Ok(format!(
        r#"{{"row":"{}","cpu_us":{:.3},"per_second":{:.0},"p50_us":{},"p99_us":{}}}"#,
        row.name,
        cpu as f64 / received as f64,
        received as f64 / elapsed.as_secs_f64(),
        percentile(0.5),
        percentile(0.99),
    ))
}

/// Clients under load: each answer to a sender brings its next message.
struct Load<'a> {
    clients: Vec<Client>,
    message: Vec<u8>,
    wanted: &'a [u8],
    senders: usize,
    /// Of batches: from a sender's write to the first of the answers that it reads together.
    latencies: Vec<Duration>,
    sent: Vec<Instant>,
}

impl Load<'_> {
    fn start(&mut self, in_flight: usize) -> std::io::Result<()> {
        let batch = self.message.repeat(in_flight);
        for sender in 0..self.senders {
            self.clients[sender].send(&batch)?;
            self.sent[sender] = Instant::now();
        }
        Ok(())
    }

    /// Runs for so long; says how many wanted frames came in.
    fn run(&mut self, poll: &mut Poll, time: Duration) -> std::io::Result<u64> {
        let end = Instant::now() + time;
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 64 * 1024];
        let mut batch = Vec::new();
        let mut received = 0;
        while Instant::now() < end {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let Token(at) = event.token();
                let client = &mut self.clients[at];
                client.flush()?;
                let count = client.receive(&mut scratch, self.wanted)?;
                received += count as u64;
                if count > 0 && at < self.senders {
                    self.latencies.push(self.sent[at].elapsed());
                    batch.clear();
                    (0..count).for_each(|_| batch.extend_from_slice(&self.message));
                    client.send(&batch)?;
                    self.sent[at] = Instant::now();
                }
            }
        }
        Ok(received)
    }
}

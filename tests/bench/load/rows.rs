//! The rows of the bench, and how each is measured.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::arrive::arrive;
use crate::cluster;
use crate::crowd::{Crowd, Measured, Sender};
use crate::gateway;
use crate::polling;
use crate::process::Server;
use crate::websocket::{Blocking, Client};

/// Figures with their names.
pub type Figures = Vec<(&'static str, f64)>;

/// What is measured.
#[derive(Clone, Copy)]
pub enum Row {
    /// Each client sends `message` and gets `message-back`, so many at a time, strings of so many bytes.
    Echo { clients: usize, in_flight: u64, size: usize },
    /// The same with `message-with-ack`.
    Ack { in_flight: u64 },
    /// The same in ten namespaces: each client is in all, and sends in one.
    Namespaces,
    /// So many messages a second, whether or not the answers keep up.
    Paced { per_second: u64 },
    /// One client sends `broadcast`, so many at a time, and everybody gets `bcast`.
    Broadcast { in_flight: u64 },
    /// 10,000 clients in 1,000 rooms, one in each room sends to it.
    Rooms,
    /// A broadcast's way to those who read, without and with one client that doesn't.
    SlowReader,
    /// Clients come and go.
    Connect,
    /// Clients come by polling, upgrade, and go.
    Upgrade,
    /// Clients come and stay, then get broadcasts of 32 KiB.
    Memory { clients: usize },
    /// Clients come and wait with a GET.
    PollingMemory { clients: usize },
    /// As `Echo`, with 4 KiB of JSON, compressed both ways.
    DeflateEcho { in_flight: u64 },
    /// As `Broadcast`, with the same.
    DeflateBroadcast { in_flight: u64 },
    /// Clients that may compress come and stay.
    DeflateMemory { clients: usize },
    /// Clients without Socket.IO send a message and get it back, so many at a time.
    PlainEcho { in_flight: u64 },
    /// GET and POST, so many messages of so many bytes in each.
    Polling { messages: usize, size: usize },
    /// One client broadcasts as in `Broadcast`, and the others are on another server.
    Elsewhere { in_flight: u64 },
    /// So many broadcasts a second to ten clients on another server.
    PacedElsewhere { per_second: u64 },
    /// Each client sends to a room that it alone is in, 16 at a time.
    OwnRooms,
    /// One client after the other has its server fetch the sockets of all servers, of which each has 1,000.
    Fetch,
    /// Clients of another server join 10,000 rooms.
    RemoteRooms,
    /// A backend publishes to one client by HTTP, one request after the other.
    Publish,
    /// Each client sends events that a backend answers by HTTP, one at a time.
    Hooks { clients: usize },
    /// One client does so, and the time until its acknowledgement is compared with that of one that asks no backend.
    HookAck,
}

pub const ROWS: &[(&str, Row)] = &[
    ("echo-1", Row::Echo { clients: 100, in_flight: 1, size: 32 }),
    ("echo-16", Row::Echo { clients: 100, in_flight: 16, size: 32 }),
    ("ack-4", Row::Ack { in_flight: 4 }),
    ("echo-4k", Row::Echo { clients: 100, in_flight: 4, size: 4096 }),
    ("namespaces", Row::Namespaces),
    ("paced", Row::Paced { per_second: 20_000 }),
    ("echo-1000", Row::Echo { clients: 1_000, in_flight: 1, size: 32 }),
    ("echo-10000", Row::Echo { clients: 10_000, in_flight: 1, size: 32 }),
    ("broadcast-1", Row::Broadcast { in_flight: 1 }),
    ("broadcast-16", Row::Broadcast { in_flight: 16 }),
    ("rooms", Row::Rooms),
    ("slow-reader", Row::SlowReader),
    ("connect", Row::Connect),
    ("upgrade", Row::Upgrade),
    ("polling-1", Row::Polling { messages: 1, size: 32 }),
    ("polling-16", Row::Polling { messages: 16, size: 32 }),
    ("polling-64k", Row::Polling { messages: 1, size: 65_536 }),
    ("memory-1000", Row::Memory { clients: 1_000 }),
    ("memory-5000", Row::Memory { clients: 5_000 }),
    ("memory-10000", Row::Memory { clients: 10_000 }),
    ("memory-polling", Row::PollingMemory { clients: 1_000 }),
    ("deflate-echo-4k", Row::DeflateEcho { in_flight: 4 }),
    ("deflate-broadcast-16", Row::DeflateBroadcast { in_flight: 16 }),
    ("deflate-memory-5000", Row::DeflateMemory { clients: 5_000 }),
    ("plain-echo-1", Row::PlainEcho { in_flight: 1 }),
    ("plain-echo-16", Row::PlainEcho { in_flight: 16 }),
    ("cluster-broadcast-1", Row::Elsewhere { in_flight: 1 }),
    ("cluster-broadcast-16", Row::Elsewhere { in_flight: 16 }),
    ("cluster-paced", Row::PacedElsewhere { per_second: 10_000 }),
    ("local-rooms", Row::OwnRooms),
    ("cluster-rooms", Row::OwnRooms),
    ("cluster-rooms-alone", Row::OwnRooms),
    ("cluster-fetch", Row::Fetch),
    ("cluster-memory", Row::RemoteRooms),
    ("gateway-publish", Row::Publish),
    ("gateway-hooks", Row::Hooks { clients: 100 }),
    ("gateway-ack", Row::HookAck),
];

/// Handshakes are so cheap that a port's connections could be used up before the time is.
const MOST_CONNECTIONS: usize = 10_000;

impl Row {
    pub fn measure(self, server: &Server, time: Duration) -> io::Result<Figures> {
        match self {
            Row::Echo { clients, in_flight, size } => {
                let message = format!(r#"42["message","{}"]"#, "x".repeat(size));
                load(server, clients, vec![Sender::new(&message); clients], in_flight, time)
            }
            Row::Ack { in_flight } => {
                let message = format!(r#"421["message-with-ack","{}"]"#, "x".repeat(32));
                load(server, 100, vec![Sender::new(&message); 100], in_flight, time)
            }
            Row::Broadcast { in_flight } => {
                let message = format!(r#"42["broadcast","{}"]"#, "x".repeat(32));
                let mut crowd = Crowd::gather(server, 1_000, &[])?;
                Ok(figures(&crowd.run_broadcasts(server, Sender::new(&message), in_flight, time)?))
            }
            Row::Namespaces => {
                let namespaces: Vec<String> = (0..10).map(|number| format!("/ns-{number}")).collect();
                let sender = |at: usize| {
                    let namespace = &namespaces[at % namespaces.len()];
                    Sender::new(&format!(r#"42{namespace},["message","{}"]"#, "x".repeat(32)))
                };
                let mut crowd = Crowd::gather(server, 100, &namespaces)?;
                Ok(figures(&crowd.run(server, (0..100).map(sender).collect(), 4, time)?))
            }
            Row::Paced { per_second } => {
                let message = format!(r#"42["message","{}"]"#, "x".repeat(32));
                let mut crowd = Crowd::gather(server, 100, &[])?;
                Ok(figures(&crowd.run_at(server, &message, per_second, time)?))
            }
            Row::Rooms => rooms(server, time),
            Row::SlowReader => slow_reader(server, time),
            Row::Connect => repeat(server, time, || Client::connect(server, &[]).map(drop)),
            Row::Upgrade => repeat(server, time, || polling::upgrade(server)),
            Row::Memory { clients } => memory(server, clients),
            Row::PollingMemory { clients } => {
                let before = server.resident_kib()?;
                let _parked = polling::park(server, clients)?;
                settle();
                Ok(vec![("idle_kib", (server.resident_kib()? - before) / clients as f64)])
            }
            Row::DeflateEcho { in_flight } => {
                let sender = Sender::compressing(&format!(r#"42["message",{}]"#, json(4096)));
                let mut crowd = Crowd::of(arrive(100, None, |_| Client::compressing_each(server))?)?;
                Ok(with_bytes(&crowd.run(server, vec![sender; 100], in_flight, time)?))
            }
            Row::DeflateBroadcast { in_flight } => {
                let sender = Sender::compressing(&format!(r#"42["broadcast",{}]"#, json(4096)));
                let mut crowd = Crowd::of(arrive(1_000, None, |_| Client::compressing_each(server))?)?;
                Ok(with_bytes(&crowd.run_broadcasts(server, sender, in_flight, time)?))
            }
            Row::DeflateMemory { clients } => {
                let before = server.resident_kib()?;
                let _idle = Crowd::of(arrive(clients, None, |_| Client::compressing(server))?)?;
                settle();
                Ok(vec![("idle_kib", (server.resident_kib()? - before) / clients as f64)])
            }
            Row::PlainEcho { in_flight } => {
                let sender = Sender::new(&"x".repeat(32));
                let mut crowd = Crowd::of(arrive(100, None, |_| Client::plain(server))?)?;
                Ok(figures(&crowd.run(server, vec![sender; 100], in_flight, time)?))
            }
            Row::Elsewhere { in_flight } => cluster::broadcasts(server, in_flight, time),
            Row::PacedElsewhere { per_second } => cluster::paced(server, per_second, time),
            Row::OwnRooms => cluster::own_rooms(server, time),
            Row::Fetch => cluster::fetch(server, time),
            Row::RemoteRooms => cluster::remote_rooms(server),
            Row::Publish => {
                let api = server.api.ok_or_else(|| io::Error::other("--api is missing"))?;
                gateway::publish(server, api, time)
            }
            Row::Hooks { clients } => gateway::hooks(server, clients, time),
            Row::HookAck => gateway::ack(server, time),
            Row::Polling { messages, size } => {
                let measured = polling::run(server, 100, messages, size, time)?;
                let seconds = measured.elapsed.as_secs_f64();
                let latencies = &measured.latencies;
                Ok(vec![
                    ("cpu_us", measured.cpu_micros / measured.messages as f64),
                    ("messages_per_second", measured.messages as f64 / seconds),
                    ("requests_per_second", measured.requests as f64 / seconds),
                    ("p50_us", latencies.percentile(0.5)),
                    ("p99_us", latencies.percentile(0.99)),
                ])
            }
        }
    }
}

fn load(
    server: &Server,
    clients: usize,
    senders: Vec<Sender>,
    in_flight: u64,
    time: Duration,
) -> io::Result<Figures> {
    let mut crowd = Crowd::gather(server, clients, &[])?;
    Ok(figures(&crowd.run(server, senders, in_flight, time)?))
}

pub fn figures(measured: &Measured) -> Figures {
    let percentile = |share| measured.latencies.percentile(share);
    let (p50, p99) = (percentile(0.5), percentile(0.99));
    vec![
        ("cpu_us", measured.cpu_each()),
        ("messages_per_second", measured.per_second()),
        ("p50_us", p50),
        ("p99_us", p99),
        ("p999_us", percentile(0.999)),
        ("p99_to_p50", p99 / p50),
    ]
}

/// The same, and the bytes on the wire for each answer or delivery.
fn with_bytes(measured: &Measured) -> Figures {
    let mut figures = figures(measured);
    figures.push(("wire_bytes", measured.read as f64 / measured.received as f64));
    figures
}

/// So many bytes of JSON, as an application might send it.
fn json(bytes: usize) -> String {
    let mut text = String::from("[");
    for number in 0.. {
        let more = format!(
            r#"{{"id":{number},"name":"name {}","price":{}.{:02},"tags":["new","sale"],"stock":{}}},"#,
            number * 7_919 % 1_000, number * 31 % 97, number * 57 % 100, number % 3 == 0
        );
        if text.len() + more.len() + 2 > bytes {
            break;
        }
        text += &more;
    }
    text + "0]"
}

fn rooms(server: &Server, time: Duration) -> io::Result<Figures> {
    const ROOMS: usize = 1_000;
    let connect = |at: usize| in_rooms(server, [at % ROOMS]);
    let sender = |at| Sender::new(&format!(r#"42["to-room","room-{at}","{}"]"#, "x".repeat(32)));
    let mut crowd = Crowd::of(arrive(10 * ROOMS, None, connect)?)?;
    Ok(figures(&crowd.run(server, (0..ROOMS).map(sender).collect(), 1, time)?))
}

/// A client in rooms of those numbers.
pub fn in_rooms(server: &Server, rooms: impl IntoIterator<Item = usize>) -> io::Result<Client> {
    let mut socket = Blocking::open(server, None)?;
    socket.wait_for("0{")?;
    socket.send("40")?;
    socket.wait_for("40{")?;
    for room in rooms {
        socket.send(&format!(r#"421["join","room-{room}"]"#))?;
        socket.wait_for("431")?;
    }
    Client::from(socket)
}

fn slow_reader(server: &Server, time: Duration) -> io::Result<Figures> {
    let message = format!(r#"42["broadcast","{}"]"#, "x".repeat(4096));
    let mut crowd = Crowd::gather(server, 100, &[])?;
    crowd.broadcast(server, &message, Duration::from_secs(1))?;
    let without = crowd.broadcast(server, &message, time)?;
    let slow = Client::connect(server, &[])?;
    shrink_receive_buffer(&slow)?;
    let before = server.resident_kib()?;
    let with = crowd.broadcast(server, &message, time)?;
    let held = server.resident_kib()? - before;
    let (p99_with, p99_without) = (with.latencies.percentile(0.99), without.latencies.percentile(0.99));
    Ok(vec![
        ("p99_us", p99_without),
        ("p99_with_slow_us", p99_with),
        ("with_to_without", p99_with / p99_without),
        ("held_kib", held),
    ])
}

/// Lets the kernel hold little for this client, so that what it does not read waits in the server.
fn shrink_receive_buffer(client: &Client) -> io::Result<()> {
    let bytes: libc::c_int = 4096;
    // SAFETY: the option's value is read from `bytes`, whose length goes with it.
    let result = unsafe {
        let value = (&raw const bytes).cast();
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(client.stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, value, len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn memory(server: &Server, clients: usize) -> io::Result<Figures> {
    let each = |kib: f64| kib / clients as f64;
    let before = server.resident_kib()?;
    let mut crowd = Crowd::gather(server, clients, &[])?;
    settle();
    let idle = each(server.resident_kib()? - before);
    let message = format!(r#"42["broadcast","{}"]"#, "x".repeat(32 * 1024));
    if !crowd.broadcast_times(&message, 8)? {
        return Ok(vec![("idle_kib", idle)]);
    }
    settle();
    Ok(vec![("idle_kib", idle), ("after_kib", each(server.resident_kib()? - before))])
}

/// Gives a server the time to put away what it needs no more.
pub fn settle() {
    std::thread::sleep(Duration::from_secs(1));
}

/// Does something again and again for so long.
fn repeat(server: &Server, time: Duration, work: impl Fn() -> io::Result<()> + Sync) -> io::Result<Figures> {
    let run = |time| arrive(MOST_CONNECTIONS, Some(Instant::now() + time), |_| work());
    run(Duration::from_millis(200))?;
    let (cpu, began) = (server.cpu_micros()?, Instant::now());
    let count = run(time)?.len() as f64;
    let elapsed = began.elapsed().as_secs_f64();
    Ok(vec![("cpu_us", (server.cpu_micros()? - cpu) / count), ("per_second", count / elapsed)])
}

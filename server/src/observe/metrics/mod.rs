//! Numbers for Prometheus: an [observer](engineio::observe) that counts, and its text.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use engineio::observe::{Direction, Observation, Observer, WebSocketFrame, What};
use engineio::{ErrorCode, Limit, PacketType, Transport};
use parking_lot::Mutex;
use socketio::{Io, RecoveryCounts, UnhandledCounts};
use tokio::runtime::Handle;

use crate::observe::process::Process;
use crate::site::Site;

/// The upper bounds of the buckets for the time that handlers take, in microseconds.
const BUCKETS: [u64; 12] =
    [10, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

/// How many namespaces have a sample of their own. Clients may choose names, and each is a series in Prometheus.
const NAMESPACES: usize = 50;

const DIRECTIONS: [&str; 2] = ["in", "out"];

/// Counts what happens on a server. It is an observer: see [`Builder::observer`](crate::Builder::observer).
///
/// ```
/// use std::sync::Arc;
/// use socketio::Io;
/// use socketio_server::{Metrics, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), socketio_server::BuildError> {
/// let metrics = Arc::new(Metrics::default());
/// let server = Server::builder().socketio("/socket.io/", Io::new()).observer(metrics.clone()).build()?;
/// let operations = server.operations(metrics); // serves them at `/metrics`
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Metrics {
    sessions: [AtomicI64; Transport::ALL.len()],
    opened: [AtomicU64; Transport::ALL.len()],
    upgrades: AtomicU64,
    sockets: AtomicI64,
    packets: [[AtomicU64; PacketType::ALL.len()]; 2],
    bytes: [AtomicU64; 2],
    /// Of compressed WebSocket messages: their bytes, and those on the wire.
    deflated: [[AtomicU64; 2]; 2],
    events: [AtomicU64; 2],
    refusals: [AtomicU64; ErrorCode::ALL.len()],
    /// Sessions by why they ended.
    closed: Mutex<BTreeMap<&'static str, u64>>,
    /// Sockets, by the reason for which they left their namespace.
    left: Mutex<BTreeMap<&'static str, u64>>,
    violations: Mutex<BTreeMap<&'static str, u64>>,
    responses: Mutex<BTreeMap<u16, u64>>,
    handled: Histogram,
}

/// How long handlers took.
#[derive(Debug, Default)]
struct Histogram {
    /// One more than there are bounds, for values above all of them.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn tally<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    *counts.lock().entry(key).or_default() += 1;
}

impl Observer for Metrics {
    fn observe(&self, observation: &Observation<'_>) {
        match observation.what {
            What::Opened { transport, .. } => {
                add(&self.opened[transport as usize]);
                self.sessions[transport as usize].fetch_add(1, Ordering::Relaxed);
            }
            What::Upgraded { transport } => {
                add(&self.upgrades);
                self.sessions[Transport::Polling as usize].fetch_sub(1, Ordering::Relaxed);
                self.sessions[transport as usize].fetch_add(1, Ordering::Relaxed);
            }
            What::Ended { transport } => {
                self.sessions[transport as usize].fetch_sub(1, Ordering::Relaxed);
            }
            What::Closed { reason, .. } => tally(&self.closed, reason.as_str()),
            What::Packet { direction, packet, .. } => {
                let direction = direction as usize;
                add(&self.packets[direction][usize::from(packet.kind.digit() - b'0')]);
                let len = packet.payload.len() + usize::from(!packet.binary);
                self.bytes[direction].fetch_add(len as u64, Ordering::Relaxed);
            }
            What::Frame(WebSocketFrame { direction, payload, compressed: Some(compressed), .. }) => {
                let [message, wire] = &self.deflated[direction as usize];
                message.fetch_add(payload.len() as u64, Ordering::Relaxed);
                wire.fetch_add(compressed as u64, Ordering::Relaxed);
            }
            What::SocketPacket { direction, packet } if matches!(packet.kind, 2 | 5) => {
                add(&self.events[direction as usize]);
            }
            What::Refused { refusal, .. } => add(&self.refusals[usize::from(refusal.error_code().number())]),
            What::Response(response) => tally(&self.responses, response.status),
            What::Joined { .. } => {
                self.sockets.fetch_add(1, Ordering::Relaxed);
            }
            What::Left { reason, .. } => {
                self.sockets.fetch_sub(1, Ordering::Relaxed);
                tally(&self.left, reason);
            }
            What::Handled { took, .. } => self.handled.count(took),
            What::Violation { rule, .. } => tally(&self.violations, rule),
            _ => {}
        }
    }
}

impl Histogram {
    fn count(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        add(&self.buckets[BUCKETS.partition_point(|bound| *bound < took)]);
        self.microseconds.fetch_add(took, Ordering::Relaxed);
    }
}

/// The text format of Prometheus, version 0.0.4.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// `labels` are as they are in the text: values that come from a client have been escaped.
    fn sample(&mut self, name: &str, labels: &str, value: impl fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    fn labelled<L: fmt::Display, V: fmt::Display>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) {
        self.family(name, kind, help);
        for (value, count) in values {
            self.sample(name, &format!("{label}=\"{value}\""), count);
        }
    }
}

impl Metrics {
    /// All of them as text.
    pub(crate) fn text(&self, site: &Site) -> String {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut text = Text(String::with_capacity(8 * 1024));
        // An upgrade may be counted between the two.
        let sessions = self.sessions.each_ref().map(|count| count.load(Ordering::Relaxed).max(0));
        let transports = Transport::ALL.map(Transport::as_str);
        let family = ("socketio_sessions", "gauge", "Engine.IO sessions that are open.");
        text.labelled(family, "transport", transports.into_iter().zip(sessions));
        let family = ("socketio_sessions_opened_total", "counter", "Sessions by how they began.");
        text.labelled(family, "transport", transports.into_iter().zip(self.opened.each_ref().map(get)));
        let (name, help) = ("socketio_upgrades_total", "Sessions that upgraded from polling.");
        text.single(name, "counter", help, get(&self.upgrades));
        let family = ("socketio_sessions_closed_total", "counter", "Sessions by why they ended.");
        text.labelled(family, "reason", &*self.closed.lock());
        let (name, help) = ("socketio_sockets", "Sockets that are connected to a namespace.");
        text.single(name, "gauge", help, self.sockets.load(Ordering::Relaxed).max(0));
        let family = ("socketio_sockets_left_total", "counter", "Sockets by why they were disconnected.");
        text.labelled(family, "reason", &*self.left.lock());

        text.family("socketio_packets_total", "counter", "Engine.IO packets.");
        for (direction, counts) in DIRECTIONS.iter().zip(&self.packets) {
            for (kind, count) in PacketType::ALL.iter().zip(counts) {
                let labels = format!("direction=\"{direction}\",type=\"{}\"", kind.name());
                text.sample("socketio_packets_total", &labels, get(count));
            }
        }
        let family = ("socketio_packet_bytes_total", "counter", "Bytes of Engine.IO packets.");
        text.labelled(family, "direction", DIRECTIONS.into_iter().zip(self.bytes.each_ref().map(get)));
        self.deflated(&mut text);
        let family = ("socketio_events_total", "counter", "Socket.IO events.");
        text.labelled(family, "direction", DIRECTIONS.into_iter().zip(self.events.each_ref().map(get)));

        let family = ("socketio_http_responses_total", "counter", "Answered requests by status.");
        text.labelled(family, "status", &*self.responses.lock());
        let family = ("socketio_refusals_total", "counter", "Refused requests by code.");
        text.labelled(family, "code", self.refusals.iter().map(get).enumerate());
        let family = ("socketio_violations_total", "counter", "Rules of the protocol that clients broke.");
        text.labelled(family, "rule", &*self.violations.lock());
        let family = ("socketio_limit_hits_total", "counter", "How often a limit was met.");
        let hits = |limit: &Limit| (limit.name(), site.limit_hits(*limit));
        text.labelled(family, "limit", Limit::ALL.iter().map(hits));

        namespaces(&mut text, site);
        unhandled(&mut text, site);
        held(&mut text, site);
        adapters(&mut text, site);
        let draining = site.is_draining();
        let (name, help) = ("socketio_draining", "1 once the server has been told to stop.");
        text.single(name, "gauge", help, u8::from(draining));
        let (name, help) =
            ("socketio_drain_left", "Clients that still have to leave before the server stops.");
        text.single(name, "gauge", help, if draining { site.sessions() } else { 0 });
        self.handled(&mut text);
        process(&mut text);
        text.0
    }

    /// What compression saves.
    fn deflated(&self, text: &mut Text) {
        let sums = |at: usize| self.deflated.each_ref().map(|pair| pair[at].load(Ordering::Relaxed));
        let help = "Bytes of compressed WebSocket messages, before they are compressed.";
        let family = ("socketio_deflate_message_bytes_total", "counter", help);
        text.labelled(family, "direction", DIRECTIONS.into_iter().zip(sums(0)));
        let help = "Bytes of compressed WebSocket messages, on the wire.";
        let family = ("socketio_deflate_wire_bytes_total", "counter", help);
        text.labelled(family, "direction", DIRECTIONS.into_iter().zip(sums(1)));
    }

    fn handled(&self, text: &mut Text) {
        let name = "socketio_handler_seconds";
        text.family(name, "histogram", "How long handlers of events took.");
        let mut count = 0;
        for (at, bucket) in self.handled.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = BUCKETS.get(at).map_or("+Inf".to_owned(), |bound| seconds(*bound).to_string());
            text.sample("socketio_handler_seconds_bucket", &format!("le=\"{bound}\""), count);
        }
        let sum = seconds(self.handled.microseconds.load(Ordering::Relaxed));
        text.sample("socketio_handler_seconds_sum", "", sum);
        text.sample("socketio_handler_seconds_count", "", count);
    }
}

/// Where the sockets are.
fn namespaces(text: &mut Text, site: &Site) {
    let mut counts = BTreeMap::<String, usize>::new();
    for namespace in site.ios.iter().flat_map(Io::namespaces) {
        *counts.entry(namespace.name().to_owned()).or_default() += namespace.socket_count();
    }
    let help = "Sockets by namespace; those of all but the largest together, as (others).";
    text.labelled(("socketio_namespace_sockets", "gauge", help), "namespace", largest(counts, NAMESPACES));
}

/// The largest of these, by name and as labels are written, and then the rest.
fn largest(counts: BTreeMap<String, usize>, most: usize) -> Vec<(String, usize)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rest = counts.split_off(most.min(counts.len()));
    counts.sort_unstable();
    let escape = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut labelled: Vec<_> = counts.iter().map(|(name, count)| (escape(name), *count)).collect();
    if !rest.is_empty() {
        labelled.push(("(others)".to_owned(), rest.iter().map(|(_, count)| count).sum()));
    }
    labelled
}

/// Events of clients that were not handled.
fn unhandled(text: &mut Text, site: &Site) {
    let total = |count: fn(&UnhandledCounts) -> u64| {
        site.ios.iter().map(|io| count(&io.unhandled_counts())).sum::<u64>()
    };
    let reasons = [("no_handler", total(|counts| counts.no_handler)), ("args", total(|counts| counts.args))];
    let help = "Client events that no handler took, by reason.";
    text.labelled(("socketio_unhandled_events_total", "counter", help), "reason", reasons);
}

/// Messages to and from other servers of a cluster.
fn adapters(text: &mut Text, site: &Site) {
    let mut sums = BTreeMap::<&str, u64>::new();
    for (what, count) in site.ios.iter().flat_map(Io::adapter_counts) {
        *sums.entry(what).or_default() += count;
    }
    if !sums.is_empty() {
        let help = "Messages between servers of a cluster, by outcome.";
        text.labelled(("socketio_adapter_total", "counter", help), "what", sums);
    }
}

/// What a server holds at this moment.
fn held(text: &mut Text, site: &Site) {
    let mut gauge = |name: &str, help: &str, value: usize| text.single(name, "gauge", help, value);
    let connections = site.admission.connections();
    gauge("socketio_connections", "Connections to the server's own listeners.", connections);
    let refused = site.admission.refused_headers.load(Ordering::Relaxed);
    let help = "Connections that were closed for their PROXY header, or for want of one.";
    text.single("socketio_proxy_header_refusals_total", "counter", help, refused);
    let mut gauge = |name: &str, help: &str, value: usize| text.single(name, "gauge", help, value);
    let (mut sum, mut max) = (0, 0);
    site.each_queue(&mut |bytes| (sum, max) = (sum + bytes, max.max(bytes)));
    gauge("socketio_queued_bytes", "Bytes that wait to be sent, as the send budget counts them.", sum);
    gauge("socketio_queued_bytes_max", "Bytes that wait for the client with the longest queue.", max);
    let total = |count: fn(&Io) -> usize| site.ios.iter().map(count).sum();
    gauge("socketio_namespaces", "Namespaces that exist.", total(|io| io.namespaces().len()));
    gauge("socketio_rooms", "Rooms, without each socket's own.", total(Io::room_count));
    let pending = total(Io::pending_ack_count);
    gauge("socketio_pending_acks", "Acknowledgements that the server waits for.", pending);
    // It reports on the runtime that it is called in.
    let tasks = Handle::current().metrics().num_alive_tasks();
    gauge("socketio_tasks", "Tasks of the runtime, including the application's.", tasks);

    let counts: Vec<RecoveryCounts> = site.ios.iter().filter_map(Io::recovery_counts).collect();
    if counts.is_empty() {
        return;
    }
    let away = counts.iter().map(|counts| counts.away).sum();
    gauge("socketio_recovery_away", "Clients that are away and may get their socket back.", away);
    let bytes = counts.iter().map(|counts| counts.bytes).sum();
    gauge("socketio_recovery_bytes", "About how many bytes are kept for recovery.", bytes);
    let total = |count: fn(&RecoveryCounts) -> u64| counts.iter().map(count).sum::<u64>();
    let outcomes = [
        ("recovered", total(|counts| counts.recovered)),
        ("unknown", total(|counts| counts.unknown)),
        ("expired", total(|counts| counts.expired)),
        ("malformed", total(|counts| counts.malformed)),
        ("offset", total(|counts| counts.offset)),
        ("taken", total(|counts| counts.taken)),
        ("denied", total(|counts| counts.denied)),
    ];
    let family = ("socketio_recoveries_total", "counter", "Clients that asked for their socket, by outcome.");
    text.labelled(family, "outcome", outcomes);
    let given_up = total(|counts| counts.given_up);
    let help = "Clients that were dropped before their time.";
    text.single("socketio_recovery_given_up_total", "counter", help, given_up);
}

/// What was built, and what its process takes: by the names that Prometheus' own clients use.
fn process(text: &mut Text) {
    let (name, help) = ("socketio_build_info", "1; its label is the server's version.");
    text.family(name, "gauge", help);
    text.sample(name, concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
    let Some(process) = Process::read() else { return };
    let help = "User and system time of the process.";
    text.single("process_cpu_seconds_total", "counter", help, process.cpu_seconds);
    let help = "When the process started, in seconds since 1970.";
    text.single("process_start_time_seconds", "gauge", help, process.start_seconds);
    text.single("process_threads", "gauge", "Threads of the process.", process.threads);
    text.single("process_virtual_memory_bytes", "gauge", "Addresses that are in use.", process.virtual_bytes);
    text.single("process_resident_memory_bytes", "gauge", "Memory of the process.", process.resident_bytes);
    text.single("process_open_fds", "gauge", "Open file descriptors.", process.open_descriptors);
    if let Some(most) = process.max_descriptors {
        text.single("process_max_fds", "gauge", "File descriptors that it may have open.", most);
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

/// Which way is the first of a pair.
const _: () = assert!(Direction::In as usize == 0 && Direction::Out as usize == 1);

#[cfg(test)]
mod tests;

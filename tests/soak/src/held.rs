//! What a server holds, second by second, and whether it grows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socketio_tests::Connection;

/// What is watched: its name, its unit if it has one, and what of it may come and go.
pub(crate) const SERIES: [Series; 9] = [
    Series { name: "memory", unit: "MB", tolerance: 1.0 },
    Series { name: "sessions", unit: "", tolerance: 8.0 },
    Series { name: "sockets", unit: "", tolerance: 8.0 },
    Series { name: "connections", unit: "", tolerance: 8.0 },
    Series { name: "tasks", unit: "", tolerance: 8.0 },
    Series { name: "file descriptors", unit: "", tolerance: 8.0 },
    Series { name: "rooms", unit: "", tolerance: 8.0 },
    Series { name: "awaited acks", unit: "", tolerance: 8.0 },
    Series { name: "kept for recovery", unit: "kB", tolerance: 50.0 },
];

/// One thing of which a server holds so and so much.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What chance alone may add.
    tolerance: f64,
}

/// What was held at one moment, in the order of [`SERIES`].
pub(crate) type Held = [f64; SERIES.len()];

/// What was held, and when.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) held: Held,
}

/// Asks a server what it holds.
pub(crate) struct Watch {
    pid: u32,
    operations: Connection,
    began: Instant,
}

impl Watch {
    pub(crate) async fn new(pid: u32, operations: SocketAddr) -> Watch {
        Watch { pid, operations: Connection::open(operations).await, began: Instant::now() }
    }

    /// All of its metrics.
    pub(crate) async fn metrics(&mut self) -> String {
        self.operations.request("GET", "/metrics", &[], b"").await.text().to_owned()
    }

    pub(crate) async fn sample(&mut self) -> Sample {
        let metrics = self.metrics().await;
        let sum = |name: &str| sum(&metrics, name);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("its status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kilobytes: f64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("its descriptors");
        let held = [
            kilobytes * 1024.0 / 1e6,
            sum("socketio_sessions"),
            sum("socketio_sockets"),
            sum("socketio_connections"),
            sum("socketio_tasks"),
            descriptors.count() as f64,
            sum("socketio_rooms"),
            sum("socketio_pending_acks"),
            sum("socketio_recovery_bytes") / 1e3,
        ];
        Sample { at: self.began.elapsed(), held }
    }
}

/// The sum of a metric's samples, whatever their labels.
pub(crate) fn sum(metrics: &str, name: &str) -> f64 {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values =
        samples.filter(|rest| rest.starts_with([' ', '{'])).filter_map(|rest| rest.rsplit(' ').next());
    values.map(|value| value.parse::<f64>().expect("a number")).sum()
}

/// Seconds until every timeout has come into play, and who came first has left.
const WARM_UP: usize = 45;

/// The first and the last third of what came after the beginning: a tenth, or half of a very short run.
pub(crate) fn thirds(samples: &[Sample]) -> [&[Sample]; 2] {
    let cold = (samples.len() / 10).max(WARM_UP).min(samples.len() / 2);
    let warm = &samples[cold..];
    let third = warm.len() / 3;
    [&warm[..third], &warm[warm.len() - third..]]
}

/// The least and the mean of one series.
pub(crate) fn floor_and_mean(samples: &[Sample], series: usize) -> (f64, f64) {
    let values = || samples.iter().map(|sample| sample.held[series]);
    (values().fold(f64::INFINITY, f64::min), values().sum::<f64>() / samples.len() as f64)
}

/// Which series have grown. What is held comes and goes with the load, but what is never given back raises
/// the least that is held: in the last third it may be a twentieth, and what chance brings, above the first's.
pub(crate) fn grown(samples: &[Sample]) -> Vec<String> {
    let [first, last] = thirds(samples);
    let grown = |(at, series): (usize, &Series)| {
        let (before, after) = (floor_and_mean(first, at).0, floor_and_mean(last, at).0);
        let Series { name, tolerance, .. } = series;
        let message = format!("{name} grew: the least of the first third is {before}, of the last {after}");
        (after > before * 1.05 + tolerance).then_some(message)
    };
    SERIES.iter().enumerate().filter_map(grown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes in which `held` says how much there is at each second.
    fn samples(held: impl Fn(u64) -> f64) -> Vec<Sample> {
        (0..600).map(|at| Sample { at: Duration::from_secs(at), held: [held(at); SERIES.len()] }).collect()
    }

    #[test]
    fn what_comes_and_goes_has_not_grown() {
        assert_eq!(grown(&samples(|_| 0.0)), [""; 0]);
        assert_eq!(grown(&samples(|at| 100.0 + (at % 60) as f64)), [""; 0]);
        // Only at first, when there is nothing to give back yet.
        assert_eq!(grown(&samples(|at| at.min(50) as f64)), [""; 0]);
    }

    #[test]
    fn what_is_never_given_back_is_seen() {
        let leak = grown(&samples(|at| 100.0 + (at % 60) as f64 + at as f64 * 0.2));
        assert_eq!(leak.len(), SERIES.len());
        assert!(
            leak[1].starts_with("sessions grew: the least of the first third is 112, of the last"),
            "{leak:?}"
        );
    }

    #[test]
    fn samples_of_a_metric_are_summed() {
        let metrics = "# TYPE a gauge\na{b=\"c\"} 1\na{b=\"d e\"} 2\na_b 7\nab 8\n";
        assert_eq!([sum(metrics, "a"), sum(metrics, "a_b"), sum(metrics, "none")], [3.0, 7.0, 0.0]);
    }
}

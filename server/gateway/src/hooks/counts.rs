//! What hooks did, for `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::HookType;

/// The upper bounds of the buckets for how long calls take, in milliseconds.
const BUCKETS: [u64; 10] = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000];

/// The outcome of a call that is no failure.
pub(crate) const ANSWERED: &str = "answered";

/// What becomes of clients' events.
const EVENTS: [&str; 5] = ["backend", "dropped", "over_rate", "refused", "relayed"];

/// Why hooks of a batch are given up.
const DROPPED: [&str; 2] = ["queue_full", "retries"];

/// The counts of one backend.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Calls by hook and how they ended.
    calls: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// Clients' events by what became of those that did not go to the backend.
    events: Mutex<BTreeMap<&'static str, u64>>,
    /// Hooks of a batch that were given up, by why.
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Default for Counts {
    /// Nothing has happened, and what may happen is counted as 0: Prometheus sees no increase in a series that begins
    /// with another number.
    fn default() -> Counts {
        let zeros = |names: &[&'static str]| Mutex::new(names.iter().map(|name| (*name, 0)).collect());
        let calls = HookType::ALL.iter().map(|hook| ((hook.as_str(), ANSWERED), 0)).collect();
        Counts {
            calls: Mutex::new(calls),
            events: zeros(&EVENTS),
            dropped: zeros(&DROPPED),
            buckets: Default::default(),
            micros: AtomicU64::new(0),
        }
    }
}

impl Counts {
    pub(crate) fn call(&self, hook: &'static str, outcome: &'static str) {
        *self.calls.lock().entry((hook, outcome)).or_default() += 1;
    }

    pub(crate) fn took(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.buckets[BUCKETS.partition_point(|bound| *bound < millis)].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn event(&self, what: &'static str) {
        debug_assert!(EVENTS.contains(&what), "{what}");
        *self.events.lock().entry(what).or_default() += 1;
    }

    pub(crate) fn dropped(&self, why: &'static str, count: usize) {
        debug_assert!(DROPPED.contains(&why), "{why}");
        *self.dropped.lock().entry(why).or_default() += count as u64;
    }

    /// Writes them as Prometheus reads them.
    pub(crate) fn write(&self, out: &mut String) {
        family(out, "socketio_gateway_calls_total", "counter", "Calls of the backend, by hook and outcome.");
        for ((hook, outcome), count) in &*self.calls.lock() {
            let _ = writeln!(
                out,
                "socketio_gateway_calls_total{{hook=\"{hook}\",outcome=\"{outcome}\"}} {count}"
            );
        }
        family(out, "socketio_gateway_call_seconds", "histogram", "How long calls of the backend took.");
        let mut sum = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Ordering::Relaxed);
            let bound =
                BUCKETS.get(at).map_or("+Inf".to_owned(), |bound| (*bound as f64 / 1000.0).to_string());
            let _ = writeln!(out, "socketio_gateway_call_seconds_bucket{{le=\"{bound}\"}} {sum}");
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            out,
            "socketio_gateway_call_seconds_sum {seconds}\nsocketio_gateway_call_seconds_count {sum}"
        );
        family(
            out,
            "socketio_gateway_events_total",
            "counter",
            "Clients' events, by what the rules did with them.",
        );
        for (what, count) in &*self.events.lock() {
            let _ = writeln!(out, "socketio_gateway_events_total{{result=\"{what}\"}} {count}");
        }
        family(out, "socketio_gateway_dropped_total", "counter", "Hooks that were dropped, by reason.");
        for (why, count) in &*self.dropped.lock() {
            let _ = writeln!(out, "socketio_gateway_dropped_total{{reason=\"{why}\"}} {count}");
        }
    }
}

/// The head of a family of samples.
pub(crate) fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

//! The figures, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_load::Histogram;

use super::client::{Outcome, Place};
use crate::options::{Bench, Work};

/// How the clients connected.
#[derive(Debug, Default)]
pub(super) struct Connects {
    pub(super) asked: u64,
    /// How long each took, counted from when it was due.
    pub(super) times: Histogram,
    /// Until the last was there.
    pub(super) elapsed: Duration,
    pub(super) failures: BTreeMap<String, u64>,
    pub(super) upgrades_failed: u64,
}

impl Connects {
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn per_second(&self) -> f64 {
        per_second(self.times.count(), self.elapsed)
    }
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Report {
    options: Bench,
    connects: Connects,
    members: u64,
    /// Messages that were due, and those that were sent.
    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) elapsed: Duration,
    pub(super) latency: Histogram,
    pub(super) late: Histogram,
    /// What the processors did for this program while messages were due.
    pub(super) cpu: Duration,
    back: u64,
    out_of_order: u64,
    twice: u64,
    wrong: u64,
    ended: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn new(options: Bench, connects: Connects, members: u64) -> Report {
        Report {
            options,
            connects,
            members,
            due: 0,
            sent: 0,
            elapsed: Duration::ZERO,
            latency: Histogram::new(),
            late: Histogram::new(),
            cpu: Duration::ZERO,
            back: 0,
            out_of_order: 0,
            twice: 0,
            wrong: 0,
            ended: BTreeMap::new(),
        }
    }

    /// How many clients each message comes to.
    pub(super) fn receivers(&self) -> u64 {
        if self.options.work == Work::Broadcast { self.members } else { 1 }
    }

    /// Takes in what became of a client.
    pub(super) fn add(&mut self, outcome: Outcome) {
        let Outcome { place, arrivals, wrong, ended } = outcome;
        if let Some(Place { .. }) = place {
            self.back += arrivals.count();
            self.out_of_order += arrivals.out_of_order();
            self.twice += arrivals.twice();
            self.wrong += wrong;
        }
        if let Some(why) = ended {
            *self.ended.entry(why).or_default() += 1;
        }
    }

    fn lost(&self) -> u64 {
        (self.due * self.receivers()).saturating_sub(self.back)
    }

    /// Whether all clients came and stayed, and got what was theirs, once and in order.
    pub(super) fn is_well(&self) -> bool {
        self.due > 0
            && self.connects.failures.is_empty()
            && self.ended.is_empty()
            && [self.lost(), self.out_of_order, self.twice, self.wrong] == [0; 4]
    }

    /// What the processors did for this program, in processors.
    fn processors(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The answers that were due while it was measured, in a second.
    fn answers_per_second(&self) -> f64 {
        per_second(self.latency.count(), self.elapsed.saturating_sub(self.options.warm_up))
    }

    pub(super) fn text(&self) -> String {
        let Report { connects, due, sent, back, out_of_order, twice, wrong, .. } = self;
        let mut text = String::new();
        let _ = writeln!(
            text,
            "clients   {} of {} connected in {:.2} s, {:.0} a second; each took {}",
            connects.times.count(),
            connects.asked,
            connects.elapsed.as_secs_f64(),
            connects.per_second(),
            times(&connects.times),
        );
        for (why, count) in &connects.failures {
            let _ = writeln!(text, "          {count} could not connect: {why}");
        }
        if connects.upgrades_failed > 0 {
            let _ = writeln!(text, "          {} could not upgrade to WebSocket", connects.upgrades_failed);
        }
        for (why, count) in &self.ended {
            let _ = writeln!(text, "          {count} did not stay: {why}");
        }
        let _ = writeln!(
            text,
            "messages  {due} due in {:.2} s, {sent} sent, {back} back ({:.0} a second), {} lost, {out_of_order} out of \
             order, {twice} twice, {wrong} wrong",
            self.elapsed.as_secs_f64(),
            self.answers_per_second(),
            self.lost(),
        );
        let _ = writeln!(text, "latency   {}", times(&self.latency));
        let _ = writeln!(
            text,
            "bench     {:.2} processors; messages went out {} after they were due",
            self.processors(),
            times(&self.late),
        );
        text
    }

    pub(super) fn json(&self) -> Value {
        let Report { options, connects, .. } = self;
        let Bench { clients, rate, size, warm_up, time, ramp, .. } = options;
        let transports = match (options.session.transport, options.session.upgrade) {
            (engineio::Transport::Polling, true) => "polling,websocket",
            (transport, _) => transport.as_str(),
        };
        json!({
            "settings": {
                "url": options.target.url,
                "clients": clients,
                "rate": rate,
                "event": options.work.event(),
                "size": size,
                "transports": transports,
                "warm_up_seconds": warm_up.as_secs_f64(),
                "for_seconds": time.as_secs_f64(),
                "ramp_seconds": ramp.map(|ramp| ramp.as_secs_f64()),
            },
            "clients": {
                "connected": connects.times.count(),
                "seconds": connects.elapsed.as_secs_f64(),
                "per_second": connects.per_second(),
                "ms": in_ms(&connects.times),
                "failed": connects.failures,
                "upgrades_failed": connects.upgrades_failed,
                "ended": self.ended,
            },
            "messages": {
                "due": self.due,
                "sent": self.sent,
                "back": self.back,
                "per_second": self.answers_per_second(),
                "lost": self.lost(),
                "out_of_order": self.out_of_order,
                "twice": self.twice,
                "wrong": self.wrong,
            },
            "latency_ms": in_ms(&self.latency),
            "bench": { "processors": self.processors(), "late_ms": in_ms(&self.late) },
            "well": self.is_well(),
        })
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// The shares that are told, and their names.
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// So many microseconds, in milliseconds.
pub(super) fn ms(micros: f64) -> String {
    format!("{:.2} ms", micros / 1000.0)
}

fn times(histogram: &Histogram) -> String {
    let mut text = String::new();
    for (name, share) in SHARES {
        let _ = write!(text, "{name} {}, ", ms(histogram.percentile(share)));
    }
    text + &format!("max {}", ms(histogram.max().as_secs_f64() * 1e6))
}

fn in_ms(histogram: &Histogram) -> Value {
    let mut all: serde_json::Map<String, Value> = SHARES
        .iter()
        .map(|(name, share)| ((*name).to_owned(), (histogram.percentile(*share) / 1000.0).into()))
        .collect();
    all.insert("max".to_owned(), (histogram.max().as_secs_f64() * 1000.0).into());
    Value::Object(all)
}

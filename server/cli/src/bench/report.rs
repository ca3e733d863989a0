//! The figures, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_load::{Histogram, Schedule};

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
    /// When the last of the messages that count was back, since the first of all was due.
    pub(super) last_back: Duration,
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
            last_back: Duration::ZERO,
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

    /// Whether all clients came and stayed, and got what was theirs, once and in order, so that there is something to say
    /// of how long it took.
    pub(super) fn is_well(&self) -> bool {
        self.connects.failures.is_empty()
            && self.ended.is_empty()
            && self.latency.count() > 0
            && [self.lost(), self.out_of_order, self.twice, self.wrong] == [0; 4]
    }

    /// What the processors did for this program, in processors.
    fn processors(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The answers in a second, until the last was back: a server that falls behind is not as fast as it was asked.
    fn answers_per_second(&self) -> f64 {
        // All messages are measured until the next would be due, so that a few of them don't seem to be many.
        let all = Schedule::new(self.options.rate).due(self.due);
        per_second(self.latency.count(), self.last_back.max(all).saturating_sub(self.options.warm_up))
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
        let of = match (self.latency.count(), self.lost()) {
            (0, _) => ": no message came back that counts",
            (_, 0) => "",
            _ => " of those that came back",
        };
        let _ = writeln!(text, "latency   {}{of}", times(&self.latency));
        let late = match self.late.count() {
            0 => "no message went out that counts".to_owned(),
            _ => format!("messages went out {} after they were due", times(&self.late)),
        };
        let _ = writeln!(text, "bench     {:.2} processors; {late}", self.processors());
        text
    }

    pub(super) fn json(&self) -> Value {
        let Report { options, connects, .. } = self;
        let Bench { clients, rate, size, warm_up, time, ramp, .. } = options;
        // A query often holds a token, and figures are passed on.
        let url = options.target.url.split(['?', '#']).next();
        let transports = match (options.session.transport, options.session.upgrade) {
            (engineio::Transport::Polling, true) => "polling,websocket",
            (transport, _) => transport.as_str(),
        };
        json!({
            "settings": {
                "url": url,
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

/// `none` if there are none: a 0 would be a very good time.
fn times(histogram: &Histogram) -> String {
    if histogram.count() == 0 {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (name, share) in SHARES {
        let _ = write!(text, "{name} {}, ", ms(histogram.percentile(share)));
    }
    text + &format!("max {}", ms(histogram.max().as_secs_f64() * 1e6))
}

/// Each is null if there are none.
fn in_ms(histogram: &Histogram) -> Value {
    let value = |micros: f64| if histogram.count() == 0 { Value::Null } else { (micros / 1000.0).into() };
    let mut all: serde_json::Map<String, Value> = SHARES
        .iter()
        .map(|(name, share)| ((*name).to_owned(), value(histogram.percentile(*share))))
        .collect();
    all.insert("max".to_owned(), value(histogram.max().as_secs_f64() * 1e6));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use engineio::client::ClientConfig;
    use socketio::Parser;

    use super::*;
    use crate::dial::TargetOptions;

    /// Of one client, who was to be sent 10 messages a second for 2 s after 1 s.
    fn report() -> Report {
        let options = Bench {
            target: TargetOptions {
                url: "localhost/a?token=secret".to_owned(),
                path: "/socket.io/".to_owned(),
                headers: Vec::new(),
                ca: None,
                timeout: Duration::from_secs(1),
            },
            session: ClientConfig::default(),
            parser: Parser::Default,
            auth: None,
            clients: 1,
            rate: 10.0,
            work: Work::Echo,
            size: 0,
            warm_up: Duration::from_secs(1),
            time: Duration::from_secs(2),
            ramp: None,
            wait: Duration::from_secs(5),
            json: false,
        };
        Report {
            due: 30,
            sent: 30,
            elapsed: Duration::from_millis(2900),
            ..Report::new(options, Connects::default(), 1)
        }
    }

    #[test]
    fn answers_that_come_after_all_was_sent_are_counted_for_as_long_as_they_take() {
        let mut report = report();
        report.latency.record(Duration::from_millis(100), 20);
        for (last_back, per_second) in [(2901, 10.0), (3000, 10.0), (5000, 5.0)] {
            report.last_back = Duration::from_millis(last_back);
            assert!((report.answers_per_second() - per_second).abs() < 1e-9, "{last_back}");
        }
    }

    #[test]
    fn figures_are_passed_on_without_the_query() {
        assert_eq!(report().json()["settings"]["url"], "localhost/a");
    }

    #[test]
    fn times_of_nothing_are_none_and_times_of_some_say_so() {
        let mut report = report();
        let (text, json) = (report.text(), report.json());
        assert!(text.contains("\nlatency   none: no message came back that counts\n"), "{text}");
        assert!(text.contains(" processors; no message went out that counts\n"), "{text}");
        assert_eq!((&json["latency_ms"]["p50"], &json["latency_ms"]["max"]), (&Value::Null, &Value::Null));
        report.back = 30;
        assert_eq!(report.lost(), 0);
        assert!(!report.is_well(), "all were of the warm-up");
        report.latency.record(Duration::from_millis(1), 20);
        assert!(report.is_well());
        assert!(report.text().contains(", max 1.00 ms\n"), "{}", report.text());
        report.back = 29;
        assert!(report.text().contains(", max 1.00 ms of those that came back\n"), "{}", report.text());
    }
}

//! From a journal to what each client did, and what it heard by then.

use std::collections::{HashMap, HashSet};

use engineio::{PayloadFormat, Revision};
use socketio_explain::journal::{Direction, Entry, Raw, Record};

use super::compare::{Heard, text};

/// The formats of payloads, for a session that is none.
const NO_FORMAT: PayloadFormat = PayloadFormat { revision: engineio::Revision::V4, base64: false };

/// One session, or the requests that belong to none.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Its number in the journal.
    pub(super) session: Option<u64>,
    /// Its id in the journal.
    pub(super) sid: Option<String>,
    pub(super) format: PayloadFormat,
    pub(super) steps: Vec<Step>,
    pub(super) heard: Heard,
    /// The GETs that wait for their answers.
    waiting: HashMap<u64, Brought>,
}

/// Something that the client did.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// When, in milliseconds since the journal began.
    pub(super) time: f64,
    /// How many packets it had heard.
    pub(super) packets: usize,
    /// How many answers to probes.
    pub(super) probes: usize,
    /// How many answers to requests, aside from polls that brought heartbeats alone.
    pub(super) answers: usize,
    pub(super) act: Act,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Request(Request),
    /// The client went away while it waited for the answer to this request.
    Abort(u64),
    Frame {
        websocket: u64,
        opcode: Opcode,
        fin: bool,
        payload: Vec<u8>,
    },
}

/// A request, named by its record.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) record: u64,
    pub(super) method: String,
    pub(super) target: String,
    /// The names are in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether it was sent while another of its kind waited, which breaks the protocol. Nothing else is played so.
    pub(super) overlaps: bool,
    /// How many packets had been heard with its answer, if it is a poll that brought some.
    pub(super) heard: Option<usize>,
}

/// What a GET has brought so far.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    heartbeats: usize,
    noops: usize,
    packets: usize,
}

impl Request {
    pub(super) fn is_websocket(&self) -> bool {
        self.headers.iter().any(|(name, value)| name == "upgrade" && value.eq_ignore_ascii_case("websocket"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn named(name: &str) -> Option<Opcode> {
        Some(match name {
            "continuation" => Opcode::Continuation,
            "text" => Opcode::Text,
            "binary" => Opcode::Binary,
            "close" => Opcode::Close,
            "ping" => Opcode::Ping,
            "pong" => Opcode::Pong,
            _ => return None,
        })
    }
}

impl Script {
    /// When it begins.
    pub(super) fn begins(&self) -> Option<f64> {
        self.steps.first().map(|step| step.time)
    }

    /// The scripts of a journal's sessions, and one with the requests that belong to none.
    pub(super) fn of(records: &[Record]) -> Vec<Script> {
        // A request that opens a session has its record before there is one.
        let openers: HashMap<u64, u64> = records
            .iter()
            .filter(|record| matches!(record.entry, Entry::Opened { .. } | Entry::PlainOpened))
            .filter_map(|record| Some((record.from?, record.session?)))
            .collect();
        let session = |record: &Record| {
            let request =
                if matches!(record.entry, Entry::Request { .. }) { Some(record.n) } else { record.from };
            record.session.or_else(|| openers.get(&request?).copied())
        };
        // What plain WebSockets carry is no packets, and can't be compared as such.
        let plain: HashSet<u64> = records
            .iter()
            .filter(|record| record.entry == Entry::PlainOpened)
            .filter_map(|record| record.session)
            .collect();
        let mut scripts: Vec<Script> = Vec::new();
        for record in records {
            let session = session(record);
            if session.is_some_and(|session| plain.contains(&session)) {
                continue;
            }
            let at = scripts.iter().position(|script| script.session == session).unwrap_or_else(|| {
                scripts.push(Script {
                    session,
                    sid: None,
                    format: NO_FORMAT,
                    steps: Vec::new(),
                    heard: Heard::default(),
                    waiting: HashMap::new(),
                });
                scripts.len() - 1
            });
            scripts[at].add(record);
        }
        scripts
    }

    fn add(&mut self, record: &Record) {
        let raw = record.raw.as_ref().map(|Raw(bytes)| bytes.clone()).unwrap_or_default();
        match &record.entry {
            Entry::Opened { sid, revision, base64, .. } => {
                let revision = if *revision == 3 { Revision::V3 } else { Revision::V4 };
                self.sid = Some(sid.clone());
                self.format = PayloadFormat { revision, base64: *base64 };
            }
            Entry::Request { method, target, headers, .. } => {
                let (method, target) = (method.clone(), target.clone());
                // A journal may have the names as they were sent.
                let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
                let headers = headers.iter().map(lower).collect();
                let mut request = Request {
                    record: record.n,
                    method,
                    target,
                    headers,
                    body: Vec::new(),
                    overlaps: false,
                    heard: None,
                };
                if request.method == "GET" && !request.is_websocket() {
                    request.overlaps = !self.waiting.is_empty();
                    self.waiting.insert(record.n, Brought::default());
                }
                self.act(record.time, Act::Request(request));
            }
            Entry::Body => {
                if let Some(request) = record.from {
                    self.change(request, |request| request.body = raw);
                }
            }
            Entry::Aborted => {
                if let Some(request) = record.from {
                    self.waiting.remove(&request);
                    self.act(record.time, Act::Abort(request));
                }
            }
            Entry::Response { status, .. } => {
                if let Some(request) = record.from {
                    let brought = self.waiting.remove(&request).unwrap_or_default();
                    let idle = brought.heartbeats > 0 && brought.noops + brought.packets == 0;
                    if brought.packets > 0 {
                        let heard = self.heard.packets.len();
                        self.change(request, |request| request.heard = Some(heard));
                    }
                    self.heard.answered(request, *status, idle && *status == 200);
                }
            }
            Entry::Frame { opcode, fin, .. } if record.direction == Some(Direction::In) => {
                if let (Some(websocket), Some(opcode)) = (record.from, Opcode::named(opcode)) {
                    self.act(record.time, Act::Frame { websocket, opcode, fin: *fin, payload: raw });
                }
            }
            Entry::Packet { binary, .. } if record.direction == Some(Direction::Out) => {
                let text = text(*binary, &raw);
                if let Some(brought) = record.from.and_then(|get| self.waiting.get_mut(&get)) {
                    match &*text {
                        "2" | "3" => brought.heartbeats += 1,
                        "6" => brought.noops += 1,
                        _ => brought.packets += 1,
                    }
                }
                self.heard.add(text);
            }
            _ => {}
        }
    }

    fn act(&mut self, time: f64, act: Act) {
        let Heard { packets, probes, answers, .. } = &self.heard;
        self.steps.push(Step { time, packets: packets.len(), probes: *probes, answers: *answers, act });
    }

    /// Changes the request of this record.
    fn change(&mut self, record: u64, change: impl FnOnce(&mut Request)) {
        // It is one of the last.
        let requests = self.steps.iter_mut().rev().filter_map(|step| match &mut step.act {
            Act::Request(request) => Some(request),
            _ => None,
        });
        requests.into_iter().find(|request| request.record == record).map(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"journal":1,"by":"a test","began":0,"redacted":false}"#;

    fn get(n: u64) -> String {
        format!(
            r#"{{"n":{n},"time":{n},"session":1,"direction":"in","kind":"request","method":"GET","target":"/","headers":[],"secure":false}}"#
        )
    }

    fn packet(get: u64, raw: &str) -> String {
        format!(
            r#"{{"n":99,"time":1,"session":1,"direction":"out","carrier":"get","from":{get},"raw":"{raw}","kind":"packet","packet":"message","binary":false}}"#
        )
    }

    fn answered(get: u64) -> String {
        format!(r#"{{"n":99,"time":1,"session":1,"from":{get},"kind":"response","status":200,"headers":[]}}"#)
    }

    #[test]
    fn a_poll_is_told_by_what_it_brought() {
        let lines = [
            HEADER.to_owned(),
            get(1),
            packet(1, "2"),
            answered(1),
            get(2),
            packet(2, "2"),
            packet(2, "40{}"),
            answered(2),
            get(3),
            get(4),
            packet(3, "6"),
            answered(3),
            answered(4),
        ];
        let (_, records) = socketio_explain::journal::read(lines.join("\n").as_bytes()).expect("a journal");
        let [script] = &Script::of(&records)[..] else { panic!("one session") };
        assert_eq!(script.heard.idle.iter().copied().collect::<Vec<_>>(), [1], "heartbeats alone");
        let requests = script.steps.iter().map(|step| match &step.act {
            Act::Request(request) => (request.record, request.heard, request.overlaps),
            other => panic!("{other:?}"),
        });
        let expected = [(1, None, false), (2, Some(1), false), (3, None, false), (4, None, true)];
        assert_eq!(requests.collect::<Vec<_>>(), expected);
        assert_eq!(script.steps[2].answers, 1, "nobody waits for a heartbeat");
    }
}

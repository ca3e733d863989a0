//! From a journal to what each client did, and what it heard by then.

use std::collections::{HashMap, HashSet};

use engineio::{PayloadFormat, Revision};
use socketio_server::journal::{Direction, Entry, Raw, Record};

use super::NO_FORMAT;
use super::compare::{Heard, text};

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
    /// How many answers to requests.
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
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
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
                let (method, target, headers) = (method.clone(), target.clone(), headers.clone());
                let request = Request { record: record.n, method, target, headers, body: Vec::new() };
                self.act(record.time, Act::Request(request));
            }
            Entry::Body => self.body(record.from, raw),
            Entry::Aborted => {
                if let Some(request) = record.from {
                    self.act(record.time, Act::Abort(request));
                }
            }
            Entry::Response { status, .. } => {
                if let Some(request) = record.from {
                    self.heard.statuses.push((request, *status));
                }
            }
            Entry::Frame { opcode, fin } if record.direction == Some(Direction::In) => {
                if let (Some(websocket), Some(opcode)) = (record.from, Opcode::named(opcode)) {
                    self.act(record.time, Act::Frame { websocket, opcode, fin: *fin, payload: raw });
                }
            }
            Entry::Packet { binary, .. } if record.direction == Some(Direction::Out) => {
                self.heard.add(text(*binary, &raw));
            }
            _ => {}
        }
    }

    fn act(&mut self, time: f64, act: Act) {
        let Heard { packets, probes, statuses } = &self.heard;
        self.steps.push(Step { time, packets: packets.len(), probes: *probes, answers: statuses.len(), act });
    }

    /// Gives a request its body.
    fn body(&mut self, record: Option<u64>, body: Vec<u8>) {
        for step in &mut self.steps {
            if let Act::Request(request) = &mut step.act
                && Some(request.record) == record
            {
                request.body = body;
                return;
            }
        }
    }
}

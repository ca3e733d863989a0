//! The server as the scripts of clients' cases play it: [`LabPeer`].
//!
//! It answers nothing by itself but preflights, WebSocket pings and, in revision 3, heartbeats. A poll is parked until a script
//! sends something, a POST is answered `ok` unless the script holds POSTs, and what comes is kept until the script asks for it.
//! Each wait has an end.

mod agent;
mod door;
mod expect;
mod observation;
mod probe;
mod sending;
mod session;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use engineio::Revision;
use engineio::websocket::FrameEvent;
use serde_json::Value;
use socketio_explain::journal::{Carrier, Direction};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub(crate) use door::{Door, Entry, Spot};
pub use observation::AgentObservation;
pub use probe::Probe;

use crate::case::{CaseTransport, Needs};
use crate::packet::{Wire, decode_payload};
use crate::record::{RecordPlace, Recorder};
use crate::verdict::Unmet;
use crate::wire::connection::Arrival;
use crate::wire::request::{Request, WebSocketWriter};

/// The most packets of one case, and the most bytes in them. A script may never ask for what a client sends without end.
const MOST: usize = 100_000;

/// See there.
const MOST_BYTES: usize = 128 << 20;

/// What a script can say about itself.
pub type Result<T = ()> = std::result::Result<T, Unmet>;

/// The server's side of a case.
#[derive(Debug)]
pub struct LabPeer {
    /// The case.
    pub id: &'static str,
    /// The client's revision.
    pub revision: Revision,
    /// How the case has it connect: `Any` has been decided.
    pub transport: CaseTransport,
    /// What the agent can do.
    pub level: Needs,
    /// How long to wait for anything that must come.
    pub patience: Duration,
    /// Whether POSTs wait for the script: [`post`](LabPeer::post).
    pub hold_posts: bool,
    /// Whether the client was let into the main namespace of the session.
    pub joined: bool,
    /// Whether pings of revision 3 are answered.
    pub answers_pings: bool,
    /// What was seen so far that no script has to ask for.
    pub seen: Seen,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) door: Door,
    arrivals: mpsc::Receiver<Arrival>,
    observed: mpsc::Receiver<AgentObservation>,
    /// What fails the case less than its script would.
    pub(crate) remarks: Vec<Unmet>,
    session: Option<Session>,
    handshakes: VecDeque<Request>,
    upgrades: VecDeque<Request>,
    posts: VecDeque<Request>,
    packets: VecDeque<Wire>,
    /// How many packets have come, and the bytes in them.
    came: (usize, usize),
    observations: VecDeque<AgentObservation>,
    /// Frames of WebSockets that are not the session's.
    elsewhere: VecDeque<(u64, FrameEvent)>,
    /// Pings of revision 4 that have no answer yet.
    pings: usize,
    /// A ping came while no poll was parked.
    owes_pong: bool,
    /// Connections that the client has closed.
    closed: HashSet<u64>,
}

/// What the peer has seen a client do.
#[derive(Debug, Default)]
pub struct Seen {
    /// Handshakes.
    pub handshakes: usize,
    /// Polls that came while another was out.
    pub overlapping_polls: usize,
    /// POSTs that came while another was out.
    pub overlapping_posts: usize,
    /// Polls that the client left before their answer.
    pub aborted_polls: usize,
    /// Polls, all of them.
    pub polls: usize,
    /// POSTs, and the largest body.
    pub posts: usize,
    /// The largest body of a POST.
    pub largest_post: usize,
    /// Heartbeats: pings in revision 3, pongs in revision 4.
    pub heartbeats: Vec<Instant>,
    /// Pongs of revision 4 that no ping asked for.
    pub unasked_pongs: usize,
    /// Pongs of WebSocket, with their payloads.
    pub pongs: Vec<Vec<u8>>,
    /// A command that the agent has no way to carry out.
    pub unsupported: Option<String>,
    /// How the client ended the session.
    pub end: Option<String>,
    /// Broken rules: frames and bodies that can't be read.
    pub broken: Vec<String>,
}

/// The session that the client has.
#[derive(Debug)]
struct Session {
    sid: String,
    websocket: Option<WebSocketWriter>,
    parked: Option<Request>,
    /// Whether the client asked for base64 in polls.
    base64: bool,
    /// Whether the script has sent a close frame.
    closing: bool,
}

/// What a peer needs of the case that it plays.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) id: &'static str,
    pub(crate) revision: Revision,
    pub(crate) transport: CaseTransport,
    pub(crate) level: Needs,
    pub(crate) patience: Duration,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) door: Door,
}

impl LabPeer {
    pub(crate) fn new(
        setting: Setting,
        arrivals: mpsc::Receiver<Arrival>,
        observed: mpsc::Receiver<AgentObservation>,
    ) -> LabPeer {
        let Setting { id, revision, transport, level, patience, recorder, door } = setting;
        LabPeer {
            id,
            revision,
            transport,
            level,
            patience,
            hold_posts: false,
            joined: false,
            answers_pings: true,
            seen: Seen::default(),
            recorder,
            door,
            arrivals,
            observed,
            remarks: Vec::new(),
            session: None,
            handshakes: VecDeque::new(),
            upgrades: VecDeque::new(),
            posts: VecDeque::new(),
            packets: VecDeque::new(),
            came: (0, 0),
            observations: VecDeque::new(),
            elsewhere: VecDeque::new(),
            pings: 0,
            owes_pong: false,
            closed: HashSet::new(),
        }
    }

    /// Lets time pass. What comes meanwhile is kept.
    pub async fn pause(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.turn(until).await {}
    }

    /// Takes in the next thing that comes. Says whether something came in time.
    async fn turn(&mut self, until: Instant) -> bool {
        tokio::select! {
            biased;
            Some(arrival) = self.arrivals.recv() => self.take(arrival).await,
            Some(observation) = self.observed.recv() => self.observe(observation),
            () = sleep_until(until) => return false,
        }
        true
    }

    /// Waits until `ready` finds something.
    async fn wait<T>(
        &mut self,
        within: Duration,
        mut ready: impl FnMut(&mut LabPeer) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + within;
        loop {
            if let Some(found) = ready(self) {
                return Some(found);
            }
            if !self.turn(until).await {
                return None;
            }
        }
    }

    fn observe(&mut self, observation: AgentObservation) {
        let shown = Value::from(observation.args.clone()).to_string();
        self.recorder.note(self.sid(), &observation.saw, &shown);
        if observation.saw == "crash" {
            self.remarks
                .push(Unmet::fail("the client handles its own errors", format!("an exception: {shown}")));
        }
        if ["crash", "disconnect", "connect_error", "error"].contains(&&*observation.saw) {
            self.end(format!("the application was told `{}` {shown}", observation.saw));
        }
        if observation.saw == "unsupported" {
            self.seen.unsupported = Some(shown);
        }
        self.observations.push_back(observation);
    }

    /// The client has left. What is seen on the wire says more than what the application is told.
    fn end(&mut self, how: impl Into<String>) {
        if self.seen.end.as_ref().is_none_or(|end| end.contains("told")) {
            self.seen.end = Some(how.into());
        }
    }

    async fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Request(request) if request.head.method == "OPTIONS" => request.preflight().await,
            Arrival::Request(request) => self.request(request).await,
            Arrival::Frame(connection, event) => {
                let ours = self.session.as_ref().and_then(|session| session.websocket.as_ref());
                if ours.is_some_and(|websocket| websocket.connection == connection) {
                    self.frame(event).await;
                } else if self.has_room_for(parts(&event).1.len()) {
                    self.elsewhere.push_back((connection, event));
                }
            }
            Arrival::BadFrame(connection, violation) => {
                self.seen.broken.push(violation.to_string());
                self.recorder.note(self.sid(), violation.name(), &violation.to_string());
                self.left(connection, "a WebSocket frame that breaks a rule");
            }
            Arrival::BadRequest(what) => {
                self.recorder.note(self.sid(), "http", &what);
                self.seen.broken.push(what);
            }
            Arrival::Closed { connection, reset } => {
                self.left(
                    connection,
                    if reset { "it cut off the connection" } else { "it closed the connection" },
                );
            }
        }
    }

    /// A connection has gone.
    fn left(&mut self, connection: u64, how: &str) {
        self.closed.insert(connection);
        self.handshakes.retain(|request| request.connection != connection);
        let Some(session) = &mut self.session else { return };
        if session.websocket.as_ref().is_some_and(|websocket| websocket.connection == connection) {
            self.end(how);
        } else if session.parked.take_if(|poll| poll.connection == connection).is_some() {
            self.seen.aborted_polls += 1;
            self.end("it left a poll");
        }
    }

    async fn request(&mut self, request: Request) {
        let ours = request.sid().is_some_and(|sid| self.sid() == Some(&sid));
        match (&*request.head.method, request.head.is_websocket()) {
            _ if request.sid().is_none() => {
                self.seen.handshakes += 1;
                if self.seen.handshakes > 1 {
                    self.end("it opened another session");
                }
                self.handshakes.push_back(request);
            }
            _ if !ours => {
                let body = br#"{"code":1,"message":"Session ID unknown"}"#;
                request.answer(400, &[("Content-Type", "application/json")], body).await;
            }
            (_, true) => self.upgrades.push_back(request),
            ("POST", _) => self.posted(request).await,
            _ => {
                self.seen.polls += 1;
                let Some(session) = &mut self.session else { return };
                if let Some(earlier) = session.parked.replace(request) {
                    self.seen.overlapping_polls += 1;
                    let (body, _) = crate::packet::encode_payload(self.revision, true, &["6".into()]);
                    earlier.answer(200, &[("Content-Type", "text/plain; charset=UTF-8")], &body).await;
                }
                if std::mem::take(&mut self.owes_pong) {
                    self.pong().await;
                }
            }
        }
    }

    async fn posted(&mut self, request: Request) {
        self.seen.posts += 1;
        self.seen.largest_post = self.seen.largest_post.max(request.body.len());
        if !self.posts.is_empty() {
            self.seen.overlapping_posts += 1;
        }
        let from = request.record;
        let place =
            RecordPlace { sid: self.sid(), direction: Some(Direction::In), from, ..RecordPlace::default() };
        let body = self.recorder.add(place, Some(&request.body), socketio_explain::journal::Entry::Body);
        let binary =
            request.head.header("content-type").is_some_and(|kind| kind.contains("application/octet-stream"));
        let packets = decode_payload(self.revision, &request.body, binary).unwrap_or_else(|(some, wrong)| {
            self.seen
                .broken
                .push(format!("{wrong}: {}", crate::packet::shown(&String::from_utf8_lossy(&request.body))));
            some
        });
        for packet in packets {
            let carrier = Some(Carrier::Post);
            self.recorder.packet(
                RecordPlace { sid: self.sid(), direction: Some(Direction::In), carrier, from: body },
                &packet,
            );
            self.packet_came(packet).await;
        }
        if self.hold_posts {
            self.posts.push_back(request);
        } else {
            request.answer(200, &[("Content-Type", "text/html")], b"ok").await;
        }
    }

    async fn frame(&mut self, event: FrameEvent) {
        let from =
            self.session.as_ref().and_then(|session| session.websocket.as_ref()).map_or(0, |ws| ws.record);
        let (opcode, payload) = parts(&event);
        let (direction, carrier) = (Some(Direction::In), Some(Carrier::WebSocket));
        self.recorder.frame(RecordPlace { sid: self.sid(), direction, carrier, from }, opcode, true, payload);
        match event {
            FrameEvent::Text(text) => self.packet_came(Wire::Text(text.to_string())).await,
            FrameEvent::Binary(bytes) => {
                let skipped = usize::from(self.revision == Revision::V3 && bytes.first() == Some(&4));
                self.packet_came(Wire::Binary(bytes.slice(skipped..))).await;
            }
            FrameEvent::Ping(payload) => self.write_frame(crate::wire::frame::PONG, true, &payload).await,
            FrameEvent::Pong(payload) => self.seen.pongs.push(payload.to_vec()),
            FrameEvent::Close { code, payload } => {
                let with = code.map_or_else(String::new, |code| format!(" with {code}"));
                self.end(format!("it sent a close frame{with}"));
                if !self.session.as_ref().is_some_and(|session| session.closing) {
                    self.write_frame(crate::wire::frame::CLOSE, true, &payload).await;
                }
                // The server closes the connection first: RFC 6455, section 7.1.1.
                if let Some(websocket) = self.session.as_mut().and_then(|session| session.websocket.as_mut())
                {
                    websocket.shut().await;
                }
            }
        }
    }

    /// Answers a ping of revision 3. By polling, the next poll gets it if none is parked.
    async fn pong(&mut self) {
        if self.on_websocket() {
            return self.write_frame(crate::wire::frame::TEXT, true, b"3").await;
        }
        match self.session.as_mut().and_then(|session| session.parked.take()) {
            Some(poll) => self.answer_poll(poll, &["3".into()]).await,
            None => self.owes_pong = true,
        }
    }

    /// Whether this much more may be kept. Once it may not, the case has failed.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let had_room = self.came.0 <= MOST && self.came.1 <= MOST_BYTES;
        self.came = (self.came.0 + 1, self.came.1 + bytes);
        let has_room = self.came.0 <= MOST && self.came.1 <= MOST_BYTES;
        if had_room && !has_room {
            let expected = format!("the client sends at most {MOST} packets and {} MiB", MOST_BYTES >> 20);
            let (packets, bytes) = self.came;
            self.remarks.push(Unmet::fail(expected, format!("{packets} packets, {bytes} bytes")));
        }
        has_room
    }

    fn keep(&mut self, packet: Wire) {
        let bytes = match &packet {
            Wire::Text(text) => text.len(),
            Wire::Binary(bytes) => bytes.len(),
        };
        if self.has_room_for(bytes) {
            self.packets.push_back(packet);
        }
    }

    /// A packet of the session.
    async fn packet_came(&mut self, packet: Wire) {
        match (&packet, self.revision) {
            (Wire::Text(text), Revision::V4) if text.starts_with('3') => {
                self.seen.heartbeats.push(Instant::now());
                match self.pings.checked_sub(1) {
                    Some(left) => {
                        self.pings = left;
                        self.keep(packet);
                    }
                    // It disturbs no case but the one that looks for it.
                    None => self.seen.unasked_pongs += 1,
                }
            }
            (Wire::Text(text), Revision::V3) if text == "2" => {
                self.seen.heartbeats.push(Instant::now());
                if self.answers_pings {
                    self.pong().await;
                }
            }
            (Wire::Text(text), _) if text == "1" => self.end("it sent `1`"),
            _ => self.keep(packet),
        }
    }
}

/// A frame's opcode and payload.
fn parts(event: &FrameEvent) -> (u8, &[u8]) {
    match event {
        FrameEvent::Text(text) => (1, text.as_bytes()),
        FrameEvent::Binary(bytes) => (2, bytes),
        FrameEvent::Ping(bytes) => (9, bytes),
        FrameEvent::Pong(bytes) => (10, bytes),
        FrameEvent::Close { payload, .. } => (8, payload),
    }
}

//! A client that is right, or has one fault: small, without care for speed.

mod application;
mod ending;
mod msgpack;
mod opening;
mod packets;
mod polling;
mod websocket;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use engineio::Revision;
use serde_json::{Value, json};
use socketio_lab::packet::{SocketIoPacket as Packet, Wire};
use socketio_lab::peer::AgentObservation;
use socketio_lab::stream::Memory;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::faults::Fault;
use super::net::{self, Frame};

/// What happens to a client.
enum Event {
    /// A handshake by polling is answered.
    Opened(Option<net::Answer>),
    /// A WebSocket is open, or refused.
    WebSocket(Option<mpsc::UnboundedSender<Vec<u8>>>),
    Frame(Frame),
    Polled(Option<net::Answer>),
    Posted(Option<net::Answer>),
    Connect,
    Later(String, Vec<Value>),
    GaveUpOnConnect,
    AckTimeout(String, u64),
    Again(String, u64),
    Duplicate,
}

/// Where an upgrade is.
#[derive(PartialEq)]
enum Upgrade {
    No,
    /// The WebSocket's number.
    Opening(u64),
    Probing(u64),
    /// The poll and the POST have to end first.
    Pausing(u64),
}

struct Session {
    sid: String,
    /// The number of its WebSocket, and what writes to it.
    websocket: Option<u64>,
    polling: bool,
    posting: bool,
    out: VecDeque<Wire>,
    max_payload: usize,
    interval: Duration,
    timeout: Duration,
    /// When it has been silent for too long.
    deadline: Instant,
    next_ping: Option<Instant>,
    upgrade: Upgrade,
    /// A packet whose attachments are missing.
    partial: Option<(Packet, Vec<Bytes>)>,
}

#[derive(Default)]
struct Socket {
    connected: bool,
    active: bool,
    refused: bool,
    waiting: Vec<Wire>,
    asked: HashMap<u64, String>,
    next_id: u64,
    pid: Option<String>,
    offset: Option<String>,
}

pub(crate) struct Model {
    host: net::Host,
    options: Value,
    nsp: String,
    revision: Revision,
    fault: Option<Fault>,
    told: mpsc::Sender<AgentObservation>,
    sender: mpsc::UnboundedSender<(u64, Event)>,
    inbox: mpsc::UnboundedReceiver<(u64, Event)>,
    /// The number of the last session or WebSocket: what comes from others is stale.
    number: u64,
    current: u64,
    writers: HashMap<u64, mpsc::UnboundedSender<Vec<u8>>>,
    session: Option<Session>,
    sockets: BTreeMap<String, Socket>,
    attempts: u32,
    opening: bool,
    stopped: bool,
    asked_auth: u32,
    connects: u32,
    last_sid: Option<String>,
    /// A packet for MessagePack whose attachments are missing.
    packing: Option<(Packet, Vec<Bytes>)>,
    /// The session has just moved to a WebSocket.
    upgraded: bool,
}

fn text(packet: impl Into<String>) -> Wire {
    Wire::Text(packet.into())
}

impl Model {
    pub(crate) fn new(
        invitation: &Value,
        network: Option<Memory>,
        revision: Revision,
        fault: Option<Fault>,
        told: mpsc::Sender<AgentObservation>,
    ) -> Model {
        let (sender, inbox) = mpsc::unbounded_channel();
        Model {
            host: net::Host {
                name: invitation["url"].as_str().unwrap().trim_start_matches("http://").to_owned(),
                network,
            },
            options: invitation["options"].clone(),
            nsp: invitation["namespace"].as_str().unwrap().to_owned(),
            revision,
            fault,
            told,
            sender,
            inbox,
            number: 0,
            current: 0,
            writers: HashMap::new(),
            session: None,
            sockets: BTreeMap::new(),
            attempts: 0,
            opening: false,
            stopped: false,
            asked_auth: 0,
            connects: 0,
            last_sid: None,
            packing: None,
            upgraded: false,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    async fn tell(&self, saw: &str, args: Vec<Value>) {
        drop(self.told.send(AgentObservation { saw: saw.to_owned(), args }).await);
    }

    pub(crate) async fn run(mut self, first: Vec<Value>) {
        let nsp = self.nsp.clone();
        self.sockets.insert(nsp.clone(), Socket { active: true, ..Socket::default() });
        self.open();
        for command in first {
            self.act(&nsp, command.as_array().unwrap().clone()).await;
        }
        loop {
            let deadline = self.session.as_ref().map_or_else(
                || Instant::now() + Duration::from_secs(60),
                |session| session.next_ping.map_or(session.deadline, |ping| ping.min(session.deadline)),
            );
            tokio::select! {
                biased;
                Some((from, event)) = self.inbox.recv() => self.take(from, event).await,
                () = sleep_until(deadline) => self.tick().await,
            }
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        let Some(session) = &mut self.session else { return };
        if session.deadline <= now {
            return self.close("ping timeout").await;
        }
        if session.next_ping.is_some_and(|ping| ping <= now) {
            session.next_ping = Some(now + session.interval);
            self.send(text("2"));
        }
    }

    async fn take(&mut self, from: u64, event: Event) {
        match event {
            Event::Connect => {
                self.opening = false;
                self.open();
            }
            Event::Later(nsp, command) => Box::pin(self.act(&nsp, command)).await,
            Event::AckTimeout(nsp, id) => {
                let asked = self.sockets.get_mut(&nsp).and_then(|socket| socket.asked.remove(&id));
                if let Some(name) = asked {
                    self.tell("ack_timeout", vec![json!(name)]).await;
                }
            }
            Event::Again(nsp, id) => self.again(&nsp, id),
            Event::GaveUpOnConnect
                if self.sockets.values().any(|socket| socket.active && !socket.connected) =>
            {
                self.close("connect timeout").await;
            }
            Event::Duplicate => self.probe(),
            Event::Opened(answer) if from == self.current => self.opened(answer).await,
            Event::WebSocket(writer) => self.websocket_opened(from, writer).await,
            Event::Frame(frame) => self.frame(from, frame).await,
            Event::Polled(answer) if from == self.current => self.polled(answer).await,
            Event::Posted(answer) if from == self.current => self.posted(answer).await,
            _ => {}
        }
    }

    fn after(&self, time: Duration, event: Event) {
        let (sender, number) = (self.sender.clone(), self.current);
        tokio::spawn(async move {
            sleep(time).await;
            drop(sender.send((number, event)));
        });
    }
}

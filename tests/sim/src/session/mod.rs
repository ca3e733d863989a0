//! A client's Engine.IO session: it polls, posts, probes and upgrades as engine.io-client does, and does all of
//! it badly when told to.
//!
//! | file | of a session |
//! |---|---|
//! | `mod` | its opening, its state, and what each of its parts needs |
//! | `polling` | GETs and POSTs |
//! | `probe` | the upgrade, honest and otherwise |
//! | `websocket` | the WebSocket that is the transport |
//! | `harm` | what goes wrong |
//!
//! What it brings goes to `client`, which has Socket.IO.

mod harm;
mod polling;
mod probe;
mod websocket;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use engineio::{Frame as Encoded, Message, Packet, PayloadFormat, Revision, Transport};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::net::{Cable, End};
use crate::trace::step;
use crate::wire::{Connection, WebSocket};

pub(crate) use harm::Harm;
pub(crate) use probe::Probe;

/// Lays a cable to the server of this moment; an error while there is none.
pub(crate) type Dial = Rc<dyn Fn() -> io::Result<(End, Cable)>>;

/// What a session brings to the layer above.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Polling,
    /// `3probe` was heard: no further request begins.
    Pausing,
    Direct,
    Closed,
    /// Closed, and nobody has told the server.
    Silent,
}

/// A client's session. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Session(Rc<Shared>);

struct Shared {
    name: usize,
    format: PayloadFormat,
    dial: Dial,
    sid: RefCell<String>,
    state: Cell<State>,
    getting: Cell<bool>,
    posting: Cell<bool>,
    outbox: RefCell<VecDeque<Encoded>>,
    cables: RefCell<Vec<Cable>>,
    /// The cable of the GETs, and whether one of them is to be aborted.
    get_cable: RefCell<Option<Cable>>,
    aborts: Cell<bool>,
    changed: Notify,
    events: mpsc::UnboundedSender<Event>,
    chance: RefCell<Chance>,
    ping_interval: Duration,
    max_payload: usize,
}

/// How a session begins.
pub(crate) struct Opening {
    pub(crate) name: usize,
    pub(crate) revision: Revision,
    pub(crate) transport: Transport,
    pub(crate) upgrade: Option<(Duration, Probe)>,
    pub(crate) ping_interval: Duration,
    pub(crate) max_payload: usize,
}

impl Session {
    /// Opens a session; what it brings comes out of the receiver.
    pub(crate) async fn open(
        opening: Opening,
        dial: Dial,
        mut chance: Chance,
    ) -> io::Result<(Session, mpsc::UnboundedReceiver<Event>)> {
        let (events, receiver) = mpsc::unbounded_channel();
        let base64 = opening.revision == Revision::V3 && chance.one_in(2);
        let session = Session(Rc::new(Shared {
            name: opening.name,
            format: PayloadFormat { revision: opening.revision, base64 },
            dial,
            sid: RefCell::default(),
            state: Cell::new(State::Polling),
            getting: Cell::new(false),
            posting: Cell::new(false),
            outbox: RefCell::default(),
            cables: RefCell::default(),
            get_cable: RefCell::default(),
            aborts: Cell::new(false),
            changed: Notify::new(),
            events,
            chance: chance.into(),
            ping_interval: opening.ping_interval,
            max_payload: opening.max_payload,
        }));
        match opening.transport {
            Transport::Polling => {
                let mut connection = session.connect_get()?;
                connection.request("GET", &session.target("polling"), "", b"").await?;
                let answer = connection.response().await?;
                if answer.status != 200 {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                session.payload(answer.body, answer.binary);
                tokio::task::spawn_local(session.clone().guard(session.clone().poll(connection)));
                tokio::task::spawn_local(session.clone().guard(session.clone().post()));
                if let Some((after, probe)) = opening.upgrade {
                    tokio::task::spawn_local(session.clone().upgrade(after, probe));
                }
            }
            Transport::WebTransport => unreachable!("the plan has no such clients"),
            Transport::WebSocket => {
                let websocket =
                    WebSocket::open(session.connect()?, &session.target("websocket"), b"").await?;
                session.0.state.set(State::Direct);
                session.direct(websocket);
            }
        }
        if opening.revision == Revision::V3 {
            tokio::task::spawn_local(session.clone().beat());
        }
        Ok((session, receiver))
    }

    /// Queues messages, with nothing between them.
    pub(crate) fn send(&self, messages: impl IntoIterator<Item = Message>) {
        let packets = messages.into_iter().map(|message| Encoded::from(&Packet::Message(message)));
        self.0.outbox.borrow_mut().extend(packets);
        self.0.changed.notify_waiters();
    }

    pub(crate) fn sid(&self) -> String {
        self.0.sid.borrow().clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.0.state.get(), State::Closed | State::Silent)
    }

    /// Ends it without a word: cables end as they do when a program exits.
    pub(crate) fn abandon(&self) {
        self.set_state(State::Closed);
    }
}

/// # What all of it needs
impl Session {
    fn draw<R>(&self, draw: impl FnOnce(&mut Chance) -> R) -> R {
        draw(&mut self.0.chance.borrow_mut())
    }

    fn target(&self, transport: &str) -> String {
        let Shared { format, name, .. } = &*self.0;
        let mut target =
            format!("/socket.io/?EIO={}&transport={transport}&c={name}", format.revision.number());
        if format.base64 {
            target.push_str("&b64=1");
        }
        let sid = self.0.sid.borrow();
        if !sid.is_empty() {
            target.push_str("&sid=");
            target.push_str(&sid);
        }
        target
    }

    fn connect(&self) -> io::Result<Connection> {
        let (end, cable) = (self.0.dial)()?;
        self.0.cables.borrow_mut().push(cable);
        Ok(Connection::new(end))
    }

    fn connect_get(&self) -> io::Result<Connection> {
        let connection = self.connect()?;
        *self.0.get_cable.borrow_mut() = self.0.cables.borrow().last().cloned();
        Ok(connection)
    }

    fn set_state(&self, state: State) {
        if self.is_open() {
            self.0.state.set(state);
            if matches!(state, State::Closed | State::Silent) {
                step!("client {} is {state:?}", self.0.name);
                // The other end may have left.
                let _ = self.0.events.send(Event::Closed);
            }
            self.0.changed.notify_waiters();
        }
    }

    /// Waits until something holds.
    async fn until(&self, holds: impl Fn(&Shared) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if holds(&self.0) {
                return;
            }
            changed.await;
        }
    }

    async fn closed(&self) {
        self.until(|shared| matches!(shared.state.get(), State::Closed | State::Silent)).await;
    }

    /// Runs a part of a session until it is over. If that part fails, so does the session. Who falls silent
    /// keeps what the part holds, its cables above all.
    async fn guard(self, part: impl Future<Output = io::Result<()>>) {
        let mut part = std::pin::pin!(part);
        tokio::select! {
            biased;
            () = self.closed() => {
                if self.0.state.get() == State::Silent {
                    sleep(Duration::from_secs(10_000)).await;
                }
            }
            ended = &mut part => {
                if let Err(error) = ended {
                    step!("client {}: {error}", self.0.name);
                    self.set_state(State::Closed);
                }
            }
        }
    }

    fn packet(&self, packet: Packet) {
        step!("client {} receives {packet:?}", self.0.name);
        match packet {
            Packet::Open(json) => {
                let sid = json.split('"').nth(3).unwrap_or_default();
                *self.0.sid.borrow_mut() = sid.to_owned();
            }
            Packet::Close => self.set_state(State::Closed),
            Packet::Ping(payload) => {
                self.0.outbox.borrow_mut().push_front(Encoded::from(&Packet::Pong(payload)));
                self.0.changed.notify_waiters();
            }
            Packet::Message(message) => drop(self.0.events.send(Event::Message(message))),
            Packet::Pong(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    fn payload(&self, body: Bytes, binary: bool) {
        for packet in self.0.format.reader(body, binary, usize::MAX) {
            match packet {
                Ok(packet) => self.packet(packet),
                Err(violation) => {
                    step!("client {}: {violation}", self.0.name);
                    self.set_state(State::Closed);
                }
            }
        }
    }

    /// Revision 3: the client pings.
    async fn beat(self) {
        while self.is_open() {
            sleep(self.0.ping_interval).await;
            self.0.outbox.borrow_mut().push_front(Encoded::from(&Packet::Ping("".into())));
            self.0.changed.notify_waiters();
        }
    }
}

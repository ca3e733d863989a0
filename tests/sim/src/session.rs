//! A client's Engine.IO session: it polls, posts, probes and upgrades as engine.io-client does, and does all of
//! it badly when told to.

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
use crate::oracle::{count, oracle};
use crate::trace::step;
use crate::wire::{Connection, Frame, Response, WebSocket};

/// Lays a cable to the server of this moment; an error while there is none.
pub(crate) type Dial = Rc<dyn Fn() -> io::Result<(End, Cable)>>;

/// How a client goes about its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Honest,
    /// Opens a WebSocket and says nothing.
    Silent,
    /// Says `2probe` and nothing else.
    SilentLater,
    /// Says `5` without a probe, or without waiting for the answer to it.
    Hasty,
    /// Says something else than `5`.
    Confused,
    /// Cuts the cable after so many steps.
    Cut(u8),
}

/// Something bad that happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// All cables are cut.
    Cut,
    /// One of them is.
    CutOne,
    /// All cables stall for a while.
    Stall,
    /// The client says nothing any more, and keeps its cables.
    Silence,
    /// A GET is aborted, and the client asks again before it gives up.
    AbortedGet,
    /// A second GET while one is open.
    OverlappingGet,
    /// A second POST while one may be open.
    OverlappingPost,
    /// A POST that ends before its body does.
    HalfPost,
    /// Something that is no packet.
    Garbage,
    /// The client closes the session.
    Close,
}

impl Harm {
    pub(crate) const ALL: [Harm; 10] = [
        Harm::Cut,
        Harm::CutOne,
        Harm::Stall,
        Harm::Silence,
        Harm::AbortedGet,
        Harm::OverlappingGet,
        Harm::OverlappingPost,
        Harm::HalfPost,
        Harm::Garbage,
        Harm::Close,
    ];
}

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

    /// Does something bad. Whether it ends the session shows later.
    pub(crate) fn harm(&self, harm: Harm) {
        step!("client {} suffers {harm:?}", self.0.name);
        match harm {
            Harm::Cut => self.0.cables.borrow().iter().for_each(Cable::cut),
            Harm::CutOne => {
                let cables = self.0.cables.borrow();
                if !cables.is_empty() {
                    self.0.chance.borrow_mut().pick(&cables).cut();
                }
            }
            Harm::Stall => {
                let time = self.0.chance.borrow_mut().millis(500..6000);
                self.0.cables.borrow().iter().for_each(|cable| cable.stall(time));
            }
            Harm::AbortedGet => {
                // Of an answer that was on its way nobody can tell the server that it never came.
                oracle(|oracle| oracle.is_careless(self.0.name));
                self.0.aborts.set(true);
                self.0.get_cable.borrow().iter().for_each(Cable::cut);
            }
            Harm::Silence => self.set_state(State::Silent),
            Harm::Close => {
                self.0.outbox.borrow_mut().push_back(Encoded::from(&Packet::Close));
                self.0.changed.notify_waiters();
            }
            Harm::OverlappingGet | Harm::OverlappingPost | Harm::HalfPost | Harm::Garbage => {
                tokio::task::spawn_local(self.clone().misbehave(harm));
            }
        }
    }

    async fn misbehave(self, harm: Harm) -> io::Result<()> {
        let mut connection = self.connect()?;
        let target = self.target("polling");
        match harm {
            Harm::OverlappingGet => {
                oracle(|oracle| oracle.is_careless(self.0.name));
                connection.request("GET", &target, "", b"").await?;
                if connection.response().await?.status == 200 {
                    // It came first after all, and got what the other one would have.
                    self.set_state(State::Closed);
                }
                return Ok(());
            }
            Harm::HalfPost => {
                let head =
                    format!("POST {target} HTTP/1.1\r\nHost: sim\r\nContent-Length: 99\r\n\r\n42[\"up\"");
                connection.write(head.as_bytes()).await?;
                sleep(self.draw(|chance| chance.millis(1..200))).await;
                return Ok(());
            }
            // In revision 3 the payload is garbage as well.
            Harm::Garbage => connection.request("POST", &target, "", b"x").await?,
            _ => connection.request("POST", &target, "", b"6").await?,
        }
        connection.response().await.map(drop)
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
        for packet in self.0.format.decode(body, binary, usize::MAX) {
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

/// # Polling
impl Session {
    async fn poll(self, mut connection: Connection) -> io::Result<()> {
        loop {
            self.until(|shared| shared.state.get() != State::Pausing).await;
            if self.0.state.get() == State::Direct {
                return Ok(());
            }
            self.0.getting.set(true);
            let answer = match self.get(&mut connection).await {
                Err(_) if self.0.aborts.take() => {
                    self.0.getting.set(false);
                    self.0.changed.notify_waiters();
                    let answer = self.get(&mut self.connect_get()?).await?;
                    let had = if answer.status == 200 { "it had been answered" } else { "so it ended" };
                    return Err(io::Error::other(format!("a GET was aborted: {had}")));
                }
                answer => answer?,
            };
            self.0.getting.set(false);
            if answer.status != 200 {
                return Err(io::Error::other(format!("a poll was answered {}", answer.status)));
            }
            self.payload(answer.body, answer.binary);
            self.0.changed.notify_waiters();
            let pause =
                self.draw(|chance| if chance.one_in(4) { chance.millis(0..40) } else { Duration::ZERO });
            sleep(pause).await;
        }
    }

    async fn get(&self, connection: &mut Connection) -> io::Result<Response> {
        connection.request("GET", &self.target("polling"), "", b"").await?;
        connection.response().await
    }

    async fn post(self) -> io::Result<()> {
        let mut connection = None;
        loop {
            self.until(|shared| match shared.state.get() {
                State::Polling => !shared.outbox.borrow().is_empty(),
                state => state == State::Direct,
            })
            .await;
            if self.0.state.get() == State::Direct {
                return Ok(());
            }
            self.0.posting.set(true);
            let (payload, _) = self.0.format.encode(&mut self.0.outbox.borrow_mut(), self.0.max_payload);
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(self.connect()?),
            };
            let kind =
                if payload.is_binary() { "application/octet-stream" } else { "text/plain;charset=UTF-8" };
            let kind = format!("Content-Type: {kind}\r\n");
            step!("client {} posts {} bytes", self.0.name, payload.len());
            connection.request("POST", &self.target("polling"), &kind, &payload.to_bytes()).await?;
            let answer = connection.response().await?;
            step!("client {} has its POST answered {}", self.0.name, answer.status);
            self.0.posting.set(false);
            self.0.changed.notify_waiters();
            if answer.status != 200 || answer.body != "ok" {
                return Err(io::Error::other(format!("a POST was answered {}", answer.status)));
            }
        }
    }
}

/// Keeps what there is, and says nothing, for longer than anybody waits.
async fn silence<T>() -> io::Result<T> {
    sleep(Duration::from_secs(30)).await;
    Err(io::ErrorKind::TimedOut.into())
}

/// # WebSocket
impl Session {
    async fn upgrade(self, after: Duration, probe: Probe) {
        sleep(after).await;
        if self.0.state.get() != State::Polling {
            return;
        }
        step!("client {} probes: {probe:?}", self.0.name);
        let probing = self.clone().probe(probe);
        let upgraded = tokio::select! {
            biased;
            () = self.closed() => return,
            upgraded = probing => upgraded,
        };
        match upgraded {
            Ok(websocket) => {
                count("upgrades");
                self.set_state(State::Direct);
                self.direct(websocket);
            }
            Err(error) => {
                step!("client {} goes on polling: {error}", self.0.name);
                count("failed upgrades");
                if self.0.state.get() == State::Pausing {
                    self.set_state(State::Polling);
                }
            }
        }
    }

    /// The probe, up to and with `5`.
    async fn probe(self, probe: Probe) -> io::Result<WebSocket> {
        let cut = |step| {
            if probe == Probe::Cut(step) { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) }
        };
        let connection = self.connect()?;
        // `2probe` may come along with the handshake.
        let ping = WebSocket::frame(0x81, b"2probe");
        let early = probe == Probe::Honest && self.draw(|chance| chance.one_in(4));
        let websocket =
            WebSocket::open(connection, &self.target("websocket"), if early { &ping } else { b"" }).await?;
        cut(0)?;
        match probe {
            Probe::Silent => return silence().await,
            Probe::Hasty => return self.hasten(websocket).await,
            _ if !early => websocket.write(&ping).await?,
            _ => {}
        }
        cut(1)?;
        match websocket.next().await? {
            Frame::Text(text) if text == b"3probe" => {}
            _ => return Err(io::Error::other("no pong to the probe")),
        }
        cut(2)?;
        match probe {
            Probe::SilentLater => return silence().await,
            Probe::Confused => {
                websocket.write(&WebSocket::frame(0x81, b"42[\"up\",0]")).await?;
                return Err(websocket.next().await.err().unwrap_or_else(|| io::ErrorKind::Other.into()));
            }
            _ => {}
        }
        if self.0.state.get() != State::Polling {
            return Err(io::Error::other("another was faster"));
        }
        self.set_state(State::Pausing);
        self.until(|shared| !shared.getting.get() && !shared.posting.get()).await;
        cut(3)?;
        sleep(self.draw(|chance| if chance.one_in(2) { chance.millis(0..300) } else { Duration::ZERO }))
            .await;
        websocket.write(&WebSocket::frame(0x81, b"5")).await?;
        Ok(websocket)
    }

    /// Takes the WebSocket over at once. Its parked poll is let go by `5` alone, and what it brings comes first.
    async fn hasten(&self, websocket: WebSocket) -> io::Result<WebSocket> {
        if self.0.state.get() != State::Polling {
            return Err(io::Error::other("another was faster"));
        }
        self.set_state(State::Pausing);
        self.until(|shared| !shared.posting.get()).await;
        let mut together = WebSocket::frame(0x81, b"5");
        let probes = self.draw(|chance| chance.below(3)) as usize;
        for _ in 0..probes {
            together.splice(..0, WebSocket::frame(0x81, b"2probe"));
        }
        websocket.write(&together).await?;
        self.until(|shared| !shared.getting.get()).await;
        for _ in 0..probes {
            match websocket.next().await? {
                Frame::Text(text) if text == b"3probe" => {}
                _ => return Err(io::Error::other("no pong to the probe")),
            }
        }
        Ok(websocket)
    }

    /// Reads and writes a WebSocket that is the transport now.
    fn direct(&self, websocket: WebSocket) {
        let websocket = Rc::new(websocket);
        tokio::task::spawn_local(self.clone().guard(self.clone().read(websocket.clone())));
        tokio::task::spawn_local(self.clone().guard(self.clone().write(websocket)));
    }

    async fn read(self, websocket: Rc<WebSocket>) -> io::Result<()> {
        loop {
            let packet = match websocket.next().await? {
                Frame::Text(text) => {
                    let text = String::from_utf8(text).map_err(io::Error::other)?;
                    Packet::decode_text(&text.into(), self.0.format.revision)
                }
                Frame::Binary(bytes) => Packet::decode_binary(&bytes.into(), self.0.format.revision),
            };
            self.packet(packet.map_err(io::Error::other)?);
            // A slow reader holds the server's writes up.
            let pause =
                self.draw(|chance| if chance.one_in(16) { chance.millis(0..200) } else { Duration::ZERO });
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    async fn write(self, websocket: Rc<WebSocket>) -> io::Result<()> {
        loop {
            self.until(|shared| !shared.outbox.borrow().is_empty()).await;
            let packets: Vec<Encoded> = self.0.outbox.borrow_mut().drain(..).collect();
            let mut bytes = Vec::new();
            for packet in &packets {
                if self.draw(|chance| chance.one_in(16)) {
                    bytes.extend_from_slice(&WebSocket::frame(0x89, b"between"));
                }
                self.frames(packet, &mut bytes);
            }
            websocket.write(&bytes).await?;
            if packets.iter().any(|packet| packet.packet() == b"1" && !packet.is_binary()) {
                return Err(io::Error::other("closed"));
            }
        }
    }

    /// The frames of a packet: one, or several fragments with a ping among them.
    fn frames(&self, encoded: &Encoded, bytes: &mut Vec<u8>) {
        let v3_binary = encoded.is_binary() && self.0.format.revision == Revision::V3;
        let payload = [if v3_binary { &[4][..] } else { &[] }, encoded.packet()].concat();
        let first = if encoded.is_binary() { 2 } else { 1 };
        if payload.len() < 2 || !self.draw(|chance| chance.one_in(8)) {
            return bytes.extend(WebSocket::frame(0x80 | first, &payload));
        }
        let cut = self.draw(|chance| chance.within(1..payload.len()));
        bytes.extend(WebSocket::frame(first, &payload[..cut]));
        bytes.extend(WebSocket::frame(0x89, b"among"));
        bytes.extend(WebSocket::frame(0x80, &payload[cut..]));
    }
}

//! A client's own side against our server's side: two machines without IO, over wires that are slow by chance, and fail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use engineio::client::{ClientConfig, ClientEnding, ClientInput, ClientOutput, ClientSession, HttpAnswer};
use engineio::memory::Held;
use engineio::session::in_memory::{InMemory, InMemoryWebSocket, Slot};
use engineio::session::{Ending, Incoming, OpenGet, OpenProbe, Opening, Round, SessionHandle};
use engineio::{
    Attached, Engine, EngineConfig, Frame, HandshakeRequest, Headers, Message, Payload, PayloadFormat,
    Revision, Session, Sid, Transport, open_packet,
};
use socketio::{Args, Binary, Client, Connector, Io, IoConfig, Parser, ServerPacket, Socket};
use socketio_sim::Chance;
use tokio::time::Instant;

/// Events that the client sends.
const EVENTS: u64 = 40;

/// What a WebSocket takes before its client reads.
const ROOM: usize = 1_000_000;

/// What is on its way.
enum Parcel {
    /// To the server.
    Handshake(Transport),
    Get,
    Post(Bytes),
    OpenProbe,
    ToServer(Incoming),
    /// To the client.
    ToClient(ClientInput),
}

/// How a probe ends that is not to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Refused,
    /// The WebSocket opens, and brings nothing.
    Silent,
    /// It ends once it is open.
    Cut,
}

/// A run: both machines, and what is on its way between them.
struct Run {
    chance: Chance,
    io: Io,
    engine: Arc<Engine>,
    client: ClientSession,
    connector: Connector,
    revision: Revision,
    server: Option<Session<Client, InMemory>>,
    handle: Option<Arc<SessionHandle<InMemory>>>,
    wires: InMemory,
    get: Option<(OpenGet<InMemory>, Slot<Payload>)>,
    post: Option<Slot<()>>,
    probing: Option<OpenProbe<InMemory>>,
    /// In the order of their arrival: nothing overtakes on the way.
    parcels: VecDeque<(Instant, Parcel)>,
    fate: Fate,
    /// From now on nothing arrives.
    cut: bool,
    sent: u64,
    heard: u64,
    answered: u64,
    upgraded: bool,
    ended: Option<ClientEnding>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut chance = Chance::new(seed);
        let revision = *chance.pick(&[Revision::V3, Revision::V4]);
        let transport = *chance.pick(&[Transport::Polling, Transport::Polling, Transport::WebSocket]);
        let fate = *chance.pick(&[Fate::Succeeds, Fate::Succeeds, Fate::Refused, Fate::Silent, Fate::Cut]);
        let parser = if chance.one_in(4) { Parser::MsgPack } else { Parser::Default };
        let config = IoConfig { parser, ..IoConfig::default() };
        let mut engine = EngineConfig::default();
        engine.max_payload = if chance.one_in(2) { 200 } else { engine.max_payload };
        let mut out = Vec::new();
        let settings = ClientConfig { revision, transport, ..ClientConfig::default() };
        let client = ClientSession::new(settings, Instant::now().into_std(), &mut out);
        let mut run = Run {
            chance,
            connector: Connector::new(&config, revision),
            io: application(config),
            engine: Arc::new(Engine::new(engine)),
            client,
            revision,
            server: None,
            handle: None,
            wires: InMemory::default(),
            get: None,
            post: None,
            probing: None,
            parcels: VecDeque::new(),
            fate,
            cut: false,
            sent: 0,
            heard: 0,
            answered: 0,
            upgraded: false,
            ended: None,
        };
        run.carry_out(out);
        run
    }

    /// Sends something on its way.
    fn mail(&mut self, parcel: Parcel) {
        let delay = self.chance.millis(0..120);
        let last = self.parcels.back().map(|(at, _)| *at);
        let at = (Instant::now() + delay).max(last.unwrap_or_else(Instant::now));
        self.parcels.push_back((at, parcel));
    }

    fn carry_out(&mut self, outputs: Vec<ClientOutput>) {
        for output in outputs {
            match output {
                ClientOutput::Get if self.client.opened().is_none() => {
                    self.mail(Parcel::Handshake(Transport::Polling));
                }
                ClientOutput::Get => self.mail(Parcel::Get),
                ClientOutput::Post(body) => self.mail(Parcel::Post(body)),
                ClientOutput::OpenWebSocket if self.client.opened().is_none() => {
                    self.mail(Parcel::Handshake(Transport::WebSocket));
                }
                ClientOutput::OpenWebSocket => self.mail(Parcel::OpenProbe),
                ClientOutput::SendText(text) => {
                    self.mail(Parcel::ToServer(Incoming::Message(Message::Text(text))));
                }
                ClientOutput::SendBinary(bytes) => {
                    self.mail(Parcel::ToServer(Incoming::Message(Message::Binary(bytes))));
                }
                ClientOutput::CloseWebSocket => self.mail(Parcel::ToServer(Incoming::Ended(Ending::GONE))),
                ClientOutput::Opened(_) => {
                    let connect = self.connector.connect("/", None);
                    connect.into_iter().for_each(|frame| self.send(&[frame]));
                }
                ClientOutput::Message(message) => self.message(message),
                ClientOutput::Upgraded => self.upgraded = true,
                ClientOutput::UpgradeFailed => assert_ne!(self.fate, Fate::Succeeds, "an upgrade fails"),
                ClientOutput::Ended(ending) => {
                    assert!(self.ended.is_none(), "it ends twice");
                    self.ended = Some(ending);
                }
            }
        }
    }

    fn send(&mut self, frames: &[Frame]) {
        let mut out = Vec::new();
        self.client.send(frames, &mut out).expect("room");
        self.carry_out(out);
    }

    fn input(&mut self, input: ClientInput) {
        let mut out = Vec::new();
        self.client.handle(Instant::now().into_std(), input, &mut out);
        self.carry_out(out);
    }

    fn message(&mut self, message: Message) {
        let packet = self.connector.read(message, Instant::now().into_std()).expect("a packet that is right");
        match packet {
            None | Some(ServerPacket::Connected { .. }) => {}
            Some(ServerPacket::Event { event, .. }) if event.name() == "number" => {
                assert_eq!(event.args().read::<u64>().expect("a number"), self.heard, "in order");
                self.heard += 1;
            }
            Some(ServerPacket::Event { event, .. }) => {
                let bytes: Binary = event.args().read().expect("bytes");
                assert_eq!((&bytes[..], event.name()), (&self.heard.to_be_bytes()[..], "bytes"));
                self.heard += 1;
            }
            Some(ServerPacket::Ack { args, .. }) => {
                assert!(args.read::<u64>().expect("a number") < self.sent);
                self.answered += 1;
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    /// Sends the next event: with an answer, without, or with bytes.
    fn emit(&mut self) {
        let number = self.sent;
        self.sent += 1;
        let frames = match number % 3 {
            0 => self.connector.emit("/", "number", number).expect("joined"),
            1 => self.connector.emit_with_ack("/", "number", number).expect("joined").1,
            _ => {
                let bytes = Binary::from(number.to_be_bytes().to_vec());
                self.connector.emit("/", "bytes", bytes).expect("joined")
            }
        };
        self.send(&frames);
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Handshake(transport) => self.open(transport),
            Parcel::Get => {
                let answer = Slot::default();
                match self.handle.clone().and_then(|handle| handle.open_get(answer.clone()).ok()) {
                    Some(get) => self.get = Some((get, answer)),
                    None => self.refuse(ClientInput::GetAnswered),
                }
            }
            Parcel::Post(body) => match self.handle.clone().and_then(|handle| handle.open_post().ok()) {
                Some(post) => {
                    let accepted = Slot::default();
                    post.submit(body.clone(), false, Held::new(body.len()), accepted.clone());
                    self.post = Some(accepted);
                }
                None => self.refuse(ClientInput::PostAnswered),
            },
            Parcel::OpenProbe if self.fate == Fate::Refused => self.refuse(ClientInput::WebSocketRefused),
            Parcel::OpenProbe => {
                self.probing = self.handle.clone().and_then(|handle| handle.open_probe().ok());
                if let Some(probing) = self.probing.take() {
                    probing.opened(InMemoryWebSocket::new(ROOM), None);
                    self.mail(Parcel::ToClient(ClientInput::WebSocketOpened));
                    if self.fate == Fate::Cut {
                        self.mail(Parcel::ToServer(Incoming::Ended(Ending::GONE)));
                        self.mail(Parcel::ToClient(ClientInput::WebSocketClosed { code: None }));
                    }
                }
            }
            Parcel::ToServer(_) if self.fate == Fate::Silent && !self.upgraded && self.is_polling() => {}
            Parcel::ToServer(incoming) => {
                let Some(server) = &mut self.server else { return };
                let websocket =
                    if server.probe_mut().is_some() { server.probe_mut() } else { server.link_mut() };
                if let Some(websocket) = websocket {
                    websocket.incoming.push_back(incoming);
                }
            }
            Parcel::ToClient(input) => self.input(input),
        }
    }

    fn is_polling(&self) -> bool {
        self.client.transport() == Some(Transport::Polling)
    }

    fn refuse(&mut self, input: fn(HttpAnswer) -> ClientInput) {
        let body = r#"{"code":1,"message":"Session ID unknown"}"#.into();
        self.mail(Parcel::ToClient(input(HttpAnswer { status: 400, binary: false, body })));
    }

    fn open(&mut self, transport: Transport) {
        let format = PayloadFormat { revision: self.revision, base64: false };
        let (handle, mailbox) = SessionHandle::new(Sid::generate(), format, transport, None, &self.engine);
        let handshake = HandshakeRequest {
            time: SystemTime::UNIX_EPOCH,
            address: None,
            secure: false,
            url: "/socket.io/".into(),
            headers: Headers::default(),
            attached: Attached::default(),
        };
        let link = (transport == Transport::WebSocket).then(|| InMemoryWebSocket::new(ROOM));
        let polling = link.is_none();
        if !polling {
            self.mail(Parcel::ToClient(ClientInput::WebSocketOpened));
        }
        let sid = handle.sid;
        let opening = Opening { handle: handle.clone(), mailbox, link, handshake, exchange: 0 };
        self.handle = Some(handle);
        self.server = Some(Session::open(&self.io, opening, self.engine.clone(), Instant::now().into_std()));
        if polling {
            let open = Frame::from(&open_packet(&self.engine.config, &sid, transport, self.revision));
            let (payload, _) = format.encode(&mut VecDeque::from([open]), usize::MAX);
            self.mail(Parcel::ToClient(ClientInput::GetAnswered(answer(&payload))));
        }
    }

    /// Gives the server a turn, and takes what it has for the client.
    fn turn(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let mut cx = Context::from_waker(Waker::noop());
        server.begin_turn();
        let over = loop {
            match server.round(&mut cx, Instant::now().into_std(), &mut self.wires) {
                Round::Again => {}
                Round::Yield => server.begin_turn(),
                Round::Sleep => break false,
                Round::Over => break true,
            }
        };
        if let Some((mut get, slot)) = self.get.take() {
            match slot.take() {
                Some(payload) => {
                    get.written();
                    self.mail(Parcel::ToClient(ClientInput::GetAnswered(answer(&payload))));
                }
                None => self.get = Some((get, slot)),
            }
        }
        if self.post.as_ref().is_some_and(|accepted| accepted.take().is_some()) {
            self.post = None;
            let ok = HttpAnswer { status: 200, binary: false, body: "ok".into() };
            self.mail(Parcel::ToClient(ClientInput::PostAnswered(ok)));
        }
        let link = server.link_mut().map(|link| std::mem::take(&mut link.sent));
        let probe = server.probe_mut().map(|probe| std::mem::take(&mut probe.sent));
        for frame in link.into_iter().chain(probe).flatten() {
            let input = self.frame(&frame);
            self.mail(Parcel::ToClient(input));
        }
        for _ in std::mem::take(&mut self.wires.given_up) {
            self.mail(Parcel::ToClient(ClientInput::WebSocketClosed { code: None }));
        }
        if !over {
            self.server = Some(server);
            return;
        }
        if let Some(farewell) = server.farewell() {
            for frame in farewell.websocket.sent {
                let input = self.frame(&frame);
                self.mail(Parcel::ToClient(input));
            }
            self.mail(Parcel::ToClient(ClientInput::WebSocketClosed { code: farewell.code }));
        }
        if let Some(handle) = self.handle.take() {
            handle.shut();
        }
    }

    /// A frame as its client reads it.
    fn frame(&self, frame: &Frame) -> ClientInput {
        let packet = frame.packet();
        match (frame.is_binary(), self.revision) {
            (false, _) => ClientInput::Text(String::from_utf8_lossy(packet).as_ref().into()),
            (true, Revision::V4) => ClientInput::Binary(Bytes::copy_from_slice(packet)),
            (true, Revision::V3) => ClientInput::Binary([&[4], packet].concat().into()),
        }
    }

    /// Lets time go on to what happens next, at most until `until`.
    async fn step(&mut self, until: Instant) {
        tokio::task::yield_now().await;
        self.turn();
        let next = [
            self.parcels.front().map(|(at, _)| *at),
            self.client.deadline().map(Instant::from_std),
            self.server.as_ref().and(self.wires.alarm.take()).map(Instant::from_std),
        ];
        let next = next.into_iter().flatten().chain([until]).min().unwrap_or(until);
        tokio::time::sleep_until(next.max(Instant::now())).await;
        while self.parcels.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let Some((_, parcel)) = self.parcels.pop_front() else { break };
            if !self.cut {
                self.deliver(parcel);
            }
            self.turn();
        }
        if self.client.deadline().is_some_and(|deadline| deadline <= Instant::now().into_std()) {
            self.input(ClientInput::Timeout);
        }
    }

    async fn run_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(until).await;
        }
    }
}

fn answer(payload: &Payload) -> HttpAnswer {
    HttpAnswer { status: 200, binary: payload.is_binary(), body: payload.to_bytes() }
}

/// It sends back what it gets.
fn application(config: IoConfig) -> Io {
    let io = Io::with_config(config);
    io.of("/")
        .on_sync("number", |socket: Socket, number: u64| {
            let _ = socket.emit("number", number);
            number
        })
        .on_sync("bytes", |socket: Socket, args: Args| {
            let _ = socket.emit("bytes", &args);
        });
    io
}

fn in_virtual_time(seed: u64, run: impl AsyncFnOnce(Run)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async { run(Run::new(seed)).await });
}

/// Everything arrives once and in order, by whatever transport, and the session lives until the client ends it.
#[test]
fn the_clients_side_and_ours_understand_each_other() {
    let (mut upgrades, mut failed) = (0, 0);
    for seed in 0..300 {
        in_virtual_time(seed, async |mut run: Run| {
            run.run_for(Duration::from_secs(1)).await;
            assert!(run.connector.is_joined("/"), "seed {seed}: it is not connected: {:?}", run.ended);
            while run.sent < EVENTS {
                run.emit();
                let pause = run.chance.millis(0..400);
                run.run_for(pause).await;
            }
            // Several heartbeats.
            run.run_for(Duration::from_secs(100)).await;
            assert_eq!((run.heard, run.answered), (EVENTS, (EVENTS + 1) / 3), "seed {seed}");
            assert_eq!(run.ended, None, "seed {seed}");
            let polled = run.client.transport() == Some(Transport::Polling);
            (upgrades, failed) = (upgrades + u32::from(run.upgraded), failed + u32::from(polled));
            run.input(ClientInput::Close);
            run.run_for(Duration::from_secs(10)).await;
            assert_eq!(run.ended, Some(ClientEnding::ClosedHere), "seed {seed}");
            assert!(run.server.is_none(), "seed {seed}: the server was not told");
        });
    }
    assert!(upgrades > 50 && failed > 50, "{upgrades} upgrades, {failed} without");
}

/// When nothing arrives any more, both sides notice in the heartbeat's time.
#[test]
fn a_cut_wire_ends_the_clients_side_in_time() {
    for seed in 0..100 {
        in_virtual_time(seed, async |mut run: Run| {
            let calm = run.chance.millis(0..30_000);
            run.run_for(calm).await;
            run.cut = true;
            let heartbeat = run.engine.config.ping_interval + run.engine.config.ping_timeout;
            run.run_for(heartbeat + Duration::from_secs(1)).await;
            assert!(run.server.is_none(), "seed {seed}: the server's side lives on");
            let ending = run.ended;
            let gone = [ClientEnding::PingTimeout, ClientEnding::OpenTimeout].map(Some);
            assert!(gone.contains(&ending), "seed {seed}: {ending:?}");
        });
    }
}

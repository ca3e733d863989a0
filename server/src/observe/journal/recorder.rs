//! Turns observations into records: numbers, times, and which record contains which.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engineio::observe::{self, Observation, SocketPacket, What};
use engineio::{Headers, PayloadFormat, Query, Sid, Transport, Violation};
use socketio::RawPacketType;

use super::draft::Draft;
use super::{Carrier, Direction, Entry, Record, redact};

/// What is known about current sessions and requests.
pub(super) struct Recorder {
    began: Instant,
    redacts: bool,
    /// The number of the last record.
    n: u64,
    sessions_begun: u64,
    sessions: HashMap<Sid, Session>,
    exchanges: HashMap<u64, Exchange>,
}

/// A session, as records name it.
#[derive(Clone, Copy)]
struct Name {
    number: u64,
    began: Instant,
}

struct Session {
    name: Name,
    /// `None` for a plain WebSocket, which may carry anything.
    format: Option<PayloadFormat>,
    /// The records that later ones refer to: the current request of each kind, and the last frame and packet of each
    /// direction.
    get: u64,
    post: u64,
    link: u64,
    probe: u64,
    frames: [u64; 2],
    packets: [u64; 2],
    last_in: u64,
}

/// A request without an answer yet, or one for a transport without a session yet.
struct Exchange {
    record: u64,
    /// Its session. A poll's answer may be sent after the session has ended.
    session: Option<(Sid, Name)>,
    /// Whether it brings a transport.
    links: bool,
}

impl Recorder {
    pub(super) fn new(began: Instant, redacts: bool) -> Recorder {
        Recorder {
            began,
            redacts,
            n: 0,
            sessions_begun: 0,
            sessions: HashMap::new(),
            exchanges: HashMap::new(),
        }
    }

    /// The record of an observation, if it belongs in a journal.
    pub(super) fn record(&mut self, observation: &Observation<'_>) -> Option<Record> {
        if let What::Request(request) = &observation.what {
            self.request(request);
        }
        match observation.what {
            What::Opened { exchange, transport, revision, base64, .. } => {
                let format = PayloadFormat { revision, base64 };
                self.open(*observation.sid?, exchange, transport, Some(format));
            }
            What::PlainOpened { exchange, .. } => {
                self.open(*observation.sid?, exchange, Transport::WebSocket, None);
            }
            _ => {}
        }
        let exchange = number(&observation.what).and_then(|number| self.exchanges.get(&number));
        let asked = exchange.and_then(|exchange| exchange.session);
        let sid = observation.sid.copied().or(asked.map(|(sid, _)| sid));
        let present = sid.and_then(|sid| self.sessions.get(&sid)).map(|session| session.name);
        let name = asked.map(|(_, name)| name).or(present);
        let draft = self.draft(sid.as_ref(), &observation.what)?;
        self.n += 1;
        let record = self.finish(name, draft);
        self.remember(sid.as_ref(), observation, record.n);
        Some(record)
    }

    /// The number of the last record.
    pub(super) fn number(&self) -> u64 {
        self.n
    }

    /// The time as records have it.
    pub(super) fn time(&self) -> f64 {
        milliseconds(self.began.elapsed())
    }

    fn finish(&self, session: Option<Name>, draft: Draft) -> Record {
        let now = Instant::now();
        let since = |began: Instant| milliseconds(now.duration_since(began));
        let Draft { direction, carrier, from, raw, entry } = draft;
        Record {
            n: self.n,
            time: since(self.began),
            session: session.map(|session| session.number),
            at: session.map(|session| since(session.began)),
            direction,
            carrier,
            from: Some(from).filter(|from| *from > 0),
            raw,
            left_out: None,
            entry,
        }
    }

    /// Notes a request, whose record comes next.
    fn request(&mut self, request: &observe::RequestView<'_>) {
        let query = Query::new(request.target.split_once('?').map_or("", |(_, query)| query));
        let sid = query.get("sid").and_then(|sid| Sid::parse(&sid));
        let record = self.n + 1;
        let transport = query.get("transport").and_then(|name| Transport::parse(&name));
        let links = transport.is_some_and(|transport| transport != Transport::Polling);
        let mut about = None;
        if let Some((sid, session)) = sid.and_then(|sid| Some((sid, self.sessions.get_mut(&sid)?))) {
            about = Some((sid, session.name));
            match (request.method, links) {
                ("POST", _) => session.post = record,
                (_, true) => session.probe = record,
                (_, false) => session.get = record,
            }
        }
        self.exchanges.insert(request.exchange, Exchange { record, session: about, links });
    }

    fn open(&mut self, sid: Sid, exchange: u64, transport: Transport, format: Option<PayloadFormat>) {
        self.sessions_begun += 1;
        let name = Name { number: self.sessions_begun, began: Instant::now() };
        let mut record = 0;
        if let Some(exchange) = self.exchanges.get_mut(&exchange) {
            exchange.session = Some((sid, name));
            record = exchange.record;
        }
        let direct = transport != Transport::Polling;
        let session = Session {
            name,
            format,
            get: if direct { 0 } else { record },
            post: 0,
            link: if direct { record } else { 0 },
            probe: 0,
            frames: [0; 2],
            packets: [0; 2],
            last_in: 0,
        };
        if direct {
            // Its answer came before the session.
            self.exchanges.remove(&exchange);
        }
        self.sessions.insert(sid, session);
    }

    /// Remembers what later records need, and forgets what is over.
    fn remember(&mut self, sid: Option<&Sid>, observation: &Observation<'_>, n: u64) {
        if let Some(session) = sid.and_then(|sid| self.sessions.get_mut(sid)) {
            match observation.what {
                What::RequestBody { .. } => (session.post, session.last_in) = (n, n),
                What::Frame(frame) => {
                    session.frames[frame.direction as usize] = n;
                    if frame.direction == Direction::In {
                        session.last_in = n;
                    }
                }
                What::Packet { direction, .. } => {
                    session.packets[direction as usize] = n;
                    if direction == Direction::In {
                        session.last_in = n;
                    }
                }
                What::Upgraded { .. } => session.link = session.probe,
                _ => {}
            }
        }
        match observation.what {
            // A WebSocket's session begins after the answer.
            What::Response(response) if response.status == 101 => {}
            What::Response(observe::ResponseView { exchange, .. }) | What::Aborted { exchange } => {
                self.exchanges.remove(&exchange);
            }
            What::ProbeOpened | What::Ended { .. } | What::PlainEnded { .. } => {
                let of = |exchange: &Exchange| exchange.session.map(|(sid, _)| sid);
                self.exchanges.retain(|_, exchange| !exchange.links || of(exchange).as_ref() != sid);
                if let (What::Ended { .. } | What::PlainEnded { .. }, Some(sid)) = (observation.what, sid) {
                    self.sessions.remove(sid);
                }
            }
            _ => {}
        }
    }

    fn draft(&self, sid: Option<&Sid>, what: &What<'_>) -> Option<Draft> {
        let session = sid.and_then(|sid| self.sessions.get(sid));
        let exchange = |number: u64| self.exchanges.get(&number).map_or(0, |exchange| exchange.record);
        let of = |record: fn(&Session) -> u64| session.map_or(0, record);
        Some(match *what {
            What::Request(request) => Draft::of(Entry::Request {
                method: request.method.to_owned(),
                target: if self.redacts { redact::target(request.target) } else { request.target.to_owned() },
                headers: self.headers(request.headers),
                address: request.address.map(|address| address.to_string()),
                secure: request.secure,
            })
            .direction(Direction::In),
            What::RequestBody { exchange: number, body } => {
                let shown = match session {
                    Some(Session { format: Some(format), .. }) if self.redacts => redact::body(body, *format),
                    _ => Some(body.to_vec()),
                };
                Draft::of(Entry::Body).from(exchange(number)).direction(Direction::In).raw(shown)
            }
            What::Refused { exchange: number, refusal, reason } => Draft::of(Entry::Refused {
                code: refusal.error_code().number(),
                fault: refusal.name().to_owned(),
                reason: reason.map(str::to_owned),
            })
            .from(exchange(number)),
            What::Response(response) => Draft::of(Entry::Response {
                status: response.status,
                headers: self.headers(response.headers),
            })
            .from(exchange(response.exchange))
            .direction(Direction::Out)
            .raw(Some(response.body.to_vec())),
            What::Aborted { exchange: number } => Draft::of(Entry::Aborted).from(exchange(number)),
            What::Opened { transport, revision, base64, .. } => Draft::of(Entry::Opened {
                sid: sid?.to_string(),
                transport: transport.as_str().to_owned(),
                revision: revision.number(),
                base64,
            })
            .from(of(|session| session.get.max(session.link))),
            What::ProbeOpened => Draft::of(Entry::ProbeOpened).from(of(|session| session.probe)),
            What::ProbeDropped => Draft::of(Entry::ProbeDropped).from(of(|session| session.probe)),
            What::Upgraded { transport } => {
                Draft::of(Entry::Upgraded { transport: transport.as_str().to_owned() })
                    .from(of(|session| session.probe))
            }
            What::Closed { reason, .. } => Draft::of(Entry::Closed { reason: reason.as_str().to_owned() }),
            What::Ended { .. } => Draft::of(Entry::Ended),
            What::PlainOpened { .. } => Draft::of(Entry::PlainOpened).from(of(|session| session.link)),
            What::PlainEnded { code, reason } => {
                Draft::of(Entry::PlainEnded { code, reason: reason.to_owned() })
            }
            What::Frame(frame) => self.frame(session, &frame),
            What::Packet { direction, carrier, packet } => self.packet(session, direction, carrier, packet),
            What::SocketPacket { direction, packet } => self.socket_packet(session, direction, packet),
            What::Attachment { direction, bytes } => Draft::of(Entry::Attachment)
                .from(session.map_or(0, |session| session.packets[direction as usize]))
                .direction(direction)
                .raw(Some(bytes.to_vec())),
            What::Joined { nsp, socket } => {
                Draft::of(Entry::Joined { nsp: self.namespace(nsp), socket: socket.to_owned() })
            }
            What::RoomJoined { nsp, socket, room } => Draft::of(Entry::RoomJoined {
                nsp: self.namespace(nsp),
                socket: socket.to_owned(),
                room: room.to_owned(),
            }),
            What::RoomLeft { nsp, socket, room } => Draft::of(Entry::RoomLeft {
                nsp: self.namespace(nsp),
                socket: socket.to_owned(),
                room: room.to_owned(),
            }),
            What::Left { nsp, socket, reason } => Draft::of(Entry::Left {
                nsp: self.namespace(nsp),
                socket: socket.to_owned(),
                reason: reason.to_owned(),
            }),
            // A record after the session's end belongs to no session.
            What::Note { .. } if session.is_none() => return None,
            What::Note { nsp, socket, note } => Draft::of(Entry::Note {
                nsp: self.namespace(nsp),
                socket: socket.to_owned(),
                source: note.source.to_owned(),
                name: note.name.to_owned(),
                text: note.text.to_owned(),
                took: note.took.map(milliseconds),
            }),
            What::Violation { rule, section, error } => {
                // A rule about requests was broken by the last request.
                let violation = Violation::ALL.iter().copied().find(|violation| violation.name() == rule);
                let source = match violation.is_some_and(Violation::is_of_request) {
                    true => of(|session| session.get.max(session.post)),
                    false => of(|session| session.last_in),
                };
                Draft::of(Entry::Violation {
                    rule: rule.to_owned(),
                    section: section.to_owned(),
                    text: error.to_string(),
                })
                .from(source)
                .direction(Direction::In)
            }
            What::Limit(limit) => Draft::of(Entry::Limit { limit: limit.name().to_owned() }),
            _ => return None,
        })
    }

    fn frame(&self, session: Option<&Session>, frame: &observe::WebSocketFrame<'_>) -> Draft {
        let opcode = match frame.opcode {
            0 => "continuation".to_owned(),
            1 => "text".to_owned(),
            2 => "binary".to_owned(),
            8 => "close".to_owned(),
            9 => "ping".to_owned(),
            10 => "pong".to_owned(),
            other => other.to_string(),
        };
        let source = session.map_or(0, |session| match frame.carrier {
            Carrier::Probe => session.probe,
            _ => session.link,
        });
        let raw = match session {
            Some(Session { format: None, .. }) => Some(frame.payload.to_vec()),
            _ => self.shown(frame.direction, frame.opcode == 2, frame.payload),
        };
        Draft::of(Entry::Frame { opcode, fin: frame.fin, compressed: frame.compressed })
            .from(source)
            .direction(frame.direction)
            .carrier(frame.carrier)
            .raw(raw)
    }

    fn packet(
        &self,
        session: Option<&Session>,
        direction: Direction,
        carrier: Carrier,
        packet: observe::PacketView<'_>,
    ) -> Draft {
        let source = session.map_or(0, |session| match carrier {
            Carrier::Get => session.get,
            Carrier::Post => session.post,
            Carrier::WebSocket | Carrier::WebTransport | Carrier::Probe => session.frames[direction as usize],
        });
        let raw = if packet.binary {
            self.shown(direction, true, packet.payload)
        } else {
            self.shown(direction, false, &[&[packet.kind.digit()], packet.payload].concat())
        };
        Draft::of(Entry::Packet { packet: packet.kind.name().to_owned(), binary: packet.binary })
            .from(source)
            .direction(direction)
            .carrier(carrier)
            .raw(raw)
    }

    fn socket_packet(
        &self,
        session: Option<&Session>,
        direction: Direction,
        packet: SocketPacket<'_>,
    ) -> Draft {
        let name = match RawPacketType::from_number(packet.kind) {
            Some(RawPacketType::Connect) => "connect",
            Some(RawPacketType::Disconnect) => "disconnect",
            Some(RawPacketType::Event) => "event",
            Some(RawPacketType::Ack) => "ack",
            Some(RawPacketType::ConnectError) => "connect_error",
            None if packet.kind == 5 => "binary_event",
            None if packet.kind == 6 => "binary_ack",
            None => "unknown",
        };
        let hides = self.redacts && packet.kind == 0 && direction == Direction::In;
        let payload = if hides { redact::json(packet.payload) } else { packet.payload.to_owned() };
        Draft::of(Entry::SocketPacket {
            packet: name.to_owned(),
            nsp: self.namespace(packet.nsp),
            id: packet.id,
            attachments: packet.attachments,
            // The writing thread parses it, so that no session has to.
            payload: None,
        })
        .from(session.map_or(0, |session| session.packets[direction as usize]))
        .direction(direction)
        .raw(Some(payload.into_bytes()).filter(|payload| !payload.is_empty()))
    }

    /// A packet, or the frame around it, with secrets hidden.
    fn shown(&self, direction: Direction, binary: bool, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.redacts || direction == Direction::Out {
            return Some(bytes.to_vec());
        }
        if binary {
            return (!redact::is_packed_connect(bytes)).then(|| bytes.to_vec());
        }
        let redacted = std::str::from_utf8(bytes).ok().and_then(redact::text_packet);
        Some(redacted.map_or_else(|| bytes.to_vec(), String::into_bytes))
    }

    fn namespace(&self, nsp: &str) -> String {
        if self.redacts { redact::namespace(nsp) } else { nsp.to_owned() }
    }

    fn headers(&self, headers: &Headers) -> Vec<(String, String)> {
        let shown = |name: &str, value: &str| {
            if self.redacts { redact::field(name, value) } else { value.to_owned() }
        };
        headers.iter().map(|(name, value)| (name.to_owned(), shown(name, value))).collect()
    }
}

/// A time in milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The number of an observation's request.
fn number(what: &What<'_>) -> Option<u64> {
    match what {
        What::Request(request) => Some(request.exchange),
        What::Response(response) => Some(response.exchange),
        What::RequestBody { exchange, .. } | What::Refused { exchange, .. } | What::Aborted { exchange } => {
            Some(*exchange)
        }
        _ => None,
    }
}

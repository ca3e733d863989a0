//! What a journal has of a conversation, as arrows between the clients and the server.

use std::collections::HashMap;

use socketio_explain as explain;
use socketio_explain::journal::{Carrier, Direction, Entry, Raw, Record};

use super::stage::Story;

/// Something that one side sent to the other.
pub(super) struct Arrow {
    /// The record that it is made of.
    pub(super) record: u64,
    /// Which of the story's clients.
    pub(super) client: usize,
    pub(super) from_client: bool,
    pub(super) transport: Transport,
    /// The Engine.IO revision of the session; 4 where there is none.
    pub(super) revision: u8,
    /// What the transport itself says: the request's first line, the status.
    pub(super) head: String,
    /// The packets in it. What has none belongs to the transport alone.
    pub(super) packets: Vec<Packet>,
    /// All of it, as it is shown in a page.
    pub(super) text: String,
    /// What is explained of it, and what that came by.
    pub(super) bytes: Vec<u8>,
    pub(super) kind: explain::Kind,
    /// Of an answer: the arrow that it answers.
    pub(super) answers: Option<usize>,
    /// What the server makes of it, or had reason to send it.
    pub(super) notes: Vec<String>,
}

/// A transport of Engine.IO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Http,
    WebSocket,
}

pub(super) struct Packet {
    pub(super) text: String,
    /// The name of its type.
    pub(super) gloss: String,
}

/// Reads a story's arrows out of its journal.
pub(super) fn arrows(story: &Story) -> Vec<Arrow> {
    let mut reader =
        Reader { story, arrows: Vec::new(), by_record: HashMap::new(), sessions: HashMap::new() };
    story.records.iter().for_each(|record| reader.record(record));
    let mut arrows = reader.arrows.split_off(story.untold);
    for answered in arrows.iter_mut().filter_map(|arrow| arrow.answers.as_mut()) {
        *answered -= story.untold;
    }
    arrows
}

struct Reader<'a> {
    story: &'a Story,
    arrows: Vec<Arrow>,
    /// The arrow that a record belongs to.
    by_record: HashMap<u64, usize>,
    /// The revision of each session.
    sessions: HashMap<u64, u8>,
}

impl Reader<'_> {
    fn record(&mut self, record: &Record) {
        let from = record.from.and_then(|from| self.by_record.get(&from).copied());
        match &record.entry {
            Entry::Request { method, target, headers, .. } => {
                let transport = if target.contains("transport=websocket") {
                    Transport::WebSocket
                } else {
                    Transport::Http
                };
                let mut text = format!("{method} {target} HTTP/1.1\n");
                for (name, value) in headers {
                    let value = if name == "host" { "127.0.0.1:3000" } else { value };
                    text += &format!("{}: {value}\n", capitals(name));
                }
                let head = if method == "GET" { format!("GET {target}") } else { method.clone() };
                self.push(record, transport, head, text);
            }
            Entry::Body => {
                let Some(arrow) = from.and_then(|from| self.arrows.get_mut(from)) else { return };
                let raw = record.raw.clone().unwrap_or(Raw(Vec::new()));
                arrow.text += &format!("\n{}\n", shown(&raw));
                arrow.bytes = raw.0;
                self.by_record.insert(record.n, from.unwrap_or_default());
            }
            Entry::Opened { revision, .. } => {
                let session = record.session.unwrap_or_default();
                self.sessions.insert(session, *revision);
                let client = self.client(Some(session));
                // The answer to a WebSocket's request came before its session.
                for (index, arrow) in self.arrows.iter_mut().enumerate() {
                    if Some(index) == from || (arrow.answers.is_some() && arrow.answers == from) {
                        (arrow.client, arrow.revision) = (client, *revision);
                    }
                }
                self.note(from, "a session begins");
            }
            Entry::Response { status, headers } => {
                let transport = from.map_or(Transport::Http, |from| self.arrows[from].transport);
                let raw = record.raw.clone().unwrap_or(Raw(Vec::new()));
                let mut text = format!("HTTP/1.1 {status} {}\n", reason(*status));
                for (name, value) in headers {
                    text += &format!("{}: {value}\n", capitals(name));
                }
                if !raw.0.is_empty() {
                    text += &format!("\n{}\n", shown(&raw));
                }
                let packets = self.packets_of(record.from);
                let mut head = status.to_string();
                if *status == 101 {
                    head += " Switching Protocols";
                } else if packets.is_empty() && !raw.0.is_empty() {
                    head += &format!("  {}", shown(&raw));
                }
                let arrow = self.push(record, transport, head, text);
                if let Some(from) = from {
                    arrow.answers = Some(from);
                }
                arrow.bytes = raw.0;
                arrow.packets = packets;
                if let Some(from) = from {
                    let last = self.arrows.len() - 1;
                    self.arrows[last].client = self.arrows[from].client;
                    self.arrows[last].revision = self.arrows[from].revision;
                }
            }
            Entry::Frame { opcode, .. } => self.frame(record, opcode),
            Entry::Packet { .. } => {
                if let Some(from) = from {
                    self.by_record.insert(record.n, from);
                    let packet = self.packet(record);
                    // What an answer has is known only now, and the answer comes later.
                    if record.carrier != Some(Carrier::Get) {
                        self.arrows[from].packets.push(packet);
                    }
                }
            }
            Entry::ProbeOpened => self.note(from, "a second transport, to be probed"),
            Entry::ProbeDropped => self.note(from, "the WebSocket is given up"),
            Entry::Upgraded { .. } => self.note(None, "the session moves to the WebSocket"),
            Entry::Joined { nsp, .. } => self.note_of(record, format!("joins {nsp}")),
            Entry::Left { nsp, reason, .. } => {
                let ended = format!("the session ends: {reason}");
                if !self.arrows.iter().any(|arrow| arrow.notes.contains(&ended)) {
                    self.note_of(record, format!("leaves {nsp}: {reason}"));
                }
            }
            Entry::Closed { reason } => self.note_of(record, format!("the session ends: {reason}")),
            Entry::Violation { rule, .. } => self.note_of(record, format!("breaks {rule}")),
            Entry::Refused { fault, .. } => self.note(from, fault),
            _ => {}
        }
    }

    fn push(&mut self, record: &Record, transport: Transport, head: String, text: String) -> &mut Arrow {
        self.by_record.insert(record.n, self.arrows.len());
        let revision = record.session.and_then(|session| self.sessions.get(&session).copied());
        self.arrows.push(Arrow {
            record: record.n,
            client: self.client(record.session),
            from_client: record.direction == Some(Direction::In),
            transport,
            revision: revision.unwrap_or(4),
            head,
            packets: Vec::new(),
            text,
            bytes: Vec::new(),
            kind: explain::Kind::Payload,
            answers: None,
            notes: Vec::new(),
        });
        self.arrows.last_mut().expect("it was just put there")
    }

    fn frame(&mut self, record: &Record, opcode: &str) {
        // Who is gone gets no farewell.
        let client = self.client(record.session);
        let last = self.arrows.iter().rfind(|arrow| arrow.client == client);
        let gone = |note: &String| note.ends_with("transport close") || note.ends_with("transport error");
        if opcode == "close" && last.is_some_and(|last| !last.from_client && last.notes.iter().any(gone)) {
            return;
        }
        let raw = record.raw.clone().unwrap_or(Raw(Vec::new()));
        let (head, kind) = match opcode {
            "text" => (String::new(), explain::Kind::Text),
            "binary" => (String::new(), explain::Kind::Binary),
            "close" => {
                let code = raw.0.first_chunk().map(|code| u16::from_be_bytes(*code).to_string());
                (
                    format!("close frame {}", code.unwrap_or_else(|| "without a code".to_owned())),
                    explain::Kind::Frames,
                )
            }
            other => (format!("{other} frame"), explain::Kind::Frames),
        };
        let text = if head.is_empty() { shown(&raw) } else { head.clone() };
        let arrow = self.push(record, Transport::WebSocket, head, text);
        (arrow.bytes, arrow.kind) = (raw.0, kind);
    }

    fn client(&self, session: Option<u64>) -> usize {
        let name = session.and_then(|session| self.story.sessions.get(session as usize - 1));
        self.story.clients().iter().position(|client| Some(client) == name).unwrap_or_default()
    }

    /// The packets of the answer to a request.
    fn packets_of(&self, request: Option<u64>) -> Vec<Packet> {
        let of_answer = |record: &&Record| {
            matches!(record.entry, Entry::Packet { .. })
                && record.carrier == Some(Carrier::Get)
                && record.direction == Some(Direction::Out)
                && record.from == request
        };
        self.story.records.iter().filter(of_answer).map(|record| self.packet(record)).collect()
    }

    /// A packet with the name of its type: Socket.IO's where it has one.
    fn packet(&self, record: &Record) -> Packet {
        let Entry::Packet { packet, binary } = &record.entry else { unreachable!("a packet was asked for") };
        let within = self.story.records.iter().find(|other| other.from == Some(record.n));
        let gloss = match within.map(|within| &within.entry) {
            Some(Entry::SocketPacket { packet, .. }) => packet.to_uppercase(),
            Some(Entry::Attachment) => "attachment".to_owned(),
            _ => packet.clone(),
        };
        let raw = record.raw.clone().unwrap_or(Raw(Vec::new()));
        let mut text = if *binary { hex(&raw.0) } else { shown(&raw) };
        let revision = record.session.and_then(|session| self.sessions.get(&session));
        if !binary && revision == Some(&3) && matches!(record.carrier, Some(Carrier::Get | Carrier::Post)) {
            // Revision 3 writes the length in front, in units of UTF-16.
            text = format!("{}:{text}", text.encode_utf16().count());
        }
        Packet { text, gloss }
    }

    /// A note about an arrow, or about the last.
    fn note(&mut self, arrow: Option<usize>, text: &str) {
        let arrow = arrow.unwrap_or_else(|| self.arrows.len().saturating_sub(1));
        if let Some(arrow) = self.arrows.get_mut(arrow) {
            arrow.notes.push(text.to_owned());
        }
    }

    /// A note about the last arrow of its session.
    fn note_of(&mut self, record: &Record, text: String) {
        let client = self.client(record.session);
        if let Some(arrow) = self.arrows.iter_mut().rev().find(|arrow| arrow.client == client) {
            arrow.notes.push(text);
        }
    }
}

/// Bytes as a page shows them. The record separator has a sign of its own, since it can't be seen.
fn shown(raw: &Raw) -> String {
    match std::str::from_utf8(&raw.0) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\u{1e}') => text.replace('\u{1e}', "␞"),
        _ => hex(&raw.0),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A header field's name as people write it.
fn capitals(name: &str) -> String {
    let words = name.split('-').map(|word| match word.split_at_checked(1) {
        _ if word == "websocket" => "WebSocket".to_owned(),
        Some((first, rest)) => first.to_uppercase() + rest,
        None => String::new(),
    });
    words.collect::<Vec<_>>().join("-")
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

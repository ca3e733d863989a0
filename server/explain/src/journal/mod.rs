//! The format of a journal: everything that clients and the server send to each other, one JSON object on each line.
//!
//! `docs/journal.md` describes it. A journal begins with a [`Header`], and each further line is a [`Record`].
//!
//! ```
//! use socketio_explain::journal::{Direction, Entry, Header, Raw, Record, VERSION, read};
//!
//! let header = Header { journal: VERSION, by: "my lab".into(), began: 1_767_225_600_000, redacted: false };
//! let body = Record {
//!     n: 1,
//!     session: Some(1),
//!     direction: Some(Direction::In),
//!     raw: Some(Raw(b"40".to_vec())),
//!     ..Record::of(Entry::Body)
//! };
//! let journal = format!("{}\n{}\n", header.line()?, body.line()?);
//! assert_eq!(read(journal.as_bytes())?, (header, vec![body]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod names;
mod reading;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use engineio::observe::{Carrier, Direction};
pub use reading::{ReadError, Run, read, runs};

/// The version of the format. Journals of another version can't be read.
pub const VERSION: u32 = 1;

/// The first line of each run of a server. A journal has one run or more, and each has its own numbers and times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub journal: u32,
    /// What wrote it, such as `socketio-server 0.1.0`.
    pub by: String,
    /// When the run began, in milliseconds since 1970.
    pub began: u64,
    /// Whether auth, cookies and the like are hidden.
    pub redacted: bool,
}

/// Any further line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1. If numbers are missing, records were lost.
    pub n: u64,
    /// Milliseconds since the run began.
    pub time: f64,
    /// The session's number, from 1. It is not the session's id, which an application may use again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Milliseconds since that session began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// Who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "names::direction")]
    pub direction: Option<Direction>,
    /// What carries it: `get`, `post`, `websocket`, `webtransport`, or `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "names::carrier")]
    pub carrier: Option<Carrier>,
    /// The number of the record that this one comes from, or belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The bytes on the wire: a body, a frame's payload, a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// How many bytes are missing at the end of `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
    /// What it is.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Bytes. As JSON, a string if they are UTF-8, and otherwise `{"base64":"…"}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// The head of a request.
    Request {
        /// The method.
        method: String,
        /// Path and query.
        target: String,
        /// The header fields, in the order sent.
        headers: Vec<(String, String)>,
        /// The peer's address, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Whether it came over TLS.
        secure: bool,
    },
    /// The body of a POST; `from` is its request.
    Body,
    /// A request was refused; `from` is it.
    Refused {
        /// The code that the client is told.
        code: u8,
        /// What was wrong, as a name.
        fault: String,
        /// The application's reason, if it refused the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The answer to a request; `from` is it, `raw` the body.
    Response {
        /// The HTTP status.
        status: u16,
        /// The header fields.
        headers: Vec<(String, String)>,
    },
    /// The client went away before the answer; `from` is its request.
    Aborted,
    /// A session began; `from` is the request that opened it.
    Opened {
        /// Its id.
        sid: String,
        /// `polling` or `websocket`.
        transport: String,
        /// 3 or 4.
        revision: u8,
        /// Whether its polls only contain text.
        base64: bool,
    },
    /// A WebSocket opened, to be probed. The session still polls.
    ProbeOpened,
    /// The probe failed, and its WebSocket was closed.
    ProbeDropped,
    /// The session upgraded to that transport.
    Upgraded {
        /// Which one: `websocket`, unless there is more to say.
        #[serde(default = "websocket", skip_serializing_if = "is_websocket")]
        transport: String,
    },
    /// The session ended.
    Closed {
        /// Why.
        reason: String,
    },
    /// The server has freed the session.
    Ended,
    /// A plain WebSocket opened; `from` is its request. It has only frames.
    PlainOpened,
    /// A plain WebSocket ended.
    PlainEnded {
        /// The close frame's code: 1005 if it had none, 1006 if there was no close frame.
        code: u16,
        /// The reason in it.
        reason: String,
    },
    /// A frame of a WebSocket; `raw` is its payload, `from` the request that opened the WebSocket.
    Frame {
        /// `text`, `binary`, `continuation`, `close`, `ping`, `pong`, or the opcode's number.
        opcode: String,
        /// Whether it is the last of its message.
        fin: bool,
        /// The payload's length on the wire, if it was compressed; `raw` is inflated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compressed: Option<usize>,
    },
    /// An Engine.IO packet; `from` is the request, or the frame.
    Packet {
        /// `open`, `close`, `ping`, `pong`, `message`, `upgrade`, `noop`.
        packet: String,
        /// Whether it is a binary message.
        binary: bool,
    },
    /// A Socket.IO packet; `from` is the Engine.IO packet, `raw` the payload.
    SocketPacket {
        /// `connect`, `disconnect`, `event`, `ack`, `connect_error`, `binary_event`, `binary_ack`.
        packet: String,
        /// The namespace.
        nsp: String,
        /// The acknowledgement's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// How many attachments it has.
        attachments: usize,
        /// The payload as JSON, if it is JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Value>,
    },
    /// An attachment of the Socket.IO packet before; `from` is the Engine.IO packet.
    Attachment,
    /// A socket joined a namespace.
    Joined {
        /// The namespace.
        nsp: String,
        /// The socket's id.
        socket: String,
    },
    /// A socket joined a room.
    RoomJoined {
        /// The namespace.
        nsp: String,
        /// The socket's id.
        socket: String,
        /// The room.
        room: String,
    },
    /// A socket left a room. A socket that leaves its namespace leaves all its rooms, without further records.
    RoomLeft {
        /// The namespace.
        nsp: String,
        /// The socket's id.
        socket: String,
        /// The room.
        room: String,
    },
    /// A socket left its namespace.
    Left {
        /// The namespace.
        nsp: String,
        /// The socket's id.
        socket: String,
        /// Why.
        reason: String,
    },
    /// What the application did for a socket elsewhere.
    Note {
        /// The namespace.
        nsp: String,
        /// The socket's id.
        socket: String,
        /// What kind of thing: `hook` and `api` are the gateway's.
        source: String,
        /// Which of them.
        name: String,
        /// How it went.
        text: String,
        /// How long it took, up to the record's time, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took: Option<f64>,
    },
    /// A client broke a rule; `from` is the record in which it did.
    Violation {
        /// The rule's name.
        rule: String,
        /// Where to read about the rule.
        #[serde(default)]
        section: String,
        /// What was wrong.
        text: String,
    },
    /// A limit was reached.
    Limit {
        /// Its name.
        limit: String,
    },
    /// Records were lost, because they could not be written fast enough. This record has the number of the last
    /// one.
    Lost {
        /// How many.
        records: u64,
    },
    /// The journal has reached its size limit. This is its last record.
    Full,
}

impl Header {
    /// The line that begins a run, without a line break.
    ///
    /// # Errors
    /// Never, with the types of this module.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl Record {
    /// The record's line, without a line break.
    ///
    /// # Errors
    /// Never, with the types of this module.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// A record that has no number and belongs to no session.
    #[must_use]
    pub fn of(entry: Entry) -> Record {
        Record {
            n: 0,
            time: 0.0,
            session: None,
            at: None,
            direction: None,
            carrier: None,
            from: None,
            raw: None,
            left_out: None,
            entry,
        }
    }

    /// The record that replaces this many lost ones. `n` is the number of the last.
    #[must_use]
    pub fn lost(n: u64, time: f64, records: u64) -> Record {
        Record { n, time, ..Record::of(Entry::Lost { records }) }
    }
}

/// What a session upgrades to in journals that don't say so.
fn websocket() -> String {
    "websocket".to_owned()
}

fn is_websocket(transport: &str) -> bool {
    transport == "websocket"
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw(\"{}\")", self.0.escape_ascii())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawForm {
    Text(String),
    Bytes { base64: String },
}

pub(crate) fn raw<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => RawForm::Bytes { base64: STANDARD.encode(bytes) }.serialize(serializer),
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        raw(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        match RawForm::deserialize(deserializer)? {
            RawForm::Text(text) => Ok(Raw(text.into_bytes())),
            RawForm::Bytes { base64 } => STANDARD.decode(base64).map(Raw).map_err(serde::de::Error::custom),
        }
    }
}

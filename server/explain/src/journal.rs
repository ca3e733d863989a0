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

use std::fmt;
use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engineio::observe;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// What carries it: `get`, `post`, `websocket`, or `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// The number of the record that this one comes from, or belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The bytes on the wire: a body, a frame's payload, a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// What it is.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The client.
    In,
    /// The server.
    Out,
}

/// What carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The answer to a GET.
    Get,
    /// The body of a POST.
    Post,
    /// The session's WebSocket.
    WebSocket,
    /// A WebSocket that is being probed.
    Probe,
}

impl From<observe::Direction> for Direction {
    fn from(direction: observe::Direction) -> Direction {
        match direction {
            observe::Direction::In => Direction::In,
            observe::Direction::Out => Direction::Out,
        }
    }
}

impl From<observe::Carrier> for Carrier {
    fn from(carrier: observe::Carrier) -> Carrier {
        match carrier {
            observe::Carrier::Get => Carrier::Get,
            observe::Carrier::Post => Carrier::Post,
            observe::Carrier::WebSocket => Carrier::WebSocket,
            observe::Carrier::Probe => Carrier::Probe,
        }
    }
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
    /// The session upgraded to that WebSocket.
    Upgraded,
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
            entry,
        }
    }
    /// The record that replaces this many lost ones. `n` is the number of the last.
    #[must_use]
    pub fn lost(n: u64, time: f64, records: u64) -> Record {
        Record { n, time, ..Record::of(Entry::Lost { records }) }
    }
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

/// Why a journal could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be read.
    Io(io::Error),
    /// This line is not a record.
    Line(usize, serde_json::Error),
    /// It has another version of the format.
    Version(u32),
    /// It is empty.
    Empty,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Line(line, error) => write!(f, "line {line} is not a journal record: {error}"),
            ReadError::Version(version) => {
                write!(
                    f,
                    "the journal has version {version} of the format; only version {VERSION} can be read"
                )
            }
            ReadError::Empty => f.write_str("the journal is empty"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => error.source(),
            ReadError::Line(_, error) => Some(error),
            ReadError::Version(_) | ReadError::Empty => None,
        }
    }
}

/// What a journal has of one run of a server, from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its first line.
    pub header: Header,
    /// All others.
    pub records: Vec<Record>,
}

/// Reads the last run of a journal.
///
/// # Errors
/// As [`runs`].
pub fn read(from: impl BufRead) -> Result<(Header, Vec<Record>), ReadError> {
    let last = runs(from)?.pop().ok_or(ReadError::Empty)?;
    Ok((last.header, last.records))
}

/// Reads all runs of a journal, at least one.
///
/// # Errors
/// If it is not a journal, or has another version. If the last line of a run is incomplete, it is left out.
pub fn runs(mut from: impl BufRead) -> Result<Vec<Run>, ReadError> {
    let mut text = String::new();
    from.read_to_string(&mut text).map_err(ReadError::Io)?;
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    let (_, first) = lines.next().ok_or(ReadError::Empty)?;
    let mut runs = vec![Run::begun(1, first)?];
    while let Some((at, line)) = lines.next() {
        let ends = lines.peek().map_or(!line.ends_with('\n'), |(_, next)| is_header(next));
        if is_header(line) {
            runs.push(Run::begun(at + 1, line)?);
        } else if let Some(run) = runs.last_mut() {
            match serde_json::from_str(line) {
                Ok(record) => run.records.push(record),
                // The server was killed while it wrote this line.
                Err(_) if ends => {}
                Err(error) => return Err(ReadError::Line(at + 1, error)),
            }
        }
    }
    Ok(runs)
}

/// Whether a line begins a run. Records begin differently.
fn is_header(line: &str) -> bool {
    line.starts_with("{\"journal\":")
}

impl Run {
    fn begun(at: usize, line: &str) -> Result<Run, ReadError> {
        let header: Header = serde_json::from_str(line).map_err(|error| ReadError::Line(at, error))?;
        match header.journal {
            VERSION => Ok(Run { header, records: Vec::new() }),
            other => Err(ReadError::Version(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(began: u64) -> String {
        format!("{{\"journal\":1,\"by\":\"a test\",\"began\":{began},\"redacted\":true}}\n")
    }

    const FIRST: &str = "{\"n\":1,\"time\":1,\"session\":1,\"kind\":\"upgraded\"}\n";

    #[test]
    fn each_run_has_a_first_line_and_may_have_been_cut_off() {
        let text = format!("{}{FIRST}{FIRST}{{\"n\":3,\"ti\n{}{FIRST}{{\"n", header(1), header(2));
        let all = runs(text.as_bytes()).unwrap();
        let found: Vec<_> = all.iter().map(|run| (run.header.began, run.records.len())).collect();
        assert_eq!(found, [(1, 2), (2, 1)]);
        let (header, records) = read(text.as_bytes()).unwrap();
        assert_eq!((header.began, records.len()), (2, 1), "the last is the one that one looks for");
    }

    #[test]
    fn what_is_no_journal_is_told_with_its_line() {
        let line = |text: String| match runs(text.as_bytes()) {
            Err(ReadError::Line(line, _)) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line("precious\n".into()), 1);
        assert_eq!(line(format!("{}{FIRST}broken\n{FIRST}", header(1))), 3);
        assert_eq!(line(format!("{}{FIRST}broken\n", header(1))), 3, "it was not cut off");
        assert!(matches!(runs(&b""[..]), Err(ReadError::Empty)));
        let other = header(1).replace(":1,", ":7,");
        assert!(matches!(runs(format!("{}{other}", header(1)).as_bytes()), Err(ReadError::Version(7))));
    }
}

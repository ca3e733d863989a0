//! A request that waits for its answer, and what the answer does to the connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::frame;
use super::head::Head;
use super::stream::WriteHalf;
use crate::record::Recorder;

/// How long a client may take to read what it is sent.
const WRITE: Duration = Duration::from_secs(5);

/// What becomes of a connection once a request is answered.
#[derive(Debug)]
pub(crate) enum After {
    /// It may bring another request.
    Keep(WriteHalf),
    /// It is a WebSocket now, until it is told to stop.
    WebSocket(oneshot::Receiver<Stop>),
}

/// Has a WebSocket's reader end, and the connection with it.
#[derive(Debug)]
pub(crate) struct Stop;

/// A request. Dropping it unanswered closes its connection.
#[derive(Debug)]
pub struct Request {
    /// The number of its connection.
    pub connection: u64,
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Bytes,
    /// When it had come.
    pub at: Instant,
    /// Its record.
    pub(crate) record: u64,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) write: WriteHalf,
    pub(crate) after: oneshot::Sender<After>,
}

/// The writing half of a WebSocket.
#[derive(Debug)]
pub struct WebSocketWriter {
    /// The number of its connection.
    pub connection: u64,
    /// The record of its handshake.
    pub(crate) record: u64,
    write: WriteHalf,
    stop: oneshot::Sender<Stop>,
}

/// The writing half of a connection, for bytes of any kind.
#[derive(Debug)]
pub struct RawAnswer {
    write: WriteHalf,
    /// Kept, so that the reader goes on to look whether the client leaves.
    _after: oneshot::Sender<After>,
}

impl Request {
    /// The session that it names.
    #[must_use]
    pub fn sid(&self) -> Option<String> {
        self.head.query("sid").filter(|sid| !sid.is_empty())
    }

    fn cors(&self) -> Vec<(String, String)> {
        let Some(origin) = self.head.header("origin") else { return Vec::new() };
        vec![
            ("Access-Control-Allow-Origin".to_owned(), origin.to_owned()),
            ("Access-Control-Allow-Credentials".to_owned(), "true".to_owned()),
        ]
    }

    /// The head of an answer, as bytes, and its fields.
    fn head_of(&self, status: u16, headers: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let mut fields = self.cors();
        fields.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        (format!("HTTP/1.1 {status} {}\r\n{lines}\r\n", reason(status)), fields)
    }

    /// Answers. The connection stays open, unless a field says `close`.
    pub async fn answer(mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        if status != 204 && status != 304 {
            headers.push(("Content-Length", &length));
        }
        let (head, fields) = self.head_of(status, &headers);
        self.recorder.response(self.sid().as_deref(), self.record, status, &fields, body);
        let asked = self.head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let closes = asked || fields.iter().any(|(name, value)| name == "Connection" && value == "close");
        let bytes = [head.as_bytes(), body].concat();
        if write_all(&mut self.write, &bytes).await.is_ok() && !closes {
            // The reader has gone if the client has.
            drop(self.after.send(After::Keep(self.write)));
        }
    }

    /// Answers a preflight with all that it may ask for.
    pub(crate) async fn preflight(self) {
        let asked = self.head.header("access-control-request-headers").unwrap_or("*").to_owned();
        let headers =
            [("Access-Control-Allow-Methods", "GET,POST,OPTIONS"), ("Access-Control-Allow-Headers", &asked)];
        self.answer(204, &headers, b"").await;
    }

    /// Answers with a head and pieces of a body, each a segment of its own; `pause` lies between them. `headers` must say
    /// how long it is, or that it is chunked.
    pub async fn answer_in_pieces(mut self, headers: &[(&str, &str)], pieces: &[&[u8]], pause: Duration) {
        let (head, fields) = self.head_of(200, headers);
        self.recorder.response(self.sid().as_deref(), self.record, 200, &fields, &pieces.concat());
        let mut written = write_all(&mut self.write, head.as_bytes()).await;
        for piece in pieces {
            if written.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
            written = write_all(&mut self.write, piece).await;
        }
        if written.is_ok() {
            drop(self.after.send(After::Keep(self.write)));
        }
    }

    /// Takes the connection, for an answer of any bytes.
    #[must_use]
    pub fn into_raw(self) -> RawAnswer {
        RawAnswer { write: self.write, _after: self.after }
    }

    /// Cuts the connection off, without an answer: the client sees a reset.
    pub fn reset(self) {
        self.recorder.note(self.sid().as_deref(), "reset", "the connection was cut off without an answer");
        self.write.cut();
    }

    /// Waits until nobody can read an answer: the connection has closed.
    pub(crate) async fn abandoned(&mut self) {
        self.after.closed().await;
    }

    /// Accepts a WebSocket handshake.
    pub async fn accept(mut self) -> WebSocketWriter {
        let accept = frame::accept_key(self.head.header("sec-websocket-key").unwrap_or_default());
        let headers =
            [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", &accept)];
        let (stop, stopped) = oneshot::channel();
        let (head, fields) = self.head_of(101, &headers);
        self.recorder.response(self.sid().as_deref(), self.record, 101, &fields, b"");
        if write_all(&mut self.write, head.as_bytes()).await.is_ok() {
            drop(self.after.send(After::WebSocket(stopped)));
        }
        WebSocketWriter { connection: self.connection, record: self.record, write: self.write, stop }
    }
}

impl WebSocketWriter {
    /// Writes bytes. An error shows in what is read.
    pub async fn write(&mut self, bytes: &[u8]) {
        drop(write_all(&mut self.write, bytes).await);
    }

    /// Says that nothing more will come: a FIN.
    pub async fn shut(&mut self) {
        drop(timeout(WRITE, self.write.shutdown()).await);
    }

    /// Cuts the connection off.
    pub fn reset(self) {
        self.write.cut();
        drop(self.stop.send(Stop));
    }
}

impl RawAnswer {
    /// Writes bytes. Says whether they could be written.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        write_all(&mut self.write, bytes).await.is_ok()
    }

    /// Cuts the connection off.
    pub fn reset(self) {
        self.write.cut();
    }
}

async fn write_all(to: &mut WriteHalf, bytes: &[u8]) -> io::Result<()> {
    timeout(WRITE, to.write_all(bytes)).await?
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Something",
    }
}

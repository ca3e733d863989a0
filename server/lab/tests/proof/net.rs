//! The model client's HTTP and WebSocket, as small as they can be. Faults in them are faults of a client too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use socketio_lab::stream::{Memory, ReadHalf, Stream, WriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::faults::Fault;

/// How long a request may take; a poll takes longer than any case.
const REQUEST: Duration = Duration::from_secs(60);

/// Where the lab is: in memory, or else at this host's port.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) network: Option<Memory>,
}

impl Host {
    async fn connect(&self) -> Option<Stream> {
        match &self.network {
            Some(network) => network.connect(),
            None => TcpStream::connect(&self.name).await.ok().map(Stream::from),
        }
    }
}

/// An answer: its status, its fields with names in lower case, its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request on a connection of its own.
pub(crate) async fn request(host: &Host, head: &str, body: &[u8], fault: Option<Fault>) -> Option<Answer> {
    timeout(REQUEST, exchange(host, head, body, fault)).await.ok()?
}

async fn exchange(host: &Host, head: &str, body: &[u8], fault: Option<Fault>) -> Option<Answer> {
    let Stream { mut read, mut write, .. } = host.connect().await?;
    write.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    let mut bytes = Vec::new();
    let (mut answer, length) = loop {
        if let Some(head) = parse(&bytes) {
            break head;
        }
        if read.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut rest = bytes.split_off(length);
    if fault == Some(Fault::FirstSegment) {
        if rest.is_empty() {
            read.read_buf(&mut rest).await.ok()?;
        }
        answer.body = rest;
        return Some(answer);
    }
    let length = match fault {
        Some(Fault::FieldsInOneCase) => raw_length(&bytes),
        _ => answer.field("content-length").and_then(|length| length.parse::<usize>().ok()),
    };
    let chunked = answer.field("transfer-encoding") == Some("chunked");
    loop {
        if chunked {
            if let Some(body) = dechunk(&rest, fault) {
                answer.body = body;
                return Some(answer);
            }
        } else if let Some(length) = length.filter(|length| rest.len() >= *length) {
            rest.truncate(length);
            answer.body = rest;
            return Some(answer);
        }
        if read.read_buf(&mut rest).await.ok()? == 0 {
            // What ends with the connection has no length.
            let whole = length.is_none() && !chunked && fault != Some(Fault::FieldsInOneCase);
            answer.body = rest;
            return whole.then_some(answer);
        }
    }
}

fn raw_length(head: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(head);
    text.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.trim().parse().ok()
}

fn parse(read: &[u8]) -> Option<(Answer, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = answer.parse(read).ok()? else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = answer.headers.iter().map(|field| (field.name.to_lowercase(), text(field.value))).collect();
    Some((Answer { status: answer.code?, fields, body: Vec::new() }, length))
}

/// The body of whole chunks, once the last is there.
fn dechunk(mut rest: &[u8], fault: Option<Fault>) -> Option<Vec<u8>> {
    if fault == Some(Fault::NoChunks) && !rest.is_empty() {
        return Some(rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((length, size)) = httparse::parse_chunk_size(rest).ok()? else {
            return None;
        };
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(length..length + size)?);
        if fault == Some(Fault::FirstChunk) {
            return Some(body);
        }
        rest = rest.get(length + size + 2..)?;
    }
}

/// What a WebSocket brings.
#[derive(Debug)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Vec<u8>),
    /// The connection ended, or a frame broke a rule.
    Gone,
}

/// Opens a WebSocket.
pub(crate) async fn websocket(
    host: &Host,
    target: &str,
    fault: Option<Fault>,
) -> Option<(Frames, WriteHalf)> {
    let Stream { read: mut from, write: mut to, .. } = host.connect().await?;
    let key =
        STANDARD.encode(if fault == Some(Fault::ShortKey) { &b"short"[..] } else { b"0123456789abcdef" });
    let version = if fault == Some(Fault::OldWebSocket) { 8 } else { 13 };
    let named =
        if fault == Some(Fault::HostWithoutPort) { host.name.split(':').next().unwrap() } else { &host.name };
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: {named}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    to.write_all(head.as_bytes()).await.ok()?;
    let mut read = Vec::new();
    let (answer, length) = loop {
        if let Some(head) = parse(&read) {
            break head;
        }
        if from.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let proof = socketio_lab::frame::accept_key(&key);
    if answer.status != 101 || answer.field("sec-websocket-accept") != Some(&*proof) {
        return None;
    }
    let read = read.split_off(length);
    Some((Frames { from, read, message: Vec::new(), opcode: 0, fault }, to))
}

/// The reading half.
pub(crate) struct Frames {
    from: ReadHalf,
    read: Vec<u8>,
    message: Vec<u8>,
    opcode: u8,
    fault: Option<Fault>,
}

impl Frames {
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            match self.take() {
                Ok(Some(frame)) => return frame,
                Ok(None) => {}
                Err(()) => return Frame::Gone,
            }
            if !matches!(self.from.read_buf(&mut self.read).await, Ok(1..)) {
                return Frame::Gone;
            }
            if self.fault == Some(Fault::WholeSegments)
                && self.header().is_none_or(|(.., end)| self.read.len() < end)
            {
                return Frame::Gone;
            }
        }
    }

    /// Where the payload of the first frame is.
    fn header(&self) -> Option<(u8, usize, usize)> {
        let (first, second) = (*self.read.first()?, *self.read.get(1)?);
        let (start, length) = match second & 0x7f {
            125 if self.fault == Some(Fault::LengthOffByOne) => (4, 125),
            126 if self.fault == Some(Fault::SevenBitLengths) => (2, 126),
            126 => (4, u64::from(u16::from_be_bytes(self.read.get(2..4)?.try_into().ok()?))),
            127 if self.fault == Some(Fault::ShortLengths) => (2, 127),
            127 => (10, u64::from_be_bytes(self.read.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        Some((first, start, start.saturating_add(usize::try_from(length).ok()?)))
    }

    fn take(&mut self) -> Result<Option<Frame>, ()> {
        let Some((first, start, end)) = self.header() else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let masked = self.read[1] & 0x80 != 0;
        if first & 0x70 != 0 || masked || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(());
        }
        if opcode >= 8 && (!fin || end - start > 125) || opcode == 0 && self.opcode == 0 {
            return Err(());
        }
        if opcode >= 8 && self.opcode != 0 && self.fault == Some(Fault::NoInterleaving) {
            return Err(());
        }
        if self.read.len() < end {
            return Ok(None);
        }
        let payload = self.read[start..end].to_vec();
        self.read.drain(..end);
        if self.fault == Some(Fault::OneFrameASegment) {
            self.read.clear();
        }
        Ok(match opcode {
            8 if payload.len() == 1 => return Err(()),
            8 => Some(Frame::Close(payload)),
            9 => Some(Frame::Ping(payload)),
            10 if self.fault == Some(Fault::PongIsAnError) => return Err(()),
            10 => self.take()?,
            0 if self.fault == Some(Fault::NoFragments) => return Err(()),
            _ => {
                if opcode != 0 {
                    self.opcode = opcode;
                }
                if self.fault == Some(Fault::Utf8PerFrame) && self.opcode == 1 {
                    self.message.extend_from_slice(String::from_utf8_lossy(&payload).as_bytes());
                } else {
                    self.message.extend_from_slice(&payload);
                }
                if !fin {
                    return self.take();
                }
                let message = std::mem::take(&mut self.message);
                match std::mem::take(&mut self.opcode) {
                    1 => Some(Frame::Text(String::from_utf8(message).map_err(drop)?)),
                    _ => Some(Frame::Binary(message)),
                }
            }
        })
    }
}

/// A frame as a client sends it: masked.
pub(crate) fn masked(opcode: u8, payload: &[u8], fault: Option<Fault>) -> Vec<u8> {
    let mut frame = socketio_lab::frame::frame(opcode, true, payload);
    if fault == Some(Fault::Unmasked) {
        return frame;
    }
    let header = frame.len() - payload.len();
    frame[1] |= 0x80;
    let mask = [1, 2, 3, 4];
    let tail = frame.split_off(header);
    frame.extend_from_slice(&mask);
    frame.extend(tail.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    frame
}

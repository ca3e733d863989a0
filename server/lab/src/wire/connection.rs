//! Reads one connection: requests one after the other, then frames if it becomes a WebSocket.

use std::sync::Arc;

use bytes::BytesMut;
use engineio::websocket::{FrameEvent, FrameLimits, FrameViolation, Reader};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::head::{self, NoRequest};
use super::request::{After, Request, Stop};
use super::stream::{ReadHalf, Stream};
use crate::record::Recorder;

/// The longest message that is read from a WebSocket.
const LIMITS: FrameLimits = FrameLimits { message: 32 << 20, fragments: 10_000 };

/// What a connection brings.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A request.
    Request(Request),
    /// A message or control frame of a WebSocket.
    Frame(u64, FrameEvent),
    /// A frame that breaks a rule of WebSocket.
    BadFrame(u64, FrameViolation),
    /// Bytes that are not HTTP.
    BadRequest(String),
    /// The client closed the connection, or, if `reset`, cut it off.
    Closed { connection: u64, reset: bool },
}

/// Reads a connection to its end. `first` is what was read of it already.
pub(crate) async fn read(
    stream: Stream,
    first: BytesMut,
    connection: u64,
    recorder: Arc<Recorder>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let Stream { read: mut from, mut write, address } = stream;
    let mut buffer = first;
    loop {
        let (head, body) = match head::read(&mut from, &mut buffer).await {
            Ok(request) => request,
            Err(NoRequest::Wrong(what)) => return drop(arrivals.send(Arrival::BadRequest(what)).await),
            Err(NoRequest::Closed) => {
                return drop(arrivals.send(Arrival::Closed { connection, reset: false }).await);
            }
            Err(NoRequest::Reset) => {
                return drop(arrivals.send(Arrival::Closed { connection, reset: true }).await);
            }
        };
        let sid = head.query("sid");
        let record =
            recorder.request(sid.as_deref(), &head.method, &head.target, &head.headers, address.clone());
        let (after, answered) = oneshot::channel();
        let recorder = recorder.clone();
        let at = Instant::now();
        let request = Request { connection, head, body, at, record, recorder, write, after };
        if arrivals.send(Arrival::Request(request)).await.is_err() {
            return;
        }
        match answer(answered, &mut from, &mut buffer, connection, &arrivals).await {
            Some(After::Keep(half)) => write = half,
            Some(After::WebSocket(stop)) => {
                let reading = frames(from, &buffer, connection, &arrivals);
                // A script that only drops its half goes on to see what the client does.
                return tokio::select! { biased; () = reading => {}, Ok(Stop) = stop => {} };
            }
            None => return,
        }
    }
}

/// Waits for the answer, and looks whether the client leaves before it.
async fn answer(
    mut answered: oneshot::Receiver<After>,
    from: &mut ReadHalf,
    buffer: &mut BytesMut,
    connection: u64,
    arrivals: &mpsc::Sender<Arrival>,
) -> Option<After> {
    loop {
        tokio::select! {
            biased;
            after = &mut answered => return after.ok(),
            read = from.read_buf(buffer) => match read {
                Ok(1..) if buffer.len() < 1 << 20 => {}
                ended => {
                    let reset = ended.is_err();
                    drop(arrivals.send(Arrival::Closed { connection, reset }).await);
                    return None;
                }
            },
        }
    }
}

/// Reads a WebSocket to its end.
async fn frames(mut from: ReadHalf, first: &[u8], connection: u64, arrivals: &mpsc::Sender<Arrival>) {
    let mut reader = Reader::new(LIMITS);
    reader.feed(first);
    let mut bytes = vec![0; 16 << 10];
    loop {
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if arrivals.send(Arrival::Frame(connection, event)).await.is_err() {
                        return;
                    }
                }
                Err(violation) => {
                    return drop(arrivals.send(Arrival::BadFrame(connection, violation)).await);
                }
            }
        }
        match from.read(&mut bytes).await {
            Ok(0) => return drop(arrivals.send(Arrival::Closed { connection, reset: false }).await),
            Ok(read) => reader.feed(&bytes[..read]),
            Err(_) => return drop(arrivals.send(Arrival::Closed { connection, reset: true }).await),
        }
    }
}

//! A WebSocket under a session, or a plain one, or a stream of WebTransport: messages in, shared frames out.
//!
//! Reading and writing are independent, except for the answers to a client's control frames: these wait in a small
//! buffer until the next frame boundary. Bytes pass through memory that belongs to the worker thread, so that an idle
//! connection owns no buffer in either direction.

mod control;
mod rare;
#[cfg(test)]
mod tests;
mod wire;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engineio::memory::{Budget, Held};
use engineio::session::{Ending, Incoming, WebSocketWire as _};
use engineio::websocket::deflate::Agreement;
use engineio::websocket::{FrameEvent, FrameLimits, FrameViolation};
use engineio::{Frame, Framing, MessageReader};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::net::connection::Connection;
use control::ControlFrames;
use rare::{Compression, Pings, Rare};

/// The most that one read takes from a connection.
const READ: usize = 64 * 1024;

/// Frames under this length are copied together for one write; larger ones are written without a copy.
const COALESCE: usize = 8 * 1024;

/// The most that is copied together for one write.
const WRITE: usize = 64 * 1024;

/// Reads in one turn of the driver. Then other tasks run, even if there is more.
const READS: u8 = 4;

thread_local! {
    /// Bytes that were read and not fed to a reader yet.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
    /// Where small frames are copied together.
    static WRITE_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A WebSocket. The fields that each turn of its driver reads come first, as in [`Session`](engineio::Session).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WebSocket {
    io: Connection,
    /// Frames to be written.
    queue: VecDeque<Frame>,
    /// How much of the queue's first frame has been written.
    written: usize,
    /// The cost of the frames that were written since the last query, which comes after each write.
    freed: u32,
    /// How many bytes of frames were written since the last query. It stops at the largest number.
    moved: u32,
    /// Control frames to be written before the next frame of the queue. There rarely are any.
    control: Option<Box<ControlFrames>>,
    /// Most WebSockets have none of it.
    rare: Option<Box<Rare>>,
    framing: Framing,
    /// The queue can't be sent any more.
    discarded: bool,
    /// The client has closed the connection, or it broke: no close frame is needed.
    gone: bool,
    /// The stream may hold back what was written, since TLS encrypts more than it can send.
    unflushed: bool,
    /// The reader has no message until it is fed.
    hungry: bool,
    /// The progress of a message has changed since the last query.
    grown: bool,
    /// Reads that are left in this turn.
    reads: u8,
    reader: MessageReader,
    /// The bytes of an unfinished message, and the memory budget of all clients.
    incoming: Held,
    memory: Budget,
}

impl WebSocket {
    /// A WebSocket on a connection after its handshake; `read` has the bytes that were already read.
    pub(crate) fn new(io: Connection, read: &[u8], framing: Framing, limits: FrameLimits) -> WebSocket {
        let mut reader = framing.reader(limits);
        reader.feed(read);
        WebSocket {
            io,
            queue: VecDeque::new(),
            written: 0,
            freed: 0,
            moved: 0,
            control: None,
            rare: None,
            framing,
            discarded: false,
            gone: false,
            unflushed: false,
            hungry: false,
            grown: false,
            reads: READS,
            reader,
            incoming: Held::default(),
            memory: Budget::default(),
        }
    }

    /// The same WebSocket, which accepts no long messages while all of `memory` is used up.
    pub(crate) fn within(mut self, memory: Budget) -> WebSocket {
        self.memory = memory;
        self
    }

    /// The same WebSocket, with a limit on the client's pings and pongs in a second.
    pub(crate) fn limiting_pings(mut self, per_second: Option<usize>) -> WebSocket {
        if per_second.is_some() {
            self.pings().per_second = per_second;
        }
        self
    }

    /// The same WebSocket, whose messages may be compressed as both sides agreed.
    pub(crate) fn compressing(mut self, agreement: Option<Agreement>) -> WebSocket {
        if let Some(agreement) = agreement {
            let (deflating, inflating) = (agreement.deflating(), agreement.inflating());
            let compression = Compression { deflating, inflating, contexts: 0, inflated: 0 };
            self.rare.get_or_insert_default().compression = Some(compression);
        }
        self
    }

    /// The same WebSocket, which leaves pings unanswered.
    pub(crate) fn without_pongs(mut self) -> WebSocket {
        self.pings().unanswered = true;
        self
    }

    /// Adds a control frame to those that are to be written. A stream of WebTransport has none, and nothing is added.
    fn add_control(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut control = self.control.take().unwrap_or_default();
        control.add(write);
        self.control = Some(control).filter(|control| !control.bytes().is_empty());
    }

    fn pings(&mut self) -> &mut Pings {
        let pings = &mut self.rare.get_or_insert_default().pings;
        pings.get_or_insert_with(Pings::new)
    }

    fn compression(&self) -> Option<&Compression> {
        self.rare.as_ref()?.compression.as_ref()
    }

    fn lost(&mut self) -> Poll<Incoming> {
        self.gone = true;
        Poll::Ready(Incoming::Ended(Ending::GONE))
    }

    /// Counts the bytes of an unfinished message. Returns whether there may be more of it.
    fn may_go_on(&mut self) -> bool {
        let before = self.incoming.bytes();
        self.incoming.resize(self.reader.capacity());
        self.grown |= self.incoming.bytes() != before;
        // If its buffer has not grown, it needs no more memory.
        self.incoming.bytes() <= before || self.memory.admits(self.reader.pending())
    }

    /// Checks what came by the rules that most WebSockets have none of.
    ///
    /// # Errors
    /// How the WebSocket ends.
    fn admit(&mut self, event: &FrameEvent) -> Result<(), Ending> {
        if !self.may_be_taken(event) {
            return Err(Ending::CROWDED);
        }
        let pings = self.rare.as_deref_mut().and_then(|rare| rare.pings.as_mut());
        if let (FrameEvent::Ping(_) | FrameEvent::Pong(_), Some(pings)) = (event, pings)
            && !pings.may_come()
        {
            return Err(FrameViolation::TooManyPings.into());
        }
        Ok(())
    }

    fn answers_pings(&self) -> bool {
        let pings = self.rare.as_ref().and_then(|rare| rare.pings.as_ref());
        pings.is_none_or(|pings| !pings.unanswered)
    }

    /// Counts a message if it was inflated. Returns whether there is memory for it. Its inflated bytes count as read, so
    /// that other tasks run after as many bytes as without compression.
    fn may_be_taken(&mut self, event: &FrameEvent) -> bool {
        let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() else {
            return true;
        };
        let len = match event {
            _ if compression.inflating.last().is_none() => return true,
            FrameEvent::Text(text) => text.len(),
            FrameEvent::Binary(bytes) => bytes.len(),
            _ => return true,
        };
        compression.inflated += len;
        let reads = u8::try_from(compression.inflated / READ).unwrap_or(u8::MAX);
        compression.inflated %= READ;
        self.reads = self.reads.saturating_sub(reads);
        self.note_contexts() && self.memory.admits(len)
    }

    /// Counts what is kept to compress and to inflate the messages of this connection. Returns whether there is memory for
    /// it.
    fn note_contexts(&mut self) -> bool {
        let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() else {
            return true;
        };
        let Compression { deflating, inflating, contexts, .. } = compression;
        let before = std::mem::replace(contexts, deflating.memory() + inflating.memory());
        self.grown |= *contexts != before;
        *contexts <= before || self.memory.admits(*contexts - before)
    }

    /// The bytes of frame number `at` of the queue, as they are written.
    fn form<'a>(&'a self, at: usize, frame: &'a Frame) -> &'a [u8] {
        match self.compression() {
            Some(compression) => compression.deflating.form(at, frame, self.framing.revision()),
            None => frame.framed(self.framing),
        }
    }

    /// Reads from the connection once. Returns the number of bytes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            self.reads -= 1;
            self.reader.feed(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Writes once: the rest of the current frame, or else control frames, and what follows. Returns the number of
    /// bytes.
    fn write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let WebSocket { io, queue, rare, framing, .. } = self;
        let io = Pin::new(io);
        let compression = rare.as_ref().and_then(|rare| rare.compression.as_ref());
        let ready = compression.map_or(usize::MAX, |compression| compression.deflating.ready());
        let mut frames = queue.iter().take(ready).enumerate().map(|(at, frame)| match compression {
            Some(compression) => compression.deflating.form(at, frame, framing.revision()),
            None => frame.framed(*framing),
        });
        let begun = self.written > 0;
        let first = match &self.control {
            Some(control) if !begun => control.bytes(),
            _ => frames.next().map_or(&[][..], |frame| &frame[self.written..]),
        };
        // Control frames only wait for the rest of the current frame.
        let alone = begun && self.control.is_some();
        if alone || frames.len() == 0 || first.len() >= COALESCE {
            return io.poll_write(cx, first);
        }
        WRITE_BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.extend_from_slice(first);
            for frame in frames {
                if frame.len() >= COALESCE || buffer.len() + frame.len() > WRITE {
                    break;
                }
                buffer.extend_from_slice(frame);
            }
            io.poll_write(cx, buffer)
        })
    }

    /// Removes `bytes` that were written from the queue.
    fn account(&mut self, mut bytes: usize) {
        if self.written == 0
            && let Some(control) = &mut self.control
        {
            bytes = control.written(bytes);
            if control.bytes().is_empty() {
                self.control = None;
            }
        }
        self.written += bytes;
        self.moved = self.moved.saturating_add(at_most_u32(bytes));
        while let Some(frame) = self.queue.front() {
            let len = self.form(0, frame).len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.freed = self.freed.saturating_add(at_most_u32(frame.cost()));
            self.queue.pop_front();
            if let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() {
                compression.deflating.pop_front(len);
            }
        }
    }

    /// Compresses the first frames of the queue, frame number `at` among them, if this connection does it for itself.
    fn prepare(&mut self, at: usize) {
        if let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() {
            compression.deflating.prepare(&self.queue, at, self.framing.revision(), &self.memory);
            self.note_contexts();
        }
    }

    fn clear_queue(&mut self) {
        self.queue.clear();
        if let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() {
            compression.deflating.clear();
        }
    }

    /// Sends the queue and a close frame with `code` (`None` is allowed: RFC 6455, section 5.5.1), and waits for the
    /// client's. It has no time limit of its own, so add one.
    pub(crate) async fn close(mut self, code: Option<u16>) {
        if self.discarded {
            self.clear_queue();
            if self.written > 0 {
                // Anything after half a frame would be read as the rest of it.
                return;
            }
        }
        if std::future::poll_fn(|cx| self.poll_write(cx)).await.is_err() {
            return;
        }
        let framing = self.framing;
        self.add_control(|control| framing.close(code, "", control));
        if std::future::poll_fn(|cx| self.poll_write(cx)).await.is_ok() {
            std::future::poll_fn(|cx| self.poll_linger(cx)).await;
        }
    }

    /// Ends our side and waits for the client to end its own: closing a socket with unread bytes resets it, and the
    /// client may never see the close frame. It has no time limit of its own.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_drain(cx)
    }
}

fn at_most_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

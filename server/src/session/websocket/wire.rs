//! A WebSocket as its session uses it, or as a plain one. What this calls, such as `write_some`, is in `mod.rs`.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use engineio::observe::Watch;
use engineio::plain::PlainWire;
use engineio::session::{Ending, Incoming, WebSocketWire};
use engineio::websocket::{self, FrameEvent, Place};
use engineio::{Frame, Framing, Message};
use tokio::io::AsyncWrite as _;

use super::rare::Rare;
use super::{READS, WebSocket};

/// The most bytes of pongs that may wait. While more wait, nothing is read from the client.
const PONGS: usize = 4 * 1024;

/// The capacity that an empty queue may keep, in frames.
const KEPT_CAPACITY: usize = 64;

impl WebSocketWire for WebSocket {
    fn framing(&self) -> Framing {
        self.framing
    }

    fn queue(&mut self) -> &mut VecDeque<Frame> {
        &mut self.queue
    }

    fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.control.is_none() && !self.unflushed
    }

    fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed) as usize
    }

    fn begin_turn(&mut self) {
        self.reads = READS;
    }

    fn take_grown(&mut self) -> Option<usize> {
        std::mem::take(&mut self.grown).then(|| {
            let contexts = self.compression().map_or(0, |compression| compression.contexts);
            self.incoming.bytes() + contexts
        })
    }

    fn take_moved(&mut self) -> usize {
        std::mem::take(&mut self.moved) as usize
    }

    fn partial(&self) -> usize {
        self.reader.pending()
    }

    fn discard(&mut self) {
        self.discarded = true;
        self.clear_queue();
    }

    fn abandon(&mut self) {
        self.discard();
        self.gone = true;
    }

    /// The answer to a control frame is written by [`poll_write`](WebSocketWire::poll_write).
    fn poll_message(&mut self, cx: &mut Context<'_>, watch: Watch<'_>) -> Poll<Incoming> {
        loop {
            if self.control.as_ref().is_some_and(|control| control.bytes().len() >= PONGS)
                && ready!(self.poll_write(cx)).is_err()
            {
                return self.lost();
            }
            if self.reads == 0 && (self.hungry || self.compression().is_some()) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.hungry {
                match ready!(self.poll_fill(cx)) {
                    Ok(1..) => self.hungry = false,
                    Ok(0) | Err(_) => return self.lost(),
                }
            }
            let compression = self.rare.as_deref_mut().and_then(|rare| rare.compression.as_mut());
            let inflating = compression.map(|compression| &mut compression.inflating);
            let event = match self.reader.next_inflated(inflating) {
                Ok(Some(event)) => event,
                Ok(None) if !self.may_go_on() => return Poll::Ready(Incoming::Ended(Ending::CROWDED)),
                Ok(None) => {
                    self.hungry = true;
                    continue;
                }
                Err(violation) => return Poll::Ready(Incoming::Ended(violation.into())),
            };
            watch.incoming(&event, self.compression().and_then(|compression| compression.inflating.last()));
            if self.rare.is_some()
                && let Err(ending) = self.admit(&event)
            {
                return Poll::Ready(Incoming::Ended(ending));
            }
            return Poll::Ready(match event {
                FrameEvent::Text(text) => Incoming::Message(Message::Text(text)),
                FrameEvent::Binary(bytes) => Incoming::Message(Message::Binary(bytes)),
                FrameEvent::Ping(_) if !self.answers_pings() => continue,
                FrameEvent::Ping(payload) => {
                    watch.answering(&payload);
                    self.add_control(|control| websocket::pong(&payload, control));
                    continue;
                }
                FrameEvent::Pong(_) => continue,
                FrameEvent::Close { code, payload } => Incoming::Closed { code, payload },
            });
        }
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn compresses(&self) -> bool {
        self.compression().is_some()
    }

    fn compressed(&mut self, at: usize) -> Option<usize> {
        self.compression()?;
        self.prepare(at);
        let frame = self.queue.get(at)?;
        websocket::compressed_len(self.form(at, frame))
    }

    fn stop_compressing(&mut self) {
        let queued = self.queue.len();
        if let Some(Rare { compression: Some(compression), .. }) = self.rare.as_deref_mut() {
            compression.deflating.stop_after(queued);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !(self.queue.is_empty() && self.control.is_none()) {
            self.prepare(0);
            let written = ready!(self.write_some(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.account(written);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl PlainWire for WebSocket {
    fn has_read(&self) -> bool {
        self.reads < READS
    }

    fn place(&self) -> Place {
        self.reader.place()
    }

    fn ping(&mut self) {
        self.add_control(websocket::ping);
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        self.add_control(|control| websocket::close(code, reason, control));
    }
}

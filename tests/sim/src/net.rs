//! A network in memory: what is written on one end arrives at the other in order, in pieces, some time later,
//! unless the cable is cut.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::chance::Chance;

/// What all cables of a network have in common.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Milliseconds from one end to the other.
    pub latency: std::ops::Range<u64>,
    /// Bytes that fit in one direction of a cable.
    pub capacity: usize,
    /// Whether what is written at once may arrive in pieces.
    pub pieces: bool,
}

thread_local! {
    static WEATHER: RefCell<(Weather, Chance)> =
        RefCell::new((Weather { latency: 0..1, capacity: 1, pieces: false }, Chance::new(0)));
}

/// Sets the weather of this thread's network.
pub(crate) fn set_weather(weather: Weather, chance: Chance) {
    WEATHER.set((weather, chance));
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    pieces: VecDeque<(Instant, Bytes)>,
    size: usize,
    /// Nothing arrives before that.
    clear_from: Instant,
    ended: Option<Instant>,
    cut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

type Shared = Arc<Mutex<Pipe>>;

fn lock(pipe: &Shared) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Pipe {
    fn new() -> Shared {
        Arc::new(Mutex::new(Pipe {
            pieces: VecDeque::new(),
            size: 0,
            clear_from: Instant::now(),
            ended: None,
            cut: false,
            reader: None,
            writer: None,
        }))
    }

    fn arrival(&mut self) -> Instant {
        let latency = WEATHER.with_borrow_mut(|(weather, chance)| chance.millis(weather.latency.clone()));
        self.clear_from = self.clear_from.max(Instant::now() + latency);
        self.clear_from
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (capacity, piece) = WEATHER.with_borrow_mut(|(weather, chance)| {
            let room = weather.capacity.saturating_sub(self.size).min(bytes.len());
            let piece =
                if weather.pieces && room > 1 && chance.one_in(4) { chance.within(1..room) } else { room };
            (room, piece)
        });
        if capacity == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for piece in [&bytes[..piece], &bytes[piece..capacity]] {
            if !piece.is_empty() {
                let at = self.arrival();
                self.pieces.push_back((at, Bytes::copy_from_slice(piece)));
                self.size += piece.len();
            }
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(capacity))
    }

    /// Reads what has arrived; else says until when to wait, if that is known.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Result<io::Result<()>, Option<Instant>> {
        if self.cut {
            return Ok(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let now = Instant::now();
        let wait = match self.pieces.front_mut() {
            Some((at, piece)) if *at <= now => {
                let len = piece.len().min(buf.remaining());
                buf.put_slice(&piece[..len]);
                piece.advance(len);
                if piece.is_empty() {
                    self.pieces.pop_front();
                }
                self.size -= len;
                if let Some(writer) = self.writer.take() {
                    writer.wake();
                }
                return Ok(Ok(()));
            }
            Some((at, _)) => Some(*at),
            None => self.ended,
        };
        if self.pieces.is_empty() && wait.is_some_and(|at| at <= now) {
            return Ok(Ok(()));
        }
        self.reader = Some(cx.waker().clone());
        Err(wait)
    }
}

/// One end of a cable. Its drop ends the connection: the peer reads to the end, and can't write.
#[derive(Debug)]
pub(crate) struct End {
    rx: Shared,
    tx: Shared,
    alarm: Mutex<Option<Pin<Box<Sleep>>>>,
}

/// Both directions of a cable, for who wants to harm it.
#[derive(Debug, Clone)]
pub(crate) struct Cable([Shared; 2]);

/// Lays a cable.
pub(crate) fn cable() -> (End, End, Cable) {
    let (there, back) = (Pipe::new(), Pipe::new());
    let ours = End { rx: back.clone(), tx: there.clone(), alarm: Mutex::default() };
    let theirs = End { rx: there.clone(), tx: back.clone(), alarm: Mutex::default() };
    (ours, theirs, Cable([there, back]))
}

impl Cable {
    /// Both ends see a reset, and what was on its way is lost.
    pub(crate) fn cut(&self) {
        for pipe in &self.0 {
            let mut pipe = lock(pipe);
            pipe.cut = true;
            pipe.pieces.clear();
            pipe.wake();
        }
    }

    /// Nothing arrives for that time.
    pub(crate) fn stall(&self, time: Duration) {
        for pipe in &self.0 {
            let mut pipe = lock(pipe);
            pipe.clear_from = pipe.clear_from.max(Instant::now() + time);
            let clear = pipe.clear_from;
            pipe.pieces.iter_mut().for_each(|(at, _)| *at = clear.max(*at));
        }
    }
}

impl End {
    pub(crate) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let wait = match lock(&self.rx).read(cx, buf) {
                Ok(read) => return Poll::Ready(read),
                Err(wait) => wait,
            };
            let Some(at) = wait else { return Poll::Pending };
            let mut alarm = self.alarm.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let sleep = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    pub(crate) fn poll_write_shared(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.tx).write(cx, bytes)
    }

    fn end(&self) {
        let mut pipe = lock(&self.tx);
        if pipe.ended.is_none() {
            let at = pipe.arrival();
            pipe.ended = Some(at);
            pipe.wake();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.end();
        let mut pipe = lock(&self.rx);
        pipe.cut = true;
        pipe.wake();
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_read_shared(cx, buf)
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_shared(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

//! A session by WebSocket: one task, which reads once and writes once each time that it wakes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::beating;
use crate::canned::OPEN;
use crate::frames::{Canned, frame};

/// Buffers that all sessions on a thread share, so that an idle one holds none.
struct Scratch {
    canned: Canned,
    read: Box<[u8]>,
    write: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        canned: Canned::default(),
        read: vec![0; 64 * 1024].into(),
        write: Vec::new(),
    });
}

/// All sessions, for whoever broadcasts.
#[derive(Default)]
pub struct Everybody {
    next: AtomicUsize,
    mailboxes: Mutex<HashMap<usize, Arc<Mailbox>>>,
}

impl Everybody {
    fn broadcast(&self, frame: &Arc<[u8]>) {
        self.mailboxes.lock().unwrap().values().for_each(|mailbox| mailbox.push(frame.clone()));
    }
}

/// What others leave for a session.
#[derive(Default)]
struct Mailbox(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    frames: Vec<Arc<[u8]>>,
    session: Option<Waker>,
}

impl Mailbox {
    /// Queues a frame. What is queued already has woken the session.
    fn push(&self, frame: Arc<[u8]>) {
        let mut queue = self.0.lock().unwrap();
        queue.frames.push(frame);
        if let ([_], Some(session)) = (&queue.frames[..], &queue.session) {
            session.wake_by_ref();
        }
    }

    /// Copies what is queued together; the next that is pushed wakes the session.
    fn take(&self, cx: &Context<'_>, write: &mut Vec<u8>) {
        let mut queue = self.0.lock().unwrap();
        queue.frames.drain(..).for_each(|frame| write.extend_from_slice(&frame));
        match &mut queue.session {
            Some(session) => session.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

pub struct Session {
    number: usize,
    stream: TcpStream,
    mailbox: Arc<Mailbox>,
    everybody: Arc<Everybody>,
    /// The start of a frame that is not whole yet.
    pending: Vec<u8>,
    /// What the socket could not take.
    unsent: Vec<u8>,
}

impl Session {
    /// A session on a connection of which `read` was read already.
    pub fn open(stream: TcpStream, read: Vec<u8>, everybody: Arc<Everybody>) -> Session {
        let number = everybody.next.fetch_add(1, Ordering::Relaxed);
        let mailbox = Arc::<Mailbox>::default();
        everybody.mailboxes.lock().unwrap().insert(number, mailbox.clone());
        Session { number, stream, mailbox, everybody, pending: read, unsent: frame(OPEN.as_bytes()) }
    }

    /// Lasts as long as the client stays.
    pub fn run(mut self) -> impl Future<Output = ()> {
        beating(move |cx| SCRATCH.with_borrow_mut(|scratch| self.poll(cx, scratch)))
    }

    /// Ready once the client is gone.
    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<()> {
        scratch.write.clear();
        while let Poll::Ready(read) = self.read(cx, scratch) {
            if !matches!(read, Ok(1..)) {
                return Poll::Ready(());
            }
        }
        self.mailbox.take(cx, &mut scratch.write);
        match self.write(cx, &scratch.write) {
            Ok(()) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    /// Reads once and makes the answers. Says how many bytes came.
    fn read(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<usize>> {
        let Scratch { canned, read, write } = scratch;
        let mut buffer = ReadBuf::new(read);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled_mut();
        let broadcast = |frame: &Arc<[u8]>| self.everybody.broadcast(frame);
        if self.pending.is_empty() {
            let used = canned.answer(bytes, write, broadcast);
            self.pending.extend_from_slice(&bytes[used..]);
        } else {
            self.pending.extend_from_slice(bytes);
            let used = canned.answer(&mut self.pending, write, broadcast);
            self.pending.drain(..used);
            if self.pending.is_empty() {
                self.pending = Vec::new();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes what is left and `bytes`, now or when the socket can take them.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let Session { stream, unsent, .. } = self;
        let mut stream = Pin::new(stream);
        let mut write = |mut bytes: &[u8]| -> io::Result<usize> {
            let len = bytes.len();
            while !bytes.is_empty()
                && let Poll::Ready(written) = stream.as_mut().poll_write(cx, bytes)
            {
                bytes = &bytes[written?..];
            }
            Ok(len - bytes.len())
        };
        if unsent.is_empty() {
            unsent.extend_from_slice(&bytes[write(bytes)?..]);
        } else {
            unsent.extend_from_slice(bytes);
            match write(unsent)? {
                written if written < unsent.len() => drop(unsent.drain(..written)),
                _ => *unsent = Vec::new(),
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.everybody.mailboxes.lock().unwrap().remove(&self.number);
    }
}

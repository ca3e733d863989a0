//! The product without a network: sessions on wires in memory, and their clients, that are driven by hand, so that
//! nothing is measured but the protocols. A message goes from the text of a WebSocket's frame, or the body of a POST, to
//! the bytes that go out. [`Served`] puts the server around it.

mod served;

use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use bytestring::ByteString;
use engineio::memory::Held;
use engineio::session::in_memory::{InMemory, InMemoryWebSocket, Slot};
use engineio::session::{Incoming, Opening, Round, SessionHandle};
use engineio::{
    Attached, CloseReason, Engine, HandshakeRequest, Headers, Message, Packet, Payload, PayloadFormat,
    Revision, Session, Sid, Transport,
};
use socketio::{Args, Binary, Client, Io, Socket};

pub use served::{Served, ServedPolling, ServedWebSocket, frame};

/// Revision 4, as everybody speaks it.
pub const FORMAT: PayloadFormat = PayloadFormat { revision: Revision::V4, base64: false };

/// The application of the bench's servers, and an event with attachments.
pub fn application() -> Io {
    let io = Io::new();
    io.of("/")
        .on_connect(|socket: Socket| async move { socket.join("all") })
        .on_with_ack(
            "message",
            |socket: Socket, args: Args, _| async move { socket.emit("message-back", &args) },
        )
        .on_sync("message-with-ack", |_: Socket, args: Args| args)
        .on_sync("attach", |socket: Socket, (bytes,): (Binary,)| {
            let _ = socket.emit("attach-back", bytes);
        })
        .on_sync("broadcast", |socket: Socket, args: Args| {
            let _ = socket.namespace().to("all").emit("bcast", &args);
        });
    io
}

/// One session, driven by hand.
pub struct Offline {
    session: Session<Client, InMemory>,
    wires: InMemory,
    /// What was written last.
    pub written: Vec<u8>,
    now: Instant,
}

impl Offline {
    /// A session by WebSocket that has joined `/`.
    pub fn join(io: &Io) -> Offline {
        let mut offline = Offline::open(io, Some(InMemoryWebSocket::new(usize::MAX)));
        offline.receive(&ByteString::from_static("40"));
        offline.write();
        assert!(offline.written.windows(4).any(|bytes| bytes == b"40{\""), "not joined");
        offline
    }

    /// A session by polling that has joined `/`.
    pub fn join_polling(io: &Io) -> Offline {
        let mut offline = Offline::open(io, None);
        offline.post(&Bytes::from_static(b"40"));
        assert!(offline.get().starts_with(b"40{\""), "not joined");
        offline
    }

    fn open(io: &Io, link: Option<InMemoryWebSocket>) -> Offline {
        static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(Arc::default);
        let (now, engine) = (Instant::now(), ENGINE.clone());
        let transport = if link.is_some() { Transport::WebSocket } else { Transport::Polling };
        let (handle, mailbox) = SessionHandle::new(Sid::generate(), FORMAT, transport, None, &engine);
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: Some(([127, 0, 0, 1], 50_000).into()),
            secure: false,
            url: format!("/socket.io/?EIO=4&transport={}", transport.as_str()).into(),
            headers: Headers::new([("host", &b"localhost"[..])].into_iter()),
            attached: Attached::default(),
        };
        let opening = Opening { handle, mailbox, link, handshake, exchange: 0 };
        let session = Session::open(io, opening, engine, now);
        let mut offline = Offline { session, wires: InMemory::default(), written: Vec::new(), now };
        offline.turn();
        offline
    }

    /// The session's task runs until there is nothing left to do.
    fn turn(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.session.begin_turn();
        loop {
            match self.session.round(&mut cx, self.now, &mut self.wires) {
                Round::Again | Round::Yield => {}
                Round::Sleep => return,
                Round::Over => panic!("the session must stay open: {:?}", self.session.reason()),
            }
        }
    }

    fn websocket(&mut self) -> &mut InMemoryWebSocket {
        self.session.link_mut().expect("a WebSocket")
    }

    /// A text frame arrives.
    pub fn receive(&mut self, text: &ByteString) {
        self.websocket().incoming.push_back(Incoming::Message(Message::Text(text.clone())));
    }

    /// A binary frame arrives.
    pub fn receive_binary(&mut self, bytes: &Bytes) {
        self.websocket().incoming.push_back(Incoming::Message(Message::Binary(bytes.clone())));
    }

    /// Handles what has arrived, and writes what is queued as frames of a WebSocket.
    pub fn write(&mut self) {
        self.turn();
        self.written.clear();
        let websocket = self.session.link_mut().expect("a WebSocket");
        for frame in websocket.sent.drain(..) {
            self.written.extend_from_slice(frame.websocket(Revision::V4));
        }
    }

    /// The body of a POST arrives, and is accepted.
    pub fn post(&mut self, body: &Bytes) {
        let (door, accepted) =
            (self.session.handle().clone().open_post().expect("one POST"), Slot::default());
        door.submit(body.clone(), false, Held::new(body.len()), accepted.clone());
        self.turn();
        accepted.take().expect("accepted");
    }

    /// Answers a GET with what is queued.
    pub fn get(&mut self) -> Bytes {
        let answer: Slot<Payload> = Slot::default();
        let mut door = self.session.handle().clone().open_get(answer.clone()).expect("one GET");
        self.turn();
        let mut payload = answer.take().expect("an answer");
        door.written();
        // Short answers come in one piece, and so does a long event.
        payload.take(usize::MAX)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.session.handle().mailbox.close(CloseReason::ForcedClose);
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.session.round(&mut cx, self.now, &mut self.wires);
    }
}

/// A message as a client's packet.
pub fn text(payload: &str) -> Packet {
    Packet::Message(Message::Text(payload.into()))
}

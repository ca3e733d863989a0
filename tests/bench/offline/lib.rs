//! The product without its wires: state machines and clients that are driven by hand, so that nothing is measured but the
//! protocols. A message goes from the text of a WebSocket's frame, or the body of a POST, to the bytes that go out. What
//! engineio's `Session` does around the state machine is left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{
    Application, Attached, CloseReason, Engine, Frame, HandshakeRequest, Headers, Input, Layer, Mailbox,
    MailboxReceiver, Message, Opened, Output, Packet, PayloadFormat, Revision, Sid, StateMachine, Transport,
};
use socketio::{Args, Binary, Client, Io, Socket};

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
    session: StateMachine,
    client: Client,
    driver: MailboxReceiver,
    outputs: Vec<Output>,
    queue: VecDeque<Frame>,
    /// What was written last.
    pub written: Vec<u8>,
    now: Instant,
}

impl Offline {
    /// A session by WebSocket that has joined `/`.
    pub fn join(io: &Io) -> Offline {
        let now = Instant::now();
        let (mailbox, driver) = Mailbox::new(10_000_000).split();
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: Some(([127, 0, 0, 1], 50_000).into()),
            secure: false,
            url: "/socket.io/?EIO=4&transport=websocket".into(),
            headers: Headers::new([("host", &b"localhost"[..])].into_iter()),
            attached: Attached::default(),
        };
        let (revision, transport) = (Revision::V4, Transport::WebSocket);
        let opened = Opened {
            sid: Sid::generate(),
            revision,
            transport,
            mailbox,
            handshake,
            observers: engineio::observe::Observers::default(),
        };
        let mut offline = Offline {
            session: StateMachine::new(Arc::new(Engine::default()), revision, transport, now),
            client: io.open(opened, now),
            driver,
            outputs: Vec::new(),
            queue: VecDeque::new(),
            written: Vec::new(),
            now,
        };
        offline.receive(&ByteString::from_static("40"));
        offline.write();
        assert!(offline.written.windows(4).any(|bytes| bytes == b"40{\""), "not joined");
        offline
    }

    /// A text frame arrives.
    pub fn receive(&mut self, text: &ByteString) {
        self.packet(Packet::decode_text(text, Revision::V4));
    }

    /// A binary frame arrives.
    pub fn receive_binary(&mut self, bytes: &Bytes) {
        self.packet(Packet::decode_binary(bytes, Revision::V4));
    }

    /// The body of a POST arrives.
    pub fn receive_payload(&mut self, body: &Bytes) {
        for packet in FORMAT.reader(body.clone(), false, 4_096) {
            self.packet(packet);
        }
    }

    fn packet(&mut self, packet: Result<Packet, engineio::Violation>) {
        self.session.handle(self.now, Input::Packet(packet), &mut self.outputs);
        for output in self.outputs.drain(..) {
            match output {
                Output::Deliver(message) => self.client.message(message, self.now),
                output => panic!("the session must stay open: {output:?}"),
            }
        }
    }

    /// Writes what is queued as frames of a WebSocket.
    pub fn write(&mut self) {
        self.driver.take(&mut self.queue);
        self.written.clear();
        let mut cost = 0;
        for frame in self.queue.drain(..) {
            self.written.extend_from_slice(frame.websocket(Revision::V4));
            cost += frame.cost();
        }
        self.driver.written(cost);
    }

    /// Answers a GET with what is queued.
    pub fn write_payload(&mut self) -> Bytes {
        self.driver.take(&mut self.queue);
        let (mut payload, cost) = FORMAT.encode(&mut self.queue, 1_000_000);
        self.driver.written(cost);
        // Short answers come in one piece, and so does a long event.
        payload.take(usize::MAX)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.driver.shut();
        self.client.closed(CloseReason::TransportClose);
    }
}

/// A message as a client's packet.
pub fn text(payload: &str) -> Packet {
    Packet::Message(Message::Text(payload.into()))
}

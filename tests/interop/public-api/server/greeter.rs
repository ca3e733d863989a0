//! An application of Engine.IO, without Socket.IO.

use std::sync::Arc;
use std::time::Instant;

use engineio::{
    Application, CloseReason, Frame, HandshakeRequest, Layer, Mailbox, Message, Opened, Transport,
};

/// An application of Engine.IO, without Socket.IO. It tells each client where its handshake and its upgrade came from.
pub(crate) struct Greeter;

pub(crate) struct Greeting(Arc<Mailbox>);

impl Greeting {
    fn tell(&self, what: &str, request: &HandshakeRequest) {
        let from = request.headers.get("x-from").unwrap_or("nowhere");
        // A client that has gone misses nothing.
        let _ = self.0.push(&[Frame::text(&format!("{what} from {from}"))]);
    }
}

impl Application for Greeter {
    type Layer = Greeting;

    const WANTS_UPGRADE_REQUEST: bool = true;

    fn open(&self, opened: Opened, _: Instant) -> Greeting {
        let greeting = Greeting(opened.mailbox);
        greeting.tell("opened", &opened.handshake);
        greeting
    }
}

impl Layer for Greeting {
    fn message(&mut self, _: Message, _: Instant) {}

    fn poll(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn upgraded(&mut self, _: Transport, request: Option<HandshakeRequest>) {
        if let Some(request) = request {
            self.tell("upgraded", &request);
        }
    }

    fn closed(&mut self, _: CloseReason) {}
}

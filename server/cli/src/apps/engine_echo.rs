//! Plain Engine.IO that echoes every message, text or binary.

use std::sync::Arc;
use std::time::Instant;

use engineio::{Application, CloseReason, Frame, Layer, Mailbox, Message, Opened};

/// The application. Each of its sessions sends back what it gets.
#[derive(Debug, Default)]
pub struct EngineEcho;

impl Application for EngineEcho {
    type Layer = Echo;

    fn open(&self, opened: Opened, _: Instant) -> Echo {
        Echo { mailbox: opened.mailbox }
    }
}

/// Sends back what arrives.
#[derive(Debug)]
pub struct Echo {
    mailbox: Arc<Mailbox>,
}

impl Layer for Echo {
    fn message(&mut self, message: Message, _: Instant) {
        let echo = match message {
            Message::Text(text) => Frame::text(&text),
            Message::Binary(bytes) => Frame::binary(&bytes),
        };
        self.mailbox.push_owed(&[echo]);
    }

    fn poll(&mut self, _: Instant) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn closed(&mut self, _: CloseReason) {}
}

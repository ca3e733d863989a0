//! What goes out on a WebSocket, in order. Nobody waits for it: a server that doesn't read stops no deadline.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// Messages that the writing task may hold.
const HANDED_OVER: usize = 16;

/// The messages that wait to be written.
pub(super) struct Outgoing {
    queue: mpsc::Sender<Message>,
    /// Those for which the queue has no room yet.
    waiting: VecDeque<Message>,
    bytes: usize,
}

impl Outgoing {
    /// And the messages, for the task that writes them. After the last it is to close the WebSocket.
    pub(super) fn new() -> (Outgoing, mpsc::Receiver<Message>) {
        let (queue, messages) = mpsc::channel(HANDED_OVER);
        (Outgoing { queue, waiting: VecDeque::new(), bytes: 0 }, messages)
    }

    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.waiting.push_back(message);
        while let Some(message) = self.waiting.pop_front() {
            let len = message.len();
            match self.queue.try_send(message) {
                Ok(()) => self.bytes -= len,
                Err(mpsc::error::TrySendError::Full(message)) => return self.waiting.push_front(message),
                Err(mpsc::error::TrySendError::Closed(_)) => return self.give_up(),
            }
        }
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until another message can be handed over, and does so. Nothing is lost if this is dropped before.
    pub(super) async fn hand_over(&mut self) {
        let Outgoing { queue, waiting, bytes } = self;
        let Ok(place) = queue.reserve().await else { return self.give_up() };
        if let Some(message) = waiting.pop_front() {
            *bytes -= message.len();
            place.send(message);
        }
    }

    /// Hands over what waits, and nothing after it.
    pub(super) async fn finish(mut self) {
        while self.is_waiting() {
            self.hand_over().await;
        }
    }

    /// The WebSocket has ended, which the task that reads it tells.
    fn give_up(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}

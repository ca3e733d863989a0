//! Those who came by plain WebSocket, and what they get.

use std::collections::HashMap;

use serde::Serialize;
use socketio_server::plain::{Outgoing, QueueError, Sender};

use super::news::News;

/// "a message that violates its policy" (RFC 6455, section 7.4.1).
const POLICY: u16 = 1008;

/// What their ids begin with. No socket's does.
pub(super) const PLAIN: &str = "plain ";

/// What a plain client gets of a direct message from Socket.IO.
pub(super) fn direct_line(from: &str, to: &str, text: &str) -> String {
    #[derive(Serialize)]
    struct Direct<'a> {
        to: &'a str,
        from: &'a str,
        text: &'a str,
    }
    json(&Direct { to, from, text })
}

/// What plain clients get.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    Welcome { you: &'a str, online: Vec<&'a str> },
    Online { from: &'a str, was: &'a str },
    Offline { from: &'a str },
    Message { from: &'a str, text: &'a str },
    Error { code: &'static str, message: &'a str },
}

impl<'a> Line<'a> {
    fn of(news: News<'a>) -> Line<'a> {
        match news {
            News::Online { name, was } => Line::Online { from: name, was },
            News::Offline { name } => Line::Offline { from: name },
            News::Message { from, text } => Line::Message { from, text },
        }
    }

    pub(super) fn json(&self) -> String {
        json(self)
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    // There are strings in it and nothing else, all of which can be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// Those who came by plain WebSocket, by ids that no socket has.
#[derive(Default)]
pub(super) struct PlainClients {
    clients: HashMap<String, PlainClient>,
    entered: u64,
}

pub(super) struct PlainClient {
    pub(super) sender: Sender,
    pub(super) json: bool,
}

impl PlainClients {
    pub(super) fn add(&mut self, client: PlainClient) -> String {
        let id = format!("{PLAIN}{}", self.entered);
        self.entered += 1;
        self.clients.insert(id.clone(), client);
        id
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.clients.remove(id);
    }

    /// Sends a line to one, if that is one of them.
    pub(super) fn send(&self, id: &str, line: impl FnOnce() -> String) -> bool {
        let client = self.clients.get(id);
        if let Some(client) = client {
            send(&client.sender, line());
        }
        client.is_some()
    }

    /// Tells all of them but one.
    pub(super) fn tell_others(&self, id: &str, news: News<'_>) {
        if self.clients.is_empty() {
            return;
        }
        let json = Outgoing::from(Line::of(news).json());
        let plain = match news {
            News::Message { text, .. } => Outgoing::from(text),
            News::Online { .. } | News::Offline { .. } => json.clone(),
        };
        for (_, client) in self.clients.iter().filter(|(other, _)| *other != id) {
            send(&client.sender, if client.json { json.clone() } else { plain.clone() });
        }
    }
}

/// Sends, and lets go of whoever doesn't keep up.
pub(super) fn send(to: &Sender, message: impl Into<Outgoing>) {
    if to.send(message) == Err(QueueError::Full) {
        to.close(POLICY, "too many messages are unread");
    }
}

//! The chat by plain WebSocket: what such clients send and get.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::value::RawValue;

use super::Chat;
use super::people::check_text;
use super::plain_clients::{Line, PlainClient, json, send};
use super::refusal::Refusal;
use socketio_server::Denied;
use socketio_server::plain::{Accepted, Message, Sender, WebSocket, WebSocketRequest};

/// The subprotocol in which everything is JSON. Without it, what is said to everyone is text as it is.
const JSON: &str = "chat.json";

/// "an endpoint is terminating the connection because it has received a type of data it cannot accept" (RFC 6455,
/// section 7.4.1).
const UNSUPPORTED: u16 = 1003;

impl Chat {
    /// A handler for [`Builder::websocket`](socketio_server::Builder::websocket), by which plain WebSockets come in.
    ///
    /// What a client sends is text:
    ///
    /// | text | what it does |
    /// |---|---|
    /// | `{"type":"online","from":NAME}` | takes a name, by the rules for names |
    /// | `{"to":NAME,...}` | goes to one, online or a guest |
    /// | anything else | goes to everyone else |
    ///
    /// What a client gets:
    ///
    /// | text | when |
    /// |---|---|
    /// | what somebody wrote, as it is | somebody wrote to everyone |
    /// | `{"to":NAME,...,"from":NAME}` | somebody wrote to this client alone: all that they sent, with their name; or a `text` from Socket.IO |
    /// | `{"type":"online","from":NAME,"was":NAME}` | somebody has taken a name, this client included |
    /// | `{"type":"offline","from":NAME}` | somebody who was online has left |
    /// | `{"type":"error","code":CODE,"message":SENTENCE}` | what this client sent was refused, with a code as in Socket.IO's acknowledgements |
    ///
    /// A client that offers the subprotocol `chat.json` is told more: `{"type":"welcome","you":NAME,"online":[NAME,...]}`
    /// when it comes, and `{"type":"message","from":NAME,"text":TEXT}` for what is written to everyone. One
    /// that offers others alone is refused. Rooms are for Socket.IO clients; binary closes the connection with 1003.
    ///
    /// # Errors
    /// If the client is refused.
    pub fn websocket(&self, request: WebSocketRequest) -> Result<Accepted, Denied> {
        let json = request.protocols().any(|offered| offered == JSON);
        if !json && request.protocols().next().is_some() {
            let reason = format!("offer the subprotocol {JSON}, or none");
            return Err(Denied::new(reason).status(StatusCode::BAD_REQUEST));
        }
        let accept = request.accept();
        let accept = if json { accept.protocol(JSON)? } else { accept };
        let chat = self.clone();
        Ok(accept.run(move |websocket| chat.host(websocket, json)))
    }

    /// Has somebody in, until they leave.
    async fn host(self, mut websocket: WebSocket, json: bool) {
        let id = self.enter(websocket.sender(), json);
        while let Some(message) = websocket.next().await {
            match message {
                Message::Text(text) => {
                    if let Err(refusal) = self.hear(&id, &text) {
                        let (code, message) = (refusal.code(), &*refusal.to_string());
                        send(&websocket.sender(), Line::Error { code, message }.json());
                    }
                }
                Message::Binary(_) => websocket.close(UNSUPPORTED, "the chat only takes text"),
            }
        }
        self.talk.exit(&self.namespace, &id);
    }

    fn enter(&self, sender: Sender, json: bool) -> String {
        let present = &mut *self.talk.0.lock();
        let id = present.plain.add(PlainClient { sender, json });
        let you = present.enter(&self.namespace, &id);
        if json {
            let welcome = Line::Welcome { you: &you, online: present.online() };
            present.plain.send(&id, || welcome.json());
        }
        id
    }

    /// Does what somebody asks for.
    fn hear(&self, id: &str, text: &str) -> Result<(), Refusal> {
        let Chat { namespace, talk } = self;
        talk.pace(id)?;
        check_text(text)?;
        match Heard::in_text(text) {
            Heard::Text => talk.say(namespace, id, text),
            Heard::Online { name } => {
                let (name, was) = talk.rename(namespace, id, &name)?;
                if was.is_none() {
                    // Nobody is told that nothing has changed, but who asked gets an answer.
                    talk.0.lock().plain.send(id, || Line::Online { from: &name, was: &name }.json());
                }
                Ok(())
            }
            Heard::Direct { to, members } => {
                let said = members.get("text").and_then(|text| string(text));
                let line = |from: &str, _: &str| signed(members, from);
                talk.say_to(namespace, id, &to, said.as_deref().unwrap_or(text), line).map(drop)
            }
        }
    }
}

/// What a text asks for.
enum Heard<'a> {
    Text,
    Online { name: String },
    Direct { to: String, members: Members<'a> },
}

/// The members of a JSON object, each as it was written.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl Heard<'_> {
    fn in_text(text: &str) -> Heard<'_> {
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return Heard::Text };
        // A name may look like a number. And what is addressed in a way that can't be understood is refused
        // for want of such a name: meant for one, it is never told to all.
        let name = |member| {
            let value = members.get(member).filter(|value| value.get() != "null")?;
            Some(string(value).unwrap_or_else(|| value.get().to_owned()))
        };
        let kind = members.get("type").and_then(|value| string(value));
        match (name("to"), kind.as_deref(), name("from")) {
            (Some(to), _, _) => Heard::Direct { to, members },
            (None, Some("online"), Some(name)) => Heard::Online { name },
            _ => Heard::Text,
        }
    }
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// An object as it was sent, with its sender's name: nobody speaks in another's.
fn signed(members: Members<'_>, from: &str) -> String {
    let Ok(from) = serde_json::value::to_raw_value(from) else { return String::new() };
    let mut members: Members<'_> = members;
    members.insert("from".into(), &from);
    json(&members)
}

//! How the formats of npm's adapters differ.

use std::sync::Arc;

use bytes::Bytes;
use socketio::{Namespace, Node, NodeId, NodeMessage, Offset};

use crate::link::{Channel, Command, Entry};
use crate::publisher::PublishError;
use crate::wire::Garbage;

/// A format: the names of channels, and how messages are written. It does no IO and keeps no state.
pub(crate) trait Format: Send + Sync + 'static {
    /// The channels that a node listens to, whichever namespaces it has.
    fn always(&self) -> Vec<Channel>;

    /// Those that it listens to for a namespace.
    fn of_namespace(&self, namespace: &str, own: &NodeId) -> Vec<Channel>;

    /// The streams that it reads.
    fn streams(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Whether somebody here may want an entry of a stream. Asked before it is decoded.
    fn is_wanted_entry(&self, _entry: &Entry, _node: &Node) -> bool {
        false
    }

    /// The serial number and the offset of an entry that this node has appended and waits for.
    fn returned(&self, _entry: &Entry, _node: &Node) -> Option<(u64, Offset)> {
        None
    }

    /// Reads an entry of a stream.
    fn decode_entry(&self, _entry: &Entry) -> Result<Heard, Garbage> {
        Ok(Heard::Nothing)
    }

    /// Whether it has to be told of rooms as they come and go.
    fn follows_rooms(&self) -> bool {
        false
    }

    /// The channel that a node listens to for a room that it has. `is_own` tells whether it is a socket's own.
    fn of_room(&self, _namespace: &str, _room: &str, _is_own: &dyn Fn() -> bool) -> Option<Channel> {
        None
    }

    /// The one of these that has as many subscribers as there are nodes.
    fn counted(&self, namespace: &str) -> Channel;

    /// A pattern of the channels on which single nodes are told something, if they can be told from others.
    fn nodes(&self, _namespace: &str) -> Option<Channel> {
        None
    }

    /// The node that listens to one of these.
    fn node_of(&self, _namespace: &str, _channel: &str) -> Option<NodeId> {
        None
    }

    /// Whether this node has sent a message, as far as that can be told without decoding it.
    fn is_own(&self, payload: &[u8], own: &NodeId) -> bool;

    /// Whether somebody here may want a message of another node. Asked before it is decoded.
    fn is_wanted(&self, channel: &str, node: &Node) -> bool;

    /// The request that a message answers, as far as that can be told without decoding it.
    fn answered<'a>(&self, _channel: &str, _payload: &'a [u8]) -> Option<&'a str> {
        None
    }

    /// Writes a message.
    fn encode(&self, message: &NodeMessage) -> Result<Command, PublishError>;

    /// Reads what came on a channel.
    fn decode(&self, channel: &str, payload: &Bytes) -> Result<Heard, Garbage>;
}

/// What came on a channel.
pub(crate) enum Heard {
    Message(Box<NodeMessage>),
    /// A question that only servers in JavaScript ask, about a namespace. A command is the answer.
    Question {
        namespace: Box<str>,
        from: Option<NodeId>,
        answer: Question,
    },
    /// Nothing that anybody waits for.
    Nothing,
}

pub(crate) type Question = Box<dyn FnOnce(&Namespace) -> Command + Send>;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use socketio::{Args, Binary, Event, Flags, MessageBody, Selection, SocketDetails};

    use super::*;
    use crate::classic::Classic;
    use crate::sharded::{Sharded, Subscriptions};
    use crate::streams::Streams;

    /// One message of each kind.
    fn messages() -> Vec<NodeMessage> {
        let event = Event::outgoing("name", (1.5, "text \u{1f980}", Binary::from(&b"bytes"[..]), [[1], [2]]))
            .unwrap();
        let selection = Selection { rooms: vec!["r".into(), "7".into()], except: vec!["z".into()] };
        let mut flags = Flags::default();
        (flags.volatile, flags.compress, flags.timeout) = (true, Some(false), Some(Duration::from_secs(1)));
        let (request, answer) = (socketio::RequestId::from("request"), event.args().clone());
        let broadcast = |request| MessageBody::Broadcast {
            event: event.clone(),
            selection: selection.clone(),
            flags,
            request,
        };
        let bodies = vec![
            broadcast(None),
            broadcast(Some(request.clone())),
            MessageBody::SocketsJoin { selection: selection.clone(), rooms: vec!["a".into()] },
            MessageBody::DisconnectSockets { selection: selection.clone(), close: true },
            MessageBody::FetchSockets { selection: selection.clone(), request: request.clone() },
            MessageBody::FetchedSockets { request: request.clone(), sockets: vec![SocketDetails::default()] },
            MessageBody::ServerSideEmit { event: event.clone(), request: Some(request.clone()) },
            MessageBody::ServerSideAnswer { request: request.clone(), answer: Args::new("a").unwrap() },
            MessageBody::ClientCount { request: request.clone(), clients: 1 },
            MessageBody::ClientAnswer { request, answer },
        ];
        bodies.into_iter().map(|body| NodeMessage::new(Some("them".into()), None, "/".into(), body)).collect()
    }

    #[test]
    fn no_change_to_a_message_makes_its_reader_panic() {
        let formats: [Box<dyn Format>; 3] = [
            Box::new(Classic::new("socket.io")),
            Box::new(Sharded::new("socket.io", Subscriptions::Dynamic)),
            Box::new(Streams::new("socket.io", 1, 10, "socket.io")),
        ];
        // Numbers that look random and are the same each time.
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut change = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            for _ in 0..=random(3) {
                let at = random(bytes.len().max(1));
                match random(4) {
                    0 if !bytes.is_empty() => bytes[at] = random(256) as u8,
                    1 if !bytes.is_empty() => drop(bytes.remove(at)),
                    2 => bytes.insert(at.min(bytes.len()), random(256) as u8),
                    _ => bytes.truncate(at),
                }
            }
            Bytes::from(bytes)
        };
        for format in &formats {
            for message in messages() {
                let command = format.encode(&message).unwrap();
                for round in 0..2000 {
                    let read = catch_unwind(AssertUnwindSafe(|| match &command {
                        Command::Publish { channel, payload } => {
                            let payload = if round == 0 { payload.clone() } else { change(payload) };
                            format.decode(channel.name(), &payload).is_ok()
                        }
                        Command::Append { fields, .. } => {
                            let mut fields = fields.clone();
                            for (_, value) in fields.iter_mut().filter(|_| round > 0) {
                                *value = change(value);
                            }
                            let entry = Entry { stream: "s".into(), id: "1-0".into(), fields };
                            format.decode_entry(&entry).is_ok()
                        }
                        other => panic!("{other:?}"),
                    }));
                    let read = read.unwrap_or_else(|_| panic!("round {round} of {:?}", message.body));
                    assert!(read || round > 0, "{:?} is read as it is", message.body);
                }
            }
        }
    }
}

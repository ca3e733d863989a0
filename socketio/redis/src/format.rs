//! What the formats of npm's adapters differ in.

use std::sync::Arc;

use bytes::Bytes;
use socketio::{Message, Namespace, Node, NodeId};

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

    /// Whether somebody here may want a message. Asked before it is decoded.
    fn is_wanted(&self, channel: &str, payload: &[u8], node: &Node) -> bool;

    /// Writes a message.
    fn encode(&self, message: &Message) -> Result<Command, PublishError>;

    /// Reads what came on a channel.
    fn decode(&self, channel: &str, payload: &Bytes) -> Result<Heard, Garbage>;
}

/// What came on a channel.
pub(crate) enum Heard {
    Message(Message),
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

//! The format of `createShardedAdapter` of `@socket.io/redis-adapter`: sharded pub/sub, from Redis 7 on.
//!
//! ```text
//!   socket.io#/chat#        everything in /chat; as many nodes as subscribers
//!   socket.io#/chat#id#     answers to one node
//!   socket.io#/chat#room#   broadcasts to one room alone, if nodes subscribe to their rooms
//! ```
//!
//! A message is `{type, data, uid, nsp}`: JSON, or MessagePack if there are bytes in it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use socketio::{MessageBody, Node, NodeId, NodeMessage};
use tokio::time::Instant;

use crate::cluster_adapter::{self, kind};
use crate::format::{Format, Heard};
use crate::link::{Channel, Command};
use crate::publisher::PublishError;
use crate::wire::{self, Fetched, Garbage};

#[cfg(test)]
mod tests;

/// Which rooms have a channel of their own, with [`Mode::Sharded`](crate::Mode::Sharded). All nodes of a cluster
/// should have the same: `subscriptionMode` in JavaScript.
///
/// ```
/// use socketio_redis::{Mode, RedisAdapter, RedisError, Subscriptions};
///
/// let mode = Mode::Sharded(Subscriptions::Static);
/// let adapter = RedisAdapter::open("redis://127.0.0.1:6379")?.mode(mode);
/// # Ok::<_, RedisError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subscriptions {
    /// None: each node hears everything.
    Static,
    /// Those that sockets have joined, but not those that are a socket's own.
    #[default]
    Dynamic,
    /// Those as well.
    DynamicPrivate,
}

/// A socket's id, as servers in JavaScript and this one make it, has so many characters. A room with as many is
/// taken for a socket's own.
const ID_LEN: usize = 20;

/// A node's id, as npm's adapters and this crate's make it, has so many hexadecimal digits.
const NODE_LEN: usize = 16;

/// Within so many bytes of its end, a message's sender is looked for.
const END: usize = 128;

/// For how long broadcasts to a room go to everybody after others were told to join one: they subscribe to its
/// channel in their own time.
const SUBSCRIBING: Duration = Duration::from_secs(2);

/// The names of channels.
#[derive(Debug)]
pub(crate) struct Sharded {
    prefix: Arc<str>,
    subscriptions: Subscriptions,
    /// When others were last told to join a room.
    told_to_join: Mutex<Option<Instant>>,
}

impl Sharded {
    pub(crate) fn new(prefix: &str, subscriptions: Subscriptions) -> Sharded {
        Sharded { prefix: prefix.into(), subscriptions, told_to_join: Mutex::default() }
    }

    fn common(&self, namespace: &str) -> Channel {
        Channel::Sharded(format!("{}#{namespace}#", self.prefix).into())
    }

    fn within(&self, namespace: &str, room_or_node: &str) -> Channel {
        Channel::Sharded(format!("{}#{namespace}#{room_or_node}#", self.prefix).into())
    }

    /// Where a message goes.
    pub(crate) fn channel(&self, message: &NodeMessage) -> Channel {
        let NodeMessage { to, namespace, body, .. } = message;
        match (to, body) {
            (Some(node), _) => self.within(namespace, node),
            (None, MessageBody::Broadcast { selection, request: None, .. }) => match &selection.rooms[..] {
                [room] if self.has_channel(room) => self.within(namespace, room),
                _ => self.common(namespace),
            },
            _ => self.common(namespace),
        }
    }

    /// Whether the nodes that have a room surely listen to its channel.
    fn has_channel(&self, room: &str) -> bool {
        let subscribed = match self.subscriptions {
            Subscriptions::Static => false,
            Subscriptions::Dynamic => room.encode_utf16().count() != ID_LEN,
            Subscriptions::DynamicPrivate => true,
        };
        subscribed && self.told_to_join.lock().is_none_or(|told| told.elapsed() > SUBSCRIBING)
    }
}

impl Format for Sharded {
    fn always(&self) -> Vec<Channel> {
        Vec::new()
    }

    fn of_namespace(&self, namespace: &str, own: &NodeId) -> Vec<Channel> {
        vec![self.common(namespace), self.within(namespace, own)]
    }

    fn follows_rooms(&self) -> bool {
        self.subscriptions != Subscriptions::Static
    }

    fn of_room(&self, namespace: &str, room: &str, is_own: &dyn Fn() -> bool) -> Option<Channel> {
        let subscribes = match self.subscriptions {
            Subscriptions::Static => false,
            Subscriptions::Dynamic => !is_own(),
            Subscriptions::DynamicPrivate => true,
        };
        subscribes.then(|| self.within(namespace, room))
    }

    fn counted(&self, namespace: &str) -> Channel {
        self.common(namespace)
    }

    fn nodes(&self, namespace: &str) -> Option<Channel> {
        let (prefix, namespace) = (wire::escaped(&self.prefix), wire::escaped(namespace));
        Some(Channel::Sharded(format!("{prefix}#{namespace}#{}#", "?".repeat(NODE_LEN)).into()))
    }

    fn node_of(&self, namespace: &str, channel: &str) -> Option<NodeId> {
        let rest = channel.strip_prefix(&*self.prefix)?.strip_prefix('#')?.strip_prefix(namespace)?;
        let node = rest.strip_prefix('#')?.strip_suffix('#')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (node.len() == NODE_LEN && node.bytes().all(is_digit)).then(|| node.into())
    }

    /// What is JSON ends with its sender and its namespace.
    fn is_own(&self, payload: &[u8], own: &NodeId) -> bool {
        const UID: &[u8] = b"\"uid\":\"";
        let end = &payload[payload.len().saturating_sub(END)..];
        let at = end.windows(UID.len()).rposition(|name| name == UID);
        at.is_some_and(|at| end[at + UID.len()..].starts_with(own.as_bytes()))
    }

    /// Whatever is heard was subscribed to.
    fn is_wanted(&self, _: &str, _: &Node) -> bool {
        true
    }

    fn encode(&self, message: &NodeMessage) -> Result<Command, PublishError> {
        if let MessageBody::SocketsJoin { .. } = message.body {
            *self.told_to_join.lock() = Some(Instant::now());
        }
        let channel = self.channel(message);
        let uid = message.from.as_deref().unwrap_or_default();
        let (uid, nsp) = (wire::quoted(uid), wire::quoted(&message.namespace));
        let whole =
            |kind: u8, data: &str| format!(r#"{{"type":{kind},"data":{data},"uid":{uid},"nsp":{nsp}}}"#);
        if let MessageBody::FetchedSockets { request, sockets } = &message.body {
            // It is large, and need not be looked at again.
            let payload = whole(kind::FETCH_SOCKETS_RESPONSE, &wire::fetched(request, sockets)?).into();
            return Ok(Command::Publish { channel, payload });
        }
        let (kind, data) = cluster_adapter::write(&message.body)?;
        let payload = if data.attachments().is_empty() || !can_be_binary(kind) {
            whole(kind, &data.stringified()).into()
        } else {
            wire::to_msgpack(whole(kind, data.json()), data.attachments().to_vec())?
        };
        Ok(Command::Publish { channel, payload })
    }

    fn decode(&self, _: &str, payload: &Bytes) -> Result<Heard, Garbage> {
        let at_once = |json: &[u8]| wire::read_at_once::<Answer<'_>>(json, ANSWER).map(Answer::into_heard);
        if let Some(heard) = at_once(payload) {
            return Ok(heard);
        }
        let whole = wire::read(payload)?;
        let was_packed = payload.first() != Some(&b'{');
        if was_packed
            && whole.attachments().is_empty()
            && let Some(heard) = at_once(whole.json().as_bytes())
        {
            return Ok(heard);
        }
        let message: Whole<'_> = serde_json::from_str(whole.json())?;
        let data = message.data.map_or("{}", RawValue::get);
        let (uid, nsp) = (wire::id(message.uid), message.nsp.as_ref().into());
        Ok(match cluster_adapter::read(message.r#type, uid, nsp, data, &whole)? {
            Some(message) => Heard::Message(Box::new(message)),
            None => Heard::Nothing,
        })
    }
}

/// Whether npm's adapters look for bytes in messages of a type.
pub(crate) fn can_be_binary(kind: u8) -> bool {
    matches!(
        kind,
        kind::BROADCAST
            | kind::FETCH_SOCKETS_RESPONSE
            | kind::SERVER_SIDE_EMIT
            | kind::SERVER_SIDE_EMIT_RESPONSE
            | kind::BROADCAST_ACK
    )
}

#[derive(Deserialize)]
struct Whole<'a> {
    r#type: u8,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    nsp: Cow<'a, str>,
}

/// How an answer with sockets begins.
const ANSWER: &str = r#"{"type":8,"#;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Fetched<'a>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    nsp: Cow<'a, str>,
}

impl Answer<'_> {
    fn into_heard(self) -> Heard {
        let (uid, nsp) = (wire::id(self.uid), self.nsp.as_ref().into());
        Heard::Message(Box::new(NodeMessage::new(uid, None, nsp, self.data.into_body())))
    }
}

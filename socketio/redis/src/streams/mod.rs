//! The format of `@socket.io/redis-streams-adapter` 0.3: a stream, and pub/sub beside it.
//!
//! ```text
//!   the stream socket.io   broadcasts, joins, leaves, disconnections:  uid .. nsp /chat type 3 data {..}
//!   socket.io#/chat#       what is to be answered; as many nodes as subscribers
//!   socket.io#/chat#id#    answers to one node
//! ```
//!
//! An entry's data is JSON, or MessagePack in base64 if there are bytes in it. By pub/sub everything is MessagePack.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use socketio::{MessageBody, Node, NodeId, NodeMessage, Offset, RawJson};

use crate::cluster_adapter;
use crate::format::{Format, Heard};
use crate::link::{Channel, Command, Entry, Fields};
use crate::publisher::PublishError;
use crate::sharded::{Sharded, Subscriptions, can_be_binary};
use crate::wire::{self, Garbage};

#[cfg(test)]
mod tests;

/// Who sends without being a server.
const EMITTER: &str = "emitter";

/// The field by which a node knows its own entries again. Servers in JavaScript don't look at it.
const SERIAL: &str = "serial";

#[derive(Debug)]
pub(crate) struct Streams {
    stream: Arc<str>,
    count: u32,
    max_len: usize,
    /// Names channels and reads what comes on them as the sharded adapter does.
    channels: Sharded,
}

impl Streams {
    pub(crate) fn new(stream: &str, count: u32, max_len: usize, prefix: &str) -> Streams {
        Streams {
            stream: stream.into(),
            count: count.max(1),
            max_len,
            channels: Sharded::new(prefix, Subscriptions::Static),
        }
    }

    /// The stream of a namespace. npm's adapter takes a remainder that may be negative, and writes to a stream then that
    /// nobody reads; whatever is read counts, whichever stream it is in.
    pub(crate) fn of(&self, namespace: &str) -> Arc<str> {
        if self.count == 1 {
            return Arc::clone(&self.stream);
        }
        format!("{}-{}", self.stream, self.number(namespace)).into()
    }

    /// Which of the streams is that of a namespace.
    pub(crate) fn number(&self, namespace: &str) -> u32 {
        hash(namespace).rem_euclid(self.count.cast_signed()).cast_unsigned()
    }

    fn append(&self, message: &NodeMessage) -> Result<Command, PublishError> {
        let (kind, data) = cluster_adapter::write(&message.body)?;
        let text = if data.attachments().is_empty() || !can_be_binary(kind) {
            data.stringified().into_owned()
        } else {
            let packed =
                data.to_msgpack().map_err(|error| PublishError::Unwritable(error.to_string().into()))?;
            STANDARD.encode(packed)
        };
        let uid = message.from.as_deref().unwrap_or(EMITTER);
        let mut fields: Fields = vec![
            ("uid".into(), uid.to_owned().into()),
            ("nsp".into(), message.namespace.to_string().into()),
            ("type".into(), kind.to_string().into()),
            ("data".into(), text.into()),
        ];
        if let Some(serial) = message.serial {
            fields.push((SERIAL.into(), serial.to_string().into()));
        }
        Ok(Command::Append { stream: self.of(&message.namespace), max_len: self.max_len, fields })
    }
}

fn serial(entry: &Entry) -> Option<u64> {
    std::str::from_utf8(entry.field(SERIAL)?).ok()?.parse().ok()
}

/// The hash of a namespace's name, as npm's adapter makes it of its UTF-16 units.
fn hash(namespace: &str) -> i32 {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(unit.into());
    namespace.encode_utf16().fold(0, step)
}

/// Channels of the same names, of ordinary pub/sub.
fn exact(channel: Channel) -> Channel {
    match channel {
        Channel::Sharded(name) => Channel::Exact(name),
        other => other,
    }
}

impl Format for Streams {
    fn always(&self) -> Vec<Channel> {
        Vec::new()
    }

    fn of_namespace(&self, namespace: &str, own: &NodeId) -> Vec<Channel> {
        self.channels.of_namespace(namespace, own).into_iter().map(exact).collect()
    }

    fn counted(&self, namespace: &str) -> Channel {
        exact(self.channels.counted(namespace))
    }

    fn nodes(&self, namespace: &str) -> Option<Channel> {
        self.channels.nodes(namespace).map(exact)
    }

    fn node_of(&self, namespace: &str, channel: &str) -> Option<NodeId> {
        self.channels.node_of(namespace, channel)
    }

    /// Those that npm's adapter reads, and those that it writes to by mistake.
    fn streams(&self) -> Vec<Arc<str>> {
        if self.count == 1 {
            return vec![Arc::clone(&self.stream)];
        }
        let count = self.count.cast_signed();
        (1 - count..count).map(|number| format!("{}-{number}", self.stream).into()).collect()
    }

    fn is_own(&self, _: &[u8], _: &NodeId) -> bool {
        false
    }

    fn is_wanted(&self, _: &str, _: &Node) -> bool {
        true
    }

    fn encode(&self, message: &NodeMessage) -> Result<Command, PublishError> {
        let by_stream = match &message.body {
            MessageBody::Broadcast { request, .. } => request.is_none(),
            MessageBody::SocketsJoin { .. }
            | MessageBody::SocketsLeave { .. }
            | MessageBody::DisconnectSockets { .. } => true,
            _ => message.from.as_deref() == Some(EMITTER),
        };
        if by_stream {
            return self.append(message);
        }
        let (kind, data) = cluster_adapter::write(&message.body)?;
        let uid = wire::quoted(message.from.as_deref().unwrap_or(EMITTER));
        let (nsp, json) = (wire::quoted(&message.namespace), data.json());
        let whole = format!(r#"{{"type":{kind},"data":{json},"uid":{uid},"nsp":{nsp}}}"#);
        let payload = wire::to_msgpack(whole, data.attachments().to_vec())?;
        Ok(Command::Publish { channel: exact(self.channels.channel(message)), payload })
    }

    fn decode(&self, channel: &str, payload: &Bytes) -> Result<Heard, Garbage> {
        self.channels.decode(channel, payload)
    }

    fn is_wanted_entry(&self, entry: &Entry, node: &Node) -> bool {
        let is_here = |nsp: &Bytes| std::str::from_utf8(nsp).is_ok_and(|nsp| node.namespace(nsp).is_some());
        !entry.is("uid", node.id()) && entry.field("nsp").is_some_and(is_here)
    }

    fn decode_entry(&self, entry: &Entry) -> Result<Heard, Garbage> {
        let text = |name| match entry.field(name) {
            None => Ok(None),
            Some(value) => std::str::from_utf8(value).map(Some).map_err(|_| Garbage::from("it is not UTF-8")),
        };
        let kind = text("type")?.and_then(|kind| kind.parse().ok()).ok_or("its type is no number")?;
        let namespace = text("nsp")?.ok_or("it has no namespace")?.into();
        let whole = match text("data")? {
            None => RawJson::new("{}", Vec::new())?,
            Some(json) if json.starts_with('{') => RawJson::new(json, Vec::new())?,
            Some(base64) => {
                let packed = STANDARD.decode(base64).map_err(|_| "its data is neither JSON nor base64")?;
                RawJson::from_msgpack(&packed.into(), wire::LIMIT)?
            }
        };
        let from = text("uid")?.map(NodeId::from);
        let serial = serial(entry);
        Ok(match cluster_adapter::read(kind, from, namespace, whole.json(), &whole)? {
            Some(mut message) => {
                message.serial = serial;
                Heard::Message(Box::new(match entry.id.parse() {
                    Ok(offset) => message.at(offset),
                    Err(_) => message,
                }))
            }
            None => Heard::Nothing,
        })
    }

    fn returned(&self, entry: &Entry, node: &Node) -> Option<(u64, Offset)> {
        let serial = entry.is("uid", node.id()).then(|| serial(entry))??;
        Some((serial, entry.id.parse().ok()?))
    }
}

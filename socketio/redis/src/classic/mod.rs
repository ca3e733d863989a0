//! The format of `@socket.io/redis-adapter`: classic pub/sub.
//!
//! ```text
//!   socket.io#/chat#               broadcasts in /chat
//!   socket.io#/chat#room#          those to one room alone
//!   socket.io-request#/chat#       requests; as many nodes as subscribers
//!   socket.io-response#/chat#      answers to all
//!   socket.io-response#/chat#id#   answers to one node
//! ```
//!
//! A broadcast is MessagePack, `[uid, packet, opts]`. Requests and answers are JSON, except those that can hold
//! bytes: an event that clients acknowledge, and what they answer.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use socketio::{
    Broadcast, Event, MessageBody, Namespace, Node, NodeId, NodeMessage, RawJson, RequestId, Room,
};

use crate::format::{Format, Heard};
use crate::link::{Channel, Command};
use crate::pack::Pack;
use crate::publisher::PublishError;
use crate::wire::{self, Fetched, Garbage, Opts, Packet, Rooms};

#[cfg(test)]
mod tests;

/// Types of requests, and of those answers that have one.
mod kind {
    pub(super) const SOCKETS: u8 = 0;
    pub(super) const ALL_ROOMS: u8 = 1;
    pub(super) const REMOTE_JOIN: u8 = 2;
    pub(super) const REMOTE_LEAVE: u8 = 3;
    pub(super) const REMOTE_DISCONNECT: u8 = 4;
    pub(super) const REMOTE_FETCH: u8 = 5;
    pub(super) const SERVER_SIDE_EMIT: u8 = 6;
    pub(super) const BROADCAST: u8 = 7;
    pub(super) const BROADCAST_CLIENT_COUNT: u8 = 8;
    pub(super) const BROADCAST_ACK: u8 = 9;
}

/// At so many `#` a channel's name is cut into a namespace and a room. A client may have named the room: of one with
/// more, the message itself has to say whose it is.
const SPLITS: usize = 16;

/// The names of channels.
#[derive(Clone, Debug)]
pub(crate) struct Classic {
    prefix: Arc<str>,
}

impl Classic {
    pub(crate) fn new(prefix: &str) -> Classic {
        Classic { prefix: prefix.into() }
    }

    fn broadcasts(&self, namespace: &str, rooms: &[Room]) -> Channel {
        let prefix = &self.prefix;
        // A receiver takes the room from the channel's name: the two must agree.
        Channel::Exact(match rooms {
            [room] => format!("{prefix}#{namespace}#{room}#").into(),
            _ => format!("{prefix}#{namespace}#").into(),
        })
    }

    fn requests(&self, namespace: &str) -> Channel {
        Channel::Exact(format!("{}-request#{namespace}#", self.prefix).into())
    }

    fn answers(&self, namespace: &str, to: Option<&NodeId>) -> Channel {
        let prefix = &self.prefix;
        Channel::Exact(match to {
            Some(node) => format!("{prefix}-response#{namespace}#{node}#").into(),
            None => format!("{prefix}-response#{namespace}#").into(),
        })
    }
}

/// # Which channels
impl Format for Classic {
    /// One pattern for the broadcasts of all namespaces: each further pattern costs Redis time with every message.
    fn always(&self) -> Vec<Channel> {
        vec![Channel::Pattern(format!("{}#*", wire::escaped(&self.prefix)).into())]
    }

    fn of_namespace(&self, namespace: &str, own: &NodeId) -> Vec<Channel> {
        vec![self.requests(namespace), self.answers(namespace, None), self.answers(namespace, Some(own))]
    }

    fn counted(&self, namespace: &str) -> Channel {
        self.requests(namespace)
    }

    /// Broadcasts begin with their sender.
    fn is_own(&self, payload: &[u8], own: &NodeId) -> bool {
        is_of(payload, own)
    }

    /// Whether a broadcast has to be looked into: if it is for a room, or a namespace, that is not here, it has not.
    fn is_wanted(&self, channel: &str, node: &Node) -> bool {
        let Some(rest) = channel.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_prefix('#')) else {
            return true;
        };
        // A name may have a `#` in it, so there may be several namespaces that it is a channel of.
        let Some(rest) = rest.strip_suffix('#') else { return false };
        let is_here = |namespace: &str, room: &str| {
            node.namespace(namespace).is_some_and(|namespace| room.is_empty() || namespace.has_room(room))
        };
        let mut splits = rest.match_indices('#').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
        is_here(rest, "")
            || splits.by_ref().take(SPLITS).any(|(namespace, room)| is_here(namespace, room))
            || splits.next().is_some()
    }

    /// Servers in JavaScript answer on the channel that all nodes hear.
    fn answered<'a>(&self, channel: &str, payload: &'a [u8]) -> Option<&'a str> {
        let kind = channel.strip_prefix(&*self.prefix)?;
        kind.starts_with("-response#").then(|| request_of(payload))?
    }

    fn encode(&self, message: &NodeMessage) -> Result<Command, PublishError> {
        let (channel, payload) = self.write(message)?;
        Ok(Command::Publish { channel, payload })
    }

    fn decode(&self, channel: &str, payload: &Bytes) -> Result<Heard, Garbage> {
        let rest = channel.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix('#'));
        let rest = rest.ok_or("the channel has another prefix")?;
        if let Some(namespace) = rest.strip_prefix("-request#") {
            self.read_request(namespace, payload)
        } else if let Some(namespace) = rest.strip_prefix("-response#") {
            read_answer(namespace, payload)
        } else if rest.starts_with('#') || rest.is_empty() {
            read_broadcast(payload)
        } else {
            Err("the channel is of an unknown kind".into())
        }
    }
}

/// Whether a broadcast begins with this node's id. Ids are shorter than 32 bytes.
fn is_of(payload: &[u8], id: &NodeId) -> bool {
    let head = [0x93, 0xa0 | id.len() as u8];
    id.len() < 32 && payload.strip_prefix(&head).is_some_and(|rest| rest.starts_with(id.as_bytes()))
}

/// The request that an answer names, as npm's adapter and this crate write it: at the beginning, or behind the type.
fn request_of(answer: &[u8]) -> Option<&str> {
    let id = match answer {
        [b'{', json @ ..] => {
            let json = match json.strip_prefix(b"\"type\":") {
                Some([b'0'..=b'9', b',', rest @ ..]) => rest,
                _ => json,
            };
            let rest = json.strip_prefix(b"\"requestId\":\"")?;
            let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            (rest[end] == b'"').then(|| &rest[..end])?
        }
        [0x82 | 0x83, packed @ ..] => match packed.strip_prefix(b"\xa4type\x09\xa9requestId")? {
            [len @ 0xa0..=0xbf, rest @ ..] => rest.get(..usize::from(len & 0x1f))?,
            _ => return None,
        },
        _ => return None,
    };
    std::str::from_utf8(id).ok()
}

/// # Writing
impl Classic {
    fn write(&self, message: &NodeMessage) -> Result<(Channel, Bytes), PublishError> {
        let NodeMessage { from, to, namespace, body, .. } = message;
        let json = |request: String| (self.requests(namespace), request.into());
        let signed = |rest: String| match from.as_deref().map(wire::quoted) {
            Some(uid) => json(format!(r#"{{"uid":{uid},{rest}}}"#)),
            None => json(format!("{{{rest}}}")),
        };
        let answer = |answer: String| (self.answers(namespace, to.as_ref()), answer.into());
        Ok(match body {
            MessageBody::Broadcast { event, selection, flags, request: None } => {
                let pack = Pack::default().array(3).text_or_nil(from.as_deref());
                let pack = pack.packet(event, namespace)?.opts(selection, *flags);
                (self.broadcasts(namespace, &selection.rooms), pack.into_bytes())
            }
            MessageBody::Broadcast { event, selection, flags, request: Some(request) } => {
                let pack = Pack::default().map(5).text("uid").text_or_nil(from.as_deref());
                let pack = pack.text("requestId").text(request).text("type").number(kind::BROADCAST.into());
                let pack = pack.text("packet").packet(event, namespace)?.text("opts").opts(selection, *flags);
                (self.requests(namespace), pack.into_bytes())
            }
            MessageBody::SocketsJoin { selection, rooms } => {
                let (kind, opts, rooms) = (kind::REMOTE_JOIN, choice(selection), wire::rooms(rooms));
                signed(format!(r#""type":{kind},"opts":{opts},"rooms":{rooms}"#))
            }
            MessageBody::SocketsLeave { selection, rooms } => {
                let (kind, opts, rooms) = (kind::REMOTE_LEAVE, choice(selection), wire::rooms(rooms));
                signed(format!(r#""type":{kind},"opts":{opts},"rooms":{rooms}"#))
            }
            MessageBody::DisconnectSockets { selection, close } => {
                let (kind, opts) = (kind::REMOTE_DISCONNECT, choice(selection));
                signed(format!(r#""type":{kind},"opts":{opts},"close":{close}"#))
            }
            MessageBody::FetchSockets { selection, request } => {
                let (kind, opts, request) = (kind::REMOTE_FETCH, choice(selection), wire::quoted(request));
                signed(format!(r#""requestId":{request},"type":{kind},"opts":{opts}"#))
            }
            MessageBody::FetchedSockets { request, sockets } => answer(wire::fetched(request, sockets)?),
            MessageBody::ServerSideEmit { event, request } => {
                let raw = event.to_raw();
                let (kind, data) = (kind::SERVER_SIDE_EMIT, raw.stringified());
                match request.as_deref().map(wire::quoted) {
                    Some(request) => signed(format!(r#""requestId":{request},"type":{kind},"data":{data}"#)),
                    None => signed(format!(r#""type":{kind},"data":{data}"#)),
                }
            }
            MessageBody::ServerSideAnswer { request, answer: args } => {
                let (kind, request) = (kind::SERVER_SIDE_EMIT, wire::quoted(request));
                let data = args.first_raw().map(|data| format!(r#","data":{}"#, data.stringified()));
                answer(format!(r#"{{"type":{kind},"requestId":{request}{}}}"#, data.unwrap_or_default()))
            }
            MessageBody::ClientCount { request, clients } => {
                let (kind, request) = (kind::BROADCAST_CLIENT_COUNT, wire::quoted(request));
                answer(format!(r#"{{"type":{kind},"requestId":{request},"clientCount":{clients}}}"#))
            }
            MessageBody::ClientAnswer { request, answer: args } => {
                let (kind, request) = (kind::BROADCAST_ACK, wire::quoted(request));
                let first = args.first_raw();
                let packet = first.as_ref().map(|first| format!(r#","packet":{}"#, first.json()));
                let json =
                    format!(r#"{{"type":{kind},"requestId":{request}{}}}"#, packet.unwrap_or_default());
                let attachments = first.map(|first| first.attachments().to_vec()).unwrap_or_default();
                (self.answers(namespace, to.as_ref()), wire::to_msgpack(json, attachments)?)
            }
        })
    }
}

/// The opts of requests, which have no flags.
fn choice(selection: &socketio::Selection) -> String {
    format!(r#"{{"rooms":{},"except":{}}}"#, wire::rooms(&selection.rooms), wire::rooms(&selection.except))
}

#[derive(Deserialize)]
struct Broadcasted<'a>(#[serde(borrow)] Option<Cow<'a, str>>, #[serde(borrow)] Packet<'a>, Opts);

fn read_broadcast(payload: &Bytes) -> Result<Heard, Garbage> {
    let whole = RawJson::from_msgpack(payload, wire::LIMIT)?;
    let Broadcasted(uid, packet, opts) = serde_json::from_str(whole.json())?;
    let event = packet.event(&whole)?;
    let (selection, flags) = opts.into_parts();
    let body = MessageBody::Broadcast { event, selection, flags, request: None };
    let namespace = packet.nsp.as_deref().unwrap_or("/").into();
    Ok(Heard::Message(Box::new(NodeMessage::new(wire::id(uid), None, namespace, body))))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    r#type: u8,
    opts: Option<Opts>,
    #[serde(default)]
    rooms: Rooms,
    close: Option<bool>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    packet: Option<Packet<'a>>,
}

impl Classic {
    fn read_request(&self, namespace: &str, payload: &Bytes) -> Result<Heard, Garbage> {
        let whole = wire::read(payload)?;
        let asked: Request<'_> = serde_json::from_str(whole.json())?;
        let (from, request) = (wire::id(asked.uid), wire::id(asked.request_id));
        let must = |request: Option<RequestId>| request.ok_or("a request has no id");
        let opts = asked.opts.ok_or("a request does not say for which sockets");
        let body = match asked.r#type {
            kind::REMOTE_JOIN => {
                MessageBody::SocketsJoin { selection: opts?.into_parts().0, rooms: asked.rooms.0 }
            }
            kind::REMOTE_LEAVE => {
                MessageBody::SocketsLeave { selection: opts?.into_parts().0, rooms: asked.rooms.0 }
            }
            kind::REMOTE_DISCONNECT => MessageBody::DisconnectSockets {
                selection: opts?.into_parts().0,
                close: asked.close == Some(true),
            },
            kind::REMOTE_FETCH => {
                MessageBody::FetchSockets { selection: opts?.into_parts().0, request: must(request)? }
            }
            kind::SERVER_SIDE_EMIT => {
                let data = asked.data.ok_or("an event is missing")?;
                MessageBody::ServerSideEmit { event: Event::from_raw(whole.part(data.get()))?, request }
            }
            kind::BROADCAST => {
                let event = asked.packet.ok_or("a packet is missing")?.event(&whole)?;
                let (selection, flags) = opts?.into_parts();
                MessageBody::Broadcast { event, selection, flags, request: Some(must(request)?) }
            }
            kind::SOCKETS | kind::ALL_ROOMS => {
                let answers = self.answers(namespace, from.as_ref());
                let (kind, request, rooms) = (asked.r#type, must(request)?, asked.rooms.0);
                let answer = move |namespace: &Namespace| {
                    let answer = match kind {
                        kind::SOCKETS => {
                            json!({ "requestId": &*request, "sockets": ids_in(namespace, rooms) })
                        }
                        _ => json!({ "requestId": &*request, "rooms": all_rooms(namespace) }),
                    };
                    Command::Publish { channel: answers, payload: answer.to_string().into() }
                };
                return Ok(Heard::Question { namespace: namespace.into(), from, answer: Box::new(answer) });
            }
            _ => return Err("a request of an unknown type".into()),
        };
        Ok(Heard::Message(Box::new(NodeMessage::new(from, None, namespace.into(), body))))
    }
}

fn ids_in(namespace: &Namespace, rooms: Vec<Room>) -> Vec<String> {
    let sockets = rooms.into_iter().fold(namespace.local(), Broadcast::to).sockets();
    sockets.iter().map(|socket| socket.id().to_owned()).collect()
}

/// All rooms, those of the sockets' ids included.
fn all_rooms(namespace: &Namespace) -> Vec<String> {
    let rooms = namespace.rooms().into_iter().map(|(room, _)| room);
    rooms.chain(namespace.socket_ids()).map(|room| room.as_ref().to_owned()).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    r#type: Option<u8>,
    #[serde(borrow)]
    sockets: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    packet: Option<&'a RawValue>,
    client_count: Option<usize>,
}

/// Reads an answer. It does not say who answers.
fn read_answer(namespace: &str, payload: &Bytes) -> Result<Heard, Garbage> {
    let heard = |body| Heard::Message(Box::new(NodeMessage::new(None, None, Arc::from(namespace), body)));
    if let Some(fetched) = wire::read_at_once::<Fetched<'_>>(payload, r#"{"requestId":"#) {
        return Ok(heard(fetched.into_body()));
    }
    let whole = wire::read(payload)?;
    let answer: Answer<'_> = serde_json::from_str(whole.json())?;
    let request: RequestId = (&*answer.request_id).into();
    let body = match (answer.r#type, answer.sockets) {
        (Some(kind::SERVER_SIDE_EMIT), _) => {
            MessageBody::ServerSideAnswer { request, answer: wire::answer(answer.data, &whole)? }
        }
        (Some(kind::BROADCAST_CLIENT_COUNT), _) => {
            MessageBody::ClientCount { request, clients: wire::clients(answer.client_count)? }
        }
        (Some(kind::BROADCAST_ACK), _) => {
            MessageBody::ClientAnswer { request, answer: wire::answer(answer.packet, &whole)? }
        }
        // It is MessagePack.
        (_, Some(_)) if !whole.attachments().is_empty() => {
            return read_answer(namespace, &whole.stringified().into_owned().into());
        }
        (_, Some(sockets)) => MessageBody::FetchedSockets { request, sockets: wire::sockets(sockets) },
        // Answers to what only servers in JavaScript ask.
        _ => return Ok(Heard::Nothing),
    };
    Ok(heard(body))
}

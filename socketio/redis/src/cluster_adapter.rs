//! Messages of the class `ClusterAdapter` of npm's `socket.io-adapter`: what the sharded and the streams adapter
//! send, each in its own wrapping.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use socketio::{Event, Flags, MessageBody, NodeId, NodeMessage, RawJson, RequestId, Selection};

use crate::publisher::PublishError;
use crate::wire::{self, Garbage, Opts, Packet, Rooms};

/// The types of messages.
pub(crate) mod kind {
    pub(crate) const BROADCAST: u8 = 3;
    pub(crate) const SOCKETS_JOIN: u8 = 4;
    pub(crate) const SOCKETS_LEAVE: u8 = 5;
    pub(crate) const DISCONNECT_SOCKETS: u8 = 6;
    pub(crate) const FETCH_SOCKETS: u8 = 7;
    pub(crate) const FETCH_SOCKETS_RESPONSE: u8 = 8;
    pub(crate) const SERVER_SIDE_EMIT: u8 = 9;
    pub(crate) const SERVER_SIDE_EMIT_RESPONSE: u8 = 10;
    pub(crate) const BROADCAST_CLIENT_COUNT: u8 = 11;
    pub(crate) const BROADCAST_ACK: u8 = 12;
}

/// A message's type, and its data: an object, with the bytes that are in it.
pub(crate) fn write(body: &MessageBody) -> Result<(u8, RawJson), PublishError> {
    let all = |selection: &Selection| wire::opts(selection, Flags::default());
    let plain = |kind, json: String| (kind, json, Vec::new());
    let (kind, json, attachments) = match body {
        MessageBody::Broadcast { event, selection, flags, request } => {
            let (data, opts) = (event.to_raw(), wire::opts(selection, *flags));
            let request = request.as_deref().map(|id| format!(r#""requestId":{},"#, wire::quoted(id)));
            let (packet, request) = (data.json(), request.unwrap_or_default());
            let json = format!(r#"{{"packet":{{"type":2,"data":{packet}}},{request}"opts":{opts}}}"#);
            (kind::BROADCAST, json, data.attachments().to_vec())
        }
        MessageBody::SocketsJoin { selection, rooms } => plain(
            kind::SOCKETS_JOIN,
            format!(r#"{{"opts":{},"rooms":{}}}"#, all(selection), wire::rooms(rooms)),
        ),
        MessageBody::SocketsLeave { selection, rooms } => plain(
            kind::SOCKETS_LEAVE,
            format!(r#"{{"opts":{},"rooms":{}}}"#, all(selection), wire::rooms(rooms)),
        ),
        MessageBody::DisconnectSockets { selection, close } => {
            plain(kind::DISCONNECT_SOCKETS, format!(r#"{{"opts":{},"close":{close}}}"#, all(selection)))
        }
        MessageBody::FetchSockets { selection, request } => plain(
            kind::FETCH_SOCKETS,
            format!(r#"{{"opts":{},"requestId":{}}}"#, all(selection), wire::quoted(request)),
        ),
        MessageBody::FetchedSockets { request, sockets } => {
            plain(kind::FETCH_SOCKETS_RESPONSE, wire::fetched(request, sockets)?)
        }
        MessageBody::ServerSideEmit { event, request } => {
            let data = event.to_raw();
            let request = request.as_deref().map(|id| format!(r#""requestId":{},"#, wire::quoted(id)));
            let json = format!(r#"{{{}"packet":{}}}"#, request.unwrap_or_default(), data.json());
            (kind::SERVER_SIDE_EMIT, json, data.attachments().to_vec())
        }
        MessageBody::ServerSideAnswer { request, answer } => {
            let (json, attachments) = first(request, answer);
            (kind::SERVER_SIDE_EMIT_RESPONSE, json, attachments)
        }
        MessageBody::ClientCount { request, clients } => plain(
            kind::BROADCAST_CLIENT_COUNT,
            format!(r#"{{"requestId":{},"clientCount":{clients}}}"#, wire::quoted(request)),
        ),
        MessageBody::ClientAnswer { request, answer } => {
            let (json, attachments) = first(request, answer);
            (kind::BROADCAST_ACK, json, attachments)
        }
    };
    let data = RawJson::new(json, attachments);
    Ok((kind, data.map_err(|error| PublishError::Unwritable(error.to_string().into()))?))
}

/// An answer's first argument, if there is one: servers in JavaScript know no others.
fn first(request: &RequestId, answer: &socketio::Args) -> (String, Vec<bytes::Bytes>) {
    let first = answer.first_raw();
    let packet = first.as_ref().map(|first| format!(r#","packet":{}"#, first.json()));
    let json = format!(r#"{{"requestId":{}{}}}"#, wire::quoted(request), packet.unwrap_or_default());
    (json, first.map(|first| first.attachments().to_vec()).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    opts: Option<Opts>,
    #[serde(borrow)]
    packet: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    rooms: Rooms,
    close: Option<bool>,
    #[serde(borrow)]
    sockets: Option<Vec<&'a RawValue>>,
    client_count: Option<usize>,
}

/// Reads a message of that type, whose data is in `whole`. `None` for those that nobody here waits for.
pub(crate) fn read(
    kind: u8,
    from: Option<NodeId>,
    namespace: Arc<str>,
    data: &str,
    whole: &RawJson,
) -> Result<Option<NodeMessage>, Garbage> {
    let told = match kind {
        // What is told of sockets has no bytes.
        kind::FETCH_SOCKETS_RESPONSE if !whole.attachments().is_empty() => {
            RawJson::new(data, whole.attachments().to_vec())?.stringified().into_owned().into()
        }
        _ => Cow::Borrowed(data),
    };
    let data: Data<'_> = serde_json::from_str(&told)?;
    let request = wire::id(data.request_id);
    let must = |request: Option<RequestId>| request.ok_or("a request has no id");
    let opts = data.opts.ok_or("it does not say for which sockets");
    let body = match kind {
        kind::BROADCAST => {
            let packet: Packet<'_> = serde_json::from_str(data.packet.ok_or("a packet is missing")?.get())?;
            let (selection, flags) = opts?.into_parts();
            MessageBody::Broadcast { event: packet.event(whole)?, selection, flags, request }
        }
        kind::SOCKETS_JOIN => {
            MessageBody::SocketsJoin { selection: opts?.into_parts().0, rooms: data.rooms.0 }
        }
        kind::SOCKETS_LEAVE => {
            MessageBody::SocketsLeave { selection: opts?.into_parts().0, rooms: data.rooms.0 }
        }
        kind::DISCONNECT_SOCKETS => MessageBody::DisconnectSockets {
            selection: opts?.into_parts().0,
            close: data.close == Some(true),
        },
        kind::FETCH_SOCKETS => {
            MessageBody::FetchSockets { selection: opts?.into_parts().0, request: must(request)? }
        }
        kind::SERVER_SIDE_EMIT => {
            let event = data.packet.ok_or("an event is missing")?;
            MessageBody::ServerSideEmit { event: Event::from_raw(whole.part(event.get()))?, request }
        }
        kind::FETCH_SOCKETS_RESPONSE => {
            let sockets = wire::sockets(data.sockets.ok_or("sockets are missing")?);
            MessageBody::FetchedSockets { request: must(request)?, sockets }
        }
        kind::SERVER_SIDE_EMIT_RESPONSE => {
            let answer = wire::answer(data.packet, whole)?;
            MessageBody::ServerSideAnswer { request: must(request)?, answer }
        }
        kind::BROADCAST_CLIENT_COUNT => {
            let clients = wire::clients(data.client_count)?;
            MessageBody::ClientCount { request: must(request)?, clients }
        }
        kind::BROADCAST_ACK => {
            let answer = wire::answer(data.packet, whole)?;
            MessageBody::ClientAnswer { request: must(request)?, answer }
        }
        // Heartbeats and goodbyes of other adapters.
        1 | 2 | 13 => return Ok(None),
        _ => return Err("it has an unknown type".into()),
    };
    Ok(Some(NodeMessage::new(from, None, namespace, body)))
}

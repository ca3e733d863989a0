//! Socket.IO packets, and the rules for what they may contain, with any parser. This module has the parsers, and the
//! decoder that collects attachments. Which packets are allowed when is decided in [`client`](crate::client).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{Query, Revision};
use serde::de::IgnoredAny;

use crate::args::Args;
use crate::packet::array::{JsonArray, RESERVED_EVENTS, read_array};
use crate::packet::error::PacketViolation;
use crate::packet::json::JsonScan;
use crate::packet::raw::{MAX_ACK_ID, RawPacketType};

pub(crate) mod array;
pub(crate) mod date;
pub(crate) mod decoder;
pub(crate) mod error;
pub(crate) mod frames;
pub(crate) mod json;
pub(crate) mod msgpack;
pub(crate) mod parser;
pub(crate) mod raw;
pub(crate) mod reader;
pub(crate) mod text;

/// A packet that a client sent, or a server.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) nsp: ByteString,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// Join the namespace, or, from a server, joined it. `auth` is the JSON of an object.
    Connect {
        auth: Option<ByteString>,
    },
    /// The client may not join the namespace: only servers send it. Its payload was not looked at.
    ConnectError {
        payload: ByteString,
    },
    /// Leave the namespace.
    Disconnect,
    Event(Event),
    /// The answer to an event. One without an id answers nothing.
    Ack {
        id: Option<u64>,
        args: Args,
    },
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: ByteString,
    pub(crate) args: Args,
    /// The id for the acknowledgement, if the client wants one.
    pub(crate) id: Option<u64>,
}

/// What a waiting packet counts, besides its bytes.
const OVERHEAD: usize = 64;

impl Packet {
    /// Checks a packet by the rules. Its attachments may be missing: `announced` is how many the payload may
    /// name.
    pub(crate) fn read(
        kind: RawPacketType,
        nsp: ByteString,
        id: Option<u64>,
        payload: ByteString,
        announced: usize,
        revision: Revision,
    ) -> Result<Packet, PacketViolation> {
        if id.is_some_and(|id| id > MAX_ACK_ID) {
            return Err(PacketViolation::AckId);
        }
        let looks = JsonScan::of(&payload);
        if looks.too_deep {
            return Err(PacketViolation::TooDeep);
        }
        let repaired = looks.may_escape.then(|| json::replace_lone_surrogates(&payload));
        let payload = match repaired {
            Some(Cow::Owned(repaired)) => repaired.into(),
            Some(Cow::Borrowed(_)) | None => payload,
        };
        // A number is allowed as an event's name.
        let repaired =
            looks.may_overflow.then(|| json::replace_infinities(&payload, kind == RawPacketType::Event));
        let payload = match repaired {
            Some(Cow::Owned(repaired)) => repaired.into(),
            Some(Cow::Borrowed(_)) | None => payload,
        };
        let body = match kind {
            RawPacketType::Connect => Body::Connect { auth: read_auth(payload)? },
            RawPacketType::Disconnect if payload.is_empty() => Body::Disconnect,
            RawPacketType::Disconnect => return Err(PacketViolation::DisconnectPayload),
            RawPacketType::Event => Body::Event(read_event(payload, id, announced, looks.may_escape)?),
            RawPacketType::Ack => Body::Ack { id, args: Args::read_array(payload, announced)? },
            RawPacketType::ConnectError => Body::ConnectError { payload },
        };
        let mut packet = Packet { nsp, body };
        if revision == Revision::V3 {
            packet.take_query();
        }
        Ok(packet)
    }

    /// "Query strings in a namespace follow the revision: part of the name in 4, cut off and offered as auth
    /// in 3."
    fn take_query(&mut self) {
        let (name, query) = self.nsp.split_once('?').unwrap_or((&self.nsp, ""));
        if let Body::Connect { auth } = &mut self.body {
            *auth = query_as_auth(query);
        }
        self.nsp = self.nsp.slice_ref(name);
    }

    /// The rules for clients alone: what they may send, and how long the name of an event may be.
    pub(crate) fn check_from_client(&self, longest: usize) -> Result<(), PacketViolation> {
        match &self.body {
            Body::ConnectError { .. } => Err(PacketViolation::ConnectErrorFromClient),
            Body::Event(event) if event.name.len() > longest => Err(PacketViolation::EventNameTooLong),
            _ => Ok(()),
        }
    }

    /// Gives the packet its attachments.
    pub(crate) fn attach(&mut self, attachments: Vec<Bytes>) {
        if let Body::Event(Event { args, .. }) | Body::Ack { args, .. } = &mut self.body {
            args.attach(attachments);
        }
    }

    /// About how many bytes it takes to keep the packet.
    pub(crate) fn cost(&self) -> usize {
        let body = match &self.body {
            Body::Event(event) => event.cost(),
            Body::Ack { args, .. } => args.cost(),
            Body::Connect { .. } | Body::ConnectError { .. } | Body::Disconnect => 0,
        };
        self.nsp.len() + body + OVERHEAD
    }
}

impl Event {
    /// About how many bytes it takes to keep the event.
    pub(crate) fn cost(&self) -> usize {
        self.args.cost() + OVERHEAD
    }
}

fn read_auth(payload: ByteString) -> Result<Option<ByteString>, PacketViolation> {
    if payload.is_empty() {
        return Ok(None);
    }
    serde_json::from_str::<IgnoredAny>(&payload).map_err(|_| PacketViolation::Json)?;
    if payload.trim_start().starts_with('{') {
        Ok(Some(payload))
    } else {
        Err(PacketViolation::AuthNotAnObject)
    }
}

/// The parameters of a revision 3 namespace as a JSON object of strings.
fn query_as_auth(query: &str) -> Option<ByteString> {
    let parameters: BTreeMap<_, _> = Query::new(query).iter().collect();
    if parameters.is_empty() {
        return None;
    }
    serde_json::to_string(&parameters).ok().map(ByteString::from)
}

/// Reads the payload of an event. Without `may_escape` there is no backslash in it.
pub(crate) fn read_event(
    payload: ByteString,
    id: Option<u64>,
    attachments: usize,
    may_escape: bool,
) -> Result<Event, PacketViolation> {
    if payload.is_empty() {
        return Err(PacketViolation::MissingPayload);
    }
    let JsonArray { first, len } = read_array(&payload, attachments)?;
    let raw_name = first.ok_or(PacketViolation::EventName)?;
    let name = match raw_name.as_bytes()[0] {
        b'"' if !(may_escape && raw_name.contains('\\')) => {
            payload.slice_ref(&raw_name[1..raw_name.len() - 1])
        }
        b'"' => serde_json::from_str::<String>(raw_name).map_err(|_| PacketViolation::Json)?.into(),
        // A client may use numbers as names. JavaScript doesn't distinguish 5 from "5" there.
        b'-' | b'0'..=b'9' => payload.slice_ref(raw_name),
        _ => return Err(PacketViolation::EventName),
    };
    if RESERVED_EVENTS.contains(&&*name) {
        return Err(PacketViolation::ReservedEvent);
    }
    // The first argument follows the comma. If there is none, the closing bracket is there.
    let after_name = raw_name.as_ptr().addr() - payload.as_ptr().addr() + raw_name.len();
    let rest = &payload.as_bytes()[after_name..];
    let separator = rest.iter().position(|byte| matches!(byte, b',' | b']')).unwrap_or_default();
    let start = after_name + separator + usize::from(len > 1);
    Ok(Event { name, args: Args::from_array(payload, 1, start, len - 1), id })
}

//! The bodies of hooks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::Socket;

use crate::operations::Written;

/// What every hook says first.
#[derive(Serialize)]
pub(super) struct Moment<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) timestamp: String,
    pub(super) node: &'a str,
    pub(super) epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<&'a str>,
}

/// `connect`.
#[derive(Serialize)]
pub(super) struct Connect<'a> {
    #[serde(flatten)]
    moment: Moment<'a>,
    auth: Box<RawValue>,
    query: BTreeMap<String, String>,
    address: String,
    headers: BTreeMap<&'a str, String>,
    /// What a JWT's claims have set, or what was kept for a client that comes back.
    data: Value,
    /// Whether the client comes back for a socket that lost its connection.
    recovered: bool,
}

impl<'a> Connect<'a> {
    pub(super) fn of(moment: Moment<'a>, socket: &'a Socket, headers: &'a [String]) -> Connect<'a> {
        let handshake = socket.handshake();
        let auth = RawValue::from_string(handshake.auth_json().to_owned());
        let query = handshake.query();
        let header = |name: &'a String| Some((name.as_str(), handshake.headers.get(name)?.to_owned()));
        Connect {
            moment,
            auth: auth.unwrap_or_else(|_| RawValue::NULL.to_owned()),
            query: query.iter().map(|(key, value)| (key.into(), value.into())).collect(),
            address: handshake.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            headers: headers.iter().filter_map(header).collect(),
            data: socket.data().unwrap_or_default(),
            recovered: socket.recovered(),
        }
    }
}

/// `event`.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    #[serde(flatten)]
    moment: Moment<'a>,
    event: &'a str,
    args: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
    /// Whether the client waits for an acknowledgement.
    ack: bool,
    data: Value,
}

impl<'a> Event<'a> {
    pub(super) fn of(
        moment: Moment<'a>,
        socket: &Socket,
        event: &'a socketio::Event,
        ack: bool,
    ) -> Event<'a> {
        let Written { args, attachments } = Written::of(event.args());
        Event { moment, event: event.name(), args, attachments, ack, data: socket.data().unwrap_or_default() }
    }
}

/// A hook that nobody waits for.
#[derive(Serialize)]
pub(super) struct Notice<'a> {
    #[serde(flatten)]
    pub(super) moment: Moment<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rooms: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room: Option<String>,
}

impl<'a> Notice<'a> {
    pub(super) fn of(moment: Moment<'a>) -> Notice<'a> {
        Notice { moment, recovered: None, transport: None, reason: None, rooms: None, data: None, room: None }
    }
}

//! Group 14: packets in MessagePack, for clients that have a parser for it.

use serde_json::{Value, json};

use super::writing::{case, like_reference, ms, script};
use crate::case::{Case, Source};
use crate::msgpack::{decode, encode};
use crate::packet::Wire;
use crate::peer::{LabPeer, Result};
use crate::verdict::Unmet;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    let all = [packets(), values(), broken()].into_iter().flatten();
    all.map(|case| case.options(json!({"parser": "msgpack", "on": ["news"]})).v4()).collect()
}

const PARSER: Source = Source::Reference("socket.io-msgpack-parser");

/// The next packet must be in MessagePack.
async fn packet(peer: &mut LabPeer) -> Result<Value> {
    match peer.packet("a packet in MessagePack").await? {
        Wire::Binary(bytes) => decode(&bytes).ok_or_else(|| {
            Unmet::fail("a packet in MessagePack", format!("{:02x?}", &bytes[..bytes.len().min(32)]))
        }),
        other => Err(Unmet::fail("a packet in MessagePack", other.shown())),
    }
}

async fn send(peer: &mut LabPeer, packet: Value) -> Result {
    peer.send(&encode(&packet)[..]).await
}

/// Opens a session, and lets the client join the main namespace. Returns its CONNECT.
async fn join(peer: &mut LabPeer) -> Result<Value> {
    peer.open().await?;
    let connect = packet(peer).await?;
    peer.check(connect["type"] == 0 && connect["nsp"] == "/", "a CONNECT to /", connect.to_string())?;
    send(peer, json!({"type": 0, "nsp": "/", "data": {"sid": "socket-1"}})).await?;
    Ok(connect)
}

/// Sends an event `echo`, and expects it back with the same arguments.
async fn echo(peer: &mut LabPeer, args: &[Value]) -> Result {
    let data = Value::from([&[json!("echo")], args].concat());
    send(peer, json!({"type": 2, "nsp": "/", "data": data})).await?;
    let seen = packet(peer).await?;
    peer.check(seen["type"] == 2 && seen["nsp"] == "/", "an EVENT in /", seen.to_string())?;
    peer.check_same("the event", &data, &seen["data"])
}

fn packets() -> Vec<Case<LabPeer>> {
    let joins = |id, title| {
        case(
            id,
            title,
            "CONNECT is a binary message with a map in MessagePack.",
            PARSER,
            script!(peer => {
                join(peer).await?;
                peer.saw("connect").await?;
            }),
        )
    };
    vec![
        joins("14.1.1", "joins in MessagePack by WebSocket").websocket(),
        joins("14.1.2", "joins in MessagePack by polling").polling(),
        case(
            "14.1.3",
            "is told of a refusal in MessagePack",
            "CONNECT_ERROR is told as `connect_error`.",
            PARSER,
            script!(peer => {
                peer.open().await?;
                packet(peer).await?;
                send(peer, json!({"type": 4, "nsp": "/", "data": {"message": "no", "data": {"code": 7}}})).await?;
                let args = peer.saw("connect_error").await?;
                peer.check_same("the message", &json!("no"), args.first().unwrap_or(&Value::Null))?;
            }),
        ),
        case(
            "14.1.4",
            "is told of a disconnect in MessagePack",
            "After DISCONNECT the application is told `disconnect`.",
            PARSER,
            script!(peer => {
                join(peer).await?;
                send(peer, json!({"type": 1, "nsp": "/"})).await?;
                peer.saw("disconnect").await?;
            }),
        ),
        case(
            "14.1.5",
            "takes leave in MessagePack",
            "When the application disconnects, the client sends DISCONNECT.",
            PARSER,
            script!(peer => {
                join(peer).await?;
                send(peer, json!({"type": 2, "nsp": "/", "data": ["do", "disconnect"]})).await?;
                match packet(peer).await {
                    Ok(seen) => peer.check(seen["type"] == 1, "a DISCONNECT", seen.to_string())?,
                    Err(unmet) => {
                        let end = peer.seen.end.clone().ok_or(unmet)?;
                        peer.non_strict(false, "a DISCONNECT before the end", end);
                    }
                }
            }),
        ),
        case(
            "14.1.6",
            "acknowledges in MessagePack",
            "An event with an id is answered with an ACK that has the same id.",
            PARSER,
            script!(peer => {
                join(peer).await?;
                send(peer, json!({"type": 2, "nsp": "/", "id": 7, "data": ["ack", 1, {"bytes": [1, 2]}]})).await?;
                let seen = packet(peer).await?;
                peer.check(seen["type"] == 3 && seen["id"] == 7, "an ACK with the id 7", seen.to_string())?;
                peer.check_same("the answer", &json!([1, {"bytes": [1, 2]}]), &seen["data"])?;
            }),
        ),
        case(
            "14.1.7",
            "asks for an acknowledgement in MessagePack",
            "An event that the application wants acknowledged has an id, and the answer reaches it.",
            PARSER,
            script!(peer => {
                join(peer).await?;
                send(peer, json!({"type": 2, "nsp": "/", "data": ["do", "emit-ack", 3_000, "a", 1]})).await?;
                let seen = packet(peer).await?;
                peer.check_same("the event", &json!(["a", 1]), &seen["data"])?;
                peer.check(seen["id"].is_u64(), "an id", seen.to_string())?;
                send(peer, json!({"type": 3, "nsp": "/", "id": seen["id"], "data": ["answer"]})).await?;
                let args = peer.saw("ack").await?;
                peer.check_same("the answer", &json!(["a", "answer"]), &Value::from(args))?;
            }),
        ),
    ]
}

/// A case of values: its id, its title, and what goes to the client and back.
type Values = (&'static str, &'static str, fn() -> Vec<Value>);

const VALUES: [Values; 5] = [
    ("14.2.1", "echoes text, numbers and null", || {
        vec![json!("é😀"), json!(0), json!(-1), json!(70_000), json!(1.5), json!(true), Value::Null]
    }),
    ("14.2.2", "echoes arrays and objects", || {
        vec![json!([1, [2, []]]), json!({"a": {"b": [null]}, "": {}})]
    }),
    ("14.2.3", "echoes bytes", || vec![json!({"bytes": [0, 255, 30]})]),
    ("14.2.4", "echoes bytes among other values", || {
        vec![json!(1), json!({"a": {"bytes": [1]}, "b": [{"bytes": []}]}), json!("last")]
    }),
    ("14.2.5", "echoes long text and many values", || {
        vec![json!("x".repeat(70_000)), (0..300).map(|n| json!(n)).collect()]
    }),
];

fn values() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): Values| {
        case(
            id,
            title,
            "The arguments come back with the same values, and bytes as bytes.",
            PARSER,
            script!(peer => {
                let found = VALUES.iter().find(|(id, ..)| *id == peer.id);
                let args = found.map_or_else(Vec::new, |(.., args)| args());
                join(peer).await?;
                echo(peer, &args).await?;
            }),
        )
    };
    let mut all: Vec<_> = VALUES.into_iter().map(one).collect();
    all.push(case(
        "14.2.6",
        "takes fields in any order",
        "The fields of a packet may come in any order, and others beside them.",
        like_reference("it reads a map"),
        script!(peer => {
            join(peer).await?;
            let one = [&b"\x84\xa3nsp\xa1/\xa7options\x80\xa4data\x92\xa4news\x01\xa4type\x02"[..]].concat();
            peer.send(&one[..]).await?;
            let args = peer.saw_event("news").await?;
            peer.check_same("the arguments", &json!([1]), &Value::from(args))?;
        }),
    ));
    all
}

fn broken() -> Vec<Case<LabPeer>> {
    /// Messages that no server should send.
    const BROKEN: [(&str, &str, &[u8]); 4] = [
        ("14.3.1", "bytes that are no MessagePack", b"\xc1"),
        ("14.3.2", "half a packet", b"\x83\xa4type\x02\xa3nsp"),
        ("14.3.3", "a packet that is no map", b"\x93\x01\x02\x03"),
        ("14.3.4", "a map that is longer than it can be", b"\xdf\xff\xff\xff\xff"),
    ];
    let one = |(id, title, _): (&'static str, &'static str, &[u8])| {
        case(
            id,
            title,
            "The client works on, or ends the session: it doesn't crash or hang.",
            Source::Safety,
            script!(peer => {
                let bytes = BROKEN.iter().find(|(id, ..)| *id == peer.id).map_or(&b""[..], |(.., bytes)| *bytes);
                join(peer).await?;
                peer.send(bytes).await?;
                peer.pause(ms(300)).await;
                if peer.seen.end.is_none() {
                    echo(peer, &[json!("still here?")]).await?;
                }
            }),
        )
        .robust()
    };
    BROKEN.into_iter().map(one).collect()
}

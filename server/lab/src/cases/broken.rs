//! Group 12: servers that are broken, or hostile. Whatever they send, the application hears of it or the client works on.

use serde_json::json;

use super::writing::{case, ms, script};
use crate::case::{Case, Source};
use crate::packet::Wire;
use crate::peer::LabPeer;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [packets(), bodies(), openings(), floods()].into_iter().flatten().map(Case::robust).collect()
}

const SURVIVES: &str = "The client works on, or ends the session: it doesn't crash or hang.";

/// Packets that no server should send.
const PACKETS: [(&str, &str, &str); 22] = [
    ("12.1.1", "an unknown packet type", "7"),
    ("12.1.2", "a letter for a packet type", "x"),
    ("12.1.3", "an empty packet", ""),
    ("12.1.4", "an unknown Socket.IO type", "49"),
    ("12.1.5", "a message without content", "4"),
    ("12.1.6", "an event without a payload", "42"),
    ("12.1.7", "an event whose payload is an object", "42{}"),
    ("12.1.8", "an event with an empty array", "42[]"),
    ("12.1.9", "an event whose name is a number", "42[1,2]"),
    ("12.1.10", "an event whose name is an object", "42[{}]"),
    ("12.1.11", "an event whose name is null", "42[null]"),
    ("12.1.12", "half an event", "42[\"echo\",{\"a\":"),
    ("12.1.13", "an event with text after it", "42[\"nobody\"]rest"),
    ("12.1.14", "a namespace without a comma", "42/nowhere[\"nobody\"]"),
    (
        "12.1.15",
        "a second open packet",
        "0{\"sid\":\"other\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}",
    ),
    ("12.1.16", "an upgrade from the server", "5"),
    ("12.1.17", "a pong from the server", "3"),
    ("12.1.18", "a refusal without a reason", "44"),
    ("12.1.19", "a refusal after the client was let in", "44{\"message\":\"late\"}"),
    ("12.1.20", "a disconnect with a payload", "41{\"a\":1}"),
    ("12.1.21", "base64 that is none", "b***"),
    ("12.1.22", "an id without an event", "4212"),
];

fn packets() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &str)| {
        case(
            id,
            title,
            SURVIVES,
            Source::Safety,
            script!(peer => {
                let text = PACKETS.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., text)| *text);
                peer.join().await?;
                peer.send(text).await?;
                peer.ends_or_works().await?;
            }),
        )
        .driven()
    };
    PACKETS.into_iter().map(one).collect()
}

/// Bodies that no poll should get.
const BODIES: [(&str, &str, &str, &[u8]); 8] = [
    ("12.2.1", "an empty answer to a poll", "text/plain; charset=UTF-8", b""),
    (
        "12.2.2",
        "HTML instead of a payload",
        "text/html",
        b"<html><body>Welcome to the hotel's network</body></html>",
    ),
    ("12.2.3", "JSON instead of a payload", "application/json", b"{\"error\":\"no\"}"),
    ("12.2.4", "bytes that are not UTF-8", "text/plain; charset=UTF-8", &[b'4', 0xff, 0xfe, 0x80]),
    ("12.2.5", "a payload of separators", "text/plain; charset=UTF-8", &[0x1e, 0x1e, 0x1e]),
    ("12.2.6", "a length that is no number", "text/plain; charset=UTF-8", b"x:42[\"a\"]"),
    ("12.2.7", "a length that is too large", "text/plain; charset=UTF-8", b"999:42[\"a\"]"),
    ("12.2.8", "zeros", "application/octet-stream", &[0; 64]),
];

fn bodies() -> Vec<Case<LabPeer>> {
    let one = |(id, title, ..): (&'static str, &'static str, &str, &[u8])| {
        case(
            id,
            title,
            SURVIVES,
            Source::Safety,
            script!(peer => {
                peer.join().await?;
                if let Some((.., kind, body)) = BODIES.iter().find(|(id, ..)| *id == peer.id) {
                    peer.poll().await?.answer(200, &[("Content-Type", kind)], body).await;
                }
                peer.ends_or_works().await?;
            }),
        )
        .driven()
        .polling()
    };
    BODIES.into_iter().map(one).collect()
}

/// What comes instead of an open packet.
const OPENINGS: [(&str, &str, &str); 8] = [
    ("12.3.1", "an open packet that is not JSON", "0{\"sid\":"),
    ("12.3.2", "an open packet without content", "0"),
    ("12.3.3", "an open packet that is an array", "0[1,2]"),
    ("12.3.4", "a message instead of the open packet", "42[\"early\"]"),
    ("12.3.5", "a close instead of the open packet", "1"),
    ("12.3.6", "an open packet of null", "0null"),
    ("12.3.7", "HTML instead of the open packet", "<html><body>Welcome</body></html>"),
    ("12.3.8", "a noop instead of the open packet", "6"),
];

fn openings() -> Vec<Case<LabPeer>> {
    let expects = "The application is told of an error within a time: the client doesn't crash or hang.";
    let one =
        |(id, title, _): (&'static str, &'static str, &str)| {
            case(id, title, expects, Source::Safety, script!(peer => {
            let text = OPENINGS.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., text)| *text);
            let request = peer.handshake().await?;
            let body = if peer.revision.number() == 3 && !text.starts_with('<') {
                format!("{}:{text}", text.encode_utf16().count())
            } else {
                text.to_owned()
            };
            request.answer(200, &[("Content-Type", "text/plain; charset=UTF-8")], body.as_bytes()).await;
            let wait = peer.patience.max(ms(5_000));
            peer.gives_up_within(wait).await?;
        }))
        .options(json!({"timeout": 1_500}))
        .polling()
        };
    OPENINGS.into_iter().map(one).collect()
}

fn floods() -> Vec<Case<LabPeer>> {
    vec![
        case("12.4.1", "ten thousand events at once", SURVIVES, Source::Safety, script!(peer => {
            peer.join().await?;
            let packets: Vec<Wire> = (0..10_000).map(|n| Wire::Text(format!("42[\"nobody\",{n}]"))).collect();
            peer.send_all(&packets).await?;
            peer.ends_or_works().await?;
        }))
        .driven(),
        case("12.4.2", "a thousand pings at once", SURVIVES, Source::Safety, script!(peer => {
            peer.join().await?;
            peer.send_all(&vec![Wire::from("2"); 1_000]).await?;
            peer.ends_or_works().await?;
        }))
        .driven()
        .v4(),
        case("12.4.3", "an event of 5 MB", SURVIVES, Source::Safety, script!(peer => {
            peer.join().await?;
            peer.send(format!("42[\"nobody\",\"{}\"]", "x".repeat(5_000_000))).await?;
            peer.ends_or_works().await?;
        }))
        .driven(),
        case("12.4.4", "arrays in ten thousand levels", SURVIVES, Source::Safety, script!(peer => {
            peer.join().await?;
            peer.send(format!("42[\"nobody\",{}{}]", "[".repeat(10_000), "]".repeat(10_000))).await?;
            peer.ends_or_works().await?;
        }))
        .driven(),
        case("12.4.5", "a million attachments announced", SURVIVES, Source::Safety, script!(peer => {
            peer.join().await?;
            peer.send("451000000-[\"nobody\",{\"_placeholder\":true,\"num\":0}]").await?;
            peer.pause(ms(200)).await;
            // It may well wait for them: what counts is that the session can end.
            if peer.on_websocket() {
                peer.close_frame(1000, "").await;
            } else {
                drop(peer.send("1").await);
            }
            peer.gives_up_within(ms(4_000)).await?;
        }))
        .driven(),
        case("12.4.6", "a head without end", "The client gives up a handshake whose answer has no end.", Source::Safety, script!(peer => {
            let mut answer = peer.handshake().await?.into_raw();
            answer.write(b"HTTP/1.1 200 OK\r\n").await;
            for n in 0..60 {
                if peer.seen.end.is_some() || !answer.write(format!("X-Field-{n}: {}\r\n", "x".repeat(1_000)).as_bytes()).await {
                    break;
                }
                peer.pause(ms(40)).await;
            }
            let wait = peer.patience.max(ms(5_000));
            peer.gives_up_within(wait).await?;
        }))
        .options(json!({"timeout": 1_500}))
        .polling(),
    ]
}

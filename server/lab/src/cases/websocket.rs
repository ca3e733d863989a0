//! Group 5: WebSocket frames.

use serde_json::{Value, json};

use super::writing::{case, eio, like_reference, ms, rfc6455, script};
use crate::case::{Case, Source};
use crate::frame::{CLOSE, CONTINUATION, PING, PONG, TEXT, accept_key, frame};
use crate::peer::{LabPeer, Result};

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [fragments(), lengths(), control(), handshake(), wrong()]
        .into_iter()
        .flatten()
        .map(Case::websocket)
        .collect()
}

const ECHO: &str = "42[\"echo\",\"é😀 in fragments\"]";

/// Sends the echo in fragments that end at these bytes, with frames between them.
async fn in_fragments(peer: &mut LabPeer, cuts: &[usize], between: &[(u8, &[u8])]) -> Result {
    let bytes = ECHO.as_bytes();
    let mut from = 0;
    for (at, cut) in cuts.iter().copied().chain([bytes.len()]).enumerate() {
        let opcode = if at == 0 { TEXT } else { CONTINUATION };
        peer.write_frame(opcode, cut == bytes.len(), &bytes[from..cut]).await;
        if cut < bytes.len() {
            for (opcode, payload) in between {
                peer.write_frame(*opcode, true, payload).await;
            }
        }
        from = cut;
    }
    peer.expect(ECHO).await
}

fn fragments() -> Vec<Case<LabPeer>> {
    vec![
        case("5.1.1", "reads a message in fragments", "A message may come in several frames.", rfc6455("5.4 Fragmentation"), script!(peer => {
            peer.join().await?;
            in_fragments(peer, &[5, 20], &[]).await?;
        }))
        .echo(),
        case("5.1.2", "reads a character in fragments", "A frame of a text message may end inside a character.", rfc6455("5.6 Data Frames"), script!(peer => {
            peer.join().await?;
            in_fragments(peer, &[11, 13, 14], &[]).await?;
        }))
        .echo(),
        case("5.1.3", "reads a message with empty fragments", "A fragment may be empty.", rfc6455("5.4 Fragmentation"), script!(peer => {
            peer.join().await?;
            in_fragments(peer, &[0, 5, 5, 20], &[]).await?;
        }))
        .echo()
        .should(),
        case("5.1.4", "answers a ping between fragments", "A control frame may come between the fragments of a message.", rfc6455("5.4 Fragmentation"), script!(peer => {
            peer.join().await?;
            in_fragments(peer, &[5, 20], &[(PING, b"between")]).await?;
            peer.pause(ms(200)).await;
            let ponged = peer.seen.pongs.iter().any(|payload| payload == b"between");
            peer.check(ponged, "a pong with the ping's payload", format!("{} pongs", peer.seen.pongs.len()))?;
        }))
        .echo(),
        case("5.1.5", "reads frames byte by byte", "A frame may come in any number of segments.", rfc6455("5.2 Base Framing Protocol"), script!(peer => {
            peer.join().await?;
            // A pong would come in the middle of the frame.
            peer.answers_pings = false;
            for byte in frame(TEXT, true, ECHO.as_bytes()) {
                peer.write_bytes(&[byte]).await;
                peer.pause(ms(2)).await;
            }
            peer.expect(ECHO).await?;
        }))
        .echo(),
        case("5.1.6", "reads several frames of one segment", "A segment may have any number of frames.", rfc6455("5.2 Base Framing Protocol"), script!(peer => {
            peer.join().await?;
            let frames: Vec<u8> = (1..=3).flat_map(|n| frame(TEXT, true, format!("42[\"echo\",{n}]").as_bytes())).collect();
            peer.write_bytes(&frames).await;
            for n in 1..=3 {
                peer.expect(&format!("42[\"echo\",{n}]")).await?;
            }
        }))
        .echo(),
    ]
}

/// The lengths at which a frame's header changes, and large ones.
const LENGTHS: [(&str, &str, usize); 6] = [
    ("5.2.1", "reads and writes a frame of 125 bytes", 125),
    ("5.2.2", "reads and writes a frame of 126 bytes", 126),
    ("5.2.3", "reads and writes a frame of 65,535 bytes", 65_535),
    ("5.2.4", "reads and writes a frame of 65,536 bytes", 65_536),
    ("5.2.5", "reads and writes a frame of 900,000 bytes", 900_000),
    ("5.2.6", "reads and writes a frame of 127 bytes", 127),
];

fn lengths() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _)| {
        case(
            id,
            title,
            "A length is written in 7, 16 or 64 bits.",
            rfc6455("5.2 Base Framing Protocol"),
            script!(peer => {
                let length = LENGTHS.iter().find(|(id, ..)| *id == peer.id).map_or(0, |(.., length)| *length);
                peer.join().await?;
                let around = "42[\"echo\",\"\"]".len();
                peer.echo(&[json!("x".repeat(length - around))]).await?;
            }),
        )
        .echo()
    };
    LENGTHS.into_iter().map(one).collect()
}

fn control() -> Vec<Case<LabPeer>> {
    vec![
        case("5.3.1", "answers a ping frame", "A ping frame is answered with a pong frame that has its payload.", rfc6455("5.5.2 Ping"), script!(peer => {
            peer.join().await?;
            peer.write_frame(PING, true, b"a payload").await;
            peer.pause(ms(300)).await;
            peer.alive().await?;
            let same = peer.seen.pongs.iter().any(|payload| payload == b"a payload");
            peer.check(same, "a pong frame with the payload", format!("{} pong frames", peer.seen.pongs.len()))?;
        }))
        .echo(),
        case("5.3.2", "ignores a pong frame", "A pong frame that nobody asked for is ignored.", rfc6455("5.5.3 Pong"), script!(peer => {
            peer.join().await?;
            peer.write_frame(PONG, true, b"unasked").await;
            peer.alive().await?;
        }))
        .echo(),
        case("5.3.3", "ends with a close frame", "A close frame ends the session.", rfc6455("5.5.1 Close"), script!(peer => {
            peer.join().await?;
            peer.close_frame(1000, "").await;
            peer.gives_up_within(ms(3_000)).await?;
        })),
        case("5.3.4", "ends with an empty close frame", "A close frame may have no code.", rfc6455("5.5.1 Close"), script!(peer => {
            peer.join().await?;
            peer.write_frame(CLOSE, true, b"").await;
            peer.gives_up_within(ms(3_000)).await?;
        })),
        case("5.3.5", "ends with a close frame with a reason", "A close frame may have a code and a reason.", rfc6455("5.5.1 Close"), script!(peer => {
            peer.join().await?;
            peer.close_frame(1011, "something went wrong").await;
            peer.gives_up_within(ms(3_000)).await?;
        })),
        case("5.3.6", "ends when the connection is closed without a close frame", "The end of the connection ends the session.", rfc6455("7.1.5 The WebSocket Connection Close Code"), script!(peer => {
            peer.join().await?;
            peer.drop_connection().await;
            peer.told_or_left().await?;
        }))
        .driven(),
        case("5.3.7", "ends when the connection is cut off", "A reset ends the session.", rfc6455("7.1.5 The WebSocket Connection Close Code"), script!(peer => {
            peer.join().await?;
            peer.reset_connection().await;
            peer.told_or_left().await?;
        }))
        .driven(),
        case("5.3.8", "answers a close frame", "A close frame is answered with a close frame.", rfc6455("5.5.1 Close"), script!(peer => {
            peer.join().await?;
            peer.close_frame(1000, "").await;
            peer.gives_up_within(ms(3_000)).await?;
            let end = peer.seen.end.clone().unwrap_or_default();
            peer.check(end.contains("close frame") || end.contains("told"), "a close frame", end)?;
        }))
        .should(),
    ]
}

fn handshake() -> Vec<Case<LabPeer>> {
    vec![
        case("5.4.1", "asks for version 13 with a key", "The WebSocket handshake has `Sec-WebSocket-Version: 13` and a key of 16 bytes.", rfc6455("4.1 Client Requirements"), script!(peer => {
            let head = peer.join().await?;
            let version = head.header("sec-websocket-version").unwrap_or_default().to_owned();
            peer.check(version == "13", "version 13", version)?;
            let key = head.header("sec-websocket-key").unwrap_or_default().to_owned();
            peer.check(key.len() == 24 && key.ends_with("=="), "a key of 16 bytes in base64", key)?;
        })),
        case("5.4.2", "checks the server's proof", "A wrong `Sec-WebSocket-Accept` fails the connection.", rfc6455("4.1 Client Requirements"), script!(peer => {
            let request = peer.handshake().await?;
            let accept = accept_key("another key");
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let mut answer = request.into_raw();
            answer.write(head.as_bytes()).await;
            peer.saw("connect_error").await?;
        }))
        .driven()
        .should(),
        case("5.4.3", "masks its frames", "Each frame of a client is masked.", rfc6455("5.1 Overview"), script!(peer => {
            peer.join().await?;
            peer.alive().await?;
            let broken = peer.seen.broken.join("; ");
            peer.check(broken.is_empty(), "frames that keep the rules", broken)?;
        }))
        .echo(),
        case("5.4.4", "sends binary as binary frames", "An attachment is a binary frame, not base64 in a text frame.", eio("Packet encoding"), script!(peer => {
            peer.join().await?;
            peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[&[0, 1, 2, 255]]).await?;
        }))
        .echo(),
        case("5.4.5", "puts one packet into each frame", "Over WebSocket each message is one packet, without a separator.", eio("Packet encoding"), script!(peer => {
            peer.join().await?;
            peer.send_all(&["42[\"echo\",1]".into(), "42[\"echo\",2]".into()]).await?;
            peer.expect("42[\"echo\",1]").await?;
            peer.expect("42[\"echo\",2]").await?;
        }))
        .echo(),
        case("5.4.6", "sends no packet of polling on a WebSocket", "A session that begins by WebSocket needs no probe and no `5`.", eio("WebSocket"), script!(peer => {
            peer.join().await?;
            peer.silence_for(ms(400)).await?;
        })),
        case("5.4.7", "takes the separator for a byte like others", "The byte 0x1e in a text frame is part of its packet.", eio("Packet encoding"), script!(peer => {
            peer.join().await?;
            // A name that nobody listens to: what matters is that nothing breaks.
            peer.send("42[\"nobody\u{7f}\"]").await?;
            peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[&[0x1e]]).await?;
        }))
        .echo(),
    ]
}

/// Frames that break a rule.
const WRONG: [(&str, &str, &str, &[u8]); 7] = [
    ("5.5.1", "refuses a reserved bit", "5.2 Base Framing Protocol", &[0xc1, 0x01, b'6']),
    ("5.5.2", "refuses an unknown opcode", "5.2 Base Framing Protocol", &[0x83, 0x01, b'6']),
    ("5.5.3", "refuses a masked frame", "5.1 Overview", &[0x81, 0x81, 0, 0, 0, 0, b'6']),
    (
        "5.5.4",
        "refuses text that is not UTF-8",
        "8.1 Handling Errors in UTF-8-Encoded Data",
        &[0x81, 0x03, b'4', 0xff, 0xfe],
    ),
    ("5.5.5", "refuses a control frame in fragments", "5.5 Control Frames", &[0x09, 0x01, b'a']),
    ("5.5.6", "refuses a continuation of nothing", "5.4 Fragmentation", &[0x80, 0x01, b'6']),
    ("5.5.7", "refuses a close frame of one byte", "5.5.1 Close", &[0x88, 0x01, 3]),
];

fn wrong() -> Vec<Case<LabPeer>> {
    let one = |(id, title, section, _)| {
        case(
            id,
            title,
            "The client ends a connection whose frames break a rule.",
            rfc6455(section),
            script!(peer => {
                peer.join().await?;
                if let Some((.., bytes)) = WRONG.iter().find(|(id, ..)| *id == peer.id) {
                    peer.write_bytes(bytes).await;
                }
                peer.gives_up_within(ms(3_000)).await?;
            }),
        )
        .echo()
        .robust()
    };
    let mut all: Vec<_> = WRONG.into_iter().map(one).collect();
    all.push(
        case(
            "5.5.8",
            "waits for a frame of any length without taking memory",
            "A frame that announces 2^62 bytes is refused, or waited for, but not reserved.",
            Source::Safety,
            script!(peer => {
                peer.join().await?;
                peer.write_bytes(&[0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]).await;
                peer.pause(ms(500)).await;
                peer.drop_connection().await;
                peer.told_or_left().await?;
            }),
        )
        .driven()
        .robust(),
    );
    all.push(
        case("5.5.9", "says that the transport closed", "After the end of a WebSocket, the application is told `disconnect` with the reason `transport close`.", like_reference("its reasons are documented"), script!(peer => {
            peer.join().await?;
            peer.close_frame(1000, "").await;
            let args = peer.saw("disconnect").await?;
            let reason = args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
            peer.non_strict(reason == "transport close", "`transport close`", format!("`{reason}`"));
        }))
        .driven()
        .should(),
    );
    all
}

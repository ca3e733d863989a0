//! What polls bring.

use engineio::Revision;
use serde_json::json;

use crate::case::Case;
use crate::cases::writing::{case, eio, eio3, http, json as rfc_json, like_reference, ms, script};
use crate::packet::{Wire, encode_payload};
use crate::peer::{LabPeer, Result};

/// Events `echo` with the numbers from 1.
fn numbered(count: usize) -> Vec<Wire> {
    (1..=count).map(|n| Wire::Text(format!("42[\"echo\",{n}]"))).collect()
}

pub(super) async fn expect_numbered(peer: &mut LabPeer, numbers: impl Iterator<Item = usize>) -> Result {
    for n in numbers {
        peer.expect(&format!("42[\"echo\",{n}]")).await?;
    }
    Ok(())
}

pub(super) fn payloads() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "2.1.1",
            "reads all packets of a payload",
            "The packets of one payload are handled one by one, in order.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                peer.send_all(&numbered(3)).await?;
                expect_numbered(peer, 1..=3).await?;
            }),
        )
        .echo(),
        case(
            "2.1.2",
            "reads a payload of 100 packets",
            "A payload has any number of packets.",
            like_reference("it writes all that waits into one payload"),
            script!(peer => {
                peer.join().await?;
                peer.send_all(&numbered(100)).await?;
                expect_numbered(peer, 1..=100).await?;
            }),
        )
        .echo(),
        case(
            "2.1.3",
            "ignores a noop",
            "A noop only ends a poll.",
            eio("Protocol"),
            script!(peer => {
                peer.join().await?;
                peer.send("6").await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "2.1.4",
            "ignores noops between packets",
            "Noops in a payload are ignored, and the packets around them are not.",
            eio("Protocol"),
            script!(peer => {
                peer.join().await?;
                let [one, two] = ["42[\"echo\",1]", "42[\"echo\",2]"].map(Wire::from);
                peer.send_all(&["6".into(), one, "6".into(), "6".into(), two]).await?;
                expect_numbered(peer, 1..=2).await?;
            }),
        )
        .echo(),
        case(
            "2.1.5",
            "escapes the separator in its JSON",
            "The character U+001E in a string is sent as an escape, since it separates packets.",
            rfc_json("Strings"),
            script!(peer => {
                peer.join().await?;
                peer.echo_text("42[\"echo\",\"a\\u001eb\"]", "42[\"echo\",\"a\\u001eb\"]").await?;
            }),
        )
        .echo()
        .v4(),
        case(
            "2.1.6",
            "reads and writes a payload of 500 kB",
            "A payload may be as large as `maxPayload` says.",
            eio("Handshake"),
            script!(peer => {
                peer.join().await?;
                peer.echo(&[json!("x".repeat(500_000))]).await?;
            }),
        )
        .echo(),
        case(
            "2.1.7",
            "reads and writes Unicode",
            "Text is UTF-8.",
            eio("Packet encoding"),
            script!(peer => {
                peer.join().await?;
                peer.echo(&[json!("é € 😀 \u{2028} \u{feff}")]).await?;
            }),
        )
        .echo(),
        case(
            "2.1.8",
            "counts UTF-16 code units in a payload's lengths",
            "A length in a text payload counts UTF-16 code units: 2 for an emoji.",
            eio3("Payload"),
            script!(peer => {
                peer.join().await?;
                let [one, two] = ["42[\"echo\",\"😀é\"]", "42[\"echo\",2]"];
                peer.send_all(&[one.into(), two.into()]).await?;
                peer.expect(one).await?;
                peer.expect(two).await?;
            }),
        )
        .echo()
        .v3(),
        case(
            "2.1.9",
            "reads a binary payload",
            "A payload with binary is bytes, with the length of each packet in decimal digits, unless the client asked for base64.",
            eio3("Payload"),
            script!(peer => {
                peer.join().await?;
                peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[&[1, 2, 3, 255]]).await?;
            }),
        )
        .echo()
        .v3(),
        case(
            "2.1.10",
            "reads text in a binary payload",
            "The text packets of a binary payload count bytes of UTF-8.",
            eio3("Payload"),
            script!(peer => {
                peer.join().await?;
                let args = [json!({"_placeholder": true, "num": 0}), json!("é😀")];
                peer.echo_attached(&args, &[&[1, 2, 3, 255]]).await?;
            }),
        )
        .echo()
        .v3(),
        case(
            "2.1.11",
            "reads binary in base64",
            "A binary packet of a payload is `b` and base64.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[&[1, 2, 3, 255]]).await?;
            }),
        )
        .echo()
        .v4(),
        case(
            "2.1.12",
            "reads base64 with each kind of padding",
            "Base64 ends with no, one or two `=`.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                for bytes in [&[1, 2, 3][..], &[1, 2], &[1]] {
                    peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[bytes]).await?;
                }
            }),
        )
        .echo()
        .v4(),
        case(
            "2.1.13",
            "answers a ping amid other packets",
            "A ping in the middle of a payload is answered, and the packets around it are handled.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                peer.send_all(&["42[\"echo\",1]".into(), "2".into(), "42[\"echo\",2]".into()]).await?;
                let mut wanted = vec!["42[\"echo\",1]", "3", "42[\"echo\",2]"];
                while !wanted.is_empty() {
                    let packet = peer.packet("the echo and the pong").await?;
                    let at = wanted.iter().position(|wanted| matches!(&packet, Wire::Text(text) if crate::packet::same_packet(text, wanted)));
                    peer.check(at.is_some(), "the echo and the pong", packet.shown())?;
                    at.map(|at| wanted.remove(at));
                }
            }),
        )
        .echo()
        .v4(),
    ]
}

/// Answers the poll that is parked with a payload in pieces.
async fn in_pieces(peer: &mut LabPeer, packet: &str, chunked: bool, cuts: &[usize]) -> Result {
    let poll = peer.poll().await?;
    let (body, _) = encode_payload(peer.revision, true, &[packet.into()]);
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([body.len()]) {
        let piece = &body[from..cut.min(body.len())];
        if !piece.is_empty() {
            pieces.push(match chunked {
                true => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
                false => piece.to_vec(),
            });
        }
        from = cut.min(body.len());
    }
    if chunked {
        pieces.push(b"0\r\n\r\n".to_vec());
    }
    let length = body.len().to_string();
    let framing = if chunked { ("Transfer-Encoding", "chunked") } else { ("Content-Length", &*length) };
    let headers = [("Content-Type", "text/plain; charset=UTF-8"), framing];
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    poll.answer_in_pieces(&headers, &pieces, ms(40)).await;
    Ok(())
}

pub(super) fn bodies() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "2.2.1",
            "reads an answer that comes in pieces",
            "The body of an answer may come in several segments.",
            http("Message Body Length"),
            script!(peer => {
                peer.join().await?;
                in_pieces(peer, "42[\"echo\",\"in pieces\"]", false, &[3, 9, 14]).await?;
                peer.expect("42[\"echo\",\"in pieces\"]").await?;
            }),
        )
        .echo(),
        case(
            "2.2.2",
            "reads a character that comes in pieces",
            "A segment may end inside a character.",
            http("Message Body Length"),
            script!(peer => {
                peer.join().await?;
                let text = "42[\"echo\",\"😀😀😀\"]";
                let cut = if peer.revision == Revision::V3 { 3 } else { 0 };
                in_pieces(peer, text, false, &[cut + 12, cut + 13, cut + 17, cut + 21]).await?;
                peer.expect(text).await?;
            }),
        )
        .echo(),
        case(
            "2.2.3",
            "reads a chunked answer",
            "The body of an answer may be chunked.",
            http("Chunked Transfer Coding"),
            script!(peer => {
                peer.join().await?;
                in_pieces(peer, "42[\"echo\",\"in one chunk\"]", true, &[]).await?;
                peer.expect("42[\"echo\",\"in one chunk\"]").await?;
            }),
        )
        .echo(),
        case(
            "2.2.4",
            "reads an answer of many chunks",
            "The chunks of a body are one payload together.",
            http("Chunked Transfer Coding"),
            script!(peer => {
                peer.join().await?;
                in_pieces(peer, "42[\"echo\",\"in many chunks\"]", true, &[1, 2, 7, 12]).await?;
                peer.expect("42[\"echo\",\"in many chunks\"]").await?;
            }),
        )
        .echo(),
        case(
            "2.2.5",
            "goes on after Connection: close",
            "A connection that the server closes after an answer is not the end of the session.",
            http("Persistence"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                let (body, _) = encode_payload(peer.revision, true, &["42[\"echo\",1]".into()]);
                poll.answer(200, &[("Connection", "close"), ("Content-Type", "text/plain; charset=UTF-8")], &body).await;
                peer.expect("42[\"echo\",1]").await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "2.2.6",
            "reads header fields in any case",
            "The names of header fields have no case.",
            http("Field Syntax"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                let (body, _) = encode_payload(peer.revision, true, &["42[\"echo\",1]".into()]);
                let length = body.len().to_string();
                let headers = [("CONTENT-type", "text/plain; charset=utf-8"), ("cOnTeNt-LeNgTh", &*length)];
                poll.answer_in_pieces(&headers, &[&body], ms(0)).await;
                peer.expect("42[\"echo\",1]").await?;
            }),
        )
        .echo(),
        case(
            "2.2.7",
            "reads a body that ends with the connection",
            "An answer without a length ends with the connection.",
            http("Message Body Length"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                let (body, _) = encode_payload(peer.revision, true, &["42[\"echo\",1]".into()]);
                let mut answer = poll.into_raw();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nConnection: close\r\n\
                            Access-Control-Allow-Origin: *\r\n\r\n";
                answer.write(&[head.as_bytes(), &body].concat()).await;
                drop(answer);
                peer.expect("42[\"echo\",1]").await?;
            }),
        )
        .echo()
        .should(),
    ]
}

//! Group 10: attachments.

use serde_json::{Value, json};

use super::writing::{case, ms, script, sio};
use crate::case::{Case, Source};
use crate::packet::Wire;
use crate::peer::LabPeer;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [echoed(), order(), emitted(), wrong()].into_iter().flatten().collect()
}

/// A placeholder.
fn at(num: usize) -> Value {
    json!({"_placeholder": true, "num": num})
}

/// Which arguments, and attachments, a case has.
type Shape = fn() -> (Vec<Value>, Vec<Vec<u8>>);

const SHAPES: [(&str, &str, Shape); 13] = [
    ("1", "one attachment", || (vec![at(0)], vec![vec![1, 2, 3]])),
    ("2", "two attachments", || (vec![at(0), at(1)], vec![vec![1], vec![2, 3]])),
    ("3", "ten attachments", || ((0..10).map(at).collect(), (0..10).map(|n| vec![n; 3]).collect())),
    ("4", "an attachment in an object", || (vec![json!({"a": {"b": at(0)}})], vec![vec![9, 8]])),
    ("5", "an attachment in an array", || (vec![json!([1, [at(0)], null])], vec![vec![9, 8]])),
    ("6", "attachments among text", || {
        (vec![json!("a"), at(0), json!({"n": 1}), at(1)], vec![vec![1], vec![2]])
    }),
    ("7", "an empty attachment", || (vec![at(0)], vec![vec![]])),
    ("8", "all bytes", || (vec![at(0)], vec![(0..=255).collect()])),
    ("9", "the byte 1e", || (vec![at(0)], vec![vec![0x1e, b'4', b'2', 0x1e, 0x1e]])),
    ("10", "bytes that look like a packet", || (vec![at(0)], vec![b"42[\"echo\",1]".to_vec()])),
    ("11", "bytes that look like base64", || (vec![at(0)], vec![b"bAQID".to_vec()])),
    ("12", "100 kB", || (vec![at(0)], vec![(0..100_000u32).map(|n| n.to_le_bytes()[0]).collect()])),
    ("13", "the byte 04 in front", || (vec![at(0)], vec![vec![4, 4, 0]])),
];

async fn echo_shape(peer: &mut LabPeer) -> crate::peer::Result {
    let number = peer.id.rsplit('.').next().unwrap_or_default();
    let shape = SHAPES.iter().find(|(one, ..)| *one == number).map(|(.., shape)| shape());
    let (args, attachments) = shape.unwrap_or_default();
    let attachments: Vec<&[u8]> = attachments.iter().map(|bytes| &bytes[..]).collect();
    peer.join().await?;
    peer.echo_attached(&args, &attachments).await?;
    // Nothing may be left over.
    peer.alive().await
}

/// The ids of the cases by WebSocket, then of those by polling.
const BY_WEBSOCKET: [&str; 13] = [
    "10.1.1", "10.1.2", "10.1.3", "10.1.4", "10.1.5", "10.1.6", "10.1.7", "10.1.8", "10.1.9", "10.1.10",
    "10.1.11", "10.1.12", "10.1.13",
];
const BY_POLLING: [&str; 13] = [
    "10.2.1", "10.2.2", "10.2.3", "10.2.4", "10.2.5", "10.2.6", "10.2.7", "10.2.8", "10.2.9", "10.2.10",
    "10.2.11", "10.2.12", "10.2.13",
];

fn echoed() -> Vec<Case<LabPeer>> {
    let one = |(id, (_, title, _)): (&'static str, (&str, &'static str, Shape))| {
        case(
            id,
            title,
            "The bytes reach the application in their places, and come back.",
            sio("Sending and receiving data"),
            script!(peer => {
                echo_shape(peer).await?;
            }),
        )
        .echo()
    };
    let websocket = BY_WEBSOCKET.into_iter().zip(SHAPES).map(one).map(Case::websocket);
    websocket.chain(BY_POLLING.into_iter().zip(SHAPES).map(one).map(Case::polling)).collect()
}

fn order() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "10.3.1",
            "puts attachments where their numbers say",
            "A placeholder's number says which attachment belongs there, whatever the order.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.echo_attached(&[at(1), at(0)], &[&[1], &[2, 2]]).await?;
            }),
        )
        .echo(),
        case(
            "10.3.2",
            "takes one attachment twice",
            "Two placeholders may have the same number.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.echo_attached(&[at(0), at(0)], &[&[7, 7]]).await?;
            }),
        )
        .echo()
        .should(),
        case(
            "10.3.3",
            "takes two binary events in a row",
            "The attachments of one event don't mix with those of the next.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.send_attached("", "echo", &[at(0)], &[&[1]]).await?;
                peer.send_attached("", "echo", &[at(0), at(1)], &[&[2], &[3]]).await?;
                peer.expect_attached("echo", &[at(0)], &[&[1]]).await?;
                peer.expect_attached("echo", &[at(0), at(1)], &[&[2], &[3]]).await?;
            }),
        )
        .echo(),
        case(
            "10.3.4",
            "takes a plain event after a binary one",
            "After the last attachment, text is a packet again.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.echo_attached(&[at(0)], &[&[1]]).await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "10.3.5",
            "answers a ping between an event and its attachment",
            "The heartbeat goes on while attachments are missing.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.send("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await?;
                peer.echo_text("2", "3").await?;
                peer.send(Wire::from(&[5u8][..])).await?;
                peer.expect_attached("echo", &[at(0)], &[&[5]]).await?;
            }),
        )
        .echo()
        .v4(),
        case(
            "10.3.6",
            "waits for an attachment",
            "An attachment may come a while after its event.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.send("451-[\"echo\",{\"_placeholder\":true,\"num\":0}]").await?;
                peer.silence_for(ms(300)).await?;
                peer.send(Wire::from(&[5u8][..])).await?;
                peer.expect_attached("echo", &[at(0)], &[&[5]]).await?;
            }),
        )
        .echo(),
    ]
}

fn emitted() -> Vec<Case<LabPeer>> {
    let emits = |id, title| {
        case(
            id,
            title,
            "Bytes that the application emits are sent as an attachment.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["emit-binary", "bytes", 5])).await?;
                peer.expect_attached("bytes", &[at(0)], &[&[0, 1, 2, 3, 4]]).await?;
            }),
        )
        .driven()
    };
    vec![
        emits("10.4.1", "emits bytes by WebSocket").websocket(),
        emits("10.4.2", "emits bytes by polling").polling(),
    ]
}

/// Packets whose attachments are wrong.
const WRONG: [(&str, &str, &[&str]); 8] = [
    (
        "10.5.1",
        "text where an attachment was announced",
        &["451-[\"echo\",{\"_placeholder\":true,\"num\":0}]", "42[\"echo\",1]"],
    ),
    (
        "10.5.2",
        "a placeholder without an attachment",
        &["451-[\"nobody\",{\"_placeholder\":true,\"num\":7}]", "\u{1}"],
    ),
    (
        "10.5.3",
        "a placeholder with a negative number",
        &["451-[\"nobody\",{\"_placeholder\":true,\"num\":-1}]", "\u{1}"],
    ),
    (
        "10.5.4",
        "a placeholder with a fraction",
        &["451-[\"nobody\",{\"_placeholder\":true,\"num\":0.5}]", "\u{1}"],
    ),
    ("10.5.5", "an attachment that nobody announced", &["\u{1}"]),
    ("10.5.6", "a number of attachments that isn't one", &["45x-[\"nobody\"]"]),
    ("10.5.7", "a binary event without attachments", &["450-[\"nobody\"]"]),
    (
        "10.5.8",
        "a placeholder whose number is a name",
        &["451-[\"nobody\",{\"_placeholder\":true,\"num\":\"constructor\"}]", "\u{1}"],
    ),
];

fn wrong() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &[&str])| {
        case(id, title, "The client works on, or ends the session: it doesn't crash or hang.", Source::Safety, script!(peer => {
            let packets = WRONG.iter().find(|(id, ..)| *id == peer.id).map_or(&[][..], |(.., packets)| *packets);
            peer.join().await?;
            for packet in packets {
                let packet = if *packet == "\u{1}" { Wire::from(&[1u8][..]) } else { Wire::from(*packet) };
                if peer.seen.end.is_none() {
                    drop(peer.send(packet).await);
                }
            }
            peer.ends_or_works().await?;
        }))
        .echo()
        .robust()
    };
    WRONG.into_iter().map(one).collect()
}

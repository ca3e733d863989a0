//! The open packet, and what it says of payloads.

use serde_json::{Value, json};

use crate::case::{Case, Source};
use crate::cases::writing::{case, eio, like_reference, ms, script};
use crate::packet::Wire;
use crate::peer::LabPeer;

pub(super) fn open_packet() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "1.2.1",
            "uses the session's id",
            "Each request after the first has the `sid` of the open packet.",
            eio("Handshake"),
            script!(peer => {
                peer.open().await?;
                peer.poll().await?;
            }),
        )
        .polling(),
        case(
            "1.2.2",
            "encodes the session's id",
            "A `sid` of any characters is encoded in the query.",
            like_reference("encodeURIComponent"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["sid"] = json!("lab+a/b=c&d%20e");
                peer.open_with(&open).await?;
                peer.poll().await?;
            }),
        )
        .polling()
        .should(),
        case(
            "1.2.3",
            "takes a long session id",
            "A `sid` of 200 characters is used as it is.",
            eio("Handshake"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["sid"] = json!("x".repeat(200));
                peer.open_with(&open).await?;
                peer.poll().await?;
            }),
        )
        .polling()
        .should(),
        case(
            "1.2.4",
            "ignores unknown fields of the open packet",
            "Fields that the client doesn't know are ignored.",
            eio("Handshake"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["new"] = json!({"deep": [1, {"x": null}]});
                peer.join_with(&open).await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "1.2.5",
            "ignores upgrades that it doesn't know",
            "Unknown names in `upgrades` are ignored.",
            eio("Upgrade"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["upgrades"] = json!(["carrier-pigeon", "x"]);
                peer.join_with(&open).await?;
                peer.alive().await?;
            }),
        )
        .polling()
        .echo(),
        case(
            "1.2.6",
            "does without maxPayload",
            "An open packet without `maxPayload`, as older servers send it, is taken.",
            like_reference("servers before engine.io 6.1 send none"),
            script!(peer => {
                let mut open = peer.open_packet();
                open.as_object_mut().map(|fields| fields.remove("maxPayload"));
                peer.join_with(&open).await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "1.2.7",
            "takes fields in any order, with spaces",
            "The open packet is JSON, whatever its order and spaces.",
            Source::Document(crate::case::Document::Json, "JSON Grammar"),
            script!(peer => {
                let request = peer.handshake().await?;
                let open = peer.open_packet();
                let text = format!(
                    "{{ \"pingTimeout\" : 20000,\n \"upgrades\" : [ ] , \"pingInterval\":25000, \"sid\": {} }}",
                    open["sid"]
                );
                peer.answer_handshake_as(request, &open, &text).await?;
                peer.let_in().await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "1.2.8",
            "takes the open packet whatever its content type",
            "The type of the body doesn't matter for the open packet.",
            like_reference("it reads the body as text"),
            script!(peer => {
                let request = peer.handshake().await?;
                let open = peer.open_packet();
                peer.answer_handshake_typed(request, &open, "text/html").await?;
                peer.let_in().await?;
                peer.alive().await?;
            }),
        )
        .polling()
        .echo()
        .should(),
    ]
}

/// Fills a batch: a POST is held, and meanwhile the application emits eight times.
async fn largest_post(peer: &mut LabPeer, limit: usize, command: Value) -> crate::peer::Result<usize> {
    let mut open = peer.open_packet();
    open["maxPayload"] = json!(limit);
    peer.join_with(&open).await?;
    peer.hold_posts = true;
    peer.act(json!(["emit", "first"])).await?;
    let held = peer.post_with_packets().await?;
    let act = LabPeer::command("/", &command);
    peer.send_all(&vec![act; 8]).await?;
    peer.pause(ms(300)).await;
    peer.hold_posts = false;
    peer.event("first").await?;
    peer.seen.largest_post = 0;
    held.answer(200, &[], b"ok").await;
    let mut events = 0;
    while events < 8 {
        if let Wire::Text(text) = peer.packet("the events that waited").await? {
            events += usize::from(text.starts_with("42") || text.starts_with("45"));
        }
    }
    Ok(peer.seen.largest_post)
}

pub(super) fn batches() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "1.3.1",
            "sends no larger payload than maxPayload",
            "Packets that wait are put into as many payloads as keep each within `maxPayload`.",
            eio("Handshake"),
            script!(peer => {
                let largest = largest_post(peer, 10_000, json!(["emit", "big", "x".repeat(3_000)])).await?;
                peer.check(largest <= 10_000, "POSTs of at most 10000 bytes", format!("{largest} bytes"))?;
            }),
        )
        .driven()
        .v4()
        .polling(),
        case(
            "1.3.2",
            "counts bytes, not characters, against maxPayload",
            "`maxPayload` counts the bytes of UTF-8.",
            eio("Handshake"),
            script!(peer => {
                let largest = largest_post(peer, 10_000, json!(["emit", "big", "€".repeat(1_000)])).await?;
                peer.check(largest <= 10_000, "POSTs of at most 10000 bytes", format!("{largest} bytes"))?;
            }),
        )
        .driven()
        .v4()
        .polling()
        .should(),
        case(
            "1.3.3",
            "counts binary as base64 against maxPayload",
            "`maxPayload` counts attachments as they are sent: a third larger.",
            like_reference("it counts the length of base64"),
            script!(peer => {
                let largest = largest_post(peer, 10_000, json!(["emit-binary", "big", 2_400])).await?;
                peer.check(largest <= 10_000, "POSTs of at most 10000 bytes", format!("{largest} bytes"))?;
            }),
        )
        .driven()
        .v4()
        .polling()
        .should(),
        case(
            "1.3.4",
            "puts packets that wait into one payload",
            "Packets that wait while a POST is out go into one POST if they fit.",
            eio("HTTP long-polling"),
            script!(peer => {
                let before = peer.seen.posts;
                largest_post(peer, 1_000_000, json!(["emit", "small", "x"])).await?;
                let posts = peer.seen.posts - before;
                peer.check(posts <= 5, "one POST for all that waited", format!("{posts} POSTs"))?;
            }),
        )
        .driven()
        .polling()
        .should(),
    ]
}

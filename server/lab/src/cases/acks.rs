//! Group 11: acknowledgements, both ways.

use serde_json::{Value, json};

use super::writing::{case, docs, like_reference, ms, script, sio};
use crate::case::Case;
use crate::packet::SocketIoPacket;
use crate::peer::{LabPeer, Result};
use crate::verdict::Unmet;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [answered(), asked(), odd()].into_iter().flatten().collect()
}

/// What the server asks, and what the client answers.
const ANSWERED: [(&str, &str, &str, &str); 9] = [
    ("11.1.1", "acknowledges an event", "421[\"ack\",1]", "431[1]"),
    ("11.1.2", "acknowledges with the id 0", "420[\"ack\",1]", "430[1]"),
    ("11.1.3", "acknowledges with a large id", "421000000[\"ack\",1]", "431000000[1]"),
    ("11.1.4", "acknowledges without arguments", "425[\"ack\"]", "435[]"),
    (
        "11.1.5",
        "acknowledges with several arguments",
        "425[\"ack\",1,\"two\",[3],{\"four\":4}]",
        "435[1,\"two\",[3],{\"four\":4}]",
    ),
    ("11.1.6", "acknowledges with Unicode", "425[\"ack\",\"é😀\"]", "435[\"é😀\"]"),
    ("11.1.7", "acknowledges with null", "425[\"ack\",null]", "435[null]"),
    ("11.1.8", "acknowledges with an array", "425[\"ack\",[1,2]]", "435[[1,2]]"),
    (
        "11.1.9",
        "acknowledges with an id over 32 bits",
        "429007199254740991[\"ack\",1]",
        "439007199254740991[1]",
    ),
];

fn answered() -> Vec<Case<LabPeer>> {
    let one = |(id, title, ..): (&'static str, &'static str, &str, &str)| {
        let made = case(
            id,
            title,
            "An event with an id is answered with an acknowledgement that has the same id.",
            sio("Acknowledgement"),
            script!(peer => {
                let found = ANSWERED.iter().find(|(id, ..)| *id == peer.id);
                let (sent, expected) = found.map_or(("", ""), |(.., sent, expected)| (*sent, *expected));
                peer.join().await?;
                peer.echo_text(sent, expected).await?;
            }),
        )
        .echo()
        .feature("ack");
        if id == "11.1.9" { made.should() } else { made }
    };
    let mut all: Vec<_> = ANSWERED.into_iter().map(one).collect();
    all.extend([
        case("11.1.10", "acknowledges two events", "Each event is acknowledged with its own id.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.send_all(&["428[\"ack\",\"a\"]".into(), "423[\"ack\",\"b\"]".into()]).await?;
            peer.expect("438[\"a\"]").await?;
            peer.expect("433[\"b\"]").await?;
        }))
        .echo()
        .feature("ack"),
        case("11.1.11", "acknowledges once", "An event gets one acknowledgement.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.echo_text("421[\"ack\",1]", "431[1]").await?;
            peer.silence_for(ms(300)).await?;
        }))
        .echo()
        .feature("ack"),
        case("11.1.12", "acknowledges with bytes", "Bytes in an acknowledgement are attachments of a BINARY_ACK.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            let args = [json!({"_placeholder": true, "num": 0})];
            peer.send_attached("7", "ack", &args, &[&[1, 2, 3]]).await?;
            let packet = peer.expect_attached("", &args, &[&[1, 2, 3]]).await?;
            peer.check(packet.kind == 6 && packet.id == Some(7), "a BINARY_ACK with the id 7", format!("{} {:?}", packet.name(), packet.id))?;
        }))
        .echo()
        .feature("ack"),
        case("11.1.13", "doesn't acknowledge what it doesn't know", "An event without a listener is not acknowledged.", like_reference("it emits to no listener"), script!(peer => {
            peer.join().await?;
            peer.send("421[\"nobody listens\"]").await?;
            peer.silence_for(ms(300)).await?;
            peer.alive().await?;
        }))
        .echo()
        .should(),
        case("11.1.14", "doesn't acknowledge unasked", "An event without an id is not acknowledged.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.send("42[\"ack\",1]").await?;
            peer.silence_for(ms(300)).await?;
            peer.alive().await?;
        }))
        .echo(),
    ]);
    all
}

/// The next packet must be an event of this name with an id.
async fn question(peer: &mut LabPeer, name: &str) -> Result<(SocketIoPacket, u64)> {
    let packet = peer.event(name).await?;
    match packet.id {
        Some(id) => Ok((packet, id)),
        None => Err(Unmet::fail(format!("`{name}` with an id"), "there is no id")),
    }
}

fn asked() -> Vec<Case<LabPeer>> {
    vec![
        case("11.2.1", "asks for an acknowledgement", "An event that the application wants acknowledged has an id, and the answer reaches it.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a", 1])).await?;
            let (_, id) = question(peer, "a").await?;
            peer.send(format!("43{id}[\"answer\",2]")).await?;
            let args = peer.saw("ack").await?;
            peer.check_same("the answer", &json!(["a", "answer", 2]), &Value::from(args))?;
        })),
        case("11.2.2", "gives each question its own id", "Two events that wait for an acknowledgement have different ids.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a"])).await?;
            let (_, a) = question(peer, "a").await?;
            peer.act(json!(["emit-ack", 3_000, "b"])).await?;
            let (_, b) = question(peer, "b").await?;
            peer.check(a != b, "two ids", format!("{a} twice"))?;
        })),
        case("11.2.3", "matches answers by their ids", "Answers reach their questions, whatever their order.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a"])).await?;
            let (_, a) = question(peer, "a").await?;
            peer.act(json!(["emit-ack", 3_000, "b"])).await?;
            let (_, b) = question(peer, "b").await?;
            peer.send_all(&[format!("43{b}[\"for b\"]").into(), format!("43{a}[\"for a\"]").into()]).await?;
            let first = peer.saw("ack").await?;
            peer.check_same("the answer", &json!(["b", "for b"]), &Value::from(first))?;
            let second = peer.saw("ack").await?;
            peer.check_same("the answer", &json!(["a", "for a"]), &Value::from(second))?;
        })),
        case("11.2.4", "takes an answer without arguments", "An acknowledgement may have no arguments.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a"])).await?;
            let (_, id) = question(peer, "a").await?;
            peer.send(format!("43{id}[]")).await?;
            peer.saw("ack").await?;
        })),
        case("11.2.5", "takes one answer", "A second acknowledgement with the same id is ignored.", like_reference("it forgets the id"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a"])).await?;
            let (_, id) = question(peer, "a").await?;
            peer.send_all(&[format!("43{id}[1]").into(), format!("43{id}[2]").into()]).await?;
            peer.saw("ack").await?;
            peer.saw_none("ack", ms(300)).await?;
            peer.alive().await?;
        })),
        case("11.2.6", "ignores an answer to nothing", "An acknowledgement with an unknown id is ignored.", like_reference("an answer may come late"), script!(peer => {
            peer.join().await?;
            peer.send("434711[1]").await?;
            peer.saw_none("ack", ms(200)).await?;
            peer.alive().await?;
        })),
        case("11.2.7", "stops waiting", "Without an answer, the application is told after the time that it named.", docs("Acknowledgements with a timeout"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 400, "a"])).await?;
            question(peer, "a").await?;
            peer.saw("ack_timeout").await?;
        }))
        .feature("ack-timeout")
        .should(),
        case("11.2.8", "ignores an answer that comes too late", "An acknowledgement after the timeout is ignored.", docs("Acknowledgements with a timeout"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 300, "a"])).await?;
            let (_, id) = question(peer, "a").await?;
            peer.saw("ack_timeout").await?;
            peer.send(format!("43{id}[1]")).await?;
            peer.saw_none("ack", ms(300)).await?;
            peer.alive().await?;
        }))
        .feature("ack-timeout")
        .should(),
        case("11.2.9", "takes an answer with bytes", "Bytes in an acknowledgement reach the application.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 3_000, "a"])).await?;
            let (_, id) = question(peer, "a").await?;
            let text = format!("461-{id}[{{\"_placeholder\":true,\"num\":0}}]");
            peer.send_all(&[text.into(), (&[1u8, 2][..]).into()]).await?;
            peer.saw("ack").await?;
        })),
        case("11.2.10", "takes an answer after a while", "An answer that takes a second reaches the application.", sio("Acknowledgement"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack", 5_000, "a"])).await?;
            let (_, id) = question(peer, "a").await?;
            peer.pause(ms(1_000)).await;
            peer.send(format!("43{id}[1]")).await?;
            peer.saw("ack").await?;
        })),
        case("11.2.12", "asks for an acknowledgement of bytes", "An event with bytes that the application wants acknowledged is a BINARY_EVENT with an id.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit-ack-binary", 3_000, "a", 3])).await?;
            let packet = peer.expect_attached("a", &[json!({"_placeholder": true, "num": 0})], &[&[0, 1, 2]]).await?;
            peer.check(packet.kind == 5 && packet.id.is_some(), "a BINARY_EVENT with an id", format!("{} {:?}", packet.name(), packet.id))?;
            peer.send(format!("43{}[]", packet.id.unwrap_or_default())).await?;
            peer.saw("ack").await?;
        })),
        case("11.2.11", "sends again what isn't acknowledged", "With `retries`, an event that isn't acknowledged in time is sent again, with the same content.", docs("retries"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["emit", "important", 1])).await?;
            let (first, _) = question(peer, "important").await?;
            let (second, id) = question(peer, "important").await?;
            peer.check_same("the event", &first.data.unwrap_or_default(), &second.data.unwrap_or_default())?;
            peer.send(format!("43{id}[]")).await?;
            peer.silence_for(ms(900)).await?;
        }))
        .options(json!({"retries": 3, "ackTimeout": 500}))
        .should(),
    ]
    .into_iter()
    .map(Case::driven)
    .collect()
}

/// Acknowledgements that no server should send.
const ODD: [(&str, &str, &str); 4] = [
    ("11.3.1", "an acknowledgement without an id", "43[1]"),
    ("11.3.2", "an acknowledgement whose payload is no array", "431{\"a\":1}"),
    ("11.3.3", "an acknowledgement without a payload", "431"),
    ("11.3.4", "an id of twenty digits", "4399999999999999999999[1]"),
];

fn odd() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &str)| {
        case(
            id,
            title,
            "The client works on, or ends the session: it doesn't crash or hang.",
            crate::case::Source::Safety,
            script!(peer => {
                let text = ODD.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., text)| *text);
                peer.join().await?;
                peer.send(text).await?;
                peer.ends_or_works().await?;
            }),
        )
        .echo()
        .robust()
    };
    ODD.into_iter().map(one).collect()
}

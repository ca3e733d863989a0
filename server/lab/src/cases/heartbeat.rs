//! Group 3: who pings, and who notices that nobody does.

use engineio::Revision;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::writing::{case, docs, eio, eio3, like_reference, ms, script};
use crate::case::Case;
use crate::packet::Wire;
use crate::peer::{LabPeer, Result};
use crate::verdict::Unmet;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [pongs(), pings(), silence()].into_iter().flatten().collect()
}

/// An open packet with a quick heartbeat.
fn quick(peer: &LabPeer, interval: u64, timeout: u64) -> Value {
    let mut open = peer.open_packet();
    (open["pingInterval"], open["pingTimeout"]) = (json!(interval), json!(timeout));
    open
}

fn pongs() -> Vec<Case<LabPeer>> {
    let pong = |id, title| {
        case(
            id,
            title,
            "The client answers each ping with a pong.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                for _ in 0..2 {
                    peer.echo_text("2", "3").await?;
                }
            }),
        )
        .v4()
    };
    vec![
        pong("3.1.1", "answers a ping by WebSocket").websocket(),
        pong("3.1.2", "answers a ping by polling").polling(),
        case(
            "3.1.3",
            "answers a ping before it has joined",
            "A ping that comes before the answer to CONNECT is answered.",
            eio("Heartbeat"),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
                peer.echo_text("2", "3").await?;
            }),
        )
        .v4(),
        case(
            "3.1.4",
            "answers two pings at once",
            "Each ping is answered, also if two come together.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                peer.send_all(&["2".into(), "2".into()]).await?;
                peer.expect("3").await?;
                peer.expect("3").await?;
            }),
        )
        .v4()
        .should(),
        case(
            "3.1.5",
            "answers a ping while a POST is out",
            "A pong waits for the POST that is out, and comes in the next.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                peer.hold_posts = true;
                peer.send("42[\"echo\",1]").await?;
                let held = peer.post_with_packets().await?;
                peer.send("2").await?;
                peer.pause(ms(200)).await;
                peer.hold_posts = false;
                held.answer(200, &[], b"ok").await;
                peer.expect("42[\"echo\",1]").await?;
                peer.expect("3").await?;
            }),
        )
        .v4()
        .polling()
        .echo(),
        case(
            "3.1.6",
            "answers a ping after a large message",
            "A large message doesn't keep the client from its heartbeat.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                peer.send(format!("42[\"nobody\",\"{}\"]", "x".repeat(900_000))).await?;
                peer.echo_text("2", "3").await?;
            }),
        )
        .v4(),
        case(
            "3.1.7",
            "answers a ping with content",
            "A ping with content is answered with a pong.",
            like_reference("it ignores the content"),
            script!(peer => {
                peer.join().await?;
                peer.send("2hello").await?;
                let packet = peer.packet("a pong").await?;
                peer.check(matches!(&packet, Wire::Text(text) if text.starts_with('3')), "a pong", packet.shown())?;
            }),
        )
        .v4()
        .should(),
        case(
            "3.1.9",
            "sends no pong unasked",
            "A pong answers a ping: the client sends none before the first.",
            eio("Heartbeat"),
            script!(peer => {
                peer.join().await?;
                peer.pause(ms(500)).await;
                let unasked = peer.seen.unasked_pongs;
                peer.check(unasked == 0, "no pong", format!("{unasked} pongs without a ping"))?;
                peer.echo_text("2", "3").await?;
            }),
        )
        .v4(),
        case(
            "3.1.8",
            "sends no pings of its own",
            "In revision 4 only the server pings.",
            eio("Heartbeat"),
            script!(peer => {
                let open = quick(peer, 300, 3_000);
                peer.join_with(&open).await?;
                peer.silence_for(ms(1_000)).await?;
            }),
        )
        .v4(),
    ]
}

fn pings() -> Vec<Case<LabPeer>> {
    let paced = |id, title| {
        case(
            id,
            title,
            "The client sends a ping each `pingInterval`.",
            eio3("Timeouts"),
            script!(peer => {
                let open = quick(peer, 300, 2_000);
                peer.join_with(&open).await?;
                let until = Instant::now() + peer.patience;
                while peer.seen.heartbeats.len() < 5 && Instant::now() < until {
                    peer.pause(ms(50)).await;
                }
                // Four intervals; a busy machine makes them longer.
                let pings = &peer.seen.heartbeats;
                let took = pings.get(4).map(|fifth| *fifth - pings[0]);
                let seen = took.map_or_else(|| format!("{} pings", pings.len()), |took| format!("5 pings in {} ms", took.as_millis()));
                peer.check(took.is_some_and(|took| took > ms(800)), "5 pings, 300 ms apart", seen)?;
            }),
        )
        .v3()
    };
    vec![
        paced("3.2.1", "pings each pingInterval by WebSocket").websocket(),
        paced("3.2.2", "pings each pingInterval by polling").polling(),
        case(
            "3.2.3",
            "lives on while its pings are answered",
            "A client whose pings are answered keeps the session.",
            eio3("Timeouts"),
            script!(peer => {
                let open = quick(peer, 300, 1_000);
                peer.join_with(&open).await?;
                peer.keeps_for(ms(2_500)).await?;
            }),
        )
        .v3(),
    ]
}

/// A server that falls silent: how long the client waits.
async fn falls_silent(peer: &mut LabPeer) -> Result {
    let open = quick(peer, 500, 500);
    peer.answers_pings = false;
    peer.join_with(&open).await?;
    let given_up = peer.gives_up_within(ms(4_500)).await;
    let wanted = "the client ends the session 1000 ms after the last packet, which is `pingInterval` and `pingTimeout`; the lab \
                  waits 4500 ms";
    given_up.map(drop).map_err(|unmet| Unmet { expected: wanted.to_owned(), ..unmet })
}

fn silence() -> Vec<Case<LabPeer>> {
    let notices = |id, title| {
        case(
            id,
            title,
            "The client ends a session in which nothing has come for `pingInterval` and `pingTimeout`.",
            eio("Heartbeat"),
            script!(peer => {
                falls_silent(peer).await?;
            }),
        )
        .driven()
    };
    vec![
        notices("3.3.1", "notices a silent server by WebSocket").websocket(),
        notices("3.3.2", "notices a silent server by polling").polling(),
        case(
            "3.3.3",
            "doesn't give up too early",
            "The client waits for as long as `pingInterval` and `pingTimeout` are together.",
            eio("Heartbeat"),
            script!(peer => {
                let open = quick(peer, 500, 500);
                let began = Instant::now();
                peer.answers_pings = false;
                peer.join_with(&open).await?;
                // Whether it gives up at all is another case's question.
                let early = peer.gives_up_within(ms(900).saturating_sub(began.elapsed())).await;
                if early.is_ok() {
                    let end = peer.seen.end.clone().unwrap_or_default();
                    let seen = format!("after {} ms: {end}", began.elapsed().as_millis());
                    let wanted = "the client keeps the session for 1000 ms, which is `pingInterval` and `pingTimeout`";
                    return Err(Unmet::fail(wanted, seen));
                }
            }),
        )
        .driven(),
        case(
            "3.3.4",
            "starts anew with each ping",
            "Each ping gives the server the whole time again.",
            eio("Heartbeat"),
            script!(peer => {
                let open = quick(peer, 500, 700);
                peer.join_with(&open).await?;
                for _ in 0..4 {
                    peer.pause(ms(500)).await;
                    peer.echo_text("2", "3").await?;
                }
                peer.keeps_for(ms(300)).await?;
            }),
        )
        .v4()
        .driven(),
        case(
            "3.3.5",
            "keeps to the times that the server names",
            "With the usual 25 s, two seconds of silence are no reason to leave.",
            eio("Handshake"),
            script!(peer => {
                peer.join().await?;
                peer.keeps_for(ms(2_000)).await?;
            }),
        )
        .driven(),
        case(
            "3.3.6",
            "takes a very long interval",
            "An interval of 30 days is not taken for none at all.",
            crate::case::Source::Safety,
            script!(peer => {
                let open = quick(peer, 2_592_000_000, 20_000);
                peer.join_with(&open).await?;
                peer.keeps_for(ms(800)).await?;
            }),
        )
        .driven()
        .robust(),
        case(
            "3.3.7",
            "says that the ping timed out",
            "The application is told `disconnect` with the reason `ping timeout`.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                falls_silent(peer).await?;
                let args = peer.saw("disconnect").await?;
                let reason = args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
                peer.non_strict(reason == "ping timeout", "the reason `ping timeout`", format!("`{reason}`"));
            }),
        )
        .driven()
        .should(),
        case(
            "3.3.8",
            "lets any packet of the server count",
            "A message from the server shows that it is alive, as a ping does.",
            like_reference("each packet starts the time anew in revision 3"),
            script!(peer => {
                let open = quick(peer, 500, 700);
                peer.join_with(&open).await?;
                for n in 0..4 {
                    peer.pause(ms(500)).await;
                    if peer.seen.end.is_some() {
                        break;
                    }
                    peer.send(format!("42[\"nobody\",{n}]")).await?;
                }
                let counts = peer.seen.end.is_none();
                let is_newer = peer.revision == Revision::V4;
                peer.informational(counts, "messages count as life", if is_newer { "only pings count" } else { "only pongs count" });
            }),
        )
        .driven()
        .should(),
    ]
}

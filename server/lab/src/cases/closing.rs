//! Group 6: how a session ends, and what the application is told.

use serde_json::{Value, json};

use super::writing::{case, docs, eio, http, like_reference, ms, script, sio};
use crate::case::Case;
use crate::peer::LabPeer;
use crate::verdict::Verdict;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [by_server(), by_transport(), by_application(), reasons()].into_iter().flatten().collect()
}

fn by_server() -> Vec<Case<LabPeer>> {
    let closed = |id, title| {
        case(
            id,
            title,
            "After the packet `1` the session has ended, and the application is told.",
            eio("Protocol"),
            script!(peer => {
                peer.join().await?;
                peer.send("1").await?;
                peer.saw("disconnect").await?;
            }),
        )
        .driven()
    };
    let kicked = |id, title| {
        case(
            id,
            title,
            "After DISCONNECT the application is told `disconnect`, once, and not as the end of a transport.",
            sio("Disconnection from a namespace"),
            script!(peer => {
                peer.join().await?;
                peer.send("41").await?;
                let args = peer.saw_within("disconnect", ms(2_000)).await?;
                let reason = args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
                // The end of a transport is told too. The application has to know one from the other: only after the other does
                // the client come back.
                let of_transport = ["transport close", "transport error", "parse error", "ping timeout"];
                peer.check(!of_transport.contains(&&*reason), "another reason than those of a transport", format!("`{reason}`"))?;
                peer.saw_none("disconnect", ms(300)).await?;
            }),
        )
        .driven()
    };
    vec![
        closed("6.1.1", "is told of a close by polling").polling(),
        case("6.1.2", "is told of a close by WebSocket", "After the packet `1` the session has ended, and the application is told.", eio("Protocol"), script!(peer => {
            peer.join().await?;
            peer.send("1").await?;
            // The reference's server closes the WebSocket instead, and its client ignores the packet there.
            peer.saw_within("disconnect", ms(1_500)).await.map_err(|unmet| unmet.rather(Verdict::Informational))?;
        }))
        .driven()
        .websocket()
        .should(),
        kicked("6.1.3", "is told of a disconnect by polling").polling(),
        kicked("6.1.4", "is told of a disconnect by WebSocket").websocket(),
        case("6.1.5", "stays away after a disconnect by the server", "After DISCONNECT the client doesn't reconnect by itself.", docs("Event: 'disconnect'"), script!(peer => {
            peer.join().await?;
            peer.send("41").await?;
            peer.saw("disconnect").await?;
            peer.no_handshake_for(ms(1_000)).await?;
        }))
        .reconnects(),
        case("6.1.6", "hears nothing after a disconnect by the server", "Events that come after DISCONNECT don't reach the application.", sio("Disconnection from a namespace"), script!(peer => {
            peer.join().await?;
            peer.send_all(&["41".into(), "42[\"late\",1]".into()]).await?;
            peer.saw("disconnect").await?;
            peer.saw_none("event", ms(300)).await?;
        }))
        .options(json!({"on": ["late"]}))
        .should(),
        case("6.1.7", "hears what came before a disconnect", "Events before DISCONNECT in the same payload reach the application.", sio("Disconnection from a namespace"), script!(peer => {
            peer.join().await?;
            peer.send_all(&["42[\"early\",1]".into(), "41".into()]).await?;
            peer.saw_event("early").await?;
            peer.saw("disconnect").await?;
        }))
        .options(json!({"on": ["early"]})),
        case("6.1.8", "comes back after a close of the transport", "After the packet `1` the client reconnects: only DISCONNECT keeps it away.", docs("Event: 'disconnect'"), script!(peer => {
            peer.join().await?;
            peer.send("1").await?;
            peer.join().await?;
        }))
        .reconnects()
        .polling(),
    ]
}

/// What a poll gets instead of packets.
const FAILURES: [(&str, &str, u16, &str); 5] = [
    ("6.2.1", "is told that its session is unknown", 400, "{\"code\":1,\"message\":\"Session ID unknown\"}"),
    ("6.2.2", "is told of a poll that fails", 500, "Internal Server Error"),
    ("6.2.3", "is told of a gateway that fails", 502, "<html><body>Bad Gateway</body></html>"),
    ("6.2.4", "is told of a gateway that gave up", 504, "<html><body>Gateway Timeout</body></html>"),
    ("6.2.5", "is told of an endpoint that has gone", 404, ""),
];

fn by_transport() -> Vec<Case<LabPeer>> {
    let one = |(id, title, ..): (&'static str, &'static str, u16, &str)| {
        case(
            id,
            title,
            "A poll that is answered with an error ends the session, and the application is told.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                if let Some((.., status, body)) = FAILURES.iter().find(|(id, ..)| *id == peer.id) {
                    poll.answer(*status, &[("Content-Type", "text/html")], body.as_bytes()).await;
                }
                peer.forget();
                peer.saw("disconnect").await?;
            }),
        )
        .driven()
        .polling()
    };
    let mut all: Vec<_> = FAILURES.into_iter().map(one).collect();
    all.extend([
        case("6.2.6", "is told of a poll whose connection closes", "A poll that ends without an answer ends the session, and the application is told.", http("Retrying Requests"), script!(peer => {
            peer.join().await?;
            drop(peer.poll().await?);
            peer.forget();
            peer.saw("disconnect").await?;
        }))
        .driven()
        .polling(),
        case("6.2.7", "is told of a poll whose connection is cut off", "A poll that is reset ends the session, and the application is told.", http("Retrying Requests"), script!(peer => {
            peer.join().await?;
            peer.poll().await?.reset();
            peer.forget();
            peer.saw("disconnect").await?;
        }))
        .driven()
        .polling(),
        case("6.2.8", "is told of a POST that is refused", "A POST that is answered with an error ends the session, and the application is told.", docs("Event: 'disconnect'"), script!(peer => {
            peer.join().await?;
            peer.hold_posts = true;
            peer.act(json!(["emit", "x"])).await?;
            peer.post().await?.answer(413, &[], b"").await;
            peer.saw("disconnect").await?;
        }))
        .driven()
        .polling(),
        case("6.2.9", "is told of a POST that is cut off", "A POST that is reset ends the session, and the application is told.", docs("Event: 'disconnect'"), script!(peer => {
            peer.join().await?;
            peer.hold_posts = true;
            peer.act(json!(["emit", "x"])).await?;
            peer.post().await?.reset();
            // Browsers send a request again whose connection had been used before.
            for _ in 0..10 {
                match peer.post_within(ms(500)).await {
                    Some(again) => again.reset(),
                    None => break,
                }
            }
            peer.saw("disconnect").await?;
        }))
        .driven()
        .polling(),
        case("6.2.10", "is told of a poll that ends halfway", "An answer that is shorter than it says ends the session, and the application is told.", http("Handling Incomplete Messages"), script!(peer => {
            peer.join().await?;
            let mut answer = peer.poll().await?.into_raw();
            answer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 1000\r\n\r\n42[\"ec").await;
            drop(answer);
            peer.forget();
            peer.saw("disconnect").await?;
        }))
        .driven()
        .polling(),
    ]);
    all
}

fn by_application() -> Vec<Case<LabPeer>> {
    let leaves = |id, title| {
        case(
            id,
            title,
            "When the application disconnects, the client sends DISCONNECT, or ends the session.",
            sio("Disconnection from a namespace"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["disconnect"])).await?;
                let within = peer.patience;
                match peer.packet_or_end(within).await {
                    Some(packet) => peer.check(packet == "41", "`41`", packet)?,
                    None => {
                        let end = peer.seen.end.clone();
                        peer.check(end.is_some(), "`41`", "nothing came")?;
                        peer.non_strict(false, "`41` before the end", end.unwrap_or_default());
                    }
                }
            }),
        )
        .driven()
    };
    vec![
        leaves("6.3.1", "takes leave by polling").polling(),
        leaves("6.3.2", "takes leave by WebSocket").websocket(),
        case(
            "6.3.3",
            "stays away after the application's disconnect",
            "After its own disconnect the client doesn't reconnect.",
            docs("socket.disconnect()"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["disconnect"])).await?;
                peer.no_handshake_for(ms(1_000)).await?;
            }),
        )
        .reconnects(),
        case(
            "6.3.4",
            "sends what was emitted before the disconnect",
            "Events that were emitted before the disconnect arrive.",
            like_reference("it flushes first"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["emit-and-disconnect", "last", 1])).await?;
                peer.expect("42[\"last\",1]").await?;
            }),
        )
        .driven(),
        case(
            "6.3.5",
            "polls no more after it has left",
            "After its disconnect the client ends the session: it doesn't go on polling.",
            like_reference("it closes the session with its last namespace"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["disconnect"])).await?;
                peer.gives_up_on_wire_within(ms(3_000)).await?;
            }),
        )
        .driven()
        .should(),
        case(
            "6.3.6",
            "connects again if the application wants",
            "After its disconnect the application can connect again.",
            docs("socket.connect()"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["disconnect-and-connect", 200])).await?;
                peer.join_again().await?;
                peer.alive().await?;
            }),
        )
        .driven()
        .should(),
    ]
}

fn reasons() -> Vec<Case<LabPeer>> {
    async fn reason(peer: &mut LabPeer, wanted: &str) -> crate::peer::Result {
        let args = peer.saw("disconnect").await?;
        let seen = args.first().and_then(Value::as_str).unwrap_or_default().to_owned();
        peer.non_strict(seen == wanted, &format!("the reason `{wanted}`"), format!("`{seen}`"));
        Ok(())
    }
    vec![
        case(
            "6.4.1",
            "says that the server disconnected it",
            "After DISCONNECT the reason is `io server disconnect`.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                peer.join().await?;
                peer.send("41").await?;
                reason(peer, "io server disconnect").await?;
            }),
        )
        .driven()
        .should(),
        case(
            "6.4.2",
            "says that the application disconnected",
            "After the application's disconnect the reason is `io client disconnect`.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                peer.join().await?;
                peer.act(json!(["disconnect"])).await?;
                reason(peer, "io client disconnect").await?;
            }),
        )
        .driven()
        .should(),
        case(
            "6.4.3",
            "says that the transport failed",
            "After a failed poll the reason is `transport error`.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                peer.join().await?;
                let poll = peer.poll().await?;
                poll.answer(400, &[], b"").await;
                peer.forget();
                reason(peer, "transport error").await?;
            }),
        )
        .driven()
        .polling()
        .should(),
        case(
            "6.4.4",
            "is told once",
            "One end of a session is one `disconnect`.",
            docs("Event: 'disconnect'"),
            script!(peer => {
                peer.join().await?;
                if peer.on_websocket() {
                    peer.send("41").await?;
                    peer.close_frame(1000, "").await;
                } else {
                    peer.send_all(&["41".into(), "1".into()]).await?;
                }
                peer.saw("disconnect").await?;
                peer.saw_none("disconnect", ms(400)).await?;
            }),
        )
        .driven()
        .should(),
    ]
}

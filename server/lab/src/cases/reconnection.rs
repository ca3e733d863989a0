//! Group 7: coming back.

use engineio::Revision;
use serde_json::json;
use tokio::time::Instant;

use super::writing::{case, docs, eio, like_reference, ms, script, sio};
use crate::case::Case;
use crate::peer::{LabPeer, Result};

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [comes_back(), pace(), keeps()].into_iter().flatten().collect()
}

fn comes_back() -> Vec<Case<LabPeer>> {
    let after = "The client opens a new session after the transport has failed.";
    vec![
        case("7.1.1", "comes back after a close", after, docs("reconnection"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            peer.join().await?;
        }))
        .reconnects(),
        case("7.1.2", "comes back after a reset", after, docs("reconnection"), script!(peer => {
            peer.join().await?;
            peer.reset_connection().await;
            peer.forget();
            peer.join().await?;
        }))
        .reconnects(),
        case("7.1.3", "comes back if its session is unknown", after, docs("reconnection"), script!(peer => {
            peer.join().await?;
            let poll = peer.poll().await?;
            peer.forget();
            poll.answer(400, &[("Content-Type", "application/json")], b"{\"code\":1,\"message\":\"Session ID unknown\"}").await;
            peer.join().await?;
        }))
        .reconnects()
        .polling(),
        case("7.1.4", "comes back after a silent server", after, docs("reconnection"), script!(peer => {
            let mut open = peer.open_packet();
            (open["pingInterval"], open["pingTimeout"]) = (json!(300), json!(300));
            peer.answers_pings = false;
            peer.join_with(&open).await?;
            peer.open().await?;
            peer.answers_pings = true;
            peer.let_in().await?;
        }))
        .reconnects(),
        case("7.1.5", "comes back when the server listens again", "While connections are refused, the client goes on trying.", docs("reconnectionAttempts"), script!(peer => {
            peer.join().await?;
            peer.shut_door().await;
            peer.pause(ms(700)).await;
            peer.open_door().await?;
            peer.join().await?;
        }))
        .reconnects(),
        case("7.1.6", "comes back after refusals", "While handshakes are refused, the client goes on trying.", docs("reconnectionAttempts"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            for _ in 0..3 {
                peer.handshake().await?.answer(503, &[("Connection", "close")], b"").await;
            }
            peer.join().await?;
        }))
        .reconnects(),
        case("7.1.7", "works after it has come back", "After a reconnection, events go both ways, once each.", docs("reconnection"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            peer.join().await?;
            peer.alive().await?;
            peer.silence_for(ms(300)).await?;
        }))
        .reconnects(),
        case("7.1.8", "comes back twice", "The client reconnects each time.", docs("reconnection"), script!(peer => {
            for _ in 0..2 {
                peer.join().await?;
                peer.alive().await?;
                peer.drop_connection_and_forget().await;
            }
            peer.join().await?;
        }))
        .reconnects(),
        case("7.1.9", "stays away if it may not reconnect", "With `reconnection: false` the client opens no new session.", docs("reconnection"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            peer.no_handshake_for(ms(1_000)).await?;
        }))
        .driven(),
        case("7.1.10", "comes back if the first connection fails", "The client goes on trying also if it was never connected.", docs("reconnection"), script!(peer => {
            peer.handshake().await?.reset();
            peer.join().await?;
        }))
        .reconnects(),
    ]
}

/// The pauses before the next handshakes, in milliseconds, while each is refused.
async fn pauses(peer: &mut LabPeer, count: usize) -> Result<Vec<u64>> {
    let mut pauses = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let request = peer.handshake().await?;
        pauses.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        request.answer(503, &[("Connection", "close")], b"").await;
    }
    Ok(pauses)
}

fn pace() -> Vec<Case<LabPeer>> {
    // Some clients take 0 for a factor that is not given.
    let steady = |delay: u64, longest: u64| json!({"reconnection": true, "reconnectionDelay": delay, "reconnectionDelayMax": longest, "randomizationFactor": 0.01});
    vec![
        case("7.2.1", "waits before it comes back", "The first attempt comes after `reconnectionDelay`, not at once.", docs("reconnectionDelay"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let pauses = pauses(peer, 1).await?;
            peer.check((350..2_000).contains(&pauses[0]), "500 ms", format!("{} ms", pauses[0]))?;
        }))
        .options(steady(500, 1_000))
        .should(),
        case("7.2.2", "waits longer each time", "The pauses between attempts grow.", docs("reconnectionDelayMax"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let pauses = pauses(peer, 4).await?;
            peer.check(pauses[3] >= pauses[0] + 200, "pauses that grow: 100, 200, 400, 800 ms", format!("{pauses:?} ms"))?;
        }))
        .options(steady(100, 5_000))
        .should(),
        case("7.2.3", "waits no longer than it may", "No pause is longer than `reconnectionDelayMax`.", docs("reconnectionDelayMax"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let pauses = pauses(peer, 5).await?;
            let longest = pauses.iter().copied().max().unwrap_or_default();
            peer.check(longest < 1_500, "at most 300 ms", format!("{pauses:?} ms"))?;
        }))
        .options(steady(100, 300))
        .should(),
        case("7.2.4", "gives up after as many attempts as it may", "With `reconnectionAttempts: 2`, there are two attempts.", docs("reconnectionAttempts"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            pauses(peer, 2).await?;
            peer.no_handshake_for(ms(1_500)).await?;
        }))
        .options(json!({"reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 100, "reconnectionAttempts": 2}))
        .should(),
        case("7.2.5", "begins anew once it was connected", "After a successful reconnection, the pauses begin with the shortest again.", like_reference("it resets its back-off"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            pauses(peer, 4).await?;
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let again = pauses(peer, 1).await?;
            peer.check(again[0] < 1_500, "100 ms", format!("{} ms", again[0]))?;
        }))
        .options(steady(100, 5_000))
        .should(),
        case("7.2.6", "spreads its attempts", "With a randomization factor, pauses differ, so that not all clients come back at once.", docs("randomizationFactor"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let pauses = pauses(peer, 6).await?;
            let (least, most) = (pauses.iter().min().copied().unwrap_or(0), pauses.iter().max().copied().unwrap_or(0));
            peer.informational(most > least + 15, "pauses that differ", format!("{pauses:?} ms"));
        }))
        .options(json!({"reconnection": true, "reconnectionDelay": 200, "reconnectionDelayMax": 200, "randomizationFactor": 0.5}))
        .should(),
    ]
}

fn keeps() -> Vec<Case<LabPeer>> {
    vec![
        case("7.3.1", "sends what was emitted while it was away", "Events that are emitted without a connection are sent once, in order, after the reconnection.", docs("Buffered events"), script!(peer => {
            peer.join().await?;
            for n in 1..=2 {
                peer.act(json!(["later", 200 + 80 * n, "emit", "away", n])).await?;
            }
            peer.pause(ms(50)).await;
            peer.shut_door().await;
            peer.pause(ms(600)).await;
            peer.open_door().await?;
            peer.join().await?;
            peer.expect("42[\"away\",1]").await?;
            peer.expect("42[\"away\",2]").await?;
            peer.silence_for(ms(300)).await?;
        }))
        .reconnects()
        .feature("buffer"),
        case("7.3.2", "drops volatile events while it is away", "Volatile events that are emitted without a connection are dropped.", docs("Volatile events"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["later", 250, "volatile", "away", 1])).await?;
            peer.pause(ms(50)).await;
            peer.shut_door().await;
            peer.pause(ms(600)).await;
            peer.open_door().await?;
            peer.join().await?;
            peer.silence_for(ms(300)).await?;
        }))
        .reconnects()
        .feature("volatile")
        .should(),
        case("7.3.3", "sends its auth again", "CONNECT of the new session has the auth too.", sio("Connection to a namespace"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            peer.open().await?;
            let connect = peer.connect_packet("/").await?;
            peer.check_same("the auth", &json!({"token": "x"}), &connect.data.unwrap_or_default())?;
        }))
        .options(json!({"reconnection": true, "reconnectionDelay": 100, "auth": {"token": "x"}}))
        .v4(),
        case("7.3.4", "uses the new session's id", "After a reconnection, requests have the new `sid`.", eio("Handshake"), script!(peer => {
            peer.join().await?;
            let old = peer.sid().unwrap_or_default().to_owned();
            peer.drop_connection_and_forget().await;
            let head = peer.open().await?;
            peer.check(head.query("sid").is_none(), "a handshake without a `sid`", head.target)?;
            let poll = peer.poll().await?;
            peer.check(poll.sid() != Some(old), "the new `sid`", poll.head.target.clone())?;
        }))
        .reconnects()
        .polling(),
        case("7.3.5", "joins all its namespaces again", "After a reconnection, the client joins each namespace that it was in.", docs("reconnection"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["connect", "/more"])).await?;
            peer.let_in_to("/more").await?;
            peer.drop_connection_and_forget().await;
            peer.open().await?;
            let mut missing = vec!["/", "/more"];
            if peer.revision == Revision::V3 {
                peer.send("40").await?;
                missing.remove(0);
            }
            while !missing.is_empty() {
                let packet = peer.socket_packet("a CONNECT to each namespace").await?;
                let before = missing.len();
                missing.retain(|nsp| packet.kind != 0 || packet.nsp.split('?').next() != Some(nsp));
                peer.check(missing.len() < before, "a CONNECT to each namespace", format!("{} for {}", packet.name(), packet.nsp))?;
            }
        }))
        .reconnects()
        .feature("multiplex"),
        case("7.3.6", "takes the new session's settings", "After a reconnection, the new open packet's times count.", eio("Handshake"), script!(peer => {
            peer.join().await?;
            peer.drop_connection_and_forget().await;
            let mut open = peer.open_packet();
            (open["pingInterval"], open["pingTimeout"]) = (json!(300), json!(300));
            peer.answers_pings = false;
            peer.join_with(&open).await?;
            peer.gives_up_within(ms(4_000)).await?;
        }))
        .reconnects()
        .should(),
        case("7.3.7", "doesn't insist where a namespace refuses it", "After CONNECT_ERROR the client doesn't send CONNECT again by itself.", docs("Event: 'connect_error'"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/").await?;
            peer.send("44{\"message\":\"no\"}").await?;
            peer.saw("connect_error").await?;
            peer.silence_for(ms(800)).await?;
        }))
        .reconnects()
        .v4()
        .should(),
        case("7.3.8", "tells the application both", "The application is told `disconnect`, then `connect` again.", docs("Lifecycle"), script!(peer => {
            peer.join().await?;
            peer.saw("connect").await?;
            peer.drop_connection_and_forget().await;
            peer.saw("disconnect").await?;
            peer.join().await?;
            peer.saw("connect").await?;
        }))
        .reconnects(),
        case("7.3.9", "asks for its auth anew", "If the auth is a function, it is called for each CONNECT.", docs("auth"), script!(peer => {
            peer.open().await?;
            let first = peer.connect_packet("/").await?.data.unwrap_or_default();
            peer.check_same("the auth", &json!({"n": 1}), &first)?;
            peer.send("40{\"sid\":\"socket-1\"}").await?;
            peer.drop_connection_and_forget().await;
            peer.open().await?;
            let second = peer.connect_packet("/").await?.data.unwrap_or_default();
            peer.check_same("the auth", &json!({"n": 2}), &second)?;
        }))
        .options(json!({"reconnection": true, "reconnectionDelay": 100, "auth": "function"}))
        .v4()
        .should(),
    ]
}

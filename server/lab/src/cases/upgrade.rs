//! Group 4: from polling to WebSocket.

use serde_json::json;

use super::writing::{case, eio, like_reference, ms, script};
use crate::case::Case;
use crate::packet::{Wire, same_packet};
use crate::peer::{LabPeer, Probe, Result};
use crate::verdict::{Unmet, Verdict};
use crate::wire::head::Head;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [steps(), messages(), failures(), later()].into_iter().flatten().map(Case::upgrade).collect()
}

/// Opens a session, and lets the client join. Some clients neither poll nor join before they have tried the WebSocket, which no document
/// forbids: they join later, by [`join`].
async fn open(peer: &mut LabPeer) -> Result<Head> {
    let head = peer.open().await?;
    if peer.joins_before_it_upgrades().await? {
        peer.let_in().await?;
    }
    Ok(head)
}

/// Opens a session and takes the client's probe up to its `2probe`.
async fn probing(peer: &mut LabPeer) -> Result<Probe> {
    open(peer).await?;
    let probe = peer.probe().await?;
    peer.expect_on(&probe, "2probe").await?;
    Ok(probe)
}

/// Lets the client join, unless it has.
async fn join(peer: &mut LabPeer) -> Result {
    if !peer.joined {
        peer.let_in().await?;
    }
    Ok(())
}

/// The rest of a case is about polls during the probe. A client that sends none can't be tested for it.
fn polls_while_probing(peer: &LabPeer) -> Result {
    let unmet = Unmet::fail("polls during the probe", "the client upgrades before it polls");
    if peer.joined { Ok(()) } else { Err(unmet.rather(Verdict::NotRun)) }
}

/// The whole upgrade, and joins.
async fn upgraded(peer: &mut LabPeer) -> Result {
    open(peer).await?;
    peer.upgrade().await?;
    join(peer).await
}

/// Answers the probe while a poll is out, and lets the client see that before the poll ends: they come by two connections.
async fn pausing(peer: &mut LabPeer, probe: &mut Probe) {
    peer.pause(ms(100)).await;
    peer.send_on(probe, "3probe").await;
    peer.pause(ms(200)).await;
}

/// Ends the poll that is parked, if there is one.
async fn release(peer: &mut LabPeer, packets: &[Wire]) {
    if let Some(poll) = peer.poll_within(ms(500)).await {
        peer.answer_poll(poll, packets).await;
    }
}

fn steps() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "4.1.1",
            "probes the WebSocket",
            "The first packet on the new WebSocket is `2probe`.",
            eio("Upgrade"),
            script!(peer => {
                probing(peer).await?;
            }),
        ),
        case(
            "4.1.2",
            "probes with its session's id",
            "The WebSocket handshake has the session's `sid`, `EIO` and `transport=websocket`.",
            eio("Upgrade"),
            script!(peer => {
                let first = open(peer).await?;
                let request = peer.upgrade_request().await?;
                let target = request.head.target.clone();
                peer.check(request.head.query("transport").as_deref() == Some("websocket"), "`transport=websocket`", &*target)?;
                peer.check(request.head.query("EIO") == first.query("EIO"), "the same `EIO` as in the first request", &*target)?;
            }),
        ),
        case(
            "4.1.3",
            "upgrades after the probe",
            "After `3probe`, the client sends `5` and moves to the WebSocket.",
            eio("Upgrade"),
            script!(peer => {
                upgraded(peer).await?;
            }),
        ),
        case(
            "4.1.4",
            "sends no 5 before 3probe",
            "The client waits for `3probe` before it upgrades.",
            eio("Upgrade"),
            script!(peer => {
                let probe = probing(peer).await?;
                let early = peer.packet_on(&probe, ms(500)).await;
                peer.check(early.is_none(), "nothing before `3probe`", early.unwrap_or_default())?;
            }),
        ),
        case(
            "4.1.5",
            "ends its poll before it sends 5",
            "The client sends `5` once the poll that was out is answered.",
            like_reference("it pauses polling first"),
            script!(peer => {
                let mut probe = probing(peer).await?;
                polls_while_probing(peer)?;
                // Let the poll be out.
                peer.pause(ms(100)).await;
                peer.send_on(&mut probe, "3probe").await;
                let early = peer.packet_on(&probe, ms(500)).await;
                peer.non_strict(early.is_none(), "no `5` while the poll is out", early.clone().unwrap_or_default());
                release(peer, &["6".into()]).await;
                if early.is_none() {
                    peer.expect_on(&probe, "5").await?;
                }
            }),
        )
        .should(),
        case(
            "4.1.6",
            "polls no more after 5",
            "After `5` the client sends nothing by HTTP.",
            eio("Upgrade"),
            script!(peer => {
                upgraded(peer).await?;
                let (polls, posts) = (peer.seen.polls, peer.seen.posts);
                peer.alive().await?;
                peer.pause(ms(500)).await;
                let more = peer.seen.polls + peer.seen.posts - polls - posts;
                peer.check(more == 0, "no request after `5`", format!("{more} requests"))?;
            }),
        )
        .echo(),
        case(
            "4.1.7",
            "upgrades once",
            "`5` is sent once, and no second WebSocket is opened.",
            eio("Upgrade"),
            script!(peer => {
                upgraded(peer).await?;
                peer.no_upgrade_for(ms(500)).await?;
                peer.silence_for(ms(100)).await?;
            }),
        ),
        case(
            "4.1.8",
            "doesn't upgrade where the server offers nothing",
            "With an empty `upgrades`, the client stays with polling.",
            eio("Upgrade"),
            script!(peer => {
                let mut open = peer.open_packet();
                open["upgrades"] = json!([]);
                peer.join_with(&open).await?;
                peer.no_upgrade_for(ms(700)).await?;
            }),
        ),
    ]
}

/// Whatever way they come, packets must come once each, and in order.
async fn once_and_in_order(peer: &mut LabPeer, wanted: &[&str]) -> Result {
    for text in wanted {
        loop {
            match peer.packet(&format!("`{text}`")).await? {
                Wire::Text(seen) if seen == "5" || seen == "3" => {}
                Wire::Text(seen) if same_packet(text, &seen) => break,
                other => return Err(Unmet::fail(format!("`{text}`"), other.shown())),
            }
        }
    }
    peer.silence_for(ms(300)).await
}

fn messages() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "4.2.1",
            "receives and sends by WebSocket after the upgrade",
            "After `5`, messages go by WebSocket in both directions.",
            eio("Upgrade"),
            script!(peer => {
                upgraded(peer).await?;
                peer.echo(&[json!("by WebSocket")]).await?;
            }),
        )
        .echo(),
        case(
            "4.2.2",
            "receives by polling while it probes",
            "A message that comes by polling during the probe is handled.",
            eio("Upgrade"),
            script!(peer => {
                let _probe = probing(peer).await?;
                polls_while_probing(peer)?;
                peer.echo(&[json!("by polling")]).await?;
            }),
        )
        .echo(),
        case(
            "4.2.3",
            "loses nothing in the poll that ends for the upgrade",
            "A message in the answer to the last poll is handled once.",
            eio("Upgrade"),
            script!(peer => {
                let mut probe = probing(peer).await?;
                polls_while_probing(peer)?;
                pausing(peer, &mut probe).await;
                release(peer, &["42[\"echo\",1]".into()]).await;
                // The answer comes by POST before `5`, or by WebSocket after it.
                peer.expect_five(&probe).await?;
                peer.move_to(probe).await;
                once_and_in_order(peer, &["42[\"echo\",1]"]).await?;
            }),
        )
        .echo(),
        case(
            "4.2.4",
            "keeps the order across the upgrade",
            "Messages before and after the upgrade come once each, in order.",
            eio("Upgrade"),
            script!(peer => {
                let mut probe = probing(peer).await?;
                polls_while_probing(peer)?;
                peer.send("42[\"echo\",1]").await?;
                pausing(peer, &mut probe).await;
                release(peer, &["42[\"echo\",2]".into()]).await;
                peer.expect_five(&probe).await?;
                peer.move_to(probe).await;
                peer.send("42[\"echo\",3]").await?;
                once_and_in_order(peer, &["42[\"echo\",1]", "42[\"echo\",2]", "42[\"echo\",3]"]).await?;
            }),
        )
        .echo(),
        case(
            "4.2.5",
            "receives what comes right after the upgrade",
            "A message that the server sends as soon as it has `5` is handled.",
            eio("Upgrade"),
            script!(peer => {
                upgraded(peer).await?;
                peer.send_all(&["42[\"echo\",1]".into(), "42[\"echo\",2]".into()]).await?;
                once_and_in_order(peer, &["42[\"echo\",1]", "42[\"echo\",2]"]).await?;
            }),
        )
        .echo(),
        case(
            "4.2.6",
            "sends binary after the upgrade",
            "Attachments go as binary frames once the session is on the WebSocket.",
            eio("Packet encoding"),
            script!(peer => {
                upgraded(peer).await?;
                peer.echo_attached(&[json!({"_placeholder": true, "num": 0})], &[&[0, 255, 30]]).await?;
            }),
        )
        .echo(),
    ]
}

fn failures() -> Vec<Case<LabPeer>> {
    let goes_on = "The session goes on by polling if the upgrade fails.";
    vec![
        case("4.3.1", "goes on by polling if the WebSocket is refused", goes_on, eio("Upgrade"), script!(peer => {
            open(peer).await?;
            peer.upgrade_request().await?.answer(400, &[("Connection", "close")], b"no").await;
            peer.pause(ms(200)).await;
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.2", "goes on by polling if the WebSocket closes at once", goes_on, eio("Upgrade"), script!(peer => {
            open(peer).await?;
            let probe = peer.probe().await?;
            peer.drop_probe(probe).await;
            peer.pause(ms(200)).await;
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.3", "goes on by polling if the WebSocket closes instead of answering", goes_on, eio("Upgrade"), script!(peer => {
            let probe = probing(peer).await?;
            peer.drop_probe(probe).await;
            peer.pause(ms(200)).await;
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.4", "goes on by polling if the WebSocket is cut off", goes_on, eio("Upgrade"), script!(peer => {
            open(peer).await?;
            peer.upgrade_request().await?.reset();
            // Some HTTP clients try again by themselves.
            while let Some(again) = peer.upgrade_request_within(ms(300)).await {
                again.reset();
            }
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.5", "goes on by polling while the WebSocket is silent", goes_on, eio("Upgrade"), script!(peer => {
            let probe = probing(peer).await?;
            let polls = peer.joined;
            peer.non_strict(polls, "polls while the WebSocket is silent", "it waits for the WebSocket");
            if polls {
                peer.alive().await?;
            }
            let early = peer.packet_on(&probe, ms(600)).await;
            peer.check(early.is_none(), "no `5`", early.unwrap_or_default())?;
            if !polls {
                peer.drop_probe(probe).await;
            }
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.6", "goes on by polling if the WebSocket handshake is never answered", goes_on, eio("Upgrade"), script!(peer => {
            open(peer).await?;
            let request = peer.upgrade_request().await?;
            let polls = peer.joined;
            peer.non_strict(polls, "polls while the handshake has no answer", "it waits for the WebSocket");
            if polls {
                peer.alive().await?;
                peer.pause(ms(500)).await;
                peer.alive().await?;
                drop(request);
            } else {
                drop(request);
                while let Some(again) = peer.upgrade_request_within(ms(300)).await {
                    drop(again);
                }
                join(peer).await?;
                peer.alive().await?;
            }
        }))
        .echo(),
        case("4.3.7", "doesn't upgrade if the answer is a plain pong", "Only `3probe` answers `2probe`.", eio("Upgrade"), script!(peer => {
            let mut probe = probing(peer).await?;
            peer.send_on(&mut probe, "3").await;
            let early = peer.packet_on(&probe, ms(500)).await;
            peer.check(early.as_deref() != Some("5"), "no `5`", early.unwrap_or_default())?;
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.8", "doesn't upgrade if the answer is another packet", "Only `3probe` answers `2probe`.", eio("Upgrade"), script!(peer => {
            let mut probe = probing(peer).await?;
            peer.send_on(&mut probe, "6").await;
            let early = peer.packet_on(&probe, ms(500)).await;
            peer.check(early.as_deref() != Some("5"), "no `5`", early.unwrap_or_default())?;
            join(peer).await?;
            peer.alive().await?;
        }))
        .echo(),
        case("4.3.9", "closes a WebSocket whose probe failed", "The client closes a WebSocket that it doesn't use.", crate::case::Source::Safety, script!(peer => {
            let mut probe = probing(peer).await?;
            peer.send_on(&mut probe, "3wrong").await;
            let left = peer.probe_is_left_within(&probe, ms(2_000)).await;
            peer.informational(left, "the WebSocket is closed", "it stayed open, as the reference's does");
        }))
        .should(),
        case("4.3.10", "upgrades late", "A `3probe` that takes a second is taken.", eio("Upgrade"), script!(peer => {
            let mut probe = probing(peer).await?;
            peer.pause(ms(1_000)).await;
            peer.send_on(&mut probe, "3probe").await;
            peer.expect_five(&probe).await?;
        }))
        .should(),
        case("4.3.11", "doesn't try again and again", "After a failed upgrade, the client doesn't open one WebSocket after the other.", like_reference("it tries once in a session"), script!(peer => {
            open(peer).await?;
            peer.upgrade_request().await?.answer(400, &[("Connection", "close")], b"no").await;
            peer.no_upgrade_for(ms(1_000)).await?;
        }))
        .should(),
    ]
}

fn later() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "4.4.1",
            "answers a ping while it probes",
            "The heartbeat goes on by polling during the probe.",
            eio("Heartbeat"),
            script!(peer => {
                let _probe = probing(peer).await?;
                polls_while_probing(peer)?;
                peer.echo_text("2", "3").await?;
            }),
        )
        .v4(),
        case(
            "4.4.2",
            "answers a ping after the upgrade",
            "The heartbeat goes on by WebSocket after the upgrade.",
            eio("Heartbeat"),
            script!(peer => {
                upgraded(peer).await?;
                peer.echo_text("2", "3").await?;
            }),
        )
        .v4(),
        case(
            "4.4.3",
            "ends with its session while it probes",
            "If the session ends during the probe, the client closes the WebSocket too.",
            like_reference("it closes the probing transport"),
            script!(peer => {
                let probe = probing(peer).await?;
                polls_while_probing(peer)?;
                peer.send("1").await?;
                let left = peer.probe_is_left_within(&probe, ms(2_000)).await;
                peer.check(left, "the WebSocket is closed", "it stayed open")?;
            }),
        )
        .should(),
        case(
            "4.4.4",
            "polls on through noops while it probes",
            "Noops that end polls during the probe don't disturb it.",
            eio("Upgrade"),
            script!(peer => {
                let mut probe = probing(peer).await?;
                polls_while_probing(peer)?;
                for _ in 0..3 {
                    release(peer, &["6".into()]).await;
                }
                peer.send_on(&mut probe, "3probe").await;
                peer.expect_five(&probe).await?;
            }),
        ),
    ]
}

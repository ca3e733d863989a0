//! Polls and POSTs.

use serde_json::json;

use crate::case::Case;
use crate::cases::polling::answers::expect_numbered;
use crate::cases::writing::{case, eio, http, like_reference, ms, script};
use crate::peer::{LabPeer, Result};

pub(super) fn requests() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "2.3.1",
            "has one poll out at a time",
            "While a GET is out, the client sends no other GET.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                peer.pause(ms(1_000)).await;
                let seen = peer.seen.overlapping_polls;
                peer.check(seen == 0, "no poll while another is out", format!("{seen} of them"))?;
            }),
        ),
        case(
            "2.3.2",
            "polls again after each answer",
            "The client polls again once a poll is answered.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                for _ in 0..3 {
                    peer.send("6").await?;
                    let poll = peer.poll_within(ms(2_000)).await;
                    peer.check(poll.is_some(), "the next poll within 2 s", "none came")?;
                    if let Some(poll) = poll {
                        peer.answer_poll(poll, &["6".into()]).await;
                    }
                }
            }),
        ),
        case(
            "2.3.3",
            "leaves a poll open while nothing comes",
            "A poll waits for as long as the server has nothing to send.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let before = peer.seen.aborted_polls;
                peer.keeps_for(ms(3_500)).await?;
                let seen = peer.seen.aborted_polls - before;
                peer.check(seen == 0, "the poll stays open", format!("{seen} polls were left"))?;
            }),
        ),
        case(
            "2.3.4",
            "names session, revision and transport in each poll",
            "Each GET has `EIO`, `transport` and `sid`.",
            eio("HTTP long-polling"),
            script!(peer => {
                let first = peer.join().await?;
                let poll = peer.poll().await?;
                let target = poll.head.target.clone();
                peer.check(poll.head.query("transport").as_deref() == Some("polling"), "`transport=polling`", &*target)?;
                peer.check(poll.head.query("EIO") == first.query("EIO"), "the same `EIO` as in the first request", &*target)?;
                peer.check(poll.head.path() == first.path(), "the same path as in the first request", &*target)?;
            }),
        ),
        case(
            "2.3.5",
            "polls past caches",
            "Polls are not answered from a cache: each has another `t`, or forbids caches.",
            like_reference("timestampRequests"),
            script!(peer => {
                peer.join().await?;
                let one = peer.poll().await?;
                let first = one.head.query("t");
                peer.answer_poll(one, &["6".into()]).await;
                let two = peer.poll().await?;
                let fresh = two.head.query("t") != first || two.head.header("cache-control").is_some();
                peer.informational(fresh, "another `t`, or Cache-Control", two.head.target.clone());
            }),
        )
        .should(),
    ]
}

/// Lets the client answer an echo with a POST, and holds that.
async fn held_post(peer: &mut LabPeer) -> Result<crate::Request> {
    peer.hold_posts = true;
    peer.send("42[\"echo\",1]").await?;
    peer.post_with_packets().await
}

pub(super) fn posts() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "2.4.1",
            "has one POST out at a time",
            "While a POST is out, the client sends no other POST.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let held = held_post(peer).await?;
                peer.send("42[\"echo\",2]").await?;
                peer.expect("42[\"echo\",1]").await?;
                peer.silence_for(ms(500)).await.map_err(|unmet| crate::verdict::Unmet { expected: "no POST while another is out".to_owned(), ..unmet })?;
                held.answer(200, &[], b"ok").await;
                peer.expect("42[\"echo\",2]").await?;
            }),
        )
        .echo(),
        case(
            "2.4.2",
            "sends what waited for a POST, once and in order",
            "What the application emits while a POST is out comes in the next, once and in order.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let held = held_post(peer).await?;
                for n in 2..=4 {
                    peer.send(format!("42[\"echo\",{n}]")).await?;
                }
                peer.pause(ms(200)).await;
                peer.hold_posts = false;
                held.answer(200, &[], b"ok").await;
                expect_numbered(peer, 1..=4).await?;
                peer.silence_for(ms(300)).await?;
            }),
        )
        .echo(),
        case(
            "2.4.3",
            "polls while a POST is out",
            "A POST doesn't keep the client from polling.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let held = held_post(peer).await?;
                peer.poll().await?;
                held.answer(200, &[], b"ok").await;
            }),
        )
        .echo(),
        case(
            "2.4.4",
            "waits for the answer to a POST",
            "An answer to a POST that takes a second is no error.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let held = held_post(peer).await?;
                peer.pause(ms(1_000)).await;
                peer.hold_posts = false;
                held.answer(200, &[], b"ok").await;
                peer.expect("42[\"echo\",1]").await?;
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "2.4.5",
            "takes any answer with 200 to a POST",
            "The body of the answer to a POST doesn't matter: servers send `ok`, `OK` or nothing.",
            like_reference("it ignores the body"),
            script!(peer => {
                peer.join().await?;
                for body in [&b"OK"[..], b"", b"okay"] {
                    let held = held_post(peer).await?;
                    peer.hold_posts = false;
                    held.answer(200, &[("Content-Type", "text/html")], body).await;
                    peer.expect("42[\"echo\",1]").await?;
                }
                peer.alive().await?;
            }),
        )
        .echo(),
        case(
            "2.4.6",
            "sends text, not bytes",
            "The body of a POST is text, not `application/octet-stream`.",
            eio("HTTP long-polling"),
            script!(peer => {
                peer.join().await?;
                let held = held_post(peer).await?;
                let kind = held.head.header("content-type").unwrap_or("none").to_owned();
                held.answer(200, &[], b"ok").await;
                peer.check(!kind.contains("octet-stream"), "text/plain", &*kind)?;
                peer.non_strict(kind.to_ascii_lowercase().starts_with("text/plain"), "text/plain", kind);
            }),
        )
        .echo()
        .v4(),
        case(
            "2.4.7",
            "names session, revision and transport in each POST",
            "Each POST has the path, `EIO`, `transport` and `sid` of its session.",
            eio("HTTP long-polling"),
            script!(peer => {
                let first = peer.join().await?;
                let held = held_post(peer).await?;
                let target = held.head.target.clone();
                let same = held.head.query("EIO") == first.query("EIO") && held.head.path() == first.path();
                let polling = held.head.query("transport").as_deref() == Some("polling");
                held.answer(200, &[], b"ok").await;
                peer.check(same && polling, "path, `EIO` and `transport=polling`", target)?;
            }),
        )
        .echo(),
        case(
            "2.4.8",
            "says how long a POST is",
            "The body of a POST is a whole payload: nothing is cut off, nothing added.",
            http("Content-Length"),
            script!(peer => {
                peer.join().await?;
                peer.echo(&[json!("é😀".repeat(500))]).await?;
                let broken = peer.seen.broken.join("; ");
                peer.check(broken.is_empty(), "payloads that can be read", broken)?;
            }),
        )
        .echo(),
    ]
}

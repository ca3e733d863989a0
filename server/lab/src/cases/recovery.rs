//! Group 13: connection state recovery.

use serde_json::{Value, json};

use super::writing::{case, docs, ms, script};
use crate::case::Case;
use crate::packet::Wire;
use crate::peer::{LabPeer, Result};

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    all().into_iter().map(|case| case.reconnects_with_events().feature("recovery").v4()).collect()
}

impl Case<LabPeer> {
    /// Reconnects quickly, and reports the events `news`.
    fn reconnects_with_events(self) -> Case<LabPeer> {
        let auth = self.about.options.get("auth").cloned().unwrap_or_default();
        let mut options = json!({"reconnection": true, "reconnectionDelay": 100, "reconnectionDelayMax": 400, "on": ["news"]});
        if !auth.is_null() {
            options["auth"] = auth;
        }
        self.options(options)
    }
}

/// A session whose state can be recovered, and some events with offsets.
async fn recoverable(peer: &mut LabPeer, events: &[&str]) -> Result {
    peer.open().await?;
    peer.connect_packet("/").await?;
    peer.send("40{\"sid\":\"socket-1\",\"pid\":\"private-1\"}").await?;
    for event in events {
        peer.send(*event).await?;
    }
    // Over either transport, an echo shows that they have arrived.
    peer.alive().await
}

/// The auth of the CONNECT after a reconnection.
async fn comes_back(peer: &mut LabPeer) -> Result<Value> {
    peer.drop_connection_and_forget().await;
    peer.open().await?;
    Ok(peer.connect_packet("/").await?.data.unwrap_or_default())
}

fn all() -> Vec<Case<LabPeer>> {
    let source = docs("Connection state recovery");
    vec![
        case("13.1.1", "sends its pid and offset", "After a reconnection, CONNECT has the `pid` of the last session and the `offset` of the last event.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            let auth = comes_back(peer).await?;
            peer.check_same("the auth", &json!({"pid": "private-1", "offset": "offset-1"}), &auth)?;
        })),
        case("13.1.2", "sends the latest offset", "The offset is that of the last event.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]", "42[\"news\",2,\"offset-2\"]"]).await?;
            let auth = comes_back(peer).await?;
            peer.check_same("the offset", &json!("offset-2"), &auth["offset"])?;
        })),
        case("13.1.3", "sends nothing where the server has no recovery", "Without a `pid` in the answer to CONNECT, the client sends none.", source, script!(peer => {
            peer.join().await?;
            peer.alive().await?;
            let auth = comes_back(peer).await?;
            peer.check(auth.get("pid").is_none(), "no `pid`", auth.to_string())?;
        })),
        case("13.1.4", "sends its pid without an event", "Without an event, CONNECT has the `pid`.", source, script!(peer => {
            recoverable(peer, &[]).await?;
            let auth = comes_back(peer).await?;
            peer.check_same("the pid", &json!("private-1"), &auth["pid"])?;
        })),
        case("13.1.5", "sends its auth too", "CONNECT has the application's auth beside `pid` and `offset`.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            let auth = comes_back(peer).await?;
            let wanted = json!({"pid": "private-1", "offset": "offset-1", "token": "x"});
            peer.check_same("the auth", &wanted, &auth)?;
        }))
        .options(json!({"auth": {"token": "x"}})),
        case("13.1.6", "hears missed events once, in order", "Events that are sent again reach the application once, in order.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            peer.saw_event("news").await?;
            comes_back(peer).await?;
            peer.send_all(&[
                Wire::from("40{\"sid\":\"socket-1\",\"pid\":\"private-1\"}"),
                Wire::from("42[\"news\",2,\"offset-2\"]"),
                Wire::from("42[\"news\",3,\"offset-3\"]"),
            ]).await?;
            for n in [2, 3] {
                let args = peer.saw_event("news").await?;
                peer.check_same("the event", &json!(n), args.first().unwrap_or(&Value::Null))?;
            }
            peer.saw_none("event", ms(300)).await?;
        })),
        case("13.1.7", "hears events that come before the answer", "Missed events may come before the answer to CONNECT.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            peer.saw_event("news").await?;
            comes_back(peer).await?;
            peer.send_all(&[
                Wire::from("42[\"news\",2,\"offset-2\"]"),
                Wire::from("40{\"sid\":\"socket-1\",\"pid\":\"private-1\"}"),
            ]).await?;
            let args = peer.saw_event("news").await?;
            peer.check_same("the event", &json!(2), args.first().unwrap_or(&Value::Null))?;
        })),
        case("13.1.8", "takes a new pid", "If the recovery is refused, the client uses the new `pid` from then on.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            comes_back(peer).await?;
            peer.send("40{\"sid\":\"socket-2\",\"pid\":\"private-2\"}").await?;
            peer.alive().await?;
            let auth = comes_back(peer).await?;
            peer.check_same("the pid", &json!("private-2"), &auth["pid"])?;
        })),
        case("13.1.9", "knows whether it was recovered", "The application sees `recovered`: true with the same `pid`, else false.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            let first = peer.saw("connect").await?;
            peer.check_same("recovered", &json!(false), first.get(2).unwrap_or(&Value::Null))?;
            comes_back(peer).await?;
            peer.send("40{\"sid\":\"socket-1\",\"pid\":\"private-1\"}").await?;
            let second = peer.saw("connect").await?;
            peer.check_same("recovered", &json!(true), second.get(2).unwrap_or(&Value::Null))?;
        })),
        case("13.1.10", "goes on with the old offset if no event came", "Without another event, the next CONNECT has the offset of the last event again.", source, script!(peer => {
            recoverable(peer, &["42[\"news\",1,\"offset-1\"]"]).await?;
            comes_back(peer).await?;
            peer.send("40{\"sid\":\"socket-1\",\"pid\":\"private-1\"}").await?;
            peer.alive().await?;
            let auth = comes_back(peer).await?;
            peer.check_same("the auth", &json!({"pid": "private-1", "offset": "offset-1"}), &auth)?;
        })),
    ]
    .into_iter()
    .map(Case::should)
    .collect()
}

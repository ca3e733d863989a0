//! A WebSocket beside a session that polls: the upgrade, step by step.

use std::time::Duration;

use engineio::Revision;
use engineio::websocket::FrameEvent;
use socketio_explain::journal::{Carrier, Direction, Entry};

use tokio::time::Instant;

use super::{LabPeer, Result, parts};
use crate::packet::{Wire, shown};
use crate::record::RecordPlace;
use crate::verdict::Unmet;
use crate::wire::frame;
use crate::wire::request::{Request, WebSocketWriter};

/// A WebSocket that is being probed.
#[derive(Debug)]
pub struct Probe(WebSocketWriter);

impl LabPeer {
    /// The request for the session's WebSocket.
    pub async fn upgrade_request(&mut self) -> Result<Request> {
        let within = self.patience;
        let request = self.wait(within, |peer| peer.upgrades.pop_front()).await;
        request.ok_or_else(|| Unmet::fail("a WebSocket handshake with the session's id", self.instead()))
    }

    /// Waits for a CONNECT, which in revision 3 the client's poll stands for, or for the session's WebSocket. Says whether it was the
    /// former.
    pub async fn joins_before_it_upgrades(&mut self) -> Result<bool> {
        let within = self.patience;
        let either = |peer: &mut LabPeer| (peer.wants_to_join() || !peer.upgrades.is_empty()).then_some(());
        let came = self.wait(within, either).await;
        came.ok_or_else(|| Unmet::fail("a CONNECT, or an upgrade", self.instead()))?;
        if !self.wants_to_join() {
            // They come by two connections, and in any order.
            self.wait(Duration::from_millis(300), |peer| peer.wants_to_join().then_some(())).await;
        }
        Ok(self.wants_to_join())
    }

    fn wants_to_join(&self) -> bool {
        match self.revision {
            Revision::V3 => self.session.as_ref().is_some_and(|session| session.parked.is_some()),
            Revision::V4 => !self.packets.is_empty(),
        }
    }

    /// The next request for the session's WebSocket, if one comes in time.
    pub async fn upgrade_request_within(&mut self, time: Duration) -> Option<Request> {
        self.wait(time, |peer| peer.upgrades.pop_front()).await
    }

    /// No WebSocket may be tried for a time.
    pub async fn no_upgrade_for(&mut self, time: Duration) -> Result {
        match self.upgrade_request_within(time).await {
            None => Ok(()),
            Some(request) => Err(Unmet::fail("no upgrade", format!("a request for {}", request.head.target))),
        }
    }

    /// Accepts the session's WebSocket.
    pub async fn probe(&mut self) -> Result<Probe> {
        let request = self.upgrade_request().await?;
        let websocket = request.accept().await;
        self.recorder.add(
            RecordPlace { sid: self.sid(), from: websocket.record, ..RecordPlace::default() },
            None,
            Entry::ProbeOpened,
        );
        Ok(Probe(websocket))
    }

    /// The next packet on a probe must be this one.
    pub async fn expect_on(&mut self, probe: &Probe, text: &str) -> Result {
        let within = self.patience;
        match self.packet_on(probe, within).await {
            Some(seen) if seen == text => Ok(()),
            Some(seen) => Err(Unmet::fail(format!("`{text}` on the WebSocket"), shown(&seen))),
            None => Err(Unmet::fail(format!("`{text}` on the WebSocket"), self.instead())),
        }
    }

    /// The next text packet on a probe, if one comes in time.
    pub async fn packet_on(&mut self, probe: &Probe, time: Duration) -> Option<String> {
        let connection = probe.0.connection;
        let event = self
            .wait(time, |peer| {
                let at = peer.elsewhere.iter().position(|(from, _)| *from == connection)?;
                peer.elsewhere.remove(at)
            })
            .await?
            .1;
        let (opcode, payload) = parts(&event);
        let (direction, carrier) = (Some(Direction::In), Some(Carrier::Probe));
        self.recorder.frame(
            RecordPlace { sid: self.sid(), direction, carrier, from: probe.0.record },
            opcode,
            true,
            payload,
        );
        match event {
            FrameEvent::Text(text) => Some(text.to_string()),
            FrameEvent::Close { .. } => Some("a close frame".to_owned()),
            other => Some(format!("{other:?}")),
        }
    }

    /// Sends a packet on a probe.
    pub async fn send_on(&mut self, probe: &mut Probe, text: &str) {
        let (direction, carrier) = (Some(Direction::Out), Some(Carrier::Probe));
        let place = RecordPlace { sid: self.sid(), direction, carrier, from: probe.0.record };
        self.recorder.frame(place, frame::TEXT, true, text.as_bytes());
        probe.0.write(&frame::frame(frame::TEXT, true, text.as_bytes())).await;
    }

    /// Closes a probe. The session goes on by polling.
    pub async fn drop_probe(&mut self, mut probe: Probe) {
        self.recorder.add(
            RecordPlace { sid: self.sid(), from: probe.0.record, ..RecordPlace::default() },
            None,
            Entry::ProbeDropped,
        );
        probe.0.write(&frame::frame(frame::CLOSE, true, &1000u16.to_be_bytes())).await;
        probe.0.shut().await;
    }

    /// Whether the client has closed a probe within a time.
    pub async fn probe_is_left_within(&mut self, probe: &Probe, time: Duration) -> bool {
        let connection = probe.0.connection;
        let left = self.wait(time, |peer| {
            let closes = |(from, event): &(u64, FrameEvent)| {
                *from == connection && matches!(event, FrameEvent::Close { .. })
            };
            (peer.closed.contains(&connection) || peer.elsewhere.iter().any(closes)).then_some(())
        });
        left.await.is_some()
    }

    /// The session moves to the WebSocket, after its `5`.
    pub async fn move_to(&mut self, probe: Probe) {
        self.recorder.add(
            RecordPlace { sid: self.sid(), from: probe.0.record, ..RecordPlace::default() },
            None,
            Entry::Upgraded { transport: "websocket".to_owned() },
        );
        let connection = probe.0.connection;
        if let Some(session) = &mut self.session {
            session.websocket = Some(probe.0);
        }
        let (ours, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.elsewhere).into_iter().partition(|(from, _)| *from == connection);
        self.elsewhere = others.into();
        for (_, event) in ours {
            self.frame(event).await;
        }
    }

    /// The next packet on a probe must be `5`. Polls get noops meanwhile: the client can't move before they have ended.
    pub async fn expect_five(&mut self, probe: &Probe) -> Result {
        let until = Instant::now() + self.patience;
        while Instant::now() < until {
            match self.packet_on(probe, Duration::from_millis(100)).await {
                Some(five) if five == "5" => return Ok(()),
                Some(other) => return Err(Unmet::fail("`5` on the WebSocket", shown(&other))),
                None => {}
            }
            if let Some(poll) = self.poll_within(Duration::ZERO).await {
                self.answer_poll(poll, &[Wire::from("6")]).await;
            }
        }
        Err(Unmet::fail("`5` on the WebSocket", self.instead()))
    }

    /// The whole upgrade, as a right server does it.
    pub async fn upgrade(&mut self) -> Result {
        let mut probe = self.probe().await?;
        self.expect_on(&probe, "2probe").await?;
        self.send_on(&mut probe, "3probe").await;
        self.expect_five(&probe).await?;
        self.move_to(probe).await;
        Ok(())
    }
}

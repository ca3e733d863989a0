//! The upgrade: a WebSocket that is probed, and takes the session over or comes to nothing.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::{Session, State};
use crate::oracle::count;
use crate::trace::step;
use crate::wire::{Frame, WebSocket};

/// How a client goes about its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Honest,
    /// Opens a WebSocket and says nothing.
    Silent,
    /// Says `2probe` and nothing else.
    SilentLater,
    /// Says `5` without a probe, or without waiting for the answer to it.
    Hasty,
    /// Says something else than `5`.
    Confused,
    /// Cuts the cable after so many steps.
    Cut(u8),
}

impl Session {
    pub(super) async fn upgrade(self, after: Duration, probe: Probe) {
        sleep(after).await;
        if self.0.state.get() != State::Polling {
            return;
        }
        step!("client {} probes: {probe:?}", self.0.name);
        let probing = self.clone().probe(probe);
        let upgraded = tokio::select! {
            biased;
            () = self.closed() => return,
            upgraded = probing => upgraded,
        };
        match upgraded {
            Ok(websocket) => {
                count("upgrades");
                self.set_state(State::Direct);
                self.direct(websocket);
            }
            Err(error) => {
                step!("client {} goes on polling: {error}", self.0.name);
                count("failed upgrades");
                if self.0.state.get() == State::Pausing {
                    self.set_state(State::Polling);
                }
            }
        }
    }

    /// The probe, up to and with `5`.
    async fn probe(self, probe: Probe) -> io::Result<WebSocket> {
        let cut = |step| {
            if probe == Probe::Cut(step) { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) }
        };
        let connection = self.connect()?;
        // `2probe` may come along with the handshake.
        let ping = WebSocket::frame(0x81, b"2probe");
        let early = probe == Probe::Honest && self.draw(|chance| chance.one_in(4));
        let websocket =
            WebSocket::open(connection, &self.target("websocket"), if early { &ping } else { b"" }).await?;
        cut(0)?;
        match probe {
            Probe::Silent => return silence().await,
            Probe::Hasty => return self.hasten(websocket).await,
            _ if !early => websocket.write(&ping).await?,
            _ => {}
        }
        cut(1)?;
        match websocket.next().await? {
            Frame::Text(text) if text == b"3probe" => {}
            _ => return Err(io::Error::other("no pong to the probe")),
        }
        cut(2)?;
        match probe {
            Probe::SilentLater => return silence().await,
            Probe::Confused => {
                websocket.write(&WebSocket::frame(0x81, b"42[\"up\",0]")).await?;
                return Err(websocket.next().await.err().unwrap_or_else(|| io::ErrorKind::Other.into()));
            }
            _ => {}
        }
        if self.0.state.get() != State::Polling {
            return Err(io::Error::other("another was faster"));
        }
        self.set_state(State::Pausing);
        self.until(|shared| !shared.getting.get() && !shared.posting.get()).await;
        cut(3)?;
        sleep(self.draw(|chance| if chance.one_in(2) { chance.millis(0..300) } else { Duration::ZERO }))
            .await;
        websocket.write(&WebSocket::frame(0x81, b"5")).await?;
        Ok(websocket)
    }

    /// Takes the WebSocket over at once. Its parked poll is let go by `5` alone, and what it brings comes first.
    async fn hasten(&self, websocket: WebSocket) -> io::Result<WebSocket> {
        if self.0.state.get() != State::Polling {
            return Err(io::Error::other("another was faster"));
        }
        self.set_state(State::Pausing);
        self.until(|shared| !shared.posting.get()).await;
        let mut together = WebSocket::frame(0x81, b"5");
        let probes = self.draw(|chance| chance.below(3)) as usize;
        for _ in 0..probes {
            together.splice(..0, WebSocket::frame(0x81, b"2probe"));
        }
        websocket.write(&together).await?;
        self.until(|shared| !shared.getting.get()).await;
        for _ in 0..probes {
            match websocket.next().await? {
                Frame::Text(text) if text == b"3probe" => {}
                _ => return Err(io::Error::other("no pong to the probe")),
            }
        }
        Ok(websocket)
    }
}

/// Keeps what there is, and says nothing, for longer than anybody waits.
async fn silence<T>() -> io::Result<T> {
    sleep(Duration::from_secs(30)).await;
    Err(io::ErrorKind::TimedOut.into())
}

//! The WebSocket of a session, or one that probes.

use bytes::Bytes;
use engineio::Transport;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message as Tungstenite;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::super::caller::{CLOSE_FRAME, Came, read_websocket};
use super::{Done, Run};
use crate::dial::OpenedWebSocket;

impl Run {
    pub(super) async fn websocket(&mut self, verb: &str, rest: &str) -> Done {
        let patience = self.target.timeout;
        match verb {
            "probe" => {
                let query = self.caller()?.query(Transport::WebSocket);
                let opened = OpenedWebSocket::open(&self.target, &query).await;
                self.probe = Some(opened.map_err(|error| error.to_string())?.stream);
            }
            "ws>" => {
                let probe = self.probe.as_mut().ok_or("there is no probe")?;
                probe.send(Tungstenite::text(rest.to_owned())).await.map_err(|error| error.to_string())?;
            }
            "ws<" | "ws-ended" => {
                let revision = self.revision;
                let probe = self.probe.as_mut().ok_or("there is no probe")?;
                let came = read_websocket(probe, revision, patience).await;
                let right = match &came {
                    Came::Text(text) => verb == "ws<" && text == rest,
                    Came::End(_) => verb == "ws-ended",
                    _ => false,
                };
                if !right {
                    return Err(format!(
                        "expected {}; seen: {came:?}",
                        if rest.is_empty() { "the end" } else { rest }
                    ));
                }
            }
            "ws-close" => match self.probe.take() {
                Some(mut probe) => drop(probe.close(None).await),
                None => drop(self.caller()?.websocket()?.close(None).await),
            },
            "ws-closed" => return self.closed().await,
            "ws-ping" => return self.ping_frame(rest).await,
            "ws-fragments" => {
                let (first, second) = rest.as_bytes().split_at(rest.len() / 2);
                let websocket = self.caller()?.websocket()?;
                let first = RawFrame::message(first.to_vec(), OpCode::Data(Data::Text), false);
                let second = RawFrame::message(second.to_vec(), OpCode::Data(Data::Continue), true);
                for frame in [first, second] {
                    let sent = websocket.send(Tungstenite::Frame(frame)).await;
                    sent.map_err(|error| error.to_string())?;
                }
            }
            "upgrade" => return self.upgrade().await,
            other => return Err(format!("there is no line {other}")),
        }
        Ok(())
    }

    /// The close frame that was sent is answered with one.
    async fn closed(&mut self) -> Done {
        let patience = self.target.timeout;
        let revision = self.revision;
        let websocket = self.caller()?.websocket()?;
        for _ in 0..10 {
            match read_websocket(websocket, revision, patience).await {
                Came::End(how) if how == CLOSE_FRAME => return Ok(()),
                // What was sent before may still come.
                Came::Text(_) | Came::Binary(_) => {}
                other => return Err(format!("expected a close frame; seen: {other:?}")),
            }
        }
        Err("expected a close frame; seen: it goes on".to_owned())
    }

    async fn ping_frame(&mut self, payload: &str) -> Done {
        let patience = self.target.timeout;
        let websocket = self.caller()?.websocket()?;
        let ping = Tungstenite::Ping(Bytes::copy_from_slice(payload.as_bytes()));
        websocket.send(ping).await.map_err(|error| error.to_string())?;
        let pong = async {
            loop {
                match websocket.next().await {
                    Some(Ok(Tungstenite::Pong(seen))) if seen == payload.as_bytes() => return Ok(()),
                    // A heartbeat may come before it.
                    Some(Ok(Tungstenite::Text(heartbeat))) if heartbeat == "2" => {}
                    other => return Err(format!("expected a pong; seen: {other:?}")),
                }
            }
        };
        let pong = tokio::time::timeout(patience, pong).await;
        pong.unwrap_or_else(|_| Err(format!("expected a pong; seen: nothing within {patience:?}")))
    }

    /// Goes over to WebSocket, as clients do: no GET is open when `5` is sent.
    async fn upgrade(&mut self) -> Done {
        let patience = self.target.timeout;
        let query = self.caller()?.query(Transport::WebSocket);
        let opened = OpenedWebSocket::open(&self.target, &query).await;
        let mut websocket = opened.map_err(|error| error.to_string())?.stream;
        websocket.send(Tungstenite::text("2probe")).await.map_err(|error| error.to_string())?;
        let revision = self.revision;
        match read_websocket(&mut websocket, revision, patience).await {
            Came::Text(text) if text == "3probe" => {}
            other => return Err(format!("expected 3probe; seen: {other:?}")),
        }
        let caller = self.caller()?;
        if let Some(Ok(reply)) = caller.parked(patience).await {
            caller.keep(&reply);
        }
        websocket.send(Tungstenite::text("5")).await.map_err(|error| error.to_string())?;
        caller.upgrade(websocket);
        Ok(())
    }
}

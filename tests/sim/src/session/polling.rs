//! GETs and POSTs, one of each at a time.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::{Session, State};
use crate::trace::step;
use crate::wire::{Connection, Response};

impl Session {
    pub(super) async fn poll(self, mut connection: Connection) -> io::Result<()> {
        loop {
            self.until(|shared| shared.state.get() != State::Pausing).await;
            if self.0.state.get() == State::Direct {
                return Ok(());
            }
            self.0.getting.set(true);
            let answer = match self.get(&mut connection).await {
                Err(_) if self.0.aborts.take() => {
                    self.0.getting.set(false);
                    self.0.changed.notify_waiters();
                    let answer = self.get(&mut self.connect_get()?).await?;
                    let had = if answer.status == 200 { "it had been answered" } else { "so it ended" };
                    return Err(io::Error::other(format!("a GET was aborted: {had}")));
                }
                answer => answer?,
            };
            self.0.getting.set(false);
            if answer.status != 200 {
                return Err(io::Error::other(format!("a poll was answered {}", answer.status)));
            }
            self.payload(answer.body, answer.binary);
            self.0.changed.notify_waiters();
            let pause =
                self.draw(|chance| if chance.one_in(4) { chance.millis(0..40) } else { Duration::ZERO });
            sleep(pause).await;
        }
    }

    async fn get(&self, connection: &mut Connection) -> io::Result<Response> {
        connection.request("GET", &self.target("polling"), "", b"").await?;
        connection.response().await
    }

    pub(super) async fn post(self) -> io::Result<()> {
        let mut connection = None;
        loop {
            self.until(|shared| match shared.state.get() {
                State::Polling => !shared.outbox.borrow().is_empty(),
                state => state == State::Direct,
            })
            .await;
            if self.0.state.get() == State::Direct {
                return Ok(());
            }
            self.0.posting.set(true);
            let (payload, _) = self.0.format.encode(&mut self.0.outbox.borrow_mut(), self.0.max_payload);
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(self.connect()?),
            };
            let kind =
                if payload.is_binary() { "application/octet-stream" } else { "text/plain;charset=UTF-8" };
            let kind = format!("Content-Type: {kind}\r\n");
            step!("client {} posts {} bytes", self.0.name, payload.len());
            connection.request("POST", &self.target("polling"), &kind, &payload.to_bytes()).await?;
            let answer = connection.response().await?;
            step!("client {} has its POST answered {}", self.0.name, answer.status);
            self.0.posting.set(false);
            self.0.changed.notify_waiters();
            if answer.status != 200 || answer.body != "ok" {
                return Err(io::Error::other(format!("a POST was answered {}", answer.status)));
            }
        }
    }
}

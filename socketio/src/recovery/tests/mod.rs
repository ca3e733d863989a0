use std::time::Duration;

use std::collections::HashSet;
use std::sync::Mutex as StdMutex;

use engineio::{CloseReason, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;
use crate::io::Io;
use crate::io::config::IoConfig;
use crate::socket::Socket;
use crate::testing::{BUDGET, Peer};
use crate::{AckError, ConnectError, SendError};

mod at_random;
mod bounds;
mod claims;
mod coming_back;
mod on_the_wire;
mod order;
mod refused;

/// Its offsets begin with 0.
fn with(recovery: Recovery) -> Io {
    let io = Io::with_config(IoConfig { recovery: Some(recovery), ..IoConfig::default() });
    io.recovery().unwrap().shared.next_offset.store(0, Ordering::Relaxed);
    io
}

fn io() -> Io {
    with(Recovery::default())
}

fn counts(io: &Io) -> RecoveryCounts {
    io.recovery_counts().unwrap()
}

/// What `connect` is answered.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Reply {
    sid: String,
    pid: String,
}

/// A client of `/`, across its connections: it keeps what socket.io-client keeps.
struct Roamer {
    peer: Peer,
    reply: Option<Reply>,
    offset: Option<String>,
    /// The arguments of `e` events, without their offsets.
    got: Vec<Value>,
}

impl Roamer {
    fn join(io: &Io) -> Roamer {
        let mut roamer = Roamer { peer: Peer::open(io), reply: None, offset: None, got: Vec::new() };
        roamer.peer.send("0");
        roamer.receive(usize::MAX);
        roamer
    }

    fn socket(&self, io: &Io) -> Socket {
        io.socket(&self.reply.as_ref().unwrap().sid).unwrap()
    }

    /// Takes what was sent, and understands the first `count` packets. Says whether a reply was the last.
    fn receive(&mut self, count: usize) -> bool {
        let mut ended_with_reply = false;
        for packet in self.peer.take().into_iter().take(count) {
            ended_with_reply = packet.starts_with('0');
            match packet.split_at(1) {
                ("0", reply) => self.reply = Some(serde_json::from_str(reply).unwrap()),
                ("2", event) => {
                    let mut event: Vec<Value> = serde_json::from_str(event).unwrap();
                    if let Some(Value::String(last)) = event.last() {
                        self.offset = Some(last.clone());
                        event.pop();
                    }
                    if event.first() == Some(&json!("e")) {
                        self.got.extend_from_slice(&event[1..]);
                    }
                }
                _ => panic!("{packet}"),
            }
        }
        ended_with_reply
    }

    fn lose(&mut self) {
        self.peer.close(CloseReason::TransportClose);
    }

    /// What the client sends when it comes back.
    fn connect(&self) -> String {
        let pid = self.reply.as_ref().map(|reply| &reply.pid);
        match &self.offset {
            Some(offset) => format!("0{}", json!({ "pid": pid, "offset": offset })),
            None => format!("0{}", json!({ "pid": pid })),
        }
    }

    /// Comes back on a new connection. Says whether it got its socket back.
    fn come_back(&mut self, io: &Io) -> bool {
        let before = self.reply.clone();
        let reply_was_last = self.reconnect(io);
        assert!(reply_was_last, "what was missed comes before the reply");
        let same = self.reply.as_ref().unwrap().pid == before.as_ref().unwrap().pid;
        assert_eq!(self.reply == before, same, "the id goes with the pid");
        assert_eq!(self.socket(io).recovered(), same);
        same
    }

    fn reconnect(&mut self, io: &Io) -> bool {
        self.peer = Peer::open(io);
        self.peer.send(&self.connect());
        self.reply = None;
        self.receive(usize::MAX)
    }

    fn take_got(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.got)
    }
}

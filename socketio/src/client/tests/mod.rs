//! A client as its session's driver sees it: packets in, packets out.

use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use engineio::Transport;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::*;
use crate::args::Args;
use crate::args::binary::Binary;
use crate::args::event::Event;
use crate::io::config::IoConfig;
use crate::namespace::Namespace;
use crate::socket::Socket;
use crate::testing::{BUDGET, Peer};
use crate::{AckError, AckSender, ConnectError, JoinError, SendError, Unhandled};

mod acks;
mod connecting;
mod ending;
mod entering;
mod events;
mod handlers;
mod middlewares;
mod revision_3;
mod violations;

/// What handlers did, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An application that logs connects, `e` events with their number, and ends.
fn logging() -> (Io, Log) {
    let (io, log) = (Io::new(), Log::default());
    log_handlers(&io.of("/"), &log);
    (io, log)
}

fn log_handlers(namespace: &Namespace, log: &Log) {
    let (connect, event, end) = (log.clone(), log.clone(), log.clone());
    namespace
        .on_connect(move |_| {
            connect.add("connect");
            async {}
        })
        .on_sync("e", move |_, number: i64| event.add(format!("e {number}")))
        .on_disconnect(move |_, reason| {
            end.add(reason.as_str());
            async {}
        });
}

fn socket(io: &Io, nsp: &str) -> Socket {
    let sockets = io.of(nsp).sockets();
    assert_eq!(sockets.len(), 1);
    sockets[0].clone()
}

/// Lets other tasks run until a line is in the log.
async fn until(log: &Log, line: &str) {
    let logged = async {
        while !log.0.lock().unwrap().iter().any(|logged| logged == line) {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(10);
    assert!(tokio::time::timeout(limit, logged).await.is_ok(), "{line} is not in {:?}", log.take());
}

/// Memory per idle client is a design number. These are the parts of it that stand here.
#[test]
fn a_client_and_its_socket_stay_small() {
    let sizes = [size_of::<Client>(), size_of::<Link>(), Socket::STATE_SIZE];
    assert!(sizes.iter().sum::<usize>() <= 536, "{sizes:?}");
}

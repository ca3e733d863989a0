//! One interface to the blocking and the async client, as far as the scenarios see them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rust_socketio::{Event, Payload, TransportType, asynchronous, client};
use serde_json::Value;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Blocking,
    Async,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Polling,
    Websocket,
    /// The client refuses to connect where the upgrade fails.
    Upgrade,
}

impl Style {
    pub const ALL: [Self; 2] = [Self::Blocking, Self::Async];
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::Polling, Self::Websocket, Self::Upgrade];

    fn transport(self) -> TransportType {
        match self {
            Self::Polling => TransportType::Polling,
            Self::Websocket => TransportType::Websocket,
            Self::Upgrade => TransportType::WebsocketUpgrade,
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Blocking { "blocking" } else { "async" })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
            Self::Upgrade => "upgrade",
        })
    }
}

/// What a client is told: the event's name (`open`, `close` and `error` are the client's own) and what came with it.
type Heard = (String, Payload);

enum Connected {
    Blocking(client::Client),
    Async(asynchronous::Client, Runtime),
}

/// One client in one namespace. What arrives waits until it is asked for by its event's name.
pub struct Client {
    client: Connected,
    heard: Receiver<Heard>,
    waiting: VecDeque<Heard>,
}

impl Client {
    pub fn connect(style: Style, mode: Mode, url: &str, namespace: &str, auth: Option<Value>) -> Self {
        let (tell, heard) = channel();
        let client = match style {
            Style::Blocking => connect_blocking(mode, url, namespace, auth, &tell),
            Style::Async => connect_async(mode, url, namespace, auth, &tell),
        };
        Self { client, heard, waiting: VecDeque::new() }
    }

    pub fn emit(&self, event: &str, payload: impl Into<Payload>) {
        match &self.client {
            Connected::Blocking(client) => client.emit(event, payload),
            Connected::Async(client, runtime) => runtime.block_on(client.emit(event, payload)),
        }
        .expect("the event is sent");
    }

    /// Emits the event and waits for its ack: the arguments of the ack.
    pub fn call(&self, event: &str, args: Vec<Value>) -> Value {
        let (tell, answer) = channel();
        match &self.client {
            Connected::Blocking(client) => {
                client
                    .emit_with_ack(event, args, PATIENCE, move |payload: Payload, _| drop(tell.send(payload)))
            }
            Connected::Async(client, runtime) => {
                let answered = move |payload: Payload, _| {
                    let tell = tell.clone();
                    async move { drop(tell.send(payload)) }.boxed()
                };
                runtime.block_on(client.emit_with_ack(event, args, PATIENCE, answered))
            }
        }
        .expect("the event is sent");
        match answer.recv_timeout(PATIENCE) {
            // The client hands over the whole array of arguments as one value.
            Ok(Payload::Text(mut values)) => values.remove(0),
            other => panic!("the ack of {event} was {other:?}"),
        }
    }

    /// What came with the next `event` that arrives, or has arrived.
    pub fn next(&mut self, event: &str) -> Payload {
        if let Some(at) = self.waiting.iter().position(|(name, _)| name == event) {
            return self.waiting.remove(at).expect("it stands there").1;
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok((name, payload)) if name == event => return payload,
                Ok(other) => self.waiting.push_back(other),
                Err(_) => panic!("{event} did not come within {PATIENCE:?}, but {:?}", self.waiting),
            }
        }
    }

    /// The arguments of the next `event`, which holds no bytes.
    pub fn next_text(&mut self, event: &str) -> Vec<Value> {
        match self.next(event) {
            Payload::Text(values) => values,
            other => panic!("{event} came with {other:?}"),
        }
    }

    /// Every `event` that has arrived and was not taken yet.
    pub fn rest(&mut self, event: &str) -> Vec<Payload> {
        self.waiting.extend(self.heard.try_iter());
        let (taken, left): (VecDeque<Heard>, _) = self.waiting.drain(..).partition(|(name, _)| name == event);
        self.waiting = left;
        taken.into_iter().map(|(_, payload)| payload).collect()
    }

    pub fn disconnect(&self) {
        match &self.client {
            Connected::Blocking(client) => client.disconnect(),
            Connected::Async(client, runtime) => runtime.block_on(client.disconnect()),
        }
        .expect("the DISCONNECT is sent");
    }
}

fn connect_blocking(
    mode: Mode,
    url: &str,
    namespace: &str,
    auth: Option<Value>,
    tell: &Sender<Heard>,
) -> Connected {
    let mut builder = client::ClientBuilder::new(url)
        .namespace(namespace)
        .transport_type(mode.transport())
        .reconnect_delay(30, 60);
    if let Some(auth) = auth {
        builder = builder.auth(auth);
    }
    for own in ["open", "close", "error"] {
        let tell = tell.clone();
        builder = builder.on(own, move |payload, _| drop(tell.send((own.into(), payload))));
    }
    let tell = tell.clone();
    builder = builder.on_any(move |event, payload, _| drop(tell.send((event.into(), payload))));
    Connected::Blocking(builder.connect().expect("the client connects"))
}

fn connect_async(
    mode: Mode,
    url: &str,
    namespace: &str,
    auth: Option<Value>,
    tell: &Sender<Heard>,
) -> Connected {
    let mut builder = asynchronous::ClientBuilder::new(url)
        .namespace(namespace)
        .transport_type(mode.transport())
        .reconnect_delay(30, 60);
    if let Some(auth) = auth {
        builder = builder.auth(auth);
    }
    for own in ["open", "close", "error"] {
        let tell = tell.clone();
        builder = builder.on(own, move |payload, _| {
            let tell = tell.clone();
            async move { drop(tell.send((own.into(), payload))) }.boxed()
        });
    }
    let tell = tell.clone();
    builder = builder.on_any(move |event: Event, payload, _| {
        let tell = tell.clone();
        async move { drop(tell.send((event.into(), payload))) }.boxed()
    });
    let runtime = Runtime::new().expect("a runtime");
    let client = runtime.block_on(builder.connect()).expect("the client connects");
    Connected::Async(client, runtime)
}

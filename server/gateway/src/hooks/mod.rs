//! Hooks: POSTs to one URL, with which the server asks or tells a backend.
//!
//! ```text
//!   connect, event ─▶ delivery: in order for each socket, 28 at once ─▶ client: signed POST ─▶ backend
//!   the others ─▶ batches: 50 or 500 ms in one call, again if it fails ─┘
//! ```

mod answer;
mod batches;
mod body;
mod circuit;
mod client;
pub(crate) mod counts;
mod delivery;
mod queue;
pub(crate) mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use batches::Batches;
use body::{Connect, Event, Moment, Notice};
use bytes::Bytes;
use client::Client;
use counts::{Counts, family};
use delivery::{Call, Delivery};
use rand::RngExt as _;
use serde::Serialize;
use sign::Secrets;
use socketio::{AckSender, ConnectError, DisconnectReason, Io, Note, Room, Socket};

use crate::node::NodeInfo;
use crate::time::timestamp;
use crate::web::{Authorities, UrlError};

/// How many calls run at once.
pub(crate) const LIMIT: usize = 28;

/// How long the end of the server waits for the backend before the log says so.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// How long an event may wait for its turn.
const EVENT_PATIENCE: Duration = Duration::from_secs(30);

/// What of `hook-timeout` a client may wait for its turn, and what the call may take then. They must end before
/// `hook-timeout` does, which would refuse the client for good.
const TURN_SHARE: f64 = 0.75;
const CALL_SHARE: f64 = 0.2;

/// The hooks, by the names that their `type` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookType {
    /// A client wants to join a namespace. The backend decides.
    Connect,
    /// A client sent an event. The backend answers.
    Event,
    /// A client has joined a namespace.
    Connected,
    /// A client has left it.
    Disconnected,
    /// A room has its first socket on this node.
    RoomOccupied,
    /// A room has no more sockets on this node.
    RoomVacated,
    /// This node has started.
    NodeStarted,
}

impl HookType {
    /// All of them.
    pub const ALL: [HookType; 7] = [
        HookType::Connect,
        HookType::Event,
        HookType::Connected,
        HookType::Disconnected,
        HookType::RoomOccupied,
        HookType::RoomVacated,
        HookType::NodeStarted,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            HookType::Connect => "connect",
            HookType::Event => "event",
            HookType::Connected => "connected",
            HookType::Disconnected => "disconnected",
            HookType::RoomOccupied => "room_occupied",
            HookType::RoomVacated => "room_vacated",
            HookType::NodeStarted => "node_started",
        }
    }
}

/// Where hooks go, and which.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The backend's URL.
    pub url: String,
    /// What they are signed with.
    pub secrets: Secrets,
    /// Who may have signed the backend's certificate.
    pub authorities: Authorities,
    /// Which hooks are sent.
    pub hooks: BTreeSet<HookType>,
    /// The header fields of the client's request that `connect` has, in lower case.
    pub headers: Vec<String>,
    /// How long the backend may take to answer `connect`. 3 s.
    pub connect_timeout: Duration,
    /// How long the backend may take to answer `event`. 5 s.
    pub event_timeout: Duration,
}

impl Webhook {
    /// Whether its URL can be called, as far as that can be known without calling it.
    ///
    /// # Errors
    /// If it can't.
    pub fn check(&self) -> Result<(), UrlError> {
        Client::new(&self.url, self.secrets.clone(), &self.authorities).map(drop)
    }

    /// All hooks to this URL, without a signature.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Webhook {
        Webhook {
            url: url.into(),
            secrets: Secrets::default(),
            authorities: Authorities::default(),
            hooks: HookType::ALL.into(),
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(3),
            event_timeout: Duration::from_secs(5),
        }
    }
}

/// The hooks of a node. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Hooks(Arc<State>);

struct State {
    io: Io,
    node: NodeInfo,
    webhook: Webhook,
    delivery: Delivery,
    batches: Batches,
}

impl Hooks {
    pub(crate) fn start(
        io: Io,
        node: NodeInfo,
        webhook: Webhook,
        counts: Arc<Counts>,
    ) -> Result<Hooks, UrlError> {
        let client = Client::new(&webhook.url, webhook.secrets.clone(), &webhook.authorities)?;
        let delivery = Delivery::new(client, Arc::clone(&counts));
        let batches = Batches::start(delivery.clone(), node.clone(), counts);
        let hooks = Hooks(Arc::new(State { io, node, webhook, delivery, batches }));
        hooks.tell(HookType::NodeStarted, None, Notice::of);
        Ok(hooks)
    }

    pub(crate) fn wants(&self, hook: HookType) -> bool {
        self.0.webhook.hooks.contains(&hook)
    }

    /// Asks the backend whether a client may join, and does what it says. The client came at that time.
    ///
    /// # Errors
    /// If there is no answer: the client is to come again.
    pub(crate) async fn connect(
        &self,
        socket: &Socket,
        came: Instant,
    ) -> Result<Result<(), ConnectError>, ConnectError> {
        if !self.wants(HookType::Connect) {
            return Ok(Ok(()));
        }
        let State { io, webhook, delivery, .. } = &*self.0;
        let body = Connect::of(self.moment("connect", Some(socket)), socket, &webhook.headers);
        let body = json(&body);
        let (patience, limit) =
            connect_times(io.config().hook_timeout, webhook.connect_timeout, came.elapsed());
        let call = self.prepare("connect", None, socket, body.len(), patience, limit);
        let began = Instant::now();
        let called = delivery.call(
            call,
            || body,
            |answered| {
                let decided = answer::connect(answered, socket, io)?;
                self.note(socket, "connect", began, || answer::summary(answered));
                // One that comes back is asked about again, as new.
                if let Err(refused) = &decided
                    && !socket.recovered()
                {
                    log_refusal(socket, answered.status.as_u16(), &refused.message);
                }
                Ok(decided.map(|actions| actions.apply(socket, None)))
            },
        );
        // A refusal would be for good. So the client comes back.
        called.await.map_err(|failure| {
            self.note(socket, "connect", began, || failure.summary());
            ConnectError::new(failure.message).close_session()
        })
    }

    /// Passes a client's event on, and does what the backend answers.
    pub(crate) async fn event(&self, socket: &Socket, event: &socketio::Event, ack: AckSender) {
        let State { io, webhook, delivery, .. } = &*self.0;
        let (moment, wanted) = (self.moment("event", Some(socket)), ack.is_wanted());
        let size =
            event.args().json().len() + event.args().attachments().iter().map(Bytes::len).sum::<usize>();
        let call =
            self.prepare("event", Some(event.name()), socket, size, EVENT_PATIENCE, webhook.event_timeout);
        let began = Instant::now();
        // The socket has the data by then that the answer to its event before has set.
        let body = || json(&Event::of(moment, socket, event, wanted));
        let called = delivery.call(call, body, |answered| {
            let actions = answer::event(answered, socket, io)?;
            self.note(socket, event.name(), began, || answer::summary(answered));
            actions.apply(socket, Some(ack));
            Ok(())
        });
        if let Err(failure) = called.await {
            self.note(socket, event.name(), began, || failure.summary());
        }
    }

    /// Shows what became of a hook to those who watch the session.
    fn note(&self, socket: &Socket, name: &str, began: Instant, text: impl FnOnce() -> String) {
        if self.0.node.notes {
            let text = text();
            socket.note(Note { source: "hook", name, text: &text, took: Some(began.elapsed()) });
        }
    }

    pub(crate) fn connected(&self, socket: &Socket) {
        self.tell(HookType::Connected, Some(socket), |moment| Notice {
            recovered: Some(socket.recovered()),
            transport: Some(socket.transport().as_str()),
            ..Notice::of(moment)
        });
    }

    pub(crate) fn disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        self.tell(HookType::Disconnected, Some(socket), |moment| Notice {
            reason: Some(reason.as_str()),
            rooms: Some(socket.rooms().iter().map(|room| (**room).to_owned()).collect()),
            data: Some(socket.data().unwrap_or_default()),
            ..Notice::of(moment)
        });
    }

    pub(crate) fn room<'a>(&'a self, hook: HookType, namespace: &'a str, room: &Room) {
        self.tell(hook, None, |moment| Notice {
            room: Some((**room).to_owned()),
            ..Notice::of(Moment { namespace: Some(namespace), ..moment })
        });
    }

    /// Sends what waits, and waits for what runs, for at most that long.
    pub(crate) async fn finish(&self, limit: Duration) {
        let State { batches, delivery, .. } = &*self.0;
        let say = async {
            tokio::time::sleep(SILENT_WAIT).await;
            let hooks = batches.waiting().max(delivery.calls());
            tracing::info!(hooks, ?limit, "the server waits for the backend to accept its last hooks");
            std::future::pending::<()>().await;
        };
        let finished = async {
            delivery.idle().await;
            batches.finish().await;
        };
        let finished = tokio::time::timeout(limit, async {
            tokio::select! {
                () = finished => {}
                () = say => {}
            }
        });
        if finished.await.is_err() {
            tracing::warn!(
                hooks = batches.waiting(),
                "the server stops before the backend has accepted all hooks"
            );
        }
    }

    pub(crate) fn write_metrics(&self, out: &mut String) {
        self.0.delivery.write_metrics(out);
        family(
            out,
            "socketio_gateway_hooks_waiting",
            "gauge",
            "Hooks of batches that the backend has not accepted yet.",
        );
        out.push_str(&format!("socketio_gateway_hooks_waiting {}\n", self.0.batches.waiting()));
    }

    pub(crate) fn set_secrets(&self, secrets: Secrets) {
        self.0.delivery.set_secrets(secrets);
    }

    pub(crate) fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.0.delivery.trust(authorities)
    }

    /// How many calls run or wait.
    #[cfg(test)]
    pub(crate) fn calls(&self) -> usize {
        self.0.delivery.calls()
    }

    fn tell<'a>(
        &'a self,
        hook: HookType,
        socket: Option<&'a Socket>,
        notice: impl FnOnce(Moment<'a>) -> Notice<'a>,
    ) {
        if self.wants(hook) {
            self.0.batches.push(&notice(self.moment(hook.as_str(), socket)));
        }
    }

    fn moment<'a>(&'a self, hook: &'static str, socket: Option<&'a Socket>) -> Moment<'a> {
        Moment {
            kind: hook,
            timestamp: timestamp(SystemTime::now()),
            node: &self.0.node.name,
            epoch: self.0.node.epoch,
            namespace: socket.map(|socket| socket.namespace().name()),
            socket: socket.map(Socket::id),
        }
    }

    fn prepare(
        &self,
        hook: &'static str,
        event: Option<&str>,
        socket: &Socket,
        size: usize,
        patience: Duration,
        limit: Duration,
    ) -> Call {
        Call {
            hook,
            event: event.map(Into::into),
            socket: Room::from(socket.id()),
            id: id(hook),
            size,
            deadline: Instant::now() + patience,
            limit,
        }
    }
}

/// Logs that the backend refuses a client.
fn log_refusal(socket: &Socket, status: u16, message: &str) {
    tracing::info!(
        status,
        error = message,
        namespace = socket.namespace().name(),
        socket = socket.id(),
        address = socket.handshake().address.map(tracing::field::display),
        "the backend refused a client"
    );
}

/// A `webhook-id`, which no other hook has.
fn id(hook: &str) -> String {
    format!("{hook}_{:032x}", rand::rng().random::<u128>())
}

fn json(body: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(body).unwrap_or_default())
}

/// How long the hook `connect` may wait for its turn, and how long its call may take, if so much time has passed.
fn connect_times(hook_timeout: Duration, wanted: Duration, passed: Duration) -> (Duration, Duration) {
    let patience = hook_timeout.mul_f64(TURN_SHARE).saturating_sub(passed);
    (patience, wanted.min(hook_timeout.mul_f64(CALL_SHARE)))
}

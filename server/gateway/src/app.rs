//! The application: what the gateway does with clients and their events.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::json;
use socketio::{
    AckSender, ConnectError, DisconnectReason, Event, Io, Namespace, Revision, Room, RoomEvent, Socket,
};

use crate::api::Api;
use crate::api::keys::Keys;
use crate::hooks::counts::Counts;
use crate::hooks::sign::Secrets;
use crate::hooks::{HookType, Hooks, Webhook};
use crate::jwt::{Identity, Jwt};
use crate::node::NodeInfo;
use crate::operations::{MAIN, NamespacePatterns};
use crate::pattern::{self, is_pattern};
use crate::presence::Presence;
use crate::rules::{Action, Rules, Spent};
use crate::told::Told;
use crate::web::{Authorities, UrlError};

/// What the gateway does.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The namespaces that clients can join. A `*` at the end of one stands for anything.
    pub namespaces: Vec<String>,
    /// The backend that is asked and told, if there is one.
    pub webhook: Option<Webhook>,
    /// What becomes of clients' events.
    pub rules: Rules,
    /// The keys of tokens, if clients need one.
    pub jwt: Option<Jwt>,
    /// The rooms whose members learn about each other.
    pub presence: Presence,
}

impl Default for GatewayConfig {
    /// The namespace `/`, and no backend.
    fn default() -> GatewayConfig {
        GatewayConfig {
            namespaces: vec!["/".to_owned()],
            webhook: None,
            rules: Rules::default(),
            jwt: None,
            presence: Presence::default(),
        }
    }
}

/// The gateway on an [`Io`]. Cloning it is cheap.
#[derive(Clone)]
pub struct Gateway(Arc<State>);

struct State {
    io: Io,
    node: NodeInfo,
    hooks: Option<Hooks>,
    rules: Rules,
    jwt: Option<Jwt>,
    counts: Arc<Counts>,
    /// The names of events that are dropped by mistake.
    told: Mutex<Told<Option<Box<str>>>>,
}

impl Gateway {
    /// Registers the gateway's handlers in the namespaces of the settings.
    ///
    /// # Errors
    /// If the backend's URL can't be called.
    pub fn start(io: &Io, node: NodeInfo, config: GatewayConfig) -> Result<Gateway, UrlError> {
        let counts = Arc::new(Counts::default());
        // Before the node says that it has started.
        let (patterns, names): (Vec<_>, Vec<_>) =
            config.namespaces.into_iter().partition(|name| is_pattern(name));
        let mut namespaces: Vec<_> = names.iter().map(|name| io.of(name)).collect();
        // It is always there, so that clients can try to join it.
        let main = io.of(MAIN);
        if !namespaces.contains(&main) {
            if !patterns.iter().any(|pattern| pattern::fits(pattern, MAIN)) {
                refuse_strays(&main);
            }
            namespaces.push(main);
        }
        let parents = patterns.iter().map(|pattern| io.of_pattern(&pattern::regex(pattern)));
        let parents: Vec<_> = parents.collect::<Result<_, _>>().expect("an escaped name is a pattern");
        let hooks = config
            .webhook
            .map(|webhook| Hooks::start(io.clone(), node.clone(), webhook, Arc::clone(&counts)));
        let hooks = hooks.transpose()?;
        let GatewayConfig { rules, jwt, presence, .. } = config;
        if let Some(jwt) = &jwt {
            jwt.start();
        }
        let (io_of_state, told) = (io.clone(), Mutex::new(Told::new()));
        let gateway = Gateway(Arc::new(State { io: io_of_state, node, hooks, rules, jwt, counts, told }));
        for namespace in namespaces.iter().chain(&parents) {
            gateway.register(namespace);
        }
        for namespace in &namespaces {
            gateway.watch(namespace, &presence);
        }
        if !patterns.is_empty() {
            io.set_state(NamespacePatterns::new(patterns.clone()));
            // Each has rooms of its own.
            let watching = gateway.clone();
            io.on_new_namespace(move |namespace| {
                if patterns.iter().any(|pattern| pattern::fits(pattern, namespace.name())) {
                    watching.watch(namespace, &presence);
                }
            });
        }
        Ok(gateway)
    }

    /// The API for this gateway's backend.
    #[must_use]
    pub fn api(&self, keys: Keys) -> Api {
        Api::new(self.0.io.clone(), self.0.node.clone(), keys)
    }

    /// Signs hooks with other secrets from now on.
    pub fn set_secrets(&self, secrets: Secrets) {
        if let Some(hooks) = &self.0.hooks {
            hooks.set_secrets(secrets);
        }
    }

    /// Checks tokens with the keys of `fresh` from now on.
    pub fn set_jwt_keys(&self, fresh: &Jwt) {
        if let Some(jwt) = &self.0.jwt {
            jwt.take_keys(fresh);
        }
    }

    /// Trusts other authorities from now on, where it calls by HTTPS.
    ///
    /// # Errors
    /// If their certificates can't be used.
    pub fn set_authorities(&self, authorities: &Authorities) -> Result<(), UrlError> {
        let State { hooks, jwt, .. } = &*self.0;
        hooks.as_ref().map_or(Ok(()), |hooks| hooks.trust(authorities))?;
        jwt.as_ref().map_or(Ok(()), |jwt| jwt.trust(authorities))
    }

    /// Waits until the backend has got all its webhooks, for at most that long. Call it when the clients have
    /// left.
    pub async fn finish(&self, limit: Duration) {
        if let Some(hooks) = &self.0.hooks {
            hooks.finish(limit).await;
        }
    }

    /// Writes what hooks did, as Prometheus reads it.
    pub fn write_metrics(&self, out: &mut String) {
        self.0.counts.write(out);
        if let Some(hooks) = &self.0.hooks {
            hooks.write_metrics(out);
        }
    }

    #[cfg(test)]
    pub(crate) fn calls(&self) -> usize {
        self.0.hooks.as_ref().map_or(0, Hooks::calls)
    }

    fn register(&self, namespace: &Namespace) {
        let gateway = self.clone();
        namespace.on_other(move |socket: Socket, event: Event, ack: AckSender| {
            let gateway = gateway.clone();
            async move { gateway.event(&socket, &event, ack).await }
        });
        let (joining, returning) = (self.clone(), self.clone());
        if self.0.jwt.is_some() || self.0.hooks.as_ref().is_some_and(|hooks| hooks.wants(HookType::Connect)) {
            namespace.middleware(move |socket: Socket| {
                let gateway = joining.clone();
                async move { gateway.admit(&socket).await }
            });
        }
        if self.0.jwt.is_some() || self.asks_who_returns() {
            namespace.allow_recovery(move |socket: Socket| {
                let gateway = returning.clone();
                async move { gateway.may_return(&socket).await }
            });
        }
        let (joined, left) = (self.clone(), self.clone());
        namespace.on_connect(move |socket: Socket| {
            joined.connected(socket);
            std::future::ready(())
        });
        if self.0.hooks.is_some() {
            namespace.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
                if let Some(hooks) = &left.0.hooks {
                    hooks.disconnected(&socket, reason);
                }
                std::future::ready(())
            });
        }
    }

    /// Lets a client in if it has a token, where it needs one, and the backend lets it in.
    async fn admit(&self, socket: &Socket) -> Result<(), ConnectError> {
        let came = Instant::now();
        if let Some(decided) = socket.get::<Decided>().and_then(|decided| decided.0.lock().take()) {
            return decided;
        }
        if let Some(jwt) = &self.0.jwt {
            jwt.admit(socket, self.0.io.config().hook_timeout / 2).await?;
        }
        match &self.0.hooks {
            Some(hooks) => hooks.connect(socket, came).await?,
            None => Ok(()),
        }
    }

    /// Whether the backend says who may come back for a socket. A token says it, too.
    fn asks_who_returns(&self) -> bool {
        let State { io, hooks, jwt, .. } = &*self.0;
        let asks = hooks.as_ref().is_some_and(|hooks| hooks.wants(HookType::Connect));
        let skips = io.config().recovery.as_ref().is_some_and(|recovery| recovery.skip_middlewares);
        jwt.is_none() && asks && !skips
    }

    /// Whether a client may come back for a socket: by its token, or by the backend's word. If not, it joins as a new
    /// one, and the backend is asked about that.
    async fn may_return(&self, socket: &Socket) -> bool {
        if let Some(jwt) = &self.0.jwt {
            return jwt.renew(socket);
        }
        let Some(hooks) = &self.0.hooks else { return true };
        let decided = match hooks.connect(socket, Instant::now()).await {
            Ok(Err(_)) => return false,
            Ok(Ok(())) => Ok(()),
            Err(failure) => Err(failure),
        };
        socket.insert(Decided(Mutex::new(Some(decided))));
        true
    }

    /// Watches the rooms of a namespace.
    fn watch(&self, namespace: &Namespace, presence: &Presence) {
        if !presence.rooms.is_empty() {
            presence.clone().watch(&self.0.io, namespace);
        }
        if let Some(hooks) = &self.0.hooks
            && (hooks.wants(HookType::RoomOccupied) || hooks.wants(HookType::RoomVacated))
        {
            self.watch_rooms(namespace, hooks.clone());
        }
    }

    fn connected(&self, socket: Socket) {
        if let Some(hooks) = &self.0.hooks {
            hooks.connected(&socket);
        }
        if let Some(identity) = socket.get::<Identity>() {
            tokio::spawn(put_out_at(identity.expires, socket));
        }
    }

    async fn event(&self, socket: &Socket, event: &Event, ack: AckSender) {
        let State { hooks, rules, counts, .. } = &*self.0;
        let (action, found) = rules.find(socket.namespace().name(), event.name());
        let limited = found.and_then(|(rule, rate)| rate.map(|rate| (rule, rate)));
        if let Some((rule, rate)) = limited
            && !spent(socket).lock().spend(rule, rate, Instant::now())
        {
            counts.event("over_rate");
            log_dropped(socket, event, "over the rate of its rule");
            return;
        }
        match (action, hooks) {
            (Action::Backend, Some(hooks)) if hooks.wants(HookType::Event) => {
                counts.event("backend");
                hooks.event(socket, event, ack).await;
            }
            (Action::RelayToRooms, _) => {
                counts.event("relayed");
                let _ = socket.to(socket.rooms()).emit(event.name(), event.args());
                let _ = ack.send(());
            }
            (Action::RelayToNamespace, _) => {
                counts.event("relayed");
                let _ = socket.broadcast().emit(event.name(), event.args());
                let _ = ack.send(());
            }
            (Action::Refuse, _) => {
                counts.event("refused");
                let _ = ack
                    .send(json!({ "error": { "code": "refused", "message": "this event is not allowed" } }));
            }
            (Action::Backend | Action::Drop, _) => {
                counts.event("dropped");
                let reason = self.why_dropped(action, found.is_some());
                log_dropped(socket, event, reason);
                // What somebody has written down is no mistake.
                if found.is_none() && rules.default_for_others {
                    self.warn_of_dropped(socket, event, reason);
                }
            }
        }
    }

    /// Why an event goes nowhere.
    fn why_dropped(&self, action: Action, has_rule: bool) -> &'static str {
        match (action, has_rule, &self.0.hooks) {
            (Action::Backend, _, Some(_)) => "webhook-hook leaves out the hook event",
            (Action::Backend, true, None) => "its rule sends it to the backend, and there is none",
            (_, true, _) => "its rule drops it",
            (Action::Backend, false, None) => "it has no rule, and there is no backend",
            (_, false, _) if self.0.rules.default_for_others => {
                "it has no rule, and is not in webhook-events"
            }
            (_, false, _) => "it has no rule, and other-events drops it",
        }
    }

    /// Logs it once a minute for each name, as far as names can be told apart: clients make them up.
    fn warn_of_dropped(&self, socket: &Socket, event: &Event, reason: &str) {
        let now = Instant::now();
        let mut name = Some(Box::from(event.name()));
        let mut told = self.0.told.lock();
        if !told.knows(&name, now) {
            name = None;
        }
        let Some(left_out) = told.say(name, now) else { return };
        drop(told);
        tracing::warn!(
            event = event.name(),
            reason,
            namespace = socket.namespace().name(),
            left_out = Some(left_out).filter(|left_out| *left_out > 0),
            "clients' events are dropped, without an acknowledgement"
        );
    }

    /// Tells the backend of rooms. Each socket has a room of its own, which is none of the backend's business.
    fn watch_rooms(&self, namespace: &Namespace, hooks: Hooks) {
        let name = namespace.name().to_owned();
        // The room whose first socket is about to join it, and the room and socket that were left last.
        let created = Mutex::<Option<Room>>::default();
        let left = Mutex::<Option<(Room, Room)>>::default();
        namespace.on_room_event(move |event| match event {
            RoomEvent::Created { room } => *created.lock() = Some(Arc::clone(room)),
            RoomEvent::Joined { room, socket } => {
                if created.lock().take().is_some_and(|first| first == *room) && room != socket {
                    hooks.room(HookType::RoomOccupied, &name, room);
                }
            }
            RoomEvent::Left { room, socket } => *left.lock() = Some((Arc::clone(room), Arc::clone(socket))),
            RoomEvent::Deleted { room } => {
                if left.lock().take().is_none_or(|(_, socket)| socket != *room) {
                    hooks.room(HookType::RoomVacated, &name, room);
                }
            }
        });
    }
}

fn log_dropped(socket: &Socket, event: &Event, reason: &str) {
    let (name, namespace) = (event.name(), socket.namespace().name());
    tracing::debug!(event = name, reason, namespace, socket = socket.id(), "a client's event is dropped");
}

/// What the backend has said of a client that comes back, until it is done.
struct Decided(Mutex<Option<Result<(), ConnectError>>>);

/// Refuses clients in `/`, which isn't theirs to join. Those of revision 3 must be there before they join another
/// namespace, and are checked as anywhere.
fn refuse_strays(namespace: &Namespace) {
    namespace.middleware(|socket: Socket| {
        let refused = match socket.revision() {
            Revision::V3 => Ok(()),
            Revision::V4 => Err("Invalid namespace".into()),
        };
        std::future::ready(refused)
    });
}

/// Puts a socket out when its token has expired. The client is told, so that it can get another and connect again.
async fn put_out_at(expires: SystemTime, socket: Socket) {
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::select! {
        _ = socket.closed() => {}
        () = tokio::time::sleep(left) => {
            let _ = socket.emit("token_expired", ());
            socket.disconnect(false);
        }
    }
}

/// What a client has spent of its rates.
fn spent(socket: &Socket) -> Arc<Mutex<Spent>> {
    if let Some(spent) = socket.get() {
        return spent;
    }
    // An event that comes at the same time may be counted apart once.
    socket.insert(Mutex::new(Spent::default()));
    socket.get().unwrap_or_default()
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("node", &self.0.node).finish_non_exhaustive()
    }
}

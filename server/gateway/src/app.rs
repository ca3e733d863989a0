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
use crate::node::Node;
use crate::operations::{MAIN, NamespacePatterns};
use crate::pattern::{self, is_pattern};
use crate::presence::Presence;
use crate::rules::{Action, Rules, Spent};
use crate::web::UrlError;

/// What the gateway does.
#[derive(Clone, Debug)]
pub struct Settings {
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

impl Default for Settings {
    /// The namespace `/`, and no backend.
    fn default() -> Settings {
        Settings {
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
    node: Node,
    hooks: Option<Hooks>,
    rules: Rules,
    jwt: Option<Jwt>,
    counts: Arc<Counts>,
}

impl Gateway {
    /// Registers the gateway's handlers in the namespaces of the settings.
    ///
    /// # Errors
    /// If the backend's URL can't be called.
    pub fn start(io: &Io, node: Node, settings: Settings) -> Result<Gateway, UrlError> {
        let counts = Arc::new(Counts::default());
        // Before the node says that it has started.
        let (patterns, names): (Vec<_>, Vec<_>) =
            settings.namespaces.into_iter().partition(|name| is_pattern(name));
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
        let hooks = settings
            .webhook
            .map(|webhook| Hooks::start(io.clone(), node.clone(), webhook, Arc::clone(&counts)));
        let hooks = hooks.transpose()?;
        let Settings { rules, jwt, presence, .. } = settings;
        if let Some(jwt) = &jwt {
            jwt.start();
        }
        let gateway = Gateway(Arc::new(State { io: io.clone(), node, hooks, rules, jwt, counts }));
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
        if self.0.jwt.is_some() {
            namespace.allow_recovery(move |socket: Socket| {
                let same = returning.0.jwt.as_ref().is_none_or(|jwt| jwt.renew(&socket));
                std::future::ready(same)
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
        if let Some(jwt) = &self.0.jwt {
            jwt.admit(socket, self.0.io.config().hook_timeout / 2).await?;
        }
        match &self.0.hooks {
            Some(hooks) => hooks.connect(socket, came).await,
            None => Ok(()),
        }
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
        let (action, limited) = rules.find(socket.namespace().name(), event.name());
        if let Some((rule, rate)) = limited
            && !spent(socket).lock().spend(rule, rate, Instant::now())
        {
            counts.event("over_rate");
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
            (Action::Backend | Action::Drop, _) => counts.event("dropped"),
        }
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

//! A preset for the connector `socket.io` of Laravel Echo: what its clients, and Laravel, expect of npm's
//! laravel-echo-server.
//!
//! ```text
//!   client ── subscribe ──▶ channels ── POST channel_name ──▶ application: 200 lets it in
//!   client ── client event ──▶ the others in the channel
//!   application ── PUBLISH in Redis, POST /apps/ID/events ──▶ the clients in the channel
//! ```
//!
//! A channel is a room of the namespace `/`.

pub(crate) mod apps;
mod auth;
mod channels;
mod message;
mod presence;
#[cfg(feature = "redis")]
mod published;
#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use auth::{Auth, OwnTurns, Refused};
use channels::{Channels, is_presence, is_private};
use message::{Message, Whisper};
use parking_lot::Mutex;
use presence::Member;
use serde::Deserialize;
use serde_json::Value;
use socketio::{Args, DisconnectReason, Io, JoinError, Namespace, Socket};

use crate::hooks::counts::family;
use crate::objects::InObjects;
use crate::operations::MAIN;
use crate::told::Told;
use crate::web::{Authorities, UrlError};

/// How many characters a socket's id has.
const ID_LENGTH: usize = 20;

/// What the preset does.
#[derive(Clone, Debug, Default)]
pub struct EchoConfig {
    /// The application's URL that says who may join private and presence channels. Without it, nobody may.
    pub auth_url: Option<String>,
    /// The header fields that a client may have sent to that URL, beside the usual ones. In lower case.
    pub auth_headers: Vec<String>,
    /// The authorities that the certificate of that URL may come from.
    pub authorities: Authorities,
    /// Where the application publishes.
    pub redis: Option<EchoRedis>,
}

/// The Redis in which the application publishes.
#[derive(Clone)]
pub struct EchoRedis {
    /// `redis://HOST:PORT`. It may have a password in it.
    pub url: String,
    /// What the application's Redis puts before the names of channels.
    pub prefix: String,
}

/// Why the preset can't start.
#[derive(Debug)]
#[non_exhaustive]
pub enum EchoError {
    /// The URL of the application can't be called.
    Auth(UrlError),
    /// The address of Redis is wrong, or this program was built without Redis.
    Redis(String),
}

/// Laravel Echo's server on an [`Io`]. Cloning it is cheap.
#[derive(Clone)]
pub struct Echo(Arc<State>);

struct State {
    io: Io,
    home: Namespace,
    auth: Option<Auth>,
    started: Instant,
    counts: Counts,
    told: Mutex<Told<&'static str>>,
}

/// What was done.
#[derive(Default)]
struct Counts {
    admitted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    unreadable: AtomicU64,
    whispers: AtomicU64,
}

/// What a client sends to join a channel.
#[derive(Deserialize)]
struct Subscribe {
    channel: String,
    #[serde(default)]
    auth: Value,
}

#[derive(Deserialize)]
struct Unsubscribe {
    channel: String,
}

impl Echo {
    /// Registers the handlers in the namespace `/`, and begins to listen to Redis.
    ///
    /// # Errors
    /// See [`EchoError`].
    pub fn start(io: &Io, config: EchoConfig) -> Result<Echo, EchoError> {
        let EchoConfig { auth_url, auth_headers, authorities, redis } = config;
        let auth = auth_url
            .map(|url| Auth::new(&url, &authorities, auth_headers))
            .transpose()
            .map_err(EchoError::Auth)?;
        let (counts, told) = (Counts::default(), Mutex::new(Told::new()));
        let (io, home, started) = (io.clone(), io.of(MAIN), Instant::now());
        let echo = Echo(Arc::new(State { io, home, auth, started, counts, told }));
        if let Some(redis) = redis {
            echo.listen(&redis)?;
        }
        echo.register();
        Ok(echo)
    }

    /// Trusts other authorities from now on, where it asks the application by HTTPS.
    ///
    /// # Errors
    /// If their certificates can't be used.
    pub fn set_authorities(&self, authorities: &Authorities) -> Result<(), UrlError> {
        self.0.auth.as_ref().map_or(Ok(()), |auth| auth.trust(authorities))
    }

    #[cfg(feature = "redis")]
    fn listen(&self, redis: &EchoRedis) -> Result<(), EchoError> {
        let echo = self.clone();
        let hear = move |channel: &str, payload: &[u8]| echo.heard(channel, payload);
        let subscription = redis::Subscription::open(&redis.url, &redis.prefix, hear);
        subscription.map(redis::Subscription::start).map_err(|error| EchoError::Redis(error.to_string()))
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "with Redis, it is used")]
    fn listen(&self, _: &EchoRedis) -> Result<(), EchoError> {
        Err(EchoError::Redis("this program was built without Redis".to_owned()))
    }

    fn register(&self) {
        let (joining, leaving, whispering, ending) = (self.clone(), self.clone(), self.clone(), self.clone());
        self.0
            .home
            .on_connect(|socket: Socket| {
                // Also if the client comes back: the others were told that it had left.
                socket.insert(Mutex::new(Channels::default()));
                socket.insert(OwnTurns::default());
                std::future::ready(())
            })
            .on("subscribe", move |socket: Socket, InObjects(subscribe): InObjects<Subscribe>| {
                // In the order of arrival, so that an `unsubscribe` that follows finds it.
                let ticket = channels(&socket).lock().ask(&subscribe.channel);
                let echo = joining.clone();
                async move { echo.subscribe(socket, subscribe, ticket).await }
            })
            .on(
                "unsubscribe",
                move |socket: Socket, InObjects(Unsubscribe { channel }): InObjects<Unsubscribe>| {
                    let left = channels(&socket).lock().leave(&socket, &channel);
                    let echo = leaving.clone();
                    async move {
                        if let Some(member) = left {
                            presence::left(&echo.0.home, &socket, &channel, &member).await;
                        }
                    }
                },
            )
            .on_sync("client event", move |socket: Socket, args: Args| whispering.whisper(&socket, &args))
            .on_disconnect(move |socket: Socket, _: DisconnectReason| {
                let left = channels(&socket).lock().end();
                let echo = ending.clone();
                async move {
                    for (channel, member) in &left {
                        presence::left(&echo.0.home, &socket, channel, member).await;
                    }
                }
            });
    }

    async fn subscribe(&self, socket: Socket, subscribe: Subscribe, ticket: u64) {
        let Subscribe { channel, auth } = subscribe;
        let admitted = if is_private(&channel) {
            tokio::select! {
                _ = socket.closed() => return,
                admitted = self.authenticate(&socket, &channel, &auth) => admitted,
            }
        } else if channel.is_empty() || self.is_a_sockets_own(&channel).await {
            Err(Refused { status: 403 })
        } else {
            Ok(None)
        };
        let member = match admitted {
            Ok(member) => member.filter(|_| is_presence(&channel)),
            Err(Refused { status }) => {
                let _ = socket.emit("subscription_error", (&channel, status));
                let left = channels(&socket).lock().refuse(&socket, &channel, ticket);
                if let Some(member) = left {
                    presence::left(&self.0.home, &socket, &channel, &member).await;
                }
                return;
            }
        };
        let joined = channels(&socket).lock().join(&socket, &channel, ticket, member.clone());
        match joined {
            Some(Ok(again)) => {
                if let Some(member) = member {
                    presence::joined(&self.0.home, &socket, &channel, &member, again).await;
                }
            }
            Some(Err(JoinError::TooManyRooms)) => {
                let _ = socket.emit("subscription_error", (&channel, 0));
            }
            // It has left meanwhile, or asked again.
            Some(Err(_)) | None => {}
        }
    }

    /// Whether it is the room that a socket has for itself, which is no channel. Other nodes are asked as far as they
    /// answer.
    async fn is_a_sockets_own(&self, room: &str) -> bool {
        let State { io, home, .. } = &*self.0;
        if home.socket(room).is_some() {
            return true;
        }
        // They are asked only about what may be an id, and once: somebody is in the room here from then on.
        if !io.has_adapter() || room.len() != ID_LENGTH || home.has_room(room) {
            return false;
        }
        let found = home.to(room).fetch_sockets().await.unwrap_or_else(|error| error.found);
        found.iter().any(|socket| socket.id() == room)
    }

    /// Asks the application. Gives the member that a presence channel has then.
    async fn authenticate(
        &self,
        socket: &Socket,
        channel: &str,
        auth: &Value,
    ) -> Result<Option<Member>, Refused> {
        let State { auth: application, counts, .. } = &*self.0;
        let Some(application) = application else {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            if self.may_tell("no auth URL") {
                tracing::warn!(channel, "private channels are refused: set echo-auth-url");
            }
            return Err(Refused { status: 403 });
        };
        match application.ask(socket, channel, auth).await {
            Ok(Ok(data)) => {
                counts.admitted.fetch_add(1, Ordering::Relaxed);
                let member = Member::of(data.as_ref());
                if is_presence(channel) && member.is_none() && self.may_tell("no member") {
                    tracing::warn!(
                        channel,
                        backend = application.place(),
                        "the answer has no channel_data with a user_id: the client is in the channel, and others are not told"
                    );
                }
                Ok(member)
            }
            Ok(Err(refused)) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                let status = refused.status;
                tracing::debug!(channel, status, socket = socket.id(), "the application refuses a client");
                Err(refused)
            }
            Err(failure) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                if self.may_tell(failure.kind) {
                    tracing::warn!(
                        backend = application.place(),
                        channel,
                        kind = failure.kind,
                        error = failure.message,
                        "the application can't be asked whether a client may join: it gets subscription_error"
                    );
                }
                Err(Refused { status: failure.status })
            }
        }
    }

    /// Whether the log says this now: of each kind, once a minute.
    fn may_tell(&self, kind: &'static str) -> bool {
        self.0.told.lock().say(kind, Instant::now()).is_some()
    }

    fn whisper(&self, socket: &Socket, args: &Args) {
        let Some(whisper) = Whisper::read(args) else {
            tracing::debug!(socket = socket.id(), "a client event that can't be read");
            return;
        };
        let Whisper { channel, event, args } = whisper;
        let is_in = || socket.rooms().iter().any(|room| **room == *channel);
        if event.starts_with("client-") && is_private(&channel) && is_in() {
            self.0.counts.whispers.fetch_add(1, Ordering::Relaxed);
            let _ = socket.to(&channel).emit(&event, args);
        }
    }

    /// Sends what the application publishes to a channel: to this node's clients, or to those of all.
    fn publish(&self, channel: &str, message: &Message, everywhere: bool) {
        self.0.counts.sent.fetch_add(1, Ordering::Relaxed);
        let mut to = self.0.home.to(channel);
        if let Some(socket) = &message.socket {
            to = to.except(socket);
        }
        if !everywhere {
            to = to.local();
        }
        let _ = to.emit(message.event.name(), message.event.args());
    }

    /// A message that Redis brought. Each node gets it.
    #[cfg(feature = "redis")]
    fn heard(&self, channel: &str, payload: &[u8]) {
        match Message::read(channel, payload) {
            Ok(message) => self.publish(channel, &message, false),
            Err(error) => {
                self.0.counts.unreadable.fetch_add(1, Ordering::Relaxed);
                if self.may_tell("unreadable") {
                    tracing::warn!(
                        channel,
                        error,
                        "a message in Redis is not Laravel's, and is ignored: if others publish there, set echo-redis-prefix"
                    );
                }
            }
        }
    }

    /// Writes what was done, as Prometheus reads it.
    pub fn write_metrics(&self, out: &mut String) {
        let Counts { admitted, refused, failed, sent, unreadable, whispers } = &self.0.counts;
        let mut write = |name: &str, help: &str, rows: &[(&str, &AtomicU64)]| {
            family(out, name, "counter", help);
            for (label, count) in rows {
                out.push_str(&format!("{name}{{result=\"{label}\"}} {}\n", count.load(Ordering::Relaxed)));
            }
        };
        write(
            "socketio_echo_auth_total",
            "Questions to the application whether a client may join a channel.",
            &[("admitted", admitted), ("refused", refused), ("failed", failed)],
        );
        write(
            "socketio_echo_messages_total",
            "Messages to channels: of the application, of it but unreadable, and of clients.",
            &[("sent", sent), ("unreadable", unreadable), ("whispered", whispers)],
        );
    }
}

/// The channels of a socket, which it has since it connected.
fn channels(socket: &Socket) -> Arc<Mutex<Channels>> {
    socket.get().unwrap_or_default()
}

impl fmt::Debug for EchoRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EchoRedis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echo").finish_non_exhaustive()
    }
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EchoError::Auth(error) => write!(f, "echo-auth-url: {error}"),
            EchoError::Redis(error) => write!(f, "echo-redis: {error}"),
        }
    }
}

impl std::error::Error for EchoError {}

//! The application's view of the server: its settings, its namespaces by name, and the values that all handlers
//! share. What a namespace does is in [`namespace`](crate::namespace), and a session in
//! [`client`](crate::client).

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use engineio::{CloseReason, LimitHits};
use parking_lot::RwLock;

use crate::cluster::adapter::Adapter;
use crate::cluster::message::NodeId;
use crate::cluster::node::Node;
use crate::cluster::{Cluster, random_node_id};
use crate::handler::unhandled::{UnhandledCounts, UnhandledEvents};
use crate::io::config::IoConfig;
use crate::io::creation::Creations;
use crate::io::shared::Shared;
use crate::namespace::parents::Parent;
use crate::namespace::room::Selection;
use crate::namespace::{IoCore, Kind, Namespace, Namespaces};
use crate::recovery::Recoveries;
use crate::recovery::settings::RecoveryCounts;

pub(crate) mod config;
mod creation;
mod namespaces;
pub(crate) mod shared;
pub(crate) mod state;

/// The namespaces of a server, and the entry point of this crate. Cloning it is cheap.
///
/// It is an [`engineio::Application`]: a server passes it each new session. The namespace `/` always exists,
/// and `Io` dereferences to it: `io.on(..)` and `io.emit(..)` are short for `io.of("/").on(..)` and
/// `io.of("/").emit(..)`, as in JavaScript.
///
/// ```
/// use socketio::{Io, Socket};
///
/// fn application() -> Io {
///     let io = Io::new();
///     io.on_connect(|socket: Socket| async move { println!("{} came", socket.id()) })
///         .on("chat", |socket: Socket, text: String| async move { socket.broadcast().emit("chat", text) });
///     io
/// }
///
/// /// From anywhere, with a clone.
/// fn announce(io: &Io) -> Result<(), socketio::SendError> {
///     io.emit("news", "the server restarts at six")
/// }
/// ```
#[derive(Clone)]
pub struct Io(Arc<State>);

struct State {
    core: Arc<IoCore>,
    adapter: Option<Arc<dyn Adapter>>,
    main: Namespace,
    namespaces: RwLock<HashMap<Arc<str>, Namespace>>,
    /// Those that nobody has yet.
    creations: Creations,
    /// How many of both clients have created.
    dynamic: AtomicUsize,
    parents: RwLock<Vec<Parent>>,
    next_parent: AtomicU64,
    new_namespace: RwLock<Vec<NamespaceListener>>,
    sessions: AtomicUsize,
    closed: AtomicBool,
}

type NamespaceListener = Arc<dyn Fn(&Namespace) + Send + Sync>;

/// Why a namespace that a parent allows was not created.
pub(crate) struct TooManyNamespaces;

impl Io {
    /// Creates an `Io` with the default settings.
    #[must_use]
    pub fn new() -> Io {
        Io::with_config(IoConfig::default())
    }

    /// Creates an `Io` with these settings.
    #[must_use]
    pub fn with_config(config: IoConfig) -> Io {
        Io::build(config, None)
    }

    /// Creates an `Io` that is a node of a cluster: `io.adapter(..)` in JavaScript. The adapter takes
    /// broadcasts to the other nodes.
    #[must_use]
    pub fn with_adapter(config: IoConfig, adapter: impl Adapter) -> Io {
        Io::build(config, Some(Arc::new(adapter)))
    }

    fn build(config: IoConfig, adapter: Option<Arc<dyn Adapter>>) -> Io {
        let io = Io(Arc::new_cyclic(|io: &Weak<State>| {
            let namespaces: Weak<dyn Namespaces> = io.clone();
            let recoveries = config.recovery.clone().map(|settings| Arc::new(Recoveries::new(settings)));
            let cluster = adapter.as_ref().map(|adapter| {
                let (id, recovers) = (random_node_id(), recoveries.is_some());
                adapter.start(Node::new(namespaces.clone(), Arc::clone(&id), recovers));
                Cluster::new(Box::new(Arc::clone(adapter)), id, config.recovery.as_ref())
            });
            let core = Arc::new(IoCore {
                config,
                hits: Arc::default(),
                recoveries,
                unhandled: UnhandledEvents::default(),
                cluster,
                shared: Shared::default(),
                namespaces,
            });
            let name: Arc<str> = Arc::from("/");
            let main = Namespace::new(Arc::clone(&name), Kind::Plain, Arc::clone(&core));
            State {
                core,
                adapter,
                namespaces: RwLock::new(HashMap::from([(name, main.clone())])),
                main,
                creations: Creations::default(),
                dynamic: AtomicUsize::new(0),
                parents: RwLock::default(),
                next_parent: AtomicU64::new(0),
                new_namespace: RwLock::default(),
                sessions: AtomicUsize::new(0),
                closed: AtomicBool::new(false),
            }
        }));
        if let Some(adapter) = io.adapter() {
            adapter.namespace_opened(&io);
        }
        io
    }

    fn adapter(&self) -> Option<&Arc<dyn Adapter>> {
        self.0.adapter.as_ref()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &IoConfig {
        &self.0.core.config
    }

    /// How often clients have met each limit of the [settings](Io::config) so far.
    #[must_use]
    pub fn limit_hits(&self) -> &Arc<LimitHits> {
        self.hits()
    }

    /// The number of open Engine.IO sessions, including those that have joined no namespace:
    /// `io.engine.clientsCount` in JavaScript.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.0.sessions.load(Ordering::Relaxed)
    }

    /// The number of rooms in all namespaces, without the room that each socket has for itself.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.namespaces().iter().map(|namespace| namespace.members().room_count()).sum()
    }

    /// The number of acknowledgements that the server waits for. It counts them socket by socket.
    #[must_use]
    pub fn pending_ack_count(&self) -> usize {
        let mut pending = 0;
        for namespace in self.namespaces() {
            let everyone = Selection::default();
            namespace.members().for_each(&everyone, |socket| pending += socket.pending_acks().len());
        }
        pending
    }

    /// The number of clients' events so far that no handler took, in all namespaces. It includes those that
    /// [`on_unhandled`](Namespace::on_unhandled) answered.
    #[must_use]
    pub fn unhandled_counts(&self) -> UnhandledCounts {
        self.0.core.unhandled.counts()
    }

    /// How many recoveries have succeeded so far, and why others have failed; `None` if [`IoConfig::recovery`]
    /// is off.
    #[must_use]
    pub fn recovery_counts(&self) -> Option<RecoveryCounts> {
        Some(self.0.core.recoveries.as_ref()?.counts())
    }

    /// Ends all sockets with the reason `server shutting down`, and then their sessions. Sessions that open
    /// later end at once. Clients reconnect by themselves when a server is there again. No DISCONNECT packet
    /// is sent, because it would tell them not to.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        for namespace in self.namespaces() {
            for socket in namespace.sockets() {
                socket.link().mailbox.close(CloseReason::ServerShuttingDown);
            }
            namespace.give_up_lost();
        }
        if let Some(adapter) = self.adapter() {
            drop(adapter.close());
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    pub(crate) fn session_opened(&self) {
        self.0.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn session_ended(&self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

/// # Other nodes
impl Io {
    /// Whether there is an adapter, and so there may be other nodes.
    #[must_use]
    pub fn has_adapter(&self) -> bool {
        self.cluster().is_some()
    }

    /// The id by which other nodes know this one. They name it when it doesn't answer them:
    /// [`ClusterError::Timeout`](crate::ClusterError::Timeout), [`Answers::silent_ids`](crate::Answers::silent_ids). `None`
    /// without an adapter.
    #[must_use]
    pub fn node_id(&self) -> Option<&NodeId> {
        self.cluster().map(|cluster| cluster.id())
    }

    /// Waits until this node receives what the others of its cluster send, in the namespaces that exist now.
    /// Without an adapter, it returns at once.
    pub async fn cluster_ready(&self) {
        if let Some(adapter) = self.adapter() {
            adapter.ready().await;
        }
    }

    /// The [adapter's counts](Adapter::counts), by name. Empty without an adapter, or if it counts nothing.
    #[must_use]
    pub fn adapter_counts(&self) -> Vec<(&'static str, u64)> {
        self.adapter().map(|adapter| adapter.counts()).unwrap_or_default()
    }

    /// Leaves the cluster, and waits until the other nodes no longer count this one, for at most
    /// [`IoConfig::cluster_timeout`]. Call it before the process ends, so that the others don't wait for its
    /// answers.
    pub async fn leave_cluster(&self) {
        if let Some(adapter) = self.adapter() {
            let left = tokio::time::timeout(self.config().cluster_timeout, adapter.close()).await;
            if left.is_err() {
                tracing::warn!(
                    "the other nodes may count this one for some time: leaving the cluster took too long"
                );
            }
        }
    }
}

impl Default for Io {
    fn default() -> Io {
        Io::new()
    }
}

impl Deref for Io {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0.main
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("namespaces", &self.0.namespaces.read().keys()).finish_non_exhaustive()
    }
}

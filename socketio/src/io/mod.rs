//! The application's view of the server: its settings, its namespaces by name, and the values that all handlers
//! share. What a namespace does is in [`namespace`](crate::namespace), and a session in
//! [`client`](crate::client).

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use engineio::CloseReason;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;

use crate::cluster::adapter::Adapter;
use crate::cluster::message::NodeId;
use crate::cluster::node::Node;
use crate::cluster::{Cluster, random_node_id};
use crate::handler::unhandled::{UnhandledCounts, UnhandledEvents};
use crate::io::config::Config;
use crate::io::shared::Shared;
use crate::namespace::parents::{Names, Parent, PatternError};
use crate::namespace::room::Selection;
use crate::namespace::{Common, Kind, Namespace, Siblings};
use crate::recovery::Recoveries;
use crate::recovery::settings::RecoveryCounts;

pub(crate) mod config;
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
    common: Arc<Common>,
    adapter: Option<Arc<dyn Adapter>>,
    main: Namespace,
    namespaces: RwLock<HashMap<Arc<str>, Namespace>>,
    /// How many of them clients have brought into being. It is changed under the lock on `namespaces` alone.
    dynamic: AtomicUsize,
    parents: RwLock<Vec<Parent>>,
    next_parent: AtomicU64,
    new_namespace: RwLock<Vec<NamespaceListener>>,
    sessions: AtomicUsize,
    closed: AtomicBool,
}

type NamespaceListener = Arc<dyn Fn(&Namespace) + Send + Sync>;

/// Why a name that a parent allows was not brought into being.
pub(crate) struct TooManyNamespaces;

impl Io {
    /// Creates an `Io` with the default settings.
    #[must_use]
    pub fn new() -> Io {
        Io::with_config(Config::default())
    }

    /// Creates an `Io` with these settings.
    #[must_use]
    pub fn with_config(config: Config) -> Io {
        Io::build(config, None)
    }

    /// Creates an `Io` that is a node of a cluster: `io.adapter(..)` in JavaScript. The adapter takes
    /// broadcasts to the other nodes.
    #[must_use]
    pub fn with_adapter(config: Config, adapter: impl Adapter) -> Io {
        Io::build(config, Some(Arc::new(adapter)))
    }

    fn build(config: Config, adapter: Option<Arc<dyn Adapter>>) -> Io {
        let io = Io(Arc::new_cyclic(|io: &Weak<State>| {
            let namespaces: Weak<dyn Siblings> = io.clone();
            let recoveries = config.recovery.clone().map(|settings| Arc::new(Recoveries::new(settings)));
            let cluster = adapter.as_ref().map(|adapter| {
                let (id, recovers) = (random_node_id(), recoveries.is_some());
                adapter.start(Node::new(namespaces.clone(), Arc::clone(&id), recovers));
                Cluster::new(Box::new(Arc::clone(adapter)), id, config.recovery.as_ref())
            });
            let common = Arc::new(Common {
                config,
                recoveries,
                unhandled: UnhandledEvents::default(),
                cluster,
                shared: Shared::default(),
                namespaces,
            });
            let name: Arc<str> = Arc::from("/");
            let main = Namespace::new(Arc::clone(&name), Kind::Plain, Arc::clone(&common));
            State {
                common,
                adapter,
                namespaces: RwLock::new(HashMap::from([(name, main.clone())])),
                main,
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
    pub fn config(&self) -> &Config {
        &self.0.common.config
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
        self.0.common.unhandled.counts()
    }

    /// How many recoveries have succeeded so far, and why others have failed; `None` if [`Config::recovery`]
    /// is off.
    #[must_use]
    pub fn recovery_counts(&self) -> Option<RecoveryCounts> {
        Some(self.0.common.recoveries.as_ref()?.counts())
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
    /// [`Config::cluster_timeout`]. Call it before the process ends, so that the others don't wait for its
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

/// # Namespaces
impl Io {
    /// Returns the namespace of that name, and creates it if it doesn't exist. Adds a leading slash if there
    /// is none.
    ///
    /// If a [pattern](Io::of_pattern) allows the name, the namespace becomes a child of that pattern's
    /// parent.
    pub fn of(&self, name: &str) -> Namespace {
        let name = if name.starts_with('/') { Cow::Borrowed(name) } else { Cow::Owned(format!("/{name}")) };
        if let Some(namespace) = self.namespace(&name) {
            return namespace;
        }
        let parent = {
            let parents = self.0.parents.read();
            parents.iter().find(|parent| parent.names.match_pattern(&name)).cloned()
        };
        let kind = parent.map_or(Kind::Plain, |parent| parent.namespace.child(false));
        let Ok(namespace) = self.create(&name, |_| {}, || Ok::<_, Infallible>(kind));
        namespace
    }

    /// The namespace of that name, if it is there.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.0.find(name)
    }

    /// All existing namespaces, in no particular order, without the parents of [`of_pattern`](Io::of_pattern)
    /// and [`of_dynamic`](Io::of_dynamic).
    #[must_use]
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.0.namespaces.read().values().cloned().collect()
    }

    /// Lets clients create namespaces by joining a name that the regular expression matches:
    /// `io.of(/^\/orders-\d+$/)` in JavaScript. It matches anywhere in the name unless you anchor it. The
    /// name begins with a slash.
    ///
    /// Returns the parent of these namespaces. The children use its handlers and middlewares, including those
    /// that you register later. A broadcast of the parent goes to the clients of all children. A child can
    /// have its own handlers, which come before the parent's.
    ///
    /// ```
    /// # use socketio::{Io, Socket};
    /// let io = Io::new();
    /// let orders = io.of_pattern(r"^/orders-\d+$")?;
    /// orders.on_connect(|socket: Socket| async move {
    ///     println!("a client in {}", socket.namespace().name());
    /// });
    /// orders.emit("closing time", ())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the pattern is not a regular expression in the syntax of the crate `regex-lite`.
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, PatternError> {
        Ok(self.add_parent(pattern, Names::pattern(pattern)?))
    }

    /// Lets clients create namespaces by joining a name that the function allows. The function gets the name
    /// and the client's auth: `io.of((name, auth, next) => ..)` in JavaScript. If the auth can't be read as
    /// `A`, the function is not called and doesn't allow the name; `serde_json::Value` reads any auth.
    ///
    /// Returns the parent, like [`of_pattern`](Io::of_pattern). The server tries parents in the order in
    /// which you created them.
    pub fn of_dynamic<A, F, Fut>(&self, function: F) -> Namespace
    where
        A: DeserializeOwned,
        F: Fn(String, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.add_parent("*", Names::function(function))
    }

    /// Calls a function for each namespace that is created from now on, before any client is in it:
    /// `io.on("new_namespace", ..)` in JavaScript.
    pub fn on_new_namespace(&self, listener: impl Fn(&Namespace) + Send + Sync + 'static) -> &Io {
        self.0.new_namespace.write().push(Arc::new(listener));
        self
    }

    /// Removes a namespace: see [`Namespace::close`]. Returns whether it existed.
    pub fn remove_namespace(&self, name: &str) -> bool {
        let namespace = self.namespace(name);
        if let Some(namespace) = &namespace {
            namespace.close();
        }
        namespace.is_some()
    }

    fn add_parent(&self, name: &str, names: Names) -> Namespace {
        let namespace = Namespace::new(Arc::from(name), Kind::Parent, Arc::clone(&self.0.common));
        let number = self.0.next_parent.fetch_add(1, Ordering::Relaxed);
        self.0.parents.write().push(Parent { number, namespace: namespace.clone(), names });
        namespace
    }

    /// Finds a namespace, or else creates it as what `kind` says, under the lock. `found` gets it before it can be
    /// let go.
    fn create<E>(
        &self,
        name: &str,
        found: impl Fn(&Namespace),
        kind: impl FnOnce() -> Result<Kind, E>,
    ) -> Result<Namespace, E> {
        let mut namespaces = self.0.namespaces.write();
        if let Some(namespace) = namespaces.get(name) {
            found(namespace);
            return Ok(namespace.clone());
        }
        let name: Arc<str> = Arc::from(name);
        let kind = kind()?;
        let namespace = Namespace::new(Arc::clone(&name), kind, Arc::clone(&self.0.common));
        found(&namespace);
        namespaces.insert(name, namespace.clone());
        if let Some(adapter) = self.adapter() {
            adapter.namespace_opened(&namespace);
        }
        drop(namespaces);
        let listeners = self.0.new_namespace.read().clone();
        for listener in listeners {
            listener(&namespace);
        }
        Ok(namespace)
    }
}

/// # For clients and namespaces
impl Io {
    /// The namespace of that name, if it is there, with a socket counted as present.
    pub(crate) fn enter(&self, name: &str) -> Option<Namespace> {
        let namespaces = self.0.namespaces.read();
        let namespace = namespaces.get(name)?;
        namespace.enter();
        Some(namespace.clone())
    }

    /// The namespace of that name, which a parent allows, with a socket counted as present.
    pub(crate) fn enter_child(&self, name: &str, parent: &Namespace) -> Result<Namespace, TooManyNamespaces> {
        let child = self.create(name, Namespace::enter, || {
            let dynamic = self.0.dynamic.load(Ordering::Relaxed);
            if dynamic >= self.config().max_dynamic_namespaces {
                return Err(TooManyNamespaces);
            }
            self.0.dynamic.store(dynamic + 1, Ordering::Relaxed);
            Ok(parent.child(true))
        })?;
        // The parent may have been closed since it was asked. Either it saw this child, or it is seen here.
        if parent.members().is_closed() && child.is_child_of(parent) {
            child.close();
        }
        Ok(child)
    }

    #[cfg(test)]
    pub(crate) fn node(&self, id: crate::NodeId) -> Node {
        let namespaces: Arc<dyn Siblings> = self.0.clone();
        Node::new(Arc::downgrade(&namespaces), id, false)
    }

    pub(crate) fn parents(&self) -> Vec<Parent> {
        self.0.parents.read().clone()
    }

    /// The parent of that number, unless it has been closed.
    pub(crate) fn parent(&self, number: u64) -> Option<Namespace> {
        let parents = self.0.parents.read();
        parents.iter().find(|parent| parent.number == number).map(|parent| parent.namespace.clone())
    }
}

impl Siblings for State {
    fn find(&self, name: &str) -> Option<Namespace> {
        if name == "/" {
            return Some(self.main.clone());
        }
        self.namespaces.read().get(name).cloned()
    }

    fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.common.cluster.as_ref()
    }

    fn children_of(&self, parent: &Namespace) -> Vec<Namespace> {
        let namespaces = self.namespaces.read();
        namespaces.values().filter(|namespace| namespace.is_child_of(parent)).cloned().collect()
    }

    /// Forgets a namespace that its last socket has left, unless another came.
    fn let_go(&self, namespace: &Namespace) {
        let mut namespaces = self.namespaces.write();
        if namespace.is_empty() {
            self.take_out(&mut namespaces, namespace);
        }
    }

    /// Forgets a namespace, or a parent.
    fn remove(&self, namespace: &Namespace) {
        self.parents.write().retain(|parent| parent.namespace != *namespace);
        self.take_out(&mut self.namespaces.write(), namespace);
    }
}

impl State {
    fn take_out(&self, namespaces: &mut HashMap<Arc<str>, Namespace>, namespace: &Namespace) {
        if namespaces.get(namespace.name()) == Some(namespace) {
            namespaces.remove(namespace.name());
            if namespace.is_dynamic() {
                self.dynamic.fetch_sub(1, Ordering::Relaxed);
            }
            if let Some(cluster) = self.cluster() {
                cluster.namespace_closed(namespace.name());
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

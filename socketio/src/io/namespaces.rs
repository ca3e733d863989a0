//! The namespaces of an [`Io`]: how they are found, created and removed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;

use super::{Io, State, TooManyNamespaces};
use crate::cluster::Cluster;
use crate::namespace::parents::{Names, Parent, PatternError};
use crate::namespace::{Kind, Namespace, Namespaces};

/// # Namespaces
impl Io {
    /// Returns the namespace of that name, and creates it if it doesn't exist. Adds a leading slash if there
    /// is none.
    ///
    /// If a [pattern](Io::of_pattern) allows the name, the namespace becomes a child of that pattern's
    /// parent.
    ///
    /// Clients can join a new namespace as soon as this returns. If the server already serves, add middlewares in
    /// [`on_new_namespace`](Io::on_new_namespace), so that no client comes before them.
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
    /// Clients can join as soon as this returns. If the server already serves, add middlewares with
    /// [`of_pattern_with`](Io::of_pattern_with), so that no client comes before them.
    ///
    /// # Errors
    /// If the pattern is not a regular expression in the syntax of the crate `regex-lite`.
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, PatternError> {
        self.of_pattern_with(pattern, |_| {})
    }

    /// The same as [`of_pattern`](Io::of_pattern), but no client can join before the function `prepare` has returned. It
    /// gets the parent, and can add middlewares and handlers to it.
    ///
    /// ```
    /// # use socketio::{ConnectError, Io, Socket};
    /// # let io = Io::new();
    /// io.of_pattern_with(r"^/orders-\d+$", |orders| {
    ///     orders.middleware(|socket: Socket| async move {
    ///         let token: String = socket.handshake().auth().unwrap_or_default();
    ///         if token == "secret" { Ok(()) } else { Err(ConnectError::new("not authorized")) }
    ///     });
    /// })?;
    /// # Ok::<(), socketio::PatternError>(())
    /// ```
    ///
    /// # Errors
    /// If the pattern is not a regular expression in the syntax of the crate `regex-lite`. `prepare` is not called then.
    pub fn of_pattern_with(
        &self,
        pattern: &str,
        prepare: impl FnOnce(&Namespace),
    ) -> Result<Namespace, PatternError> {
        Ok(self.add_parent(pattern, Names::pattern(pattern)?, prepare))
    }

    /// Lets clients create namespaces by joining a name that the function allows. The function gets the name
    /// and the client's auth: `io.of((name, auth, next) => ..)` in JavaScript. If the auth can't be read as
    /// `A`, the function is not called and doesn't allow the name; `serde_json::Value` reads any auth.
    ///
    /// Returns the parent, like [`of_pattern`](Io::of_pattern). The server tries parents in the order in
    /// which you created them. Clients can join as soon as this returns: see
    /// [`of_dynamic_with`](Io::of_dynamic_with).
    pub fn of_dynamic<A, F, Fut>(&self, function: F) -> Namespace
    where
        A: DeserializeOwned,
        F: Fn(String, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.of_dynamic_with(function, |_| {})
    }

    /// The same as [`of_dynamic`](Io::of_dynamic), but no client can join before the function `prepare` has returned: see
    /// [`of_pattern_with`](Io::of_pattern_with).
    pub fn of_dynamic_with<A, F, Fut>(&self, function: F, prepare: impl FnOnce(&Namespace)) -> Namespace
    where
        A: DeserializeOwned,
        F: Fn(String, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.add_parent("*", Names::function(function), prepare)
    }

    /// Calls a function for each namespace that is created from now on: `io.on("new_namespace", ..)` in JavaScript. No
    /// client can join before the function has returned, so it can add middlewares and handlers.
    ///
    /// Only the function itself can find the namespace until then, with [`of`](Io::of). Other threads that call `of` with
    /// that name wait, so the function must not wait for one of them.
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

    fn add_parent(&self, name: &str, names: Names, prepare: impl FnOnce(&Namespace)) -> Namespace {
        let namespace = Namespace::new(Arc::from(name), Kind::Parent, Arc::clone(&self.0.core));
        prepare(&namespace);
        let number = self.0.next_parent.fetch_add(1, Ordering::Relaxed);
        let mut parents = self.0.parents.write();
        // The function may have closed it.
        if !namespace.members().is_closed() {
            parents.push(Parent { number, namespace: namespace.clone(), names });
        }
        drop(parents);
        namespace
    }

    /// Finds or creates a namespace. `kind` is called for a new one. `found` is called before the namespace can be removed
    /// again.
    fn create<E>(
        &self,
        name: &str,
        found: impl Fn(&Namespace),
        kind: impl FnOnce() -> Result<Kind, E>,
    ) -> Result<Namespace, E> {
        let find = || {
            let namespaces = self.0.namespaces.read();
            namespaces.get(name).inspect(|namespace| found(namespace)).cloned()
        };
        let new = || {
            let namespace = Namespace::new(Arc::from(name), kind()?, Arc::clone(&self.0.core));
            found(&namespace);
            Ok(namespace)
        };
        let (namespace, is_new) = self.0.creations.begin(name, find, new)?;
        if is_new {
            Creating { state: &self.0, namespace: &namespace, is_told: false }.tell();
        }
        Ok(namespace)
    }
}

/// A namespace that the listeners are told of. At the end it can be found, unless one of them has panicked.
struct Creating<'a> {
    state: &'a State,
    namespace: &'a Namespace,
    is_told: bool,
}

impl Creating<'_> {
    /// Also tells listeners that are added meanwhile: who registers one and then looks which namespaces there are misses
    /// none.
    fn tell(mut self) {
        for number in 0.. {
            let listeners = self.state.new_namespace.read();
            let Some(listener) = listeners.get(number).cloned() else {
                self.is_told = true;
                // With the lock on the listeners.
                drop(self);
                return;
            };
            drop(listeners);
            listener(self.namespace);
        }
    }
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        let Creating { state, namespace, is_told } = self;
        state.creations.end(namespace, |is_closed| {
            if is_closed || !*is_told {
                return state.forget(namespace);
            }
            let mut namespaces = state.namespaces.write();
            namespaces.insert(Arc::from(namespace.name()), namespace.clone());
            if let Some(adapter) = &state.adapter {
                adapter.namespace_opened(namespace);
            }
        });
    }
}

/// # For clients and namespaces
impl Io {
    /// The namespace of that name, if it exists. Counts a socket as present.
    pub(crate) fn enter(&self, name: &str) -> Option<Namespace> {
        let namespaces = self.0.namespaces.read();
        let namespace = namespaces.get(name)?;
        namespace.enter();
        Some(namespace.clone())
    }

    /// The namespace of that name, which a parent allows. Counts a socket as present.
    pub(crate) fn enter_child(&self, name: &str, parent: &Namespace) -> Result<Namespace, TooManyNamespaces> {
        let child = self.create(name, Namespace::enter, || {
            let most = self.config().max_dynamic_namespaces;
            let counted = |dynamic| (dynamic < most).then_some(dynamic + 1);
            let is_one_more = self.0.dynamic.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
            is_one_more.map(|_| parent.child(true)).map_err(|_| TooManyNamespaces)
        })?;
        // The parent may have been closed since it was asked. Either its close saw this child, or this sees the
        // close.
        if parent.members().is_closed() && child.is_child_of(parent) {
            child.close();
        }
        Ok(child)
    }

    #[cfg(test)]
    pub(crate) fn node(&self, id: crate::NodeId) -> crate::Node {
        let namespaces: Arc<dyn Namespaces> = self.0.clone();
        crate::Node::new(Arc::downgrade(&namespaces), id, false)
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

impl Namespaces for State {
    fn find(&self, name: &str) -> Option<Namespace> {
        if name == "/" {
            return Some(self.main.clone());
        }
        let found = self.namespaces.read().get(name).cloned();
        found.or_else(|| self.creations.find(name))
    }

    fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.core.cluster.as_ref()
    }

    fn children_of(&self, parent: &Namespace) -> Vec<Namespace> {
        let namespaces = self.namespaces.read();
        namespaces.values().filter(|namespace| namespace.is_child_of(parent)).cloned().collect()
    }

    /// Removes a namespace that its last socket has left, unless another has joined.
    fn let_go(&self, namespace: &Namespace) {
        let mut namespaces = self.namespaces.write();
        if namespace.is_empty() {
            self.take_out(&mut namespaces, namespace);
        }
    }

    /// Forgets a namespace, or a parent.
    fn remove(&self, namespace: &Namespace) {
        self.parents.write().retain(|parent| parent.namespace != *namespace);
        self.creations.close(namespace);
        self.take_out(&mut self.namespaces.write(), namespace);
    }
}

impl State {
    fn take_out(&self, namespaces: &mut HashMap<Arc<str>, Namespace>, namespace: &Namespace) {
        if namespaces.get(namespace.name()) == Some(namespace) {
            namespaces.remove(namespace.name());
            self.forget(namespace);
            if let Some(cluster) = self.cluster() {
                cluster.namespace_closed(namespace.name());
            }
        }
    }

    /// A namespace is there no more.
    fn forget(&self, namespace: &Namespace) {
        if namespace.is_dynamic() {
            self.dynamic.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

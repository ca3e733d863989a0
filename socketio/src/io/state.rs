//! What all handlers of an [`Io`] share: values, one of each type.

use std::any::type_name;
use std::sync::Arc;

use crate::io::Io;
use crate::namespace::Namespace;
use crate::socket::Socket;

impl Io {
    /// Keeps a value for all handlers of all namespaces, one of each type: a pool of connections, settings, scores.
    /// They get it by [`Socket::state`], so no handler has to own it. Returns the one that was there.
    ///
    /// Call it before clients come. What belongs to one socket is kept there: [`Socket::insert`].
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use socketio::{Io, Socket};
    ///
    /// #[derive(Default)]
    /// struct Visits(AtomicU32);
    ///
    /// let io = Io::new();
    /// io.set_state(Visits::default());
    /// io.on("visit", |socket: Socket, ()| async move {
    ///     socket.state::<Visits>().0.fetch_add(1, Ordering::Relaxed) + 1
    /// });
    /// ```
    pub fn set_state<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        self.shared().set(value)
    }
}

impl Namespace {
    /// The value of that type from [`Io::set_state`].
    ///
    /// # Panics
    /// If there is no value of that type. [`try_state`](Namespace::try_state) doesn't panic.
    #[must_use]
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self) -> Arc<T> {
        match self.try_state() {
            Some(value) => value,
            None => panic!("there is no state of type `{}`: call `io.set_state(..)` first", type_name::<T>()),
        }
    }

    /// The value of that type from [`Io::set_state`]; `None` if there is none.
    #[must_use]
    pub fn try_state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.shared().get()
    }
}

impl Socket {
    /// The value of that type that all handlers share.
    ///
    /// # Panics
    /// If there is no value of that type, which ends this socket: see [`Io::set_state`].
    /// [`Namespace::try_state`] doesn't panic.
    #[must_use]
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self) -> Arc<T> {
        self.namespace().state()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Peer;

    #[derive(Debug, PartialEq)]
    struct Name(&'static str);

    #[tokio::test]
    async fn handlers_of_all_namespaces_share_one_value_of_each_type() {
        let io = Io::new();
        assert_eq!(io.set_state(Name("first")), None);
        assert_eq!(io.set_state(Name("second")).as_deref(), Some(&Name("first")));
        io.set_state(7_u8);
        let child = io.of_pattern("^/child$").unwrap();
        child.on(
            "name",
            |socket: Socket, ()| async move { (socket.state::<Name>().0, *socket.state::<u8>()) },
        );
        let mut peer = Peer::join(&io);
        peer.send("0/child,");
        peer.take();
        peer.send(r#"2/child,1["name"]"#);
        assert_eq!(peer.take(), [r#"3/child,1["second",7]"#]);
        assert!(Arc::ptr_eq(&io.state::<Name>(), &io.of("/child").state()));
        assert_eq!(io.try_state::<u16>(), None);
    }

    #[test]
    #[should_panic(expected = "there is no state of type `u16`: call `io.set_state(..)` first")]
    fn a_state_that_is_missing_is_named() {
        let _ = Io::new().state::<u16>();
    }
}

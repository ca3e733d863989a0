//! Catch-all listeners: they see events come and go, and change nothing.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::args::event::Event;
use crate::handler::Handlers;
use crate::socket::Socket;

/// Sees the events of a socket.
pub(crate) type Listener = Arc<dyn Fn(&Socket, &Event) + Send + Sync>;

/// The catch-all listeners of a namespace or of one socket, in the order in which they are called.
#[derive(Default)]
pub(crate) struct Listeners {
    next_id: u64,
    incoming: Vec<(u64, Listener)>,
    outgoing: Vec<(u64, Listener)>,
}

/// Which way an event goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Incoming,
    Outgoing,
}

/// Where a listener is put among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    First,
    Last,
}

/// A catch-all listener that was registered, to remove it. If this is dropped, the listener stays.
///
/// ```
/// use socketio::Io;
///
/// fn watch_for_a_while(io: &Io) {
///     let listener = io.on_any(|_, event| println!("{}", event.name()));
///     listener.remove();
/// }
/// ```
pub struct ListenerHandle {
    handlers: Weak<Handlers>,
    id: u64,
}

impl ListenerHandle {
    pub(crate) fn new(handlers: &Arc<Handlers>, id: u64) -> ListenerHandle {
        ListenerHandle { handlers: Arc::downgrade(handlers), id }
    }

    /// Removes the listener: `offAny` and `offAnyOutgoing` in JavaScript.
    pub fn remove(self) {
        if let Some(handlers) = self.handlers.upgrade() {
            let removed = handlers.register(|table| table.listeners.remove(self.id));
            // What it owns is dropped here, and not under the lock.
            drop(removed);
        }
    }
}

impl fmt::Debug for ListenerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerHandle").finish_non_exhaustive()
    }
}

impl Listeners {
    pub(crate) fn add(&mut self, direction: Direction, place: Place, listener: Listener) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let list = match direction {
            Direction::Incoming => &mut self.incoming,
            Direction::Outgoing => &mut self.outgoing,
        };
        list.insert(if place == Place::First { 0 } else { list.len() }, (id, listener));
        id
    }

    fn remove(&mut self, id: u64) -> Option<Listener> {
        [&mut self.incoming, &mut self.outgoing].into_iter().find_map(|list| {
            let at = list.iter().position(|(listener, _)| *listener == id)?;
            Some(list.remove(at).1)
        })
    }

    pub(crate) fn of(&self, direction: Direction) -> impl Iterator<Item = Listener> {
        let list = match direction {
            Direction::Incoming => &self.incoming,
            Direction::Outgoing => &self.outgoing,
        };
        list.iter().map(|(_, listener)| Arc::clone(listener))
    }
}

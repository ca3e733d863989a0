//! Events of rooms that listeners have not been told yet.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::namespace::room::Room;
use crate::namespace::room_event::RoomEvent;

/// What is in rooms: a [`Socket`](crate::Socket).
pub(crate) trait Member: Clone {
    /// Its id, which no other member of a table has.
    fn id(&self) -> &str;

    /// The room that is named by its id.
    fn room(&self) -> Room;

    /// Tells members apart, including those that have left.
    fn address(&self) -> *const ();

    /// Whether it may join and leave rooms.
    fn is_connected(&self) -> bool;

    /// Whether there are listeners for changes of its rooms.
    fn listens(&self) -> bool;

    /// Whether there are [observers](engineio::observe).
    fn is_observed(&self) -> bool;

    /// Tells what happened. No lock is held.
    fn tell(&self, events: &VecDeque<PendingEvent<Self>>);
}

/// Events that listeners have not been told yet. They are queued under the lock on the rooms, in the order in which
/// they happen. One thread at a time tells the listeners, without the lock, so listeners get them in that order and
/// may call anything.
pub(crate) struct PendingEvents<S> {
    events: VecDeque<PendingEvent<S>>,
    /// A thread is telling the listeners. Other threads leave their events to it.
    telling: bool,
}

/// An event, and its socket if there are [observers](engineio::observe).
pub(crate) struct PendingEvent<S> {
    pub(crate) event: RoomEvent,
    pub(crate) observed: Option<S>,
}

impl<S> From<RoomEvent> for PendingEvent<S> {
    fn from(event: RoomEvent) -> PendingEvent<S> {
        PendingEvent { event, observed: None }
    }
}

impl<S> Default for PendingEvents<S> {
    fn default() -> PendingEvents<S> {
        PendingEvents { events: VecDeque::new(), telling: false }
    }
}

impl<S: Member> PendingEvents<S> {
    pub(crate) fn joined(&mut self, room: &Room, socket: &S, is_first: impl FnOnce() -> bool) {
        let listened = socket.listens();
        if listened && is_first() {
            self.events.push_back(RoomEvent::Created { room: Arc::clone(room) }.into());
        }
        self.moved(listened, socket, |socket| RoomEvent::Joined { room: Arc::clone(room), socket });
    }

    pub(crate) fn left(&mut self, room: &Room, socket: &S, was_last: impl FnOnce() -> bool) {
        let listened = socket.listens();
        self.moved(listened, socket, |socket| RoomEvent::Left { room: Arc::clone(room), socket });
        if listened && was_last() {
            self.events.push_back(RoomEvent::Deleted { room: Arc::clone(room) }.into());
        }
    }

    fn moved(&mut self, listened: bool, socket: &S, event: impl FnOnce(Room) -> RoomEvent) {
        let observed = socket.is_observed().then(|| socket.clone());
        if listened || observed.is_some() {
            self.events.push_back(PendingEvent { event: event(socket.room()), observed });
        }
    }

    /// Takes the events. The caller must tell them, and then call [`next`](PendingEvents::next).
    pub(crate) fn begin(&mut self) -> Option<VecDeque<PendingEvent<S>>> {
        (!self.telling).then(|| self.next())?
    }

    /// Takes the events that were queued meanwhile; `None` if there are none.
    pub(crate) fn next(&mut self) -> Option<VecDeque<PendingEvent<S>>> {
        self.telling = !self.events.is_empty();
        self.telling.then(|| std::mem::take(&mut self.events))
    }
}

//! What happened to rooms, until listeners are told, and what is known here of a socket.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::namespace::room::Room;
use crate::namespace::room_event::RoomEvent;

/// What is in rooms: a [`Socket`](crate::Socket).
pub(crate) trait Member: Clone {
    /// Its id. Of those in a table, it alone has it.
    fn id(&self) -> &str;

    /// The room that is named by its id.
    fn room(&self) -> Room;

    /// Tells members apart, those that have left included.
    fn address(&self) -> *const ();

    /// Whether it may join and leave rooms.
    fn is_connected(&self) -> bool;

    /// Whether somebody listens for what happens to its rooms.
    fn listens(&self) -> bool;

    /// Whether somebody [observes](engineio::observe) it.
    fn is_observed(&self) -> bool;

    /// Tells what happened. No lock is held.
    fn tell(&self, events: &VecDeque<Happened<Self>>);
}

/// Events that listeners have not been told yet. They are noted under the lock on the rooms, in the order in
/// which they happen, and told without it, by one thread at a time: so listeners hear them in that order,
/// and may do what they like.
pub(crate) struct Untold<S> {
    events: VecDeque<Happened<S>>,
    /// Somebody is telling listeners. Whoever else comes along leaves their events to them.
    telling: bool,
}

/// An event, and the socket that it is about if somebody [observes](engineio::observe) it.
pub(crate) struct Happened<S> {
    pub(crate) event: RoomEvent,
    pub(crate) observed: Option<S>,
}

impl<S> From<RoomEvent> for Happened<S> {
    fn from(event: RoomEvent) -> Happened<S> {
        Happened { event, observed: None }
    }
}

impl<S> Default for Untold<S> {
    fn default() -> Untold<S> {
        Untold { events: VecDeque::new(), telling: false }
    }
}

impl<S: Member> Untold<S> {
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
            self.events.push_back(Happened { event: event(socket.room()), observed });
        }
    }

    /// Takes the events to be told, and with them the duty to tell them and to come back for more.
    pub(crate) fn begin(&mut self) -> Option<VecDeque<Happened<S>>> {
        (!self.telling).then(|| self.next())?
    }

    /// Takes the events that came meanwhile. Without any, the duty ends.
    pub(crate) fn next(&mut self) -> Option<VecDeque<Happened<S>>> {
        self.telling = !self.events.is_empty();
        self.telling.then(|| std::mem::take(&mut self.events))
    }
}

//! Catch-all listeners: they see incoming and outgoing events, and change nothing.

/// The catch-all listeners of a namespace or of one socket, in the order in which they are called.
pub(crate) struct Listeners<L> {
    next_id: u64,
    incoming: Vec<(u64, L)>,
    outgoing: Vec<(u64, L)>,
}

/// Which way an event goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum EventDirection {
    Incoming,
    Outgoing,
}

/// Where a listener is put among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ListenerPosition {
    First,
    Last,
}

impl<L> Default for Listeners<L> {
    fn default() -> Listeners<L> {
        Listeners { next_id: 0, incoming: Vec::new(), outgoing: Vec::new() }
    }
}

impl<L: Clone> Listeners<L> {
    pub(crate) fn add(&mut self, direction: EventDirection, place: ListenerPosition, listener: L) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let list = match direction {
            EventDirection::Incoming => &mut self.incoming,
            EventDirection::Outgoing => &mut self.outgoing,
        };
        list.insert(if place == ListenerPosition::First { 0 } else { list.len() }, (id, listener));
        id
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<L> {
        [&mut self.incoming, &mut self.outgoing].into_iter().find_map(|list| {
            let at = list.iter().position(|(listener, _)| *listener == id)?;
            Some(list.remove(at).1)
        })
    }

    pub(crate) fn of(&self, direction: EventDirection) -> impl Iterator<Item = L> {
        let list = match direction {
            EventDirection::Incoming => &self.incoming,
            EventDirection::Outgoing => &self.outgoing,
        };
        list.iter().map(|(_, listener)| listener.clone())
    }
}

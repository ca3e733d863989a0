//! Sending to many.

use std::fmt;

use crate::Socket;
use crate::args::ToArgs;
use crate::error::SendError;
use crate::listener::Direction;
use crate::namespace::Namespace;
use crate::rooms::{Room, Selection};

/// A choice of sockets in a namespace, to send to them.
///
/// ```
/// # let io = socketio::Io::new();
/// io.to("room 1").to("room 2").except("quiet").emit("news", "hello")?;
/// # Ok::<(), socketio::SendError>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    namespace: Namespace,
    selection: Selection,
    volatile: bool,
}

impl Broadcast {
    pub(crate) fn new(namespace: Namespace) -> Broadcast {
        Broadcast { namespace, selection: Selection::default(), volatile: false }
    }

    /// Only sockets in that room, or in any of several. A socket in more than one gets the event once.
    pub fn to(mut self, room: impl Into<Room>) -> Broadcast {
        self.selection.within.push(room.into());
        self
    }

    /// The same as [`to`](Broadcast::to): `in` is a keyword in Rust.
    pub fn within(self, room: impl Into<Room>) -> Broadcast {
        self.to(room)
    }

    /// No sockets in that room. A socket's id names a room that it alone is in.
    pub fn except(mut self, room: impl Into<Room>) -> Broadcast {
        self.selection.except.push(room.into());
        self
    }

    /// Lets the event be lost to those to whom it can't be written at once.
    pub fn volatile(mut self) -> Broadcast {
        self.volatile = true;
        self
    }

    /// Sends an event to all of them. A client whose send queue is full is disconnected.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`]; nothing is sent then.
    pub fn emit(&self, event: &str, args: impl ToArgs) -> Result<(), SendError> {
        let watched = self.namespace.is_watched(Direction::Outgoing);
        let event = self.namespace.encode(event, None, args, watched)?;
        let mut sent_to = Vec::new();
        self.namespace.rooms().for_each(&self.selection, |socket| {
            let sent = match self.volatile {
                true => socket.push_volatile(&event.frames),
                false => socket.push_or_close(&event.frames),
            };
            if sent && watched {
                sent_to.push(socket.clone());
            }
        });
        sent_to.iter().for_each(|socket| socket.show_outgoing(&event));
        Ok(())
    }

    /// The sockets themselves, in no particular order.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        self.namespace.rooms().for_each(&self.selection, |socket| sockets.push(socket.clone()));
        sockets
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("namespace", &self.namespace.name())
            .field("selection", &self.selection)
            .field("volatile", &self.volatile)
            .finish()
    }
}

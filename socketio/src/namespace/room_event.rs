//! What happens to a room.

use std::sync::Arc;

use crate::namespace::room::Room;

/// Something happened to a room. Each socket is also in a room that has its id as name.
///
/// ```
/// use socketio::{Io, RoomEvent};
///
/// fn watch(io: &Io) {
///     io.on_room_event(|event| match event {
///         RoomEvent::Created { room } => println!("{room} is new"),
///         RoomEvent::Joined { room, socket } => println!("{socket} is in {room}"),
///         RoomEvent::Left { .. } | RoomEvent::Deleted { .. } => {}
///     });
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The first socket is joining a room: `create-room` in JavaScript.
    Created {
        /// The room.
        room: Room,
    },
    /// A socket has joined a room: `join-room`.
    Joined {
        /// The room.
        room: Room,
        /// The socket's id.
        socket: Room,
    },
    /// A socket has left a room: `leave-room`.
    Left {
        /// The room.
        room: Room,
        /// The socket's id.
        socket: Room,
    },
    /// The last socket has left a room: `delete-room`.
    Deleted {
        /// The room.
        room: Room,
    },
}

pub(crate) type RoomListener = Arc<dyn Fn(&RoomEvent) + Send + Sync>;

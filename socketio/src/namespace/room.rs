//! Rooms, and selections of sockets by rooms.

use std::sync::Arc;

use crate::error::JoinError;

/// A room's name.
pub type Room = Arc<str>;

/// A selection of sockets: those in any of `rooms`, or all if there are none, but in none of `except`.
///
/// ```
/// use socketio::Selection;
///
/// // What `io.to("a").to("b").except("c")` selects.
/// let selection = Selection { rooms: vec!["a".into(), "b".into()], except: vec!["c".into()] };
/// assert_eq!(selection.rooms.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The rooms whose sockets are selected; empty for all sockets.
    pub rooms: Vec<Room>,
    /// The rooms whose sockets are not meant.
    pub except: Vec<Room>,
}

/// Adds rooms to those that a socket has joined, and returns the new ones. If they are too many, it adds none.
pub(crate) fn add_rooms(
    joined: &mut Vec<Room>,
    rooms: &[Room],
    own: &str,
    limit: usize,
) -> Result<Vec<Room>, JoinError> {
    let before = joined.len();
    for room in rooms {
        // It always is in its own.
        if **room == *own || joined.contains(room) {
            continue;
        }
        if joined.len() >= limit {
            joined.truncate(before);
            return Err(JoinError::TooManyRooms);
        }
        joined.push(Arc::clone(room));
    }
    Ok(joined[before..].to_vec())
}

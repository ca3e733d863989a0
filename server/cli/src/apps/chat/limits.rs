//! What names, messages and people have at most.

/// The characters that a name, and a room's, can have.
pub(super) const MAX_NAME: usize = 24;
/// The characters that a message can have.
pub(super) const MAX_TEXT: usize = 4000;
/// The rooms that one can be in.
pub(super) const MAX_ROOMS: usize = 32;
/// What the names of guests begin with, and no others.
pub(super) const GUEST: &str = "guest-";

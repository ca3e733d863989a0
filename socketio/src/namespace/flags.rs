//! How an event is sent.

use std::time::Duration;

/// How an event is sent to many.
///
/// ```
/// use socketio::{Flags, MessageBody};
///
/// fn flags(body: &MessageBody) -> Option<&Flags> {
///     let MessageBody::Broadcast { flags, .. } = body else { return None };
///     Some(flags)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flags {
    /// Clients to which it can't be written at once don't get it.
    pub volatile: bool,
    /// Other nodes don't get it.
    pub local: bool,
    /// Whether it asks to be compressed; `None` is the same as yes.
    pub compress: Option<bool>,
    /// How long answers are awaited.
    pub timeout: Option<Duration>,
}

//! A message for plain WebSockets, encoded once.

use crate::{Frame, Message};

/// A message to be sent to plain WebSockets: a string is sent as text, bytes as binary. It is encoded once, and
/// clones share it, so create one for all receivers.
///
/// ```
/// use engineio::plain::Outgoing;
///
/// let news = Outgoing::from("hi");
/// assert_eq!(news.len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Outgoing(Frame);

impl Outgoing {
    pub(super) fn frame(&self) -> &Frame {
        &self.0
    }

    /// The same message, which is sent as it is even to peers that agreed to compression.
    #[must_use]
    pub fn uncompressed(self) -> Outgoing {
        Outgoing(self.0.uncompressed())
    }

    /// The length of its payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.packet().len()
    }

    /// Whether its payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M: Into<Message>> From<M> for Outgoing {
    fn from(message: M) -> Outgoing {
        Outgoing(Frame::plain(&message.into()))
    }
}

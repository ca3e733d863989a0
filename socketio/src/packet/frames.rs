//! A packet that is written, and what may be added to it.

use crate::recovery::offset::Offset;
use engineio::Frame;

/// The frames of one packet, which are sent together.
#[derive(Clone, Debug)]
pub(crate) enum Frames {
    One(Frame),
    /// The default parser's text, and its attachments after it.
    Many(Vec<Frame>),
}

impl Frames {
    pub(crate) fn as_slice(&self) -> &[Frame] {
        match self {
            Frames::One(frame) => std::slice::from_ref(frame),
            Frames::Many(frames) => frames,
        }
    }

    /// The same packet, which asks not to be compressed.
    pub(crate) fn uncompressed(self) -> Frames {
        match self {
            Frames::One(frame) => Frames::One(frame.uncompressed()),
            Frames::Many(frames) => Frames::Many(frames.into_iter().map(Frame::uncompressed).collect()),
        }
    }
}

/// What is after the arguments of an event, for the connection state recovery. Clients take the last
/// element of any event for an offset if it is a string, the event's name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    None,
    /// The event's offset.
    Offset(Offset),
    /// Where the last element is a string, a `null` that keeps it from being taken for an offset.
    NoString,
}

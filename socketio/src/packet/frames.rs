//! An encoded packet, and what can be appended to it.

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

    /// The same packet, marked not to be compressed.
    pub(crate) fn uncompressed(self) -> Frames {
        match self {
            Frames::One(frame) => Frames::One(frame.uncompressed()),
            Frames::Many(frames) => Frames::Many(frames.into_iter().map(Frame::uncompressed).collect()),
        }
    }
}

/// What is appended to the arguments of an event, for the connection state recovery. If the last element of an event
/// is a string, even its name, clients take it for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    None,
    /// The event's offset.
    Offset(Offset),
    /// A `null` after a last element that is a string, so that clients don't take it for an offset.
    NoString,
}

//! An event on its way out of a namespace, written once for all who get it.

use std::sync::Arc;

use super::Namespace;
use crate::args::event::Event;
use crate::args::{ToArgs, event};
use crate::error::SendError;
use crate::namespace::flags::Flags;
use crate::packet::frames::{Frames, Tail};
use crate::recovery::kept::Kept;
use crate::recovery::offset::Offset;

/// An event on its way out.
pub(crate) struct Outgoing {
    pub(crate) frames: Frames,
    /// The event as it was, if anybody wants to see it.
    pub(crate) event: Option<Event>,
    /// The event as those get it who miss it.
    pub(crate) kept: Option<Arc<Kept>>,
}

/// What becomes of an event, without an acknowledgement, that a client misses because it has lost its
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// It gets it when it comes back.
    Kept,
    /// The same, and it has this offset already.
    At(Offset),
    /// It doesn't, but the event must not be taken for one that is kept.
    Volatile,
    /// It is of those that can't come back.
    Never,
}

impl Recall {
    /// Of an event that is sent to those who can come back.
    pub(crate) fn of(flags: Flags) -> Recall {
        if flags.volatile { Recall::Volatile } else { Recall::Kept }
    }
}

impl Namespace {
    /// Writes an event, of whose flags only `compress` matters here. If it is `watched`, whoever looks at it
    /// later need not read the frames.
    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
        recall: Recall,
        watched: bool,
    ) -> Result<Outgoing, SendError> {
        let recovery = self.recovery().filter(|_| id.is_none() && recall != Recall::Never);
        let tail = match recovery {
            None => Tail::None,
            Some(recovery) => match recall {
                Recall::Volatile => Tail::NoString,
                Recall::At(offset) => Tail::Offset(offset),
                _ => Tail::Offset(recovery.shared().next_offset()),
            },
        };
        let parser = &self.config().parser;
        let mut outgoing = if watched {
            let event = Event::outgoing(event, args)?;
            let frames = parser.event(self.name(), id, event.name(), event.args(), tail)?;
            Outgoing { frames, event: Some(event), kept: None }
        } else {
            event::check_name(event)?;
            let frames = parser.event(self.name(), id, event, args, tail)?;
            Outgoing { frames, event: None, kept: None }
        };
        if flags.compress == Some(false) {
            outgoing.frames = outgoing.frames.uncompressed();
        }
        if let (Some(recovery), Tail::Offset(offset)) = (recovery, tail) {
            outgoing.kept = Some(recovery.keep(offset, &outgoing.frames));
        }
        Ok(outgoing)
    }
}

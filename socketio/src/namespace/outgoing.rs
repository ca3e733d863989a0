//! An event for one socket or many, encoded once.

use std::sync::Arc;

use super::Namespace;
use crate::args::event::Event;
use crate::args::{ToArgs, event};
use crate::error::SendError;
use crate::namespace::flags::Flags;
use crate::packet::frames::{Frames, Tail};
use crate::recovery::kept::KeptEvent;
use crate::recovery::offset::Offset;

/// An event that is being sent.
pub(crate) struct Outgoing {
    pub(crate) frames: Frames,
    /// The event itself, if it was kept for listeners or other nodes.
    pub(crate) event: Option<Event>,
    /// The event for clients that are away, which get it when they recover.
    pub(crate) kept: Option<Arc<KeptEvent>>,
}

/// Whether a client that has lost its connection can get an event later. Events with an acknowledgement never can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// It can, when it comes back.
    Kept,
    /// It can, and the event already has this offset.
    At(Offset),
    /// It can't, since the event is volatile. The client must not take the last argument for an offset.
    Volatile,
    /// It can't: the event asks for an acknowledgement, or the client can't recover.
    Never,
}

impl Recall {
    /// A volatile event can't be recovered; any other event can.
    pub(crate) fn of(flags: Flags) -> Recall {
        if flags.volatile { Recall::Volatile } else { Recall::Kept }
    }
}

impl Namespace {
    /// Encodes an event. Of the flags, only `compress` matters here. With `with_event`, the event itself is kept too,
    /// for listeners and other nodes.
    pub(crate) fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: impl ToArgs,
        flags: Flags,
        recall: Recall,
        with_event: bool,
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
        let mut outgoing = if with_event {
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

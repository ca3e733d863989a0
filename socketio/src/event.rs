//! An event on its way in or out, for whoever looks at it.

use bytestring::ByteString;

use crate::Args;

/// An event: its name and its arguments. Cloning it is cheap.
///
/// Catch-all listeners and event middlewares get it. It doesn't tell whether an acknowledgement is asked for.
#[derive(Clone, Debug)]
pub struct Event {
    name: ByteString,
    args: Args,
}

impl Event {
    pub(crate) fn new(name: impl Into<ByteString>, args: Args) -> Event {
        Event { name: name.into(), args }
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The event's arguments, as they are on the wire.
    #[must_use]
    pub fn args(&self) -> &Args {
        &self.args
    }

    pub(crate) fn into_parts(self) -> (ByteString, Args) {
        (self.name, self.args)
    }
}

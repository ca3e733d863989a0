//! An incoming or outgoing event, for listeners and middlewares.

use bytestring::ByteString;

use crate::args::raw_json::RawJson;
use crate::args::{Args, ToArgs};
use crate::error::SendError;
use crate::packet::array::RESERVED_EVENTS;
use crate::packet::error::PacketViolation;
use crate::packet::read_event;

/// An event: its name and its arguments. Cloning it is cheap.
///
/// Catch-all listeners and event middlewares get it. It doesn't say whether the client asked for an acknowledgement.
///
/// ```
/// use socketio::{Event, Io, Socket};
///
/// fn log(io: &Io) {
///     io.on_any(|socket: &Socket, event: &Event| {
///         println!("{} sent {} {}", socket.id(), event.name(), event.args().json());
///     });
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    name: ByteString,
    args: Args,
}

/// Checks that an application may use the name.
pub(crate) fn check_name(name: &str) -> Result<(), SendError> {
    if RESERVED_EVENTS.contains(&name) { Err(SendError::ReservedEvent) } else { Ok(()) }
}

impl Event {
    /// An event that the application sends.
    ///
    /// # Errors
    /// [`SendError::ReservedEvent`] and [`SendError::Serialize`].
    pub fn outgoing(name: &str, args: impl ToArgs) -> Result<Event, SendError> {
        check_name(name)?;
        Ok(Event::new(name.to_owned(), Args::new(args)?))
    }

    /// The event that another node or program sent: an array that begins with its name. Adapters need this.
    ///
    /// # Errors
    /// If it is not such an array, if the name is reserved for the protocol, or if a placeholder has no
    /// attachment.
    pub fn from_raw(array: RawJson) -> Result<Event, PacketViolation> {
        let (json, attachments) = array.into_parts();
        let mut event = read_event(json, None, attachments.len(), true)?;
        event.args.attach(attachments);
        Ok(Event::new(event.name, event.args))
    }

    /// The event as an array that begins with its name.
    #[must_use]
    pub fn to_raw(&self) -> RawJson {
        self.args.to_raw_behind(&self.name)
    }

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

    /// About how many bytes it takes to keep the event.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Event>() + self.name.len() + self.args.cost()
    }

    pub(crate) fn into_parts(self) -> (ByteString, Args) {
        (self.name, self.args)
    }
}

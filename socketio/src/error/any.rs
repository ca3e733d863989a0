//! One error for all, so that `?` takes each in a handler.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{AckError, JoinError, SendError};
use crate::args::ArgsError;
use crate::cluster::error::{ClusterError, ServerSideError};
use crate::cluster::fetched::FetchError;
use crate::namespace::parents::PatternError;

/// Any error of this crate. `?` makes one of each, and of those of `serde_json`.
///
/// It serialises as its message, so a handler that returns it answers the client with that.
///
/// ```
/// # use socketio::{Args, Error, Io, Socket};
/// # let io = Io::new();
/// io.on("enter", |socket: Socket, args: Args| async move {
///     let (room, text): (String, String) = args.read()?;
///     socket.join(&*room)?;
///     socket.set_data("room", &room)?;
///     socket.to(room).emit("entered", text)?;
///     let answer: String = socket.emit_with_ack("welcome", ()).await?;
///     Ok::<_, Error>(answer)
/// });
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An event was not sent.
    Send(SendError),
    /// An event was not acknowledged.
    Ack(AckError),
    /// A socket did not join a room.
    Join(JoinError),
    /// Arguments are not what was expected.
    Args(ArgsError),
    /// Other nodes could not be asked.
    Cluster(ClusterError),
    /// Not all sockets could be fetched.
    Fetch(FetchError),
    /// Other servers did not answer an event.
    ServerSide(ServerSideError),
    /// A pattern of namespaces is not a regular expression.
    Pattern(PatternError),
    /// A value can't be written as JSON, or JSON is not what was expected.
    Json(serde_json::Error),
}

/// Applies an expression to the error inside.
macro_rules! each {
    ($error:expr, $inner:ident => $apply:expr) => {
        match $error {
            Error::Send($inner) => $apply,
            Error::Ack($inner) => $apply,
            Error::Join($inner) => $apply,
            Error::Args($inner) => $apply,
            Error::Cluster($inner) => $apply,
            Error::Fetch($inner) => $apply,
            Error::ServerSide($inner) => $apply,
            Error::Pattern($inner) => $apply,
            Error::Json($inner) => $apply,
        }
    };
}

macro_rules! from {
    ($($variant:ident($error:ty))*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::$variant(error)
            }
        }
    )*};
}

from! {
    Send(SendError) Ack(AckError) Join(JoinError) Args(ArgsError) Cluster(ClusterError) Fetch(FetchError)
    ServerSide(ServerSideError) Pattern(PatternError) Json(serde_json::Error)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, error => error.fmt(f))
    }
}

impl std::error::Error for Error {
    /// The source of the error inside, since this error has that one's message.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        each!(self, error => std::error::Error::source(error))
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::args::Args;

    fn all() -> Result<(), Error> {
        Err(SendError::Full)?;
        Err(AckError::Timeout)?;
        Err(JoinError::Closed)?;
        Err(ClusterError::NotCounted)?;
        Err(ServerSideError::Send(SendError::Closed))?;
        Args::none().read::<u8>()?;
        crate::Io::new().of_pattern("(")?;
        Ok(serde_json::from_str("{")?)
    }

    #[test]
    fn it_says_what_the_error_says_and_names_the_same_source() {
        assert!(matches!(all(), Err(Error::Send(SendError::Full))));
        let json = || serde_json::from_str::<u8>("{").unwrap_err();
        let send = || SendError::Serialize(json());
        let below = json().to_string();
        for error in [
            Error::from(send()),
            AckError::Send(send()).into(),
            ServerSideError::Send(send()).into(),
            AckError::Args(Args::new("text").unwrap().read::<u8>().unwrap_err()).into(),
            ClusterError::Adapter("no cable".into()).into(),
            ServerSideError::Cluster(ClusterError::Adapter("no cable".into())).into(),
        ] {
            let source = error.source().expect("a source").to_string();
            assert!([&*below, "no cable"].contains(&&*source) || source.contains("expected u8"), "{source}");
            assert_eq!(serde_json::to_value(&error).unwrap(), error.to_string());
        }
        for error in
            [Error::Join(JoinError::Closed), AckError::Timeout.into(), ClusterError::NotCounted.into()]
        {
            assert!(error.source().is_none(), "{error}");
        }
        let full = JoinError::TooManyRooms;
        assert_eq!(Error::from(full).to_string(), full.to_string());
    }
}

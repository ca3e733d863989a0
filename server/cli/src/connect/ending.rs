//! How `connect` ends, and its exit codes.

use std::process::ExitCode;

use engineio::client::ClientEnding;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// There was no connection, or it broke.
    Failed,
    /// A line can't be carried out.
    WrongLine,
    /// The server refused the session or a namespace.
    Refused,
    /// The handshake or an answer took too long.
    TimedOut,
    /// The server ended the session or the namespace.
    ServerEnded,
}

impl Ending {
    /// That of a session.
    pub(super) fn of(ending: &ClientEnding) -> Ending {
        match ending {
            ClientEnding::ClosedHere => Ending::Done,
            ClientEnding::Refused(_) => Ending::Refused,
            ClientEnding::PingTimeout | ClientEnding::OpenTimeout => Ending::TimedOut,
            ClientEnding::ServerClosed | ClientEnding::TransportClosed { code: Some(_) } => {
                Ending::ServerEnded
            }
            // Without a close frame nobody has ended it: it broke.
            ClientEnding::TransportClosed { code: None }
            | ClientEnding::TransportError
            | ClientEnding::NotOpened
            | ClientEnding::Broken(_) => Ending::Failed,
        }
    }

    /// `connect --help` lists them.
    pub(super) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Ending::Done => 0,
            Ending::Failed => 1,
            Ending::WrongLine => 2,
            Ending::Refused => 3,
            Ending::TimedOut => 4,
            Ending::ServerEnded => 5,
        })
    }
}

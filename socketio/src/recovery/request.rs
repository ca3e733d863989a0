//! What a client sends to recover its socket, and why that may fail.

use std::fmt;

use engineio::Sid;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::offset::Offset;

/// Why a client does not get its socket back. It joins as a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecoveryFailure {
    Unknown,
    Expired,
    Malformed,
    Offset,
    Taken,
    Denied,
    Unreachable,
    Unreadable,
}

impl fmt::Display for RecoveryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecoveryFailure::Unknown => "its pid is unknown, or was forgotten",
            RecoveryFailure::Expired => "it was away for too long",
            RecoveryFailure::Malformed => "its pid or its offset is malformed",
            RecoveryFailure::Offset => "the events after its offset are no longer kept",
            RecoveryFailure::Taken => "its pid is in use",
            RecoveryFailure::Unreachable => "the store of its session can't be reached",
            RecoveryFailure::Unreadable => "the events that it missed can't be sent",
            RecoveryFailure::Denied => "the application refused the recovery",
        })
    }
}

/// What a client sends in its CONNECT: `{"pid":"…","offset":"…"}`, besides its own auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecoveryRequest {
    pub(crate) pid: Sid,
    /// `None` from a client that has received no event yet.
    pub(crate) offset: Option<Offset>,
}

impl RecoveryRequest {
    /// Reads an auth object; `None` if it has no pid.
    pub(crate) fn read(auth: &str) -> Option<Result<RecoveryRequest, RecoveryFailure>> {
        #[derive(Deserialize)]
        struct Auth<'a> {
            #[serde(borrow)]
            pid: Option<&'a RawValue>,
            #[serde(borrow)]
            offset: Option<&'a RawValue>,
        }
        let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).ok();
        // A name that occurs twice is ambiguous.
        let Ok(auth) = serde_json::from_str::<Auth<'_>>(auth) else {
            return Some(Err(RecoveryFailure::Malformed));
        };
        let pid = text(auth.pid?).and_then(|pid| Sid::parse(&pid));
        let offset = auth.offset.map(|offset| text(offset).and_then(|offset| offset.parse().ok()));
        Some(match (pid, offset) {
            (Some(pid), None) => Ok(RecoveryRequest { pid, offset: None }),
            (Some(pid), Some(Some(offset))) => Ok(RecoveryRequest { pid, offset: Some(offset) }),
            _ => Err(RecoveryFailure::Malformed),
        })
    }
}

//! What a client that comes back says of itself, and why it may not get its socket.

use std::fmt;

use engineio::Sid;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::offset::Offset;

/// Why a client does not get its socket back. It is connected as a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unknown,
    Expired,
    Malformed,
    Offset,
    Taken,
    Denied,
    Unreachable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Unknown => "its pid is unknown, or was forgotten",
            Refusal::Expired => "it was away for too long",
            Refusal::Malformed => "its pid or its offset is malformed",
            Refusal::Offset => "the events after its offset are no longer kept",
            Refusal::Taken => "its pid is in use",
            Refusal::Unreachable => "the store of its session can't be reached",
            Refusal::Denied => "the application refused the recovery",
        })
    }
}

/// What a client says in its CONNECT: `{"pid":"…","offset":"…"}`, beside its own auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) pid: Sid,
    /// None from a client that has got no event yet.
    pub(crate) offset: Option<Offset>,
}

impl Presented {
    /// What is in an auth object; `None` if it has no pid.
    pub(crate) fn read(auth: &str) -> Option<Result<Presented, Refusal>> {
        #[derive(Deserialize)]
        struct Auth<'a> {
            #[serde(borrow)]
            pid: Option<&'a RawValue>,
            #[serde(borrow)]
            offset: Option<&'a RawValue>,
        }
        let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).ok();
        // Of a name that stands twice, one can't tell which is meant.
        let Ok(auth) = serde_json::from_str::<Auth<'_>>(auth) else { return Some(Err(Refusal::Malformed)) };
        let pid = text(auth.pid?).and_then(|pid| Sid::parse(&pid));
        let offset = auth.offset.map(|offset| text(offset).and_then(|offset| offset.parse().ok()));
        Some(match (pid, offset) {
            (Some(pid), None) => Ok(Presented { pid, offset: None }),
            (Some(pid), Some(Some(offset))) => Ok(Presented { pid, offset: Some(offset) }),
            _ => Err(Refusal::Malformed),
        })
    }
}

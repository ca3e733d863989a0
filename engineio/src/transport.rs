//! The transports.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::Revision;

/// How packets travel.
///
/// ```
/// use engineio::Transport;
///
/// assert_eq!(Transport::WebSocket.as_str(), "websocket");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long polling: a GET waits for packets, a POST sends some.
    Polling,
    /// A WebSocket: a frame for each packet.
    WebSocket,
    /// A stream of WebTransport, over HTTP/3. For revision 4 alone.
    WebTransport,
}

impl Transport {
    /// All of them. Each is at its own number: `transport as usize`.
    pub const ALL: [Transport; 3] = [Transport::Polling, Transport::WebSocket, Transport::WebTransport];

    /// The transport's name, as the `transport` parameter has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
            Transport::WebTransport => "webtransport",
        }
    }

    /// Whether a session on it needs no requests of its own for packets: on any but polling.
    #[must_use]
    pub fn is_direct(self) -> bool {
        self != Transport::Polling
    }

    /// Whether sessions of that revision can use it.
    #[must_use]
    pub fn has(self, revision: Revision) -> bool {
        self != Transport::WebTransport || revision == Revision::V4
    }

    /// The transport of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|transport| transport.as_str() == name)
    }
}

/// The transport that a session uses now, for whoever looks from another task.
///
/// ```
/// use engineio::{CurrentTransport, Transport};
///
/// let transport = CurrentTransport::new(Transport::Polling);
/// transport.set(Transport::WebSocket);
/// assert_eq!(transport.get(), Transport::WebSocket);
/// ```
#[derive(Debug)]
pub struct CurrentTransport(AtomicU8);

impl CurrentTransport {
    /// That of a new session.
    #[must_use]
    pub fn new(transport: Transport) -> CurrentTransport {
        CurrentTransport(AtomicU8::new(transport as u8))
    }

    /// The transport.
    #[must_use]
    pub fn get(&self) -> Transport {
        Transport::ALL[usize::from(self.0.load(Ordering::Acquire))]
    }

    /// The session has upgraded to it.
    pub fn set(&self, transport: Transport) {
        self.0.store(transport as u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transport_is_at_its_number_and_has_a_name_of_its_own() {
        for (number, transport) in Transport::ALL.into_iter().enumerate() {
            assert_eq!(transport as usize, number);
            assert_eq!(Transport::parse(transport.as_str()), Some(transport));
            assert_eq!(CurrentTransport::new(transport).get(), transport);
        }
    }
}

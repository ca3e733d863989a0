//! The two transports.

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
}

impl Transport {
    /// The transport's name, as the `transport` parameter has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Transport> {
        [Transport::Polling, Transport::WebSocket].into_iter().find(|transport| transport.as_str() == name)
    }
}

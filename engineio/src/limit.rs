//! The limits that clients can meet, by name.

/// `/// doc Variant = "name"`, once for each limit.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A limit for clients. The limits of HTTP and of Socket.IO are here too, so that there is one list.
        ///
        /// ```
        /// use engineio::Limit;
        ///
        /// for limit in Limit::ALL {
        ///     println!("{}", limit.name());
        /// }
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Limit {$($(#[doc = $doc])+ $variant,)+}

        impl Limit {
            /// All of them.
            pub const ALL: &[Limit] = &[$(Limit::$variant,)+];

            /// The limit's name in metrics, in lower case with underscores.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {$(Limit::$variant => $name,)+}
            }
        }
    };
}

limits! {
    /// Connections at once.
    Connections = "connections",
    /// Connections of one address at once.
    AddressConnections = "address_connections",
    /// Handshakes of one address in a second.
    AddressHandshakes = "address_handshakes",
    /// Sessions at once.
    Sessions = "sessions",
    /// Bytes or fields of a request's head.
    Head = "head",
    /// Time for a request's head.
    HeadTimeout = "head_timeout",
    /// Time between two requests.
    IdleTimeout = "idle_timeout",
    /// Time for a request's body.
    BodyTimeout = "body_timeout",
    /// Time for a message of a plain WebSocket.
    MessageTimeout = "message_timeout",
    /// Time that a write may make no progress.
    WriteTimeout = "write_timeout",
    /// Bytes of a POST or of a WebSocket message.
    Payload = "payload",
    /// Packets of one payload.
    Packets = "packets",
    /// Fragments of one WebSocket message.
    Fragments = "fragments",
    /// Packets of a client in a second.
    PacketRate = "packet_rate",
    /// Bytes of a client's packets in a second.
    ByteRate = "byte_rate",
    /// Pings and pongs of a client's WebSocket in a second.
    PingRate = "ping_rate",
    /// Bytes that wait to be sent to one client.
    SendBudget = "send_budget",
    /// Bytes that the process holds for all clients together.
    Memory = "memory",
    /// Time for an upgrade to WebSocket.
    UpgradeTimeout = "upgrade_timeout",
    /// Time to join a namespace.
    ConnectTimeout = "connect_timeout",
    /// Time for a hook or a middleware of the application.
    HookTimeout = "hook_timeout",
    /// Attachments of one packet.
    Attachments = "attachments",
    /// Time for a packet's attachments.
    AttachmentTimeout = "attachment_timeout",
    /// Bytes of a client's packets that wait.
    Backlog = "backlog",
    /// Nesting of JSON.
    Depth = "depth",
    /// Bytes of an event's name.
    EventName = "event_name",
    /// Namespaces of one client.
    Namespaces = "namespaces",
    /// Dynamic namespaces at once.
    DynamicNamespaces = "dynamic_namespaces",
    /// Bytes of a dynamic namespace's name.
    NamespaceName = "namespace_name",
    /// Rooms of one socket.
    Rooms = "rooms",
    /// Acknowledgements that are awaited from one socket.
    PendingAcks = "pending_acks",
    /// Time for an acknowledgement.
    AckTimeout = "ack_timeout",
    /// Event handlers of one socket that run at once: each event that had to wait.
    RunningHandlers = "running_handlers",
}

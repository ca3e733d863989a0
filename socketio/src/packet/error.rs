//! What can be wrong with a client's packet.

use engineio::{CloseReason, Limit};

engineio::rules! {
    /// A rule of the protocol that a client's packet broke. Each ends the session.
    ///
    /// ```
    /// use engineio::Revision;
    /// use socketio::{IoConfig, PacketViolation, PacketReader};
    ///
    /// let mut reader = PacketReader::new(&IoConfig::default(), Revision::V4);
    /// let error = reader.read("2{}".into()).unwrap_err();
    /// assert_eq!(error, PacketViolation::NotAnArray);
    /// println!("{error}");
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum PacketViolation {
        /// The first character is missing, or not one of the types 0 to 6.
        UnknownType => "UNKNOWN_TYPE",
            "unknown packet type",
            "Socket.IO protocol 5, \"Exchange protocol\"";
        /// In types 5 and 6, a number over 0 and a dash are missing.
        AttachmentCount => "ATTACHMENT_COUNT",
            "illegal number of attachments",
            "Socket.IO protocol 5, \"Packet encoding\", \"Format\"";
        /// More attachments than [`IoConfig::max_attachments`](crate::IoConfig::max_attachments).
        TooManyAttachments => "TOO_MANY_ATTACHMENTS",
            "too many attachments",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// An acknowledgement id over 2^53 - 1, which a JavaScript number can't hold exactly.
        AckId => "ACK_ID",
            "an acknowledgement id that is not an integer from 0 to 2^53 - 1",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// The payload is not JSON.
        Json => "JSON",
            "the payload is not JSON",
            "Socket.IO protocol 5, \"Packet encoding\", \"Format\"";
        /// The payload nests more than 127 arrays and objects.
        TooDeep => "TOO_DEEP",
            "the payload is nested too deeply",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// An event without a payload.
        MissingPayload => "MISSING_PAYLOAD",
            "an event without a payload",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// The payload of an event or an acknowledgement is not an array.
        NotAnArray => "NOT_AN_ARRAY",
            "the payload is not an array",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// An event's first element is missing, or neither a string nor a number.
        EventName => "EVENT_NAME",
            "an event's name is neither a string nor a number",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// An event's name is over [`IoConfig::max_event_name`](crate::IoConfig::max_event_name).
        EventNameTooLong => "EVENT_NAME_TOO_LONG",
            "an event's name is too long",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// An event with a name that the protocol reserves, such as `connect`.
        ReservedEvent => "RESERVED_EVENT",
            "a reserved event name",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// CONNECT with a payload that is not an object.
        AuthNotAnObject => "AUTH_NOT_AN_OBJECT",
            "CONNECT with a payload that is not an object",
            "Socket.IO protocol 5, \"Connection to a namespace\"";
        /// DISCONNECT with a payload.
        DisconnectPayload => "DISCONNECT_PAYLOAD",
            "DISCONNECT with a payload",
            "Socket.IO protocol 5, \"Disconnection from a namespace\"";
        /// CONNECT_ERROR, which only servers send.
        ConnectErrorFromClient => "CONNECT_ERROR_FROM_CLIENT",
            "CONNECT_ERROR from a client",
            "Socket.IO protocol 5, \"Connection to a namespace\"";
        /// A placeholder whose `num` is not the index of one of the attachments.
        Placeholder => "PLACEHOLDER",
            "a placeholder without its attachment",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// A text message where an attachment was due.
        TextAmongAttachments => "TEXT_AMONG_ATTACHMENTS",
            "text where a binary attachment was expected",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// A binary message that no packet announced.
        UnexpectedAttachment => "UNEXPECTED_ATTACHMENT",
            "a binary message that no packet announced",
            "Socket.IO protocol 5, \"Sending and receiving data\"";
        /// A packet that is longer with its attachments than [`IoConfig::max_backlog`](crate::IoConfig::max_backlog).
        AttachmentsTooLarge => "ATTACHMENTS_TOO_LARGE",
            "the packet and its attachments are too large",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// Attachments that took longer than
        /// [`IoConfig::attachment_timeout`](crate::IoConfig::attachment_timeout).
        AttachmentTimeout => "ATTACHMENT_TIMEOUT",
            "an attachment did not come in time",
            "docs/protocol.md, \"Socket.IO packets\"";
        /// A packet for a namespace that the client is not in and has not asked to join.
        NotJoined => "NOT_JOINED",
            "a packet for a namespace that the client has not joined",
            "Socket.IO protocol 5, \"Connection to a namespace\"";
        /// What only MessagePack can get wrong.
        MsgPack(what: &'static str = "it ends too early") => "MSGPACK",
            "not a MessagePack packet: {what}",
            "docs/protocol.md, \"MessagePack\"";
        /// The application's own parser did not understand a message.
        Unreadable => "UNREADABLE",
            "the parser can't read the message",
            "docs/protocol.md, \"Socket.IO packets\"";
    }
}

impl PacketViolation {
    /// How the session ends.
    #[must_use]
    pub fn close_reason(self) -> CloseReason {
        match self {
            // A well-formed packet that the client must not send at this time.
            PacketViolation::ConnectErrorFromClient | PacketViolation::NotJoined => CloseReason::ForcedClose,
            _ => CloseReason::ParseError,
        }
    }
}

impl PacketViolation {
    /// The limit that the packet exceeded, if that is what was wrong with it.
    #[must_use]
    pub fn limit(self) -> Option<Limit> {
        match self {
            PacketViolation::TooManyAttachments => Some(Limit::Attachments),
            PacketViolation::TooDeep => Some(Limit::Depth),
            PacketViolation::EventNameTooLong => Some(Limit::EventName),
            PacketViolation::AttachmentsTooLarge => Some(Limit::Backlog),
            PacketViolation::AttachmentTimeout => Some(Limit::AttachmentTimeout),
            _ => None,
        }
    }
}

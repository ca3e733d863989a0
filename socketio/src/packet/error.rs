//! What a client's packet may do wrong.

use std::fmt;

use engineio::{CloseReason, Limit};

/// A rule of the protocol that a client's packet broke. Each ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// The first character is none of the types 0 to 6, or missing.
    UnknownType,
    /// In types 5 and 6, no number over 0 and a dash behind it.
    AttachmentCount,
    /// More attachments than [`Config::max_attachments`](crate::Config::max_attachments).
    TooManyAttachments,
    /// An acknowledgement id over 2^53 - 1, which no JavaScript number holds exactly.
    AckId,
    /// The payload is not JSON.
    Json,
    /// The payload nests more than 127 arrays and objects.
    TooDeep,
    /// An event without a payload.
    MissingPayload,
    /// The payload of an event or an acknowledgement is not an array.
    NotAnArray,
    /// An event's first element is missing, or neither a string nor a number.
    EventName,
    /// An event's name is over [`Config::max_event_name`](crate::Config::max_event_name).
    EventNameTooLong,
    /// An event of a name that the protocol keeps for itself, such as `connect`.
    ReservedEvent,
    /// CONNECT with a payload that is no object.
    AuthNotAnObject,
    /// DISCONNECT with a payload.
    DisconnectPayload,
    /// CONNECT_ERROR, which only servers send.
    ConnectErrorFromClient,
    /// A placeholder whose `num` is not the index of one of the attachments.
    Placeholder,
    /// A text message where an attachment was due.
    TextAmongAttachments,
    /// A binary message that no packet announced.
    UnexpectedAttachment,
    /// A packet and its attachments over [`Config::max_backlog`](crate::Config::max_backlog).
    AttachmentsTooLarge,
    /// Attachments that took longer than
    /// [`Config::attachment_timeout`](crate::Config::attachment_timeout).
    AttachmentTimeout,
    /// A packet for a namespace that the client is not in and has not asked to join.
    NotJoined,
    /// What only MessagePack can get wrong.
    MsgPack(&'static str),
    /// A parser of the application's own did not understand a message.
    Unreadable,
}

impl PacketError {
    /// One of each.
    pub const ALL: [PacketError; 22] = [
        PacketError::UnknownType,
        PacketError::AttachmentCount,
        PacketError::TooManyAttachments,
        PacketError::AckId,
        PacketError::Json,
        PacketError::TooDeep,
        PacketError::MissingPayload,
        PacketError::NotAnArray,
        PacketError::EventName,
        PacketError::EventNameTooLong,
        PacketError::ReservedEvent,
        PacketError::AuthNotAnObject,
        PacketError::DisconnectPayload,
        PacketError::ConnectErrorFromClient,
        PacketError::Placeholder,
        PacketError::TextAmongAttachments,
        PacketError::UnexpectedAttachment,
        PacketError::AttachmentsTooLarge,
        PacketError::AttachmentTimeout,
        PacketError::NotJoined,
        PacketError::MsgPack("it ends too early"),
        PacketError::Unreadable,
    ];

    /// The name of the rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PacketError::UnknownType => "UNKNOWN_TYPE",
            PacketError::AttachmentCount => "ATTACHMENT_COUNT",
            PacketError::TooManyAttachments => "TOO_MANY_ATTACHMENTS",
            PacketError::AckId => "ACK_ID",
            PacketError::Json => "JSON",
            PacketError::TooDeep => "TOO_DEEP",
            PacketError::MissingPayload => "MISSING_PAYLOAD",
            PacketError::NotAnArray => "NOT_AN_ARRAY",
            PacketError::EventName => "EVENT_NAME",
            PacketError::EventNameTooLong => "EVENT_NAME_TOO_LONG",
            PacketError::ReservedEvent => "RESERVED_EVENT",
            PacketError::AuthNotAnObject => "AUTH_NOT_AN_OBJECT",
            PacketError::DisconnectPayload => "DISCONNECT_PAYLOAD",
            PacketError::ConnectErrorFromClient => "CONNECT_ERROR_FROM_CLIENT",
            PacketError::Placeholder => "PLACEHOLDER",
            PacketError::TextAmongAttachments => "TEXT_AMONG_ATTACHMENTS",
            PacketError::UnexpectedAttachment => "UNEXPECTED_ATTACHMENT",
            PacketError::AttachmentsTooLarge => "ATTACHMENTS_TOO_LARGE",
            PacketError::AttachmentTimeout => "ATTACHMENT_TIMEOUT",
            PacketError::NotJoined => "NOT_JOINED",
            PacketError::MsgPack(_) => "MSGPACK",
            PacketError::Unreadable => "UNREADABLE",
        }
    }

    /// Where the rule stands: in the protocol, or among this server's own decisions.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            PacketError::UnknownType => "Socket.IO protocol 5, \"Exchange protocol\"",
            PacketError::AttachmentCount | PacketError::Json => {
                "Socket.IO protocol 5, \"Packet encoding\", \"Format\""
            }
            PacketError::MissingPayload
            | PacketError::NotAnArray
            | PacketError::EventName
            | PacketError::Placeholder
            | PacketError::TextAmongAttachments
            | PacketError::UnexpectedAttachment => "Socket.IO protocol 5, \"Sending and receiving data\"",
            PacketError::AuthNotAnObject | PacketError::ConnectErrorFromClient | PacketError::NotJoined => {
                "Socket.IO protocol 5, \"Connection to a namespace\""
            }
            PacketError::DisconnectPayload => "Socket.IO protocol 5, \"Disconnection from a namespace\"",
            PacketError::TooManyAttachments
            | PacketError::AckId
            | PacketError::TooDeep
            | PacketError::EventNameTooLong
            | PacketError::ReservedEvent
            | PacketError::AttachmentsTooLarge
            | PacketError::AttachmentTimeout
            | PacketError::Unreadable => "docs/protocol.md, \"Socket.IO packets\"",
            PacketError::MsgPack(_) => "docs/protocol.md, \"MessagePack\"",
        }
    }

    /// How the session ends.
    #[must_use]
    pub fn close_reason(self) -> CloseReason {
        match self {
            // Well-formed packets, which the client must not send, or not yet.
            PacketError::ConnectErrorFromClient | PacketError::NotJoined => CloseReason::ForcedClose,
            _ => CloseReason::ParseError,
        }
    }
}

impl PacketError {
    /// The limit that the packet exceeded, if that is what was wrong with it.
    #[must_use]
    pub fn limit(self) -> Option<Limit> {
        match self {
            PacketError::TooManyAttachments => Some(Limit::Attachments),
            PacketError::TooDeep => Some(Limit::Depth),
            PacketError::EventNameTooLong => Some(Limit::EventName),
            PacketError::AttachmentsTooLarge => Some(Limit::Backlog),
            PacketError::AttachmentTimeout => Some(Limit::AttachmentTimeout),
            _ => None,
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PacketError::UnknownType => "unknown packet type",
            PacketError::AttachmentCount => "illegal number of attachments",
            PacketError::TooManyAttachments => "too many attachments",
            PacketError::AckId => "an acknowledgement id that is no integer from 0 to 2^53 - 1",
            PacketError::Json => "the payload is not JSON",
            PacketError::TooDeep => "the payload nests too deep",
            PacketError::MissingPayload => "an event without a payload",
            PacketError::NotAnArray => "the payload is not an array",
            PacketError::EventName => "an event's name is neither a string nor a number",
            PacketError::EventNameTooLong => "an event's name is too long",
            PacketError::ReservedEvent => "a reserved event name",
            PacketError::AuthNotAnObject => "CONNECT with a payload that is not an object",
            PacketError::DisconnectPayload => "DISCONNECT with a payload",
            PacketError::ConnectErrorFromClient => "CONNECT_ERROR from a client",
            PacketError::Placeholder => "a placeholder without its attachment",
            PacketError::TextAmongAttachments => "text where an attachment was due",
            PacketError::UnexpectedAttachment => "an attachment that no packet announced",
            PacketError::AttachmentsTooLarge => "too many bytes of attachments",
            PacketError::AttachmentTimeout => "an attachment did not come in time",
            PacketError::NotJoined => "a packet for a namespace that the client has not joined",
            PacketError::MsgPack(what) => return write!(f, "not a packet in MessagePack: {what}"),
            PacketError::Unreadable => "the parser does not understand the message",
        })
    }
}

impl std::error::Error for PacketError {}

//! temp
mod error; mod frame; mod layer; mod mailbox; mod packet; mod sid; mod query;
pub use error::{CloseReason, Violation};
pub use frame::{FRAME_OVERHEAD, Frame};
pub use layer::{Application, Handshake, Headers, Layer, Opened};
pub use mailbox::{Mailbox, SendError};
pub use packet::{Message, Packet, PacketType, Revision};
pub use query::Query;
pub use sid::Sid;

//! How a client reads the refusal of a namespace.

use serde_json::Value;

use crate::error::connect_error::ConnectError;
use crate::packet::error::PacketViolation;

/// In revision 4 it is an object with a message, and may have data. In revision 3 it is any value: usually a text, which
/// is the message.
pub(super) fn read(payload: &str) -> Result<ConnectError, PacketViolation> {
    if payload.is_empty() {
        return Ok(ConnectError::new(""));
    }
    let value: Value = serde_json::from_str(payload).map_err(|_| PacketViolation::Json)?;
    Ok(match value {
        Value::String(message) => ConnectError::new(message),
        Value::Object(mut fields) => match (fields.remove("message"), fields.remove("data")) {
            (Some(Value::String(message)), None) => ConnectError::new(message),
            (Some(Value::String(message)), Some(data)) => ConnectError::new(message).with_data(data),
            _ => ConnectError::new(payload),
        },
        _ => ConnectError::new(payload),
    })
}

//! The arguments of events and acknowledgements: JSON, and attachments in base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::{Answer, Args, RawJson, Room};

use super::wrong::{Wrong, field};

/// The arguments of an event or an acknowledgement.
pub(crate) fn args(json: Option<&RawValue>, attachments: &[String]) -> Result<Args, Wrong> {
    let decode = |text: &String| LENIENT.decode(text).map(Bytes::from);
    let attachments: Result<Vec<_>, _> = attachments.iter().map(decode).collect();
    let attachments =
        attachments.map_err(|error| field("attachments", format!("must be base64: {error}")))?;
    let Some(json) = json else { return Ok(Args::none()) };
    if !json.get().starts_with('[') {
        return Err(field("args", "must be a list: one argument is a list of one"));
    }
    // Socket.IO takes it for data, and the client would get the placeholder.
    if attachments.is_empty() && json.get().contains("\"_placeholder\"") && has_placeholder(json.get()) {
        let message = "a placeholder has no attachment: send the bytes in attachments, as base64";
        return Err(field("args", message));
    }
    let raw = RawJson::new(json.get(), attachments).map_err(|error| field("args", error.to_string()))?;
    Args::from_raw(raw).map_err(|error| field("args", error.to_string()))
}

/// Base64 whose last bits may be any, as most decoders take it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether there is an object `{"_placeholder":true,..}` somewhere in it.
fn has_placeholder(json: &str) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::Object(fields) => {
                fields.get("_placeholder") == Some(&Value::Bool(true)) || fields.values().any(within)
            }
            Value::Array(values) => values.iter().any(within),
            _ => false,
        }
    }
    serde_json::from_str(json).is_ok_and(|value| within(&value))
}

/// Arguments and their attachments, as the API and hooks write them.
pub(crate) struct Written {
    /// An array.
    pub(crate) args: Box<RawValue>,
    /// Base64.
    pub(crate) attachments: Vec<String>,
}

impl Written {
    pub(crate) fn of(args: &Args) -> Written {
        let array = RawValue::from_string(format!("[{}]", args.json()));
        Written {
            args: array.unwrap_or_else(|_| RawValue::NULL.to_owned()),
            attachments: args.attachments().iter().map(|bytes| STANDARD.encode(bytes)).collect(),
        }
    }
}

/// Whose answer it is, and what: the arguments, or in a word why there are none.
pub(crate) fn answer(answer: Answer<Args>) -> (Option<Room>, Result<Args, &'static str>) {
    use socketio::AckError;
    let result = answer.result.map_err(|error| match error {
        AckError::Timeout => "timeout",
        AckError::Disconnected => "disconnected",
        AckError::TooManyPending => "too_many_pending",
        _ => "not_sent",
    });
    (answer.socket, result)
}

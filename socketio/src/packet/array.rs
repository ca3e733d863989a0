//! The payload of an event or an acknowledgement: a JSON array.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::args::binary::check_placeholders;
use crate::packet::error::PacketViolation;

/// "The following event names are reserved and must not be used by the application."
pub(crate) const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

pub(crate) fn read_array(payload: &str, attachments: usize) -> Result<JsonArray<'_>, PacketViolation> {
    // JSON may begin with a space. Here it would be where an ack id can be, and the reference reads it as 0.
    if payload.starts_with(|first: char| first.is_ascii_whitespace()) {
        return Err(PacketViolation::Json);
    }
    let array = serde_json::from_str::<JsonArray<'_>>(payload)
        .map_err(|error| if error.is_data() { PacketViolation::NotAnArray } else { PacketViolation::Json })?;
    if attachments > 0 {
        check_placeholders(payload, attachments).map_err(|_| PacketViolation::Placeholder)?;
    }
    Ok(array)
}

/// A valid JSON array: its length and the text of its first element.
pub(crate) struct JsonArray<'a> {
    pub(crate) first: Option<&'a str>,
    pub(crate) len: usize,
}

impl<'de> Deserialize<'de> for JsonArray<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;

        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = JsonArray<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonArray<'de>, A::Error> {
                let Some(first) = seq.next_element::<&RawValue>()? else {
                    return Ok(JsonArray { first: None, len: 0 });
                };
                let mut len = 1;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    len += 1;
                }
                Ok(JsonArray { first: Some(first.get()), len })
            }
        }

        deserializer.deserialize_seq(ArrayVisitor)
    }
}

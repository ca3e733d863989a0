//! What Laravel publishes in Redis.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::Message;
use crate::reading;

/// As Laravel writes it to Redis.
#[derive(Deserialize)]
struct Published<'a> {
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    socket: Option<String>,
}

impl Message {
    /// Reads `{"event":..,"data":..,"socket":..}`.
    pub(super) fn read(channel: &str, payload: &[u8]) -> Result<Message, String> {
        let published: Published<'_> = reading::read(payload).map_err(|error| error.to_string())?;
        let Published { event, data, socket } = published;
        Message::new(channel, &event, data.unwrap_or(RawValue::NULL), socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_laravels() {
        let read = |text: &str| Message::read("orders", text.as_bytes());
        let message = read(r#"{"event":"App\\Events\\Sent","data":{"id":1},"socket":"x"}"#).unwrap();
        assert_eq!((message.event.name(), message.socket.as_deref()), ("App\\Events\\Sent", Some("x")));
        assert_eq!(message.event.args().json(), r#""orders",{"id":1}"#);
        let message = read(r#"{"event":"e","socket":null}"#).unwrap();
        assert_eq!((message.event.args().json(), message.socket), (r#""orders",null"#, None));
        for wrong in [
            "",
            "7",
            "{}",
            r#"["e",1,null]"#,
            r#"{"event":7}"#,
            r#"{"event":"connect","data":1}"#,
            "{\"event\":\"e\"",
            "\u{0}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

//! Events on their way to a channel: of the application, and of a client.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::{Args, Event, RawJson};

use crate::operations;

/// What the application publishes. Clients get the event with the channel's name and the data.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event: Event,
    /// The socket that doesn't get it, since its client has caused it.
    pub(super) socket: Option<String>,
}

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
    pub(super) fn new(
        channel: &str,
        event: &str,
        data: &RawValue,
        socket: Option<String>,
    ) -> Result<Message, String> {
        let args = pair(channel, data.get());
        let args = RawValue::from_string(args).map_err(|error| error.to_string())?;
        let args = operations::args(Some(&args), &[]).map_err(|wrong| wrong.message)?;
        let event = Event::outgoing(event, args).map_err(|error| error.to_string())?;
        Ok(Message { event, socket })
    }

    /// Reads `{"event":..,"data":..,"socket":..}`.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(super) fn read(channel: &str, payload: &[u8]) -> Result<Message, String> {
        let published: Published<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let Published { event, data, socket } = published;
        Message::new(channel, &event, data.unwrap_or(RawValue::NULL), socket)
    }
}

/// What a client tells the others in a channel.
#[derive(Debug)]
pub(super) struct Whisper {
    pub(super) channel: String,
    pub(super) event: String,
    /// The channel's name, and the data.
    pub(super) args: Args,
}

#[derive(Deserialize)]
struct Whispered<'a> {
    channel: String,
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Whisper {
    /// Reads the argument of `client event`, which may be JSON in a string.
    pub(super) fn read(args: &Args) -> Option<Whisper> {
        let first = args.first_raw()?;
        let text = serde_json::from_str::<String>(first.json());
        let Whispered { channel, event, data } =
            serde_json::from_str(text.as_deref().unwrap_or(first.json())).ok()?;
        let args = pair(&channel, data.map_or("null", RawValue::get));
        let args = Args::from_raw(RawJson::new(args, first.attachments().to_vec()).ok()?).ok()?;
        Some(Whisper { channel, event, args })
    }
}

/// Two arguments.
fn pair(channel: &str, data: &str) -> String {
    format!("[{},{data}]", Value::from(channel))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_laravels() {
        let read = |text: &str| Message::read("orders", text.as_bytes());
        let message = read(r#"{"event":"App\\Events\\Sent","data":{"id":1},"socket":"x"}"#).unwrap();
        assert_eq!((message.event.name(), message.socket.as_deref()), ("App\\Events\\Sent", Some("x")));
        assert_eq!(message.event.args().json(), r#""orders",{"id":1}"#);
        let message = read(r#"{"event":"e","socket":null}"#).unwrap();
        assert_eq!((message.event.args().json(), message.socket), (r#""orders",null"#, None));
        for wrong in
            ["", "7", "{}", r#"{"event":7}"#, r#"{"event":"connect","data":1}"#, "{\"event\":\"e\"", "\u{0}"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_client_event_is_an_object_or_a_string_of_it() {
        let whispered = json!({ "channel": "private-a", "event": "client-typing", "data": [1] });
        for argument in [whispered.clone(), whispered.to_string().into()] {
            let whisper = Whisper::read(&Args::new(&argument).unwrap()).unwrap();
            assert_eq!((&*whisper.channel, &*whisper.event), ("private-a", "client-typing"));
            assert_eq!(whisper.args.json(), r#""private-a",[1]"#);
        }
        for wrong in [json!(null), json!({ "channel": "a" }), json!("x")] {
            assert!(Whisper::read(&Args::new(&wrong).unwrap()).is_none(), "{wrong}");
        }
        assert!(Whisper::read(&Args::none()).is_none());
    }
}

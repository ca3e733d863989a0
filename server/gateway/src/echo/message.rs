//! Events on their way to a channel: of the application, and of a client.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use socketio::{Args, Event, RawJson};

use crate::operations;
use crate::reading;

/// What the application publishes. Clients get the event with the channel's name and the data.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event: Event,
    /// The socket that doesn't get it, since its client has caused it.
    pub(super) socket: Option<String>,
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
        let text = text.as_deref().unwrap_or(first.json());
        let Whispered { channel, event, data } = reading::read(text.as_bytes()).ok()?;
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
    fn a_client_event_is_an_object_or_a_string_of_it() {
        let whispered = json!({ "channel": "private-a", "event": "client-typing", "data": [1] });
        for argument in [whispered.clone(), whispered.to_string().into()] {
            let whisper = Whisper::read(&Args::new(&argument).unwrap()).unwrap();
            assert_eq!((&*whisper.channel, &*whisper.event), ("private-a", "client-typing"));
            assert_eq!(whisper.args.json(), r#""private-a",[1]"#);
        }
        for wrong in
            [json!(null), json!({ "channel": "a" }), json!("x"), json!(["private-a", "client-e", null])]
        {
            assert!(Whisper::read(&Args::new(&wrong).unwrap()).is_none(), "{wrong}");
        }
        assert!(Whisper::read(&Args::none()).is_none());
    }
}

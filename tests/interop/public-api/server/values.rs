//! What can be sent, in events and in acknowledgements.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use socketio::{Args, Binary, Io, Rest, Socket};

/// What can be sent, in events and in acknowledgements.
pub(crate) fn values(io: &Io) {
    const TEXTS: [&str; 4] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "— 🦀 \u{10ffff} \u{2028} \u{1e}"];
    io.on("date", |socket: Socket, ()| async move { socket.emit("date", Date::now()) })
        .on("appointment", |socket: Socket, ()| async move {
            socket.emit("appointment", Appointment { with: "Ada".to_owned(), at: Date::now() })
        })
        .on_sync("now", |_: Socket, ()| Date::now())
        .on_sync("number of", |_: Socket, appointment: Appointment| appointment.at.number())
        .on("texts", |socket: Socket, ()| async move {
            TEXTS.into_iter().try_for_each(|text| socket.emit("text", text))
        })
        .on("kinds", |socket: Socket, ()| async move {
            socket.emit("none", ())?;
            socket.emit("kinds", (None::<u8>, true, -1.5, "", [1, 2], json!({ "a": { "b": [] } })))
        })
        .on("bytes", |socket: Socket, ()| async move { socket.emit("bytes", Binary("bytes".into())) })
        .on("album", |socket: Socket, ()| async move {
            socket.emit("album", (1, album(), Binary("between".into()), "end"))
        })
        .on_sync("sizes", |_: Socket, (album, loose): (Album, Binary)| {
            let pages: Vec<usize> = album.pages.iter().map(|page| page.picture.len()).collect();
            (album.title, album.cover.len(), pages, loose.len())
        })
        // An array is one argument, like a tuple within a tuple.
        .on("at", |socket: Socket, (id, [x, y]): (u8, [f64; 2])| async move {
            socket.emit("at", [x, y])?;
            socket.emit("at", ([y, x], id))?;
            socket.emit("at", ((x, y),))?;
            socket.emit("at", Value::Null)
        })
        // Any value, with bytes in it, is one argument among others.
        .on_sync("swapped", |_: Socket, (a, b): (socketio::Value, socketio::Value)| (b, a))
        .on_sync("turned", |_: Socket, [x, y]: [f64; 2]| [y, x])
        .on_sync("echo after", |_: Socket, all: (Binary, Rest)| all)
        .on_sync("echo", |_: Socket, args: Args| args);
}

/// A point in time, as a `Date` of JavaScript's becomes JSON: `2024-02-29T12:34:56.789Z`.
struct Date(SystemTime);

impl Date {
    fn now() -> Date {
        Date(SystemTime::now())
    }

    /// Since 1970, in milliseconds.
    fn number(&self) -> u64 {
        self.0.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.0))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Date).map_err(serde::de::Error::custom)
    }
}

/// A date among other things.
#[derive(Deserialize, Serialize)]
struct Appointment {
    with: String,
    at: Date,
}

/// Bytes among other things, at any depth.
#[derive(Deserialize, Serialize)]
struct Album {
    title: String,
    cover: Binary,
    pages: Vec<Page>,
}

#[derive(Deserialize, Serialize)]
struct Page {
    text: Option<String>,
    picture: Binary,
}

fn album() -> Album {
    let picture = |bytes: &'static [u8]| Binary(bytes.into());
    Album {
        title: "été 🌞".to_owned(),
        cover: picture(&[0, 1, 254, 255]),
        pages: vec![
            Page { text: None, picture: picture(b"") },
            Page { text: Some("b4AAEC".to_owned()), picture: picture(b"\x1e") },
        ],
    }
}

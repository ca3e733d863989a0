//! The fuzz targets: each decoder and the session, as plain functions of bytes that panic when a rule does not
//! hold. `fuzz/` calls them with input from libFuzzer, and the tests here with a corpus and random input.

mod chance;
mod deflate;
mod engine;
mod heads;
mod messages;
mod plain;
mod session;
mod websocket;

pub use chance::Chance;
pub use deflate::deflate;
pub use engine::{jsonp, packets, payloads, routes};
pub use heads::heads;
pub use messages::{attachments, msgpack, opened};
pub use plain::plain;
pub use session::session;
pub use websocket::websocket;

/// A function of bytes that panics when something does not hold.
pub type Target = fn(&[u8]);

/// All of them, by the names of their targets in `fuzz/`.
pub const TARGETS: [(&str, Target); 11] = [
    ("packets", packets),
    ("payloads", payloads),
    ("routes", routes),
    ("jsonp", jsonp),
    ("session", session),
    ("websocket", websocket),
    ("deflate", deflate),
    ("plain", plain),
    ("attachments", attachments),
    ("msgpack", msgpack),
    ("heads", heads),
];

/// Bytes as a source of choices.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes whose number comes first.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

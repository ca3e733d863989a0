//! What you know about bytes, and what they mean.

use std::ops::Range;

use engineio::Revision;
use serde::{Serialize, Serializer};

use crate::journal;
use crate::rules::ProtocolRule;

/// What you know about the bytes.
///
/// ```
/// use engineio::Revision;
/// use socketio_explain::{Settings, explain};
///
/// let settings = Settings { revision: Revision::V3, ..Settings::default() };
/// let explanations = explain(&["2probe"], &settings);
/// println!("{}", explanations[0].parts[0].meaning);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The revision of Engine.IO.
    pub revision: Revision,
    /// What each message is. With `None`, it is guessed.
    pub kind: Option<Kind>,
    /// Who sent them. With `None`, packets that only servers send are read as a server's.
    pub sender: Option<Side>,
    /// Whether the messages of Engine.IO are packets of Socket.IO, written by its default parser. If not, they are not
    /// explained any further.
    pub socketio: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { revision: Revision::V4, kind: None, sender: None, socketio: true }
    }
}

/// What a message is, as it was sent.
///
/// ```
/// use socketio_explain::{Kind, Settings, explain};
///
/// let settings = Settings { kind: Some(Kind::Payload), ..Settings::default() };
/// let explanations = explain(&["2\x1e42[\"chat\"]"], &settings);
/// assert!(explanations[0].broken.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The body of a POST, or of the answer to a poll.
    Payload,
    /// A text message of a WebSocket, without its frame.
    Text,
    /// A binary message of a WebSocket, without its frame.
    Binary,
    /// The frames of a WebSocket.
    Frames,
}

/// Who sent something.
///
/// ```
/// use socketio_explain::{Settings, Side, explain};
///
/// // Only a server sends `44`.
/// let settings = Settings { sender: Some(Side::Client), ..Settings::default() };
/// assert!(explain(&["44{}"], &settings)[0].broken.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What one message means.
///
/// As JSON, `bytes` is a string if the bytes are UTF-8, and otherwise `{"base64":"…"}`. Ranges count bytes.
///
/// ```
/// use socketio_explain::{Explanation, Settings, explain};
///
/// let explanations: Vec<Explanation> = explain(&["42[\"chat\"]"], &Settings::default());
/// println!("{}", serde_json::to_string(&explanations)?);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it is, as given or guessed.
    pub kind: Kind,
    /// The revision of Engine.IO.
    #[serde(serialize_with = "number")]
    pub revision: Revision,
    /// The message. WebSocket payloads are unmasked, and a payload is taken out of its JSONP form or script.
    #[serde(serialize_with = "journal::raw")]
    pub bytes: Vec<u8>,
    /// Its parts in order. A part that has parts of its own, such as a JSON array, comes before them.
    pub parts: Vec<Part>,
    /// The first byte that is wrong, and why. Nothing after it is explained.
    pub broken: Option<BrokenRule>,
    /// What else is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// Some bytes, and what they mean.
///
/// ```
/// use socketio_explain::{Settings, explain};
///
/// let explanation = explain(&["42[\"chat\"]"], &Settings::default()).remove(0);
/// for part in &explanation.parts {
///     let bytes = String::from_utf8_lossy(&explanation.bytes[part.range.clone()]);
///     println!("{bytes}: {}", part.meaning);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Their place in the message.
    pub range: Range<usize>,
    /// The level that they belong to.
    pub level: Level,
    /// What they mean.
    pub meaning: String,
    /// The section of the protocol that defines them.
    pub section: &'static str,
}

/// The levels of the wire, the lowest first.
///
/// ```
/// use socketio_explain::{Level, Settings, explain};
///
/// let parts = explain(&["42[\"chat\"]"], &Settings::default()).remove(0).parts;
/// assert_eq!((parts[0].level, parts[1].level), (Level::EngineIo, Level::SocketIo));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// WebSocket frames.
    Frame,
    /// The packets of an HTTP body.
    Payload,
    /// An Engine.IO packet.
    EngineIo,
    /// A Socket.IO packet.
    SocketIo,
    /// The JSON in a packet.
    Json,
    /// An element of that JSON.
    Element,
}

/// Where a message breaks a rule.
///
/// ```
/// use socketio_explain::{Settings, explain};
///
/// let broken = explain(&["49"], &Settings::default()).remove(0).broken.unwrap();
/// println!("byte {}: {} ({})", broken.at, broken.rule.what, broken.rule.id);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenRule {
    /// The position of the first wrong byte. If something is missing at the end, this is the message's length.
    pub at: usize,
    /// The rule.
    pub rule: ProtocolRule,
}

/// A revision as its number in `EIO`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn number<S: Serializer>(revision: &Revision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(revision.number())
}

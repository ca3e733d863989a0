//! The arguments of events and acknowledgements: raw JSON with attachments, and how Rust values become arguments
//! and back. Bytes among them are in [`binary`], values of any type in [`value`], and an event with its arguments in
//! [`event`]. The packets that carry them are in [`packet`](crate::packet).
//!
//! In both directions, a tuple means several arguments, `()` means none, and anything else is one argument,
//! even an array: `on("add", |_, (a, b): (i64, i64)| ..)` reads what `emit("add", (1, 2))` writes.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::args::raw_json::RawJson;
use crate::packet::array::read_array;
use crate::packet::error::PacketViolation;

pub(crate) mod binary;
pub(crate) mod event;
pub(crate) mod raw_json;
mod read;
mod rest;
mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod write;

pub use read::{ArgsError, FromArgs};
pub use rest::Rest;
pub use write::{ArgsWriter, ToArgs};

/// The arguments of an event or an acknowledgement as they arrived: unparsed JSON, and its attachments. Cloning
/// is cheap, and sending them on writes the same JSON again.
///
/// As a handler's argument type, it takes all arguments; [`read`](Args::read) gives the values. At the end of a
/// tuple, [`Rest`] takes the remaining ones.
///
/// ```
/// use socketio::Args;
///
/// let args = Args::new(("Ada", 36))?;
/// assert_eq!(args.json(), r#""Ada",36"#);
/// let (name, age): (String, u32) = args.read()?;
/// assert_eq!((name.as_str(), age), ("Ada", 36));
/// # Ok::<_, socketio::Error>(())
/// ```
#[derive(Clone)]
pub struct Args {
    /// A JSON array.
    array: ByteString,
    /// How many of the array's elements are not arguments: an event's name, and those that were split off.
    skip: usize,
    /// Where the first argument starts in the array, or its closing bracket if there is none.
    start: usize,
    len: usize,
    attachments: Vec<Bytes>,
}

impl Args {
    /// The arguments in `array`, which must be valid JSON with `len` arguments from `start` on.
    pub(crate) fn from_array(array: ByteString, skip: usize, start: usize, len: usize) -> Args {
        Args { array, skip, start, len, attachments: Vec::new() }
    }

    /// No arguments.
    #[must_use]
    pub fn none() -> Args {
        Args::from_array(ByteString::from_static("[]"), 0, 1, 0)
    }

    /// The arguments that another node or program sent: an array. Adapters need this.
    ///
    /// # Errors
    /// If it is not an array, or if a placeholder has no attachment.
    pub fn from_raw(array: RawJson) -> Result<Args, PacketViolation> {
        let (json, attachments) = array.into_parts();
        let mut args = Args::read_array(json, attachments.len())?;
        args.attach(attachments);
        Ok(args)
    }

    /// The arguments in the payload of an acknowledgement with that many attachments.
    pub(crate) fn read_array(payload: ByteString, attachments: usize) -> Result<Args, PacketViolation> {
        if payload.is_empty() {
            return Ok(Args::none());
        }
        let len = read_array(&payload, attachments)?.len;
        let start = payload.find('[').map_or(0, |at| at + 1);
        Ok(Args::from_array(payload, 0, start, len))
    }

    /// The arguments as an array.
    #[must_use]
    pub fn to_raw(&self) -> RawJson {
        RawJson::trusted(format!("[{}]", self.json()).into(), self.attachments.clone())
    }

    /// The first argument; `None` if there are no arguments.
    #[must_use]
    pub fn first_raw(&self) -> Option<RawJson> {
        let first = serde_json::Deserializer::from_str(self.json()).into_iter::<&RawValue>().next()?.ok()?;
        Some(RawJson::trusted(first.get().into(), self.attachments.clone()))
    }

    /// The arguments as an array that begins with a text.
    pub(crate) fn to_raw_behind(&self, text: &str) -> RawJson {
        let json = self.json();
        let mut array = String::with_capacity(text.len() + json.len() + 8);
        array.push('[');
        array.push_str(&serde_json::to_string(text).unwrap_or_default());
        if !self.is_empty() {
            array.push(',');
        }
        array.push_str(json);
        array.push(']');
        RawJson::trusted(array.into(), self.attachments.clone())
    }

    pub(crate) fn attach(&mut self, attachments: Vec<Bytes>) {
        self.attachments = attachments;
    }

    /// How many arguments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The binary attachments, in the order in which they came.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// The JSON of the arguments, separated by commas, without the brackets around them. Placeholders replace
    /// binary values.
    #[must_use]
    #[inline]
    pub fn json(&self) -> &str {
        let elements = &self.array[self.start..];
        elements.trim_ascii_end().strip_suffix(']').unwrap_or(elements).trim_ascii_end()
    }

    /// How long [`json`](Args::json) is at most.
    fn len_bound(&self) -> usize {
        self.array.len() - self.start
    }

    /// The arguments that follow the first `count` of them.
    fn after(&self, count: usize) -> Args {
        let count = count.min(self.len);
        let json = self.json();
        let mut after = json;
        for _ in 0..count {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<IgnoredAny>();
            values.next();
            after = after[values.byte_offset()..].trim_ascii_start();
            after = after.strip_prefix(',').unwrap_or(after);
        }
        Args {
            skip: self.skip + count,
            start: self.start + json.len() - after.len(),
            len: self.len - count,
            ..self.clone()
        }
    }

    /// About how many bytes these arguments take in memory.
    pub(crate) fn cost(&self) -> usize {
        self.array.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

impl Default for Args {
    fn default() -> Args {
        Args::none()
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Args([{}]", self.json())?;
        if !self.attachments.is_empty() {
            write!(f, ", {} attachments", self.attachments.len())?;
        }
        f.write_str(")")
    }
}

//! The arguments of events and acknowledgements: raw JSON with attachments, and how Rust values become
//! arguments and back.
//!
//! A tuple is several arguments, `()` is none, and anything else is one, an array too, in both directions:
//! what `emit("add", (1, 2))` writes, `on("add", |_, (a, b): (i64, i64)| ..)` reads.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::args::raw_json::RawJson;
use crate::args::value::Value;
use crate::packet::error::PacketError;
use crate::packet::read_ack;

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

/// The arguments of an event or an acknowledgement as they came: JSON that is not parsed yet, and its
/// attachments. Cloning is cheap, and sending them on writes the same JSON again.
///
/// As a handler's argument type it takes everything as it is; [`read`](Args::read) gives the values. At the end of a
/// tuple, [`Rest`] takes those that are left.
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
    /// The array's elements that are no arguments: an event's name, and what was split off.
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

    /// The arguments that a value makes: see [`ToArgs`].
    ///
    /// # Errors
    /// If the value can't be written as JSON.
    pub fn new(args: impl ToArgs) -> Result<Args, serde_json::Error> {
        let mut json = Vec::new();
        let mut out = ArgsWriter::new(&mut json, false);
        args.write(&mut out)?;
        let attachments = out.into_attachments();
        let array = String::from_utf8(json).map_err(serde::ser::Error::custom)?;
        let len = serde_json::from_str::<Vec<IgnoredAny>>(&array)?.len();
        Ok(Args { attachments, ..Args::from_array(array.into(), 0, 1, len) })
    }

    /// No arguments.
    #[must_use]
    pub fn none() -> Args {
        Args::from_array(ByteString::from_static("[]"), 0, 1, 0)
    }

    /// The arguments that another node or program sent: an array. For those who write adapters.
    ///
    /// # Errors
    /// If it is no array, or has a placeholder without an attachment.
    pub fn from_raw(array: RawJson) -> Result<Args, PacketError> {
        let (json, attachments) = array.into_parts();
        let mut args = read_ack(json, attachments.len())?;
        args.attach(attachments);
        Ok(args)
    }

    /// The arguments as an array.
    #[must_use]
    pub fn to_raw(&self) -> RawJson {
        RawJson::trusted(format!("[{}]", self.json()).into(), self.attachments.clone())
    }

    /// The first argument alone; `None` if there is none.
    #[must_use]
    pub fn first_raw(&self) -> Option<RawJson> {
        let first = serde_json::Deserializer::from_str(self.json()).into_iter::<&RawValue>().next()?.ok()?;
        Some(RawJson::trusted(first.get().into(), self.attachments.clone()))
    }

    /// The arguments as an array, behind an element.
    pub(crate) fn to_raw_behind(&self, element: &str) -> RawJson {
        let comma = if self.is_empty() { "" } else { "," };
        RawJson::trusted(format!("[{element}{comma}{}]", self.json()).into(), self.attachments.clone())
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

    /// The JSON of the arguments, separated by commas, without the brackets around them. Binary values stand
    /// as their placeholders.
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

    /// The arguments as `T`: see [`FromArgs`].
    ///
    /// # Errors
    /// The argument that is not what `T` wants.
    pub fn read<T: FromArgs>(&self) -> Result<T, ArgsError> {
        T::from_args(self.clone())
    }

    /// The first argument as `T`, and the others as they came, to be sent on.
    ///
    /// # Errors
    /// If the first argument is not what `T` wants. A missing one reads as `null`.
    pub fn split_first<T: DeserializeOwned>(&self) -> Result<(T, Args), ArgsError> {
        let (first,) = self.read::<(T,)>()?;
        Ok((first, self.after(1)))
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

    fn of_values(values: &[Value]) -> Result<Args, serde_json::Error> {
        let args = Args::new(values)?;
        // The list is one argument, which lies within the brackets of all.
        let json = args.json();
        let array = args.array.slice_ref(json);
        Ok(Args { attachments: args.attachments, ..Args::from_array(array, 0, 1, values.len()) })
    }

    /// The bytes that these arguments hold in memory, about.
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

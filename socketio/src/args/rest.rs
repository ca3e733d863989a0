//! Arguments among others: the rest of them at the end of a tuple.
//!
//! serde only passes on what its own model has, but [`Args`] must pass unread. So they are passed in a
//! thread-local, to or from the one call to serde that makes or reads a [`Rest`]. The caller learns from the
//! [`Shape`](super::shape::Shape) of the type whether there is one.

use std::cell::Cell;

use serde::de::DeserializeSeed;
use serde::de::value::UnitDeserializer;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::Args;
use crate::args::binary::with_attachments;
use crate::args::value::Value;

/// The rest of the arguments, unread, as the last element of a tuple: `...args` in JavaScript.
///
/// For all arguments, use [`Args`]. Inside anything but a tuple of arguments, a `Rest` is an array.
///
/// ```
/// # use socketio::{Io, Rest, Socket};
/// # let io = Io::new();
/// // socket.emit("tell", "room 1", 1, Buffer.from("a"), (...answer) => ..)
/// io.on("tell", |socket: Socket, (room, Rest(words)): (String, Rest)| async move {
///     socket.to(room).emit("told", (socket.id(), Rest(words.clone())))?;
///     Ok::<_, socketio::Error>(("told", Rest(words)))
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rest(pub Args);

impl From<Args> for Rest {
    fn from(args: Args) -> Rest {
        Rest(args)
    }
}

enum Slot {
    Empty,
    /// Where [`Rest::serialize`] puts the arguments.
    Wanted,
    /// Where [`Rest::deserialize`] finds the arguments.
    Full(Args),
}

thread_local! {
    static SLOT: Cell<Slot> = const { Cell::new(Slot::Empty) };
}

/// The arguments in a value whose shape is that of a rest.
pub(super) fn taken_from<T: Serialize + ?Sized>(value: &T) -> Option<Args> {
    SLOT.set(Slot::Wanted);
    drop(value.serialize(serde_json::value::Serializer));
    match SLOT.replace(Slot::Empty) {
        Slot::Full(args) => Some(args),
        Slot::Empty | Slot::Wanted => None,
    }
}

/// Reads a value whose shape is that of a rest from these arguments.
pub(super) fn given_to<'de, T: DeserializeSeed<'de>>(
    seed: T,
    args: Args,
) -> Result<T::Value, serde_json::Error> {
    SLOT.set(Slot::Full(args));
    let value = seed.deserialize(UnitDeserializer::new());
    SLOT.set(Slot::Empty);
    value
}

/// Calls `write` with each of the arguments, in a packet that may have attachments before theirs.
pub(super) fn write_each(
    args: &Args,
    mut write: impl FnMut(Element<'_>) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    if args.attachments.is_empty() {
        let array = format!("[{}]", args.json());
        let values: Vec<&RawValue> = serde_json::from_str(&array)?;
        return values.into_iter().try_for_each(|value| write(Element::Raw(value)));
    }
    values(args)?.into_iter().try_for_each(|value| write(Element::Value(value)))
}

/// One of several arguments. Its attachments are renumbered when it is written.
pub(super) enum Element<'a> {
    Raw(&'a RawValue),
    Value(Value),
}

impl Serialize for Element<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Element::Raw(value) => value.serialize(serializer),
            Element::Value(value) => value.serialize(serializer),
        }
    }
}

impl Args {
    fn of_values(values: &[Value]) -> Result<Args, serde_json::Error> {
        let args = Args::new(values)?;
        // The list is one argument, inside the brackets of all arguments.
        let json = args.json();
        let array = args.array.slice_ref(json);
        Ok(Args { attachments: args.attachments, ..Args::from_array(array, 0, 1, values.len()) })
    }
}

fn values(args: &Args) -> Result<Vec<Value>, serde_json::Error> {
    let array = format!("[{}]", args.json());
    with_attachments(args.attachments.clone(), || serde_json::from_str(&array))
}

impl Serialize for Rest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Slot::Wanted = SLOT.replace(Slot::Empty) {
            SLOT.set(Slot::Full(self.0.clone()));
            return serializer.serialize_unit();
        }
        serializer.collect_seq(values(&self.0).map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rest, D::Error> {
        if let Slot::Full(args) = SLOT.replace(Slot::Empty) {
            return Ok(Rest(args));
        }
        let values = Vec::<Value>::deserialize(deserializer)?;
        Args::of_values(&values).map(Rest).map_err(serde::de::Error::custom)
    }
}

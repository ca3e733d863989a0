//! How Rust values become arguments: they are written once, directly into the frame.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

use super::Args;
use super::rest::{taken_from, write_each};
use super::shape::Shape;
use crate::args::binary::collect_attachments;

/// A type that can be sent as arguments.
///
/// Every serialisable type implements it. A tuple, or a reference to one, is one argument for each element, and
/// `()` is none. Any other value is one argument: an array `[T; N]`, a slice and a `Vec` are one JavaScript
/// array, a struct is an object, a tuple struct is an array, and so is a tuple within something else (`Some((1,
/// 2))`, `Box::new((1, 2))`). [`Args`] are sent unread, and [`Rest`](crate::Rest) sends them at the end of a
/// tuple.
///
/// | Rust | JavaScript |
/// |---|---|
/// | `emit("e", ())` | `emit("e")` |
/// | `emit("e", (1, "a"))` | `emit("e", 1, "a")` |
/// | `emit("e", [3.0, 4.0])` | `emit("e", [3, 4])` |
/// | `emit("e", ([3.0, 4.0], 1))` | `emit("e", [3, 4], 1)` |
/// | `emit("e", ((1, 2),))` | `emit("e", [1, 2])` |
/// | `emit("e", None::<u8>)` | `emit("e", null)` |
/// | `emit("e", vec![1_u8, 2])` | `emit("e", [1, 2])` |
/// | `emit("e", Binary::from(vec![1, 2]))` | `emit("e", Buffer.from([1, 2]))` |
///
/// The same is true of what a handler returns. `None` is one argument, `null`. A `Result` is sent as the value
/// inside it. The wire doesn't distinguish errors from answers, so use a type from which the client can tell.
/// The errors of this crate are sent as their messages. For errors that can't be serialised, use
/// `map_err(|error| error.to_string())`.
///
/// To send no answer, use [`on_with_ack`](crate::Namespace::on_with_ack), and drop its
/// [`AckSender`](crate::AckSender).
///
/// If a type can't be sent, the compiler says:
///
/// ```compile_fail,E0277
/// struct Point(f64, f64);
///
/// # let io = socketio::Io::new();
/// // `Point` can't be sent as the arguments of an event or as an acknowledgement
/// io.emit("at", Point(48.1, 11.5));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be sent as the arguments of an event or as an acknowledgement",
    label = "this can't be written as JSON",
    note = "a type needs `#[derive(serde::Serialize)]`; bytes are a `socketio::Binary`",
    note = "for several arguments write a tuple, `(1, \"a\")`, and for none `()`",
    note = "for an error that can't be serialised write `.map_err(|error| error.to_string())`"
)]
pub trait ToArgs {
    /// Appends the arguments and the closing bracket of the array that they are in.
    #[doc(hidden)]
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error>;

    /// About how many bytes will be appended, if that is known.
    #[doc(hidden)]
    fn len_hint(&self) -> usize {
        0
    }
}

/// # Writing
impl Args {
    /// The arguments of a value: see [`ToArgs`].
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
}

/// Where arguments are written.
#[doc(hidden)]
#[derive(Debug)]
pub struct ArgsWriter<'a> {
    json: &'a mut Vec<u8>,
    /// Whether the event's name is in the array already.
    named: bool,
    attachments: Vec<Bytes>,
}

impl<'a> ArgsWriter<'a> {
    /// Creates a writer that appends the array to `json`, which already has the opening bracket and the event's name
    /// if `named`.
    pub(crate) fn new(json: &'a mut Vec<u8>, named: bool) -> ArgsWriter<'a> {
        ArgsWriter { json, named, attachments: Vec::new() }
    }

    pub(crate) fn into_attachments(self) -> Vec<Bytes> {
        self.attachments
    }

    /// The byte that is before the first argument.
    fn opening(&self) -> u8 {
        if self.named { b',' } else { b'[' }
    }
}

impl ToArgs for Args {
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error> {
        (&self).write(out)
    }

    fn len_hint(&self) -> usize {
        self.len_bound()
    }
}

impl ToArgs for &Args {
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error> {
        if self.len > 0 || !out.named {
            out.json.push(out.opening());
        }
        out.json.extend_from_slice(self.json().as_bytes());
        out.json.push(b']');
        out.attachments.extend_from_slice(&self.attachments);
        Ok(())
    }

    fn len_hint(&self) -> usize {
        self.len_bound()
    }
}

impl<T: Serialize> ToArgs for T {
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error> {
        if Shape::of::<T>() == Shape::Rest
            && let Some(args) = taken_from(&self)
        {
            return args.write(out);
        }
        let start = out.json.len();
        let written = Cell::new(Shape::One);
        out.json.push(out.opening());
        collect_attachments(&mut out.attachments, || {
            let mut json = serde_json::Serializer::new(&mut *out.json);
            self.serialize(Shaped { json: &mut json, shape: Shape::of::<T>(), written: &written })
        })?;
        let arguments = start + 1;
        match written.get() {
            Shape::One | Shape::Rest => out.json.push(b']'),
            // A tuple's own brackets were written: the closing one closes the array.
            Shape::Tuple => drop(out.json.remove(arguments)),
            Shape::None => {
                out.json.truncate(arguments);
                out.json.push(b']');
            }
        }
        // Nothing followed the comma after the event's name.
        if out.json[start..] == *b",]" {
            out.json.remove(start);
        }
        Ok(())
    }
}

/// Serialises as JSON, and notes what was written.
struct Shaped<'a, 'b> {
    json: &'a mut serde_json::Serializer<&'b mut Vec<u8>>,
    /// What the type is that is being serialised.
    shape: Shape,
    written: &'a Cell<Shape>,
}

type JsonSerializer<'a, 'b> = &'a mut serde_json::Serializer<&'b mut Vec<u8>>;

/// Passes calls on to serde_json.
macro_rules! pass_on {
    ($($method:ident($($arg:ident: $type:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $($arg: $type),*) -> Result<$ok, Self::Error> {
            self.json.$method($($arg),*)
        }
    )*};
}

impl<'a, 'b> Serializer for Shaped<'a, 'b> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <JsonSerializer<'a, 'b> as Serializer>::SerializeSeq;
    type SerializeTuple = ShapedTuple<'a, 'b>;
    type SerializeTupleStruct = <JsonSerializer<'a, 'b> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <JsonSerializer<'a, 'b> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <JsonSerializer<'a, 'b> as Serializer>::SerializeMap;
    type SerializeStruct = <JsonSerializer<'a, 'b> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <JsonSerializer<'a, 'b> as Serializer>::SerializeStructVariant;

    fn serialize_unit(self) -> Result<(), Self::Error> {
        if self.shape == Shape::None {
            self.written.set(Shape::None);
            return Ok(());
        }
        self.json.serialize_unit()
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Self::Error> {
        self.written.set(self.shape);
        Ok(ShapedTuple { tuple: self.json.serialize_tuple(len)?, shape: self.shape })
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, Self::Error> {
        if self.shape == Shape::Rest {
            self.written.set(Shape::Tuple);
        }
        self.json.serialize_seq(len)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        match (name, variant) {
            // serde would write the name of the variant: `{"Ok":1}`.
            ("Result", "Ok" | "Err") => value.serialize(Shaped { shape: Shape::of::<T>(), ..self }),
            _ => self.json.serialize_newtype_variant(name, index, variant, value),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.json.serialize_newtype_struct(name, value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_some(value)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        self.json.collect_str(value)
    }

    pass_on! {
        serialize_bool(v: bool) -> ();
        serialize_i8(v: i8) -> ();
        serialize_i16(v: i16) -> ();
        serialize_i32(v: i32) -> ();
        serialize_i64(v: i64) -> ();
        serialize_i128(v: i128) -> ();
        serialize_u8(v: u8) -> ();
        serialize_u16(v: u16) -> ();
        serialize_u32(v: u32) -> ();
        serialize_u64(v: u64) -> ();
        serialize_u128(v: u128) -> ();
        serialize_f32(v: f32) -> ();
        serialize_f64(v: f64) -> ();
        serialize_char(v: char) -> ();
        serialize_str(v: &str) -> ();
        serialize_bytes(v: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> Self::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> Self::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeStructVariant;
    }
}

/// Serialises a tuple as JSON. A [`Rest`](super::Rest) in a tuple of arguments is several arguments itself.
struct ShapedTuple<'a, 'b> {
    tuple: <JsonSerializer<'a, 'b> as Serializer>::SerializeTuple,
    shape: Shape,
}

impl SerializeTuple for ShapedTuple<'_, '_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Self::Error> {
        if self.shape == Shape::Tuple
            && Shape::of::<T>() == Shape::Rest
            && let Some(args) = taken_from(value)
        {
            return write_each(&args, |argument| self.tuple.serialize_element(&argument));
        }
        self.tuple.serialize_element(value)
    }

    fn end(self) -> Result<(), Self::Error> {
        self.tuple.end()
    }
}

//! The arguments of events and acknowledgements: raw JSON with attachments, and how Rust values become
//! arguments and back.
//!
//! A tuple is several arguments, `()` is none, and anything else is one, in both directions: what
//! `emit("add", (1, 2))` writes, `on("add", |_, (a, b): (i64, i64)| ..)` reads.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};

use crate::binary::{collect_attachments, with_attachments};

/// The arguments of an event or an acknowledgement as they came: JSON that is not parsed yet, and its
/// attachments. Cloning is cheap, and sending them on writes the same JSON again.
///
/// As a handler's argument type it takes everything as it is; [`read`](Args::read) gives the values.
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
    pub fn json(&self) -> &str {
        let elements = &self.array[self.start..];
        elements.trim_ascii_end().strip_suffix(']').unwrap_or(elements).trim_ascii_end()
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
        let json = self.json();
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
        let others = match values.next() {
            None => Args::none(),
            Some(_) => {
                let after = json[values.byte_offset()..].trim_ascii_start();
                let after = after.strip_prefix(',').unwrap_or(after);
                Args {
                    skip: self.skip + 1,
                    start: self.start + json.len() - after.len(),
                    len: self.len - 1,
                    ..self.clone()
                }
            }
        };
        Ok((first, others))
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

/// What a handler can take as its arguments, and what an acknowledgement can be awaited as.
///
/// Every deserialisable type is: a tuple (or an array) takes one argument an element, `()` takes none, and
/// any other type takes the first argument. Arguments in excess are ignored. Missing ones read as `null`, so
/// they fit an `Option`. [`Args`] takes all arguments as they came.
///
/// A handler whose arguments don't fit is not called. One that takes [`Args`] always is, and can answer with
/// what is wrong:
///
/// ```
/// # use socketio::{Args, ArgsError, Io, Socket};
/// # let io = Io::new();
/// io.on("add", |_: Socket, args: Args| async move {
///     let (a, b): (i64, i64) = args.read()?;
///     Ok::<_, ArgsError>(a + b)
/// });
/// ```
pub trait FromArgs: Sized {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The argument that does not fit, by its index.
    fn from_args(args: Args) -> Result<Self, ArgsError>;
}

impl FromArgs for Args {
    fn from_args(args: Args) -> Result<Args, ArgsError> {
        Ok(args)
    }
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(mut args: Args) -> Result<T, ArgsError> {
        let attachments = std::mem::take(&mut args.attachments);
        let index = Cell::new(0);
        with_attachments(attachments, || T::deserialize(Positional { args: &args, index: &index }))
            .map_err(|error| ArgsError { index: index.get(), error })
    }
}

/// An argument is not what the type that reads it wants.
///
/// It serialises as its message, so that a handler can answer with it.
#[derive(Debug)]
pub struct ArgsError {
    index: usize,
    error: serde_json::Error,
}

impl ArgsError {
    /// The index of the argument, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.to_string();
        // Lines and columns inside of one argument tell a reader nothing.
        let what = error.rsplit_once(" at line ").map_or(&*error, |(what, _)| what);
        write!(f, "argument {}: {what}", self.index)
    }
}

impl Serialize for ArgsError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::error::Error for ArgsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Gives a type its arguments: to a tuple all of them, to anything else the first.
struct Positional<'de, 'c> {
    args: &'de Args,
    /// The argument that is being read, for the error.
    index: &'c Cell<usize>,
}

/// Passes calls on to the first argument.
macro_rules! first_argument {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            if self.args.is_empty() {
                return UnitDeserializer::new().$method($($arg,)* visitor);
            }
            // The deserializer stops behind the first value, so what follows need not be cut off.
            serde_json::Deserializer::from_str(&self.args.array[self.args.start..]).$method($($arg,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Positional<'de, '_> {
    type Error = serde_json::Error;

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Self::Error> {
        serde_json::Deserializer::from_str(&self.args.array)
            .deserialize_seq(Elements { visitor, positional: self })
    }

    first_argument! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

/// Hands a tuple's visitor the arguments, filled up with `null`s.
struct Elements<'de, 'c, V> {
    visitor: V,
    positional: Positional<'de, 'c>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Elements<'de, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        let Positional { args, index } = self.positional;
        for _ in 0..args.skip {
            seq.next_element::<IgnoredAny>()?;
        }
        let value = self.visitor.visit_seq(Padded { seq: &mut seq, len: args.len, next: 0, index })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

struct Padded<'s, 'c, A> {
    seq: &'s mut A,
    len: usize,
    next: usize,
    index: &'c Cell<usize>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Padded<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.index.set(self.next);
        self.next += 1;
        if self.next > self.len {
            return seed.deserialize(UnitDeserializer::new()).map(Some);
        }
        self.seq.next_element_seed(seed)
    }
}

/// What can be sent as arguments.
///
/// Every serialisable type is: a tuple (or an array) is one argument an element, `()` is no argument, and
/// any other value is one argument. [`Args`] are sent as they came.
///
/// What a handler returns is sent like that as well. `None` is one argument, `null`. A `Result` is the value
/// inside of it, be it a success or an error: nothing on the wire tells an error, so the application says
/// which of its answers is one, as it does in JavaScript. The errors of this crate are their messages. For
/// errors that can't be serialised, `map_err(|error| error.to_string())` does.
///
/// Nothing is sent only by [`on_with_ack`](crate::Namespace::on_with_ack), by dropping its
/// [`AckSender`](crate::AckSender).
pub trait ToArgs {
    /// Appends the arguments and the closing bracket of the array that they stand in.
    #[doc(hidden)]
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error>;
}

/// Where arguments are written.
#[doc(hidden)]
#[derive(Debug)]
pub struct ArgsWriter<'a> {
    json: &'a mut Vec<u8>,
    /// Whether the event's name stands in the array already.
    named: bool,
    attachments: Vec<Bytes>,
}

impl<'a> ArgsWriter<'a> {
    /// A writer of the array whose start is the end of `json`: nothing, or with `named` the opening bracket
    /// and the event's name.
    pub(crate) fn new(json: &'a mut Vec<u8>, named: bool) -> ArgsWriter<'a> {
        ArgsWriter { json, named, attachments: Vec::new() }
    }

    pub(crate) fn into_attachments(self) -> Vec<Bytes> {
        self.attachments
    }

    /// The byte that stands before the first argument.
    fn opening(&self) -> u8 {
        if self.named { b',' } else { b'[' }
    }
}

impl ToArgs for Args {
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error> {
        (&self).write(out)
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
}

impl<T: Serialize> ToArgs for T {
    fn write(self, out: &mut ArgsWriter<'_>) -> Result<(), serde_json::Error> {
        let start = out.json.len();
        let shape = Cell::new(Shape::One);
        out.json.push(out.opening());
        collect_attachments(&mut out.attachments, || {
            let mut json = serde_json::Serializer::new(&mut *out.json);
            self.serialize(Shaped { json: &mut json, shape: &shape })
        })?;
        let arguments = start + 1;
        match shape.get() {
            Shape::One => out.json.push(b']'),
            // A tuple's own brackets were written: the closing one closes the array.
            Shape::Tuple => drop(out.json.remove(arguments)),
            Shape::None => {
                out.json.truncate(arguments);
                out.json.push(b']');
            }
        }
        // Nothing followed the comma behind the event's name.
        if out.json[start..] == *b",]" {
            out.json.remove(start);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    None,
    One,
    Tuple,
}

/// Serialises as JSON, and notes what was serialised.
struct Shaped<'a, 'b> {
    json: &'a mut serde_json::Serializer<&'b mut Vec<u8>>,
    shape: &'a Cell<Shape>,
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
    type SerializeTuple = <JsonSerializer<'a, 'b> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <JsonSerializer<'a, 'b> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <JsonSerializer<'a, 'b> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <JsonSerializer<'a, 'b> as Serializer>::SerializeMap;
    type SerializeStruct = <JsonSerializer<'a, 'b> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <JsonSerializer<'a, 'b> as Serializer>::SerializeStructVariant;

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.shape.set(Shape::None);
        Ok(())
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Self::Error> {
        self.shape.set(Shape::Tuple);
        self.json.serialize_tuple(len)
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
            ("Result", "Ok" | "Err") => value.serialize(self),
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
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> Self::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> Self::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> Self::SerializeStructVariant;
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::Binary;

    /// What `args` become behind an event's name, and in an acknowledgement.
    #[expect(clippy::needless_pass_by_value, reason = "as `emit` takes it")]
    fn written(args: impl ToArgs + Clone) -> (String, String) {
        let write = |prefix: &str, named| {
            let mut json = prefix.as_bytes().to_vec();
            args.clone().write(&mut ArgsWriter::new(&mut json, named)).unwrap();
            String::from_utf8(json).unwrap()
        };
        (write("[\"e\"", true), write("", false))
    }

    fn assert_written(args: impl ToArgs + Clone, arguments: &str) {
        let (event, ack) = written(args);
        assert_eq!(ack, format!("[{arguments}]"));
        let comma = if arguments.is_empty() { "" } else { "," };
        assert_eq!(event, format!("[\"e\"{comma}{arguments}]"));
    }

    /// The arguments of an event, and the same of an acknowledgement.
    fn both(arguments: &str, len: usize) -> [Args; 2] {
        let comma = if arguments.is_empty() { "" } else { "," };
        let event = format!("[\"e\"{comma}{arguments}]");
        [
            Args::from_array(event.into(), 1, 4 + comma.len(), len),
            Args::from_array(format!("[{arguments}]").into(), 0, 1, len),
        ]
    }

    fn read<T: FromArgs + PartialEq + fmt::Debug>(arguments: &str, len: usize) -> T {
        let [event, ack] = both(arguments, len).map(|args| args.read::<T>().unwrap());
        assert_eq!(event, ack);
        event
    }

    fn error<T: FromArgs + fmt::Debug>(arguments: &str, len: usize) -> String {
        let [event, ack] = both(arguments, len).map(|args| args.read::<T>().unwrap_err().to_string());
        assert_eq!(event, ack);
        event
    }

    #[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
    struct Named {
        a: i32,
    }

    #[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
    struct Pair(i32, String);

    #[test]
    fn a_tuple_is_an_argument_each_and_anything_else_is_one() {
        assert_written((), "");
        assert_written((1, "two", [3]), r#"1,"two",[3]"#);
        assert_written(("[]",), r#""[]""#);
        assert_written("text", r#""text""#);
        assert_written(String::from("text"), r#""text""#);
        assert_written(vec![1, 2], "[1,2]");
        assert_written(Vec::<i32>::new(), "[]");
        assert_written([1, 2], "1,2");
        assert_written([0; 0], "");
        assert_written(Named { a: 1 }, r#"{"a":1}"#);
        assert_written(Pair(1, "b".into()), r#"[1,"b"]"#);
        assert_written(None::<i32>, "null");
        assert_written(Some((1, 2)), "[1,2]");
        assert_written(json!({"x": [null]}), r#"{"x":[null]}"#);
        assert_written(((), 1), "null,1");
    }

    #[test]
    fn a_result_is_the_value_inside_of_it() {
        assert_written(Ok::<_, ()>((1, 2)), "1,2");
        assert_written(Err::<(), _>("no"), r#""no""#);
        assert_written(Ok::<(), ()>(()), "");
        assert_written((Ok::<_, ()>(1),), r#"{"Ok":1}"#);
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_an_error() {
        let map = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(map.write(&mut ArgsWriter::new(&mut Vec::new(), false)).is_err());
    }

    #[test]
    fn what_a_type_writes_it_reads() {
        assert_eq!(read::<(i32, String)>(r#"1,"two""#, 2), (1, "two".into()));
        assert_eq!(read::<[i32; 2]>("1,2", 2), [1, 2]);
        assert_eq!(read::<String>(r#""text""#, 1), "text");
        assert_eq!(read::<Vec<i32>>("[1,2]", 1), [1, 2]);
        assert_eq!(read::<Named>(r#"{"a":1}"#, 1), Named { a: 1 });
        assert_eq!(read::<Pair>(r#"[1,"b"]"#, 1), Pair(1, "b".into()));
        assert_eq!(read::<Option<i32>>("1", 1), Some(1));
        assert_eq!(read::<Value>(r#"{"x":1}"#, 1), json!({"x": 1}));
        read::<()>("", 0);
    }

    #[test]
    fn arguments_in_excess_are_ignored_and_missing_ones_are_null() {
        assert_eq!(read::<(i32,)>("1,2,[3]", 3), (1,));
        assert_eq!(read::<i32>("1,2,[3]", 3), 1);
        read::<()>("1,2", 2);
        assert_eq!(read::<(i32, Option<i32>)>("1", 1), (1, None));
        assert_eq!(read::<Option<i32>>("", 0), None);
        assert_eq!(read::<Value>("", 0), Value::Null);
        assert_eq!(read::<(Option<i32>, Option<i32>)>("", 0), (None, None));
    }

    #[test]
    fn an_argument_that_does_not_fit_is_named_by_its_index() {
        assert_eq!(
            error::<(i32, i64)>(r#"1,"b""#, 2),
            r#"argument 1: invalid type: string "b", expected i64"#
        );
        assert_eq!(error::<Named>("1", 1), "argument 0: invalid type: integer `1`, expected struct Named");
        assert_eq!(error::<String>("", 0), "argument 0: invalid type: null, expected a string");
        assert_eq!(error::<(i32, String)>("1", 1), "argument 1: invalid type: null, expected a string");
    }

    #[test]
    fn arguments_are_sent_on_as_they_came() {
        for arguments in ["", r#"1, "\u00e9" ,{"b": 1e400}"#, r#"{"_placeholder":true,"num":0}"#] {
            for args in both(arguments, usize::from(!arguments.is_empty())) {
                assert_eq!(args.json(), arguments);
                assert_written(&args, arguments);
            }
        }
        assert_written(Args::none(), "");
        let spaced = Args::from_array(r#" [ "e" , 1 ] "#.into(), 1, 9, 1);
        assert_eq!(spaced.json().trim(), "1");
    }

    #[test]
    fn binary_arguments_keep_their_attachments() {
        let mut json = Vec::new();
        let mut out = ArgsWriter::new(&mut json, false);
        (Binary::from(&b"a"[..]), json!(1), vec![Binary::from(&b"b"[..])]).write(&mut out).unwrap();
        let attachments = out.into_attachments();
        assert_eq!(attachments, ["a", "b"]);

        let mut args = Args::from_array(String::from_utf8(json).unwrap().into(), 0, 1, 3);
        args.attach(attachments);
        let (a, one, b): (Binary, i32, Vec<Binary>) = args.read().unwrap();
        assert_eq!((&a[..], one, &b[0][..]), (&b"a"[..], 1, &b"b"[..]));

        let mut again = Vec::new();
        let mut out = ArgsWriter::new(&mut again, false);
        (&args).write(&mut out).unwrap();
        assert_eq!(out.into_attachments(), ["a", "b"]);
        assert_eq!(again, *args.array.as_bytes());
    }

    #[test]
    fn the_first_argument_can_be_split_off() {
        for (json, first, rest) in [
            (r#"["e","room"]"#, "room", "[]"),
            (r#"["e","room",1,[2]]"#, "room", "[1,[2]]"),
            (r#"["e", "a,b" , {"x":1} ]"#, "a,b", r#"[ {"x":1}]"#),
        ] {
            let start = json.find(',').unwrap() + 1;
            let len = serde_json::from_str::<Vec<Value>>(json).unwrap().len() - 1;
            let args = Args::from_array(json.into(), 1, start, len);
            let (room, others) = args.split_first::<String>().unwrap();
            let mut sent = Vec::new();
            (&others).write(&mut ArgsWriter::new(&mut sent, false)).unwrap();
            assert_eq!((room.as_str(), std::str::from_utf8(&sent).unwrap()), (first, rest));
            let (second, _): (serde_json::Value, serde_json::Value) = others.read().unwrap();
            assert_eq!((others.len(), second.is_null()), (len - 1, len == 1));
        }
        let (missing, others) = Args::none().split_first::<Option<u8>>().unwrap();
        assert!(missing.is_none() && others.is_empty());
    }
}

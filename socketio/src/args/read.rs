//! How arguments become the types that handlers ask for: each is read once, when it is needed.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::UnitDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};

use super::Args;
use super::rest::given_to;
use super::shape::Shape;
use crate::args::binary::{attachments_at_hand, with_attachments};

/// A type that can read arguments: of a handler, or of an acknowledgement.
///
/// Every deserialisable type implements it. A tuple takes one argument for each element, `()` takes none, and
/// any other type takes the first argument: `[f64; 2]` and `Vec<f64>` both take the JavaScript array of
/// `emit("at", [48.1, 11.5])`. [`ToArgs`](crate::ToArgs) has a table. Further arguments are ignored. Missing
/// arguments read as `null`, so use an `Option` for them. [`Args`] takes all arguments unread, and
/// [`Rest`](crate::Rest) at the end of a tuple takes the remaining ones.
///
/// A handler without arguments takes `()`: `|socket: Socket, ()| async { .. }`. It can't leave the `()` out,
/// because the compiler could then neither infer the types of a closure's parameters nor say which of them is
/// wrong.
///
/// The server doesn't call a handler with arguments that don't fit. A handler that takes [`Args`] is always
/// called, and can answer with the error:
///
/// ```
/// # use socketio::{Args, ArgsError, Io, Socket};
/// # let io = Io::new();
/// io.on("add", |_: Socket, args: Args| async move {
///     let (a, b): (i64, i64) = args.read()?;
///     Ok::<_, ArgsError>(a + b)
/// });
/// ```
///
/// If a type can't be read, the compiler says:
///
/// ```compile_fail,E0277
/// # use socketio::{Io, Socket};
/// struct Point(f64, f64);
///
/// # let io = Io::new();
/// // `Point` can't be read from the arguments of an event or of an acknowledgement
/// io.on("at", |_: Socket, at: Point| async {});
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be read from the arguments of an event or of an acknowledgement",
    label = "this can't be read from JSON",
    note = "a type needs `#[derive(serde::Deserialize)]` and owns what it holds: `String`, not `&str`",
    note = "a handler takes the socket and one value: a tuple `(A, B)` for several arguments, `()` for none, \
            `socketio::Args` for all as they came"
)]
pub trait FromArgs: Sized {
    /// Reads the arguments.
    ///
    /// # Errors
    /// If an argument does not fit: its index.
    fn from_args(args: Args) -> Result<Self, ArgsError>;
}

impl FromArgs for Args {
    fn from_args(args: Args) -> Result<Args, ArgsError> {
        Ok(args)
    }
}

impl<T: DeserializeOwned> FromArgs for T {
    fn from_args(mut args: Args) -> Result<T, ArgsError> {
        let shape = Shape::of::<T>();
        if shape == Shape::Rest {
            let all = given_to(PhantomData::<T>, args);
            return all.map_err(|error| ArgsError { index: 0, error });
        }
        let attachments = std::mem::take(&mut args.attachments);
        let index = Cell::new(0);
        with_attachments(attachments, || T::deserialize(Positional { args: &args, shape, index: &index }))
            .map_err(|error| ArgsError { index: index.get(), error })
    }
}

/// # Reading
impl Args {
    /// The arguments as `T`: see [`FromArgs`].
    ///
    /// # Errors
    /// If an argument does not fit `T`.
    pub fn read<T: FromArgs>(&self) -> Result<T, ArgsError> {
        T::from_args(self.clone())
    }

    /// The first argument as `T`, and the others unread.
    ///
    /// # Errors
    /// If the first argument does not fit `T`. A missing one reads as `null`.
    pub fn split_first<T: DeserializeOwned>(&self) -> Result<(T, Args), ArgsError> {
        let (first,) = self.read::<(T,)>()?;
        Ok((first, self.after(1)))
    }
}

/// An argument does not fit its type.
///
/// It serialises as its message, so a handler can answer with it.
///
/// ```
/// use socketio::Args;
///
/// let error = Args::new(("Ada", "old"))?.read::<(String, u32)>().unwrap_err();
/// assert_eq!(error.index(), 1); // The second argument is not a number.
/// # Ok::<_, serde_json::Error>(())
/// ```
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
        // A line and column within one argument would be useless.
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

/// Gives a type its arguments: a tuple gets all of them, anything else the first.
struct Positional<'de, 'c> {
    args: &'de Args,
    /// What the type is that is being read.
    shape: Shape,
    /// The argument that is being read, for the error.
    index: &'c Cell<usize>,
}

/// Passes a call on to the first argument.
macro_rules! to_first {
    ($positional:ident.$method:ident($($arg:ident),*)) => {{
        let Positional { args, .. } = $positional;
        if args.is_empty() {
            return UnitDeserializer::new().$method($($arg),*);
        }
        // The deserializer stops after the first value, so what follows need not be cut off.
        serde_json::Deserializer::from_str(&args.array[args.start..]).$method($($arg),*)
    }};
}

macro_rules! first_argument {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            to_first!(self.$method($($arg,)* visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Positional<'de, '_> {
    type Error = serde_json::Error;

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.shape == Shape::None {
            return visitor.visit_unit();
        }
        to_first!(self.deserialize_unit(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        if self.shape == Shape::Tuple {
            return serde_json::Deserializer::from_str(&self.args.array)
                .deserialize_seq(Elements { visitor, positional: self });
        }
        to_first!(self.deserialize_tuple(len, visitor))
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

/// Gives a tuple's visitor the arguments, with `null`s for missing ones.
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
        let Positional { args, index, .. } = self.positional;
        for _ in 0..args.skip {
            seq.next_element::<IgnoredAny>()?;
        }
        let value = self.visitor.visit_seq(Padded { seq: &mut seq, args, next: 0, index })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

struct Padded<'s, 'c, A> {
    seq: &'s mut A,
    args: &'s Args,
    next: usize,
    index: &'c Cell<usize>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Padded<'_, '_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.index.set(self.next);
        self.next += 1;
        if Shape::of::<T::Value>() == Shape::Rest {
            self.seq.next_element::<IgnoredAny>()?;
            let rest = Args { attachments: attachments_at_hand(), ..self.args.after(self.next - 1) };
            return given_to(seed, rest).map(Some).map_err(A::Error::custom);
        }
        if self.next > self.args.len {
            return seed.deserialize(UnitDeserializer::new()).map(Some);
        }
        self.seq.next_element_seed(seed)
    }
}

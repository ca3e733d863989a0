//! How many arguments a type is.

use std::any::type_name;

use super::Rest;

/// What a Rust type is as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `()`: no argument.
    None,
    /// One argument.
    One,
    /// A tuple: one argument for each element.
    Tuple,
    /// [`Rest`]: as many as they are.
    Rest,
}

impl Shape {
    /// The shape of a type, or of what a reference refers to.
    ///
    /// serde can't tell: an array, a complex number or a point calls the same methods as a tuple does, and `null`
    /// calls the same method as `()`. So the type's name has to tell, since nothing else is known about a type that
    /// is not `'static`: a tuple's name begins with a parenthesis.
    pub(super) fn of<T: ?Sized>() -> Shape {
        let mut name = type_name::<T>();
        while let Some(referent) = name.strip_prefix('&') {
            name = referent.strip_prefix("mut ").unwrap_or(referent);
        }
        match name {
            "()" => Shape::None,
            _ if name.starts_with("(dyn ") => Shape::One,
            _ if name.starts_with('(') => Shape::Tuple,
            _ if name == type_name::<Rest>() => Shape::Rest,
            _ => Shape::One,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt::Debug;
    use std::sync::Arc;

    use super::Shape::{None, One, Tuple};
    use super::*;

    #[test]
    fn only_what_is_written_as_a_tuple_is_several_arguments() {
        fn borrowed<'a>(_: &'a str) -> Shape {
            Shape::of::<&'a (&'a str, Cow<'a, [u8]>)>()
        }
        assert_eq!([Shape::of::<()>(), Shape::of::<&()>()], [None; 2]);
        let tuples = [Shape::of::<(u8,)>(), Shape::of::<(u8, [u8; 2])>(), Shape::of::<&&mut (u8, ())>()];
        assert_eq!((tuples, borrowed("")), ([Tuple; 3], Tuple));
        let wrapped = [Shape::of::<Option<(u8, u8)>>(), Shape::of::<Box<(u8, u8)>>(), Shape::of::<Arc<()>>()];
        assert_eq!(wrapped, [One; 3]);
        let arrays = [Shape::of::<[(u8, u8); 2]>(), Shape::of::<&[(u8, u8)]>(), Shape::of::<[u8; 0]>()];
        assert_eq!(arrays, [One; 3]);
        assert_eq!([Shape::of::<Rest>(), Shape::of::<&&Rest>()], [Shape::Rest; 2]);
        assert_eq!([Shape::of::<(Rest,)>(), Shape::of::<Option<Rest>>()], [Tuple, One]);
        assert_eq!(Shape::of::<&(dyn Debug + Send)>(), One);
    }
}

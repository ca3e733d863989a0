//! What is wrong with an operation.

/// What is wrong with an operation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) kind: WrongKind,
    /// The field.
    pub(crate) at: &'static str,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongKind {
    Field,
    Namespace,
    /// It is right, and there is no room for it now.
    TooMany,
}

pub(super) fn field(at: &'static str, message: impl Into<String>) -> Wrong {
    Wrong { kind: WrongKind::Field, at, message: message.into() }
}

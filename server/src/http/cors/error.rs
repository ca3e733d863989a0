//! The errors in rules about origins.

use std::fmt;

/// Why a [`Cors`](super::Cors) can't be built.
///
/// ```
/// use socketio_server::{Cors, CorsError};
///
/// assert!(matches!(Cors::new(["example.com"]), Err(CorsError::Invalid(_)))); // The scheme is missing.
/// assert!(matches!(Cors::any().credentials(), Err(CorsError::CredentialsForAny)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsError {
    /// A list without an origin.
    NoOrigin,
    /// An empty origin.
    Empty,
    /// Not of the form `scheme://host` or `scheme://host:port`.
    Invalid(String),
    /// `*` in a list with others.
    AnyAmongOthers,
    /// Credentials for every origin.
    CredentialsForAny,
    /// Credentials for `null`, which sandboxed frames of any page send.
    CredentialsForNull,
    /// Not the name of a header field.
    HeaderName(String),
}

impl fmt::Display for CorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CorsError::NoOrigin => f.write_str("the list of origins is empty: name at least one"),
            CorsError::Empty => f.write_str("an origin can't be empty"),
            CorsError::Invalid(text) => {
                write!(f, "{text:?} is not an origin, such as https://example.com or http://localhost:8080")
            }
            CorsError::AnyAmongOthers => f.write_str("`*` allows every origin: remove the others"),
            CorsError::CredentialsForAny => {
                f.write_str("credentials can't be allowed for every origin (`*`)")
            }
            CorsError::CredentialsForNull => f.write_str(
                "credentials can't be allowed for `null`, which every page can send from a sandboxed frame",
            ),
            CorsError::HeaderName(name) => write!(f, "{name:?} can't be the name of a header field"),
        }
    }
}

impl std::error::Error for CorsError {}

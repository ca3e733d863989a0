//! Names that people give options, from other programs or from memory, and the options that they mean.

use clap::error::{ContextKind, ContextValue};

/// Names that others have for options.
const MEANT: [(&str, &str); 7] = [
    ("jwt-secret", "jwt-key"),
    ("jwt-url", "jwt-key-url"),
    ("webhook-url", "webhook"),
    ("webhook-key", "webhook-secret"),
    ("api-secret", "api-key"),
    ("port", "listen"),
    ("host", "listen"),
];

/// The option that somebody means who writes this.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    MEANT.iter().find(|(name, _)| *name == key).map(|(_, key)| *key)
}

/// The same error, which names the option that is meant, if that is known.
pub(super) fn with_what_is_meant(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg)
        && let Some(key) = meant(given.trim_start_matches('-'))
    {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{key}")));
        // It is made of what clap has guessed.
        error.insert(ContextKind::Usage, ContextValue::None);
    }
    error
}

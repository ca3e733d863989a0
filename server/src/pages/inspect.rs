//! The inspector's page: its files, by the path each is served at.

use super::{Asset, HTML, JAVASCRIPT, SVG};

/// The policy sent with each of them: everything comes from the inspector itself, nothing inline runs, and
/// what sessions carry goes nowhere.
pub(super) const POLICY: &str = "default-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// The content type and the bytes of the file at `path`, if there is one.
pub(super) fn asset(path: &str) -> Option<Asset> {
    Some(match path {
        "/" => (HTML, include_bytes!("inspect/index.html")),
        "/inspect.js" => (JAVASCRIPT, include_bytes!("inspect/inspect.js")),
        "/icon.svg" => (SVG, include_bytes!("icon.svg")),
        _ => return None,
    })
}

//! A query string, decoded as it is read.

use std::borrow::Cow;

/// Query parameters in the order sent: `application/x-www-form-urlencoded`, percent-decoded, bytes that are
/// not UTF-8 replaced.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The parameters of `query`, the part of a URL behind its `?`.
    #[must_use]
    pub fn new(query: &'a str) -> Query<'a> {
        Query(query)
    }

    /// The last parameter of that name: of several the last wins, as in the reference.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.iter().filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        form_urlencoded::parse(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_of_a_name_wins() {
        let query = Query::new("transport=polling&EIO=4&transport=websocket&x=%0d%0a+b");
        assert_eq!(query.get("transport").as_deref(), Some("websocket"));
        assert_eq!(query.get("x").as_deref(), Some("\r\n b"));
        assert_eq!(query.get("sid"), None);
    }
}

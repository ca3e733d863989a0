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
        // Every request asks for several names: only what may be the one is decoded.
        let may_be = |pair: &&str| {
            let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
            key == name || key.contains(['%', '+'])
        };
        let named = |pair: &'a str| form_urlencoded::parse(pair.as_bytes()).find(|(key, _)| key == name);
        self.0.rsplit('&').filter(may_be).find_map(named).map(|(_, value)| value)
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

    #[test]
    fn a_name_may_be_escaped_and_its_value_missing() {
        let query = Query::new("s%69d=a&b64&&j=&a+b=%31");
        assert_eq!(query.get("sid").as_deref(), Some("a"));
        assert_eq!(query.get("b64").as_deref(), Some(""));
        assert_eq!(query.get("j").as_deref(), Some(""));
        assert_eq!(query.get("a b").as_deref(), Some("1"));
        assert_eq!((query.get(""), query.get("s%69d")), (None, None));
    }
}

//! A query string, decoded as it is read.

use std::borrow::Cow;

use memchr::memchr2;

/// Query parameters in the order sent: `application/x-www-form-urlencoded`, percent-decoded, bytes that are
/// not UTF-8 replaced.
///
/// ```
/// use engineio::Query;
///
/// let query = Query::new("room=a%20b&EIO=4");
/// assert_eq!(query.get("room").as_deref(), Some("a b"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The parameters of `query`, the part of a URL after its `?`.
    #[must_use]
    pub fn new(query: &'a str) -> Query<'a> {
        Query(query)
    }

    /// The last parameter of that name. If there are several, the last one counts, as in the reference.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let [value] = self.get_all([name]);
        value
    }

    /// The last parameter of each name.
    pub(crate) fn get_all<const N: usize>(&self, names: [&str; N]) -> [Option<Cow<'a, str>>; N] {
        let mut found = [const { None }; N];
        // Hardly any query has something escaped.
        if memchr2(b'%', b'+', self.0.as_bytes()).is_some() {
            for (key, value) in self.iter() {
                if let Some(at) = names.iter().position(|name| *name == key) {
                    found[at] = Some(value);
                }
            }
            return found;
        }
        let mut rest = self.0;
        while !rest.is_empty() {
            // Most are too short for memchr to be faster.
            let end = rest.bytes().position(|byte| byte == b'&').unwrap_or(rest.len());
            let pair = &rest[..end];
            for (at, name) in names.iter().enumerate() {
                // For most pairs, the byte after the name's length shows that the name is another.
                let value = match pair.as_bytes().get(name.len()) {
                    Some(b'=') => name.len() + 1,
                    None if pair.len() == name.len() => name.len(),
                    _ => continue,
                };
                if pair.starts_with(name) {
                    found[at] = Some(Cow::Borrowed(&pair[value..]));
                }
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        found
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        form_urlencoded::parse(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: protocol/repeated-parameters
    #[test]
    fn the_last_parameter_of_a_name_wins() {
        let query = Query::new("transport=polling&EIO=4&transport=websocket&x=%0d%0a+b");
        assert_eq!(query.get("transport").as_deref(), Some("websocket"));
        assert_eq!(query.get("x").as_deref(), Some("\r\n b"));
        assert_eq!(query.get("sid"), None);
        let query = Query::new("transport=polling&EIO=4&transport=websocket");
        assert_eq!(query.get("transport").as_deref(), Some("websocket"));
        assert_eq!(query.get("EIO").as_deref(), Some("4"));
        assert_eq!((query.get("E"), query.get("sid")), (None, None));
    }

    #[test]
    fn a_name_may_be_escaped_and_its_value_missing() {
        let query = Query::new("s%69d=a&b64&&j=&a+b=%31");
        assert_eq!(query.get("sid").as_deref(), Some("a"));
        assert_eq!(query.get("b64").as_deref(), Some(""));
        assert_eq!(query.get("j").as_deref(), Some(""));
        assert_eq!(query.get("a b").as_deref(), Some("1"));
        assert_eq!((query.get(""), query.get("s%69d")), (None, None));
        let query = Query::new("&b64&&j=&b64x=1&");
        assert_eq!(query.get("b64").as_deref(), Some(""));
        assert_eq!(query.get("j").as_deref(), Some(""));
    }
}
